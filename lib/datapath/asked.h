/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_ASKED_H
#define SL_DATAPATH_ASKED_H

/*
 * Asked: the local ends that have asked a group lately, so that anybody may answer them (WFP section 7.1).
 *
 * Why.     An answer comes from an address that the question did not name, so the wire brings it to any worker,
 *          while one of them has the flow of the question.  Workers tell each other here for whom to look.
 * What.    A place by the local end's hash: a tag, and the time until which it may be answered.  It is a hint: one that
 *          says too much costs a packet a way to another worker and back.  It never says too little: two ends that
 *          share a place share a tag that fits everybody.
 * Time.    Nanoseconds of a clock that nobody sets.
 * Threads. asked_note, asked_is_live, asked_has: any; atomics, no locks.
 */

#include "base/sl_compiler.h"

#include <stdbool.h>
#include <stdint.h>

#define ASKED_PLACES   16384u /* a power of two */
#define ASKED_UNIT_LOG 24u    /* times are kept in units of 17 milliseconds */

struct asked {
	uint64_t until; /* relaxed; unit behind which no end may be answered */
	uint64_t keep_ns;
	SL_CACHE_ALIGNED uint64_t places[ASKED_PLACES]; /* relaxed; tag << 40 | unit, 0: empty */
};

/* Ends are answered for `keep_ns` from their question on.  The caller frees with free(); NULL: no memory. */
struct asked *asked_new(uint64_t keep_ns);

/* Notes a question of the local end with this hash (steer_end_hash). */
void asked_note(struct asked *asked, uint64_t hash, uint64_t now_ns);
/* Whether the local end with this hash may have to be answered. */
bool asked_has(const struct asked *asked, uint64_t hash, uint64_t now_ns);

/* Whether any end may have to be answered. */
static inline bool
asked_is_live(const struct asked *asked, uint64_t now_ns)
{
	return __atomic_load_n(&asked->until, __ATOMIC_RELAXED) >= now_ns >> ASKED_UNIT_LOG;
}

#endif
