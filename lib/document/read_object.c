/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/reader.h"
#include "document/sl_document.h"

#include <stdlib.h>
#include <string.h>

/* Members are read at offsets from the object, which is the first member of every type. */
_Static_assert(offsetof(struct sl_filter, object) == 0, "read by offset");
_Static_assert(offsetof(struct sl_callout_object, object) == 0, "read by offset");
_Static_assert(offsetof(struct sl_provider, object) == 0, "read by offset");

static const char *const lifetime_names[] = {
	[SL_LIFETIME_STATIC] = "static",
	[SL_LIFETIME_PERSISTENT] = "persistent",
	[SL_LIFETIME_DYNAMIC] = "dynamic",
};

static void
read_lifetime(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	char found[SL_FOUND_MAX];

	(void)member;
	(void)object;
	if (json_is_null(json))
		return;
	for (size_t i = 0; json_is_string(json) && i < SL_ARRAY_LEN(lifetime_names); i++) {
		if (strcmp(json_string_value(json), lifetime_names[i]) != 0)
			continue;
		reader->has_lifetime = true;
		reader->lifetime_given = (enum sl_lifetime)i;
		return;
	}
	if (json_is_string(json) && strcmp(json_string_value(json), "builtin") == 0)
		sl_document_fault(reader, at, SL_ERR_BUILTIN_OBJECT,
			"built-in objects come with the engine and cannot be written");
	else
		sl_document_fault(reader, at,
			json_is_string(json) ? SL_ERR_INVALID_ENUMERATOR : SL_ERR_TYPE_MISMATCH,
			"found %s where a lifetime is meant: static, persistent or dynamic",
			sl_document_found(json, found));
}

static void
read_sublayer_weight(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	uint64_t weight;

	(void)member;
	if (sl_document_take_number(reader, at, json, UINT16_MAX, &weight))
		sl_sublayer_of(object)->weight = (uint16_t)weight;
}

/* Any JSON: what it means is between its author and the callout. */
static void
read_data(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct sl_provider_context *context = sl_provider_context_of(object);

	(void)member;
	context->data = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	if (context->data == NULL)
		sl_document_fault_no_memory(reader, at);
	else
		context->data_len = strlen(context->data);
}

#define TEXT(text, type, slot, max)                                                            \
	{                                                                                      \
		.name = (text), .read = sl_document_read_text, .offset = offsetof(type, slot), \
		.size_max = (max)                                                              \
	}

static const struct member common_members[] = {
	TEXT("key", struct sl_object, key, SL_TEXT_SHORT_MAX),
	TEXT("name", struct sl_object, name, SL_TEXT_NAME_MAX),
	TEXT("description", struct sl_object, description, SL_TEXT_DESCRIPTION_MAX),
	TEXT("provider", struct sl_object, provider, SL_TEXT_SHORT_MAX),
	{.name = "provider_data",
		.read = sl_document_read_text,
		.offset = offsetof(struct sl_object, provider_data),
		.size_max = SL_TEXT_DATA_MAX,
		.is_opaque = true},
	{.name = "flags", .read = sl_document_read_flags},
	{.name = "lifetime", .read = read_lifetime},
	{.name = "id", .is_output = true},
	{.name = "origin", .is_output = true},
	{.name = NULL},
};

static const struct member provider_members[] = {
	TEXT("service_name", struct sl_provider, service_name, SL_TEXT_SHORT_MAX),
	{.name = NULL},
};

static const struct member sublayer_members[] = {
	{.name = "weight", .read = read_sublayer_weight},
	{.name = NULL},
};

static const struct member context_members[] = {
	{.name = "data", .read = read_data},
	{.name = NULL},
};

static const struct member callout_members[] = {
	{.name = "layer",
		.read = sl_document_read_layer,
		.offset = offsetof(struct sl_callout_object, layer)},
	TEXT("plugin", struct sl_callout_object, plugin, SL_TEXT_SHORT_MAX),
	{.name = NULL},
};

static const struct member *
members_of(enum sl_object_type type)
{
	switch (type) {
	case SL_OBJECT_PROVIDER:
		return provider_members;
	case SL_OBJECT_SUBLAYER:
		return sublayer_members;
	case SL_OBJECT_PROVIDER_CONTEXT:
		return context_members;
	case SL_OBJECT_SET:
		return sl_document_set_members;
	case SL_OBJECT_CALLOUT:
		return callout_members;
	case SL_OBJECT_FILTER:
		return sl_document_filter_members;
	case SL_OBJECT_TYPE_COUNT:
		break;
	}
	return NULL;
}

