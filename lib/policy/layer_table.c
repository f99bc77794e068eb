/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/sl_layer.h"

#include <stddef.h>

/*
 * The tables behind every layer: which fields it has, in WFP's order, and which of them rank in an
 * automatic weight.
 *
 * A schema is written once and made twice, for IPv4 and IPv6, which differ in the type of addresses
 * and in one extension field only.  Each list takes two macros: F for a field that has a value on a
 * wire, N for one that is only kept so that its neighbours have WFP's index (appendix A).  Extensions
 * follow WFP's own fields.
 */

/* clang-format off */

/* The declared type of each field, as integers that the preprocessor's output can compare. */
enum {
#define X(name, text, type) TYPE_##name = (int)SLUICE_TYPE_##type,
#include "sdk/sluice_fields.def"
#undef X
	TYPE_ADDRESS = (int)SLUICE_TYPE_IP_ADDRESS
};

#define TYPE_4(name) (TYPE_##name == TYPE_ADDRESS ? (int)SLUICE_TYPE_UINT32 : (int)TYPE_##name)
#define TYPE_6(name) (TYPE_##name == TYPE_ADDRESS ? (int)SLUICE_TYPE_BYTE_ARRAY16 : (int)TYPE_##name)

#define F_4(name) {SLUICE_FIELD_##name, (enum sluice_data_type)TYPE_4(name), true},
#define N_4(name) {SLUICE_FIELD_##name, (enum sluice_data_type)TYPE_4(name), false},
#define F_6(name) {SLUICE_FIELD_##name, (enum sluice_data_type)TYPE_6(name), true},
#define N_6(name) {SLUICE_FIELD_##name, (enum sluice_data_type)TYPE_6(name), false},

/* --- Extensions, behind WFP's own fields. --- */

#define EXTENSIONS_NONE(F, options)
#define EXTENSIONS_IP(F, options) \
	F(X_DSCP) F(X_TTL) F(X_PACKET_LENGTH) F(options) F(X_VLAN_VID)
#define EXTENSIONS_TRANSPORT(F, options) \
	EXTENSIONS_IP(F, options) F(X_TCP_FLAGS)
/* Layers with a flow and a packet at hand; those with a flow only. */
#define EXTENSIONS_FLOW_PACKET(F, options) \
	EXTENSIONS_TRANSPORT(F, options) F(X_MIDSTREAM)
#define EXTENSIONS_FLOW(F, options) \
	F(X_MIDSTREAM)
#define EXTENSIONS_MAC(F, options) \
	F(X_VLAN_VID)

/* --- Fields, in the order of appendix A. --- */

#define FIELDS_INBOUND_IPPACKET(F, N) \
	F(IP_LOCAL_ADDRESS) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_LOCAL_INTERFACE) \
	F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) F(FLAGS) F(INTERFACE_TYPE) N(TUNNEL_TYPE) \
	N(COMPARTMENT_ID)

#define FIELDS_OUTBOUND_IPPACKET(F, N) \
	F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_INTERFACE) \
	F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) F(FLAGS) F(INTERFACE_TYPE) N(TUNNEL_TYPE) \
	N(COMPARTMENT_ID)

#define FIELDS_IPFORWARD(F, N) \
	F(IP_SOURCE_ADDRESS) F(IP_DESTINATION_ADDRESS) F(IP_DESTINATION_ADDRESS_TYPE) \
	F(IP_LOCAL_INTERFACE) F(IP_FORWARD_INTERFACE) F(SOURCE_INTERFACE_INDEX) \
	F(SOURCE_SUB_INTERFACE_INDEX) F(DESTINATION_INTERFACE_INDEX) \
	F(DESTINATION_SUB_INTERFACE_INDEX) F(FLAGS) F(IP_PHYSICAL_ARRIVAL_INTERFACE) \
	F(ARRIVAL_INTERFACE_PROFILE_ID) F(IP_PHYSICAL_NEXTHOP_INTERFACE) \
	F(NEXTHOP_INTERFACE_PROFILE_ID) N(COMPARTMENT_ID)

