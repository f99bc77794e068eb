/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_SELECT_H
#define SL_CLASSIFIER_SELECT_H

/*
 * Which bits a branch selects, so that boxes spread over its children.
 *
 * Bits are taken one after the other, each time the one after which a packet of a random box meets
 * the fewest boxes.  A box that leaves a selected bit open falls into both halves; when it leaves
 * more than `open_max` of them open it is put off to the next tree, at a price.
 */

#include "classifier/pattern.h"

/* How boxes are weighed against each other. */
struct sl_select_model {
	uint32_t open_max; /* selected bits that a box may leave open */
	uint32_t bits_max; /* bits of the branch, up to SL_SELECT_BITS_MAX */
	/*
	 * The price of putting m of n boxes off: as many boxes met by a packet, times put_off_each;
	 * with 0 instead, as if the m boxes were one long leaf.
	 */
	double put_off_each;
	double copies_max; /* boxes placed by the branch for each of its boxes */
};

#define SL_SELECT_BITS_MAX 16
#define SL_SELECT_SAMPLE   4096u      /* boxes looked at, if there are more */
#define SL_SELECT_ALL_OPEN UINT32_MAX /* open_max: nothing is put off */

struct sl_selection {
	uint32_t pair;
	uint32_t n_bits; /* 0: nothing helps */
	uint64_t mask;
	double cost;
};

/* Memory that a selection needs; one for all of them. */
struct sl_selector;

/* For up to so many boxes. NULL: out of memory. */
struct sl_selector *sl_selector_new(uint32_t n_boxes);
/* NULL is allowed. */
void sl_selector_free(struct sl_selector *selector);

/* Looks at a sample of the boxes list[0 .. n-1]. */
void
sl_select(struct sl_selector *selector, const struct sl_patterns *patterns, const uint32_t *list,
	uint32_t n, const struct sl_select_model *model, struct sl_selection *selection);

#endif
