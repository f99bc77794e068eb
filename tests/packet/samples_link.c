/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/samples.h"

#include "base/sl_compiler.h"

static void
runt(struct sl_build *b)
{
	sample_payload(b, 13);
}

static void
empty(struct sl_build *b)
{
	(void)b;
}

static void
unknown_type(struct sl_build *b)
{
	sample_ethernet(b);
	sl_build_type(b, 0x88cc);
	sample_payload(b, 46);
}

static void
broadcast(struct sl_build *b)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	sl_build_ethernet(b, all, sample_mac[1]);
	sl_build_ip4(b, SAMPLE_SRC4, 0xffffffff);
	sl_build_udp(b, 68, 67);
	sl_build_finish(b);
}

static void
tags(struct sl_build *b, uint32_t n)
{
	static const uint16_t tpids[] = {0x88a8, 0x8100, 0x9100};

	sample_ethernet(b);
	for (uint32_t i = 0; i < n; i++)
		sl_build_vlan(b, tpids[i % 3], (uint16_t)(0x6000 | (100 + i)));
	sl_build_ip4(b, SAMPLE_SRC4, SAMPLE_DST4);
	sl_build_udp(b, 1000, 53);
	sample_payload(b, 8);
	sl_build_finish(b);
}

static void
tagged(struct sl_build *b)
{
	tags(b, 1);
}

static void
double_tagged(struct sl_build *b)
{
	tags(b, 2);
}

static void
eight_tags(struct sl_build *b)
{
	tags(b, 8);
}

static void
nine_tags(struct sl_build *b)
{
	tags(b, 9);
}

static void
tag_cut(struct sl_build *b)
{
	tags(b, 2);
	b->len = 14 + 4 + 3;
}

/* 802.3: `length` where the type would be, then LLC. */
static void
llc(struct sl_build *b, uint16_t length, const uint8_t *header, uint32_t n)
{
	sample_ethernet(b);
	sl_build_type(b, length);
	sl_build_bytes(b, header, n);
}

static void
spanning_tree(struct sl_build *b)
{
	static const uint8_t header[3] = {0x42, 0x42, 0x03};

	llc(b, 38, header, sizeof(header));
	sample_payload(b, 43);
}

static void
llc_beyond_frame(struct sl_build *b)
{
	static const uint8_t header[3] = {0x42, 0x42, 0x03};

	llc(b, 39, header, sizeof(header));
	sample_payload(b, 35);
}

static void
snap_ip(struct sl_build *b)
{
	static const uint8_t header[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
	static const uint8_t type[2] = {0x08, 0x00};

	llc(b, 8 + 28, header, sizeof(header));
	sl_build_bytes(b, type, sizeof(type));
	b->type_size = 0;
	sl_build_ip4(b, SAMPLE_SRC4, SAMPLE_DST4);
	sl_build_udp(b, 1000, 53);
	sl_build_finish(b);
	sample_payload(b, 10); /* padding */
}

static void
snap_other_oui(struct sl_build *b)
{
	static const uint8_t header[8] = {0xaa, 0xaa, 0x03, 0, 0, 0x0c, 0x20, 0x00};

	llc(b, 40, header, sizeof(header));
	sample_payload(b, 38);
}

static void
arp(struct sl_build *b)
{
	static const uint8_t request[28] = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1,
		0, 0, 0, 0, 0, 0, 192, 0, 2, 2};

	sample_ethernet(b);
	sl_build_type(b, 0x0806);
	sl_build_bytes(b, request, sizeof(request));
	sample_payload(b, 18);
}

static void
arp_cut(struct sl_build *b)
{
	arp(b);
	b->len = 14 + 27;
}

static void
arp_long_addresses(struct sl_build *b)
{
	arp(b);
	b->bytes[14 + 4] = 255;
}

static void
mpls(struct sl_build *b)
{
	sample_ethernet(b);
	sl_build_type(b, 0x8847);
	sample_payload(b, 46);
}

static void
pppoe(struct sl_build *b)
{
	sample_ethernet(b);
	sl_build_vlan(b, 0x8100, 7);
	sl_build_type(b, 0x8864);
	sample_payload(b, 42);
}

