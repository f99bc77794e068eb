/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_PLAN_H
#define SL_CLASSIFIER_TABLES_PLAN_H

/*
 * What tables to make: which boxes go together in a group, and in which order a group's classes are
 * paired.
 */

#include "classifier/tables.h"
#include "classifier/tables_dims.h"
#include "classifier/tables_sets.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_TABLES_NODES_MAX (2 * SL_DIMS_MAX)
#define SL_TABLES_COST_NONE UINT64_MAX
/*
 * What a look-up is worth in cells: as many more of them make others about as much slower, as they
 * displace one another in the first level of the cache.
 */
#define SL_TABLES_LOOK_UP 131072u

/* ... and the three of a squeezed table, each of which waits for the one before. */
#define SL_TABLES_SQUEEZED_LOOK_UPS 4u

/* What so many cells are worth: beyond a few look-ups' worth they crowd the second level as well. */
static inline uint64_t
sl_tables_weigh(uint64_t n_cells, uint64_t look_up)
{
	return n_cells <= 2 * look_up ? n_cells : 2 * n_cells - 2 * look_up;
}

/* How many cells a table of `n_cells` may have when it is squeezed, to be worth it; 0: none. */
static inline uint64_t
sl_tables_squeezed_max(uint64_t n_cells, uint64_t look_up)
{
	const uint64_t more = (SL_TABLES_SQUEEZED_LOOK_UPS - 1) * look_up;
	const uint64_t weight = sl_tables_weigh(n_cells, look_up);

	return weight > more ? SL_MIN(weight - more, n_cells) : 0;
}

/*
 * Nodes are numbered: dimensions, then what all groups share, then what a group merges.  Each one
 * behind the dimensions is merged from two before it.
 */
struct sl_tables_merge {
	uint8_t a;
	uint8_t b;
};

struct sl_tables_group {
	uint64_t *members; /* boxes, a bit each */
	uint32_t n;
	struct sl_tables_merge merges[SL_DIMS_MAX]; /* the last one gives the answer */
	uint32_t n_merges;
	uint64_t cost; /* of all its tables, see SL_TABLES_LOOK_UP; or NONE */
};

/* Zero-initialise, then make. */
struct sl_tables_plan {
	const struct sl_dims *dims;
	struct sl_tables_merge shared[SL_DIMS_MAX];
	struct sl_sets shared_sets[SL_DIMS_MAX]; /* of boxes, by class */
	uint32_t n_shared;
	uint8_t leaves[SL_DIMS_MAX]; /* nodes that groups begin with */
	uint32_t n_leaves;
	struct sl_tables_group groups[SL_TABLES_GROUPS_MAX];
	uint32_t n_groups;
};

/*
 * 0, -ENOMEM, or -E2BIG when the work is used up or no division makes tables of a size that can be
 * thought of where `cells_max` cells are allowed; fini in any case.  `dims` must outlive the plan.
 */
int sl_tables_plan_make(struct sl_tables_plan *plan, const struct sl_dims *dims, uint64_t cells_max,
	struct sl_tables_work *work) SL_MUST_CHECK;
void sl_tables_plan_fini(struct sl_tables_plan *plan);

/* The sets of boxes of a dimension or a shared node. */
const struct sl_sets *sl_tables_node_sets(const struct sl_tables_plan *plan, uint32_t node);

/*
 * The same sets without the boxes that are no members of a group; set_of[i] becomes the number of what set
 * i was, unless `set_of` is NULL.  Fini `out` in any case.  0 or -ENOMEM.
 */
int sl_tables_group_sets(const struct sl_tables_plan *plan, const struct sl_tables_group *group,
	uint32_t node, struct sl_sets *out, uint32_t *set_of) SL_MUST_CHECK;

#endif
