/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_ACL_BUILD_H
#define APP_BENCH_ACL_BUILD_H

/* Rule sets as contexts of DPDK's rte_acl. */

#include "bench_engine.h"

#include <rte_acl.h>

/* The key as rte_acl reads it: the protocol, then fields in network order. */
struct bench_acl_key {
	uint8_t protocol;
	uint8_t pad[3];
	uint8_t src[16];
	uint8_t dst[16];
	uint8_t ports[4];
};

/* A sublayer is a category. */
struct bench_acl_context {
	struct rte_acl_ctx *ctx;
	size_t max_size; /* what the builder was allowed; 0: its default */
	double build_s;
	size_t memory;
};

/* rte_acl takes one category, or multiples of 4. */
uint32_t bench_acl_categories(const struct bench_case *given);
/* 0, or a negative errno and nothing is left. */
int
bench_acl_build(const struct bench_case *given, size_t max_size, struct bench_acl_context *context);
void bench_acl_fill_key(struct bench_acl_key *key, const struct bench_header *header);

#endif
