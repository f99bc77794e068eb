/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_appliance.h"
#include "bench_flow_frames.h"
#include "bench_flow_policy.h"
#include "bench_flows.h"
#include "bench_frame.h"
#include "bench_median.h"
#include "bench_testpmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Established traffic through one worker: 64-byte frames of so many flows, over and over, beside testpmd's
 * macswap, and with few and with many filters at ale_auth_recv_accept_v4.
 *
 * Every flow is one frame.  TCP is picked up in the middle, so that every packet's sequence number is checked.
 */

#define SETTLE_MS 500u   /* after publishing: every flow is authorised */
#define SPARE     32768u /* buffers beside the frames */
#define SLICE_MS  500u

/* One size, and the filters at the layer: the second set is measured beside the first. */
struct wire {
	uint32_t n_flows;
	uint32_t n_filters[2];
	uint32_t n_sets;
	uint32_t seconds;
	char pcap[300];
};

/* What the measuring process tells of each set: the median of its slices. */
struct figures {
	double rates[2];
	double ratio; /* of the second set to the first */
	uint64_t n_flows;
	uint64_t n_dropped;
};

static int
measure_slices(const struct wire *wire, const struct sl_plane *plane,
	struct sl_snapshot *const snapshots[], struct figures *figures)
{
	const uint32_t n = SL_MAX(2u, wire->seconds * 1000 / SLICE_MS / wire->n_sets);
	double rates[2][128], ratios[128];

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t set = 0; set < wire->n_sets; set++) {
			plane->ops->publish(plane->ctx, snapshots[set]);
			usleep(SETTLE_MS * 1000);
			rates[set][i] = bench_appliance_rate(plane, SLICE_MS);
		}
		ratios[i] = wire->n_sets == 2 ? rates[1][i] / rates[0][i] : 1;
	}
	for (uint32_t set = 0; set < wire->n_sets; set++)
		figures->rates[set] = bench_median(rates[set], n);
	figures->ratio = bench_median(ratios, n);
	return 0;
}

static uint64_t
dropped(const struct sl_plane *plane)
{
	const struct sl_counters *counters = plane->ops->counters(plane->ctx, 0);
	uint64_t n = 0;

	for (int reason = 0; reason < SL_REASON_COUNT; reason++)
		n += sl_counter_read(&counters->reasons[reason]);
	return n;
}

/* A bench_appliance_fn. */
static int
measure(void *ctx, const struct sl_plane *plane, int output, struct sl_error *err)
{
	struct bench_flow_policy policies[2] = {0};
	struct sl_snapshot *snapshots[2] = {0};
	const struct wire *wire = ctx;
	struct figures figures = {0};
	uint64_t before;
	int rc = 0;

	for (uint32_t set = 0; rc == 0 && set < wire->n_sets; set++) {
		rc = bench_flow_policy_init(&policies[set], wire->n_filters[set], err);
		snapshots[set] = policies[set].snapshot;
	}
	if (rc == 0) {
		plane->ops->publish(plane->ctx, snapshots[0]);
		usleep(SETTLE_MS * 1000);
		before = dropped(plane);
		rc = measure_slices(wire, plane, snapshots, &figures);
		figures.n_dropped = dropped(plane) - before;
		figures.n_flows = sl_flow_table_count(plane->ops->flows(plane->ctx, 0));
		plane->ops->publish(plane->ctx, NULL);
	}
	for (uint32_t set = 0; set < wire->n_sets; set++)
		bench_flow_policy_fini(&policies[set]);
	return rc == 0 ? bench_appliance_report(output, &figures, sizeof(figures), err) : rc;
}

static int
check(const struct wire *wire, const struct figures *figures, struct sl_error *err)
{
	if (figures->n_flows == wire->n_flows && figures->n_dropped == 0)
		return 0;
	return sl_error_set(err, SL_ERR_INTERNAL, "wire",
		"%llu flows were kept of %u, and %llu packets dropped",
		(unsigned long long)figures->n_flows, wire->n_flows,
		(unsigned long long)figures->n_dropped);
}

