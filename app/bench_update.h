/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_UPDATE_H
#define APP_BENCH_UPDATE_H

/* sluice-bench update: what its measuring, its check and its report share. */

#include "bench_cpu.h"
#include "bench_updater.h"

#define UPDATE_PAIRS_MAX 101u

/* Milliseconds of each kind, sorted once all are there. */
struct update_latencies {
	double *published;
	double *in_force;
	double *call;
	size_t n;
};

struct update_run {
	const char *rules_path, *trace_path, *json_path;
	struct bench_rules rules;
	struct bench_trace trace;
	struct bench_metas metas;
	struct bench_plane *plane;
	struct bench_updater updater;
	uint32_t rate, burst, n_updates, n_pairs;
	struct bench_cpus cpus; /* control on the first, the worker on the last */
	struct update_latencies latencies;
	double quiet[UPDATE_PAIRS_MAX]; /* lookups a second */
	double busy[UPDATE_PAIRS_MAX];
	double achieved[UPDATE_PAIRS_MAX]; /* updates a second */
	uint64_t n_wrong;
};

/* Compares what is in force with the plain scan, with one filter out and with all in; counts n_wrong. */
int update_check(struct update_run *run, struct sl_error *err) SL_MUST_CHECK;
/* Prints the figures and writes the JSON; the exit status. */
int update_report(const struct update_run *run);

#endif
