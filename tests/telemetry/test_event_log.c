/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_flow.h"
#include "telemetry/sl_event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_empty_log(void **state)
{
	struct sl_event_log *log;

	(void)state;
	assert_int_equal(sl_event_log_new(0, &log), -EINVAL);
	assert_int_equal(sl_event_log_new(SIZE_MAX, &log), -ENOMEM);
	assert_int_equal(sl_event_log_new(4, &log), 0);
	assert_int_equal(sl_event_log_first_id(log), 0);
	assert_int_equal(sl_event_log_last_id(log), 0);
	assert_null(sl_event_log_after(log, 0));
	sl_event_log_free(log);
	sl_event_log_free(NULL);
}

static void
test_oldest_gives_way(void **state)
{
	struct sl_event_log *log;
	struct sl_event_entry *entry;
	const struct sl_event_entry *found;

	(void)state;
	assert_int_equal(sl_event_log_new(4, &log), 0);
	for (uint64_t i = 1; i <= 10; i++) {
		entry = sl_event_log_next(log);
		assert_int_equal(entry->id, i);
		assert_int_equal(entry->event.time_ns, 0);
		entry->event.time_ns = i * 100;
	}
	assert_int_equal(sl_event_log_first_id(log), 7);
	assert_int_equal(sl_event_log_last_id(log), 10);
	found = sl_event_log_after(log, 0);
	for (uint64_t i = 7; i <= 10; i++) {
		assert_non_null(found);
		assert_int_equal(found->id, i);
		assert_int_equal(found->event.time_ns, i * 100);
		found = sl_event_log_after(log, found->id);
	}
	assert_null(found);
	assert_null(sl_event_log_after(log, UINT64_MAX));
	sl_event_log_free(log);
}

static uint64_t
add_filter(struct sl_policy *policy, const char *key)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);
	struct sl_filter *filter = sl_filter_of(object);
	struct sl_problems problems = {0};
	struct sl_error err;

	object->key = strdup(key);
	object->name = strdup(key);
	filter->layer = sl_layer_by_id(SLUICE_LAYER_INBOUND_TRANSPORT_V4);
	filter->sublayer = strdup("firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	assert_true(sl_object_finish(object, "", &problems));
	assert_int_equal(sl_policy_add(policy, object, &err), 0);
	return object->id;
}

static void
test_names_are_resolved(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_event_entry entry = {0};
	uint64_t ids[3];
	struct sl_error err;

	(void)state;
	assert_non_null(policy);
	ids[0] = add_filter(policy, "first");
	ids[1] = add_filter(policy, "gone");
	ids[2] = add_filter(policy, "last");
	assert_int_equal(sl_policy_delete(policy, SL_OBJECT_FILTER, "gone", &err), 0);
	entry.event.filter_id = ids[2];
	entry.event.n_decisions = 3;
	for (int i = 0; i < 3; i++)
		entry.event.decisions[i].filter_id = ids[i];
	sl_event_resolve(&entry, policy);
	assert_string_equal(entry.filter, "last");
	assert_string_equal(entry.sublayer, "firewall");
	assert_string_equal(entry.decisions[0], "first");
	assert_string_equal(entry.decision_sublayers[0], "firewall");
	assert_string_equal(entry.decisions[1], "");
	assert_string_equal(entry.decision_sublayers[1], "");
	assert_string_equal(entry.decisions[2], "last");
	sl_policy_free(policy);
}

static void
test_json_of_a_drop(void **state)
{
	struct sl_event_entry entry = {
		.id = 3,
		.event =
			{
				.time_ns = 1767323045000006000ull,
				.revision = 12,
				.filter_id = 5,
				.type = SL_EVENT_CLASSIFY_DROP,
				.reason = SL_REASON_FILTER,
				.layer = SLUICE_LAYER_INBOUND_TRANSPORT_V4,
				.has_layer = 1,
				.direction = SLUICE_DIRECTION_INBOUND,
				.worker = 2,
				.ip_version = 4,
				.protocol = 6,
				.has_ports = 1,
				.src_port = 1234,
				.dst_port = 23,
				.has_tcp_flags = 1,
				.tcp_flags = 2,
				.frame_len = 60,
				.has_macs = 1,
				.mac_src = {2, 0, 0, 0, 0, 1},
				.mac_dst = {2, 0, 0, 0, 0, 2},
				.ether_type = 0x800,
				.has_vlan = 1,
				.vlan_tci = 0x2064,
				.ip_src = {192, 0, 2, 1},
				.ip_dst = {198, 51, 100, 7},
				.n_decisions = 1,
				.decisions = {{
					.filter_id = 5,
					.returned = SLUICE_ACTION_BLOCK,
					.effect = SL_EFFECT_DECIDED,
					.is_hard = 1,
					.sublayer_weight = 36864,
				}},
			},
		.filter = "no-telnet",
		.sublayer = "firewall",
		.decisions = {"no-telnet"},
		.decision_sublayers = {"firewall"},
	};
	struct sl_buf buf = {0};

	(void)state;
	sl_event_format_json(&entry, "wan", &buf);
	assert_string_equal(sl_buf_text(&buf),
		"{\"id\":3,\"time\":\"2026-01-02T03:04:05.000006Z\",\"type\":\"classify_drop\","
		"\"direction\":\"inbound\",\"link\":\"wan\",\"reason\":\"filter\","
		"\"layer\":\"inbound_transport_v4\",\"sublayer\":\"firewall\","
		"\"filter\":\"no-telnet\",\"revision\":\"12\",\"veto\":false,"
		"\"monitor\":false,\"mac_source\":\"02:00:00:00:00:01\","
		"\"mac_destination\":\"02:00:00:00:00:02\",\"ether_type\":2048,"
		"\"vlan_id\":8292,\"length\":60,\"ip_version\":4,\"ip_protocol\":6,"
		"\"ip_source\":\"192.0.2.1\",\"ip_destination\":\"198.51.100.7\","
		"\"fragment\":false,\"source_port\":1234,\"destination_port\":23,"
		"\"tcp_flags\":2,\"decisions\":[{\"sublayer\":\"firewall\","
		"\"filter\":\"no-telnet\",\"action\":\"block\",\"right\":\"hard\","
		"\"effect\":\"decided\"}]}");
	sl_buf_fini(&buf);
}

