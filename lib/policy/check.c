/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/object.h"
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

#define KEYS_NAMED 8 /* in texts that say what there is */

struct check {
	const struct sl_policy *policy;
	sl_policy_pointer_fn *pointer;
	void *ctx;
	struct sl_problems *problems;
	size_t n_faults;
	/* The last object found of each type: neighbours mostly refer to the same. */
	const struct sl_object *last[SL_OBJECT_TYPE_COUNT];
};

static const char *const lifetime_names[] = {
	[SL_LIFETIME_STATIC] = "static",
	[SL_LIFETIME_PERSISTENT] = "persistent",
	[SL_LIFETIME_DYNAMIC] = "dynamic",
	[SL_LIFETIME_BUILTIN] = "built-in",
};

/* Where faults of an object go. The buffer must outlive the result. */
static struct sl_faults
faults_of(struct check *check, const struct sl_object *object, char *pointer, size_t size)
{
	const char *given = check->pointer != NULL ? check->pointer(check->ctx, object) : NULL;

	if (given != NULL)
		snprintf(pointer, size, "%s", given);
	else
		snprintf(pointer, size, "/%s/%s", sl_object_type_plural(object->type), object->key);
	check->n_faults++;
	return (struct sl_faults){.problems = check->problems, .pointer = pointer};
}

/* Names some of the objects there are. */
static void
list_keys(const struct sl_policy *policy, enum sl_object_type type, struct sl_buf *text)
{
	const size_t n = sl_policy_len(policy, type);
	const struct sl_object *object = sl_policy_next(policy, type, 0);

	if (n == 0) {
		sl_buf_add_text(text, "there are none");
		return;
	}
	sl_buf_add_text(text, "there are ");
	for (size_t i = 0; object != NULL && i < KEYS_NAMED; i++) {
		sl_buf_printf(text, "%s\"%s\"", i > 0 ? ", " : "", object->key);
		object = sl_policy_next(policy, type, object->id);
	}
	if (n > KEYS_NAMED)
		sl_buf_printf(text, " and %zu more", n - KEYS_NAMED);
}

static void
fault_missing(struct check *check, const struct sl_object *from, const char *member,
	enum sl_object_type type, const char *key)
{
	char pointer[256];
	struct sl_faults faults = faults_of(check, from, pointer, sizeof(pointer));
	struct sl_buf text = {0};

	list_keys(check->policy, type, &text);
	sl_fault_add(&faults, sl_object_type_not_found(type), member,
		"there is no %s \"%.80s\"; %s", sl_object_type_name(type), key, sl_buf_text(&text));
	sl_buf_fini(&text);
}

/* Whose an object is: a provider is its own. */
static const char *
owner_of(const struct sl_object *object)
{
	return object->type == SL_OBJECT_PROVIDER ? object->key : object->provider;
}

/*
 * WFP section 5.4: an object may not refer to something that may die earlier.  Why this does, or
 * NULL.  An object without provider is nobody's, and nobody will take it away with his own.
 */
static const char *
lifetime_fault(const struct sl_object *from, const struct sl_object *to)
{
	const char *from_owner = owner_of(from);
	const char *to_owner = owner_of(to);

	if (to->lifetime == SL_LIFETIME_BUILTIN || from->lifetime == SL_LIFETIME_DYNAMIC)
		return NULL;
	if (to->lifetime == SL_LIFETIME_DYNAMIC)
		return "which lives no longer than its session";
	if (from->lifetime != SL_LIFETIME_PERSISTENT)
		return NULL;
	if (to->lifetime == SL_LIFETIME_STATIC)
		return "which does not survive a restart";
	if (from_owner != NULL && to_owner != NULL && strcmp(from_owner, to_owner) != 0)
		return "which belongs to another provider and may be removed with it";
	return NULL;
}

/* Finds what `from` refers to and checks that it may; NULL, and a fault, when it does not exist. */
static const struct sl_object *
resolve(struct check *check, const struct sl_object *from, const char *member,
	enum sl_object_type type, const char *key)
{
	const struct sl_object *to = check->last[type];
	const char *fault;

	if (to == NULL || strcmp(to->key, key) != 0)
		to = sl_policy_find(check->policy, type, key);
	if (to == NULL) {
		fault_missing(check, from, member, type, key);
		return NULL;
	}
	check->last[type] = to;
	fault = lifetime_fault(from, to);
	if (fault != NULL) {
		char pointer[256];
		struct sl_faults faults = faults_of(check, from, pointer, sizeof(pointer));

		sl_fault_add(&faults, SL_ERR_LIFETIME_MISMATCH, member,
			"this %s %s refers to the %s %s \"%s\", %s", lifetime_names[from->lifetime],
			sl_object_type_name(from->type), lifetime_names[to->lifetime],
			sl_object_type_name(type), to->key, fault);
	}
	return to;
}

