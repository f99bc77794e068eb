/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

/*
 * IPv6 (RFC 8200): fixed header, jumbograms (RFC 2675), the chain of extension headers, fragments.
 *
 * The chain is followed to its end, up to 255 headers as long as they lie in the window: a filter on
 * the protocol or the ports must not be evaded by headers in front of them.  What cannot be followed
 * is refused.
 */

#define IP6_SIZE          40u
#define EXTENSION_MIN     8u
#define AH_MIN            12u
#define OPTION_PAD1       0u
#define OPTION_JUMBO      0xc2u
#define JUMBO_MIN         65536u
#define PAYLOAD_SIZE_MAX  65535u
#define TINY_TCP_FRAGMENT 8u

/* Slots of the fixed header, and those known at the end of the chain. */
#define FIXED_PRESENT                                                                     \
	(SL_PRESENT(IP6_SRC) | SL_PRESENT(IP6_DST) | SL_PRESENT(DSCP) | SL_PRESENT(TTL) | \
		SL_PRESENT(SRC_ADDRESS_TYPE) | SL_PRESENT(DST_ADDRESS_TYPE))
#define CHAIN_PRESENT                                                               \
	(SL_PRESENT(PROTOCOL) | SL_PRESENT(IP6_EXTENSIONS) | SL_PRESENT(FLAGS_IP) | \
		SL_PRESENT(FLAGS_TRANSPORT))

/* What a stage of the chain leaves to the next. */
enum step {
	STEP_STOP, /* nothing behind can be found */
	STEP_NEXT, /* another header follows */
	STEP_LATER /* a later fragment: what follows is not a header */
};

uint32_t
sl_ip6_extension_size(uint8_t number, const uint8_t *at)
{
	switch (number) {
	case SL_PROTOCOL_HOP_BY_HOP:
	case SL_PROTOCOL_ROUTING:
	case SL_PROTOCOL_DESTINATION:
	case SL_PROTOCOL_MOBILITY:
	case SL_PROTOCOL_HIP:
	case SL_PROTOCOL_SHIM6:
		return (at[1] + 1u) * 8;
	case SL_PROTOCOL_AH:
		return (at[1] + 2u) * 4;
	case SL_PROTOCOL_FRAGMENT:
		return EXTENSION_MIN;
	default:
		return 0;
	}
}

static uint32_t
extension_bit(uint8_t number)
{
	switch (number) {
	case SL_PROTOCOL_HOP_BY_HOP:
		return SLUICE_IP6_EXT_HOP_BY_HOP;
	case SL_PROTOCOL_ROUTING:
		return SLUICE_IP6_EXT_ROUTING;
	case SL_PROTOCOL_DESTINATION:
		return SLUICE_IP6_EXT_DESTINATION;
	case SL_PROTOCOL_MOBILITY:
		return SLUICE_IP6_EXT_MOBILITY;
	case SL_PROTOCOL_HIP:
		return SLUICE_IP6_EXT_HIP;
	case SL_PROTOCOL_SHIM6:
		return SLUICE_IP6_EXT_SHIM6;
	case SL_PROTOCOL_AH:
		return SLUICE_IP6_EXT_AH;
	case SL_PROTOCOL_FRAGMENT:
		return SLUICE_IP6_EXT_FRAGMENT;
	default:
		return 0;
	}
}

/*
 * Walks the options of a hop-by-hop or destination header of `size` bytes.  Returns the value of a
 * jumbo payload option, 0 when there is none; false in `*is_good` when a length is impossible.
 */
static uint32_t
walk_options(const uint8_t *header, uint32_t size, bool *is_good)
{
	uint32_t jumbo = 0, step;

	*is_good = true;
	for (uint32_t i = 2; i < size; i += step) {
		step = 1;
		if (header[i] == OPTION_PAD1)
			continue;
		if (i + 1 == size || header[i + 1] + 2u > size - i) {
			*is_good = false;
			break;
		}
		step = header[i + 1] + 2u;
		if (header[i] == OPTION_JUMBO && step == 6)
			jumbo = sl_be32(header + i + 2);
	}
	return jumbo;
}

/*
 * The jumbo payload option takes the place of a payload length of 0, and only of that. Otherwise the
 * packet's end is unknown or told twice.
 */
