/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/sl_layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */

/*
 * The tables against lists written out from WFP's appendix A, which the code does not share: names
 * in the order of their ids, a minus before those without a value on a wire.
 */
static const struct {
	const char *layer; /* without the suffix of the IP version */
	const char *fields;
} appendix_a[] = {
	{"inbound_ippacket",
		"ip_local_address ip_remote_address ip_local_address_type "
		"ip_local_interface interface_index sub_interface_index flags "
		"interface_type -tunnel_type -compartment_id"},
	{"outbound_ippacket",
		"ip_local_address ip_local_address_type ip_remote_address "
		"ip_local_interface interface_index sub_interface_index flags "
		"interface_type -tunnel_type -compartment_id"},
	{"ipforward",
		"ip_source_address ip_destination_address ip_destination_address_type "
		"ip_local_interface ip_forward_interface source_interface_index "
		"source_sub_interface_index destination_interface_index "
		"destination_sub_interface_index flags ip_physical_arrival_interface "
		"arrival_interface_profile_id ip_physical_nexthop_interface "
		"nexthop_interface_profile_id -compartment_id"},
	{"inbound_transport",
		"ip_protocol ip_local_address ip_remote_address ip_local_address_type "
		"ip_local_port ip_remote_port ip_local_interface interface_index "
		"sub_interface_index flags interface_type -tunnel_type profile_id "
		"-ipsec_security_realm_id -compartment_id"},
	{"outbound_transport",
		"ip_protocol ip_local_address ip_local_address_type ip_remote_address "
		"ip_local_port ip_remote_port ip_local_interface interface_index "
		"sub_interface_index ip_destination_address_type flags interface_type "
		"-tunnel_type profile_id -ipsec_security_realm_id -compartment_id"},
	{"stream",
		"ip_local_address ip_local_address_type ip_remote_address ip_local_port "
		"ip_remote_port direction flags -compartment_id"},
	{"datagram_data",
		"ip_protocol ip_local_address ip_remote_address ip_local_address_type "
		"ip_local_port ip_remote_port ip_local_interface interface_index "
		"sub_interface_index direction flags interface_type -tunnel_type "
		"-compartment_id"},
	{"stream_packet",
		"ip_local_address ip_remote_address ip_local_port ip_remote_port "
		"ip_local_interface interface_index sub_interface_index direction flags "
		"interface_type -tunnel_type -compartment_id"},
	{"inbound_icmp_error",
		"embedded_protocol ip_local_address ip_remote_address "
		"embedded_remote_address embedded_local_address_type embedded_local_port "
		"embedded_remote_port ip_local_interface icmp_type icmp_code "
		"interface_index sub_interface_index interface_type -tunnel_type "
		"ip_arrival_interface arrival_interface_index arrival_interface_type "
		"-arrival_tunnel_type flags arrival_interface_profile_id "
		"-interface_quarantine_epoch -compartment_id"},
	{"outbound_icmp_error",
		"ip_local_address ip_remote_address ip_local_address_type "
		"ip_local_interface icmp_type icmp_code interface_index "
		"sub_interface_index interface_type -tunnel_type flags "
		"nexthop_interface_profile_id -interface_quarantine_epoch "
		"-compartment_id"},
	{"ale_endpoint_closure",
		"-ale_app_id -ale_user_id ip_local_address ip_local_address_type "
		"ip_local_port ip_protocol ip_remote_address ip_remote_port "
		"ip_local_interface flags -ale_package_id "
		"-ale_security_attribute_fqbn_value -compartment_id"},
	{"ale_auth_recv_accept",
		"-ale_app_id -ale_user_id ip_local_address ip_local_address_type "
		"ip_local_port ip_protocol ip_remote_address ip_remote_port "
		"-ale_remote_user_id -ale_remote_machine_id ip_local_interface flags "
		"-sio_firewall_system_port -nap_context interface_type -tunnel_type "
		"interface_index sub_interface_index ip_arrival_interface "
		"arrival_interface_type -arrival_tunnel_type arrival_interface_index "
		"nexthop_sub_interface_index ip_nexthop_interface nexthop_interface_type "
		"-nexthop_tunnel_type nexthop_interface_index original_profile_id "
		"current_profile_id reauthorize_reason original_icmp_type "
		"-interface_quarantine_epoch -ale_package_id "
		"-ale_security_attribute_fqbn_value -compartment_id "
		"-bitmap_ip_local_address -bitmap_ip_local_port "
		"-bitmap_ip_remote_address -bitmap_ip_remote_port"},
	{"ale_auth_connect",
		"-ale_app_id -ale_user_id ip_local_address ip_local_address_type "
		"ip_local_port ip_protocol ip_remote_address ip_remote_port "
		"-ale_remote_user_id -ale_remote_machine_id ip_destination_address_type "
		"ip_local_interface flags interface_type -tunnel_type interface_index "
		"sub_interface_index ip_arrival_interface arrival_interface_type "
		"-arrival_tunnel_type arrival_interface_index "
		"nexthop_sub_interface_index ip_nexthop_interface nexthop_interface_type "
		"-nexthop_tunnel_type nexthop_interface_index original_profile_id "
		"current_profile_id reauthorize_reason peer_name original_icmp_type "
		"-interface_quarantine_epoch -ale_original_app_id -ale_package_id "
		"-ale_security_attribute_fqbn_value -ale_effective_name -compartment_id "
		"-bitmap_ip_local_address -bitmap_ip_local_port "
		"-bitmap_ip_remote_address -bitmap_ip_remote_port"},
	{"ale_flow_established",
		"-ale_app_id -ale_user_id ip_local_address ip_local_address_type "
		"ip_local_port ip_protocol ip_remote_address ip_remote_port "
		"-ale_remote_user_id -ale_remote_machine_id ip_destination_address_type "
		"ip_local_interface direction interface_type -tunnel_type flags "
		"-ale_original_app_id -ale_package_id -ale_security_attribute_fqbn_value "
		"-compartment_id -bitmap_ip_local_address -bitmap_ip_local_port "
		"-bitmap_ip_remote_address -bitmap_ip_remote_port"},
	{"inbound_mac_frame_ethernet",
		"interface_mac_address mac_local_address mac_remote_address "
		"mac_local_address_type mac_remote_address_type ether_type vlan_id "
		"interface interface_index ndis_port l2_flags -compartment_id"},
	{"outbound_mac_frame_ethernet",
		"interface_mac_address mac_local_address mac_remote_address "
		"mac_local_address_type mac_remote_address_type ether_type vlan_id "
		"interface interface_index ndis_port l2_flags -compartment_id"},
	{"ingress_vswitch_ethernet",
		"mac_source_address mac_source_address_type mac_destination_address "
		"mac_destination_address_type ether_type vlan_id "
		"-vswitch_tenant_network_id -vswitch_id -vswitch_network_type "
		"vswitch_source_interface_id vswitch_source_interface_type "
		"-vswitch_source_vm_id l2_flags -compartment_id"},
	{"egress_vswitch_ethernet",
		"mac_source_address mac_source_address_type mac_destination_address "
		"mac_destination_address_type ether_type vlan_id "
		"-vswitch_tenant_network_id -vswitch_id -vswitch_network_type "
		"vswitch_source_interface_id vswitch_source_interface_type "
		"-vswitch_source_vm_id vswitch_destination_interface_id "
		"vswitch_destination_interface_type -vswitch_destination_vm_id l2_flags "
		"-compartment_id"},
	{"ingress_vswitch_transport",
		"ip_source_address ip_destination_address ip_protocol ip_source_port "
		"ip_destination_port vlan_id -vswitch_tenant_network_id -vswitch_id "
		"-vswitch_network_type vswitch_source_interface_id "
		"vswitch_source_interface_type -vswitch_source_vm_id l2_flags "
		"-compartment_id"},
	{"egress_vswitch_transport",
		"ip_source_address ip_destination_address ip_protocol ip_source_port "
		"ip_destination_port vlan_id -vswitch_tenant_network_id -vswitch_id "
		"-vswitch_network_type vswitch_source_interface_id "
		"vswitch_source_interface_type -vswitch_source_vm_id "
		"vswitch_destination_interface_id vswitch_destination_interface_type "
		"-vswitch_destination_vm_id l2_flags -compartment_id"},
};

