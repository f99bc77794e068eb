/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_meta.h"

#include <stddef.h>
#include <string.h>

#define MEMBER_SIZE(member) sizeof(((struct sl_meta *)0)->member)

const struct sl_slot_info sl_slot_info[SL_SLOT_COUNT] = {
#define X(name, member, kind, bytes) \
	[SL_SLOT_##name] = {offsetof(struct sl_meta, member), bytes, SL_SLOT_KIND_##kind},
	SL_META_SLOTS(X)
#undef X
};

#define X(name, member, kind, bytes) \
	_Static_assert(MEMBER_SIZE(member) == (bytes), "slot " #name " has the size of its member");
SL_META_SLOTS(X)
#undef X

static void
set_outside(struct sl_meta_ports *ports, enum sluice_direction direction)
{
	const bool is_inbound = direction == SLUICE_DIRECTION_INBOUND;

	ports->outside_luid = is_inbound ? ports->arrival_luid : ports->nexthop_luid;
	ports->outside_index = is_inbound ? ports->arrival_index : ports->nexthop_index;
	ports->outside_profile = is_inbound ? ports->arrival_profile : ports->nexthop_profile;
}

void
sl_meta_setup(
	struct sl_meta *meta, enum sluice_direction direction, const struct sl_meta_ports *ports)
{
	memset(meta, 0, sizeof(*meta));
	meta->direction = direction;
	meta->ports = *ports;
	set_outside(&meta->ports, direction);
	meta->present = SL_PRESENT_PORTS;
	if (ports->arrival_name == NULL)
		meta->present &= ~SL_PRESENT(ARRIVAL_NAME);
	if (ports->nexthop_name == NULL)
		meta->present &= ~SL_PRESENT(NEXTHOP_NAME);
}

/* What a field means at inbound, outbound and forward layers. IPv4 stands for both versions. */
struct meaning {
	uint8_t inbound;
	uint8_t outbound;
	uint8_t forward;
	bool is_known;
};

/* clang-format off */
#define EVERYWHERE(slot) {SL_SLOT_##slot, SL_SLOT_##slot, SL_SLOT_##slot, true}
/* Local is the destination of an inbound packet and the source of an outbound one. */
#define BY_DIRECTION(in, out) {SL_SLOT_##in, SL_SLOT_##out, SL_SLOT_NONE, true}
/* The port towards the outside; a forwarded packet's own interface is the one it arrived by. */
#define OUTSIDE(arrival, nexthop) {SL_SLOT_##arrival, SL_SLOT_##nexthop, SL_SLOT_##arrival, true}

static const struct meaning meanings[SLUICE_FIELD_COUNT] = {
	[SLUICE_FIELD_IP_LOCAL_ADDRESS] = BY_DIRECTION(IP4_DST, IP4_SRC),
	[SLUICE_FIELD_IP_REMOTE_ADDRESS] = BY_DIRECTION(IP4_SRC, IP4_DST),
	[SLUICE_FIELD_IP_SOURCE_ADDRESS] = EVERYWHERE(IP4_SRC),
	[SLUICE_FIELD_IP_DESTINATION_ADDRESS] = EVERYWHERE(IP4_DST),
	[SLUICE_FIELD_IP_LOCAL_ADDRESS_TYPE] = BY_DIRECTION(DST_ADDRESS_TYPE, SRC_ADDRESS_TYPE),
	[SLUICE_FIELD_IP_DESTINATION_ADDRESS_TYPE] = EVERYWHERE(DST_ADDRESS_TYPE),
	[SLUICE_FIELD_IP_LOCAL_INTERFACE] = OUTSIDE(ARRIVAL_LUID, NEXTHOP_LUID),
	[SLUICE_FIELD_IP_FORWARD_INTERFACE] = EVERYWHERE(NEXTHOP_LUID),
	[SLUICE_FIELD_IP_ARRIVAL_INTERFACE] = EVERYWHERE(ARRIVAL_LUID),
	[SLUICE_FIELD_IP_NEXTHOP_INTERFACE] = EVERYWHERE(NEXTHOP_LUID),
	[SLUICE_FIELD_IP_PHYSICAL_ARRIVAL_INTERFACE] = EVERYWHERE(ARRIVAL_LUID),
	[SLUICE_FIELD_IP_PHYSICAL_NEXTHOP_INTERFACE] = EVERYWHERE(NEXTHOP_LUID),
	[SLUICE_FIELD_INTERFACE] = OUTSIDE(ARRIVAL_LUID, NEXTHOP_LUID),
	[SLUICE_FIELD_INTERFACE_INDEX] = OUTSIDE(ARRIVAL_INDEX, NEXTHOP_INDEX),
	[SLUICE_FIELD_SUB_INTERFACE_INDEX] = EVERYWHERE(SUB_INTERFACE),
	[SLUICE_FIELD_SOURCE_INTERFACE_INDEX] = EVERYWHERE(ARRIVAL_INDEX),
	[SLUICE_FIELD_SOURCE_SUB_INTERFACE_INDEX] = EVERYWHERE(SUB_INTERFACE),
	[SLUICE_FIELD_DESTINATION_INTERFACE_INDEX] = EVERYWHERE(NEXTHOP_INDEX),
	[SLUICE_FIELD_DESTINATION_SUB_INTERFACE_INDEX] = EVERYWHERE(SUB_INTERFACE),
	[SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX] = EVERYWHERE(ARRIVAL_INDEX),
	[SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX] = EVERYWHERE(NEXTHOP_INDEX),
	[SLUICE_FIELD_NEXTHOP_SUB_INTERFACE_INDEX] = EVERYWHERE(SUB_INTERFACE),
	[SLUICE_FIELD_INTERFACE_TYPE] = EVERYWHERE(INTERFACE_TYPE),
	[SLUICE_FIELD_ARRIVAL_INTERFACE_TYPE] = EVERYWHERE(INTERFACE_TYPE),
	[SLUICE_FIELD_NEXTHOP_INTERFACE_TYPE] = EVERYWHERE(INTERFACE_TYPE),
	[SLUICE_FIELD_PROFILE_ID] = OUTSIDE(ARRIVAL_PROFILE, NEXTHOP_PROFILE),
	[SLUICE_FIELD_ARRIVAL_INTERFACE_PROFILE_ID] = EVERYWHERE(ARRIVAL_PROFILE),
	[SLUICE_FIELD_NEXTHOP_INTERFACE_PROFILE_ID] = EVERYWHERE(NEXTHOP_PROFILE),
	[SLUICE_FIELD_FLAGS] = EVERYWHERE(FLAGS_TRANSPORT),
	[SLUICE_FIELD_DIRECTION] = EVERYWHERE(DIRECTION),
	[SLUICE_FIELD_IP_PROTOCOL] = EVERYWHERE(PROTOCOL),
	[SLUICE_FIELD_IP_LOCAL_PORT] = EVERYWHERE(LOCAL_PORT),
	[SLUICE_FIELD_IP_REMOTE_PORT] = EVERYWHERE(REMOTE_PORT),
	[SLUICE_FIELD_IP_SOURCE_PORT] = EVERYWHERE(SRC_PORT),
	[SLUICE_FIELD_IP_DESTINATION_PORT] = EVERYWHERE(DST_PORT),
	[SLUICE_FIELD_ICMP_TYPE] = EVERYWHERE(ICMP_TYPE),
	[SLUICE_FIELD_ICMP_CODE] = EVERYWHERE(ICMP_CODE),
	[SLUICE_FIELD_EMBEDDED_PROTOCOL] = EVERYWHERE(EMB_PROTOCOL),
	[SLUICE_FIELD_EMBEDDED_REMOTE_ADDRESS] = EVERYWHERE(EMB_IP4_REMOTE),
	[SLUICE_FIELD_EMBEDDED_LOCAL_ADDRESS_TYPE] = EVERYWHERE(EMB_LOCAL_ADDRESS_TYPE),
	[SLUICE_FIELD_EMBEDDED_LOCAL_PORT] = EVERYWHERE(EMB_LOCAL_PORT),
	[SLUICE_FIELD_EMBEDDED_REMOTE_PORT] = EVERYWHERE(EMB_REMOTE_PORT),
	[SLUICE_FIELD_INTERFACE_MAC_ADDRESS] = EVERYWHERE(OUTSIDE_MAC),
	[SLUICE_FIELD_MAC_LOCAL_ADDRESS] = BY_DIRECTION(MAC_DST, MAC_SRC),
	[SLUICE_FIELD_MAC_REMOTE_ADDRESS] = BY_DIRECTION(MAC_SRC, MAC_DST),
	[SLUICE_FIELD_MAC_LOCAL_ADDRESS_TYPE] = BY_DIRECTION(MAC_DST_TYPE, MAC_SRC_TYPE),
	[SLUICE_FIELD_MAC_REMOTE_ADDRESS_TYPE] = BY_DIRECTION(MAC_SRC_TYPE, MAC_DST_TYPE),
	[SLUICE_FIELD_MAC_SOURCE_ADDRESS] = EVERYWHERE(MAC_SRC),
	[SLUICE_FIELD_MAC_SOURCE_ADDRESS_TYPE] = EVERYWHERE(MAC_SRC_TYPE),
	[SLUICE_FIELD_MAC_DESTINATION_ADDRESS] = EVERYWHERE(MAC_DST),
	[SLUICE_FIELD_MAC_DESTINATION_ADDRESS_TYPE] = EVERYWHERE(MAC_DST_TYPE),
	[SLUICE_FIELD_ETHER_TYPE] = EVERYWHERE(ETHER_TYPE),
	[SLUICE_FIELD_VLAN_ID] = EVERYWHERE(VLAN_TCI),
	[SLUICE_FIELD_NDIS_PORT] = EVERYWHERE(NDIS_PORT),
	[SLUICE_FIELD_L2_FLAGS] = EVERYWHERE(L2_FLAGS),
	[SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID] = EVERYWHERE(ARRIVAL_NAME),
	[SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_TYPE] = EVERYWHERE(VSWITCH_IF_TYPE),
	[SLUICE_FIELD_VSWITCH_DESTINATION_INTERFACE_ID] = EVERYWHERE(NEXTHOP_NAME),
	[SLUICE_FIELD_VSWITCH_DESTINATION_INTERFACE_TYPE] = EVERYWHERE(VSWITCH_IF_TYPE),
	[SLUICE_FIELD_X_DSCP] = EVERYWHERE(DSCP),
	[SLUICE_FIELD_X_TTL] = EVERYWHERE(TTL),
	[SLUICE_FIELD_X_PACKET_LENGTH] = EVERYWHERE(PACKET_LENGTH),
	[SLUICE_FIELD_X_IP_OPTIONS] = EVERYWHERE(IP_OPTIONS),
	[SLUICE_FIELD_X_IP6_EXTENSION_HEADERS] = EVERYWHERE(IP6_EXTENSIONS),
	[SLUICE_FIELD_X_VLAN_VID] = EVERYWHERE(VLAN_VID),
	[SLUICE_FIELD_X_TCP_FLAGS] = EVERYWHERE(TCP_FLAGS),
	/* Only layers with flow state have these. */
	[SLUICE_FIELD_ORIGINAL_PROFILE_ID] = EVERYWHERE(OUTSIDE_PROFILE),
	[SLUICE_FIELD_CURRENT_PROFILE_ID] = EVERYWHERE(OUTSIDE_PROFILE),
	[SLUICE_FIELD_REAUTHORIZE_REASON] = EVERYWHERE(REAUTHORIZE_REASON),
	[SLUICE_FIELD_ORIGINAL_ICMP_TYPE] = EVERYWHERE(ORIGINAL_ICMP_TYPE),
	[SLUICE_FIELD_X_MIDSTREAM] = EVERYWHERE(MIDSTREAM),
};

/* Fields that mean something else at layers with flow state. */
static const struct {
	uint8_t field;
	uint8_t slot;
} flow_meanings[] = {
	{SLUICE_FIELD_FLAGS, SL_SLOT_FLAGS_FLOW},
	{SLUICE_FIELD_IP_LOCAL_INTERFACE, SL_SLOT_OUTSIDE_LUID},
	{SLUICE_FIELD_INTERFACE_INDEX, SL_SLOT_OUTSIDE_INDEX},
	{SLUICE_FIELD_IP_ARRIVAL_INTERFACE, SL_SLOT_ALE_ARRIVAL_LUID},
	{SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX, SL_SLOT_ALE_ARRIVAL_INDEX},
	{SLUICE_FIELD_IP_NEXTHOP_INTERFACE, SL_SLOT_ALE_NEXTHOP_LUID},
	{SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX, SL_SLOT_ALE_NEXTHOP_INDEX},
	{SLUICE_FIELD_NEXTHOP_SUB_INTERFACE_INDEX, SL_SLOT_ALE_NEXTHOP_SUB_INTERFACE},
};
/* clang-format on */

/*
 * Layers with flow state that name no direction take every packet as an inbound one, see sl_meta_mirror.
 */
static enum sl_slot
slot_by_orientation(const struct meaning *meaning, const struct sl_layer *layer)
{
	switch (layer->orientation) {
	case SL_ORIENTATION_INBOUND:
		return meaning->inbound;
	case SL_ORIENTATION_OUTBOUND:
		return meaning->outbound;
	default:
		return sl_layer_has_flow(layer) ? meaning->inbound : meaning->forward;
	}
}

static enum sl_slot
slot_of_version_6(enum sl_slot slot)
{
	switch (slot) {
	case SL_SLOT_IP4_SRC:
		return SL_SLOT_IP6_SRC;
	case SL_SLOT_IP4_DST:
		return SL_SLOT_IP6_DST;
	case SL_SLOT_EMB_IP4_REMOTE:
		return SL_SLOT_EMB_IP6_REMOTE;
	default:
		return slot;
	}
}

/* The IP packet and forward layers have condition flags of their own (WFP section 2.5). */
static bool
is_ip_packet_layer(const struct sl_layer *layer)
{
	return layer->id <= SLUICE_LAYER_IPFORWARD_V6_DISCARD;
}

/* Who opened the connection, where the layer is about that; elsewhere which way the packet goes (WFP section 1.1). */
static bool
has_connection_direction(const struct sl_layer *layer)
{
	return (layer->id >= SLUICE_LAYER_STREAM_V4 &&
		       layer->id <= SLUICE_LAYER_STREAM_V6_DISCARD) ||
		(layer->id >= SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4 &&
			layer->id <= SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6_DISCARD);
}

/* NONE: the same as at other layers. */
static enum sl_slot
slot_with_flow(const struct sl_layer *layer, enum sluice_field field)
{
	if (!sl_layer_has_flow(layer))
		return SL_SLOT_NONE;
	if (field == SLUICE_FIELD_DIRECTION && has_connection_direction(layer))
		return SL_SLOT_CONNECTION_DIRECTION;
	/* The remote end's, whoever opened the connection: the local one's has a field of its own. */
	if (field == SLUICE_FIELD_IP_DESTINATION_ADDRESS_TYPE &&
		layer->orientation == SL_ORIENTATION_FORWARD)
		return SL_SLOT_SRC_ADDRESS_TYPE;
	for (size_t i = 0; i < SL_ARRAY_LEN(flow_meanings); i++) {
		if (flow_meanings[i].field == field)
			return flow_meanings[i].slot;
	}
	return SL_SLOT_NONE;
}

enum sl_slot
sl_meta_slot(const struct sl_layer *layer, enum sluice_field field)
{
	enum sl_slot slot;

	if ((unsigned int)field >= SLUICE_FIELD_COUNT || !meanings[field].is_known)
		return SL_SLOT_NONE;
	slot = slot_with_flow(layer, field);
	if (slot != SL_SLOT_NONE)
		return slot;
	slot = slot_by_orientation(&meanings[field], layer);
	if (slot == SL_SLOT_FLAGS_TRANSPORT && is_ip_packet_layer(layer))
		slot = SL_SLOT_FLAGS_IP;
	return layer->ip_version == 6 ? slot_of_version_6(slot) : slot;
}
