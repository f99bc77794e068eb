/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/forest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Boxes placed for each one there is, and some more, so that small trees copy as they like. */
#define COPIES_MAX  8
#define COPIES_MORE 4096
/* Copies by one branch. */
#define COPIES_BRANCH 6
#define DEPTH_MAX     24
/* Fewer boxes are divided the first way found. */
#define VARIANTS_BOXES 256
/* Boxes looked at in choosing bits, for each box of a tree: where bits do not help, it ends. */
#define LOOKS_EACH 8
#define LOOKS_MORE 65536
/* Boxes placed between two looks at whether to go on. */
#define TICK_BOXES 16384

struct builder {
	struct sl_forest *forest;
	const struct sl_forest_source *source;
	const struct sl_forest_shape *shape;
	bool is_last; /* tree: nothing is put off */
	uint32_t *put_off;
	uint32_t n_put_off;
	bool *is_off;   /* by box: among those */
	uint64_t looks; /* boxes that may still be looked at in choosing bits */
	uint64_t next_tick;
	sl_forest_tick_fn *tick;
	void *ctx;
};

/* Boxes on their way to leaves, ascending. */
struct work {
	const uint32_t *list;
	uint32_t n;
	uint32_t depth;
	uint64_t budget; /* boxes that may be placed for them */
};

/* The children of one branch: boxes of child i are list[ends[i - 1]] to list[ends[i]]. */
struct shares {
	uint32_t *ends;
	uint32_t *list;
	uint32_t n_children;
};

static int build(struct builder *b, const struct work *work, struct sl_branch *branch);

/* --- Leaves. --- */

static int
build_leaf(struct builder *b, const struct work *work, struct sl_branch *branch)
{
	uint32_t leaf;

	if (sl_leaves_add(&b->forest->leaves, work->list, work->n, &leaf) != 0)
		return -ENOMEM;
	branch->mask = 0;
	branch->to = SL_TO_LEAF | leaf;
	b->forest->n_placed += work->n;
	b->forest->depth = SL_MAX(b->forest->depth, work->depth);
	if (b->tick != NULL && b->forest->n_placed >= b->next_tick) {
		b->next_tick = b->forest->n_placed + TICK_BOXES;
		if (!b->tick(b->ctx, b->forest->n_placed))
			return -EINTR;
	}
	return 0;
}

/* --- Branches. --- */

/*
 * Chooses bits.  How many open bits are best is not known beforehand: fewer put more boxes off, more
 * copy more.
 */
static void
choose(const struct builder *b, const struct work *work, struct sl_selection *best,
	uint32_t *open_max)
{
	struct sl_select_model model = {.put_off_each = b->shape->put_off_each,
		.bits_max = work->depth == 0 ? b->shape->root_bits : b->shape->branch_bits,
		.copies_max = SL_MIN(COPIES_BRANCH, (double)work->budget / work->n)};
	const uint32_t first = b->is_last ? SL_SELECT_ALL_OPEN : b->shape->open_max;

	model.open_max = first;
	*open_max = first;
	sl_select(b->source->selector, b->source->patterns, work->list, work->n, &model, best);
	if (b->is_last || !b->shape->tries_fewer || work->n < VARIANTS_BOXES)
		return;
	for (uint32_t open = 0; open < first; open += 2) {
		struct sl_selection other;

		model.open_max = open;
		sl_select(b->source->selector, b->source->patterns, work->list, work->n, &model,
			&other);
		if (other.n_bits > 0 && other.cost < best->cost * 0.97) {
			*best = other;
			*open_max = open;
		}
	}
}

static uint64_t
open_bits(const struct builder *b, const struct sl_selection *selection, uint32_t box)
{
	return selection->mask & ~sl_pattern_of(b->source->patterns, box, selection->pair)->mask;
}

/* The bits of `bits` that the mask selects, as one number; what pext does. */
static uint32_t
extract(uint64_t bits, uint64_t mask)
{
	uint32_t number = 0;

	for (uint32_t i = 0; mask != 0; mask &= mask - 1, i++)
		number |= (uint32_t)((bits & mask & -mask) != 0) << i;
	return number;
}

static void
count_children(const struct builder *b, const struct work *work,
	const struct sl_selection *selection, uint32_t open_max, uint32_t *counts)
{
	for (uint32_t i = 0; i < work->n; i++) {
		const uint64_t open = open_bits(b, selection, work->list[i]);
		const uint32_t fixed = extract(
			sl_pattern_of(b->source->patterns, work->list[i], selection->pair)->value,
			selection->mask);
		const uint32_t open_number = extract(open, selection->mask);
		uint32_t part = 0;

		if (b->is_off[work->list[i]] || (uint32_t)__builtin_popcountll(open) > open_max)
			continue;
		do {
			counts[fixed | part]++;
			part = (part - open_number) & open_number;
		} while (part != 0);
	}
}

