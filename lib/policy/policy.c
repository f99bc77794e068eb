/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/sl_policy.h"

#include "base/sl_map.h"
#include "policy/object.h"
#include "policy/policy.h"
#include "policy/table.h"

#include <stdlib.h>
#include <string.h>

struct sl_policy {
	struct table tables[SL_OBJECT_TYPE_COUNT];
	struct sl_object **lists[SL_OBJECT_TYPE_COUNT]; /* see sl_policy_list; atomic */
	bool out_of_memory;                             /* a removal could not be made */
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
		if (sl_table_init(&policy->tables[i]) != 0)
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
	struct sl_policy *clone = calloc(1, sizeof(*clone));

	if (clone == NULL)
		return NULL;
	for (size_t i = 0; i < SL_OBJECT_TYPE_COUNT; i++)
		sl_table_share(&policy->tables[i], &clone->tables[i]);
	clone->out_of_memory = policy->out_of_memory;
	return clone;
}

void
sl_policy_free(struct sl_policy *policy)
{
	if (policy == NULL)
		return;
	for (size_t i = 0; i < SL_OBJECT_TYPE_COUNT; i++) {
		sl_table_drop(&policy->tables[i]);
		free(policy->lists[i]);
	}
	free(policy);
}

/* --- Reading. --- */

struct sl_object *
sl_policy_find(const struct sl_policy *policy, enum sl_object_type type, const char *key)
{
	return sl_table_find(&policy->tables[type], key);
}

struct sl_object *
sl_policy_find_id(const struct sl_policy *policy, enum sl_object_type type, uint64_t id)
{
	return sl_trie_find(&policy->tables[type].by_id, id);
}

size_t
sl_policy_len(const struct sl_policy *policy, enum sl_object_type type)
{
	return policy->tables[type].n;
}

struct sl_object *
sl_policy_next(const struct sl_policy *policy, enum sl_object_type type, uint64_t id)
{
	return id == UINT64_MAX ? NULL : sl_trie_next(&policy->tables[type].by_id, id + 1);
}

static struct sl_object **
make_list(const struct sl_policy *policy, enum sl_object_type type)
{
	struct sl_object **list = calloc(policy->tables[type].n, sizeof(struct sl_object *));
	struct sl_object *object = sl_policy_next(policy, type, 0);

	for (size_t i = 0; list != NULL && object != NULL; i++) {
		list[i] = object;
		object = sl_policy_next(policy, type, object->id);
	}
	return list;
}

struct sl_object *const *
sl_policy_list(const struct sl_policy *policy, enum sl_object_type type, size_t *n)
{
	struct sl_object ***place = (struct sl_object ***)(uintptr_t)&policy->lists[type];
	struct sl_object **list = __atomic_load_n(place, __ATOMIC_ACQUIRE);
	struct sl_object **first = NULL;

	*n = policy->tables[type].n;
	if (list == NULL && *n > 0) {
		list = make_list(policy, type);
		/* Several may read, and make the list, at a time: theirs is the one that was first. */
		if (list != NULL &&
			!__atomic_compare_exchange_n(
				place, &first, list, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
			free(list);
			list = first;
		}
	}
	if (list == NULL)
		*n = 0;
	return list;
}

int
sl_policy_diff(const struct sl_policy *before, const struct sl_policy *after,
	enum sl_object_type type, sl_policy_diff_fn *fn, void *ctx)
{
	return sl_trie_diff(&before->tables[type].by_id, &after->tables[type].by_id, fn, ctx);
}

static int
stop(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	(void)ctx;
	(void)before;
	(void)after;
	return 1;
}

bool
sl_policy_is_same(
	const struct sl_policy *before, const struct sl_policy *after, enum sl_object_type type)
{
	return sl_policy_diff(before, after, type, stop, NULL) == 0;
}

bool
sl_policy_is_out_of_memory(const struct sl_policy *policy)
{
	return policy->out_of_memory;
}

/* --- Changing. --- */

/* The table of a type for writing: what was made of it before is no longer true. */
static struct table *
table_of(struct sl_policy *policy, enum sl_object_type type)
{
	free(policy->lists[type]);
	policy->lists[type] = NULL;
	return &policy->tables[type];
}

static int
no_memory(struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory for the policy");
}

static int
append(struct sl_policy *policy, struct sl_object *object, struct sl_error *err)
{
	enum sl_object_type type = object->type;

	if (policy->tables[type].n >= limits[type].max)
		return sl_error_set(err, limits[type].code, "",
			"the policy has %zu %s; that is the limit", limits[type].max,
			sl_object_type_plural(type));
	return sl_table_add(table_of(policy, type), object) != 0 ? no_memory(err) : 0;
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

	if (old == NULL)
		return append(policy, object, err);
	if (old->lifetime == SL_LIFETIME_BUILTIN)
		return builtin(old, err);
	if (sl_table_replace(table_of(policy, object->type), old, object) != 0)
		return no_memory(err);
	return 0;
}

/* --- Removing. --- */

int
sl_policy_delete(
	struct sl_policy *policy, enum sl_object_type type, const char *key, struct sl_error *err)
{
	struct sl_object *object = sl_policy_find(policy, type, key);
	int rc;

	if (object == NULL)
		return sl_error_set(err, sl_object_type_not_found(type), "",
			"there is no %s \"%.80s\"", sl_object_type_name(type), key);
	if (object->lifetime == SL_LIFETIME_BUILTIN)
		return builtin(object, err);
	rc = sl_policy_check_unused(policy, object, err);
	if (rc != 0)
		return rc;
	return sl_table_remove(table_of(policy, type), object) != 0 ? no_memory(err) : 0;
}

void
sl_policy_remove(struct sl_policy *policy, enum sl_object_type type, const char *key)
{
	struct sl_object *object = sl_policy_find(policy, type, key);

	if (object == NULL || object->lifetime == SL_LIFETIME_BUILTIN)
		return;
	if (sl_table_remove(table_of(policy, type), object) != 0)
		policy->out_of_memory = true;
}

void
sl_policy_remove_if(
	struct sl_policy *policy, enum sl_object_type type, sl_policy_choose_fn *fn, void *ctx)
{
	struct table *table = table_of(policy, type);
	struct sl_object *object = sl_policy_next(policy, type, 0);

	while (object != NULL && !policy->out_of_memory) {
		const uint64_t id = object->id;

		if (object->lifetime != SL_LIFETIME_BUILTIN && (fn == NULL || fn(ctx, object)) &&
			sl_table_remove(table, object) != 0)
			policy->out_of_memory = true;
		object = sl_policy_next(policy, type, id);
	}
}
