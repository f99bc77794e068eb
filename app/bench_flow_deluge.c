/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_clock.h"
#include "bench_appliance.h"
#include "bench_cpu.h"
#include "bench_flow_policy.h"
#include "bench_flows.h"
#include "bench_offer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The storm in the appliance: 100,000 flows at an eighth of the pace at which it takes them at rest, and a filter
 * that blocks every other flow comes and goes 100 times a second.
 *
 * Every packet is accounted for: it left, or a filter dropped it; and either was right under a policy that was in
 * use while it was on its way.
 */

#define FLOWS          100000u
#define FILTERS        1000u
#define SWITCHED_EVERY 2u
#define RATE           100u
#define SHARE \
	8.0 /* of the pace at rest: in the storm every packet's flow is judged anew, which takes some three times as long */
#define WAIT_MS   20000u
#define REST_MS   1000u
#define NS_PER_MS UINT64_C(1000000)

struct deluge {
	uint32_t seconds;
	struct bench_flow_frames frames;
	uint8_t is_switched[FLOWS];
};

/* What the measuring process tells. */
struct figures {
	struct bench_offer_account account;
	double rest, pace; /* packets a second */
	uint64_t n_taken;  /* by the worker */
	uint64_t n_filtered;
	uint64_t n_otherwise; /* dropped for any other reason, of which the last one is ... */
	enum sl_reason otherwise;
	uint64_t n_commits;
	uint64_t n_anew;
	uint64_t n_flows; /* at the end */
};

/* The measuring process. */
struct storm {
	const struct sl_plane *plane;
	struct bench_offer *offer;
	struct bench_flow_policy policy;
	struct figures figures;
};

static int
commit(struct storm *storm, struct sl_error *err)
{
	const struct sl_plane *plane = storm->plane;
	struct sl_snapshot *old;
	int rc = bench_flow_policy_switch(&storm->policy, &old, err);

	if (rc != 0)
		return rc;
	bench_offer_publishing(storm->offer, storm->policy.revision);
	plane->ops->publish(plane->ctx, storm->policy.snapshot);
	bench_offer_published(storm->offer, storm->policy.revision);
	sl_snapshot_free(old);
	storm->figures.n_commits++;
	return 0;
}

/* Until every flow has had a packet, and another. */
static int
pass(struct storm *storm, struct sl_error *err)
{
	const uint64_t from = bench_offer_read(storm->offer).n_offered;

	for (uint32_t i = 0; i < WAIT_MS; i++) {
		if (bench_offer_read(storm->offer).n_offered >= from + 2ull * FLOWS)
			return 0;
		usleep(1000);
	}
	return sl_error_set(err, SL_ERR_INTERNAL, "storm-wire", "the worker takes no packets");
}

/* Packets a second over some time. */
static double
offered_rate(struct storm *storm, uint64_t from, uint64_t start_ns)
{
	return (double)(bench_offer_read(storm->offer).n_offered - from) * 1e9 /
		(double)(sl_clock_monotonic_ns() - start_ns);
}

static void
measure_rest(struct storm *storm)
{
	uint64_t start_ns = sl_clock_monotonic_ns();
	uint64_t from = bench_offer_read(storm->offer).n_offered;

	usleep(REST_MS * 1000);
	storm->figures.rest = offered_rate(storm, from, start_ns);
}

/* Commits at their times; the last leaves the filter out. */
static int
rage(struct storm *storm, uint32_t seconds, struct sl_error *err)
{
	const uint64_t start_ns = sl_clock_monotonic_ns();
	const uint64_t from = bench_offer_read(storm->offer).n_offered;
	int rc = 0;

	for (uint32_t i = 1; rc == 0 && i <= seconds * RATE; i++) {
		rc = commit(storm, err);
		bench_wait_until(start_ns + i * (1000 / RATE) * NS_PER_MS);
	}
	storm->figures.pace = offered_rate(storm, from, start_ns);
	return rc == 0 && storm->policy.revision % 2 != 0 ? commit(storm, err) : rc;
}

