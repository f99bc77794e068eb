/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_meta.h"

static void
mirror_ip4(struct sl_meta *meta)
{
	const uint32_t src = meta->ip4_src;

	meta->ip4_src = meta->ip4_dst;
	meta->ip4_dst = src;
}

static void
mirror_ip6(struct sl_meta *meta)
{
	uint8_t src[16];

	memcpy(src, meta->ip6_src, sizeof(src));
	memcpy(meta->ip6_src, meta->ip6_dst, sizeof(src));
	memcpy(meta->ip6_dst, src, sizeof(src));
}

void
sl_meta_mirror(struct sl_meta *meta)
{
	const uint16_t port = meta->src_port;
	const uint8_t type = meta->src_address_type;

	if (meta->ip_version == 6)
		mirror_ip6(meta);
	else
		mirror_ip4(meta);
	meta->src_port = meta->dst_port;
	meta->dst_port = port;
	meta->src_address_type = meta->dst_address_type;
	meta->dst_address_type = type;
	meta->flow.is_mirrored ^= 1;
}
