/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables.h"

#include "classifier/tables_maker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Words of sets a build may look at: some 60 ms. */
#define WORK_MAX 60000000
/* More boxes than these are not tried. */
#define BOXES_MAX 16384u
/* Cells of all tables before they are squeezed. */
#define VALUES_MAX ((size_t)6 << 20)
/* With more cells, tables would not stay in the second level of the cache, */
#define CELLS_GOOD 950000u
/* and look-ups become cheap compared with them; down to this. */
#define LOOK_UP_MIN (SL_TABLES_LOOK_UP / 16)

/* --- Cells. --- */

/* Writes all tables, with look-ups worth so many cells. */
static int
write_cells(struct sl_tables_maker *m, uint32_t look_up)
{
	int rc = 0;

	m->cells.n = 0;
	m->cells.look_up = look_up;
	for (uint32_t d = 0; d < m->dims.n && rc == 0; d++) {
		const struct sl_dim *dim = &m->dims.list[d];

		if (!dim->is_text)
			rc = sl_tables_look_up(dim, m->plan->elements[dim->element].bits, &m->cells,
				&m->tables.elements[d]);
	}
	return rc == 0 ? sl_tables_put_pairs(&m->tables, m->matrices, &m->cells) : rc;
}

/* Writes all tables, with more look-ups the more cells there would be. */
static int
fit_cells(struct sl_tables_maker *m)
{
	struct sl_tables_pair pairs[SL_TABLES_PAIRS_MAX];
	uint32_t look_up = SL_TABLES_LOOK_UP;
	int rc;

	sl_tables_unite_pairs(&m->tables, m->matrices);
	memcpy(pairs, m->tables.pairs, sizeof(pairs));
	do {
		memcpy(m->tables.pairs, pairs, sizeof(pairs));
		rc = write_cells(m, look_up);
		look_up /= 2;
	} while ((rc == -E2BIG || (rc == 0 && m->cells.n > CELLS_GOOD)) && look_up >= LOOK_UP_MIN);
	return rc;
}

/* --- The one allocation. --- */

/* One part of the memory: filled from `from`, and `*to` set to where it is. */
struct piece {
	const void *from;
	size_t size;
	const void **to;
};

static size_t
piece_room(size_t size)
{
	/* A gather reads four bytes of a cell's two: there is always something behind the last one. */
	return (size + sizeof(uint32_t) + SL_CACHE_LINE - 1) & ~(size_t)(SL_CACHE_LINE - 1);
}

static void
count_facts(struct sl_tables *tables, const struct sl_tables_maker *m)
{
	tables->n_cells = m->cells.n;
	tables->n_answers = m->answers.n;
	tables->gathers = tables->n_windows + (uint32_t)tables->n_pairs +
		(uint32_t)tables->n_quads * tables->n_groups;
	for (uint32_t i = 0; i < tables->n_pairs; i++)
		tables->gathers += tables->pairs[i].kinds != 0 ? 2 : 0;
	for (uint32_t i = 0; i < tables->n_elements; i++)
		tables->gathers += tables->elements[i].n_levels;
	tables->lines = (uint32_t)(tables->table_bytes / SL_CACHE_LINE);
}

