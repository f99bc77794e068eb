/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_ENGINE_H
#define APP_BENCH_ENGINE_H

/*
 * Classifiers side by side: each builds a rule set and answers, for a batch of headers, which rule of
 * each sublayer is the first to match.
 */

#include "base/sl_error.h"
#include "bench_rules.h"

#include <stddef.h>
#include <stdint.h>

#define BENCH_BURST_MAX     256u
#define BENCH_SUBLAYERS_MAX 16u
#define BENCH_NO_RULE       UINT32_MAX
#define BENCH_SIMD_BEST     (-1)

/* What every engine is given. Borrowed until the engine is freed. */
struct bench_case {
	const struct bench_rules *rules;
	const struct bench_trace *trace;
	uint32_t n_sublayers; /* 1..BENCH_SUBLAYERS_MAX; rule i is in sublayer i % n_sublayers */
	int simd;             /* enum sl_simd, or BENCH_SIMD_BEST */
};

/* What is told about an engine besides its speed. */
struct bench_engine_facts {
	double build_s; /* from rules to what classifies */
	size_t memory;  /* bytes of what was built */
	char chosen[64];
};

struct bench_engine_ops {
	const char *name;
	const char *const *variants; /* to choose from, NULL at the end; NULL: it has none */
	/*
	 * Builds the set and prepares the trace.  `variant` is one of `variants`, or NULL: the engine
	 * chooses.  0 and `*state`, or a negative errno with `err` filled.
	 */
	int (*build)(const struct bench_case *given, const char *variant, void **state,
		struct sl_error *err);
	/* Chooses among its methods for bursts of that length. May be NULL. */
	void (*tune)(void *state, uint32_t burst);
	/* Classifies headers first .. first + n - 1 of the trace. This is what is timed. */
	void (*classify)(void *state, size_t first, uint32_t n);
	/*
	 * What the last classify found: answers[i * n_sublayers + s] is the place in the set of the
	 * rule of sublayer s that header i matches, or NO_RULE.
	 */
	void (*answers)(const void *state, uint32_t n, uint32_t answers[]);
	void (*facts)(const void *state, struct bench_engine_facts *facts);
	void (*free)(void *state);
};

extern const struct bench_engine_ops bench_engine_sluice;
extern const struct bench_engine_ops bench_engine_acl;
extern const struct bench_engine_ops bench_engine_linear;

#endif
