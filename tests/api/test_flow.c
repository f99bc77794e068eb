/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/flows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
test_protocols(void **state)
{
	static const struct {
		const char *text;
		uint8_t number;
	} good[] = {{"tcp", 6}, {"udp", 17}, {"icmp6", 58}, {"0", 0}, {"255", 255}};
	static const char *const bad[] = {"", "256", "-1", "TCP", "tcp ", "0x6", "6.0"};
	uint8_t protocol;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(good); i++) {
		assert_true(api_flow_parse_protocol(good[i].text, &protocol));
		assert_int_equal(protocol, good[i].number);
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(bad); i++)
		assert_false(api_flow_parse_protocol(bad[i], &protocol));
}

static void
test_cursors(void **state)
{
	static const char *const bad[] = {"", ".", "0", "0.", ".0", "2.0", "0.4294967295", "-1.0",
		"0.-1", "0.0.0", "0 .0", "0x0.0", "00000000000000000000000000.0", "0.1 "};
	struct sl_flow_cursor cursor;
	json_t *json;

	(void)state;
	assert_true(api_flow_parse_cursor("1.4294967294", 2, &cursor));
	assert_int_equal(cursor.worker, 1);
	assert_int_equal(cursor.place, 4294967294u);
	for (size_t i = 0; i < SL_ARRAY_LEN(bad); i++)
		assert_false(api_flow_parse_cursor(bad[i], 2, &cursor));
	assert_false(api_flow_parse_cursor("0.0", 0, &cursor));
	/* What is written can be read. */
	cursor = (struct sl_flow_cursor){.worker = 63, .place = 1234567};
	json = api_flow_cursor_json(&cursor);
	cursor = (struct sl_flow_cursor){0};
	assert_true(api_flow_parse_cursor(json_string_value(json), 64, &cursor));
	assert_int_equal(cursor.worker, 63);
	assert_int_equal(cursor.place, 1234567);
	json_decref(json);
}

static const char *
text(const json_t *json, const char *member)
{
	return json_string_value(json_object_get(json, member));
}

static void
test_json_of_a_flow(void **state)
{
	const struct sl_flow_view view = {
		.id = UINT64_MAX,
		.key = {.local = {192, 0, 2, 1},
			.remote = {198, 51, 100, 9},
			.local_port = 40000,
			.remote_port = 443,
			.domain = 3u << 24 | 100u << 12 | 7u,
			.protocol = 6,
			.ip_version = 4},
		.flags = SL_FLOW_OUTBOUND | SL_FLOW_REPLIED | SL_FLOW_MIDSTREAM,
		.class = SL_FLOW_TCP_ESTABLISHED,
		.tcp_state = SL_TCP_ESTABLISHED,
		.packets = {[SLUICE_DIRECTION_OUTBOUND] = 2, [SLUICE_DIRECTION_INBOUND] = 1},
		.bytes = {[SLUICE_DIRECTION_OUTBOUND] = 120, [SLUICE_DIRECTION_INBOUND] = 60},
		.since_ns = UINT64_C(10000000000),
		.last_ns = UINT64_C(12000000000),
		.over_ns = UINT64_C(20500000000),
	};
	struct sl_policy *policy = sl_policy_new();
	json_t *json = api_flow_json(policy, &view, UINT64_C(13000000000));
	const json_t *packets = json_object_get(json, "packets");

	(void)state;
	assert_non_null(json);
	assert_string_equal(text(json, "id"), "18446744073709551615");
	assert_string_equal(text(json, "direction"), "outbound");
	assert_string_equal(text(json, "local"), "192.0.2.1");
	assert_string_equal(text(json, "remote"), "198.51.100.9");
	assert_string_equal(text(json, "tcp_state"), "established");
	assert_int_equal(json_integer_value(json_object_get(packets, "outbound")), 2);
	assert_int_equal(json_integer_value(json_object_get(packets, "inbound")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "vlan")), 2);
	assert_int_equal(json_integer_value(json_object_get(json, "zone")), 3);
	assert_true(json_number_value(json_object_get(json, "age_s")) == 3);
	assert_true(json_number_value(json_object_get(json, "idle_s")) == 1);
	assert_true(json_number_value(json_object_get(json, "expires_in_s")) == 7.5);
	assert_true(json_is_true(json_object_get(json, "midstream")));
	assert_true(json_is_false(json_object_get(json, "pended")));
	assert_true(json_is_false(json_object_get(json, "revoked")));
	assert_true(json_is_null(json_object_get(json, "filter")));
	assert_true(json_is_null(json_object_get(json, "end")));
	json_decref(json);
	sl_policy_free(policy);
}