static bool
apply_jumbo(struct sl_cursor *c, struct sl_meta *meta, uint32_t jumbo)
{
	uint32_t payload_at = meta->l3_offset + IP6_SIZE;

	if (!c->is_jumbogram && jumbo == 0)
		return true;
	if (!c->is_jumbogram || jumbo < JUMBO_MIN || jumbo > c->end - payload_at) {
		sl_fault(meta, SL_REASON_IP6_BAD_PAYLOAD_LENGTH);
		return false;
	}
	meta->packet_length = IP6_SIZE + jumbo;
	meta->present |= SL_PRESENT(PACKET_LENGTH);
	sl_cursor_limit(c, payload_at, jumbo);
	return true;
}

static enum step
parse_hop_by_hop(struct sl_cursor *c, struct sl_meta *meta, uint32_t size)
{
	bool is_good;
	uint32_t jumbo = walk_options(sl_cursor_bytes(c), size, &is_good);

	if (!is_good)
		sl_fault(meta, SL_REASON_IP6_BAD_OPTION);
	if (meta->ip6_header_n > 0) {
		sl_fault(meta, SL_REASON_IP6_HOP_BY_HOP_NOT_FIRST);
		return STEP_NEXT;
	}
	return apply_jumbo(c, meta, jumbo) ? STEP_NEXT : STEP_STOP;
}

/*
 * A fragment that is the whole datagram is processed as if it were none (RFC 6946).  `unfragmented`
 * is the size of the headers in front of this one, which come back with the datagram.
 */
static enum step
parse_fragment(struct sl_cursor *c, struct sl_meta *meta, uint32_t unfragmented)
{
	const uint8_t *header = sl_cursor_bytes(c);
	uint32_t size = sl_cursor_left(c) - EXTENSION_MIN;
	uint16_t field = sl_be16(header + 2);
	bool is_more = field & 1;

	if (meta->ip6_extensions & SLUICE_IP6_EXT_FRAGMENT)
		sl_fault(meta, SL_REASON_IP6_NESTED_FRAGMENT);
	meta->frag_offset = field & 0xfff8;
	meta->frag_id = sl_be32(header + 4);
	if (meta->frag_offset == 0 && !is_more)
		return STEP_NEXT;
	meta->meta_flags |= SL_META_IS_FRAGMENT | (is_more ? SL_META_MORE_FRAGMENTS : 0);
	meta->flags_ip |= SLUICE_CONDITION_FLAG_IS_FRAGMENT;
	if (c->is_jumbogram || size == 0 || (is_more && size % 8 != 0) ||
		unfragmented + meta->frag_offset + size > PAYLOAD_SIZE_MAX)
		sl_fault(meta, SL_REASON_IP6_BAD_FRAGMENT);
	if (meta->frag_offset == 0) {
		c->is_first_fragment = true;
		return STEP_NEXT;
	}
	meta->meta_flags |= SL_META_LATER_FRAGMENT;
	if (header[0] == SL_PROTOCOL_TCP && meta->frag_offset == TINY_TCP_FRAGMENT)
		sl_fault(meta, SL_REASON_IP6_TINY_FRAGMENT);
	return STEP_LATER;
}

/* What is special about one header of the chain, whose `size` bytes are there. */
static enum step
parse_extension(struct sl_cursor *c, struct sl_meta *meta, uint8_t number, uint32_t size)
{
	const uint8_t *header = sl_cursor_bytes(c);
	bool is_good = true;

	switch (number) {
	case SL_PROTOCOL_HOP_BY_HOP:
		return parse_hop_by_hop(c, meta, size);
	case SL_PROTOCOL_DESTINATION:
		walk_options(header, size, &is_good);
		if (!is_good)
			sl_fault(meta, SL_REASON_IP6_BAD_OPTION);
		return STEP_NEXT;
	case SL_PROTOCOL_ROUTING:
		if (header[2] == 0)
			sl_fault(meta, SL_REASON_IP6_ROUTING_TYPE_0);
		return STEP_NEXT;
	case SL_PROTOCOL_FRAGMENT:
		return parse_fragment(c, meta, c->at - meta->l3_offset - IP6_SIZE);
	case SL_PROTOCOL_AH:
		if (size < AH_MIN)
			sl_fault(meta, SL_REASON_IP6_BAD_EXTENSION);
		return STEP_NEXT;
	default:
		return STEP_NEXT;
	}
}

