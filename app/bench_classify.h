/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_CLASSIFY_H
#define APP_BENCH_CLASSIFY_H

/* sluice-bench classify: what its options, its measuring and its report share. */

#include "bench_engine.h"

#include <stdbool.h>
#include <stdint.h>

#define CLASSIFY_REPEAT_MAX  101u
#define CLASSIFY_ENGINES_MAX 8u
#define CLASSIFY_BURSTS_MAX  8u

/* An engine's figures for one length of bursts. */
struct classify_result {
	double rates[CLASSIFY_REPEAT_MAX]; /* lookups a second, by round */
	uint64_t mismatches;
	struct bench_engine_facts facts;
};

struct classify_entry {
	const struct bench_engine_ops *ops;
	const char *variant; /* or NULL */
	char name[32];       /* as it was asked for */
	void *state;         /* NULL: it could not build */
	char fault[400];     /* why */
	size_t at;           /* next header */
	uint64_t lookups;    /* of the round */
	uint64_t ns;         /* of the round */
	struct classify_result results[CLASSIFY_BURSTS_MAX];
};

struct classify_run {
	const char *rules_path, *trace_path, *json_path;
	struct bench_rules rules;
	struct bench_trace trace;
	struct bench_case given;
	struct classify_entry entries[CLASSIFY_ENGINES_MAX];
	size_t n_entries;
	uint32_t bursts[CLASSIFY_BURSTS_MAX];
	size_t n_bursts;
	uint32_t repeat;
	uint32_t misses;   /* percent of the trace that is replaced */
	size_t n_left_out; /* rules that leave nothing to miss */
	bool is_verified;
	uint32_t *expected; /* when verified: what the plain scan found, n_sublayers a header */
};

/* 0, or the exit status; the fault was printed. */
int classify_options(struct classify_run *run, int argc, char **argv);
/* Prints the tables and writes the JSON; the exit status. */
int classify_report(const struct classify_run *run);

#endif
