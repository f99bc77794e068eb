/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The example of RFC 1071, section 3. */
static void
test_sum(void **state)
{
	static const uint8_t bytes[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint32_t sum = sl_build_sum(bytes, 8, 0);

	(void)state;
	assert_int_equal(sl_build_checksum(sum), 0xffff - 0xddf2);
	assert_int_equal(sl_build_sum(bytes + 4, 4, sl_build_sum(bytes, 4, 0)), sum);
	/* An odd last byte counts as if a zero followed. */
	assert_int_equal(sl_build_sum(bytes, 7, 0), sum - 0xf7);
	assert_int_equal(sl_build_sum(bytes, 0, 5), 5);
}

static void
test_sum_of_much(void **state)
{
	static uint8_t ones[131070];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(sl_build_checksum(sl_build_sum(ones, sizeof(ones), 0)), 0);
	assert_int_equal(sl_build_checksum(sl_build_sum(ones, sizeof(ones), 0xffffffff)), 0);
}

/* A header seen on a real network. */
static void
test_ip4_checksum(void **state)
{
	uint8_t ip[20] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x12, 0x34,
		0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	(void)state;
	sl_build_ip4_checksum(ip);
	assert_int_equal(ip[10], 0xb8);
	assert_int_equal(ip[11], 0x61);
	assert_int_equal(sl_build_checksum(sl_build_sum(ip, 20, 0)), 0);
}

/* What a receiver does: the sum over pseudo-header and segment, checksum included, is 0. */
static void
check_transport(const char *sample)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample(sample, SLUICE_DIRECTION_INBOUND, &meta);
	const uint8_t *ip = build->bytes + meta.l3_offset;
	uint32_t n = meta.l3_offset + meta.packet_length - meta.l4_offset;
	bool is_ip4 = meta.ip_version == 4;
	uint32_t sum = meta.protocol == 1
		? 0
		: sl_build_sum(is_ip4 ? ip + 12 : ip + 8, is_ip4 ? 8 : 32, n + meta.protocol);

	assert_int_equal(sl_build_checksum(sl_build_sum(build->bytes + meta.l4_offset, n, sum)), 0);
}

static void
test_transport_checksums(void **state)
{
	(void)state;
	check_transport("tcp_syn_options");
	check_transport("udp");
	check_transport("icmp_echo");
	check_transport("tcp_ip6");
	check_transport("ip6_plain");
	check_transport("icmp6_echo");
	check_transport("ip6_all_extensions");
}

/* A computed checksum of 0 is sent as 0xffff: 0 says that there is none. */
static void
test_udp_checksum_is_never_0(void **state)
{
	uint8_t ip[20] = {0x45};
	uint8_t udp[8] = {0xff, 0xdd, 0, 1, 0, 8, 0, 0}; /* with protocol and length: 0xffff */

	(void)state;
	udp[1] = (uint8_t)(0xff - 17 - 8 - 8 - 1);
	assert_int_equal(sl_build_transport_checksum(ip, 17, udp, 8), 0xffff);
	udp[1]--;
	assert_int_equal(sl_build_transport_checksum(ip, 17, udp, 8), 1);
}

static void
test_memory_that_runs_out(void **state)
{
	uint8_t bytes[64];
	struct sl_build build;

	(void)state;
	memset(bytes, 0x77, sizeof(bytes));
	for (uint32_t size = 0; size < 14 + 20 + 20 + 4; size++) {
		sl_build_init(&build, bytes, size);
		sample_ethernet(&build);
		sl_build_vlan(&build, 0x8100, 1);
		sl_build_ip4(&build, 1, 2);
		sl_build_tcp(&build, 1, 2, 3, 4, 5);
		sl_build_tcp_options(&build, "\1\1\1", 3);
		sl_build_bytes(&build, "payload", 7);
		assert_int_equal(sl_build_finish(&build), 0);
		for (uint32_t i = size; i < sizeof(bytes); i++)
			assert_int_equal(bytes[i], 0x77);
	}
}

static void
test_options_are_limited(void **state)
{
	static const uint8_t options[41];
	uint8_t bytes[200];
	struct sl_build build;

	(void)state;
	sl_build_init(&build, bytes, sizeof(bytes));
	sl_build_ip4(&build, 1, 2);
	sl_build_ip4_options(&build, options, 41);
	assert_int_equal(sl_build_finish(&build), 0);
	sl_build_init(&build, bytes, sizeof(bytes));
	sl_build_ip4(&build, 1, 2);
	sl_build_ip4_options(&build, options, 40);
	assert_int_equal(sl_build_finish(&build), 60);
	assert_int_equal(bytes[0], 0x4f);
}

/* The answer to a tagged packet goes back the way it came. */
static void
check_reply(const char *sample, uint32_t l4_at)
{
	struct sl_meta meta, answer;
	const struct sl_build *build = workbench_sample(sample, SLUICE_DIRECTION_INBOUND, &meta);
	struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
	uint8_t bytes[128];
	struct sl_build reply;

	sl_build_init(&reply, bytes, sizeof(bytes));
	assert_true(sl_build_reply(&reply, &frame, &meta));
	sl_build_udp(&reply, meta.dst_port, meta.src_port);
	assert_int_equal(sl_build_finish(&reply), l4_at + 8);
	workbench_parse_build(SL_LINK_ETHERNET, &reply, &answer);
	assert_int_equal(answer.reason, SL_REASON_NONE);
	assert_memory_equal(answer.mac_dst, meta.mac_src, 6);
	assert_memory_equal(answer.mac_src, meta.mac_dst, 6);
	assert_int_equal(answer.vlan_n, meta.vlan_n);
	assert_int_equal(answer.src_port, meta.dst_port);
	assert_int_equal(answer.dst_port, meta.src_port);
	if (meta.ip_version == 4) {
		assert_int_equal(answer.ip4_src, meta.ip4_dst);
		assert_int_equal(answer.ip4_dst, meta.ip4_src);
	} else {
		assert_memory_equal(answer.ip6_src, meta.ip6_dst, 16);
		assert_memory_equal(answer.ip6_dst, meta.ip6_src, 16);
	}
}

static void
test_reply(void **state)
{
	static const char *const refused[] = {
		"arp", "snap_ip", "ip4_wrong_checksum", "runt", "ip6_routing_type_0"};
	struct sl_meta meta;

	(void)state;
	check_reply("udp", 34);
	check_reply("double_tagged", 34 + 8);
	check_reply("ip6_plain", 54);
	for (size_t i = 0; i < SL_ARRAY_LEN(refused); i++) {
		const struct sl_build *build =
			workbench_sample(refused[i], SLUICE_DIRECTION_INBOUND, &meta);
		struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
		uint8_t bytes[128];
		struct sl_build reply;

		sl_build_init(&reply, bytes, sizeof(bytes));
		assert_false(sl_build_reply(&reply, &frame, &meta));
		assert_int_equal(reply.len, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_sum_of_much),
		cmocka_unit_test(test_ip4_checksum),
		cmocka_unit_test(test_transport_checksums),
		cmocka_unit_test(test_udp_checksum_is_never_0),
		cmocka_unit_test(test_memory_that_runs_out),
		cmocka_unit_test(test_options_are_limited),
		cmocka_unit_test(test_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
