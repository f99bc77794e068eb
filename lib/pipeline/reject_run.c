/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet time: resets for the ends of a connection that was revoked.
 *
 * With a packet that is dropped: its sender is told in the name of its receiver, and the receiver, whose next expected
 * number is that of the packet (RFC 5961), in the name of its sender.  Without one: by what the flow knows of numbers and
 * the trail of headers.  Whoever still speaks, because his reset was lost or did not have the number that he expects,
 * is told again, by the number that he says himself.
 */
#include "packet/sl_build.h"
#include "pipeline/flow.h"

#include <string.h>

#define TCP_RST_ACK 0x14u
#define TCP_RST     0x04u
#define TCP_ACK     0x10u

static struct sl_reply *
take_reply(struct sl_callout_env *env, uint32_t packet, uint32_t path, bool is_onward)
{
	struct sl_reply *reply;

	if (env->n_replies == SL_CALLOUT_REPLIES_MAX) {
		env->n_replies_refused++;
		return NULL;
	}
	reply = &env->replies[env->n_replies];
	reply->packet = packet;
	reply->path = path;
	reply->is_onward = is_onward;
	return reply;
}

/* Link and IP headers of a packet that goes the same way as the one that was dropped. */
static void
build_onward(struct sl_build *build, const struct sl_meta *meta)
{
	const uint32_t n_vlans = SL_MIN(meta->vlan_n, SL_META_VLANS_MAX);

	if ((meta->meta_flags & SL_META_HAS_ETHERNET) != 0) {
		sl_build_ethernet(build, meta->mac_dst, meta->mac_src);
		for (uint32_t i = 0; i < n_vlans; i++)
			sl_build_vlan(
				build, i + 1 < n_vlans ? 0x88a8 : 0x8100, meta->vlan_stack[i]);
	}
	if (meta->ip_version == 4)
		sl_build_ip4(build, meta->ip4_src, meta->ip4_dst);
	else
		sl_build_ip6(build, meta->ip6_src, meta->ip6_dst);
}

static void
finish(struct sl_callout_env *env, struct sl_build *build, struct sl_reply *reply)
{
	reply->length = sl_build_finish(build);
	if (reply->length != 0)
		env->n_replies++;
}

static void
reset_sender(struct sl_burst *burst, uint32_t packet, const struct sl_tcp_segment *segment)
{
	const struct sl_meta *meta = &burst->metas[packet];
	struct sl_callout_env *env = &burst->pipeline->env;
	struct sl_reply *reply = take_reply(env, packet, env->path, false);
	struct sl_build build;

	if (reply == NULL)
		return;
	sl_build_init(&build, reply->bytes, sizeof(reply->bytes));
	if (!sl_build_reply(&build, &burst->frames[packet], meta))
		return;
	sl_build_tcp(&build, meta->dst_port, meta->src_port,
		(segment->flags & TCP_ACK) != 0 ? segment->ack : 0, segment->seq + segment->length,
		TCP_RST_ACK);
	finish(env, &build, reply);
}

static void
reset_receiver(struct sl_burst *burst, uint32_t packet, const struct sl_tcp_segment *segment)
{
	const struct sl_meta *meta = &burst->metas[packet];
	struct sl_callout_env *env = &burst->pipeline->env;
	struct sl_reply *reply;
	struct sl_build build;

	if (meta->vlan_n > SL_META_VLANS_MAX)
		return;
	reply = take_reply(env, packet, env->path, true);
	if (reply == NULL)
		return;
	sl_build_init(&build, reply->bytes, sizeof(reply->bytes));
	build_onward(&build, meta);
	sl_build_tcp(&build, meta->src_port, meta->dst_port, segment->seq, segment->ack,
		(segment->flags & TCP_ACK) != 0 ? TCP_RST_ACK : TCP_RST);
	finish(env, &build, reply);
}

void
sl_flow_reject(struct sl_burst *burst, uint32_t packet)
{
	struct sl_tcp_segment segment;

	if (!sl_tcp_read(&burst->frames[packet], &burst->metas[packet], &segment) ||
		(segment.flags & TCP_RST) != 0)
		return;
	reset_sender(burst, packet, &segment);
	reset_receiver(burst, packet, &segment);
}

void
sl_flow_reject_rest(struct sl_burst *burst, uint32_t packet)
{
	struct sl_tcp_segment segment;

	if (burst->pipeline->flows->config.reject &&
		sl_tcp_read(&burst->frames[packet], &burst->metas[packet], &segment) &&
		(segment.flags & TCP_RST) == 0)
		reset_sender(burst, packet, &segment);
}

/* --- Without a packet. --- */

/* Where resets of a direction go, and how they begin. */
struct way {
	uint32_t path;
	uint32_t n_header;
	uint8_t header[SL_TRAIL_HEADER_MAX];
};

/* False: it is not known, of a flow of before a restart say. */
static bool
find_way(const struct sl_flows *flows, const struct sl_flow *flow, enum sluice_direction direction,
	struct way *way)
{
	const uint32_t index = sl_flow_index(flows->table, flow);
	const struct sl_path *path =
		sl_trail_path(&flows->trails, index, (uint8_t)(flow->key.domain >> 24), direction);
	const int n = sl_trail_header(&flows->trails, index, direction, way->header);

	if (path == NULL || n < 0)
		return false;
	way->path = (uint32_t)(path - flows->trails.paths);
	way->n_header = (uint32_t)n;
	return true;
}

/* A segment between the ends of a flow, in a direction. */
static void
build_segment(struct sl_build *build, const struct sl_flow_key *key,
	enum sluice_direction direction, const struct sl_tcp_segment *segment)
{
	const bool is_outbound = direction == SLUICE_DIRECTION_OUTBOUND;
	const uint8_t *src = is_outbound ? key->local : key->remote;
	const uint8_t *dst = is_outbound ? key->remote : key->local;

	if (key->ip_version == 4)
		sl_build_ip4(build, sl_flow_ip4(src), sl_flow_ip4(dst));
	else
		sl_build_ip6(build, src, dst);
	sl_build_tcp(build, is_outbound ? key->local_port : key->remote_port,
		is_outbound ? key->remote_port : key->local_port, segment->seq, segment->ack,
		segment->flags);
}

/* Resets who receives what is sent in a direction. */
static void
reset_end(struct sl_pipeline *pipeline, const struct sl_flow *flow, enum sluice_direction direction)
{
	struct sl_callout_env *env = &pipeline->env;
	struct sl_tcp_segment resets[2];
	const uint32_t n = sl_tcp_resets(&flow->tcp, direction, resets);
	struct sl_reply *reply;
	struct sl_build build;
	struct way way;

	if (n == 0)
		return;
	if (!find_way(pipeline->flows, flow, direction, &way)) {
		env->n_replies_refused += n;
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		reply = take_reply(env, SL_REPLY_NO_PACKET, way.path, true);
		if (reply == NULL)
			continue;
		sl_build_init(&build, reply->bytes, sizeof(reply->bytes));
		sl_build_bytes(&build, way.header, way.n_header);
		build_segment(&build, &flow->key, direction, &resets[i]);
		finish(env, &build, reply);
	}
}

void
sl_flow_reset(struct sl_pipeline *pipeline, const struct sl_flow *flow)
{
	if (!pipeline->flows->config.reject || !sl_flow_is_tcp(flow))
		return;
	reset_end(pipeline, flow, SLUICE_DIRECTION_OUTBOUND);
	reset_end(pipeline, flow, SLUICE_DIRECTION_INBOUND);
}
