/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_snapshot.h"

/* A bijection of 64 bits in which every bit of the input changes half of the output. */
static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}

uint32_t
sl_layer_signature(const struct sl_layer_program *layer, const uint32_t *ranks, uint32_t n_ranks)
{
	uint64_t hash = n_ranks;

	for (uint32_t i = 0; i < n_ranks; i++)
		hash = mix(hash + layer->filters[ranks[i]].stamp);
	return (uint32_t)hash;
}
