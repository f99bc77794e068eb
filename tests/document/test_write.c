/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

/* Writing, and reading back what was written. */

static void
expect_equal(const json_t *a, const json_t *b)
{
	char *a_text, *b_text;

	if (json_equal(a, b))
		return;
	a_text = json_dumps(a, JSON_INDENT(1));
	b_text = json_dumps(b, JSON_INDENT(1));
	fail_msg("expected:\n%s\nfound:\n%s", a_text, b_text);
}

static struct sl_policy *
must_read(const json_t *json, enum sl_lifetime lifetime)
{
	char *faults;
	struct sl_policy *policy = policy_of(json, lifetime, &faults);

	if (policy == NULL)
		fail_msg("%s in %s", faults, json_dumps(json, JSON_INDENT(1)));
	free(faults);
	return policy;
}

/* Writes, reads with `lifetime` as the default, writes again: nothing changes. */
static void
expect_stable(const struct sl_policy *policy, bool outputs, enum sl_lifetime lifetime)
{
	json_t *first = sl_document_write(policy, NULL, outputs);
	struct sl_policy *again;
	json_t *second;

	assert_non_null(first);
	again = must_read(first, lifetime);
	second = sl_document_write(again, NULL, outputs);
	expect_equal(first, second);
	json_decref(first);
	json_decref(second);
	sl_policy_free(again);
}

static void
expect_round_trip(const char *document)
{
	json_t *json = json_of(document);
	struct sl_policy *policy = must_read(json, SL_LIFETIME_PERSISTENT);

	expect_stable(policy, false, SL_LIFETIME_PERSISTENT);
	expect_stable(policy, false, SL_LIFETIME_STATIC);
	expect_stable(policy, true, SL_LIFETIME_STATIC);
	sl_policy_free(policy);
	json_decref(json);
}

static void
test_every_member_survives(void **state)
{
	/* As the writer puts it, so that reading and writing give the very same document. */
	json_t *json = json_of(
		"{'providers': [{'key': 'acme', 'name': 'Acme', 'description': 'd', "
		"'provider_data': "
		"'a\\u0001b', 'service_name': 'acme.service', 'flags': ['persistent']}],"
		"'sublayers': [{'key': 'edge', 'name': '', 'provider': 'acme', 'weight': 40000, "
		"'flags': "
		"['persistent']}],"
		"'provider_contexts': [{'key': 'limits', 'name': 'L', 'data': {'pps': 1000, 'x': "
		"[1.5, null, "
		"'\\u00e4']}, 'lifetime': 'static'}, {'key': 'null', 'name': 'N', 'data': null, "
		"'lifetime': 'static'}],"
		"'sets': [{'key': 'bad', 'name': 'B', 'type': 'v4_prefix', 'elements': "
		"['192.0.2.0/24'], "
		"'lifetime': 'static'}],"
		"'callouts': [{'key': 'c', 'name': 'C', 'layer': 'inbound_transport_v4', 'plugin': "
		"'count', "
		"'lifetime': 'static'}],"
		"'filters': ["
		"{'key': 'f1', 'name': 'F', 'provider': 'acme', 'layer': 'inbound_transport_v4', "
		"'sublayer': "
		"'edge', 'weight': {'range': 9}, 'conditions': [{'field': 'ip_remote_address', "
		"'match': "
		"'in_set', 'value': 'bad'}, {'field': 'ip_local_port', 'match': 'range', 'value': "
		"[2300, "
		"2399]}], 'action': 'block', 'lifetime': 'static'},"
		"{'key': 'f2', 'name': 'F', 'layer': 'inbound_transport_v4', 'sublayer': "
		"'universal', "
		"'weight': '18446744073709551615', 'conditions': [], 'action': 'permit', "
		"'raw_context': "
		"'18446744073709551614', 'flags': ['persistent', 'clear_action_right', 'indexed']},"
		"{'key': 'f3', 'name': 'F', 'layer': 'inbound_transport_v4', 'sublayer': "
		"'universal', "
		"'conditions': [], 'action': {'type': 'callout_unknown', 'callout': 'c'}, "
		"'provider_context': 'limits', 'flags': ['permit_if_callout_unregistered'], "
		"'lifetime': "
		"'static'}]}");
	struct sl_policy *policy = must_read(json, SL_LIFETIME_STATIC);
	json_t *written = sl_document_write(policy, NULL, false);

	(void)state;
	expect_equal(json, written);
	expect_stable(policy, false, SL_LIFETIME_PERSISTENT);
	expect_stable(policy, true, SL_LIFETIME_STATIC);
	sl_policy_free(policy);
	json_decref(written);
	json_decref(json);
}

