/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_META_H
#define SL_CLASSIFIER_META_H

/*
 * Classify metadata: every value of one packet that a filter can test, at fixed offsets.
 *
 * Why.     All layers that a packet visits read the same structure; nothing is copied per layer.
 *          Which member a layer's field means depends only on the layer (local is the destination
 *          at inbound layers, the source at outbound ones), so the compiler turns a field into an
 *          offset.
 * EMPTY.   `present` has a bit per slot; a slot whose bit is clear is EMPTY whatever its bytes
 *          hold, and the bytes may be left over from an earlier packet.
 * Order.   Numbers are host order; IPv6 and MAC addresses are network-order bytes.
 * Threads. Owned by one worker.
 */

#include "base/sl_compiler.h"
#include "classifier/sl_reason.h"
#include "policy/sl_layer.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A constant string of bytes, such as a port's name. */
struct sl_blob {
	const uint8_t *bytes;
	uint32_t len;
};

/* What a slot holds. Numbers are unsigned, of the given width in bytes. */
enum sl_slot_kind {
	SL_SLOT_KIND_NUMBER, /* 1, 2, 4 or 8 bytes, host order */
	SL_SLOT_KIND_BYTES,  /* 6 or 16 bytes */
	SL_SLOT_KIND_BLOB    /* pointer to struct sl_blob */
};

/*
 * Constants of the two ports a packet passes; set once per link and direction.  sl_meta_setup fills the
 * outside_ numbers, which are those of whichever port is the outside one.
 */
struct sl_meta_ports {
	uint64_t arrival_luid; /* equal to the index */
	uint64_t nexthop_luid;
	uint64_t outside_luid;
	uint32_t arrival_index; /* from 1; link i has 2i+1 inside and 2i+2 outside */
	uint32_t nexthop_index;
	uint32_t outside_index;
	uint32_t interface_type;  /* 6: Ethernet */
	uint32_t arrival_profile; /* zone number of the port; 0: none */
	uint32_t nexthop_profile;
	uint32_t outside_profile;
	uint32_t ndis_port;             /* 0: an Ethernet port has no ports of its own */
	uint8_t vswitch_interface_type; /* 0 */
	uint8_t outside_mac[6];         /* MAC address of the outside port */
	uint8_t reserved;
	const struct sl_blob *arrival_name; /* port name */
	const struct sl_blob *nexthop_name;
};

/*
 * The slots: X(NAME, member, KIND, bytes).  At most 64.  Slots of one group are present together;
 * see lib/packet for which packets have which.
 */
