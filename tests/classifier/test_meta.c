/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

/* Available fields of working layers without a slot, because nothing gives them a value yet. */
static const enum sluice_field without_slot[] = {SLUICE_FIELD_PEER_NAME};

static bool
may_lack_slot(enum sluice_field field)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(without_slot); i++) {
		if (without_slot[i] == field)
			return true;
	}
	return false;
}

/* What a slot must look like for a field's type. */
static void
expect_slot(const struct sl_layer *layer, const struct sl_layer_field *field, enum sl_slot slot)
{
	static const struct {
		enum sluice_data_type type;
		uint8_t kind;
		uint8_t size;
	} forms[] = {
		{SLUICE_TYPE_UINT8, SL_SLOT_KIND_NUMBER, 1},
		{SLUICE_TYPE_UINT16, SL_SLOT_KIND_NUMBER, 2},
		{SLUICE_TYPE_UINT32, SL_SLOT_KIND_NUMBER, 4},
		{SLUICE_TYPE_UINT64, SL_SLOT_KIND_NUMBER, 8},
		{SLUICE_TYPE_BYTE_ARRAY6, SL_SLOT_KIND_BYTES, 6},
		{SLUICE_TYPE_BYTE_ARRAY16, SL_SLOT_KIND_BYTES, 16},
		{SLUICE_TYPE_BYTE_BLOB, SL_SLOT_KIND_BLOB, sizeof(void *)},
	};

	for (size_t i = 0; i < SL_ARRAY_LEN(forms); i++) {
		if (forms[i].type != field->type)
			continue;
		if (sl_slot_info[slot].kind != forms[i].kind ||
			sl_slot_info[slot].size != forms[i].size)
			fail_msg("%s at %s: the slot has %u bytes of kind %u",
				sl_field_name(field->field), layer->name, sl_slot_info[slot].size,
				sl_slot_info[slot].kind);
		return;
	}
	fail_msg("%s at %s has an unexpected type", sl_field_name(field->field), layer->name);
}

static void
test_every_field_has_its_slot(void **state)
{
	uint32_t n_layers;
	const struct sl_layer *const *layers = sl_layer_list(&n_layers);
	uint32_t n_fields = 0;

	(void)state;
	for (uint32_t i = 0; i < n_layers; i++) {
		if (layers[i]->status != SL_LAYER_WORKING)
			continue;
		for (uint32_t at = 0; at < layers[i]->n_fields; at++) {
			const struct sl_layer_field *field = &layers[i]->fields[at];
			const enum sl_slot slot = sl_meta_slot(layers[i], field->field);

			if (!field->available)
				continue;
			if (slot != SL_SLOT_NONE)
				expect_slot(layers[i], field, slot);
			else if (!may_lack_slot(field->field))
				fail_msg("%s at %s has no slot", sl_field_name(field->field),
					layers[i]->name);
			n_fields++;
		}
	}
	assert_true(n_fields > 500);
}

static void
test_discard_twins_read_the_same(void **state)
{
	uint32_t n_layers;
	const struct sl_layer *const *layers = sl_layer_list(&n_layers);

	(void)state;
	for (uint32_t i = 0; i < n_layers; i++) {
		for (int field = 0; field < SLUICE_FIELD_COUNT && layers[i]->twin != NULL; field++)
			assert_int_equal(sl_meta_slot(layers[i], (enum sluice_field)field),
				sl_meta_slot(layers[i]->twin, (enum sluice_field)field));
	}
}

