/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

#include "packet/transport_run.h"

/* ICMP (RFC 792) and ICMPv6 (RFC 4443). */

#define ICMP_SIZE 8u /* every message of both has at least this */

/* Messages sent because of a packet, which they carry from their ninth byte on. */
static bool
is_error(const struct sl_meta *meta)
{
	if (meta->ip_version == 6)
		return meta->icmp_type < 128;
	switch (meta->icmp_type) {
	case 3:  /* destination unreachable */
	case 4:  /* source quench */
	case 5:  /* redirect */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		return true;
	default:
		return false;
	}
}

/* Messages with an identifier and a sequence number: echo, and ICMP's timestamp and information. */
static bool
has_id(const struct sl_meta *meta)
{
	if (meta->ip_version == 6)
		return meta->icmp_type == 128 || meta->icmp_type == 129;
	return meta->icmp_type == 0 || meta->icmp_type == 8 ||
		(meta->icmp_type >= 13 && meta->icmp_type <= 18);
}

/* At the layers that have ports but no ICMP fields the type is the local port, the code the remote. */
static void
put_type(struct sl_meta *meta, uint8_t type, uint8_t code)
{
	meta->icmp_type = type;
	meta->icmp_code = code;
	meta->src_port = type;
	meta->dst_port = code;
	meta->local_port = type;
	meta->remote_port = code;
	meta->present |= SL_PORTS_PRESENT | SL_PRESENT(ICMP_TYPE) | SL_PRESENT(ICMP_CODE);
}

void
sl_parse_icmp(struct sl_cursor *c, struct sl_meta *meta)
{
	bool is_icmp6 = meta->protocol == SL_PROTOCOL_ICMP6;
	const uint8_t *icmp = sl_cursor_bytes(c);

	/* Either protocol over the other's IP is one that no host understands: without type. */
	if (is_icmp6 != (meta->ip_version == 6))
		return;
	if (!sl_cursor_has(c, ICMP_SIZE)) {
		sl_fault_transport(c, meta, ICMP_SIZE,
			is_icmp6 ? SL_REASON_ICMP6_TRUNCATED : SL_REASON_ICMP_TRUNCATED);
		return;
	}
	put_type(meta, icmp[0], icmp[1]);
	if (has_id(meta)) {
		meta->icmp_id = sl_be16(icmp + 4);
		meta->icmp_sequence = sl_be16(icmp + 6);
	}
	c->at += ICMP_SIZE;
	meta->l4_len = ICMP_SIZE;
	meta->payload_offset = (uint16_t)c->at;
	meta->payload_len = sl_cursor_left(c);
	if (is_error(meta)) {
		meta->meta_flags |= SL_META_IS_ICMP_ERROR;
		sl_parse_embedded(c, meta);
	}
}