#define FIELDS_INBOUND_TRANSPORT(F, N) \
	F(IP_PROTOCOL) F(IP_LOCAL_ADDRESS) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) \
	F(IP_LOCAL_PORT) F(IP_REMOTE_PORT) F(IP_LOCAL_INTERFACE) F(INTERFACE_INDEX) \
	F(SUB_INTERFACE_INDEX) F(FLAGS) F(INTERFACE_TYPE) N(TUNNEL_TYPE) F(PROFILE_ID) \
	N(IPSEC_SECURITY_REALM_ID) N(COMPARTMENT_ID)

#define FIELDS_OUTBOUND_TRANSPORT(F, N) \
	F(IP_PROTOCOL) F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_REMOTE_ADDRESS) \
	F(IP_LOCAL_PORT) F(IP_REMOTE_PORT) F(IP_LOCAL_INTERFACE) F(INTERFACE_INDEX) \
	F(SUB_INTERFACE_INDEX) F(IP_DESTINATION_ADDRESS_TYPE) F(FLAGS) F(INTERFACE_TYPE) \
	N(TUNNEL_TYPE) F(PROFILE_ID) N(IPSEC_SECURITY_REALM_ID) N(COMPARTMENT_ID)

#define FIELDS_STREAM(F, N) \
	F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_PORT) \
	F(IP_REMOTE_PORT) F(DIRECTION) F(FLAGS) N(COMPARTMENT_ID)

#define FIELDS_DATAGRAM_DATA(F, N) \
	F(IP_PROTOCOL) F(IP_LOCAL_ADDRESS) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) \
	F(IP_LOCAL_PORT) F(IP_REMOTE_PORT) F(IP_LOCAL_INTERFACE) F(INTERFACE_INDEX) \
	F(SUB_INTERFACE_INDEX) F(DIRECTION) F(FLAGS) F(INTERFACE_TYPE) N(TUNNEL_TYPE) \
	N(COMPARTMENT_ID)

#define FIELDS_STREAM_PACKET(F, N) \
	F(IP_LOCAL_ADDRESS) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_PORT) F(IP_REMOTE_PORT) \
	F(IP_LOCAL_INTERFACE) F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) F(DIRECTION) F(FLAGS) \
	F(INTERFACE_TYPE) N(TUNNEL_TYPE) N(COMPARTMENT_ID)

#define FIELDS_INBOUND_ICMP_ERROR(F, N) \
	F(EMBEDDED_PROTOCOL) F(IP_LOCAL_ADDRESS) F(IP_REMOTE_ADDRESS) F(EMBEDDED_REMOTE_ADDRESS) \
	F(EMBEDDED_LOCAL_ADDRESS_TYPE) F(EMBEDDED_LOCAL_PORT) F(EMBEDDED_REMOTE_PORT) \
	F(IP_LOCAL_INTERFACE) F(ICMP_TYPE) F(ICMP_CODE) F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) \
	F(INTERFACE_TYPE) N(TUNNEL_TYPE) F(IP_ARRIVAL_INTERFACE) F(ARRIVAL_INTERFACE_INDEX) \
	F(ARRIVAL_INTERFACE_TYPE) N(ARRIVAL_TUNNEL_TYPE) F(FLAGS) F(ARRIVAL_INTERFACE_PROFILE_ID) \
	N(INTERFACE_QUARANTINE_EPOCH) N(COMPARTMENT_ID)

#define FIELDS_OUTBOUND_ICMP_ERROR(F, N) \
	F(IP_LOCAL_ADDRESS) F(IP_REMOTE_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_LOCAL_INTERFACE) \
	F(ICMP_TYPE) F(ICMP_CODE) F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) F(INTERFACE_TYPE) \
	N(TUNNEL_TYPE) F(FLAGS) F(NEXTHOP_INTERFACE_PROFILE_ID) N(INTERFACE_QUARANTINE_EPOCH) \
	N(COMPARTMENT_ID)

