/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"

#include "base/sl_compiler.h"

#define IP_AT 14u

/* A datagram of 16 bytes, and its header to spoil; spoilt members may need the checksum again. */
static uint8_t *
datagram(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_udp(b, 1000, 53);
	sample_payload(b, 8);
	sl_build_finish(b);
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
	sample_payload(b, 20);
}

static void
header_cut(struct sl_build *b)
{
	datagram(b);
	b->len = IP_AT + 19;
}

static void
version_5(struct sl_build *b)
{
	datagram(b)[0] = 0x55;
}

static void
header_of_16(struct sl_build *b)
{
	uint8_t *ip = datagram(b);

	ip[0] = 0x44;
	sl_build_ip4_checksum(ip);
}

static void
header_beyond_total(struct sl_build *b)
{
	uint8_t *ip = datagram(b);

	ip[0] = 0x4f;
	sl_build_ip4_checksum(ip);
}

static void
total(struct sl_build *b, uint8_t length)
{
	uint8_t *ip = datagram(b);

	ip[3] = length;
	sl_build_ip4_checksum(ip);
}

static void
total_of_19(struct sl_build *b)
{
	total(b, 19);
}

static void
total_beyond_frame(struct sl_build *b)
{
	total(b, 37);
}

static void
total_of_0(struct sl_build *b)
{
	total(b, 0);
}

static void
wrong_checksum(struct sl_build *b)
{
	datagram(b)[11] ^= 1;
}

static void
options(struct sl_build *b, const uint8_t *bytes, uint32_t n)
{
	sample_ip4(b);
	sl_build_ip4_options(b, bytes, n);
	sl_build_udp(b, 1000, 53);
	sl_build_finish(b);
}

static void
all_options(struct sl_build *b)
{
	static const uint8_t bytes[] = {1, 7, 3, 4, 68, 4, 5, 0, 130, 3, 1, 131, 3, 4, 136, 4, 0, 1,
		137, 3, 4, 148, 4, 0, 0, 222, 2, 0, 0};

	options(b, bytes, sizeof(bytes));
}

static void
option_of_0(struct sl_build *b)
{
	options(b, (const uint8_t[]){7, 0, 0, 0}, 4);
}

static void
option_of_1(struct sl_build *b)
{
	options(b, (const uint8_t[]){1, 222, 1, 0}, 4);
}

static void
option_beyond_header(struct sl_build *b)
{
	options(b, (const uint8_t[]){7, 5, 4, 0}, 4);
}

static void
option_without_length(struct sl_build *b)
{
	options(b, (const uint8_t[]){1, 1, 1, 7}, 4);
}

static void
router_alert_of_3(struct sl_build *b)
{
	options(b, (const uint8_t[]){148, 3, 0, 0}, 4);
}

static void
options_after_end(struct sl_build *b)
{
	options(b, (const uint8_t[]){0, 7, 0, 0}, 4);
}

/* A fragment of protocol `protocol` with `n` bytes. */
static void
fragment(struct sl_build *b, uint8_t protocol, uint32_t n, uint32_t offset, bool is_more)
{
	sample_ip4(b);
	sl_build_type(b, protocol);
	sample_payload(b, n);
	sl_build_finish(b);
	sample_fragment4(b, offset, is_more);
}

static void
fragment_first_udp(struct sl_build *b)
{
	datagram(b);
	b->bytes[b->l4_at + 4] = 5; /* the whole datagram is longer */
	sample_fragment4(b, 0, true);
}

static void
fragment_first_sctp_cut(struct sl_build *b)
{
	/* Four bytes short of the common header: without ports, but not malformed. */
	fragment(b, 132, 8, 0, true);
}

static void
fragment_first_tcp(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	sl_build_tcp_options(b, (const uint8_t[]){2, 4, 5, 180, 4, 2}, 6);
	sample_payload(b, 4);
	sl_build_finish(b);
	sample_fragment4(b, 0, true);
}

static void
fragment_first_tcp_options_split(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	b->bytes[b->l4_at + 12] = 0xa0;
	sample_payload(b, 4);
	sl_build_finish(b);
	sample_fragment4(b, 0, true);
}

