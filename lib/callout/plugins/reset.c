/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * reset: blocks, and tells the sender: TCP is answered with a reset, UDP with ICMP port unreachable;
 * everything else is blocked in silence.
 *
 * ICMP errors are limited per filter (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f): 1,000 a second
 * with bursts of a tenth of that, or as the filter's provider context says: {"icmp_pps": N}, 0 .. 10^6; 0
 * never sends one.
 *
 * Without the right to decide it does nothing: a packet that somebody else lets through, or has blocked in
 * silence, is not answered.
 */

#include "answer.h"
#include "bucket.h"

#include <sluice/sluice_callout.h>

#include <stdio.h>
#include <stdlib.h>

#define ICMP_PPS_USUAL INT64_C(1000)
#define ICMP_PPS_MAX   INT64_C(1000000)
#define NO_MEMBER      (-2)

enum counter {
	COUNTER_BLOCKED,
	COUNTER_TCP_RESETS,
	COUNTER_ICMP_UNREACHABLES,
	COUNTER_RATE_LIMITED, /* errors not sent for the limit */
	COUNTER_QUEUE_FULL,
	COUNTER_UNANSWERED /* nothing may or can be answered */
};

static const char *const counter_names[] = {"blocked_packets", "tcp_resets", "icmp_unreachables",
	"rate_limited", "queue_full", "unanswered", NULL};

/* What a filter may send. */
struct allowance {
	struct bucket icmp;
	bool has_icmp;
};

/* --- Packet time. --- */

static enum counter
send_answer(const struct sluice_classify_in *in, enum answer answer, const uint8_t *frame,
	uint32_t size)
{
	const struct sluice_host *host = in->callout;
	struct allowance *allowance = (struct allowance *)(uintptr_t)in->filter->context;
	const bool is_icmp = answer == ANSWER_PORT_UNREACHABLE;

	if (is_icmp &&
		(!allowance->has_icmp || !bucket_take(&allowance->icmp, in->meta->time_ns, 1)))
		return COUNTER_RATE_LIMITED;
	if (host->packet_reply(in->packet, frame, size) != 0)
		return COUNTER_QUEUE_FULL;
	return is_icmp ? COUNTER_ICMP_UNREACHABLES : COUNTER_TCP_RESETS;
}

static enum counter
answer_packet(const struct sluice_classify_in *in)
{
	const struct sluice_host *host = in->callout;
	uint8_t bytes[QUESTION_SIZE];
	uint8_t frame[ANSWER_SIZE];
	struct question question = {
		.frame = bytes,
		.length = host->packet_length(in->packet),
		.l2_size = in->meta->l2_header_size,
	};
	enum answer answer;
	uint32_t size;

	/* At a discard twin the packet's fate has been decided, and answered, elsewhere. */
	if ((in->meta->valid & SLUICE_METADATA_DISCARD_REASON) != 0 ||
		(in->meta->valid & SLUICE_METADATA_L2_HEADER_SIZE) == 0)
		return COUNTER_UNANSWERED;
	question.readable = host->packet_read(in->packet, 0, bytes, sizeof(bytes));
	answer = answer_build(&question, frame, &size);
	if (answer == ANSWER_NONE)
		return COUNTER_UNANSWERED;
	return send_answer(in, answer, frame, size);
}

static void
reset_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct sluice_host *host = in->callout;

	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) == 0)
		return;
	out->action = SLUICE_ACTION_BLOCK;
	out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	if (in->packet == NULL)
		return;
	host->count(in->packet, COUNTER_BLOCKED, 1);
	host->count(in->packet, answer_packet(in), 1);
}

/* --- Control thread. --- */

/* How many ICMP errors a second; -1 when refused. */
static int64_t
read_icmp_pps(const struct sluice_host *host, const char *data)
{
	static const char *const members[] = {"icmp_pps", NULL};
	int64_t pps = ICMP_PPS_USUAL;
	char other[64];
	char text[200];
	int rc;

	if (data == NULL)
		return pps;
	rc = host->json_strict(data, members, other, sizeof(other));
	if (rc == 0) {
		rc = host->json_integer(data, "icmp_pps", 0, ICMP_PPS_MAX, &pps);
		if (rc == 0 || rc == NO_MEMBER)
			return pps;
		snprintf(text, sizeof(text), "\"icmp_pps\" must be an integer from 0 to %lld",
			(long long)ICMP_PPS_MAX);
	} else if (rc == NO_MEMBER) {
		snprintf(text, sizeof(text),
			"the provider context's data has a member \"%s\"; it may have \"icmp_pps\" "
			"alone",
			other);
	} else {
		snprintf(text, sizeof(text), "the provider context's data is not a JSON object");
	}
	host->refuse(host, text);
	return -1;
}

static int
add_filter(const struct sluice_host *host, struct sluice_filter *filter)
{
	struct allowance *allowance;
	int64_t pps;

	if (filter->action == SLUICE_ACTION_CALLOUT_INSPECTION) {
		host->refuse(host,
			"the packet would pass and be answered as if it had not; use the action "
			"callout_terminating");
		return -1;
	}
	pps = read_icmp_pps(host, filter->provider_context);
	if (pps < 0)
		return -1;
	allowance = calloc(1, sizeof(*allowance));
	if (allowance == NULL) {
		host->refuse(host, "not enough memory");
		return -1;
	}
	allowance->has_icmp = pps > 0;
	if (allowance->has_icmp)
		bucket_init(&allowance->icmp, (double)pps, pps < 10 ? 1 : (double)(pps / 10));
	filter->context = (uint64_t)(uintptr_t)allowance;
	return 0;
}

static int
reset_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	if (type == SLUICE_NOTIFY_ADD_FILTER)
		return add_filter(callout, filter);
	if (type == SLUICE_NOTIFY_DELETE_FILTER)
		free((void *)(uintptr_t)filter->context);
	return 0;
}

/* All that the plugin keeps is its host, which outlives it and is not written to. */
static int
reset_load(const struct sluice_host *host, void **callout)
{
	*callout = (void *)(uintptr_t)host;
	return 0;
}

SLUICE_CALLOUT_DEFINE(.name = "reset", .version = "1.0",
	.description = "blocks and tells the sender: TCP reset, ICMP port unreachable",
	.load = reset_load, .classify = reset_classify, .notify = reset_notify,
	.counters = counter_names);
