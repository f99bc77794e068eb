/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "base/sl_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_MEMORY  16384 /* bytes of request line and headers */
#define POOL_INCREMENT 4096

static enum MHD_Result
send_reply(struct api_request *request, struct api_reply *reply)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char revision[24];
	char *body = NULL;
	size_t len = 0;

	if (reply->json != NULL) {
		body = json_dumps(reply->json, JSON_COMPACT);
		len = body != NULL ? strlen(body) : 0;
		json_decref(reply->json);
	} else if (reply->owned_text != NULL) {
		body = reply->owned_text;
		len = reply->text_len;
	}
	if (body != NULL)
		response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	else
		response = MHD_create_response_from_buffer(
			reply->text_len, (void *)(uintptr_t)reply->text, MHD_RESPMEM_PERSISTENT);
	if (response == NULL) {
		free(body);
		return MHD_NO;
	}
	if (reply->status == 0)
		reply->status = body != NULL || reply->text != NULL ? 200 : 204;
	snprintf(revision, sizeof(revision), "%" PRIu64, sl_control_revision(request->control));
	MHD_add_response_header(response, "Policy-Revision", revision);
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (reply->status != 204)
		MHD_add_response_header(response, "Content-Type",
			reply->content_type != NULL ? reply->content_type : "application/json");
	if (reply->location[0] != '\0')
		MHD_add_response_header(response, "Location", reply->location);
	if (reply->allow[0] != '\0')
		MHD_add_response_header(response, "Allow", reply->allow);
	if (reply->retry_after[0] != '\0')
		MHD_add_response_header(response, "Retry-After", reply->retry_after);
	request->answered = true;
	result = MHD_queue_response(request->connection, (unsigned int)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static struct api_deadline *
deadline_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

/* Decides what can be decided from the head of a request. False: a problem was replied. */
static bool
start_request(
	struct api_request *request, const char *url, const char *method, struct api_reply *reply)
{
	const char *length =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
	size_t max = request->api->config.body_max;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	if (!api_method_find(method, &request->method)) {
		snprintf(reply->allow, sizeof(reply->allow), "GET, PUT, POST, DELETE, PATCH");
		api_reply_problem(
			reply, SL_ERR_METHOD_NOT_ALLOWED, "no resource takes %.20s", method);
		return false;
	}
	request->route = api_route_find(request, url, reply);
	if (request->route == NULL)
		return false;
	if (length != NULL && strtoull(length, NULL, 10) > max) {
		api_reply_problem(reply, SL_ERR_TOO_LARGE,
			"the body has %.20s bytes; the limit is %zu", length, max);
		return false;
	}
	return true;
}

/* Takes a piece of the body. False: it is longer than allowed, or than memory. */
static bool
take_body(struct api_request *request, const char *data, size_t size)
{
	if (request->body.len + size <= request->api->config.body_max) {
		sl_buf_add(&request->body, data, size);
		if (!request->body.failed)
			return true;
	}
	sl_buf_fini(&request->body);
	return false;
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method,
	const char *version, const char *data, size_t *size, void **request_ctx)
{
	struct sl_api *api = ctx;
	struct api_request *request = *request_ctx;
	struct api_reply reply = {0};

	(void)version;
	if (request == NULL) {
		request = calloc(1, sizeof(*request));
		if (request == NULL)
			return MHD_NO;
		request->api = api;
		request->control = api->control;
		request->connection = connection;
		*request_ctx = request;
		request->is_refused = !start_request(request, url, method, &request->refusal);
		/* Nobody waits for a body that is beyond the limit; any other is read before the answer. */
		if (request->is_refused && request->refusal.status == 413)
			return send_reply(request, &request->refusal);
		return MHD_YES;
	}
	if (*size > 0) {
		/* Beyond the limit the body is not kept; the refusal follows when the client has sent it. */
		if (!request->answered && !request->is_refused && !request->too_large &&
			!take_body(request, data, *size))
			request->too_large = true;
		*size = 0;
		return MHD_YES;
	}
	if (request->answered)
		return MHD_YES;
	if (request->is_refused)
		return send_reply(request, &request->refusal);
	api_deadline_stop(api->deadlines, deadline_of(connection));
	if (request->too_large)
		api_reply_problem(&reply, SL_ERR_TOO_LARGE,
			"the body is longer than the limit of %zu bytes", api->config.body_max);
	else
		request->route->handler(request, &reply);
	api_deadline_restart(api->deadlines, deadline_of(connection));
	return send_reply(request, &reply);
}

static void
on_completed(void *ctx, struct MHD_Connection *connection, void **request_ctx,
	enum MHD_RequestTerminationCode code)
{
	struct sl_api *api = ctx;
	struct api_request *request = *request_ctx;

	(void)code;
	if (request == NULL)
		return;
	api_deadline_restart(api->deadlines, deadline_of(connection));
	if (!request->answered)
		json_decref(request->refusal.json);
	sl_buf_fini(&request->body);
	json_decref(request->json);
	free(request);
	*request_ctx = NULL;
}

static void
on_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
	enum MHD_ConnectionNotificationCode code)
{
	struct sl_api *api = ctx;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		*socket_ctx =
			info != NULL ? api_deadline_begin(api->deadlines, info->connect_fd) : NULL;
	} else {
		api_deadline_end(api->deadlines, *socket_ctx);
		*socket_ctx = NULL;
	}
}

