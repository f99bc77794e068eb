/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Tables of so many cells are not worth another group, which costs every packet some look-ups. */
#define CELLS_GOOD 131072u
/* Pairs of more cells are not tried out before they must be. */
#define TRY_MAX 16384u
/* ... and more cells than these never. */
#define PAIR_MAX 400000u

/* --- Sets of a group. --- */

int
sl_tables_group_sets(const struct sl_tables_group *group, const struct sl_dims *dims, uint32_t dim,
	struct sl_sets *out, uint32_t *numbers)
{
	uint32_t *index_of = malloc((dims->n_boxes + (size_t)1) * sizeof(*index_of));
	int rc = sl_sets_init(out, group->n / 64 + 1);

	if (index_of == NULL)
		rc = -ENOMEM;
	if (rc == 0) {
		memset(index_of, 0xff, dims->n_boxes * sizeof(*index_of));
		for (uint32_t i = 0; i < group->n; i++)
			index_of[group->members[i]] = i;
		rc = sl_dim_sets(&dims->list[dim], dims->n_boxes, index_of, out, numbers);
	}
	free(index_of);
	return rc;
}

/* --- The order of pairs. --- */

/* A group's nodes while the order is sought. */
struct search {
	const struct sl_dims *dims;
	struct sl_tables_group *group;
	struct sl_tables_work *work;
	struct sl_sets sets[SL_TABLES_NODES_MAX];
	uint32_t n_nodes;
	uint8_t open[SL_DIMS_MAX]; /* nodes that are not merged yet */
	uint32_t n_open;
	uint64_t limit; /* cells from which on the group is of no interest */
	uint64_t cost;  /* cells so far */
	/* By two nodes: how many classes they have together; 0: not known. */
	uint32_t joint[SL_TABLES_NODES_MAX][SL_TABLES_NODES_MAX];
};

static int
load_nodes(struct search *s)
{
	s->n_nodes = s->dims->n;
	for (uint32_t d = 0; d < s->dims->n; d++) {
		uint32_t *numbers = calloc(s->dims->list[d].n + (size_t)1, sizeof(*numbers));
		int rc = numbers == NULL ? -ENOMEM : 0;

		if (rc == 0)
			rc = sl_tables_group_sets(s->group, s->dims, d, &s->sets[d], numbers);
		free(numbers);
		if (rc != 0)
			return rc;
		s->work->left -= (int64_t)s->dims->list[d].n * (s->sets[d].words + 1);
		if (s->sets[d].n > 1)
			s->open[s->n_open++] = (uint8_t)d;
	}
	return s->work->left < 0 ? -E2BIG : 0;
}

static uint64_t
cells_of(const struct search *s, uint32_t a, uint32_t b)
{
	return (uint64_t)s->sets[a].n * s->sets[b].n;
}

/* Counts the classes of two nodes together; COST_NONE where there are too many cells to count. */
static int
count_joint(struct search *s, uint32_t a, uint32_t b, uint64_t cells_max, uint64_t *n)
{
	struct sl_sets both;
	int rc;

	*n = s->joint[a][b];
	if (*n > 0)
		return 0;
	*n = SL_TABLES_COST_NONE;
	if (cells_of(s, a, b) > cells_max)
		return 0;
	rc = sl_sets_init(&both, s->sets[a].words);
	if (rc == 0)
		rc = sl_sets_cross(&both, &s->sets[a], &s->sets[b], NULL, s->work);
	if (rc == 0)
		*n = s->joint[a][b] = s->joint[b][a] = both.n;
	sl_sets_fini(&both);
	/* Too many sets are only this pair's fault. */
	return rc == -E2BIG && s->work->left >= 0 ? 0 : rc;
}

/* Merges the open nodes at two positions, a before b. */
static int
merge(struct search *s, uint32_t a, uint32_t b)
{
	struct sl_tables_group *group = s->group;
	const uint8_t node_a = s->open[a];
	const uint8_t node_b = s->open[b];
	const uint32_t made = s->n_nodes++;

	group->merges[group->n_merges++] = (struct sl_tables_merge){node_a, node_b};
	s->cost += cells_of(s, node_a, node_b);
	s->open[a] = (uint8_t)made;
	s->open[b] = s->open[--s->n_open];
	if (s->n_open == 1)
		return 0; /* the cells are the answer */
	if (sl_sets_init(&s->sets[made], s->sets[node_a].words) != 0)
		return -ENOMEM;
	return sl_sets_cross(&s->sets[made], &s->sets[node_a], &s->sets[node_b], NULL, s->work);
}

