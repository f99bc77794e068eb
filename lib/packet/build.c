/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/sl_build.h"

#include "packet/parse.h"

#define ETHERNET_SIZE 14u
#define VLAN_SIZE     4u
#define IP4_SIZE      20u
#define IP6_SIZE      40u
#define TCP_SIZE      20u
#define UDP_SIZE      8u
#define ICMP_SIZE     8u
#define OPTIONS_MAX   40u
#define EXTENSION_MAX 2048u
#define TTL_DEFAULT   64

static void
put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void
put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

uint32_t
sl_build_sum(const void *bytes, uint32_t n, uint32_t sum)
{
	const uint8_t *at = bytes;
	uint64_t wide = sum;

	for (; n >= 2; n -= 2, at += 2)
		wide += sl_be16(at);
	if (n == 1)
		wide += (uint32_t)at[0] << 8;
	wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)((wide & 0xffffffff) + (wide >> 32));
}

uint16_t
sl_build_checksum(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void
sl_build_ip4_checksum(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, sl_build_checksum(sl_build_sum(ip, (ip[0] & 0xfu) * 4, 0)));
}

uint16_t
sl_build_transport_checksum(const uint8_t *ip, uint8_t protocol, const void *bytes, uint32_t n)
{
	bool is_ip4 = ip[0] >> 4 == 4;
	uint32_t sum = sl_build_sum(
		is_ip4 ? ip + 12 : ip + 8, is_ip4 ? 8 : 32, protocol + (n >> 16) + (n & 0xffff));
	uint16_t checksum = sl_build_checksum(sl_build_sum(bytes, n, sum));

	/* UDP keeps 0 for "not computed" (RFC 768). */
	return checksum == 0 && protocol == SL_PROTOCOL_UDP ? 0xffff : checksum;
}

void
sl_build_init(struct sl_build *build, void *bytes, uint32_t size)
{
	*build = (struct sl_build){.bytes = bytes, .size = size};
}

uint8_t *
sl_build_append(struct sl_build *build, uint32_t n)
{
	uint8_t *at;

	if (build->is_full || n > build->size - build->len) {
		build->is_full = true;
		return NULL;
	}
	at = build->bytes + build->len;
	memset(at, 0, n);
	build->len += n;
	return at;
}

void
sl_build_bytes(struct sl_build *build, const void *bytes, uint32_t n)
{
	uint8_t *at = sl_build_append(build, n);

	if (at != NULL && n > 0)
		memcpy(at, bytes, n);
}

void
sl_build_type(struct sl_build *build, uint16_t type)
{
	if (build->is_full)
		return;
	if (build->type_size == 2)
		put16(build->bytes + build->type_at, type);
	else if (build->type_size == 1)
		build->bytes[build->type_at] = (uint8_t)type;
}

/* Appends a header of which byte `type_offset`, `type_size` bytes, names what follows. */
static uint8_t *
append_header(struct sl_build *build, uint16_t type, uint32_t size, uint32_t type_offset,
	uint8_t type_size)
{
	uint8_t *at = sl_build_append(build, size);

	if (at == NULL)
		return NULL;
	sl_build_type(build, type);
	build->type_at = build->len - size + type_offset;
	build->type_size = type_size;
	return at;
}

void
sl_build_ethernet(struct sl_build *build, const uint8_t dst[6], const uint8_t src[6])
{
	uint8_t *at = append_header(build, 0, ETHERNET_SIZE, 12, 2);

	if (at == NULL)
		return;
	memcpy(at, dst, 6);
	memcpy(at + 6, src, 6);
}

void
sl_build_vlan(struct sl_build *build, uint16_t tpid, uint16_t tci)
{
	uint8_t *at = append_header(build, tpid, VLAN_SIZE, 2, 2);

	if (at != NULL)
		put16(at, tci);
}

void
sl_build_ip4(struct sl_build *build, uint32_t src, uint32_t dst)
{
	uint8_t *at = append_header(build, SL_ETHER_TYPE_IP4, IP4_SIZE, 9, 1);

	if (at == NULL)
		return;
	at[0] = 0x45;
	at[8] = TTL_DEFAULT;
	put32(at + 12, src);
	put32(at + 16, dst);
	build->ip_at = build->len - IP4_SIZE;
	build->ip_version = 4;
}

/* Appends options behind a header at `header_at`; returns the padded size, 0 when there is no room. */
static uint32_t
append_options(struct sl_build *build, const void *options, uint32_t n)
{
	uint32_t size = (n + 3) & ~3u;
	uint8_t *at;

	if (n > OPTIONS_MAX)
		build->is_full = true;
	at = sl_build_append(build, size);
	if (at == NULL)
		return 0;
	if (n > 0)
		memcpy(at, options, n);
	return size;
}

void
sl_build_ip4_options(struct sl_build *build, const void *options, uint32_t n)
{
	uint32_t size = append_options(build, options, n);

	if (size > 0)
		build->bytes[build->ip_at] = (uint8_t)(0x40 | (IP4_SIZE + size) / 4);
}

