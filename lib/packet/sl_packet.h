/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_PACKET_H
#define SL_PACKET_PACKET_H

/*
 * The parser: bytes to classify metadata.
 *
 * What.    Ethernet II, 802.3/LLC/SNAP, VLAN tags, ARP, IPv4 with options, IPv6 with extension headers,
 *          fragments, TCP, UDP, SCTP, ICMP, ICMPv6 and the packet embedded in ICMP errors.  Tunnels are
 *          recognised and described by their outer headers.
 * Trust.   Every length is checked before it is read; a packet that contradicts itself gets a reason in
 *          `meta->reason` and every value found before the fault keeps its slot.
 * Window.  Headers are looked for in the first SL_PACKET_WINDOW bytes, which the caller presents as
 *          contiguous memory; `length` may be greater than what is contiguous.
 * Threads. Packet time, any worker; pure functions.
 */

#include "classifier/sl_meta.h"

#include <stdint.h>

#define SL_PACKET_WINDOW 2048u /* bytes of a packet in which all headers must lie */

enum sl_link_type {
	SL_LINK_ETHERNET,
	SL_LINK_IP /* no link-layer header: the first byte is that of an IP header */
};

/* One received packet. */
struct sl_frame {
	const uint8_t *bytes;
	uint32_t contiguous; /* bytes readable at `bytes`: at least min(length, SL_PACKET_WINDOW) */
	uint32_t length;     /* bytes on the wire, without FCS */
	void *owner;         /* the caller's: an mbuf, a capture record */
};

/*
 * Parses frames[i] into *metas[i], which sl_meta_setup has made ready for the frames' direction.
 * Everything but the port constants is overwritten or has its presence bit cleared.
 */
void sl_packet_parse(enum sl_link_type link, const struct sl_frame frames[], uint32_t n, struct sl_meta *const metas[]);

/*
 * The next-header numbers of an IPv6 packet's extension headers in order (for reports; not packet
 * time). Returns how many there are, of which the first `n_max` are stored.
 */
uint32_t sl_packet_ip6_chain(const struct sl_frame *frame, const struct sl_meta *meta, uint8_t *numbers, uint32_t n_max);

#endif
