/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PACKET_TRANSPORT_RUN_H
#define SL_PACKET_TRANSPORT_RUN_H

/* What the fast path and the full parser share about transport headers. */

#include "packet/parse.h"

#define SL_TCP_SIZE       20u
#define SL_UDP_SIZE       8u
#define SL_TCP_OPTION_END 0u
#define SL_TCP_OPTION_NOP 1u

#define SL_PORTS_PRESENT                                                        \
	(SL_PRESENT(SRC_PORT) | SL_PRESENT(DST_PORT) | SL_PRESENT(LOCAL_PORT) | \
		SL_PRESENT(REMOTE_PORT))

/* Puts source port << 16 | destination port in place: local is the destination of inbound packets. */
static SL_ALWAYS_INLINE void
sl_meta_put_ports(struct sl_meta *meta, uint32_t ports)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;

	meta->src_port = (uint16_t)(ports >> 16);
	meta->dst_port = (uint16_t)ports;
	meta->local_port = is_inbound ? meta->dst_port : meta->src_port;
	meta->remote_port = is_inbound ? meta->src_port : meta->dst_port;
}

static SL_ALWAYS_INLINE bool
sl_udp_is_tunnel(uint16_t dst_port)
{
	return dst_port == SL_UDP_PORT_VXLAN || dst_port == SL_UDP_PORT_GENEVE;
}

#endif
