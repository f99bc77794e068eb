/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/order.h"

#define VISIT(layer, visitors)                            \
	{                                                 \
		SLUICE_LAYER_##layer, SL_ORDER_##visitors \
	}
#define VISIT_IP(layer)    VISIT(layer##_V4, IP4), VISIT(layer##_V6, IP6)
#define VISIT_ERROR(layer) VISIT(layer##_V4, IP4_ERROR), VISIT(layer##_V6, IP6_ERROR)
#define VISIT_DATA                                                          \
	VISIT(STREAM_PACKET_V4, IP4_TCP), VISIT(STREAM_PACKET_V6, IP6_TCP), \
		VISIT(DATAGRAM_DATA_V4, IP4_DATAGRAM), VISIT(DATAGRAM_DATA_V6, IP6_DATAGRAM)

const struct sl_order sl_order[2] = {
	[SLUICE_DIRECTION_INBOUND] =
		{
			.visits =
				{
					VISIT(INGRESS_VSWITCH_ETHERNET, ETHERNET),
					VISIT_IP(INGRESS_VSWITCH_TRANSPORT),
					VISIT(INBOUND_MAC_FRAME_ETHERNET, ETHERNET),
					VISIT_IP(INBOUND_IPPACKET),
					VISIT_IP(IPFORWARD),
					VISIT_IP(INBOUND_TRANSPORT),
					VISIT_DATA,
					VISIT_ERROR(INBOUND_ICMP_ERROR),
					VISIT(EGRESS_VSWITCH_ETHERNET, ETHERNET),
					VISIT_IP(EGRESS_VSWITCH_TRANSPORT),
				},
			.n_before_ip = 4,
			.n_before_whole = 8,
			.n_before_flow = 10,
			.n_whole = 16,
			.n_ippacket = 4,
			.refused_twin_v4 = SLUICE_LAYER_INBOUND_IPPACKET_V4_DISCARD,
			.refused_twin_v6 = SLUICE_LAYER_INBOUND_IPPACKET_V6_DISCARD,
		},
	[SLUICE_DIRECTION_OUTBOUND] =
		{
			.visits =
				{
					VISIT(INGRESS_VSWITCH_ETHERNET, ETHERNET),
					VISIT_IP(INGRESS_VSWITCH_TRANSPORT),
					VISIT_DATA,
					VISIT_ERROR(OUTBOUND_ICMP_ERROR),
					VISIT_IP(OUTBOUND_TRANSPORT),
					VISIT_IP(IPFORWARD),
					VISIT_IP(OUTBOUND_IPPACKET),
					VISIT(OUTBOUND_MAC_FRAME_ETHERNET, ETHERNET),
					VISIT(EGRESS_VSWITCH_ETHERNET, ETHERNET),
					VISIT_IP(EGRESS_VSWITCH_TRANSPORT),
				},
			.n_before_ip = 3,
			.n_before_whole = 3,
			.n_before_flow = 3,
			.n_whole = 11,
			.n_ippacket = 13,
			.refused_twin_v4 = SLUICE_LAYER_OUTBOUND_IPPACKET_V4_DISCARD,
			.refused_twin_v6 = SLUICE_LAYER_OUTBOUND_IPPACKET_V6_DISCARD,
		},
};

#define FRAME     (1u << SL_ORDER_ETHERNET)
#define IP4       (1u << SL_ORDER_IP4)
#define IP6       (1u << SL_ORDER_IP6)
#define IP4_ERROR (1u << SL_ORDER_IP4_ERROR)
#define IP6_ERROR (1u << SL_ORDER_IP6_ERROR)
#define REFUSED   (FRAME | SL_ORDER_REFUSED)

const uint8_t sl_order_classes_of[16] = {
	/* Not IP, impossible, IPv4 and IPv6: */
	FRAME,
	FRAME,
	FRAME | IP4,
	FRAME | IP6,
	/* ICMP errors */
	FRAME,
	FRAME,
	FRAME | IP4 | IP4_ERROR,
	FRAME | IP6 | IP6_ERROR,
	/* refused */
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	/* refused ICMP errors */
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
};