static void
test_other_spellings(void **state)
{
	(void)state;
	expect_round_trip("{}");
	expect_round_trip(
		"{'filters': [{'name': 'a', 'layer': 'inbound_transport_v4', 'action': {'type': "
		"'permit'}, 'override': 'hard', 'weight': 0}]}");
	expect_round_trip(
		"{'filters': [{'name': 'a', 'layer': 'ipforward_v6', 'action': 'block', 'flags': "
		"[], 'lifetime': 'persistent', 'conditions': [{'field': 'ip_source_address', "
		"'match': 'not_equal', 'value': '::/0'}]}, {'name': 'b', 'layer': 'ipforward_v6', "
		"'action': 'block', 'lifetime': 'static', 'weight': null}]}");
	expect_round_trip(
		"{'sets': [{'name': 's', 'type': 'uint16', 'elements': [5, '1-3', '65535']},"
		"{'name': 's', 'type': 'mac', 'elements': ['AA-00-00-00-00-01']},"
		"{'name': 's', 'type': 'v6_prefix', 'elements': ['::1', '2001:db8::5/32']}]}");
}

/* Values of every form, of which each field takes some. */
static const char *const values[] = {
	"null",
	"0",
	"1",
	"255",
	"65535",
	"4294967295",
	"'18446744073709551615'",
	"'10.1.2.3'",
	"'10.1.2.3/9'",
	"'0.0.0.0/0'",
	"'2001:db8::1'",
	"'2001:db8::1/33'",
	"'::/0'",
	"'02:00:00:00:00:01'",
	"[1, 200]",
	"'1-200'",
	"['10.0.0.1', '10.0.0.9']",
	"['::1', '2001:db8::']",
	"['1', '18446744073709551615']",
	"['syn', 'ack']",
	"['is_fragment']",
	"['hop_by_hop', 'shim6']",
	"['lsrr']",
	"'v4'",
	"'v6'",
	"'mac'",
	"'u8'",
	"'u16'",
	"'u32'",
};

static const char set_document[] = "{'sets': [{'key': 'v4', 'name': 's', 'type': 'v4_prefix'}, "
				   "{'key': 'v6', 'name': 's', 'type': "
				   "'v6_prefix'}, {'key': 'mac', 'name': 's', 'type': 'mac'}, "
				   "{'key': 'u8', 'name': 's', 'type': "
				   "'uint8'}, {'key': 'u16', 'name': 's', 'type': 'uint16'}, "
				   "{'key': 'u32', 'name': 's', 'type': "
				   "'uint32'}]}";

/* Adds a filter with this one condition to the policy if it can be read. */
static bool
try_condition(struct sl_policy *policy, const struct sl_layer *layer, const char *field,
	const char *match, const char *value)
{
	struct sl_problems problems = {0};
	struct sl_buf text = {0};
	struct sl_object *object;
	json_t *json;

	sl_buf_printf(&text,
		"{'name': 'n', 'layer': '%s', 'action': 'block', 'conditions': [{'field': '%s', "
		"'match': '%s', 'value': %s}]}",
		layer->name, field, match, value);
	json = json_of(sl_buf_text(&text));
	sl_buf_fini(&text);
	object = sl_document_read_object(
		SL_OBJECT_FILTER, json, "", SL_LIFETIME_PERSISTENT, SL_ORIGIN_API, &problems);
	if (object != NULL)
		assert_int_equal(sl_policy_add(policy, object, NULL), 0);
	sl_problems_fini(&problems);
	json_decref(json);
	return object != NULL;
}

static size_t
try_layer(struct sl_policy *policy, const struct sl_layer *layer)
{
	size_t n_read = 0;

	for (uint8_t f = 0; f < layer->n_fields; f++) {
		const char *field = sl_field_name(layer->fields[f].field);
		size_t n_of_field = 0;

		if (!layer->fields[f].available)
			continue;
		for (int m = 0; m < SL_MATCH_COUNT; m++)
			for (size_t v = 0; v < SL_ARRAY_LEN(values); v++)
				n_of_field += try_condition(policy, layer, field,
					sl_match_name((enum sl_match)m), values[v]);
		if (n_of_field < 2)
			fail_msg("%s.%s takes %zu of the values", layer->name, field, n_of_field);
		n_read += n_of_field;
	}
	return n_read;
}

/*
 * Writes every filter and reads it alone: some sets do not fit their fields, which is seen only when
 * references are checked.
 */
static void
expect_filters_stable(const struct sl_policy *policy)
{
	struct sl_object *const *filters;
	size_t n;

	filters = sl_policy_list(policy, SL_OBJECT_FILTER, &n);
	for (size_t i = 0; i < n; i++) {
		struct sl_problems problems = {0};
		json_t *first = sl_document_write_object(filters[i], false);
		struct sl_object *object = sl_document_read_object(
			SL_OBJECT_FILTER, first, "", SL_LIFETIME_STATIC, SL_ORIGIN_API, &problems);
		json_t *second;

		assert_non_null(object);
		second = sl_document_write_object(object, false);
		expect_equal(first, second);
		json_decref(first);
		json_decref(second);
		sl_object_put(object);
	}
}

