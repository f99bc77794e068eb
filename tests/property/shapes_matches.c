/* SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"
#include "shapes.h"

#include <stdio.h>
#include <string.h>

/* Shapes of conditions: what fields are compared with, and how. */

void
shape_random(struct generator *g, uint32_t n)
{
	while (n-- > 0)
		generator_add_filter(g);
}

/* A field that may be one that never has a value. */
static const struct sl_layer_field *
any_field(struct generator *g)
{
	const struct sl_layer_field *field;

	do {
		field = &g->layer->fields[random_below(&g->random, g->layer->n_fields)];
	} while (!field->available);
	return field;
}

/* Absent fields, beside the values that an absent field is easily taken for. */
void
shape_empty(struct generator *g, uint32_t n)
{
	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 40));

		for (uint32_t c = random_below(&g->random, 4) + 1; c > 0; c--) {
			const struct sl_layer_field *field = any_field(g);
			const bool has_number = field->type != SLUICE_TYPE_BYTE_BLOB;
			const uint32_t kind = random_below(&g->random, has_number ? 5 : 3);

			if (kind < 3)
				draft_when(filter,
					cond_empty(field,
						kind < 2 ? SL_MATCH_EQUAL : SL_MATCH_NOT_EQUAL));
			else if (kind == 3)
				draft_when(filter, cond_scalar(field, SL_MATCH_EQUAL, 0));
			else
				draft_when(filter, cond_range(field, 0, 1));
		}
		draft_add(g, filter);
	}
}

static const struct sl_layer_field *
field_flags(struct generator *g)
{
	const struct sl_layer_field *field = field_ordered(g, 8);

	while (sl_field_is_address(field->field))
		field = field_ordered(g, 8);
	return field;
}

/* All, any and none of few bits, of all and of no bits. */
void
shape_flags(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *fields[2] = {field_flags(g), field_flags(g)};

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 400));

		for (uint32_t c = random_below(&g->random, 4) + 1; c > 0; c--) {
			const struct sl_layer_field *field = fields[random_below(&g->random, 2)];
			const uint32_t bits = field_bits(g, field);
			u128 flags = (u128)1 << random_below(&g->random, bits) |
				(u128)1 << random_below(&g->random, bits);

			if (random_chance(&g->random, 10))
				flags = random_chance(&g->random, 50) ? 0 : u128_max(bits);
			draft_when(filter,
				cond_scalar(field,
					(enum sl_match)(SL_MATCH_FLAGS_ALL_SET +
						random_below(&g->random, 3)),
					flags));
		}
		draft_add(g, filter);
	}
}

/* Texts that are prefixes, suffixes and neighbours of each other; numbers where there are none. */
void
shape_texts(struct generator *g, uint32_t n)
{
	static const enum sl_match matches[] = {SL_MATCH_EQUAL, SL_MATCH_NOT_EQUAL,
		SL_MATCH_GREATER, SL_MATCH_LESS, SL_MATCH_GREATER_OR_EQUAL, SL_MATCH_LESS_OR_EQUAL,
		SL_MATCH_SUFFIX, SL_MATCH_NOT_SUFFIX};

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 400));

		for (uint32_t c = random_below(&g->random, 3) + 1; c > 0; c--) {
			const struct sl_layer_field *field = field_text(g);
			const enum sl_match match =
				matches[random_below(&g->random, SL_ARRAY_LEN(matches))];
			char text[12] = "";

			for (uint32_t i = random_below(&g->random, 10) + 1; i > 0; i--)
				text[i - 1] = (char)('a' + random_below(&g->random, 2));
			if (field == NULL)
				draft_when(filter,
					cond_scalar(field_ordered(g, 8), SL_MATCH_GREATER,
						(uint8_t)text[0]));
			else
				draft_when(filter, cond_text(field, match, text));
		}
		draft_add(g, filter);
	}
}

/* Sets of 1, 17 and 1,000 elements that many filters share, some beside a condition of their own. */
static uint32_t
add_sets(struct generator *g, const struct sl_layer_field *field, uint32_t n_max)
{
	static const uint32_t sizes[] = {1, 17, 1000, 0};
	const uint32_t bits = field_bits(g, field);
	const u128 base = u128_random(&g->random, bits);
	enum sl_set_type type;
	uint32_t n_sets = 0;

	for (uint32_t i = 0; i < SL_ARRAY_LEN(sizes) && sl_set_type_of_field(field, &type); i++) {
		struct sl_object *object = generator_object(SL_OBJECT_SET, "shared", n_sets++);
		struct sl_set *set = sl_set_of(object);

		set->set_type = type;
		set->n_elements = SL_MIN(sizes[i], n_max);
		set->elements = must(calloc(set->n_elements + 1, sizeof(*set->elements)));
		for (size_t e = 0; e < set->n_elements; e++) {
			const u128 low = (base ^ u128_random(&g->random, 14) << 3) & u128_max(bits);

			u128_to_bytes(low & ~(u128)7, set->elements[e].low, 16);
			u128_to_bytes(low | 7, set->elements[e].high, 16);
		}
		generator_add(g, object);
	}
	return n_sets;
}

