/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FLOW_TCP_SCRIPT_H
#define TESTS_FLOW_TCP_SCRIPT_H

/*
 * Connections written down, one line a segment:
 *
 *     > SA 300 101 0 65535/7t = syn_recv
 *     |  |  |   |  |   |   ||   |
 *     |  |  |   |  |   |   ||   what it makes of the connection
 *     |  |  |   |  |   |   |timestamps
 *     |  |  |   |  |   |   window scale option
 *     |  |  |   |  |   window
 *     |  |  |   |  bytes of payload
 *     |  |  |   acknowledgement, - without ACK
 *     |  |  sequence number
 *     |  flags: F S R P A U, or 0
 *     direction: > outbound, < inbound
 *
 * The result is "= state" (passes), "= state!" (and establishes), "reopens" (passes; the connection is to be
 * opened anew by the same segment, which the script then does and goes on), or the name of the reason to
 * drop it, after which nothing may have changed.
 */

#include "flow/sl_flow.h"

struct script {
	struct sl_tcp tcp;
	enum sl_flow_tcp mode;
	enum sl_flow_midstream midstream;
	bool is_open;
	struct sl_tcp_step step; /* of the last segment */
	struct sl_tcp_segment segment;
	enum sluice_direction direction;
};

/* Plays a connection from its first segment on; fails the test at the first line that comes out otherwise. */
void script_play(struct script *script, const char *const lines[], size_t n);

#define SCRIPT_PLAY(script, ...)                                                    \
	do {                                                                        \
		static const char *const lines__[] = {__VA_ARGS__};                 \
		script_play(script, lines__, sizeof(lines__) / sizeof(lines__[0])); \
	} while (0)

/* STRICT, first segments must be SYN. */
#define SCRIPT_STRICT                                                           \
	(struct script)                                                         \
	{                                                                       \
		.mode = SL_FLOW_TCP_STRICT, .midstream = SL_FLOW_MIDSTREAM_DROP \
	}

/* Prepared beginnings: established connections, ISNs 100 (opener) and 300, windows 1000, no scale. */
void script_establish(struct script *script, enum sluice_direction opener);

#endif
