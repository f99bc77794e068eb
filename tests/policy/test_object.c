/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_uuid.h"
#include "make.h"

static void
test_type_names(void **state)
{
	static const struct {
		enum sl_object_type type;
		const char *name;
		const char *plural;
		enum sl_err not_found;
	} rows[] = {
		{SL_OBJECT_PROVIDER, "provider", "providers", SL_ERR_PROVIDER_NOT_FOUND},
		{SL_OBJECT_SUBLAYER, "sublayer", "sublayers", SL_ERR_SUBLAYER_NOT_FOUND},
		{SL_OBJECT_PROVIDER_CONTEXT, "provider_context", "provider_contexts",
			SL_ERR_PROVIDER_CONTEXT_NOT_FOUND},
		{SL_OBJECT_SET, "set", "sets", SL_ERR_SET_NOT_FOUND},
		{SL_OBJECT_CALLOUT, "callout", "callouts", SL_ERR_CALLOUT_NOT_FOUND},
		{SL_OBJECT_FILTER, "filter", "filters", SL_ERR_FILTER_NOT_FOUND},
	};

	(void)state;
	assert_int_equal(SL_ARRAY_LEN(rows), SL_OBJECT_TYPE_COUNT);
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		assert_string_equal(sl_object_type_name(rows[i].type), rows[i].name);
		assert_string_equal(sl_object_type_plural(rows[i].type), rows[i].plural);
		assert_int_equal(sl_object_type_not_found(rows[i].type), rows[i].not_found);
	}
}

static void
test_new_object(void **state)
{
	(void)state;
	for (int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		struct sl_object *object = sl_object_new((enum sl_object_type)t);

		assert_non_null(object);
		assert_int_equal(object->type, t);
		assert_int_equal(object->n_refs, 1);
		assert_int_equal(object->lifetime, SL_LIFETIME_STATIC);
		assert_int_equal(object->origin, SL_ORIGIN_API);
		assert_int_equal(object->id, 0);
		assert_null(object->key);
		assert_ptr_equal(sl_object_get(object), object);
		assert_int_equal(object->n_refs, 2);
		sl_object_put(object);
		assert_int_equal(object->n_refs, 1);
		sl_object_put(object);
	}
	sl_object_put(NULL);
}

static void
test_keys(void **state)
{
	struct sl_object *one = make_object(SL_OBJECT_PROVIDER, "a");
	struct sl_object *other = make_object(SL_OBJECT_PROVIDER, "b");

	(void)state;
	free(one->key);
	free(other->key);
	one->key = NULL;
	other->key = NULL;
	finish(one);
	finish(other);
	assert_int_equal(strlen(one->key), SL_UUID_TEXT_MAX - 1);
	assert_true(sl_key_is_valid(one->key));
	assert_string_not_equal(one->key, other->key);
	sl_object_put(one);
	sl_object_put(other);

	one = make_object(SL_OBJECT_PROVIDER, "c2c1bf7a-9c1b-4a53-8f4e-0e2b7a1c9d00");
	finish(one);
	assert_string_equal(one->key, "c2c1bf7a-9c1b-4a53-8f4e-0e2b7a1c9d00");
	sl_object_put(one);
	refuse(make_object(SL_OBJECT_PROVIDER, "Has Space"), SL_ERR_INVALID_PARAMETER, "/it/key",
		"\"Has Space\" is not a key");
	refuse(make_object(SL_OBJECT_PROVIDER, ""), SL_ERR_INVALID_PARAMETER, "/it/key", NULL);
}

/* WFP appendix E, row 1. */
static void
test_name_is_required(void **state)
{
	(void)state;
	for (int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		struct sl_object *object = make_object((enum sl_object_type)t, "x");

		free(object->name);
		object->name = NULL;
		if (t == SL_OBJECT_CALLOUT) {
			sl_callout_object_of(object)->layer = sl_layer_find("ipforward_v4");
			sl_callout_object_of(object)->plugin = make_text("count");
		} else if (t == SL_OBJECT_FILTER) {
			sl_filter_of(object)->layer = sl_layer_find("ipforward_v4");
			sl_filter_of(object)->action = SLUICE_ACTION_BLOCK;
		} else if (t == SL_OBJECT_PROVIDER_CONTEXT) {
			sl_provider_context_of(object)->data = make_text("{}");
		}
		refuse(object, SL_ERR_NULL_DISPLAY_NAME, "/it/name", "the name is missing");
	}
}

static void
test_empty_name_is_accepted(void **state)
{
	struct sl_object *object = make_object(SL_OBJECT_SUBLAYER, "x");

	(void)state;
	object->name[0] = '\0';
	finish(object);
	sl_object_put(object);
}

