/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Field `name` of layer `layer` of the packet, as text of JSON; the caller frees. */
static char *
value_text(const struct sl_meta *meta, const char *layer_name, const char *name)
{
	const struct sl_layer *layer = sl_layer_find(layer_name);
	const struct sl_layer_field *field = sl_layer_field_find(layer, name, NULL);
	json_t *json;
	char *text;

	assert_non_null(field);
	json = explain_value_json(field, meta, sl_meta_slot(layer, field->field));
	assert_non_null(json);
	text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(json);
	return text;
}

static void
check_value(const struct sl_meta *meta, const char *layer, const char *name, const char *wanted)
{
	char *text = value_text(meta, layer, name);

	assert_string_equal(text, wanted);
	free(text);
}

static void
test_values(void **state)
{
	static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 0xaa};
	struct sl_blob name = {(const uint8_t *)"wan.outside", 11};
	struct sl_meta meta;

	(void)state;
	memset(&meta, 0, sizeof(meta));
	check_value(&meta, "inbound_transport_v4", "ip_remote_address", "null");
	check_value(&meta, "inbound_mac_frame_ethernet", "mac_remote_address", "null");
	meta.present = SL_PRESENT(IP4_SRC) | SL_PRESENT(PROTOCOL) | SL_PRESENT(REMOTE_PORT) |
		SL_PRESENT(MAC_SRC) | SL_PRESENT(ARRIVAL_LUID) | SL_PRESENT(ARRIVAL_NAME);
	meta.ip4_src = 0xc6336409;
	meta.protocol = 255;
	meta.remote_port = 65535;
	meta.ports.arrival_luid = INT64_MAX;
	meta.ports.arrival_name = &name;
	memcpy(meta.mac_src, mac, sizeof(mac));
	check_value(&meta, "inbound_transport_v4", "ip_remote_address", "\"198.51.100.9\"");
	check_value(&meta, "inbound_transport_v4", "ip_protocol", "255");
	check_value(&meta, "inbound_transport_v4", "ip_remote_port", "65535");
	check_value(&meta, "inbound_transport_v4", "ip_local_interface", "9223372036854775807");
	check_value(
		&meta, "inbound_mac_frame_ethernet", "mac_remote_address", "\"02:00:00:00:00:aa\"");
	check_value(&meta, "ingress_vswitch_ethernet", "vswitch_source_interface_id",
		"\"wan.outside\"");
	meta.present = SL_PRESENT(IP6_SRC);
	memcpy(meta.ip6_src, v6, sizeof(v6));
	check_value(&meta, "inbound_transport_v6", "ip_remote_address", "\"2001:db8::1\"");
}

/* The names of flags stand beside the number, and only beside flags that are there. */
static void
test_flags(void **state)
{
	const struct sl_layer *layer = sl_layer_find("inbound_transport_v4");
	const struct sl_layer_field *field = sl_layer_field_find(layer, "x_tcp_flags", NULL);
	enum sl_slot slot = sl_meta_slot(layer, field->field);
	json_t *json = json_object();
	struct sl_meta meta;
	char *text;

	(void)state;
	memset(&meta, 0, sizeof(meta));
	assert_true(explain_add_value(json, "found", field, &meta, slot));
	assert_null(json_object_get(json, "found_names"));
	meta.present = SL_PRESENT(TCP_FLAGS);
	meta.tcp_flags = 0x03;
	assert_true(explain_add_value(json, "found", field, &meta, slot));
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, "{\"found\":3,\"found_names\":[\"fin\",\"syn\"]}");
	free(text);
	json_decref(json);
}

/* --- Misses. --- */

static struct sl_object *
read_filter(const char *conditions)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:o}", "key", "f", "name", "F", "layer",
		"inbound_transport_v4", "action", "block", "conditions",
		json_loads(conditions, 0, NULL));
	struct sl_problems problems = {0};
	struct sl_object *object = sl_document_read_object(
		SL_OBJECT_FILTER, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems);

	assert_int_equal(problems.n_total, 0);
	assert_non_null(object);
	json_decref(json);
	return object;
}