static void
read_counters(struct storm *storm)
{
	const struct sl_plane *plane = storm->plane;
	const struct sl_counters *counters = plane->ops->counters(plane->ctx, 0);
	const struct sl_flow_counter *flows = &counters->flows;
	struct figures *figures = &storm->figures;

	for (int reason = 0; reason < SL_REASON_COUNT; reason++) {
		uint64_t n = sl_counter_read(&counters->reasons[reason]);

		if (reason == SL_REASON_FILTER) {
			figures->n_filtered = n;
		} else if (n > 0) {
			figures->n_otherwise += n;
			figures->otherwise = (enum sl_reason)reason;
		}
	}
	figures->n_taken =
		sl_counter_read(&counters->links[0][SLUICE_DIRECTION_INBOUND].rx_packets);
	figures->n_anew = sl_counter_read(&flows->reauthorized) + sl_counter_read(&flows->revoked) +
		sl_counter_read(&flows->unaffected);
	figures->n_flows = sl_flow_table_count(plane->ops->flows(plane->ctx, 0));
}

static int
play(struct storm *storm, uint32_t seconds, struct sl_error *err)
{
	int rc;

	bench_offer_publishing(storm->offer, storm->policy.revision);
	bench_offer_published(storm->offer, storm->policy.revision);
	bench_offer_pace(storm->offer, BENCH_OFFER_UNPACED);
	rc = pass(storm, err);
	if (rc != 0)
		return rc;
	measure_rest(storm);
	bench_offer_pace(storm->offer, storm->figures.rest / SHARE);
	rc = rage(storm, seconds, err);
	return rc == 0 ? pass(storm, err) : rc;
}

/* A bench_appliance_fn. */
static int
measure(void *ctx, const struct sl_plane *plane, int output, struct sl_error *err)
{
	const struct deluge *deluge = ctx;
	struct storm storm = {.plane = plane};
	int rc = bench_flow_policy_init(&storm.policy, FILTERS, err);

	/* The worker has the last CPU for itself. */
	bench_cpu_avoid(bench_cpus_get().last);
	if (rc == 0) {
		plane->ops->publish(plane->ctx, storm.policy.snapshot);
		rc = bench_offer_start(&deluge->frames, deluge->is_switched, BENCH_APPLIANCE_INSIDE,
			&storm.offer, err);
	}
	if (rc == 0)
		rc = play(&storm, deluge->seconds, err);
	if (rc == 0) {
		bench_offer_stop(storm.offer);
		storm.figures.account = bench_offer_read(storm.offer);
		read_counters(&storm);
		rc = bench_appliance_report(output, &storm.figures, sizeof(storm.figures), err);
	}
	bench_offer_free(storm.offer);
	plane->ops->publish(plane->ctx, NULL);
	bench_flow_policy_fini(&storm.policy);
	return rc;
}

/* Packets that nobody knows of: not taken in time, not taken at all, dropped without a name. */
static uint64_t
lost(const struct figures *figures)
{
	const struct bench_offer_account *account = &figures->account;

	return account->n_missed + (account->n_offered - figures->n_taken) +
		(account->n_dropped - figures->n_filtered - figures->n_otherwise);
}