void
shape_sets(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *field = field_ordered(g, 16);
	const struct sl_layer_field *beside = field_beside(g, 16, field);
	const uint32_t n_sets = add_sets(g, field, n > 200 ? 17 : 1000);

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 400));
		const u128 low = random_below(&g->random, 300);
		char key[32];

		snprintf(
			key, sizeof(key), "shared%u", random_below(&g->random, SL_MAX(n_sets, 1u)));
		if (n_sets > 0)
			draft_when(filter,
				cond_set(field,
					random_chance(&g->random, 70) ? SL_MATCH_IN_SET
								      : SL_MATCH_NOT_IN_SET,
					key));
		if (n_sets > 0 && random_chance(&g->random, 20))
			draft_when(filter, cond_scalar(field, SL_MATCH_EQUAL, low));
		if (random_chance(&g->random, 70))
			draft_when(filter,
				cond_range(beside, low, low + random_below(&g->random, 50)));
		draft_add(g, filter);
	}
}

void
shape_not_equal(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *fields[3] = {
		field_ordered(g, 32), field_ordered(g, 16), field_ordered(g, 8)};
	const u128 base = u128_random(&g->random, 128);

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 400));

		for (uint32_t c = random_below(&g->random, 4) + 1; c > 0; c--) {
			const struct sl_layer_field *field = fields[random_below(&g->random, 3)];
			struct sl_condition condition = random_chance(&g->random, 70)
				? cond_scalar(field, SL_MATCH_NOT_EQUAL,
					  base ^ random_below(&g->random, 3))
				: cond_prefix(field, base, random_below(&g->random, 129));

			if (condition.match == SL_MATCH_EQUAL)
				condition.match = SL_MATCH_NOT_EQUAL;
			draft_when(filter, condition);
		}
		draft_add(g, filter);
	}
}

/* Long groups of alternatives, in one field or in three, which multiply. */
void
shape_alternatives(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 32);
	const struct sl_layer_field *fields[3] = {a, field_beside(g, 16, a), field_beside(g, 8, a)};
	const u128 base = u128_random(&g->random, 128);

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 400));
		const uint32_t n_fields = random_chance(&g->random, 60) ? 1 : 3;

		for (uint32_t c = random_below(&g->random, 70) + 1; c > 0; c--) {
			const struct sl_layer_field *field = fields[c % n_fields];
			const u128 value = base ^ random_below(&g->random, 200);

			draft_when(filter,
				random_chance(&g->random, 60)
					? cond_scalar(field, SL_MATCH_EQUAL, value)
					: cond_range(field, value,
						  value + random_below(&g->random, 9)));
		}
		draft_add(g, filter);
	}
}

/* Conditions that nothing fulfils, beside filters that match. */
void
shape_never(struct generator *g, uint32_t n)
{
	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 100));
		const struct sl_layer_field *field = field_flags(g);
		const u128 max = u128_max(field_bits(g, field));

		switch (random_below(&g->random, 5)) {
		case 0:
			draft_when(filter, cond_scalar(field, SL_MATCH_GREATER, max));
			break;
		case 1:
			draft_when(filter, cond_scalar(field, SL_MATCH_LESS, 0));
			break;
		case 2:
			draft_when(filter, cond_scalar(field, SL_MATCH_FLAGS_ANY_SET, 0));
			break;
		default:
			draft_when(filter, cond_range(field, 0, max / 2));
		}
		if (random_chance(&g->random, 50))
			draft_when(filter,
				cond_scalar(field_ordered(g, 8), SL_MATCH_EQUAL,
					random_below(&g->random, 4)));
		draft_add(g, filter);
	}
}

/* A thousand values of one field. */
void
shape_one_field(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *field = field_ordered(g, 16);
	const uint32_t bits = field_bits(g, field);

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 4));

		draft_when(filter,
			cond_scalar(field, SL_MATCH_EQUAL,
				random_chance(&g->random, 50) ? u128_random(&g->random, bits)
							      : random_below(&g->random, 5000)));
		draft_add(g, filter);
	}
}

/* Fields of one slot contradict each other, or agree. */
void
shape_same_slot(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 8);
	const enum sl_slot slot = sl_meta_slot(g->layer, a->field);
	const struct sl_layer_field *b = a;

	for (uint32_t i = 0; i < g->layer->n_fields; i++) {
		const struct sl_layer_field *field = &g->layer->fields[i];

		if (field->available && field->type == a->type && field != a &&
			sl_meta_slot(g->layer, field->field) == slot)
			b = field;
	}
	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 400));
		const u128 low = random_below(&g->random, 200);

		draft_when(filter, cond_range(a, low, low + random_below(&g->random, 20)));
		draft_when(filter,
			cond_range(b, low + random_below(&g->random, 10),
				low + random_below(&g->random, 30)));
		draft_add(g, filter);
	}
}

/* Conditions on nearly every field, more than one structure holds, with alternatives, of callouts. */
void
shape_crowded(struct generator *g, uint32_t n)
{
	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 100));

		for (uint32_t i = 0; i < g->layer->n_fields; i++) {
			const struct sl_layer_field *field = &g->layer->fields[i];

			if (!field->available || field->type == SLUICE_TYPE_BYTE_BLOB ||
				random_chance(&g->random, 10))
				continue;
			draft_when(filter, cond_prefix(field, n, field_bits(g, field) - n % 3));
			if (random_chance(&g->random, 40))
				draft_when(filter, cond_scalar(field, SL_MATCH_EQUAL, n % 7 + 900));
			if (random_chance(&g->random, 20))
				draft_when(filter, cond_empty(field, SL_MATCH_EQUAL));
		}
		if (random_chance(&g->random, 60))
			draft_callout(filter, SLUICE_ACTION_CALLOUT_INSPECTION);
		draft_add(g, filter);
	}
}
