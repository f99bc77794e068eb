/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"

#include "base/sl_compiler.h"

#define L4_AT 34u

static void
echo(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_icmp(b, 8, 0, 0x12340007);
	sample_payload(b, 56);
	sl_build_finish(b);
}

static void
echo_cut(struct sl_build *b)
{
	echo(b);
	sample_shorten(b, L4_AT + 7);
}

static void
echo6(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_icmp(b, 129, 0, 0x12340007);
	sample_payload(b, 56);
	sl_build_finish(b);
}

static void
echo6_cut(struct sl_build *b)
{
	echo6(b);
	sample_shorten(b, 54 + 7);
}

static void
neighbour_solicitation(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_icmp(b, 135, 0, 0);
	sample_payload(b, 24);
	sl_build_finish(b);
}

static void
icmp6_in_ip4(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_type(b, 58);
	sample_payload(b, 8);
	sl_build_finish(b);
}

/* An error of `type` with the first `n` bytes of a UDP datagram from the receiver to the sender. */
static void
error4(struct sl_build *b, uint8_t type, uint32_t n)
{
	uint8_t bytes[64];
	struct sl_build inner;

	sl_build_init(&inner, bytes, sizeof(bytes));
	sl_build_ip4(&inner, SAMPLE_DST4, 0x08080808);
	sl_build_udp(&inner, 4000, 53);
	sample_payload(&inner, 20);
	sl_build_finish(&inner);

	sample_ip4(b);
	sl_build_icmp(b, type, 3, 0);
	sl_build_bytes(b, bytes, n);
	sl_build_finish(b);
}

static void
unreachable(struct sl_build *b)
{
	error4(b, 3, 28);
}

static void
time_exceeded_whole(struct sl_build *b)
{
	error4(b, 11, 48);
}

static void
redirect_short(struct sl_build *b)
{
	error4(b, 5, 23);
}

static void
quench_empty(struct sl_build *b)
{
	error4(b, 4, 0);
}

static void
problem_spoilt(struct sl_build *b)
{
	error4(b, 12, 28);
	b->bytes[L4_AT + 8] = 0x95;
}

/* The embedded packet has headers in front of its TCP; `n` bytes of it. */
static void
error6(struct sl_build *b, uint8_t type, uint32_t n)
{
	static const uint8_t pad[6] = {1, 4, 0, 0, 0, 0};
	uint8_t bytes[128];
	struct sl_build inner;

	sl_build_init(&inner, bytes, sizeof(bytes));
	sl_build_ip6(&inner, sample_ip6[1], sample_ip6[0]);
	sl_build_ip6_extension(&inner, 0, pad, sizeof(pad));
	sl_build_ip6_extension(&inner, 60, pad, sizeof(pad));
	sl_build_tcp(&inner, 4000, 80, 1, 2, 2);
	sl_build_finish(&inner);

	sample_ip6_header(b);
	sl_build_icmp(b, type, 0, 0);
	sl_build_bytes(b, bytes, n);
	sl_build_finish(b);
}

static void
too_big(struct sl_build *b)
{
	error6(b, 2, 76);
}

static void
unreachable6_chain_cut(struct sl_build *b)
{
	error6(b, 1, 48 + 4);
}

static void
problem6_header_cut(struct sl_build *b)
{
	error6(b, 4, 39);
}

static const struct sample list[] = {
	{"icmp_echo", echo, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp_echo_cut", echo_cut, SL_LINK_ETHERNET, SL_REASON_ICMP_TRUNCATED},
	{"icmp_unreachable", unreachable, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp_time_exceeded_whole", time_exceeded_whole, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp_redirect_short", redirect_short, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp_quench_empty", quench_empty, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp_problem_spoilt", problem_spoilt, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp6_in_ip4", icmp6_in_ip4, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp6_echo", echo6, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp6_echo_cut", echo6_cut, SL_LINK_ETHERNET, SL_REASON_ICMP6_TRUNCATED},
	{"icmp6_neighbour_solicitation", neighbour_solicitation, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp6_too_big", too_big, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp6_unreachable_chain_cut", unreachable6_chain_cut, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"icmp6_problem_header_cut", problem6_header_cut, SL_LINK_ETHERNET, SL_REASON_NONE},
};

const struct sample_group samples_icmp = {list, SL_ARRAY_LEN(list)};