static void
fragment_middle(struct sl_build *b)
{
	fragment(b, 17, 24, 1480, true);
}

static void
fragment_last(struct sl_build *b)
{
	fragment(b, 17, 5, 1480, false);
}

static void
fragment_tiny(struct sl_build *b)
{
	fragment(b, 6, 8, 0, true);
}

static void
fragment_of_16(struct sl_build *b)
{
	fragment(b, 6, 16, 0, true);
}

static void
fragment_at_8(struct sl_build *b)
{
	fragment(b, 6, 40, 8, false);
}

static void
fragment_at_8_udp(struct sl_build *b)
{
	fragment(b, 17, 40, 8, false);
}

static void
fragment_too_far(struct sl_build *b)
{
	fragment(b, 17, 36, 65480, false);
}

static void
fragment_just_fits(struct sl_build *b)
{
	fragment(b, 17, 35, 65480, false);
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
reserved_bit(struct sl_build *b)
{
	uint8_t *ip = datagram(b);

	ip[6] = 0x80;
	sl_build_ip4_checksum(ip);
}

static void
unknown_protocol(struct sl_build *b)
{
	fragment(b, 253, 4, 0, false);
}

static void
without_payload(struct sl_build *b)
{
	fragment(b, 253, 0, 0, false);
}

static const struct sample list[] = {
	{"ip4_plain", plain, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_padded", padded, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_header_cut", header_cut, SL_LINK_ETHERNET, SL_REASON_IP4_TRUNCATED},
	{"ip4_version_5", version_5, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_VERSION},
	{"ip4_header_of_16", header_of_16, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_HEADER_LENGTH},
	{"ip4_header_beyond_total", header_beyond_total, SL_LINK_ETHERNET,
		SL_REASON_IP4_BAD_HEADER_LENGTH},
	{"ip4_total_of_19", total_of_19, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_TOTAL_LENGTH},
	{"ip4_total_beyond_frame", total_beyond_frame, SL_LINK_ETHERNET,
		SL_REASON_IP4_BAD_TOTAL_LENGTH},
	{"ip4_total_of_0", total_of_0, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_TOTAL_LENGTH},
	{"ip4_wrong_checksum", wrong_checksum, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_CHECKSUM},
	{"ip4_all_options", all_options, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_option_of_0", option_of_0, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_OPTION},
	{"ip4_option_of_1", option_of_1, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_OPTION},
	{"ip4_option_beyond_header", option_beyond_header, SL_LINK_ETHERNET,
		SL_REASON_IP4_BAD_OPTION},
	{"ip4_option_without_length", option_without_length, SL_LINK_ETHERNET,
		SL_REASON_IP4_BAD_OPTION},
	{"ip4_router_alert_of_3", router_alert_of_3, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_OPTION},
	{"ip4_options_after_end", options_after_end, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_first_udp", fragment_first_udp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_first_sctp_cut", fragment_first_sctp_cut, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_first_tcp", fragment_first_tcp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_first_tcp_options_split", fragment_first_tcp_options_split, SL_LINK_ETHERNET,
		SL_REASON_NONE},
	{"ip4_fragment_middle", fragment_middle, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_last", fragment_last, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_tiny", fragment_tiny, SL_LINK_ETHERNET, SL_REASON_IP4_TINY_FRAGMENT},
	{"ip4_fragment_of_16", fragment_of_16, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_at_8", fragment_at_8, SL_LINK_ETHERNET, SL_REASON_IP4_TINY_FRAGMENT},
	{"ip4_fragment_at_8_udp", fragment_at_8_udp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_too_far", fragment_too_far, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_FRAGMENT},
	{"ip4_fragment_just_fits", fragment_just_fits, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_fragment_odd", fragment_odd, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_FRAGMENT},
	{"ip4_fragment_empty", fragment_empty, SL_LINK_ETHERNET, SL_REASON_IP4_BAD_FRAGMENT},
	{"ip4_reserved_bit", reserved_bit, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_unknown_protocol", unknown_protocol, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip4_without_payload", without_payload, SL_LINK_ETHERNET, SL_REASON_NONE},
};

const struct sample_group samples_ip4 = {list, SL_ARRAY_LEN(list)};
