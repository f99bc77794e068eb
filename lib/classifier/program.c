/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/program.h"

#include "classifier/forest.h"
#include "classifier/score.h"
#include "classifier/tables.h"
#include "classifier/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Larger trees are expected not to stay in the second-level cache. */
#define FAR_BYTES (1280u * 1024)
/* Units of a branch's target in a cache line. */
#define UNITS_LINE (SL_CACHE_LINE / SL_TO_UNIT)

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
	uint32_t *needs; /* likewise */
	struct sl_layout layout;
	struct sl_patterns patterns;
	struct sl_forest forest;
	const struct sl_tables *tables; /* or NULL */
	uint32_t trees_max;
	uint32_t score; /* of the forest; 0: there is none yet */
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
	program->bytes = size + (program->tables != NULL ? program->tables->bytes : 0);
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
	const struct sl_layout *layout = &m->layout;
	const uint32_t byte = layout->byte_element;

	describe_key(program, &m->plan);
	memcpy(program->loads, layout->loads, sizeof(program->loads));
	program->n_loads = layout->n_loads;
	program->derived = layout->derived;
	memcpy(program->columns, layout->columns, sizeof(program->columns));
	if (byte < m->plan.n_elements) {
		program->byte_at = layout->elements[byte].at;
		program->byte_shift = layout->elements[byte].shift;
	}
	program->simd = sl_simd_best();
	program->n = m->source->n;
	program->is_single = is_single(m);
	program->n_trees = m->forest.n_trees;
	program->found_max = SL_MAX(m->forest.n_trees, 1u) * m->matches_max;
	program->n_boxes = m->boxes.n;
	program->n_placed = (uint32_t)SL_MIN(m->forest.n_placed, (uint64_t)UINT32_MAX);
	program->n_branches = m->forest.n_branches;
	program->n_tested = m->tests.n_tested;
	program->n_sets = m->tests.n_tables;
	program->leaf_max = m->forest.leaves.longest;
	program->depth = m->forest.depth;
	program->expected_ps = m->score;
}

/* The number of a branch's target in the program: branches come first, then leaves. */
static struct sl_branch
number_branch(struct sl_branch branch, const struct maker *m, uint32_t leaf_units)
{
	if (branch.best == SL_RANK_NONE)
		return (struct sl_branch){.to = SL_TO_LEAF, .best = SL_RANK_NONE};
	if (branch.to & SL_TO_LEAF) {
		const uint32_t leaf = branch.to & SL_TO_INDEX;

		branch.to =
			SL_TO_LEAF | (leaf_units + m->forest.leaves.list[leaf].line * UNITS_LINE);
	}
	return branch;
}

/* Branches and blocks in one piece of memory. 0 or -ENOMEM. */
static int
write_lines(struct maker *m, struct sl_program *program, uint8_t **lines, size_t *size)
{
	struct sl_forest *forest = &m->forest;
	const size_t branch_lines =
		(forest->n_branches * sizeof(struct sl_branch) + SL_CACHE_LINE - 1) / SL_CACHE_LINE;
	const size_t leaf_lines = sl_leaves_write(
		&forest->leaves, &m->layout, &m->plan, &m->boxes, NULL, &program->n_blocks);
	const uint32_t leaf_units = (uint32_t)(branch_lines * UNITS_LINE);
	struct sl_branch *branches;

	/* Packets with nothing to find may be led to the first line, and look at no more than that. */
	*size = SL_MAX(branch_lines + leaf_lines, (size_t)1) * SL_CACHE_LINE;
	if (*size / SL_TO_UNIT > SL_TO_INDEX)
		return -ENOMEM;
	*lines = aligned_alloc(SL_CACHE_LINE, *size);
	if (*lines == NULL)
		return -ENOMEM;
	memset(*lines, 0, *size);
	branches = (void *)*lines;
	for (uint32_t i = 0; i < forest->n_branches; i++)
		branches[i] = number_branch(forest->branches[i], m, leaf_units);
	for (uint32_t i = 0; i < forest->n_trees; i++)
		program->trees[i] = number_branch(forest->trees[i], m, leaf_units);
	sl_leaves_write(&forest->leaves, &m->layout, &m->plan, &m->boxes,
		*lines + branch_lines * SL_CACHE_LINE, &program->n_blocks);
	return 0;
}

static int
freeze(struct maker *m, const struct sl_program **out)
{
	const struct sl_tests *tests = &m->tests;
	const uint32_t n = m->source->n;
	struct sl_program program = {.found_max = 0};
	uint8_t *lines = NULL;
	size_t lines_size = 0;
	int rc;

	describe(&program, m);
	*out = NULL;
	rc = write_lines(m, &program, &lines, &lines_size);
	program.is_far = lines_size > FAR_BYTES;
	if (rc == 0) {
		const struct piece pieces[] = {
			{lines, lines_size, (const void **)&program.lines},
			{m->ends, n * sizeof(*m->ends), (const void **)&program.ends},
			{m->needs, n * sizeof(*m->needs), (const void **)&program.needs},
			{tests->at, (tests->n_filters + (size_t)1) * sizeof(*tests->at),
				(const void **)&program.tests_at},
			{tests->list, tests->n * sizeof(*tests->list),
				(const void **)&program.tests},
			{tests->tables, tests->n_tables * sizeof(*tests->tables),
				(const void **)&program.sets},
			{tests->table_bytes.data, tests->table_bytes.len,
				(const void **)&program.set_bytes},
			{tests->texts.data, tests->texts.len, (const void **)&program.texts},
		};

		program.tables = m->tables;
		*out = lay_out(&program, pieces, SL_ARRAY_LEN(pieces));
	}
	free(lines);
	if (*out != NULL)
		m->tables = NULL; /* the program's now */
	return *out == NULL ? no_memory(m) : 0;
}

