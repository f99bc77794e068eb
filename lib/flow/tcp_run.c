/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp.h"

#include <string.h>

#define TCP_HEADER_SIZE 20u

/* A segment of a connection that is known. */

bool
tcp_has_sane_flags(uint8_t flags)
{
	switch (flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) {
	case TCP_SYN:
	case TCP_SYN | TCP_ACK:
	case TCP_RST:
	case TCP_RST | TCP_ACK:
	case TCP_ACK:
	case TCP_FIN | TCP_ACK:
		return true;
	default:
		return false; /* everything but SYN and RST acknowledges (RFC 9293 3.10.7.4) */
	}
}

static void
note_fin_acked(struct sl_tcp *tcp, enum sluice_direction direction)
{
	if (tcp->flags[direction] & TCP_SIDE_FIN &&
		tcp->side[!direction].ack == tcp->side[direction].end)
		tcp->flags[direction] |= TCP_SIDE_FIN_ACKED;
}

void
tcp_set_state(struct sl_tcp *tcp)
{
	uint8_t both, any;

	note_fin_acked(tcp, SLUICE_DIRECTION_OUTBOUND);
	note_fin_acked(tcp, SLUICE_DIRECTION_INBOUND);
	both = tcp->flags[0] & tcp->flags[1];
	any = tcp->flags[0] | tcp->flags[1];
	if (tcp->state == SL_TCP_CLOSED || !(both & TCP_SIDE_SYN_ACKED))
		return;
	if (!(both & TCP_SIDE_SCALE))
		tcp->scale = 0;
	if (both & TCP_SIDE_FIN)
		tcp->state = both & TCP_SIDE_FIN_ACKED ? SL_TCP_TIME_WAIT : SL_TCP_LAST_ACK;
	else if (any & TCP_SIDE_FIN)
		tcp->state = any & TCP_SIDE_FIN_ACKED ? SL_TCP_CLOSE_WAIT : SL_TCP_FIN_WAIT;
	else
		tcp->state = SL_TCP_ESTABLISHED;
}

void
tcp_set_step(const struct sl_tcp *tcp, struct sl_tcp_step *step)
{
	static const uint8_t classes[SL_TCP_STATE_COUNT] = {
		[SL_TCP_NONE] = SL_FLOW_TCP_SYN,
		[SL_TCP_SYN_SENT] = SL_FLOW_TCP_SYN,
		[SL_TCP_SYN_SENT2] = SL_FLOW_TCP_SYN,
		[SL_TCP_SYN_RECV] = SL_FLOW_TCP_SYN,
		[SL_TCP_ESTABLISHED] = SL_FLOW_TCP_ESTABLISHED,
		[SL_TCP_FIN_WAIT] = SL_FLOW_TCP_FIN,
		[SL_TCP_CLOSE_WAIT] = SL_FLOW_TCP_FIN,
		[SL_TCP_LAST_ACK] = SL_FLOW_TCP_FIN,
		[SL_TCP_TIME_WAIT] = SL_FLOW_TCP_TIME_WAIT,
		[SL_TCP_CLOSED] = SL_FLOW_TCP_RST,
	};

	step->class = classes[tcp->state];
	if (tcp->state == SL_TCP_CLOSE_WAIT && (tcp->flags[0] | tcp->flags[1]) & TCP_SIDE_STREAMS)
		step->class = SL_FLOW_TCP_ESTABLISHED;
	if (tcp->state == SL_TCP_CLOSED)
		step->end = SL_FLOW_END_RST;
	else if (tcp->state == SL_TCP_LAST_ACK || tcp->state == SL_TCP_TIME_WAIT)
		step->end = SL_FLOW_END_FIN;
}

/*
 * An acknowledgement from a side that has not sent SYN.  A host that still has an older connection with
 * these ports challenges a SYN with it; the opener resets that, and then its SYN is taken.  One of the new
 * connection has overtaken its SYN-ACK, or is one for nothing: hosts do not look at it.
 */
static enum sl_reason
challenge(const struct tcp_pass *pass)
{
	uint32_t ack = pass->segment->ack;

	if (pass->tcp->state != SL_TCP_SYN_SENT || pass->segment->length > 0)
		return SL_REASON_TCP_BAD_STATE;
	if (tcp_is_after(ack, pass->s->ack) && !tcp_is_after(ack, pass->r->end))
		return SL_REASON_TCP_BAD_STATE;
	pass->s->end = ack;
	return SL_REASON_NONE;
}

