/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_map.h"
#include "document/reader.h"
#include "document/sl_document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Reading goes on after a fault, so that all of them are told at once.  Objects that could not be read
 * are missing from the policy; references to them are no fault of those who refer, and their own
 * references are looked at in the JSON.
 */

/* Where in its section an object of the document stands. */
struct entry {
	const struct sl_object *object;
	size_t index;
};

struct section {
	const json_t *json;    /* the array, borrowed; NULL when there is none */
	struct entry *entries; /* objects that entered the policy, in document order */
	size_t n_entries;
	struct sl_map *broken; /* keys of the others; NULL when there are none */
};

struct loading {
	struct reader reader;
	struct sl_policy *policy;
	enum sl_lifetime lifetime;
	enum sl_origin origin;
	struct section sections[SL_OBJECT_TYPE_COUNT];
	char pointer[64]; /* the last answer of pointer_of */
};

static void
add_object(struct loading *loading, enum sl_object_type type, const json_t *json, size_t index)
{
	struct section *section = &loading->sections[type];
	struct sl_problems *problems = loading->reader.problems;
	struct sl_object *object;
	struct sl_error err;
	char pointer[64];

	snprintf(pointer, sizeof(pointer), "/%s/%zu", sl_object_type_plural(type), index);
	object = sl_document_read_object(
		type, json, pointer, loading->lifetime, loading->origin, problems);
	if (object == NULL)
		return;
	if (sl_policy_add(loading->policy, object, &err) != 0) {
		sl_problems_add_error(problems, pointer, &err);
		sl_object_put(object);
		return;
	}
	section->entries[section->n_entries++] = (struct entry){object, index};
}

static void
read_section(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct loading *loading = object;
	unsigned int type = 0;
	char found[SL_FOUND_MAX];
	const json_t *element;
	size_t i;

	while (strcmp(sl_object_type_plural((enum sl_object_type)type), member->name) != 0)
		type++;
	if (!json_is_array(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where an array of %s is meant", sl_document_found(json, found),
			member->name);
		return;
	}
	if (json_array_size(json) == 0)
		return;
	loading->sections[type].entries = calloc(json_array_size(json), sizeof(struct entry));
	if (loading->sections[type].entries == NULL) {
		sl_document_fault_no_memory(reader, at);
		return;
	}
	loading->sections[type].json = json;
	json_array_foreach(json, i, element)
		add_object(loading, (enum sl_object_type)type, element, i);
}

/* The order of creation: what is referred to comes first. */
static const struct member document_members[] = {
	{.name = "$schema"},
	{.name = "description"},
	{.name = "providers", .read = read_section},
	{.name = "sublayers", .read = read_section},
	{.name = "provider_contexts", .read = read_section},
	{.name = "sets", .read = read_section},
	{.name = "callouts", .read = read_section},
	{.name = "filters", .read = read_section},
	{.name = NULL},
};

/* "/filters/3" for an object of this document. Ids ascend in the order of creation. */
static const char *
pointer_of(void *ctx, const struct sl_object *object)
{
	struct loading *loading = ctx;
	const struct section *section = &loading->sections[object->type];
	size_t low = 0, high = section->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (section->entries[middle].object->id < object->id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == section->n_entries || section->entries[low].object != object)
		return NULL;
	snprintf(loading->pointer, sizeof(loading->pointer), "/%s/%zu",
		sl_object_type_plural(object->type), section->entries[low].index);
	return loading->pointer;
}

/* --- Documents with faults. --- */

typedef void
broken_fn(struct loading *loading, enum sl_object_type type, const json_t *json, size_t index);

/* Calls `fn` for every element that is no entry. */
static void
for_each_broken(struct loading *loading, broken_fn *fn)
{
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++) {
		const struct section *section = &loading->sections[type];
		size_t next = 0;

		for (size_t i = 0; i < json_array_size(section->json); i++) {
			if (next < section->n_entries && section->entries[next].index == i)
				next++;
			else
				fn(loading, (enum sl_object_type)type,
					json_array_get(section->json, i), i);
		}
	}
}

/* Want of memory costs a misleading fault more, nothing else. */
static void
remember_key(struct loading *loading, enum sl_object_type type, const json_t *json, size_t index)
{
	struct section *section = &loading->sections[type];
	const char *key = json_string_value(json_object_get(json, "key"));
	int rc = 0;

	(void)index;
	if (key == NULL)
		return;
	if (section->broken == NULL)
		section->broken = sl_map_new(0);
	if (section->broken != NULL)
		rc = sl_map_put(section->broken, key, section);
	(void)rc;
}

static bool
is_broken(const struct loading *loading, enum sl_object_type type, const char *key)
{
	const struct sl_map *broken = loading->sections[type].broken;

	return broken != NULL && sl_map_find(broken, key) != NULL;
}

