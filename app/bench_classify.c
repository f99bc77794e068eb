/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_classify.h"

#include "bench.h"
#include "bench_cpu.h"
#include "bench_traffic.h"

#include "base/sl_clock.h"

#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * sluice-bench classify: engines on the same rules and headers, one thread, one run.
 *
 * Rounds alternate between the engines, each in short slices, so that a neighbour's load on the machine hits
 * all of them alike; the figure of an engine is the median of its rounds, the ratio the median of the
 * ratios of each round.
 */

#define SLICE_NS    UINT64_C(15000000)  /* one slice of one engine */
#define ROUND_NS    UINT64_C(150000000) /* what an engine gets a round */
#define CLOCK_EVERY 16                  /* bursts between looks at the clock */
#define MADE_TRACE  100000u             /* headers of a trace that was not given */
#define MADE_SEED   1u

/* One slice: whole bursts until its time is over. */
static void
slice(const struct classify_run *run, struct classify_entry *entry, uint32_t burst)
{
	uint64_t start = sl_clock_monotonic_ns();
	uint64_t now;
	uint64_t lookups = 0;

	do {
		for (int i = 0; i < CLOCK_EVERY; i++) {
			size_t left = run->trace.n - entry->at;
			uint32_t n = left < burst ? (uint32_t)left : burst;

			entry->ops->classify(entry->state, entry->at, n);
			entry->at = n == left ? 0 : entry->at + n;
			lookups += n;
			if (entry->ops == &bench_engine_linear)
				break;
		}
		now = sl_clock_monotonic_ns();
	} while (now - start < SLICE_NS);
	entry->lookups += lookups;
	entry->ns += now - start;
}

static void
time_round(struct classify_run *run, size_t b, uint32_t round)
{
	for (size_t e = 0; e < run->n_entries; e++) {
		run->entries[e].lookups = 0;
		run->entries[e].ns = 0;
	}
	for (uint64_t spent = 0; spent < ROUND_NS; spent += SLICE_NS)
		for (size_t e = 0; e < run->n_entries; e++)
			if (run->entries[e].state != NULL)
				slice(run, &run->entries[e], run->bursts[b]);
	for (size_t e = 0; e < run->n_entries; e++) {
		struct classify_entry *entry = &run->entries[e];

		if (entry->ns > 0)
			entry->results[b].rates[round] =
				(double)entry->lookups * 1e9 / (double)entry->ns;
	}
}

/* --- Right or wrong. --- */

/* What the plain scan finds for every header. */
static int
expect(struct classify_run *run)
{
	size_t n_sublayers = run->given.n_sublayers;
	void *linear = NULL;
	struct sl_error err;

	if (!run->is_verified)
		return 0;
	run->expected = calloc(run->trace.n * n_sublayers, sizeof(*run->expected));
	if (run->expected == NULL ||
		bench_engine_linear.build(&run->given, NULL, &linear, &err) != 0) {
		fprintf(stderr, "sluice-bench: --verify: not enough memory\n");
		return 1;
	}
	for (size_t at = 0; at < run->trace.n; at += BENCH_BURST_MAX) {
		uint32_t n = (uint32_t)SL_MIN(run->trace.n - at, (size_t)BENCH_BURST_MAX);

		bench_engine_linear.classify(linear, at, n);
		bench_engine_linear.answers(linear, n, run->expected + at * n_sublayers);
		bench_progress("verify", at + n, run->trace.n);
	}
	bench_engine_linear.free(linear);
	return 0;
}

/* Compares every answer of an engine, as it is timed, with the plain scan's. */
static void
verify(const struct classify_run *run, const struct classify_entry *entry, size_t b,
	uint64_t *mismatches)
{
	uint32_t answers[BENCH_BURST_MAX * BENCH_SUBLAYERS_MAX];
	size_t n_sublayers = run->given.n_sublayers;

	for (size_t at = 0; at < run->trace.n; at += run->bursts[b]) {
		uint32_t n = (uint32_t)SL_MIN(run->trace.n - at, (size_t)run->bursts[b]);

		entry->ops->classify(entry->state, at, n);
		entry->ops->answers(entry->state, n, answers);
		for (size_t i = 0; i < n * n_sublayers; i++)
			*mismatches += answers[i] != run->expected[at * n_sublayers + i];
	}
}

/* --- One length of bursts. --- */

static void
prepare_burst(struct classify_run *run, struct classify_entry *entry, size_t b)
{
	if (entry->ops->tune != NULL)
		entry->ops->tune(entry->state, run->bursts[b]);
	entry->ops->facts(entry->state, &entry->results[b].facts);
	if (run->is_verified)
		verify(run, entry, b, &entry->results[b].mismatches);
}

