/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_BOX_H
#define SL_CLASSIFIER_BOX_H

/*
 * Boxes: filters as products of ranges over the elements of the key (see program.h).
 *
 * Alternatives that are few and narrow become boxes of their own, so that a filter for five ports
 * is five small boxes and not one wide one.  Where they are many, or cover most of what lies
 * between the first and the last, one box spans them and the filter is tested as a whole.
 */

#include "base/sl_error.h"
#include "classifier/group.h"
#include "classifier/key.h"

#include <stdbool.h>
#include <stdint.h>

/* One box without its ranges. */
struct sl_box {
	uint32_t rank;
	uint32_t care;  /* presence bits that matter */
	uint32_t want;  /* ... and what they must be */
	bool is_tested; /* the filter must be tested as a whole */
	bool is_wide;   /* ... only as a block of a leaf cannot hold all of the box */
};

/* Zero-initialise, then init. */
struct sl_boxes {
	struct sl_box *list; /* by rank, ascending */
	uint32_t *bounds;    /* for each box the lows of all elements, then the highs */
	uint32_t n;
	uint32_t size;
	uint32_t n_elements;
	uint32_t n_max; /* beyond it alternatives are no longer spread over boxes */
};

static inline const uint32_t *
sl_box_lows(const struct sl_boxes *boxes, uint32_t i)
{
	return boxes->bounds + (size_t)i * 2 * boxes->n_elements;
}

static inline const uint32_t *
sl_box_highs(const struct sl_boxes *boxes, uint32_t i)
{
	return sl_box_lows(boxes, i) + boxes->n_elements;
}

void sl_boxes_init(struct sl_boxes *boxes, const struct sl_key_plan *plan, uint32_t n_filters);
/*
 * Adds the boxes of a filter; none when it can never match.  `*is_tested` tells whether one of them
 * is marked.  0 or -ENOMEM.
 */
int sl_boxes_add(struct sl_boxes *boxes, const struct sl_key_plan *plan, uint32_t rank,
	const struct sl_groups *groups, bool *is_tested) SL_MUST_CHECK;
void sl_boxes_fini(struct sl_boxes *boxes);

#endif