static void
fill_children(struct builder *b, const struct work *work, const struct sl_selection *selection,
	uint32_t open_max, uint32_t *next, uint32_t *list)
{
	for (uint32_t i = 0; i < work->n; i++) {
		const uint64_t open = open_bits(b, selection, work->list[i]);
		const uint32_t fixed = extract(
			sl_pattern_of(b->source->patterns, work->list[i], selection->pair)->value,
			selection->mask);
		const uint32_t open_number = extract(open, selection->mask);
		uint32_t part = 0;

		if (b->is_off[work->list[i]])
			continue;
		if ((uint32_t)__builtin_popcountll(open) > open_max) {
			b->is_off[work->list[i]] = true;
			b->put_off[b->n_put_off++] = work->list[i];
			continue;
		}
		do {
			list[next[fixed | part]++] = work->list[i];
			part = (part - open_number) & open_number;
		} while (part != 0);
	}
}

static void
shares_fini(struct shares *shares)
{
	free(shares->ends);
	free(shares->list);
}

/* 0 or -ENOMEM; fini in either case. */
static int
share_out(struct builder *b, const struct work *work, const struct sl_selection *selection,
	uint32_t open_max, struct shares *shares)
{
	const uint32_t n = 1u << selection->n_bits;
	uint64_t sum = 0;

	*shares = (struct shares){.n_children = n, .ends = calloc(n, sizeof(*shares->ends))};
	if (shares->ends == NULL)
		return -ENOMEM;
	count_children(b, work, selection, open_max, shares->ends);
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t here = shares->ends[i];

		shares->ends[i] = (uint32_t)sum; /* where it begins; filling moves it to its end */
		sum += here;
	}
	if (sum >= UINT32_MAX)
		return -ENOMEM;
	shares->list = malloc((sum + 1) * sizeof(*shares->list));
	if (shares->list == NULL)
		return -ENOMEM;
	fill_children(b, work, selection, open_max, shares->ends, shares->list);
	return 0;
}

static int
new_branches(struct sl_forest *forest, uint32_t n, uint32_t *first)
{
	size_t size = forest->branches_size == 0 ? 1024 : forest->branches_size;
	struct sl_branch *branches;

	while (size < (size_t)forest->n_branches + n)
		size *= 2;
	if (size > SL_TO_INDEX)
		return -ENOMEM;
	if (size > forest->branches_size) {
		branches = reallocarray(forest->branches, size, sizeof(*branches));
		if (branches == NULL)
			return -ENOMEM;
		forest->branches = branches;
		forest->branches_size = (uint32_t)size;
	}
	*first = forest->n_branches;
	forest->n_branches += n;
	return 0;
}

/* What may be placed for a child: its part of what there is. */
static uint64_t
budget_of(const struct work *work, uint32_t n, uint32_t n_all)
{
	return SL_MAX(work->budget * n / SL_MAX(n_all, 1u), (uint64_t)n);
}

static int
build_children(struct builder *b, const struct work *work, const struct shares *shares,
	uint32_t first, uint32_t *best)
{
	const uint32_t n_all = shares->ends[shares->n_children - 1];
	uint32_t begin = 0;

	*best = SL_RANK_NONE;
	for (uint32_t i = 0; i < shares->n_children; i++) {
		const struct work child = {.list = shares->list + begin,
			.n = shares->ends[i] - begin,
			.depth = work->depth + 1,
			.budget = budget_of(work, shares->ends[i] - begin, n_all)};
		struct sl_branch branch = {.to = SL_TO_LEAF, .best = SL_RANK_NONE};
		const int rc = build(b, &child, &branch);

		if (rc != 0)
			return rc;
		b->forest->branches[first + i] = branch;
		*best = SL_MIN(*best, branch.best);
		begin = shares->ends[i];
	}
	return 0;
}

/* True when the bits do nothing for the boxes: some child has them all. */
static bool
is_useless(const struct work *work, const struct shares *shares)
{
	uint32_t begin = 0;

	for (uint32_t i = 0; i < shares->n_children; i++) {
		if (shares->ends[i] - begin >= work->n)
			return true;
		begin = shares->ends[i];
	}
	return false;
}

