/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/sl_packet.h"

#include "packet/ip4_run.h"
#include "packet/parse.h"

/* Where the parts of a fragment are: what the metadata of its transport header does not tell. */

#define IP6_SIZE             40u
#define FRAGMENT_HEADER_SIZE 8u

static uint32_t
readable(const struct sl_frame *frame)
{
	return SL_MIN(SL_MIN(frame->contiguous, frame->length), SL_PACKET_HEADERS_MAX);
}

static bool
find_ip4(const struct sl_frame *frame, uint32_t l3, struct sl_fragment_place *place)
{
	if (l3 + SL_IP4_SIZE > readable(frame))
		return false;
	place->head_end = l3 + (frame->bytes[l3] & 0xfu) * 4;
	place->payload_at = place->head_end;
	place->named_at = 0;
	return true;
}

/* Walks the headers in front of the fragment header. */
static bool
find_ip6(const struct sl_frame *frame, uint32_t l3, struct sl_fragment_place *place)
{
	uint32_t at = l3 + IP6_SIZE, named_at = l3 + 6, end = readable(frame), size;

	while (at + FRAGMENT_HEADER_SIZE <= end) {
		if (frame->bytes[named_at] == SL_PROTOCOL_FRAGMENT) {
			place->head_end = at;
			place->payload_at = at + FRAGMENT_HEADER_SIZE;
			place->named_at = named_at;
			return true;
		}
		size = sl_ip6_extension_size(frame->bytes[named_at], frame->bytes + at);
		if (size == 0)
			break;
		named_at = at;
		at += size;
	}
	return false;
}

bool
sl_packet_fragment(
	const struct sl_frame *frame, const struct sl_meta *meta, struct sl_fragment_place *place)
{
	uint32_t end = meta->l3_offset + meta->packet_length;
	bool is_found;

	if (meta->reason != SL_REASON_NONE || (meta->meta_flags & SL_META_IS_FRAGMENT) == 0)
		return false;
	if (meta->ip_version == 4)
		is_found = find_ip4(frame, meta->l3_offset, place);
	else
		is_found = find_ip6(frame, meta->l3_offset, place);
	if (!is_found || end > frame->length || place->payload_at >= end)
		return false;
	place->payload_len = end - place->payload_at;
	return true;
}
