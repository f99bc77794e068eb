/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ratelimit: permits what stays under a rate and blocks what goes over it; one token bucket a filter,
 * shared by all workers.
 *
 * The filter's provider context says how much:
 *   {"pps": N}   packets a second, 1 .. 10^9;            "burst": packets, default a tenth of a second
 *   {"bps": N}   bits a second, 8,000 .. 10^12, frames    "burst": bytes, at least 1,514, default a
 *                counted without FCS;                     tenth of a second and at least 9,216
 * A burst is at most an hour of the rate.  A frame longer than the burst never passes.
 *
 * Below a hard permit the limit does not apply: it does not veto.  A filter with the action
 * callout_unknown goes on to the next filter under the rate, instead of permitting.
 */

#include "bucket.h"
#include "verdict.h"

#include <sluice/sluice_callout.h>

#include <stdio.h>
#include <stdlib.h>

#define PPS_MAX           INT64_C(1000000000)
#define BPS_MIN           INT64_C(8000)
#define BPS_MAX           INT64_C(1000000000000)
#define BYTES_BURST_MIN   INT64_C(1514)
#define BYTES_BURST_USUAL INT64_C(9216)
#define NO_MEMBER         (-2)

enum counter {
	COUNTER_PERMITTED_PACKETS,
	COUNTER_PERMITTED_BYTES,
	COUNTER_BLOCKED_PACKETS,
	COUNTER_BLOCKED_BYTES
};

static const char *const counter_names[] = {
	"permitted_packets", "permitted_bytes", "blocked_packets", "blocked_bytes", NULL};

/* What one filter may let through. */
struct limit {
	struct bucket bucket;
	bool counts_bytes;
};

/* --- Packet time. --- */

static void
ratelimit_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	struct limit *limit = (struct limit *)(uintptr_t)in->filter->context;
	const struct sluice_host *host = in->callout;
	uint32_t bytes;
	bool passes;

	/* Who may not decide does not use up tokens either. */
	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) == 0)
		return;
	bytes = in->packet != NULL ? host->packet_length(in->packet) : 0;
	passes = bucket_take(&limit->bucket, in->meta->time_ns, limit->counts_bytes ? bytes : 1);
	if (passes)
		verdict_permit(in->filter, out);
	else
		verdict_block(out, 0);
	if (in->packet == NULL)
		return;
	host->count(in->packet, passes ? COUNTER_PERMITTED_PACKETS : COUNTER_BLOCKED_PACKETS, 1);
	host->count(in->packet, passes ? COUNTER_PERMITTED_BYTES : COUNTER_BLOCKED_BYTES, bytes);
}

/* --- Control thread: what a provider context says. --- */

/* A limit as written; -1: the member is not there. */
struct settings {
	int64_t pps;
	int64_t bps;
	int64_t burst;
};

static int
read_member(const struct sluice_host *host, const char *data, const char *member, int64_t min,
	int64_t max, int64_t *value)
{
	char text[160];
	int rc = host->json_integer(data, member, min, max, value);

	if (rc == 0)
		return 0;
	*value = -1;
	if (rc == NO_MEMBER)
		return 0;
	snprintf(text, sizeof(text), "\"%s\" must be an integer from %lld to %lld", member,
		(long long)min, (long long)max);
	host->refuse(host, text);
	return -1;
}

static int
check_members(const struct sluice_host *host, const char *data)
{
	static const char *const members[] = {"pps", "bps", "burst", NULL};
	char text[200];
	char other[64];
	int rc;

	if (data == NULL) {
		host->refuse(host,
			"it needs a provider context with data such as {\"pps\": 1000} or "
			"{\"bps\": 10000000, \"burst\": 20000}");
		return -1;
	}
	rc = host->json_strict(data, members, other, sizeof(other));
	if (rc == 0)
		return 0;
	if (rc == NO_MEMBER)
		snprintf(text, sizeof(text),
			"the provider context's data has a member \"%s\"; it may have \"pps\" or "
			"\"bps\", and "
			"\"burst\"",
			other);
	else
		snprintf(text, sizeof(text), "the provider context's data is not a JSON object");
	host->refuse(host, text);
	return -1;
}

static int
read_settings(const struct sluice_host *host, const char *data, struct settings *settings)
{
	int64_t min = 1, max = PPS_MAX * BUCKET_DEPTH_MAX_S;

	if (check_members(host, data) != 0 ||
		read_member(host, data, "pps", 1, PPS_MAX, &settings->pps) != 0 ||
		read_member(host, data, "bps", BPS_MIN, BPS_MAX, &settings->bps) != 0)
		return -1;
	if ((settings->pps < 0) == (settings->bps < 0)) {
		host->refuse(host,
			"the provider context's data must have one of \"pps\" and \"bps\", not "
			"both");
		return -1;
	}
	if (settings->pps > 0) {
		max = settings->pps * BUCKET_DEPTH_MAX_S;
	} else {
		min = BYTES_BURST_MIN;
		max = settings->bps / 8 * BUCKET_DEPTH_MAX_S;
	}
	return read_member(host, data, "burst", min, max, &settings->burst);
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
limit_init(struct limit *limit, const struct settings *settings)
{
	int64_t burst = settings->burst;

	limit->counts_bytes = settings->bps > 0;
	if (limit->counts_bytes) {
		if (burst < 0)
			burst = larger(settings->bps / 80, BYTES_BURST_USUAL);
		bucket_init(&limit->bucket, (double)settings->bps / 8, (double)burst);
	} else {
		if (burst < 0)
			burst = larger(settings->pps / 10, 1);
		bucket_init(&limit->bucket, (double)settings->pps, (double)burst);
	}
}

/* --- Control thread: filters. --- */

static int
add_filter(const struct sluice_host *host, struct sluice_filter *filter)
{
	struct settings settings;
	struct limit *limit;

	if (filter->action == SLUICE_ACTION_CALLOUT_INSPECTION) {
		host->refuse(host,
			"a limit that cannot block is none; use the action "
			"callout_terminating or callout_unknown");
		return -1;
	}
	if (read_settings(host, filter->provider_context, &settings) != 0)
		return -1;
	limit = malloc(sizeof(*limit));
	if (limit == NULL) {
		host->refuse(host, "not enough memory");
		return -1;
	}
	limit_init(limit, &settings);
	filter->context = (uint64_t)(uintptr_t)limit;
	return 0;
}

static int
ratelimit_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	if (type == SLUICE_NOTIFY_ADD_FILTER)
		return add_filter(callout, filter);
	if (type == SLUICE_NOTIFY_DELETE_FILTER)
		free((void *)(uintptr_t)filter->context);
	return 0;
}

/* All that the plugin keeps is its host, which outlives it and is not written to. */
static int
ratelimit_load(const struct sluice_host *host, void **callout)
{
	*callout = (void *)(uintptr_t)host;
	return 0;
}

SLUICE_CALLOUT_DEFINE(.name = "ratelimit", .version = "1.0",
	.description = "token bucket: permits under a rate, blocks over it", .load = ratelimit_load,
	.classify = ratelimit_classify, .notify = ratelimit_notify, .counters = counter_names);
