/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

#include "packet/transport_run.h"

/* TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260), GRE (RFC 2784, 2890, 2637) and other tunnels. */

#define PORTS_SIZE    4u
#define TCP_FLAGS_END 14u
#define TCP_FIRST_MIN 16u /* bytes of TCP that a first IPv4 fragment must hold (RFC 1858) */
#define SCTP_SIZE     12u
#define GRE_SIZE      4u

void
sl_fault_transport(
	const struct sl_cursor *c, struct sl_meta *meta, uint32_t n, enum sl_reason reason)
{
	bool is_ip4 = meta->ip_version == 4;

	if (!c->is_first_fragment || n <= sl_cursor_left(c))
		sl_fault_lack(c, meta, n, reason);
	else if (meta->protocol == SL_PROTOCOL_TCP)
		sl_fault(meta, is_ip4 ? SL_REASON_IP4_TINY_FRAGMENT : SL_REASON_IP6_TINY_FRAGMENT);
	else if (!is_ip4)
		sl_fault(meta, SL_REASON_IP6_CHAIN_SPLIT);
	/* Else: without ports, which no filter on ports then matches; whole once reassembled. */
}

/* Ends the headers `size` bytes behind the cursor; all that is left is payload. */
static void
end_headers(const struct sl_cursor *c, struct sl_meta *meta, uint32_t size)
{
	meta->l4_len = (uint16_t)size;
	meta->payload_offset = (uint16_t)(c->at + size);
	meta->payload_len = sl_cursor_left(c) - size;
}

/* The ports, where TCP, UDP and SCTP have them; nothing when they are cut. */
static void
put_ports(const struct sl_cursor *c, struct sl_meta *meta)
{
	if (!sl_cursor_has(c, PORTS_SIZE))
		return;
	sl_meta_put_ports(meta, sl_be32(sl_cursor_bytes(c)));
	meta->present |= SL_PORTS_PRESENT;
}

bool
sl_parse_tcp_options(const uint8_t *options, uint32_t n)
{
	uint32_t step;

	for (uint32_t i = 0; i < n && options[i] != SL_TCP_OPTION_END; i += step) {
		step = 1;
		if (options[i] == SL_TCP_OPTION_NOP)
			continue;
		if (i + 1 == n || options[i + 1] < 2 || options[i + 1] > n - i)
			return false;
		step = options[i + 1];
	}
	return true;
}

/*
 * The options of a TCP header of `size` bytes.  IPv4 may split them off into a later fragment: ports
 * and flags are here, which is what RFC 1858 asks for.
 */
static void
parse_tcp_options(struct sl_cursor *c, struct sl_meta *meta, uint32_t size)
{
	uint32_t left = sl_cursor_left(c);
	bool is_split = c->is_first_fragment && meta->ip_version == 4 && size > left;

	if (is_split)
		size = left;
	if (!sl_cursor_has(c, size)) {
		sl_fault_transport(c, meta, size, SL_REASON_TCP_BAD_DATA_OFFSET);
		return;
	}
	end_headers(c, meta, size);
	if (!is_split &&
		!sl_parse_tcp_options(sl_cursor_bytes(c) + SL_TCP_SIZE, size - SL_TCP_SIZE))
		sl_fault(meta, SL_REASON_TCP_BAD_OPTION);
}

/*
 * A first IPv4 fragment may end inside the TCP header as long as ports and flags are in it.  IPv6 wants
 * the whole header there (RFC 7112).
 */
static bool
is_split_tcp(const struct sl_cursor *c, const struct sl_meta *meta)
{
	uint32_t left = sl_cursor_left(c);

	return c->is_first_fragment && meta->ip_version == 4 && left >= TCP_FIRST_MIN &&
		left < SL_TCP_SIZE;
}

