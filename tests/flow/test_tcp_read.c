/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_tcp.h"

#include "base/sl_compiler.h"
#include "packet/sl_build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIN 1
#define SYN 2
#define PSH 8
#define ACK 16

/* A packet with those options and payload, parsed, and what is read of it. */
struct bench {
	uint8_t bytes[512];
	struct sl_build build;
	struct sl_frame frame;
	struct sl_meta meta;
	struct sl_tcp_segment segment;
};

static void
start(struct bench *bench, uint8_t ip_version, uint8_t flags)
{
	static const uint8_t mac[6] = {2}, ip6[16] = {0xfd};

	sl_build_init(&bench->build, bench->bytes, sizeof(bench->bytes));
	sl_build_ethernet(&bench->build, mac, mac);
	if (ip_version == 4)
		sl_build_ip4(&bench->build, 0x0a000001, 0x0a000002);
	else
		sl_build_ip6(&bench->build, ip6, ip6);
	sl_build_tcp(&bench->build, 1000, 80, 0xfedcba98, 0x12345678, flags);
	bench->bytes[bench->build.l4_at + 14] = 0xab;
	bench->bytes[bench->build.l4_at + 15] = 0xcd;
}

static void
parse(struct bench *bench)
{
	static const struct sl_meta_ports ports = {0};
	struct sl_meta *meta = &bench->meta;

	bench->frame = (struct sl_frame){
		.bytes = bench->bytes,
		.contiguous = bench->build.len,
		.length = bench->build.len,
	};
	sl_meta_setup(meta, SLUICE_DIRECTION_INBOUND, &ports);
	sl_packet_parse(SL_LINK_ETHERNET, &bench->frame, 1, &meta);
}

static bool
finish(struct bench *bench)
{
	assert_int_not_equal(sl_build_finish(&bench->build), 0);
	parse(bench);
	memset(&bench->segment, 0xee, sizeof(bench->segment));
	return sl_tcp_read(&bench->frame, &bench->meta, &bench->segment);
}

static void
put32(uint8_t *at, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(number >> (24 - 8 * i));
}

static void
test_members(void **state)
{
	static const uint8_t versions[] = {4, 6};
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(versions); i++) {
		start(&bench, versions[i], PSH | ACK);
		sl_build_bytes(&bench.build, "hello", 5);
		assert_true(finish(&bench));
		assert_int_equal(bench.segment.seq, 0xfedcba98);
		assert_int_equal(bench.segment.ack, 0x12345678);
		assert_int_equal(bench.segment.window, 0xabcd);
		assert_int_equal(bench.segment.flags, PSH | ACK);
		assert_int_equal(bench.segment.payload, 5);
		assert_int_equal(bench.segment.length, 5);
		assert_int_equal(bench.segment.scale, 0xff);
		assert_false(bench.segment.has_timestamps);
	}
}

/* SYN and FIN take a number each; ECE and CWR are nobody's business. */
static void
test_length(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, 4, SYN);
	assert_true(finish(&bench));
	assert_int_equal(bench.segment.length, 1);
	start(&bench, 4, FIN | ACK | 0xc0);
	sl_build_bytes(&bench.build, "hello", 5);
	assert_true(finish(&bench));
	assert_int_equal(bench.segment.length, 6);
	assert_int_equal(bench.segment.payload, 5);
	assert_int_equal(bench.segment.flags, FIN | ACK);
}

/* Bytes behind the IP packet are not payload. */
static void
test_padding_is_not_payload(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, 4, ACK);
	assert_int_not_equal(sl_build_finish(&bench.build), 0);
	memset(bench.bytes + bench.build.len, 0x55, 6);
	bench.build.len += 6;
	parse(&bench);
	assert_true(sl_tcp_read(&bench.frame, &bench.meta, &bench.segment));
	assert_int_equal(bench.segment.length, 0);
}

static void
read_options(struct bench *bench, uint8_t flags, const void *options, uint32_t n)
{
	start(bench, 4, flags);
	sl_build_tcp_options(&bench->build, options, n);
	assert_true(finish(bench));
}

static void
test_options(void **state)
{
	static const uint8_t usual[] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
	static const uint8_t behind_end[] = {1, 1, 0, 3, 3, 7, 1, 1};
	static const uint8_t odd_sizes[] = {3, 4, 7, 0, 8, 4, 1, 1};
	static const uint8_t large[] = {3, 3, 200, 1};
	struct bench bench;

	(void)state;
	read_options(&bench, SYN, usual, sizeof(usual));
	assert_int_equal(bench.segment.scale, 7);
	assert_true(bench.segment.has_timestamps);
	/* A scale counts in a SYN only (RFC 7323 2.2). */
	read_options(&bench, ACK, usual, sizeof(usual));
	assert_int_equal(bench.segment.scale, 0xff);
	read_options(&bench, SYN | ACK, behind_end, sizeof(behind_end));
	assert_int_equal(bench.segment.scale, 0xff);
	read_options(&bench, SYN, odd_sizes, sizeof(odd_sizes));
	assert_int_equal(bench.segment.scale, 0xff);
	assert_false(bench.segment.has_timestamps);
	read_options(&bench, SYN, large, sizeof(large));
	assert_int_equal(bench.segment.scale, 14);
}

