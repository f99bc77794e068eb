/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

#define LAYER "inbound_transport_v4"

static struct sl_filter *
block(void)
{
	return make_filter("f", LAYER, SLUICE_ACTION_BLOCK);
}

static void
test_layers(void **state)
{
	uint32_t n;
	const struct sl_layer *const *list = sl_layer_list(&n);
	uint32_t n_working = 0;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = make_filter("f", list[i]->name, SLUICE_ACTION_BLOCK);

		if (list[i]->status == SL_LAYER_MEANINGLESS) {
			refuse(&filter->object, SL_ERR_INCOMPATIBLE_LAYER, "/it/layer",
				list[i]->name);
		} else if (list[i]->status == SL_LAYER_FLOW) {
			refuse(&filter->object, SL_ERR_LAYER_NOT_SUPPORTED, "/it/layer",
				list[i]->name);
		} else {
			finish(&filter->object);
			sl_object_put(&filter->object);
			n_working++;
		}
	}
	assert_int_equal(n_working, 56);
	refuse(&make_filter("f", "no_such_layer", SLUICE_ACTION_BLOCK)->object,
		SL_ERR_LAYER_NOT_FOUND, "/it/layer", NULL);
}

static void
test_default_sublayer(void **state)
{
	struct sl_filter *filter = block();

	(void)state;
	finish(&filter->object);
	assert_string_equal(filter->sublayer, "universal");
	free(filter->sublayer);
	filter->sublayer = make_text("edge");
	finish(&filter->object);
	assert_string_equal(filter->sublayer, "edge");
	sl_object_put(&filter->object);
}

/* Appendix E, rows 5 to 7. */
static void
test_weights(void **state)
{
	struct sl_filter *filter = block();
	uint64_t automatic;

	(void)state;
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	finish(&filter->object);
	automatic = filter->effective_weight;
	assert_true(automatic > 0);
	assert_true(automatic < (uint64_t)1 << 60);
	filter->weight_kind = SL_WEIGHT_RANGE;
	for (uint64_t range = 0; range <= 15; range++) {
		filter->weight = range;
		finish(&filter->object);
		assert_true(filter->effective_weight == (range << 60 | automatic));
	}
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = UINT64_MAX;
	finish(&filter->object);
	assert_true(filter->effective_weight == UINT64_MAX);
	filter->weight = 0;
	finish(&filter->object);
	assert_int_equal(filter->effective_weight, 0);
	filter->weight_kind = SL_WEIGHT_RANGE;
	filter->weight = 16;
	refuse(&filter->object, SL_ERR_INVALID_WEIGHT, "/it/weight",
		"weight range 16; it is 0 to 15");
	filter = block();
	filter->weight_kind = (enum sl_weight_kind)7;
	refuse(&filter->object, SL_ERR_INVALID_WEIGHT, "/it/weight", NULL);
}

/* Appendix E, rows 15 and 16. */
static void
test_flags(void **state)
{
	struct sl_filter *filter = block();

	(void)state;
	filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT | SL_FILTER_INDEXED;
	finish(&filter->object);
	filter->flags = SL_FILTER_DISABLED;
	refuse(&filter->object, SL_ERR_INVALID_FLAGS, "/it/flags", "never set");
	filter = block();
	filter->flags = SL_FILTER_BOOTTIME;
	refuse(&filter->object, SL_ERR_INVALID_FLAGS, "/it/flags", "do not exist yet");
	filter = block();
	filter->flags = SL_FILTER_BOOTTIME;
	filter->object.lifetime = SL_LIFETIME_PERSISTENT;
	refuse(&filter->object, SL_ERR_INVALID_FLAGS, "/it/flags", "exclude each other");
	filter = block();
	filter->flags = 0x800 | SL_FILTER_INDEXED;
	refuse(&filter->object, SL_ERR_INVALID_FLAGS, "/it/flags", "unknown flags 0x800");
}