static void
test_miss(void **state)
{
	struct sl_object *object = read_filter(
		"[{\"field\":\"ip_local_port\",\"match\":\"equal\",\"value\":80},"
		" {\"field\":\"ip_protocol\",\"match\":\"equal\",\"value\":6},"
		" {\"field\":\"ip_local_port\",\"match\":\"range\",\"value\":[90,99]},"
		" {\"field\":\"x_tcp_flags\",\"match\":\"flags_all_set\",\"value\":[\"syn\"]}]");
	struct sl_near_miss miss = {.field = SLUICE_FIELD_IP_LOCAL_PORT,
		.fields = {SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_FIELD_X_TCP_FLAGS},
		.n_failed = 2,
		.n_groups = 3};
	struct sl_meta meta;
	const json_t *failures;
	json_t *json;

	(void)state;
	memset(&meta, 0, sizeof(meta));
	meta.present = SL_PRESENT(TCP_FLAGS) | SL_PRESENT(PROTOCOL);
	meta.tcp_flags = 0x10;
	json = explain_miss_json(
		sl_layer_find("inbound_transport_v4"), &meta, sl_filter_of(object), &miss);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "why")),
		"ip_local_port is EMPTY; wanted equal 80 or range [90,99], and "
		"x_tcp_flags is [\"ack\"]; wanted flags_all_set [\"syn\"]");
	assert_string_equal(json_string_value(json_object_get(json, "field")), "ip_local_port");
	assert_true(json_is_null(json_object_get(json, "found")));
	assert_int_equal(json_array_size(json_object_get(json, "wanted")), 2);
	assert_int_equal(json_integer_value(json_object_get(json, "failed")), 2);
	assert_int_equal(json_integer_value(json_object_get(json, "conditions")), 3);
	failures = json_object_get(json, "failures");
	assert_int_equal(json_array_size(failures), 2);
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(failures, 1), "found")), 0x10);
	json_decref(json);
	sl_object_put(object);
}

/* More fields fail than are kept: the count tells. */
static void
test_many_failures(void **state)
{
	struct sl_object *object = read_filter("[]");
	struct sl_near_miss miss = {
		.field = SLUICE_FIELD_IP_PROTOCOL, .n_failed = 20, .n_groups = 20};
	struct sl_meta meta;
	json_t *json;

	(void)state;
	memset(&meta, 0, sizeof(meta));
	for (size_t i = 0; i < SL_NEAR_MISS_FIELDS_MAX; i++)
		miss.fields[i] = SLUICE_FIELD_IP_PROTOCOL;
	json = explain_miss_json(
		sl_layer_find("inbound_transport_v4"), &meta, sl_filter_of(object), &miss);
	assert_non_null(json);
	assert_int_equal(json_integer_value(json_object_get(json, "failed")), 20);
	assert_int_equal(
		json_array_size(json_object_get(json, "failures")), SL_NEAR_MISS_FIELDS_MAX);
	json_decref(json);
	sl_object_put(object);
}

/* --- The packet. --- */

static void
test_packet(void **state)
{
	struct sl_meta_ports ports = {.interface_type = 6, .arrival_index = 2};
	struct sl_meta meta;
	json_t *json;

	(void)state;
	memset(&meta, 0, sizeof(meta));
	sl_meta_setup(&meta, SLUICE_DIRECTION_OUTBOUND, &ports);
	meta.present |= SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST) | SL_PRESENT(FLAGS_TRANSPORT) |
		SL_PRESENT(PROTOCOL);
	meta.ip_version = 4;
	meta.ip4_src = 0x0a000001;
	meta.ip4_dst = 0xc6336409;
	meta.protocol = 17;
	meta.flags_transport = SLUICE_CONDITION_FLAG_IS_FRAGMENT;
	meta.meta_flags = SL_META_IS_FRAGMENT | SL_META_MORE_FRAGMENTS | SL_META_IS_TUNNEL;
	meta.frag_id = UINT32_MAX;
	meta.frag_offset = 1480;
	meta.frame_len = 1514;
	json = explain_packet_json(&meta);
	assert_non_null(json);
	assert_string_equal(
		json_string_value(json_object_get(json, "ip_local_address")), "10.0.0.1");
	assert_string_equal(
		json_string_value(json_object_get(json, "ip_destination_address")), "198.51.100.9");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json, "flags_names"), 0)),
		"is_fragment");
	assert_null(json_object_get(json, "ip_local_port"));
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "fragment"), "id")),
		UINT32_MAX);
	assert_true(json_is_true(json_object_get(json, "tunnel")));
	assert_int_equal(json_integer_value(json_object_get(json, "frame_length")), 1514);
	json_decref(json);

	/* Whatever could not be parsed is not there. */
	sl_meta_setup(&meta, SLUICE_DIRECTION_INBOUND, &ports);
	meta.ip_version = 0;
	meta.meta_flags = 0;
	json = explain_packet_json(&meta);
	assert_true(json_is_null(json_object_get(json, "ip_version")));
	assert_true(json_is_null(json_object_get(json, "fragment")));
	assert_null(json_object_get(json, "ip_remote_address"));
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_miss),
		cmocka_unit_test(test_many_failures),
		cmocka_unit_test(test_packet),
	};

	sl_document_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
