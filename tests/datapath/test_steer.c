/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/steer.h"

#include "classic_bpf.h"
#include "packet/sl_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_ethdev.h>
#include <rte_thash.h>

#define ROUNDS     20000
#define FRAME_SIZE 2048u

/* What the program says of a frame: the kernel takes the outermost tag and the Ethernet header off. */
static uint32_t
ask_program(const uint8_t *frame, uint32_t length)
{
	struct sock_filter program[STEER_PROGRAM_MAX];
	uint32_t n = steer_program(program), at = 14;
	uint16_t protocol = (uint16_t)(frame[12] << 8 | frame[13]);

	assert_in_range(n, 1, STEER_PROGRAM_MAX);
	if (protocol == 0x8100 || protocol == 0x88a8) {
		protocol = (uint16_t)(frame[16] << 8 | frame[17]);
		at += 4;
	}
	return classic_bpf_run(program, n,
		&(struct classic_bpf_frame){
			.bytes = frame + at, .length = length - at, .protocol = protocol});
}

/* --- Packets. --- */

struct packet {
	uint8_t bytes[FRAME_SIZE];
	uint32_t length;
	struct sl_frame frame;
	struct sl_meta meta;
};

/* Both directions of one flow, as its ends send. */
struct flow {
	uint8_t ip_version;
	uint8_t protocol;
	uint8_t n_tags;
	uint8_t n_options;
	uint8_t ends[2][16];
	uint16_t ports[2];
};

static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static uint32_t
number_of(const uint8_t *address)
{
	return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 |
		address[3];
}

static void
start(struct sl_build *build, struct packet *packet, const struct flow *flow, int from)
{
	static const uint16_t types[] = {0x8100, 0x88a8, 0x9100};
	static const uint8_t options[40] = {1, 1, 1, 1};

	memset(packet, 0, sizeof(*packet));
	sl_build_init(build, packet->bytes, sizeof(packet->bytes));
	sl_build_ethernet(build, macs[1 - from], macs[from]);
	for (uint32_t i = 0; i < flow->n_tags; i++)
		sl_build_vlan(build, types[(flow->protocol + i) % 3], (uint16_t)(100 + i));
	if (flow->ip_version == 6) {
		sl_build_ip6(build, flow->ends[from], flow->ends[1 - from]);
		return;
	}
	sl_build_ip4(build, number_of(flow->ends[from]), number_of(flow->ends[1 - from]));
	if (flow->n_options > 0)
		sl_build_ip4_options(build, options, flow->n_options);
}

static void
transport(struct sl_build *build, const struct flow *flow, int from)
{
	static const uint8_t sctp[12];

	switch (flow->protocol) {
	case IPPROTO_TCP:
		sl_build_tcp(build, flow->ports[from], flow->ports[1 - from], 1, 2, 0x10);
		break;
	case IPPROTO_UDP:
		sl_build_udp(build, flow->ports[from], flow->ports[1 - from]);
		break;
	case IPPROTO_SCTP: {
		uint8_t header[sizeof(sctp)] = {(uint8_t)(flow->ports[from] >> 8),
			(uint8_t)flow->ports[from], (uint8_t)(flow->ports[1 - from] >> 8),
			(uint8_t)flow->ports[1 - from]};

		sl_build_type(build, IPPROTO_SCTP);
		sl_build_bytes(build, header, sizeof(header));
		break;
	}
	case IPPROTO_ICMP:
		sl_build_icmp(build, from == 0 ? 8 : 0, 0, 7u << 16 | 1);
		break;
	case IPPROTO_ICMPV6:
		sl_build_icmp(build, from == 0 ? 128 : 129, 0, 7u << 16 | 1);
		break;
	default:
		sl_build_type(build, flow->protocol);
		sl_build_bytes(build, sctp, sizeof(sctp));
	}
	sl_build_bytes(build, "payload", 8);
}

