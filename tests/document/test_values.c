/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

/* Values of conditions: what a JSON form becomes, what is refused, and how it is written. */

/* The first condition of a filter at `layer` with these members; NULL: the faults are in `faults`. */
static struct sl_object *
read_condition(
	const char *layer, const char *field, const char *match, const char *value, char **faults)
{
	struct sl_problems problems = {0};
	struct sl_buf text = {0};
	struct sl_object *object;
	json_t *json;

	sl_buf_printf(&text,
		"{'name': 'n', 'layer': '%s', 'action': 'block', 'conditions': [{'field': '%s', "
		"'match': '%s', 'value': %s}]}",
		layer, field, match, value);
	json = json_of(sl_buf_text(&text));
	sl_buf_fini(&text);
	object = sl_document_read_object(
		SL_OBJECT_FILTER, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems);
	*faults = faults_text(&problems);
	sl_problems_fini(&problems);
	json_decref(json);
	return object;
}

/* The value as it is written back, compact. */
static char *
written_value(const struct sl_object *object)
{
	json_t *json = sl_document_write_object(object, false);
	json_t *condition = json_array_get(json_object_get(json, "conditions"), 0);
	char *text =
		json_dumps(json_object_get(condition, "value"), JSON_COMPACT | JSON_ENCODE_ANY);

	assert_non_null(text);
	for (char *at = text; *at != '\0'; at++)
		if (*at == '"')
			*at = '\'';
	json_decref(json);
	return text;
}

struct row {
	const char *layer;
	const char *field;
	const char *match;
	const char *value;
	const char *result; /* as written back, or the code of the fault */
};

#define V4  "inbound_transport_v4"
#define V6  "inbound_transport_v6"
#define MAC "inbound_mac_frame_ethernet"

static void
expect_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *row = &rows[i];
		char *faults, *result;
		struct sl_object *object =
			read_condition(row->layer, row->field, row->match, row->value, &faults);

		result = object != NULL ? written_value(object) : strdup(faults);
		if (strncmp(result, row->result, strlen(row->result)) != 0)
			fail_msg("%s %s %s: expected %s, found %s", row->field, row->match,
				row->value, row->result, result);
		free(faults);
		free(result);
		sl_object_put(object);
	}
}