/* Two positions in the list of open nodes. */
struct choice {
	uint32_t a;
	uint32_t b;
	uint64_t score; /* the lower the better */
};

/*
 * How good a pair is, while there are many nodes: a pair that hardly has more classes than one of
 * its nodes is nearly free of charge for all that follows.
 */
static int
rate_early(struct search *s, struct choice *choice)
{
	const uint32_t a = s->open[choice->a];
	const uint32_t b = s->open[choice->b];
	uint64_t n;
	const int rc = count_joint(s, a, b, TRY_MAX, &n);

	if (n == SL_TABLES_COST_NONE)
		n = cells_of(s, a, b);
	choice->score = n * SL_MIN(s->sets[a].n, s->sets[b].n);
	return rc;
}

/* With three nodes left: all cells that are yet to come. */
static int
rate_late(struct search *s, struct choice *choice)
{
	const uint32_t a = s->open[choice->a];
	const uint32_t b = s->open[choice->b];
	const uint32_t c = s->open[3 - choice->a - choice->b];
	const uint64_t cells = cells_of(s, a, b);
	uint64_t n;
	const uint64_t left = s->limit > s->cost ? s->limit - s->cost : 0;
	const int rc = count_joint(s, a, b, SL_MIN((uint64_t)PAIR_MAX, left), &n);

	choice->score = n == SL_TABLES_COST_NONE ? n : cells + n * s->sets[c].n;
	return rc;
}

static int
choose(struct search *s, struct choice *best)
{
	best->score = SL_TABLES_COST_NONE;
	for (uint32_t a = 0; a < s->n_open; a++) {
		for (uint32_t b = a + 1; b < s->n_open; b++) {
			struct choice choice = {.a = a, .b = b};
			const int rc =
				s->n_open == 3 ? rate_late(s, &choice) : rate_early(s, &choice);

			if (rc != 0)
				return rc;
			if (choice.score < best->score)
				*best = choice;
		}
	}
	return 0;
}

static int
search_order(struct search *s)
{
	int rc = load_nodes(s);

	/* One node, or none, is a table with a single row. */
	if (rc == 0 && s->n_open <= 1) {
		const uint8_t node = s->n_open == 1 ? s->open[0] : 0;

		s->group->merges[s->group->n_merges++] = (struct sl_tables_merge){node, node};
		s->cost = s->sets[node].n;
	}
	while (rc == 0 && s->n_open > 1) {
		struct choice best = {.a = 0, .b = 1, .score = 0};

		if (s->n_open > 2)
			rc = choose(s, &best);
		if (rc == 0 && (best.score == SL_TABLES_COST_NONE || s->cost >= s->limit)) {
			s->cost = SL_TABLES_COST_NONE;
			return 0;
		}
		if (rc == 0)
			rc = merge(s, best.a, best.b);
	}
	return rc;
}

/* Finds the order of a group. Its cost is NONE when it is not below the limit. */
static int
plan_group(struct sl_tables_group *group, const struct sl_dims *dims, uint64_t limit,
	struct sl_tables_work *work)
{
	struct search *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->dims = dims;
	s->group = group;
	s->work = work;
	s->limit = limit;
	group->n_merges = 0;
	rc = search_order(s);
	if (rc == -E2BIG && work->left >= 0) {
		s->cost = SL_TABLES_COST_NONE;
		rc = 0;
	}
	group->cost = s->cost < limit ? s->cost : SL_TABLES_COST_NONE;
	for (uint32_t i = 0; i < s->n_nodes; i++)
		sl_sets_fini(&s->sets[i]);
	free(s);
	return rc;
}

/* --- Division. --- */

static void
group_fini(struct sl_tables_group *group)
{
	free(group->members);
	memset(group, 0, sizeof(*group));
}

/* Two groups out of one. */
struct division {
	struct sl_tables_group open; /* boxes that leave the dimension open */
	struct sl_tables_group narrow;
};

static void
division_fini(struct division *division)
{
	group_fini(&division->open);
	group_fini(&division->narrow);
}

static int
divide(struct division *division, const struct sl_tables_group *group, const struct sl_dim *dim)
{
	memset(division, 0, sizeof(*division));
	division->open.members = calloc(group->n + (size_t)1, sizeof(uint32_t));
	division->narrow.members = calloc(group->n + (size_t)1, sizeof(uint32_t));
	if (division->open.members == NULL || division->narrow.members == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < group->n; i++) {
		struct sl_tables_group *to = sl_dim_is_open(dim, group->members[i])
			? &division->open
			: &division->narrow;

		to->members[to->n++] = group->members[i];
	}
	return 0;
}

