/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp.h"

#define OLD_SYN (1 << 24) /* numbers that a connection uses while a SYN of it can be on its way */

/* Opening: SYN and SYN-ACK, first ones, repeated ones, crossing ones, and those on live connections. */

static void
put_scale(struct sl_tcp *tcp, enum sluice_direction direction, uint8_t scale)
{
	unsigned shift = direction == SLUICE_DIRECTION_OUTBOUND ? 0 : 4;
	unsigned others = tcp->scale & ~(15u << shift);

	tcp->scale = (uint8_t)(others | SL_MIN(scale, TCP_SCALE_MAX) << shift);
}

/*
 * A repeated SYN may leave options out that the first one had.  Which of both the peer answers is seen in
 * its SYN-ACK, so what was offered once counts.
 */
static void
note_options(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;

	tcp_note_window(pass->tcp, pass->direction, segment->window);
	if (!tcp_is_known(*pass->r_flags))
		pass->r->limit = SL_MAX(pass->r->limit, segment->window);
	if (segment->scale == TCP_SCALE_NONE)
		return;
	*pass->s_flags |= TCP_SIDE_SCALE;
	put_scale(pass->tcp, pass->direction, segment->scale);
}

void
tcp_begin(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;

	/* The limit moves along: it is 1, and the window that the peer's SYN offered, behind the number. */
	if (!tcp_is_known(*pass->s_flags))
		pass->s->limit += 1;
	pass->s->limit += segment->seq - pass->r->ack;
	pass->s->end = segment->seq + segment->length;
	pass->r->ack = segment->seq;
	*pass->s_flags = TCP_SIDE_SYN;
	note_options(pass);
}

void
tcp_begin_with_answer(
	struct sl_tcp *tcp, const struct sl_tcp_segment *segment, enum sluice_direction direction)
{
	const struct tcp_pass pass = tcp_pass_of(tcp, segment, direction);

	*tcp = (struct sl_tcp){.state = SL_TCP_SYN_RECV};
	tcp_begin(&pass);
	/* Of the SYN that it answers the number is known, and whether it offered a scale. */
	*pass.r_flags = TCP_SIDE_PICKED_UP | TCP_SIDE_SYN_ACKED | (*pass.s_flags & TCP_SIDE_SCALE);
	put_scale(tcp, !direction, TCP_SCALE_MAX);
	pass.s->limit += UINT16_MAX;
	pass.s->ack = segment->ack;
	pass.r->end = segment->ack;
	pass.r->limit = segment->ack + segment->window;
	tcp->window_log[!direction] = TCP_WINDOW_LOG_MAX;
}

/* A SYN that the receiver may never have had, and that may be answered: 14 bits of its number. */
static uint16_t
fresh_mark(uint32_t seq, enum sluice_direction direction)
{
	return (uint16_t)(0x8000u | (unsigned)direction << 14 | (seq * 0x9e3779b1u) >> 18);
}

/*
 * A SYN near the numbers that its sender uses is its old one, on its way for long: an answer would be one to
 * the connection that is there.
 */
static void
note_fresh(const struct tcp_pass *pass)
{
	int64_t distance = (int32_t)(pass->segment->seq - pass->s->end);

	if (distance < -OLD_SYN || distance > OLD_SYN)
		pass->tcp->fresh = fresh_mark(pass->segment->seq, pass->direction);
}

bool
tcp_answers_fresh(const struct tcp_pass *pass)
{
	return pass->tcp->fresh == fresh_mark(pass->segment->ack - 1, !pass->direction);
}

/* Both have gone, or the one that opens anew has: its last FIN is acknowledged. */
static bool
may_reopen(const struct tcp_pass *pass)
{
	switch (pass->tcp->state) {
	case SL_TCP_CLOSED:
		return true;
	case SL_TCP_LAST_ACK:
		if (!(*pass->s_flags & TCP_SIDE_FIN_ACKED))
			return false;
		break;
	case SL_TCP_TIME_WAIT:
		break;
	default:
		return false;
	}
	return tcp_is_after(pass->segment->seq, pass->s->end) || pass->segment->has_timestamps;
}

/*
 * The opener's SYN again; or another, when it has given up and begun anew before it was answered.  Of
 * two that are on their way the answer tells which one counts.
 */
static void
repeat_opening(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;
	uint32_t end = segment->seq + segment->length;

	if (segment->seq != pass->r->ack) {
		pass->tcp->fresh = fresh_mark(pass->r->ack, pass->direction);
		tcp_begin(pass);
	} else if (tcp_is_after(end, pass->s->end)) {
		pass->s->end = end; /* with data this time */
	}
	note_options(pass);
}

/*
 * SYNs that cross (RFC 9293 figure 7).  It can also be that the SYN comes late, after the same side's
 * SYN-ACK.
 */
static bool
crosses(const struct tcp_pass *pass)
{
	if (pass->tcp->state == SL_TCP_SYN_SENT) {
		tcp_begin(pass);
		return true;
	}
	return pass->tcp->state == SL_TCP_SYN_RECV && !(*pass->s_flags & TCP_SIDE_SYN_ACKED) &&
		pass->segment->seq == pass->r->ack;
}

