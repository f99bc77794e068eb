/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "bench_engine.h"

#include "base/sl_clock.h"
#include "base/sl_log.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * sluice-bench classify: engines on the same rules and headers, one thread, one run.
 *
 * Rounds alternate between the engines, each in short slices, so that a neighbour's load on the machine hits
 * all of them alike; the figure of an engine is the median of its rounds, the ratio the median of the
 * ratios of each round.
 */

#define REPEAT_MAX  101
#define ENGINES_MAX 8
#define SLICE_NS    UINT64_C(15000000)  /* one slice of one engine */
#define ROUND_NS    UINT64_C(150000000) /* what an engine gets a round */
#define CLOCK_EVERY 16                  /* bursts between looks at the clock */

static const struct bench_engine_ops *const all_engines[] = {
	&bench_engine_sluice,
	&bench_engine_acl,
	&bench_engine_linear,
};

struct entry {
	const struct bench_engine_ops *ops;
	void *state;
	char fault[400]; /* why it could not build; "" */
	double build_s;
	double rates[REPEAT_MAX]; /* lookups a second, by round */
	uint64_t mismatches;
	size_t at; /* next header */
	uint64_t lookups;
	uint64_t ns;
};

struct run {
	const char *rules_path, *trace_path, *json_path;
	struct bench_rules rules;
	struct bench_trace trace;
	struct entry entries[ENGINES_MAX];
	size_t n_entries;
	uint32_t burst;
	uint32_t repeat;
	bool verify;
};

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double
bench_median(const double values[], size_t n)
{
	double sorted[REPEAT_MAX];

	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* One slice: whole bursts until its time is over. */
static void
slice(struct run *run, struct entry *entry)
{
	uint32_t answers[BENCH_BURST_MAX];
	uint64_t start = sl_clock_monotonic_ns();
	uint64_t now;
	uint64_t lookups = 0;

	do {
		for (int i = 0; i < CLOCK_EVERY; i++) {
			size_t left = run->trace.n - entry->at;
			uint32_t n = left < run->burst ? (uint32_t)left : run->burst;

			entry->ops->classify(entry->state, entry->at, n, answers);
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
time_round(struct run *run, uint32_t round)
{
	for (size_t e = 0; e < run->n_entries; e++) {
		run->entries[e].lookups = 0;
		run->entries[e].ns = 0;
	}
	for (uint64_t spent = 0; spent < ROUND_NS; spent += SLICE_NS)
		for (size_t e = 0; e < run->n_entries; e++)
			if (run->entries[e].state != NULL)
				slice(run, &run->entries[e]);
	for (size_t e = 0; e < run->n_entries; e++)
		if (run->entries[e].ns > 0)
			run->entries[e].rates[round] =
				(double)run->entries[e].lookups * 1e9 / (double)run->entries[e].ns;
}

/* Compares every answer of every engine with the plain scan's. */
static void
verify(struct run *run, void *linear)
{
	uint32_t expected[BENCH_BURST_MAX];
	uint32_t answers[BENCH_BURST_MAX];

	for (size_t at = 0; at < run->trace.n; at += run->burst) {
		size_t left = run->trace.n - at;
		uint32_t n = left < run->burst ? (uint32_t)left : run->burst;

		bench_engine_linear.classify(linear, at, n, expected);
		for (size_t e = 0; e < run->n_entries; e++) {
			struct entry *entry = &run->entries[e];

			if (entry->state == NULL)
				continue;
			entry->ops->classify(entry->state, at, n, answers);
			for (uint32_t i = 0; i < n; i++)
				entry->mismatches += answers[i] != expected[i];
		}
		if (at / run->burst % 256 == 0)
			bench_progress("verify", at, run->trace.n);
	}
	bench_progress("verify", run->trace.n, run->trace.n);
}

static void
build_all(struct run *run)
{
	struct sl_error err;

	for (size_t e = 0; e < run->n_entries; e++) {
		struct entry *entry = &run->entries[e];
		uint64_t start = sl_clock_monotonic_ns();

		fprintf(stderr, "building %s\n", entry->ops->name);
		if (entry->ops->build(&run->rules, &run->trace, &entry->state, &err) != 0) {
			entry->state = NULL;
			snprintf(entry->fault, sizeof(entry->fault), "%s", err.text);
		}
		entry->build_s = (double)(sl_clock_monotonic_ns() - start) / 1e9;
	}
}

/* Median of the per-round ratios of an engine to rte_acl; 0 when there is none. */
static double
ratio_to_acl(const struct run *run, const struct entry *entry)
{
	double ratios[REPEAT_MAX];

	for (size_t e = 0; e < run->n_entries; e++) {
		const struct entry *acl = &run->entries[e];

		if (acl->ops != &bench_engine_acl || acl->state == NULL || entry->state == NULL)
			continue;
		for (uint32_t i = 0; i < run->repeat; i++)
			ratios[i] = entry->rates[i] / acl->rates[i];
		return bench_median(ratios, run->repeat);
	}
	return 0;
}

static json_t *
entry_json(const struct run *run, const struct entry *entry)
{
	double rate;
	double ratio;
	json_t *json;

	if (entry->state == NULL)
		return json_pack("{s:s, s:s}", "name", entry->ops->name, "error", entry->fault);
	rate = bench_median(entry->rates, run->repeat);
	json = json_pack("{s:s, s:f, s:f, s:f, s:I}", "name", entry->ops->name, "mlookups_per_s",
		rate / 1e6, "ns_per_lookup", 1e9 / rate, "build_s", entry->build_s, "memory_bytes",
		(json_int_t)entry->ops->memory(entry->state));
	if (run->verify)
		json_object_set_new(
			json, "mismatches", json_integer((json_int_t)entry->mismatches));
	ratio = ratio_to_acl(run, entry);
	if (ratio > 0)
		json_object_set_new(json, "ratio_to_rte_acl", json_real(ratio));
	return json;
}

static int
report(const struct run *run)
{
	json_t *engines = json_array();
	json_t *json;
	int rc;

	printf("%zu rules, %zu headers, bursts of %u, median of %u rounds\n", run->rules.n,
		run->trace.n, run->burst, run->repeat);
	printf("%-10s %12s %10s %10s %12s %10s %8s\n", "engine", "Mlookups/s", "ns/lookup",
		"build s", "bytes", "mismatch", "ratio");
	for (size_t e = 0; e < run->n_entries; e++) {
		const struct entry *entry = &run->entries[e];
		double rate;

		json_array_append_new(engines, entry_json(run, entry));
		if (entry->state == NULL) {
			printf("%-10s error: %s\n", entry->ops->name, entry->fault);
			continue;
		}
		rate = bench_median(entry->rates, run->repeat);
		printf("%-10s %12.3f %10.1f %10.3f %12zu ", entry->ops->name, rate / 1e6,
			1e9 / rate, entry->build_s, entry->ops->memory(entry->state));
		if (run->verify)
			printf("%10llu ", (unsigned long long)entry->mismatches);
		else
			printf("%10s ", "-");
		printf("%8.2f\n", ratio_to_acl(run, entry));
	}
	json = json_pack("{s:I, s:I, s:i, s:o}", "rules", (json_int_t)run->rules.n, "headers",
		(json_int_t)run->trace.n, "burst", (int)run->burst, "engines", engines);
	rc = bench_write_json(run->json_path, json);
	json_decref(json);
	return rc;
}

static int
choose_engines(struct run *run, const char *names)
{
	char copy[128];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", names);
	for (char *name = strtok_r(copy, ",", &save); name != NULL;
		name = strtok_r(NULL, ",", &save)) {
		size_t i = 0;

		while (i < SL_ARRAY_LEN(all_engines) && strcmp(all_engines[i]->name, name) != 0)
			i++;
		if (i == SL_ARRAY_LEN(all_engines) || run->n_entries == ENGINES_MAX) {
			fprintf(stderr,
				"sluice-bench: --engines: \"%s\"; allowed: sluice, rte_acl, "
				"linear\n",
				name);
			return 2;
		}
		run->entries[run->n_entries++].ops = all_engines[i];
	}
	return 0;
}

static int
options(struct run *run, int argc, char **argv)
{
	static const struct option names[] = {
		{"rules", required_argument, NULL, 'r'},
		{"trace", required_argument, NULL, 't'},
		{"engines", required_argument, NULL, 'e'},
		{"burst", required_argument, NULL, 'b'},
		{"repeat", required_argument, NULL, 'n'},
		{"verify", no_argument, NULL, 'v'},
		{"json", required_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	const char *engines = "sluice,rte_acl,linear";
	uint64_t burst = 32;
	uint64_t repeat = 5;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'r')
			run->rules_path = optarg;
		else if (option == 't')
			run->trace_path = optarg;
		else if (option == 'e')
			engines = optarg;
		else if (option == 'b' &&
			bench_number("--burst", optarg, 1, BENCH_BURST_MAX, &burst))
			run->burst = (uint32_t)burst;
		else if (option == 'n' && bench_number("--repeat", optarg, 1, REPEAT_MAX, &repeat))
			run->repeat = (uint32_t)repeat;
		else if (option == 'v')
			run->verify = true;
		else if (option == 'j')
			run->json_path = optarg;
		else
			return 2;
	}
	run->burst = (uint32_t)burst;
	run->repeat = (uint32_t)repeat;
	if (run->rules_path == NULL || run->trace_path == NULL || optind != argc) {
		fprintf(stderr,
			"sluice-bench classify: --rules FILE and --trace FILE are needed, and "
			"nothing else\n");
		return 2;
	}
	return choose_engines(run, engines);
}

/* EAL is needed for rte_acl alone. */
static int
start_eal(const struct run *run)
{
	static const char *const args[] = {"sluice-bench", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "8192", "-l", "0", "--log-level=error",
		"--force-max-simd-bitwidth=512"};
	char *argv[SL_ARRAY_LEN(args) + 1] = {0};

	for (size_t i = 0; i < SL_ARRAY_LEN(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	for (size_t e = 0; e < run->n_entries; e++) {
		if (run->entries[e].ops != &bench_engine_acl)
			continue;
		if (rte_eal_init(SL_ARRAY_LEN(args), argv) < 0) {
			fprintf(stderr,
				"sluice-bench: cannot start EAL with 8,192 MB for rte_acl\n");
			return 1;
		}
		break;
	}
	return 0;
}

static int
measure(struct run *run)
{
	void *linear = NULL;
	struct sl_error err;
	int rc = 0;

	build_all(run);
	if (run->verify) {
		if (bench_engine_linear.build(&run->rules, &run->trace, &linear, &err) != 0) {
			fprintf(stderr, "sluice-bench: %s\n", err.text);
			return 1;
		}
		verify(run, linear);
		bench_engine_linear.free(linear);
	}
	for (uint32_t round = 0; round < run->repeat; round++) {
		time_round(run, round);
		bench_progress("rounds", round + 1, run->repeat);
	}
	rc = report(run);
	for (size_t e = 0; e < run->n_entries; e++)
		if (run->verify && run->entries[e].mismatches > 0)
			rc = 1;
	return rc;
}

int
bench_classify(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	struct sl_error err;
	int rc;

	if (run == NULL)
		return 1;
	rc = options(run, argc, argv);
	if (rc == 0 &&
		(bench_rules_load(run->rules_path, &run->rules, &err) != 0 ||
			bench_trace_load(run->trace_path, run->rules.is_v6, &run->trace, &err) !=
				0)) {
		fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
		rc = 2;
	}
	if (rc == 0)
		rc = start_eal(run);
	if (rc == 0)
		rc = measure(run);
	for (size_t e = 0; e < run->n_entries; e++)
		if (run->entries[e].state != NULL)
			run->entries[e].ops->free(run->entries[e].state);
	bench_trace_fini(&run->trace);
	bench_rules_fini(&run->rules);
	free(run);
	return rc;
}
