/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/score.h"

#include <errno.h>
#include <stdlib.h>

#define PROBES_MAX 3072
/* One probe of so many is a mixture. */
#define MIXED_EACH 4

/*
 * Picoseconds, measured on a server core with 2 MB of second-level cache; only their relations
 * matter.
 */
#define PS_KEY    4000
#define PS_ROOT   1500
#define PS_BRANCH 2000
#define PS_BLOCK  5000
/* A line that is not in the first-level cache: in the second, and beyond it. */
#define PS_LINE_NEAR 250
#define PS_LINE_FAR  1500
/* Of the second-level cache; the rest is for packets. */
#define NEAR_BYTES (1280u * 1024)

/* --- Probes. --- */

/* A generator of its own: probes are the same on every machine. */
static uint32_t
next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 32);
}

/* A number in the range: an end of it, or any. */
static uint32_t
pick(uint64_t *state, uint32_t low, uint32_t high)
{
	const uint32_t kind = next_random(state) & 3;

	if (kind == 0 || low == high)
		return low;
	if (kind == 1)
		return high;
	return low + (uint32_t)(next_random(state) % ((uint64_t)high - low + 1));
}

static uint32_t
derived_word(const struct sl_layout *layout, const uint32_t values[SL_KEY_ELEMENTS_MAX],
	uint32_t n_elements)
{
	const struct sl_key_derived *derived = &layout->derived;
	const uint32_t byte = layout->byte_element;
	uint32_t word = byte < n_elements ? values[byte] : 0;

	for (uint32_t lane = 0; lane < 16; lane++) {
		const uint32_t number = values[layout->derived_elements[lane / 8]];

		if (number - derived->lows[lane] <= derived->spans[lane])
			word |= 1u << (16 + lane);
	}
	return word;
}

/* A key with elements of box `a`, or of `b` where the coin says so. */
static void
make_probe(uint32_t key[SL_KEY_AT_MAX], const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes, uint32_t a, uint32_t b,
	uint64_t *state)
{
	uint32_t values[SL_KEY_ELEMENTS_MAX];

	for (uint32_t e = 0; e < plan->n_elements; e++) {
		const uint32_t box = next_random(state) & 1 ? a : b;

		values[e] = pick(state, sl_box_lows(boxes, box)[e], sl_box_highs(boxes, box)[e]);
		key[layout->elements[e].at] |= values[e] << layout->elements[e].shift;
	}
	if (layout->derived.is_used)
		key[layout->derived.to] = derived_word(layout, values, plan->n_elements);
}

int
sl_probes_make(struct sl_probes *probes, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes)
{
	uint64_t state = boxes->n;

	if (boxes->n == 0)
		return 0;
	probes->n = SL_MIN(boxes->n, PROBES_MAX);
	probes->keys = calloc(probes->n, sizeof(*probes->keys));
	if (probes->keys == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < probes->n; i++) {
		const uint32_t a = (uint32_t)((uint64_t)i * boxes->n / probes->n);
		const uint32_t b = i % MIXED_EACH == 0 ? next_random(&state) % boxes->n : a;

		make_probe(probes->keys[i], layout, plan, boxes, a, b, &state);
	}
	return 0;
}

void
sl_probes_fini(struct sl_probes *probes)
{
	free(probes->keys);
	probes->keys = NULL;
}

/* --- Walking. --- */

/* What probes touched. */
struct toll {
	uint64_t roots;
	uint64_t branches;
	uint64_t blocks;
	uint64_t lines;
};

struct walker {
	const struct sl_forest *forest;
	const struct sl_forest_source *source;
	const uint32_t *key;
	struct toll *toll;
};

static uint32_t
extract(const uint32_t *key, const struct sl_branch *branch)
{
	const uint32_t at = 2 * (branch->to >> SL_TO_PAIR & (SL_KEY_PAIRS_MAX - 1));
	const uint64_t pair = key[at] | (uint64_t)key[at + 1] << 32;
	uint32_t number = 0;
	uint64_t mask = branch->mask;

	for (uint32_t i = 0; mask != 0; mask &= mask - 1, i++)
		number |= (uint32_t)((pair & mask & -mask) != 0) << i;
	return number;
}

static bool
is_in_box(const struct walker *w, uint32_t box)
{
	const uint32_t *lows = sl_box_lows(w->source->boxes, box);
	const uint32_t *highs = sl_box_highs(w->source->boxes, box);

	for (uint32_t e = 0; e < w->source->plan->n_elements; e++) {
		const struct sl_layout_place *place = &w->source->layout->elements[e];
		const uint32_t value = w->key[place->at] >> place->shift &
			sl_element_max(&w->source->plan->elements[e]);

		if (value < lows[e] || value > highs[e])
			return false;
	}
	return true;
}

/* The first box of a leaf that holds the probe, or `best`. */
static uint32_t
scan(const struct walker *w, const struct sl_leaf *leaf, uint32_t best)
{
	const uint32_t *list =
		leaf->n > SL_LANES ? w->forest->leaves.longs + leaf->boxes[0] : leaf->boxes;

	for (uint32_t i = 0; i < leaf->n; i++) {
		const uint32_t place = w->source->boxes->list[list[i]].rank;

		if (i % SL_LANES == 0) {
			if (i > 0 && place >= best)
				return best;
			w->toll->blocks++;
			w->toll->lines += 1 + SL_BLOCK_STANDARD;
		}
		if (is_in_box(w, list[i]))
			return SL_MIN(best, place);
	}
	return best;
}

static void
walk(const struct walker *w)
{
	uint32_t best = SL_RANK_NONE;

	for (uint32_t t = 0; t < w->forest->n_trees; t++) {
		const struct sl_branch *branch = &w->forest->trees[t];

		w->toll->roots++;
		while (branch->best < best && (branch->to & SL_TO_LEAF) == 0) {
			branch = &w->forest->branches[(branch->to & SL_TO_INDEX) +
				extract(w->key, branch)];
			w->toll->branches++;
			w->toll->lines++;
		}
		if (branch->best < best)
			best = scan(w, &w->forest->leaves.list[branch->to & SL_TO_INDEX], best);
	}
}

/* Bytes of the program as far as packets touch them. */
static double
forest_bytes(const struct sl_forest *forest)
{
	const double blocks = forest->leaves.n + (double)forest->leaves.n_longs / SL_LANES;

	return forest->n_branches * (double)sizeof(struct sl_branch) +
		blocks * (1 + SL_BLOCK_STANDARD) * SL_CACHE_LINE;
}

uint32_t
sl_forest_score(const struct sl_forest *forest, const struct sl_forest_source *source,
	const struct sl_probes *probes)
{
	const double bytes = forest_bytes(forest);
	const double near = bytes > NEAR_BYTES ? NEAR_BYTES / bytes : 1;
	const double line = near * PS_LINE_NEAR + (1 - near) * PS_LINE_FAR;
	struct toll toll = {.roots = 0};
	struct walker w = {.forest = forest, .source = source, .toll = &toll};

	if (probes->n == 0)
		return PS_KEY;
	for (uint32_t i = 0; i < probes->n; i++) {
		w.key = probes->keys[i];
		walk(&w);
	}
	return (uint32_t)(PS_KEY +
		((double)toll.roots * PS_ROOT + (double)toll.branches * PS_BRANCH +
			(double)toll.blocks * PS_BLOCK + (double)toll.lines * line) /
			probes->n);
}
