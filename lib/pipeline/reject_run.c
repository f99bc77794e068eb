/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet time: resets for both ends of a connection that was revoked.  They are built from the packet that was
 * dropped: its sender is told in the name of its receiver, and the receiver, whose next expected number is that of
 * the packet (RFC 5961), in the name of its sender.
 */
#include "packet/sl_build.h"
#include "pipeline/flow.h"

#include <string.h>

#define TCP_RST_ACK 0x14u
#define TCP_RST     0x04u
#define TCP_ACK     0x10u

static struct sl_reply *
take_reply(struct sl_burst *burst, uint32_t packet, bool is_onward)
{
	struct sl_callout_env *env = &burst->pipeline->env;
	struct sl_reply *reply;

	if (env->n_replies == SL_CALLOUT_REPLIES_MAX) {
		env->n_replies_refused++;
		return NULL;
	}
	reply = &env->replies[env->n_replies];
	reply->packet = packet;
	reply->path = env->path;
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
finish(struct sl_burst *burst, struct sl_build *build, struct sl_reply *reply)
{
	reply->length = sl_build_finish(build);
	if (reply->length != 0)
		burst->pipeline->env.n_replies++;
}

static void
reset_sender(struct sl_burst *burst, uint32_t packet, const struct sl_tcp_segment *segment)
{
	const struct sl_meta *meta = &burst->metas[packet];
	struct sl_reply *reply = take_reply(burst, packet, false);
	struct sl_build build;

	if (reply == NULL)
		return;
	sl_build_init(&build, reply->bytes, sizeof(reply->bytes));
	if (!sl_build_reply(&build, &burst->frames[packet], meta))
		return;
	sl_build_tcp(&build, meta->dst_port, meta->src_port,
		(segment->flags & TCP_ACK) != 0 ? segment->ack : 0, segment->seq + segment->length,
		TCP_RST_ACK);
	finish(burst, &build, reply);
}

static void
reset_receiver(struct sl_burst *burst, uint32_t packet, const struct sl_tcp_segment *segment)
{
	const struct sl_meta *meta = &burst->metas[packet];
	struct sl_reply *reply;
	struct sl_build build;

	if (meta->vlan_n > SL_META_VLANS_MAX)
		return;
	reply = take_reply(burst, packet, true);
	if (reply == NULL)
		return;
	sl_build_init(&build, reply->bytes, sizeof(reply->bytes));
	build_onward(&build, meta);
	sl_build_tcp(&build, meta->src_port, meta->dst_port, segment->seq, segment->ack,
		(segment->flags & TCP_ACK) != 0 ? TCP_RST_ACK : TCP_RST);
	finish(burst, &build, reply);
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