static void
test_provider_data_limit(void **state)
{
	struct sl_object *object = make_object(SL_OBJECT_SUBLAYER, "x");
	const size_t limit = 65536;

	(void)state;
	object->provider_data = malloc(limit + 2);
	assert_non_null(object->provider_data);
	memset(object->provider_data, 'x', limit + 1);
	object->provider_data[limit] = '\0';
	finish(object);
	object->provider_data[limit] = 'x';
	object->provider_data[limit + 1] = '\0';
	refuse(object, SL_ERR_OUT_OF_BOUNDS, "/it/provider_data", "65537 bytes; at most 65536");
}

static void
test_provider_has_no_provider(void **state)
{
	struct sl_object *object = make_object(SL_OBJECT_PROVIDER, "x");

	(void)state;
	object->provider = make_text("y");
	refuse(object, SL_ERR_RESERVED, "/it/provider", NULL);
}

static void
test_callout(void **state)
{
	struct sl_callout_object *callout = make_callout("c", "inbound_transport_v4");

	(void)state;
	finish(&callout->object);
	sl_object_put(&callout->object);
	callout = make_callout("c", "no_such_layer");
	refuse(&callout->object, SL_ERR_LAYER_NOT_FOUND, "/it/layer", NULL);
	callout = make_callout("c", "ale_auth_listen_v4");
	refuse(&callout->object, SL_ERR_INCOMPATIBLE_LAYER, "/it/layer", "sockets of a host");
	callout = make_callout("c", "stream_v4");
	refuse(&callout->object, SL_ERR_LAYER_NOT_SUPPORTED, "/it/layer",
		"needs stream reassembly");
	callout = make_callout("c", "ipforward_v6");
	free(callout->plugin);
	callout->plugin = NULL;
	refuse(&callout->object, SL_ERR_NULL_POINTER, "/it/plugin", NULL);
}

static void
test_provider_context(void **state)
{
	struct sl_object *object = make_object(SL_OBJECT_PROVIDER_CONTEXT, "x");

	(void)state;
	sl_provider_context_of(object)->data = make_text("{\"pps\":1000}");
	finish(object);
	assert_int_equal(sl_provider_context_of(object)->data_len, 12);
	sl_object_put(object);
	refuse(make_object(SL_OBJECT_PROVIDER_CONTEXT, "x"), SL_ERR_NULL_POINTER, "/it/data",
		"the data is missing");
}

/* Every fault of an object is told, each at its place. */
static void
test_all_faults_are_told(void **state)
{
	struct sl_filter *filter =
		make_filter("NO", "inbound_transport_v4", SLUICE_ACTION_CONTINUE);
	struct sl_problems problems = {0};
	static const struct {
		enum sl_err code;
		const char *pointer;
	} rows[] = {
		{SL_ERR_INVALID_PARAMETER, "/filters/7/key"},
		{SL_ERR_NULL_DISPLAY_NAME, "/filters/7/name"},
		{SL_ERR_INVALID_FLAGS, "/filters/7/flags"},
		{SL_ERR_CONDITION_NOT_FOUND, "/filters/7/conditions/0/field"},
		{SL_ERR_OUT_OF_BOUNDS, "/filters/7/conditions/1/value"},
		{SL_ERR_INVALID_WEIGHT, "/filters/7/weight"},
		{SL_ERR_INVALID_ACTION_TYPE, "/filters/7/action"},
	};

	(void)state;
	free(filter->object.name);
	filter->object.name = NULL;
	filter->flags = SL_FILTER_DISABLED;
	filter->weight_kind = SL_WEIGHT_RANGE;
	filter->weight = 16;
	make_number(filter, SLUICE_FIELD_ETHER_TYPE, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 1);
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 256);
	assert_false(sl_object_finish(&filter->object, "/filters/7", &problems));
	assert_int_equal(problems.n, SL_ARRAY_LEN(rows));
	for (size_t i = 0; i < problems.n; i++) {
		assert_string_equal(sl_err_name(problems.list[i].code), sl_err_name(rows[i].code));
		assert_string_equal(problems.list[i].pointer, rows[i].pointer);
		assert_true(strlen(problems.list[i].detail) > 10);
	}
	sl_problems_fini(&problems);
	sl_object_put(&filter->object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type_names),
		cmocka_unit_test(test_new_object),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_name_is_required),
		cmocka_unit_test(test_empty_name_is_accepted),
		cmocka_unit_test(test_provider_data_limit),
		cmocka_unit_test(test_provider_has_no_provider),
		cmocka_unit_test(test_callout),
		cmocka_unit_test(test_provider_context),
		cmocka_unit_test(test_all_faults_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
