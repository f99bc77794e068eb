/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_WIDE_H
#define SL_CLASSIFIER_WIDE_H

/* 128-bit numbers: every value of every slot as one kind of number, ordered by one code. */

#include "classifier/sl_meta.h"

#include <stddef.h>
#include <stdint.h>

typedef unsigned __int128 sl_wide;

/* The number that `n` bytes in network order spell; n is at most 16. */
static inline sl_wide
sl_wide_of_bytes(const uint8_t *bytes, size_t n)
{
	sl_wide value = 0;

	for (size_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* The largest number of `n_bits`, 1..128. */
static inline sl_wide
sl_wide_max(unsigned int n_bits)
{
	return ~(sl_wide)0 >> (128 - n_bits);
}

/* The largest value of a slot. A blob has no numbers: its one value, 0, says that it is there. */
static inline sl_wide
sl_wide_slot_max(enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];

	return info->kind == SL_SLOT_KIND_BLOB ? 0 : sl_wide_max(info->size * 8u);
}

/* The value of a slot, which is present. */
static inline sl_wide
sl_wide_of_slot(const struct sl_meta *meta, enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];

	if (info->kind == SL_SLOT_KIND_NUMBER)
		return sl_meta_number(meta, slot);
	if (info->kind == SL_SLOT_KIND_BYTES)
		return sl_wide_of_bytes((const uint8_t *)meta + info->offset, info->size);
	return 0;
}

#endif
