/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"

#include "base/sl_compiler.h"

#define IP_AT       14u
#define HEADERS_AT  54u
#define HOP_BY_HOP  0
#define ROUTING     43
#define AH          51
#define DESTINATION 60
#define MOBILITY    135
#define HIP         139
#define SHIM6       140

static const uint8_t pad[6] = {1, 4, 0, 0, 0, 0};
static const uint8_t segment_routing[6] = {4, 0, 0, 0, 0, 0};
static const uint8_t ah[10] = {0, 0, 0, 0, 1, 0, 0, 0, 1, 0};

static void
end_udp(struct sl_build *b)
{
	sl_build_udp(b, 1000, 53);
	sample_payload(b, 8);
	sl_build_finish(b);
}

static uint8_t *
datagram(struct sl_build *b)
{
	sample_ip6_header(b);
	end_udp(b);
	return b->bytes + IP_AT;
}

static void
plain(struct sl_build *b)
{
	datagram(b);
}

static void
padded(struct sl_build *b)
{
	datagram(b);
	sample_payload(b, 9);
}

static void
header_cut(struct sl_build *b)
{
	datagram(b);
	b->len = IP_AT + 39;
}

static void
version_4(struct sl_build *b)
{
	datagram(b)[0] = 0x40;
}

static void
payload_beyond_frame(struct sl_build *b)
{
	datagram(b)[5]++;
}

static void
payload_of_0(struct sl_build *b)
{
	datagram(b)[5] = 0;
}

static void
no_next_header(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_finish(b);
	sample_payload(b, 6);
}

static void
all_extensions(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, pad, sizeof(pad));
	sl_build_ip6_extension(b, DESTINATION, pad, sizeof(pad));
	sl_build_ip6_extension(b, ROUTING, segment_routing, sizeof(segment_routing));
	sample_fragment6(b, 0, false);
	sl_build_ip6_extension(b, AH, ah, sizeof(ah));
	sl_build_ip6_extension(b, HIP, pad, sizeof(pad));
	sl_build_ip6_extension(b, SHIM6, pad, sizeof(pad));
	sl_build_ip6_extension(b, MOBILITY, pad, sizeof(pad));
	sl_build_ip6_extension(b, DESTINATION, pad, sizeof(pad));
	end_udp(b);
}

static void
esp(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_type(b, 50);
	sample_payload(b, 32);
	sl_build_finish(b);
}

static void
destinations(struct sl_build *b, uint32_t n)
{
	sample_ip6_header(b);
	for (uint32_t i = 0; i < n; i++)
		sl_build_ip6_extension(b, DESTINATION, pad, sizeof(pad));
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	sl_build_finish(b);
}

static void
chain_of_150(struct sl_build *b)
{
	destinations(b, 150);
}

static void
chain_of_255(struct sl_build *b)
{
	destinations(b, 255);
}

static void
chain_of_256(struct sl_build *b)
{
	destinations(b, 256);
}

/* Headers of `size` bytes each, filled with single pads, then TCP. */
static void
long_destinations(struct sl_build *b, uint32_t n, uint32_t size)
{
	static const uint8_t pads[2046];

	sample_ip6_header(b);
	for (uint32_t i = 0; i < n; i++)
		sl_build_ip6_extension(b, DESTINATION, pads, size - 2);
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	sl_build_finish(b);
}

static void
longest_extension(struct sl_build *b)
{
	long_destinations(b, 1, 2048);
}

static void
chain_across_window(struct sl_build *b)
{
	long_destinations(b, 2, 2048);
}

/* The second header ends 10 bytes before the window does. */
static void
tcp_across_window(struct sl_build *b)
{
	long_destinations(b, 2, 2016);
}

static void
extension_beyond_packet(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, DESTINATION, pad, sizeof(pad));
	sl_build_finish(b);
	b->bytes[HEADERS_AT + 1] = 1;
}

static void
extension_cut(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, ROUTING, segment_routing, sizeof(segment_routing));
	sample_shorten(b, HEADERS_AT + 7);
}

static void
ah_too_short(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, AH, ah, 6);
	end_udp(b);
}

static void
option_beyond_header(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, (const uint8_t[]){5, 5, 0, 0, 0, 0}, 6);
	end_udp(b);
}

static void
option_without_length(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, DESTINATION, (const uint8_t[]){0, 0, 0, 0, 0, 5}, 6);
	end_udp(b);
}

static void
hop_by_hop_second(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, DESTINATION, pad, sizeof(pad));
	sl_build_ip6_extension(b, HOP_BY_HOP, pad, sizeof(pad));
	end_udp(b);
}

