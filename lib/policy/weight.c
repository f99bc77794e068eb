/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/interval.h"

#include <string.h>

/*
 * The automatic weight (WFP section 3.3): a number whose digits are specificity codes, one slot for
 * each important field of the layer, the most important field first.
 *
 * Conditions on one field are alternatives, so their slot holds the code of the weakest.  Fields
 * without a slot share the last one, which holds the sum of their codes up to what it can hold.
 * From that follow the properties that authors may rely on: a longer prefix is heavier, a further
 * condition never makes a filter lighter nor an alternative heavier, and order does not matter.
 *
 * A set counts the same whatever it holds, so that changing its elements never moves a filter.
 */

#define WEIGHT_BITS 60
#define CODE_NONE   UINT8_MAX /* no condition on the field */

static uint8_t
address_code(const struct sl_condition *condition, enum sluice_data_type type)
{
	const struct sl_condition_value *value = &condition->value;
	unsigned int bits = sl_type_bits(type);
	sl_u128 span;

	if (condition->match == SL_MATCH_RANGE) {
		span = sl_scalar_number(type, &value->high) - sl_scalar_number(type, &value->low);
		return (uint8_t)(bits - sl_u128_bit_len(span));
	}
	if (condition->match != SL_MATCH_EQUAL || value->type == SLUICE_TYPE_EMPTY)
		return 1;
	if (value->type == SLUICE_TYPE_V4_ADDR_MASK)
		return (uint8_t)__builtin_popcountll(value->high.number);
	if (value->type == SLUICE_TYPE_V6_ADDR_MASK)
		return value->prefix_len;
	return (uint8_t)bits;
}

static uint8_t
range_code(const struct sl_condition *condition)
{
	uint64_t span = condition->value.high.number - condition->value.low.number;

	if (span < 16)
		return 4;
	if (span < 256)
		return 3;
	return span < 4096 ? 2 : 1;
}

static uint8_t
plain_code(const struct sl_condition *condition)
{
	switch (condition->match) {
	case SL_MATCH_EQUAL:
	case SL_MATCH_EQUAL_CASE_INSENSITIVE:
		return 7;
	case SL_MATCH_SUFFIX:
		return 6;
	case SL_MATCH_FLAGS_ALL_SET:
		return 5;
	case SL_MATCH_RANGE:
		return range_code(condition);
	case SL_MATCH_FLAGS_ANY_SET:
		return 3;
	case SL_MATCH_FLAGS_NONE_SET:
	case SL_MATCH_GREATER:
	case SL_MATCH_LESS:
	case SL_MATCH_GREATER_OR_EQUAL:
	case SL_MATCH_LESS_OR_EQUAL:
	case SL_MATCH_IN_SET:
		return 2;
	case SL_MATCH_NOT_EQUAL:
	case SL_MATCH_NOT_SUFFIX:
	case SL_MATCH_NOT_IN_SET:
	case SL_MATCH_COUNT:
		break;
	}
	return 1;
}

/* The code of each field that has conditions: that of the weakest of them. */
static void
codes_of(const struct sl_filter *filter, uint8_t codes[SLUICE_FIELD_COUNT])
{
	memset(codes, CODE_NONE, SLUICE_FIELD_COUNT);
	for (size_t i = 0; i < filter->n_conditions; i++) {
		const struct sl_condition *condition = &filter->conditions[i];
		uint8_t *code = &codes[condition->field];
		uint8_t own;

		if (sl_field_is_address(condition->field))
			own = address_code(condition,
				filter->layer->ip_version == 4 ? SLUICE_TYPE_UINT32
							       : SLUICE_TYPE_BYTE_ARRAY16);
		else
			own = plain_code(condition);
		if (own < *code)
			*code = own;
	}
}

static void
add_part(enum sluice_field field, uint8_t code, uint8_t shift, struct sl_weight_part *parts,
	uint32_t *n_parts)
{
	if (parts == NULL || code == 0)
		return;
	parts[(*n_parts)++] = (struct sl_weight_part){.field = field, .code = code, .shift = shift};
}

/*
 * The slot that fields without one share.  A contribution is cut to what the slot still takes, so
 * that the parts always add up to the weight.
 */
static uint8_t
shared_code(const struct sl_filter *filter, uint8_t codes[SLUICE_FIELD_COUNT], uint8_t max,
	uint8_t shift, struct sl_weight_part *parts, uint32_t *n_parts)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < filter->n_conditions; i++) {
		enum sluice_field field = filter->conditions[i].field;
		uint8_t code = codes[field];

		if (code == CODE_NONE)
			continue;
		code = SL_MIN(code, (uint8_t)(max - sum));
		add_part(field, code, shift, parts, n_parts);
		sum = (uint8_t)(sum + code);
		codes[field] = CODE_NONE;
	}
	return sum;
}

uint64_t
sl_weight_auto(const struct sl_filter *filter, struct sl_weight_part *parts, uint32_t *n_parts)
{
	const struct sl_layer *layer = filter->layer;
	uint8_t codes[SLUICE_FIELD_COUNT];
	uint8_t shift = WEIGHT_BITS;
	uint64_t weight = 0;

	if (n_parts != NULL)
		*n_parts = 0;
	codes_of(filter, codes);
	for (uint8_t i = 0; i < layer->n_weight_slots; i++) {
		const struct sl_weight_slot *slot = &layer->weight_slots[i];
		uint8_t code = codes[slot->field];

		shift = (uint8_t)(shift - slot->width);
		if (slot->field == SLUICE_FIELD_NONE) {
			code = shared_code(filter, codes, (uint8_t)((1u << slot->width) - 1), shift,
				parts, n_parts);
		} else {
			codes[slot->field] = CODE_NONE;
			code = code == CODE_NONE ? 0 : code;
			add_part(slot->field, code, shift, parts, n_parts);
		}
		weight |= (uint64_t)code << shift;
	}
	return weight;
}