static int
check(const struct figures *figures, struct sl_error *err)
{
	const struct bench_offer_account *account = &figures->account;

	if (account->n_misjudged > 0)
		return sl_error_set(err, SL_ERR_INTERNAL, "storm-wire", "%llu verdicts were wrong",
			(unsigned long long)account->n_misjudged);
	if (account->n_missed > 0)
		return sl_error_set(err, SL_ERR_INTERNAL, "storm-wire",
			"%llu packets found the queue of the port full: the worker was late",
			(unsigned long long)account->n_missed);
	if (figures->n_otherwise > 0)
		return sl_error_set(err, SL_ERR_INTERNAL, "storm-wire",
			"%llu packets were dropped for other reasons than a filter, the last for "
			"%s",
			(unsigned long long)figures->n_otherwise,
			sl_reason_name(figures->otherwise));
	if (lost(figures) > 0)
		return sl_error_set(err, SL_ERR_INTERNAL, "storm-wire",
			"%llu packets were offered, %llu taken, %llu left, %llu dropped by the "
			"filter",
			(unsigned long long)account->n_offered,
			(unsigned long long)figures->n_taken, (unsigned long long)account->n_left,
			(unsigned long long)figures->n_filtered);
	if (figures->n_flows != FLOWS)
		return sl_error_set(err, SL_ERR_INTERNAL, "storm-wire",
			"%llu flows were live at the end", (unsigned long long)figures->n_flows);
	return 0;
}

static void
say(struct bench_flows *run, const struct figures *figures)
{
	char name[64], ours[64], peer[64];

	snprintf(ours, sizeof(ours), "%.2f Mpps", figures->pace / 1e6);
	snprintf(peer, sizeof(peer), "%.2f Mpps at rest", figures->rest / 1e6);
	bench_flows_line(run, "100,000 flows offered, 100 commits a second", ours, peer,
		figures->pace / figures->rest);
	snprintf(name, sizeof(name), "  lost of %llu offered",
		(unsigned long long)(figures->account.n_offered + figures->account.n_missed));
	snprintf(ours, sizeof(ours), "%llu left", (unsigned long long)figures->account.n_left);
	snprintf(peer, sizeof(peer), "%llu dropped by the filter",
		(unsigned long long)figures->n_filtered);
	bench_flows_line(run, name, ours, peer, (double)lost(figures));
	if (figures->account.n_excused > 0) {
		snprintf(ours, sizeof(ours), "%llu packets",
			(unsigned long long)figures->account.n_excused);
		bench_flows_line(run, "  not offered: others had the worker's CPU", ours, NULL,
			(double)figures->account.n_excused);
	}
	snprintf(ours, sizeof(ours), "%llu commits", (unsigned long long)figures->n_commits);
	snprintf(peer, sizeof(peer), "%llu judged anew", (unsigned long long)figures->n_anew);
	bench_flows_line(run, "  wrong verdicts", ours, peer, (double)figures->account.n_misjudged);
}

static int
deluge_init(struct deluge *deluge, struct sl_error *err)
{
	struct bench_trace trace;
	int rc = bench_flow_trace(FLOWS, SWITCHED_EVERY, &trace, err);

	if (rc == 0)
		rc = bench_flow_frames_init(&deluge->frames, FLOWS, err);
	for (uint32_t i = 0; rc == 0 && i < FLOWS; i++) {
		bench_flow_frames_set(&deluge->frames, i, &trace.list[i], false);
		deluge->is_switched[i] = bench_flow_is_switched(&trace.list[i]);
	}
	bench_trace_fini(&trace);
	return rc;
}

int
bench_flows_deluge(struct bench_flows *run, struct sl_error *err)
{
	struct bench_appliance appliance = {.outside = BENCH_OFFER_DEVICE, .megabytes = 512};
	struct deluge *deluge = calloc(1, sizeof(*deluge));
	struct figures figures;
	int rc;

	if (deluge == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	deluge->seconds = run->seconds * run->repeat;
	rc = sl_flow_config_init(&appliance.flows) == 0
		? deluge_init(deluge, err)
		: sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	if (rc == 0 &&
		bench_appliance_run(&appliance, measure, deluge, &figures, sizeof(figures)) != 0)
		rc = sl_error_set(err, SL_ERR_IO, "storm-wire", "the appliance did not run");
	if (rc == 0) {
		say(run, &figures);
		rc = check(&figures, err);
	}
	bench_flow_frames_fini(&deluge->frames);
	free(deluge);
	return rc;
}
