/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

/* Faults of documents: which code stands at which pointer. */

struct row {
	const char *document;
	const char *faults;
};

static void
expect_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect_faults(rows[i].document, rows[i].faults);
}

static void
test_documents(void **state)
{
	static const struct row rows[] = {
		{"{}", ""},
		{"{'$schema': 'x', 'description': 'y'}", ""},
		{"{'providers': [], 'sublayers': [], 'provider_contexts': [], 'sets': [], "
		 "'callouts': [], 'filters': []}",
			""},
		{"[]", "type_mismatch \n"},
		{"{'filter': []}", "reserved /filter\n"},
		{"{'filters': {}}", "type_mismatch /filters\n"},
		{"{'filters': null}", "type_mismatch /filters\n"},
		{"{'filters': [5, null, 'x']}",
			"type_mismatch /filters/0\ntype_mismatch /filters/1\ntype_mismatch "
			"/filters/2\n"},
		{"{'a/b~c': 1}", "reserved /a~1b~0c\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_common_members(void **state)
{
	static const struct row rows[] = {
		{"{'providers': [{'name': 'n'}]}", ""},
		{"{'providers': [{'name': 'n', 'key': null, 'description': null}]}", ""},
		{"{'providers': [{'key': 'p'}]}", "null_display_name /providers/0/name\n"},
		{"{'providers': [{'name': null}]}", "null_display_name /providers/0/name\n"},
		{"{'providers': [{'name': 5}]}", "type_mismatch /providers/0/name\n"},
		{"{'providers': [{'name': 'a\\u0007b'}]}", "invalid_parameter /providers/0/name\n"},
		{"{'providers': [{'name': 'a\\tb', 'provider_data': 'a\\u0007b'}]}", ""},
		{"{'providers': [{'name': 'n', 'key': 'No Key'}]}",
			"invalid_parameter /providers/0/key\n"},
		{"{'providers': [{'name': 'n', 'key': 7}]}", "type_mismatch /providers/0/key\n"},
		{"{'providers': [{'name': 'n', 'x': 1, 'y': 2}]}",
			"reserved /providers/0/x\nreserved /providers/0/y\n"},
		{"{'providers': [{'name': 'n', 'provider': 'p'}]}",
			"reserved /providers/0/provider\n"},
		{"{'providers': [{'name': 'n', 'flags': 'persistent'}]}",
			"type_mismatch /providers/0/flags\n"},
		{"{'providers': [{'name': 'n', 'flags': ['persistent', 'x', 5]}]}",
			"invalid_flags /providers/0/flags/1\ntype_mismatch "
			"/providers/0/flags/2\n"},
		{"{'providers': [{'name': 'n', 'flags': ['clear_action_right']}]}",
			"invalid_flags /providers/0/flags/0\n"},
		{"{'providers': [{'name': 'n', 'id': '4', 'origin': 'api'}]}", ""},
		{"{'providers': [{'name': 'n', 'effective_weight': '4'}]}",
			"reserved /providers/0/effective_weight\n"},
		{"{'sublayers': [{'name': 'n', 'weight': 65536}]}",
			"out_of_bounds /sublayers/0/weight\n"},
		{"{'sublayers': [{'name': 'n', 'weight': -1}]}",
			"out_of_bounds /sublayers/0/weight\n"},
		{"{'sublayers': [{'name': 'n', 'weight': 1.0}]}",
			"type_mismatch /sublayers/0/weight\n"},
		{"{'sublayers': [{'name': 'n', 'weight': '1'}]}",
			"type_mismatch /sublayers/0/weight\n"},
		{"{'provider_contexts': [{'name': 'n'}]}",
			"null_pointer /provider_contexts/0/data\n"},
		{"{'provider_contexts': [{'name': 'n', 'data': null}]}", ""},
		{"{'callouts': [{'name': 'n', 'layer': 'inbound_transport_v4', 'plugin': "
		 "'count'}]}",
			""},
		{"{'callouts': [{'name': 'n'}]}",
			"layer_not_found /callouts/0/layer\nnull_pointer /callouts/0/plugin\n"},
		{"{'callouts': [{'name': 'n', 'layer': 'x', 'plugin': 'count'}]}",
			"layer_not_found /callouts/0/layer\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_lifetimes(void **state)
{
	static const struct row rows[] = {
		{"{'providers': [{'name': 'n', 'lifetime': 'persistent'}]}", ""},
		{"{'providers': [{'name': 'n', 'lifetime': 'static'}]}", ""},
		{"{'providers': [{'name': 'n', 'lifetime': 'persistent', 'flags': "
		 "['persistent']}]}",
			""},
		{"{'providers': [{'name': 'n', 'lifetime': 'static', 'flags': ['persistent']}]}",
			"invalid_flags /providers/0/flags\n"},
		{"{'providers': [{'name': 'n', 'lifetime': 'dynamic'}]}",
			"lifetime_mismatch /providers/0/lifetime\n"},
		{"{'providers': [{'name': 'n', 'lifetime': 'builtin'}]}",
			"builtin_object /providers/0/lifetime\n"},
		{"{'providers': [{'name': 'n', 'lifetime': 'long'}]}",
			"invalid_enumerator /providers/0/lifetime\n"},
		{"{'providers': [{'name': 'n', 'lifetime': 1}]}",
			"type_mismatch /providers/0/lifetime\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

/* A filter with these members beside its name, layer and action. */
#define FILTER(members)                                                                           \
	"{'filters': [{'name': 'n', 'layer': 'inbound_transport_v4', 'action': 'block', " members \
	"}]}"

static void
test_filters(void **state)
{
	static const struct row rows[] = {
		{FILTER("'conditions': []"), ""},
		{"{'filters': [{'name': 'n', 'layer': 'inbound_transport_v4'}]}",
			"null_pointer /filters/0/action\n"},
		{"{'filters': [{'action': 'permit'}]}",
			"null_display_name /filters/0/name\nlayer_not_found /filters/0/layer\n"},
		{"{'filters': [{'name': 'n', 'action': 'permit', 'layer': 4}]}",
			"type_mismatch /filters/0/layer\n"},
		{"{'filters': [{'name': 'n', 'action': 'permit', 'layer': 'stream_v4'}]}",
			"layer_not_supported /filters/0/layer\n"},
		{"{'filters': [{'name': 'n', 'action': 'permit', 'layer': 'ale_auth_listen_v4', "
		 "'conditions': [{'field': 'ip_protocol', 'match': 'equal', 'value': 6}]}]}",
			"incompatible_layer /filters/0/layer\n"},
		{FILTER("'conditions': null"), "type_mismatch /filters/0/conditions\n"},
		{FILTER("'conditions': [[]]"), "type_mismatch /filters/0/conditions/0\n"},
		{FILTER("'sublayer': 5"), "type_mismatch /filters/0/sublayer\n"},
		{FILTER("'raw_context': '18446744073709551615'"), ""},
		{FILTER("'raw_context': 7"), ""},
		{FILTER("'raw_context': -7"), "out_of_bounds /filters/0/raw_context\n"},
		{FILTER("'raw_context': '18446744073709551616'"),
			"out_of_bounds /filters/0/raw_context\n"},
		{FILTER("'raw_context': '0x10'"), "type_mismatch /filters/0/raw_context\n"},
		{FILTER("'raw_context': 7.0"), "type_mismatch /filters/0/raw_context\n"},
		{FILTER("'stats': {'packets': 4}, 'effective_weight': '1', 'id': '7'"), ""},
		{FILTER("'flags': ['boottime']"), "invalid_flags /filters/0/flags\n"},
		{FILTER("'flags': ['disabled']"), "invalid_flags /filters/0/flags\n"},
		{FILTER("'flags': ['indexed', 'clear_action_right', 'persistent']"), ""},
		{FILTER("'flags': ['permit_if_callout_unregistered']"),
			"invalid_flags /filters/0/flags\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_weights(void **state)
{
	static const struct row rows[] = {
		{FILTER("'weight': null"), ""},
		{FILTER("'weight': 0"), ""},
		{FILTER("'weight': '18446744073709551615'"), ""},
		{FILTER("'weight': {'range': 15}"), ""},
		{FILTER("'weight': {'range': 16}"), "invalid_weight /filters/0/weight/range\n"},
		{FILTER("'weight': {'range': '9'}"), "invalid_weight /filters/0/weight/range\n"},
		{FILTER("'weight': {'range': 9.0}"), "invalid_weight /filters/0/weight/range\n"},
		{FILTER("'weight': {}"), "invalid_weight /filters/0/weight/range\n"},
		{FILTER("'weight': {'range': 1, 'exact': 2}"),
			"reserved /filters/0/weight/exact\n"},
		{FILTER("'weight': -1"), "invalid_weight /filters/0/weight\n"},
		{FILTER("'weight': 1.5"), "invalid_weight /filters/0/weight\n"},
		{FILTER("'weight': '18446744073709551616'"), "invalid_weight /filters/0/weight\n"},
		{FILTER("'weight': '007'"), "invalid_weight /filters/0/weight\n"},
		{FILTER("'weight': true"), "invalid_weight /filters/0/weight\n"},
		{FILTER("'weight': [1]"), "invalid_weight /filters/0/weight\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

#define ACTION(members) "{'filters': [{'name': 'n', 'layer': 'inbound_transport_v4', " members "}]}"

static void
test_actions(void **state)
{
	static const struct row rows[] = {
		{ACTION("'action': 'permit'"), ""},
		{ACTION("'action': {'type': 'permit'}"), ""},
		{ACTION("'action': 'continue'"), "invalid_action_type /filters/0/action\n"},
		{ACTION("'action': 'drop'"), "invalid_action_type /filters/0/action\n"},
		{ACTION("'action': null"), "type_mismatch /filters/0/action\n"},
		{ACTION("'action': {'callout': 'c'}"),
			"null_pointer /filters/0/action/type\n"
			"callout_not_found /filters/0/action/callout\n"},
		{ACTION("'action': {'type': 4}"), "type_mismatch /filters/0/action/type\n"},
		{ACTION("'action': {'type': 'block', 'x': 1}"), "reserved /filters/0/action/x\n"},
		{ACTION("'action': 'callout_terminating'"),
			"null_pointer /filters/0/action/callout\n"},
		{ACTION("'action': {'type': 'callout_inspection'}"),
			"null_pointer /filters/0/action/callout\n"},
		{ACTION("'action': {'type': 'callout_inspection', 'callout': 'c'}"),
			"callout_not_found /filters/0/action/callout\n"},
		{ACTION("'action': 'permit', 'override': 'hard'"), ""},
		{ACTION("'action': 'permit', 'override': null"), ""},
		{ACTION("'action': 'block', 'override': 'hard'"),
			"invalid_flags /filters/0/override\n"},
		{ACTION("'action': 'permit', 'override': 'soft'"),
			"invalid_enumerator /filters/0/override\n"},
		{ACTION("'action': 'permit', 'override': true"),
			"type_mismatch /filters/0/override\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

#define CONDITION(members) FILTER("'conditions': [{" members "}]")
#define AT                 "/filters/0/conditions/0"

static void
test_conditions(void **state)
{
	static const struct row rows[] = {
		{CONDITION(""),
			"null_pointer " AT "/field\nnull_pointer " AT "/match\nnull_pointer " AT
			"/value\n"},
		{CONDITION("'field': 'ip_protocol', 'match': 'equal'"),
			"null_pointer " AT "/value\n"},
		{CONDITION("'field': 'ip_protocol', 'match': 'equal', 'value': null"), ""},
		{CONDITION("'field': 'ether_type', 'match': 'equal', 'value': 1"),
			"condition_not_found " AT "/field\n"},
		{CONDITION("'field': 'ale_app_id', 'match': 'equal', 'value': 'x'"),
			"condition_not_found " AT "/field\n"},
		{CONDITION("'field': 6, 'match': 7, 'value': 1"),
			"type_mismatch " AT "/field\ntype_mismatch " AT "/match\n"},
		{CONDITION("'field': 'ip_protocol', 'match': 'is', 'value': 1"),
			"invalid_enumerator " AT "/match\n"},
		{CONDITION("'field': 'ip_protocol', 'match': 'prefix', 'value': 1"),
			"invalid_enumerator " AT "/match\n"},
		{CONDITION("'field': 'ip_protocol', 'match': 'not_prefix', 'value': 1"),
			"invalid_enumerator " AT "/match\n"},
		{CONDITION("'field': 'ip_protocol', 'match': 'equal', 'value': 1, 'not': 1"),
			"reserved " AT "/not\n"},
		{CONDITION("'field': 'ip_local_address', 'match': 'flags_all_set', 'value': 1"),
			"match_type_mismatch " AT "/match\n"},
		{CONDITION("'field': 'icmp_type', 'match': 'equal', 'value': 8"), ""},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

/* The hint is what makes the refusal of WFP's name bearable. */
static void
test_prefix_is_explained(void **state)
{
	json_t *json =
		json_of(CONDITION("'field': 'ip_protocol', 'match': 'not_prefix', 'value': 1"));
	struct sl_problems problems = {0};
	struct sl_policy *policy = sl_policy_new();

	(void)state;
	assert_false(sl_document_read(policy, json, SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems));
	assert_non_null(strstr(problems.list[0].detail, "\"not_suffix\""));
	sl_problems_fini(&problems);
	sl_policy_free(policy);
	json_decref(json);
}

static void
test_unknown_members_name_the_allowed(void **state)
{
	json_t *json = json_of("{'filters': [{'nmae': 'n'}]}");
	struct sl_problems problems = {0};
	struct sl_policy *policy = sl_policy_new();
	const char *detail = NULL;

	(void)state;
	assert_false(sl_document_read(policy, json, SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems));
	for (size_t i = 0; i < problems.n; i++)
		if (problems.list[i].code == SL_ERR_RESERVED)
			detail = problems.list[i].detail;
	assert_non_null(detail);
	assert_non_null(
		strstr(detail, "\"nmae\" is no member here; allowed are key, name, description"));
	assert_non_null(strstr(detail, "conditions"));
	assert_null(strstr(detail, "effective_weight"));
	sl_problems_fini(&problems);
	sl_policy_free(policy);
	json_decref(json);
}

static void
test_references(void **state)
{
	static const struct row rows[] = {
		{FILTER("'sublayer': 'nowhere', 'provider': 'nobody', 'provider_context': "
			"'nothing'"),
			"provider_not_found /filters/0/provider\n"
			"sublayer_not_found /filters/0/sublayer\n"
			"provider_context_not_found /filters/0/provider_context\n"},
		{FILTER("'sublayer': 'firewall'"), ""},
		{CONDITION("'field': 'ip_remote_address', 'match': 'in_set', 'value': 's'"),
			"set_not_found " AT "/value\n"},
		{CONDITION("'field': 'ip_remote_address', 'match': 'in_set', 'value': ['s']"),
			"type_mismatch " AT "/value\n"},
		/* The references of an object that cannot be read are looked at as well. */
		{FILTER("'x': 1, 'sublayer': 'nowhere', 'provider': 'nobody', 'conditions': "
			"[{'field': "
			"'ip_remote_address', 'match': 'not_in_set', 'value': 's'}]"),
			"reserved /filters/0/x\n"
			"provider_not_found /filters/0/provider\n"
			"sublayer_not_found /filters/0/sublayer\n"
			"set_not_found /filters/0/conditions/0/value\n"},
		/* An object that cannot be read is not missing for those who refer to it. */
		{"{'sublayers': [{'key': 's', 'name': 'n', 'weight': 'high'}], 'filters': ["
		 "{'name': 'n', 'layer': 'inbound_transport_v4', 'action': 'block', 'sublayer': "
		 "'s'},"
		 "{'name': 'n', 'layer': 'inbound_transport_v4', 'action': 'block', 'sublayer': "
		 "'t'},"
		 "{'layer': 'inbound_transport_v4', 'action': 'block', 'sublayer': 's'}]}",
			"type_mismatch /sublayers/0/weight\n"
			"null_display_name /filters/2/name\n"
			"sublayer_not_found /filters/1/sublayer\n"},
		{"{'callouts': [{'key': 'c', 'name': 'n', 'layer': 'inbound_transport_v6', "
		 "'plugin': "
		 "'count'}], 'filters': [{'name': 'n', 'layer': 'inbound_transport_v4', 'action': "
		 "{'type': 'callout_inspection', 'callout': 'c'}}]}",
			"incompatible_layer /filters/0/action/callout\n"},
		{"{'sublayers': [{'key': 's', 'name': 'n'}], 'filters': [{'name': 'n', 'flags': "
		 "['persistent'], 'layer': 'inbound_transport_v4', 'action': 'block', 'sublayer': "
		 "'s'}]}",
			"lifetime_mismatch /filters/0/sublayer\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

static void
test_keys_are_unique_within_a_type(void **state)
{
	static const struct row rows[] = {
		{"{'providers': [{'key': 'a', 'name': 'n'}], 'sublayers': [{'key': 'a', 'name': "
		 "'n'}]}",
			""},
		{"{'providers': [{'key': 'a', 'name': 'n'}, {'key': 'b', 'name': 'n'}, {'key': "
		 "'a', "
		 "'name': 'n'}]}",
			"already_exists /providers/2/key\n"},
		{"{'sublayers': [{'key': 'universal', 'name': 'n'}]}",
			"already_exists /sublayers/0/key\n"},
	};

	(void)state;
	expect_rows(rows, SL_ARRAY_LEN(rows));
}

/* Ten faults of ten kinds in one document, each told once. */
static void
test_everything_at_once(void **state)
{
	(void)state;
	expect_faults(
		"{'providers': [{'key': 'acme', 'name': 'Acme', 'nmae': 'x'}],"
		" 'sublayers': [{'key': 'edge', 'name': 'Edge', 'weight': 70000}],"
		" 'sets': [{'key': 's', 'name': 'S', 'type': 'v4_prefix', 'elements': "
		"['10.0.0.0/8', "
		"'10.0.0.0/33', 'x', 5]}],"
		" 'callouts': [{'name': 'C', 'layer': 'inbound_transport_v4'}],"
		" 'filters': [{'name': 'F', 'layer': 'inbound_transport_v4', 'sublayer': 'edge', "
		"'provider': 'acme', 'weight': {'range': 99}, 'action': 'deny', 'flags': ['x'],"
		" 'conditions': [{'field': 'ip_protocol', 'match': 'equal', 'value': 'tcp'},"
		"  {'field': 'ip_local_port', 'match': 'range', 'value': [90, 80]},"
		"  {'field': 'ip_remote_address', 'match': 'in_set', 'value': 's'}]}]}",
		"reserved /providers/0/nmae\n"
		"out_of_bounds /sublayers/0/weight\n"
		"invalid_net_mask /sets/0/elements/1\n"
		"type_mismatch /sets/0/elements/2\n"
		"type_mismatch /sets/0/elements/3\n"
		"null_pointer /callouts/0/plugin\n"
		"invalid_flags /filters/0/flags/0\n"
		"invalid_weight /filters/0/weight/range\n"
		"type_mismatch /filters/0/conditions/0/value\n"
		"invalid_action_type /filters/0/action\n"
		"invalid_range /filters/0/conditions/1/value\n");
}

/* A string of 10 MB anywhere is refused, and the refusal is short. */
static void
test_long_strings(void **state)
{
	size_t size = 10u << 20;
	char *text = malloc(size + 1);
	struct sl_problems problems = {0};
	json_t *json;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', size);
	text[size] = '\0';
	json = json_pack("{s:s, s:s, s:s, s:{s:s}, s:[{s:s, s:s, s:s}], s:i}", "name", text,
		"layer", text, "sublayer", text, "action", "type", text, "conditions", "field",
		text, "match", text, "value", text, text, 1);
	assert_non_null(json);
	assert_null(sl_document_read_object(
		SL_OBJECT_FILTER, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems));
	assert_true(problems.n >= 6);
	for (size_t i = 0; i < problems.n; i++) {
		assert_true(strlen(problems.list[i].pointer) < 400);
		assert_true(strlen(problems.list[i].detail) < 1000);
	}
	sl_problems_fini(&problems);
	json_decref(json);
	free(text);
}

/* A body of its own has its pointers from its own root. */
static void
test_single_object(void **state)
{
	json_t *json = json_of("{'name': 5, 'x~/y': 1}");
	struct sl_problems problems = {0};
	char *faults;

	(void)state;
	assert_null(sl_document_read_object(
		SL_OBJECT_PROVIDER, json, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems));
	faults = faults_text(&problems);
	assert_string_equal(faults, "type_mismatch /name\nreserved /x~0~1y\n");
	free(faults);
	sl_problems_fini(&problems);
	json_decref(json);
}

/* WFP section 5.2: what a dynamic session makes is dynamic. */
static void
test_dynamic_session(void **state)
{
	static const struct row rows[] = {
		{"{'providers': [{'name': 'n'}]}", ""},
		{"{'providers': [{'name': 'n', 'lifetime': 'dynamic'}]}", ""},
		{"{'providers': [{'name': 'n', 'lifetime': 'static'}]}",
			"lifetime_mismatch /providers/0/lifetime\n"},
		{"{'providers': [{'name': 'n', 'flags': ['persistent']}]}",
			"lifetime_mismatch /providers/0/flags\n"},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		json_t *json = json_of(rows[i].document);
		char *faults;
		struct sl_policy *policy = policy_of(json, SL_LIFETIME_DYNAMIC, &faults);

		assert_string_equal(faults, rows[i].faults);
		free(faults);
		sl_policy_free(policy);
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
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_common_members),
		cmocka_unit_test(test_lifetimes),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_prefix_is_explained),
		cmocka_unit_test(test_unknown_members_name_the_allowed),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_keys_are_unique_within_a_type),
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_single_object),
		cmocka_unit_test(test_dynamic_session),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
