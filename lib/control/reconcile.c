/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/reconcile.h"

#include "control/control.h"
#include "control/equal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum fate {
	FATE_KEEP,    /* the object in force says the same */
	FATE_REPLACE, /* another object under a key that is in force */
	FATE_MOVE,    /* made anew, for its place among equals */
	FATE_ADD
};

/* One object of the fresh policy. */
struct item {
	struct sl_object *fresh;     /* a reference */
	const struct sl_object *old; /* of the same key; NULL: none */
	uint64_t fresh_id;
	enum fate fate;
};

/* The objects of one type, in the order of the fresh policy. */
struct plan {
	struct item *items;
	size_t n;
};

struct reconciliation {
	struct sl_policy *policy;
	struct sl_policy *fresh; /* NULL once nothing is asked of it any more */
	const struct scope *scope;
	struct plan plans[SL_OBJECT_TYPE_COUNT];
};

bool
sl_control_scope_has(const struct scope *scope, const struct sl_object *object)
{
	const char *owner = object->type == SL_OBJECT_PROVIDER ? object->key : object->provider;

	if (object->lifetime == SL_LIFETIME_BUILTIN)
		return false;
	if (scope->files_only && object->origin != SL_ORIGIN_FILE)
		return false;
	return scope->provider == NULL || (owner != NULL && strcmp(owner, scope->provider) == 0);
}

/* --- Planning. --- */

static enum fate
fate_of(const struct scope *scope, const struct sl_object *fresh, const struct sl_object *old)
{
	if (old == NULL)
		return FATE_ADD;
	/* What a file says belongs to the file from now on, whoever said it before. */
	if (scope->files_only && old->origin != fresh->origin)
		return FATE_REPLACE;
	return sl_control_object_equal(fresh, old) ? FATE_KEEP : FATE_REPLACE;
}

static int
plan_type(struct reconciliation *run, enum sl_object_type type)
{
	struct plan *plan = &run->plans[type];
	const struct sl_object *object = sl_policy_next(run->fresh, type, 0);

	plan->items = calloc(sl_policy_len(run->fresh, type) + 1, sizeof(*plan->items));
	if (plan->items == NULL)
		return -ENOMEM;
	for (; object != NULL; object = sl_policy_next(run->fresh, type, object->id)) {
		struct item *item = &plan->items[plan->n];

		if (!sl_control_scope_has(run->scope, object))
			continue;
		item->fresh = sl_object_get(object);
		item->fresh_id = object->id;
		item->old = sl_policy_find(run->policy, type, object->key);
		item->fate = fate_of(run->scope, item->fresh, item->old);
		plan->n++;
	}
	return 0;
}

/* --- Ties. --- */

/* The id an item will have if nothing is done about it; new ones come behind all others. */
static uint64_t
coming_id(const struct item *item)
{
	return item->old != NULL ? item->old->id : UINT64_MAX;
}

/* True when the order of ids will be that of the plan. */
static bool
is_in_order(const struct plan *plan)
{
	for (size_t i = 1; i < plan->n; i++) {
		if (coming_id(&plan->items[i]) < coming_id(&plan->items[i - 1]))
			return false;
	}
	return true;
}

static int
compare_rivals(const struct sl_object *a, const struct sl_object *b)
{
	const struct sl_filter *left, *right;

	if (a->type == SL_OBJECT_SUBLAYER)
		return (int)sl_sublayer_of(a)->weight - (int)sl_sublayer_of(b)->weight;
	left = sl_filter_of(a);
	right = sl_filter_of(b);
	if (left->layer != right->layer)
		return left->layer->id < right->layer->id ? -1 : 1;
	if (left->effective_weight != right->effective_weight)
		return left->effective_weight < right->effective_weight ? -1 : 1;
	return strcmp(left->sublayer, right->sublayer);
}

/* Equals stand together, in the order of the plan. */
static int
compare_items(const void *a, const void *b)
{
	const struct item *left = *(struct item *const *)a;
	const struct item *right = *(struct item *const *)b;
	int order = compare_rivals(left->fresh, right->fresh);

	return order != 0 ? order : (left < right ? -1 : 1);
}

