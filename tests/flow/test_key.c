/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include "flow/sl_flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Keys of packets and of what ICMP errors carry: the same for both directions, and for nothing else. */

#define IN   SLUICE_DIRECTION_INBOUND
#define OUT  SLUICE_DIRECTION_OUTBOUND
#define ZONE 7

/* A packet being built, in memory of its own. */
struct draft {
	uint8_t bytes[1024];
	struct sl_build build;
};

/* Addresses of two hosts; in() and out() are who sends. */
static const uint8_t inside4[4] = {10, 1, 2, 3}, outside4[4] = {203, 0, 113, 9};
static const uint8_t inside6[16] = {0x20, 1, 0xd, 0xb8, 1, [15] = 3};
static const uint8_t outside6[16] = {0x20, 1, 0xd, 0xb8, 2, [15] = 9};

static uint32_t
host4(const uint8_t address[4])
{
	return (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 |
		address[3];
}

static void
start(struct draft *draft, bool is_ip6, enum sluice_direction direction)
{
	bool is_out = direction == OUT;

	sl_build_init(&draft->build, draft->bytes, sizeof(draft->bytes));
	if (is_ip6)
		sl_build_ip6(
			&draft->build, is_out ? inside6 : outside6, is_out ? outside6 : inside6);
	else
		sl_build_ip4(&draft->build, host4(is_out ? inside4 : outside4),
			host4(is_out ? outside4 : inside4));
}

static uint32_t n_plain; /* keys that the short way gave, too */

static bool
key_of_draft(struct draft *draft, enum sl_link_type link, enum sluice_direction direction,
	struct sl_flow_key *key)
{
	uint32_t len = sl_build_finish(&draft->build);
	struct sl_flow_key plain;
	struct sl_meta meta;
	bool has_key;

	assert_true(len > 0);
	workbench_meta(&meta, direction);
	assert_null(workbench_parse(link, direction, draft->bytes, len, len, &meta));
	assert_int_equal(meta.reason, SL_REASON_NONE);
	has_key = sl_flow_key_of(&meta, ZONE, key);
	memset(&plain, 0xff, sizeof(plain));
	if (sl_flow_key_of_plain(&meta, ZONE, &plain)) {
		assert_true(has_key);
		assert_memory_equal(&plain, key, sizeof(plain));
		n_plain++;
	}
	return has_key;
}

static void
check_addresses(const struct sl_flow_key *key, bool is_ip6)
{
	static const uint8_t zero[12];

	assert_int_equal(key->ip_version, is_ip6 ? 6 : 4);
	assert_int_equal(key->domain, (uint32_t)ZONE << 24);
	assert_memory_equal(key->local, is_ip6 ? inside6 : inside4, is_ip6 ? 16 : 4);
	assert_memory_equal(key->remote, is_ip6 ? outside6 : outside4, is_ip6 ? 16 : 4);
	if (!is_ip6) {
		assert_memory_equal(key->local + 4, zero, 12);
		assert_memory_equal(key->remote + 4, zero, 12);
	}
}

static void
put_transport(struct sl_build *build, uint8_t protocol, uint16_t src, uint16_t dst)
{
	uint8_t sctp[12] = {(uint8_t)(src >> 8), (uint8_t)src, (uint8_t)(dst >> 8), (uint8_t)dst};

	switch (protocol) {
	case 6:
		sl_build_tcp(build, src, dst, 1000, 0, 2);
		break;
	case 17:
		sl_build_udp(build, src, dst);
		break;
	case 132:
		sl_build_type(build, protocol);
		sl_build_bytes(build, sctp, sizeof(sctp));
		break;
	default:
		sl_build_type(build, protocol);
		sl_build_bytes(build, "nothing known", 13);
		break;
	}
}

/* Both directions have one key, whose local end is the host inside. */
static void
test_both_directions(void **state)
{
	static const uint8_t protocols[] = {6, 17, 132, 50, 253};

	(void)state;
	for (uint32_t i = 0; i < 2 * sizeof(protocols); i++) {
		uint8_t protocol = protocols[i / 2];
		bool is_ip6 = i % 2 == 1, has_ports = i / 2 < 3;
		struct sl_flow_key out, in;
		struct draft draft;

		start(&draft, is_ip6, OUT);
		put_transport(&draft.build, protocol, 40000, 443);
		assert_true(key_of_draft(&draft, SL_LINK_IP, OUT, &out));
		start(&draft, is_ip6, IN);
		put_transport(&draft.build, protocol, 443, 40000);
		assert_true(key_of_draft(&draft, SL_LINK_IP, IN, &in));
		assert_memory_equal(&in, &out, sizeof(in));
		check_addresses(&out, is_ip6);
		assert_int_equal(out.protocol, protocol);
		assert_int_equal(out.local_port, has_ports ? 40000 : 0);
		assert_int_equal(out.remote_port, has_ports ? 443 : 0);
		assert_int_equal(out.is_icmp_query, 0);
		/* The same ports the other way round are another conversation. */
		if (!has_ports)
			continue;
		start(&draft, is_ip6, IN);
		put_transport(&draft.build, protocol, 40000, 443);
		assert_true(key_of_draft(&draft, SL_LINK_IP, IN, &in));
		assert_memory_not_equal(&in, &out, sizeof(in));
	}
}

static void
key_of_icmp(bool is_ip6, enum sluice_direction direction, uint8_t type, uint8_t code, uint32_t rest,
	struct sl_flow_key *key)
{
	struct draft draft;

	start(&draft, is_ip6, direction);
	sl_build_icmp(&draft.build, type, code, rest);
	sl_build_bytes(&draft.build, "data", 4);
	assert_true(key_of_draft(&draft, SL_LINK_IP, direction, key));
	check_addresses(key, is_ip6);
}

/* A request and its reply have one key: identifier and type of the request. */
static void
test_icmp_queries(void **state)
{
	static const struct {
		bool is_ip6;
		uint8_t request;
		uint8_t reply;
	} rows[] = {
		{false, 8, 0}, {false, 13, 14}, {false, 15, 16}, {false, 17, 18}, {true, 128, 129}};
	struct sl_flow_key request, reply, other;

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		key_of_icmp(rows[i].is_ip6, OUT, rows[i].request, 0, 0x12340001, &request);
		key_of_icmp(rows[i].is_ip6, IN, rows[i].reply, 0, 0x12340001, &reply);
		assert_memory_equal(&request, &reply, sizeof(reply));
		assert_int_equal(request.local_port, 0x1234);
		assert_int_equal(request.remote_port, rows[i].request);
		assert_int_equal(request.is_icmp_query, 1);
		key_of_icmp(rows[i].is_ip6, OUT, rows[i].request, 0, 0x12350001, &other);
		assert_memory_not_equal(&request, &other, sizeof(other));
		/* Who was asked cannot ask with the same identifier. */
		key_of_icmp(rows[i].is_ip6, IN, rows[i].request, 0, 0x12340001, &other);
		assert_int_equal(other.is_icmp_query, 2);
		key_of_icmp(rows[i].is_ip6, OUT, rows[i].reply, 0, 0x12340001, &reply);
		assert_memory_equal(&reply, &other, sizeof(other));
		/* Sequence numbers do not tell flows apart. */
		key_of_icmp(rows[i].is_ip6, OUT, rows[i].request, 0, 0x12340099, &other);
		assert_memory_equal(&request, &other, sizeof(other));
	}
}

