/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

/* Pieces of JSON that several resources write. */

void
api_append(json_t **list, json_t *item)
{
	if (json_array_append_new(*list, item) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

void
api_set(json_t **object, const char *name, json_t *value)
{
	if (json_object_set_new(*object, name, value) == 0)
		return;
	json_decref(*object);
	*object = NULL;
}

json_t *
api_time_json(uint64_t ns)
{
	char text[SL_TIME_TEXT_MAX];

	return ns == 0 ? json_null() : json_string(sl_time_format(ns, text));
}

json_t *
api_u64_json(uint64_t number)
{
	return json_sprintf("%llu", (unsigned long long)number);
}

json_t *
api_flags_json(enum sluice_field field, uint64_t value)
{
	const char *name;
	json_t *names;
	uint32_t bit;

	if (sl_flag_name(field, 0, &bit) == NULL)
		return NULL;
	names = json_array();
	for (uint32_t i = 0; (name = sl_flag_name(field, i, &bit)) != NULL; i++)
		if ((value & bit) != 0)
			api_append(&names, json_string(name));
	return names;
}

static const char *const kind_names[] = {
	[SL_REASON_KIND_POLICY] = "policy",
	[SL_REASON_KIND_MALFORMED] = "malformed",
	[SL_REASON_KIND_REFUSED] = "refused",
	[SL_REASON_KIND_STATE] = "state",
	[SL_REASON_KIND_DEVICE] = "device",
};

json_t *
api_reason_json(enum sl_reason reason)
{
	return reason != SL_REASON_NONE ? json_string(sl_reason_name(reason)) : json_null();
}

json_t *
api_meaning_json(enum sl_reason reason)
{
	return reason != SL_REASON_NONE ? json_string(sl_reason_meaning(reason)) : json_null();
}

json_t *
api_reason_kind_json(enum sl_reason reason)
{
	return reason != SL_REASON_NONE ? json_string(kind_names[sl_reason_kind(reason)])
					: json_null();
}

void
api_add_reason(json_t **json, enum sl_reason reason)
{
	api_set(json, "reason", api_reason_json(reason));
	api_set(json, "meaning", api_meaning_json(reason));
	api_set(json, "reason_kind", api_reason_kind_json(reason));
}
