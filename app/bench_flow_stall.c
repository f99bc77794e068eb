/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_cpu.h"
#include "bench_flow_frames.h"
#include "bench_flow_policy.h"
#include "bench_flows.h"
#include "bench_median.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The longest that a worker is kept by what time asks for: a million flows that are all over at once, and a sweep that
 * authorises all of them anew after the policy has changed.  The CPU time of each tick is taken.  Interrupts are in the
 * longest time too, so the time that all but one of ten thousand ticks keep is told beside it.
 */

#define FLOWS     (1u << 20)
#define FILTERS   1000u
#define BURST     32u
#define TICKS_MAX (1u << 18)
#define NS_PER_S  UINT64_C(1000000000)
#define LIVES_S   60u

struct stall {
	struct bench_flows_pipeline pipeline;
	struct bench_flow_policy policy;
	struct bench_flow_frames frames;
	double *us; /* of each tick */
	uint32_t n;
	uint64_t now_ns;
};

static int
stall_init(struct stall *stall, struct sl_error *err)
{
	struct sl_flow_config config;
	int rc;

	*stall = (struct stall){.now_ns = NS_PER_S};
	if (sl_flow_config_init(&config) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	config.max = FLOWS;
	config.reauth = SL_FLOW_REAUTH_SWEEP;
	stall->us = calloc(TICKS_MAX, sizeof(double));
	if (stall->us == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	rc = bench_flow_policy_init(&stall->policy, FILTERS, err);
	if (rc == 0)
		rc = bench_flow_frames_init(&stall->frames, BURST, err);
	if (rc == 0)
		rc = bench_flows_pipeline_init(&stall->pipeline, &config, stall->now_ns, err);
	return rc;
}

static void
stall_fini(struct stall *stall)
{
	bench_flows_pipeline_fini(&stall->pipeline);
	bench_flow_frames_fini(&stall->frames);
	bench_flow_policy_fini(&stall->policy);
	free(stall->us);
}

static uint32_t
count(const struct stall *stall)
{
	return sl_flow_table_count(sl_pipeline_flows(stall->pipeline.pipeline));
}

/* Flows of UDP as full as the table goes without shortening their time, all at one time. */
static void
fill(struct stall *stall)
{
	struct sl_outcome outcomes[BURST];
	struct bench_header header;

	for (uint32_t at = 0; at < FLOWS / 4 * 3; at += BURST) {
		for (uint32_t i = 0; i < BURST; i++) {
			bench_flow_header(at + i, false, &header);
			header.protocol = 17;
			bench_flow_frames_set(&stall->frames, i, &header, true);
		}
		sl_pipeline_run(stall->pipeline.pipeline, stall->policy.snapshot, SL_MODE_INLINE, 0,
			stall->frames.list, BURST, stall->now_ns, outcomes);
	}
}

static void
tick(struct stall *stall)
{
	uint64_t start = bench_cpu_ns();

	sl_pipeline_tick(
		stall->pipeline.pipeline, stall->policy.snapshot, SL_MODE_INLINE, stall->now_ns);
	stall->us[stall->n++] = (double)(bench_cpu_ns() - start) / 1e3;
}

/* The longest of the ticks, and what all but one of ten thousand of them keep. */
static void
take(struct stall *stall, double *most, double *usual)
{
	bench_sort(stall->us, stall->n);
	*most = stall->us[stall->n - 1];
	*usual = bench_percentile(stall->us, stall->n, 99.99);
	stall->n = 0;
}

/* Every flow is over at the same time. */
static int
expire(struct stall *stall, double *most, double *usual, struct sl_error *err)
{
	fill(stall);
	stall->now_ns += 2 * LIVES_S * NS_PER_S;
	while (count(stall) > 0 && stall->n < TICKS_MAX)
		tick(stall);
	if (count(stall) > 0)
		return sl_error_set(err, SL_ERR_INTERNAL, "stall",
			"%u flows are left after %u ticks", count(stall), stall->n);
	take(stall, most, usual);
	return 0;
}

/* The policy changes, and every flow is looked at. */
static int
sweep(struct stall *stall, double *most, double *usual, struct sl_error *err)
{
	struct sl_snapshot *old;
	int rc;

	fill(stall);
	rc = bench_flow_policy_switch(&stall->policy, &old, err);
	if (rc != 0)
		return rc;
	while (stall->n < TICKS_MAX / 8)
		tick(stall);
	sl_snapshot_free(old);
	take(stall, most, usual);
	stall->now_ns += 2 * LIVES_S * NS_PER_S;
	while (count(stall) > 0 && stall->n < TICKS_MAX)
		tick(stall);
	stall->n = 0;
	return 0;
}

static void
say(struct bench_flows *run, const char *name, double most[], double usual[])
{
	char text[64], beside[64];
	double figure = bench_median(most, run->repeat);

	snprintf(text, sizeof(text), "%.1f us", figure);
	snprintf(beside, sizeof(beside), "99.99%%: %.1f us", bench_median(usual, run->repeat));
	bench_flows_line(run, name, text, beside, figure);
}

int
bench_flows_stall(struct bench_flows *run, struct sl_error *err)
{
	double most[2][BENCH_FLOWS_REPEAT_MAX], usual[2][BENCH_FLOWS_REPEAT_MAX];
	struct stall stall;
	int rc;

	if (run->cpu >= 0)
		bench_cpu_stay(run->cpu);
	rc = stall_init(&stall, err);
	for (uint32_t i = 0; rc == 0 && i < run->repeat; i++) {
		rc = expire(&stall, &most[0][i], &usual[0][i], err);
		if (rc == 0)
			rc = sweep(&stall, &most[1][i], &usual[1][i], err);
	}
	stall_fini(&stall);
	if (rc != 0)
		return rc;
	say(run, "longest tick, 786,432 flows end at once", most[0], usual[0]);
	say(run, "longest tick, sweep of 786,432 flows", most[1], usual[1]);
	return 0;
}