static void
finish(struct sl_build *build, struct packet *packet, int from)
{
	struct sl_meta_ports ports = {0};
	struct sl_meta *meta = &packet->meta;

	packet->length = sl_build_finish(build);
	assert_int_not_equal(packet->length, 0);
	packet->frame = (struct sl_frame){
		.bytes = packet->bytes, .contiguous = packet->length, .length = packet->length};
	sl_meta_setup(
		meta, from == 0 ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND, &ports);
	sl_packet_parse(SL_LINK_ETHERNET, &packet->frame, 1, &meta);
	assert_int_equal(meta->reason, SL_REASON_NONE);
}

static void
make_packet(struct packet *packet, const struct flow *flow, int from)
{
	struct sl_build build;

	start(&build, packet, flow, from);
	transport(&build, flow, from);
	finish(&build, packet, from);
}

static void
make_flow(struct flow *flow)
{
	static const uint8_t protocols4[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP, IPPROTO_ESP};
	static const uint8_t protocols6[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMPV6};

	memset(flow, 0, sizeof(*flow));
	flow->ip_version = rand() % 2 == 0 ? 4 : 6;
	flow->protocol = flow->ip_version == 4 ? protocols4[(size_t)rand() % sizeof(protocols4)]
					       : protocols6[(size_t)rand() % sizeof(protocols6)];
	flow->n_tags = (uint8_t)(rand() % 4);
	flow->n_options =
		flow->ip_version == 4 && rand() % 3 == 0 ? (uint8_t)(4 * (rand() % 11)) : 0;
	for (int end = 0; end < 2; end++) {
		for (int i = 0; i < 16; i++)
			flow->ends[end][i] = (uint8_t)rand();
		/* Neither loopback nor multicast. */
		flow->ends[end][0] = flow->ip_version == 4 ? 10 : 0x20;
		flow->ports[end] = (uint16_t)(1 + rand() % 65535);
	}
}

static const struct steer three = {
	.kind = STEER_PROGRAM, .first = 1, .n_workers = 5, .n_queues = 3};
/* The same where questions to groups have flows. */
static const struct steer asking = {
	.kind = STEER_PROGRAM, .first = 1, .n_workers = 5, .n_queues = 3, .has_questions = true};

/* --- Tests. --- */

static void
test_kernel_and_we_agree(void **state)
{
	(void)state;
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct packet there, back;
		struct sl_flow_key key;
		struct flow flow;
		uint32_t hash;

		make_flow(&flow);
		make_packet(&there, &flow, 0);
		make_packet(&back, &flow, 1);
		hash = ask_program(there.bytes, there.length);
		assert_int_equal(hash, ask_program(back.bytes, back.length));
		assert_true(sl_flow_key_of(&there.meta, 0, &key));
		assert_int_equal(hash, steer_hash(&key));
		assert_true(sl_flow_key_of(&back.meta, 0, &key));
		assert_int_equal(hash, steer_hash(&key));
		assert_true(steer_is_plain(&three, &there.frame, true));
		assert_true(steer_is_plain(&three, &back.frame, true));
		assert_int_equal(steer_worker_of_packet(&three, &back.frame, &back.meta),
			(1 + hash % 3) % 5);
	}
}

/* All fragments of a datagram go by their addresses, the first too, and its flow by ports as well. */
static void
test_fragments_meet(void **state)
{
	(void)state;
	srand(2);
	for (int round = 0; round < ROUNDS / 10; round++) {
		struct flow flow, portless;
		struct packet first, later, whole;
		struct sl_build build;

		make_flow(&flow);
		flow.ip_version = 4;
		flow.ends[0][0] = flow.ends[1][0] = 10;
		flow.protocol = IPPROTO_UDP;
		portless = flow;
		portless.protocol = IPPROTO_ESP;
		start(&build, &first, &flow, 0);
		first.bytes[build.ip_at + 6] = 0x20;
		transport(&build, &flow, 0);
		finish(&build, &first, 0);
		start(&build, &later, &flow, 1);
		later.bytes[build.ip_at + 7] = 10;
		transport(&build, &flow, 1);
		finish(&build, &later, 1);
		make_packet(&whole, &portless, 0);
		assert_int_equal(ask_program(first.bytes, first.length),
			ask_program(whole.bytes, whole.length));
		assert_int_equal(ask_program(later.bytes, later.length),
			ask_program(whole.bytes, whole.length));
		assert_true(steer_is_plain(&three, &first.frame, true));
		assert_true(steer_is_plain(&three, &later.frame, true));
	}
}

