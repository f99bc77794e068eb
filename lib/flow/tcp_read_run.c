/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp.h"

/* Out of a packet that the parser accepts: lengths and options are sound. */

#define PROTOCOL_TCP 6u
#define HEADER_SIZE  20u

enum {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_SCALE = 3,
	OPTION_TIMESTAMPS = 8
};

static uint16_t
be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t
be32(const uint8_t *at)
{
	return (uint32_t)be16(at) << 16 | be16(at + 2);
}

/* Each option is looked at within its length, however wrong that is. */
static void
read_options(const uint8_t *options, uint32_t n, struct sl_tcp_segment *segment)
{
	uint32_t step;

	for (uint32_t i = 0; i < n && options[i] != OPTION_END; i += step) {
		step = 1;
		if (options[i] == OPTION_NOP)
			continue;
		if (n - i < 2 || options[i + 1] < 2 || options[i + 1] > n - i)
			return;
		step = options[i + 1];
		if (options[i] == OPTION_SCALE && step == 3)
			segment->scale = SL_MIN(options[i + 2], TCP_SCALE_MAX);
		else if (options[i] == OPTION_TIMESTAMPS && step == 10)
			segment->has_timestamps = true;
	}
}

bool
sl_tcp_read(
	const struct sl_frame *frame, const struct sl_meta *meta, struct sl_tcp_segment *segment)
{
	const uint8_t *tcp;
	uint32_t size = meta->l4_len;

	if (meta->ip_version == 0 || meta->protocol != PROTOCOL_TCP ||
		meta->reason != SL_REASON_NONE || meta->meta_flags & SL_META_LATER_FRAGMENT ||
		size < HEADER_SIZE || frame->contiguous < meta->l4_offset + size)
		return false;
	tcp = frame->bytes + meta->l4_offset;
	*segment = (struct sl_tcp_segment){
		.seq = be32(tcp + 4),
		.ack = be32(tcp + 8),
		.length = meta->payload_len,
		.payload = meta->payload_len,
		.window = be16(tcp + 14),
		.flags = tcp[13] & 0x3f,
		.scale = TCP_SCALE_NONE,
	};
	segment->length += (segment->flags & TCP_SYN) != 0;
	segment->length += (segment->flags & TCP_FIN) != 0;
	if (segment->flags & TCP_SYN)
		read_options(tcp + HEADER_SIZE, size - HEADER_SIZE, segment);
	return true;
}
