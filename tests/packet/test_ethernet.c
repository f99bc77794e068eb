/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"
#include "packet/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IN SLUICE_DIRECTION_INBOUND

static const uint32_t native = SLUICE_L2_FLAG_NATIVE_ETHERNET | SLUICE_L2_FLAG_IF_CONNECTOR_PRESENT;

static void
test_addresses_and_types(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("unknown_type", IN, &meta);
	assert_memory_equal(meta.mac_dst, sample_mac[0], 6);
	assert_memory_equal(meta.mac_src, sample_mac[1], 6);
	assert_int_equal(meta.mac_dst_type, SLUICE_DL_UNICAST);
	assert_int_equal(meta.mac_src_type, SLUICE_DL_UNICAST);
	assert_int_equal(meta.ether_type, 0x88cc);
	assert_int_equal(meta.l2_flags, native);
	assert_int_equal(meta.ip_version, 0);
	assert_true(meta.meta_flags & SL_META_HAS_ETHERNET);
	assert_false(sl_meta_has(&meta, SL_SLOT_VLAN_TCI));
	assert_false(sl_meta_has(&meta, SL_SLOT_VLAN_VID));
	assert_true(sl_meta_has(&meta, SL_SLOT_SUB_INTERFACE));
	assert_int_equal(meta.sub_interface, 0);

	workbench_sample("broadcast", IN, &meta);
	assert_int_equal(meta.mac_dst_type, SLUICE_DL_BROADCAST);
}

static void
test_multicast_is_not_broadcast(void **state)
{
	static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0, 0, 1};
	static const uint8_t nearly_all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xfe};
	uint8_t bytes[64];
	struct sl_build build;
	struct sl_meta meta;

	(void)state;
	sl_build_init(&build, bytes, sizeof(bytes));
	sl_build_ethernet(&build, group, nearly_all);
	workbench_parse_build(SL_LINK_ETHERNET, &build, &meta);
	assert_int_equal(meta.mac_dst_type, SLUICE_DL_MULTICAST);
	assert_int_equal(meta.mac_src_type, SLUICE_DL_MULTICAST);
}

static void
test_tags(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("eight_tags", IN, &meta);
	struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
	uint16_t tcis[8];

	(void)state;
	assert_int_equal(meta.vlan_n, 8);
	assert_int_equal(meta.vlan_tci, 0x6000 | 100);
	assert_int_equal(meta.vlan_vid, 100);
	assert_int_equal(meta.sub_interface, 100);
	assert_int_equal(meta.ether_type, 0x0800);
	assert_int_equal(meta.l3_offset, 14 + 8 * 4);
	assert_int_equal(meta.dst_port, 53);
	assert_int_equal(sl_packet_vlans(&frame, &meta, tcis, 8), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(tcis[i], 0x6000 | (100 + i));
	assert_int_equal(meta.vlan_stack[3], 0x6000 | 103);
}

static void
test_tags_of_a_cooked_capture(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("cooked2_eight_tags", IN, &meta);
	struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
	uint16_t tcis[8];

	(void)state;
	assert_int_equal(sl_packet_vlans(&frame, &meta, tcis, 8), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(tcis[i], 100 + i);
}

static void
test_nothing_behind_too_many_tags(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("nine_tags", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_ETHER_TYPE));
	assert_int_equal(meta.vlan_n, 8);
	assert_int_equal(meta.ip_version, 0);
	assert_int_equal(meta.l2_flags, native); /* refused, but not malformed */
}

static void
test_llc_has_no_type(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("spanning_tree", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_ETHER_TYPE));
	workbench_sample("snap_other_oui", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_ETHER_TYPE));
	workbench_sample("cooked1_llc", IN, &meta);
	assert_false(sl_meta_has(&meta, SL_SLOT_ETHER_TYPE));
}

static void
test_ip_in_snap(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("snap_ip", IN, &meta);
	assert_int_equal(meta.ether_type, 0x0800);
	assert_int_equal(meta.l3_offset, 22);
	assert_int_equal(meta.dst_port, 53);
	assert_int_equal(meta.payload_len, 0);
}

static void
test_arp_sender(void **state)
{
	struct sl_meta meta;
	const struct sl_build *build = workbench_sample("arp", IN, &meta);
	struct sl_frame frame = {build->bytes, build->len, build->len, NULL, 0};
	uint32_t sender = 0;

	(void)state;
	assert_true(sl_packet_arp_sender(&frame, &meta, &sender));
	assert_int_equal(sender, SAMPLE_SRC4);
	assert_int_equal(meta.ip_version, 0);

	build->bytes[14 + 5] = 2; /* another protocol's addresses */
	workbench_parse_build(SL_LINK_ETHERNET, build, &meta);
	assert_int_equal(meta.reason, SL_REASON_NONE);
	assert_false(sl_packet_arp_sender(&frame, &meta, &sender));

	build = workbench_sample("arp_cut", IN, &meta);
	frame.contiguous = frame.length = build->len;
	assert_false(sl_packet_arp_sender(&frame, &meta, &sender));

	build = workbench_sample("ip4_plain", IN, &meta);
	frame.contiguous = frame.length = build->len;
	assert_false(sl_packet_arp_sender(&frame, &meta, &sender));
}

static void
test_link_tunnels_are_marked(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("mpls", IN, &meta);
	assert_true(meta.meta_flags & SL_META_IS_TUNNEL);
	assert_int_equal(meta.ether_type, 0x8847);
	workbench_sample("pppoe", IN, &meta);
	assert_true(meta.meta_flags & SL_META_IS_TUNNEL);
	assert_int_equal(meta.vlan_vid, 7);
	workbench_sample("unknown_type", IN, &meta);
	assert_false(meta.meta_flags & SL_META_IS_TUNNEL);
}

static void
test_links_without_ethernet(void **state)
{
	static const char *const names[] = {
		"bare_ip4", "bare_ip6", "cooked1_ip4", "cooked2_ip6", "cooked1_tagged"};
	struct sl_meta meta;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(names); i++) {
		workbench_sample(names[i], IN, &meta);
		assert_int_equal(meta.dst_port, 53);
		assert_false(sl_meta_has(&meta, SL_SLOT_MAC_SRC));
		assert_false(meta.meta_flags & SL_META_HAS_ETHERNET);
		assert_int_equal(meta.l2_flags, SLUICE_L2_FLAG_IF_CONNECTOR_PRESENT);
	}
	assert_int_equal(meta.vlan_vid, 9);
	assert_int_equal(meta.l3_offset, 20);
}

static void
test_malformed_is_marked(void **state)
{
	struct sl_meta meta;

	(void)state;
	workbench_sample("ip4_wrong_checksum", IN, &meta);
	assert_int_equal(meta.l2_flags, native | SLUICE_L2_FLAG_MALFORMED_PACKET);
	workbench_sample("runt", IN, &meta);
	assert_int_equal(meta.l2_flags, native | SLUICE_L2_FLAG_MALFORMED_PACKET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_and_types),
		cmocka_unit_test(test_multicast_is_not_broadcast),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_tags_of_a_cooked_capture),
		cmocka_unit_test(test_nothing_behind_too_many_tags),
		cmocka_unit_test(test_llc_has_no_type),
		cmocka_unit_test(test_ip_in_snap),
		cmocka_unit_test(test_arp_sender),
		cmocka_unit_test(test_link_tunnels_are_marked),
		cmocka_unit_test(test_links_without_ethernet),
		cmocka_unit_test(test_malformed_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
