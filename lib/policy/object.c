/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/object.h"

#include "base/sl_uuid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROVIDER_DATA_MAX 65536u

static const struct {
	const char *name;
	const char *plural;
	size_t size;
	enum sl_err not_found;
} types[SL_OBJECT_TYPE_COUNT] = {
	[SL_OBJECT_PROVIDER] = {"provider", "providers", sizeof(struct sl_provider),
		SL_ERR_PROVIDER_NOT_FOUND},
	[SL_OBJECT_SUBLAYER] = {"sublayer", "sublayers", sizeof(struct sl_sublayer),
		SL_ERR_SUBLAYER_NOT_FOUND},
	[SL_OBJECT_PROVIDER_CONTEXT] = {"provider_context", "provider_contexts",
		sizeof(struct sl_provider_context), SL_ERR_PROVIDER_CONTEXT_NOT_FOUND},
	[SL_OBJECT_SET] = {"set", "sets", sizeof(struct sl_set), SL_ERR_SET_NOT_FOUND},
	[SL_OBJECT_CALLOUT] = {"callout", "callouts", sizeof(struct sl_callout_object),
		SL_ERR_CALLOUT_NOT_FOUND},
	[SL_OBJECT_FILTER] = {"filter", "filters", sizeof(struct sl_filter),
		SL_ERR_FILTER_NOT_FOUND},
};

/* Objects are reached through their first member. */
_Static_assert(offsetof(struct sl_provider, object) == 0, "allocated by type");
_Static_assert(offsetof(struct sl_sublayer, object) == 0, "allocated by type");
_Static_assert(offsetof(struct sl_provider_context, object) == 0, "allocated by type");
_Static_assert(offsetof(struct sl_set, object) == 0, "allocated by type");
_Static_assert(offsetof(struct sl_callout_object, object) == 0, "allocated by type");
_Static_assert(offsetof(struct sl_filter, object) == 0, "allocated by type");

const char *
sl_object_type_plural(enum sl_object_type type)
{
	return types[type].plural;
}

const char *
sl_object_type_name(enum sl_object_type type)
{
	return types[type].name;
}

enum sl_err
sl_object_type_not_found(enum sl_object_type type)
{
	return types[type].not_found;
}

struct sl_object *
sl_object_new(enum sl_object_type type)
{
	struct sl_object *object = calloc(1, types[type].size);

	if (object == NULL)
		return NULL;
	object->type = type;
	object->n_refs = 1;
	return object;
}

struct sl_object *
sl_object_get(const struct sl_object *object)
{
	struct sl_object *shared = (struct sl_object *)(uintptr_t)object;

	__atomic_add_fetch(&shared->n_refs, 1, __ATOMIC_RELAXED);
	return shared;
}

static void
free_filter(struct sl_filter *filter)
{
	for (size_t i = 0; i < filter->n_conditions && filter->conditions != NULL; i++)
		free(filter->conditions[i].value.text);
	free(filter->conditions);
	free(filter->sublayer);
	free(filter->callout);
	free(filter->provider_context);
}

/* Frees what only this type of object owns. */
static void
free_members(struct sl_object *object)
{
	switch (object->type) {
	case SL_OBJECT_PROVIDER:
		free(sl_provider_of(object)->service_name);
		break;
	case SL_OBJECT_PROVIDER_CONTEXT:
		free(sl_provider_context_of(object)->data);
		break;
	case SL_OBJECT_SET:
		free(sl_set_of(object)->elements);
		free(sl_set_of(object)->ranges);
		break;
	case SL_OBJECT_CALLOUT:
		free(sl_callout_object_of(object)->plugin);
		break;
	case SL_OBJECT_FILTER:
		free_filter(sl_filter_of(object));
		break;
	case SL_OBJECT_SUBLAYER:
	case SL_OBJECT_TYPE_COUNT:
		break;
	}
}