static void
move_behind(struct item **sorted, size_t n)
{
	uint64_t last = 0;

	for (size_t i = 0; i < n; i++) {
		struct item *item = sorted[i];

		if (i > 0 && compare_rivals(sorted[i - 1]->fresh, item->fresh) != 0)
			last = 0;
		if (coming_id(item) < last)
			item->fate = FATE_MOVE;
		last = item->fate == FATE_MOVE ? UINT64_MAX : coming_id(item);
	}
}

static int
order_equals(struct plan *plan)
{
	struct item **sorted;

	if (is_in_order(plan))
		return 0;
	sorted = calloc(plan->n, sizeof(struct item *));
	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n; i++)
		sorted[i] = &plan->items[i];
	qsort(sorted, plan->n, sizeof(struct item *), compare_items);
	move_behind(sorted, plan->n);
	free(sorted);
	return 0;
}

static int
make_plans(struct reconciliation *run)
{
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++) {
		if (plan_type(run, (enum sl_object_type)type) != 0)
			return -ENOMEM;
	}
	if (order_equals(&run->plans[SL_OBJECT_SUBLAYER]) != 0)
		return -ENOMEM;
	return order_equals(&run->plans[SL_OBJECT_FILTER]);
}

/* --- Carrying out. --- */

static int
compare_fresh_id(const void *key, const void *element)
{
	uint64_t id = *(const uint64_t *)key;
	const struct item *item = element;

	return (id > item->fresh_id) - (id < item->fresh_id);
}

/* An object in force goes when the fresh policy has none of its key, or has it elsewhere. */
static bool
must_go(void *ctx, const struct sl_object *object)
{
	const struct reconciliation *run = ctx;
	const struct plan *plan = &run->plans[object->type];
	const struct sl_object *fresh = sl_policy_find(run->fresh, object->type, object->key);
	const struct item *item;

	if (fresh == NULL)
		return sl_control_scope_has(run->scope, object);
	item = bsearch(&fresh->id, plan->items, plan->n, sizeof(*plan->items), compare_fresh_id);
	return item != NULL && item->fate == FATE_MOVE;
}

/* True when some object of the type goes: a type that is not touched stays shared. */
static bool
any_must_go(struct reconciliation *run, enum sl_object_type type)
{
	const struct sl_object *object = sl_policy_next(run->policy, type, 0);

	for (; object != NULL; object = sl_policy_next(run->policy, type, object->id)) {
		if (must_go(run, object))
			return true;
	}
	return false;
}

static int
put_item(struct sl_policy *policy, const struct item *item, struct sl_error *err)
{
	int rc = 0;

	sl_object_get(item->fresh);
	if (item->fate == FATE_REPLACE)
		rc = sl_policy_put(policy, item->fresh, err);
	else
		rc = sl_policy_add(policy, item->fresh, err);
	if (rc != 0)
		sl_object_put(item->fresh);
	return rc;
}

static int
carry_out(struct reconciliation *run, struct sl_error *err)
{
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++) {
		if (any_must_go(run, (enum sl_object_type)type))
			sl_policy_remove_if(run->policy, (enum sl_object_type)type, must_go, run);
	}
	/* An object is in one policy at a time: its run-time id is that policy's. */
	sl_policy_free(run->fresh);
	run->fresh = NULL;
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++) {
		const struct plan *plan = &run->plans[type];

		for (size_t i = 0; i < plan->n; i++) {
			int rc = 0;

			if (plan->items[i].fate != FATE_KEEP)
				rc = put_item(run->policy, &plan->items[i], err);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static void
plan_fini(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		sl_object_put(plan->items[i].fresh);
	free(plan->items);
}

int
sl_control_reconcile(struct sl_policy *policy, struct sl_policy *fresh, const struct scope *scope,
	struct sl_problems *problems)
{
	struct reconciliation run = {.policy = policy, .fresh = fresh, .scope = scope};
	struct sl_error err = {0};
	int rc;

	if (make_plans(&run) != 0) {
		rc = sl_control_no_memory(problems);
	} else {
		rc = carry_out(&run, &err);
		if (rc != 0)
			sl_control_fail(problems, &err, rc);
	}
	sl_policy_free(run.fresh);
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++)
		plan_fini(&run.plans[type]);
	return rc;
}
