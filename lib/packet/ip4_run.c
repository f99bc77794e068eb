/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

#include "packet/ip4_run.h"

/* IPv4 (RFC 791, RFC 1122 3.2.1): fixed header, options, fragments. */

#define OPTION_END        0u
#define OPTION_NOP        1u
#define TINY_TCP_FRAGMENT 8u     /* offset in bytes that RFC 3128 forbids */
#define DATAGRAM_SIZE_MAX 65535u /* header included */

/* The bit of an option, and the shortest it can be in `*size_min`. */
static uint32_t
option_bit(uint8_t kind, uint32_t *size_min)
{
	*size_min = 2;
	switch (kind) {
	case 7:
		*size_min = 3;
		return SLUICE_IP_OPTION_RECORD_ROUTE;
	case 68:
		*size_min = 4;
		return SLUICE_IP_OPTION_TIMESTAMP;
	case 130:
		return SLUICE_IP_OPTION_SECURITY;
	case 131:
		*size_min = 3;
		return SLUICE_IP_OPTION_LSRR;
	case 136:
		*size_min = 4;
		return SLUICE_IP_OPTION_STREAM_ID;
	case 137:
		*size_min = 3;
		return SLUICE_IP_OPTION_SSRR;
	case 148:
		*size_min = 4;
		return SLUICE_IP_OPTION_ROUTER_ALERT;
	default:
		return SLUICE_IP_OPTION_OTHER;
	}
}

static void
parse_options(struct sl_meta *meta, const uint8_t *options, uint32_t n)
{
	uint32_t size_min, size;

	for (uint32_t i = 0; i < n && options[i] != OPTION_END; i += size) {
		size = 1;
		if (options[i] == OPTION_NOP)
			continue;
		meta->ip_options |= option_bit(options[i], &size_min);
		if (i + 1 < n)
			size = options[i + 1];
		if (size < size_min || size > n - i) {
			sl_fault(meta, SL_REASON_IP4_BAD_OPTION);
			return;
		}
	}
}

/*
 * Fragments. `size` is that of the payload.  RFC 1858 and RFC 3128: a TCP header may not be spread
 * over fragments so that its ports or flags escape the filter; a fragment at offset 8 would overwrite
 * them on reassembly.
 */
static void
parse_fragment(struct sl_cursor *c, struct sl_meta *meta, uint32_t total, uint32_t size)
{
	bool is_more = meta->meta_flags & SL_META_MORE_FRAGMENTS;

	if (meta->frag_offset + total > DATAGRAM_SIZE_MAX || size == 0 ||
		(is_more && size % 8 != 0))
		sl_fault(meta, SL_REASON_IP4_BAD_FRAGMENT);
	if (meta->frag_offset == 0) {
		c->is_first_fragment = true;
		return;
	}
	meta->meta_flags |= SL_META_LATER_FRAGMENT;
	if (meta->protocol == SL_PROTOCOL_TCP && meta->frag_offset == TINY_TCP_FRAGMENT)
		sl_fault(meta, SL_REASON_IP4_TINY_FRAGMENT);
}

/* Everything at a fixed place, so that reports on broken packets have it. */
static void
parse_fixed(struct sl_meta *meta, const uint8_t *ip)
{
	uint16_t fragment = sl_be16(ip + 6);

	meta->ip_version = 4;
	meta->ip4_src = sl_be32(ip + 12);
	meta->ip4_dst = sl_be32(ip + 16);
	meta->src_address_type = sl_ip4_address_type(meta->ip4_src);
	meta->dst_address_type = sl_ip4_address_type(meta->ip4_dst);
	meta->protocol = ip[9];
	meta->ttl = ip[8];
	meta->dscp = ip[1] >> 2;
	meta->packet_length = sl_be16(ip + 2);
	meta->frag_id = sl_be16(ip + 4);
	meta->frag_offset = (uint16_t)((fragment & 0x1fff) * 8);
	if (fragment & 0x3fff) {
		meta->meta_flags |= SL_META_IS_FRAGMENT;
		meta->flags_ip |= SLUICE_CONDITION_FLAG_IS_FRAGMENT;
	}
	if (fragment & 0x2000)
		meta->meta_flags |= SL_META_MORE_FRAGMENTS;
	if (fragment & 0x4000)
		meta->meta_flags |= SL_META_DONT_FRAGMENT;
	meta->present |= SL_IP4_FIXED_PRESENT;
}

/*
 * Checks both lengths and ends the layer at the total length. A total length of 0 is how a segment
 * looks that was captured before the NIC split it: a fault, but the rest of the frame is the packet.
 */
static bool
parse_lengths(struct sl_cursor *c, struct sl_meta *meta, uint32_t header_size)
{
	uint32_t total = meta->packet_length;

	if (header_size < SL_IP4_SIZE) {
		sl_fault(meta, SL_REASON_IP4_BAD_HEADER_LENGTH);
		return false;
	}
	if (total == 0) {
		sl_fault(meta, SL_REASON_IP4_BAD_TOTAL_LENGTH);
		total = sl_cursor_left(c);
	}
	if (total < SL_IP4_SIZE || total > sl_cursor_left(c)) {
		sl_fault(meta, SL_REASON_IP4_BAD_TOTAL_LENGTH);
		return false;
	}
	sl_cursor_limit(c, c->at, total);
	if (!sl_cursor_has(c, header_size)) {
		sl_fault_lack(c, meta, header_size, SL_REASON_IP4_BAD_HEADER_LENGTH);
		return false;
	}
	return true;
}

void
sl_parse_ip4(struct sl_cursor *c, struct sl_meta *meta)
{
	const uint8_t *ip = sl_cursor_bytes(c);
	uint32_t header_size, size;

	if (!sl_cursor_has(c, SL_IP4_SIZE)) {
		sl_fault_lack(c, meta, SL_IP4_SIZE, SL_REASON_IP4_TRUNCATED);
		return;
	}
	if (ip[0] >> 4 != 4) {
		sl_fault(meta, SL_REASON_IP4_BAD_VERSION);
		return;
	}
	parse_fixed(meta, ip);
	header_size = (ip[0] & 0xfu) * 4;
	if (!parse_lengths(c, meta, header_size))
		return;
	if (!sl_ip4_checksum_is_good(ip, header_size))
		sl_fault(meta, SL_REASON_IP4_BAD_CHECKSUM);
	parse_options(meta, ip + SL_IP4_SIZE, header_size - SL_IP4_SIZE);
	meta->present |= SL_PRESENT(IP_OPTIONS);
	c->at += header_size;
	size = sl_cursor_left(c);
	meta->l4_offset = (uint16_t)c->at;
	meta->payload_offset = (uint16_t)c->at;
	meta->payload_len = size;
	if (meta->meta_flags & SL_META_IS_FRAGMENT)
		parse_fragment(c, meta, header_size + size, size);
	if (meta->frag_offset == 0)
		sl_parse_transport(c, meta);
}
