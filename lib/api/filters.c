/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

json_t *
api_filter_stats_json(struct sl_control *control, const char *key)
{
	struct sl_filter_stats stats;

	if (!sl_control_filter_stats(control, key, &stats))
		return json_null();
	return json_pack("{s:I, s:I, s:o, s:o}", "packets", (json_int_t)stats.counter.packets,
		"bytes", (json_int_t)stats.counter.bytes, "since", api_time_json(stats.since_ns),
		"last_hit", api_time_json(stats.counter.last_hit_ns));
}

void
api_filter_stats_get(struct api_request *request, struct api_reply *reply)
{
	json_t *json = api_filter_stats_json(request->control, request->key);

	if (json_is_null(json))
		api_reply_problem(reply, SL_ERR_FILTER_NOT_FOUND, "there is no filter \"%.100s\"",
			request->key);
	else
		api_reply_json(reply, 200, json);
}
