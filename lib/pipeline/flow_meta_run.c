/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: what layers with flow state see of packets and flows. */
#include "pipeline/flow.h"

#include <string.h>

#define PRESENT_ARRIVAL (SL_PRESENT(ALE_ARRIVAL_LUID) | SL_PRESENT(ALE_ARRIVAL_INDEX))
#define PRESENT_NEXTHOP                                                 \
	(SL_PRESENT(ALE_NEXTHOP_LUID) | SL_PRESENT(ALE_NEXTHOP_INDEX) | \
		SL_PRESENT(ALE_NEXTHOP_SUB_INTERFACE))
#define PRESENT_ALWAYS                                               \
	(SL_PRESENT(FLAGS_FLOW) | SL_PRESENT(CONNECTION_DIRECTION) | \
		SL_PRESENT(REAUTHORIZE_REASON) | SL_PRESENT(MIDSTREAM))
#define PRESENT_FLOW \
	(PRESENT_ALWAYS | PRESENT_ARRIVAL | PRESENT_NEXTHOP | SL_PRESENT(ORIGINAL_ICMP_TYPE))

static bool
is_icmp(uint8_t protocol, uint8_t ip_version)
{
	return ip_version == 4 ? protocol == 1 : protocol == 58;
}

/* The tracker's room is not used by ICMP, which has no connections. */
void
sl_flow_set_icmp_type(struct sl_flow *flow, const struct sl_meta *meta)
{
	flow->tcp.side[0].end = meta->local_port;
}

#define REASONS_EITHER_WAY                                                             \
	(SLUICE_REAUTHORIZE_POLICY_CHANGE | SLUICE_REAUTHORIZE_NEW_ARRIVAL_INTERFACE | \
		SLUICE_REAUTHORIZE_NEW_NEXTHOP_INTERFACE)

/* The sides that are known depend on which way the packet goes that asks for a judgement (WFP section 7.5). */
static uint64_t
interfaces(const struct sl_meta *meta, uint32_t reauthorize_reason)
{
	if ((reauthorize_reason & REASONS_EITHER_WAY) == 0)
		return PRESENT_ARRIVAL | PRESENT_NEXTHOP;
	return meta->direction == SLUICE_DIRECTION_INBOUND ? PRESENT_ARRIVAL : PRESENT_NEXTHOP;
}

void
sl_flow_dress(struct sl_meta *meta, const struct sl_flow *flow, uint32_t flags,
	uint32_t reauthorize_reason)
{
	const bool is_midstream = flow != NULL && (flow->flags & SL_FLOW_MIDSTREAM) != 0;

	meta->present |= PRESENT_ALWAYS | interfaces(meta, reauthorize_reason);
	meta->flow.direction = meta->direction;
	if (flow != NULL)
		meta->flow.direction = (flow->flags & SL_FLOW_OUTBOUND) != 0
			? SLUICE_DIRECTION_OUTBOUND
			: SLUICE_DIRECTION_INBOUND;
	meta->flow.flags = flags |
		(meta->flags_transport & ~SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY) |
		(is_midstream ? SLUICE_CONDITION_FLAG_IS_MIDSTREAM : 0);
	meta->flow.reauthorize_reason = reauthorize_reason;
	meta->flow.is_midstream = is_midstream;
	if (is_icmp(meta->protocol, meta->ip_version) && sl_meta_has(meta, SL_SLOT_LOCAL_PORT)) {
		meta->present |= SL_PRESENT(ORIGINAL_ICMP_TYPE);
		meta->flow.original_icmp_type =
			flow != NULL ? (uint16_t)flow->tcp.side[0].end : meta->local_port;
	}
	/* A packet that is being judged has its flow only while that is asked about. */
	meta->flow.entry = (void *)(uintptr_t)flow;
}

void
sl_flow_undress(struct sl_meta *meta)
{
	meta->present &= ~PRESENT_FLOW;
}

void
sl_flow_name(struct sl_burst *burst, uint64_t members)
{
	const struct sl_flow_table *table = burst->pipeline->flows->table;
	struct sl_meta *meta;

	for (; members != 0; members &= members - 1) {
		meta = &burst->metas[__builtin_ctzll(members)];
		meta->flow.id = meta->flow.entry == NULL ? 0 : sl_flow_id(table, meta->flow.entry);
	}
}

/* Exchanges the ends of every member. */
static void
mirror(struct sl_burst *burst, uint64_t members)
{
	for (; members != 0; members &= members - 1)
		sl_meta_mirror(&burst->metas[__builtin_ctzll(members)]);
}

/* Local is the source at layers for what goes out, the destination at all others. */
static bool
wants_mirror(const struct sl_burst *burst, const struct sl_layer_program *program)
{
	const bool is_outbound = burst->path->direction == SLUICE_DIRECTION_OUTBOUND;

	return (program->layer->orientation == SL_ORIENTATION_OUTBOUND) != is_outbound;
}

uint64_t
sl_flow_visit(struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members,
	struct sl_auth_answer *answer)
{
	const bool is_mirrored = wants_mirror(burst, program);
	uint64_t stopped;

	if (program->has_callouts)
		sl_flow_name(burst, members);
	if (is_mirrored)
		mirror(burst, members);
	if (answer != NULL)
		stopped = sl_pipeline_visit_auth(burst, program, members, answer);
	else
		stopped = sl_pipeline_visit(burst, program, members);
	if (is_mirrored)
		mirror(burst, members);
	for (; members != 0; members &= members - 1)
		sl_flow_undress(&burst->metas[__builtin_ctzll(members)]);
	return stopped;
}

