/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/sl_packet.h"

#include "packet/fast_run.h"

#define PREFETCH_AHEAD 4u /* frames; far enough for a line to come from memory */

/* Which reasons say that a packet contradicts itself. */
static const bool is_malformed[SL_REASON_COUNT] = {
#define KIND_POLICY                  false
#define KIND_MALFORMED               true
#define KIND_REFUSED                 false
#define KIND_STATE                   false
#define KIND_DEVICE                  false
#define X(name, text, kind, meaning) [SL_REASON_##name] = KIND_##kind,
#include "classifier/sl_reason.def"
#undef X
};

/* All that is not a constant of the link; slots are cleared by their presence bits. */
static void
reset(const struct sl_frame *frame, struct sl_meta *meta)
{
	meta->present &= SL_PRESENT_PORTS;
	meta->present |= SL_PRESENT(L2_FLAGS);
	meta->flags_ip = 0;
	meta->flags_transport = 0;
	meta->ip_options = 0;
	meta->ip6_extensions = 0;
	meta->l2_flags = SLUICE_L2_FLAG_IF_CONNECTOR_PRESENT;
	meta->vlan_n = 0;
	meta->sub_interface = 0;
	meta->l3_offset = 0;
	meta->l4_offset = 0;
	meta->l4_len = 0;
	meta->payload_offset = 0;
	meta->payload_len = 0;
	meta->icmp_id = 0;
	meta->icmp_sequence = 0;
	meta->frag_offset = 0;
	meta->frag_id = 0;
	meta->ip_version = 0;
	meta->reason = SL_REASON_NONE;
	meta->meta_flags = 0;
	meta->ip6_header_n = 0;
	meta->frame_len = frame->length;
	meta->flow = (struct sl_meta_flow){.id = 0};
}

/* Without a link header the version says which IP it is. */
static void
parse_bare(struct sl_cursor *c, struct sl_meta *meta)
{
	meta->present |= SL_PRESENT(SUB_INTERFACE);
	if (sl_cursor_has(c, 1) && sl_cursor_bytes(c)[0] >> 4 == 6)
		sl_parse_ip6(c, meta);
	else
		sl_parse_ip4(c, meta);
}

SL_NOINLINE void
sl_parse_any(enum sl_link_type link, const struct sl_frame *frame, struct sl_meta *meta)
{
	struct sl_cursor c = {
		.bytes = frame->bytes,
		.end = frame->length,
		.readable = SL_MIN(frame->contiguous, SL_PACKET_HEADERS_MAX),
	};

	c.stop = SL_MIN(c.end, c.readable);
	reset(frame, meta);
	switch (link) {
	case SL_LINK_IP:
		parse_bare(&c, meta);
		break;
	case SL_LINK_SLL:
		sl_parse_cooked(&c, meta, 16, 14);
		break;
	case SL_LINK_SLL2:
		sl_parse_cooked(&c, meta, 20, 0);
		break;
	default:
		meta->l2_flags |= SLUICE_L2_FLAG_NATIVE_ETHERNET;
		meta->meta_flags |= SL_META_HAS_ETHERNET;
		sl_parse_ethernet(&c, meta);
		break;
	}
	if (is_malformed[meta->reason])
		meta->l2_flags |= SLUICE_L2_FLAG_MALFORMED_PACKET;
}

void
sl_packet_parse(enum sl_link_type link, const struct sl_frame frames[], uint32_t n,
	struct sl_meta *const metas[])
{
	for (uint32_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			__builtin_prefetch(frames[i + PREFETCH_AHEAD].bytes);
		if (link != SL_LINK_ETHERNET || SL_UNLIKELY(!sl_parse_fast(&frames[i], metas[i])))
			sl_parse_any(link, &frames[i], metas[i]);
	}
}