static const struct {
	const char *type;
	const char *fields;
} types[] = {
	{"ip_address",
		"ip_local_address ip_remote_address ip_source_address "
		"ip_destination_address embedded_remote_address"},
	{"uint8",
		"ip_local_address_type ip_destination_address_type ip_protocol "
		"embedded_protocol embedded_local_address_type mac_local_address_type "
		"mac_remote_address_type mac_source_address_type "
		"mac_destination_address_type vswitch_network_type "
		"vswitch_source_interface_type vswitch_destination_interface_type"},
	{"uint64",
		"ip_local_interface ip_forward_interface ip_physical_arrival_interface "
		"ip_physical_nexthop_interface ip_arrival_interface "
		"interface_quarantine_epoch ip_nexthop_interface interface"},
	{"uint32",
		"interface_index sub_interface_index flags interface_type tunnel_type "
		"compartment_id source_interface_index source_sub_interface_index "
		"destination_interface_index destination_sub_interface_index "
		"arrival_interface_profile_id nexthop_interface_profile_id profile_id "
		"direction arrival_interface_index arrival_interface_type "
		"arrival_tunnel_type sio_firewall_system_port nap_context "
		"nexthop_sub_interface_index nexthop_interface_type nexthop_tunnel_type "
		"nexthop_interface_index original_profile_id current_profile_id "
		"reauthorize_reason ndis_port l2_flags vswitch_tenant_network_id"},
	{"uint16",
		"ip_local_port ip_remote_port embedded_local_port embedded_remote_port "
		"icmp_type icmp_code original_icmp_type ether_type vlan_id "
		"ip_source_port ip_destination_port"},
	{"byte_blob",
		"ipsec_security_realm_id ale_app_id ale_security_attribute_fqbn_value "
		"peer_name ale_original_app_id ale_effective_name vswitch_id "
		"vswitch_source_interface_id vswitch_source_vm_id "
		"vswitch_destination_interface_id vswitch_destination_vm_id"},
	{"byte_array6",
		"interface_mac_address mac_local_address mac_remote_address "
		"mac_source_address mac_destination_address"},
	{"empty",
		"ale_user_id ale_remote_user_id ale_remote_machine_id ale_package_id "
		"bitmap_ip_local_address bitmap_ip_local_port bitmap_ip_remote_address "
		"bitmap_ip_remote_port"},
	{"uint8", "x_dscp x_ttl x_tcp_flags x_midstream"},
	{"uint16", "x_vlan_vid"},
	{"uint32", "x_packet_length x_ip_options x_ip6_extension_headers"},
};

