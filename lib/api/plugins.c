/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <stdio.h>
#include <string.h>

/* Callout plugins: what is loaded, loading, unloading. */

static const char *const state_names[] = {
	[SL_PLUGIN_ABSENT] = "absent",
	[SL_PLUGIN_LOADED] = "loaded",
	[SL_PLUGIN_REFUSED] = "refused",
	[SL_PLUGIN_UNLOADED] = "unloaded",
};

static json_t *
plugin_json(const struct sl_plugin_info *info)
{
	json_t *counters = json_object();
	json_t *json;

	for (uint32_t i = 0; i < info->n_counters; i++)
		api_set(&counters, info->counter_names[i],
			json_integer((json_int_t)info->counters[i]));
	json = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:i, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "key",
		info->name, "state", state_names[info->state], "path", info->path, "version",
		info->version, "description", info->description, "callout_abi",
		(int)info->abi_version, "statistics", "calls", (json_int_t)info->calls, "permits",
		(json_int_t)info->permits, "blocks", (json_int_t)info->blocks, "continues",
		(json_int_t)info->continues, "flow_contexts", (json_int_t)info->contexts, "pends",
		(json_int_t)info->pends, "completions", (json_int_t)info->completions, "counters",
		counters);
	if (json != NULL && info->fault[0] != '\0')
		api_set(&json, "fault", json_string(info->fault));
	return json;
}

void
api_plugins_list(struct api_request *request, struct api_reply *reply)
{
	struct sl_plugin_info info;
	char text[4096];
	json_t *items = json_array();

	for (uint32_t i = 0; sl_control_plugin_info(request->control, i, &info, text); i++)
		api_append(&items, plugin_json(&info));
	api_reply_json(reply, 200,
		json_pack("{s:O, s:n, s:I}", "items", items, "next_cursor", "total",
			(json_int_t)json_array_size(items)));
	json_decref(items);
}

static void
reply_plugin(struct api_request *request, const char *name, int status, struct api_reply *reply)
{
	struct sl_plugin_info info;
	char text[4096];

	for (uint32_t i = 0; sl_control_plugin_info(request->control, i, &info, text); i++) {
		if (strcmp(info.name, name) == 0) {
			api_reply_json(reply, status, plugin_json(&info));
			return;
		}
	}
	api_reply_problem(reply, SL_ERR_PLUGIN_NOT_FOUND,
		"there is no plugin \"%.100s\"; /v1/plugins lists them", name);
}

void
api_plugins_get(struct api_request *request, struct api_reply *reply)
{
	reply_plugin(request, request->key, 200, reply);
}

void
api_plugins_post(struct api_request *request, struct api_reply *reply)
{
	const json_t *json = api_request_json(request, reply);
	const json_t *path;
	struct sl_error err;
	char name[65];

	if (json == NULL)
		return;
	path = json_object_get(json, "path");
	if (!json_is_string(path) || json_object_size(json) != 1 ||
		json_string_value(path)[0] != '/') {
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"the body is not {\"path\": \"/absolute/path/of/plugin.so\"}");
		return;
	}
	if (sl_control_plugin_load(request->control, json_string_value(path), name, &err) != 0) {
		api_reply_error(reply, &err);
		return;
	}
	snprintf(reply->location, sizeof(reply->location), "/v1/plugins/%s", name);
	reply_plugin(request, name, 201, reply);
}

void
api_plugins_delete(struct api_request *request, struct api_reply *reply)
{
	struct sl_error err;

	if (sl_control_plugin_unload(request->control, request->key, &err) != 0)
		api_reply_error(reply, &err);
}