static void
bare_ip4(struct sl_build *b)
{
	sl_build_ip4(b, SAMPLE_SRC4, SAMPLE_DST4);
	sl_build_udp(b, 1000, 53);
	sl_build_finish(b);
}

static void
bare_ip6(struct sl_build *b)
{
	sl_build_ip6(b, sample_ip6[0], sample_ip6[1]);
	sl_build_udp(b, 1000, 53);
	sl_build_finish(b);
}

static void
bare_nothing(struct sl_build *b)
{
	sample_payload(b, 40);
}

static void
cooked(struct sl_build *b, uint32_t size, uint32_t type_at)
{
	sl_build_append(b, size);
	b->type_at = type_at;
	b->type_size = 2;
}

static void
cooked1_ip4(struct sl_build *b)
{
	cooked(b, 16, 14);
	bare_ip4(b);
}

static void
cooked2_ip6(struct sl_build *b)
{
	cooked(b, 20, 0);
	bare_ip6(b);
}

static void
cooked1_tagged(struct sl_build *b)
{
	cooked(b, 16, 14);
	sl_build_vlan(b, 0x8100, 9);
	bare_ip4(b);
}

static void
cooked2_eight_tags(struct sl_build *b)
{
	cooked(b, 20, 0);
	for (uint16_t i = 0; i < 8; i++)
		sl_build_vlan(b, 0x8100, 100 + i);
	bare_ip4(b);
}

static void
cooked1_llc(struct sl_build *b)
{
	cooked(b, 16, 14);
	sl_build_type(b, 4);
	sample_payload(b, 20);
}

static void
cooked2_cut(struct sl_build *b)
{
	cooked(b, 19, 0);
}

static const struct sample list[] = {
	{"runt", runt, SL_LINK_ETHERNET, SL_REASON_ETH_TRUNCATED},
	{"empty", empty, SL_LINK_ETHERNET, SL_REASON_ETH_TRUNCATED},
	{"unknown_type", unknown_type, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"broadcast", broadcast, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"tagged", tagged, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"double_tagged", double_tagged, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"eight_tags", eight_tags, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"nine_tags", nine_tags, SL_LINK_ETHERNET, SL_REASON_VLAN_TOO_MANY},
	{"tag_cut", tag_cut, SL_LINK_ETHERNET, SL_REASON_VLAN_TRUNCATED},
	{"spanning_tree", spanning_tree, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"llc_beyond_frame", llc_beyond_frame, SL_LINK_ETHERNET, SL_REASON_LLC_BAD_LENGTH},
	{"snap_ip", snap_ip, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"snap_other_oui", snap_other_oui, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"arp", arp, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"arp_cut", arp_cut, SL_LINK_ETHERNET, SL_REASON_ARP_TRUNCATED},
	{"arp_long_addresses", arp_long_addresses, SL_LINK_ETHERNET, SL_REASON_ARP_TRUNCATED},
	{"mpls", mpls, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"pppoe", pppoe, SL_LINK_ETHERNET, SL_REASON_NONE},
	{"bare_ip4", bare_ip4, SL_LINK_IP, SL_REASON_NONE},
	{"bare_ip6", bare_ip6, SL_LINK_IP, SL_REASON_NONE},
	{"bare_nothing", bare_nothing, SL_LINK_IP, SL_REASON_IP4_BAD_VERSION},
	{"cooked1_ip4", cooked1_ip4, SL_LINK_SLL, SL_REASON_NONE},
	{"cooked1_tagged", cooked1_tagged, SL_LINK_SLL, SL_REASON_NONE},
	{"cooked2_eight_tags", cooked2_eight_tags, SL_LINK_SLL2, SL_REASON_NONE},
	{"cooked1_llc", cooked1_llc, SL_LINK_SLL, SL_REASON_NONE},
	{"cooked2_ip6", cooked2_ip6, SL_LINK_SLL2, SL_REASON_NONE},
	{"cooked2_cut", cooked2_cut, SL_LINK_SLL2, SL_REASON_ETH_TRUNCATED},
};

const struct sample_group samples_link = {list, SL_ARRAY_LEN(list)};
