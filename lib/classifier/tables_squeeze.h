/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_SQUEEZE_H
#define SL_CLASSIFIER_TABLES_SQUEEZE_H

/*
 * Large tables in little room.  Rows that lie together are a region.  Columns in which all rows of a
 * region agree are one kind; a map tells by region the kind of each column, and a row holds a cell for each kind
 * of its region only.
 */

#include "base/sl_compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A table on its way: n_rows * n_columns values, row by row. */
struct sl_matrix {
	uint32_t *values;
	uint32_t n_rows;
	uint32_t n_columns;
};

/* Zero-initialise, then make. */
struct sl_squeezed {
	uint32_t *rows;  /* by row: region and first cell, see sl_squeezed_row */
	uint16_t *kinds; /* by region and column */
	uint32_t *values;
	uint32_t n_regions;
	uint32_t n_values;
	uint32_t size; /* room for values */
};

#define SL_SQUEEZED_SHIFT   22u /* of the region in an entry of `rows`, above the first cell */
#define SL_SQUEEZED_REGIONS (1u << (32 - SL_SQUEEZED_SHIFT))
#define SL_SQUEEZED_CELLS   (1u << SL_SQUEEZED_SHIFT)

static inline uint32_t
sl_squeezed_row(uint32_t region, uint32_t first)
{
	return region << SL_SQUEEZED_SHIFT | first;
}

/* Cells of 16 bits that all three parts take, with `width` of them for a value. */
static inline size_t
sl_squeezed_size(const struct sl_squeezed *squeezed, const struct sl_matrix *matrix, uint32_t width)
{
	return 2 * (size_t)matrix->n_rows + (size_t)squeezed->n_regions * matrix->n_columns +
		(size_t)width * squeezed->n_values;
}

/*
 * 0, or -E2BIG when it would have more than `size_max` values and kinds, or -ENOMEM; fini in any
 * case.
 */
int sl_squeezed_make(struct sl_squeezed *squeezed, const struct sl_matrix *matrix,
	size_t size_max) SL_MUST_CHECK;
void sl_squeezed_fini(struct sl_squeezed *squeezed);

/*
 * How many cells a table is likely to take when squeezed, if `n_shared` values of each row are those of all
 * rows, and `n_own` values in total are of one row only.
 */
uint64_t
sl_squeezed_estimate(uint64_t n_rows, uint64_t n_columns, uint64_t n_shared, uint64_t n_own);

#endif