#define SL_META_SLOTS(X)                                                     \
	X(IP4_SRC, ip4_src, NUMBER, 4)                                       \
	X(IP4_DST, ip4_dst, NUMBER, 4)                                       \
	X(IP6_SRC, ip6_src, BYTES, 16)                                       \
	X(IP6_DST, ip6_dst, BYTES, 16)                                       \
	X(PROTOCOL, protocol, NUMBER, 1)                                     \
	X(SRC_PORT, src_port, NUMBER, 2)                                     \
	X(DST_PORT, dst_port, NUMBER, 2)                                     \
	X(LOCAL_PORT, local_port, NUMBER, 2)                                 \
	X(REMOTE_PORT, remote_port, NUMBER, 2)                               \
	X(ICMP_TYPE, icmp_type, NUMBER, 2)                                   \
	X(ICMP_CODE, icmp_code, NUMBER, 2)                                   \
	X(TCP_FLAGS, tcp_flags, NUMBER, 1)                                   \
	X(DSCP, dscp, NUMBER, 1)                                             \
	X(TTL, ttl, NUMBER, 1)                                               \
	X(PACKET_LENGTH, packet_length, NUMBER, 4)                           \
	X(IP_OPTIONS, ip_options, NUMBER, 4)                                 \
	X(IP6_EXTENSIONS, ip6_extensions, NUMBER, 4)                         \
	X(FLAGS_IP, flags_ip, NUMBER, 4)                                     \
	X(FLAGS_TRANSPORT, flags_transport, NUMBER, 4)                       \
	X(SRC_ADDRESS_TYPE, src_address_type, NUMBER, 1)                     \
	X(DST_ADDRESS_TYPE, dst_address_type, NUMBER, 1)                     \
	X(EMB_PROTOCOL, emb_protocol, NUMBER, 1)                             \
	X(EMB_IP4_REMOTE, emb_ip4_remote, NUMBER, 4)                         \
	X(EMB_IP6_REMOTE, emb_ip6_remote, BYTES, 16)                         \
	X(EMB_LOCAL_ADDRESS_TYPE, emb_local_address_type, NUMBER, 1)         \
	X(EMB_LOCAL_PORT, emb_local_port, NUMBER, 2)                         \
	X(EMB_REMOTE_PORT, emb_remote_port, NUMBER, 2)                       \
	X(MAC_SRC, mac_src, BYTES, 6)                                        \
	X(MAC_DST, mac_dst, BYTES, 6)                                        \
	X(MAC_SRC_TYPE, mac_src_type, NUMBER, 1)                             \
	X(MAC_DST_TYPE, mac_dst_type, NUMBER, 1)                             \
	X(ETHER_TYPE, ether_type, NUMBER, 2)                                 \
	X(VLAN_TCI, vlan_tci, NUMBER, 2)                                     \
	X(VLAN_VID, vlan_vid, NUMBER, 2)                                     \
	X(L2_FLAGS, l2_flags, NUMBER, 4)                                     \
	X(SUB_INTERFACE, sub_interface, NUMBER, 4)                           \
	X(DIRECTION, direction, NUMBER, 4)                                   \
	X(ARRIVAL_LUID, ports.arrival_luid, NUMBER, 8)                       \
	X(NEXTHOP_LUID, ports.nexthop_luid, NUMBER, 8)                       \
	X(ARRIVAL_INDEX, ports.arrival_index, NUMBER, 4)                     \
	X(NEXTHOP_INDEX, ports.nexthop_index, NUMBER, 4)                     \
	X(INTERFACE_TYPE, ports.interface_type, NUMBER, 4)                   \
	X(ARRIVAL_PROFILE, ports.arrival_profile, NUMBER, 4)                 \
	X(NEXTHOP_PROFILE, ports.nexthop_profile, NUMBER, 4)                 \
	X(NDIS_PORT, ports.ndis_port, NUMBER, 4)                             \
	X(VSWITCH_IF_TYPE, ports.vswitch_interface_type, NUMBER, 1)          \
	X(OUTSIDE_MAC, ports.outside_mac, BYTES, 6)                          \
	X(ARRIVAL_NAME, ports.arrival_name, BLOB, 8)                         \
	X(NEXTHOP_NAME, ports.nexthop_name, BLOB, 8)                         \
	/* Layers with flow state; see struct sl_meta_flow. */               \
	X(FLAGS_FLOW, flow.flags, NUMBER, 4)                                 \
	X(CONNECTION_DIRECTION, flow.direction, NUMBER, 4)                   \
	X(REAUTHORIZE_REASON, flow.reauthorize_reason, NUMBER, 4)            \
	X(ORIGINAL_ICMP_TYPE, flow.original_icmp_type, NUMBER, 2)            \
	X(MIDSTREAM, flow.is_midstream, NUMBER, 1)                           \
	X(OUTSIDE_LUID, ports.outside_luid, NUMBER, 8)                       \
	X(OUTSIDE_INDEX, ports.outside_index, NUMBER, 4)                     \
	X(OUTSIDE_PROFILE, ports.outside_profile, NUMBER, 4)                 \
	/* The same members as without ALE, with a presence of their own. */ \
	X(ALE_ARRIVAL_LUID, ports.arrival_luid, NUMBER, 8)                   \
	X(ALE_ARRIVAL_INDEX, ports.arrival_index, NUMBER, 4)                 \
	X(ALE_NEXTHOP_LUID, ports.nexthop_luid, NUMBER, 8)                   \
	X(ALE_NEXTHOP_INDEX, ports.nexthop_index, NUMBER, 4)                 \
	X(ALE_NEXTHOP_SUB_INTERFACE, sub_interface, NUMBER, 4)

enum sl_slot {
#define X(name, member, kind, bytes) SL_SLOT_##name,
	SL_META_SLOTS(X)
#undef X
	SL_SLOT_COUNT,
	SL_SLOT_NONE = 0xff /* the field never has a value: always EMPTY */
};

_Static_assert(SL_SLOT_COUNT <= 64, "the presence mask has 64 bits");

#define SL_PRESENT(name) ((uint64_t)1 << SL_SLOT_##name)

