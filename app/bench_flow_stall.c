/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_cpu.h"
#include "bench_flow_frames.h"
#include "bench_flow_policy.h"
#include "bench_flows.h"
#include "bench_median.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The longest that a worker is kept by what time asks for: flows that are all over at once, and a sweep that authorises all
 * of them anew after the policy has changed.
 *
 * The CPU time of each tick is taken, in several rounds in which the i-th tick does the same.  What the machine does
 * meanwhile, interrupts and other programs in the caches, makes some of them longer, others in each round; so the
 * shortest time of the i-th tick is taken for its own, and the longest of these is told.
 *
 * Whether it is the machine is asked in the same run: each round is followed by one of empty loops, the i-th as long as
 * the i-th tick when nothing disturbs it, between the same readings of the clock.  What all ticks show as they were
 * stands beside what all loops show.
 */

#define FLOWS       (1u << 20)
#define FILTERS     1000u
#define BURST       32u
#define TICKS_MAX   (1u << 18)
#define SWEEP_TICKS (1u << 15) /* every place of the table, twice */
#define NS_PER_S    UINT64_C(1000000000)
#define LIVES_S     60u
#define ROUNDS      6u /* at least */
#define GOAL_US     20.0
#define SPINS       1000u
#define SPIN_TURNS  10000u

/* All ticks of one kind, or all loops beside them. */
struct tail {
	double usual[BENCH_FLOWS_REPEAT_MAX]; /* what 99.9 % keep, by round */
	uint32_t n_rounds;
	double longest;
	uint64_t n_over; /* longer than the goal */
	double us;       /* of all */
};

/* Ticks of one kind, over all rounds. */
struct ticks {
	double *us;    /* of each tick of this round */
	double *least; /* of the same tick in any round */
	uint32_t n;    /* in this round */
	uint32_t n_least;
	uint32_t n_rounds;
	struct tail tail;
	struct tail empty;
};

struct stall {
	struct bench_flows_pipeline pipeline;
	struct bench_flow_policy policy;
	struct bench_flow_frames frames;
	struct ticks expire;
	struct ticks sweep;
	uint64_t now_ns;
};

static int
ticks_init(struct ticks *ticks)
{
	ticks->us = calloc(TICKS_MAX, sizeof(double));
	ticks->least = calloc(TICKS_MAX, sizeof(double));
	return ticks->us == NULL || ticks->least == NULL ? -1 : 0;
}

static void
ticks_fini(struct ticks *ticks)
{
	free(ticks->us);
	free(ticks->least);
}

/* Sorts `us`. */
static void
tail_add(struct tail *tail, double us[], uint32_t n)
{
	bench_sort(us, n);
	tail->usual[tail->n_rounds++] = bench_percentile(us, n, 99.9);
	tail->longest = SL_MAX(tail->longest, us[n - 1]);
	for (uint32_t i = 0; i < n; i++) {
		tail->us += us[i];
		tail->n_over += us[i] > GOAL_US;
	}
}

/* --- Empty loops. --- */

static void
spin(uint64_t turns)
{
	for (; turns > 0; turns--)
		__asm__ volatile("" : "+r"(turns));
}

static double
spin_us(uint64_t turns)
{
	uint64_t start = bench_cpu_ns();

	spin(turns);
	return (double)(bench_cpu_ns() - start) / 1e3;
}

/* The shortest of many. */
static double
spin_least_us(uint64_t turns)
{
	double least = spin_us(turns);

	for (uint32_t i = 0; i < SPINS; i++) {
		const double us = spin_us(turns);

		least = SL_MIN(least, us);
	}
	return least;
}

/* Loops as long as this round's ticks are when nothing disturbs them. */
static void
spin_round(struct ticks *ticks)
{
	const double nothing = spin_least_us(0);
	const double turns_a_us = SPIN_TURNS / (spin_least_us(SPIN_TURNS) - nothing);

	for (uint32_t i = 0; i < ticks->n_least; i++) {
		const double us = SL_MAX(ticks->least[i] - nothing, 0.0);

		ticks->us[i] = spin_us((uint64_t)(us * turns_a_us));
	}
	tail_add(&ticks->empty, ticks->us, ticks->n_least);
}

/* --- Rounds. --- */