static void
test_what_is_not_read(void **state)
{
	struct bench bench;

	(void)state;
	start(&bench, 4, ACK);
	assert_true(finish(&bench));
	bench.frame.contiguous -= 1;
	assert_false(sl_tcp_read(&bench.frame, &bench.meta, &bench.segment));
	/* Another protocol. */
	bench.bytes[bench.build.ip_at + 9] = 17;
	sl_build_ip4_checksum(bench.bytes + bench.build.ip_at);
	parse(&bench);
	assert_false(sl_tcp_read(&bench.frame, &bench.meta, &bench.segment));
	/* A later fragment. */
	bench.bytes[bench.build.ip_at + 9] = 6;
	bench.bytes[bench.build.ip_at + 7] = 100;
	sl_build_ip4_checksum(bench.bytes + bench.build.ip_at);
	parse(&bench);
	assert_false(sl_tcp_read(&bench.frame, &bench.meta, &bench.segment));
	/* What the parser refuses. */
	start(&bench, 4, ACK);
	bench.bytes[bench.build.l4_at + 12] = 0x40;
	assert_false(finish(&bench));
}

/* A connection from outside, established, both scaled by 2. */
static void
establish(struct sl_tcp *tcp)
{
	static const struct sl_tcp_segment segments[] = {
		{.seq = 99, .length = 1, .flags = SYN, .window = 1000, .scale = 2},
		{.seq = 299,
			.ack = 100,
			.length = 1,
			.flags = SYN | ACK,
			.window = 1000,
			.scale = 2},
		{.seq = 100, .ack = 300, .flags = ACK, .window = 250, .scale = 0xff},
	};
	struct sl_tcp_step step;

	sl_tcp_open(tcp, &segments[0], SLUICE_DIRECTION_INBOUND, SL_FLOW_MIDSTREAM_DROP, &step);
	sl_tcp_next(tcp, &segments[1], SLUICE_DIRECTION_OUTBOUND, SL_FLOW_TCP_STRICT, &step);
	sl_tcp_next(tcp, &segments[2], SLUICE_DIRECTION_INBOUND, SL_FLOW_TCP_STRICT, &step);
	assert_true(step.is_established);
}

/* The short way is right or does nothing: numbers about every bound, with any flags. */
static void
test_ride_is_next(void **state)
{
	static const uint8_t flags[] = {ACK, ACK, ACK, PSH | ACK, FIN | ACK, SYN, 4, PSH, 0};
	uint32_t random = 1, n_ridden = 0;
	struct sl_tcp before, ridden, tcp;
	struct sl_tcp_step step;
	struct bench bench;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		if (i % 50 == 0)
			establish(&tcp);
		random = random * 1664525 + 1013904223;
		start(&bench, 4, flags[(random >> 8) % SL_ARRAY_LEN(flags)]);
		sl_build_append(&bench.build, (random >> 12) % 100);
		bench.bytes[bench.build.l4_at + 14] = (uint8_t)((random >> 28) % 4);
		put32(bench.bytes + bench.build.l4_at + 4,
			tcp.side[1].end - 1500 + (random >> 9) % 3000);
		put32(bench.bytes + bench.build.l4_at + 8,
			tcp.side[0].end - 3000 + (random >> 5) % 3010);
		assert_true(finish(&bench));
		before = ridden = tcp;
		sl_tcp_next(
			&tcp, &bench.segment, SLUICE_DIRECTION_INBOUND, SL_FLOW_TCP_STRICT, &step);
		if (sl_tcp_ride(&ridden, &bench.frame, &bench.meta)) {
			n_ridden++;
			assert_int_equal(step.reason, SL_REASON_NONE);
			assert_memory_equal(&ridden, &tcp, sizeof(tcp));
		} else {
			assert_memory_equal(&ridden, &before, sizeof(before));
			assert_true(step.reason != SL_REASON_NONE || bench.segment.flags != ACK ||
				tcp.state != SL_TCP_ESTABLISHED || tcp.fresh != 0);
		}
		if (step.is_reopening)
			establish(&tcp);
	}
	assert_in_range(n_ridden, 500, 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_padding_is_not_payload),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_what_is_not_read),
		cmocka_unit_test(test_ride_is_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