static int
run_once(const struct wire *wire, struct figures *figures, struct sl_error *err)
{
	struct bench_appliance appliance = {.pcap = wire->pcap,
		.buffers = wire->n_flows + SPARE,
		/* Half of it is for buffers. */
		.megabytes = 512 + (wire->n_flows + SPARE) / 256 * 2};

	if (sl_flow_config_init(&appliance.flows) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no random numbers");
	if (bench_appliance_run(
		    &appliance, measure, (void *)(uintptr_t)wire, figures, sizeof(*figures)) != 0)
		return sl_error_set(err, SL_ERR_IO, "wire", "the appliance did not run");
	return check(wire, figures, err);
}

static int
write_frames(struct wire *wire, struct sl_error *err)
{
	struct bench_trace trace;
	int rc;

	snprintf(wire->pcap, sizeof(wire->pcap), "%s/flows-%u.pcap", getenv("RUNTIME_DIRECTORY"),
		wire->n_flows);
	rc = bench_flow_trace(wire->n_flows, 0, &trace, err);
	if (rc == 0)
		rc = bench_frames_write(wire->pcap, &trace, false, wire->n_flows, err);
	bench_trace_fini(&trace);
	return rc;
}

static int
beside_testpmd(struct bench_flows *run, uint32_t n_flows, struct sl_error *err)
{
	struct wire wire = {
		.n_flows = n_flows, .n_filters = {1000}, .n_sets = 1, .seconds = run->seconds};
	double ours[BENCH_FLOWS_REPEAT_MAX], peer[BENCH_FLOWS_REPEAT_MAX];
	double ratios[BENCH_FLOWS_REPEAT_MAX];
	char name[64], ours_text[64], peer_text[64];
	int rc = write_frames(&wire, err);

	for (uint32_t i = 0; rc == 0 && i < run->repeat; i++) {
		struct figures figures;

		peer[i] = bench_testpmd(run->testpmd, wire.pcap, n_flows, "macswap", run->seconds);
		if (peer[i] <= 0)
			fprintf(stderr, "sluice-bench: %s did not run; ratios are 0\n",
				run->testpmd);
		rc = run_once(&wire, &figures, err);
		ours[i] = figures.rates[0];
		ratios[i] = peer[i] > 0 ? ours[i] / peer[i] : 0;
	}
	unlink(wire.pcap);
	if (rc != 0)
		return rc;
	snprintf(name, sizeof(name), "established, %u flows", n_flows);
	snprintf(ours_text, sizeof(ours_text), "%.2f Mpps", bench_median(ours, run->repeat) / 1e6);
	snprintf(peer_text, sizeof(peer_text), "%.2f Mpps macswap",
		bench_median(peer, run->repeat) / 1e6);
	bench_flows_line(run, name, ours_text, peer_text, bench_median(ratios, run->repeat));
	return 0;
}

int
bench_flows_wire(struct bench_flows *run, struct sl_error *err)
{
	static const uint32_t usual[] = {10000, 100000};
	const uint32_t *sizes = run->n_sizes > 0 ? run->sizes : usual;
	const size_t n = run->n_sizes > 0 ? run->n_sizes : SL_ARRAY_LEN(usual);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = beside_testpmd(run, sizes[i], err);
	return rc;
}

int
bench_flows_filters(struct bench_flows *run, struct sl_error *err)
{
	struct wire wire = {.n_flows = 10000,
		.n_filters = {10, 10000},
		.n_sets = 2,
		.seconds = SL_MAX(2u, run->seconds)};
	double rates[2][BENCH_FLOWS_REPEAT_MAX], ratios[BENCH_FLOWS_REPEAT_MAX];
	char ours[64], peer[64];
	int rc = write_frames(&wire, err);

	for (uint32_t i = 0; rc == 0 && i < run->repeat; i++) {
		struct figures figures;

		rc = run_once(&wire, &figures, err);
		for (int set = 0; set < 2; set++)
			rates[set][i] = figures.rates[set];
		ratios[i] = figures.ratio;
	}
	unlink(wire.pcap);
	if (rc != 0)
		return rc;
	snprintf(ours, sizeof(ours), "%.2f Mpps", bench_median(rates[1], run->repeat) / 1e6);
	snprintf(
		peer, sizeof(peer), "%.2f Mpps with 10", bench_median(rates[0], run->repeat) / 1e6);
	bench_flows_line(run, "established, 10,000 filters at recv_accept", ours, peer,
		bench_median(ratios, run->repeat));
	return 0;
}
