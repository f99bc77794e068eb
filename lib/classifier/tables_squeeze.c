/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_squeeze.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Kinds of columns that a region may have; kinds are 16 bits, and long rows are not worth it. */
#define KINDS_MAX 4096u
#define SPLITS    8192u /* twice as many and a power of two */

/* A region on its way. */
struct region {
	const struct sl_matrix *matrix;
	uint32_t first; /* row */
	uint32_t n;
	uint16_t *kinds; /* by column */
	uint32_t n_kinds;
};

/* What is needed to divide kinds by a row's values. */
struct divider {
	uint16_t *kinds; /* by column: the outcome */
	uint32_t n_kinds;
	uint32_t turn; /* entries of other turns are void */
	struct {
		uint32_t turn;
		uint32_t value; /* of the kind's first column, which keeps the kind */
	} kept[KINDS_MAX];
	struct {
		uint32_t turn;
		uint32_t value;
		uint16_t kind;
		uint16_t made;
	} splits[SPLITS]; /* open addressing by kind and value */
};

/* The kind that columns of a kind with another value get. False when there are too many. */
static bool
split(struct divider *d, uint16_t kind, uint32_t value, uint16_t *made)
{
	uint32_t at = (kind * 40503u ^ (value ^ value >> 13) * 2654435761u >> 7) % SPLITS;

	for (; d->splits[at].turn == d->turn; at = (at + 1) % SPLITS) {
		if (d->splits[at].kind == kind && d->splits[at].value == value) {
			*made = d->splits[at].made;
			return true;
		}
	}
	if (d->n_kinds == KINDS_MAX)
		return false;
	*made = (uint16_t)d->n_kinds++;
	d->splits[at].turn = d->turn;
	d->splits[at].kind = kind;
	d->splits[at].value = value;
	d->splits[at].made = *made;
	return true;
}

/* Divides kinds of columns so that a row has one value for each. False when they are too many. */
static bool
divide(struct divider *d, const uint16_t *kinds, uint32_t n_kinds, const uint32_t *row, uint32_t n)
{
	d->n_kinds = n_kinds;
	d->turn++;
	for (uint32_t i = 0; i < n; i++) {
		const uint16_t kind = kinds == NULL ? 0 : kinds[i];

		if (d->kept[kind].turn != d->turn) {
			d->kept[kind].turn = d->turn;
			d->kept[kind].value = row[i];
		}
		if (d->kept[kind].value == row[i])
			d->kinds[i] = kind;
		else if (!split(d, kind, row[i], &d->kinds[i]))
			return false;
	}
	return true;
}

static const uint32_t *
row_of(const struct sl_matrix *matrix, uint32_t row)
{
	return matrix->values + (size_t)row * matrix->n_columns;
}

/* Writes a region's map and the cells of its rows. */
static int
write_region(struct sl_squeezed *to, const struct region *region)
{
	const uint32_t n_columns = region->matrix->n_columns;
	const size_t n = (size_t)region->n * region->n_kinds;

	if (to->n_regions == SL_SQUEEZED_REGIONS || to->n_values + n > to->size ||
		to->n_values + n > SL_SQUEEZED_CELLS)
		return -E2BIG;
	memcpy(to->kinds + (size_t)to->n_regions * n_columns, region->kinds,
		n_columns * sizeof(*to->kinds));
	for (uint32_t i = 0; i < region->n; i++) {
		const uint32_t *row = row_of(region->matrix, region->first + i);

		to->rows[region->first + i] = sl_squeezed_row(to->n_regions, to->n_values);
		for (uint32_t k = 0; k < n_columns; k++)
			to->values[to->n_values + region->kinds[k]] = row[k];
		to->n_values += region->n_kinds;
	}
	to->n_regions++;
	return 0;
}

