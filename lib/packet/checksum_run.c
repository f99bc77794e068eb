/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/ip4_run.h"
#include "packet/parse.h"

/* The checksum of TCP segments, as their receiver verifies it (RFC 9293 3.1, RFC 8200 8.1, RFC 1071). */

#define IP6_SIZE      40u
#define ROUTE_OPTIONS (SLUICE_IP_OPTION_LSRR | SLUICE_IP_OPTION_SSRR)
#define ROUTE_MIN     7u /* an IPv4 source route with one address */
#define FINAL_AT      8u /* of routing headers of type 2 and 4: where the final destination stands */
#define HOME_ADDRESS  201u
#define EXTENSION_MIN 8u

enum {
	IP4_OPTION_END = 0,
	IP4_OPTION_NOP = 1,
	IP4_OPTION_LSRR = 131,
	IP4_OPTION_SSRR = 137,
	IP6_OPTION_PAD1 = 0,
	ROUTING_HOME = 2,    /* RFC 6275 6.4 */
	ROUTING_SEGMENTS = 4 /* RFC 8754 */
};

/* The addresses of a pseudo header: those of the hosts at the ends. */
struct ends {
	const uint8_t *src;
	const uint8_t *dst;
};

/* Adds bytes as 32-bit words, in the order of memory: only the last piece may be no multiple of 4. */
static uint64_t
add_bytes(const uint8_t *bytes, uint32_t n, uint64_t sum)
{
	uint32_t last = 0;

	for (; n >= sizeof(last); n -= (uint32_t)sizeof(last), bytes += sizeof(last))
		sum += sl_ip4_word(bytes);
	memcpy(&last, bytes, n);
	return sum + last;
}

/* --- Where the ends are not those of the IP header. --- */

/* A source route that has addresses left ends with the last of them (RFC 1122 3.2.1.8). */
static void
find_ends4(const uint8_t *ip, struct ends *ends)
{
	const uint8_t *at = ip + SL_IP4_SIZE, *end = ip + (ip[0] & 0xfu) * 4;

	while (at < end && *at != IP4_OPTION_END) {
		if (*at == IP4_OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return;
		/* The pointer counts from 1. */
		if ((*at == IP4_OPTION_LSRR || *at == IP4_OPTION_SSRR) && at[1] >= ROUTE_MIN &&
			at[2] <= at[1])
			ends->dst = at + at[1] - 4;
		at += at[1];
	}
}

/* The home address of a mobile host is its end (RFC 6275 11.3.1). */
static void
find_home(const uint8_t *header, uint32_t size, struct ends *ends)
{
	for (uint32_t i = 2; i + 1 < size;) {
		if (header[i] == IP6_OPTION_PAD1) {
			i++;
			continue;
		}
		if (header[i + 1] > size - i - 2)
			return;
		if (header[i] == HOME_ADDRESS && header[i + 1] == 16)
			ends->src = header + i + 2;
		i += 2u + header[i + 1];
	}
}

/* A routing header that has segments left names the final destination, where its type is known. */
static void
find_ends6(const struct sl_frame *frame, const struct sl_meta *meta, struct ends *ends)
{
	uint32_t at = meta->l3_offset + IP6_SIZE, size;
	uint8_t number = frame->bytes[meta->l3_offset + 6];

	for (; at + EXTENSION_MIN <= meta->l4_offset; at += size) {
		const uint8_t *header = frame->bytes + at;

		size = sl_ip6_extension_size(number, header);
		if (size < EXTENSION_MIN || size > meta->l4_offset - at)
			return;
		if (number == SL_PROTOCOL_DESTINATION)
			find_home(header, size, ends);
		else if (number == SL_PROTOCOL_ROUTING && size >= FINAL_AT + 16 && header[3] > 0 &&
			(header[2] == ROUTING_HOME || header[2] == ROUTING_SEGMENTS))
			ends->dst = header + FINAL_AT;
		number = header[0];
	}
}

static uint64_t
add_ends(const struct sl_frame *frame, const struct sl_meta *meta)
{
	const uint8_t *ip = frame->bytes + meta->l3_offset;
	const bool is_ip4 = meta->ip_version == 4;
	const uint32_t size = is_ip4 ? 4 : 16;
	struct ends ends = {.src = ip + (is_ip4 ? 12 : 8), .dst = ip + (is_ip4 ? 16 : 24)};

	if (SL_UNLIKELY((meta->ip_options & ROUTE_OPTIONS) != 0))
		find_ends4(ip, &ends);
	else if (SL_UNLIKELY((meta->ip6_extensions &
				     (SLUICE_IP6_EXT_ROUTING | SLUICE_IP6_EXT_DESTINATION)) != 0))
		find_ends6(frame, meta, &ends);
	return add_bytes(ends.dst, size, add_bytes(ends.src, size, 0));
}

bool
sl_packet_tcp_is_corrupt(const struct sl_frame *frame, const struct sl_meta *meta)
{
	const uint32_t n = meta->l4_len + meta->payload_len;
	uint64_t sum;

	if ((frame->flags & SL_FRAME_CHECKED) != 0)
		return false;
	if (frame->contiguous < meta->l4_offset || n > frame->contiguous - meta->l4_offset)
		return (frame->flags & SL_FRAME_CORRUPT) != 0;
	sum = add_ends(frame, meta) + __builtin_bswap32(SL_PROTOCOL_TCP) + __builtin_bswap32(n);
	return !sl_ip4_sum_is_good(add_bytes(frame->bytes + meta->l4_offset, n, sum));
}
