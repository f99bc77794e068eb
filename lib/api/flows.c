/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/flows.h"

#include <errno.h>
#include <stdlib.h>

/* Flows of all workers: lists, single ones, their end, statistics. */

#define LIMIT_MAX     1000
#define LIMIT_DEFAULT 100

/* --- Lists. --- */

static void
list_flows(struct api_request *request, const struct sl_policy *policy,
	const struct sl_flow_wanted *wanted, struct sl_flow_cursor *cursor, uint32_t limit,
	struct api_reply *reply)
{
	struct sl_flow_view *views = calloc(limit, sizeof(*views));
	uint64_t now_ns = sl_clock_now(&sl_clock_system);
	json_t *items = json_array();
	bool is_end = true;
	uint32_t n = 0;

	if (views != NULL)
		n = sl_control_flows(request->control, wanted, cursor, views, limit, &is_end);
	for (uint32_t i = 0; i < n; i++)
		api_append(&items, api_flow_json(policy, &views[i], now_ns));
	if (views == NULL) {
		json_decref(items);
		items = NULL;
	}
	free(views);
	api_reply_json(reply, 200,
		json_pack("{s:o, s:o}", "items", items, "next_cursor",
			is_end ? json_null() : api_flow_cursor_json(cursor)));
}

void
api_flows_list(struct api_request *request, struct api_reply *reply)
{
	struct sl_flow_cursor cursor;
	struct sl_flow_wanted wanted;
	struct sl_view view;
	uint64_t limit;

	sl_control_view_get(request->control, &view);
	if (api_request_number(request, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT, &limit, reply) &&
		api_flow_cursor(request, &cursor, reply) &&
		api_flow_query(request, view.policy, &wanted, reply))
		list_flows(request, view.policy, &wanted, &cursor, (uint32_t)limit, reply);
	sl_control_view_put(request->control, &view);
}

static void
kill_flows(
	struct api_request *request, const struct sl_flow_wanted *wanted, struct api_reply *reply)
{
	struct sl_error err;
	uint64_t n;

	if (sl_control_flows_kill(request->control, wanted, &n, &err) != 0)
		api_reply_error(reply, &err);
	else
		api_reply_json(reply, 200, json_pack("{s:I}", "killed", (json_int_t)n));
}

/* What would end every flow must be meant. */
void
api_flows_delete(struct api_request *request, struct api_reply *reply)
{
	struct sl_flow_wanted wanted;
	struct sl_view view;
	bool is_ok;
	bool is_all;

	if (!api_request_flag(request, "all", &is_all, reply))
		return;
	sl_control_view_get(request->control, &view);
	is_ok = api_flow_query(request, view.policy, &wanted, reply);
	sl_control_view_put(request->control, &view);
	if (!is_ok)
		return;
	if (is_all && wanted.has != 0)
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"all=1 goes with no filter: it ends every flow");
	else if (!is_all && wanted.has == 0)
		api_reply_problem(reply, SL_ERR_INVALID_PARAMETER,
			"say which flows: at least one filter is needed, or all=1");
	else
		kill_flows(request, &wanted, reply);
}

/* --- One. --- */

static bool
read_id(struct api_request *request, uint64_t *id, struct api_reply *reply)
{
	if (api_parse_number(request->key, 1, UINT64_MAX, id))
		return true;
	api_reply_problem(reply, SL_ERR_NOT_FOUND,
		"there is no flow \"%.40s\"; ids are numbers, and /v1/flows lists them",
		request->key);
	return false;
}

void
api_flows_get(struct api_request *request, struct api_reply *reply)
{
	struct sl_flow_view flow;
	struct sl_view view;
	uint64_t id;

	if (!read_id(request, &id, reply))
		return;
	if (!sl_control_flow(request->control, id, &flow)) {
		api_reply_problem(reply, SL_ERR_NOT_FOUND,
			"there is no flow %.40s, or not any more", request->key);
		return;
	}
	sl_control_view_get(request->control, &view);
	api_reply_json(
		reply, 200, api_flow_json(view.policy, &flow, sl_clock_now(&sl_clock_system)));
	sl_control_view_put(request->control, &view);
}

void
api_flows_delete_one(struct api_request *request, struct api_reply *reply)
{
	struct sl_error err;
	uint64_t id;

	if (!read_id(request, &id, reply))
		return;
	if (sl_control_flow_kill(request->control, id, &err) != 0)
		api_reply_error(reply, &err);
	else
		reply->status = 204;
}

/* --- All of them. --- */

void
api_flows_stats(struct api_request *request, struct api_reply *reply)
{
	struct sl_counters counters;
	struct sl_flow_stats stats;

	sl_control_counters(request->control, &counters);
	sl_control_flow_stats(request->control, &stats);
	api_reply_json(reply, 200, api_flow_stats_json(&stats, &counters.flows));
}
