/* SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"
#include "shapes.h"

/* Shapes of ranges and prefixes: where they begin, end and overlap. */

/* A ladder of prefixes down to a few values, cut off and branching; `sign` orders the weights. */
static void
nest(struct generator *g, uint32_t n, int sign)
{
	const struct sl_layer_field *a = field_ordered(g, 32);
	const struct sl_layer_field *b = field_beside(g, 16, a);
	const bool is_double = random_chance(&g->random, 50);
	const u128 paths[4] = {u128_random(&g->random, 128), u128_random(&g->random, 128),
		u128_random(&g->random, 128), u128_random(&g->random, 128)};

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t len = random_below(&g->random, field_bits(g, a) + 1);
		const uint32_t len_b = random_below(&g->random, field_bits(g, b) + 1);
		const uint32_t order = len + (is_double ? len_b : 0);
		struct sl_filter *filter =
			draft_new(g, 0, 1000 + (uint64_t)(sign * (int64_t)order));
		u128 value = paths[random_below(&g->random, 4)];

		if (random_chance(&g->random, 20))
			value ^= (u128)1 << random_below(&g->random, 128);
		draft_when(filter, cond_prefix(a, value, len));
		if (is_double)
			draft_when(
				filter, cond_prefix(b, paths[random_below(&g->random, 2)], len_b));
		draft_add(g, filter);
	}
}

void
shape_nested(struct generator *g, uint32_t n)
{
	nest(g, n, 1);
}

void
shape_nested_reversed(struct generator *g, uint32_t n)
{
	nest(g, n, -1);
}

/* Every length of one field with every length of another, of one value each. */
void
shape_ladders(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 32);
	const struct sl_layer_field *b = field_beside(g, 32, a);
	const u128 value_a = u128_random(&g->random, 128);
	const u128 value_b = u128_random(&g->random, 128);
	const uint32_t bits_b = field_bits(g, b);

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t len = i / bits_b % field_bits(g, a) + 1;
		struct sl_filter *filter = draft_new(g, 0, random_next(&g->random));

		draft_when(filter, cond_prefix(a, value_a, len));
		draft_when(filter, cond_prefix(b, value_b, i % bits_b + 1));
		draft_add(g, filter);
	}
}

/* Values that differ from one value in one bit, then in two. */
void
shape_one_bit(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 32);
	const struct sl_layer_field *b = field_beside(g, 8, a);
	const u128 base = u128_random(&g->random, 128);
	const uint32_t bits_a = field_bits(g, a);
	const uint32_t bits = bits_a + field_bits(g, b);

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t first = i % bits;
		const uint32_t second = (first + i / bits) % bits;
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 1000));
		u128 flips[2] = {0, 0};

		flips[first >= bits_a] |= (u128)1 << (first < bits_a ? first : first - bits_a);
		flips[second >= bits_a] |= (u128)1 << (second < bits_a ? second : second - bits_a);
		draft_when(filter, cond_scalar(a, SL_MATCH_EQUAL, base ^ flips[0]));
		draft_when(filter, cond_scalar(b, SL_MATCH_EQUAL, base ^ flips[1]));
		draft_add(g, filter);
	}
}

/* Ranges over powers of two, word borders among them, and the ends of what a field can hold. */
void
shape_straddle(struct generator *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 100));

		for (uint32_t c = random_below(&g->random, 3) + 1; c > 0; c--) {
			const struct sl_layer_field *field = field_ordered(g, 16);
			const uint32_t bits = field_bits(g, field);
			const uint32_t at = random_chance(&g->random, 40)
				? random_below(&g->random, bits / 16 + 1) * 16
				: random_below(&g->random, bits + 1);
			const u128 middle =
				u128_max(at) ^ (u128_random(&g->random, bits) & ~u128_max(at));
			const u128 below = u128_random(&g->random, random_below(&g->random, 20));
			const u128 above = u128_random(&g->random, random_below(&g->random, 20));

			draft_when(filter,
				cond_range(field, middle - SL_MIN(below, middle),
					middle + SL_MIN(above, u128_max(bits) - middle)));
		}
		draft_add(g, filter);
	}
}

