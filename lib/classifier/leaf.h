/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LEAF_H
#define SL_CLASSIFIER_LEAF_H

/*
 * Leaves while trees are built.  Every lane of a leaf is tested in full, so that leaves need not be
 * told apart: a short list joins a leaf that has it already, or has room for it.
 */

#include "classifier/layout.h"

#include <stdbool.h>

/* A leaf of up to SL_LANES boxes; a longer one has its list elsewhere. */
struct sl_leaf {
	uint32_t boxes[SL_LANES]; /* ascending; longer: the first is the place in `longs` */
	uint32_t n;
	uint32_t line; /* where its first block will be, in cache lines */
};

/* Zero-initialise; fini. */
struct sl_leaves {
	struct sl_leaf *list;
	uint32_t n;
	uint32_t size;
	uint32_t *longs; /* boxes of long leaves, leaf by leaf */
	size_t n_longs;
	size_t longs_size;
	uint32_t longest;
};

/*
 * The number of a leaf that holds the boxes list[0 .. n-1], which are ascending.  0 and `*leaf`, or
 * -ENOMEM.
 */
int sl_leaves_add(
	struct sl_leaves *leaves, const uint32_t *list, uint32_t n, uint32_t *leaf) SL_MUST_CHECK;
void sl_leaves_fini(struct sl_leaves *leaves);

/*
 * Numbers the lines of all leaves and returns how many there are; with `to` not NULL also writes
 * their blocks there.
 */
size_t sl_leaves_write(struct sl_leaves *leaves, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes, uint8_t *to,
	uint32_t *n_blocks);

#endif
