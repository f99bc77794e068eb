/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_FAST_RUN_H
#define SL_PACKET_FAST_RUN_H

/*
 * The fast path: a whole TCP segment or UDP datagram in untagged Ethernet and IPv4 without options.
 *
 * Why.   Nearly every packet is one, and nearly everything about it is a constant: which slots are
 *        present, where the headers are.  One pass checks, a second writes in the order of the
 *        structure, so that stores combine.
 * Rule.  It takes a packet only when it is sure that the full parser finds no fault and writes the same;
 *        everything else, every fault included, is the full parser's.
 */

#include "packet/ip4_run.h"
#include "packet/transport_run.h"

#define SL_FAST_L3  14u
#define SL_FAST_L4  34u
#define SL_FAST_UDP 42u /* bytes of the headers */
#define SL_FAST_TCP 54u

#define SL_FAST_PRESENT                                                                           \
	(SL_IP4_FIXED_PRESENT | SL_PRESENT(IP_OPTIONS) | SL_PORTS_PRESENT | SL_PRESENT(MAC_SRC) | \
		SL_PRESENT(MAC_DST) | SL_PRESENT(MAC_SRC_TYPE) | SL_PRESENT(MAC_DST_TYPE) |       \
		SL_PRESENT(ETHER_TYPE) | SL_PRESENT(L2_FLAGS) | SL_PRESENT(SUB_INTERFACE))

/* Members that one store writes together. */
_Static_assert(offsetof(struct sl_meta, ip4_dst) == offsetof(struct sl_meta, ip4_src) + 4, "pair");
_Static_assert(offsetof(struct sl_meta, mac_src) == offsetof(struct sl_meta, mac_dst) + 6, "pair");

/* Lengths and the slots that depend on the protocol, of a datagram too short for what is below; false when it is not whole. */
static SL_ALWAYS_INLINE bool
sl_fast_udp(const struct sl_frame *frame, uint32_t total, struct sl_meta *meta)
{
	const uint8_t *udp = frame->bytes + SL_FAST_L4;
	uint32_t length = sl_be16(udp + 4);

	if (length < SL_UDP_SIZE || length > total - SL_IP4_SIZE)
		return false;
	if (SL_UNLIKELY(sl_udp_is_tunnel(sl_be16(udp + 2))))
		meta->meta_flags |= SL_META_IS_TUNNEL;
	meta->tcp_flags = 0;
	meta->l4_len = SL_UDP_SIZE;
	meta->payload_offset = SL_FAST_UDP;
	meta->payload_len = length - SL_UDP_SIZE;
	return true;
}

/* True for well-formed options; those of a connection with timestamps are known by sight. */
static SL_ALWAYS_INLINE bool
sl_fast_tcp_options(const uint8_t *options, uint32_t size)
{
	static const uint8_t timestamp[4] = {1, 1, 8, 10};

	if (size == 0 || (size == 12 && memcmp(options, timestamp, sizeof(timestamp)) == 0))
		return true;
	return sl_parse_tcp_options(options, size);
}

/* What TCP and UDP have in common. */
struct sl_fast_transport {
	uint32_t tcp;     /* a mask: all ones for TCP, 0 for UDP */
	uint32_t size;    /* bytes of the header */
	uint32_t payload; /* bytes behind it */
};

/*
 * Lengths of a packet of which SL_FAST_TCP bytes are readable.  TCP and UDP come mixed, and a
 * branch that asks which it is would be guessed wrong half the time, which costs as much as all the rest.  So a mask
 * chooses, and it is hidden from the compiler, which would make branches of it.
 */
static SL_ALWAYS_INLINE bool
sl_fast_transport(const struct sl_frame *frame, uint32_t total, struct sl_fast_transport *out)
{
	const uint32_t taken = 1u << SL_PROTOCOL_TCP | 1u << SL_PROTOCOL_UDP;
	const uint8_t *l4 = frame->bytes + SL_FAST_L4;
	const uint32_t protocol = frame->bytes[SL_FAST_L3 + 9];
	const uint32_t segment = total - SL_IP4_SIZE;
	uint32_t tcp = 0u - (uint32_t)(protocol == SL_PROTOCOL_TCP);
	uint32_t end, size, size_min;

	__asm__("" : "+r"(tcp));
	end = (segment & tcp) | (sl_be16(l4 + 4) & ~tcp);
	size = ((l4[12] >> 4) * 4u & tcp) | (SL_UDP_SIZE & ~tcp);
	size_min = (SL_TCP_SIZE & tcp) | (SL_UDP_SIZE & ~tcp);
	*out = (struct sl_fast_transport){.tcp = tcp, .size = size, .payload = end - size};
	if (SL_UNLIKELY((protocol > 31) | (~taken >> (protocol & 31) & 1) | (end > segment) |
		    (size > end) | (size < size_min) | (size > frame->contiguous - SL_FAST_L4)))
		return false;
	return SL_LIKELY(size <= SL_TCP_SIZE) ||
		sl_fast_tcp_options(l4 + SL_TCP_SIZE, size - SL_TCP_SIZE);
}

