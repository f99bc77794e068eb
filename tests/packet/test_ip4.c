/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN SLUICE_DIRECTION_INBOUND

static void
test_header(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("ip4_plain", IN, &meta);
	uint8_t *ip = build->bytes + 14;

	(void)state;
	ip[1] = 46 << 2 | 3;
	ip[4] = 0xab;
	ip[5] = 0xcd;
	ip[6] = 0x40;
	ip[8] = 7;
	sl_build_ip4_checksum(ip);
	workbench_parse_build(SL_LINK_ETHERNET, build, &meta);
	assert_int_equal(meta.reason, SL_REASON_NONE);
	assert_int_equal(meta.ip_version, 4);
	assert_int_equal(meta.ip4_src, SAMPLE_SRC4);
	assert_int_equal(meta.ip4_dst, SAMPLE_DST4);
	assert_int_equal(meta.protocol, 17);
	assert_int_equal(meta.dscp, 46);
	assert_int_equal(meta.ttl, 7);
	assert_int_equal(meta.frag_id, 0xabcd);
	assert_int_equal(meta.packet_length, 36);
	assert_int_equal(meta.ip_options, 0);
	assert_true(sl_meta_has(&meta, SL_SLOT_IP_OPTIONS));
	assert_false(sl_meta_has(&meta, SL_SLOT_IP6_EXTENSIONS));
	assert_int_equal(meta.flags_ip, 0);
	assert_int_equal(meta.meta_flags, SL_META_HAS_ETHERNET | SL_META_DONT_FRAGMENT);
	assert_int_equal(meta.l3_offset, 14);
	assert_int_equal(meta.l4_offset, 34);
}

static void
test_address_types(void **state)
{
	static const struct {
		uint32_t address;
		uint8_t type;
	} cases[] = {
		{0, SLUICE_NL_UNSPECIFIED},
		{1, SLUICE_NL_UNICAST},
		{0x7f000001, SLUICE_NL_UNICAST},
		{0xdfffffff, SLUICE_NL_UNICAST},
		{0xe0000000, SLUICE_NL_MULTICAST},
		{0xefffffff, SLUICE_NL_MULTICAST},
		{0xf0000000, SLUICE_NL_UNICAST},
		{0xfffffffe, SLUICE_NL_UNICAST},
		{0xffffffff, SLUICE_NL_BROADCAST},
	};
	uint8_t bytes[64];
	struct sl_build build;
	struct sl_meta meta;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(cases); i++) {
		sl_build_init(&build, bytes, sizeof(bytes));
		sample_ethernet(&build);
		sl_build_ip4(&build, cases[i].address, ~cases[i].address);
		sl_build_udp(&build, 1, 2);
		sl_build_finish(&build);
		workbench_parse_build(SL_LINK_ETHERNET, &build, &meta);
		assert_int_equal(meta.ip4_src, cases[i].address);
		assert_int_equal(meta.src_address_type, cases[i].type);
		assert_int_equal(meta.ip4_dst, ~cases[i].address);
	}
}

static void
test_padding_is_not_payload(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_padded", IN, &meta);
	assert_int_equal(meta.payload_len, 8);
	assert_int_equal(meta.frame_len, 14 + 36 + 20);
}

static void
test_options(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_all_options", IN, &meta);
	assert_int_equal(meta.ip_options, 0xff);
	assert_int_equal(meta.l4_offset, 34 + 32);
	assert_int_equal(meta.dst_port, 53);
	workbench_sample("ip4_options_after_end", IN, &meta);
	assert_int_equal(meta.ip_options, 0);
}

static void
test_faults_keep_what_was_found(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_total_beyond_frame", IN, &meta);
	assert_int_equal(meta.ip4_src, SAMPLE_SRC4);
	assert_true(sl_meta_has(&meta, SL_SLOT_IP4_SRC));
	assert_false(sl_meta_has(&meta, SL_SLOT_SRC_PORT));
	workbench_sample("ip4_version_5", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_IP4_SRC));
	assert_int_equal(meta.ip_version, 0);
	/* Where the rest is doubtless it is found as well. */
	workbench_sample("ip4_wrong_checksum", IN, &meta);
	assert_int_equal(meta.dst_port, 53);
	workbench_sample("ip4_total_of_0", IN, &meta);
	assert_int_equal(meta.dst_port, 53);
	assert_int_equal(meta.payload_len, 8);
	assert_int_equal(meta.packet_length, 0);
}

static void
test_first_fragment_has_ports(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_fragment_first_udp", IN, &meta);
	assert_int_equal(meta.flags_ip, SLUICE_CONDITION_FLAG_IS_FRAGMENT);
	assert_int_equal(meta.flags_transport, 0);
	assert_int_equal(meta.meta_flags,
		SL_META_HAS_ETHERNET | SL_META_IS_FRAGMENT | SL_META_MORE_FRAGMENTS);
	assert_true(sl_meta_has(&meta, SL_SLOT_DST_PORT));
	assert_int_equal(meta.dst_port, 53);
	assert_int_equal(meta.payload_len, 8);

	workbench_sample("ip4_fragment_first_tcp_options_split", IN, &meta);
	assert_int_equal(meta.dst_port, 80);
	assert_int_equal(meta.tcp_flags, 2);
	assert_int_equal(meta.l4_len, 24);
	assert_int_equal(meta.payload_len, 0);

	workbench_sample("ip4_fragment_first_sctp_cut", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_DST_PORT));
	assert_int_equal(meta.payload_len, 8);
}

static void
test_later_fragment_has_none(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_fragment_last", IN, &meta);
	assert_int_equal(meta.meta_flags,
		SL_META_HAS_ETHERNET | SL_META_IS_FRAGMENT | SL_META_LATER_FRAGMENT);
	assert_int_equal(meta.frag_offset, 1480);
	assert_int_equal(meta.protocol, 17);
	assert_false(sl_meta_has(&meta, SL_SLOT_SRC_PORT));
	assert_false(sl_meta_has(&meta, SL_SLOT_LOCAL_PORT));
	assert_int_equal(meta.payload_offset, 34);
	assert_int_equal(meta.payload_len, 5);
	workbench_sample("ip4_fragment_middle", IN, &meta);
	assert_true(meta.meta_flags & SL_META_MORE_FRAGMENTS);
}

static void
test_packet_without_transport(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_unknown_protocol", IN, &meta);
	assert_int_equal(meta.protocol, 253);
	assert_int_equal(meta.payload_len, 4);
	assert_int_equal(meta.l4_len, 0);
	assert_false(sl_meta_has(&meta, SL_SLOT_SRC_PORT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_address_types),
		cmocka_unit_test(test_padding_is_not_payload),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_faults_keep_what_was_found),
		cmocka_unit_test(test_first_fragment_has_ports),
		cmocka_unit_test(test_later_fragment_has_none),
		cmocka_unit_test(test_packet_without_transport),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
