/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/condition.h"
#include "document/reader.h"

#include <inttypes.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t bit;
} filter_flags[] = {
	{"boottime", SL_FILTER_BOOTTIME},
	{"clear_action_right", SL_FILTER_CLEAR_ACTION_RIGHT},
	{"permit_if_callout_unregistered", SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED},
	{"disabled", SL_FILTER_DISABLED},
	{"indexed", SL_FILTER_INDEXED},
};

void
sl_document_read_layer(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	const struct sl_layer **layer =
		(const struct sl_layer **)(void *)((char *)object + member->offset);
	char found[SL_FOUND_MAX];

	if (!json_is_string(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where the name of a layer is meant",
			sl_document_found(json, found));
		return;
	}
	*layer = sl_layer_find(json_string_value(json));
	if (*layer == NULL)
		sl_document_fault(reader, at, SL_ERR_LAYER_NOT_FOUND,
			"there is no layer \"%.80s\"; names are WFP's in lower case without "
			"FWPM_LAYER_, "
			"such as \"inbound_transport_v4\"",
			json_string_value(json));
}

static bool
add_filter_flag(struct sl_filter *filter, const char *name)
{
	for (size_t i = 0; i < SL_ARRAY_LEN(filter_flags); i++) {
		if (strcmp(filter_flags[i].name, name) != 0)
			continue;
		filter->flags |= filter_flags[i].bit;
		return true;
	}
	return false;
}

static void
read_flag(
	struct reader *reader, const struct place *at, const json_t *json, struct sl_object *object)
{
	bool is_filter = object->type == SL_OBJECT_FILTER;
	char found[SL_FOUND_MAX];

	if (!json_is_string(json))
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where the name of a flag is meant",
			sl_document_found(json, found));
	else if (strcmp(json_string_value(json), "persistent") == 0)
		reader->has_persistent_flag = true;
	else if (!is_filter || !add_filter_flag(sl_filter_of(object), json_string_value(json)))
		sl_document_fault(reader, at, SL_ERR_INVALID_FLAGS,
			"\"%.80s\" is no flag here; allowed are %s", json_string_value(json),
			is_filter ? "persistent, clear_action_right, "
				    "permit_if_callout_unregistered, indexed"
				  : "persistent");
}

void
sl_document_read_flags(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	char found[SL_FOUND_MAX];
	const json_t *flag;
	size_t i;

	(void)member;
	if (!json_is_array(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where an array of flag names is meant",
			sl_document_found(json, found));
		return;
	}
	json_array_foreach(json, i, flag) {
		struct place place = place_element(at, i);

		read_flag(reader, &place, flag, object);
	}
}

/* {"range": 0..15} */
static void
read_weight_range(
	struct reader *reader, const struct place *at, const json_t *json, struct sl_filter *filter)
{
	static const struct member members[] = {{.name = "range"}, {.name = NULL}};
	struct place place = place_member(at, "range");
	const json_t *range = json_object_get(json, "range");

	(void)sl_document_read_members(reader, at, json, members, NULL, filter);
	filter->weight_kind = SL_WEIGHT_RANGE;
	if (json_is_integer(range) && json_integer_value(range) >= 0 &&
		json_integer_value(range) <= 15)
		filter->weight = (uint64_t)json_integer_value(range);
	else if (range == NULL)
		sl_document_fault(reader, &place, SL_ERR_INVALID_WEIGHT,
			"the member is missing; a weight range is {\"range\": 0 to 15}");
	else {
		char found[SL_FOUND_MAX];

		sl_document_fault(reader, &place, SL_ERR_INVALID_WEIGHT,
			"found %s; allowed are the integers 0 to 15",
			sl_document_found(range, found));
	}
}

static void
read_weight(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct sl_filter *filter = object;
	char found[SL_FOUND_MAX];
	bool ok = false;

	(void)member;
	if (json_is_null(json))
		return;
	if (json_is_object(json)) {
		read_weight_range(reader, at, json, filter);
		return;
	}
	filter->weight_kind = SL_WEIGHT_EXACT;
	if (json_is_integer(json)) {
		ok = json_integer_value(json) >= 0;
		filter->weight = (uint64_t)json_integer_value(json);
	} else if (json_is_string(json)) {
		ok = sl_document_parse_number(
			     json_string_value(json), UINT64_MAX, &filter->weight) == 0;
	}
	if (!ok)
		sl_document_fault(reader, at, SL_ERR_INVALID_WEIGHT,
			"found %s; allowed are null (automatic), {\"range\": 0 to 15} and 0 to "
			"%" PRIu64 " as an integer or a decimal string",
			sl_document_found(json, found), UINT64_MAX);
}

