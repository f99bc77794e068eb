/* SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"

#include <stdio.h>
#include <string.h>

struct sl_filter *
draft_new(struct generator *g, uint32_t sublayer, uint64_t weight)
{
	struct sl_object *object = generator_object(SL_OBJECT_FILTER, "filter", g->n_filters++);
	struct sl_filter *filter = sl_filter_of(object);
	char key[32];

	snprintf(key, sizeof(key), "sublayer%u", sublayer);
	filter->sublayer = must(strdup(key));
	filter->layer = g->layer;
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = weight;
	filter->action = g->n_filters % 2 == 0 ? SLUICE_ACTION_PERMIT : SLUICE_ACTION_BLOCK;
	return filter;
}

void
draft_callout(struct sl_filter *filter, enum sluice_action action)
{
	filter->action = action;
	filter->callout = must(strdup(CALLOUT_KEY));
}

void
draft_when(struct sl_filter *filter, struct sl_condition condition)
{
	const size_t n = filter->n_conditions;

	/* Room for a power of two. */
	if ((n & (n - 1)) == 0)
		filter->conditions = must(realloc(
			filter->conditions, (n == 0 ? 1 : 2 * n) * sizeof(*filter->conditions)));
	filter->conditions[filter->n_conditions++] = condition;
}

void
draft_add(struct generator *g, struct sl_filter *filter)
{
	generator_add(g, &filter->object);
}

/* --- Conditions. --- */

static uint32_t
type_bits(const struct sl_layer_field *field)
{
	switch (field->type) {
	case SLUICE_TYPE_UINT8:
		return 8;
	case SLUICE_TYPE_UINT16:
		return 16;
	case SLUICE_TYPE_UINT32:
		return 32;
	case SLUICE_TYPE_BYTE_ARRAY6:
		return 48;
	case SLUICE_TYPE_BYTE_ARRAY16:
		return 128;
	default:
		return 64;
	}
}

struct sl_condition
cond_scalar(const struct sl_layer_field *field, enum sl_match match, u128 value)
{
	struct sl_condition condition = {
		.field = field->field, .match = match, .value = {.type = field->type}};

	u128_to_scalar(value & u128_max(type_bits(field)), field->type, &condition.value.low);
	return condition;
}

struct sl_condition
cond_range(const struct sl_layer_field *field, u128 a, u128 b)
{
	const u128 max = u128_max(type_bits(field));
	struct sl_condition condition = {.field = field->field,
		.match = SL_MATCH_RANGE,
		.value = {.type = SLUICE_TYPE_RANGE, .range_type = field->type}};

	if (field->type == SLUICE_TYPE_BYTE_ARRAY6)
		return cond_scalar(field, SL_MATCH_EQUAL, a);
	a &= max;
	b &= max;
	u128_to_scalar(SL_MIN(a, b), field->type, &condition.value.low);
	u128_to_scalar(SL_MAX(a, b), field->type, &condition.value.high);
	return condition;
}

struct sl_condition
cond_prefix(const struct sl_layer_field *field, u128 value, uint32_t len)
{
	const uint32_t bits = type_bits(field);
	const u128 host = u128_max(bits - SL_MIN(len, bits));
	struct sl_condition condition;

	if (!sl_field_is_address(field->field))
		return cond_range(field, value & ~host, value | host);
	condition = cond_scalar(field, SL_MATCH_EQUAL, value & ~host);
	if (bits == 128) {
		condition.value.type = SLUICE_TYPE_V6_ADDR_MASK;
		condition.value.prefix_len = (uint8_t)SL_MIN(len, bits);
	} else {
		condition.value.type = SLUICE_TYPE_V4_ADDR_MASK;
		condition.value.high.number = (uint32_t)~host;
	}
	return condition;
}

struct sl_condition
cond_empty(const struct sl_layer_field *field, enum sl_match match)
{
	return (struct sl_condition){
		.field = field->field, .match = match, .value = {.type = SLUICE_TYPE_EMPTY}};
}

struct sl_condition
cond_text(const struct sl_layer_field *field, enum sl_match match, const char *text)
{
	return (struct sl_condition){.field = field->field,
		.match = match,
		.value = {.type = SLUICE_TYPE_BYTE_BLOB,
			.text = must(strdup(text)),
			.text_len = strlen(text)}};
}

struct sl_condition
cond_set(const struct sl_layer_field *field, enum sl_match match, const char *key)
{
	return (struct sl_condition){.field = field->field,
		.match = match,
		.value = {.type = SLUICE_TYPE_SET,
			.text = must(strdup(key)),
			.text_len = strlen(key)}};
}

/* --- Fields. --- */

uint32_t
field_bits(const struct generator *g, const struct sl_layer_field *field)
{
	return slot_bits(sl_meta_slot(g->layer, field->field));
}

static bool
is_ordered(const struct generator *g, const struct sl_layer_field *field, uint32_t bits)
{
	return field->available && field->type != SLUICE_TYPE_BYTE_ARRAY6 &&
		field->type != SLUICE_TYPE_BYTE_BLOB &&
		sl_meta_slot(g->layer, field->field) != SL_SLOT_NONE &&
		field_bits(g, field) >= bits;
}

const struct sl_layer_field *
field_ordered(struct generator *g, uint32_t bits)
{
	const uint32_t n = g->layer->n_fields;
	const uint32_t from = random_below(&g->random, n);

	for (;; bits /= 2) {
		for (uint32_t i = 0; i < n; i++) {
			const struct sl_layer_field *field = &g->layer->fields[(from + i) % n];

			if (is_ordered(g, field, bits))
				return field;
		}
	}
}

const struct sl_layer_field *
field_beside(struct generator *g, uint32_t bits, const struct sl_layer_field *other)
{
	const struct sl_layer_field *field = other;

	for (uint32_t i = 0; i < 64 &&
		sl_meta_slot(g->layer, field->field) == sl_meta_slot(g->layer, other->field);
		i++)
		field = field_ordered(g, bits);
	return field;
}

const struct sl_layer_field *
field_text(struct generator *g)
{
	const uint32_t n = g->layer->n_fields;
	const uint32_t from = random_below(&g->random, n);

	for (uint32_t i = 0; i < n; i++) {
		const struct sl_layer_field *field = &g->layer->fields[(from + i) % n];

		if (field->available && field->type == SLUICE_TYPE_BYTE_BLOB &&
			sl_meta_slot(g->layer, field->field) != SL_SLOT_NONE)
			return field;
	}
	return NULL;
}
