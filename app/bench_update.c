/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_update.h"

#include "bench.h"
#include "bench_median.h"
#include "bench_policy.h"
#include "bench_traffic.h"

#include "base/sl_clock.h"
#include "classifier/sl_classify.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/*
 * sluice-bench update: single filters out of and into a full rule set, beside traffic.
 *
 * A worker on the last CPU classifies without a pause; everything else is on the first.  Latency: changes at
 * the rate asked for, each timed from the call to the end of the first burst that used the new
 * snapshot.  Throughput: slices without changes and slices with them alternate; every pair gives a
 * ratio, the median counts.  Between the slices of a pair the policy is whole again and has time to
 * settle.
 */

#define UPDATES_MAX    1000000u
#define UPDATES        3000u
#define LATENCY_NS_MAX UINT64_C(60000000000) /* latencies measured until then will do */
#define WARM_UP        20u
#define SLICE_NS       UINT64_C(500000000)
#define SETTLE_NS      UINT64_C(700000000)
#define MADE_TRACE     100000u
#define MADE_SEED      1u

/* --- Measuring. --- */

/* Sleeps until close by and spins the rest. */
static void
wait_until(uint64_t when_ns)
{
	uint64_t now = sl_clock_monotonic_ns();

	while (now < when_ns) {
		uint64_t left = when_ns - now;

		if (left > 200000) {
			struct timespec time = {.tv_sec = (time_t)((left - 100000) / 1000000000),
				.tv_nsec = (long)((left - 100000) % 1000000000)};

			nanosleep(&time, NULL);
		}
		now = sl_clock_monotonic_ns();
	}
}

static int
measure_latency(struct update_run *run, struct sl_error *err)
{
	struct update_latencies *all = &run->latencies;
	uint64_t start = sl_clock_monotonic_ns();
	uint64_t next = start;
	uint32_t n = run->n_updates + WARM_UP;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n && next - start < LATENCY_NS_MAX; i++) {
		struct bench_update_times times;

		wait_until(next);
		rc = bench_updater_step(&run->updater, &times, err);
		if (rc == 0 && i >= WARM_UP) {
			all->published[all->n] = (double)times.published_ns / 1e6;
			all->in_force[all->n] = (double)times.in_force_ns / 1e6;
			all->call[all->n++] = (double)times.call_ns / 1e6;
		}
		next = SL_MAX(next + 1000000000 / run->rate, sl_clock_monotonic_ns());
		bench_progress("latency", i + 1, n);
	}
	bench_sort(all->published, all->n);
	bench_sort(all->in_force, all->n);
	bench_sort(all->call, all->n);
	return rc;
}

/* A point to count lookups from. */
struct mark {
	uint64_t lookups;
	uint64_t cpu_ns;
};

static struct mark
mark_now(const struct update_run *run)
{
	return (struct mark){bench_plane_lookups(run->plane), bench_plane_cpu_ns(run->plane)};
}

/* Lookups in a second of the worker's CPU time: other programs on its CPU do not count. */
static double
rate_since(const struct update_run *run, struct mark mark)
{
	struct mark now = mark_now(run);

	return (double)(now.lookups - mark.lookups) * 1e9 / (double)(now.cpu_ns - mark.cpu_ns);
}

/* The whole policy in force, and time for what goes on in the background. */
static int
settle(struct update_run *run, struct sl_error *err)
{
	struct bench_update_times times;
	int rc = run->updater.is_out ? bench_updater_step(&run->updater, &times, err) : 0;

	sl_control_tick(run->updater.control);
	wait_until(sl_clock_monotonic_ns() + SETTLE_NS);
	return rc;
}

static int
measure_busy(struct update_run *run, uint32_t pair, struct sl_error *err)
{
	uint64_t start = sl_clock_monotonic_ns();
	struct mark mark = mark_now(run);
	uint64_t n = 0;
	int rc = 0;

	while (rc == 0 && sl_clock_monotonic_ns() - start < SLICE_NS) {
		struct bench_update_times times;

		rc = bench_updater_step(&run->updater, &times, err);
		n++;
		wait_until(SL_MIN(start + n * 1000000000 / run->rate, start + SLICE_NS));
	}
	run->busy[pair] = rate_since(run, mark);
	run->achieved[pair] = (double)n * 1e9 / (double)(sl_clock_monotonic_ns() - start);
	return rc;
}

static int
measure_pairs(struct update_run *run, struct sl_error *err)
{
	int rc = 0;

	for (uint32_t pair = 0; rc == 0 && pair < run->n_pairs; pair++) {
		struct mark mark;

		rc = settle(run, err);
		mark = mark_now(run);
		wait_until(sl_clock_monotonic_ns() + SLICE_NS);
		run->quiet[pair] = rate_since(run, mark);
		if (rc == 0)
			rc = measure_busy(run, pair, err);
		bench_progress("pairs", pair + 1, run->n_pairs);
	}
	return rc;
}