#define FIELDS_ALE_ENDPOINT_CLOSURE(F, N) \
	N(ALE_APP_ID) N(ALE_USER_ID) F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_LOCAL_PORT) \
	F(IP_PROTOCOL) F(IP_REMOTE_ADDRESS) F(IP_REMOTE_PORT) F(IP_LOCAL_INTERFACE) F(FLAGS) \
	N(ALE_PACKAGE_ID) N(ALE_SECURITY_ATTRIBUTE_FQBN_VALUE) N(COMPARTMENT_ID)

#define FIELDS_ALE_AUTH_RECV_ACCEPT(F, N) \
	N(ALE_APP_ID) N(ALE_USER_ID) F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_LOCAL_PORT) \
	F(IP_PROTOCOL) F(IP_REMOTE_ADDRESS) F(IP_REMOTE_PORT) N(ALE_REMOTE_USER_ID) \
	N(ALE_REMOTE_MACHINE_ID) F(IP_LOCAL_INTERFACE) F(FLAGS) N(SIO_FIREWALL_SYSTEM_PORT) \
	N(NAP_CONTEXT) F(INTERFACE_TYPE) N(TUNNEL_TYPE) F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) \
	F(IP_ARRIVAL_INTERFACE) F(ARRIVAL_INTERFACE_TYPE) N(ARRIVAL_TUNNEL_TYPE) \
	F(ARRIVAL_INTERFACE_INDEX) F(NEXTHOP_SUB_INTERFACE_INDEX) F(IP_NEXTHOP_INTERFACE) \
	F(NEXTHOP_INTERFACE_TYPE) N(NEXTHOP_TUNNEL_TYPE) F(NEXTHOP_INTERFACE_INDEX) \
	F(ORIGINAL_PROFILE_ID) F(CURRENT_PROFILE_ID) F(REAUTHORIZE_REASON) F(ORIGINAL_ICMP_TYPE) \
	N(INTERFACE_QUARANTINE_EPOCH) N(ALE_PACKAGE_ID) N(ALE_SECURITY_ATTRIBUTE_FQBN_VALUE) \
	N(COMPARTMENT_ID) N(BITMAP_IP_LOCAL_ADDRESS) N(BITMAP_IP_LOCAL_PORT) \
	N(BITMAP_IP_REMOTE_ADDRESS) N(BITMAP_IP_REMOTE_PORT)

#define FIELDS_ALE_AUTH_CONNECT(F, N) \
	N(ALE_APP_ID) N(ALE_USER_ID) F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_LOCAL_PORT) \
	F(IP_PROTOCOL) F(IP_REMOTE_ADDRESS) F(IP_REMOTE_PORT) N(ALE_REMOTE_USER_ID) \
	N(ALE_REMOTE_MACHINE_ID) F(IP_DESTINATION_ADDRESS_TYPE) F(IP_LOCAL_INTERFACE) F(FLAGS) \
	F(INTERFACE_TYPE) N(TUNNEL_TYPE) F(INTERFACE_INDEX) F(SUB_INTERFACE_INDEX) \
	F(IP_ARRIVAL_INTERFACE) F(ARRIVAL_INTERFACE_TYPE) N(ARRIVAL_TUNNEL_TYPE) \
	F(ARRIVAL_INTERFACE_INDEX) F(NEXTHOP_SUB_INTERFACE_INDEX) F(IP_NEXTHOP_INTERFACE) \
	F(NEXTHOP_INTERFACE_TYPE) N(NEXTHOP_TUNNEL_TYPE) F(NEXTHOP_INTERFACE_INDEX) \
	F(ORIGINAL_PROFILE_ID) F(CURRENT_PROFILE_ID) F(REAUTHORIZE_REASON) F(PEER_NAME) \
	F(ORIGINAL_ICMP_TYPE) N(INTERFACE_QUARANTINE_EPOCH) N(ALE_ORIGINAL_APP_ID) \
	N(ALE_PACKAGE_ID) N(ALE_SECURITY_ATTRIBUTE_FQBN_VALUE) N(ALE_EFFECTIVE_NAME) \
	N(COMPARTMENT_ID) N(BITMAP_IP_LOCAL_ADDRESS) N(BITMAP_IP_LOCAL_PORT) \
	N(BITMAP_IP_REMOTE_ADDRESS) N(BITMAP_IP_REMOTE_PORT)

