/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LANES_RUN_H
#define SL_CLASSIFIER_LANES_RUN_H

/*
 * The boxes of a block, all at once, and bits of a key.
 *
 * A lane is good for as long as it is 0: every comparison adds bits where a box does not hold the
 * packet.  A file that includes this says before for which instruction set it is: SL_LANES_AVX512,
 * or SL_LANES_AVX2, or nothing, which is whatever the compiler makes of its own vector types.
 */

#include "base/sl_compiler.h"
#include "classifier/program.h"

#include <stdint.h>
#include <string.h>

_Static_assert(SL_LANES == 8, "the code below is for these");

#if defined(SL_LANES_AVX512) || defined(SL_LANES_AVX2)

typedef __m256i sl_lanes;

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_good(void)
{
	return _mm256_setzero_si256();
}

/* `at`: the lows, then the spans. There is no unsigned comparison, but the smaller of both. */
static SL_ALWAYS_INLINE sl_lanes
sl_lanes_within32(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const __m256i above = _mm256_sub_epi32(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));
	const __m256i spans = _mm256_load_si256((const void *)(at + SL_LANES));

	return _mm256_or_si256(bad, _mm256_xor_si256(_mm256_min_epu32(above, spans), above));
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_within16(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const __m256i above = _mm256_sub_epi16(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));
	const __m256i spans = _mm256_load_si256((const void *)(at + SL_LANES));

	return _mm256_or_si256(bad, _mm256_subs_epu16(above, spans));
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_within8(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const __m256i above =
		_mm256_sub_epi8(_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));
	const __m256i spans = _mm256_load_si256((const void *)(at + SL_LANES));

	return _mm256_or_si256(bad, _mm256_subs_epu8(above, spans));
}

/* Eight bytes, one a lane, in which any bit is bad. */
static SL_ALWAYS_INLINE sl_lanes
sl_lanes_bytes(sl_lanes bad, uint64_t bytes)
{
	return _mm256_or_si256(bad, _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes)));
}

/* `at`: masks, then what the value must be under them. */
static SL_ALWAYS_INLINE sl_lanes
sl_lanes_masked(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const __m256i bits = _mm256_and_si256(
		_mm256_set1_epi32((int)value), _mm256_load_si256((const void *)at));

	return _mm256_or_si256(
		bad, _mm256_xor_si256(bits, _mm256_load_si256((const void *)(at + SL_LANES))));
}

/* Bit i: lane i is good. */
static SL_ALWAYS_INLINE uint32_t
sl_lanes_hits(sl_lanes bad)
{
#ifdef SL_LANES_AVX512
	return _mm256_testn_epi32_mask(bad, bad);
#else
	return (uint32_t)_mm256_movemask_ps(
		_mm256_castsi256_ps(_mm256_cmpeq_epi32(bad, _mm256_setzero_si256())));
#endif
}

/* The derived ranges, in registers for a whole chunk. */
struct sl_derived_ranges {
	__m256i lows;
	__m256i spans;
};

static SL_ALWAYS_INLINE struct sl_derived_ranges
sl_derived_ranges(const struct sl_key_derived *derived)
{
	return (struct sl_derived_ranges){_mm256_loadu_si256((const void *)derived->lows),
		_mm256_loadu_si256((const void *)derived->spans)};
}

/* Bit i: the i-th of the derived ranges holds its number. */
static SL_ALWAYS_INLINE uint32_t
sl_derived_bits(const struct sl_derived_ranges *ranges, uint16_t first, uint16_t second)
{
	const __m256i numbers =
		_mm256_set_m128i(_mm_set1_epi16((short)second), _mm_set1_epi16((short)first));
	const __m256i above = _mm256_sub_epi16(numbers, ranges->lows);
#ifdef SL_LANES_AVX512
	return _mm256_cmple_epu16_mask(above, ranges->spans);
#else
	const __m256i within =
		_mm256_cmpeq_epi16(_mm256_subs_epu16(above, ranges->spans), _mm256_setzero_si256());
	const __m128i packed = _mm_packs_epi16(
		_mm256_castsi256_si128(within), _mm256_extracti128_si256(within, 1));

	return (uint32_t)_mm_movemask_epi8(packed);
#endif
}

