/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/condition.h"
#include "document/sl_document.h"

#include <inttypes.h>
#include <string.h>

/*
 * Writing leaves out what reading puts in by itself, with one exception: the lifetime is always said,
 * because what an object without one gets depends on who reads it.  jansson refuses to add NULL, so
 * want of memory anywhere shows in the result of the last step.
 */

/* Adds a member; takes the value over. False: out of memory. */
static bool
put(json_t *json, const char *name, json_t *value)
{
	return json_object_set_new(json, name, value) == 0;
}

static bool
put_text(json_t *json, const char *name, const char *text)
{
	return text == NULL || put(json, name, json_string(text));
}

/* 64-bit numbers are decimal strings. */
static bool
put_number(json_t *json, const char *name, uint64_t number)
{
	return put(json, name, json_sprintf("%" PRIu64, number));
}

static bool
write_common(json_t *json, const struct sl_object *object)
{
	return put_text(json, "key", object->key) && put_text(json, "name", object->name) &&
		put_text(json, "description", object->description) &&
		put_text(json, "provider", object->provider) &&
		put_text(json, "provider_data", object->provider_data);
}

static bool
write_context(json_t *json, const struct sl_provider_context *context)
{
	return put(
		json, "data", json_loadb(context->data, context->data_len, JSON_DECODE_ANY, NULL));
}

static bool
write_set(json_t *json, const struct sl_set *set)
{
	return put_text(json, "type", sl_set_type_name(set->set_type)) &&
		put(json, "elements", sl_document_write_elements(set));
}

static bool
write_callout(json_t *json, const struct sl_callout_object *callout)
{
	return put_text(json, "layer", callout->layer->name) &&
		put_text(json, "plugin", callout->plugin);
}

static bool
write_weight(json_t *json, const struct sl_filter *filter)
{
	if (filter->weight_kind == SL_WEIGHT_RANGE)
		return put(json, "weight", json_pack("{s:i}", "range", (int)filter->weight));
	return filter->weight_kind == SL_WEIGHT_AUTO || put_number(json, "weight", filter->weight);
}

static bool
write_conditions(json_t *json, const struct sl_filter *filter)
{
	json_t *conditions = json_array();

	for (size_t i = 0; i < filter->n_conditions; i++) {
		if (json_array_append_new(conditions,
			    sl_document_write_condition(filter->layer, &filter->conditions[i])) ==
			0)
			continue;
		json_decref(conditions);
		return false;
	}
	return put(json, "conditions", conditions);
}

static bool
write_action(json_t *json, const struct sl_filter *filter)
{
	const char *name = sl_action_name(filter->action);

	if (!sl_action_is_callout(filter->action))
		return put_text(json, "action", name);
	return put(
		json, "action", json_pack("{s:s, s:s}", "type", name, "callout", filter->callout));
}

static bool
write_filter(json_t *json, const struct sl_filter *filter)
{
	return put_text(json, "layer", filter->layer->name) &&
		put_text(json, "sublayer", filter->sublayer) && write_weight(json, filter) &&
		write_conditions(json, filter) && write_action(json, filter) &&
		(filter->raw_context == 0 ||
			put_number(json, "raw_context", filter->raw_context)) &&
		put_text(json, "provider_context", filter->provider_context);
}

static bool
write_members(json_t *json, const struct sl_object *object)
{
	switch (object->type) {
	case SL_OBJECT_PROVIDER:
		return put_text(json, "service_name", sl_provider_of(object)->service_name);
	case SL_OBJECT_SUBLAYER:
		return put(json, "weight", json_integer(sl_sublayer_of(object)->weight));
	case SL_OBJECT_PROVIDER_CONTEXT:
		return write_context(json, sl_provider_context_of(object));
	case SL_OBJECT_SET:
		return write_set(json, sl_set_of(object));
	case SL_OBJECT_CALLOUT:
		return write_callout(json, sl_callout_object_of(object));
	case SL_OBJECT_FILTER:
		return write_filter(json, sl_filter_of(object));
	case SL_OBJECT_TYPE_COUNT:
		break;
	}
	return false;
}

/* INDEXED is accepted and ignored; DISABLED is an output. */
static bool
write_flags(json_t *json, const struct sl_object *object)
{
	uint32_t flags = object->type == SL_OBJECT_FILTER ? sl_filter_of(object)->flags : 0;
	json_t *names = json_array();
	bool ok = names != NULL;

	if (object->lifetime == SL_LIFETIME_PERSISTENT)
		ok = ok && json_array_append_new(names, json_string("persistent")) == 0;
	if ((flags & SL_FILTER_CLEAR_ACTION_RIGHT) != 0)
		ok = ok && json_array_append_new(names, json_string("clear_action_right")) == 0;
	if ((flags & SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED) != 0)
		ok = ok &&
			json_array_append_new(
				names, json_string("permit_if_callout_unregistered")) == 0;
	if ((flags & SL_FILTER_INDEXED) != 0)
		ok = ok && json_array_append_new(names, json_string("indexed")) == 0;
	if (ok && json_array_size(names) > 0)
		return put(json, "flags", names);
	json_decref(names);
	return ok;
}