static uint64_t
division_cost(const struct division *division)
{
	if (division->open.cost == SL_TABLES_COST_NONE ||
		division->narrow.cost == SL_TABLES_COST_NONE)
		return SL_TABLES_COST_NONE;
	return division->open.cost + division->narrow.cost;
}

/* The group's division at a dimension; its cost is NONE when it is not below the limit. */
static int
try_division(struct division *division, const struct sl_tables_group *group,
	const struct sl_dims *dims, uint32_t dim, uint64_t limit, struct sl_tables_work *work)
{
	int rc = divide(division, group, &dims->list[dim]);

	division->open.cost = division->narrow.cost = SL_TABLES_COST_NONE;
	if (rc != 0 || division->open.n == 0 || division->narrow.n == 0)
		return rc;
	rc = plan_group(&division->open, dims, limit, work);
	if (rc == 0 && division->open.cost != SL_TABLES_COST_NONE)
		rc = plan_group(&division->narrow, dims, limit - division->open.cost, work);
	return rc;
}

/* The best division of a group, if one brings its cost below the limit. */
static int
find_division(struct division *best, const struct sl_tables_group *group,
	const struct sl_dims *dims, uint64_t limit, struct sl_tables_work *work)
{
	int rc = 0;

	memset(best, 0, sizeof(*best));
	best->open.cost = SL_TABLES_COST_NONE;
	for (uint32_t d = 0; d < dims->n && rc == 0; d++) {
		struct division division;

		if (!dims->list[d].is_first)
			continue;
		rc = try_division(&division, group, dims, d, limit, work);
		if (rc == 0 && division_cost(&division) < limit) {
			limit = division_cost(&division);
			division_fini(best);
			*best = division;
		} else {
			division_fini(&division);
		}
	}
	return rc;
}

static uint64_t
plan_cost(const struct sl_tables_plan *plan)
{
	uint64_t cost = 0;

	for (uint32_t i = 0; i < plan->n_groups; i++) {
		if (plan->groups[i].cost == SL_TABLES_COST_NONE)
			return SL_TABLES_COST_NONE;
		cost += plan->groups[i].cost;
	}
	return cost;
}

static struct sl_tables_group *
largest_group(struct sl_tables_plan *plan)
{
	struct sl_tables_group *largest = &plan->groups[0];

	for (uint32_t i = 1; i < plan->n_groups; i++) {
		if (plan->groups[i].cost > largest->cost)
			largest = &plan->groups[i];
	}
	return largest;
}

/* Divides groups as long as it helps much. */
static int
divide_groups(struct sl_tables_plan *plan, const struct sl_dims *dims, uint64_t cells_max,
	struct sl_tables_work *work)
{
	while (plan->n_groups < SL_TABLES_GROUPS_MAX && plan_cost(plan) > CELLS_GOOD) {
		struct sl_tables_group *group = largest_group(plan);
		struct division best;
		const uint64_t limit =
			group->cost == SL_TABLES_COST_NONE ? 4 * cells_max : group->cost / 4 * 3;
		const int rc = find_division(&best, group, dims, limit, work);

		if (rc != 0 || division_cost(&best) == SL_TABLES_COST_NONE) {
			division_fini(&best);
			return rc;
		}
		group_fini(group);
		*group = best.open;
		plan->groups[plan->n_groups++] = best.narrow;
	}
	return 0;
}

int
sl_tables_plan_make(struct sl_tables_plan *plan, const struct sl_dims *dims, uint64_t cells_max,
	struct sl_tables_work *work)
{
	struct sl_tables_group *all = &plan->groups[0];
	int rc;

	plan->n_groups = 1;
	all->members = calloc(dims->n_boxes + (size_t)1, sizeof(*all->members));
	if (all->members == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < dims->n_boxes; i++)
		all->members[all->n++] = i;
	rc = plan_group(all, dims, 16 * cells_max, work);
	if (rc == 0)
		rc = divide_groups(plan, dims, cells_max, work);
	if (rc == 0 && plan_cost(plan) > cells_max)
		rc = -E2BIG;
	return rc;
}

void
sl_tables_plan_fini(struct sl_tables_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_groups; i++)
		group_fini(&plan->groups[i]);
	plan->n_groups = 0;
}