/* clang-format off */
static const struct {
	const char *layer;
	const char *field;
	enum sl_slot slot;
} slots[] = {
	{"inbound_transport_v4", "ip_local_address", SL_SLOT_IP4_DST},
	{"inbound_transport_v4", "ip_remote_address", SL_SLOT_IP4_SRC},
	{"outbound_transport_v4", "ip_local_address", SL_SLOT_IP4_SRC},
	{"outbound_transport_v4", "ip_remote_address", SL_SLOT_IP4_DST},
	{"inbound_transport_v6", "ip_local_address", SL_SLOT_IP6_DST},
	{"outbound_transport_v6_discard", "ip_remote_address", SL_SLOT_IP6_DST},
	{"ipforward_v4", "ip_source_address", SL_SLOT_IP4_SRC},
	{"ipforward_v6", "ip_destination_address", SL_SLOT_IP6_DST},
	{"inbound_ippacket_v4", "ip_local_address_type", SL_SLOT_DST_ADDRESS_TYPE},
	{"outbound_ippacket_v4", "ip_local_address_type", SL_SLOT_SRC_ADDRESS_TYPE},
	{"outbound_transport_v4", "ip_destination_address_type", SL_SLOT_DST_ADDRESS_TYPE},
	{"inbound_transport_v4", "ip_local_port", SL_SLOT_LOCAL_PORT},
	{"outbound_transport_v4", "ip_remote_port", SL_SLOT_REMOTE_PORT},
	{"inbound_transport_v4", "icmp_type", SL_SLOT_LOCAL_PORT},
	{"inbound_transport_v4", "icmp_code", SL_SLOT_REMOTE_PORT},
	{"ingress_vswitch_transport_v4", "ip_source_port", SL_SLOT_SRC_PORT},
	{"egress_vswitch_transport_v6", "ip_destination_port", SL_SLOT_DST_PORT},
	{"inbound_icmp_error_v4", "icmp_type", SL_SLOT_ICMP_TYPE},
	{"inbound_icmp_error_v4", "embedded_remote_address", SL_SLOT_EMB_IP4_REMOTE},
	{"inbound_icmp_error_v6", "embedded_remote_address", SL_SLOT_EMB_IP6_REMOTE},
	{"inbound_icmp_error_v4", "arrival_interface_index", SL_SLOT_ARRIVAL_INDEX},
	{"inbound_transport_v4", "ip_local_interface", SL_SLOT_ARRIVAL_LUID},
	{"outbound_transport_v4", "ip_local_interface", SL_SLOT_NEXTHOP_LUID},
	{"inbound_transport_v4", "interface_index", SL_SLOT_ARRIVAL_INDEX},
	{"outbound_transport_v4", "interface_index", SL_SLOT_NEXTHOP_INDEX},
	{"ipforward_v4", "ip_local_interface", SL_SLOT_ARRIVAL_LUID},
	{"ipforward_v4", "ip_forward_interface", SL_SLOT_NEXTHOP_LUID},
	{"ipforward_v4", "source_interface_index", SL_SLOT_ARRIVAL_INDEX},
	{"ipforward_v4", "destination_interface_index", SL_SLOT_NEXTHOP_INDEX},
	{"ipforward_v4", "destination_sub_interface_index", SL_SLOT_SUB_INTERFACE},
	{"ipforward_v4", "nexthop_interface_profile_id", SL_SLOT_NEXTHOP_PROFILE},
	{"inbound_transport_v4", "profile_id", SL_SLOT_ARRIVAL_PROFILE},
	{"outbound_transport_v4", "profile_id", SL_SLOT_NEXTHOP_PROFILE},
	{"inbound_ippacket_v4", "flags", SL_SLOT_FLAGS_IP},
	{"ipforward_v6_discard", "flags", SL_SLOT_FLAGS_IP},
	{"inbound_transport_v4", "flags", SL_SLOT_FLAGS_TRANSPORT},
	{"outbound_icmp_error_v6", "flags", SL_SLOT_FLAGS_TRANSPORT},
	{"inbound_mac_frame_ethernet", "mac_local_address", SL_SLOT_MAC_DST},
	{"outbound_mac_frame_ethernet", "mac_local_address", SL_SLOT_MAC_SRC},
	{"outbound_mac_frame_ethernet", "mac_remote_address_type", SL_SLOT_MAC_DST_TYPE},
	{"inbound_mac_frame_ethernet", "interface_mac_address", SL_SLOT_OUTSIDE_MAC},
	{"inbound_mac_frame_ethernet", "interface", SL_SLOT_ARRIVAL_LUID},
	{"outbound_mac_frame_ethernet", "interface", SL_SLOT_NEXTHOP_LUID},
	{"inbound_mac_frame_ethernet", "vlan_id", SL_SLOT_VLAN_TCI},
	{"inbound_mac_frame_ethernet", "x_vlan_vid", SL_SLOT_VLAN_VID},
	{"ingress_vswitch_ethernet", "mac_source_address", SL_SLOT_MAC_SRC},
	{"egress_vswitch_ethernet", "vswitch_source_interface_id", SL_SLOT_ARRIVAL_NAME},
	{"egress_vswitch_ethernet", "vswitch_destination_interface_id", SL_SLOT_NEXTHOP_NAME},
	{"inbound_transport_v4", "x_tcp_flags", SL_SLOT_TCP_FLAGS},
	{"inbound_ippacket_v4", "x_ip_options", SL_SLOT_IP_OPTIONS},
	{"inbound_ippacket_v6", "x_ip6_extension_headers", SL_SLOT_IP6_EXTENSIONS},
	/* Layers with flow state: local is the inside, whichever way the packet goes. */
	{"ale_auth_recv_accept_v4", "ip_local_address", SL_SLOT_IP4_DST},
	{"ale_auth_connect_v4", "ip_local_address", SL_SLOT_IP4_SRC},
	{"ale_auth_connect_v6_discard", "ip_remote_address", SL_SLOT_IP6_DST},
	{"ale_flow_established_v4", "ip_local_address", SL_SLOT_IP4_DST},
	{"ale_endpoint_closure_v6", "ip_remote_address", SL_SLOT_IP6_SRC},
	{"stream_packet_v4", "ip_remote_address", SL_SLOT_IP4_SRC},
	{"datagram_data_v4", "ip_local_address_type", SL_SLOT_DST_ADDRESS_TYPE},
	{"datagram_data_v4", "ip_local_port", SL_SLOT_LOCAL_PORT},
	{"datagram_data_v6_discard", "icmp_type", SL_SLOT_LOCAL_PORT},
	{"ale_auth_connect_v4", "ip_destination_address_type", SL_SLOT_DST_ADDRESS_TYPE},
	{"ale_flow_established_v4", "ip_destination_address_type", SL_SLOT_SRC_ADDRESS_TYPE},
	{"ale_auth_recv_accept_v4", "flags", SL_SLOT_FLAGS_FLOW},
	{"ale_endpoint_closure_v4", "flags", SL_SLOT_FLAGS_FLOW},
	{"stream_packet_v6", "flags", SL_SLOT_FLAGS_FLOW},
	{"datagram_data_v4", "direction", SL_SLOT_DIRECTION},
	{"stream_packet_v4", "direction", SL_SLOT_DIRECTION},
	{"stream_v4", "direction", SL_SLOT_CONNECTION_DIRECTION},
	{"ale_flow_established_v6_discard", "direction", SL_SLOT_CONNECTION_DIRECTION},
	{"ale_auth_connect_v4", "ip_local_interface", SL_SLOT_OUTSIDE_LUID},
	{"ale_auth_connect_v4", "interface_index", SL_SLOT_OUTSIDE_INDEX},
	{"datagram_data_v4", "interface_index", SL_SLOT_OUTSIDE_INDEX},
	{"ale_auth_recv_accept_v4", "ip_arrival_interface", SL_SLOT_ALE_ARRIVAL_LUID},
	{"ale_auth_recv_accept_v4", "arrival_interface_index", SL_SLOT_ALE_ARRIVAL_INDEX},
	{"ale_auth_connect_v6", "ip_nexthop_interface", SL_SLOT_ALE_NEXTHOP_LUID},
	{"ale_auth_connect_v4", "nexthop_interface_index", SL_SLOT_ALE_NEXTHOP_INDEX},
	{"ale_auth_connect_v4", "nexthop_sub_interface_index", SL_SLOT_ALE_NEXTHOP_SUB_INTERFACE},
	{"ale_auth_connect_v4", "original_profile_id", SL_SLOT_OUTSIDE_PROFILE},
	{"ale_auth_recv_accept_v6", "current_profile_id", SL_SLOT_OUTSIDE_PROFILE},
	{"ale_auth_recv_accept_v4", "reauthorize_reason", SL_SLOT_REAUTHORIZE_REASON},
	{"ale_auth_connect_v4", "original_icmp_type", SL_SLOT_ORIGINAL_ICMP_TYPE},
	{"ale_endpoint_closure_v4", "x_midstream", SL_SLOT_MIDSTREAM},
	{"stream_packet_v4", "x_tcp_flags", SL_SLOT_TCP_FLAGS},
};
/* clang-format on */

