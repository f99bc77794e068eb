/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_STEER_MIX_H
#define SL_DATAPATH_STEER_MIX_H

/* One step of the hash, which the kernel's program and steer_hash take alike. */

#include <stdint.h>

#define STEER_FACTOR 0x9e3779b1u /* odd, bits well spread: 2^32 over the golden ratio */
#define STEER_SHIFT  15u

static inline uint32_t
steer_mix(uint32_t hash, uint32_t word)
{
	uint32_t product = (hash ^ word) * STEER_FACTOR;

	return product ^ product >> STEER_SHIFT;
}

#endif
