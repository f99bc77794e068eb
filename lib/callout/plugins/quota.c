/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * quota: how many bytes a flow may move, both directions together, frames counted without FCS.
 *
 * A filter at ale_flow_established says how much: its provider context has {"bytes": N}, 1 .. 10^15.  Every flow
 * that it matches gets a context for the layer of its packets, stream_packet or datagram_data; the first match
 * counts.  A flow for which there is no room is blocked.
 *
 * A filter at those layers, which is asked for flows with a context alone, blocks every packet from the one on that
 * exceeds what is left.  A TCP connection is ended then; anything else would begin anew with its next packet, so its
 * flow is kept, and blocked until it has been silent for its time-out.
 *
 * The context is the number of bytes that are left, and one more, as 0 is none: so a flow needs no memory, and
 * there is nothing to free when it ends.
 *
 * Below a hard permit nothing is counted.  A filter with the action callout_unknown goes on to the next filter while
 * bytes are left, instead of permitting.
 */

#include "verdict.h"

#include <sluice/sluice_callout.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define BYTES_MAX    INT64_C(1000000000000000)
#define PROTOCOL_TCP 6u
#define EXISTS       (-17)

enum counter {
	COUNTER_FLOWS,   /* that got a quota */
	COUNTER_USED_UP, /* packets blocked */
	COUNTER_NO_ROOM  /* flows blocked because no more contexts can be kept */
};

static const char *const counter_names[] = {"flows", "used_up", "no_room", NULL};

struct quota {
	const struct sluice_host *host;
	int protocol_v4; /* index of the field at ale_flow_established */
	int protocol_v6;
};

static bool
is_established(uint32_t layer)
{
	return layer == SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4 ||
		layer == SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6;
}

static bool
is_tcp(uint32_t layer)
{
	return layer == SLUICE_LAYER_STREAM_PACKET_V4 || layer == SLUICE_LAYER_STREAM_PACKET_V6;
}

static bool
is_data(uint32_t layer)
{
	return is_tcp(layer) || layer == SLUICE_LAYER_DATAGRAM_DATA_V4 ||
		layer == SLUICE_LAYER_DATAGRAM_DATA_V6;
}

/* --- Packet time. --- */

/* Where the packets of the flow that has just been established will be seen. */
static uint32_t
data_layer(const struct quota *quota, const struct sluice_classify_in *in)
{
	const bool is_v4 = in->layer == SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4;
	const int index = is_v4 ? quota->protocol_v4 : quota->protocol_v6;

	if (in->values[index].number == PROTOCOL_TCP)
		return is_v4 ? SLUICE_LAYER_STREAM_PACKET_V4 : SLUICE_LAYER_STREAM_PACKET_V6;
	return is_v4 ? SLUICE_LAYER_DATAGRAM_DATA_V4 : SLUICE_LAYER_DATAGRAM_DATA_V6;
}

/* False: there is no room to remember what the flow has left. */
static bool
begin_flow(const struct quota *quota, const struct sluice_classify_in *in)
{
	const struct sluice_host *host = quota->host;
	const int rc =
		host->flow_associate(in->packet, data_layer(quota, in), in->filter->context + 1);
	const bool has_room = rc == 0 || rc == EXISTS;

	if (rc != EXISTS)
		host->count(in->packet, has_room ? COUNTER_FLOWS : COUNTER_NO_ROOM, 1);
	return has_room;
}

/* The packet is within the quota; or nothing is left for what may still come of its flow. */
static bool
spend(const struct sluice_host *host, const struct sluice_classify_in *in)
{
	const uint64_t left = in->flow_context - 1;
	const uint64_t length = host->packet_length(in->packet);
	const bool is_within = length <= left;

	host->flow_remove(in->packet, in->layer);
	host->flow_associate(in->packet, in->layer, is_within ? left - length + 1 : 1);
	return is_within;
}

static bool
judge_data(const struct sluice_host *host, const struct sluice_classify_in *in)
{
	if (spend(host, in))
		return true;
	host->count(in->packet, COUNTER_USED_UP, 1);
	if (is_tcp(in->layer))
		host->flow_abort(in->packet);
	return false;
}