static void
test_orientation(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(slots); i++) {
		const struct sl_layer *layer = sl_layer_find(slots[i].layer);
		const struct sl_layer_field *field;

		assert_non_null(layer);
		field = sl_layer_field_find(layer, slots[i].field, NULL);
		if (field == NULL)
			fail_msg("%s has no %s", slots[i].layer, slots[i].field);
		if (sl_meta_slot(layer, field->field) != slots[i].slot)
			fail_msg("%s at %s: slot %d", slots[i].field, slots[i].layer,
				sl_meta_slot(layer, field->field));
	}
}

static void
test_fields_without_value(void **state)
{
	const struct sl_layer *layer = sl_layer_find("inbound_transport_v4");

	(void)state;
	assert_int_equal(sl_meta_slot(layer, SLUICE_FIELD_NONE), SL_SLOT_NONE);
	assert_int_equal(sl_meta_slot(layer, SLUICE_FIELD_TUNNEL_TYPE), SL_SLOT_NONE);
	assert_int_equal(sl_meta_slot(layer, SLUICE_FIELD_COMPARTMENT_ID), SL_SLOT_NONE);
	assert_int_equal(sl_meta_slot(layer, SLUICE_FIELD_COUNT), SL_SLOT_NONE);
	assert_int_equal(sl_meta_slot(sl_layer_find("ipforward_v4"), SLUICE_FIELD_IP_LOCAL_ADDRESS),
		SL_SLOT_NONE);
}

