/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_INTERVAL_H
#define SL_POLICY_INTERVAL_H

/*
 * Conditions as closed intervals of 128-bit numbers, for weights and lint.  Private to the room.
 *
 * Integers and IPv4 addresses are themselves; MAC and IPv6 addresses are big-endian numbers.
 */

#include "policy/sl_object.h"

#include <stdbool.h>
#include <stdint.h>

typedef unsigned __int128 sl_u128;

struct sl_interval {
	sl_u128 low;
	sl_u128 high;
};

enum sl_shape {
	SL_SHAPE_INTERVALS, /* present, and in one of the intervals */
	SL_SHAPE_ABSENT,    /* EMPTY */
	SL_SHAPE_UNKNOWN    /* present, and something that intervals cannot say */
};

/* `n` (1..16) big-endian bytes as a number. */
sl_u128 sl_u128_read(const uint8_t *bytes, unsigned int n);
/* Bits of a type's numbers: 8 .. 128; 0 for types that are no numbers. */
unsigned int sl_type_bits(enum sluice_data_type type);
/* 2^bits - 1, for bits 0..128. */
sl_u128 sl_u128_max(unsigned int bits);
/* Position of the highest bit set, from 1; 0 for 0. */
unsigned int sl_u128_bit_len(sl_u128 number);
/* A scalar of a type as a number. */
sl_u128 sl_scalar_number(enum sluice_data_type type, const union sl_scalar *scalar);

/*
 * Values for which a checked condition on a field of `type` holds.  `*n` receives how many of the
 * two intervals are used; 0 with SL_SHAPE_INTERVALS means that it never holds.
 */
enum sl_shape sl_condition_intervals(const struct sl_condition *condition,
	enum sluice_data_type type, struct sl_interval out[2], unsigned int *n);

#endif