static void
test_icmp_others(void **state)
{
	struct sl_flow_key key, query;

	(void)state;
	key_of_icmp(true, OUT, 135, 0, 0, &key);
	assert_int_equal(key.local_port, 135);
	assert_int_equal(key.remote_port, 0);
	assert_int_equal(key.is_icmp_query, 0);
	key_of_icmp(false, OUT, 10, 8, 0, &key);
	assert_int_equal(key.local_port, 10);
	assert_int_equal(key.remote_port, 8);
	/* An echo request with identifier 10 is something else. */
	key_of_icmp(false, OUT, 8, 0, 10 << 16, &query);
	assert_int_equal(query.local_port, 10);
	assert_int_equal(query.remote_port, 8);
	assert_memory_not_equal(&key, &query, sizeof(key));
	/* ICMP over IPv6 is a protocol without ports. */
	{
		struct draft draft;

		start(&draft, true, OUT);
		put_transport(&draft.build, 1, 0, 0);
		assert_true(key_of_draft(&draft, SL_LINK_IP, OUT, &key));
		assert_int_equal(key.protocol, 1);
		assert_int_equal(key.local_port + key.remote_port + key.is_icmp_query, 0);
	}
}

static void
test_domain(void **state)
{
	static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};
	static const uint16_t tcis[] = {0xe123, 0x2456, 0x0789};

	(void)state;
	for (uint32_t n = 0; n <= 3; n++) {
		struct sl_flow_key key;
		struct draft draft;
		uint32_t domain = (uint32_t)ZONE << 24;

		sl_build_init(&draft.build, draft.bytes, sizeof(draft.bytes));
		sl_build_ethernet(&draft.build, macs[0], macs[1]);
		for (uint32_t i = 0; i < n; i++)
			sl_build_vlan(&draft.build, i == 0 ? 0x88a8 : 0x8100, tcis[i]);
		sl_build_ip4(&draft.build, host4(inside4), host4(outside4));
		sl_build_udp(&draft.build, 1, 2);
		assert_true(key_of_draft(&draft, SL_LINK_ETHERNET, OUT, &key));
		/* Priorities are no part of it, nor is the third tag. */
		domain |= (n > 0 ? 0x123u << 12 : 0) | (n > 1 ? 0x456u : 0);
		assert_int_equal(key.domain, domain);
	}
}

