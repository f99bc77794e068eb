/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_ORDER_H
#define SL_PIPELINE_ORDER_H

/*
 * The order in which a packet visits layers (WFP section 1.4), as data for both run and explain.
 *
 * Inbound goes bottom-up, outbound top-down; the views of a port come first and last.  Every layer is
 * visited by one class of packets; a packet may be of several classes.
 */

#include "classifier/sl_meta.h"

#include <stdbool.h>
#include <stdint.h>

enum sl_order_class {
	SL_ORDER_ETHERNET, /* every frame of a link with Ethernet headers, broken ones too */
	SL_ORDER_IP4,      /* IPv4 packets that the parser accepts */
	SL_ORDER_IP6,
	SL_ORDER_IP4_ERROR, /* of these, ICMP errors */
	SL_ORDER_IP6_ERROR,
	SL_ORDER_TCP,      /* may be a frame that is not IP */
	SL_ORDER_FRAGMENT, /* may be a packet that the parser refuses */
	SL_ORDER_SORTED,   /* the classes above are bits of a byte, these are made of them: */
	SL_ORDER_IP4_TCP = SL_ORDER_SORTED,
	SL_ORDER_IP6_TCP,
	SL_ORDER_IP4_DATAGRAM, /* neither TCP nor an ICMP error */
	SL_ORDER_IP6_DATAGRAM,
	SL_ORDER_CLASS_COUNT
};

_Static_assert(SL_ORDER_SORTED < 8, "the classes of a packet and one bit more fit into a byte");

struct sl_order_visit {
	uint8_t layer;    /* enum sluice_layer */
	uint8_t visitors; /* enum sl_order_class */
};

#define SL_ORDER_VISITS 19

struct sl_order {
	struct sl_order_visit visits[SL_ORDER_VISITS];
	uint8_t n_before_ip;    /* the parser's refusals end before this visit */
	uint8_t n_before_whole; /* fragments are held before this visit, and flows found */
	uint8_t n_before_flow;  /* packets meet their flows before this visit */
	uint8_t n_whole;        /* from this visit on single fragments are seen again */
	uint8_t n_ippacket;     /* with the next: fragments are seen, and later the whole of them */
	uint8_t refused_twin_v4; /* enum sluice_layer: where such a packet is shown last */
	uint8_t refused_twin_v6;
};

extern const struct sl_order sl_order[2]; /* by enum sluice_direction */

#define SL_ORDER_REFUSED 0x80u /* beside the classes' bits: the parser refuses the packet */

/* Classes by refusal (8), ICMP error (4) and halved IP version (3). */
extern const uint8_t sl_order_classes_of[16];

_Static_assert(SL_META_IS_FRAGMENT == 1, "it is shifted to its class");

/* The sorted classes of a packet as bits, and SL_ORDER_REFUSED. Packet time. */
static inline uint8_t
sl_order_classes(const struct sl_meta *meta)
{
	uint32_t is_error = (meta->meta_flags & SL_META_IS_ICMP_ERROR) != 0;
	uint32_t is_refused = meta->reason != SL_REASON_NONE;

	uint32_t is_tcp = meta->protocol == 6;
	uint32_t is_fragment = meta->meta_flags & SL_META_IS_FRAGMENT;

	return (uint8_t)(sl_order_classes_of[is_refused << 3 | is_error << 2 |
				 (meta->ip_version >> 1 & 3)] |
		is_tcp << SL_ORDER_TCP | is_fragment << SL_ORDER_FRAGMENT);
}

/* Whether packets of these sorted classes are visitors of a layer that `visitors` visit. */
static inline bool
sl_order_has(uint32_t classes, uint32_t visitors)
{
	const bool is_tcp = (classes >> SL_ORDER_TCP & 1) != 0;
	const bool is_ip6 = visitors == SL_ORDER_IP6_TCP || visitors == SL_ORDER_IP6_DATAGRAM;
	const uint32_t ip = is_ip6 ? SL_ORDER_IP6 : SL_ORDER_IP4;
	const uint32_t error = is_ip6 ? SL_ORDER_IP6_ERROR : SL_ORDER_IP4_ERROR;

	if (visitors < SL_ORDER_SORTED)
		return (classes >> visitors & 1) != 0;
	if ((classes >> ip & 1) == 0)
		return false;
	if (visitors == SL_ORDER_IP4_TCP || visitors == SL_ORDER_IP6_TCP)
		return is_tcp;
	return !is_tcp && (classes >> error & 1) == 0;
}

#endif
