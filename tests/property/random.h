/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_RANDOM_H
#define TESTS_PROPERTY_RANDOM_H

/* Random numbers that a seed repeats (SplitMix64), and what the environment asks of tests. */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct random {
	uint64_t state;
};

static inline uint64_t
random_next(struct random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 0 .. n - 1, for n of at least 1. */
static inline uint32_t
random_below(struct random *random, uint32_t n)
{
	return (uint32_t)((random_next(random) >> 32) * n >> 32);
}

static inline bool
random_chance(struct random *random, uint32_t percent)
{
	return random_below(random, 100) < percent;
}

/* SLUICE_SEED, or the same number every time. */
static inline uint64_t
random_seed(void)
{
	const char *text = getenv("SLUICE_SEED");

	return text == NULL ? 20240607 : strtoull(text, NULL, 0);
}

/* How many times slower a sanitizer's build is, roughly. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RANDOM_SLOWNESS 5u
#else
#define RANDOM_SLOWNESS 1u
#endif

/*
 * How many of `n` rounds a test plays: SLUICE_PROPERTY_N is the number of classifications that
 * test_engines is to make, and every other amount goes with it; without it all, in a sanitizer's
 * build a part of them.
 */
#define RANDOM_CLASSIFICATIONS 10000000u

static inline uint64_t
random_amount(uint64_t n)
{
	const char *text = getenv("SLUICE_PROPERTY_N");
	const uint64_t wanted =
		text == NULL ? RANDOM_CLASSIFICATIONS / RANDOM_SLOWNESS : strtoull(text, NULL, 0);
	const uint64_t amount = (uint64_t)((double)n * (double)wanted / RANDOM_CLASSIFICATIONS);

	return amount > 0 ? amount : 1;
}

#endif