static void
check_reference(struct loading *loading, const struct place *at, enum sl_object_type type,
	const json_t *json)
{
	const char *key = json_string_value(json);

	if (key != NULL && sl_policy_find(loading->policy, type, key) == NULL &&
		!is_broken(loading, type, key))
		sl_document_fault(&loading->reader, at, sl_object_type_not_found(type),
			"there is no %s \"%.80s\"", sl_object_type_name(type), key);
}

static void
check_set_references(struct loading *loading, const struct place *at, const json_t *conditions)
{
	const json_t *condition;
	enum sl_match match;
	size_t i;

	json_array_foreach(conditions, i, condition) {
		const char *name = json_string_value(json_object_get(condition, "match"));
		struct place element = place_element(at, i);
		struct place value = place_member(&element, "value");

		if (name != NULL && sl_match_find(name, &match) &&
			(match == SL_MATCH_IN_SET || match == SL_MATCH_NOT_IN_SET))
			check_reference(loading, &value, SL_OBJECT_SET,
				json_object_get(condition, "value"));
	}
}

static void
check_references(
	struct loading *loading, enum sl_object_type type, const json_t *json, size_t index)
{
	static const struct {
		const char *name;
		enum sl_object_type type;
	} members[] = {
		{"provider", SL_OBJECT_PROVIDER},
		{"sublayer", SL_OBJECT_SUBLAYER},
		{"provider_context", SL_OBJECT_PROVIDER_CONTEXT},
	};
	struct place root = place_root("");
	struct place section = place_member(&root, sl_object_type_plural(type));
	struct place object = place_element(&section, index);
	struct place action = place_member(&object, "action");
	struct place callout = place_member(&action, "callout");
	struct place conditions = place_member(&object, "conditions");

	for (size_t i = 0; i < SL_ARRAY_LEN(members) && (i == 0 || type == SL_OBJECT_FILTER); i++) {
		struct place place = place_member(&object, members[i].name);

		if (type != SL_OBJECT_PROVIDER)
			check_reference(loading, &place, members[i].type,
				json_object_get(json, members[i].name));
	}
	if (type != SL_OBJECT_FILTER)
		return;
	check_reference(loading, &callout, SL_OBJECT_CALLOUT,
		json_object_get(json_object_get(json, "action"), "callout"));
	check_set_references(loading, &conditions, json_object_get(json, "conditions"));
}

/* The string at a pointer that our own checks made: no token of it needs unescaping. */
static const char *
string_at(const json_t *json, const char *pointer)
{
	char token[64];

	while (json != NULL && *pointer == '/') {
		size_t len = strcspn(++pointer, "/");

		if (len >= sizeof(token))
			return NULL;
		memcpy(token, pointer, len);
		token[len] = '\0';
		json = json_is_array(json) ? json_array_get(json, strtoul(token, NULL, 10))
					   : json_object_get(json, token);
		pointer += len;
	}
	return json_string_value(json);
}

static bool
is_about_broken(const struct loading *loading, const json_t *json, const struct sl_problem *problem)
{
	const char *key = string_at(json, problem->pointer);

	for (unsigned int type = 0; key != NULL && type < SL_OBJECT_TYPE_COUNT; type++)
		if (problem->code == sl_object_type_not_found((enum sl_object_type)type))
			return is_broken(loading, (enum sl_object_type)type, key);
	return false;
}

static void
find_more_faults(struct loading *loading, const json_t *json)
{
	struct sl_problems more = {0};
	bool ok;

	for_each_broken(loading, remember_key);
	for_each_broken(loading, check_references);
	ok = sl_policy_check(loading->policy, pointer_of, loading, &more);
	for (size_t i = 0; !ok && i < more.n; i++)
		if (!is_about_broken(loading, json, &more.list[i]))
			sl_problems_add(loading->reader.problems, more.list[i].code,
				more.list[i].pointer, "%s", more.list[i].detail);
	loading->reader.problems->n_total += more.n_total - more.n;
	sl_problems_fini(&more);
}

bool
sl_document_read(struct sl_policy *policy, const json_t *json, enum sl_lifetime lifetime,
	enum sl_origin origin, struct sl_problems *problems)
{
	struct loading loading = {
		.reader = {.problems = problems},
		.policy = policy,
		.lifetime = lifetime,
		.origin = origin,
	};
	size_t n_before = problems->n_total;
	struct place at = place_root("");
	bool ok = sl_document_read_members(
		&loading.reader, &at, json, document_members, NULL, &loading);

	if (ok && problems->n_total == n_before)
		ok = sl_policy_check(policy, pointer_of, &loading, problems);
	else if (ok)
		find_more_faults(&loading, json);
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++) {
		free(loading.sections[type].entries);
		sl_map_free(loading.sections[type].broken);
	}
	return ok && problems->n_total == n_before;
}