/* Whoever answers a multicast has no address beforehand; a clock behind the flow's makes no negative times. */
static void
test_json_of_a_wildcard(void **state)
{
	const struct sl_flow_view view = {
		.id = 1,
		.key = {.ip_version = 6, .protocol = 17, .local = {0xfe, 0x80, [15] = 1}},
		.flags = SL_FLOW_OUTBOUND | SL_FLOW_WILDCARD | SL_FLOW_REVOKED,
		.class = SL_FLOW_ENDED,
		.end = SL_FLOW_END_ADMIN,
		.filter_id = 99,
		.since_ns = 5000000000,
		.last_ns = 5000000000,
		.over_ns = 1000000000,
	};
	struct sl_policy *policy = sl_policy_new();
	json_t *json = api_flow_json(policy, &view, 2000000000);

	(void)state;
	assert_string_equal(text(json, "local"), "fe80::1");
	assert_true(json_is_null(json_object_get(json, "remote")));
	assert_true(json_is_null(json_object_get(json, "tcp_state")));
	assert_true(json_is_null(json_object_get(json, "filter")));
	assert_string_equal(text(json, "end"), "admin");
	assert_true(json_number_value(json_object_get(json, "age_s")) == 0);
	assert_true(json_number_value(json_object_get(json, "expires_in_s")) == 0);
	assert_int_equal(json_array_size(json_object_get(json, "vlan")), 0);
	json_decref(json);
	sl_policy_free(policy);
}

/* Nothing of it has been authorised, and no packet decides when it is over. */
static void
test_json_of_a_pended_flow(void **state)
{
	const struct sl_flow_view view = {
		.id = 1,
		.key = {.ip_version = 4, .protocol = 17},
		.flags = SL_FLOW_PENDED,
		.class = SL_FLOW_UDP,
		.over_ns = 9000000000,
	};
	struct sl_policy *policy = sl_policy_new();
	json_t *json = api_flow_json(policy, &view, 2000000000);

	(void)state;
	assert_true(json_is_true(json_object_get(json, "pended")));
	assert_true(json_is_false(json_object_get(json, "established")));
	assert_true(json_is_null(json_object_get(json, "expires_in_s")));
	json_decref(json);
	sl_policy_free(policy);
}

static void
test_json_of_pended_counters(void **state)
{
	struct sl_flow_counter counters = {
		.pended = 10,
		.pend_ended = 7,
		.completed = 4,
		.pend_timeouts = 2,
		.pend_refused = 5,
		.completions_late = 1,
	};
	json_t *json = api_flow_counters_json(&counters);
	const json_t *pend = json_object_get(json, "pend");

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(pend, "pended")), 10);
	assert_int_equal(json_integer_value(json_object_get(pend, "waiting")), 3);
	assert_int_equal(json_integer_value(json_object_get(pend, "completed")), 4);
	assert_int_equal(json_integer_value(json_object_get(pend, "timeouts")), 2);
	assert_int_equal(json_integer_value(json_object_get(pend, "refused")), 5);
	assert_int_equal(json_integer_value(json_object_get(pend, "late")), 1);
	json_decref(json);
	/* Its beginning was read before the end of a later one. */
	counters.pend_ended = 11;
	json = api_flow_counters_json(&counters);
	pend = json_object_get(json, "pend");
	assert_int_equal(json_integer_value(json_object_get(pend, "waiting")), 0);
	json_decref(json);
}

static void
test_json_of_events(void **state)
{
	struct sl_event event = {
		.time_ns = UINT64_C(9000000000),
		.type = SL_EVENT_FLOW_CLOSED,
		.flow_id = 12,
		.flow_packets = {[SLUICE_DIRECTION_INBOUND] = 4},
		.flow_since_ns = UINT64_C(7500000000),
		.flow_end = SL_FLOW_END_FIN,
		.flow_direction = SLUICE_DIRECTION_INBOUND,
		.reauthorize_reason = SLUICE_REAUTHORIZE_POLICY_CHANGE,
	};
	json_t *json = json_object();

	(void)state;
	api_flow_add_event(&json, &event);
	assert_string_equal(text(json, "flow"), "12");
	assert_string_equal(text(json, "opened"), "inbound");
	assert_string_equal(text(json, "end"), "fin");
	assert_int_equal(json_integer_value(json_object_get(json, "duration_ms")), 1500);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json, "reauthorize_reason"), 0)),
		"policy_change");
	json_object_clear(json);
	event.type = SL_EVENT_CLASSIFY_DROP;
	event.reauthorize_reason = 0;
	api_flow_add_event(&json, &event);
	assert_int_equal(json_object_size(json), 1);
	json_object_clear(json);
	event.flow_id = 0;
	api_flow_add_event(&json, &event);
	assert_int_equal(json_object_size(json), 0);
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_cursors),
		cmocka_unit_test(test_json_of_a_flow),
		cmocka_unit_test(test_json_of_a_wildcard),
		cmocka_unit_test(test_json_of_a_pended_flow),
		cmocka_unit_test(test_json_of_pended_counters),
		cmocka_unit_test(test_json_of_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