/* Slots whose values are constants of the link and direction; set by sl_meta_setup. */
#define SL_PRESENT_PORTS                                                                           \
	(SL_PRESENT(DIRECTION) | SL_PRESENT(ARRIVAL_LUID) | SL_PRESENT(NEXTHOP_LUID) |             \
		SL_PRESENT(ARRIVAL_INDEX) | SL_PRESENT(NEXTHOP_INDEX) |                            \
		SL_PRESENT(INTERFACE_TYPE) | SL_PRESENT(ARRIVAL_PROFILE) |                         \
		SL_PRESENT(NEXTHOP_PROFILE) | SL_PRESENT(NDIS_PORT) |                              \
		SL_PRESENT(VSWITCH_IF_TYPE) | SL_PRESENT(OUTSIDE_MAC) | SL_PRESENT(ARRIVAL_NAME) | \
		SL_PRESENT(NEXTHOP_NAME) | SL_PRESENT(OUTSIDE_LUID) | SL_PRESENT(OUTSIDE_INDEX) |  \
		SL_PRESENT(OUTSIDE_PROFILE))

#define SL_META_VLANS_MAX 4 /* tags kept; more are counted */

/* What the parser found besides matchable values. */
enum sl_meta_flag {
	SL_META_IS_FRAGMENT = 0x01,    /* fragment offset or more-fragments set */
	SL_META_LATER_FRAGMENT = 0x02, /* fragment offset not zero: no transport header */
	SL_META_IS_ICMP_ERROR = 0x04,  /* an ICMP or ICMPv6 error message */
	SL_META_HAS_ETHERNET = 0x08,   /* the frame has an Ethernet header */
	SL_META_MORE_FRAGMENTS = 0x10,
	SL_META_DONT_FRAGMENT = 0x20,
	/* GRE, IPIP, VXLAN, GENEVE, MPLS, PPPoE: seen by its outer headers only. */
	SL_META_IS_TUNNEL = 0x40
};

/*
 * What layers with flow state see of a packet's flow.  The slots are present only while such a layer is visited;
 * who visits it sets and clears them (sl_pipeline's flow files).
 *
 * The ALE_ARRIVAL slots are EMPTY on a reauthorisation that an outbound packet triggered, the ALE_NEXTHOP slots
 * on one that an inbound packet did (WFP section 7.5).
 */
struct sl_meta_flow {
	uint64_t id;                 /* 0: no flow */
	void *entry;                 /* struct sl_flow; NULL: none */
	uint32_t flags;              /* condition flags at these layers (WFP section 2.5) */
	uint32_t direction;          /* enum sluice_direction: who opened the connection */
	uint32_t reauthorize_reason; /* WFP section 2.7 */
	uint16_t original_icmp_type; /* of the packet that opened the flow */
	uint8_t is_midstream;        /* 1: picked up without its handshake */
	uint8_t is_mirrored; /* source and destination have been exchanged, see sl_meta_mirror */
};

struct sl_meta {
	uint64_t present; /* bit SL_SLOT_x: the slot has a value */

	/* IP. One of the two address pairs is valid, as ip_version says. */
	union {
		struct {
			uint32_t ip4_src;
			uint32_t ip4_dst;
		};
		struct {
			uint8_t ip6_src[16];
			uint8_t ip6_dst[16];
		};
	};
	/*
	 * For ICMP and ICMPv6 local_port is the type and remote_port the code at every layer, and
	 * src_port and dst_port likewise (WFP section 1.5, traps).
	 */
	uint16_t src_port;
	uint16_t dst_port;
	uint16_t local_port;
	uint16_t remote_port;
	uint8_t protocol; /* IPv4 protocol; IPv6: the last next-header of the chain */
	uint8_t ttl;
	uint8_t dscp;
	uint8_t tcp_flags; /* FIN 1 .. CWR 0x80 */
	uint8_t src_address_type;
	uint8_t dst_address_type;
	uint8_t mac_src_type;
	uint8_t mac_dst_type;
	uint32_t flags_ip;        /* condition flags at IP packet and forward layers */
	uint32_t flags_transport; /* condition flags at transport layers */
	uint32_t packet_length;   /* IPv4 total length; IPv6: 40 + payload length */
	uint32_t ip_options;      /* SLUICE_IP_OPTION_* */
	uint32_t ip6_extensions;  /* SLUICE_IP6_EXT_* */