static void
quota_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct quota *quota = in->callout;
	bool passes = true;

	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) == 0)
		return;
	if (in->packet != NULL)
		passes = is_established(in->layer) ? begin_flow(quota, in)
						   : judge_data(quota->host, in);
	if (passes) {
		verdict_permit(in->filter, out);
		return;
	}
	out->action = SLUICE_ACTION_BLOCK;
	out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
}

/* What is left of a quota is all that there was. */
static void
quota_flow_delete(void *callout, uint32_t worker, uint32_t layer, uint64_t flow_context)
{
	(void)callout;
	(void)worker;
	(void)layer;
	(void)flow_context;
}

/* --- Control thread. --- */

static int
refuse(const struct sluice_host *host, const char *text)
{
	host->refuse(host, text);
	return -1;
}

static int
read_bytes(const struct sluice_host *host, const char *data, int64_t *bytes)
{
	static const char *const members[] = {"bytes", NULL};
	char other[64];
	char text[160];

	if (data == NULL)
		return refuse(
			host, "it needs a provider context with data such as {\"bytes\": 1000000}");
	switch (host->json_strict(data, members, other, sizeof(other))) {
	case 0:
		break;
	case -2:
		snprintf(text, sizeof(text),
			"the provider context's data has a member \"%s\"; it may have \"bytes\"",
			other);
		return refuse(host, text);
	default:
		return refuse(host, "the provider context's data is not a JSON object");
	}
	if (host->json_integer(data, "bytes", 1, BYTES_MAX, bytes) == 0)
		return 0;
	snprintf(text, sizeof(text), "\"bytes\" must be an integer from 1 to %lld",
		(long long)BYTES_MAX);
	return refuse(host, text);
}

static int
add_established(const struct sluice_host *host, struct sluice_filter *filter)
{
	int64_t bytes;

	if (read_bytes(host, filter->provider_context, &bytes) != 0)
		return -1;
	filter->context = (uint64_t)bytes;
	return 0;
}

static int
add_data(const struct sluice_host *host, const struct sluice_filter *filter)
{
	if (filter->provider_context == NULL)
		return 0;
	return refuse(host,
		"the filter at ale_flow_established says how much; here no provider context is "
		"needed");
}

static int
quota_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	const struct quota *quota = callout;

	if (type != SLUICE_NOTIFY_ADD_FILTER)
		return 0;
	if (filter->action == SLUICE_ACTION_CALLOUT_INSPECTION)
		return refuse(quota->host,
			"a quota that cannot block is none; use the action callout_unknown or "
			"callout_terminating");
	if (is_established(filter->layer))
		return add_established(quota->host, filter);
	if (is_data(filter->layer))
		return add_data(quota->host, filter);
	return refuse(quota->host,
		"it works at ale_flow_established, stream_packet and datagram_data alone");
}

static int
quota_load(const struct sluice_host *host, void **callout)
{
	struct quota *quota = malloc(sizeof(*quota));

	if (quota == NULL)
		return refuse(host, "not enough memory");
	quota->host = host;
	quota->protocol_v4 =
		host->field_index(SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4, SLUICE_FIELD_IP_PROTOCOL);
	quota->protocol_v6 =
		host->field_index(SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6, SLUICE_FIELD_IP_PROTOCOL);
	if (quota->protocol_v4 < 0 || quota->protocol_v6 < 0) {
		free(quota);
		return refuse(host, "flows are established without a protocol here");
	}
	*callout = quota;
	return 0;
}

static void
quota_unload(void *callout)
{
	free(callout);
}

SLUICE_CALLOUT_DEFINE(.name = "quota", .version = "1.0",
	.description = "bytes that a flow may move; then it is ended",
	.flags = SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW, .load = quota_load,
	.unload = quota_unload, .classify = quota_classify, .notify = quota_notify,
	.flow_delete = quota_flow_delete, .counters = counter_names);