/* A round is over.  The first one tells how long ticks are, and takes no part in the tails. */
static void
ticks_end(struct ticks *ticks)
{
	/* Rounds differ by a tick or two; what only some of them have is in none. */
	ticks->n_least = ticks->n_rounds == 0 ? ticks->n : SL_MIN(ticks->n, ticks->n_least);
	for (uint32_t i = 0; i < ticks->n_least; i++)
		ticks->least[i] =
			ticks->n_rounds == 0 ? ticks->us[i] : SL_MIN(ticks->us[i], ticks->least[i]);
	if (ticks->n_rounds++ > 0) {
		tail_add(&ticks->tail, ticks->us, ticks->n);
		spin_round(ticks);
	}
	ticks->n = 0;
}

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
	if (ticks_init(&stall->expire) != 0 || ticks_init(&stall->sweep) != 0)
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
	ticks_fini(&stall->expire);
	ticks_fini(&stall->sweep);
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
			bench_flow_header(at + i, 0, &header);
			header.protocol = 17;
			bench_flow_frames_set(&stall->frames, i, &header, true);
		}
		sl_pipeline_run(stall->pipeline.pipeline, stall->policy.snapshot, SL_MODE_INLINE, 0,
			stall->frames.list, BURST, stall->now_ns, outcomes);
	}
}

static void
tick(struct stall *stall, struct ticks *ticks)
{
	uint64_t start = bench_cpu_ns();

	sl_pipeline_tick(
		stall->pipeline.pipeline, stall->policy.snapshot, SL_MODE_INLINE, stall->now_ns);
	ticks->us[ticks->n++] = (double)(bench_cpu_ns() - start) / 1e3;
}

/* Every flow is over at the same time. */
static int
expire(struct stall *stall, struct sl_error *err)
{
	struct ticks *ticks = &stall->expire;

	fill(stall);
	stall->now_ns += 2 * LIVES_S * NS_PER_S;
	while (count(stall) > 0 && ticks->n < TICKS_MAX)
		tick(stall, ticks);
	if (count(stall) > 0)
		return sl_error_set(err, SL_ERR_INTERNAL, "stall",
			"%u flows are left after %u ticks", count(stall), ticks->n);
	ticks_end(ticks);
	return 0;
}

/* The policy changes, and every flow is looked at. */
static int
sweep(struct stall *stall, struct sl_error *err)
{
	struct ticks *ticks = &stall->sweep;
	struct sl_snapshot *old;
	int rc;

	fill(stall);
	rc = bench_flow_policy_switch(&stall->policy, &old, err);
	if (rc != 0)
		return rc;
	while (ticks->n < SWEEP_TICKS)
		tick(stall, ticks);
	ticks_end(ticks);
	sl_snapshot_free(old);
	/* Away with them, for the next round. */
	stall->now_ns += 2 * LIVES_S * NS_PER_S;
	while (count(stall) > 0)
		sl_pipeline_tick(stall->pipeline.pipeline, stall->policy.snapshot, SL_MODE_INLINE,
			stall->now_ns);
	return 0;
}

/* The figure is what ticks have more. */
static void
say_beside(struct bench_flows *run, const char *name, const char *unit, double ours, double empty)
{
	char text[64], beside[64];

	snprintf(text, sizeof(text), "%.1f%s", ours, unit);
	snprintf(beside, sizeof(beside), "%.1f%s in empty loops", empty, unit);
	bench_flows_line(run, name, text, beside, ours - empty);
}

static void
say(struct bench_flows *run, const char *name, struct ticks *ticks)
{
	struct tail *tail = &ticks->tail, *empty = &ticks->empty;
	char text[64];

	bench_sort(ticks->least, ticks->n_least);
	snprintf(text, sizeof(text), "%.1f us", ticks->least[ticks->n_least - 1]);
	bench_flows_line(run, name, text, NULL, ticks->least[ticks->n_least - 1]);
	say_beside(run, "  99.9 % of all as they were", " us",
		bench_median(tail->usual, tail->n_rounds),
		bench_median(empty->usual, empty->n_rounds));
	say_beside(run, "  the longest as it was", " us", tail->longest, empty->longest);
	say_beside(run, "  over 20 us, in each second of them", "",
		(double)tail->n_over * 1e6 / tail->us, (double)empty->n_over * 1e6 / empty->us);
}

int
bench_flows_stall(struct bench_flows *run, struct sl_error *err)
{
	const uint32_t n_rounds = SL_MAX(run->repeat, ROUNDS);
	struct stall stall;
	int rc;

	if (run->cpu >= 0)
		bench_cpu_stay(run->cpu);
	rc = stall_init(&stall, err);
	for (uint32_t i = 0; rc == 0 && i < n_rounds; i++) {
		rc = expire(&stall, err);
		if (rc == 0)
			rc = sweep(&stall, err);
	}
	if (rc == 0) {
		say(run, "longest tick, 786,432 flows end at once", &stall.expire);
		say(run, "longest tick, sweep of 786,432 flows", &stall.sweep);
	}
	stall_fini(&stall);
	return rc;
}