static bool
find_action(const char *name, enum sluice_action *action)
{
	static const enum sluice_action actions[] = {SLUICE_ACTION_PERMIT, SLUICE_ACTION_BLOCK,
		SLUICE_ACTION_CALLOUT_TERMINATING, SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CALLOUT_UNKNOWN};

	for (size_t i = 0; i < SL_ARRAY_LEN(actions); i++) {
		if (strcmp(sl_action_name(actions[i]), name) != 0)
			continue;
		*action = actions[i];
		return true;
	}
	return false;
}

/* The action's name; leaves UNTOUCHED and adds a fault when it is none that a filter may have. */
static void
read_action_type(
	struct reader *reader, const struct place *at, const json_t *json, struct sl_filter *filter)
{
	char found[SL_FOUND_MAX];

	if (!json_is_string(json))
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where the name of an action is meant",
			sl_document_found(json, found));
	else if (!find_action(json_string_value(json), &filter->action))
		sl_document_fault(reader, at, SL_ERR_INVALID_ACTION_TYPE,
			"\"%.80s\" is no action of a filter; allowed are permit, block, "
			"callout_terminating, callout_inspection, callout_unknown",
			json_string_value(json));
}

/*
 * "permit", or {"type": "callout_terminating", "callout": "key"}.  Whether type and callout go together
 * is checked when the filter is finished.
 */
static void
read_action(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	static const struct member members[] = {
		{.name = "type"},
		{.name = "callout",
			.read = sl_document_read_text,
			.offset = offsetof(struct sl_filter, callout),
			.size_max = SL_TEXT_SHORT_MAX},
		{.name = NULL},
	};
	struct place place = place_member(at, "type");
	const json_t *type = json_object_get(json, "type");

	(void)member;
	if (!json_is_object(json)) {
		read_action_type(reader, at, json, object);
		return;
	}
	(void)sl_document_read_members(reader, at, json, members, NULL, object);
	if (type != NULL)
		read_action_type(reader, &place, type, object);
	else
		sl_document_fault(reader, &place, SL_ERR_NULL_POINTER,
			"the member is missing; an action has a type");
}

/* "override": "hard" is another spelling of clear_action_right on a permit. */
static void
read_override(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct sl_filter *filter = object;
	char found[SL_FOUND_MAX];

	(void)member;
	if (json_is_null(json))
		return;
	if (!json_is_string(json))
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where \"hard\" is meant", sl_document_found(json, found));
	else if (strcmp(json_string_value(json), "hard") != 0)
		sl_document_fault(reader, at, SL_ERR_INVALID_ENUMERATOR,
			"\"%.80s\" is no override; allowed is \"hard\"", json_string_value(json));
	else if (filter->action != SLUICE_ACTION_PERMIT &&
		filter->action != SLUICE_ACTION_UNTOUCHED)
		sl_document_fault(reader, at, SL_ERR_INVALID_FLAGS,
			"\"hard\" goes with the action permit, not with %s; a block is hard as it "
			"is",
			sl_action_name(filter->action));
	else
		filter->flags |= SL_FILTER_CLEAR_ACTION_RIGHT;
}

static void
read_raw_context(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct sl_filter *filter = object;

	(void)member;
	if (!json_is_null(json))
		(void)sl_document_take_number(reader, at, json, UINT64_MAX, &filter->raw_context);
}

/* In this order: the conditions need the layer, the override needs the action. */
const struct member sl_document_filter_members[] = {
	{.name = "layer",
		.read = sl_document_read_layer,
		.offset = offsetof(struct sl_filter, layer)},
	{.name = "sublayer",
		.read = sl_document_read_text,
		.offset = offsetof(struct sl_filter, sublayer),
		.size_max = SL_TEXT_SHORT_MAX},
	{.name = "weight", .read = read_weight},
	{.name = "conditions", .read = sl_document_read_conditions},
	{.name = "action", .read = read_action},
	{.name = "override", .read = read_override},
	{.name = "raw_context", .read = read_raw_context},
	{.name = "provider_context",
		.read = sl_document_read_text,
		.offset = offsetof(struct sl_filter, provider_context),
		.size_max = SL_TEXT_SHORT_MAX},
	{.name = "effective_weight", .is_output = true},
	{.name = "stats", .is_output = true},
	{.name = NULL},
};
