/* SPDX-License-Identifier: BSD-3-Clause */
#include "answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ETHERNET_SIZE     14u
#define ETHERNET_MIN      60u /* shortest frame, without FCS */
#define ETHERNET_TYPE_MIN 0x600u
#define VLAN_SIZE         4u

#define IP4_SIZE  20u
#define IP6_SIZE  40u
#define TCP_SIZE  20u
#define UDP_SIZE  8u
#define ICMP_SIZE 8u

#define IP4_MAX_QUOTING 576u  /* an ICMP error with all it quotes: RFC 1812 section 4.3.2.3 */
#define IP6_MAX_QUOTING 1280u /* RFC 4443 section 3.1 */

#define PROTOCOL_HOP_BY_HOP  0
#define PROTOCOL_ICMP        1
#define PROTOCOL_TCP         6
#define PROTOCOL_UDP         17
#define PROTOCOL_ROUTING     43
#define PROTOCOL_FRAGMENT    44
#define PROTOCOL_AH          51
#define PROTOCOL_ICMP6       58
#define PROTOCOL_DESTINATION 60
#define EXTENSIONS_MAX       16

#define TCP_FIN 0x01u
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_ACK 0x10u

#define HOPS 64

/* The packet to answer, understood. */
struct packet {
	const uint8_t *ip;
	uint32_t ip_len;      /* bytes of the packet, as it says itself */
	uint32_t readable;    /* bytes of it that can be read */
	uint32_t header_size; /* IP header and extension headers */
	uint8_t version;
	uint8_t protocol;
	bool is_fragment; /* the first of several */
};

/* --- Bytes. --- */

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

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
	put16(at + 2, value);
}

/* Adds bytes to an Internet checksum (RFC 1071) under way; only the last piece may be of odd length. */
static uint32_t
sum(uint32_t under_way, const uint8_t *bytes, uint32_t n)
{
	for (; n >= 2; n -= 2, bytes += 2)
		under_way += get16(bytes);
	return n == 1 ? under_way + ((uint32_t)bytes[0] << 8) : under_way;
}

static uint16_t
checksum(uint32_t under_way)
{
	under_way = (under_way & 0xffff) + (under_way >> 16);
	under_way += under_way >> 16;
	return (uint16_t)~under_way;
}

static uint32_t
smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* --- Who may be answered. --- */

