/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/sl_policy.h"

#include "base/sl_map.h"
#include "policy/object.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A policy is one table per type of object.  Tables are shared between a policy and its clones and
 * copied by the first change, so that a transaction pays only for the types it touches.
 */

struct table {
	uint32_t n_shared; /* policies that use it; atomic */
	uint64_t next_id;
	struct sl_object **list; /* ascending run-time id */
	size_t n;
	size_t n_max;
	struct sl_map *by_key; /* key -> object */
};

struct sl_policy {
	struct table *tables[SL_OBJECT_TYPE_COUNT];
	bool out_of_memory; /* a removal could not be made */
};

static const struct {
	size_t max;
	enum sl_err code;
} limits[SL_OBJECT_TYPE_COUNT] = {
	[SL_OBJECT_PROVIDER] = {SL_POLICY_OBJECTS_MAX, SL_ERR_TOO_LARGE},
	[SL_OBJECT_SUBLAYER] = {SL_POLICY_SUBLAYERS_MAX, SL_ERR_TOO_MANY_SUBLAYERS},
	[SL_OBJECT_PROVIDER_CONTEXT] = {SL_POLICY_OBJECTS_MAX, SL_ERR_TOO_LARGE},
	[SL_OBJECT_SET] = {SL_POLICY_OBJECTS_MAX, SL_ERR_TOO_LARGE},
	[SL_OBJECT_CALLOUT] = {SL_POLICY_CALLOUTS_MAX, SL_ERR_TOO_MANY_CALLOUTS},
	[SL_OBJECT_FILTER] = {SL_POLICY_FILTERS_MAX, SL_ERR_TOO_MANY_FILTERS},
};

static const struct {
	const char *key;
	const char *name;
	const char *description;
	uint16_t weight;
} builtin_sublayers[] = {
	{"system", "System", "Protects the appliance's own management; evaluated first", 0xffff},
	{"antispoof", "Anti-spoofing", "Refuses addresses that cannot come from where they came",
		0xf000},
	{"firewall", "Firewall", "The firewall's own rules", 0x9000},
	{SL_SUBLAYER_UNIVERSAL, "Universal", "Where filters without a sublayer go", 0x8000},
	{SL_SUBLAYER_INSPECTION, "Inspection", "Takes inspection callouts only; evaluated last", 0},
};

/* --- Tables. --- */

static void
table_drop(struct table *table)
{
	if (table == NULL || __atomic_sub_fetch(&table->n_shared, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < table->n; i++)
		sl_object_put(table->list[i]);
	sl_map_free(table->by_key);
	free(table->list);
	free(table);
}

static struct table *
table_new(void)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->n_shared = 1;
	table->next_id = 1;
	table->by_key = sl_map_new(0);
	if (table->by_key == NULL) {
		free(table);
		return NULL;
	}
	return table;
}

static struct table *
table_copy(const struct table *table)
{
	struct table *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *table;
	copy->n_shared = 1;
	/* One place more: most copies are made in order to add something. */
	copy->n_max = table->n + 1;
	copy->list = malloc(copy->n_max * sizeof(struct sl_object *));
	copy->by_key = sl_map_clone(table->by_key);
	if (copy->list == NULL || copy->by_key == NULL) {
		free(copy->list);
		sl_map_free(copy->by_key);
		free(copy);
		return NULL;
	}
	for (size_t i = 0; i < table->n; i++)
		copy->list[i] = sl_object_get(table->list[i]);
	return copy;
}

/* The policy's table of a type for writing; NULL when out of memory. */
static struct table *
table_own(struct sl_policy *policy, enum sl_object_type type)
{
	struct table *table = policy->tables[type];
	struct table *copy;

	/* Nobody can begin to share a table of a policy that is being written to. */
	if (__atomic_load_n(&table->n_shared, __ATOMIC_ACQUIRE) == 1)
		return table;
	copy = table_copy(table);
	if (copy == NULL)
		return NULL;
	table_drop(table);
	policy->tables[type] = copy;
	return copy;
}

