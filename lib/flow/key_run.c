/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/key_run.h"

#include <string.h>

/* Keys of packets (WFP section 7.1): the host inside is the local one, whichever way the packet goes. */

static SL_ALWAYS_INLINE void
put_addresses(const struct sl_meta *meta, bool is_inbound, struct sl_flow_key *key)
{
	if (SL_LIKELY(meta->ip_version == 4)) {
		uint32_t local = htonl(is_inbound ? meta->ip4_dst : meta->ip4_src);
		uint32_t remote = htonl(is_inbound ? meta->ip4_src : meta->ip4_dst);

		memcpy(key->local, &local, sizeof(local));
		memcpy(key->remote, &remote, sizeof(remote));
	} else {
		memcpy(key->local, is_inbound ? meta->ip6_dst : meta->ip6_src, 16);
		memcpy(key->remote, is_inbound ? meta->ip6_src : meta->ip6_dst, 16);
	}
}

bool
sl_flow_key_of(const struct sl_meta *meta, uint8_t zone, struct sl_flow_key *key)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;

	if (SL_UNLIKELY(meta->ip_version == 0 ||
		    (meta->meta_flags & (SL_META_IS_ICMP_ERROR | SL_META_LATER_FRAGMENT)) != 0))
		return false;
	memset(key, 0, sizeof(*key));
	put_addresses(meta, is_inbound, key);
	key->domain = flow_domain(meta, zone);
	key->protocol = meta->protocol;
	key->ip_version = meta->ip_version;
	/* A first fragment may end before the ports. */
	if ((meta->present & SL_PRESENT(SRC_PORT)) == 0)
		return true;
	if (SL_LIKELY(flow_has_ports(meta->protocol))) {
		key->local_port = is_inbound ? meta->dst_port : meta->src_port;
		key->remote_port = is_inbound ? meta->src_port : meta->dst_port;
	} else if (flow_is_icmp(meta->protocol, meta->ip_version)) {
		flow_key_put_icmp(key, (uint8_t)meta->icmp_type, (uint8_t)meta->icmp_code,
			meta->icmp_id, is_inbound);
	}
	return true;
}

void
sl_flow_key_wildcard(struct sl_flow_key *key)
{
	memset(key->remote, 0, sizeof(key->remote));
	key->remote_port = 0;
}
