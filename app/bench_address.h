/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_ADDRESS_H
#define APP_BENCH_ADDRESS_H

/* Plans of addresses for made rule sets; see bench_make.h. */

#include "bench_random.h"

#include <stdbool.h>
#include <stdint.h>

/* How much of the plan a prefix covers. */
enum bench_scope {
	BENCH_SCOPE_ANY,
	BENCH_SCOPE_BLOCK,  /* IPv4 /8 to /15, IPv6 /29 to /32 */
	BENCH_SCOPE_SITE,   /* /16 to /22; /36 to /48 */
	BENCH_SCOPE_NET,    /* /23 to /25; /52 to /60 */
	BENCH_SCOPE_SUBNET, /* /26 to /30; /64 */
	BENCH_SCOPE_HOST,   /* /31 and /32; /127 and /128 */
	BENCH_SCOPE_COUNT
};

struct bench_address_plan {
	uint64_t seed; /* another one for each side of a rule */
	bool is_v6;
	uint32_t n_blocks;
	uint32_t n_sites; /* in a block */
	uint32_t n_nets;  /* in a site */
	uint32_t n_hosts; /* in a net */
};

/* A plan with enough addresses for `n_rules`. */
struct bench_address_plan bench_address_plan_make(uint64_t seed, bool is_v6, uint32_t n_rules);
/* Draws a prefix: network order, bits behind the length zero; IPv4 in the first four bytes. */
void bench_address_draw(const struct bench_address_plan *plan, struct bench_random *random,
	enum bench_scope scope, uint8_t prefix[16], uint8_t *len);

#endif
