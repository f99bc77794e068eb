/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_cpu.h"
#include "bench_flow_frames.h"
#include "bench_flow_policy.h"
#include "bench_flows.h"
#include "bench_median.h"
#include "bench_policy.h"
#include "bench_traffic.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Openings.  Every packet is the first of a new flow, UDP and TCP SYN, from headers that made rules are about, and
 * is authorised against 1,000 of them.  Frames are made in chunks, which is not timed, and judged in bursts with a
 * tick after each, as a worker does.
 *
 * The pipeline's clock is made up: it goes on by what the goal allows each flow, and flows live for a quarter of
 * a second of it, so that in a table of a million as many end as begin, about half of it being full.  With a table
 * that is full, flows that have no answer give way.
 */

#define FILTERS     1000u
#define TRACE       65536u
#define CHUNK       8192u
#define BURST       32u
#define TABLE       (1u << 20)
#define FULL        (1u << 18)
#define NS_A_FLOW   500u /* of the pipeline's clock */
#define LIFE_MS     250u
#define WARM_CHUNKS 128u /* a table's worth */
#define SEED        7u

struct opening {
	struct bench_flows_pipeline pipeline;
	struct bench_flow_policy policy;
	struct bench_trace trace;
	struct bench_flow_frames frames;
	struct bench_random random;
	uint64_t now_ns; /* of the pipeline */
	uint64_t n_permitted;
};

static int
opening_init(struct opening *opening, const struct sl_flow_config *config, struct sl_error *err)
{
	const struct bench_traffic_spec spec = {
		.traffic = BENCH_TRAFFIC_UNIFORM, .n_headers = TRACE, .seed = SEED};
	int rc;

	*opening = (struct opening){.random = bench_random_seed(SEED), .now_ns = 1};
	rc = bench_flow_policy_init(&opening->policy, FILTERS, err);
	if (rc == 0)
		rc = bench_traffic_make(&opening->policy.rules, &spec, &opening->trace, err);
	if (rc == 0)
		rc = bench_flow_frames_init(&opening->frames, CHUNK, err);
	if (rc == 0)
		rc = bench_flows_pipeline_init(&opening->pipeline, config, opening->now_ns, err);
	return rc;
}

static void
opening_fini(struct opening *opening)
{
	bench_flows_pipeline_fini(&opening->pipeline);
	bench_flow_frames_fini(&opening->frames);
	bench_trace_fini(&opening->trace);
	bench_flow_policy_fini(&opening->policy);
}

/* Headers of rules, with a host and a port that make them new. */
static void
make_chunk(struct opening *opening)
{
	for (uint32_t i = 0; i < CHUNK; i++) {
		uint64_t random = bench_random_next(&opening->random);
		struct bench_header header = opening->trace.list[random % opening->trace.n];

		header.src[3] = (uint8_t)(random >> 32);
		header.src_port = (uint16_t)(random >> 40);
		header.protocol = i % 2 == 0 ? 17 : 6;
		bench_flow_frames_set(&opening->frames, i, &header, true);
	}
}

/* Judges a chunk; returns the nanoseconds of CPU time it took. */
static uint64_t
judge_chunk(struct opening *opening)
{
	struct sl_pipeline *pipeline = opening->pipeline.pipeline;
	const struct sl_snapshot *snapshot = opening->policy.snapshot;
	struct sl_outcome outcomes[BURST];
	uint64_t start = bench_cpu_ns();

	for (uint32_t at = 0; at < CHUNK; at += BURST) {
		sl_pipeline_run(pipeline, snapshot, SL_MODE_INLINE, 0, &opening->frames.list[at],
			BURST, opening->now_ns, outcomes);
		sl_pipeline_tick(pipeline, snapshot, SL_MODE_INLINE, opening->now_ns);
		for (uint32_t i = 0; i < BURST; i++)
			opening->n_permitted += outcomes[i].action == SL_VERDICT_PERMIT;
		opening->now_ns += (uint64_t)BURST * NS_A_FLOW;
	}
	return bench_cpu_ns() - start;
}

/* New flows for each second of CPU time, over `seconds` of it. */
static double
measure_rate(struct opening *opening, uint32_t seconds)
{
	uint64_t wanted = (uint64_t)seconds * 1000000000, spent = 0, n = 0;

	while (spent < wanted) {
		make_chunk(opening);
		spent += judge_chunk(opening);
		n += CHUNK;
	}
	return (double)n * 1e9 / (double)spent;
}

static int
measure_opening(struct bench_flows *run, const char *name, const struct sl_flow_config *config,
	struct sl_error *err)
{
	double rates[BENCH_FLOWS_REPEAT_MAX];
	struct opening opening;
	char text[64], size[64];
	uint64_t n_judged;
	int rc = opening_init(&opening, config, err);

	for (uint32_t i = 0; rc == 0 && i < WARM_CHUNKS; i++) {
		make_chunk(&opening);
		judge_chunk(&opening);
	}
	for (uint32_t i = 0; rc == 0 && i < run->repeat; i++)
		rates[i] = measure_rate(&opening, run->seconds);
	n_judged = (opening.now_ns - 1) / NS_A_FLOW;
	if (rc == 0 && opening.n_permitted != n_judged)
		rc = sl_error_set(err, SL_ERR_INTERNAL, "new",
			"%llu of %llu first packets were not permitted",
			(unsigned long long)(n_judged - opening.n_permitted),
			(unsigned long long)n_judged);
	if (rc == 0) {
		double rate = bench_median(rates, run->repeat) / 1e6;

		snprintf(text, sizeof(text), "%.2f M/s", rate);
		snprintf(size, sizeof(size), "%u live at the end",
			sl_flow_table_count(sl_pipeline_flows(opening.pipeline.pipeline)));
		bench_flows_line(run, name, text, size, rate);
	}
	opening_fini(&opening);
	return rc;
}

int
bench_flows_new(struct bench_flows *run, struct sl_error *err)
{
	struct sl_flow_config config;
	int rc;

	if (sl_flow_config_init(&config) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	if (run->cpu >= 0)
		bench_cpu_stay(run->cpu);
	config.max = TABLE;
	for (int class = 0; class < SL_FLOW_CLASS_COUNT; class ++)
		config.timeout_ms[class] = LIFE_MS;
	rc = measure_opening(run, "new flows, 1,000 filters, as many end", &config, err);
	if (rc != 0)
		return rc;
	if (sl_flow_config_init(&config) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	config.max = FULL;
	return measure_opening(run, "new flows, 1,000 filters, the table is full", &config, err);
}
