/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

#include "packet/ip4_run.h"

/*
 * The packet embedded in an ICMP error, as the protected host sees it: the host sent it when the error
 * comes in, and received it when the error goes out.
 *
 * Errors carry as little as the IP header and 8 bytes (RFC 792), and what they carry has been changed
 * on its way.  So nothing here is a fault: a value that is not there has no slot.
 */

#define IP6_SIZE      40u
#define EXTENSION_MIN 8u
#define PORTS_SIZE    4u

/* The transport header's first bytes, where `c` stands; absent ones leave the slots EMPTY. */
static void
parse_ports(const struct sl_cursor *c, struct sl_meta *meta)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	const uint8_t *at = sl_cursor_bytes(c);

	if (!sl_cursor_has(c, PORTS_SIZE))
		return;
	meta->emb_l4_offset = (uint16_t)c->at;
	switch (meta->emb_protocol) {
	case SL_PROTOCOL_TCP:
	case SL_PROTOCOL_UDP:
	case SL_PROTOCOL_SCTP:
		meta->emb_local_port = sl_be16(is_inbound ? at : at + 2);
		meta->emb_remote_port = sl_be16(is_inbound ? at + 2 : at);
		break;
	case SL_PROTOCOL_ICMP:
	case SL_PROTOCOL_ICMP6:
		meta->emb_local_port = at[0];
		meta->emb_remote_port = at[1];
		break;
	default:
		return;
	}
	meta->present |= SL_PRESENT(EMB_LOCAL_PORT) | SL_PRESENT(EMB_REMOTE_PORT);
}

static void
put_protocol(struct sl_meta *meta, uint8_t protocol)
{
	meta->emb_protocol = protocol;
	meta->present |= SL_PRESENT(EMB_PROTOCOL);
}

static void
parse_embedded4(struct sl_cursor *c, struct sl_meta *meta)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	const uint8_t *ip = sl_cursor_bytes(c);
	uint32_t header_size, src, dst;

	if (!sl_cursor_has(c, SL_IP4_SIZE) || ip[0] >> 4 != 4)
		return;
	src = sl_be32(ip + 12);
	dst = sl_be32(ip + 16);
	meta->emb_ip4_remote = is_inbound ? dst : src;
	meta->emb_local_address_type = sl_ip4_address_type(is_inbound ? src : dst);
	meta->present |= SL_PRESENT(EMB_IP4_REMOTE) | SL_PRESENT(EMB_LOCAL_ADDRESS_TYPE);
	put_protocol(meta, ip[9]);
	header_size = (ip[0] & 0xfu) * 4;
	if (header_size < SL_IP4_SIZE || !sl_cursor_has(c, header_size))
		return;
	c->at += header_size;
	if ((sl_be16(ip + 6) & 0x1fff) == 0)
		parse_ports(c, meta);
}

/* Follows the chain from `number`; false when it is cut before its end. */
static bool
pass_chain(struct sl_cursor *c, uint8_t *number, bool *is_later_fragment)
{
	for (*is_later_fragment = false; !*is_later_fragment;) {
		static const uint8_t none[2];
		const uint8_t *header = sl_cursor_bytes(c);
		bool is_there = sl_cursor_has(c, EXTENSION_MIN);
		uint32_t size = sl_ip6_extension_size(*number, is_there ? header : none);

		if (size == 0)
			return true;
		if (!sl_cursor_has(c, size))
			return false;
		if (*number == SL_PROTOCOL_FRAGMENT)
			*is_later_fragment = (sl_be16(header + 2) & 0xfff8) != 0;
		*number = header[0];
		c->at += size;
	}
	return true;
}

static void
parse_embedded6(struct sl_cursor *c, struct sl_meta *meta)
{
	bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	const uint8_t *ip = sl_cursor_bytes(c);
	bool is_later_fragment;
	uint8_t number;

	if (!sl_cursor_has(c, IP6_SIZE) || ip[0] >> 4 != 6)
		return;
	memcpy(meta->emb_ip6_remote, is_inbound ? ip + 24 : ip + 8, sizeof(meta->emb_ip6_remote));
	meta->emb_local_address_type = sl_ip6_address_type(is_inbound ? ip + 8 : ip + 24);
	meta->present |= SL_PRESENT(EMB_IP6_REMOTE) | SL_PRESENT(EMB_LOCAL_ADDRESS_TYPE);
	number = ip[6];
	c->at += IP6_SIZE;
	if (!pass_chain(c, &number, &is_later_fragment))
		return;
	put_protocol(meta, number);
	if (!is_later_fragment)
		parse_ports(c, meta);
}

void
sl_parse_embedded(const struct sl_cursor *c, struct sl_meta *meta)
{
	struct sl_cursor embedded = *c;

	meta->emb_l4_offset = 0;
	if (meta->ip_version == 4)
		parse_embedded4(&embedded, meta);
	else
		parse_embedded6(&embedded, meta);
}