static int
build_branch(struct builder *b, const struct work *work, const struct sl_selection *selection,
	uint32_t open_max, struct sl_branch *branch)
{
	const uint32_t n_put_off = b->n_put_off;
	struct shares shares;
	uint32_t first = 0;
	int rc = share_out(b, work, selection, open_max, &shares);

	if (rc == 0 && is_useless(work, &shares)) {
		while (b->n_put_off > n_put_off)
			b->is_off[b->put_off[--b->n_put_off]] = false;
		shares_fini(&shares);
		return build_leaf(b, work, branch);
	}
	if (rc == 0)
		rc = new_branches(b->forest, shares.n_children, &first);
	if (rc == 0)
		rc = build_children(b, work, &shares, first, &branch->best);
	branch->mask = selection->mask;
	branch->to = first | selection->pair << SL_TO_PAIR;
	shares_fini(&shares);
	return rc;
}

static int
build(struct builder *b, const struct work *work, struct sl_branch *branch)
{
	struct sl_selection selection = {.n_bits = 0};
	uint32_t open_max = 0;

	if (work->n == 0)
		return 0;
	branch->best = b->source->boxes->list[work->list[0]].rank;
	if (work->n > SL_LANES && work->depth < DEPTH_MAX && work->budget >= work->n &&
		b->looks >= SL_MIN(work->n, SL_SELECT_SAMPLE)) {
		b->looks -= SL_MIN(work->n, SL_SELECT_SAMPLE);
		choose(b, work, &selection, &open_max);
	}
	if (selection.n_bits == 0)
		return build_leaf(b, work, branch);
	return build_branch(b, work, &selection, open_max, branch);
}

/* --- Trees. --- */

static int
by_number(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a;
	const uint32_t right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* A tree that would take fewer of its boxes than one of so many takes all. */
#define TAKES_MIN 16

/* One tree over the boxes; those it puts off take their place. */
static int
build_tree(struct builder *b, uint32_t *list, uint32_t *n)
{
	struct sl_forest *forest = b->forest;
	const struct work work = {
		.list = list, .n = *n, .budget = (uint64_t)*n * COPIES_MAX + COPIES_MORE};
	struct sl_branch *root = &forest->trees[forest->n_trees];
	int rc;

	b->n_put_off = 0;
	b->looks = (uint64_t)*n * LOOKS_EACH + LOOKS_MORE;
	b->is_last = b->is_last || forest->n_trees + 1 >= b->shape->n_trees || *n <= 2 * SL_LANES;
	*root = (struct sl_branch){.to = SL_TO_LEAF, .best = SL_RANK_NONE};
	rc = build(b, &work, root);
	if (rc != 0)
		return rc;
	if (root->best != SL_RANK_NONE)
		forest->n_trees++;
	memcpy(list, b->put_off, b->n_put_off * sizeof(*list));
	for (uint32_t i = 0; i < b->n_put_off; i++)
		b->is_off[list[i]] = false;
	qsort(list, b->n_put_off, sizeof(*list), by_number);
	b->is_last = *n - b->n_put_off < *n / TAKES_MIN + 1;
	*n = b->n_put_off;
	return 0;
}

static int
by_best(const void *a, const void *b)
{
	const struct sl_branch *left = a;
	const struct sl_branch *right = b;

	return (left->best > right->best) - (left->best < right->best);
}

int
sl_forest_build(struct sl_forest *forest, const struct sl_forest_source *source,
	const struct sl_forest_shape *shape, sl_forest_tick_fn *tick, void *ctx)
{
	struct builder b = {.forest = forest,
		.source = source,
		.shape = shape,
		.next_tick = TICK_BOXES,
		.tick = tick,
		.ctx = ctx};
	uint32_t n = source->boxes->n;
	uint32_t *list = malloc((n + (size_t)1) * sizeof(*list));
	int rc = 0;

	memset(forest, 0, sizeof(*forest));
	b.put_off = malloc((n + (size_t)1) * sizeof(*b.put_off));
	b.is_off = calloc(n + (size_t)1, sizeof(*b.is_off));
	if (list == NULL || b.put_off == NULL || b.is_off == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < n && rc == 0; i++)
		list[i] = i;
	while (n > 0 && rc == 0)
		rc = build_tree(&b, list, &n);
	qsort(forest->trees, forest->n_trees, sizeof(*forest->trees), by_best);
	free(b.is_off);
	free(b.put_off);
	free(list);
	return rc;
}

void
sl_forest_fini(struct sl_forest *forest)
{
	free(forest->branches);
	sl_leaves_fini(&forest->leaves);
	memset(forest, 0, sizeof(*forest));
}