static void
test_setup(void **state)
{
	struct sl_meta_ports ports = *rig_ports();
	struct sl_meta meta;

	(void)state;
	memset(&meta, 0xff, sizeof(meta));
	sl_meta_setup(&meta, SLUICE_DIRECTION_INBOUND, &ports);
	assert_true(meta.present == SL_PRESENT_PORTS);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_DIRECTION), SLUICE_DIRECTION_INBOUND);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_ARRIVAL_LUID), 2);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_NEXTHOP_INDEX), 1);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_INTERFACE_TYPE), 6);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_NDIS_PORT), 0);
	assert_true(sl_meta_has(&meta, SL_SLOT_ARRIVAL_NAME));
	assert_false(sl_meta_has(&meta, SL_SLOT_IP4_SRC));
	assert_false(sl_meta_has(&meta, SL_SLOT_NONE));
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_OUTSIDE_LUID), 2);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_OUTSIDE_PROFILE), 7);

	ports.nexthop_name = NULL;
	ports.outside_index = 99;
	sl_meta_setup(&meta, SLUICE_DIRECTION_OUTBOUND, &ports);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_OUTSIDE_LUID), 1);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_OUTSIDE_INDEX), 1);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_OUTSIDE_PROFILE), 8);
	assert_true(sl_meta_has(&meta, SL_SLOT_ARRIVAL_NAME));
	assert_false(sl_meta_has(&meta, SL_SLOT_NEXTHOP_NAME));
}

static void
test_mirror(void **state)
{
	struct sl_meta meta;
	struct sl_meta before;

	(void)state;
	rig_meta(&meta);
	meta.dst_address_type = SLUICE_NL_MULTICAST;
	meta.src_address_type = SLUICE_NL_UNICAST;
	before = meta;
	sl_meta_mirror(&meta);
	assert_int_equal(meta.ip4_src, before.ip4_dst);
	assert_int_equal(meta.ip4_dst, before.ip4_src);
	assert_int_equal(meta.src_port, before.dst_port);
	assert_int_equal(meta.dst_port, before.src_port);
	assert_int_equal(meta.src_address_type, SLUICE_NL_MULTICAST);
	assert_int_equal(meta.dst_address_type, SLUICE_NL_UNICAST);
	/* The ends stay where they are. */
	assert_int_equal(meta.local_port, before.local_port);
	assert_int_equal(meta.remote_port, before.remote_port);
	assert_int_equal(meta.flow.is_mirrored, 1);
	sl_meta_mirror(&meta);
	assert_memory_equal(&meta, &before, sizeof(meta));

	meta.ip_version = 6;
	memcpy(meta.ip6_src, "0123456789abcdef", 16);
	memcpy(meta.ip6_dst, "ABCDEFGHIJKLMNOP", 16);
	before = meta;
	sl_meta_mirror(&meta);
	assert_memory_equal(meta.ip6_src, before.ip6_dst, 16);
	assert_memory_equal(meta.ip6_dst, before.ip6_src, 16);
	sl_meta_mirror(&meta);
	assert_memory_equal(&meta, &before, sizeof(meta));
}

static void
test_numbers(void **state)
{
	struct sl_meta meta = {.ttl = 0xfe,
		.src_port = 0xfedc,
		.ip4_src = 0xfedcba98,
		.ports.arrival_luid = 0xfedcba9876543210};

	(void)state;
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_TTL), 0xfe);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_SRC_PORT), 0xfedc);
	assert_int_equal(sl_meta_number(&meta, SL_SLOT_IP4_SRC), 0xfedcba98);
	assert_true(sl_meta_number(&meta, SL_SLOT_ARRIVAL_LUID) == 0xfedcba9876543210);
}

static void
test_reasons(void **state)
{
	(void)state;
	for (int a = 0; a < SL_REASON_COUNT; a++) {
		assert_true(strlen(sl_reason_name((enum sl_reason)a)) > 0);
		assert_true(strlen(sl_reason_meaning((enum sl_reason)a)) > 0);
		for (int b = 0; b < a; b++)
			assert_string_not_equal(sl_reason_name((enum sl_reason)a),
				sl_reason_name((enum sl_reason)b));
	}
	assert_string_equal(sl_reason_name(SL_REASON_NONE), "none");
	assert_string_equal(sl_reason_name(SL_REASON_VETO), "veto");
	assert_int_equal(sl_reason_kind(SL_REASON_IP4_BAD_CHECKSUM), SL_REASON_KIND_MALFORMED);
	assert_int_equal(sl_reason_kind(SL_REASON_TX_FULL), SL_REASON_KIND_DEVICE);
	assert_string_equal(sl_reason_name(SL_REASON_COUNT), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_has_its_slot),
		cmocka_unit_test(test_discard_twins_read_the_same),
		cmocka_unit_test(test_orientation),
		cmocka_unit_test(test_fields_without_value),
		cmocka_unit_test(test_setup),
		cmocka_unit_test(test_mirror),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