/* Reports on a header that is cut, by a tiny fragment for instance, name what is left of it. */
static void
parse_tcp(struct sl_cursor *c, struct sl_meta *meta)
{
	const uint8_t *tcp = sl_cursor_bytes(c);
	uint32_t need = is_split_tcp(c, meta) ? sl_cursor_left(c) : SL_TCP_SIZE;
	uint32_t size;

	put_ports(c, meta);
	if (sl_cursor_has(c, TCP_FLAGS_END)) {
		meta->tcp_flags = tcp[13];
		meta->present |= SL_PRESENT(TCP_FLAGS);
	}
	if (!sl_cursor_has(c, need)) {
		sl_fault_transport(c, meta, need, SL_REASON_TCP_TRUNCATED);
		return;
	}
	if (need < SL_TCP_SIZE) {
		end_headers(c, meta, need);
		return;
	}
	size = (tcp[12] >> 4) * 4u;
	if (size < SL_TCP_SIZE)
		sl_fault(meta, SL_REASON_TCP_BAD_DATA_OFFSET);
	else
		parse_tcp_options(c, meta, size);
}

/*
 * In a fragment the UDP length covers the whole datagram; in a jumbogram it may be 0 (RFC 2675).
 * Bytes of the IP payload behind the UDP length are not the datagram's.
 */
static void
parse_udp(struct sl_cursor *c, struct sl_meta *meta)
{
	const uint8_t *udp = sl_cursor_bytes(c);
	uint32_t length, left = sl_cursor_left(c);

	put_ports(c, meta);
	if (!sl_cursor_has(c, SL_UDP_SIZE)) {
		sl_fault_transport(c, meta, SL_UDP_SIZE, SL_REASON_UDP_TRUNCATED);
		return;
	}
	if (sl_udp_is_tunnel(meta->dst_port))
		meta->meta_flags |= SL_META_IS_TUNNEL;
	length = sl_be16(udp + 4);
	if (length == 0 && c->is_jumbogram)
		length = left;
	if (length < SL_UDP_SIZE || (length > left && !c->is_first_fragment)) {
		sl_fault(meta, SL_REASON_UDP_BAD_LENGTH);
		return;
	}
	end_headers(c, meta, SL_UDP_SIZE);
	meta->payload_len = SL_MIN(length, left) - SL_UDP_SIZE;
}

static void
parse_sctp(struct sl_cursor *c, struct sl_meta *meta)
{
	if (!sl_cursor_has(c, SCTP_SIZE)) {
		sl_fault_transport(c, meta, SCTP_SIZE, SL_REASON_SCTP_TRUNCATED);
		return;
	}
	put_ports(c, meta);
	end_headers(c, meta, SCTP_SIZE);
}

/* The size of a GRE header, optional members included, from its flags and version. */
static uint32_t
gre_size(uint16_t flags)
{
	uint32_t size = GRE_SIZE;

	if (flags & 0x2000) /* key */
		size += 4;
	if (flags & 0x1000) /* sequence number */
		size += 4;
	if (flags & 0xc000) /* checksum, routing */
		size += 4;
	if ((flags & 7) == 1 && flags & 0x0080) /* PPTP's acknowledgement */
		size += 4;
	return size;
}

static void
parse_gre(struct sl_cursor *c, struct sl_meta *meta)
{
	uint32_t size = GRE_SIZE;

	if (sl_cursor_has(c, size))
		size = gre_size(sl_be16(sl_cursor_bytes(c)));
	if (sl_cursor_has(c, size))
		end_headers(c, meta, size);
	else
		sl_fault_transport(c, meta, size, SL_REASON_GRE_TRUNCATED);
}

void
sl_parse_transport(struct sl_cursor *c, struct sl_meta *meta)
{
	switch (meta->protocol) {
	case SL_PROTOCOL_TCP:
		parse_tcp(c, meta);
		break;
	case SL_PROTOCOL_UDP:
		parse_udp(c, meta);
		break;
	case SL_PROTOCOL_ICMP:
	case SL_PROTOCOL_ICMP6:
		sl_parse_icmp(c, meta);
		break;
	case SL_PROTOCOL_SCTP:
		parse_sctp(c, meta);
		break;
	case SL_PROTOCOL_GRE:
		meta->meta_flags |= SL_META_IS_TUNNEL;
		parse_gre(c, meta);
		break;
	case SL_PROTOCOL_IP4:
	case SL_PROTOCOL_IP6:
	case SL_PROTOCOL_ETHER_IP:
	case SL_PROTOCOL_MPLS:
	case SL_PROTOCOL_ETHERNET:
		meta->meta_flags |= SL_META_IS_TUNNEL;
		break;
	default:
		break;
	}
}
