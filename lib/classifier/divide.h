/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_DIVIDE_H
#define SL_CLASSIFIER_DIVIDE_H

/* How a node divides its boxes: which word, at which thresholds, and what is left to the rest. */

#include "classifier/box.h"

/* Where in the space of keys a part of the tree is. */
struct sl_region {
	uint32_t lows[SL_KEY_ELEMENTS_MAX];
	uint32_t highs[SL_KEY_ELEMENTS_MAX];
	uint32_t known; /* presence bits that the way here has settled */
};

struct sl_division {
	uint32_t word;
	uint32_t bit;                /* presence bit of the word's field */
	uint32_t cuts[SL_NODE_CUTS]; /* ascending; part i begins at cuts[i - 1] */
	uint32_t n_cuts;
	uint32_t span_max; /* boxes over more parts go to the rest; n_cuts + 1: there is no rest */
};

/* What a division is asked to do. */
struct sl_divide_task {
	const struct sl_boxes *boxes;
	const struct sl_key_plan *plan;
	const struct sl_region *region;
	const uint32_t *list; /* numbers of boxes; every one meets the region */
	uint32_t n;
	uint64_t budget; /* boxes that may be placed below, copies included */
	bool may_rest;
};

/* The part in which a value of the divided word falls. */
static inline uint32_t
sl_division_part(const struct sl_division *division, uint32_t value)
{
	uint32_t part = 0;

	while (part < division->n_cuts && value >= division->cuts[part])
		part++;
	return part;
}

/* Finds the best division; false when none is worth a node. */
bool sl_divide(const struct sl_divide_task *task, struct sl_division *best);

#endif