	/* Link layer. */
	uint32_t l2_flags;
	uint8_t mac_dst[6];
	uint8_t mac_src[6];
	uint16_t ether_type; /* behind the VLAN tags; EMPTY in 802.3 frames, which have a length */
	uint16_t vlan_tci;   /* outermost tag, whole */
	uint16_t vlan_vid;   /* outermost tag, 12 bits */
	uint16_t vlan_n;     /* tags in the frame */
	uint32_t sub_interface; /* outermost VID, 0 when untagged */

	/* Where things are, in bytes from the frame's first; valid as far as parsing came. */
	uint16_t l3_offset;
	uint16_t l4_offset;
	uint16_t l4_len;         /* bytes of the transport header */
	uint16_t payload_offset; /* first byte behind the last parsed header */
	uint32_t payload_len;    /* bytes of IP payload behind the transport header, no padding */

	/* ICMP errors: the embedded packet, oriented as the protected host sees it. */
	uint16_t icmp_type;
	uint16_t icmp_code;
	uint16_t emb_local_port;
	uint16_t emb_remote_port;
	uint8_t emb_protocol;
	uint8_t emb_local_address_type;
	uint16_t icmp_id; /* echo */
	union {
		uint32_t emb_ip4_remote;
		uint8_t emb_ip6_remote[16];
	};
	uint16_t icmp_sequence;

	/* Not matchable. */
	uint16_t frag_offset; /* bytes */
	uint32_t frag_id;
	uint16_t vlan_stack[SL_META_VLANS_MAX]; /* TCIs, outermost first */
	uint8_t ip_version;                     /* 4, 6, 0: not IP */
	uint8_t reason; /* enum sl_reason: why the parser refuses the packet; NONE: it does not */
	uint8_t meta_flags;   /* enum sl_meta_flag */
	uint8_t ip6_header_n; /* extension headers passed */
	uint32_t frame_len;   /* bytes on the wire, without FCS */

	struct sl_meta_flow flow;
	uint32_t direction; /* enum sluice_direction of the packet */
	/* ICMP errors: where four bytes of the embedded transport header are; 0: nowhere. */
	uint16_t emb_l4_offset;
	struct sl_meta_ports ports;
} SL_CACHE_ALIGNED;

/*
 * Makes a structure ready for packets of one link and direction.  Once, before packets.  A name
 * that is NULL is EMPTY; names must outlive the structure.
 */
void sl_meta_setup(
	struct sl_meta *meta, enum sluice_direction direction, const struct sl_meta_ports *ports);

/*
 * Exchanges source and destination: addresses, their types, ports; twice is as before.  At layers whose name
 * says no direction (stream packet, datagram data, flow established, closure) and at recv accept local is the
 * destination, at connect the source; whoever visits one with a packet that goes the other way mirrors it
 * before and after.  local_port and remote_port stay what they are.  Packet time.
 */
void sl_meta_mirror(struct sl_meta *meta);

/* --- Slots as data. --- */

struct sl_slot_info {
	uint16_t offset; /* in struct sl_meta */
	uint8_t size;    /* bytes */
	uint8_t kind;    /* enum sl_slot_kind */
};

extern const struct sl_slot_info sl_slot_info[SL_SLOT_COUNT];

/*
 * The slot of a layer's field, or SL_SLOT_NONE when it never has a value there.  Interfaces without
 * a side of their own in the name are the port towards the outside: the one of arrival at inbound
 * layers, the next hop at outbound ones, either at layers with flow state, as their packets may go both
 * ways; at forward layers the one of arrival.
 */
enum sl_slot sl_meta_slot(const struct sl_layer *layer, enum sluice_field field);

static inline bool
sl_meta_has(const struct sl_meta *meta, enum sl_slot slot)
{
	return slot < SL_SLOT_COUNT && (meta->present >> slot & 1);
}

/* The number in a NUMBER slot, whether present or not. */
static inline uint64_t
sl_meta_number(const struct sl_meta *meta, enum sl_slot slot)
{
	const uint8_t *at = (const uint8_t *)meta + sl_slot_info[slot].offset;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (sl_slot_info[slot].size) {
	case 1:
		return *at;
	case 2:
		memcpy(&u16, at, sizeof(u16));
		return u16;
	case 4:
		memcpy(&u32, at, sizeof(u32));
		return u32;
	default:
		memcpy(&u64, at, sizeof(u64));
		return u64;
	}
}

#endif