void
sl_flow_show_twin(struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members)
{
	const bool is_mirrored = wants_mirror(burst, program);

	if (is_mirrored)
		mirror(burst, members);
	sl_pipeline_visit_twin(burst, program, members);
	if (is_mirrored)
		mirror(burst, members);
	for (; members != 0; members &= members - 1)
		sl_flow_undress(&burst->metas[__builtin_ctzll(members)]);
}

uint64_t
sl_flow_visit_data(struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members)
{
	struct sl_meta *meta;

	for (uint64_t left = members; left != 0; left &= left - 1) {
		meta = &burst->metas[__builtin_ctzll(left)];
		/* A packet whose flow ended behind it in the burst has been dressed when that was forgotten. */
		if (meta->flow.entry != NULL || !sl_meta_has(meta, SL_SLOT_MIDSTREAM))
			sl_flow_dress(meta, meta->flow.entry, 0, 0);
	}
	return sl_flow_visit(burst, program, members, NULL);
}

/* --- Flows without packets. --- */

static uint8_t
address_type(const uint8_t bytes[16], uint8_t ip_version)
{
	static const uint8_t zero[16];

	if (memcmp(bytes, zero, sizeof(zero)) == 0)
		return SLUICE_NL_UNSPECIFIED;
	if (ip_version == 6)
		return bytes[0] == 0xff ? SLUICE_NL_MULTICAST : SLUICE_NL_UNICAST;
	if (sl_flow_ip4(bytes) == UINT32_MAX)
		return SLUICE_NL_BROADCAST;
	return (bytes[0] & 0xf0) == 0xe0 ? SLUICE_NL_MULTICAST : SLUICE_NL_UNICAST;
}

static void
portray_addresses(struct sl_meta *meta, const uint8_t src[16], const uint8_t dst[16])
{
	meta->present |= SL_PRESENT(SRC_ADDRESS_TYPE) | SL_PRESENT(DST_ADDRESS_TYPE);
	meta->src_address_type = address_type(src, meta->ip_version);
	meta->dst_address_type = address_type(dst, meta->ip_version);
	if (meta->ip_version == 4) {
		meta->present |= SL_PRESENT(IP4_SRC) | SL_PRESENT(IP4_DST);
		meta->ip4_src = sl_flow_ip4(src);
		meta->ip4_dst = sl_flow_ip4(dst);
		return;
	}
	meta->present |= SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST);
	memcpy(meta->ip6_src, src, sizeof(meta->ip6_src));
	memcpy(meta->ip6_dst, dst, sizeof(meta->ip6_dst));
}

/*
 * Ports; of ICMP the type of the message that opened the flow.  Its code is only known where the key has it,
 * and is 0 in all messages that are asked and answered.
 */
static void
portray_ports(struct sl_meta *meta, const struct sl_flow *flow, bool is_connect)
{
	const struct sl_flow_key *key = &flow->key;

	meta->local_port = key->local_port;
	meta->remote_port = key->remote_port;
	if (is_icmp(key->protocol, key->ip_version)) {
		meta->local_port = (uint16_t)flow->tcp.side[0].end;
		if (key->is_icmp_query)
			meta->remote_port = 0;
		meta->src_port = meta->local_port;
		meta->dst_port = meta->remote_port;
	} else {
		meta->src_port = is_connect ? key->local_port : key->remote_port;
		meta->dst_port = is_connect ? key->remote_port : key->local_port;
	}
	meta->present |= SL_PRESENT(LOCAL_PORT) | SL_PRESENT(REMOTE_PORT) | SL_PRESENT(SRC_PORT) |
		SL_PRESENT(DST_PORT);
}

void
sl_flow_portray(const struct sl_flows *flows, const struct sl_flow *flow, bool is_connect,
	struct sl_meta *meta)
{
	const enum sluice_direction direction =
		is_connect ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND;

	sl_flow_portray_on(sl_trail_path(&flows->trails, sl_flow_index(flows->table, flow),
				   (uint8_t)(flow->key.domain >> 24), direction),
		flow, is_connect, meta);
}

void
sl_flow_portray_on(const struct sl_path *path, const struct sl_flow *flow, bool is_connect,
	struct sl_meta *meta)
{
	static const struct sl_meta_ports nowhere;
	const struct sl_flow_key *key = &flow->key;
	const enum sluice_direction direction =
		is_connect ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND;
	const uint8_t *src = is_connect ? key->local : key->remote;
	const uint8_t *dst = is_connect ? key->remote : key->local;

	sl_meta_setup(meta, direction, path == NULL ? &nowhere : &path->ports);
	if (path == NULL)
		meta->present = 0;
	meta->ip_version = key->ip_version;
	meta->protocol = key->protocol;
	meta->vlan_vid = key->domain >> 12 & 0xfff;
	meta->sub_interface = meta->vlan_vid;
	meta->present |= SL_PRESENT(PROTOCOL) | SL_PRESENT(SUB_INTERFACE);
	if (meta->vlan_vid != 0)
		meta->present |= SL_PRESENT(VLAN_VID);
	portray_addresses(meta, src, dst);
	portray_ports(meta, flow, is_connect);
}