static void
on_log(void *ctx, const char *format, va_list args)
{
	char text[256];

	(void)ctx;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	sl_log_debug("http: %s", text);
}

static void
set_defaults(struct sl_api_config *config)
{
	if (config->socket_mode == 0)
		config->socket_mode = 0660;
	if (config->body_max == 0)
		config->body_max = (size_t)64 << 20;
	if (config->request_memory_max == 0)
		config->request_memory_max = (size_t)512 << 20;
	if (config->connections_max == 0)
		config->connections_max = 4096;
	if (config->timeout_s == 0)
		config->timeout_s = 10;
}

static int
start_daemon(struct sl_api *api, struct sl_error *err)
{
	api->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG | MHD_USE_ITC, 0, NULL, NULL,
		on_request, api, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
		api->socket_fd, MHD_OPTION_CONNECTION_LIMIT, api->config.connections_max,
		MHD_OPTION_CONNECTION_TIMEOUT, api->config.timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_INCREMENT,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, api, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, api, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (api->daemon == NULL)
		return sl_error_set(err, SL_ERR_IO, api->socket_path,
			"cannot start the HTTP server: %s", strerror(errno));
	return 0;
}

int
sl_api_start(const struct sl_api_config *config, struct sl_control *control, struct sl_api **out,
	struct sl_error *err)
{
	struct sl_api *api = calloc(1, sizeof(*api));
	int rc;

	if (api == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, config->socket,
			"not enough memory for the REST server");
	api->control = control;
	api->config = *config;
	api->socket_fd = -1;
	set_defaults(&api->config);
	sl_document_setup();
	api->socket_path = strdup(config->socket);
	rc = api->socket_path == NULL
		? sl_error_set(err, SL_ERR_NO_MEMORY, config->socket, "not enough memory")
		: 0;
	if (rc == 0)
		rc = api_socket_open(api, err);
	if (rc == 0 && api_deadlines_new(api->config.timeout_s, &api->deadlines) != 0)
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, config->socket,
			"cannot start the watcher of slow clients");
	if (rc == 0)
		rc = start_daemon(api, err);
	if (rc != 0) {
		sl_api_stop(api);
		return rc;
	}
	*out = api;
	return 0;
}

void
sl_api_stop(struct sl_api *api)
{
	if (api == NULL)
		return;
	if (api->daemon != NULL) {
		MHD_stop_daemon(api->daemon);
		api->socket_fd = -1;
	}
	api_deadlines_free(api->deadlines);
	api_socket_close(api);
	free(api->socket_path);
	free(api);
}
