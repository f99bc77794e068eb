/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"

#include "base/sl_compiler.h"

#define L4_AT 34u

static void
tcp(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_tcp(b, 1000, 80, 1, 2, 0x18);
	sample_payload(b, 10);
	sl_build_finish(b);
}

static void
tcp_cut(struct sl_build *b)
{
	tcp(b);
	sample_shorten(b, L4_AT + 19);
}

static void
tcp_data_offset(struct sl_build *b, uint8_t words)
{
	tcp(b);
	b->bytes[L4_AT + 12] = (uint8_t)(words << 4);
}

static void
tcp_data_offset_4(struct sl_build *b)
{
	tcp_data_offset(b, 4);
}

static void
tcp_data_offset_15(struct sl_build *b)
{
	tcp_data_offset(b, 15);
}

static void
tcp_with_options(struct sl_build *b, const uint8_t *options, uint32_t n)
{
	sample_ip4(b);
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	sl_build_tcp_options(b, options, n);
	sample_payload(b, 3);
	sl_build_finish(b);
}

static void
tcp_syn_options(struct sl_build *b)
{
	static const uint8_t options[20] = {
		2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};

	tcp_with_options(b, options, sizeof(options));
}

static void
tcp_timestamps(struct sl_build *b)
{
	static const uint8_t options[12] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};

	tcp_with_options(b, options, sizeof(options));
}

static void
tcp_option_of_0(struct sl_build *b)
{
	tcp_with_options(b, (const uint8_t[]){8, 0, 0, 0}, 4);
}

static void
tcp_option_of_1(struct sl_build *b)
{
	tcp_with_options(b, (const uint8_t[]){1, 1, 8, 1}, 4);
}

static void
tcp_option_beyond_header(struct sl_build *b)
{
	tcp_with_options(b, (const uint8_t[]){2, 5, 5, 0xb4}, 4);
}

static void
tcp_option_without_length(struct sl_build *b)
{
	tcp_with_options(b, (const uint8_t[]){1, 1, 1, 8}, 4);
}

static void
tcp_option_of_0_after_timestamps(struct sl_build *b)
{
	static const uint8_t options[16] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 5, 0, 0, 0};

	tcp_with_options(b, options, sizeof(options));
}

static void
tcp_options_after_end(struct sl_build *b)
{
	tcp_with_options(b, (const uint8_t[]){1, 0, 8, 0}, 4);
}

static void
tcp_ip6(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_tcp(b, 1000, 80, 1, 2, 2);
	sl_build_tcp_options(b, (const uint8_t[]){2, 4, 5, 0xa0}, 4);
	sl_build_finish(b);
}

static void
tcp_jumbo_frame(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_tcp(b, 1000, 80, 1, 2, 0x10);
	sample_payload(b, 8960);
	sl_build_finish(b);
}

static void
udp(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_udp(b, 1000, 53);
	sample_payload(b, 10);
	sl_build_finish(b);
}

static void
udp_cut(struct sl_build *b)
{
	udp(b);
	sample_shorten(b, L4_AT + 7);
}

static void
udp_length(struct sl_build *b, uint8_t length)
{
	udp(b);
	b->bytes[L4_AT + 5] = length;
}

static void
udp_length_0(struct sl_build *b)
{
	udp_length(b, 0);
}

static void
udp_length_7(struct sl_build *b)
{
	udp_length(b, 7);
}

static void
udp_length_beyond(struct sl_build *b)
{
	udp_length(b, 19);
}

static void
udp_length_inner(struct sl_build *b)
{
	udp_length(b, 12);
}

static void
udp_vxlan(struct sl_build *b)
{
	sample_ip4(b);
	sl_build_udp(b, 1000, 4789);
	sample_payload(b, 60);
	sl_build_finish(b);
}

static void
udp_geneve(struct sl_build *b)
{
	sample_ip6_header(b);
	sl_build_udp(b, 1000, 6081);
	sample_payload(b, 60);
	sl_build_finish(b);
}

/* `n` bytes of `protocol`, the first two of them `head`. */
static void
raw(struct sl_build *b, uint8_t protocol, uint16_t head, uint32_t n)
{
	uint8_t *at;

	sample_ip4(b);
	sl_build_type(b, protocol);
	at = sl_build_append(b, n);
	if (at != NULL) {
		at[0] = (uint8_t)(head >> 8);
		at[1] = (uint8_t)head;
	}
	sl_build_finish(b);
}