/* clang-format on */

/* The extensions behind WFP's fields: interfaces of the policy document. */
static const char *
extensions_of(const char *layer, unsigned int version)
{
	if (strstr(layer, "mac_frame") != NULL || strstr(layer, "vswitch_ethernet") != NULL)
		return " x_vlan_vid";
	if (strcmp(layer, "stream") == 0 || strcmp(layer, "ale_endpoint_closure") == 0)
		return " x_midstream";
	if (strstr(layer, "ippacket") != NULL || strcmp(layer, "ipforward") == 0)
		return version == 4 ? " x_dscp x_ttl x_packet_length x_ip_options x_vlan_vid"
				    : " x_dscp x_ttl x_packet_length x_ip6_extension_headers"
				      " x_vlan_vid";
	if (strncmp(layer, "ale_", 4) == 0 || strcmp(layer, "datagram_data") == 0 ||
		strcmp(layer, "stream_packet") == 0)
		return version == 4 ? " x_dscp x_ttl x_packet_length x_ip_options x_vlan_vid"
				      " x_tcp_flags x_midstream"
				    : " x_dscp x_ttl x_packet_length x_ip6_extension_headers"
				      " x_vlan_vid x_tcp_flags x_midstream";
	return version == 4
		? " x_dscp x_ttl x_packet_length x_ip_options x_vlan_vid x_tcp_flags"
		: " x_dscp x_ttl x_packet_length x_ip6_extension_headers x_vlan_vid x_tcp_flags";
}

/* The declared type of a field at an IP version, by the list above. */
static const char *
type_of(const char *field, unsigned int version)
{
	char copy[2048];
	char *rest;

	for (size_t i = 0; i < SL_ARRAY_LEN(types); i++) {
		snprintf(copy, sizeof(copy), "%s", types[i].fields);
		for (char *name = strtok_r(copy, " ", &rest); name != NULL;
			name = strtok_r(NULL, " ", &rest)) {
			if (strcmp(name, field) != 0)
				continue;
			if (strcmp(types[i].type, "ip_address") != 0)
				return types[i].type;
			return version == 4 ? "uint32" : "byte_array16";
		}
	}
	return "missing";
}

