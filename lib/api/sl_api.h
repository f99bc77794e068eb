/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_API_API_H
#define SL_API_API_H

/*
 * The REST interface: HTTP/1.1 and JSON on a unix socket, one resource a file.
 *
 * Limits.  Bodies, memory of one request and of all together, depth, concurrent connections and the time a
 *          client may take are bounded; beyond them a client gets one clear error or is cut off, and
 *          nobody else notices.
 * Threads. Its own: one that speaks HTTP and answers what is cheap, one for answers that grow with the policy,
 *          one for changes, and one that watches the clock.  Handlers talk to sl_control only.
 */

#include "base/sl_error.h"
#include "control/sl_control.h"

#include <stddef.h>
#include <stdint.h>

struct sl_api_config {
	const char *socket;        /* path; its folder is made with mode 0750 when missing */
	uint32_t socket_mode;      /* 0: 0660 */
	const char *socket_group;  /* NULL: the process's */
	size_t body_max;           /* bytes; 0: 64 MiB */
	size_t request_memory_max; /* bytes of JSON one request may cost; 0: 512 MiB */
	size_t held_max;           /* bytes of all bodies and answers in transit; 0: 512 MiB */
	uint32_t connections_max;  /* 0: 4,096; never more than half of the files we may open */
	uint32_t timeout_s; /* 0: 10; for a request to arrive, an answer to be read, or silence */
};

struct sl_api; /* opaque */

/*
 * Binds the socket and starts serving.  A socket file nobody listens on is replaced; one that answers, or a
 * file that is not a socket, is refused (ALREADY_EXISTS).
 */
int sl_api_start(const struct sl_api_config *config, struct sl_control *control,
	struct sl_api **out, struct sl_error *err) SL_MUST_CHECK;
/*
 * Stops serving and removes the socket file.  A change under way is finished and answered, those that wait are
 * refused (BUSY).  NULL is allowed.
 */
void sl_api_stop(struct sl_api *api);

#endif