/* Appendix E, row 13. */
static void
test_actions(void **state)
{
	static const enum sluice_action wrong[] = {SLUICE_ACTION_UNTOUCHED, SLUICE_ACTION_NONE,
		SLUICE_ACTION_NONE_NO_MATCH, SLUICE_ACTION_CONTINUE, (enum sluice_action)0x9};
	static const enum sluice_action callouts[] = {SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CALLOUT_UNKNOWN};
	struct sl_filter *filter;

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(wrong); i++) {
		assert_false(sl_action_is_callout(wrong[i]));
		refuse(&make_filter("f", LAYER, wrong[i])->object, SL_ERR_INVALID_ACTION_TYPE,
			"/it/action", "use permit, block,");
	}
	for (size_t i = 0; i < SL_ARRAY_LEN(callouts); i++) {
		assert_true(sl_action_is_callout(callouts[i]));
		filter = make_filter("f", LAYER, callouts[i]);
		filter->callout = make_text("c");
		finish(&filter->object);
		sl_object_put(&filter->object);
		refuse(&make_filter("f", LAYER, callouts[i])->object, SL_ERR_NULL_POINTER,
			"/it/action/callout", NULL);
	}
	filter = block();
	filter->callout = make_text("c");
	refuse(&filter->object, SL_ERR_INVALID_PARAMETER, "/it/action/callout",
		"action \"block\" calls no callout");
}

static void
test_permit_if_unregistered(void **state)
{
	static const struct {
		enum sluice_action action;
		bool is_right;
	} rows[] = {
		{SLUICE_ACTION_CALLOUT_TERMINATING, true},
		{SLUICE_ACTION_CALLOUT_UNKNOWN, true},
		{SLUICE_ACTION_CALLOUT_INSPECTION, false},
		{SLUICE_ACTION_PERMIT, false},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct sl_filter *filter = make_filter("f", LAYER, rows[i].action);

		filter->flags = SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED;
		if (sl_action_is_callout(rows[i].action))
			filter->callout = make_text("c");
		if (!rows[i].is_right) {
			refuse(&filter->object, SL_ERR_INVALID_FLAGS, "/it/flags",
				sl_action_name(rows[i].action));
			continue;
		}
		finish(&filter->object);
		sl_object_put(&filter->object);
	}
}

static void
test_inspection_sublayer(void **state)
{
	struct sl_filter *filter = block();

	(void)state;
	filter->sublayer = make_text("inspection");
	refuse(&filter->object, SL_ERR_ACTION_INCOMPATIBLE_WITH_SUBLAYER, "/it/action", "block");
	filter = make_filter("f", LAYER, SLUICE_ACTION_CALLOUT_TERMINATING);
	filter->callout = make_text("c");
	filter->sublayer = make_text("inspection");
	refuse(&filter->object, SL_ERR_ACTION_INCOMPATIBLE_WITH_SUBLAYER, "/it/action", NULL);
	filter = make_filter("f", LAYER, SLUICE_ACTION_CALLOUT_INSPECTION);
	filter->callout = make_text("c");
	filter->sublayer = make_text("inspection");
	finish(&filter->object);
	sl_object_put(&filter->object);
}

static void
test_contexts(void **state)
{
	struct sl_filter *filter = block();

	(void)state;
	filter->raw_context = 5;
	finish(&filter->object);
	filter->raw_context = 0;
	filter->provider_context = make_text("limits");
	finish(&filter->object);
	filter->raw_context = 5;
	refuse(&filter->object, SL_ERR_INVALID_PARAMETER, "/it/provider_context",
		"exclude each other");
}

static void
test_missing_conditions(void **state)
{
	struct sl_filter *filter = block();

	(void)state;
	filter->n_conditions = 2;
	refuse(&filter->object, SL_ERR_NULL_POINTER, "/it/conditions", NULL);
}

/* Finishing again, as when an object is read back, changes nothing. */
static void
test_finish_twice(void **state)
{
	struct sl_filter *filter = block();
	uint64_t weight;

	(void)state;
	make_v4_prefix(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a0b0c0d, 8);
	finish(&filter->object);
	weight = filter->effective_weight;
	assert_int_equal(filter->conditions[0].value.low.number, 0x0a000000);
	finish(&filter->object);
	assert_true(filter->effective_weight == weight);
	assert_int_equal(filter->conditions[0].value.low.number, 0x0a000000);
	sl_object_put(&filter->object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_default_sublayer),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_permit_if_unregistered),
		cmocka_unit_test(test_inspection_sublayer),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_missing_conditions),
		cmocka_unit_test(test_finish_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
