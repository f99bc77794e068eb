/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_BUILD_H
#define SL_PACKET_BUILD_H

/*
 * Building packets: replies that the appliance sends, and the packets of tests.
 *
 * How.     Headers are appended in wire order to the caller's memory; each one writes its number into
 *          the header before it.  sl_build_finish fills in what depends on the whole: IP and UDP
 *          lengths, then checksums.
 * Errors.  Memory that runs out is remembered: later calls do nothing and finish returns 0.
 * Threads. Packet time, any thread; a builder belongs to its user.
 */

#include "packet/sl_packet.h"

#include <stdbool.h>
#include <stdint.h>

/* --- Checksums (RFC 1071). Sums are of big-endian 16-bit words, not yet folded. --- */

/*
 * Adds `n` bytes, at most 131,070, to a sum from an earlier call or 0. An odd last byte is padded: only
 * the last piece may be of odd length.
 */
uint32_t sl_build_sum(const void *bytes, uint32_t n, uint32_t sum);
/* The checksum of a sum, host order. Of a range that includes a right checksum it is 0. */
uint16_t sl_build_checksum(uint32_t sum);
/* Sets the checksum of an IPv4 header, whose size its first byte tells. */
void sl_build_ip4_checksum(uint8_t *ip);
/*
 * The checksum of TCP, UDP, ICMPv6 and others with a pseudo-header, host order: `ip` is an IPv4 or
 * IPv6 header, `bytes` the transport header with its checksum 0, and all that belongs to it.
 */
uint16_t
sl_build_transport_checksum(const uint8_t *ip, uint8_t protocol, const void *bytes, uint32_t n);

/* --- Packets. --- */

struct sl_build {
	uint8_t *bytes;
	uint32_t size;      /* bytes of memory */
	uint32_t len;       /* bytes written */
	uint32_t ip_at;     /* offset of the IP header */
	uint32_t l4_at;     /* offset of the transport header */
	uint32_t type_at;   /* offset of the member that names what follows */
	uint8_t type_size;  /* its bytes: 2 behind link headers, 1 behind IP, 0: there is none */
	uint8_t ip_version; /* 4, 6; 0: no IP header yet */
	uint8_t protocol;   /* of the transport header; 0: none yet */
	bool is_full;
};

/* Starts a packet in `size` bytes at `bytes`, which stay the caller's. */
void sl_build_init(struct sl_build *build, void *bytes, uint32_t size);
/* `n` zero bytes at the end, or NULL when memory has run out. */
uint8_t *sl_build_append(struct sl_build *build, uint32_t n);
/* Bytes as they are: payload, or headers that are not known here. */
void sl_build_bytes(struct sl_build *build, const void *bytes, uint32_t n);
/* Names what follows the last header when it is not one of those below. */
void sl_build_type(struct sl_build *build, uint16_t type);

void sl_build_ethernet(struct sl_build *build, const uint8_t dst[6], const uint8_t src[6]);
/* `tpid` is 0x8100, 0x88a8 or 0x9100. */
void sl_build_vlan(struct sl_build *build, uint16_t tpid, uint16_t tci);
/* Addresses in host order; time to live 64, don't-fragment clear, identification 0. */
void sl_build_ip4(struct sl_build *build, uint32_t src, uint32_t dst);
/* Directly behind sl_build_ip4: up to 40 bytes of options, padded with end-of-options. */
void sl_build_ip4_options(struct sl_build *build, const void *options, uint32_t n);
/* Hop limit 64. */
void sl_build_ip6(struct sl_build *build, const uint8_t src[16], const uint8_t dst[16]);
/*
 * An extension header of `number` whose bytes behind the first two are `body`, padded with zeros to a
 * multiple of 8; at most 2,046 bytes. For a fragment header (44) the second byte is part of the body
 * and reserved, so `body` is 6 bytes there as well: offset and flags, identification.
 */
void sl_build_ip6_extension(struct sl_build *build, uint8_t number, const void *body, uint32_t n);
void sl_build_tcp(struct sl_build *build, uint16_t src_port, uint16_t dst_port, uint32_t seq,
	uint32_t ack, uint8_t flags);
/* Directly behind sl_build_tcp: up to 40 bytes of options, padded with end-of-options. */
void sl_build_tcp_options(struct sl_build *build, const void *options, uint32_t n);
void sl_build_udp(struct sl_build *build, uint16_t src_port, uint16_t dst_port);
/* ICMP behind IPv4, ICMPv6 behind IPv6; `rest` is the header's second word, host order. */
void sl_build_icmp(struct sl_build *build, uint8_t type, uint8_t code, uint32_t rest);
/*
 * Link and IP headers of an answer to a packet: addresses exchanged, VLAN tags kept.  False, and
 * nothing is built, for a frame that is not IP, that is IP in 802.3, or that the parser refuses.
 */
bool
sl_build_reply(struct sl_build *build, const struct sl_frame *frame, const struct sl_meta *meta);

/* Lengths and checksums. Returns the packet's length in bytes, 0 when memory had run out. */
uint32_t sl_build_finish(struct sl_build *build);

#endif