static void
check_callout(struct check *check, const struct sl_filter *filter)
{
	const struct sl_object *object = resolve(
		check, &filter->object, "/action/callout", SL_OBJECT_CALLOUT, filter->callout);
	const struct sl_callout_object *callout;
	char pointer[256];
	struct sl_faults faults;

	if (object == NULL)
		return;
	callout = sl_callout_object_of(object);
	if (callout->layer == filter->layer)
		return;
	faults = faults_of(check, &filter->object, pointer, sizeof(pointer));
	sl_fault_add(&faults, SL_ERR_INCOMPATIBLE_LAYER, "/action/callout",
		"callout \"%s\" is for layer \"%s\", this filter is at \"%s\"", object->key,
		callout->layer->name, filter->layer->name);
}

static void
check_set(struct check *check, const struct sl_filter *filter, size_t i)
{
	const struct sl_condition *condition = &filter->conditions[i];
	const struct sl_layer_field *field =
		sl_layer_field_by_id(filter->layer, condition->field, NULL);
	const struct sl_object *object;
	enum sl_set_type wanted;
	char pointer[256];
	char member[64];
	struct sl_faults faults;

	snprintf(member, sizeof(member), "/conditions/%zu/value", i);
	object = resolve(check, &filter->object, member, SL_OBJECT_SET, condition->value.text);
	if (object == NULL || field == NULL || !sl_set_type_of_field(field, &wanted) ||
		sl_set_of(object)->set_type == wanted)
		return;
	faults = faults_of(check, &filter->object, pointer, sizeof(pointer));
	sl_fault_add(&faults, SL_ERR_TYPE_MISMATCH, member,
		"set \"%s\" holds %s, \"%s\" takes a set of %s", object->key,
		sl_set_type_name(sl_set_of(object)->set_type), sl_field_name(field->field),
		sl_set_type_name(wanted));
}

static void
check_filter(struct check *check, const struct sl_filter *filter)
{
	resolve(check, &filter->object, "/sublayer", SL_OBJECT_SUBLAYER, filter->sublayer);
	for (size_t i = 0; i < filter->n_conditions; i++)
		if (filter->conditions[i].value.type == SLUICE_TYPE_SET)
			check_set(check, filter, i);
	if (filter->callout != NULL)
		check_callout(check, filter);
	if (filter->provider_context != NULL)
		resolve(check, &filter->object, "/provider_context", SL_OBJECT_PROVIDER_CONTEXT,
			filter->provider_context);
}

static void
check_references(struct check *check, const struct sl_object *object)
{
	if (object->provider != NULL)
		resolve(check, object, "/provider", SL_OBJECT_PROVIDER, object->provider);
	if (object->type == SL_OBJECT_FILTER)
		check_filter(check, sl_filter_of(object));
}

/* False, and a fault, when a removal before was not made. */
static bool
has_memory(const struct sl_policy *policy, struct sl_problems *problems)
{
	if (!sl_policy_is_out_of_memory(policy))
		return true;
	sl_problems_add(problems, SL_ERR_NO_MEMORY, "", "not enough memory for the policy");
	return false;
}

bool
sl_policy_check(const struct sl_policy *policy, sl_policy_pointer_fn *pointer, void *ctx,
	struct sl_problems *problems)
{
	struct check check = {
		.policy = policy, .pointer = pointer, .ctx = ctx, .problems = problems};

	if (!has_memory(policy, problems))
		return false;
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		const enum sl_object_type type = (enum sl_object_type)t;
		const struct sl_object *object = sl_policy_next(policy, type, 0);

		for (; object != NULL; object = sl_policy_next(policy, type, object->id))
			check_references(&check, object);
	}
	return check.n_faults == 0;
}

bool
sl_policy_check_object(const struct sl_policy *policy, const struct sl_object *object,
	sl_policy_pointer_fn *pointer, void *ctx, struct sl_problems *problems)
{
	struct check check = {
		.policy = policy, .pointer = pointer, .ctx = ctx, .problems = problems};

	if (!has_memory(policy, problems))
		return false;
	check_references(&check, object);
	return check.n_faults == 0;
}
