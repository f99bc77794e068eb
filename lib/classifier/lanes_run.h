/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LANES_RUN_H
#define SL_CLASSIFIER_LANES_RUN_H

/*
 * Four 32-bit numbers at once, in the compiler's own vector types: SSE4.1 on x86-64-v2, and
 * whatever the compiler makes of it elsewhere.
 */

#include "base/sl_compiler.h"

#include <stdint.h>

typedef uint32_t sl_lanes __attribute__((vector_size(16), may_alias));
typedef int32_t sl_signed_lanes __attribute__((vector_size(16), may_alias));

static SL_ALWAYS_INLINE sl_lanes
sl_lanes_of(uint32_t value)
{
	return (sl_lanes){value, value, value, value};
}

/* Bit i of the result: lane i of a mask, whose lanes are 0 or all ones. */
static SL_ALWAYS_INLINE uint32_t
sl_lanes_bits(sl_lanes mask)
{
#ifdef __SSE2__
	typedef float float_lanes __attribute__((vector_size(16)));

	return (uint32_t)__builtin_ia32_movmskps((float_lanes)mask);
#else
	return (mask[0] & 1) | (mask[1] & 2) | (mask[2] & 4) | (mask[3] & 8);
#endif
}

/* How many of 12 signed numbers `value` exceeds. */
static SL_ALWAYS_INLINE uint32_t
sl_lanes_count_below(const int32_t numbers[12], int32_t value)
{
	const sl_signed_lanes *list = (const void *)numbers;
	const sl_signed_lanes all = {value, value, value, value};
	const sl_signed_lanes sum = (all > list[0]) + (all > list[1]) + (all > list[2]);

	/* A true lane is -1. */
	return (uint32_t) - (sum[0] + sum[1] + sum[2] + sum[3]);
}

#endif
