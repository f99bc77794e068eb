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
	const struct sl_build *build = workbench_sample("ip6_padded", IN, &meta);
	uint8_t *ip = build->bytes + 14;

	(void)state;
	ip[0] = 0x6b; /* traffic class 0xb9: DSCP 46, ECN 1 */
	ip[1] = 0x9f;
	ip[7] = 9;
	workbench_parse_build(SL_LINK_ETHERNET, build, &meta);
	assert_int_equal(meta.reason, SL_REASON_NONE);
	assert_int_equal(meta.ip_version, 6);
	assert_memory_equal(meta.ip6_src, sample_ip6[0], 16);
	assert_memory_equal(meta.ip6_dst, sample_ip6[1], 16);
	assert_int_equal(meta.dscp, 46);
	assert_int_equal(meta.ttl, 9);
	assert_int_equal(meta.protocol, 17);
	assert_int_equal(meta.packet_length, 40 + 16);
	assert_int_equal(meta.payload_len, 8);
	assert_int_equal(meta.l4_offset, 54);
	assert_int_equal(meta.ip6_extensions, 0);
	assert_true(sl_meta_has(&meta, SL_SLOT_IP6_EXTENSIONS));
	assert_false(sl_meta_has(&meta, SL_SLOT_IP_OPTIONS));
}

static void
test_address_types(void **state)
{
	static const uint8_t unspecified[16];
	static const uint8_t loopback[16] = {[15] = 1};
	static const uint8_t group[16] = {0xff, 0x02, [15] = 1};
	uint8_t bytes[80];
	struct sl_build build;
	struct sl_meta meta;

	(void)state;
	sl_build_init(&build, bytes, sizeof(bytes));
	sample_ethernet(&build);
	sl_build_ip6(&build, unspecified, group);
	sl_build_finish(&build);
	workbench_parse_build(SL_LINK_ETHERNET, &build, &meta);
	assert_int_equal(meta.src_address_type, SLUICE_NL_UNSPECIFIED);
	assert_int_equal(meta.dst_address_type, SLUICE_NL_MULTICAST);
	memcpy(bytes + 14 + 8, loopback, 16);
	workbench_parse_build(SL_LINK_ETHERNET, &build, &meta);
	assert_int_equal(meta.src_address_type, SLUICE_NL_UNICAST);
}

static void
test_chain(void **state)
{
	static const uint8_t expected[] = {0, 60, 43, 44, 51, 139, 140, 135, 60};
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("ip6_all_extensions", IN, &meta);
	struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
	uint8_t numbers[16];

	(void)state;
	assert_int_equal(meta.ip6_extensions, 0xff);
	assert_int_equal(meta.ip6_header_n, 9);
	assert_int_equal(meta.protocol, 17);
	assert_int_equal(meta.dst_port, 53);
	assert_int_equal(sl_packet_ip6_chain(&frame, &meta, numbers, 16), 9);
	assert_memory_equal(numbers, expected, 9);
	/* Fewer can be asked for; how many there are is told all the same. */
	assert_int_equal(sl_packet_ip6_chain(&frame, &meta, numbers, 2), 9);
	/* A chain of another frame ends with its bytes. */
	frame.contiguous = 14 + 40 + 8 + 1;
	assert_int_equal(sl_packet_ip6_chain(&frame, &meta, numbers, 16), 1);
}

static void
test_long_chains_are_followed(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip6_chain_of_150", IN, &meta);
	assert_int_equal(meta.ip6_header_n, 150);
	assert_int_equal(meta.dst_port, 80);
	workbench_sample("ip6_longest_extension", IN, &meta);
	assert_int_equal(meta.dst_port, 80);
	assert_int_equal(meta.l4_offset, 54 + 2048);
}

/* What is presented decides: the same packet in buffers of the least allowed size is refused. */
static void
test_chain_behind_the_window(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("ip6_longest_extension", IN, &meta);
	const char *fault = workbench_parse(
		SL_LINK_ETHERNET, IN, build->bytes, SL_PACKET_WINDOW, build->len, &meta);

	(void)state;
	assert_null(fault);
	assert_int_equal(meta.reason, SL_REASON_HEADER_BEYOND_WINDOW);
	assert_false(sl_meta_has(&meta, SL_SLOT_PROTOCOL));
	assert_true(sl_meta_has(&meta, SL_SLOT_IP6_SRC));
}

static void
test_what_ends_a_chain(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip6_no_next_header", IN, &meta);
	assert_int_equal(meta.protocol, 59);
	assert_int_equal(meta.payload_len, 0);
	workbench_sample("ip6_esp", IN, &meta);
	assert_int_equal(meta.protocol, 50);
	assert_int_equal(meta.payload_len, 32);
}

static void
test_refused_packets_are_still_read(void **state)
{
	static const char *const names[] = {"ip6_routing_type_0", "ip6_hop_by_hop_second",
		"ip6_option_beyond_header", "ip6_fragment_in_fragment", "ip6_payload_of_0"};
	struct sl_meta meta;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		workbench_sample(names[i], IN, &meta);
		assert_int_not_equal(meta.reason, SL_REASON_NONE);
		assert_true(sl_meta_has(&meta, SL_SLOT_DST_PORT));
		assert_int_equal(meta.dst_port, 53);
	}
}

static void
test_jumbogram(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip6_jumbogram", IN, &meta);
	assert_int_equal(meta.packet_length, 40 + 8 + 8 + 66000);
	assert_int_equal(meta.payload_len, 66000);
	assert_int_equal(meta.dst_port, 53);
	workbench_sample("ip6_jumbo_missing", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_PACKET_LENGTH));
	assert_false(sl_meta_has(&meta, SL_SLOT_PROTOCOL));
}

static void
test_atomic_fragment_is_none(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip6_fragment_atomic", IN, &meta);
	assert_int_equal(meta.flags_ip, 0);
	assert_int_equal(meta.meta_flags, SL_META_HAS_ETHERNET);
	assert_int_equal(meta.ip6_extensions, SLUICE_IP6_EXT_FRAGMENT);
	assert_int_equal(meta.frag_id, 0x1234);
	assert_int_equal(meta.dst_port, 53);
}

static void
test_fragments(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip6_fragment_first", IN, &meta);
	assert_int_equal(meta.flags_ip, SLUICE_CONDITION_FLAG_IS_FRAGMENT);
	assert_int_equal(meta.dst_port, 53);
	assert_int_equal(meta.payload_len, 8);

	workbench_sample("ip6_fragment_last", IN, &meta);
	assert_int_equal(meta.meta_flags,
		SL_META_HAS_ETHERNET | SL_META_IS_FRAGMENT | SL_META_LATER_FRAGMENT);
	assert_int_equal(meta.frag_offset, 1480);
	assert_int_equal(meta.protocol, 60); /* as the header says, and not followed */
	assert_int_equal(meta.ip6_extensions, SLUICE_IP6_EXT_FRAGMENT);
	assert_int_equal(meta.payload_len, 5);
	assert_false(sl_meta_has(&meta, SL_SLOT_SRC_PORT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_address_types),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_long_chains_are_followed),
		cmocka_unit_test(test_chain_behind_the_window),
		cmocka_unit_test(test_what_ends_a_chain),
		cmocka_unit_test(test_refused_packets_are_still_read),
		cmocka_unit_test(test_jumbogram),
		cmocka_unit_test(test_atomic_fragment_is_none),
		cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
