/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_RANDOM_H
#define APP_BENCH_RANDOM_H

/*
 * Numbers that look random and are the same on every machine for one seed (SplitMix64: a counter,
 * mixed).  Fast and statistically sound; worthless as a secret.
 */

#include <stdbool.h>
#include <stdint.h>

struct bench_random {
	uint64_t state;
};

static inline struct bench_random
bench_random_seed(uint64_t seed)
{
	return (struct bench_random){seed};
}

static inline uint64_t
bench_random_next(struct bench_random *random)
{
	uint64_t mixed = random->state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

/* 0 .. n - 1; n from 1 to 2^32. The bias is below 2^-32. */
static inline uint32_t
bench_random_below(struct bench_random *random, uint64_t n)
{
	return (uint32_t)((bench_random_next(random) >> 32) * n >> 32);
}

/* low .. high, both included. */
static inline uint32_t
bench_random_between(struct bench_random *random, uint32_t low, uint32_t high)
{
	return low + bench_random_below(random, (uint64_t)high - low + 1);
}

/* At least 0 and below 1. */
static inline double
bench_random_unit(struct bench_random *random)
{
	return (double)(bench_random_next(random) >> 11) * 0x1p-53;
}

static inline bool
bench_random_percent(struct bench_random *random, uint32_t percent)
{
	return bench_random_below(random, 100) < percent;
}

#endif