enum sl_reason
tcp_syn(const struct tcp_pass *pass, bool *is_reopening)
{
	struct sl_tcp *tcp = pass->tcp;

	*is_reopening = may_reopen(pass);
	if (*is_reopening)
		return SL_REASON_NONE;
	if (tcp->state == SL_TCP_SYN_SENT && tcp_is_known(*pass->s_flags))
		repeat_opening(pass);
	else if (crosses(pass))
		tcp->state = SL_TCP_SYN_SENT2;
	else
		note_fresh(pass);
	return SL_REASON_NONE;
}

void
tcp_note_syn_acked(const struct tcp_pass *pass)
{
	if (!(*pass->r_flags & TCP_SIDE_SYN_ACKED) &&
		tcp_is_after(pass->segment->ack, pass->s->ack))
		*pass->r_flags |= TCP_SIDE_SYN_ACKED;
}

/* True when it acknowledges the receiver's SYN, and nothing that was not sent. */
static bool
acknowledges_syn(const struct tcp_pass *pass)
{
	uint32_t ack = pass->segment->ack;

	if (tcp_is_after(ack, pass->r->end))
		return false;
	if (*pass->r_flags & TCP_SIDE_SYN_ACKED)
		return !tcp_is_before(ack, pass->s->ack) || *pass->r_flags & TCP_SIDE_PICKED_UP;
	return tcp_is_after(ack, pass->s->ack);
}

/* The data of a SYN did not ask the receiver for a window, so it may be more than the first one. */
static void
note_answer(const struct tcp_pass *pass)
{
	tcp_note_window(pass->tcp, pass->direction, pass->r->end - pass->s->ack);
	note_options(pass);
	tcp_note_syn_acked(pass);
	tcp_update(pass);
}

/*
 * An answer to a SYN that has none yet, or whose answer has not been acknowledged.  A server with SYN cookies
 * answers a repeated SYN with another number; the opener takes the answer that it gets first.
 */
static enum sl_reason
answer(const struct tcp_pass *pass)
{
	bool is_first = !tcp_is_known(*pass->s_flags);

	if (!acknowledges_syn(pass))
		return SL_REASON_TCP_BAD_ACK;
	if (!is_first && pass->segment->seq != pass->r->ack)
		pass->tcp->fresh = fresh_mark(pass->r->ack, pass->direction);
	if (is_first || pass->segment->seq != pass->r->ack)
		tcp_begin(pass);
	note_answer(pass);
	if (is_first)
		pass->tcp->state = SL_TCP_SYN_RECV;
	return SL_REASON_NONE;
}

void
tcp_take_other_answer(const struct tcp_pass *pass)
{
	uint32_t number = pass->segment->ack - 1;

	if (*pass->r_flags & TCP_SIDE_SYN_ACKED || pass->segment->ack == pass->s->ack + 1 ||
		!tcp_answers_fresh(pass))
		return;
	pass->r->limit += number - pass->s->ack;
	pass->r->end = pass->segment->ack;
	pass->s->ack = number;
}

/* One that was seen before, because its acknowledgement did not arrive. */
static enum sl_reason
repeated_answer(const struct tcp_pass *pass)
{
	enum sl_reason reason = tcp_check(pass);

	if (reason != SL_REASON_NONE)
		return reason;
	if (tcp_is_after(pass->segment->seq + pass->segment->length, pass->s->end))
		return SL_REASON_TCP_BAD_STATE;
	tcp_note_syn_acked(pass);
	tcp_update(pass);
	return SL_REASON_NONE;
}

static enum sl_reason
syn_ack(const struct tcp_pass *pass)
{
	const bool is_acked = (*pass->s_flags & TCP_SIDE_SYN_ACKED) != 0;

	switch (pass->tcp->state) {
	case SL_TCP_SYN_SENT:
		return tcp_is_known(*pass->s_flags) ? SL_REASON_TCP_BAD_STATE : answer(pass);
	case SL_TCP_SYN_RECV:
		/* From the opener it would answer what is an answer itself. */
		return is_acked ? SL_REASON_TCP_BAD_STATE : answer(pass);
	case SL_TCP_SYN_SENT2:
		return is_acked ? repeated_answer(pass) : answer(pass);
	default:
		if (!tcp_is_known(*pass->s_flags) || !tcp_is_known(*pass->r_flags))
			return SL_REASON_TCP_BAD_STATE;
		return repeated_answer(pass);
	}
}

enum sl_reason
tcp_syn_ack(const struct tcp_pass *pass)
{
	enum sl_reason reason = syn_ack(pass);

	/* Both hosts are at another connection already. */
	if (reason != SL_REASON_NONE && tcp_answers_fresh(pass)) {
		tcp_begin_with_answer(pass->tcp, pass->segment, pass->direction);
		return SL_REASON_NONE;
	}
	return reason;
}