static void
test_none(void **state)
{
	static const char *const none[] = {"arp", "icmp_unreachable"};
	struct sl_flow_key key;
	struct sl_meta meta;

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(none); i++) {
		workbench_sample(none[i], IN, &meta);
		assert_false(sl_flow_key_of(&meta, 0, &key));
	}
}

static void
test_wildcard(void **state)
{
	struct sl_flow_key key, before;
	struct draft draft;

	(void)state;
	start(&draft, false, OUT);
	sl_build_udp(&draft.build, 5353, 5353);
	assert_true(key_of_draft(&draft, SL_LINK_IP, OUT, &key));
	before = key;
	sl_flow_key_wildcard(&key);
	assert_int_equal(key.remote_port, 0);
	assert_memory_equal(key.remote, (const uint8_t[16]){0}, 16);
	assert_int_equal(key.local_port, 5353);
	assert_memory_equal(key.local, before.local, 16);
	assert_int_equal(key.protocol, 17);
}

/* --- ICMP errors. --- */

/* An error that goes `direction`, about the packet in `about`, of which it has `n` bytes. */
static bool
key_of_error(struct draft *about, uint32_t n, bool is_ip6, enum sluice_direction direction,
	struct sl_flow_key *key, uint32_t *seq, bool *has_seq)
{
	struct draft draft;
	struct sl_frame frame;
	struct sl_meta meta;
	uint8_t *exact;
	bool is_known;

	start(&draft, is_ip6, direction);
	sl_build_icmp(&draft.build, is_ip6 ? 1 : 3, 3, 0);
	sl_build_bytes(&draft.build, about->bytes, n);
	frame = (struct sl_frame){.length = sl_build_finish(&draft.build)};
	frame.contiguous = frame.length;
	/* In memory of its size, where a sanitizer sees what reads beyond. */
	exact = malloc(frame.length);
	assert_non_null(exact);
	memcpy(exact, draft.bytes, frame.length);
	frame.bytes = exact;
	workbench_meta(&meta, direction);
	sl_packet_parse(SL_LINK_IP, &frame, 1, (struct sl_meta *[]){&meta});
	assert_int_equal(meta.reason, SL_REASON_NONE);
	assert_false(sl_flow_key_of(&meta, ZONE, key));
	is_known = sl_flow_key_of_error(&frame, &meta, ZONE, key, seq, has_seq);
	free(exact);
	return is_known;
}

