/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_BUCKET_H
#define PLUGINS_BUCKET_H

/*
 * Token bucket that any number of workers share, in one word: the time at which the bucket will be full
 * again.  What is missing from a full bucket is that time less the present one; taking tokens moves it
 * on.  No lock: a worker that loses the race for the word looks again.
 *
 * Time is counted in ticks of 1/256 ns, modulo 2^64 (2.3 years); only differences are looked at.  A
 * time further ahead than the bucket is deep and the workers' clocks may differ is no debt: it lies in the
 * past, or the clock was set back.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BUCKET_TICK_BITS   8
#define BUCKET_SECOND      (UINT64_C(1000000000) << BUCKET_TICK_BITS) /* ticks */
#define BUCKET_COST_BITS   16
#define BUCKET_SLACK       BUCKET_SECOND /* how far workers' clocks may differ */
#define BUCKET_DEPTH_MAX_S 3600          /* a burst is at most what the rate brings in an hour */

struct bucket {
	_Atomic uint64_t full_at; /* ticks */
	uint64_t cost;            /* ticks of one token, with BUCKET_COST_BITS of fraction */
	uint64_t depth;           /* ticks of a whole burst */
};

/*
 * A full bucket of `burst` tokens that gets `rate` tokens a second.  `rate` is at least 1, and at least
 * 1,000 when 65,536 tokens are taken at once; `burst` is at most BUCKET_DEPTH_MAX_S seconds of it.
 */
static inline void
bucket_init(struct bucket *bucket, double rate, double burst)
{
	const double ticks = (double)BUCKET_SECOND / rate;

	atomic_init(&bucket->full_at, 0);
	bucket->cost = (uint64_t)(ticks * (1 << BUCKET_COST_BITS) + 0.5);
	bucket->depth = (uint64_t)(ticks * burst + 0.5);
}

/* Takes `n` tokens (up to 65,536) at a time in nanoseconds. False: there are fewer, and none is taken. */
static inline bool
bucket_take(struct bucket *bucket, uint64_t now_ns, uint32_t n)
{
	const uint64_t cost = (bucket->cost * n) >> BUCKET_COST_BITS;
	const uint64_t now = now_ns << BUCKET_TICK_BITS;
	uint64_t full_at = atomic_load_explicit(&bucket->full_at, memory_order_relaxed);
	uint64_t debt;

	do {
		debt = full_at - now;
		if (debt > bucket->depth + BUCKET_SLACK)
			debt = 0;
		if (debt + cost > bucket->depth)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&bucket->full_at, &full_at,
		now + debt + cost, memory_order_relaxed, memory_order_relaxed));
	return true;
}

#endif
