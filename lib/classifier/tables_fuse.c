/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_cells.h"

#include "classifier/tables_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pairs in the order in which packets look them up, and two look-ups made one. */

/* By slot: how many pairs have to be looked up one after the other before it is known. */
static void
find_depths(const struct sl_tables *tables, uint8_t depths[SL_TABLES_SLOTS_MAX])
{
	memset(depths, 0, SL_TABLES_SLOTS_MAX);
	/* A pair comes behind those that make its classes. */
	for (uint32_t i = 0; i < tables->n_pairs; i++) {
		const struct sl_tables_pair *pair = &tables->pairs[i];

		depths[pair->out] = (uint8_t)(1 + SL_MAX(depths[pair->a], depths[pair->b]));
	}
}

/*
 * What waits for nothing comes first, so that it is under way while the rest waits: pairs by
 * ascending depth.
 */
static void
order_pairs(struct sl_tables *tables, struct sl_matrix *matrices)
{
	uint8_t depths[SL_TABLES_SLOTS_MAX];

	find_depths(tables, depths);
	for (uint32_t i = 1; i < tables->n_pairs; i++) {
		const struct sl_tables_pair pair = tables->pairs[i];
		const struct sl_matrix matrix = matrices[i];
		uint32_t at = i;

		for (; at > 0 && depths[tables->pairs[at - 1].out] > depths[pair.out]; at--) {
			tables->pairs[at] = tables->pairs[at - 1];
			matrices[at] = matrices[at - 1];
		}
		tables->pairs[at] = pair;
		matrices[at] = matrix;
	}
}

/* The first pair behind `i` that is selected by the same classes; n_pairs if there is none. */
static uint32_t
find_twin(const struct sl_tables *tables, uint32_t i)
{
	const struct sl_tables_pair *pair = &tables->pairs[i];
	uint32_t twin = i + 1;

	while (twin < tables->n_pairs &&
		(tables->pairs[twin].a != pair->a || tables->pairs[twin].b != pair->b))
		twin++;
	return twin;
}

/* Makes a pair and its twin one: the twin's values are the upper halves. */
static void
unite(struct sl_tables *tables, struct sl_matrix *matrices, uint32_t i, uint32_t twin)
{
	struct sl_matrix *matrix = &matrices[i];
	const size_t n = (size_t)matrix->n_rows * matrix->n_columns;
	const uint32_t n_behind = --tables->n_pairs - twin;

	for (size_t k = 0; k < n; k++)
		matrix->values[k] |= matrices[twin].values[k] << 16;
	tables->pairs[i].second = tables->pairs[twin].out;
	free(matrices[twin].values);
	memmove(&tables->pairs[twin], &tables->pairs[twin + 1],
		n_behind * sizeof(tables->pairs[0]));
	memmove(&matrices[twin], &matrices[twin + 1], n_behind * sizeof(matrices[0]));
	matrices[tables->n_pairs].values = NULL;
}

/* Values as one cell each, or as two. */
static void
put_values(uint16_t *to, const uint32_t *values, size_t n, uint32_t width)
{
	for (size_t i = 0; i < n; i++) {
		to[i * width] = (uint16_t)values[i];
		if (width == 2)
			to[i * width + 1] = (uint16_t)(values[i] >> 16);
	}
}

static int
put_plain(struct sl_cells *cells, const struct sl_matrix *matrix, struct sl_tables_pair *pair,
	uint32_t width)
{
	const size_t n = (size_t)matrix->n_rows * matrix->n_columns;
	const int rc = sl_cells_add(cells, n * width, &pair->base);

	if (rc == 0)
		put_values(cells->list + pair->base, matrix->values, n, width);
	pair->stride = matrix->n_rows == 1 ? 0 : matrix->n_columns;
	return rc;
}

