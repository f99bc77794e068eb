/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/tcp.h"

/* RST (RFC 9293 3.5.2, RFC 5961 section 3). */

/* True when it acknowledges a SYN of the receiver that the sender has not answered otherwise. */
static bool
refuses_syn(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;
	uint32_t first = pass->s->ack + (*pass->r_flags & TCP_SIDE_SYN_ACKED ? 0 : 1);

	if (!(segment->flags & TCP_ACK) || *pass->s_flags & TCP_SIDE_SYN_ACKED)
		return false;
	return !tcp_is_before(segment->ack, first) && !tcp_is_after(segment->ack, pass->r->end);
}

/*
 * The receiver's next number: what it has last acknowledged, or all that was sent.  Some hosts send the
 * number of their FIN again, and some take it (macOS, Linux).
 */
static bool
is_exact(const struct tcp_pass *pass)
{
	uint32_t seq = pass->segment->seq;

	if (seq == pass->s->end)
		return true;
	if (*pass->s_flags & TCP_SIDE_FIN && seq == pass->s->end - 1)
		return true;
	return *pass->s_flags & TCP_SIDE_SYN_ACKED && seq == pass->r->ack;
}

static bool
is_in_window(const struct tcp_pass *pass)
{
	uint32_t seq = pass->segment->seq;

	return !tcp_is_before(seq, pass->r->ack) &&
		(!tcp_is_after(seq, pass->s->limit + TCP_BEYOND) || seq == pass->s->end);
}

/*
 * The opener resets before its SYN is answered.  It may have been asked by an acknowledgement out of an
 * older connection (RFC 9293 figure 9), whose number it then has; that is for the host that sent it.
 */
static enum sl_reason
reset_unanswered(const struct tcp_pass *pass)
{
	uint32_t seq = pass->segment->seq;

	if (seq == pass->s->end || seq == pass->r->ack + 1) {
		pass->tcp->state = SL_TCP_CLOSED;
		return SL_REASON_NONE;
	}
	return pass->r->end != 0 && seq == pass->r->end ? SL_REASON_NONE
							: SL_REASON_TCP_RST_OUT_OF_WINDOW;
}

enum sl_reason
tcp_reset(const struct tcp_pass *pass)
{
	struct sl_tcp *tcp = pass->tcp;

	if (!tcp_is_known(*pass->r_flags))
		return reset_unanswered(pass);
	if (refuses_syn(pass)) {
		tcp->state = SL_TCP_CLOSED;
		return SL_REASON_NONE;
	}
	if (pass->segment->flags & TCP_ACK && tcp_answers_fresh(pass)) {
		/* Of two openings one is refused: the other may still be answered. */
		if (tcp->state != SL_TCP_SYN_SENT)
			tcp->state = SL_TCP_CLOSED;
		return SL_REASON_NONE;
	}
	if (!tcp_is_known(*pass->s_flags))
		return SL_REASON_TCP_RST_OUT_OF_WINDOW;
	if (is_exact(pass)) {
		if (tcp->state != SL_TCP_TIME_WAIT)
			tcp->state = SL_TCP_CLOSED;
		return SL_REASON_NONE;
	}
	return is_in_window(pass) ? SL_REASON_NONE : SL_REASON_TCP_RST_OUT_OF_WINDOW;
}

/*
 * What the receiver has acknowledged of what its peer sent.  While it has sent nothing since the connection was picked
 * up that is not known: the number is far behind then.
 */
static bool
has_acknowledged(const struct sl_tcp_side *s, const struct sl_tcp_side *r)
{
	return s->end - r->ack < TCP_WINDOW_MAX;
}

uint32_t
sl_tcp_resets(
	const struct sl_tcp *tcp, enum sluice_direction direction, struct sl_tcp_segment resets[2])
{
	const struct sl_tcp_side *s = &tcp->side[direction], *r = &tcp->side[!direction];
	const bool is_known = tcp_is_known(tcp->flags[direction]);
	const bool is_acked = (tcp->flags[direction] & TCP_SIDE_SYN_ACKED) != 0;
	const uint32_t expected = is_acked ? r->ack : r->ack + 1;
	struct sl_tcp_segment reset = {.flags = TCP_RST};
	uint32_t n = 0;

	if (tcp->state == SL_TCP_NONE || tcp->state == SL_TCP_TIME_WAIT ||
		tcp->state == SL_TCP_CLOSED)
		return 0;
	if (tcp_is_known(tcp->flags[!direction])) {
		reset.flags = TCP_RST | TCP_ACK;
		reset.ack = r->end;
	}
	if (is_known && has_acknowledged(s, r) && expected != s->end) {
		reset.seq = expected;
		resets[n++] = reset;
	}
	/* An opener without an answer expects no number: it looks at what is acknowledged. */
	reset.seq = is_known ? s->end : 0;
	resets[n++] = reset;
	return n;
}
