/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/program.h"

#include "classifier/box.h"
#include "classifier/test.h"
#include "classifier/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Everything between the filters of a layer and its program. */
struct maker {
	const struct sl_layer_program *layer;
	const struct sl_compile_tick *tick;
	struct sl_error *err;
	struct sl_key_plan plan;
	struct sl_groups groups;
	struct sl_boxes boxes;
	struct sl_tests tests;
	struct sl_tree tree;
};

static int
no_memory(struct maker *m)
{
	return sl_error_set(m->err, SL_ERR_NO_MEMORY, NULL,
		"out of memory while filters of %s are compiled", m->layer->layer->name);
}

static int
add_filter(struct maker *m, uint32_t rank)
{
	const struct sl_filter_run *run = &m->layer->filters[rank];
	bool is_tested;

	if (sl_groups_build(&m->groups, m->layer->layer, run) != 0 ||
		sl_boxes_add(&m->boxes, &m->plan, rank, &m->groups, &is_tested) != 0)
		return -ENOMEM;
	return is_tested ? sl_tests_add(&m->tests, rank, run, &m->groups) : 0;
}

static int
add_filters(struct maker *m)
{
	sl_key_plan_make(&m->plan, m->layer);
	sl_boxes_init(&m->boxes, &m->plan, m->layer->n_filters);
	if (sl_tests_init(&m->tests, m->layer->n_filters) != 0)
		return no_memory(m);
	for (uint32_t rank = 0; rank < m->layer->n_filters; rank++) {
		if (add_filter(m, rank) != 0)
			return no_memory(m);
	}
	sl_tests_finish(&m->tests);
	return 0;
}

/* --- The one allocation. --- */

/* One part of the program's memory: filled from `from`, and `*to` set to where it is. */
struct piece {
	const void *from;
	size_t size;
	const void **to;
};

static size_t
piece_room(const struct piece *piece)
{
	/* Never nothing, so that every pointer is one that may be added to. */
	return (SL_MAX(piece->size, (size_t)1) + SL_CACHE_LINE - 1) & ~(size_t)(SL_CACHE_LINE - 1);
}

/* Lays the pieces out behind the program, each at a cache line. NULL when there is no memory. */
static struct sl_program *
lay_out(struct sl_program *program, const struct piece *pieces, size_t n)
{
	const struct piece head = {.size = sizeof(*program)};
	size_t size = piece_room(&head);
	uint8_t *memory;
	uint8_t *at;

	for (size_t i = 0; i < n; i++)
		size += piece_room(&pieces[i]);
	memory = aligned_alloc(SL_CACHE_LINE, size);
	if (memory == NULL)
		return NULL;
	memset(memory, 0, size);
	at = memory + piece_room(&head);
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].size > 0)
			memcpy(at, pieces[i].from, pieces[i].size);
		*pieces[i].to = at;
		at += piece_room(&pieces[i]);
	}
	program->bytes = size;
	memcpy(memory, program, sizeof(*program));
	return (struct sl_program *)(void *)memory;
}

/* The line of the presence mask, and those that the parts of the key begin and end in. */
static uint32_t
meta_lines(const struct sl_key_plan *plan)
{
	uint32_t lines = 1u << offsetof(struct sl_meta, present) / SL_CACHE_LINE;

	for (uint32_t i = 0; i < plan->n_parts; i++) {
		const struct sl_key_part *part = &plan->parts[i];
		const uint32_t last = part->offset + sl_slot_info[part->slot].size - 1u;

		lines |= 1u << part->offset / SL_CACHE_LINE | 1u << last / SL_CACHE_LINE;
	}
	return lines;
}

