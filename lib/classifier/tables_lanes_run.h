/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_LANES_RUN_H
#define SL_CLASSIFIER_TABLES_LANES_RUN_H

/*
 * Numbers of several packets at once, a lane each, as tables_form_run.inc needs them.  As with lanes_run.h
 * the file that includes this has said for which instruction set it is: SL_LANES_AVX512, or
 * SL_LANES_AVX2, or nothing, which is one packet at a time.
 */

#include "base/sl_compiler.h"
#include "classifier/sl_meta.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(SL_LANES_AVX512)

#define SL_VEC_LANES 16u

typedef __m512i sl_vec;
typedef __mmask16 sl_vec_mask;

static SL_ALWAYS_INLINE sl_vec
sl_vec_of(uint32_t value)
{
	return _mm512_set1_epi32((int)value);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_load(const uint32_t *at)
{
	return _mm512_load_si512((const void *)at);
}

static SL_ALWAYS_INLINE void
sl_vec_store(uint32_t *at, sl_vec v)
{
	_mm512_store_si512((void *)at, v);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_add(sl_vec a, sl_vec b)
{
	return _mm512_add_epi32(a, b);
}

/* a * b, both below 32768: the upper halves of lanes are 0, and this takes half as long as others. */
static SL_ALWAYS_INLINE sl_vec
sl_vec_multiply(sl_vec a, sl_vec b)
{
	return _mm512_madd_epi16(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_and(sl_vec a, sl_vec b)
{
	return _mm512_and_si512(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_min(sl_vec a, sl_vec b)
{
	return _mm512_min_epu32(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_shift_right(sl_vec v, unsigned int n)
{
	return _mm512_srl_epi32(v, _mm_cvtsi32_si128((int)n));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_shift_left(sl_vec v, unsigned int n)
{
	return _mm512_sll_epi32(v, _mm_cvtsi32_si128((int)n));
}

/* Lanes in which `bits` are not all clear. */
static SL_ALWAYS_INLINE sl_vec_mask
sl_vec_test(sl_vec v, sl_vec bits)
{
	return _mm512_test_epi32_mask(v, bits);
}

static SL_ALWAYS_INLINE bool
sl_vec_any(sl_vec_mask mask)
{
	return mask != 0;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_choose(sl_vec_mask mask, sl_vec yes, sl_vec no)
{
	return _mm512_mask_mov_epi32(no, mask, yes);
}

/* Adds 1 where value > cut, as signed numbers. */
static SL_ALWAYS_INLINE sl_vec
sl_vec_count_above(sl_vec count, sl_vec value, sl_vec cut)
{
	return _mm512_mask_add_epi32(
		count, _mm512_cmpgt_epi32_mask(value, cut), count, _mm512_set1_epi32(1));
}

/* Picks from 16 numbers by indices below 16. */
static SL_ALWAYS_INLINE sl_vec
sl_vec_pick16(const uint32_t *numbers, sl_vec index)
{
	return _mm512_permutexvar_epi32(index, _mm512_loadu_si512((const void *)numbers));
}

/* 16-bit cells by index. Reads two bytes behind the cell as well. */
static SL_ALWAYS_INLINE sl_vec
sl_vec_gather(const uint16_t *cells, sl_vec index)
{
	return sl_vec_and(_mm512_i32gather_epi32(index, cells, 2), sl_vec_of(0xffff));
}

/* Two cells by the index of two, the first in the lower half. */
static SL_ALWAYS_INLINE sl_vec
sl_vec_gather_two(const uint16_t *cells, sl_vec index)
{
	return _mm512_i32gather_epi32(index, cells, 4);
}

/* Cells where the mask says; other lanes keep what they have. */
static SL_ALWAYS_INLINE sl_vec
sl_vec_gather_where(sl_vec_mask mask, sl_vec v, const uint16_t *cells, sl_vec index)
{
	return sl_vec_and(_mm512_mask_i32gather_epi32(v, mask, index, cells, 2), sl_vec_of(0xffff));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_swap_bytes(sl_vec v)
{
	return _mm512_shuffle_epi8(v,
		_mm512_broadcast_i32x4(
			_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)));
}

/* Four words from an offset on of each packet's metadata, a vector each. */
static SL_ALWAYS_INLINE void
sl_vec_load_window(const struct sl_meta *const metas[], uint32_t offset, sl_vec words[4])
{
	__m512i rows[4];
	__m512i low[2];
	__m512i high[2];

	/* Row r has packet 4 * k + r in its quarter k, so that all quarters are turned alike. */
	for (uint32_t r = 0; r < 4; r++) {
		const __m128i *at[4];

		for (uint32_t k = 0; k < 4; k++)
			at[k] = (const void *)((const uint8_t *)metas[4 * k + r] + offset);
		rows[r] = _mm512_castsi128_si512(_mm_loadu_si128(at[0]));
		rows[r] = _mm512_inserti32x4(rows[r], _mm_loadu_si128(at[1]), 1);
		rows[r] = _mm512_inserti32x4(rows[r], _mm_loadu_si128(at[2]), 2);
		rows[r] = _mm512_inserti32x4(rows[r], _mm_loadu_si128(at[3]), 3);
	}
	for (uint32_t i = 0; i < 2; i++) {
		low[i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
		high[i] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
	}
	words[0] = _mm512_unpacklo_epi64(low[0], low[1]);
	words[1] = _mm512_unpackhi_epi64(low[0], low[1]);
	words[2] = _mm512_unpacklo_epi64(high[0], high[1]);
	words[3] = _mm512_unpackhi_epi64(high[0], high[1]);
}

#elif defined(SL_LANES_AVX2)

#define SL_VEC_LANES 8u

typedef __m256i sl_vec;
typedef __m256i sl_vec_mask;

static SL_ALWAYS_INLINE sl_vec
sl_vec_of(uint32_t value)
{
	return _mm256_set1_epi32((int)value);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_load(const uint32_t *at)
{
	return _mm256_load_si256((const void *)at);
}

static SL_ALWAYS_INLINE void
sl_vec_store(uint32_t *at, sl_vec v)
{
	_mm256_store_si256((void *)at, v);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_add(sl_vec a, sl_vec b)
{
	return _mm256_add_epi32(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_multiply(sl_vec a, sl_vec b)
{
	return _mm256_madd_epi16(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_and(sl_vec a, sl_vec b)
{
	return _mm256_and_si256(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_min(sl_vec a, sl_vec b)
{
	return _mm256_min_epu32(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_shift_right(sl_vec v, unsigned int n)
{
	return _mm256_srl_epi32(v, _mm_cvtsi32_si128((int)n));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_shift_left(sl_vec v, unsigned int n)
{
	return _mm256_sll_epi32(v, _mm_cvtsi32_si128((int)n));
}

/* Here `bits` is one bit, the same in all lanes. */
static SL_ALWAYS_INLINE sl_vec_mask
sl_vec_test(sl_vec v, sl_vec bits)
{
	return _mm256_cmpeq_epi32(_mm256_and_si256(v, bits), bits);
}

static SL_ALWAYS_INLINE bool
sl_vec_any(sl_vec_mask mask)
{
	return _mm256_testz_si256(mask, mask) == 0;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_choose(sl_vec_mask mask, sl_vec yes, sl_vec no)
{
	return _mm256_blendv_epi8(no, yes, mask);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_count_above(sl_vec count, sl_vec value, sl_vec cut)
{
	return _mm256_sub_epi32(count, _mm256_cmpgt_epi32(value, cut));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_pick16(const uint32_t *numbers, sl_vec index)
{
	const __m256i low =
		_mm256_permutevar8x32_epi32(_mm256_loadu_si256((const void *)numbers), index);
	const __m256i high =
		_mm256_permutevar8x32_epi32(_mm256_loadu_si256((const void *)(numbers + 8)), index);

	return _mm256_blendv_epi8(low, high, _mm256_cmpgt_epi32(index, _mm256_set1_epi32(7)));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_gather(const uint16_t *cells, sl_vec index)
{
	return sl_vec_and(_mm256_i32gather_epi32((const int *)(const void *)cells, index, 2),
		sl_vec_of(0xffff));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_gather_two(const uint16_t *cells, sl_vec index)
{
	return _mm256_i32gather_epi32((const int *)(const void *)cells, index, 4);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_gather_where(sl_vec_mask mask, sl_vec v, const uint16_t *cells, sl_vec index)
{
	return sl_vec_and(
		_mm256_mask_i32gather_epi32(v, (const int *)(const void *)cells, index, mask, 2),
		sl_vec_of(0xffff));
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_swap_bytes(sl_vec v)
{
	return _mm256_shuffle_epi8(v,
		_mm256_broadcastsi128_si256(
			_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)));
}

static SL_ALWAYS_INLINE void
sl_vec_load_window(const struct sl_meta *const metas[], uint32_t offset, sl_vec words[4])
{
	__m256i rows[4];
	__m256i low[2];
	__m256i high[2];

	for (uint32_t r = 0; r < 4; r++) {
		const void *first = (const uint8_t *)metas[r] + offset;
		const void *second = (const uint8_t *)metas[4 + r] + offset;

		rows[r] = _mm256_inserti128_si256(
			_mm256_castsi128_si256(_mm_loadu_si128(first)), _mm_loadu_si128(second), 1);
	}
	for (uint32_t i = 0; i < 2; i++) {
		low[i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
		high[i] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
	}
	words[0] = _mm256_unpacklo_epi64(low[0], low[1]);
	words[1] = _mm256_unpackhi_epi64(low[0], low[1]);
	words[2] = _mm256_unpacklo_epi64(high[0], high[1]);
	words[3] = _mm256_unpackhi_epi64(high[0], high[1]);
}

#else

#define SL_VEC_LANES 1u

typedef uint32_t sl_vec;
typedef bool sl_vec_mask;

static SL_ALWAYS_INLINE sl_vec
sl_vec_of(uint32_t value)
{
	return value;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_load(const uint32_t *at)
{
	return *at;
}

static SL_ALWAYS_INLINE void
sl_vec_store(uint32_t *at, sl_vec v)
{
	*at = v;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_add(sl_vec a, sl_vec b)
{
	return a + b;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_multiply(sl_vec a, sl_vec b)
{
	return a * b;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_and(sl_vec a, sl_vec b)
{
	return a & b;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_min(sl_vec a, sl_vec b)
{
	return SL_MIN(a, b);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_shift_right(sl_vec v, unsigned int n)
{
	return v >> n;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_shift_left(sl_vec v, unsigned int n)
{
	return v << n;
}

static SL_ALWAYS_INLINE sl_vec_mask
sl_vec_test(sl_vec v, sl_vec bits)
{
	return (v & bits) != 0;
}

static SL_ALWAYS_INLINE bool
sl_vec_any(sl_vec_mask mask)
{
	return mask;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_choose(sl_vec_mask mask, sl_vec yes, sl_vec no)
{
	return mask ? yes : no;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_count_above(sl_vec count, sl_vec value, sl_vec cut)
{
	return count + ((int32_t)value > (int32_t)cut);
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_pick16(const uint32_t *numbers, sl_vec index)
{
	return numbers[index];
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_gather(const uint16_t *cells, sl_vec index)
{
	return cells[index];
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_gather_two(const uint16_t *cells, sl_vec index)
{
	return cells[2 * (size_t)index] | (uint32_t)cells[2 * (size_t)index + 1] << 16;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_gather_where(sl_vec_mask mask, sl_vec v, const uint16_t *cells, sl_vec index)
{
	return mask ? cells[index] : v;
}

static SL_ALWAYS_INLINE sl_vec
sl_vec_swap_bytes(sl_vec v)
{
	return __builtin_bswap32(v);
}

static SL_ALWAYS_INLINE void
sl_vec_load_window(const struct sl_meta *const metas[], uint32_t offset, sl_vec words[4])
{
	memcpy(words, (const uint8_t *)metas[0] + offset, 4 * sizeof(words[0]));
}

#endif

#endif
