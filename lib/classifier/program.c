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
	const struct sl_program_source *source;
	uint32_t *ends; /* by place, see struct sl_program */
	uint32_t matches_max;
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
		"out of memory while filters of %s are compiled", m->source->layer->layer->name);
}

static int
add_filter(struct maker *m, uint32_t rank)
{
	const struct sl_layer_program *layer = m->source->layer;
	const struct sl_filter_run *run = &layer->filters[sl_source_filter(m->source, rank)];
	bool is_tested;

	if (sl_groups_build(&m->groups, layer->layer, run) != 0 ||
		sl_boxes_add(&m->boxes, &m->plan, rank, &m->groups, &is_tested) != 0)
		return -ENOMEM;
	return is_tested ? sl_tests_add(&m->tests, rank, run, &m->groups) : 0;
}

static int
add_filters(struct maker *m)
{
	sl_key_plan_make(&m->plan, m->source);
	sl_boxes_init(&m->boxes, &m->plan, m->source->n);
	if (sl_tests_init(&m->tests, m->source->n) != 0)
		return no_memory(m);
	for (uint32_t rank = 0; rank < m->source->n; rank++) {
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

/* The lines of the presence mask and of the key's words. */
static uint32_t
meta_lines(const struct sl_key_plan *plan)
{
	uint32_t lines = 1u << offsetof(struct sl_meta, present) / SL_CACHE_LINE;

	for (uint32_t i = 0; i < plan->n_words; i++)
		lines |= 1u << plan->words[i].offset / SL_CACHE_LINE;
	return lines;
}

static void
describe_key(struct sl_program *program, const struct sl_key_plan *plan)
{
	program->n_parts = plan->n_parts;
	program->n_words = plan->n_words;
	program->n_elements = plan->n_elements;
	program->meta_lines = meta_lines(plan);
	memcpy(program->words, plan->words, sizeof(program->words));
	memcpy(program->elements, plan->elements, sizeof(program->elements));
	for (uint32_t i = 0; i < plan->n_parts; i++) {
		program->slots[i] = plan->parts[i].slot;
		program->slot_mask |= (uint64_t)1 << plan->parts[i].slot;
	}
}

/* Every match ends the one sublayer there is. */
static bool
is_single(const struct maker *m)
{
	for (uint32_t place = 0; place < m->source->n; place++) {
		if (m->ends[place] != m->source->n)
			return false;
	}
	return true;
}

static void
describe(struct sl_program *program, const struct maker *m)
{
	program->root = m->tree.root;
	describe_key(program, &m->plan);
	program->simd = sl_simd_best();
	program->n = m->source->n;
	program->is_single = is_single(m);
	program->found_max = SL_MAX(m->tree.visits_max, 1u) * m->matches_max;
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

/* Links of a node: up to the first one of the next node. */
static uint32_t
count_links(const struct sl_tree *tree, uint32_t node)
{
	const uint32_t end = node + 1 < tree->n_nodes ? tree->nodes[node + 1].links : tree->n_links;

	return end - tree->nodes[node].links;
}

/* Lines of a node: its own and those of its links. */
static uint32_t
count_lines(const struct sl_tree *tree, uint32_t node)
{
	const size_t size = count_links(tree, node) * sizeof(struct sl_link);

	return 1 + (uint32_t)((size + SL_REF_UNIT - 1) / SL_REF_UNIT);
}

/* The tree as a program has it: nodes, each followed by its links, then blocks. */
struct lines {
	uint8_t *nodes;
	uint32_t *line_of; /* by node; behind the last one the line of the first block */
	size_t size;       /* bytes of all nodes */
};

static struct sl_link
number_link(struct sl_link link, const struct lines *lines, uint32_t n_nodes)
{
	if (link.best == SL_RANK_NONE)
		return link;
	if (link.ref & SL_REF_LEAF)
		link.ref += lines->line_of[n_nodes];
	else
		link.ref = lines->line_of[link.ref];
	return link;
}

static void
write_node(const struct sl_tree *tree, uint32_t i, const struct lines *lines)
{
	struct sl_node *node = (void *)(lines->nodes + (size_t)lines->line_of[i] * SL_REF_UNIT);
	struct sl_link *links = (void *)(node + 1);
	const uint32_t first = tree->nodes[i].links;
	const uint32_t n = count_links(tree, i);

	*node = tree->nodes[i];
	node->rest = number_link(node->rest, lines, tree->n_nodes);
	for (uint32_t k = 0; k < n; k++)
		links[k] = number_link(tree->links[first + k], lines, tree->n_nodes);
}

/* 0 or -ENOMEM; fini in either case. */
static int
lines_init(struct lines *lines, const struct sl_tree *tree)
{
	uint32_t line = 0;

	lines->line_of = calloc(tree->n_nodes + (size_t)1, sizeof(*lines->line_of));
	if (lines->line_of == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < tree->n_nodes; i++) {
		lines->line_of[i] = line;
		line += count_lines(tree, i);
	}
	lines->size = (size_t)line * SL_REF_UNIT;
	/* A piece is never empty. */
	lines->line_of[tree->n_nodes] = SL_MAX(line, 1u);
	lines->nodes = calloc(SL_MAX(line, 1u), SL_REF_UNIT);
	if (lines->nodes == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < tree->n_nodes; i++)
		write_node(tree, i, lines);
	return 0;
}

static void
lines_fini(struct lines *lines)
{
	free(lines->nodes);
	free(lines->line_of);
}

static int
freeze(struct maker *m, const struct sl_program **out)
{
	const struct sl_tree *tree = &m->tree;
	const struct sl_tests *tests = &m->tests;
	struct sl_program program = {.found_max = 0};
	const void *blocks = NULL;
	struct lines lines = {.size = 0};
	const int rc = lines_init(&lines, tree);
	const struct piece pieces[] = {
		{lines.nodes, lines.size, (const void **)&program.lines},
		/* Behind the nodes: see number_link. */
		{tree->blocks, tree->n_block_bytes, (const void **)&blocks},
		{m->ends, m->source->n * sizeof(*m->ends), (const void **)&program.ends},
		{tests->at, (tests->n_filters + (size_t)1) * sizeof(*tests->at),
			(const void **)&program.tests_at},
		{tests->list, tests->n * sizeof(*tests->list), (const void **)&program.tests},
		{tests->tables, tests->n_tables * sizeof(*tests->tables),
			(const void **)&program.tables},
		{tests->table_bytes.data, tests->table_bytes.len,
			(const void **)&program.table_bytes},
		{tests->texts.data, tests->texts.len, (const void **)&program.texts},
	};

	describe(&program, m);
	*out = NULL;
	if (rc == 0) {
		program.root = number_link(program.root, &lines, tree->n_nodes);
		*out = lay_out(&program, pieces, SL_ARRAY_LEN(pieces));
	}
	lines_fini(&lines);
	return *out == NULL ? no_memory(m) : 0;
}

static const struct sl_filter_hot *
hot_at(const struct maker *m, uint32_t place)
{
	return &m->source->layer->hot[sl_source_filter(m->source, place)];
}

/* Where match lists go on, and how long they can become. */
static int
find_ends(struct maker *m)
{
	const uint32_t n = m->source->n;
	uint32_t end = n;
	bool has_terminal = false;

	m->ends = calloc(n + (size_t)1, sizeof(*m->ends));
	if (m->ends == NULL)
		return no_memory(m);
	for (uint32_t place = n; place-- > 0;) {
		const struct sl_filter_hot *hot = hot_at(m, place);

		if (place + 1 < n && hot_at(m, place + 1)->sublayer != hot->sublayer) {
			end = place + 1;
			m->matches_max += has_terminal;
			has_terminal = false;
		}
		if (hot->action <= SL_HOT_PERMIT) {
			m->ends[place] = end;
			has_terminal = true;
		} else {
			m->matches_max++;
		}
	}
	m->matches_max += has_terminal;
	return 0;
}

static int
make(struct maker *m, const struct sl_program **out)
{
	/* A packet's finds of all its leaves must fit where its match list will be. */
	uint32_t visits_max;
	int rc = find_ends(m);

	visits_max = SL_MIN((uint32_t)SL_VISITS_MAX, SL_MATCHES_MAX / SL_MAX(m->matches_max, 1u));
	if (rc == 0)
		rc = add_filters(m);
	if (rc == 0)
		rc = sl_tree_build(&m->tree, &m->boxes, &m->plan, m->source->layer->layer->name,
			visits_max, m->tick, m->err);
	return rc == 0 ? freeze(m, out) : rc;
}

int
sl_program_build(const struct sl_program_source *source, const struct sl_compile_tick *tick,
	const struct sl_program **out, struct sl_error *err)
{
	struct maker *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	m->source = source;
	m->tick = tick;
	m->err = err;
	rc = make(m, out);
	sl_groups_fini(&m->groups);
	sl_boxes_fini(&m->boxes);
	sl_tests_fini(&m->tests);
	sl_tree_fini(&m->tree);
	free(m->ends);
	free(m);
	return rc;
}

void
sl_program_free(const struct sl_program *program)
{
	/* The one writer of an immutable thing is the one who frees it. */
	free((void *)(uintptr_t)program);
}
