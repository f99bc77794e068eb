/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_API_API_H
#define SL_API_API_H

/*
 * The REST interface: HTTP/1.1 and JSON on a unix socket, one resource a file.
 *
 * Limits.  Bodies, memory of one request, depth, concurrent connections and the time a client may take are
 *          bounded; beyond them a client gets one clear error or is cut off, and nobody else notices.
 * Threads. One server thread of its own; handlers run on it and talk to sl_control only.
 */

#include "base/sl_error.h"
#include "control/sl_control.h"

#include <stddef.h>
#include <stdint.h>

struct sl_api_config {
	const char *socket;        /* path; its folder must exist or is made with mode 0750 */
	uint32_t socket_mode;      /* 0: 0660 */
	const char *socket_group;  /* NULL: the process's */
	size_t body_max;           /* bytes; 0: 64 MiB */
	size_t request_memory_max; /* bytes of JSON one request may cost; 0: 512 MiB */
	uint32_t connections_max;  /* 0: 256 */
	uint32_t timeout_s;        /* 0: 10; idle time and time for a header or body to arrive */
};

struct sl_api; /* opaque */

/*
 * Binds the socket and starts serving.  A socket file nobody listens on is replaced; one that answers, or a
 * file that is not a socket, is refused (ALREADY_EXISTS).
 */
int sl_api_start(const struct sl_api_config *config, struct sl_control *control,
	struct sl_api **out, struct sl_error *err) SL_MUST_CHECK;
/* Stops serving and removes the socket file. NULL is allowed. */
void sl_api_stop(struct sl_api *api);

#endif
