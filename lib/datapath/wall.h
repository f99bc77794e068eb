/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_WALL_H
#define SL_DATAPATH_WALL_H

/*
 * Wall-clock time at packet time, from the cycle counter and without a system call.
 *
 * The control thread pairs the cycle counter with the system's real-time clock about ten times a second;
 * a worker reads the newest pair.  Pairs are written round a small ring and published by index, so that a
 * reader never sees one half-written: it would have to sleep for seven updates in the middle of a
 * read.
 *
 * Threads. wall_update: control thread, under the datapath's lock.  wall_now: any worker.
 */

#include "base/sl_compiler.h"

#include <rte_cycles.h>

#include <stdint.h>

#define WALL_PAIRS 8u

struct wall_pair {
	uint64_t cycles;
	uint64_t ns; /* since 1970-01-01 UTC */
};

struct wall {
	struct wall_pair pairs[WALL_PAIRS];
	uint32_t newest;
	uint64_t ns_per_cycle; /* 32.32 fixed point */
} SL_CACHE_ALIGNED;

void wall_init(struct wall *wall);
void wall_update(struct wall *wall);

static inline uint64_t
wall_now(const struct wall *wall, uint64_t cycles)
{
	const struct wall_pair *pair =
		&wall->pairs[__atomic_load_n(&wall->newest, __ATOMIC_ACQUIRE)];
	/* Counters of two cores may differ by a few cycles. */
	uint64_t passed = cycles > pair->cycles ? cycles - pair->cycles : 0;

	return pair->ns + (uint64_t)((unsigned __int128)passed * wall->ns_per_cycle >> 32);
}

#endif
