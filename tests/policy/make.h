/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_POLICY_MAKE_H
#define TESTS_POLICY_MAKE_H

/* Short ways to make objects, conditions and policies, shared by the tests of the room. */

#include "policy/sl_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline char *
make_text(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return copy;
}

/* An object with a key and a name. */
static inline struct sl_object *
make_object(enum sl_object_type type, const char *key)
{
	struct sl_object *object = sl_object_new(type);

	assert_non_null(object);
	object->key = make_text(key);
	object->name = make_text(key);
	return object;
}

static inline struct sl_filter *
make_filter(const char *key, const char *layer, enum sluice_action action)
{
	struct sl_filter *filter = sl_filter_of(make_object(SL_OBJECT_FILTER, key));

	filter->layer = sl_layer_find(layer);
	filter->action = action;
	return filter;
}

/* Appends a condition and returns it for its value to be filled. Valid until the next one. */
static inline struct sl_condition *
make_condition(struct sl_filter *filter, enum sluice_field field, enum sl_match match,
	enum sluice_data_type type)
{
	struct sl_condition *condition;

	filter->conditions = reallocarray(
		filter->conditions, filter->n_conditions + 1, sizeof(*filter->conditions));
	assert_non_null(filter->conditions);
	condition = &filter->conditions[filter->n_conditions++];
	memset(condition, 0, sizeof(*condition));
	condition->field = field;
	condition->match = match;
	condition->value.type = type;
	return condition;
}

static inline void
make_number(struct sl_filter *filter, enum sluice_field field, enum sl_match match,
	enum sluice_data_type type, uint64_t number)
{
	make_condition(filter, field, match, type)->value.low.number = number;
}

static inline void
make_range(struct sl_filter *filter, enum sluice_field field, enum sluice_data_type type,
	uint64_t low, uint64_t high)
{
	struct sl_condition *condition =
		make_condition(filter, field, SL_MATCH_RANGE, SLUICE_TYPE_RANGE);

	condition->value.range_type = type;
	condition->value.low.number = low;
	condition->value.high.number = high;
}

static inline void
make_v4_prefix(struct sl_filter *filter, enum sluice_field field, enum sl_match match,
	uint32_t address, unsigned int len)
{
	struct sl_condition *condition =
		make_condition(filter, field, match, SLUICE_TYPE_V4_ADDR_MASK);

	condition->value.low.number = address;
	condition->value.high.number = len == 0 ? 0 : UINT32_MAX << (32 - len);
}

static inline void
make_v6_prefix(struct sl_filter *filter, enum sluice_field field, enum sl_match match,
	const uint8_t address[16], uint8_t len)
{
	struct sl_condition *condition =
		make_condition(filter, field, match, SLUICE_TYPE_V6_ADDR_MASK);

	memcpy(condition->value.low.bytes, address, 16);
	condition->value.prefix_len = len;
}

static inline void
make_blob(struct sl_filter *filter, enum sluice_field field, enum sl_match match, const char *text)
{
	struct sl_condition *condition =
		make_condition(filter, field, match, SLUICE_TYPE_BYTE_BLOB);

	condition->value.text = make_text(text);
	condition->value.text_len = strlen(text);
}

static inline void
make_set_condition(
	struct sl_filter *filter, enum sluice_field field, enum sl_match match, const char *key)
{
	struct sl_condition *condition = make_condition(filter, field, match, SLUICE_TYPE_SET);

	condition->value.text = make_text(key);
	condition->value.text_len = strlen(key);
}

/* Appends an interval of numbers below 2^64 to a set. */
static inline void
make_element(struct sl_set *set, uint64_t low, uint64_t high)
{
	struct sl_set_range *range;

	set->elements = reallocarray(set->elements, set->n_elements + 1, sizeof(*set->elements));
	assert_non_null(set->elements);
	range = &set->elements[set->n_elements++];
	memset(range, 0, sizeof(*range));
	for (unsigned int i = 0; i < 8; i++) {
		range->low[15 - i] = (uint8_t)(low >> (8 * i));
		range->high[15 - i] = (uint8_t)(high >> (8 * i));
	}
}

static inline struct sl_sublayer *
make_sublayer(const char *key, uint16_t weight)
{
	struct sl_sublayer *sublayer = sl_sublayer_of(make_object(SL_OBJECT_SUBLAYER, key));

	sublayer->weight = weight;
	return sublayer;
}

static inline struct sl_callout_object *
make_callout(const char *key, const char *layer)
{
	struct sl_callout_object *callout =
		sl_callout_object_of(make_object(SL_OBJECT_CALLOUT, key));

	callout->layer = sl_layer_find(layer);
	callout->plugin = make_text("count");
	return callout;
}

static inline struct sl_object *
make_context(const char *key)
{
	struct sl_object *object = make_object(SL_OBJECT_PROVIDER_CONTEXT, key);

	sl_provider_context_of(object)->data = make_text("{}");
	return object;
}

/* Finishes an object that must be right. */
static inline void
finish(struct sl_object *object)
{
	struct sl_problems problems = {0};
	bool is_right = sl_object_finish(object, "", &problems);

	if (!is_right && problems.n > 0)
		print_error("%s: %s: %s\n", problems.list[0].pointer,
			sl_err_name(problems.list[0].code), problems.list[0].detail);
	assert_true(is_right);
	assert_int_equal(problems.n_total, 0);
	sl_problems_fini(&problems);
}

/* Finishes an object that has exactly one fault, there, of that kind; then drops it. */
static inline void
refuse(struct sl_object *object, enum sl_err code, const char *pointer, const char *text)
{
	struct sl_problems problems = {0};

	assert_false(sl_object_finish(object, "/it", &problems));
	if (problems.n != 1 || problems.list[0].code != code)
		for (size_t i = 0; i < problems.n; i++)
			print_error("%s: %s: %s\n", problems.list[i].pointer,
				sl_err_name(problems.list[i].code), problems.list[i].detail);
	assert_int_equal(problems.n_total, 1);
	assert_string_equal(sl_err_name(problems.list[0].code), sl_err_name(code));
	assert_string_equal(problems.list[0].pointer, pointer);
	if (text != NULL && strstr(problems.list[0].detail, text) == NULL) {
		print_error("\"%s\" is not in: %s\n", text, problems.list[0].detail);
		fail();
	}
	sl_problems_fini(&problems);
	sl_object_put(object);
}

/* Finishes an object and adds it to a policy, both of which must work. */
static inline void
add(struct sl_policy *policy, struct sl_object *object)
{
	struct sl_error err = {0};

	finish(object);
	if (sl_policy_add(policy, object, &err) != 0) {
		print_error("%s\n", err.text);
		fail();
	}
}

#endif
