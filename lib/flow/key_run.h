/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_KEY_RUN_H
#define SL_FLOW_KEY_RUN_H

/* What keys of packets and of packets embedded in ICMP errors have in common. */

#include "flow/sl_flow.h"

#include <netinet/in.h>

static SL_ALWAYS_INLINE bool
flow_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* ICMP over IPv4, ICMPv6 over IPv6; either over the other's IP is a protocol like any other. */
static SL_ALWAYS_INLINE bool
flow_is_icmp(uint8_t protocol, uint8_t ip_version)
{
	return protocol == (ip_version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* The type of the request that a query message with an identifier is, or answers; -1: it is no such message. */
static inline int
flow_icmp_request(uint8_t ip_version, uint32_t type)
{
	if (ip_version == 6)
		return type == 128 || type == 129 ? 128 : -1;
	switch (type) {
	case 0: /* echo reply */
	case 8:
		return 8;
	case 13: /* timestamp */
	case 14:
		return 13;
	case 15: /* information */
	case 16:
		return 15;
	case 17: /* address mask */
	case 18:
		return 17;
	default:
		return -1;
	}
}

/* Messages that carry the packet they were sent for. */
static inline bool
flow_icmp_is_error(uint8_t ip_version, uint8_t type)
{
	if (ip_version == 6)
		return type < 128;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Sets the ports of a key of ICMP or ICMPv6 whose version is set, and who asks. */
static inline void
flow_key_put_icmp(struct sl_flow_key *key, uint8_t type, uint8_t code, uint16_t id, bool is_inbound)
{
	int request = flow_icmp_request(key->ip_version, type);
	bool is_request = request == type;

	if (request >= 0)
		key->is_icmp_query = is_request != is_inbound ? 1 : 2;
	key->local_port = request >= 0 ? id : type;
	key->remote_port = request >= 0 ? (uint16_t)request : code;
}

static SL_ALWAYS_INLINE uint32_t
flow_domain(const struct sl_meta *meta, uint8_t zone)
{
	uint32_t domain = (uint32_t)zone << 24;

	if (SL_UNLIKELY(meta->vlan_n > 0))
		domain |= (meta->vlan_stack[0] & 0xfffu) << 12;
	if (SL_UNLIKELY(meta->vlan_n > 1))
		domain |= meta->vlan_stack[1] & 0xfffu;
	return domain;
}

#endif