static void
check_fields(const char *base, const char *list, unsigned int version)
{
	const struct sl_layer *layer;
	char name[64];
	char expected[2048];
	char *rest;
	uint8_t n = 0;

	snprintf(name, sizeof(name), version == 0 ? "%s" : "%s_v%u", base, version);
	layer = sl_layer_find(name);
	assert_non_null(layer);
	assert_int_equal(layer->ip_version, version);
	snprintf(expected, sizeof(expected), "%s%s", list, extensions_of(base, version));
	for (char *field = strtok_r(expected, " ", &rest); field != NULL;
		field = strtok_r(NULL, " ", &rest), n++) {
		bool available = field[0] != '-';
		uint8_t index = UINT8_MAX;
		const struct sl_layer_field *found;

		field += available ? 0 : 1;
		assert_true(n < layer->n_fields);
		assert_string_equal(sl_field_name(layer->fields[n].field), field);
		assert_int_equal(layer->fields[n].available, available);
		assert_string_equal(sl_type_name(layer->fields[n].type), type_of(field, version));
		found = sl_layer_field_find(layer, field, &index);
		assert_ptr_equal(found, available ? &layer->fields[n] : NULL);
		assert_ptr_equal(sl_layer_field_by_id(layer, layer->fields[n].field, NULL), found);
		assert_int_equal(index, available ? n : UINT8_MAX);
	}
	assert_int_equal(layer->n_fields, n);
}

static void
test_fields_of_appendix_a(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(appendix_a); i++) {
		const char *base = appendix_a[i].layer;

		if (strstr(base, "ethernet") != NULL) {
			check_fields(base, appendix_a[i].fields, 0);
			continue;
		}
		check_fields(base, appendix_a[i].fields, 4);
		check_fields(base, appendix_a[i].fields, 6);
	}
}

/* WFP section 1.2: ids of those that the run-time headers number. */
static void
test_ids(void **state)
{
	static const struct {
		const char *name;
		int id;
	} rows[] = {
		{"inbound_ippacket_v4", 0},
		{"inbound_ippacket_v6_discard", 3},
		{"outbound_ippacket_v4", 4},
		{"ipforward_v4", 8},
		{"inbound_transport_v4", 12},
		{"outbound_transport_v6", 18},
		{"stream_v4", 20},
		{"datagram_data_v4", 24},
		{"inbound_icmp_error_v4", 28},
		{"outbound_icmp_error_v4", 32},
		{"ale_auth_recv_accept_v4", 44},
		{"ale_auth_connect_v4", 48},
		{"ale_auth_connect_v6", 50},
		{"ale_flow_established_v4", 52},
		{"inbound_mac_frame_ethernet", 56},
		{"outbound_mac_frame_ethernet", 57},
		{"ale_endpoint_closure_v4", 64},
		{"stream_packet_v4", 70},
		{"ingress_vswitch_ethernet", 72},
		{"egress_vswitch_transport_v6", 77},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		const struct sl_layer *layer = sl_layer_find(rows[i].name);

		assert_non_null(layer);
		assert_int_equal(layer->id, rows[i].id);
		assert_ptr_equal(sl_layer_by_id((enum sluice_layer)rows[i].id), layer);
	}
	assert_null(sl_layer_find("inbound_transport"));
	assert_null(sl_layer_find("INBOUND_TRANSPORT_V4"));
	assert_null(sl_layer_find(""));
	assert_null(sl_layer_by_id((enum sluice_layer)58)); /* a gap */
	assert_null(sl_layer_by_id(SLUICE_LAYER_COUNT));
	assert_null(sl_layer_by_id((enum sluice_layer) - 1));
}

static void
check_weight_slots(const struct sl_layer *layer)
{
	unsigned int width = 0;

	assert_true(layer->n_weight_slots > 0);
	for (uint8_t i = 0; i < layer->n_weight_slots; i++) {
		const struct sl_weight_slot *slot = &layer->weight_slots[i];
		bool is_last = i + 1 == layer->n_weight_slots;

		width += slot->width;
		assert_int_equal(slot->field == SLUICE_FIELD_NONE, is_last);
		if (is_last)
			continue;
		assert_non_null(sl_layer_field_by_id(layer, slot->field, NULL));
		assert_int_equal(slot->width,
			!sl_field_is_address(slot->field) ? 3
				: layer->ip_version == 4  ? 6
							  : 8);
		for (uint8_t k = 0; k < i; k++)
			assert_int_not_equal(layer->weight_slots[k].field, slot->field);
	}
	assert_true(width <= 60);
}