/* FIN is the last that a side sends: nothing may be behind it. */
static bool
fits_fin(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;
	uint32_t end = segment->seq + segment->length;

	if (*pass->s_flags & TCP_SIDE_FIN && tcp_is_after(end, pass->s->end))
		return false;
	return !(segment->flags & TCP_FIN) || !tcp_is_before(end, pass->s->end);
}

static void
note_close(const struct tcp_pass *pass)
{
	if (pass->segment->flags & TCP_FIN)
		*pass->s_flags |= TCP_SIDE_FIN;
	if (pass->segment->payload > 0 && *pass->r_flags & TCP_SIDE_FIN_ACKED)
		*pass->s_flags |= TCP_SIDE_STREAMS;
}

/* A segment with ACK, without SYN and RST. */
static enum sl_reason
acknowledge(const struct tcp_pass *pass)
{
	enum sl_reason reason;

	if (!tcp_is_known(*pass->s_flags))
		return challenge(pass);
	if (!tcp_is_known(*pass->r_flags))
		return SL_REASON_TCP_BAD_STATE;
	if (pass->tcp->fresh != 0)
		tcp_take_other_answer(pass);
	reason = tcp_check(pass);
	if (reason != SL_REASON_NONE)
		return reason;
	if (!(*pass->r_flags & TCP_SIDE_SYN_ACKED) &&
		!tcp_is_after(pass->segment->ack, pass->s->ack))
		return SL_REASON_TCP_BAD_ACK;
	if (!fits_fin(pass))
		return SL_REASON_TCP_BAD_STATE;
	tcp_note_syn_acked(pass);
	tcp_update(pass);
	note_close(pass);
	if (pass->tcp->fresh >> 14 == (2u | pass->direction))
		pass->tcp->fresh = 0; /* its sender is still at the old connection */
	return SL_REASON_NONE;
}

static enum sl_reason
judge(const struct tcp_pass *pass, bool *is_reopening)
{
	uint8_t flags = pass->segment->flags;

	if (!tcp_has_sane_flags(flags))
		return SL_REASON_TCP_BAD_FLAGS;
	if (flags & TCP_RST)
		return tcp_reset(pass);
	if (!(flags & TCP_SYN))
		return acknowledge(pass);
	return flags & TCP_ACK ? tcp_syn_ack(pass) : tcp_syn(pass, is_reopening);
}

/*
 * LOOSE is for filters that see a part of the traffic: one direction, say.  Whoever sends the next number, and
 * whose peer's SYN was never seen, has an opened connection; where it does not fit what is known, that is
 * because the rest passes elsewhere.
 */
