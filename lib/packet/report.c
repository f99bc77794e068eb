/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/sl_packet.h"

#include "packet/parse.h"

/*
 * What reports want to know beyond the metadata.  Bounds are checked against the frame again: `meta`
 * may be the metadata of another one.
 */

#define ETHERNET_SIZE 14u
#define IP6_SIZE      40u
#define VLAN_SIZE     4u
#define ARP_IP4_SIZE  28u

static uint32_t
readable(const struct sl_frame *frame)
{
	return SL_MIN(SL_MIN(frame->contiguous, frame->length), SL_PACKET_HEADERS_MAX);
}

uint32_t
sl_packet_ip6_chain(
	const struct sl_frame *frame, const struct sl_meta *meta, uint8_t *numbers, uint32_t n_max)
{
	uint32_t at = meta->l3_offset + IP6_SIZE, end = readable(frame), n;
	uint8_t number;

	if (meta->ip_version != 6 || at > end)
		return 0;
	number = frame->bytes[meta->l3_offset + 6u];
	for (n = 0; n < meta->ip6_header_n && at + 2 <= end; n++) {
		uint32_t size = sl_ip6_extension_size(number, frame->bytes + at);

		if (size == 0)
			break;
		if (n < n_max)
			numbers[n] = number;
		number = frame->bytes[at];
		at += size;
	}
	return n;
}

uint32_t
sl_packet_vlans(
	const struct sl_frame *frame, const struct sl_meta *meta, uint16_t *tcis, uint32_t n_max)
{
	uint32_t n = SL_MIN(meta->vlan_n, SL_PACKET_VLANS_MAX);
	/* Behind the addresses; cooked captures have no SNAP, so there it ends where IP begins. */
	uint32_t first = meta->meta_flags & SL_META_HAS_ETHERNET
		? ETHERNET_SIZE
		: meta->l3_offset - SL_MIN(n * VLAN_SIZE, meta->l3_offset);

	for (uint32_t i = 0; i < SL_MIN(n, n_max); i++) {
		uint32_t at = first + i * VLAN_SIZE;

		if (at + 2 > readable(frame))
			return i;
		tcis[i] = sl_be16(frame->bytes + at);
	}
	return n;
}

bool
sl_packet_arp_sender(const struct sl_frame *frame, const struct sl_meta *meta, uint32_t *address)
{
	static const uint8_t ip4_over_48_bits[4] = {0x08, 0x00, 6, 4};
	const uint8_t *arp = frame->bytes + meta->l3_offset;

	if (!sl_meta_has(meta, SL_SLOT_ETHER_TYPE) || meta->ether_type != SL_ETHER_TYPE_ARP ||
		meta->reason != SL_REASON_NONE ||
		meta->l3_offset + ARP_IP4_SIZE > readable(frame) ||
		memcmp(arp + 2, ip4_over_48_bits, sizeof(ip4_over_48_bits)) != 0)
		return false;
	*address = sl_be32(arp + 14);
	return true;
}
