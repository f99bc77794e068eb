/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_maker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Pairs of classes, group by group. */

/* --- Pairs. --- */

/* A node as packets have it: `n` classes, of which class c is set set_of[c]. */
struct node {
	const struct sl_sets *sets;
	struct sl_sets own; /* `sets`, unless they are the plan's */
	uint32_t *set_of;   /* NULL: class c is set c */
	uint32_t n;
	uint8_t slot;
};

/* A group at work, or what all of them share. */
struct work {
	struct sl_tables_maker *m;
	const struct sl_tables_group *group; /* NULL: all */
	struct node nodes[SL_TABLES_NODES_MAX];
	struct sl_tables_finder finder;
};

static int
load_leaf(struct work *w, uint32_t i)
{
	struct node *node = &w->nodes[i];
	const struct sl_sets *sets = sl_tables_node_sets(&w->m->groups, i);

	node->n = sets->n;
	node->slot = w->m->slots[i];
	node->sets = &node->own;
	node->set_of = calloc(node->n, sizeof(*node->set_of));
	if (node->set_of == NULL)
		return -ENOMEM;
	return sl_tables_group_sets(&w->m->groups, w->group, i, &node->own, node->set_of);
}

static uint32_t
set_of(const struct node *node, uint32_t class)
{
	return node->set_of == NULL ? class : node->set_of[class];
}

/* The table of two nodes as packets look it up; `numbers` are by sets. 0, -ENOMEM or -E2BIG. */
static int
fill_matrix(struct sl_tables_maker *m, const struct node *a, const struct node *b,
	const uint32_t *numbers, struct sl_matrix *matrix)
{
	const size_t n = (a == b ? (size_t)1 : a->n) * b->n;

	/* Both factors of a row's first cell must be below 32768, see sl_vec_multiply. */
	if (a->n > SL_TABLES_CLASSES_MAX || b->n > SL_TABLES_CLASSES_MAX || n > m->n_values_left)
		return -E2BIG;
	m->n_values_left -= n;
	matrix->n_rows = a == b ? 1 : a->n;
	matrix->n_columns = b->n;
	matrix->values = calloc(n, sizeof(*matrix->values));
	if (matrix->values == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < matrix->n_rows; i++) {
		const uint32_t *row = numbers + (a == b ? 0 : (size_t)set_of(a, i) * b->sets->n);
		uint32_t *to = matrix->values + (size_t)i * b->n;

		for (uint32_t j = 0; j < b->n; j++)
			to[j] = row[set_of(b, j)];
	}
	return 0;
}

/* --- Groups. --- */

/* Makes the next pair, whose slot comes behind those that there are. */
static struct sl_tables_pair *
next_pair(struct sl_tables *tables)
{
	const uint32_t slot = (uint32_t)tables->n_words + tables->n_elements + tables->n_pairs;
	struct sl_tables_pair *pair = &tables->pairs[tables->n_pairs];

	if (tables->n_pairs == SL_TABLES_PAIRS_MAX || slot >= SL_TABLES_SLOTS_MAX)
		return NULL;
	tables->n_pairs++;
	pair->out = (uint8_t)slot;
	pair->second = SL_TABLES_SLOT_NONE;
	return pair;
}

/* Merges two nodes into node `made`, or, if that is NULL, into the answer of the group. */
static int
add_pair(struct work *w, const struct sl_tables_merge *merge, struct node *made)
{
	const struct node *a = &w->nodes[merge->a];
	const struct node *b = &w->nodes[merge->b];
	struct sl_tables_pair *pair = next_pair(&w->m->tables);
	uint32_t *numbers;
	int rc;

	if (pair == NULL)
		return -E2BIG;
	numbers = calloc((a == b ? (size_t)1 : a->sets->n) * b->sets->n, sizeof(*numbers));
	if (numbers == NULL)
		return -ENOMEM;
	if (made == NULL) {
		w->m->tables.results[w->m->tables.n_groups++] = pair->out;
		rc = a == b ? sl_tables_find_lone_answers(&w->finder, b->sets, numbers)
			    : sl_tables_find_answers(&w->finder, a->sets, b->sets, numbers);
	} else {
		rc = sl_sets_init(&made->own, a->sets->words);
		if (rc == 0)
			rc = sl_sets_cross(&made->own, a->sets, 1, b->sets, numbers, &w->m->work);
		made->sets = &made->own;
		made->n = made->own.n;
		made->slot = pair->out;
	}
	pair->a = a->slot;
	pair->b = b->slot;
	if (rc == 0)
		rc = fill_matrix(w->m, a, b, numbers, &w->m->matrices[w->m->tables.n_pairs - 1]);
	free(numbers);
	return rc;
}

static struct work *
work_new(struct sl_tables_maker *m, const struct sl_tables_group *group)
{
	struct work *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->m = m;
	w->group = group;
	return w;
}

static void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	for (uint32_t i = 0; i < SL_TABLES_NODES_MAX; i++) {
		sl_sets_fini(&w->nodes[i].own);
		free(w->nodes[i].set_of);
	}
	sl_tables_finder_fini(&w->finder);
	free(w);
}

/* Pairs that all groups share: their sets are of all boxes, and every class is a set. */
static int
add_shared(struct sl_tables_maker *m)
{
	const struct sl_tables_plan *plan = &m->groups;
	struct work *w = work_new(m, NULL);
	int rc = w == NULL ? -ENOMEM : 0;

	for (uint32_t d = 0; d < m->dims.n && rc == 0; d++) {
		m->slots[d] = m->tables.elements[d].out;
		w->nodes[d] = (struct node){.sets = &m->dims.list[d].sets,
			.n = m->dims.list[d].sets.n,
			.slot = m->slots[d]};
	}
	for (uint32_t i = 0; i < plan->n_shared && rc == 0; i++) {
		struct node *made = &w->nodes[m->dims.n + i];

		rc = add_pair(w, &plan->shared[i], made);
		m->slots[m->dims.n + i] = made->slot;
	}
	work_free(w);
	return rc;
}

static int
add_group(struct sl_tables_maker *m, const struct sl_tables_group *group)
{
	const struct sl_tables_plan *plan = &m->groups;
	struct work *w = work_new(m, group);
	int rc = 0;

	if (w == NULL)
		return -ENOMEM;
	rc = sl_tables_finder_init(&w->finder, m);
	for (uint32_t i = 0; i < plan->n_leaves && rc == 0; i++)
		rc = load_leaf(w, plan->leaves[i]);
	for (uint32_t i = 0; i < group->n_merges && rc == 0; i++)
		rc = add_pair(w, &group->merges[i],
			i + 1 == group->n_merges ? NULL
						 : &w->nodes[m->dims.n + plan->n_shared + i]);
	work_free(w);
	return rc;
}

int
sl_tables_add_groups(struct sl_tables_maker *m)
{
	int rc = add_shared(m);

	for (uint32_t i = 0; i < m->groups.n_groups && rc == 0; i++)
		rc = add_group(m, &m->groups.groups[i]);
	return rc;
}