/* Long ranges, each a little further than the one before. */
void
shape_steps(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 16);
	const struct sl_layer_field *b = field_beside(g, 16, a);
	const u128 from = u128_random(&g->random, 12);
	const u128 len = 1 + u128_random(&g->random, 14);

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(g, 0, i * 7919u % 4093);

		draft_when(filter, cond_range(a, from + i, from + i + len));
		if (i % 3 == 0)
			draft_when(filter, cond_range(b, from + n - i, from + n - i + len));
		draft_add(g, filter);
	}
}

/* Ranges that begin where another ends, and together leave nothing out. */
void
shape_adjacent(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *field = field_ordered(g, 16);
	const u128 max = u128_max(field_bits(g, field));
	const u128 width = SL_MAX(max / SL_MAX(n, 1u), (u128)1);
	u128 low = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 3));

		draft_when(filter, cond_range(field, low, low + width - 1));
		if (random_chance(&g->random, 10))
			draft_when(filter,
				cond_range(
					field_beside(g, 8, field), 0, u128_random(&g->random, 8)));
		draft_add(g, filter);
		low += width;
	}
}

/* Pairs of values on the diagonal, and rows and columns that are wild in one field. */
void
shape_diagonal(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 32);
	const struct sl_layer_field *b = field_beside(g, 32, a);
	const u128 from = u128_random(&g->random, 30);

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t kind = random_below(&g->random, 10);
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 1000));

		if (kind > 0)
			draft_when(filter, cond_scalar(a, SL_MATCH_EQUAL, from + i));
		if (kind > 1 || kind == 0)
			draft_when(filter, cond_scalar(b, SL_MATCH_EQUAL, from + i));
		draft_add(g, filter);
	}
}

/* Ranges of one field times ranges of two others. */
void
shape_cross(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 16);
	const struct sl_layer_field *b = field_beside(g, 16, a);
	const struct sl_layer_field *c = field_beside(g, 32, b);
	uint32_t side = 1;

	while (side * side * side < n)
		side++;
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter = draft_new(g, 0, random_next(&g->random));
		const u128 x = i % side, y = i / side % side, z = i / side / side;

		draft_when(filter, cond_range(a, x * 37, x * 53 + 1000));
		draft_when(filter, cond_range(b, y * 41, y * 61 + 999));
		draft_when(
			filter, cond_prefix(c, z << 13, field_bits(g, c) - 13 - (uint32_t)z % 7));
		draft_add(g, filter);
	}
}

/* Values of long fields whose lowest bits are all the same, and the reverse. */
void
shape_high_words(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *field = field_ordered(g, 64);
	const uint32_t bits = field_bits(g, field);
	const u128 base = u128_random(&g->random, bits);

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t word = random_below(&g->random, (bits + 31) / 32);
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 50));
		const u128 value = base ^ (u128)random_below(&g->random, 64) << 32 * word;

		if (random_chance(&g->random, 50))
			draft_when(filter, cond_scalar(field, SL_MATCH_EQUAL, value));
		else
			draft_when(filter, cond_prefix(field, value, bits - 32 * word));
		draft_add(g, filter);
	}
}

/* What people write: two prefixes, ports or ranges of them, a protocol; whatever the layer has. */
void
shape_tuples(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *a = field_ordered(g, 32);
	const struct sl_layer_field *b = field_beside(g, 32, a);
	const struct sl_layer_field *port = field_beside(g, 16, a);
	const struct sl_layer_field *kind = field_ordered(g, 8);
	const u128 net = u128_random(&g->random, 128);
	uint32_t left = n;

	while (left-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, left);
		const u128 low = random_below(&g->random, 3000);

		if (random_chance(&g->random, 80))
			draft_when(filter,
				cond_prefix(a, net ^ u128_random(&g->random, 20),
					field_bits(g, a) - random_below(&g->random, 20)));
		if (random_chance(&g->random, 60))
			draft_when(filter,
				cond_prefix(b, net ^ (u128)random_below(&g->random, 999) << 5,
					field_bits(g, b) - random_below(&g->random, 12)));
		if (random_chance(&g->random, 70))
			draft_when(filter,
				cond_range(port, low,
					low +
						random_below(&g->random, 3) *
							random_below(&g->random, 2000)));
		if (random_chance(&g->random, 70))
			draft_when(filter,
				cond_scalar(kind, SL_MATCH_EQUAL, random_below(&g->random, 4)));
		draft_add(g, filter);
	}
}
