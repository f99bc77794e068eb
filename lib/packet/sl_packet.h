/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_PACKET_H
#define SL_PACKET_PACKET_H

/*
 * The parser: bytes to classify metadata.
 *
 * What.    Ethernet II, 802.3/LLC/SNAP, VLAN tags, ARP, IPv4 with options, IPv6 with extension headers,
 *          fragments, TCP, UDP, SCTP, ICMP, ICMPv6 and the packet embedded in ICMP errors.  Tunnels are
 *          recognised and described by their outer headers.
 * Trust.   Every length is checked before it is read.  A packet with a fault gets the name of its first
 *          fault in `meta->reason`.  Where the fault leaves no doubt about what follows (a wrong
 *          checksum, a routing header of type 0) the parser goes on, so that reports can name the
 *          ports; otherwise it stops, and what was found before keeps its slot.
 * Length.  The IP length decides what belongs to a packet.  Bytes behind it are link-layer padding:
 *          never payload, never looked at.
 * Window.  Headers are looked for in the bytes that the caller presents as contiguous memory, up to
 *          SL_PACKET_HEADERS_MAX; `length` may be greater than what is contiguous.
 * Threads. Packet time, any worker; pure functions, no state.
 */

#include "classifier/sl_meta.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_PACKET_WINDOW 2048u /* bytes of a packet that the caller presents at least */
#define SL_PACKET_HEADERS_MAX \
	4096u                  /* bytes that headers may take: the longest extension and more */
#define SL_PACKET_VLANS_MAX 8u /* more tags are refused */

enum sl_link_type {
	SL_LINK_ETHERNET,
	SL_LINK_IP,   /* no link-layer header: the first byte is that of an IP header */
	SL_LINK_SLL,  /* Linux cooked capture: 16 bytes, the type in the last two */
	SL_LINK_SLL2, /* Linux cooked capture v2: 20 bytes, the type in the first two */
	SL_LINK_COUNT
};

/* One received packet. */
struct sl_frame {
	const uint8_t *bytes;
	uint32_t contiguous; /* bytes readable at `bytes`: at least min(length, SL_PACKET_WINDOW) */
	uint32_t length;     /* bytes on the wire, without FCS */
	void *owner;         /* the caller's: an mbuf, a capture record */
	uint32_t flags;      /* enum sl_frame_flag */
};

enum sl_frame_flag {
	/* A fragment that another worker has shown to the layers of single fragments and handed over. */
	SL_FRAME_VIEWED = 0x1,
	/*
	 * The device has verified the transport checksum, or knows that its place in the packet is not filled in yet
	 * although the data are sound: nothing is to be learnt from the bytes.
	 */
	SL_FRAME_CHECKED = 0x2,
	/* The device has found the transport checksum to be wrong. */
	SL_FRAME_CORRUPT = 0x4,
	/* `bytes` are a copy that is gone when the burst is over: such a frame cannot be held to be judged later. */
	SL_FRAME_COPY = 0x8,
	/* Handed to the worker that may have the question to a group which the packet answers. */
	SL_FRAME_ANSWER = 0x10,
	/* That worker had none, and handed it back: it is judged where it is. */
	SL_FRAME_SETTLED = 0x20
};

/*
 * Parses frames[i] into *metas[i], which sl_meta_setup has made ready for the frames' direction.
 * Everything but the constants of link and direction is overwritten or has its presence bit cleared; what
 * meta->flow says of an earlier packet's flow is gone.
 *
 * A frame whose headers reach beyond its contiguous bytes (a capture cut short, a packet in several
 * buffers) is parsed as far as they go and then refused with header_beyond_window.
 */
void sl_packet_parse(enum sl_link_type link, const struct sl_frame frames[], uint32_t n,
	struct sl_meta *const metas[]);

/* Where the parts of a fragment are, in bytes from the frame's first. */
struct sl_fragment_place {
	uint32_t head_end;   /* where what comes back with the datagram ends: link and IP headers */
	uint32_t payload_at; /* behind the fragment header, if there is one */
	uint32_t payload_len; /* on the wire; more than zero */
	uint32_t
		named_at; /* IPv6: of the byte in the head that names the fragment header; else 0 */
};

/*
 * The place of a fragment (SL_META_IS_FRAGMENT) that the parser accepts; `frame` is the one that `meta` was
 * parsed from.  False for any other packet.  Packet time.
 */
bool sl_packet_fragment(
	const struct sl_frame *frame, const struct sl_meta *meta, struct sl_fragment_place *place);

/*
 * True when the checksum of a TCP segment is wrong: by its bytes, or by what the device says when not all of them
 * are contiguous.  False when that cannot be told.  The packet is whole, TCP, and accepted by the parser.  Its ends
 * are those of the pseudo header: behind source routes, routing headers (types 2 and 4) and home addresses, too.
 * Packet time.
 */
bool sl_packet_tcp_is_corrupt(const struct sl_frame *frame, const struct sl_meta *meta);

/* --- For reports; any thread. `frame` is the one that `meta` was parsed from. --- */

/*
 * The next-header numbers of an IPv6 packet's extension headers in order. Returns how many there are,
 * of which the first `n_max` are stored.
 */
uint32_t sl_packet_ip6_chain(
	const struct sl_frame *frame, const struct sl_meta *meta, uint8_t *numbers, uint32_t n_max);

/* The VLAN tags (TCIs, outermost first) in the same manner; all of them, unlike meta->vlan_stack. */
uint32_t sl_packet_vlans(
	const struct sl_frame *frame, const struct sl_meta *meta, uint16_t *tcis, uint32_t n_max);

/*
 * The sender's protocol address of an ARP packet for IPv4 (RFC 826), host order. False for any other
 * packet, a refused one included; `*address` is then untouched.
 */
bool
sl_packet_arp_sender(const struct sl_frame *frame, const struct sl_meta *meta, uint32_t *address);

#endif
