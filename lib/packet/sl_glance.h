/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_GLANCE_H
#define SL_PACKET_GLANCE_H

/*
 * A glance at packets: enough to find their flows and to follow TCP, for those that no layer is going to see.
 *
 * Kind.    What nearly all packets are: a whole TCP segment or UDP datagram in untagged Ethernet and IPv4
 *          without options.  A glance takes one only when the full parser would find no fault in it.
 * Threads. Packet time, any worker; pure functions.
 */

#include "packet/sl_packet.h"

#include <stdint.h>

#define SL_GLANCE_L4        34u /* where the transport header is, in bytes from the frame's first */
#define SL_GLANCE_TCP_BYTES 20u /* of it that are readable where the protocol is TCP */

struct sl_glance {
	uint32_t src; /* network order */
	uint32_t dst;
	uint16_t src_port; /* host order */
	uint16_t dst_port;
	uint32_t payload_len; /* bytes behind the transport header, no padding */
	uint8_t protocol;     /* 6 or 17 */
	uint8_t tcp_flags;    /* UDP: 0 */
	uint8_t is_tcp;       /* 1 or 0 */
	uint8_t reserved;
};

/* Sets of packets, a bit each. */
struct sl_glance_sets {
	uint64_t tcp; /* of the kind */
	uint64_t udp;
	uint64_t
		kin; /* not of the kind, but they may be of the same flows: TCP, UDP or an ICMP error in untagged IPv4 */
};

/* Looks at frames[0 .. n-1] (n at most 64) of an Ethernet link; glances[i] is valid for those of the kind. */
void sl_packet_glance(const struct sl_frame frames[], uint32_t n, struct sl_glance glances[],
	struct sl_glance_sets *sets);

#endif
