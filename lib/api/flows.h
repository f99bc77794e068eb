/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef API_FLOWS_H
#define API_FLOWS_H

/*
 * /v1/flows: flow_query.c reads which flows are wanted, flow_json.c writes them, flows.c has the handlers.
 */

#include "api/api.h"

#include "telemetry/sl_counters.h"

/* --- flow_query.c --- */

/*
 * The filters of the query.  A filter's key is looked up in `policy`.  False: a problem was replied, with the first
 * fault that was found.
 */
bool api_flow_query(struct api_request *request, const struct sl_policy *policy,
	struct sl_flow_wanted *wanted, struct api_reply *reply);
/* "WORKER.PLACE" as texts of flow_cursor_json have it. False: a problem was replied. */
bool api_flow_cursor(
	struct api_request *request, struct sl_flow_cursor *cursor, struct api_reply *reply);

/* A protocol's number by number or name. False: neither. */
bool api_flow_parse_protocol(const char *text, uint8_t *protocol);
/* Pure part of api_flow_cursor: a cursor of one of `n_workers`. */
bool api_flow_parse_cursor(const char *text, uint32_t n_workers, struct sl_flow_cursor *cursor);

/* --- flow_json.c --- */

/* One flow; `policy` names its filter. NULL: out of memory. */
json_t *
api_flow_json(const struct sl_policy *policy, const struct sl_flow_view *view, uint64_t now_ns);
json_t *api_flow_cursor_json(const struct sl_flow_cursor *cursor);
/* What /v1/stats says of flows: counters of all workers. */
json_t *api_flow_counters_json(const struct sl_flow_counter *counters);
json_t *
api_flow_stats_json(const struct sl_flow_stats *stats, const struct sl_flow_counter *counters);
/* Adds what an event says of its flow. */
void api_flow_add_event(json_t **json, const struct sl_event *event);

#endif
