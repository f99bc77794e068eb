/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_BUCKET_RUN_H
#define SL_FLOW_BUCKET_RUN_H

/* Where a hash points, and looking into a bucket. */

#include "base/sl_compiler.h"
#include "flow/table.h"

#include <emmintrin.h>

#define FLOW_SLOTS_MASK ((1u << FLOW_BUCKET_SLOTS) - 1)

/* The first bucket of a hash: the lower half, scaled. */
static SL_ALWAYS_INLINE uint32_t
flow_bucket_first(const struct sl_flow_table *table, uint64_t hash)
{
	return (uint32_t)((uint64_t)(uint32_t)hash * table->n_buckets >> 32);
}

/* The second, never the first: the upper half, scaled to one less. */
static SL_ALWAYS_INLINE uint32_t
flow_bucket_second(const struct sl_flow_table *table, uint64_t hash, uint32_t first)
{
	uint32_t second = (uint32_t)((hash >> 32) * (table->n_buckets - 1) >> 32);

	return second + (second >= first);
}

/* Buckets are told by the upper bits of each half, so tags are made of the lower ones. */
static SL_ALWAYS_INLINE uint8_t
flow_tag(uint64_t hash)
{
	uint8_t tag = (uint8_t)hash;

	return tag == 0 ? 1 : tag;
}

static SL_ALWAYS_INLINE uint32_t
flow_place(uint64_t hash, uint32_t index)
{
	return (uint32_t)(hash >> 32) << FLOW_INDEX_BITS | index;
}

/* A bit for each slot with that tag; tag 0: for each that is free. */
static SL_ALWAYS_INLINE uint32_t
flow_bucket_match(const struct flow_bucket *bucket, uint8_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)bucket);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) &
		FLOW_SLOTS_MASK;
}

/*
 * The index of the next slot with the tag of `hash`, out of those in `*match`, which loses the ones that
 * were looked at; FLOW_NONE.
 */
static SL_ALWAYS_INLINE uint32_t
flow_bucket_candidate(const struct flow_bucket *bucket, uint64_t hash, uint32_t *match)
{
	while (*match != 0) {
		uint32_t place = bucket->places[__builtin_ctz(*match)];

		*match &= *match - 1;
		if (place >> FLOW_INDEX_BITS == flow_place(hash, 0) >> FLOW_INDEX_BITS)
			return place & (FLOW_MAX - 1);
	}
	return FLOW_NONE;
}

#endif
