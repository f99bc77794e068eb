/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_NUMBER_H
#define TESTS_PROPERTY_NUMBER_H

/*
 * Values of fields as numbers of up to 128 bits, whatever their width: addresses are big-endian
 * numbers, as the policy orders them.
 */

#include "classifier/sl_meta.h"
#include "policy/sl_object.h"
#include "random.h"

typedef unsigned __int128 u128;

/* The largest number of `bits`, 0..128. */
static inline u128
u128_max(uint32_t bits)
{
	return bits == 0 ? 0 : ~(u128)0 >> (128 - bits);
}

static inline u128
u128_of_bytes(const uint8_t *bytes, size_t n)
{
	u128 value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

static inline void
u128_to_bytes(u128 value, uint8_t *bytes, size_t n)
{
	for (size_t i = n; i-- > 0; value >>= 8)
		bytes[i] = (uint8_t)value;
}

/* A random number of `bits`: any, a small one (what most fields hold), or all ones. */
static inline u128
u128_random(struct random *random, uint32_t bits)
{
	const uint32_t dice = random_below(random, 100);

	if (dice < 30)
		return random_below(random, 8) & u128_max(bits);
	if (dice < 34)
		return u128_max(bits);
	return ((u128)random_next(random) << 64 | random_next(random)) & u128_max(bits);
}

/* Bits of a slot's numbers; a field that never has a value counts as 32, a text as none. */
static inline uint32_t
slot_bits(enum sl_slot slot)
{
	if (slot == SL_SLOT_NONE)
		return 32;
	return sl_slot_info[slot].kind == SL_SLOT_KIND_BLOB ? 0 : sl_slot_info[slot].size * 8u;
}

static inline u128
u128_of_scalar(enum sluice_data_type type, const union sl_scalar *scalar)
{
	if (type == SLUICE_TYPE_BYTE_ARRAY16)
		return u128_of_bytes(scalar->bytes, 16);
	if (type == SLUICE_TYPE_BYTE_ARRAY6)
		return u128_of_bytes(scalar->bytes, 6);
	return scalar->number;
}

static inline void
u128_to_scalar(u128 value, enum sluice_data_type type, union sl_scalar *scalar)
{
	if (type == SLUICE_TYPE_BYTE_ARRAY16)
		u128_to_bytes(value, scalar->bytes, 16);
	else if (type == SLUICE_TYPE_BYTE_ARRAY6)
		u128_to_bytes(value, scalar->bytes, 6);
	else
		scalar->number = (uint64_t)value;
}

/* Writes the value of a slot that holds a number or bytes. */
static inline void
u128_to_slot(u128 value, struct sl_meta *meta, enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];
	uint8_t *at = (uint8_t *)meta + info->offset;
	const uint64_t number = (uint64_t)value;

	if (info->kind == SL_SLOT_KIND_BYTES)
		u128_to_bytes(value, at, info->size);
	else
		/* Host order: the lowest bytes come first on every machine this runs on. */
		memcpy(at, &number, info->size);
}

#endif
