/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/overlap.h"

#include <string.h>

/* Beyond this many pairs of conditions a comparison is not worth its time. */
#define PAIRS_MAX 4096

static bool
ends_with(const struct sl_condition_value *text, const struct sl_condition_value *end)
{
	return text->text_len >= end->text_len &&
		memcmp(text->text + text->text_len - end->text_len, end->text, end->text_len) == 0;
}

static bool
is_suffix(enum sl_match match)
{
	return match == SL_MATCH_SUFFIX || match == SL_MATCH_NOT_SUFFIX;
}

bool
sl_texts_exclude(const struct sl_condition *a, const struct sl_condition *b)
{
	if (is_suffix(a->match) && is_suffix(b->match))
		return !ends_with(&a->value, &b->value) && !ends_with(&b->value, &a->value);
	if (is_suffix(a->match))
		return !ends_with(&b->value, &a->value);
	if (is_suffix(b->match))
		return !ends_with(&a->value, &b->value);
	return a->value.text_len != b->value.text_len || !ends_with(&a->value, &b->value);
}

static bool
is_positive_text(const struct sl_condition *condition)
{
	return condition->value.type == SLUICE_TYPE_BYTE_BLOB &&
		(condition->match == SL_MATCH_EQUAL || condition->match == SL_MATCH_SUFFIX);
}

/* True when some value of the field, or its absence, satisfies both. */
static bool
conditions_meet(
	const struct sl_condition *a, const struct sl_condition *b, enum sluice_data_type type)
{
	struct sl_interval of_a[2];
	struct sl_interval of_b[2];
	unsigned int n_a;
	unsigned int n_b;
	enum sl_shape shape_a = sl_condition_intervals(a, type, of_a, &n_a);
	enum sl_shape shape_b = sl_condition_intervals(b, type, of_b, &n_b);

	if (shape_a == SL_SHAPE_ABSENT || shape_b == SL_SHAPE_ABSENT)
		return shape_a == shape_b;
	if (is_positive_text(a) && is_positive_text(b))
		return !sl_texts_exclude(a, b);
	if (shape_a == SL_SHAPE_UNKNOWN || shape_b == SL_SHAPE_UNKNOWN)
		return true;
	for (unsigned int i = 0; i < n_a; i++)
		for (unsigned int k = 0; k < n_b; k++)
			if (of_a[i].low <= of_b[k].high && of_b[k].low <= of_a[i].high)
				return true;
	return false;
}

/* True unless both filters ask for values of this field that exclude each other. */
static bool
field_meets(
	const struct sl_filter *a, const struct sl_filter *b, const struct sl_layer_field *field)
{
	bool is_in_b = false;

	for (size_t i = 0; i < a->n_conditions; i++) {
		if (a->conditions[i].field != field->field)
			continue;
		for (size_t k = 0; k < b->n_conditions; k++) {
			if (b->conditions[k].field != field->field)
				continue;
			is_in_b = true;
			if (conditions_meet(&a->conditions[i], &b->conditions[k], field->type))
				return true;
		}
	}
	return !is_in_b;
}

bool
sl_filters_overlap(const struct sl_filter *a, const struct sl_filter *b)
{
	bool seen[SLUICE_FIELD_COUNT] = {false};

	if (a->n_conditions > 0 && b->n_conditions > PAIRS_MAX / a->n_conditions)
		return true;
	for (size_t i = 0; i < a->n_conditions; i++) {
		enum sluice_field field = a->conditions[i].field;
		const struct sl_layer_field *info;

		if (seen[field])
			continue;
		seen[field] = true;
		info = sl_layer_field_by_id(a->layer, field, NULL);
		if (info != NULL && !field_meets(a, b, info))
			return false;
	}
	return true;
}

static bool
same_value(const struct sl_condition_value *a, const struct sl_condition_value *b)
{
	if (a->type != b->type || a->text_len != b->text_len)
		return false;
	switch (a->type) {
	case SLUICE_TYPE_EMPTY:
		return true;
	case SLUICE_TYPE_SET:
		return strcmp(a->text, b->text) == 0;
	case SLUICE_TYPE_BYTE_BLOB:
		return memcmp(a->text, b->text, a->text_len) == 0;
	case SLUICE_TYPE_V6_ADDR_MASK:
		return a->prefix_len == b->prefix_len &&
			memcmp(a->low.bytes, b->low.bytes, 16) == 0;
	default:
		return a->range_type == b->range_type &&
			memcmp(&a->low, &b->low, sizeof(a->low)) == 0 &&
			memcmp(&a->high, &b->high, sizeof(a->high)) == 0;
	}
}

static bool
has_condition(const struct sl_filter *filter, const struct sl_condition *wanted)
{
	for (size_t i = 0; i < filter->n_conditions; i++) {
		const struct sl_condition *condition = &filter->conditions[i];

		if (condition->field == wanted->field && condition->match == wanted->match &&
			same_value(&condition->value, &wanted->value))
			return true;
	}
	return false;
}

bool
sl_filters_same_conditions(const struct sl_filter *a, const struct sl_filter *b)
{
	if (a->n_conditions != b->n_conditions ||
		(a->n_conditions > 0 && a->n_conditions > PAIRS_MAX / a->n_conditions))
		return false;
	for (size_t i = 0; i < a->n_conditions; i++)
		if (!has_condition(b, &a->conditions[i]) || !has_condition(a, &b->conditions[i]))
			return false;
	return true;
}

static uint64_t
mix(uint64_t hash, uint64_t number)
{
	hash = (hash ^ number) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

uint64_t
sl_filter_hash_conditions(const struct sl_filter *filter)
{
	uint64_t sum = filter->n_conditions;

	for (size_t i = 0; i < filter->n_conditions; i++) {
		const struct sl_condition *condition = &filter->conditions[i];
		const struct sl_condition_value *value = &condition->value;
		uint64_t words[4] = {0};
		uint64_t hash =
			mix((uint64_t)condition->field << 8 | condition->match, value->type);

		if (value->text != NULL)
			memcpy(words, value->text, SL_MIN(strlen(value->text), sizeof(words)));
		else if (value->type != SLUICE_TYPE_EMPTY)
			memcpy(words, &value->low, sizeof(value->low));
		for (size_t k = 0; k < SL_ARRAY_LEN(words); k++)
			hash = mix(hash, words[k]);
		/* A sum does not depend on the order of the conditions. */
		sum += hash;
	}
	return sum;
}

struct sl_interval
sl_filter_hull(const struct sl_filter *filter, const struct sl_layer_field *field)
{
	struct sl_interval whole = {0, sl_u128_max(sl_type_bits(field->type))};
	struct sl_interval hull = {whole.high, 0};
	bool is_bound = false;

	for (size_t i = 0; i < filter->n_conditions; i++) {
		struct sl_interval span[2];
		unsigned int n;

		if (filter->conditions[i].field != field->field)
			continue;
		if (sl_condition_intervals(&filter->conditions[i], field->type, span, &n) !=
			SL_SHAPE_INTERVALS)
			return whole;
		is_bound = true;
		for (unsigned int k = 0; k < n; k++) {
			hull.low = SL_MIN(hull.low, span[k].low);
			hull.high = SL_MAX(hull.high, span[k].high);
		}
	}
	return is_bound ? hull : whole;
}