/* What the caller decided, unless the object says otherwise and may (WFP sections 5.2 and 5.4). */
static enum sl_lifetime
decide_lifetime(struct reader *reader, const struct place *at)
{
	struct place flags = place_member(at, "flags"), lifetime = place_member(at, "lifetime");
	bool in_session = reader->lifetime == SL_LIFETIME_DYNAMIC;
	enum sl_lifetime given = reader->lifetime;

	if (reader->has_persistent_flag)
		given = SL_LIFETIME_PERSISTENT;
	if (reader->has_lifetime) {
		if (reader->has_persistent_flag && reader->lifetime_given != SL_LIFETIME_PERSISTENT)
			sl_document_fault(reader, &flags, SL_ERR_INVALID_FLAGS,
				"\"persistent\" contradicts the lifetime \"%s\"",
				lifetime_names[reader->lifetime_given]);
		given = reader->lifetime_given;
	}
	if (in_session != (given == SL_LIFETIME_DYNAMIC))
		sl_document_fault(reader, reader->has_lifetime ? &lifetime : &flags,
			SL_ERR_LIFETIME_MISMATCH,
			in_session ? "objects of a dynamic session are dynamic, not %s"
				   : "only objects of a dynamic session are %s",
			lifetime_names[given]);
	return given;
}

/* Members without which finishing cannot judge an object, or would judge it in other words. */
static void
check_required(
	struct reader *reader, const struct place *at, const json_t *json, struct sl_object *object)
{
	struct place action = place_member(at, "action"), type = place_member(at, "type");

	if (object->type == SL_OBJECT_FILTER && json_object_get(json, "action") == NULL)
		sl_document_fault(reader, &action, SL_ERR_NULL_POINTER,
			"the action is missing; a filter has one");
	if (object->type == SL_OBJECT_SET && sl_set_of(object)->set_type == SL_SET_TYPE_COUNT) {
		if (json_object_get(json, "type") == NULL)
			sl_document_fault(reader, &type, SL_ERR_NULL_POINTER,
				"the type is missing; a set has one of v4_prefix, v6_prefix, mac, "
				"uint8, uint16, uint32");
		/* A type it is sure to have, for the rest of the checks. It has no elements. */
		sl_set_of(object)->set_type = SL_SET_V4_PREFIX;
	}
}

/*
 * The part of a pointer that names the member of an object, or the condition of a filter: faults are
 * compared by it. `root_len` is the length of the object's own pointer.
 */
static size_t
member_len(const char *pointer, size_t root_len)
{
	static const char conditions[] = "/conditions/";
	const char *rest = pointer + root_len;
	size_t skip =
		strncmp(rest, conditions, sizeof(conditions) - 1) == 0 ? sizeof(conditions) - 1 : 1;

	if (rest[0] == '\0')
		return root_len;
	return root_len + skip + strcspn(rest + skip, "/");
}

/* True when one of the faults from `first` on is about the same member. */
static bool
is_known(const struct sl_problems *problems, size_t first, const char *pointer, size_t root_len)
{
	size_t len = member_len(pointer, root_len);

	for (size_t i = first; i < problems->n; i++) {
		const char *other = problems->list[i].pointer;

		if (member_len(other, root_len) == len && strncmp(other, pointer, len) == 0)
			return true;
	}
	return false;
}

/*
 * Finishes an object that had faults when it was read, to find the others: a member that could not be
 * read has no value now, and what finishing says about that would only be confusing.
 */
static void
find_more_faults(
	struct sl_object *object, const char *pointer, size_t first, struct sl_problems *problems)
{
	struct sl_problems more = {0};

	if (sl_object_finish(object, pointer, &more))
		return;
	for (size_t i = 0; i < more.n; i++)
		if (!is_known(problems, first, more.list[i].pointer, strlen(pointer)))
			sl_problems_add(problems, more.list[i].code, more.list[i].pointer, "%s",
				more.list[i].detail);
	sl_problems_fini(&more);
}

struct sl_object *
sl_document_read_object(enum sl_object_type type, const json_t *json, const char *pointer,
	enum sl_lifetime lifetime, enum sl_origin origin, struct sl_problems *problems)
{
	struct reader reader = {.problems = problems, .lifetime = lifetime};
	size_t first = problems->n, n_before = problems->n_total;
	struct place at = place_root(pointer);
	struct sl_object *object = sl_object_new(type);

	if (object == NULL) {
		sl_document_fault_no_memory(&reader, &at);
		return NULL;
	}
	object->origin = origin;
	if (type == SL_OBJECT_SET)
		sl_set_of(object)->set_type = SL_SET_TYPE_COUNT;
	if (!sl_document_read_members(
		    &reader, &at, json, common_members, members_of(type), object)) {
		sl_object_put(object);
		return NULL;
	}
	check_required(&reader, &at, json, object);
	object->lifetime = decide_lifetime(&reader, &at);
	if (problems->n_total == n_before && sl_object_finish(object, pointer, problems))
		return object;
	if (problems->n_total != n_before)
		find_more_faults(object, pointer, first, problems);
	sl_object_put(object);
	return NULL;
}
