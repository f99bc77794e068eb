/* SPDX-License-Identifier: BSD-3-Clause */
#include "metadata_json.h"

#include "base/sl_addr.h"

#include <inttypes.h>

#define EXTENSIONS_MAX 256u /* more than the parser follows */
#define PROTOCOL_ICMP  1
#define PROTOCOL_ICMP6 58

static void
add_number(struct sl_buf *buf, const char *name, const struct sl_meta *meta, enum sl_slot slot)
{
	if (sl_meta_has(meta, slot))
		sl_buf_printf(buf, ",\"%s\":%" PRIu64, name, sl_meta_number(meta, slot));
}

static void
add_mac(struct sl_buf *buf, const char *name, const uint8_t mac[6])
{
	char text[SL_MAC_TEXT_MAX];

	sl_buf_printf(buf, ",\"%s\":\"%s\"", name, sl_addr_format_mac(mac, text));
}

static void
add_ip4(struct sl_buf *buf, const char *name, uint32_t address)
{
	char text[SL_V4_TEXT_MAX];

	sl_buf_printf(buf, ",\"%s\":\"%s\"", name, sl_addr_format_v4(address, text));
}

static void
add_ip6(struct sl_buf *buf, const char *name, const uint8_t address[16])
{
	char text[SL_V6_TEXT_MAX];

	sl_buf_printf(buf, ",\"%s\":\"%s\"", name, sl_addr_format_v6(address, text));
}

static void
add_link(struct sl_buf *buf, const struct sl_frame *frame, const struct sl_meta *meta)
{
	uint16_t tcis[SL_PACKET_VLANS_MAX];
	uint32_t n = sl_packet_vlans(frame, meta, tcis, SL_PACKET_VLANS_MAX);

	if (sl_meta_has(meta, SL_SLOT_MAC_SRC)) {
		add_mac(buf, "eth_src", meta->mac_src);
		add_mac(buf, "eth_dst", meta->mac_dst);
	}
	add_number(buf, "eth_type", meta, SL_SLOT_ETHER_TYPE);
	for (uint32_t i = 0; i < n; i++)
		sl_buf_printf(buf, "%s%u", i == 0 ? ",\"vlan\":[" : ",", tcis[i] & 0xfffu);
	if (n > 0)
		sl_buf_add_char(buf, ']');
}

static void
add_fragment(struct sl_buf *buf, const struct sl_meta *meta)
{
	sl_buf_printf(buf, ",\"ip_id\":%u,\"frag_offset\":%u,\"more_fragments\":%s", meta->frag_id,
		meta->frag_offset, meta->meta_flags & SL_META_MORE_FRAGMENTS ? "true" : "false");
}

static void
add_ip6_chain(struct sl_buf *buf, const struct sl_frame *frame, const struct sl_meta *meta)
{
	uint8_t numbers[EXTENSIONS_MAX];
	uint32_t n = sl_packet_ip6_chain(frame, meta, numbers, EXTENSIONS_MAX);

	for (uint32_t i = 0; i < n; i++)
		sl_buf_printf(buf, "%s%u", i == 0 ? ",\"ip6_ext\":[" : ",", numbers[i]);
	if (n > 0)
		sl_buf_add_char(buf, ']');
}

static void
add_ip(struct sl_buf *buf, const struct sl_frame *frame, const struct sl_meta *meta)
{
	if (meta->ip_version == 0)
		return;
	sl_buf_printf(buf, ",\"ip_version\":%u", meta->ip_version);
	if (meta->ip_version == 4) {
		add_ip4(buf, "ip_src", meta->ip4_src);
		add_ip4(buf, "ip_dst", meta->ip4_dst);
	} else {
		add_ip6(buf, "ip_src", meta->ip6_src);
		add_ip6(buf, "ip_dst", meta->ip6_dst);
	}
	add_number(buf, "ip_protocol", meta, SL_SLOT_PROTOCOL);
	add_number(buf, "ip_ttl", meta, SL_SLOT_TTL);
	add_number(buf, "ip_dscp", meta, SL_SLOT_DSCP);
	add_number(buf, "ip_length", meta, SL_SLOT_PACKET_LENGTH);
	if (sl_meta_has(meta, SL_SLOT_IP_OPTIONS) && meta->ip_options != 0)
		add_number(buf, "ip_options", meta, SL_SLOT_IP_OPTIONS);
	if (meta->ip_version == 4 || meta->ip6_extensions & SLUICE_IP6_EXT_FRAGMENT)
		add_fragment(buf, meta);
	add_ip6_chain(buf, frame, meta);
}

