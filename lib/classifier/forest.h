/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_FOREST_H
#define SL_CLASSIFIER_FOREST_H

/*
 * The trees over a program's boxes (see program.h), in memory that can grow.
 *
 * Each tree takes the boxes that its branches can tell apart and leaves the others to the next; the
 * last one takes all that are left.  How much is put off, and how far boxes are copied, is the
 * shape; which shape suits the boxes best is found by trying (score.h).
 */

#include "base/sl_error.h"
#include "classifier/leaf.h"
#include "classifier/select.h"

struct sl_forest_shape {
	uint32_t n_trees;     /* at most, 1..SL_TREES_MAX */
	uint32_t open_max;    /* see sl_select_model */
	double put_off_each;  /* likewise */
	uint32_t root_bits;   /* bits of a root */
	uint32_t branch_bits; /* ... and of other branches */
	bool tries_fewer;     /* open bits than open_max as well, where it is worth a look */
};

struct sl_forest {
	struct sl_branch *branches; /* to leaves by number of the leaf */
	uint32_t n_branches;
	uint32_t branches_size;
	struct sl_leaves leaves;
	struct sl_branch trees[SL_TREES_MAX];
	uint32_t n_trees;
	uint64_t n_placed; /* boxes in leaves, copies included */
	uint32_t depth;
};

/* What a forest is built from; borrowed. */
struct sl_forest_source {
	const struct sl_boxes *boxes;
	const struct sl_key_plan *plan;
	const struct sl_layout *layout;
	const struct sl_patterns *patterns;
	struct sl_selector *selector;
};

/*
 * Builds the trees.  No more than 8 times as many boxes are placed as there are, and some.
 * 0; -ENOMEM; -EINTR when `tick` says so.  fini in either case.
 */
typedef bool sl_forest_tick_fn(void *ctx, uint64_t n_placed);
int sl_forest_build(struct sl_forest *forest, const struct sl_forest_source *source,
	const struct sl_forest_shape *shape, sl_forest_tick_fn *tick, void *ctx) SL_MUST_CHECK;
void sl_forest_fini(struct sl_forest *forest);

#endif
