/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef API_API_H
#define API_API_H

/*
 * Inside of the REST room: what a resource sees of a request, and how it answers.
 *
 * A resource is one file with handlers; route.c has the one table that names them.  A handler reads its
 * request, talks to sl_control, and fills one reply; server.c does everything that is HTTP.
 */

#include "api/sl_api.h"
#include "base/sl_buf.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api_deadlines;

struct sl_api {
	struct sl_control *control;
	struct MHD_Daemon *daemon;
	struct api_deadlines *deadlines;
	struct sl_api_config config; /* with defaults filled in */
	char *socket_path;
	int socket_fd;
	bool socket_is_ours; /* bound by us: removed at the end */
};

enum api_method {
	API_GET = 0x01,
	API_PUT = 0x02,
	API_POST = 0x04,
	API_DELETE = 0x08,
	API_PATCH = 0x10
};

/* What goes back. Zero-initialised: 200 without a body. */
struct api_reply {
	int status;       /* HTTP status; 0: 200, or 204 without a body */
	json_t *json;     /* body, owned; or NULL */
	const char *text; /* body that lives for ever, used when `json` is NULL; or NULL */
	size_t text_len;
	char *owned_text;         /* freed after sending when `text` is it; or NULL */
	const char *content_type; /* NULL: application/json */
	char location[256];       /* Location header; "" */
	char allow[64];           /* Allow header; "" */
	char retry_after[8];      /* Retry-After header; "" */
};

struct api_route;

struct api_request {
	struct sl_api *api;
	struct sl_control *control;
	struct MHD_Connection *connection;
	enum api_method method;
	const struct api_route *route;
	char key[256]; /* decoded {key} of the path; "" when the route has none */
	struct sl_buf body;
	json_t *json;    /* parsed body, owned; NULL until api_request_json */
	bool too_large;  /* the body passed its limit and is dropped */
	bool is_refused; /* `refusal` is the answer; the body is read and dropped */
	struct api_reply refusal;
	bool answered; /* a reply was queued */
};

typedef void api_handler_fn(struct api_request *request, struct api_reply *reply);

struct api_route {
	enum api_method method;
	const char *path;           /* "/v1/filters/{key}/stats" */
	const char *const *queries; /* query parameters it takes, NULL-terminated; NULL: none */
	api_handler_fn *handler;
	int type; /* enum sl_object_type for object resources */
};

/* --- Request. --- */

/* A query parameter, NULL when absent. Borrowed. */
const char *api_request_query(const struct api_request *request, const char *name);
/* A flag parameter: "1", "true" or empty is true, absent, "0" and "false" false; else a problem is replied. */
bool api_request_flag(
	struct api_request *request, const char *name, bool *value, struct api_reply *reply);
/* An integer parameter in [min, max], `absent` when it is not there; false: a problem was replied. */
bool api_request_number(struct api_request *request, const char *name, uint64_t min, uint64_t max,
	uint64_t absent, uint64_t *value, struct api_reply *reply);
/* The body as JSON; NULL: a problem was replied. Borrowed from the request. */
const json_t *api_request_json(struct api_request *request, struct api_reply *reply);
/* If-Match as a revision, 0 when absent; false: a problem was replied. */
bool api_request_if_match(struct api_request *request, uint64_t *revision, struct api_reply *reply);

/* --- Reply. --- */

/* A problem document (RFC 9457) about the request's target. */
void api_reply_problem(struct api_reply *reply, enum sl_err code, const char *format, ...)
	SL_PRINTF(3, 4);
void api_reply_error(struct api_reply *reply, const struct sl_error *err);
/*
 * A problem document from the faults of a body.  `in_body`: the faults are about the body, so that a
 * missing reference answers 422 and not 404.
 */
void api_reply_problems(struct api_reply *reply, const struct sl_problems *problems, bool in_body);
/* Takes `json` over; NULL answers no_memory. */
void api_reply_json(struct api_reply *reply, int status, json_t *json);

/* --- Routing. --- */

/* Finds the route and decodes its key; NULL: a problem was replied. */
const struct api_route *
api_route_find(struct api_request *request, const char *url, struct api_reply *reply);
bool api_method_find(const char *name, enum api_method *method);

/* --- The listening socket. --- */

int api_socket_open(struct sl_api *api, struct sl_error *err);
void api_socket_close(struct sl_api *api);

/* --- Deadlines: clients that dribble are cut off. --- */

struct api_deadline; /* one connection */

int api_deadlines_new(uint32_t timeout_s, struct api_deadlines **out);
void api_deadlines_free(struct api_deadlines *deadlines);
/* A connection begins or ends. Server thread. NULL from begin: no memory, the connection goes unwatched. */
struct api_deadline *api_deadline_begin(struct api_deadlines *deadlines, int fd);
void api_deadline_end(struct api_deadlines *deadlines, struct api_deadline *deadline);
/* A request has arrived whole (stop watching) or was answered (watch again, idle). */
void api_deadline_stop(struct api_deadlines *deadlines, struct api_deadline *deadline);
void api_deadline_restart(struct api_deadlines *deadlines, struct api_deadline *deadline);

/* --- Shared by resources. --- */

/* A commit report as JSON. */
json_t *api_report_json(const struct sl_commit_report *report, bool is_dry_run);
/*
 * Commits an edit with the request's dry_run and If-Match.  True: committed (or, dry, checked) and, when dry,
 * the report was replied.  False: a problem was replied.
 */
bool api_commit(struct api_request *request, sl_control_edit_fn *edit, void *ctx, bool in_body,
	bool *is_dry_run, struct api_reply *reply);
/* "2026-01-02T03:04:05.000006Z", or null for 0. */
json_t *api_time_json(uint64_t ns);
/* A uint64 as a decimal string. */
json_t *api_u64_json(uint64_t number);
json_t *api_filter_stats_json(struct sl_control *control, const char *key);

extern const struct api_route api_routes[];
extern const size_t api_routes_n;

/* --- Handlers, by file. --- */

api_handler_fn api_engine_version, api_engine_health, api_engine_ready, api_engine_get,
	api_engine_patch, api_openapi_get;
api_handler_fn api_objects_list, api_objects_post, api_objects_get, api_objects_put,
	api_objects_delete;
api_handler_fn api_filter_stats_get;
api_handler_fn api_elements_get, api_elements_put, api_elements_post, api_elements_delete;
api_handler_fn api_policy_get, api_policy_put;
api_handler_fn api_layers_list, api_layers_get;
api_handler_fn api_explain_post;
api_handler_fn api_events_get;
api_handler_fn api_stats_get, api_ports_list, api_ports_get, api_links_list, api_links_get;
api_handler_fn api_plugins_list, api_plugins_get, api_plugins_post, api_plugins_delete;

#endif
