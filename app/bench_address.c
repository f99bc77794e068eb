/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_address.h"

#include "base/sl_compiler.h"

#include <string.h>

#define LENGTHS_MAX 8

/* Lengths of a scope with their shares in percent; 0 ends the list. */
struct lengths {
	uint8_t len;
	uint8_t percent;
};

static const struct lengths lengths_v4[BENCH_SCOPE_COUNT][LENGTHS_MAX] = {
	[BENCH_SCOPE_BLOCK] = {{8, 40}, {10, 5}, {12, 20}, {13, 5}, {14, 15}, {15, 15}},
	[BENCH_SCOPE_SITE] = {{16, 40}, {17, 6}, {18, 8}, {19, 10}, {20, 16}, {21, 8}, {22, 12}},
	[BENCH_SCOPE_NET] = {{23, 14}, {24, 74}, {25, 12}},
	[BENCH_SCOPE_SUBNET] = {{26, 18}, {27, 20}, {28, 26}, {29, 22}, {30, 14}},
	[BENCH_SCOPE_HOST] = {{31, 4}, {32, 96}},
};

static const struct lengths lengths_v6[BENCH_SCOPE_COUNT][LENGTHS_MAX] = {
	[BENCH_SCOPE_BLOCK] = {{29, 12}, {30, 4}, {32, 84}},
	[BENCH_SCOPE_SITE] = {{36, 6}, {40, 10}, {44, 8}, {48, 76}},
	[BENCH_SCOPE_NET] = {{52, 8}, {56, 80}, {60, 12}},
	[BENCH_SCOPE_SUBNET] = {{64, 100}},
	[BENCH_SCOPE_HOST] = {{127, 4}, {128, 96}},
};

struct bench_address_plan
bench_address_plan_make(uint64_t seed, bool is_v6, uint32_t n_rules)
{
	uint32_t scale = 0;

	while ((uint64_t)(scale + 1) * (scale + 1) * (scale + 1) <= n_rules)
		scale++;
	return (struct bench_address_plan){.seed = seed,
		.is_v6 = is_v6,
		.n_blocks = 4 + scale / 4,
		.n_sites = 3 + scale / 8,
		.n_nets = 4 + scale / 3,
		.n_hosts = 8 + scale};
}

/* A number below `n`; small ones are more frequent. */
static uint32_t
draw_skewed(struct bench_random *random, uint32_t n)
{
	double place = bench_random_unit(random);

	return (uint32_t)(place * place * n);
}

/* Bits of the member `index` of a part of the plan, which is told by its own bits. */
static uint64_t
bits_of(const struct bench_address_plan *plan, uint64_t part, uint32_t index)
{
	struct bench_random random =
		bench_random_seed(plan->seed ^ part * UINT64_C(0xd6e8feb86659fd93));

	random.state = bench_random_next(&random) + index * UINT64_C(0xa0761d6478bd642f);
	return bench_random_next(&random);
}

static void
store(uint8_t *bytes, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(value >> 8 * (n - 1 - i));
}

/* A host of the plan: a block of 12 bits, a site of 6, a net of 6, the host in 8. */
static void
draw_host_v4(
	const struct bench_address_plan *plan, struct bench_random *random, uint8_t address[16])
{
	uint64_t block = bits_of(plan, 1, draw_skewed(random, plan->n_blocks));
	/* No addresses that are no networks of hosts: 0, 127, 224 and above. */
	uint32_t first = 1 + (uint32_t)(block >> 8) % 222;
	uint32_t value = (first >= 127 ? first + 1 : first) << 24 | (uint32_t)(block & 0xf) << 20;

	value |= (uint32_t)(bits_of(plan, value, draw_skewed(random, plan->n_sites)) & 0x3f) << 14;
	value |= (uint32_t)(bits_of(plan, value + 1, draw_skewed(random, plan->n_nets)) & 0x3f)
		<< 8;
	value |= (uint32_t)(bits_of(plan, value + 2, draw_skewed(random, plan->n_hosts)) & 0xff);
	store(address, value, 4);
}

/* Subnets are numbered from 0 in a net; every other host has a number, the others a random identifier. */
static void
draw_host_v6(
	const struct bench_address_plan *plan, struct bench_random *random, uint8_t address[16])
{
	static const uint8_t first[] = {0x20, 0x24, 0x26, 0x28, 0x2a};
	uint64_t block = bits_of(plan, 1, draw_skewed(random, plan->n_blocks));
	uint64_t high =
		(uint64_t)first[block % SL_ARRAY_LEN(first)] << 56 | (block >> 8 & 0xffffff) << 32;
	uint32_t host;

	high |= (bits_of(plan, high, draw_skewed(random, plan->n_sites)) & 0xffff) << 16;
	high |= (bits_of(plan, high + 1, draw_skewed(random, plan->n_nets)) & 0xff) << 8;
	high |= draw_skewed(random, 16);
	host = draw_skewed(random, plan->n_hosts);
	store(address, high, 8);
	store(address + 8, host % 2 == 0 ? host / 2 + 1 : bits_of(plan, high + 2, host), 8);
}

static uint8_t
draw_len(const struct lengths *lengths, struct bench_random *random)
{
	uint32_t place = bench_random_below(random, 100);
	size_t i = 0;

	while (i + 1 < LENGTHS_MAX && lengths[i + 1].len != 0 && place >= lengths[i].percent)
		place -= lengths[i++].percent;
	return lengths[i].len;
}

void
bench_address_draw(const struct bench_address_plan *plan, struct bench_random *random,
	enum bench_scope scope, uint8_t prefix[16], uint8_t *len)
{
	memset(prefix, 0, 16);
	*len = 0;
	if (scope == BENCH_SCOPE_ANY)
		return;
	*len = draw_len(plan->is_v6 ? lengths_v6[scope] : lengths_v4[scope], random);
	if (plan->is_v6)
		draw_host_v6(plan, random, prefix);
	else
		draw_host_v4(plan, random, prefix);
	for (uint32_t byte = *len / 8; byte < 16; byte++)
		prefix[byte] &= byte == *len / 8u ? (uint8_t) ~(0xff >> *len % 8) : 0;
}
