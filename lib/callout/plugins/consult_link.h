/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_CONSULT_LINK_H
#define PLUGINS_CONSULT_LINK_H

/*
 * A connection to a program that is asked, and what is in flight on it.  Nothing here waits: the socket does not block,
 * and work does what can be done now.
 *
 * A question is one line of JSON, an answer is another, in any order:
 *   {"id": "1", "flow": "8589934593", "filter": "17", "layer": "ale_auth_connect_v4", "protocol": 6,
 *    "local_address": "10.0.0.2", "local_port": 40000, "remote_address": "192.0.2.7", "remote_port": 443}
 *   {"id": "1", "verdict": "permit"}
 * ICMP has "icmp_type" and "icmp_code" in place of the ports, a protocol without ports has neither.
 *
 * Every question ends in exactly one completion: what was answered, or CONSULT_UNREACHABLE when there is no
 * connection, it was lost, the answer was none or its time is over, or CONSULT_FULL when there is no room.
 *
 * Threads.  The asking thread; new and free also under its lock.
 */

#include "consult.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/un.h>

#define CONSULT_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)
#define CONSULT_IN_FLIGHT 1024u /* questions of one connection */

/* What cannot be counted where it happens, because there is no packet: counted with the next one. */
struct consult_tally {
	_Atomic uint64_t malformed;
	_Atomic uint64_t late;
};

struct sluice_host;

/* What links have in common. */
struct consult_desk {
	const struct sluice_host *host;
	struct consult_tally tally;
};

struct consult_link;

/* The next work connects. `path` is shorter than CONSULT_PATH_SIZE. NULL: no memory. */
struct consult_link *consult_link_new(struct consult_desk *desk, const char *path, uint32_t number);
/* Whoever is in flight is told that nobody can be reached. */
void consult_link_free(struct consult_link *link);
const char *consult_link_path(const struct consult_link *link);
uint32_t consult_link_number(const struct consult_link *link);

/* Times are of a monotonic clock. */
void consult_link_ask(
	struct consult_link *link, const struct consult_question *question, uint64_t now_ns);
/* Connects, sends, receives, gives up. True: something happened, so that more is likely. */
bool consult_link_work(struct consult_link *link, uint64_t now_ns);
/* What to wait for; a negative fd: nothing. */
struct pollfd consult_link_poll(const struct consult_link *link);

#endif
