/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "base/sl_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define HEADER_MEMORY   16384 /* bytes of request line and headers */
#define POOL_INCREMENT  4096
#define CONNECTIONS_MAX 4096u
#define STOP_PATIENCE_S 2 /* for the last answers to go out */

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

static void on_log(void *ctx, const char *format, va_list args) SL_PRINTF(2, 0);

static void
on_log(void *ctx, const char *format, va_list args)
{
	char text[256];

	(void)ctx;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	sl_log_debug("http: %s", text);
}

/* At most half of the files that the process may have open are connections. */
static uint32_t
connections_limit(uint32_t wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur / 2 >= wanted)
		return wanted;
	sl_log_notice("api: %llu files may be open: at most %llu connections, not %u",
		(unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_cur / 2, wanted);
	return SL_MAX((uint32_t)files.rlim_cur / 2, 1);
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
	if (config->held_max == 0)
		config->held_max = SL_MAX((size_t)512 << 20, config->body_max);
	if (config->connections_max == 0)
		config->connections_max = CONNECTIONS_MAX;
	config->connections_max = connections_limit(config->connections_max);
	if (config->timeout_s == 0)
		config->timeout_s = 10;
}

static int
start_daemon(struct sl_api *api, struct sl_error *err)
{
	api->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG |
			MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME,
		0, NULL, NULL, api_exchange_run, api, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, api->socket_fd, MHD_OPTION_CONNECTION_LIMIT,
		api->config.connections_max, MHD_OPTION_CONNECTION_TIMEOUT, api->config.timeout_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,
		MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_INCREMENT,
		MHD_OPTION_URI_LOG_CALLBACK, api_exchange_begin, api, MHD_OPTION_NOTIFY_COMPLETED,
		api_exchange_end, api, MHD_OPTION_NOTIFY_CONNECTION, on_connection, api,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (api->daemon == NULL)
		return sl_error_set(err, SL_ERR_IO, api->socket_path,
			"cannot start the HTTP server: %s", strerror(errno));
	return 0;
}

static int
start_threads(struct sl_api *api, struct sl_error *err)
{
	uint32_t max = api->config.connections_max;

	if (api_deadlines_new(api->config.timeout_s, max - max / 4, &api->deadlines) != 0 ||
		api_lanes_new(api_exchange_work, &api->lanes) != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, api->socket_path,
			"cannot start the threads of the REST server");
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
	if (rc == 0)
		rc = start_threads(api, err);
	if (rc == 0)
		rc = start_daemon(api, err);
	if (rc != 0) {
		sl_api_stop(api);
		return rc;
	}
	*out = api;
	return 0;
}

/* Waits until the answers that are ready have gone out, or their readers are too slow. */
static void
wait_answers(struct sl_api *api)
{
	const struct timespec pause = {.tv_nsec = 5000000};

	for (int i = 0; i < STOP_PATIENCE_S * 200 && atomic_load(&api->n_unanswered) > 0; i++)
		nanosleep(&pause, NULL);
}

void
sl_api_stop(struct sl_api *api)
{
	if (api == NULL)
		return;
	api_socket_unlink(api);
	if (api->daemon != NULL)
		MHD_quiesce_daemon(api->daemon);
	if (api->lanes != NULL)
		api_lanes_stop(api->lanes);
	if (api->daemon != NULL) {
		wait_answers(api);
		MHD_stop_daemon(api->daemon);
	}
	api_lanes_free(api->lanes);
	api_deadlines_free(api->deadlines);
	api_socket_close(api);
	free(api->socket_path);
	free(api);
}
