/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_MAKE_H
#define APP_BENCH_MAKE_H

/*
 * Rule sets of our own, in the manner of the three kinds that the literature on packet classification
 * knows.  Everything comes from a seed: the same arguments give the same rules on every machine.
 *
 * acl  access lists: from anywhere or a network to one host or network and one service
 * fw   firewalls: wildcards on either side, many ranges of ports, few protocols
 * ipc  chains of Linux: pairs of networks and hosts of all lengths, often for any protocol
 *
 * Structure.  Either side has a plan of addresses: some blocks, in each some sites, in each some
 *             networks, in each some hosts, and the first of each are used most.  A rule's prefix is such
 *             an address cut to a length, so that prefixes nest.  Services are a limited number of ports
 *             and ranges, the first of them used most.
 * Order.      More specific rules tend to come first.
 */

#include "bench_rules.h"

enum bench_kind {
	BENCH_KIND_ACL,
	BENCH_KIND_FW,
	BENCH_KIND_IPC,
	BENCH_KIND_COUNT
};

#define BENCH_MAKE_MAX 1000000u

struct bench_make_spec {
	enum bench_kind kind;
	uint32_t n; /* 1..BENCH_MAKE_MAX */
	bool is_v6;
	uint64_t seed;
};

/* "acl"; never NULL. */
const char *bench_kind_name(enum bench_kind kind);
/* False: no such kind. */
bool bench_kind_parse(const char *name, enum bench_kind *kind);
/* Makes exactly `n` different rules. 0, or NO_MEMORY. The caller frees with bench_rules_fini. */
int bench_make(const struct bench_make_spec *spec, struct bench_rules *rules,
	struct sl_error *err) SL_MUST_CHECK;

#endif