static void
describe(struct sl_program *program, const struct maker *m)
{
	const struct sl_layer_program *layer = m->layer;

	program->root = m->tree.root;
	program->n_parts = m->plan.n_parts;
	memcpy(program->parts, m->plan.parts, sizeof(program->parts));
	program->meta_lines = meta_lines(&m->plan);
	program->simd = sl_simd_best();
	program->is_single = layer->n_sublayers == 1 && !layer->has_callouts;
	program->found_max = SL_MAX(m->tree.visits_max, 1u) * layer->matches_max;
	program->n_words = m->plan.n_words;
	program->n_boxes = m->boxes.n;
	program->n_placed = m->tree.n_placed;
	program->n_nodes = m->tree.n_nodes;
	program->n_leaves = m->tree.n_leaves;
	program->n_rests = m->tree.n_rests;
	program->n_tested = m->tests.n_tested;
	program->n_tables = m->tests.n_tables;
	program->leaf_max = m->tree.leaf_max;
	program->depth = m->tree.depth;
	program->visits_max = m->tree.visits_max;
}

/* Leaves of a tree are counted from its first block, those of a program from its first node. */
static void
number_leaf(struct sl_link *link, uint32_t first)
{
	if ((link->ref & SL_REF_LEAF) != 0 && link->best != SL_RANK_NONE)
		link->ref += first;
}

static void
number_leaves(struct sl_tree *tree)
{
	/* A piece is never empty. */
	const uint32_t first = SL_MAX(tree->n_nodes, 1u);

	number_leaf(&tree->root, first);
	for (uint32_t i = 0; i < tree->n_links; i++)
		number_leaf(&tree->links[i], first);
	for (uint32_t i = 0; i < tree->n_nodes; i++)
		number_leaf(&tree->nodes[i].rest, first);
}

static int
freeze(struct maker *m, const struct sl_program **out)
{
	const struct sl_tree *tree = &m->tree;
	const struct sl_tests *tests = &m->tests;
	struct sl_program program = {.found_max = 0};
	const void *blocks = NULL;
	const struct piece pieces[] = {
		{tree->nodes, tree->n_nodes * sizeof(*tree->nodes), (const void **)&program.lines},
		/* Behind the nodes: see number_leaves. */
		{tree->blocks, tree->n_block_bytes, (const void **)&blocks},
		{tree->links, tree->n_links * sizeof(*tree->links), (const void **)&program.links},
		{tests->at, (tests->n_filters + (size_t)1) * sizeof(*tests->at),
			(const void **)&program.tests_at},
		{tests->list, tests->n * sizeof(*tests->list), (const void **)&program.tests},
		{tests->tables, tests->n_tables * sizeof(*tests->tables),
			(const void **)&program.tables},
		{tests->table_bytes.data, tests->table_bytes.len,
			(const void **)&program.table_bytes},
		{tests->texts.data, tests->texts.len, (const void **)&program.texts},
	};

	number_leaves(&m->tree);
	describe(&program, m);
	*out = lay_out(&program, pieces, SL_ARRAY_LEN(pieces));
	return *out == NULL ? no_memory(m) : 0;
}

static int
make(struct maker *m, const struct sl_program **out)
{
	/* A packet's finds of all its leaves must fit where its match list will be. */
	const uint32_t visits_max =
		SL_MIN((uint32_t)SL_VISITS_MAX, SL_MATCHES_MAX / SL_MAX(m->layer->matches_max, 1u));
	int rc = add_filters(m);

	if (rc == 0)
		rc = sl_tree_build(
			&m->tree, &m->boxes, &m->plan, m->layer, visits_max, m->tick, m->err);
	return rc == 0 ? freeze(m, out) : rc;
}

int
sl_program_build(const struct sl_layer_program *layer, const struct sl_compile_tick *tick,
	const struct sl_program **out, struct sl_error *err)
{
	struct maker *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	m->layer = layer;
	m->tick = tick;
	m->err = err;
	rc = make(m, out);
	sl_groups_fini(&m->groups);
	sl_boxes_fini(&m->boxes);
	sl_tests_fini(&m->tests);
	sl_tree_fini(&m->tree);
	free(m);
	return rc;
}

void
sl_program_free(const struct sl_program *program)
{
	/* The one writer of an immutable thing is the one who frees it. */
	free((void *)(uintptr_t)program);
}