static void
make_error(struct packet *packet, const struct flow *flow, int about, int from)
{
	struct sl_build build;
	struct packet lost;
	struct flow outer = *flow;

	make_packet(&lost, flow, about);
	/* Some router on the way says so. */
	outer.ends[from][3] ^= 0x55;
	outer.protocol = flow->ip_version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	start(&build, packet, &outer, from);
	sl_build_icmp(&build, flow->ip_version == 4 ? 3 : 1, 0, 0);
	sl_build_bytes(&build, lost.bytes + lost.meta.l3_offset, lost.length - lost.meta.l3_offset);
	finish(&build, packet, from);
}

static void
test_errors_go_where_their_flow_is(void **state)
{
	struct sl_meta_ports ports = {0};
	struct sl_meta scratch;
	int n_elsewhere = 0;

	(void)state;
	srand(3);
	sl_meta_setup(&scratch, SLUICE_DIRECTION_OUTBOUND, &ports);
	for (int round = 0; round < ROUNDS / 10; round++) {
		struct packet packet, error;
		struct flow flow;
		uint32_t worker;

		make_flow(&flow);
		make_packet(&packet, &flow, 0);
		worker = steer_worker_of_packet(&three, &packet.frame, &packet.meta);
		make_error(&error, &flow, 0, 1);
		assert_false(steer_is_plain(&three, &error.frame, true));
		assert_int_equal(steer_worker_of_frame(&three, &error.frame, &scratch, 77), worker);
		assert_int_equal(steer_worker_of_packet(&three, &error.frame, &error.meta), worker);
		n_elsewhere += (1 + ask_program(error.bytes, error.length) % 3) % 5 != worker;
		make_error(&error, &flow, 1, 0);
		assert_int_equal(steer_worker_of_frame(&three, &error.frame, &scratch, 77), worker);
	}
	assert_true(n_elsewhere > ROUNDS / 40);
}

/* IPv6 with extension headers and IP in SNAP: the wire takes them for something else. */
static void
test_what_the_wire_cannot_see(void **state)
{
	static const uint8_t snap[] = {0xaa, 0xaa, 3, 0, 0, 0, 8, 0};
	static const uint8_t fragment[6] = {0, 1, 0, 0, 0, 9};
	static const uint8_t padding[6] = {1, 4};
	struct flow flow = {.ip_version = 6,
		.protocol = IPPROTO_TCP,
		.ends = {{0x20, 1}, {0x20, 2}},
		.ports = {1000, 80}};
	struct packet plain, odd;
	struct sl_build build;
	struct sl_meta scratch = {0};
	struct sl_frame *frame = &odd.frame;
	struct sl_meta_ports ports = {0};

	(void)state;
	sl_meta_setup(&scratch, SLUICE_DIRECTION_OUTBOUND, &ports);
	make_packet(&plain, &flow, 0);
	start(&build, &odd, &flow, 0);
	sl_build_ip6_extension(&build, 60, padding, sizeof(padding));
	transport(&build, &flow, 0);
	finish(&build, &odd, 0);
	assert_false(steer_is_plain(&three, frame, true));
	assert_int_equal(steer_worker_of_frame(&three, frame, &scratch, 77),
		steer_worker_of_packet(&three, &plain.frame, &plain.meta));

	/* A fragment stays where it is. */
	start(&build, &odd, &flow, 0);
	sl_build_ip6_extension(&build, 44, fragment, sizeof(fragment));
	transport(&build, &flow, 0);
	sl_build_bytes(&build, "more", 4);
	finish(&build, &odd, 0);
	assert_false(steer_is_plain(&three, frame, true));
	assert_int_equal(steer_worker_of_frame(&three, frame, &scratch, 77), 77);

	flow.ip_version = 4;
	flow.ends[0][0] = flow.ends[1][0] = 10;
	make_packet(&plain, &flow, 0);
	memcpy(odd.bytes, plain.bytes, 12);
	odd.bytes[12] = 0;
	odd.bytes[13] = (uint8_t)(plain.length - 14 + sizeof(snap));
	memcpy(odd.bytes + 14, snap, sizeof(snap));
	memcpy(odd.bytes + 14 + sizeof(snap), plain.bytes + 14, plain.length - 14);
	odd.frame.length = odd.frame.contiguous = plain.length + (uint32_t)sizeof(snap);
	assert_false(steer_is_plain(&three, frame, true));
	assert_int_equal(steer_worker_of_frame(&three, frame, &scratch, 77),
		steer_worker_of_packet(&three, &plain.frame, &plain.meta));
}