/* --- Options. --- */

static bool
take_option(struct update_run *run, int option, const char *text)
{
	switch (option) {
	case 'r':
		run->rules_path = text;
		return true;
	case 't':
		run->trace_path = text;
		return true;
	case 'j':
		run->json_path = text;
		return true;
	case 'a':
		return bench_number32("--rate", text, 1, 1000000, &run->rate);
	case 'b':
		return bench_number32("--burst", text, 1, SL_BATCH_MAX, &run->burst);
	case 'u':
		return bench_number32("--updates", text, 1, UPDATES_MAX, &run->n_updates);
	case 'n':
		return bench_number32("--repeat", text, 1, UPDATE_PAIRS_MAX, &run->n_pairs);
	default:
		return false;
	}
}

static int
options(struct update_run *run, int argc, char **argv)
{
	static const struct option names[] = {
		{"rules", required_argument, NULL, 'r'},
		{"trace", required_argument, NULL, 't'},
		{"rate", required_argument, NULL, 'a'},
		{"burst", required_argument, NULL, 'b'},
		{"updates", required_argument, NULL, 'u'},
		{"repeat", required_argument, NULL, 'n'},
		{"json", required_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	run->rate = 1000;
	run->burst = 32;
	run->n_updates = UPDATES;
	run->n_pairs = 7;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (!take_option(run, option, optarg))
			return 2;
	if (run->rules_path != NULL && optind == argc)
		return 0;
	fprintf(stderr, "sluice-bench update: --rules FILE is needed, and nothing but options\n");
	return 2;
}

/* --- Life. --- */

static int
load(struct update_run *run, struct sl_error *err)
{
	const struct bench_traffic_spec spec = {
		.traffic = BENCH_TRAFFIC_UNIFORM, .n_headers = MADE_TRACE, .seed = MADE_SEED};
	int rc = bench_rules_load(run->rules_path, &run->rules, err);

	if (rc == 0 && run->trace_path != NULL)
		rc = bench_trace_load(run->trace_path, run->rules.is_v6, &run->trace, err);
	else if (rc == 0)
		rc = bench_traffic_make(&run->rules, &spec, &run->trace, err);
	return rc;
}

/* This thread, and those that the management core starts, stay off the worker's CPU. */
static void
choose_cpus(struct update_run *run)
{
	run->cpus = bench_cpus_get();
	if (run->cpus.first == run->cpus.last)
		fprintf(stderr,
			"sluice-bench: there is one CPU alone; the worker has to share it\n");
	if (run->cpus.last >= 0)
		bench_cpu_avoid(run->cpus.last);
}

static int
prepare(struct update_run *run, struct sl_error *err)
{
	struct bench_plane_config config = {.metas = &run->metas,
		.layer = bench_policy_layer(&run->rules),
		.burst = run->burst,
		.cpu = run->cpus.last};
	int rc;

	run->latencies.published = calloc(run->n_updates, sizeof(double));
	run->latencies.in_force = calloc(run->n_updates, sizeof(double));
	run->latencies.call = calloc(run->n_updates, sizeof(double));
	if (run->latencies.published == NULL || run->latencies.in_force == NULL ||
		run->latencies.call == NULL ||
		bench_metas_init(&run->metas, &run->trace, run->rules.is_v6) != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	rc = bench_plane_new(&config, &run->plane, err);
	if (rc == 0)
		rc = bench_updater_init(&run->updater, &run->rules, run->plane, err);
	if (rc == 0)
		rc = bench_plane_start(run->plane, err);
	return rc;
}

static int
measure(struct update_run *run)
{
	struct sl_error err = {0};
	int rc = prepare(run, &err);

	if (rc == 0)
		rc = measure_latency(run, &err);
	if (rc == 0)
		rc = measure_pairs(run, &err);
	if (rc == 0)
		rc = update_check(run, &err);
	if (run->plane != NULL)
		bench_plane_stop(run->plane);
	if (rc == 0)
		return update_report(run);
	fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
	return 1;
}

int
bench_update(int argc, char **argv)
{
	struct update_run *run = calloc(1, sizeof(*run));
	struct sl_error err;
	int rc;

	if (run == NULL)
		return 1;
	rc = options(run, argc, argv);
	if (rc == 0 && load(run, &err) != 0) {
		fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
		rc = 2;
	}
	if (rc == 0) {
		choose_cpus(run);
		rc = measure(run);
	}
	bench_updater_fini(&run->updater);
	bench_plane_free(run->plane);
	bench_metas_fini(&run->metas);
	bench_trace_fini(&run->trace);
	bench_rules_fini(&run->rules);
	free(run->latencies.published);
	free(run->latencies.in_force);
	free(run->latencies.call);
	free(run);
	return rc;
}
