/* SPDX-License-Identifier: BSD-3-Clause */
#include "draft.h"
#include "shapes.h"

/* Shapes of order: sublayers, weights, and what makes match lists long. */

/* A filter that matches often: no condition, or one that half of the packets fulfil. */
static struct sl_filter *
broad(struct generator *g, uint32_t sublayer, uint64_t weight)
{
	struct sl_filter *filter = draft_new(g, sublayer, weight);
	const struct sl_layer_field *field = field_ordered(g, 8);
	const u128 max = u128_max(field_bits(g, field));

	switch (random_below(&g->random, 5)) {
	case 0:
		break;
	case 1:
		draft_when(filter, cond_empty(field, SL_MATCH_NOT_EQUAL));
		break;
	case 2:
		draft_when(filter, cond_scalar(field, SL_MATCH_LESS_OR_EQUAL, max / 2));
		break;
	case 3:
		draft_when(filter, cond_range(field, 0, max));
		break;
	default:
		draft_when(
			filter, cond_scalar(field, SL_MATCH_GREATER, random_below(&g->random, 4)));
	}
	return filter;
}

/* A filter that matches seldom. */
static struct sl_filter *
narrow(struct generator *g, uint32_t sublayer, uint64_t weight)
{
	struct sl_filter *filter = draft_new(g, sublayer, weight);
	const struct sl_layer_field *field = field_ordered(g, 16);
	const u128 low = random_below(&g->random, 4000);

	draft_when(filter, cond_range(field, low, low + random_below(&g->random, 4)));
	return filter;
}

void
shape_wild(struct generator *g, uint32_t n)
{
	while (n-- > 0)
		draft_add(g, broad(g, random_below(&g->random, g->n_sublayers), n));
}

/* One weight for all: the older filter comes first. */
void
shape_ties(struct generator *g, uint32_t n)
{
	while (n-- > 0) {
		const bool is_broad = random_chance(&g->random, 30);

		draft_add(g, is_broad ? broad(g, 0, 5) : narrow(g, 0, 5));
	}
}

/* The same few conditions again and again, in callout filters as well. */
void
shape_duplicates(struct generator *g, uint32_t n)
{
	const struct sl_layer_field *field = field_ordered(g, 16);
	const u128 value = u128_random(&g->random, 16);

	while (n-- > 0) {
		struct sl_filter *filter = draft_new(g, 0, random_below(&g->random, 2));

		draft_when(filter, cond_range(field, value, value + 3));
		if (random_chance(&g->random, 5))
			draft_callout(filter, SLUICE_ACTION_CALLOUT_INSPECTION);
		draft_add(g, filter);
	}
}

/* Sublayers with one filter, with ten, and with all others. */
void
shape_lopsided(struct generator *g, uint32_t n)
{
	generator_sublayers(g, 3);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t sublayer = i == 0 ? 0 : i <= 10 ? 1 : 2;
		const bool is_broad = random_chance(&g->random, i <= 10 ? 50 : 1);
		const uint64_t weight = random_below(&g->random, 9999);

		draft_add(g, is_broad ? broad(g, sublayer, weight) : narrow(g, sublayer, weight));
	}
}

/* Many filters that match and may continue, with terminal ones between. */
void
shape_callouts(struct generator *g, uint32_t n)
{
	static const enum sluice_action actions[] = {SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_CALLOUT_UNKNOWN, SLUICE_ACTION_CALLOUT_INSPECTION};

	while (n-- > 0) {
		const uint32_t sublayer = random_below(&g->random, g->n_sublayers);
		struct sl_filter *filter = random_chance(&g->random, 20)
			? broad(g, sublayer, random_below(&g->random, 500))
			: narrow(g, sublayer, random_below(&g->random, 500));

		if (random_chance(&g->random, 80))
			draft_callout(filter, actions[random_below(&g->random, 3)]);
		draft_add(g, filter);
	}
}

/* A sublayer for every few filters. */
void
shape_many_sublayers(struct generator *g, uint32_t n)
{
	generator_sublayers(g, n / 4 + 1);
	while (n-- > 0) {
		const uint32_t sublayer = random_below(&g->random, g->n_sublayers);

		draft_add(g,
			random_chance(&g->random, 30) ? broad(g, sublayer, n % 7)
						      : narrow(g, sublayer, n % 7));
	}
}

/* Weights at the ends of what 64 bits hold, and next to each other. */
void
shape_weights(struct generator *g, uint32_t n)
{
	while (n-- > 0) {
		const uint64_t near = random_below(&g->random, 3);
		uint64_t weight = random_chance(&g->random, 50) ? near : UINT64_MAX - near;

		if (random_chance(&g->random, 30))
			weight = ((uint64_t)1 << random_below(&g->random, 64)) - near;
		draft_add(g,
			random_chance(&g->random, 20) ? broad(g, 0, weight) : narrow(g, 0, weight));
	}
}
