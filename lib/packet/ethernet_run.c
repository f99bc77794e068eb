/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/parse.h"

/*
 * Link headers: Ethernet II, 802.3 with LLC and SNAP, VLAN tags, Linux cooked captures; ARP; then IP.
 *
 * Tunnels below IP (MPLS, PPPoE, provider backbone bridges, NSH) are marked and not entered: what
 * they carry is for a filter on their ether_type to decide.
 */

#define ETHERNET_SIZE 14u
#define VLAN_SIZE     4u
#define SNAP_SIZE     8u
#define ARP_FIXED     8u

static bool
is_vlan(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static bool
is_tunnel(uint16_t type)
{
	switch (type) {
	case 0x8847: /* MPLS */
	case 0x8848: /* MPLS multicast */
	case 0x8863: /* PPPoE discovery */
	case 0x8864: /* PPPoE session */
	case 0x88e7: /* 802.1ah */
	case 0x894f: /* NSH */
		return true;
	default:
		return false;
	}
}

/* RFC 826; the sizes of both address kinds are in the packet. */
static void
parse_arp(struct sl_cursor *c, struct sl_meta *meta)
{
	uint32_t size = ARP_FIXED;

	if (sl_cursor_has(c, size)) {
		const uint8_t *arp = sl_cursor_bytes(c);

		size += 2u * (arp[4] + (uint32_t)arp[5]);
	}
	if (!sl_cursor_has(c, size)) {
		sl_fault_lack(c, meta, size, SL_REASON_ARP_TRUNCATED);
		return;
	}
	meta->payload_offset = (uint16_t)(c->at + size);
}

static void
parse_type(struct sl_cursor *c, struct sl_meta *meta, uint16_t type)
{
	meta->ether_type = type;
	meta->present |= SL_PRESENT(ETHER_TYPE);
	if (type == SL_ETHER_TYPE_IP4)
		sl_parse_ip4(c, meta);
	else if (type == SL_ETHER_TYPE_IP6)
		sl_parse_ip6(c, meta);
	else if (type == SL_ETHER_TYPE_ARP)
		parse_arp(c, meta);
	else if (is_tunnel(type))
		meta->meta_flags |= SL_META_IS_TUNNEL;
}

static void
keep_tag(struct sl_meta *meta, uint16_t tci)
{
	if (meta->vlan_n == 0) {
		meta->vlan_tci = tci;
		meta->vlan_vid = tci & 0xfff;
		meta->sub_interface = tci & 0xfff;
		meta->present |=
			SL_PRESENT(VLAN_TCI) | SL_PRESENT(VLAN_VID) | SL_PRESENT(SUB_INTERFACE);
	}
	if (meta->vlan_n < SL_META_VLANS_MAX)
		meta->vlan_stack[meta->vlan_n] = tci;
	meta->vlan_n++;
}

/* Passes the VLAN tags. `*type` is that of the first and receives what follows the last. */
static bool
parse_tags(struct sl_cursor *c, struct sl_meta *meta, uint16_t *type)
{
	while (SL_UNLIKELY(is_vlan(*type))) {
		const uint8_t *tag = sl_cursor_bytes(c);

		if (meta->vlan_n == SL_PACKET_VLANS_MAX) {
			sl_fault(meta, SL_REASON_VLAN_TOO_MANY);
			return false;
		}
		if (!sl_cursor_has(c, VLAN_SIZE)) {
			sl_fault_lack(c, meta, VLAN_SIZE, SL_REASON_VLAN_TRUNCATED);
			return false;
		}
		keep_tag(meta, sl_be16(tag));
		*type = sl_be16(tag + 2);
		c->at += VLAN_SIZE;
		meta->l3_offset = (uint16_t)c->at;
		meta->payload_offset = (uint16_t)c->at;
	}
	meta->present |= SL_PRESENT(SUB_INTERFACE);
	return true;
}

/*
 * An 802.3 frame of `length` bytes.  Only SNAP with the OUI of RFC 1042 has an ether_type, and what
 * it carries is parsed, so that IP in SNAP does not evade IP filters.
 */
static void
parse_llc(struct sl_cursor *c, struct sl_meta *meta, uint16_t length)
{
	static const uint8_t snap[6] = {0xaa, 0xaa, 0x03, 0, 0, 0};
	const uint8_t *llc = sl_cursor_bytes(c);
	uint16_t type;

	if (length > sl_cursor_left(c)) {
		sl_fault(meta, SL_REASON_LLC_BAD_LENGTH);
		return;
	}
	sl_cursor_limit(c, c->at, length);
	if (!sl_cursor_has(c, SNAP_SIZE) || memcmp(llc, snap, sizeof(snap)) != 0)
		return;
	type = sl_be16(llc + 6);
	c->at += SNAP_SIZE;
	meta->l3_offset = (uint16_t)c->at;
	meta->payload_offset = (uint16_t)c->at;
	parse_type(c, meta, type);
}

void
sl_parse_ethernet(struct sl_cursor *c, struct sl_meta *meta)
{
	const uint8_t *header = sl_cursor_bytes(c);
	uint16_t type;

	if (!sl_cursor_has(c, ETHERNET_SIZE)) {
		sl_fault_lack(c, meta, ETHERNET_SIZE, SL_REASON_ETH_TRUNCATED);
		return;
	}
	memcpy(meta->mac_dst, header, sizeof(meta->mac_dst));
	memcpy(meta->mac_src, header + 6, sizeof(meta->mac_src));
	meta->mac_dst_type = sl_mac_address_type(header);
	meta->mac_src_type = sl_mac_address_type(header + 6);
	meta->present |= SL_PRESENT(MAC_SRC) | SL_PRESENT(MAC_DST) | SL_PRESENT(MAC_SRC_TYPE) |
		SL_PRESENT(MAC_DST_TYPE);
	type = sl_be16(header + 12);
	c->at += ETHERNET_SIZE;
	meta->l3_offset = (uint16_t)c->at;
	meta->payload_offset = (uint16_t)c->at;
	if (!parse_tags(c, meta, &type))
		return;
	if (type < SL_ETHER_TYPE_MIN)
		parse_llc(c, meta, type);
	else
		parse_type(c, meta, type);
}

void
sl_parse_cooked(struct sl_cursor *c, struct sl_meta *meta, uint32_t header_size, uint32_t type_at)
{
	uint16_t type;

	if (!sl_cursor_has(c, header_size)) {
		sl_fault_lack(c, meta, header_size, SL_REASON_ETH_TRUNCATED);
		return;
	}
	type = sl_be16(sl_cursor_bytes(c) + type_at);
	c->at += header_size;
	meta->l3_offset = (uint16_t)c->at;
	meta->payload_offset = (uint16_t)c->at;
	/* Types under 0x600 are Linux's own (LLC frames without their length, and the like). */
	if (parse_tags(c, meta, &type) && type >= SL_ETHER_TYPE_MIN)
		parse_type(c, meta, type);
}