static SL_ALWAYS_INLINE bool
sl_fast_tcp_or_udp(const struct sl_frame *frame, uint32_t total, struct sl_meta *meta)
{
	const uint8_t *l4 = frame->bytes + SL_FAST_L4;
	struct sl_fast_transport transport;

	if (SL_UNLIKELY(!sl_fast_transport(frame, total, &transport)))
		return false;
	if (SL_UNLIKELY(sl_udp_is_tunnel(sl_be16(l4 + 2))) && transport.tcp == 0)
		meta->meta_flags |= SL_META_IS_TUNNEL;
	meta->tcp_flags = (uint8_t)(l4[13] & transport.tcp);
	meta->present |= (uint64_t)(transport.tcp & 1) << SL_SLOT_TCP_FLAGS;
	meta->l4_len = (uint16_t)transport.size;
	meta->payload_offset = (uint16_t)(SL_FAST_L4 + transport.size);
	meta->payload_len = transport.payload;
	return true;
}

/* The total length of an IPv4 packet of the kind that this path takes, 0 for any other. */
static SL_ALWAYS_INLINE uint32_t
sl_fast_ip_total(const struct sl_frame *frame)
{
	static const uint8_t type_and_version[3] = {0x08, 0x00, 0x45};
	const uint8_t *bytes = frame->bytes, *ip = bytes + SL_FAST_L3;
	uint32_t total;
	uint64_t sum;

	if (SL_UNLIKELY(frame->contiguous < SL_FAST_UDP || frame->length < SL_FAST_UDP))
		return 0;
	if (SL_UNLIKELY(memcmp(bytes + 12, type_and_version, sizeof(type_and_version)) != 0))
		return 0;
	if (SL_UNLIKELY((sl_be16(ip + 6) & 0x3fff) != 0))
		return 0;
	total = sl_be16(ip + 2);
	if (total < SL_IP4_SIZE + SL_UDP_SIZE || total > frame->length - SL_FAST_L3)
		return 0;
	sum = (uint64_t)sl_ip4_word(ip) + sl_ip4_word(ip + 4) + sl_ip4_word(ip + 8) +
		sl_ip4_word(ip + 12) + sl_ip4_word(ip + 16);
	return SL_LIKELY(sl_ip4_sum_is_good(sum)) ? total : 0;
}

static SL_ALWAYS_INLINE void
sl_fast_put_link(const struct sl_frame *frame, struct sl_meta *meta)
{
	const uint8_t *bytes = frame->bytes;

	memcpy((uint8_t *)meta + offsetof(struct sl_meta, mac_dst), bytes, 12);
	meta->mac_dst_type = sl_mac_address_type(bytes);
	meta->mac_src_type = sl_mac_address_type(bytes + 6);
	meta->l2_flags = SLUICE_L2_FLAG_NATIVE_ETHERNET | SLUICE_L2_FLAG_IF_CONNECTOR_PRESENT;
	meta->ether_type = SL_ETHER_TYPE_IP4;
	meta->vlan_tci = 0;
	meta->vlan_vid = 0;
	meta->vlan_n = 0;
	meta->sub_interface = 0;
	meta->l3_offset = SL_FAST_L3;
	meta->l4_offset = SL_FAST_L4;
	meta->frame_len = frame->length;
}

static SL_ALWAYS_INLINE void
sl_fast_put_ip(const uint8_t *ip, uint32_t total, struct sl_meta *meta)
{
	uint64_t addresses;
	uint32_t src, dst;

	/* Both in one go: swapped whole they come out in the wrong order. */
	memcpy(&addresses, ip + 12, sizeof(addresses));
	addresses = __builtin_bswap64(addresses);
	src = (uint32_t)(addresses >> 32);
	dst = (uint32_t)addresses;
	addresses = (uint64_t)dst << 32 | src;
	memcpy((uint8_t *)meta + offsetof(struct sl_meta, ip4_src), &addresses, sizeof(addresses));
	meta->src_address_type = sl_ip4_address_type(src);
	meta->dst_address_type = sl_ip4_address_type(dst);
	meta->protocol = ip[9];
	meta->ttl = ip[8];
	meta->dscp = ip[1] >> 2;
	meta->flags_ip = 0;
	meta->flags_transport = 0;
	meta->packet_length = total;
	meta->ip_options = 0;
	meta->ip6_extensions = 0;
	meta->icmp_id = 0;
	meta->icmp_sequence = 0;
	meta->frag_offset = 0;
	meta->frag_id = sl_be16(ip + 4);
	meta->ip_version = 4;
	meta->ip6_header_n = 0;
	meta->reason = SL_REASON_NONE;
	meta->meta_flags = SL_META_HAS_ETHERNET | (ip[6] & 0x40 ? SL_META_DONT_FRAGMENT : 0);
	meta->flow = (struct sl_meta_flow){.id = 0};
}

/* Parses the packet, or returns false and leaves it to the full parser, which writes everything. */
static SL_ALWAYS_INLINE bool
sl_parse_fast(const struct sl_frame *frame, struct sl_meta *meta)
{
	const struct sl_frame copy = *frame; /* what is written through `meta` cannot change it */
	const uint8_t *ip = copy.bytes + SL_FAST_L3;
	uint32_t total = sl_fast_ip_total(&copy);

	if (total == 0)
		return false;
	meta->present = (meta->present & SL_PRESENT_PORTS) | SL_FAST_PRESENT;
	sl_fast_put_ip(ip, total, meta);
	sl_fast_put_link(&copy, meta);
	sl_meta_put_ports(meta, sl_be32(copy.bytes + SL_FAST_L4));
	if (SL_LIKELY(copy.contiguous >= SL_FAST_TCP))
		return sl_fast_tcp_or_udp(&copy, total, meta);
	/* Nobody padded it; a TCP header does not fit. */
	return ip[9] == SL_PROTOCOL_UDP && sl_fast_udp(&copy, total, meta);
}

#endif
