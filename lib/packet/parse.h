/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_PARSE_H
#define SL_PACKET_PARSE_H

/* The parser's stages, each in a file of its name. Each continues where the cursor stands. */

#include "packet/cursor_run.h"

/* Numbers the stages share. */
enum {
	SL_ETHER_TYPE_MIN = 0x600, /* smaller values are 802.3 lengths */
	SL_ETHER_TYPE_IP4 = 0x0800,
	SL_ETHER_TYPE_ARP = 0x0806,
	SL_ETHER_TYPE_IP6 = 0x86dd
};

enum {
	SL_PROTOCOL_HOP_BY_HOP = 0,
	SL_PROTOCOL_ICMP = 1,
	SL_PROTOCOL_IP4 = 4,
	SL_PROTOCOL_TCP = 6,
	SL_PROTOCOL_UDP = 17,
	SL_PROTOCOL_IP6 = 41,
	SL_PROTOCOL_ROUTING = 43,
	SL_PROTOCOL_FRAGMENT = 44,
	SL_PROTOCOL_GRE = 47,
	SL_PROTOCOL_AH = 51,
	SL_PROTOCOL_ICMP6 = 58,
	SL_PROTOCOL_NONE = 59,
	SL_PROTOCOL_DESTINATION = 60,
	SL_PROTOCOL_ETHER_IP = 97,
	SL_PROTOCOL_SCTP = 132,
	SL_PROTOCOL_MOBILITY = 135,
	SL_PROTOCOL_MPLS = 137,
	SL_PROTOCOL_HIP = 139,
	SL_PROTOCOL_SHIM6 = 140,
	SL_PROTOCOL_ETHERNET = 143
};

enum {
	SL_UDP_PORT_VXLAN = 4789,
	SL_UDP_PORT_GENEVE = 6081
};

/* A whole frame, whatever it is: what the fast path does not take. */
void sl_parse_any(enum sl_link_type link, const struct sl_frame *frame, struct sl_meta *meta);

/* ethernet_run.c: link headers, VLAN tags, LLC, ARP, then IP. */
void sl_parse_ethernet(struct sl_cursor *c, struct sl_meta *meta);
void
sl_parse_cooked(struct sl_cursor *c, struct sl_meta *meta, uint32_t header_size, uint32_t type_at);

/* IP headers down to the transport. */
void sl_parse_ip4(struct sl_cursor *c, struct sl_meta *meta);
void sl_parse_ip6(struct sl_cursor *c, struct sl_meta *meta);

/* transport_run.c: the header of meta->protocol, which may not be one that is looked into. */
void sl_parse_transport(struct sl_cursor *c, struct sl_meta *meta);
/* True when `n` bytes of TCP options are well formed. */
bool sl_parse_tcp_options(const uint8_t *options, uint32_t n);

/* icmp_run.c, embedded_run.c: ICMP and ICMPv6, and the packet an error was sent for. */
void sl_parse_icmp(struct sl_cursor *c, struct sl_meta *meta);
void sl_parse_embedded(const struct sl_cursor *c, struct sl_meta *meta);

/*
 * Names the fault of a transport header of which `n` bytes are not there: `reason` when the packet is
 * whole, otherwise what a first fragment that splits its headers is called, if anything.
 */
void sl_fault_transport(
	const struct sl_cursor *c, struct sl_meta *meta, uint32_t n, enum sl_reason reason);

/* The length in bytes of an IPv6 extension header of `number` at `at` (2 bytes readable); 0: it is none. */
uint32_t sl_ip6_extension_size(uint8_t number, const uint8_t *at);

#endif