static bool
goes_on_unseen(const struct tcp_pass *pass, enum sl_reason reason)
{
	const struct sl_tcp *tcp = pass->tcp;

	return (pass->segment->flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
		(tcp->state < SL_TCP_ESTABLISHED ||
			(tcp->state == SL_TCP_ESTABLISHED && reason != SL_REASON_NONE)) &&
		tcp_is_known(*pass->s_flags) && !(*pass->r_flags & TCP_SIDE_SYN) &&
		pass->segment->seq == pass->s->end;
}

static enum sl_reason
judge_loosely(const struct tcp_pass *pass, bool *is_reopening)
{
	const struct sl_tcp before = *pass->tcp;
	enum sl_reason reason = judge(pass, is_reopening);
	const struct sl_tcp after = *pass->tcp;

	*pass->tcp = before;
	if (goes_on_unseen(pass, reason)) {
		tcp_pick_up(pass);
		return SL_REASON_NONE;
	}
	*pass->tcp = after;
	return reason;
}

/* Anything: on a copy, so that what must not pass changes nothing. */
static SL_NOINLINE void
next_any(struct sl_tcp *tcp, const struct sl_tcp_segment *segment, enum sluice_direction direction,
	enum sl_flow_tcp mode, struct sl_tcp_step *step)
{
	struct sl_tcp next = *tcp;
	const struct tcp_pass pass = tcp_pass_of(&next, segment, direction);

	*step = (struct sl_tcp_step){0};
	step->reason = mode == SL_FLOW_TCP_LOOSE ? judge_loosely(&pass, &step->is_reopening)
						 : judge(&pass, &step->is_reopening);
	if (step->reason == SL_REASON_NONE && !step->is_reopening) {
		tcp_set_state(&next);
		step->is_established = tcp->state < SL_TCP_ESTABLISHED &&
			next.state >= SL_TCP_ESTABLISHED && next.state != SL_TCP_CLOSED;
		*tcp = next;
	}
	if (mode == SL_FLOW_TCP_LOOSE)
		step->reason = SL_REASON_NONE;
	tcp_set_step(tcp, step);
}

/* Within the windows, if not the next of all. */
static SL_NOINLINE bool
fits(struct sl_tcp *tcp, const struct sl_tcp_segment *segment, enum sluice_direction direction)
{
	const struct tcp_pass pass = tcp_pass_of(tcp, segment, direction);

	if (tcp_check(&pass) != SL_REASON_NONE)
		return false;
	tcp_update(&pass);
	return true;
}

/*
 * Nearly every segment there is: of an established connection, with the next data or none, and with an
 * acknowledgement that is not older than the last.  Four distances that are not negative tell so, and then it
 * lies within all the bounds of tcp_check.
 */
static SL_ALWAYS_INLINE bool
rides(struct sl_tcp *tcp, const struct sl_tcp_segment *segment, enum sluice_direction direction)
{
	struct sl_tcp_side *s = &tcp->side[direction], *r = &tcp->side[!direction];
	const uint32_t end = segment->seq + segment->length;
	const uint32_t scale = tcp->scale >> (direction * 4) & 15;
	const uint32_t window = (uint32_t)segment->window << scale;
	const uint32_t distances = (end - s->end) | (s->limit - end) | (r->end - segment->ack) |
		(segment->ack - s->ack);

	if (tcp->state != SL_TCP_ESTABLISHED || tcp->fresh != 0 ||
		(segment->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return false;
	if (SL_UNLIKELY(distances >> 31 != 0 || window > 1u << tcp->window_log[direction]))
		return fits(tcp, segment, direction);
	s->end = end;
	s->ack = segment->ack;
	if (tcp_is_after(segment->ack + window, r->limit))
		r->limit = segment->ack + window;
	return true;
}

void
sl_tcp_next(struct sl_tcp *tcp, const struct sl_tcp_segment *segment,
	enum sluice_direction direction, enum sl_flow_tcp mode, struct sl_tcp_step *step)
{
	if (SL_LIKELY(rides(tcp, segment, direction)))
		*step = (struct sl_tcp_step){.class = SL_FLOW_TCP_ESTABLISHED};
	else
		next_any(tcp, segment, direction, mode, step);
}

static SL_ALWAYS_INLINE uint32_t
be32(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return __builtin_bswap32(be);
}

static SL_ALWAYS_INLINE bool
ride_at(struct sl_tcp *tcp, const uint8_t *header, uint8_t flags, uint32_t payload,
	enum sluice_direction direction)
{
	const struct sl_tcp_segment segment = {
		.seq = be32(header + 4),
		.ack = be32(header + 8),
		.length = payload,
		.window = (uint16_t)be32(header + 12),
		.flags = flags,
	};

	return rides(tcp, &segment, direction);
}

bool
sl_tcp_ride_at(struct sl_tcp *tcp, const uint8_t *header, uint8_t flags, uint32_t payload,
	enum sluice_direction direction)
{
	return ride_at(tcp, header, flags, payload, direction);
}

bool
sl_tcp_ride(struct sl_tcp *tcp, const struct sl_frame *frame, const struct sl_meta *meta)
{
	if (SL_UNLIKELY(frame->contiguous < meta->l4_offset + TCP_HEADER_SIZE))
		return false;
	return ride_at(tcp, frame->bytes + meta->l4_offset, meta->tcp_flags, meta->payload_len,
		meta->direction);
}

bool
sl_tcp_is_in_flight(const struct sl_tcp *tcp, enum sluice_direction direction, uint32_t seq)
{
	if (!tcp_is_known(tcp->flags[direction]))
		return false;
	return !tcp_is_before(seq, tcp->side[!direction].ack) &&
		!tcp_is_after(seq, tcp->side[direction].end);
}

const char *
sl_tcp_state_name(enum sl_tcp_state state)
{
	static const char *const names[SL_TCP_STATE_COUNT] = {
		[SL_TCP_NONE] = "none",
		[SL_TCP_SYN_SENT] = "syn_sent",
		[SL_TCP_SYN_SENT2] = "syn_sent2",
		[SL_TCP_SYN_RECV] = "syn_recv",
		[SL_TCP_ESTABLISHED] = "established",
		[SL_TCP_FIN_WAIT] = "fin_wait",
		[SL_TCP_CLOSE_WAIT] = "close_wait",
		[SL_TCP_LAST_ACK] = "last_ack",
		[SL_TCP_TIME_WAIT] = "time_wait",
		[SL_TCP_CLOSED] = "closed",
	};

	return (unsigned)state < SL_TCP_STATE_COUNT ? names[state] : "unknown";
}
