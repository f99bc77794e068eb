/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * One request from its first byte to the last of its answer.
 *
 * A refusal that is known from the head is sent when the body has been read and dropped, so that clients
 * that send first and listen later hear it, and may go on with the connection.  Whoever asks before
 * sending (Expect: 100-continue), or means to send what would take for ever, hears it at once.
 */

#define DROP_FACTOR 4      /* bodies up to this many times the limit are waited for, and dropped */
#define SMALL       65536u /* bytes of a body or an answer that are taken whatever others hold */
#define TRIM_FROM   1048576u /* bytes of a body or an answer that are worth tidying up behind */

static const char *
header(const struct api_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static struct api_deadline *
deadline_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* --- What is in transit. --- */

/* True when `n` more bytes for a text of `len` are within what all requests together may hold. */
static bool
may_hold(const struct sl_api *api, size_t len, size_t n)
{
	return len + n <= SMALL ||
		(api->held < api->config.held_max && n <= api->config.held_max - api->held);
}

/* The text of an answer on its way to a client. */
struct outgoing {
	struct sl_api *api;
	char *text;
	size_t len;
};

static void
release_outgoing(void *ctx)
{
	struct outgoing *outgoing = ctx;

	outgoing->api->held -= outgoing->len;
	free(outgoing->text);
	free(outgoing);
}

/* Takes the text of the reply over. NULL: no memory, and the reply still has it. */
static struct MHD_Response *
owned_response(struct sl_api *api, struct api_reply *reply)
{
	struct outgoing *outgoing = malloc(sizeof(*outgoing));
	struct MHD_Response *response;

	if (outgoing == NULL)
		return NULL;
	*outgoing = (struct outgoing){api, reply->owned_text, reply->text_len};
	response = MHD_create_response_from_buffer_with_free_callback_cls(
		reply->text_len, reply->owned_text, release_outgoing, outgoing);
	if (response == NULL) {
		free(outgoing);
		return NULL;
	}
	api->held += reply->text_len;
	reply->owned_text = NULL;
	return response;
}

/* --- Answering. --- */

static bool
add_header(struct MHD_Response *response, const char *name, const char *value)
{
	return value[0] == '\0' || MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool
add_headers(struct MHD_Response *response, const struct api_request *request)
{
	const struct api_reply *reply = &request->reply;
	const char *type = reply->content_type != NULL ? reply->content_type : "application/json";
	char revision[24];

	snprintf(revision, sizeof(revision), "%" PRIu64, sl_control_revision(request->control));
	return add_header(response, "Policy-Revision", revision) &&
		add_header(response, "Cache-Control", "no-store") &&
		(reply->status == 204 || add_header(response, "Content-Type", type)) &&
		add_header(response, "Location", reply->location) &&
		add_header(response, "Allow", reply->allow) &&
		add_header(response, "Retry-After", reply->retry_after);
}

/* Queues the reply. MHD_NO ends the connection: there was no memory even for that. */
static enum MHD_Result
send_reply(struct api_request *request)
{
	struct api_reply *reply = &request->reply;
	struct sl_api *api = request->api;
	struct MHD_Response *response;
	enum MHD_Result result;

	api_reply_render(reply);
	if (reply->owned_text != NULL && !may_hold(api, 0, reply->text_len)) {
		api_reply_problem(reply, SL_ERR_BUSY,
			"the answer has %zu bytes, and answers and bodies of others have %zu of "
			"%zu",
			reply->text_len, api->held, api->config.held_max);
		api_reply_render(reply);
	}
	if (reply->owned_text != NULL)
		response = owned_response(api, reply);
	else
		response = MHD_create_response_from_buffer(
			reply->text_len, (void *)(uintptr_t)reply->text, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	if (!add_headers(response, request)) {
		MHD_destroy_response(response);
		return MHD_NO;
	}
	request->stage = API_STAGE_ANSWERED;
	api_deadline_restart(api->deadlines, deadline_of(request->connection));
	result = MHD_queue_response(request->connection, (unsigned int)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

/* --- The head. --- */

static bool
is_expecting(const struct api_request *request)
{
	const char *expect = header(request, "Expect");

	return expect != NULL && strcasecmp(expect, "100-continue") == 0;
}

static uint64_t
announced_length(const struct api_request *request)
{
	const char *length = header(request, "Content-Length");

	/* The HTTP library has checked that it is a number. */
	return length != NULL ? strtoull(length, NULL, 10) : 0;
}

/* What the server's own thread reads must be short. */
static size_t
body_max(const struct api_request *request)
{
	size_t max = request->api->config.body_max;

	return request->route->lane == API_LANE_SERVER ? SL_MIN(max, SMALL) : max;
}

static bool
check_body_head(struct api_request *request, struct api_reply *reply)
{
	const char *encoding = header(request, "Content-Encoding");
	uint64_t length = announced_length(request);
	size_t max = body_max(request);

	if (length > max) {
		api_reply_problem(reply, SL_ERR_TOO_LARGE,
			"the body has %" PRIu64 " bytes; the limit is %zu", length, max);
		return false;
	}
	if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
		api_reply_problem(reply, SL_ERR_UNSUPPORTED_MEDIA_TYPE,
			"Content-Encoding is \"%.40s\"; bodies are sent as they are", encoding);
		return false;
	}
	return true;
}

/* A call that means to be part of something larger must not be taken for one that stands alone. */
static bool
check_frame(const struct api_request *request, struct api_reply *reply)
{
	const char *session = header(request, "Sluice-Session");
	const char *transaction = header(request, "Sluice-Transaction");

	if (session != NULL)
		api_reply_problem(
			reply, SL_ERR_NOT_FOUND, "there is no session \"%.64s\"", session);
	else if (transaction != NULL)
		api_reply_problem(
			reply, SL_ERR_NOT_FOUND, "there is no transaction \"%.64s\"", transaction);
	return session == NULL && transaction == NULL;
}

/* Decides what can be decided from the head. False: a problem was replied. */
static bool
read_head(struct api_request *request, const char *url, const char *method)
{
	struct api_reply *reply = &request->reply;

	if (reply->status != 0) /* the target was refused already */
		return false;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	if (!api_method_find(method, &request->method)) {
		snprintf(reply->allow, sizeof(reply->allow), "GET, PUT, POST, DELETE, PATCH");
		api_reply_problem(
			reply, SL_ERR_METHOD_NOT_ALLOWED, "no resource takes %.20s", method);
		return false;
	}
	request->route = api_route_find(request, url, reply);
	return request->route != NULL && check_frame(request, reply) &&
		check_body_head(request, reply);
}

static enum MHD_Result
start(struct api_request *request, const char *url, const char *method)
{
	if (read_head(request, url, method)) {
		request->stage = API_STAGE_RECEIVING;
		return MHD_YES;
	}
	request->stage = API_STAGE_REFUSED;
	if (is_expecting(request) ||
		announced_length(request) / DROP_FACTOR > request->api->config.body_max)
		return send_reply(request);
	return MHD_YES;
}

/* --- The body. --- */

static void
refuse_body(struct api_request *request)
{
	sl_buf_fini(&request->body);
	request->api->held -= request->body_held;
	request->body_held = 0;
	request->stage = API_STAGE_REFUSED;
}

/* Takes a piece of the body; what cannot be kept is a refusal that follows when the client has sent all. */
static void
take_body(struct api_request *request, const char *data, size_t size)
{
	struct sl_api *api = request->api;
	size_t max = body_max(request);

	if (size > max - request->body.len) {
		api_reply_problem(&request->reply, SL_ERR_TOO_LARGE,
			"the body is longer than the limit of %zu bytes", max);
		refuse_body(request);
		return;
	}
	if (!may_hold(api, request->body.len, size)) {
		api_reply_problem(&request->reply, SL_ERR_BUSY,
			"answers and bodies of others have %zu of %zu bytes", api->held,
			api->config.held_max);
		refuse_body(request);
		return;
	}
	sl_buf_add(&request->body, data, size);
	if (request->body.failed) {
		api_reply_problem(
			&request->reply, SL_ERR_NO_MEMORY, "not enough memory for the body");
		refuse_body(request);
		return;
	}
	request->body_held += size;
	api->held += size;
}

/* --- The work. --- */

void
api_exchange_work(struct api_request *request, bool is_late)
{
	json_t *json;
	bool is_large;

	if (is_late)
		api_reply_problem(&request->reply, SL_ERR_BUSY, "the daemon is stopping");
	else
		request->route->handler(request, &request->reply);
	api_reply_render(&request->reply);
	is_large = request->body_held > TRIM_FROM || request->reply.text_len > TRIM_FROM;
	json = request->json;
	request->json = NULL;
	request->stage = API_STAGE_DONE;
	MHD_resume_connection(request->connection);
	/*
	 * From here on the request is the server's again.  Freeing a large document takes as long as
	 * reading it, and leaves hundreds of megabytes of holes: neither the client nor the server's thread
	 * waits for that.
	 */
	json_decref(json);
	if (is_large)
		malloc_trim(0);
}

/* The request is there whole. */
static enum MHD_Result
finish(struct api_request *request)
{
	struct sl_api *api = request->api;

	if (!request->is_whole) {
		request->is_whole = true;
		atomic_fetch_add(&api->n_unanswered, 1);
	}
	if (request->stage != API_STAGE_RECEIVING)
		return send_reply(request);
	api_deadline_stop(api->deadlines, deadline_of(request->connection));
	if (request->route->lane == API_LANE_SERVER) {
		request->route->handler(request, &request->reply);
		return send_reply(request);
	}
	request->stage = API_STAGE_RUNNING;
	MHD_suspend_connection(request->connection);
	if (!api_lanes_put(api->lanes, request->route->lane, request))
		api_exchange_work(request, true);
	return MHD_YES;
}

/* --- Callbacks. --- */

void *
api_exchange_begin(void *ctx, const char *target, struct MHD_Connection *connection)
{
	struct sl_api *api = ctx;
	struct api_request *request = calloc(1, sizeof(*request));
	const char *fault = api_target_fault(target);

	if (request == NULL)
		return NULL;
	request->api = api;
	request->control = api->control;
	request->connection = connection;
	if (fault != NULL)
		api_reply_problem(&request->reply, SL_ERR_INVALID_PARAMETER,
			"the target \"%.200s\" has %s", target, fault);
	return request;
}

enum MHD_Result
api_exchange_run(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *data, size_t *size, void **request_ctx)
{
	struct api_request *request = *request_ctx;

	(void)ctx;
	(void)connection;
	(void)version;
	if (request == NULL)
		return MHD_NO;
	if (request->stage == API_STAGE_NEW)
		return start(request, url, method);
	if (*size > 0) {
		if (request->stage == API_STAGE_RECEIVING)
			take_body(request, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return request->stage == API_STAGE_ANSWERED ? MHD_YES : finish(request);
}

void
api_exchange_end(void *ctx, struct MHD_Connection *connection, void **request_ctx,
	enum MHD_RequestTerminationCode code)
{
	struct sl_api *api = ctx;
	struct api_request *request = *request_ctx;

	(void)code;
	if (request == NULL)
		return;
	api_deadline_restart(api->deadlines, deadline_of(connection));
	if (request->is_whole)
		atomic_fetch_sub(&api->n_unanswered, 1);
	api->held -= request->body_held;
	api_reply_fini(&request->reply);
	sl_buf_fini(&request->body);
	json_decref(request->json);
	free(request);
	*request_ctx = NULL;
}