static bool
write_lifetime(json_t *json, const struct sl_object *object, bool outputs)
{
	static const char *const names[] = {
		[SL_LIFETIME_STATIC] = "static",
		[SL_LIFETIME_PERSISTENT] = "persistent",
		[SL_LIFETIME_DYNAMIC] = "dynamic",
		[SL_LIFETIME_BUILTIN] = "builtin",
	};

	/* The flag says it for persistent objects; dynamic ones take it from the session that reads. */
	if (!outputs && object->lifetime != SL_LIFETIME_STATIC)
		return true;
	return put_text(json, "lifetime", names[object->lifetime]);
}

static bool
write_outputs(json_t *json, const struct sl_object *object)
{
	static const char *const origins[] = {
		[SL_ORIGIN_API] = "api",
		[SL_ORIGIN_FILE] = "file",
		[SL_ORIGIN_ENGINE] = "engine",
	};

	if (object->type == SL_OBJECT_FILTER &&
		!put_number(json, "effective_weight", sl_filter_of(object)->effective_weight))
		return false;
	return put_number(json, "id", object->id) &&
		put_text(json, "origin", origins[object->origin]);
}

json_t *
sl_document_write_object(const struct sl_object *object, bool outputs)
{
	json_t *json = json_object();

	if (json != NULL && write_common(json, object) && write_members(json, object) &&
		write_flags(json, object) && write_lifetime(json, object, outputs) &&
		(!outputs || write_outputs(json, object)))
		return json;
	json_decref(json);
	return NULL;
}

/* A provider's objects are those that name it, and itself. */
static bool
is_wanted(const struct sl_object *object, const char *provider)
{
	if (object->lifetime == SL_LIFETIME_BUILTIN)
		return false;
	if (provider == NULL)
		return true;
	if (object->type == SL_OBJECT_PROVIDER)
		return strcmp(object->key, provider) == 0;
	return object->provider != NULL && strcmp(object->provider, provider) == 0;
}

static bool
write_section(json_t *document, const struct sl_policy *policy, enum sl_object_type type,
	const char *provider, bool outputs)
{
	json_t *section = json_array();
	const struct sl_object *object = sl_policy_next(policy, type, 0);

	for (; object != NULL; object = sl_policy_next(policy, type, object->id)) {
		if (!is_wanted(object, provider))
			continue;
		if (json_array_append_new(section, sl_document_write_object(object, outputs)) !=
			0) {
			json_decref(section);
			return false;
		}
	}
	return put(document, sl_object_type_plural(type), section);
}

json_t *
sl_document_write(const struct sl_policy *policy, const char *provider, bool outputs)
{
	json_t *document = json_object();

	for (unsigned int type = 0; document != NULL && type < SL_OBJECT_TYPE_COUNT; type++) {
		if (write_section(document, policy, (enum sl_object_type)type, provider, outputs))
			continue;
		json_decref(document);
		document = NULL;
	}
	return document;
}

/* For json_dump_callback. */
static int
add_text(const char *bytes, size_t size, void *ctx)
{
	struct sl_buf *text = ctx;

	sl_buf_add(text, bytes, size);
	return text->failed ? -1 : 0;
}

static void
write_object_text(const struct sl_object *object, bool outputs, struct sl_buf *text)
{
	json_t *json = sl_document_write_object(object, outputs);

	if (json == NULL || json_dump_callback(json, add_text, text, JSON_COMPACT) != 0)
		text->failed = true;
	json_decref(json);
}

void
sl_document_write_text(
	const struct sl_policy *policy, const char *provider, bool outputs, struct sl_buf *text)
{
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		const enum sl_object_type type = (enum sl_object_type)t;
		const struct sl_object *object = sl_policy_next(policy, type, 0);
		const char *separator = "";

		sl_buf_printf(text, "%s\"%s\":[", t == 0 ? "{" : ",", sl_object_type_plural(type));
		for (; object != NULL && !text->failed;
			object = sl_policy_next(policy, type, object->id)) {
			if (!is_wanted(object, provider))
				continue;
			sl_buf_add_text(text, separator);
			write_object_text(object, outputs, text);
			separator = ",";
		}
		sl_buf_add_char(text, ']');
	}
	sl_buf_add_char(text, '}');
}