/* Every address of a layer has a slot: the longer of two prefixes must always be the heavier. */
static void
check_address_slots(const struct sl_layer *layer)
{
	for (uint8_t i = 0; i < layer->n_fields; i++) {
		bool has_slot = false;

		if (!sl_field_is_address(layer->fields[i].field))
			continue;
		for (uint8_t k = 0; k < layer->n_weight_slots; k++)
			has_slot =
				has_slot || layer->weight_slots[k].field == layer->fields[i].field;
		assert_true(has_slot);
	}
}

static void
test_every_layer(void **state)
{
	uint32_t n;
	const struct sl_layer *const *list = sl_layer_list(&n);

	(void)state;
	assert_int_equal(n, 78);
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_layer *layer = list[i];
		bool is_discard = strstr(layer->name, "_discard") != NULL;

		assert_true(i == 0 || list[i - 1]->id < layer->id);
		assert_ptr_equal(sl_layer_find(layer->name), layer);
		assert_ptr_equal(sl_layer_by_id(layer->id), layer);
		assert_true(strlen(layer->why) > 10);
		assert_int_equal(layer->is_discard, is_discard);
		assert_int_equal(layer->status == SL_LAYER_MEANINGLESS, layer->n_fields == 0);
		assert_int_equal(layer->n_fields == 0, layer->fields == NULL);
		if (layer->status == SL_LAYER_MEANINGLESS)
			continue;
		check_weight_slots(layer);
		check_address_slots(layer);
	}
}

/* WFP section 1.7: a twin has its parent's schema and comes right behind it. */
static void
test_discard_twins(void **state)
{
	uint32_t n;
	const struct sl_layer *const *list = sl_layer_list(&n);
	uint32_t n_twins = 0;
	uint32_t n_discard = 0;
	char name[80];

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_layer *twin = list[i]->twin;

		n_discard += list[i]->is_discard ? 1 : 0;
		if (twin == NULL)
			continue;
		n_twins++;
		assert_false(list[i]->is_discard);
		assert_true(twin->is_discard);
		assert_null(twin->twin);
		assert_int_equal(twin->id, list[i]->id + 1);
		snprintf(name, sizeof(name), "%s_discard", list[i]->name);
		assert_string_equal(twin->name, name);
		assert_ptr_equal(twin->fields, list[i]->fields);
		assert_int_equal(twin->n_fields, list[i]->n_fields);
		assert_ptr_equal(twin->weight_slots, list[i]->weight_slots);
		assert_int_equal(twin->n_weight_slots, list[i]->n_weight_slots);
		assert_int_equal(twin->status, list[i]->status);
		assert_int_equal(twin->orientation, list[i]->orientation);
		assert_int_equal(twin->ip_version, list[i]->ip_version);
	}
	assert_int_equal(n_twins, 28);
	assert_int_equal(n_discard, 28);
}

/* Every row of the two lists is in use. */
static void
test_every_field_is_somewhere(void **state)
{
	uint32_t n;
	const struct sl_layer *const *list = sl_layer_list(&n);

	(void)state;
	for (int f = SLUICE_FIELD_NONE + 1; f < SLUICE_FIELD_COUNT; f++) {
		const char *name = sl_field_name((enum sluice_field)f);
		bool is_used = false;

		assert_non_null(name);
		for (int other = SLUICE_FIELD_NONE + 1; other < f; other++)
			assert_string_not_equal(sl_field_name((enum sluice_field)other), name);
		for (uint32_t i = 0; i < n; i++)
			for (uint8_t k = 0; k < list[i]->n_fields; k++)
				is_used =
					is_used || list[i]->fields[k].field == (enum sluice_field)f;
		if (!is_used)
			print_error("%s is in no layer\n", name);
		assert_true(is_used);
	}
	assert_null(sl_field_name(SLUICE_FIELD_NONE));
	assert_null(sl_field_name(SLUICE_FIELD_COUNT));
	assert_false(sl_field_is_address(SLUICE_FIELD_COUNT));
}

static enum sluice_field
field_named(const char *layer, const char *name)
{
	const struct sl_layer_field *field = sl_layer_field_find(sl_layer_find(layer), name, NULL);

	return field != NULL ? field->field : SLUICE_FIELD_NONE;
}

/*
 * WFP section 1.5: ICMP type and code travel in the port fields, except where they have their own.
 */