/* The next row joins the region, unless it costs more cells than the region's rows do on average. */
static bool
join(struct region *region, struct divider *d, uint32_t row)
{
	const uint32_t n_columns = region->matrix->n_columns;
	uint16_t *kinds = region->kinds;
	uint64_t more;

	if (region->n == 0 ||
		!divide(d, kinds, region->n_kinds, row_of(region->matrix, row), n_columns))
		return false;
	more = (uint64_t)(region->n + 1) * d->n_kinds - (uint64_t)region->n * region->n_kinds;
	if (more * region->n > n_columns + (uint64_t)region->n * region->n_kinds)
		return false;
	region->kinds = d->kinds;
	region->n_kinds = d->n_kinds;
	region->n++;
	d->kinds = kinds;
	return true;
}

/* Begins a region with a row. False when that has too many values. */
static bool
begin(struct region *region, struct divider *d, uint32_t row)
{
	uint16_t *kinds = region->kinds;

	if (!divide(d, NULL, 1, row_of(region->matrix, row), region->matrix->n_columns))
		return false;
	region->kinds = d->kinds;
	region->n_kinds = d->n_kinds;
	region->first = row;
	region->n = 1;
	d->kinds = kinds;
	return true;
}

static int
squeeze(struct sl_squeezed *to, struct region *region, struct divider *d, size_t size_max)
{
	const struct sl_matrix *matrix = region->matrix;
	int rc = 0;

	for (uint32_t row = 0; row < matrix->n_rows && rc == 0; row++) {
		if (join(region, d, row))
			continue;
		if (region->n > 0)
			rc = write_region(to, region);
		if (rc == 0 && !begin(region, d, row))
			rc = -E2BIG;
		/* The map of the region that has just begun needs room as well. */
		if (sl_squeezed_size(to, matrix, 1) + matrix->n_columns > size_max)
			rc = -E2BIG;
	}
	return rc == 0 ? write_region(to, region) : rc;
}

int
sl_squeezed_make(struct sl_squeezed *squeezed, const struct sl_matrix *matrix, size_t size_max)
{
	struct divider *d = calloc(1, sizeof(*d));
	struct region region = {.matrix = matrix};
	int rc = -ENOMEM;

	squeezed->size = (uint32_t)SL_MIN(size_max, (size_t)UINT32_MAX);
	squeezed->rows = calloc(matrix->n_rows, sizeof(*squeezed->rows));
	squeezed->kinds = calloc(size_max + matrix->n_columns, sizeof(*squeezed->kinds));
	squeezed->values = calloc(size_max, sizeof(*squeezed->values));
	region.kinds = calloc(matrix->n_columns, sizeof(*region.kinds));
	if (d != NULL)
		d->kinds = calloc(matrix->n_columns, sizeof(*d->kinds));
	if (d != NULL && d->kinds != NULL && region.kinds != NULL && squeezed->rows != NULL &&
		squeezed->kinds != NULL && squeezed->values != NULL)
		rc = squeeze(squeezed, &region, d, size_max);
	if (d != NULL)
		free(d->kinds);
	free(d);
	free(region.kinds);
	return rc;
}

void
sl_squeezed_fini(struct sl_squeezed *squeezed)
{
	free(squeezed->rows);
	free(squeezed->kinds);
	free(squeezed->values);
	memset(squeezed, 0, sizeof(*squeezed));
}

static uint64_t
square_root(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1) {
		if ((root | bit) * (root | bit) <= n)
			root |= bit;
	}
	return root;
}

/*
 * A region of r rows has a map of n_columns, and its rows have n_shared kinds, and about v more for each
 * row with v values of its own: fewest when r is the root of n_columns / v.
 */
uint64_t
sl_squeezed_estimate(uint64_t n_rows, uint64_t n_columns, uint64_t n_shared, uint64_t n_own)
{
	const uint64_t shared = SL_MIN(n_shared, n_columns);

	return n_rows * (2 + shared + 2 * square_root(n_columns * (n_rows + n_own) / n_rows));
}