/* What comes back has the key of what went out, whichever way that was. */
static void
test_error(void **state)
{
	static const uint8_t protocols[] = {6, 17, 132, 50};

	(void)state;
	for (uint32_t i = 0; i < 16; i++) {
		enum sluice_direction sent = i & 1 ? OUT : IN;
		bool is_ip6 = i & 2, has_seq;
		uint8_t protocol = protocols[i / 4];
		struct sl_flow_key key, error;
		struct draft about;
		uint32_t seq, header = is_ip6 ? 40 : 20, whole;

		start(&about, is_ip6, sent);
		put_transport(&about.build, protocol, 1111, 2222);
		assert_true(key_of_draft(&about, SL_LINK_IP, sent, &key));
		whole = about.build.len;
		for (uint32_t n = header + 8; n <= whole; n++) {
			assert_true(key_of_error(&about, n, is_ip6, !sent, &error, &seq, &has_seq));
			assert_memory_equal(&error, &key, sizeof(key));
			assert_int_equal(has_seq, protocol == 6);
			if (has_seq)
				assert_int_equal(seq, 1000);
		}
		for (uint32_t n = 0; n < header + 8; n++) {
			bool is_known =
				key_of_error(&about, n, is_ip6, !sent, &error, &seq, &has_seq);

			assert_int_equal(is_known, n >= header + (protocol == 50 ? 0 : 4));
			assert_false(has_seq);
		}
	}
}

/* IPv6 extension headers stand in front of the ports. */
static void
test_error_chain(void **state)
{
	struct sl_flow_key key, error;
	struct draft about;
	uint32_t seq;
	bool has_seq;

	(void)state;
	start(&about, true, OUT);
	sl_build_ip6_extension(&about.build, 0, "\x01\x04\0\0\0", 6);
	sl_build_ip6_extension(&about.build, 60, "\x01\x04\0\0\0", 6);
	sl_build_tcp(&about.build, 40000, 80, 77, 0, 2);
	assert_true(key_of_draft(&about, SL_LINK_IP, OUT, &key));
	assert_true(key_of_error(&about, about.build.len, true, IN, &error, &seq, &has_seq));
	assert_memory_equal(&error, &key, sizeof(key));
	assert_true(has_seq);
	assert_int_equal(seq, 77);
	assert_false(key_of_error(&about, 40 + 8, true, IN, &error, &seq, &has_seq));
}

static void
test_error_icmp(void **state)
{
	struct sl_flow_key key, error;
	struct draft about;
	uint32_t seq;
	bool has_seq;

	(void)state;
	start(&about, false, OUT);
	sl_build_icmp(&about.build, 8, 0, 0xabcd0001);
	assert_true(key_of_draft(&about, SL_LINK_IP, OUT, &key));
	assert_true(key_of_error(&about, 28, false, IN, &error, &seq, &has_seq));
	assert_memory_equal(&error, &key, sizeof(key));
	assert_false(key_of_error(&about, 27, false, IN, &error, &seq, &has_seq));
	/* An error about an error is about nothing. */
	start(&about, false, OUT);
	sl_build_icmp(&about.build, 3, 1, 0);
	sl_build_finish(&about.build);
	assert_false(key_of_error(&about, 28, false, IN, &error, &seq, &has_seq));
}

static void
test_error_strange(void **state)
{
	struct sl_flow_key key;
	struct draft about;
	uint32_t seq;
	bool has_seq;

	(void)state;
	/* It goes to a host that did not send the packet: whoever made it up wanted it to arrive there. */
	start(&about, false, OUT);
	sl_build_udp(&about.build, 1, 2);
	sl_build_finish(&about.build);
	about.bytes[15] ^= 1;
	assert_false(key_of_error(&about, 28, false, IN, &key, &seq, &has_seq));
	start(&about, true, OUT);
	sl_build_udp(&about.build, 1, 2);
	sl_build_finish(&about.build);
	about.bytes[23] ^= 1;
	assert_false(key_of_error(&about, 48, true, IN, &key, &seq, &has_seq));
	/* The packet was a later fragment: its ports are not known. */
	start(&about, false, OUT);
	sl_build_udp(&about.build, 1, 2);
	sl_build_finish(&about.build);
	about.bytes[7] = 10;
	assert_false(key_of_error(&about, 28, false, IN, &key, &seq, &has_seq));
}

/* The short way to a key has been compared with the long one. */
static int
check_plain(void **state)
{
	(void)state;
	return n_plain > 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_directions),
		cmocka_unit_test(test_icmp_queries),
		cmocka_unit_test(test_icmp_others),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_error_chain),
		cmocka_unit_test(test_error_icmp),
		cmocka_unit_test(test_error_strange),
	};

	return cmocka_run_group_tests(tests, NULL, check_plain);
}