void
sl_object_put(struct sl_object *object)
{
	/* Whoever drops the last reference frees, after everybody else's last look. */
	if (object == NULL || __atomic_sub_fetch(&object->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free_members(object);
	free(object->key);
	free(object->name);
	free(object->description);
	free(object->provider);
	free(object->provider_data);
	free(object);
}

void
sl_fault_add(
	struct sl_faults *faults, enum sl_err code, const char *member, const char *format, ...)
{
	char pointer[512];
	va_list args;
	char *text = NULL;

	snprintf(pointer, sizeof(pointer), "%s%s", faults->pointer, member);
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	sl_problems_add(
		faults->problems, code, pointer, "%s", text != NULL ? text : sl_err_meaning(code));
	free(text);
	faults->n++;
}

void
sl_fault_add_no_memory(struct sl_faults *faults)
{
	sl_fault_add(faults, SL_ERR_NO_MEMORY, "", "not enough memory for this object");
}

bool
sl_layer_check(const struct sl_layer *layer, struct sl_faults *faults)
{
	if (layer == NULL) {
		sl_fault_add(faults, SL_ERR_LAYER_NOT_FOUND, "/layer",
			"no layer is given; a filter or callout belongs to exactly one");
		return false;
	}
	if (layer->status == SL_LAYER_MEANINGLESS) {
		sl_fault_add(faults, SL_ERR_INCOMPATIBLE_LAYER, "/layer",
			"layer \"%s\" takes no filters: %s", layer->name, layer->why);
		return false;
	}
	if (layer->status == SL_LAYER_FLOW) {
		sl_fault_add(faults, SL_ERR_LAYER_NOT_SUPPORTED, "/layer",
			"layer \"%s\" takes no filters yet: it sees %s", layer->name, layer->why);
		return false;
	}
	return true;
}

static void
check_key(struct sl_object *object, struct sl_faults *faults)
{
	char uuid[SL_UUID_TEXT_MAX];

	if (object->key != NULL) {
		if (!sl_key_is_valid(object->key))
			sl_fault_add(faults, SL_ERR_INVALID_PARAMETER, "/key",
				"\"%.80s\" is not a key; it must be a UUID or "
				"[a-z0-9][a-z0-9._-]*, at "
				"most %d characters",
				object->key, SL_KEY_LEN_MAX);
		return;
	}
	if (sl_uuid_make(uuid) != 0) {
		sl_fault_add(
			faults, SL_ERR_IO, "/key", "the system has no random numbers for a key");
		return;
	}
	object->key = strdup(uuid);
	if (object->key == NULL)
		sl_fault_add_no_memory(faults);
}

static void
check_common(struct sl_object *object, struct sl_faults *faults)
{
	check_key(object, faults);
	if (object->name == NULL)
		sl_fault_add(faults, SL_ERR_NULL_DISPLAY_NAME, "/name",
			"the name is missing; every %s has one", sl_object_type_name(object->type));
	if (object->provider != NULL && object->type == SL_OBJECT_PROVIDER)
		sl_fault_add(
			faults, SL_ERR_RESERVED, "/provider", "a provider belongs to no provider");
	if (object->provider_data != NULL && strlen(object->provider_data) > PROVIDER_DATA_MAX)
		sl_fault_add(faults, SL_ERR_OUT_OF_BOUNDS, "/provider_data",
			"%zu bytes; at most %u are allowed", strlen(object->provider_data),
			PROVIDER_DATA_MAX);
}

static void
check_callout(struct sl_callout_object *callout, struct sl_faults *faults)
{
	sl_layer_check(callout->layer, faults);
	if (callout->plugin == NULL || callout->plugin[0] == '\0')
		sl_fault_add(faults, SL_ERR_NULL_POINTER, "/plugin",
			"the plugin is missing; a callout names the plugin that serves it");
}

static void
check_provider_context(struct sl_provider_context *context, struct sl_faults *faults)
{
	if (context->data == NULL)
		sl_fault_add(faults, SL_ERR_NULL_POINTER, "/data",
			"the data is missing; a provider context carries a JSON document");
	else
		context->data_len = strlen(context->data);
}

bool
sl_object_finish(struct sl_object *object, const char *pointer, struct sl_problems *problems)
{
	struct sl_faults faults = {.problems = problems, .pointer = pointer};

	check_common(object, &faults);
	switch (object->type) {
	case SL_OBJECT_PROVIDER_CONTEXT:
		check_provider_context(sl_provider_context_of(object), &faults);
		break;
	case SL_OBJECT_SET:
		sl_set_finish(sl_set_of(object), &faults);
		break;
	case SL_OBJECT_CALLOUT:
		check_callout(sl_callout_object_of(object), &faults);
		break;
	case SL_OBJECT_FILTER:
		sl_filter_finish(sl_filter_of(object), &faults);
		break;
	case SL_OBJECT_PROVIDER:
	case SL_OBJECT_SUBLAYER:
	case SL_OBJECT_TYPE_COUNT:
		break;
	}
	return faults.n == 0;
}

bool
sl_action_is_callout(enum sluice_action action)
{
	return action == SLUICE_ACTION_CALLOUT_TERMINATING ||
		action == SLUICE_ACTION_CALLOUT_INSPECTION ||
		action == SLUICE_ACTION_CALLOUT_UNKNOWN;
}