/* `n` bytes of an extension header were asked for and are not there. */
static void
fault_chain(const struct sl_cursor *c, struct sl_meta *meta, uint32_t n)
{
	if (n > sl_cursor_left(c))
		sl_fault(meta,
			c->is_first_fragment ? SL_REASON_IP6_CHAIN_SPLIT
					     : SL_REASON_IP6_BAD_EXTENSION);
	else if (c->readable == SL_PACKET_HEADERS_MAX)
		sl_fault(meta, SL_REASON_IP6_TOO_MANY_HEADERS);
	else
		sl_fault(meta, SL_REASON_HEADER_BEYOND_WINDOW);
}

/* Passes one extension header. `*number` is its number and becomes that of what follows. */
static enum step
pass_extension(struct sl_cursor *c, struct sl_meta *meta, uint8_t *number)
{
	const uint8_t *header = sl_cursor_bytes(c);
	uint32_t size = EXTENSION_MIN;
	enum step step;

	if (meta->ip6_header_n == UINT8_MAX) {
		sl_fault(meta, SL_REASON_IP6_TOO_MANY_HEADERS);
		return STEP_STOP;
	}
	if (sl_cursor_has(c, size))
		size = sl_ip6_extension_size(*number, header);
	if (!sl_cursor_has(c, size)) {
		fault_chain(c, meta, size);
		return STEP_STOP;
	}
	step = parse_extension(c, meta, *number, size);
	if (step == STEP_STOP)
		return STEP_STOP;
	meta->ip6_extensions |= extension_bit(*number);
	meta->ip6_header_n++;
	*number = header[0];
	c->at += size;
	return step;
}

static void
parse_chain(struct sl_cursor *c, struct sl_meta *meta, uint8_t number)
{
	enum step step = STEP_NEXT;

	while (step == STEP_NEXT && SL_UNLIKELY(extension_bit(number) != 0))
		step = pass_extension(c, meta, &number);
	meta->l4_offset = (uint16_t)c->at;
	meta->payload_offset = (uint16_t)c->at;
	meta->payload_len = sl_cursor_left(c);
	if (step == STEP_STOP)
		return;
	meta->protocol = number;
	meta->present |= CHAIN_PRESENT;
	if (step == STEP_NEXT)
		sl_parse_transport(c, meta);
}

static void
parse_fixed(struct sl_meta *meta, const uint8_t *ip)
{
	meta->ip_version = 6;
	memcpy(meta->ip6_src, ip + 8, sizeof(meta->ip6_src));
	memcpy(meta->ip6_dst, ip + 24, sizeof(meta->ip6_dst));
	meta->src_address_type = sl_ip6_address_type(ip + 8);
	meta->dst_address_type = sl_ip6_address_type(ip + 24);
	meta->ttl = ip[7];
	meta->dscp = (uint8_t)(sl_be16(ip) >> 6 & 0x3f);
	meta->present |= FIXED_PRESENT;
}

/*
 * Ends the layer at the payload length. A length of 0 means a jumbogram when hop-by-hop options
 * follow; in front of TCP or UDP it is how a segment looks that was captured before the NIC split it:
 * a fault, but the rest of the frame is the packet.
 */
static bool
parse_length(struct sl_cursor *c, struct sl_meta *meta, const uint8_t *ip)
{
	uint32_t length = sl_be16(ip + 4);

	if (length == 0 && ip[6] == SL_PROTOCOL_HOP_BY_HOP) {
		c->is_jumbogram = true;
		return true;
	}
	meta->packet_length = IP6_SIZE + length;
	meta->present |= SL_PRESENT(PACKET_LENGTH);
	if (length == 0 && (ip[6] == SL_PROTOCOL_TCP || ip[6] == SL_PROTOCOL_UDP)) {
		sl_fault(meta, SL_REASON_IP6_BAD_PAYLOAD_LENGTH);
		return true;
	}
	if (length > sl_cursor_left(c)) {
		sl_fault(meta, SL_REASON_IP6_BAD_PAYLOAD_LENGTH);
		return false;
	}
	sl_cursor_limit(c, c->at, length);
	return true;
}

void
sl_parse_ip6(struct sl_cursor *c, struct sl_meta *meta)
{
	const uint8_t *ip = sl_cursor_bytes(c);

	if (!sl_cursor_has(c, IP6_SIZE)) {
		sl_fault_lack(c, meta, IP6_SIZE, SL_REASON_IP6_TRUNCATED);
		return;
	}
	if (ip[0] >> 4 != 6) {
		sl_fault(meta, SL_REASON_IP6_BAD_VERSION);
		return;
	}
	parse_fixed(meta, ip);
	c->at += IP6_SIZE;
	if (parse_length(c, meta, ip))
		parse_chain(c, meta, ip[6]);
}
