/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef API_API_H
#define API_API_H

/*
 * Inside of the REST room: what a resource sees of a request, and how it answers.
 *
 * A resource is one file with handlers; route.c has the one table that names them.  A handler reads its
 * request, talks to sl_control, and fills one reply; exchange.c does everything that is HTTP.
 */

#include "api/sl_api.h"
#include "base/sl_buf.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct api_deadlines;
struct api_lanes;

struct sl_api {
	struct sl_control *control;
	struct MHD_Daemon *daemon;
	struct api_deadlines *deadlines;
	struct api_lanes *lanes;
	struct sl_api_config config; /* with defaults filled in */
	size_t held;                 /* bytes of bodies and answers in transit; server thread */
	atomic_uint n_unanswered; /* requests that arrived whole and whose answer is not out yet */
	char *socket_path;
	int socket_fd;
	bool socket_is_ours; /* bound by us: removed at the end if it is still this one: */
	dev_t socket_dev;
	ino_t socket_ino;
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

/* How far a request has come. */
enum api_stage {
	API_STAGE_NEW,       /* its head is not read yet */
	API_STAGE_RECEIVING, /* its body is arriving */
	API_STAGE_REFUSED,   /* `reply` says why; the body is read and dropped before it is sent */
	API_STAGE_RUNNING,   /* its handler runs in a lane, which owns it for that time */
	API_STAGE_DONE,      /* `reply` is ready */
	API_STAGE_ANSWERED   /* `reply` was queued */
};

struct api_request {
	struct sl_api *api;
	struct sl_control *control;
	struct MHD_Connection *connection;
	enum api_method method;
	enum api_stage stage;
	const struct api_route *route;
	char key[256]; /* decoded {key} of the path; "" when the route has none */
	struct sl_buf body;
	size_t body_held; /* bytes of it counted in sl_api.held */
	json_t *json;     /* parsed body, owned; NULL until api_request_json */
	bool is_whole;    /* counted in sl_api.n_unanswered */
	struct api_reply reply;
	struct api_request *next; /* in a lane's queue */
};

typedef void api_handler_fn(struct api_request *request, struct api_reply *reply);

/*
 * The thread a handler runs on.  What is cheap runs on the server's; what may take long has threads of its
 * own, so that neither a large answer nor a compilation keeps others waiting.
 */
enum api_lane {
	API_LANE_SERVER, /* microseconds; never waits */
	API_LANE_READ,   /* grows with the policy */
	API_LANE_CHANGE, /* may wait for a commit */
	API_LANE_COUNT
};

struct api_route {
	enum api_method method;
	enum api_lane lane;
	const char *path;           /* "/v1/filters/{key}/stats" */
	const char *const *queries; /* query parameters it takes, NULL-terminated */
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
/* The body as JSON; NULL: a problem was replied. Borrowed from the request. The body's text is gone then. */
const json_t *api_request_json(struct api_request *request, struct api_reply *reply);
/* If-Match as a revision, 0 when absent; false: a problem was replied. */
bool api_request_if_match(struct api_request *request, uint64_t *revision, struct api_reply *reply);

/* The same for texts. False: not one of the allowed. */
bool api_parse_flag(const char *text, bool *value);
bool api_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);
/* A revision, bare or in quotes, or "*" (0: any). */
bool api_parse_revision(const char *text, uint64_t *revision);
/*
 * What is wrong with the escapes of a request target, NULL when nothing is.  Escaped NULs, line ends and
 * separators would make two names look like one: nothing we serve has such a name.
 */
const char *api_target_fault(const char *target);

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
/* Takes over the text of `buf`; one that ran out of memory answers no_memory. NULL type: application/json. */
void
api_reply_buf(struct api_reply *reply, int status, struct sl_buf *buf, const char *content_type);
/* Turns `json` into text; what cannot be written becomes a problem. Then `text` is the body. */
void api_reply_render(struct api_reply *reply);
/* Frees what the reply owns and makes it empty. */
void api_reply_fini(struct api_reply *reply);

/*
 * Appends `item`, taking it over.  Want of memory, of either, frees the list and makes it NULL: an answer
 * with a part missing would look whole.
 */
void api_append(json_t **list, json_t *item);
/* The same for a member of an object. */
void api_set(json_t **object, const char *name, json_t *value);

/* --- Routing. --- */

/*
 * The route of a method and path; its key is copied into `key`.  NULL: `allow` lists the methods that the
 * path takes, "" when there is no such path.
 */
const struct api_route *
api_route_match(enum api_method method, const char *path, char key[256], char allow[64]);
/* Finds the request's route and checks its query; NULL: a problem was replied. */
const struct api_route *
api_route_find(struct api_request *request, const char *path, struct api_reply *reply);
bool api_method_find(const char *name, enum api_method *method);

/* --- Exchange: from bytes to handlers and back. --- */

/* Callbacks of the HTTP library; `ctx` is the struct sl_api. */
void *api_exchange_begin(void *ctx, const char *target, struct MHD_Connection *connection);
enum MHD_Result
api_exchange_run(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *data, size_t *size, void **request_ctx);
void api_exchange_end(void *ctx, struct MHD_Connection *connection, void **request_ctx,
	enum MHD_RequestTerminationCode code);
/* Runs a request in a lane; one that comes too late is refused instead. */
void api_exchange_work(struct api_request *request, bool is_late);

/* --- Lanes: threads for handlers that may take long. --- */

/* `is_late`: the lanes are being stopped. The request is the callee's until it hands it back. */
typedef void api_lane_fn(struct api_request *request, bool is_late);

/* 0, -ENOMEM or -EAGAIN. */
int api_lanes_new(api_lane_fn *fn, struct api_lanes **out);
/* False: the lanes are being stopped; the request stays the caller's. First come, first served. */
bool api_lanes_put(struct api_lanes *lanes, enum api_lane lane, struct api_request *request);
/* Returns when every request that was put is done: the running ones finished, the others late. */
void api_lanes_stop(struct api_lanes *lanes);
/* NULL is allowed. */
void api_lanes_free(struct api_lanes *lanes);

/* --- The listening socket. --- */

int api_socket_open(struct sl_api *api, struct sl_error *err);
/* Removes the socket file, if it is still ours. */
void api_socket_unlink(struct sl_api *api);
void api_socket_close(struct sl_api *api);

/* --- Deadlines: clients that dribble are cut off. --- */

struct api_deadline; /* one connection */

/*
 * `crowd`: from that many connections on, each new one costs the place of the one that has been waited for
 * longest.  0 or a negative errno.
 */
int api_deadlines_new(uint32_t timeout_s, uint32_t crowd, struct api_deadlines **out);
/* NULL is allowed. */
void api_deadlines_free(struct api_deadlines *deadlines);
/* A connection begins or ends. Server thread. NULL from begin: no memory, the connection goes unwatched. */
struct api_deadline *api_deadline_begin(struct api_deadlines *deadlines, int fd);
void api_deadline_end(struct api_deadlines *deadlines, struct api_deadline *deadline);
/* A request has arrived whole (stop watching) or its answer is going out (watch again). */
void api_deadline_stop(struct api_deadlines *deadlines, struct api_deadline *deadline);
void api_deadline_restart(struct api_deadlines *deadlines, struct api_deadline *deadline);
/* Cuts off who is late at a moment of the monotonic clock. Done four times a second by itself. */
void api_deadlines_cut(struct api_deadlines *deadlines, uint64_t now_ns);

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
/* Names of the bits of a flags field that are set; NULL when the field has no named bits. */
json_t *api_flags_json(enum sluice_field field, uint64_t value);
/* Name, meaning and kind of a reason; null for NONE. */
json_t *api_reason_json(enum sl_reason reason);
json_t *api_meaning_json(enum sl_reason reason);
json_t *api_reason_kind_json(enum sl_reason reason);
/* Adds them as "reason", "meaning" and "reason_kind". */
void api_add_reason(json_t **json, enum sl_reason reason);
json_t *api_filter_stats_json(struct sl_control *control, const char *key);

extern const struct api_route api_routes[];
extern const size_t api_routes_n;

/* The contract as compact JSON, without NUL; from openapi.json. */
extern const char api_openapi_text[];
extern const size_t api_openapi_len;

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
api_handler_fn api_flows_list, api_flows_delete, api_flows_stats, api_flows_get,
	api_flows_delete_one;
api_handler_fn api_stats_get, api_ports_list, api_ports_get, api_links_list, api_links_get;
api_handler_fn api_plugins_list, api_plugins_get, api_plugins_post, api_plugins_delete;

#endif