static bool
table_reserve(struct table *table)
{
	struct sl_object **list;
	size_t n_max;

	if (table->n < table->n_max)
		return true;
	n_max = table->n_max < 8 ? 8 : table->n_max * 2;
	list = reallocarray(table->list, n_max, sizeof(struct sl_object *));
	if (list == NULL)
		return false;
	table->list = list;
	table->n_max = n_max;
	return true;
}

/* Position of the object with this id, or of the first one behind it. */
static size_t
table_place(const struct table *table, uint64_t id)
{
	size_t low = 0;
	size_t high = table->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->list[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
table_remove(struct table *table, struct sl_object *object)
{
	size_t at = table_place(table, object->id);

	sl_map_remove(table->by_key, object->key);
	table->n--;
	memmove(&table->list[at], &table->list[at + 1],
		(table->n - at) * sizeof(struct sl_object *));
	sl_object_put(object);
}

/* --- Construction. --- */

static int
add_builtin_sublayers(struct sl_policy *policy)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(builtin_sublayers); i++) {
		struct sl_object *object = sl_object_new(SL_OBJECT_SUBLAYER);
		int rc;

		if (object == NULL)
			return -1;
		object->lifetime = SL_LIFETIME_BUILTIN;
		object->origin = SL_ORIGIN_ENGINE;
		object->key = strdup(builtin_sublayers[i].key);
		object->name = strdup(builtin_sublayers[i].name);
		object->description = strdup(builtin_sublayers[i].description);
		sl_sublayer_of(object)->weight = builtin_sublayers[i].weight;
		if (object->key == NULL || object->name == NULL || object->description == NULL)
			rc = -1;
		else
			rc = sl_policy_add(policy, object, NULL);
		if (rc != 0) {
			sl_object_put(object);
			return rc;
		}
	}
	return 0;
}

struct sl_policy *
sl_policy_new(void)
{
	struct sl_policy *policy = calloc(1, sizeof(*policy));

	if (policy == NULL)
		return NULL;
	for (size_t i = 0; i < SL_OBJECT_TYPE_COUNT; i++) {
		policy->tables[i] = table_new();
		if (policy->tables[i] == NULL)
			goto free_policy;
	}
	if (add_builtin_sublayers(policy) != 0)
		goto free_policy;
	return policy;
free_policy:
	sl_policy_free(policy);
	return NULL;
}

struct sl_policy *
sl_policy_clone(const struct sl_policy *policy)
{
	struct sl_policy *clone = malloc(sizeof(*clone));

	if (clone == NULL)
		return NULL;
	*clone = *policy;
	for (size_t i = 0; i < SL_OBJECT_TYPE_COUNT; i++)
		__atomic_add_fetch(&clone->tables[i]->n_shared, 1, __ATOMIC_RELAXED);
	return clone;
}

void
sl_policy_free(struct sl_policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < SL_OBJECT_TYPE_COUNT; i++)
		table_drop(policy->tables[i]);
	free(policy);
}

/* --- Reading. --- */

struct sl_object *
sl_policy_find(const struct sl_policy *policy, enum sl_object_type type, const char *key)
{
	return sl_map_find(policy->tables[type]->by_key, key);
}

struct sl_object *
sl_policy_find_id(const struct sl_policy *policy, enum sl_object_type type, uint64_t id)
{
	const struct table *table = policy->tables[type];
	size_t at = table_place(table, id);

	return at < table->n && table->list[at]->id == id ? table->list[at] : NULL;
}

size_t
sl_policy_len(const struct sl_policy *policy, enum sl_object_type type)
{
	return policy->tables[type]->n;
}

struct sl_object *const *
sl_policy_list(const struct sl_policy *policy, enum sl_object_type type, size_t *n)
{
	*n = policy->tables[type]->n;
	return policy->tables[type]->list;
}

