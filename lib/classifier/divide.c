/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/divide.h"

#include <stdlib.h>
#include <string.h>

/*
 * The choice is made by an estimate of what a packet costs below the node, in boxes that are
 * tested: a packet is taken to fall where boxes are, so the part it meets is sum(c * c) / sum(c)
 * boxes long, and the rest is tested besides.  Large lists are judged by a sample.
 */
#define SAMPLE_MAX 512
#define PARTS_MAX  (SL_NODE_CUTS + 1)
/* What a step through a node, and one more leaf, cost in boxes. */
#define NODE_COST 4.0
#define REST_COST 12.0
/* A division must save this part of the work to be worth its memory. */
#define GAIN_MIN 0.1
/* Copies cost memory and leave less to copy below. */
#define COPY_COST 0.02

struct sample {
	const struct sl_divide_task *task;
	uint32_t stride;
	uint32_t n;
};

/* Where the boxes of a sample begin or end inside the region, in order. */
struct boundaries {
	uint32_t list[2 * SAMPLE_MAX];
	uint32_t n;
};

static bool
is_absent_only(const struct sl_box *box, uint32_t bit)
{
	return (box->care >> bit & 1) != 0 && (box->want >> bit & 1) == 0;
}

static int
compare_numbers(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a;
	const uint32_t right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static void
find_boundaries(const struct sample *sample, uint32_t word, struct boundaries *boundaries)
{
	const struct sl_divide_task *task = sample->task;
	const uint32_t low = task->region->lows[word];
	const uint32_t high = task->region->highs[word];

	boundaries->n = 0;
	for (uint32_t i = 0; i < sample->n; i++) {
		const uint32_t box = task->list[(size_t)i * sample->stride];
		const uint32_t box_low = sl_box_lows(task->boxes, box)[word];
		const uint32_t box_high = sl_box_highs(task->boxes, box)[word];

		if (box_low > low)
			boundaries->list[boundaries->n++] = box_low;
		if (box_high < high)
			boundaries->list[boundaries->n++] = box_high + 1;
	}
	qsort(boundaries->list, boundaries->n, sizeof(boundaries->list[0]), compare_numbers);
}

/* Cuts at every so many boundaries, so that dense regions are divided finely. */
static void
choose_cuts(const struct boundaries *boundaries, uint32_t n_parts, struct sl_division *division)
{
	uint32_t last = 0;

	division->n_cuts = 0;
	for (uint32_t i = 1; i < n_parts; i++) {
		const uint32_t cut = boundaries->list[(uint64_t)i * boundaries->n / n_parts];

		if (cut == last)
			continue;
		division->cuts[division->n_cuts++] = cut;
		last = cut;
	}
}

/* How many boxes cover a number of neighbouring parts, and where. */
struct spread {
	int32_t change[PARTS_MAX + 1]
		      [PARTS_MAX + 1]; /* [parts covered][at part]: one more or one less */
	uint32_t n[PARTS_MAX + 1];     /* [parts covered] */
};

static void
measure(const struct sample *sample, const struct sl_division *division, struct spread *spread)
{
	const struct sl_divide_task *task = sample->task;
	const uint32_t word = division->word;

	memset(spread, 0, sizeof(*spread));
	for (uint32_t i = 0; i < sample->n; i++) {
		const uint32_t box = task->list[(size_t)i * sample->stride];
		uint32_t first;
		uint32_t last;
		uint32_t span;

		if (is_absent_only(&task->boxes->list[box], division->bit))
			continue;
		first = sl_division_part(division, sl_box_lows(task->boxes, box)[word]);
		last = sl_division_part(division, sl_box_highs(task->boxes, box)[word]);
		span = last - first + 1;
		spread->n[span]++;
		spread->change[span][first]++;
		spread->change[span][last + 1]--;
	}
}

/* Boxes in each part, all that cover at most so many parts taken together. */
struct filling {
	int32_t parts[PARTS_MAX];
	uint32_t n_rest; /* boxes that cover more */
};

static void
fill(struct filling *filling, const struct spread *spread, uint32_t n_parts, uint32_t span)
{
	int32_t here = 0;

	for (uint32_t part = 0; part < n_parts; part++) {
		here += spread->change[span][part];
		filling->parts[part] += here;
	}
	filling->n_rest -= spread->n[span];
}

/* Negative when more boxes would be placed than allowed. */
static double
cost_of(const struct sample *sample, const struct filling *filling, uint32_t n_parts)
{
	const double scale = sample->stride;
	const double rest = filling->n_rest * scale;
	double placed = 0;
	double squares = 0;

	for (uint32_t part = 0; part < n_parts; part++) {
		const double here = filling->parts[part] * scale;

		placed += here;
		squares += here * here;
	}
	if (placed == 0 || placed + rest > (double)sample->task->budget)
		return -1;
	return (NODE_COST + squares / placed + (rest > 0 ? REST_COST + rest : 0)) *
		(1 + COPY_COST * ((placed + rest) / sample->task->n - 1));
}

/* Tries a division with every bound on the parts a box may cover; keeps the best in `*best`. */
static void
try_division(const struct sample *sample, const struct sl_division *division, double *best_cost,
	struct sl_division *best)
{
	const uint32_t n_parts = division->n_cuts + 1;
	struct filling filling = {.n_rest = 0};
	struct spread spread;

	measure(sample, division, &spread);
	for (uint32_t span = 1; span <= n_parts; span++)
		filling.n_rest += spread.n[span];
	for (uint32_t span = 1; span <= n_parts; span++) {
		double cost;

		fill(&filling, &spread, n_parts, span);
		if (!sample->task->may_rest && span < n_parts)
			continue;
		cost = cost_of(sample, &filling, n_parts);
		if (cost < 0 || cost >= *best_cost)
			continue;
		*best_cost = cost;
		*best = *division;
		best->span_max = span;
	}
}

/* More parts than there are handfuls of boxes would only make copies. */
static uint32_t
parts_wanted(uint32_t n)
{
	return SL_MIN(SL_MAX(n / 3, 2u), (uint32_t)PARTS_MAX);
}

bool
sl_divide(const struct sl_divide_task *task, struct sl_division *best)
{
	const uint32_t stride = (task->n + SAMPLE_MAX - 1) / SAMPLE_MAX;
	const struct sample sample = {task, stride, task->n / stride};
	double best_cost = (1 - GAIN_MIN) * task->n;
	const double worst_cost = best_cost;
	struct boundaries boundaries;

	for (uint32_t word = 0; word < task->plan->n_elements; word++) {
		struct sl_division division = {
			.word = word, .bit = task->plan->elements[word].part};

		find_boundaries(&sample, word, &boundaries);
		if (boundaries.n == 0)
			continue;
		for (uint32_t n_parts = parts_wanted(task->n); n_parts >= 2; n_parts /= 3) {
			choose_cuts(&boundaries, n_parts, &division);
			try_division(&sample, &division, &best_cost, best);
		}
	}
	return best_cost < worst_cost;
}
