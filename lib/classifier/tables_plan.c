/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_plan.h"

#include "classifier/tables_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Elements of one field are merged for all groups if they have no more cells than that, */
#define SHARE_FIELD_MAX 1000000u
/* and other pairs as well if they are as small as this. */
#define SHARE_MAX 256u

/* --- Sets of a group. --- */

const struct sl_sets *
sl_tables_node_sets(const struct sl_tables_plan *plan, uint32_t node)
{
	const uint32_t n_dims = plan->dims->n;

	return node < n_dims ? &plan->dims->list[node].sets : &plan->shared_sets[node - n_dims];
}

int
sl_tables_group_sets(const struct sl_tables_plan *plan, const struct sl_tables_group *group,
	uint32_t node, struct sl_sets *out, uint32_t *set_of)
{
	const struct sl_sets *sets = sl_tables_node_sets(plan, node);
	uint64_t *members = calloc(sets->words, sizeof(*members));
	int rc = sl_sets_init(out, sets->words);

	if (members == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < sets->n && rc == 0; i++) {
		uint32_t number;

		for (uint32_t k = 0; k < sets->words; k++)
			members[k] = sl_sets_at(sets, i)[k] & group->members[k];
		rc = sl_sets_add(out, members, &number);
		if (set_of != NULL)
			set_of[i] = number;
	}
	free(members);
	return rc;
}

/* --- What groups share. --- */

/* The field of a node, or PARTS_MAX if it is of several. */
static uint32_t
part_of(const struct sl_tables_plan *plan, uint32_t node)
{
	const uint32_t n_dims = plan->dims->n;
	uint32_t a;

	if (node < n_dims)
		return plan->dims->list[node].part;
	a = part_of(plan, plan->shared[node - n_dims].a);
	return a == part_of(plan, plan->shared[node - n_dims].b) ? a : SL_KEY_PARTS_MAX;
}

/* True for a field of at most 16 bits, or what is merged of such. */
static bool
is_narrow(const struct sl_tables_plan *plan, uint32_t node)
{
	const uint32_t n_dims = plan->dims->n;

	if (node < n_dims)
		return plan->dims->list[node].is_narrow;
	return is_narrow(plan, plan->shared[node - n_dims].a) &&
		is_narrow(plan, plan->shared[node - n_dims].b);
}

/* The leaves with the fewest cells that may be shared; false when there are none. */
static bool
find_shared(const struct sl_tables_plan *plan, uint32_t *a, uint32_t *b)
{
	uint64_t fewest = UINT64_MAX;

	for (uint32_t i = 0; i < plan->n_leaves; i++) {
		const uint32_t part = part_of(plan, plan->leaves[i]);

		for (uint32_t k = i + 1; k < plan->n_leaves; k++) {
			const bool is_field =
				part != SL_KEY_PARTS_MAX && part_of(plan, plan->leaves[k]) == part;
			const bool are_narrow = is_narrow(plan, plan->leaves[i]) &&
				is_narrow(plan, plan->leaves[k]);
			const uint64_t cells =
				(uint64_t)sl_tables_node_sets(plan, plan->leaves[i])->n *
				sl_tables_node_sets(plan, plan->leaves[k])->n;

			if (cells >= fewest || (!is_field && !are_narrow) ||
				cells > (is_field ? SHARE_FIELD_MAX : SHARE_MAX))
				continue;
			fewest = cells;
			*a = i;
			*b = k;
		}
	}
	return fewest < UINT64_MAX;
}

