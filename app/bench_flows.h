/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_FLOWS_H
#define APP_BENCH_FLOWS_H

/*
 * sluice-bench flows: what flows cost.
 *
 * bench_flows.c         the command
 * bench_flow_table_case.c, bench_flow_table.c   the table by itself, beside rte_hash
 * bench_flow_new.c      openings
 * bench_flow_stall.c    the longest that ageing and sweeps take
 * bench_flow_storm.c    flows that are authorised anew all the time
 * bench_flow_wire.c     the appliance beside testpmd
 * bench_flow_deluge.c   the storm in the appliance, at a steady pace, with an account of every packet
 * bench_flow_frames.c   packets of flows
 * bench_flow_policy.c   filters at ale_auth_recv_accept_v4
 */

#include "base/sl_clock.h"
#include "base/sl_error.h"
#include "pipeline/sl_pipeline.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define BENCH_FLOWS_SIZES_MAX  8
#define BENCH_FLOWS_REPEAT_MAX 21

struct bench_flows {
	uint32_t
		sizes[BENCH_FLOWS_SIZES_MAX]; /* how many flows; n_sizes 0: each case has its own */
	uint32_t n_sizes;
	uint32_t seconds;
	uint32_t repeat;
	const char *testpmd;
	const char *json_path;
	int cpu;         /* what measures stays there; -1: not known */
	json_t *results; /* one object a line */
};

/* Sleeps until a time of the monotonic clock, or not at all. */
static inline void
bench_wait_until(uint64_t when_ns)
{
	const uint64_t now_ns = sl_clock_monotonic_ns();

	if (now_ns < when_ns)
		usleep((useconds_t)((when_ns - now_ns) / 1000));
}

/* Each measures one case, says its lines and adds them to the results. 0, or the fault. */
typedef int bench_flows_fn(struct bench_flows *run, struct sl_error *err);
bench_flows_fn bench_flows_table;
bench_flows_fn bench_flows_new;
bench_flows_fn bench_flows_stall;
bench_flows_fn bench_flows_storm;
bench_flows_fn bench_flows_wire;
bench_flows_fn bench_flows_deluge;
bench_flows_fn bench_flows_filters;

/*
 * One line: our figure and, unless `peer` is NULL, the peer's of the same run.  `figure` is what a goal is set for:
 * a ratio, a rate, a time.
 */
void bench_flows_line(struct bench_flows *run, const char *name, const char *ours, const char *peer,
	double figure);

/*
 * A pipeline of one path, outside to inside, that keeps flows as `config` says. NULL: no memory.
 */
struct bench_flows_pipeline {
	struct sl_counters *counters;
	struct sl_pipeline *pipeline;
};
int bench_flows_pipeline_init(struct bench_flows_pipeline *pipeline,
	const struct sl_flow_config *config, uint64_t now_ns, struct sl_error *err) SL_MUST_CHECK;
void bench_flows_pipeline_fini(struct bench_flows_pipeline *pipeline);

#endif