static int
put_squeezed(struct sl_cells *cells, const struct sl_matrix *matrix,
	const struct sl_squeezed *squeezed, struct sl_tables_pair *pair, uint32_t width)
{
	const size_t n_kinds = (size_t)squeezed->n_regions * matrix->n_columns;
	const int rc = sl_cells_add(cells, sl_squeezed_size(squeezed, matrix, width), &pair->base);
	uint16_t *to;

	if (rc != 0)
		return rc;
	to = cells->list + pair->base;
	pair->stride = matrix->n_columns;
	pair->kinds = 2 * matrix->n_rows;
	pair->cells = (uint32_t)(pair->kinds + n_kinds);
	memcpy(to, squeezed->rows, matrix->n_rows * sizeof(*squeezed->rows));
	memcpy(to + pair->kinds, squeezed->kinds, n_kinds * sizeof(*to));
	put_values(to + pair->cells, squeezed->values, squeezed->n_values, width);
	return 0;
}

/* The matrix with its rows as columns. 0 or -ENOMEM. */
static int
turn(const struct sl_matrix *matrix, struct sl_matrix *turned)
{
	const uint32_t n_rows = matrix->n_rows;

	*turned = (struct sl_matrix){.n_rows = matrix->n_columns, .n_columns = n_rows};
	turned->values = calloc((size_t)n_rows * matrix->n_columns, sizeof(*turned->values));
	if (turned->values == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < n_rows; i++) {
		const uint32_t *row = matrix->values + (size_t)i * matrix->n_columns;

		for (uint32_t j = 0; j < matrix->n_columns; j++)
			turned->values[(size_t)j * n_rows + i] = row[j];
	}
	return 0;
}

/* Makes it squeezed, if that takes less than `*size` cells, which it lowers. 0 or -ENOMEM. */
static int
try_squeezed(struct sl_squeezed *squeezed, const struct sl_matrix *matrix, uint32_t width,
	size_t *size, bool *is_better)
{
	const int rc = sl_squeezed_make(squeezed, matrix, *size);

	*is_better = rc == 0 && sl_squeezed_size(squeezed, matrix, width) < *size;
	if (*is_better)
		*size = sl_squeezed_size(squeezed, matrix, width);
	return rc == -E2BIG ? 0 : rc;
}

/* Writes the table of a pair in the form that is likely to be fastest. */
static int
put_pair(struct sl_cells *cells, const struct sl_matrix *matrix, struct sl_tables_pair *pair)
{
	const uint32_t width = pair->second == SL_TABLES_SLOT_NONE ? 1 : 2;
	size_t size = sl_tables_squeezed_max(
		(uint64_t)matrix->n_rows * matrix->n_columns * width, cells->look_up);
	struct sl_squeezed by_rows = {.n_values = 0};
	struct sl_squeezed by_columns = {.n_values = 0};
	struct sl_matrix turned = {.values = NULL};
	bool is_squeezed = false;
	bool is_turned = false;
	int rc = 0;

	if (size > 0)
		rc = turn(matrix, &turned);
	if (rc == 0 && size > 0)
		rc = try_squeezed(&by_rows, matrix, width, &size, &is_squeezed);
	if (rc == 0 && size > 0)
		rc = try_squeezed(&by_columns, &turned, width, &size, &is_turned);
	if (rc == 0 && is_turned) {
		const uint8_t a = pair->a;

		pair->a = pair->b;
		pair->b = a;
		rc = put_squeezed(cells, &turned, &by_columns, pair, width);
	} else if (rc == 0) {
		rc = is_squeezed ? put_squeezed(cells, matrix, &by_rows, pair, width)
				 : put_plain(cells, matrix, pair, width);
	}
	sl_squeezed_fini(&by_rows);
	sl_squeezed_fini(&by_columns);
	free(turned.values);
	return rc;
}

void
sl_tables_unite_pairs(struct sl_tables *tables, struct sl_matrix *matrices)
{
	order_pairs(tables, matrices);
	for (uint32_t i = 0; i < tables->n_pairs; i++) {
		const uint32_t twin = find_twin(tables, i);

		if (twin < tables->n_pairs)
			unite(tables, matrices, i, twin);
	}
}

int
sl_tables_put_pairs(
	struct sl_tables *tables, const struct sl_matrix *matrices, struct sl_cells *cells)
{
	int rc = 0;

	for (uint32_t i = 0; i < tables->n_pairs && rc == 0; i++)
		rc = put_pair(cells, &matrices[i], &tables->pairs[i]);
	return rc;
}