/* --- Trees. --- */

/* Shapes worth trying, for boxes that lie side by side and for boxes that lie in each other. */
static const struct sl_forest_shape shapes[] = {
	{.n_trees = 2, .open_max = 4, .put_off_each = 24, .root_bits = 14, .branch_bits = 8},
	{.n_trees = 3, .open_max = 2, .put_off_each = 24, .root_bits = 14, .branch_bits = 8},
	{.n_trees = 2, .open_max = 1, .put_off_each = 100, .root_bits = 14, .branch_bits = 8},
	{.n_trees = 3, .open_max = 2, .put_off_each = 100, .root_bits = 14, .branch_bits = 8},
	{.n_trees = 5, .open_max = 2, .put_off_each = 100, .root_bits = 14, .branch_bits = 8},
	{.n_trees = 5, .open_max = 2, .root_bits = 14, .branch_bits = 8, .tries_fewer = true},
	{.n_trees = 3, .open_max = 4, .put_off_each = 100, .root_bits = 14, .branch_bits = 8},
};

static bool
tick_trees(void *ctx, uint64_t n_placed)
{
	struct maker *m = ctx;
	const uint64_t n = SL_MAX(m->source->n, 1u);

	/* Boxes are placed more than once, and for each shape. */
	return sl_compile_tick(m->tick, (size_t)SL_MIN(n_placed / 8, n), m->err) == 0;
}

/* Builds one shape and keeps it when it is the best so far. 0, -ENOMEM or -EINTR. */
static int
try_shape(struct maker *m, const struct sl_forest_source *source, const struct sl_probes *probes,
	struct sl_forest_shape shape)
{
	struct sl_forest forest;
	uint32_t score;
	int rc;

	shape.n_trees = SL_MIN(shape.n_trees, m->trees_max);
	rc = sl_forest_build(&forest, source, &shape, tick_trees, m);
	score = rc == 0 ? sl_forest_score(&forest, source, probes) : UINT32_MAX;
	if (rc != 0 || (m->score != 0 && score >= m->score)) {
		sl_forest_fini(&forest);
		return rc;
	}
	sl_forest_fini(&m->forest);
	m->forest = forest;
	m->score = score;
	return 0;
}

static int
build_trees(struct maker *m)
{
	const uint32_t n_shapes = m->source->is_small_change ? 1 : (uint32_t)SL_ARRAY_LEN(shapes);
	struct sl_forest_source source = {.boxes = &m->boxes,
		.plan = &m->plan,
		.layout = &m->layout,
		.patterns = &m->patterns,
		.selector = sl_selector_new(m->boxes.n)};
	struct sl_probes probes = {.n = 0};
	int rc;

	sl_layout_make(&m->layout, &m->plan, &m->boxes);
	rc = source.selector == NULL ? -ENOMEM : 0;
	if (rc == 0)
		rc = sl_patterns_make(&m->patterns, &m->layout, &m->plan, &m->boxes);
	if (rc == 0)
		rc = sl_probes_make(&probes, &m->layout, &m->plan, &m->boxes);
	for (uint32_t i = 0; i < n_shapes && rc == 0; i++)
		rc = try_shape(m, &source, &probes, shapes[i]);
	sl_probes_fini(&probes);
	sl_patterns_fini(&m->patterns);
	sl_selector_free(source.selector);
	if (rc == -ENOMEM)
		return no_memory(m);
	return rc == 0 ? 0 : -EBUSY;
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

/*
 * What must be present.  Boxes of one filter that want nothing absent agree on it; the others say it
 * themselves.
 */
static int
find_needs(struct maker *m)
{
	m->needs = calloc(m->source->n + (size_t)1, sizeof(*m->needs));
	if (m->needs == NULL)
		return no_memory(m);
	for (uint32_t i = 0; i < m->boxes.n; i++) {
		const struct sl_box *box = &m->boxes.list[i];

		if (box->care == box->want)
			m->needs[box->rank] = box->want;
	}
	return 0;
}

/* --- Tables. --- */

/* What tables may take: they are worth it as long as they stay in the second-level cache. */
#define TABLES_BYTES_MAX (2048u * 1024)
/* Beyond so many boxes products of classes are not even tried. */
#define TABLES_BOXES_MAX 8192u

/* Tables instead of the trees, when they fit; trees stay for what tables cannot do. */
static int
build_tables(struct maker *m)
{
	const enum sl_structure structure = m->tick->host->structure;

	if (structure == SL_STRUCTURE_TREES || m->source->is_small_change ||
		m->boxes.n > TABLES_BOXES_MAX)
		return 0;
	return sl_tables_build(
		&m->boxes, &m->plan, m->ends, m->source->n, TABLES_BYTES_MAX, &m->tables, m->err);
}

static int
make(struct maker *m, const struct sl_program **out)
{
	int rc = find_ends(m);

	/* A packet's finds of all its leaves must fit where its match list will be. */
	m->trees_max = SL_MIN(SL_TREES_MAX, SL_MATCHES_MAX / SL_MAX(m->matches_max, 1u));
	if (rc == 0)
		rc = add_filters(m);
	if (rc == 0)
		rc = find_needs(m);
	if (rc == 0)
		rc = build_trees(m);
	if (rc == 0)
		rc = build_tables(m);
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
	sl_forest_fini(&m->forest);
	sl_tables_free(m->tables);
	free(m->needs);
	free(m->ends);
	free(m);
	return rc;
}

void
sl_program_free(const struct sl_program *program)
{
	/* The one writer of an immutable thing is the one who frees it. */
	if (program != NULL)
		sl_tables_free(program->tables);
	free((void *)(uintptr_t)program);
}