static int
freeze(struct sl_tables_maker *m, size_t bytes_max, const struct sl_tables **out)
{
	struct sl_tables *tables = &m->tables;
	const bool is_few = tables->answer == SL_TABLES_FEW;
	const bool is_list = tables->answer == SL_TABLES_LISTS;
	const struct piece pieces[] = {
		{m->cells.list, m->cells.n * sizeof(*m->cells.list), (const void **)&tables->cells},
		{m->answers.bits,
			is_few ? m->answers.n * m->answers.words * sizeof(*m->answers.bits) : 0,
			(const void **)&tables->answers},
		{m->lists, is_list ? m->answers.n * sizeof(*m->lists) : 0,
			(const void **)&tables->lists},
		{m->places, is_list ? m->n_listed * sizeof(*m->places) : 0,
			(const void **)&tables->places},
		{m->tested, is_list ? (m->n_places / 64 + (size_t)1) * sizeof(*m->tested) : 0,
			(const void **)&tables->tested},
	};
	size_t size = piece_room(sizeof(*tables));
	uint8_t *memory;
	uint8_t *at;

	for (size_t i = 0; i < SL_ARRAY_LEN(pieces); i++)
		size += piece_room(pieces[i].size);
	if (size > bytes_max)
		return -E2BIG;
	memory = aligned_alloc(SL_CACHE_LINE, size);
	if (memory == NULL)
		return -ENOMEM;
	memset(memory, 0, size);
	at = memory + piece_room(sizeof(*tables));
	tables->table_bytes = size - (size_t)(at - memory);
	for (size_t i = 0; i < SL_ARRAY_LEN(pieces); i++) {
		if (pieces[i].size > 0)
			memcpy(at, pieces[i].from, pieces[i].size);
		*pieces[i].to = at;
		at += piece_room(pieces[i].size);
	}
	tables->bytes = size;
	count_facts(tables, m);
	memcpy(memory, tables, sizeof(*tables));
	*out = (const struct sl_tables *)(const void *)memory;
	return 0;
}

/* --- All. --- */

static int
make(struct sl_tables_maker *m, size_t bytes_max, const struct sl_tables **out)
{
	int rc;

	m->work.left = WORK_MAX;
	m->n_values_left = VALUES_MAX;
	m->cells.n_max = (uint32_t)SL_MIN(bytes_max / sizeof(uint16_t), (size_t)UINT32_MAX / 4);
	m->sublayer_of = calloc(m->n_places + (size_t)1, sizeof(*m->sublayer_of));
	m->tested = calloc(m->n_places / 64 + (size_t)1, sizeof(*m->tested));
	if (m->sublayer_of == NULL || m->tested == NULL)
		return -ENOMEM;
	rc = sl_tables_choose_answer(m);
	if (rc == 0)
		rc = sl_dims_init(&m->dims, m->boxes, m->plan);
	if (rc == 0 && (m->dims.n == 0 || m->dims.n > SL_TABLES_ELEMENTS_MAX))
		rc = -E2BIG;
	if (rc == 0)
		rc = sl_tables_plan_make(&m->groups, &m->dims, m->cells.n_max, &m->work);
	if (rc == 0)
		rc = sl_tables_add_elements(m);
	if (rc == 0)
		rc = sl_tables_add_groups(m);
	if (rc == 0)
		rc = fit_cells(m);
	if (rc == 0)
		rc = sl_tables_write_lists(m);
	return rc == 0 ? freeze(m, bytes_max, out) : rc;
}

int
sl_tables_build(const struct sl_boxes *boxes, const struct sl_key_plan *plan, const uint32_t *ends,
	uint32_t n_places, size_t bytes_max, const struct sl_tables **out, struct sl_error *err)
{
	struct sl_tables_maker *m;
	int rc;

	*out = NULL;
	if (boxes->n == 0 || boxes->n > BOXES_MAX)
		return 0;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	m->boxes = boxes;
	m->plan = plan;
	m->ends = ends;
	m->n_places = n_places;
	rc = make(m, bytes_max, out);
	sl_tables_plan_fini(&m->groups);
	sl_dims_fini(&m->dims);
	sl_cells_fini(&m->cells);
	sl_sets_fini(&m->answers);
	free(m->sublayer_of);
	free(m->tested);
	for (uint32_t i = 0; i < SL_TABLES_PAIRS_MAX; i++)
		free(m->matrices[i].values);
	free(m->lists);
	free(m->places);
	free(m);
	if (rc == -ENOMEM)
		return sl_error_set(
			err, SL_ERR_NO_MEMORY, NULL, "out of memory while tables are made");
	return 0;
}

void
sl_tables_free(const struct sl_tables *tables)
{
	/* The one writer of an immutable thing is the one who frees it. */
	free((void *)(uintptr_t)tables);
}
