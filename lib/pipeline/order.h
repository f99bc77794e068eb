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

#include <stdint.h>

enum sl_order_class {
	SL_ORDER_ETHERNET, /* every frame of a link with Ethernet headers, broken ones too */
	SL_ORDER_IP4,      /* IPv4 packets that the parser accepts */
	SL_ORDER_IP6,
	SL_ORDER_IP4_ERROR, /* of these, ICMP errors */
	SL_ORDER_IP6_ERROR,
	SL_ORDER_CLASS_COUNT
};

_Static_assert(
	SL_ORDER_CLASS_COUNT < 8, "the classes of a packet and one bit more fit into a byte");

struct sl_order_visit {
	uint8_t layer;    /* enum sluice_layer */
	uint8_t visitors; /* enum sl_order_class */
};

#define SL_ORDER_VISITS 15

struct sl_order {
	struct sl_order_visit visits[SL_ORDER_VISITS];
	uint8_t n_before_ip;     /* the parser's refusals end before this visit */
	uint8_t refused_twin_v4; /* enum sluice_layer: where such a packet is shown last */
	uint8_t refused_twin_v6;
};

extern const struct sl_order sl_order[2]; /* by enum sluice_direction */

#define SL_ORDER_REFUSED 0x80u /* beside the classes' bits: the parser refuses the packet */

/* Classes by refusal (8), ICMP error (4) and halved IP version (3). */
extern const uint8_t sl_order_classes_of[16];

/* The classes of a packet as bits, and SL_ORDER_REFUSED. Packet time. */
static inline uint8_t
sl_order_classes(const struct sl_meta *meta)
{
	uint32_t is_error = (meta->meta_flags & SL_META_IS_ICMP_ERROR) != 0;
	uint32_t is_refused = meta->reason != SL_REASON_NONE;

	return sl_order_classes_of[is_refused << 3 | is_error << 2 | (meta->ip_version >> 1 & 3)];
}

#endif