static void
time_burst(struct classify_run *run, size_t b)
{
	for (size_t e = 0; e < run->n_entries; e++)
		if (run->entries[e].state != NULL)
			prepare_burst(run, &run->entries[e], b);
	for (uint32_t round = 0; round < run->repeat; round++) {
		time_round(run, b, round);
		bench_progress("rounds", round + 1, run->repeat);
	}
}

static void
build_all(struct classify_run *run)
{
	for (size_t e = 0; e < run->n_entries; e++) {
		struct classify_entry *entry = &run->entries[e];
		struct sl_error err;

		fprintf(stderr, "building %s\n", entry->name);
		if (entry->ops->build(&run->given, entry->variant, &entry->state, &err) != 0) {
			entry->state = NULL;
			snprintf(entry->fault, sizeof(entry->fault), "%s", err.text);
		}
	}
}

/* EAL is needed for rte_acl alone. It would choose a CPU of its own. */
static int
start_eal(const struct classify_run *run, int cpu)
{
	char lcores[32];
	const char *const args[] = {"sluice-bench", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "8192", "--lcores", lcores, "--log-level=error",
		"--force-max-simd-bitwidth=512"};
	char *argv[SL_ARRAY_LEN(args) + 1] = {0};
	size_t e = 0;

	snprintf(lcores, sizeof(lcores), "0@%d", cpu);
	for (size_t i = 0; i < SL_ARRAY_LEN(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	while (e < run->n_entries && run->entries[e].ops != &bench_engine_acl)
		e++;
	if (e == run->n_entries || rte_eal_init(SL_ARRAY_LEN(args), argv) >= 0)
		return 0;
	fprintf(stderr, "sluice-bench: cannot start EAL with 8,192 MB for rte_acl\n");
	return 1;
}

static int
take_cpu(const struct classify_run *run)
{
	struct bench_cpus cpus = bench_cpus_get();

	if (cpus.last >= 0)
		bench_cpu_stay(cpus.last);
	return start_eal(run, SL_MAX(cpus.last, 0));
}

/* Reads or makes the trace, once the rules are there. */
static int
prepare_trace(struct classify_run *run, struct sl_error *err)
{
	const struct bench_traffic_spec spec = {
		.traffic = BENCH_TRAFFIC_UNIFORM, .n_headers = MADE_TRACE, .seed = MADE_SEED};
	int rc;

	if (run->misses > 0)
		run->n_left_out = bench_rules_drop_default(&run->rules);
	if (run->rules.n < run->given.n_sublayers)
		return sl_error_set(err, SL_ERR_INVALID_PARAMETER, "--sublayers",
			"%u sublayers for %zu rules; allowed: at most one for each rule",
			run->given.n_sublayers, run->rules.n);
	if (run->trace_path != NULL)
		rc = bench_trace_load(run->trace_path, run->rules.is_v6, &run->trace, err);
	else
		rc = bench_traffic_make(&run->rules, &spec, &run->trace, err);
	if (rc == 0 && run->misses > 0)
		rc = bench_traffic_add_misses(
			&run->rules, run->misses, MADE_SEED, &run->trace, err);
	return rc;
}

static int
prepare(struct classify_run *run)
{
	struct sl_error err;

	if (bench_rules_load(run->rules_path, &run->rules, &err) != 0 ||
		prepare_trace(run, &err) != 0) {
		fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
		return 2;
	}
	run->given.rules = &run->rules;
	run->given.trace = &run->trace;
	return take_cpu(run);
}

static int
measure(struct classify_run *run)
{
	int rc;

	build_all(run);
	if (expect(run) != 0)
		return 1;
	for (size_t b = 0; b < run->n_bursts; b++)
		time_burst(run, b);
	rc = classify_report(run);
	for (size_t e = 0; e < run->n_entries; e++)
		for (size_t b = 0; b < run->n_bursts; b++)
			if (run->entries[e].results[b].mismatches > 0)
				rc = 1;
	return rc;
}

int
bench_classify(int argc, char **argv)
{
	struct classify_run *run = calloc(1, sizeof(*run));
	int rc;

	if (run == NULL)
		return 1;
	rc = classify_options(run, argc, argv);
	if (rc == 0)
		rc = prepare(run);
	if (rc == 0)
		rc = measure(run);
	for (size_t e = 0; e < run->n_entries; e++)
		if (run->entries[e].state != NULL)
			run->entries[e].ops->free(run->entries[e].state);
	free(run->expected);
	bench_trace_fini(&run->trace);
	bench_rules_fini(&run->rules);
	free(run);
	return rc;
}
