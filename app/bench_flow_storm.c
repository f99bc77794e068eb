/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_clock.h"
#include "bench_cpu.h"
#include "bench_flow_frames.h"
#include "bench_flow_policy.h"
#include "bench_flows.h"
#include "bench_median.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * A storm of authorisations: 100,000 flows are live, and a filter that blocks some of them comes and goes 100 times a
 * second.  A worker judges packets of the flows, one after the other, without a pause; slices in which nothing
 * changes and slices of the storm alternate.
 *
 * Every verdict is looked at: while the filter is in force its hosts are blocked, all others are permitted;
 * while it is not everything is.
 */

#define FLOWS          100000u
#define FILTERS        1000u
#define BURST          32u
#define RATE           100u
#define SWITCHED_EVERY 16u
#define NS_PER_MS      UINT64_C(1000000)

struct storm {
	struct bench_flows_pipeline pipeline;
	struct bench_flow_policy policy;
	struct bench_trace trace;
	struct bench_flow_frames frames;
	int cpu;
	pthread_t thread;
	bool has_thread;
	atomic_bool is_stopping;
	_Atomic(const struct sl_snapshot *) snapshot SL_CACHE_ALIGNED;
	_Atomic uint64_t bursts SL_CACHE_ALIGNED; /* that have ended */
	_Atomic uint64_t n_wrong;
};

/* --- The worker. --- */

static uint64_t
judge(struct storm *storm, const struct sl_snapshot *snapshot, uint32_t at, uint32_t n)
{
	struct sl_pipeline *pipeline = storm->pipeline.pipeline;
	struct sl_outcome outcomes[BURST];
	uint64_t now_ns = sl_clock_monotonic_ns(), n_wrong = 0;

	sl_pipeline_run(pipeline, snapshot, SL_MODE_INLINE, 0, &storm->frames.list[at], n, now_ns,
		outcomes);
	for (uint32_t i = 0; i < n; i++) {
		bool is_blocked = snapshot->revision % 2 != 0 &&
			bench_flow_is_switched(&storm->trace.list[at + i]);

		n_wrong += (outcomes[i].action == SL_VERDICT_BLOCK) != is_blocked;
	}
	sl_pipeline_tick(pipeline, snapshot, SL_MODE_INLINE, now_ns);
	return n_wrong;
}

static void *
work(void *arg)
{
	struct storm *storm = arg;
	uint64_t n_wrong = 0, bursts = 0;
	uint32_t at = 0;

	while (!atomic_load_explicit(&storm->is_stopping, memory_order_relaxed)) {
		const struct sl_snapshot *snapshot =
			atomic_load_explicit(&storm->snapshot, memory_order_acquire);
		uint32_t n = SL_MIN(FLOWS - at, BURST);

		n_wrong += judge(storm, snapshot, at, n);
		at = at + n == FLOWS ? 0 : at + n;
		atomic_store_explicit(&storm->n_wrong, n_wrong, memory_order_relaxed);
		/* The burst is over: nothing of the snapshot is in use. */
		atomic_store_explicit(&storm->bursts, ++bursts, memory_order_release);
	}
	return NULL;
}