/* Whatever can be read can be written and read again, at every layer, for every field and match. */
static void
test_every_value_of_every_field_survives(void **state)
{
	uint32_t n_layers;
	const struct sl_layer *const *layers = sl_layer_list(&n_layers);
	size_t n_read = 0;

	(void)state;
	for (uint32_t i = 0; i < n_layers; i++) {
		struct sl_policy *policy;
		json_t *sets;

		/* The discard twins have the fields of their layers. */
		if (layers[i]->status != SL_LAYER_WORKING || layers[i]->is_discard)
			continue;
		sets = json_of(set_document);
		policy = must_read(sets, SL_LIFETIME_PERSISTENT);
		n_read += try_layer(policy, layers[i]);
		expect_filters_stable(policy);
		sl_policy_free(policy);
		json_decref(sets);
	}
	assert_true(n_read > 5000);
}

static void
test_outputs(void **state)
{
	json_t *json =
		json_of("{'filters': [{'key': 'f', 'name': 'n', 'layer': 'inbound_transport_v4', "
			"'action': 'block', 'weight': {'range': 15}}]}");
	struct sl_policy *policy = must_read(json, SL_LIFETIME_PERSISTENT);
	const struct sl_object *object = sl_policy_find(policy, SL_OBJECT_FILTER, "f");
	json_t *written = sl_document_write_object(object, true);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(written, "effective_weight")),
		"17293822569102704640");
	assert_string_equal(json_string_value(json_object_get(written, "lifetime")), "persistent");
	assert_string_equal(json_string_value(json_object_get(written, "origin")), "api");
	assert_string_equal(json_string_value(json_object_get(written, "id")), "1");
	json_decref(written);
	written = sl_document_write_object(object, false);
	assert_null(json_object_get(written, "effective_weight"));
	assert_null(json_object_get(written, "id"));
	assert_null(json_object_get(written, "origin"));
	json_decref(written);
	object = sl_policy_find(policy, SL_OBJECT_SUBLAYER, "universal");
	written = sl_document_write_object(object, true);
	assert_string_equal(json_string_value(json_object_get(written, "lifetime")), "builtin");
	assert_string_equal(json_string_value(json_object_get(written, "origin")), "engine");
	json_decref(written);
	sl_policy_free(policy);
	json_decref(json);
}

/* Ties are decided by order, so order is part of the policy. */
static void
test_order_is_kept(void **state)
{
	json_t *json =
		json_of("{'filters': [{'key': 'z', 'name': 'n', 'layer': 'ipforward_v4', 'action': "
			"'block'}, {'key': 'a', 'name': 'n', 'layer': 'ipforward_v4', 'action': "
			"'permit'}, {'key': 'm', 'name': 'n', 'layer': 'ipforward_v4', 'action': "
			"'block'}]}");
	struct sl_policy *policy = must_read(json, SL_LIFETIME_PERSISTENT);
	json_t *written = sl_document_write(policy, NULL, false);
	static const char *const keys[] = {"z", "a", "m"};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(keys); i++) {
		const json_t *filter = json_array_get(json_object_get(written, "filters"), i);

		assert_string_equal(json_string_value(json_object_get(filter, "key")), keys[i]);
	}
	json_decref(written);
	sl_policy_free(policy);
	json_decref(json);
}

static void
test_one_provider(void **state)
{
	json_t *json =
		json_of("{'providers': [{'key': 'p', 'name': 'n'}, {'key': 'q', 'name': 'n'}],"
			"'sublayers': [{'key': 'sp', 'name': 'n', 'provider': 'p'}, {'key': 'sq', "
			"'name': 'n', 'provider': 'q'}, {'key': 's', 'name': 'n'}]}");
	struct sl_policy *policy = must_read(json, SL_LIFETIME_PERSISTENT);
	json_t *written = sl_document_write(policy, "p", false);
	struct sl_policy *again = must_read(written, SL_LIFETIME_PERSISTENT);

	(void)state;
	assert_int_equal(json_array_size(json_object_get(written, "providers")), 1);
	assert_int_equal(json_array_size(json_object_get(written, "sublayers")), 1);
	assert_non_null(sl_policy_find(again, SL_OBJECT_SUBLAYER, "sp"));
	assert_null(sl_policy_find(again, SL_OBJECT_SUBLAYER, "sq"));
	sl_policy_free(again);
	sl_policy_free(policy);
	json_decref(written);
	json_decref(json);
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
		cmocka_unit_test(test_every_member_survives),
		cmocka_unit_test(test_other_spellings),
		cmocka_unit_test(test_every_value_of_every_field_survives),
		cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_order_is_kept),
		cmocka_unit_test(test_one_provider),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
