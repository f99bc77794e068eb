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
 * Steps.   When the system's clock is set, the pair says by how much all in all, so that nothing which waits
 *          for time to pass takes it for time that passed.
 *
 * Threads. wall_update: control thread, under the datapath's lock.  wall_now: any worker.
 */

#include "base/sl_compiler.h"

#include <rte_cycles.h>

#include <stdint.h>

#define WALL_PAIRS 8u

struct wall_pair {
	uint64_t cycles;
	uint64_t ns;        /* since 1970-01-01 UTC */
	int64_t stepped_ns; /* how far the clock was set since wall_init */
};

struct wall {
	struct wall_pair pairs[WALL_PAIRS];
	uint32_t newest;
	uint64_t ns_per_cycle; /* 32.32 fixed point */
} SL_CACHE_ALIGNED;

void wall_init(struct wall *wall);
void wall_update(struct wall *wall);
/* The same with a given pair of cycle counter and clock. */
void wall_put(struct wall *wall, uint64_t cycles, uint64_t ns);

/* The time, and in `*stepped_ns` how much of it comes from setting the clock. */
static inline uint64_t
wall_read(const struct wall *wall, uint64_t cycles, int64_t *stepped_ns)
{
	const struct wall_pair *pair =
		&wall->pairs[__atomic_load_n(&wall->newest, __ATOMIC_ACQUIRE)];
	/* Counters of two cores may differ by a few cycles. */
	uint64_t passed = cycles > pair->cycles ? cycles - pair->cycles : 0;

	*stepped_ns = pair->stepped_ns;
	return pair->ns + (uint64_t)((unsigned __int128)passed * wall->ns_per_cycle >> 32);
}

static inline uint64_t
wall_now(const struct wall *wall, uint64_t cycles)
{
	int64_t stepped_ns;

	return wall_read(wall, cycles, &stepped_ns);
}

#endif