static void
sctp(struct sl_build *b)
{
	raw(b, 132, 38412, 32);
}

static void
sctp_cut(struct sl_build *b)
{
	raw(b, 132, 38412, 11);
}

static void
gre(struct sl_build *b)
{
	raw(b, 47, 0, 24);
}

static void
gre_all_members(struct sl_build *b)
{
	raw(b, 47, 0xb000, 16);
}

static void
gre_members_cut(struct sl_build *b)
{
	raw(b, 47, 0xb000, 15);
}

static void
gre_pptp(struct sl_build *b)
{
	raw(b, 47, 0x3081, 16);
}

static void
gre_pptp_cut(struct sl_build *b)
{
	raw(b, 47, 0x3081, 15);
}

static void
gre_cut(struct sl_build *b)
{
	raw(b, 47, 0, 3);
}

static void
ip_in_ip(struct sl_build *b)
{
	raw(b, 4, 0x4500, 20);
}

static void
ip6_in_ip(struct sl_build *b)
{
	raw(b, 41, 0x6000, 40);
}

static const struct sample list[] = {
	{"tcp", tcp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"tcp_cut", tcp_cut, SL_LINK_ETHERNET, SL_REASON_TCP_TRUNCATED},
	{"tcp_data_offset_4", tcp_data_offset_4, SL_LINK_ETHERNET, SL_REASON_TCP_BAD_DATA_OFFSET},
	{"tcp_data_offset_15", tcp_data_offset_15, SL_LINK_ETHERNET, SL_REASON_TCP_BAD_DATA_OFFSET},
	{"tcp_syn_options", tcp_syn_options, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"tcp_timestamps", tcp_timestamps, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"tcp_option_of_0", tcp_option_of_0, SL_LINK_ETHERNET, SL_REASON_TCP_BAD_OPTION},
	{"tcp_option_of_1", tcp_option_of_1, SL_LINK_ETHERNET, SL_REASON_TCP_BAD_OPTION},
	{"tcp_option_beyond_header", tcp_option_beyond_header, SL_LINK_ETHERNET,
		SL_REASON_TCP_BAD_OPTION},
	{"tcp_option_without_length", tcp_option_without_length, SL_LINK_ETHERNET,
		SL_REASON_TCP_BAD_OPTION},
	{"tcp_option_of_0_after_timestamps", tcp_option_of_0_after_timestamps, SL_LINK_ETHERNET,
		SL_REASON_TCP_BAD_OPTION},
	{"tcp_options_after_end", tcp_options_after_end, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"tcp_ip6", tcp_ip6, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"tcp_jumbo_frame", tcp_jumbo_frame, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"udp", udp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"udp_cut", udp_cut, SL_LINK_ETHERNET, SL_REASON_UDP_TRUNCATED},
	{"udp_length_0", udp_length_0, SL_LINK_ETHERNET, SL_REASON_UDP_BAD_LENGTH},
	{"udp_length_7", udp_length_7, SL_LINK_ETHERNET, SL_REASON_UDP_BAD_LENGTH},
	{"udp_length_beyond", udp_length_beyond, SL_LINK_ETHERNET, SL_REASON_UDP_BAD_LENGTH},
	{"udp_length_inner", udp_length_inner, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"udp_vxlan", udp_vxlan, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"udp_geneve", udp_geneve, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"sctp", sctp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"sctp_cut", sctp_cut, SL_LINK_ETHERNET, SL_REASON_SCTP_TRUNCATED},
	{"gre", gre, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"gre_all_members", gre_all_members, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"gre_members_cut", gre_members_cut, SL_LINK_ETHERNET, SL_REASON_GRE_TRUNCATED},
	{"gre_pptp", gre_pptp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"gre_pptp_cut", gre_pptp_cut, SL_LINK_ETHERNET, SL_REASON_GRE_TRUNCATED},
	{"gre_cut", gre_cut, SL_LINK_ETHERNET, SL_REASON_GRE_TRUNCATED},
	{"ip_in_ip", ip_in_ip, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"ip6_in_ip", ip6_in_ip, SL_LINK_ETHERNET, SL_REASON_NONE},
};

const struct sample_group samples_transport = {list, SL_ARRAY_LEN(list)};