void
sl_build_ip6(struct sl_build *build, const uint8_t src[16], const uint8_t dst[16])
{
	uint8_t *at = append_header(build, SL_ETHER_TYPE_IP6, IP6_SIZE, 6, 1);

	if (at == NULL)
		return;
	at[0] = 0x60;
	at[6] = SL_PROTOCOL_NONE;
	at[7] = TTL_DEFAULT;
	memcpy(at + 8, src, 16);
	memcpy(at + 24, dst, 16);
	build->ip_at = build->len - IP6_SIZE;
	build->ip_version = 6;
}

void
sl_build_ip6_extension(struct sl_build *build, uint8_t number, const void *body, uint32_t n)
{
	uint32_t size = (n + 2 + 7) & ~7u;
	uint8_t *at;

	if (size > EXTENSION_MAX)
		build->is_full = true;
	at = append_header(build, number, size, 0, 1);
	if (at == NULL)
		return;
	at[0] = SL_PROTOCOL_NONE;
	if (number == SL_PROTOCOL_AH)
		at[1] = (uint8_t)(size / 4 - 2);
	else if (number != SL_PROTOCOL_FRAGMENT)
		at[1] = (uint8_t)(size / 8 - 1);
	if (n > 0)
		memcpy(at + 2, body, n);
}

static uint8_t *
append_transport(struct sl_build *build, uint8_t protocol, uint32_t size)
{
	uint8_t *at = append_header(build, protocol, size, 0, 0);

	if (at == NULL)
		return NULL;
	build->l4_at = build->len - size;
	build->protocol = protocol;
	return at;
}

void
sl_build_tcp(struct sl_build *build, uint16_t src_port, uint16_t dst_port, uint32_t seq,
	uint32_t ack, uint8_t flags)
{
	uint8_t *at = append_transport(build, SL_PROTOCOL_TCP, TCP_SIZE);

	if (at == NULL)
		return;
	put16(at, src_port);
	put16(at + 2, dst_port);
	put32(at + 4, seq);
	put32(at + 8, ack);
	at[12] = TCP_SIZE / 4 << 4;
	at[13] = flags;
}

void
sl_build_tcp_options(struct sl_build *build, const void *options, uint32_t n)
{
	uint32_t size = append_options(build, options, n);

	if (size > 0)
		build->bytes[build->l4_at + 12] = (uint8_t)((TCP_SIZE + size) / 4 << 4);
}

void
sl_build_udp(struct sl_build *build, uint16_t src_port, uint16_t dst_port)
{
	uint8_t *at = append_transport(build, SL_PROTOCOL_UDP, UDP_SIZE);

	if (at == NULL)
		return;
	put16(at, src_port);
	put16(at + 2, dst_port);
}

void
sl_build_icmp(struct sl_build *build, uint8_t type, uint8_t code, uint32_t rest)
{
	uint8_t protocol = build->ip_version == 6 ? SL_PROTOCOL_ICMP6 : SL_PROTOCOL_ICMP;
	uint8_t *at = append_transport(build, protocol, ICMP_SIZE);

	if (at == NULL)
		return;
	at[0] = type;
	at[1] = code;
	put32(at + 4, rest);
}

bool
sl_build_reply(struct sl_build *build, const struct sl_frame *frame, const struct sl_meta *meta)
{
	if (meta->reason != SL_REASON_NONE || meta->ip_version == 0)
		return false;
	if (meta->meta_flags & SL_META_HAS_ETHERNET &&
		meta->l3_offset != ETHERNET_SIZE + meta->vlan_n * VLAN_SIZE)
		return false;
	if (meta->meta_flags & SL_META_HAS_ETHERNET) {
		/* Tags and type as they came: they are right for the way back. */
		sl_build_bytes(build, meta->mac_src, 6);
		sl_build_bytes(build, meta->mac_dst, 6);
		sl_build_bytes(build, frame->bytes + 12, meta->l3_offset - 12u);
	}
	if (meta->ip_version == 4)
		sl_build_ip4(build, meta->ip4_dst, meta->ip4_src);
	else
		sl_build_ip6(build, meta->ip6_dst, meta->ip6_src);
	return true;
}

static void
finish_transport(struct sl_build *build)
{
	uint8_t *l4 = build->bytes + build->l4_at, *checksum;
	uint32_t n = build->len - build->l4_at;

	switch (build->protocol) {
	case SL_PROTOCOL_TCP:
		checksum = l4 + 16;
		break;
	case SL_PROTOCOL_UDP:
		put16(l4 + 4, n);
		checksum = l4 + 6;
		break;
	case SL_PROTOCOL_ICMP:
		put16(l4 + 2, 0);
		put16(l4 + 2, sl_build_checksum(sl_build_sum(l4, n, 0)));
		return;
	case SL_PROTOCOL_ICMP6:
		checksum = l4 + 2;
		break;
	default:
		return;
	}
	put16(checksum, 0);
	put16(checksum,
		sl_build_transport_checksum(build->bytes + build->ip_at, build->protocol, l4, n));
}

uint32_t
sl_build_finish(struct sl_build *build)
{
	uint8_t *ip = build->bytes + build->ip_at;

	if (build->is_full)
		return 0;
	if (build->ip_version == 4) {
		put16(ip + 2, build->len - build->ip_at);
		sl_build_ip4_checksum(ip);
	} else if (build->ip_version == 6) {
		put16(ip + 4, build->len - build->ip_at - IP6_SIZE);
	}
	finish_transport(build);
	return build->len;
}