static int
start(struct storm *storm, struct sl_error *err)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	int rc;

	pthread_attr_init(&attr);
	CPU_ZERO(&cpus);
	if (storm->cpu >= 0) {
		CPU_SET((size_t)storm->cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	rc = pthread_create(&storm->thread, &attr, work, storm);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return sl_error_set(err, SL_ERR_IO, "", "cannot start a worker: %s", strerror(rc));
	storm->has_thread = true;
	return 0;
}

/* --- Control. --- */

/* Returns when a burst that began after the call has ended. */
static void
wait_burst(struct storm *storm)
{
	uint64_t bursts = atomic_load_explicit(&storm->bursts, memory_order_acquire);

	while (atomic_load_explicit(&storm->bursts, memory_order_acquire) < bursts + 2)
		sched_yield();
}

static int
commit(struct storm *storm, struct sl_error *err)
{
	struct sl_snapshot *old;
	int rc = bench_flow_policy_switch(&storm->policy, &old, err);

	if (rc != 0)
		return rc;
	atomic_store_explicit(&storm->snapshot, storm->policy.snapshot, memory_order_release);
	wait_burst(storm);
	sl_snapshot_free(old);
	return 0;
}

/* CPU time that the worker has had. */
static uint64_t
worker_ns(const struct storm *storm)
{
	struct timespec time = {0};
	clockid_t clock;

	if (pthread_getcpuclockid(storm->thread, &clock) == 0)
		clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* Bursts for each second of the worker's CPU time, over so many milliseconds, with or without commits. */
static int
slice(struct storm *storm, uint32_t ms, bool has_commits, double *rate, uint32_t *n,
	struct sl_error *err)
{
	uint64_t start_ns = sl_clock_monotonic_ns(), end_ns = start_ns + ms * NS_PER_MS;
	uint64_t bursts = atomic_load(&storm->bursts), worked_ns = worker_ns(storm);
	int rc = 0;

	for (uint32_t i = 1; has_commits && rc == 0 && i <= ms * RATE / 1000; i++) {
		rc = commit(storm, err);
		(*n)++;
		bench_wait_until(start_ns + i * (1000 / RATE) * NS_PER_MS);
	}
	bench_wait_until(end_ns);
	*rate = (double)(atomic_load(&storm->bursts) - bursts) * 1e9 /
		(double)(worker_ns(storm) - worked_ns);
	return rc;
}

static int
storm_init(struct storm *storm, struct sl_error *err)
{
	struct sl_flow_config config;
	int rc;

	if (sl_flow_config_init(&config) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	rc = bench_flow_policy_init(&storm->policy, FILTERS, err);
	if (rc == 0)
		rc = bench_flow_trace(FLOWS, SWITCHED_EVERY, &storm->trace, err);
	if (rc == 0)
		rc = bench_flow_frames_init(&storm->frames, FLOWS, err);
	for (uint32_t i = 0; rc == 0 && i < FLOWS; i++)
		bench_flow_frames_set(&storm->frames, i, &storm->trace.list[i], false);
	if (rc == 0)
		rc = bench_flows_pipeline_init(
			&storm->pipeline, &config, sl_clock_monotonic_ns(), err);
	atomic_store(&storm->snapshot, storm->policy.snapshot);
	return rc == 0 ? start(storm, err) : rc;
}

static void
storm_fini(struct storm *storm)
{
	atomic_store(&storm->is_stopping, true);
	if (storm->has_thread)
		pthread_join(storm->thread, NULL);
	bench_flows_pipeline_fini(&storm->pipeline);
	bench_flow_frames_fini(&storm->frames);
	bench_trace_fini(&storm->trace);
	bench_flow_policy_fini(&storm->policy);
}

static uint64_t
judged_anew(const struct storm *storm)
{
	const struct sl_flow_counter *flows = &storm->pipeline.counters->flows;

	return sl_counter_read(&flows->reauthorized) + sl_counter_read(&flows->revoked) +
		sl_counter_read(&flows->unaffected);
}

static int
measure(struct bench_flows *run, struct storm *storm, struct sl_error *err)
{
	const uint32_t ms = run->seconds * 1000;
	double ratios[BENCH_FLOWS_REPEAT_MAX], quiet = 0, busy = 0;
	char ours[64], peer[64];
	uint32_t n = 0;
	int rc = slice(storm, 500, false, &quiet, &n, err);

	for (uint32_t i = 0; rc == 0 && i < run->repeat; i++) {
		rc = slice(storm, ms, false, &quiet, &n, err);
		if (rc == 0)
			rc = slice(storm, ms, true, &busy, &n, err);
		ratios[i] = busy / quiet;
	}
	if (rc != 0)
		return rc;
	snprintf(ours, sizeof(ours), "%.2f Mpps", busy * BURST / 1e6);
	snprintf(peer, sizeof(peer), "%.2f Mpps quiet", quiet * BURST / 1e6);
	bench_flows_line(run, "100,000 flows, 100 commits a second", ours, peer,
		bench_median(ratios, run->repeat));
	snprintf(ours, sizeof(ours), "%u commits", n);
	snprintf(peer, sizeof(peer), "%llu judged anew", (unsigned long long)judged_anew(storm));
	bench_flows_line(run, "  wrong verdicts", ours, peer, (double)atomic_load(&storm->n_wrong));
	if (atomic_load(&storm->n_wrong) == 0)
		return 0;
	return sl_error_set(err, SL_ERR_INTERNAL, "storm", "%llu verdicts were wrong",
		(unsigned long long)atomic_load(&storm->n_wrong));
}

int
bench_flows_storm(struct bench_flows *run, struct sl_error *err)
{
	struct storm *storm = aligned_alloc(SL_CACHE_LINE, sizeof(*storm));
	int rc;

	if (storm == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	memset(storm, 0, sizeof(*storm));
	storm->cpu = run->cpu;
	if (run->cpu >= 0)
		bench_cpu_avoid(run->cpu);
	rc = storm_init(storm, err);
	if (rc == 0)
		rc = measure(run, storm, err);
	storm_fini(storm);
	free(storm);
	return rc;
}