static void
test_json_of_a_parser_drop(void **state)
{
	struct sl_event_entry entry = {
		.id = 1,
		.event =
			{
				.type = SL_EVENT_PARSER_DROP,
				.reason = SL_REASON_ETH_TRUNCATED,
				.direction = SLUICE_DIRECTION_OUTBOUND,
				.frame_len = 9,
				.is_monitor = 1,
			},
	};
	struct sl_buf buf = {0};

	(void)state;
	sl_event_format_json(&entry, NULL, &buf);
	assert_string_equal(sl_buf_text(&buf),
		"{\"id\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"type\":\"parser_drop\","
		"\"direction\":\"outbound\",\"link\":null,\"reason\":\"eth_truncated\","
		"\"layer\":null,\"sublayer\":null,\"filter\":null,\"revision\":\"0\","
		"\"veto\":false,\"monitor\":true,\"length\":9,\"decisions\":[]}");
	sl_buf_fini(&buf);
}

static void
test_json_of_icmp6(void **state)
{
	struct sl_event_entry entry = {
		.event =
			{
				.ip_version = 6,
				.protocol = 58,
				.has_ports = 1,
				.src_port = 128,
				.dst_port = 0,
				.is_fragment = 1,
				.ip_src = {0x20, 0x01, 0x0d, 0xb8, [15] = 1},
				.ip_dst = {0xff, 0x02, [15] = 1},
			},
	};
	struct sl_buf buf = {0};

	(void)state;
	sl_event_format_json(&entry, NULL, &buf);
	assert_non_null(strstr(sl_buf_text(&buf),
		"\"ip_version\":6,\"ip_protocol\":58,\"ip_source\":\"2001:db8::1\","
		"\"ip_destination\":\"ff02::1\",\"fragment\":true,\"icmp_type\":128,"
		"\"icmp_code\":0,"));
	sl_buf_fini(&buf);
}

static void
test_json_of_flows(void **state)
{
	struct sl_event_entry entry = {
		.event =
			{
				.time_ns = 1767323045000006000ull,
				.type = SL_EVENT_FLOW_CLOSED,
				.flow_id = UINT64_MAX,
				.flow_packets = {[SLUICE_DIRECTION_OUTBOUND] = 3,
					[SLUICE_DIRECTION_INBOUND] = 2},
				.flow_bytes = {[SLUICE_DIRECTION_OUTBOUND] = 300,
					[SLUICE_DIRECTION_INBOUND] = 200},
				.flow_since_ns = 1767323043500006000ull,
				.flow_end = SL_FLOW_END_RST,
				.flow_direction = SLUICE_DIRECTION_OUTBOUND,
				.is_midstream = 1,
			},
	};
	struct sl_buf buf = {0};

	(void)state;
	sl_event_format_json(&entry, NULL, &buf);
	assert_non_null(strstr(sl_buf_text(&buf),
		",\"flow\":\"18446744073709551615\",\"opened\":\"outbound\","
		"\"midstream\":true,\"since\":\"2026-01-02T03:04:03.500006Z\","
		"\"duration_ms\":1500,\"packets\":{\"outbound\":3,\"inbound\":2},"
		"\"bytes\":{\"outbound\":300,\"inbound\":200},\"end\":\"rst\","
		"\"decisions\":[]}"));
	sl_buf_fini(&buf);
	entry.event.type = SL_EVENT_FLOW_NEW;
	sl_event_format_json(&entry, NULL, &buf);
	assert_null(strstr(sl_buf_text(&buf), "\"end\""));
	sl_buf_fini(&buf);
	entry.event.type = SL_EVENT_CLASSIFY_DROP;
	entry.event.reauthorize_reason =
		SLUICE_REAUTHORIZE_POLICY_CHANGE | SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION;
	sl_event_format_json(&entry, NULL, &buf);
	assert_non_null(strstr(sl_buf_text(&buf),
		",\"flow\":\"18446744073709551615\",\"reauthorize_reason\":["
		"\"policy_change\",\"mid_stream_inspection\"],\"decisions\":[]}"));
	sl_buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_log),
		cmocka_unit_test(test_oldest_gives_way),
		cmocka_unit_test(test_names_are_resolved),
		cmocka_unit_test(test_json_of_a_drop),
		cmocka_unit_test(test_json_of_a_parser_drop),
		cmocka_unit_test(test_json_of_icmp6),
		cmocka_unit_test(test_json_of_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