static void
test_numbers(void **state)
{
	static const struct row rows[] = {
		{V4, "ip_protocol", "equal", "6", "6"},
		{V4, "ip_protocol", "equal", "0", "0"},
		{V4, "ip_protocol", "equal", "255", "255"},
		{V4, "ip_protocol", "equal", "256", "out_of_bounds /conditions/0/value"},
		{V4, "ip_protocol", "equal", "-1", "out_of_bounds /conditions/0/value"},
		{V4, "ip_protocol", "equal", "6.0", "type_mismatch /conditions/0/value"},
		{V4, "ip_protocol", "equal", "'6'", "type_mismatch /conditions/0/value"},
		{V4, "ip_protocol", "equal", "true", "type_mismatch /conditions/0/value"},
		{V4, "ip_protocol", "equal", "{}", "type_mismatch /conditions/0/value"},
		{V4, "ip_local_port", "greater", "65535", "65535"},
		{V4, "ip_local_port", "greater", "65536", "out_of_bounds /conditions/0/value"},
		{V4, "ip_local_port", "equal", "'10.0.0.1'", "type_mismatch /conditions/0/value"},
		{V4, "x_packet_length", "less", "4294967295", "4294967295"},
		{V4, "x_packet_length", "less", "4294967296", "out_of_bounds /conditions/0/value"},
		{V4, "ip_local_port", "equal", "null", "null"},
		{V4, "ip_local_port", "not_equal", "null", "null"},
		{V4, "ip_local_port", "less", "null", "match_type_mismatch /conditions/0/match"},
		{V4, "ip_local_interface", "equal", "7", "'7'"},
		{V4, "ip_local_interface", "equal", "'18446744073709551615'",
			"'18446744073709551615'"},
		{V4, "ip_local_interface", "equal", "'18446744073709551616'", "out_of_bounds "},
		{V4, "ip_local_interface", "equal", "'eth0'", "type_mismatch "},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_ranges(void **state)
{
	static const struct row rows[] = {
		{V4, "ip_local_port", "range", "[2300, 2399]", "[2300,2399]"},
		{V4, "ip_local_port", "range", "'2300-2399'", "[2300,2399]"},
		{V4, "ip_local_port", "range", "'2300-'", "type_mismatch /conditions/0/value"},
		{V4, "ip_local_port", "range", "'2300'", "type_mismatch /conditions/0/value"},
		{V4, "ip_local_port", "range", "'1-2-3'", "type_mismatch /conditions/0/value"},
		{V4, "ip_local_port", "range", "'1 - 2'", "type_mismatch /conditions/0/value"},
		{V4, "ip_local_port", "range", "'1-65536'", "out_of_bounds /conditions/0/value"},
		{V4, "ip_local_port", "range", "[1, 65536]", "out_of_bounds /conditions/0/value/1"},
		{V4, "ip_local_port", "range", "['1', 2]", "type_mismatch /conditions/0/value/0"},
		{V4, "ip_local_port", "range", "[1, null]", "type_mismatch /conditions/0/value/1"},
		{V4, "ip_local_port", "range", "[1]", "invalid_range /conditions/0/value"},
		{V4, "ip_local_port", "range", "[1, 2, 3]", "invalid_range /conditions/0/value"},
		{V4, "ip_local_port", "range", "[2, 1]", "invalid_range /conditions/0/value"},
		{V4, "ip_local_port", "range", "5", "match_type_mismatch /conditions/0/match"},
		{V4, "ip_local_port", "equal", "[1, 2]", "match_type_mismatch /conditions/0/value"},
		{V4, "ip_remote_address", "range", "['10.0.0.1', '10.0.0.9']",
			"['10.0.0.1','10.0.0.9']"},
		{V4, "ip_remote_address", "range", "'10.0.0.1-10.0.0.9'",
			"['10.0.0.1','10.0.0.9']"},
		{V4, "ip_remote_address", "range", "['10.0.0.0/8', '10.0.0.9']",
			"type_mismatch /conditions/0/value/0"},
		{V4, "ip_remote_address", "range", "'10.0.0.0/8'",
			"match_type_mismatch /conditions/0/match"},
		{V6, "ip_remote_address", "range", "['::1', '::9']", "['::1','::9']"},
		{V6, "ip_remote_address", "range", "['::9', '::1']", "invalid_range "},
		{MAC, "mac_remote_address", "range", "['02:00:00:00:00:01', '02:00:00:00:00:02']",
			"match_type_mismatch /conditions/0/match"},
		{V4, "ip_local_interface", "range", "['1', '18446744073709551615']",
			"['1','18446744073709551615']"},
		{V4, "x_tcp_flags", "range", "[1, 3]", "[1,3]"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_addresses(void **state)
{
	static const struct row rows[] = {
		{V4, "ip_remote_address", "equal", "'198.51.100.0/24'", "'198.51.100.0/24'"},
		{V4, "ip_remote_address", "equal", "'198.51.100.7/24'", "'198.51.100.0/24'"},
		{V4, "ip_remote_address", "equal", "'198.51.100.0/255.255.255.0'",
			"'198.51.100.0/24'"},
		{V4, "ip_remote_address", "equal", "'198.51.100.7'", "'198.51.100.7'"},
		{V4, "ip_remote_address", "equal", "'198.51.100.7/32'", "'198.51.100.7/32'"},
		{V4, "ip_remote_address", "equal", "'0.0.0.0/0'", "'0.0.0.0/0'"},
		{V4, "ip_remote_address", "equal", "3325256711", "'198.51.100.7'"},
		{V4, "ip_remote_address", "equal", "4294967296", "out_of_bounds "},
		{V4, "ip_remote_address", "not_equal", "'10.0.0.0/8'", "'10.0.0.0/8'"},
		{V4, "ip_remote_address", "equal", "'10.0.0.0/33'",
			"invalid_net_mask /conditions/0/value"},
		{V4, "ip_remote_address", "equal", "'10.0.0.0/255.0.255.0'",
			"invalid_net_mask /conditions/0/value"},
		{V4, "ip_remote_address", "equal", "'10.0.0.0/x'", "type_mismatch "},
		{V4, "ip_remote_address", "equal", "'10.0.0'", "type_mismatch "},
		{V4, "ip_remote_address", "equal", "'2001:db8::1'", "type_mismatch "},
		{V4, "ip_remote_address", "equal", "''", "type_mismatch "},
		{V4, "ip_remote_address", "greater", "'10.0.0.1'", "'10.0.0.1'"},
		{V4, "ip_remote_address", "greater", "'10.0.0.0/8'", "match_type_mismatch "},
		{V6, "ip_remote_address", "equal", "'2001:DB8:0::/32'", "'2001:db8::/32'"},
		{V6, "ip_remote_address", "equal", "'2001:db8::1/32'", "'2001:db8::/32'"},
		{V6, "ip_remote_address", "equal", "'2001:db8::1'", "'2001:db8::1'"},
		{V6, "ip_remote_address", "equal", "'2001:db8::/129'", "invalid_net_mask "},
		{V6, "ip_remote_address", "equal", "'10.0.0.1'", "type_mismatch "},
		{V6, "ip_remote_address", "equal", "5", "type_mismatch "},
		{MAC, "mac_remote_address", "equal", "'AA-BB-CC-00-11-22'", "'aa:bb:cc:00:11:22'"},
		{MAC, "mac_remote_address", "equal", "'aa:bb:cc:00:11'", "type_mismatch "},
		{MAC, "mac_remote_address", "equal", "5", "type_mismatch "},
		{MAC, "mac_remote_address", "greater", "'aa:bb:cc:00:11:22'",
			"match_type_mismatch "},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_flags(void **state)
{
	static const struct row rows[] = {
		{V4, "x_tcp_flags", "flags_all_set", "['syn', 'ack']", "['syn','ack']"},
		{V4, "x_tcp_flags", "flags_all_set", "['ack', 'syn', 'syn']", "['syn','ack']"},
		{V4, "x_tcp_flags", "flags_any_set", "18", "['syn','ack']"},
		{V4, "x_tcp_flags", "flags_none_set", "[]", "0"},
		{V4, "x_tcp_flags", "equal", "['syn']", "2"},
		{V4, "x_tcp_flags", "flags_all_set", "['sin']",
			"invalid_flags /conditions/0/value/0"},
		{V4, "x_tcp_flags", "flags_all_set", "['syn', 2]",
			"type_mismatch /conditions/0/value/1"},
		{V4, "x_tcp_flags", "flags_all_set", "'syn'", "type_mismatch /conditions/0/value"},
		{V4, "x_tcp_flags", "flags_all_set", "256", "out_of_bounds "},
		{"inbound_ippacket_v4", "flags", "flags_all_set", "['is_fragment']",
			"['is_fragment']"},
		{"inbound_ippacket_v4", "flags", "flags_all_set", "16", "16"}, /* no name */
		{V4, "ip_local_port", "flags_any_set", "4096", "4096"},
		{V4, "ip_local_port", "flags_any_set", "['syn']", "match_type_mismatch "},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_sets(void **state)
{
	static const struct row rows[] = {
		{V4, "ip_remote_address", "in_set", "'bad-hosts'", "'bad-hosts'"},
		{V4, "ip_remote_address", "not_in_set", "'bad-hosts'", "'bad-hosts'"},
		{V4, "ip_remote_address", "in_set", "null", "type_mismatch "},
		{V4, "ip_remote_address", "in_set", "5", "type_mismatch "},
		{V4, "ip_local_interface", "in_set", "'x'", "type_mismatch "},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

/* For explain: single values only. */
static void
test_single_values(void **state)
{
	static const struct {
		const char *field;
		const char *json;
		const char *faults;
		enum sluice_data_type type;
		uint64_t number;
	} rows[] = {
		{"ip_protocol", "[6]", "type_mismatch /values/f\n", 0, 0},
		{"ip_protocol", "6", "", SLUICE_TYPE_UINT8, 6},
		{"ip_protocol", "null", "", SLUICE_TYPE_EMPTY, 0},
		{"ip_remote_address", "'10.0.0.1'", "", SLUICE_TYPE_UINT32, 0x0a000001},
		{"ip_remote_address", "'10.0.0.0/8'", "type_mismatch /values/f\n", 0, 0},
		{"x_tcp_flags", "['syn', 'ack']", "", SLUICE_TYPE_UINT8, 0x12},
		{"x_tcp_flags", "2", "", SLUICE_TYPE_UINT8, 2},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		const struct sl_layer_field *field =
			sl_layer_field_find(sl_layer_find(V4), rows[i].field, NULL);
		struct sl_problems problems = {0};
		struct sl_condition_value value;
		struct sl_buf text = {0};
		json_t *json;
		char *faults;
		bool ok;

		sl_buf_printf(&text, "{'v': %s}", rows[i].json);
		json = json_of(sl_buf_text(&text));
		ok = sl_document_read_value(
			field, json_object_get(json, "v"), "/values/f", &value, &problems);
		faults = faults_text(&problems);
		assert_string_equal(faults, rows[i].faults);
		assert_int_equal(ok, rows[i].faults[0] == '\0');
		if (ok) {
			assert_int_equal(value.type, rows[i].type);
			assert_true(value.low.number == rows[i].number);
		}
		free(faults);
		sl_problems_fini(&problems);
		sl_buf_fini(&text);
		json_decref(json);
	}
}

static int
set_up(void **state)
{
	(void)state;
	sl_document_setup();
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_single_values),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