#define FIELDS_ALE_FLOW_ESTABLISHED(F, N) \
	N(ALE_APP_ID) N(ALE_USER_ID) F(IP_LOCAL_ADDRESS) F(IP_LOCAL_ADDRESS_TYPE) F(IP_LOCAL_PORT) \
	F(IP_PROTOCOL) F(IP_REMOTE_ADDRESS) F(IP_REMOTE_PORT) N(ALE_REMOTE_USER_ID) \
	N(ALE_REMOTE_MACHINE_ID) F(IP_DESTINATION_ADDRESS_TYPE) F(IP_LOCAL_INTERFACE) F(DIRECTION) \
	F(INTERFACE_TYPE) N(TUNNEL_TYPE) F(FLAGS) N(ALE_ORIGINAL_APP_ID) N(ALE_PACKAGE_ID) \
	N(ALE_SECURITY_ATTRIBUTE_FQBN_VALUE) N(COMPARTMENT_ID) N(BITMAP_IP_LOCAL_ADDRESS) \
	N(BITMAP_IP_LOCAL_PORT) N(BITMAP_IP_REMOTE_ADDRESS) N(BITMAP_IP_REMOTE_PORT)

#define FIELDS_MAC_FRAME(F, N) \
	F(INTERFACE_MAC_ADDRESS) F(MAC_LOCAL_ADDRESS) F(MAC_REMOTE_ADDRESS) \
	F(MAC_LOCAL_ADDRESS_TYPE) F(MAC_REMOTE_ADDRESS_TYPE) F(ETHER_TYPE) F(VLAN_ID) F(INTERFACE) \
	F(INTERFACE_INDEX) F(NDIS_PORT) F(L2_FLAGS) N(COMPARTMENT_ID)

#define FIELDS_VSWITCH_SOURCE(F, N) \
	N(VSWITCH_TENANT_NETWORK_ID) N(VSWITCH_ID) N(VSWITCH_NETWORK_TYPE) \
	F(VSWITCH_SOURCE_INTERFACE_ID) F(VSWITCH_SOURCE_INTERFACE_TYPE) N(VSWITCH_SOURCE_VM_ID)
#define FIELDS_VSWITCH_DESTINATION(F, N) \
	F(VSWITCH_DESTINATION_INTERFACE_ID) F(VSWITCH_DESTINATION_INTERFACE_TYPE) \
	N(VSWITCH_DESTINATION_VM_ID)
#define FIELDS_VSWITCH_FRAME(F, N) \
	F(MAC_SOURCE_ADDRESS) F(MAC_SOURCE_ADDRESS_TYPE) F(MAC_DESTINATION_ADDRESS) \
	F(MAC_DESTINATION_ADDRESS_TYPE) F(ETHER_TYPE) F(VLAN_ID)
#define FIELDS_VSWITCH_PACKET(F, N) \
	F(IP_SOURCE_ADDRESS) F(IP_DESTINATION_ADDRESS) F(IP_PROTOCOL) F(IP_SOURCE_PORT) \
	F(IP_DESTINATION_PORT) F(VLAN_ID)
#define FIELDS_INGRESS_VSWITCH_ETHERNET(F, N) \
	FIELDS_VSWITCH_FRAME(F, N) FIELDS_VSWITCH_SOURCE(F, N) F(L2_FLAGS) N(COMPARTMENT_ID)
