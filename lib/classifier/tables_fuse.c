/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_cells.h"

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
order_pairs(struct sl_tables *tables, uint32_t *sizes)
{
	uint8_t depths[SL_TABLES_SLOTS_MAX];

	find_depths(tables, depths);
	for (uint32_t i = 1; i < tables->n_pairs; i++) {
		const struct sl_tables_pair pair = tables->pairs[i];
		const uint32_t size = sizes[i];
		uint32_t at = i;

		for (; at > 0 && depths[tables->pairs[at - 1].out] > depths[pair.out]; at--) {
			tables->pairs[at] = tables->pairs[at - 1];
			sizes[at] = sizes[at - 1];
		}
		tables->pairs[at] = pair;
		sizes[at] = size;
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

static void
remove_pair(struct sl_tables *tables, uint32_t *sizes, uint32_t i)
{
	const uint32_t n = --tables->n_pairs - i;

	memmove(&tables->pairs[i], &tables->pairs[i + 1], n * sizeof(tables->pairs[0]));
	memmove(&sizes[i], &sizes[i + 1], n * sizeof(sizes[0]));
}

/* Copies the cells of a pair, those of its twin, if it has one, between them. */
static int
copy_cells(struct sl_cells *to, const struct sl_cells *from, struct sl_tables_pair *pair,
	const struct sl_tables_pair *twin, uint32_t n)
{
	const uint16_t *cells = from->list + pair->base;
	uint32_t base;
	const int rc = sl_cells_add(to, twin == NULL ? n : 2 * (size_t)n, &base);

	if (rc != 0)
		return rc;
	if (twin == NULL) {
		memcpy(to->list + base, cells, n * sizeof(*cells));
	} else {
		for (uint32_t i = 0; i < n; i++) {
			to->list[base + 2 * i] = cells[i];
			to->list[base + 2 * i + 1] = from->list[twin->base + i];
		}
		pair->second = twin->out;
	}
	pair->base = base;
	return 0;
}

int
sl_tables_fuse(struct sl_tables *tables, struct sl_cells *cells, uint32_t n_kept, uint32_t *sizes)
{
	struct sl_cells fused = {.n_max = cells->n_max};
	uint32_t at;
	int rc = sl_cells_add(&fused, n_kept, &at);

	if (rc == 0)
		memcpy(fused.list, cells->list, n_kept * sizeof(*cells->list));
	order_pairs(tables, sizes);
	for (uint32_t i = 0; i < tables->n_pairs && rc == 0; i++) {
		const uint32_t twin = find_twin(tables, i);
		const bool has_twin = twin < tables->n_pairs;

		rc = copy_cells(&fused, cells, &tables->pairs[i],
			has_twin ? &tables->pairs[twin] : NULL, sizes[i]);
		if (has_twin)
			remove_pair(tables, sizes, twin);
	}
	sl_cells_fini(cells);
	*cells = fused;
	return rc;
}
