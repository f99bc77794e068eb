/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_SETS_H
#define SL_CLASSIFIER_TABLES_SETS_H

/* Sets of boxes, each kept once and numbered in the order in which they came. */

#include "base/sl_compiler.h"

#include <stdint.h>

#define SL_SETS_FULL UINT32_MAX

/* How much work a build may still do, in words looked at. */
struct sl_tables_work {
	int64_t left;
};

/* Zero-initialise, then init. Every set has `words` words. */
struct sl_sets {
	uint64_t *bits;
	uint32_t *slots; /* open addressing: number plus one, or 0 */
	uint32_t n;
	uint32_t size;
	uint32_t n_slots;
	uint32_t words;
};

static inline const uint64_t *
sl_sets_at(const struct sl_sets *sets, uint32_t i)
{
	return sets->bits + (size_t)i * sets->words;
}

/* 0 or -ENOMEM. */
int sl_sets_init(struct sl_sets *sets, uint32_t words) SL_MUST_CHECK;
void sl_sets_fini(struct sl_sets *sets);
/* 0 and the set's number, or -ENOMEM. */
int sl_sets_add(struct sl_sets *sets, const uint64_t *bits, uint32_t *number) SL_MUST_CHECK;
/*
 * Adds the intersections of every `stride`-th set of `a`, from the first on, with all of `b`; unless `cells`
 * is NULL, stores the number of the one of sets i and j at cells[i * b->n + j].  0, -ENOMEM, or
 * -E2BIG when the work or the limit of sets is used up.
 */
int sl_sets_cross(struct sl_sets *out, const struct sl_sets *a, uint32_t stride,
	const struct sl_sets *b, uint32_t *cells, struct sl_tables_work *work) SL_MUST_CHECK;

/* What all sets have in common. */
void sl_sets_common(const struct sl_sets *sets, uint64_t *bits);
uint32_t sl_bits_count(const uint64_t *bits, uint32_t words);
/* How many are in `a` and not in `b`. */
uint32_t sl_bits_without(const uint64_t *a, const uint64_t *b, uint32_t words);

/* How many boxes a set holds on average, in sixteenths. */
uint32_t sl_sets_mean16(const struct sl_sets *sets);

#endif