#define FIELDS_EGRESS_VSWITCH_ETHERNET(F, N) \
	FIELDS_VSWITCH_FRAME(F, N) FIELDS_VSWITCH_SOURCE(F, N) FIELDS_VSWITCH_DESTINATION(F, N) \
	F(L2_FLAGS) N(COMPARTMENT_ID)
#define FIELDS_INGRESS_VSWITCH_TRANSPORT(F, N) \
	FIELDS_VSWITCH_PACKET(F, N) FIELDS_VSWITCH_SOURCE(F, N) F(L2_FLAGS) N(COMPARTMENT_ID)
#define FIELDS_EGRESS_VSWITCH_TRANSPORT(F, N) \
	FIELDS_VSWITCH_PACKET(F, N) FIELDS_VSWITCH_SOURCE(F, N) FIELDS_VSWITCH_DESTINATION(F, N) \
	F(L2_FLAGS) N(COMPARTMENT_ID)

/* --- Slots of the automatic weight, most important first (section 3.3). --- */

#define SLOTS_IPPACKET(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_LOCAL_INTERFACE) S(INTERFACE_INDEX) \
	S(X_VLAN_VID) S(FLAGS)
#define SLOTS_IPFORWARD(S) \
	S(IP_DESTINATION_ADDRESS) S(IP_SOURCE_ADDRESS) S(IP_LOCAL_INTERFACE) S(IP_FORWARD_INTERFACE) \
	S(SOURCE_INTERFACE_INDEX) S(DESTINATION_INTERFACE_INDEX) S(X_VLAN_VID) S(FLAGS)
#define SLOTS_TRANSPORT(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) S(IP_PROTOCOL) \
	S(IP_LOCAL_INTERFACE) S(INTERFACE_INDEX) S(X_VLAN_VID) S(FLAGS)
#define SLOTS_STREAM(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) S(DIRECTION) \
	S(FLAGS)
#define SLOTS_STREAM_PACKET(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) \
	S(IP_LOCAL_INTERFACE) S(INTERFACE_INDEX) S(X_VLAN_VID) S(DIRECTION) S(FLAGS)
#define SLOTS_DATAGRAM_DATA(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) S(IP_PROTOCOL) \
	S(IP_LOCAL_INTERFACE) S(INTERFACE_INDEX) S(X_VLAN_VID) S(DIRECTION) S(FLAGS)
#define SLOTS_INBOUND_ICMP_ERROR(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(EMBEDDED_REMOTE_ADDRESS) S(EMBEDDED_REMOTE_PORT) \
	S(EMBEDDED_LOCAL_PORT) S(EMBEDDED_PROTOCOL) S(ICMP_TYPE) S(ICMP_CODE) S(IP_LOCAL_INTERFACE) \
	S(INTERFACE_INDEX) S(X_VLAN_VID) S(FLAGS)
#define SLOTS_OUTBOUND_ICMP_ERROR(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(ICMP_TYPE) S(ICMP_CODE) S(IP_LOCAL_INTERFACE) \
	S(INTERFACE_INDEX) S(X_VLAN_VID) S(FLAGS)
#define SLOTS_ALE_CLOSURE(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) S(IP_PROTOCOL) \
	S(IP_LOCAL_INTERFACE) S(FLAGS)
#define SLOTS_ALE_CONNECT(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) S(IP_PROTOCOL) \
	S(IP_LOCAL_INTERFACE) S(INTERFACE_INDEX) S(X_VLAN_VID) S(PEER_NAME) S(FLAGS)
#define SLOTS_ALE_ESTABLISHED(S) \
	S(IP_REMOTE_ADDRESS) S(IP_LOCAL_ADDRESS) S(IP_REMOTE_PORT) S(IP_LOCAL_PORT) S(IP_PROTOCOL) \
	S(IP_LOCAL_INTERFACE) S(X_VLAN_VID) S(DIRECTION) S(FLAGS)
#define SLOTS_MAC_FRAME(S) \
	S(MAC_REMOTE_ADDRESS) S(MAC_LOCAL_ADDRESS) S(ETHER_TYPE) S(VLAN_ID) S(X_VLAN_VID) \
	S(INTERFACE) S(INTERFACE_INDEX) S(L2_FLAGS)
