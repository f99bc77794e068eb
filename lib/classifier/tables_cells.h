/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_CELLS_H
#define SL_CLASSIFIER_TABLES_CELLS_H

/* The cells of all tables while they are made, and the look-ups of elements. */

#include "classifier/tables.h"
#include "classifier/tables_dims.h"
#include "classifier/tables_squeeze.h"

#include <stdint.h>

/* Zero-initialise. */
struct sl_cells {
	uint16_t *list;
	uint32_t n;
	uint32_t size;
	uint32_t n_max;   /* -E2BIG beyond it */
	uint32_t look_up; /* what a look-up is worth in cells, see SL_TABLES_LOOK_UP */
};

/* Room for `n` cells more from a cache line on, zeros: `*at` is the first. 0, -ENOMEM or -E2BIG. */
int sl_cells_add(struct sl_cells *cells, size_t n, uint32_t *at) SL_MUST_CHECK;
void sl_cells_fini(struct sl_cells *cells);

/*
 * How values of a dimension are looked up: fills kind, cuts and map, or levels, and `absent`.  Values have
 * `bits`.  0, -ENOMEM, or -E2BIG.
 */
int sl_tables_look_up(const struct sl_dim *dim, unsigned int bits, struct sl_cells *cells,
	struct sl_tables_element *element) SL_MUST_CHECK;

/* Orders the pairs, and makes one of two that the same classes select; matrices[i] is what pair i selects. */
void sl_tables_unite_pairs(struct sl_tables *tables, struct sl_matrix *matrices);
/* Writes the tables of all pairs. 0, -ENOMEM or -E2BIG. */
int sl_tables_put_pairs(struct sl_tables *tables, const struct sl_matrix *matrices,
	struct sl_cells *cells) SL_MUST_CHECK;

#endif