static void
test_icmp_aliases(void **state)
{
	(void)state;
	assert_int_equal(
		field_named("inbound_transport_v4", "icmp_type"), SLUICE_FIELD_IP_LOCAL_PORT);
	assert_int_equal(
		field_named("inbound_transport_v6", "icmp_code"), SLUICE_FIELD_IP_REMOTE_PORT);
	assert_int_equal(field_named("ingress_vswitch_transport_v4", "icmp_type"),
		SLUICE_FIELD_IP_SOURCE_PORT);
	assert_int_equal(field_named("ingress_vswitch_transport_v4", "icmp_code"),
		SLUICE_FIELD_IP_DESTINATION_PORT);
	assert_int_equal(
		field_named("outbound_icmp_error_v6", "icmp_type"), SLUICE_FIELD_ICMP_TYPE);
	assert_int_equal(field_named("inbound_icmp_error_v4", "icmp_code"), SLUICE_FIELD_ICMP_CODE);
	assert_int_equal(field_named("inbound_ippacket_v4", "icmp_type"), SLUICE_FIELD_NONE);
	assert_int_equal(field_named("inbound_mac_frame_ethernet", "icmp_code"), SLUICE_FIELD_NONE);
	assert_int_equal(field_named("inbound_transport_v4", ""), SLUICE_FIELD_NONE);
	assert_int_equal(field_named("ale_auth_listen_v4", "icmp_type"), SLUICE_FIELD_NONE);
}

static void
test_list_fields(void **state)
{
	struct sl_buf text = {0};

	(void)state;
	sl_layer_list_fields(sl_layer_find("inbound_mac_frame_ethernet"), &text);
	assert_string_equal(sl_buf_text(&text),
		"interface_mac_address, mac_local_address, mac_remote_address, "
		"mac_local_address_type, mac_remote_address_type, ether_type, vlan_id, interface, "
		"interface_index, ndis_port, l2_flags, x_vlan_vid");
	sl_buf_fini(&text);
}

static void
check_flags(enum sluice_field field, uint32_t n_expected)
{
	uint32_t all = 0;
	uint32_t n = 0;
	uint32_t bit;
	uint32_t found;

	for (const char *name; (name = sl_flag_name(field, n, &bit)) != NULL; n++) {
		assert_int_equal(__builtin_popcount(bit), 1);
		assert_int_equal(all & bit, 0);
		all |= bit;
		assert_true(sl_flag_find(field, name, &found));
		assert_int_equal(found, bit);
	}
	assert_int_equal(n, n_expected);
}

static void
test_flags(void **state)
{
	uint32_t bit = 0;

	(void)state;
	check_flags(SLUICE_FIELD_FLAGS, 9);
	check_flags(SLUICE_FIELD_L2_FLAGS, 3);
	check_flags(SLUICE_FIELD_X_TCP_FLAGS, 8);
	check_flags(SLUICE_FIELD_X_IP_OPTIONS, 8);
	check_flags(SLUICE_FIELD_X_IP6_EXTENSION_HEADERS, 8);
	check_flags(SLUICE_FIELD_REAUTHORIZE_REASON, 8);
	check_flags(SLUICE_FIELD_IP_LOCAL_PORT, 0);
	assert_true(sl_flag_find(SLUICE_FIELD_FLAGS, "is_fragment", &bit));
	assert_int_equal(bit, 0x20);
	assert_true(sl_flag_find(SLUICE_FIELD_FLAGS, "is_midstream", &bit));
	assert_int_equal(bit, 0x80000000u);
	assert_true(sl_flag_find(SLUICE_FIELD_X_TCP_FLAGS, "syn", &bit));
	assert_int_equal(bit, 2);
	bit = 77;
	assert_false(sl_flag_find(SLUICE_FIELD_FLAGS, "syn", &bit));
	assert_int_equal(bit, 77);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(
		sl_action_name(SLUICE_ACTION_CALLOUT_TERMINATING), "callout_terminating");
	assert_string_equal(sl_action_name(SLUICE_ACTION_BLOCK), "block");
	assert_null(sl_action_name((enum sluice_action)9));
	assert_string_equal(sl_type_name(SLUICE_TYPE_V4_ADDR_MASK), "v4_addr_mask");
	assert_null(sl_type_name(SLUICE_TYPE_SINGLE_DATA_TYPE_MAX));
	assert_null(sl_type_name((enum sluice_data_type)17));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_of_appendix_a),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_every_layer),
		cmocka_unit_test(test_discard_twins),
		cmocka_unit_test(test_every_field_is_somewhere),
		cmocka_unit_test(test_icmp_aliases),
		cmocka_unit_test(test_list_fields),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
