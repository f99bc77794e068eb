/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_TRAFFIC_H
#define APP_BENCH_TRAFFIC_H

/* Header traces made from a rule set; the same on every machine for one seed. */

#include "bench_rules.h"

enum bench_traffic {
	BENCH_TRAFFIC_UNIFORM, /* every rule as often as any other, a random point of its box */
	BENCH_TRAFFIC_ZIPF,    /* rules by Zipf's law (s = 1), in an order of their own */
	BENCH_TRAFFIC_CORNER   /* every rule as often as any other, a corner of its box */
};

struct bench_traffic_spec {
	enum bench_traffic traffic;
	size_t n_headers;
	uint32_t misses; /* percent */
	uint64_t seed;
};

/* False: no such name; "uniform", "zipf", "corner". */
bool bench_traffic_parse(const char *name, enum bench_traffic *traffic);
/*
 * Makes a trace; the caller frees it.  0, NO_MEMORY, or what bench_traffic_add_misses says.
 */
int bench_traffic_make(const struct bench_rules *rules, const struct bench_traffic_spec *spec,
	struct bench_trace *trace, struct sl_error *err) SL_MUST_CHECK;
/*
 * Replaces `percent` of a trace by headers that are random in every field and match no rule, as the
 * plain scan tells.  They are drawn from a pool of at most 65,536 such headers (4,096 for sets of
 * more than 20,000 rules, as each costs a scan).  OUT_OF_BOUNDS when hardly any header misses the set.
 */
int bench_traffic_add_misses(const struct bench_rules *rules, uint32_t percent, uint64_t seed,
	struct bench_trace *trace, struct sl_error *err) SL_MUST_CHECK;

#endif
