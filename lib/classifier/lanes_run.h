/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LANES_RUN_H
#define SL_CLASSIFIER_LANES_RUN_H

/*
 * The boxes of a block and the thresholds of a node, all at once.
 *
 * A file that includes this says before for which instruction set it is: SL_LANES_AVX512, or
 * SL_LANES_AVX2, or nothing, which is SSE on x86-64-v2 and whatever the compiler makes of its own
 * vector types elsewhere.
 */

#include "base/sl_compiler.h"
#include "classifier/program.h"

#include <stdint.h>

_Static_assert(SL_LANES == 8 && SL_NODE_CUTS == 12, "the code below is for these");

#if defined(SL_LANES_AVX512)

/* Bit i: box i holds the packet, as far as it has been tested. */
typedef __mmask8 sl_hits;

static SL_ALWAYS_INLINE sl_hits
sl_hits_all(void)
{
	return 0xff;
}

/* Keeps lanes with (value & masks) == values. `at`: the masks, then the values. */
static SL_ALWAYS_INLINE sl_hits
sl_hits_equal(sl_hits hits, uint32_t value, const uint32_t *at)
{
	const __m256i bits = _mm256_and_si256(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));

	return _mm256_mask_cmpeq_epi32_mask(
		hits, bits, _mm256_load_si256((const void *)(at + SL_LANES)));
}

/* Keeps lanes whose range holds the value. `at`: the lows, then the spans. */
static SL_ALWAYS_INLINE sl_hits
sl_hits_within(sl_hits hits, uint32_t value, const uint32_t *at)
{
	const __m256i above = _mm256_sub_epi32(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));

	return _mm256_mask_cmple_epu32_mask(
		hits, above, _mm256_load_si256((const void *)(at + SL_LANES)));
}

static SL_ALWAYS_INLINE uint32_t
sl_hits_bits(sl_hits hits)
{
	return hits;
}

/* How many of a node's thresholds `value` exceeds. */
static SL_ALWAYS_INLINE uint32_t
sl_count_below(const struct sl_node *node, int32_t value)
{
	/* Behind the thresholds lies the rest of the cache line, which the mask leaves out. */
	const __mmask16 below = _mm512_mask_cmplt_epi32_mask(
		0xfff, _mm512_load_si512((const void *)node), _mm512_set1_epi32(value));

	return (uint32_t)__builtin_popcount(below);
}

#elif defined(SL_LANES_AVX2)

typedef __m256i sl_hits;

static SL_ALWAYS_INLINE sl_hits
sl_hits_all(void)
{
	return _mm256_set1_epi32(-1);
}

static SL_ALWAYS_INLINE sl_hits
sl_hits_equal(sl_hits hits, uint32_t value, const uint32_t *at)
{
	const __m256i bits = _mm256_and_si256(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));

	return _mm256_and_si256(
		hits, _mm256_cmpeq_epi32(bits, _mm256_load_si256((const void *)(at + SL_LANES))));
}

static SL_ALWAYS_INLINE sl_hits
sl_hits_within(sl_hits hits, uint32_t value, const uint32_t *at)
{
	const __m256i above = _mm256_sub_epi32(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));
	const __m256i spans = _mm256_load_si256((const void *)(at + SL_LANES));

	/* There is no unsigned comparison; the smaller of both is the one at hand. */
	return _mm256_and_si256(hits, _mm256_cmpeq_epi32(_mm256_min_epu32(above, spans), above));
}

static SL_ALWAYS_INLINE uint32_t
sl_hits_bits(sl_hits hits)
{
	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(hits));
}

static SL_ALWAYS_INLINE uint32_t
sl_count_below(const struct sl_node *node, int32_t value)
{
	const __m256i below8 = _mm256_cmpgt_epi32(
		_mm256_set1_epi32(value), _mm256_load_si256((const void *)node->cuts));
	const __m128i below4 = _mm_cmpgt_epi32(
		_mm_set1_epi32(value), _mm_load_si128((const void *)(node->cuts + 8)));
	const int bits = _mm256_movemask_ps(_mm256_castsi256_ps(below8)) |
		_mm_movemask_ps(_mm_castsi128_ps(below4)) << 8;

	return (uint32_t)__builtin_popcount((unsigned int)bits);
}

#else

typedef uint32_t sl_lanes4 __attribute__((vector_size(16), may_alias));
typedef int32_t sl_signed_lanes4 __attribute__((vector_size(16), may_alias));

/* Two halves; a lane is all ones or 0. */
typedef struct {
	sl_lanes4 low;
	sl_lanes4 high;
} sl_hits;

static SL_ALWAYS_INLINE sl_lanes4
sl_lanes4_of(uint32_t value)
{
	return (sl_lanes4){value, value, value, value};
}

static SL_ALWAYS_INLINE sl_hits
sl_hits_all(void)
{
	return (sl_hits){sl_lanes4_of(UINT32_MAX), sl_lanes4_of(UINT32_MAX)};
}

static SL_ALWAYS_INLINE sl_hits
sl_hits_equal(sl_hits hits, uint32_t value, const uint32_t *at)
{
	const sl_lanes4 *list = (const void *)at;
	const sl_lanes4 all = sl_lanes4_of(value);

	hits.low &= (sl_lanes4)((all & list[0]) == list[2]);
	hits.high &= (sl_lanes4)((all & list[1]) == list[3]);
	return hits;
}

static SL_ALWAYS_INLINE sl_hits
sl_hits_within(sl_hits hits, uint32_t value, const uint32_t *at)
{
	const sl_lanes4 *list = (const void *)at;
	const sl_lanes4 all = sl_lanes4_of(value);

	hits.low &= (sl_lanes4)(all - list[0] <= list[2]);
	hits.high &= (sl_lanes4)(all - list[1] <= list[3]);
	return hits;
}

static SL_ALWAYS_INLINE uint32_t
sl_lanes4_bits(sl_lanes4 mask)
{
#ifdef __SSE2__
	typedef float float_lanes __attribute__((vector_size(16)));

	return (uint32_t)__builtin_ia32_movmskps((float_lanes)mask);
#else
	return (mask[0] & 1) | (mask[1] & 2) | (mask[2] & 4) | (mask[3] & 8);
#endif
}

static SL_ALWAYS_INLINE uint32_t
sl_hits_bits(sl_hits hits)
{
	return sl_lanes4_bits(hits.low) | sl_lanes4_bits(hits.high) << 4;
}

static SL_ALWAYS_INLINE uint32_t
sl_count_below(const struct sl_node *node, int32_t value)
{
	const sl_signed_lanes4 *list = (const void *)node->cuts;
	const sl_signed_lanes4 all = {value, value, value, value};
	const uint32_t bits = sl_lanes4_bits((sl_lanes4)(all > list[0])) |
		sl_lanes4_bits((sl_lanes4)(all > list[1])) << 4 |
		sl_lanes4_bits((sl_lanes4)(all > list[2])) << 8;

	return (uint32_t)__builtin_popcount(bits);
}

#endif

#endif