#define SLOTS_INGRESS_ETHERNET(S) \
	S(MAC_DESTINATION_ADDRESS) S(MAC_SOURCE_ADDRESS) S(ETHER_TYPE) S(VLAN_ID) S(X_VLAN_VID) \
	S(VSWITCH_SOURCE_INTERFACE_ID) S(L2_FLAGS)
#define SLOTS_EGRESS_ETHERNET(S) \
	S(MAC_DESTINATION_ADDRESS) S(MAC_SOURCE_ADDRESS) S(ETHER_TYPE) S(VLAN_ID) S(X_VLAN_VID) \
	S(VSWITCH_SOURCE_INTERFACE_ID) S(VSWITCH_DESTINATION_INTERFACE_ID) S(L2_FLAGS)
#define SLOTS_VSWITCH_TUPLE(S) \
	S(IP_DESTINATION_ADDRESS) S(IP_SOURCE_ADDRESS) S(IP_DESTINATION_PORT) S(IP_SOURCE_PORT) \
	S(IP_PROTOCOL)
#define SLOTS_INGRESS_TRANSPORT(S) \
	SLOTS_VSWITCH_TUPLE(S) S(VSWITCH_SOURCE_INTERFACE_ID) S(VLAN_ID) S(X_VLAN_VID) S(L2_FLAGS)
#define SLOTS_EGRESS_TRANSPORT(S) \
	SLOTS_VSWITCH_TUPLE(S) S(VSWITCH_SOURCE_INTERFACE_ID) S(VSWITCH_DESTINATION_INTERFACE_ID) \
	S(VLAN_ID) S(X_VLAN_VID) S(L2_FLAGS)

/* A v4 prefix length needs 6 bits, a v6 one 8, every other code 3. */
#define S_4(name) {SLUICE_FIELD_##name, TYPE_##name == TYPE_ADDRESS ? 6 : 3},
#define S_6(name) {SLUICE_FIELD_##name, TYPE_##name == TYPE_ADDRESS ? 8 : 3},

/* --- Schemas: fields, extensions and slots, once for each IP version. --- */