static int
share_pairs(struct sl_tables_plan *plan, struct sl_tables_work *work)
{
	uint32_t a = 0;
	uint32_t b = 0;
	int rc = 0;

	plan->n_leaves = plan->dims->n;
	for (uint32_t i = 0; i < plan->n_leaves; i++)
		plan->leaves[i] = (uint8_t)i;
	while (rc == 0 && plan->n_leaves > 2 && find_shared(plan, &a, &b)) {
		const uint8_t node_a = plan->leaves[a];
		const uint8_t node_b = plan->leaves[b];
		const struct sl_sets *sets = sl_tables_node_sets(plan, node_a);
		struct sl_sets *both = &plan->shared_sets[plan->n_shared];

		plan->leaves[a] = (uint8_t)(plan->dims->n + plan->n_shared);
		plan->leaves[b] = plan->leaves[--plan->n_leaves];
		plan->shared[plan->n_shared++] = (struct sl_tables_merge){node_a, node_b};
		rc = sl_sets_init(both, sets->words);
		if (rc == 0)
			rc = sl_sets_cross(
				both, sets, 1, sl_tables_node_sets(plan, node_b), NULL, work);
	}
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

static void
add_member(struct sl_tables_group *group, uint32_t box)
{
	group->members[box / 64] |= (uint64_t)1 << box % 64;
	group->n++;
}

static int
divide(struct division *division, const struct sl_tables_group *group, const struct sl_dim *dim,
	uint32_t n_boxes)
{
	memset(division, 0, sizeof(*division));
	division->open.members = calloc(n_boxes / 64 + (size_t)1, sizeof(uint64_t));
	division->narrow.members = calloc(n_boxes / 64 + (size_t)1, sizeof(uint64_t));
	if (division->open.members == NULL || division->narrow.members == NULL)
		return -ENOMEM;
	for (uint32_t box = 0; box < n_boxes; box++) {
		if (group->members[box / 64] >> box % 64 & 1)
			add_member(sl_dim_is_open(dim, box) ? &division->open : &division->narrow,
				box);
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
try_division(struct division *division, const struct sl_tables_plan *plan,
	const struct sl_tables_group *group, uint32_t dim, uint64_t limit,
	struct sl_tables_work *work)
{
	int rc = divide(division, group, &plan->dims->list[dim], plan->dims->n_boxes);

	division->open.cost = division->narrow.cost = SL_TABLES_COST_NONE;
	if (rc != 0 || division->open.n == 0 || division->narrow.n == 0)
		return rc;
	rc = sl_tables_order_group(plan, &division->open, limit, work);
	if (rc == 0 && division->open.cost != SL_TABLES_COST_NONE)
		rc = sl_tables_order_group(
			plan, &division->narrow, limit - division->open.cost, work);
	return rc;
}

/* The best division of a group, if one brings its cost below the limit. */
static int
find_division(struct division *best, const struct sl_tables_plan *plan,
	const struct sl_tables_group *group, uint64_t limit, struct sl_tables_work *work)
{
	const struct sl_dims *dims = plan->dims;
	int rc = 0;

	memset(best, 0, sizeof(*best));
	best->open.cost = SL_TABLES_COST_NONE;
	for (uint32_t d = 0; d < dims->n && rc == 0; d++) {
		struct division division;

		if (!dims->list[d].is_first)
			continue;
		rc = try_division(&division, plan, group, d, limit, work);
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

/* Divides groups as long as it helps. */
static int
divide_groups(struct sl_tables_plan *plan, uint64_t cells_max, struct sl_tables_work *work)
{
	while (plan->n_groups < SL_TABLES_GROUPS_MAX) {
		struct sl_tables_group *group = largest_group(plan);
		struct division best;
		const uint64_t limit =
			group->cost == SL_TABLES_COST_NONE ? 16 * cells_max : group->cost;
		const int rc = find_division(&best, plan, group, limit, work);

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

	plan->dims = dims;
	plan->n_groups = 1;
	all->members = calloc(dims->n_boxes / 64 + (size_t)1, sizeof(*all->members));
	if (all->members == NULL)
		return -ENOMEM;
	for (uint32_t box = 0; box < dims->n_boxes; box++)
		add_member(all, box);
	rc = share_pairs(plan, work);
	if (rc == 0)
		rc = sl_tables_order_group(plan, all, 16 * cells_max, work);
	if (rc == 0)
		rc = divide_groups(plan, cells_max, work);
	if (rc == 0 && plan_cost(plan) == SL_TABLES_COST_NONE)
		rc = -E2BIG;
	return rc;
}

void
sl_tables_plan_fini(struct sl_tables_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_groups; i++)
		group_fini(&plan->groups[i]);
	for (uint32_t i = 0; i < plan->n_shared; i++)
		sl_sets_fini(&plan->shared_sets[i]);
	plan->n_groups = 0;
	plan->n_shared = 0;
}