static void
hop_by_hop_twice(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, pad, sizeof(pad));
	sl_build_ip6_extension(b, HOP_BY_HOP, pad, sizeof(pad));
	end_udp(b);
}

static void
routing_type_0(struct sl_build *b)
{
	static const uint8_t zeros[6];

	sample_ip6_header(b);
	sl_build_ip6_extension(b, ROUTING, zeros, sizeof(zeros));
	end_udp(b);
}

/* A hop-by-hop header with a jumbo payload option, and `n` bytes of UDP payload. */
static void
jumbo(struct sl_build *b, uint32_t value, uint32_t n)
{
	const uint8_t option[6] = {0xc2, 4, (uint8_t)(value >> 24), (uint8_t)(value >> 16),
		(uint8_t)(value >> 8), (uint8_t)value};

	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, option, sizeof(option));
	sl_build_udp(b, 1000, 53);
	sample_payload(b, n);
	sl_build_finish(b);
	b->bytes[IP_AT + 4] = 0;
	b->bytes[IP_AT + 5] = 0;
	b->bytes[b->l4_at + 4] = 0;
	b->bytes[b->l4_at + 5] = 0;
}

static void
jumbogram(struct sl_build *b)
{
	jumbo(b, 8 + 8 + 66000, 66000);
}

static void
jumbo_too_small(struct sl_build *b)
{
	jumbo(b, 8 + 8 + 100, 100);
}

static void
jumbo_beyond_frame(struct sl_build *b)
{
	jumbo(b, 70000, 100);
}

static void
jumbo_missing(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, pad, sizeof(pad));
	end_udp(b);
	b->bytes[IP_AT + 5] = 0;
}

static void
jumbo_and_length(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, (const uint8_t[]){0xc2, 4, 0, 1, 0, 0}, 6);
	end_udp(b);
}

static void
jumbo_fragment(struct sl_build *b)
{
	static const uint8_t option[6] = {0xc2, 4, 0, 1, 1, 0xe0};

	sample_ip6_header(b);
	sl_build_ip6_extension(b, HOP_BY_HOP, option, sizeof(option));
	sample_fragment6(b, 0, true);
	sl_build_udp(b, 1000, 53);
	sample_payload(b, 65992);
	sl_build_finish(b);
	b->bytes[IP_AT + 4] = 0;
	b->bytes[IP_AT + 5] = 0;
}

static void
fragment_atomic(struct sl_build *b)
{
	sample_ip6_header(b);
	sample_fragment6(b, 0, false);
	end_udp(b);
}

/* A fragment of `n` bytes that count up, called `protocol`. */
static void
fragment(struct sl_build *b, uint8_t protocol, uint32_t n, uint32_t offset, bool is_more)
{
	sample_ip6_header(b);
	sample_fragment6(b, offset, is_more);
	sl_build_type(b, protocol);
	sample_payload(b, n);
	sl_build_finish(b);
}

static void
fragment_first(struct sl_build *b)
{
	sample_ip6_header(b);
	sample_fragment6(b, 0, true);
	end_udp(b);
	b->bytes[b->l4_at + 4] = 5;
}

static void
fragment_first_cut(struct sl_build *b)
{
	fragment(b, 132, 8, 0, true);
}

static void
fragment_first_unknown(struct sl_build *b)
{
	fragment(b, 253, 8, 0, true);
}

static void
fragment_splits_chain(struct sl_build *b)
{
	sample_ip6_header(b);
	sample_fragment6(b, 0, true);
	sl_build_ip6_extension(b, DESTINATION, pad, sizeof(pad));
	sl_build_finish(b);
	b->bytes[HEADERS_AT + 8 + 1] = 1;
}

static void
fragment_tiny(struct sl_build *b)
{
	fragment(b, 6, 16, 0, true);
}

static void
fragment_splits_tcp_options(struct sl_build *b)
{
	sample_ip6_header(b);
	sample_fragment6(b, 0, true);
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	b->bytes[b->l4_at + 12] = 0xa0;
	sample_payload(b, 4);
	sl_build_finish(b);
}

static void
fragment_at_8(struct sl_build *b)
{
	fragment(b, 6, 40, 8, true);
}

static void
fragment_last(struct sl_build *b)
{
	fragment(b, DESTINATION, 5, 1480, false);
}

static void
fragment_too_far(struct sl_build *b)
{
	fragment(b, 17, 56, 65480, false);
}

static void
fragment_just_fits(struct sl_build *b)
{
	fragment(b, 17, 55, 65480, false);
}

static void
fragment_odd(struct sl_build *b)
{
	fragment(b, 17, 20, 0, true);
}

