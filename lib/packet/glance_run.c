/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/sl_glance.h"

#include "packet/fast_run.h"

#include <string.h>

#define ECHO_REPLY   0
#define ECHO_REQUEST 8

_Static_assert(SL_GLANCE_L4 == SL_FAST_L4, "both mean the same packets");
_Static_assert(SL_GLANCE_TCP_BYTES == SL_TCP_SIZE, "a header without options");

/* False for echo requests and replies: what else ICMP says may be about a flow. */
static bool
may_be_error(const struct sl_frame *frame)
{
	const uint8_t *ip = frame->bytes + SL_FAST_L3;
	const uint32_t at = SL_FAST_L3 + (ip[0] & 15u) * 4;

	return frame->contiguous <= at ||
		(frame->bytes[at] != ECHO_REQUEST && frame->bytes[at] != ECHO_REPLY);
}

/* TCP, UDP or an ICMP error in untagged IPv4, whatever else is wrong with it. */
static bool
is_kin(const struct sl_frame *frame)
{
	const uint8_t *bytes = frame->bytes;

	if (frame->contiguous <= SL_FAST_L3 + 9 || sl_be16(bytes + 12) != SL_ETHER_TYPE_IP4)
		return false;
	switch (bytes[SL_FAST_L3 + 9]) {
	case SL_PROTOCOL_TCP:
	case SL_PROTOCOL_UDP:
		return true;
	case SL_PROTOCOL_ICMP:
		return may_be_error(frame);
	default:
		return false;
	}
}

static SL_ALWAYS_INLINE bool
glance(const struct sl_frame *frame, struct sl_glance *out)
{
	const uint8_t *bytes = frame->bytes, *l4 = bytes + SL_FAST_L4;
	const uint32_t total = sl_fast_ip_total(frame);
	struct sl_fast_transport transport;

	if (SL_UNLIKELY(total == 0) || SL_UNLIKELY(!sl_fast_transport(frame, total, &transport)))
		return false;
	memcpy(&out->src, bytes + SL_FAST_L3 + 12, 2 * sizeof(out->src));
	out->src_port = sl_be16(l4);
	out->dst_port = sl_be16(l4 + 2);
	out->payload_len = transport.payload;
	out->protocol = bytes[SL_FAST_L3 + 9];
	out->tcp_flags = (uint8_t)(l4[13] & transport.tcp);
	out->is_tcp = (uint8_t)(transport.tcp & 1);
	return true;
}

/* A frame that nobody padded, shorter than what is read of others: a datagram of UDP, if anything. */
static SL_NOINLINE bool
glance_short(const struct sl_frame *frame, struct sl_glance *out)
{
	uint8_t bytes[SL_FAST_TCP] = {0};
	struct sl_frame padded = *frame;

	if (frame->contiguous < SL_FAST_UDP || frame->bytes[SL_FAST_L3 + 9] != SL_PROTOCOL_UDP)
		return false;
	memcpy(bytes, frame->bytes, frame->contiguous);
	padded.bytes = bytes;
	padded.contiguous = sizeof(bytes);
	return glance(&padded, out);
}

static SL_ALWAYS_INLINE bool
glance_any(const struct sl_frame *frame, struct sl_glance *out)
{
	return SL_LIKELY(frame->contiguous >= SL_FAST_TCP) ? glance(frame, out)
							   : glance_short(frame, out);
}

void
sl_packet_glance(const struct sl_frame frames[], uint32_t n, struct sl_glance glances[],
	struct sl_glance_sets *sets)
{
	uint64_t all = 0, tcp = 0, kin = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct sl_frame frame = frames[i];

		if (SL_UNLIKELY(!glance_any(&frame, &glances[i]))) {
			kin |= (uint64_t)is_kin(&frame) << i;
			continue;
		}
		all |= (uint64_t)1 << i;
		tcp |= (uint64_t)glances[i].is_tcp << i;
	}
	*sets = (struct sl_glance_sets){.tcp = tcp, .udp = all & ~tcp, .kin = kin};
}