/* Cut anywhere, a frame is answered and nothing behind it is read (the sanitizer watches). */
static void
test_short_frames(void **state)
{
	struct flow flow;

	(void)state;
	srand(4);
	for (int round = 0; round < 50; round++) {
		struct packet packet;
		uint64_t hash;

		make_flow(&flow);
		/* Every other one asks a group. */
		if (round % 2 == 0)
			flow.ends[1][0] = flow.ip_version == 4 ? 239 : 0xff;
		make_packet(&packet, &flow, 0);
		for (uint32_t n = 0; n <= packet.length; n++) {
			uint8_t *bytes = malloc(n + 1);
			struct sl_frame frame = {.bytes = bytes, .contiguous = n, .length = n};

			memcpy(bytes, packet.bytes, n);
			(void)steer_is_plain(&asking, &frame, true);
			(void)steer_see_end(&frame, &hash);
			if (n >= 18)
				(void)ask_program(bytes, n);
			free(bytes);
		}
	}
}

/* A question to a group goes by its local end alone, whatever group, and TCP and what comes in go as ever. */
static void
test_questions_go_by_who_asks(void **state)
{
	uint32_t n_elsewhere = 0;

	(void)state;
	srand(7);
	for (int round = 0; round < ROUNDS; round++) {
		struct packet first, second, in;
		struct sl_meta scratch = {0};
		struct sl_meta_ports ports = {0};
		struct sl_flow_key key;
		struct flow flow;
		uint32_t worker;

		make_flow(&flow);
		sl_meta_setup(&scratch, SLUICE_DIRECTION_OUTBOUND, &ports);
		flow.ends[1][0] = flow.ip_version == 4 ? (uint8_t)(224 + rand() % 16) : 0xff;
		make_packet(&first, &flow, 0);
		make_packet(&in, &flow, 1);
		memset(flow.ends[1], 255, 4);
		if (flow.protocol != IPPROTO_ICMP && flow.protocol != IPPROTO_ICMPV6)
			flow.ports[1]++;
		make_packet(&second, &flow, 0);
		assert_true(steer_is_plain(&asking, &in.frame, false));
		assert_true(steer_is_plain(&three, &first.frame, true));
		assert_int_equal(
			steer_is_plain(&asking, &first.frame, true), flow.protocol == IPPROTO_TCP);
		if (flow.protocol == IPPROTO_TCP)
			continue;
		worker = steer_worker_of_frame(&asking, &first.frame, &scratch, 77);
		assert_int_equal(
			steer_worker_of_frame(&asking, &second.frame, &scratch, 77), worker);
		assert_int_equal(
			steer_worker_of_packet(&asking, &first.frame, &first.meta), worker);
		/* Where the flow is looked for, and kept over a restart. */
		assert_true(sl_flow_key_of(&first.meta, 9, &key));
		sl_flow_key_wildcard(&key);
		assert_int_equal(steer_worker(&asking, &key), worker);
		n_elsewhere += worker != steer_worker_of_packet(&three, &first.frame, &first.meta);
	}
	assert_true(n_elsewhere > ROUNDS / 4);
}

/* A glance at an answer tells the end that it is for; questions and other answers of that end have the same. */
static void
test_ends_are_seen(void **state)
{
	(void)state;
	srand(8);
	for (int round = 0; round < ROUNDS; round++) {
		struct packet there, back;
		struct sl_flow_key key;
		struct flow flow;
		uint64_t hash, asked;
		bool is_seen;

		make_flow(&flow);
		make_packet(&there, &flow, 0);
		flow.ends[1][3]++;
		make_packet(&back, &flow, 1);
		is_seen = steer_see_end(&back.frame, &hash);
		assert_int_equal(is_seen, flow.protocol != IPPROTO_TCP);
		assert_true(sl_flow_key_of(&there.meta, 5, &key));
		sl_flow_key_wildcard(&key);
		asked = steer_end_hash(&key);
		assert_true(!is_seen || hash == asked);
		assert_true(sl_flow_key_of(&back.meta, 5, &key));
		assert_true(!is_seen || hash == steer_end_hash(&key));
		key.local[3] ^= 1;
		assert_int_not_equal(asked, steer_end_hash(&key));
	}
}