static SL_ALWAYS_INLINE uint32_t
sl_extract_bits(uint64_t value, uint64_t mask)
{
	return (uint32_t)_pext_u64(value, mask);
}

#else

typedef uint32_t sl_vector32 __attribute__((vector_size(16), may_alias));
typedef uint16_t sl_vector16 __attribute__((vector_size(16), may_alias));
typedef uint8_t sl_vector8 __attribute__((vector_size(16), may_alias));

/* Lanes 0..3 and 4..7. */
typedef struct {
	sl_vector32 low;
	sl_vector32 high;
} sl_lanes;

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_good(void)
{
	return (sl_lanes){{0}, {0}};
}

static SL_ALWAYS_INLINE sl_vector32
sl_vector_of(uint32_t value)
{
	return (sl_vector32){value, value, value, value};
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_within32(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const sl_vector32 *list = (const void *)at;
	const sl_vector32 all = sl_vector_of(value);

	bad.low |= (sl_vector32)(all - list[0] > list[2]);
	bad.high |= (sl_vector32)(all - list[1] > list[3]);
	return bad;
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_within16(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const sl_vector16 *list = (const void *)at;
	const sl_vector16 all = (sl_vector16)sl_vector_of(value);

	bad.low |= (sl_vector32)(all - list[0] > list[2]);
	bad.high |= (sl_vector32)(all - list[1] > list[3]);
	return bad;
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_within8(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const sl_vector8 *list = (const void *)at;
	const sl_vector8 all = (sl_vector8)sl_vector_of(value);

	bad.low |= (sl_vector32)(all - list[0] > list[2]);
	bad.high |= (sl_vector32)(all - list[1] > list[3]);
	return bad;
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_bytes(sl_lanes bad, uint64_t bytes)
{
	const uint32_t low = (uint32_t)bytes;
	const uint32_t high = (uint32_t)(bytes >> 32);

	bad.low |= (sl_vector32){low & 0xff, low & 0xff00, low & 0xff0000, low & 0xff000000};
	bad.high |= (sl_vector32){high & 0xff, high & 0xff00, high & 0xff0000, high & 0xff000000};
	return bad;
}

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_masked(sl_lanes bad, uint32_t value, const uint32_t *at)
{
	const sl_vector32 *list = (const void *)at;
	const sl_vector32 all = sl_vector_of(value);

	bad.low |= (all & list[0]) ^ list[2];
	bad.high |= (all & list[1]) ^ list[3];
	return bad;
}

static SL_ALWAYS_INLINE uint32_t
sl_lanes_hits(sl_lanes bad)
{
	uint32_t hits = 0;

	for (uint32_t i = 0; i < SL_LANES / 2; i++)
		hits |= (uint32_t)(bad.low[i] == 0) << i |
			(uint32_t)(bad.high[i] == 0) << (SL_LANES / 2 + i);
	return hits;
}

struct sl_derived_ranges {
	const struct sl_key_derived *derived;
};

static SL_ALWAYS_INLINE struct sl_derived_ranges
sl_derived_ranges(const struct sl_key_derived *derived)
{
	return (struct sl_derived_ranges){derived};
}

static SL_ALWAYS_INLINE uint32_t
sl_derived_bits(const struct sl_derived_ranges *ranges, uint16_t first, uint16_t second)
{
	const struct sl_key_derived *derived = ranges->derived;
	uint32_t bits = 0;

	for (uint32_t i = 0; i < 16; i++) {
		const uint16_t above = (uint16_t)((i < 8 ? first : second) - derived->lows[i]);

		bits |= (uint32_t)(above <= derived->spans[i]) << i;
	}
	return bits;
}

static SL_ALWAYS_INLINE uint32_t
sl_extract_bits(uint64_t value, uint64_t mask)
{
	uint32_t number = 0;

	for (uint32_t i = 0; mask != 0; mask &= mask - 1, i++)
		number |= (uint32_t)((value & mask & -mask) != 0) << i;
	return number;
}

#endif

#endif