#define TABLE(schema, version, fields, extensions, options, slots)                                  \
	static const struct sl_layer_field fields_##schema##_##version[] = {                        \
		fields(F_##version, N_##version) extensions(F_##version, options)};                 \
	static const struct sl_weight_slot slots_##schema##_##version[] = {                         \
		slots(S_##version) S_##version(NONE)};                                              \
	enum {                                                                                      \
		n_fields_##schema##_##version = SL_ARRAY_LEN(fields_##schema##_##version),          \
		n_slots_##schema##_##version = SL_ARRAY_LEN(slots_##schema##_##version)             \
	};
#define IP_SCHEMA(schema, extensions, slots)                                                        \
	TABLE(schema, 4, FIELDS_##schema, extensions, X_IP_OPTIONS, slots)                          \
	TABLE(schema, 6, FIELDS_##schema, extensions, X_IP6_EXTENSION_HEADERS, slots)
/* Below IP nothing depends on the version; the macros of version 4 serve for "0". */
#define F_0 F_4
#define N_0 N_4
#define S_0 S_4
#define MAC_SCHEMA(schema, slots) \
	TABLE(schema, 0, FIELDS_##schema, EXTENSIONS_MAC, NONE, slots)

IP_SCHEMA(INBOUND_IPPACKET, EXTENSIONS_IP, SLOTS_IPPACKET)
IP_SCHEMA(OUTBOUND_IPPACKET, EXTENSIONS_IP, SLOTS_IPPACKET)
IP_SCHEMA(IPFORWARD, EXTENSIONS_IP, SLOTS_IPFORWARD)
IP_SCHEMA(INBOUND_TRANSPORT, EXTENSIONS_TRANSPORT, SLOTS_TRANSPORT)
IP_SCHEMA(OUTBOUND_TRANSPORT, EXTENSIONS_TRANSPORT, SLOTS_TRANSPORT)
IP_SCHEMA(STREAM, EXTENSIONS_FLOW, SLOTS_STREAM)
IP_SCHEMA(DATAGRAM_DATA, EXTENSIONS_FLOW_PACKET, SLOTS_DATAGRAM_DATA)
IP_SCHEMA(STREAM_PACKET, EXTENSIONS_FLOW_PACKET, SLOTS_STREAM_PACKET)
IP_SCHEMA(INBOUND_ICMP_ERROR, EXTENSIONS_TRANSPORT, SLOTS_INBOUND_ICMP_ERROR)
IP_SCHEMA(OUTBOUND_ICMP_ERROR, EXTENSIONS_TRANSPORT, SLOTS_OUTBOUND_ICMP_ERROR)
IP_SCHEMA(ALE_ENDPOINT_CLOSURE, EXTENSIONS_FLOW, SLOTS_ALE_CLOSURE)
IP_SCHEMA(ALE_AUTH_RECV_ACCEPT, EXTENSIONS_FLOW_PACKET, SLOTS_TRANSPORT)
IP_SCHEMA(ALE_AUTH_CONNECT, EXTENSIONS_FLOW_PACKET, SLOTS_ALE_CONNECT)
IP_SCHEMA(ALE_FLOW_ESTABLISHED, EXTENSIONS_FLOW_PACKET, SLOTS_ALE_ESTABLISHED)
IP_SCHEMA(INGRESS_VSWITCH_TRANSPORT, EXTENSIONS_TRANSPORT, SLOTS_INGRESS_TRANSPORT)
IP_SCHEMA(EGRESS_VSWITCH_TRANSPORT, EXTENSIONS_TRANSPORT, SLOTS_EGRESS_TRANSPORT)
MAC_SCHEMA(MAC_FRAME, SLOTS_MAC_FRAME)
MAC_SCHEMA(INGRESS_VSWITCH_ETHERNET, SLOTS_INGRESS_ETHERNET)
MAC_SCHEMA(EGRESS_VSWITCH_ETHERNET, SLOTS_EGRESS_ETHERNET)

#define fields_NONE_0 NULL
#define fields_NONE_4 NULL
#define fields_NONE_6 NULL
#define slots_NONE_0 NULL
#define slots_NONE_4 NULL
#define slots_NONE_6 NULL
enum {
	n_fields_NONE_0 = 0, n_fields_NONE_4 = 0, n_fields_NONE_6 = 0,
	n_slots_NONE_0 = 0, n_slots_NONE_4 = 0, n_slots_NONE_6 = 0
};

/* --- What each layer sees, for its operators. --- */

#define WHY_INBOUND_IPPACKET(id) "every IP packet and every fragment from outside to inside, before reassembly"
#define WHY_OUTBOUND_IPPACKET(id) "every IP packet and every fragment from inside to outside, as the last IP layer"
#define WHY_IPFORWARD(id) "every IP packet in either direction, by source and destination instead of local and remote"
#define WHY_INBOUND_TRANSPORT(id) "every packet from outside to inside with its transport header; later fragments have no ports"
#define WHY_OUTBOUND_TRANSPORT(id) "every packet from inside to outside with its transport header; later fragments have no ports"
#define WHY_INBOUND_ICMP_ERROR(id) "ICMP errors from outside about a packet of an inside host"
#define WHY_OUTBOUND_ICMP_ERROR(id) "ICMP errors that an inside host sends"
#define WHY_MAC_FRAME(id) "every Ethernet frame in one direction, IP or not, by local and remote MAC address"
#define WHY_INGRESS_VSWITCH_ETHERNET(id) "every Ethernet frame a port receives, by source and destination MAC address"
#define WHY_EGRESS_VSWITCH_ETHERNET(id) "every Ethernet frame about to leave by a port, by source and destination MAC address"
#define WHY_INGRESS_VSWITCH_TRANSPORT(id) "every IP packet a port receives, by source and destination"
#define WHY_EGRESS_VSWITCH_TRANSPORT(id) "every IP packet about to leave by a port, by source and destination"
#define WHY_STREAM(id) "the reassembled TCP byte stream of a flow; needs flow state, which this version does not keep"
#define WHY_DATAGRAM_DATA(id) "every datagram of a flow; needs flow state, which this version does not keep"
#define WHY_STREAM_PACKET(id) "every TCP packet of a flow; needs flow state, which this version does not keep"
#define WHY_ALE_AUTH_CONNECT(id) "the first packet of a flow opened from inside; needs flow state, which this version does not keep"
#define WHY_ALE_AUTH_RECV_ACCEPT(id) "the first packet of a flow opened from outside; needs flow state, which this version does not keep"
#define WHY_ALE_FLOW_ESTABLISHED(id) "a flow that has just been established; needs flow state, which this version does not keep"
#define WHY_ALE_ENDPOINT_CLOSURE(id) "a flow that has just ended; needs flow state, which this version does not keep"
#define WHY_DISCARD "what its parent layer blocked, with the same fields; a block here suppresses the reply to the sender"
#define WHY_NONE(id)                                                                                \
	((id) == SLUICE_LAYER_INBOUND_MAC_FRAME_NATIVE || (id) == SLUICE_LAYER_OUTBOUND_MAC_FRAME_NATIVE \
			? "only Ethernet reaches the appliance: use inbound_ or outbound_mac_frame_ethernet"    \
			: (id) == SLUICE_LAYER_NAME_RESOLUTION_CACHE_V4 ||                                      \
				(id) == SLUICE_LAYER_NAME_RESOLUTION_CACHE_V6                                   \
			? "names are resolved by hosts; a wire has no name cache"                               \
			: "it is about sockets of a host; a wire has none")

/* --- The layers. --- */

/* Ids by name, so that the twin's column can be looked at: a layer, NONE or SELF. */
enum {
	ID_NONE = -1,
	ID_SELF = -2,
#define X(name, text, id, version, schema, status, orientation, twin) ID_##name = (id),
#include "sdk/sluice_layers.def"
#undef X
};

static const struct sl_layer layers[SLUICE_LAYER_COUNT] = {
#define X(layer, text, number, version, schema, state, direction, other)                            \
	[number] = {.id = SLUICE_LAYER_##layer,                                                     \
		.name = text,                                                                       \
		.ip_version = version,                                                              \
		.status = SL_LAYER_##state,                                                         \
		.orientation = SL_ORIENTATION_##direction,                                          \
		.is_discard = ID_##other == ID_SELF,                                                \
		.twin = ID_##other >= 0 ? &layers[ID_##other < 0 ? 0 : ID_##other] : NULL,          \
		.fields = fields_##schema##_##version,                                              \
		.n_fields = n_fields_##schema##_##version,                                          \
		.weight_slots = slots_##schema##_##version,                                         \
		.n_weight_slots = n_slots_##schema##_##version,                                     \
		.why = ID_##other == ID_SELF && (SL_LAYER_##state) == SL_LAYER_WORKING              \
			? WHY_DISCARD                                                               \
			: WHY_##schema(SLUICE_LAYER_##layer)},
#include "sdk/sluice_layers.def"
#undef X
};

static const struct sl_layer *const in_order[] = {
#define X(name, text, id, version, schema, status, orientation, twin) &layers[id],
#include "sdk/sluice_layers.def"
#undef X
};

/* clang-format on */

const struct sl_layer *
sl_layer_by_id(enum sluice_layer id)
{
	if ((unsigned int)id >= SLUICE_LAYER_COUNT || layers[id].name == NULL)
		return NULL;
	return &layers[id];
}

const struct sl_layer *const *
sl_layer_list(uint32_t *n)
{
	*n = SL_ARRAY_LEN(in_order);
	return in_order;
}
