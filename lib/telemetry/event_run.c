/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: events are made and limited here. */
#include "telemetry/sl_event.h"

#include <string.h>

static void
take_addresses(struct sl_event *event, const struct sl_meta *meta)
{
	uint32_t be;

	if (sl_meta_has(meta, SL_SLOT_IP4_SRC) && sl_meta_has(meta, SL_SLOT_IP4_DST)) {
		event->ip_version = 4;
		be = __builtin_bswap32(meta->ip4_src);
		memcpy(event->ip_src, &be, sizeof(be));
		be = __builtin_bswap32(meta->ip4_dst);
		memcpy(event->ip_dst, &be, sizeof(be));
	} else if (sl_meta_has(meta, SL_SLOT_IP6_SRC) && sl_meta_has(meta, SL_SLOT_IP6_DST)) {
		event->ip_version = 6;
		memcpy(event->ip_src, meta->ip6_src, sizeof(event->ip_src));
		memcpy(event->ip_dst, meta->ip6_dst, sizeof(event->ip_dst));
	}
	if (sl_meta_has(meta, SL_SLOT_PROTOCOL))
		event->protocol = meta->protocol;
}

static void
take_frame(struct sl_event *event, const struct sl_meta *meta)
{
	event->frame_len = meta->frame_len;
	event->direction = (uint8_t)meta->direction;
	event->is_fragment = (meta->meta_flags & SL_META_IS_FRAGMENT) != 0;
	if (sl_meta_has(meta, SL_SLOT_MAC_SRC) && sl_meta_has(meta, SL_SLOT_MAC_DST)) {
		event->has_macs = 1;
		memcpy(event->mac_src, meta->mac_src, sizeof(event->mac_src));
		memcpy(event->mac_dst, meta->mac_dst, sizeof(event->mac_dst));
	}
	if (sl_meta_has(meta, SL_SLOT_ETHER_TYPE))
		event->ether_type = meta->ether_type;
	if (sl_meta_has(meta, SL_SLOT_VLAN_TCI)) {
		event->has_vlan = 1;
		event->vlan_tci = meta->vlan_tci;
	}
}

static void
take_flow(struct sl_event *event, const struct sl_meta *meta)
{
	event->flow_id = meta->flow.id;
	if (sl_meta_has(meta, SL_SLOT_REAUTHORIZE_REASON))
		event->reauthorize_reason = meta->flow.reauthorize_reason;
}

void
sl_event_from_meta(struct sl_event *event, const struct sl_meta *meta)
{
	memset(event, 0, sizeof(*event));
	take_frame(event, meta);
	take_addresses(event, meta);
	take_flow(event, meta);
	if (sl_meta_has(meta, SL_SLOT_SRC_PORT) && sl_meta_has(meta, SL_SLOT_DST_PORT)) {
		event->has_ports = 1;
		event->src_port = meta->src_port;
		event->dst_port = meta->dst_port;
	}
	if (sl_meta_has(meta, SL_SLOT_TCP_FLAGS)) {
		event->has_tcp_flags = 1;
		event->tcp_flags = meta->tcp_flags;
	}
}

bool
sl_event_limit_take(struct sl_event_limit *limit, uint64_t now_ns)
{
	uint64_t room;

	if (limit->interval_ns == 0)
		return true;
	if (now_ns > limit->last_ns) {
		room = limit->credit_max_ns - limit->credit_ns;
		limit->credit_ns += SL_MIN(now_ns - limit->last_ns, room);
	}
	limit->last_ns = now_ns;
	if (limit->credit_ns < limit->interval_ns)
		return false;
	limit->credit_ns -= limit->interval_ns;
	return true;
}