static void
test_flows_spread(void **state)
{
	uint32_t n_of[3] = {0};

	(void)state;
	/* One server, hosts of one network, ports in order: the least that varies. */
	for (uint32_t i = 0; i < 30000; i++) {
		struct sl_flow_key key = {.local = {10, 0, 0, (uint8_t)(i % 100)},
			.remote = {10, 0, 1, 1},
			.local_port = (uint16_t)(32768 + i / 100),
			.remote_port = 443,
			.protocol = IPPROTO_TCP,
			.ip_version = 4};

		n_of[(steer_worker(&three, &key) + 5 - 1) % 5]++;
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_in_range(n_of[i], 9000, 11000);
}

/* The same as a NIC would: both ways one place, ports only of what it was asked for. */
static void
test_nics(void **state)
{
	struct steer nic = {.kind = STEER_RSS,
		.n_workers = 4,
		.n_queues = 4,
		.rss_types = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP,
		.n_places = 128};
	uint32_t seen = 0;

	(void)state;
	srand(5);
	for (uint32_t i = 0; i < nic.n_places; i++)
		nic.places[i] = (uint16_t)(i * 7 % 4);
	for (int round = 0; round < 1000; round++) {
		uint32_t tuple[3], worker;
		struct sl_flow_key key;
		struct packet packet;
		struct flow flow;

		make_flow(&flow);
		flow.ip_version = 4;
		flow.protocol = round % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		make_packet(&packet, &flow, round / 2 % 2);
		assert_true(sl_flow_key_of(&packet.meta, 0, &key));
		worker = steer_worker(&nic, &key);
		for (int from = 0; from < 2; from++) {
			tuple[0] = number_of(flow.ends[from]);
			tuple[1] = number_of(flow.ends[1 - from]);
			tuple[2] = (uint32_t)flow.ports[from] << 16 | flow.ports[1 - from];
			assert_int_equal(worker,
				nic.places[rte_softrss(
						   tuple, round % 2 == 0 ? 3 : 2, steer_rss_key) %
					128]);
		}
		seen |= 1u << worker;
	}
	assert_int_equal(seen, 0xf);
}

/* Queues that mean nothing: every packet is looked at. */
static void
test_software(void **state)
{
	struct steer soft = three;
	struct sl_meta_ports ports = {0};
	struct sl_meta scratch;
	struct flow flow;
	struct packet there, back;

	(void)state;
	soft.kind = STEER_SOFTWARE;
	srand(6);
	sl_meta_setup(&scratch, SLUICE_DIRECTION_OUTBOUND, &ports);
	for (int round = 0; round < 100; round++) {
		make_flow(&flow);
		make_packet(&there, &flow, 0);
		make_packet(&back, &flow, 1);
		assert_false(steer_is_plain(&soft, &there.frame, true));
		assert_int_equal(steer_worker_of_frame(&soft, &there.frame, &scratch, 77),
			steer_worker_of_packet(&soft, &there.frame, &there.meta));
		assert_int_equal(steer_worker_of_frame(&soft, &there.frame, &scratch, 77),
			steer_worker_of_frame(&soft, &back.frame, &scratch, 77));
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_and_we_agree),
		cmocka_unit_test(test_fragments_meet),
		cmocka_unit_test(test_errors_go_where_their_flow_is),
		cmocka_unit_test(test_what_the_wire_cannot_see),
		cmocka_unit_test(test_short_frames),
		cmocka_unit_test(test_questions_go_by_who_asks),
		cmocka_unit_test(test_ends_are_seen),
		cmocka_unit_test(test_flows_spread),
		cmocka_unit_test(test_nics),
		cmocka_unit_test(test_software),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
