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

/* Nodes 0 .. n_dims - 1 are the dimensions, the others merged from two before them. */
struct sl_tables_merge {
	uint8_t a;
	uint8_t b;
};

struct sl_tables_group {
	uint32_t *members; /* boxes, ascending */
	uint32_t n;
	struct sl_tables_merge
		merges[SL_DIMS_MAX]; /* merge i makes node n_dims + i; the last gives the answer */
	uint32_t n_merges;
	uint64_t cost; /* cells of all its tables, or NONE */
};

/* Zero-initialise, then make. */
struct sl_tables_plan {
	struct sl_tables_group groups[SL_TABLES_GROUPS_MAX];
	uint32_t n_groups;
};

/*
 * 0, -ENOMEM, or -E2BIG when the work is used up or no division brings the tables below
 * `cells_max`; fini in any case.
 */
int sl_tables_plan_make(struct sl_tables_plan *plan, const struct sl_dims *dims, uint64_t cells_max,
	struct sl_tables_work *work) SL_MUST_CHECK;
void sl_tables_plan_fini(struct sl_tables_plan *plan);

/* Sets that a group's members form in a dimension; see sl_dim_sets. Fini `out` in any case. */
int sl_tables_group_sets(const struct sl_tables_group *group, const struct sl_dims *dims,
	uint32_t dim, struct sl_sets *out, uint32_t *numbers) SL_MUST_CHECK;

#endif
