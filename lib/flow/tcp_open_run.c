/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp.h"

/* The first segment of a connection. */

/*
 * A connection of which nothing is known but this segment.  How far the receiver has acknowledged is not
 * known either: anything that the sender's windows allow.
 */
void
tcp_pick_up(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;
	uint32_t end = segment->seq + segment->length;

	*pass->s = (struct sl_tcp_side){
		.end = end,
		.limit = end + TCP_WINDOW_MAX,
		.ack = segment->ack,
	};
	*pass->r = (struct sl_tcp_side){
		.end = segment->ack,
		.limit = segment->ack + TCP_WINDOW_MAX,
		.ack = segment->seq - TCP_WINDOW_MAX,
	};
	*pass->s_flags = TCP_SIDE_PICKED_UP | TCP_SIDE_SYN_ACKED | TCP_SIDE_SCALE;
	*pass->r_flags = *pass->s_flags;
	if (segment->flags & TCP_FIN)
		*pass->s_flags |= TCP_SIDE_FIN;
	pass->tcp->scale = TCP_SCALE_MAX << 4 | TCP_SCALE_MAX;
	pass->tcp->window_log[0] = TCP_WINDOW_LOG_MAX;
	pass->tcp->window_log[1] = TCP_WINDOW_LOG_MAX;
}

static enum sl_reason
open_with(const struct tcp_pass *pass, enum sl_flow_midstream midstream)
{
	uint8_t flags = pass->segment->flags;

	if (!tcp_has_sane_flags(flags))
		return SL_REASON_TCP_BAD_FLAGS;
	if ((flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		tcp_begin(pass);
		pass->tcp->state = SL_TCP_SYN_SENT;
		return SL_REASON_NONE;
	}
	if (flags & TCP_RST || midstream == SL_FLOW_MIDSTREAM_DROP)
		return SL_REASON_TCP_NO_CONNECTION;
	if (flags & TCP_SYN)
		tcp_begin_with_answer(pass->tcp, pass->segment, pass->direction);
	else
		tcp_pick_up(pass);
	return SL_REASON_NONE;
}

void
sl_tcp_open(struct sl_tcp *tcp, const struct sl_tcp_segment *segment,
	enum sluice_direction direction, enum sl_flow_midstream midstream, struct sl_tcp_step *step)
{
	const struct tcp_pass pass = tcp_pass_of(tcp, segment, direction);

	*tcp = (struct sl_tcp){0};
	*step = (struct sl_tcp_step){.reason = open_with(&pass, midstream)};
	tcp_set_state(tcp);
	tcp_set_step(tcp, step);
	step->is_established = tcp->state >= SL_TCP_ESTABLISHED;
}