bool
sl_policy_is_out_of_memory(const struct sl_policy *policy)
{
	return policy->out_of_memory;
}

/* --- Changing. --- */

static int
no_memory(struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory for the policy");
}

static int
append(struct sl_policy *policy, struct sl_object *object, struct sl_error *err)
{
	enum sl_object_type type = object->type;
	struct table *table;

	if (policy->tables[type]->n >= limits[type].max)
		return sl_error_set(err, limits[type].code, "",
			"the policy has %zu %s; that is the limit", limits[type].max,
			sl_object_type_plural(type));
	table = table_own(policy, type);
	if (table == NULL || !table_reserve(table))
		return no_memory(err);
	if (sl_map_put(table->by_key, object->key, object) != 0)
		return no_memory(err);
	object->id = table->next_id++;
	table->list[table->n++] = object;
	return 0;
}

int
sl_policy_add(struct sl_policy *policy, struct sl_object *object, struct sl_error *err)
{
	if (sl_policy_find(policy, object->type, object->key) != NULL)
		return sl_error_set(err, SL_ERR_ALREADY_EXISTS, "/key",
			"there is a %s with the key \"%s\" already",
			sl_object_type_name(object->type), object->key);
	return append(policy, object, err);
}

static int
builtin(const struct sl_object *object, struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_BUILTIN_OBJECT, "",
		"%s \"%s\" is built in and cannot be changed or deleted",
		sl_object_type_name(object->type), object->key);
}

int
sl_policy_put(struct sl_policy *policy, struct sl_object *object, struct sl_error *err)
{
	struct sl_object *old = sl_policy_find(policy, object->type, object->key);
	struct table *table;

	if (old == NULL)
		return append(policy, object, err);
	if (old->lifetime == SL_LIFETIME_BUILTIN)
		return builtin(old, err);
	table = table_own(policy, object->type);
	if (table == NULL)
		return no_memory(err);
	/* The map borrows the key of the object it leads to. */
	if (sl_map_put(table->by_key, object->key, object) != 0)
		return no_memory(err);
	object->id = old->id;
	table->list[table_place(table, old->id)] = object;
	sl_object_put(old);
	return 0;
}

/* --- Removing. --- */

int
sl_policy_delete(
	struct sl_policy *policy, enum sl_object_type type, const char *key, struct sl_error *err)
{
	struct sl_object *object = sl_policy_find(policy, type, key);
	struct table *table;
	int rc;

	if (object == NULL)
		return sl_error_set(err, sl_object_type_not_found(type), "",
			"there is no %s \"%.80s\"", sl_object_type_name(type), key);
	if (object->lifetime == SL_LIFETIME_BUILTIN)
		return builtin(object, err);
	rc = sl_policy_check_unused(policy, object, err);
	if (rc != 0)
		return rc;
	table = table_own(policy, type);
	if (table == NULL)
		return no_memory(err);
	table_remove(table, object);
	return 0;
}

void
sl_policy_remove(struct sl_policy *policy, enum sl_object_type type, const char *key)
{
	struct sl_object *object = sl_policy_find(policy, type, key);
	struct table *table;

	if (object == NULL || object->lifetime == SL_LIFETIME_BUILTIN)
		return;
	table = table_own(policy, type);
	if (table == NULL) {
		policy->out_of_memory = true;
		return;
	}
	table_remove(table, object);
}

void
sl_policy_remove_if(
	struct sl_policy *policy, enum sl_object_type type, sl_policy_choose_fn *fn, void *ctx)
{
	struct table *table = table_own(policy, type);
	size_t n_kept = 0;

	if (table == NULL) {
		policy->out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < table->n; i++) {
		struct sl_object *object = table->list[i];

		if (object->lifetime == SL_LIFETIME_BUILTIN || (fn != NULL && !fn(ctx, object))) {
			table->list[n_kept++] = object;
			continue;
		}
		sl_map_remove(table->by_key, object->key);
		sl_object_put(object);
	}
	table->n = n_kept;
}