/* Unspecified, loopback, multicast, reserved, broadcast. */
static bool
is_host4(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

/* Not unspecified, loopback or multicast. */
static bool
is_host6(const uint8_t *address)
{
	static const uint8_t zeros[15];

	return address[0] != 0xff &&
		!(memcmp(address, zeros, sizeof(zeros)) == 0 && address[15] <= 1);
}

/* Neither address has the group bit. */
static bool
is_between_stations(const uint8_t *frame)
{
	return ((frame[0] | frame[6]) & 1) == 0;
}

/* A loose or strict source route, whether it has been followed to its end or not. */
static bool
has_source_route(const uint8_t *options, uint32_t size)
{
	uint32_t at = 0;

	while (at < size && options[at] != 0) {
		if (options[at] == 1) {
			at++;
			continue;
		}
		if (options[at] == 131 || options[at] == 137 || at + 1 >= size ||
			options[at + 1] < 2)
			return true;
		at += options[at + 1];
	}
	return false;
}

/* --- Understanding the packet. --- */

static bool
read_ip4(const struct question *question, struct packet *packet)
{
	const uint8_t *ip = packet->ip;
	uint32_t fragment;

	if (packet->readable < IP4_SIZE)
		return false;
	packet->header_size = (ip[0] & 0xfu) * 4;
	packet->ip_len = get16(ip + 2);
	fragment = get16(ip + 6);
	if (packet->header_size < IP4_SIZE || packet->header_size > packet->ip_len ||
		packet->ip_len > question->length - question->l2_size ||
		packet->header_size > packet->readable)
		return false;
	packet->protocol = ip[9];
	packet->is_fragment = (fragment & 0x2000) != 0;
	return (fragment & 0x1fff) == 0 && is_host4(ip + 12) && is_host4(ip + 16) &&
		!has_source_route(ip + IP4_SIZE, packet->header_size - IP4_SIZE);
}

/* Bytes of an extension header that can be read at `at` for 8 bytes; 0: not one to pass. */
static uint32_t
extension_size(uint8_t protocol, const uint8_t *at)
{
	switch (protocol) {
	case PROTOCOL_HOP_BY_HOP:
	case PROTOCOL_DESTINATION:
		return (at[1] + 1u) * 8;
	case PROTOCOL_ROUTING: /* with segments left, the destination is not the packet's last */
		return at[3] == 0 ? (at[1] + 1u) * 8 : 0;
	case PROTOCOL_FRAGMENT:
		return (get16(at + 2) & 0xfff8) == 0 ? 8 : 0;
	case PROTOCOL_AH:
		return (at[1] + 2u) * 4;
	default:
		return 0;
	}
}

static bool
is_extension(uint8_t protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_DESTINATION ||
		protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_FRAGMENT ||
		protocol == PROTOCOL_AH;
}

static bool
read_extensions(struct packet *packet)
{
	const uint32_t end = smaller(packet->ip_len, packet->readable);

	for (int i = 0; is_extension(packet->protocol); i++) {
		const uint8_t *at = packet->ip + packet->header_size;
		uint32_t size;

		if (i == EXTENSIONS_MAX || packet->header_size + 8 > end)
			return false;
		size = extension_size(packet->protocol, at);
		if (size == 0 || packet->header_size + size > end)
			return false;
		if (packet->protocol == PROTOCOL_FRAGMENT && (at[3] & 1) != 0)
			packet->is_fragment = true;
		packet->protocol = at[0];
		packet->header_size += size;
	}
	return true;
}

static bool
read_ip6(const struct question *question, struct packet *packet)
{
	const uint8_t *ip = packet->ip;

	if (packet->readable < IP6_SIZE)
		return false;
	packet->header_size = IP6_SIZE;
	packet->ip_len = IP6_SIZE + get16(ip + 4);
	packet->protocol = ip[6];
	if (packet->ip_len > question->length - question->l2_size)
		return false;
	return is_host6(ip + 8) && is_host6(ip + 24) && read_extensions(packet);
}

static bool
read_packet(const struct question *question, struct packet *packet)
{
	if (question->l2_size < ETHERNET_SIZE || question->readable <= question->l2_size ||
		question->readable > question->length || !is_between_stations(question->frame))
		return false;
	*packet = (struct packet){
		.ip = question->frame + question->l2_size,
		.readable = question->readable - question->l2_size,
	};
	packet->version = packet->ip[0] >> 4;
	if (packet->version == 4)
		return read_ip4(question, packet);
	return packet->version == 6 && read_ip6(question, packet);
}

/* The transport header when `size` bytes of it are in the packet and can be read. */
static const uint8_t *
transport_header(const struct packet *packet, uint32_t size)
{
	if (packet->header_size + size > smaller(packet->ip_len, packet->readable))
		return NULL;
	return packet->ip + packet->header_size;
}

/* --- Writing the answer. --- */

static uint32_t
ip_size(const struct packet *packet)
{
	return packet->version == 4 ? IP4_SIZE : IP6_SIZE;
}

/* What pseudo-headers add to a checksum (RFC 9293 section 3.1, RFC 8200 section 8.1). */
static uint32_t
sum_pseudo_header(const struct packet *packet, const uint8_t *ip, uint8_t protocol, uint32_t len)
{
	uint32_t addresses = packet->version == 4 ? sum(0, ip + 12, 8) : sum(0, ip + 8, 32);

	return addresses + protocol + len;
}

/* Addresses are exchanged; `len` is that of what follows the header. */
static void
write_ip4(const struct packet *packet, uint8_t *ip, uint8_t protocol, uint32_t len)
{
	memset(ip, 0, IP4_SIZE);
	ip[0] = 0x45;
	/* Errors travel with the precedence of internetwork control: RFC 1812 section 4.3.2.5. */
	ip[1] = protocol == PROTOCOL_ICMP ? 0xc0 : 0;
	put16(ip + 2, IP4_SIZE + len);
	/* An atomic datagram: its identification means nothing (RFC 6864). */
	put16(ip + 6, 0x4000);
	ip[8] = HOPS;
	ip[9] = protocol;
	memcpy(ip + 12, packet->ip + 16, 4);
	memcpy(ip + 16, packet->ip + 12, 4);
	put16(ip + 10, checksum(sum(0, ip, IP4_SIZE)));
}

static void
write_ip6(const struct packet *packet, uint8_t *ip, uint8_t protocol, uint32_t len)
{
	memset(ip, 0, IP6_SIZE);
	ip[0] = 0x60;
	put16(ip + 4, len);
	ip[6] = protocol;
	ip[7] = HOPS;
	memcpy(ip + 8, packet->ip + 24, 16);
	memcpy(ip + 24, packet->ip + 8, 16);
}

static void
write_ip(const struct packet *packet, uint8_t *ip, uint8_t protocol, uint32_t len)
{
	if (packet->version == 4)
		write_ip4(packet, ip, protocol, len);
	else
		write_ip6(packet, ip, protocol, len);
}

/*
 * A reset that the sender accepts: RFC 9293 section 3.10.7.1.  Returns the bytes behind the IP header,
 * 0 when the segment is not to be answered.
 */
static uint32_t
write_reset(const struct packet *packet, uint8_t *ip)
{
	const uint8_t *segment = transport_header(packet, TCP_SIZE);
	uint8_t *reset = ip + ip_size(packet);
	uint32_t flags, header_size, len;

	if (segment == NULL)
		return 0;
	flags = segment[13];
	header_size = (segment[12] >> 4) * 4u;
	if ((flags & TCP_RST) != 0 || header_size < TCP_SIZE ||
		packet->header_size + header_size > packet->ip_len)
		return 0;
	/* How long the whole segment is cannot be told from a fragment. */
	if ((flags & TCP_ACK) == 0 && packet->is_fragment)
		return 0;
	memset(reset, 0, TCP_SIZE);
	memcpy(reset, segment + 2, 2);
	memcpy(reset + 2, segment, 2);
	reset[12] = TCP_SIZE / 4 << 4;
	if ((flags & TCP_ACK) != 0) {
		memcpy(reset + 4, segment + 8, 4);
		reset[13] = TCP_RST;
	} else {
		len = packet->ip_len - packet->header_size - header_size;
		len += ((flags & TCP_SYN) != 0) + ((flags & TCP_FIN) != 0);
		put32(reset + 8, get32(segment + 4) + len);
		reset[13] = TCP_RST | TCP_ACK;
	}
	write_ip(packet, ip, PROTOCOL_TCP, TCP_SIZE);
	put16(reset + 16,
		checksum(sum(
			sum_pseudo_header(packet, ip, PROTOCOL_TCP, TCP_SIZE), reset, TCP_SIZE)));
	return TCP_SIZE;
}

/* Port unreachable, quoting as much of the packet as an error may. */
static uint32_t
write_unreachable(const struct packet *packet, uint8_t *ip)
{
	const bool is_v4 = packet->version == 4;
	const uint8_t protocol = is_v4 ? PROTOCOL_ICMP : PROTOCOL_ICMP6;
	const uint32_t max =
		(is_v4 ? IP4_MAX_QUOTING : IP6_MAX_QUOTING) - ip_size(packet) - ICMP_SIZE;
	uint8_t *error = ip + ip_size(packet);
	uint32_t quoted, len, under_way;

	if (transport_header(packet, UDP_SIZE) == NULL)
		return 0;
	quoted = smaller(smaller(packet->ip_len, packet->readable), max);
	len = ICMP_SIZE + quoted;
	memset(error, 0, ICMP_SIZE);
	error[0] = is_v4 ? 3 : 1;
	error[1] = is_v4 ? 3 : 4;
	memcpy(error + ICMP_SIZE, packet->ip, quoted);
	write_ip(packet, ip, protocol, len);
	under_way = is_v4 ? 0 : sum_pseudo_header(packet, ip, protocol, len);
	put16(error + 2, checksum(sum(under_way, error, len)));
	return len;
}

/* Where the type or length field stands: behind the addresses and the VLAN tags. */
static uint32_t
type_offset(const uint8_t *frame, uint32_t l2_size)
{
	uint32_t at = ETHERNET_SIZE - 2;

	while (at + 2 + VLAN_SIZE <= l2_size) {
		uint16_t type = get16(frame + at);

		if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
			break;
		at += VLAN_SIZE;
	}
	return at;
}

/* The link-layer header back to the sender. An 802.3 frame has its length there. */
static void
write_link(const struct question *question, uint8_t *to, uint32_t size)
{
	uint32_t type_at = type_offset(question->frame, question->l2_size);

	memcpy(to, question->frame, question->l2_size);
	memcpy(to, question->frame + 6, 6);
	memcpy(to + 6, question->frame, 6);
	if (get16(to + type_at) < ETHERNET_TYPE_MIN)
		put16(to + type_at, size - type_at - 2);
}

enum answer
answer_build(const struct question *question, uint8_t *to, uint32_t *size)
{
	enum answer answer = ANSWER_NONE;
	struct packet packet;
	uint32_t len = 0;

	/* The longest answer is an error that quotes. */
	if (question->l2_size > ANSWER_SIZE - IP6_MAX_QUOTING || !read_packet(question, &packet))
		return ANSWER_NONE;
	if (packet.protocol == PROTOCOL_TCP) {
		answer = ANSWER_TCP_RESET;
		len = write_reset(&packet, to + question->l2_size);
	} else if (packet.protocol == PROTOCOL_UDP) {
		answer = ANSWER_PORT_UNREACHABLE;
		len = write_unreachable(&packet, to + question->l2_size);
	}
	if (len == 0)
		return ANSWER_NONE;
	*size = question->l2_size + ip_size(&packet) + len;
	write_link(question, to, *size);
	if (*size < ETHERNET_MIN) {
		memset(to + *size, 0, ETHERNET_MIN - *size);
		*size = ETHERNET_MIN;
	}
	return answer;
}