static void
fragment_empty(struct sl_build *b)
{
	fragment(b, 17, 0, 800, false);
}

static void
fragment_in_fragment(struct sl_build *b)
{
	sample_ip6_header(b);
	sample_fragment6(b, 0, true);
	sample_fragment6(b, 0, true);
	end_udp(b);
}

static const struct sample list[] = {
	{"ip6_plain", plain, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_padded", padded, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_header_cut", header_cut, SL_LINK_ETHERNET, SL_REASON_IP6_TRUNCATED},
	{"ip6_version_4", version_4, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_VERSION},
	{"ip6_payload_beyond_frame", payload_beyond_frame, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_PAYLOAD_LENGTH},
	{"ip6_payload_of_0", payload_of_0, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_PAYLOAD_LENGTH},
	{"ip6_no_next_header", no_next_header, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_all_extensions", all_extensions, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_esp", esp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_chain_of_150", chain_of_150, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_chain_of_255", chain_of_255, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_chain_of_256", chain_of_256, SL_LINK_ETHERNET, SL_REASON_IP6_TOO_MANY_HEADERS},
	{"ip6_longest_extension", longest_extension, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_chain_across_window", chain_across_window, SL_LINK_ETHERNET,
		SL_REASON_IP6_TOO_MANY_HEADERS},
	{"ip6_tcp_across_window", tcp_across_window, SL_LINK_ETHERNET,
		SL_REASON_HEADER_BEYOND_WINDOW},
	{"ip6_extension_beyond_packet", extension_beyond_packet, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_EXTENSION},
	{"ip6_extension_cut", extension_cut, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_EXTENSION},
	{"ip6_ah_too_short", ah_too_short, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_EXTENSION},
	{"ip6_option_beyond_header", option_beyond_header, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_OPTION},
	{"ip6_option_without_length", option_without_length, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_OPTION},
	{"ip6_hop_by_hop_second", hop_by_hop_second, SL_LINK_ETHERNET,
		SL_REASON_IP6_HOP_BY_HOP_NOT_FIRST},
	{"ip6_hop_by_hop_twice", hop_by_hop_twice, SL_LINK_ETHERNET,
		SL_REASON_IP6_HOP_BY_HOP_NOT_FIRST},
	{"ip6_routing_type_0", routing_type_0, SL_LINK_ETHERNET, SL_REASON_IP6_ROUTING_TYPE_0},
	{"ip6_jumbogram", jumbogram, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_jumbo_too_small", jumbo_too_small, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_PAYLOAD_LENGTH},
	{"ip6_jumbo_beyond_frame", jumbo_beyond_frame, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_PAYLOAD_LENGTH},
	{"ip6_jumbo_missing", jumbo_missing, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_PAYLOAD_LENGTH},
	{"ip6_jumbo_and_length", jumbo_and_length, SL_LINK_ETHERNET,
		SL_REASON_IP6_BAD_PAYLOAD_LENGTH},
	{"ip6_jumbo_fragment", jumbo_fragment, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_FRAGMENT},
	{"ip6_fragment_atomic", fragment_atomic, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_fragment_first", fragment_first, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_fragment_first_unknown", fragment_first_unknown, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_fragment_first_cut", fragment_first_cut, SL_LINK_ETHERNET, SL_REASON_IP6_CHAIN_SPLIT},
	{"ip6_fragment_splits_chain", fragment_splits_chain, SL_LINK_ETHERNET,
		SL_REASON_IP6_CHAIN_SPLIT},
	{"ip6_fragment_tiny", fragment_tiny, SL_LINK_ETHERNET, SL_REASON_IP6_TINY_FRAGMENT},
	{"ip6_fragment_splits_tcp_options", fragment_splits_tcp_options, SL_LINK_ETHERNET,
		SL_REASON_IP6_TINY_FRAGMENT},
	{"ip6_fragment_at_8", fragment_at_8, SL_LINK_ETHERNET, SL_REASON_IP6_TINY_FRAGMENT},
	{"ip6_fragment_last", fragment_last, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_fragment_too_far", fragment_too_far, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_FRAGMENT},
	{"ip6_fragment_just_fits", fragment_just_fits, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_fragment_odd", fragment_odd, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_FRAGMENT},
	{"ip6_fragment_empty", fragment_empty, SL_LINK_ETHERNET, SL_REASON_IP6_BAD_FRAGMENT},
	{"ip6_fragment_in_fragment", fragment_in_fragment, SL_LINK_ETHERNET,
		SL_REASON_IP6_NESTED_FRAGMENT},
};

const struct sample_group samples_ip6 = {list, SL_ARRAY_LEN(list)};