/* The flags of the slot, and the four bits in front of them, which are not matchable. */
static void
add_tcp_flags(struct sl_buf *buf, const struct sl_frame *frame, const struct sl_meta *meta)
{
	uint32_t flags = meta->tcp_flags | (frame->bytes[meta->l4_offset + 12u] & 0xfu) << 8;

	sl_buf_printf(buf, ",\"tcp_flags\":%u", flags);
}

static void
add_transport(struct sl_buf *buf, const struct sl_frame *frame, const struct sl_meta *meta)
{
	if (!sl_meta_has(meta, SL_SLOT_ICMP_TYPE)) {
		add_number(buf, "src_port", meta, SL_SLOT_SRC_PORT);
		add_number(buf, "dst_port", meta, SL_SLOT_DST_PORT);
	}
	if (sl_meta_has(meta, SL_SLOT_TCP_FLAGS))
		add_tcp_flags(buf, frame, meta);
	add_number(buf, "icmp_type", meta, SL_SLOT_ICMP_TYPE);
	add_number(buf, "icmp_code", meta, SL_SLOT_ICMP_CODE);
	if (sl_meta_has(meta, SL_SLOT_PROTOCOL) && meta->l4_offset != 0)
		sl_buf_printf(buf, ",\"payload_length\":%u", meta->payload_len);
}

static void
add_embedded(struct sl_buf *buf, const struct sl_meta *meta)
{
	bool is_icmp = meta->emb_protocol == PROTOCOL_ICMP || meta->emb_protocol == PROTOCOL_ICMP6;

	add_number(buf, "emb_protocol", meta, SL_SLOT_EMB_PROTOCOL);
	if (sl_meta_has(meta, SL_SLOT_EMB_IP4_REMOTE))
		add_ip4(buf, "emb_remote", meta->emb_ip4_remote);
	if (sl_meta_has(meta, SL_SLOT_EMB_IP6_REMOTE))
		add_ip6(buf, "emb_remote", meta->emb_ip6_remote);
	if (is_icmp)
		return;
	add_number(buf, "emb_local_port", meta, SL_SLOT_EMB_LOCAL_PORT);
	add_number(buf, "emb_remote_port", meta, SL_SLOT_EMB_REMOTE_PORT);
}

void
metadata_json(
	struct sl_buf *buf, uint64_t n, const struct sl_frame *frame, const struct sl_meta *meta)
{
	enum sl_reason reason = meta->reason;
	bool is_refused = sl_reason_kind(reason) == SL_REASON_KIND_REFUSED;

	sl_buf_printf(buf, "{\"n\":%" PRIu64 ",\"direction\":\"%s\"", n,
		meta->direction == SLUICE_DIRECTION_INBOUND ? "inbound" : "outbound");
	add_link(buf, frame, meta);
	add_ip(buf, frame, meta);
	add_transport(buf, frame, meta);
	add_embedded(buf, meta);
	if (meta->meta_flags & SL_META_IS_TUNNEL)
		sl_buf_add_text(buf, ",\"tunnel\":true");
	if (reason != SL_REASON_NONE)
		sl_buf_printf(buf, ",\"%s\":\"%s\"", is_refused ? "refused" : "malformed",
			sl_reason_name(reason));
	sl_buf_add_char(buf, '}');
}
