/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_ENGINE_H
#define APP_BENCH_ENGINE_H

/*
 * Classifiers side by side: each builds a rule set and answers, for a batch of headers, which rule is the
 * first to match.
 */

#include "base/sl_error.h"
#include "bench_rules.h"

#include <stddef.h>
#include <stdint.h>

#define BENCH_BURST_MAX 256u
#define BENCH_NO_RULE   UINT32_MAX

struct bench_engine_ops {
	const char *name;
	/* Builds the set and prepares the trace. 0 and `*state`, or a negative errno with `err` filled. */
	int (*build)(const struct bench_rules *rules, const struct bench_trace *trace, void **state,
		struct sl_error *err);
	/* Classifies headers first .. first + n - 1 of the trace; `answers[i]` is the rule's place or NO_RULE. */
	void (*classify)(void *state, size_t first, uint32_t n, uint32_t answers[]);
	/* Bytes of the built structure. */
	size_t (*memory)(const void *state);
	void (*free)(void *state);
};

extern const struct bench_engine_ops bench_engine_sluice;
extern const struct bench_engine_ops bench_engine_acl;
extern const struct bench_engine_ops bench_engine_linear;

#endif
