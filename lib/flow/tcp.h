/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_TCP_PRIVATE_H
#define SL_FLOW_TCP_PRIVATE_H

/*
 * What the files of the TCP tracker share.
 *
 * `s` is the side that sends a segment, `r` the one that is to receive it.  While a side's SYN is not
 * acknowledged, its number is the peer's `ack`; while it has sent no SYN, its `limit` counts from 0.
 */

#include "flow/sl_flow.h"

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10
};

/* What is known of a side. */
enum tcp_side_flag {
	TCP_SIDE_SYN = 0x01,       /* its SYN has been seen */
	TCP_SIDE_SYN_ACKED = 0x02, /* and the peer has acknowledged it */
	TCP_SIDE_FIN = 0x04,       /* its FIN has been seen: `end` is behind it */
	TCP_SIDE_FIN_ACKED = 0x08, /* and the peer has acknowledged it */
	TCP_SIDE_SCALE = 0x10,     /* it offered a window scale; in use when both did (RFC 7323) */
	TCP_SIDE_PICKED_UP =
		0x20, /* its SYN was not seen: its numbers are what the peer's segments say */
	TCP_SIDE_STREAMS = 0x40 /* it has sent data since it acknowledged the peer's FIN */
};

#define TCP_SCALE_MAX      14u /* RFC 7323 2.3 */
#define TCP_SCALE_NONE     0xffu
#define TCP_WINDOW_LOG_MAX 30u /* 65,535 scaled by 14 is less */
#define TCP_WINDOW_MAX     (1u << TCP_WINDOW_LOG_MAX)
/* A probe of a closed window has a byte beyond it, and FIN asks for no window. */
#define TCP_BEYOND 2u

/* A segment on its way between two sides. */
struct tcp_pass {
	struct sl_tcp *tcp;
	const struct sl_tcp_segment *segment;
	struct sl_tcp_side *s;
	struct sl_tcp_side *r;
	uint8_t *s_flags;
	uint8_t *r_flags;
	enum sluice_direction direction;
};

static inline bool
tcp_is_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool
tcp_is_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline struct tcp_pass
tcp_pass_of(
	struct sl_tcp *tcp, const struct sl_tcp_segment *segment, enum sluice_direction direction)
{
	return (struct tcp_pass){
		.tcp = tcp,
		.segment = segment,
		.s = &tcp->side[direction],
		.r = &tcp->side[!direction],
		.s_flags = &tcp->flags[direction],
		.r_flags = &tcp->flags[!direction],
		.direction = direction,
	};
}

/* By how much the windows that a side offers are shifted. Never for those in its SYN. */
static inline uint32_t
tcp_scale(const struct sl_tcp *tcp, enum sluice_direction direction)
{
	uint32_t scale =
		direction == SLUICE_DIRECTION_OUTBOUND ? tcp->scale & 15u : tcp->scale >> 4;

	return tcp->flags[0] & tcp->flags[1] & TCP_SIDE_SCALE ? scale : 0;
}

/* The exponent of the least power of two that is not less than `window`. */
static inline uint8_t
tcp_window_log(uint32_t window)
{
	return window <= 1 ? 0 : (uint8_t)(32 - __builtin_clz(window - 1));
}

static inline void
tcp_note_window(struct sl_tcp *tcp, enum sluice_direction direction, uint32_t window)
{
	uint8_t log = tcp_window_log(window);

	if (SL_UNLIKELY(log > tcp->window_log[direction]))
		tcp->window_log[direction] = log;
}

/* The window that a segment offers, in bytes. */
static inline uint32_t
tcp_window(const struct tcp_pass *pass)
{
	uint32_t window = pass->segment->window;

	if (pass->segment->flags & TCP_SYN)
		return window;
	return window << tcp_scale(pass->tcp, pass->direction);
}

/*
 * Whether the segment lies in the windows: NONE, TCP_OUT_OF_WINDOW or TCP_BAD_ACK.  Both sides' numbers are
 * known.
 *
 * Its end may not be older than the receiver's largest window behind what was sent: the sender never had
 * more than that on its way, so the receiver has acknowledged all before.  An acknowledgement may be as old
 * again, which is what RFC 5961 section 5 lets the receiver take.
 */
static inline enum sl_reason
tcp_check(const struct tcp_pass *pass)
{
	const struct sl_tcp *tcp = pass->tcp;
	const struct sl_tcp_segment *segment = pass->segment;
	const struct sl_tcp_side *s = pass->s, *r = pass->r;
	/* Distances to the highest numbers seen; half the space of numbers is on either side. */
	const int64_t end = (int32_t)(segment->seq + segment->length - s->end);
	const int64_t ack = (int32_t)(segment->ack - r->end);
	int64_t ack_max = 0;

	if (end > 0 && end > (int32_t)(s->limit - s->end) + (int64_t)TCP_BEYOND)
		return SL_REASON_TCP_OUT_OF_WINDOW;
	if (end < -(1ll << tcp->window_log[!pass->direction]) - (int64_t)TCP_BEYOND)
		return SL_REASON_TCP_OUT_OF_WINDOW;
	if (*pass->r_flags & TCP_SIDE_PICKED_UP)
		ack_max = SL_MAX((int32_t)(r->limit - r->end), 0);
	if (ack > ack_max || ack < -(2ll << tcp->window_log[pass->direction]) - (int64_t)TCP_BEYOND)
		return SL_REASON_TCP_BAD_ACK;
	return SL_REASON_NONE;
}

/* Moves what is known of both sides on, after tcp_check. */
static inline void
tcp_update(const struct tcp_pass *pass)
{
	const struct sl_tcp_segment *segment = pass->segment;
	const uint32_t end = segment->seq + segment->length;
	const uint32_t window = tcp_window(pass);

	if (tcp_is_after(end, pass->s->end))
		pass->s->end = end;
	if (tcp_is_after(segment->ack, pass->s->ack))
		pass->s->ack = segment->ack;
	if (tcp_is_after(segment->ack, pass->r->end))
		pass->r->end = segment->ack; /* picked up: it was sent before that */
	if (tcp_is_after(segment->ack + window, pass->r->limit))
		pass->r->limit = segment->ack + window;
	tcp_note_window(pass->tcp, pass->direction, window);
}

/* --- tcp_syn_run.c --- */

/* True when the side has shown numbers of its own. */
static inline bool
tcp_is_known(uint8_t flags)
{
	return (flags & (TCP_SIDE_SYN | TCP_SIDE_PICKED_UP)) != 0;
}

/* A side's first SYN, or another in its place; nothing that it sent has been acknowledged. */
void tcp_begin(const struct tcp_pass *pass);
/* Picks up with a SYN-ACK; all that was known is forgotten. */
void tcp_begin_with_answer(
	struct sl_tcp *tcp, const struct sl_tcp_segment *segment, enum sluice_direction direction);
/* A SYN without ACK to a connection. */
enum sl_reason tcp_syn(const struct tcp_pass *pass, bool *is_reopening);
/* A SYN with ACK to a connection. */
enum sl_reason tcp_syn_ack(const struct tcp_pass *pass);
/* True when the segment, which has ACK, acknowledges a SYN that a live connection let pass. */
bool tcp_answers_fresh(const struct tcp_pass *pass);
/* Goes back to an earlier answer to a SYN when it is that one which the segment acknowledges. */
void tcp_take_other_answer(const struct tcp_pass *pass);
/* After a segment that may acknowledge a SYN: notes that it does. */
void tcp_note_syn_acked(const struct tcp_pass *pass);

/* --- tcp_open_run.c --- */

/* Picks up with a segment that acknowledges; all that was known is forgotten. */
void tcp_pick_up(const struct tcp_pass *pass);

/* --- tcp_reset_run.c --- */

/* A segment with RST: NONE, or TCP_RST_OUT_OF_WINDOW; the state is CLOSED when the receiver takes it. */
enum sl_reason tcp_reset(const struct tcp_pass *pass);

/* --- tcp_run.c --- */

/* The state that the flags of both sides make, of a connection that has not been reset. */
void tcp_set_state(struct sl_tcp *tcp);
/* Class and end of the state. */
void tcp_set_step(const struct sl_tcp *tcp, struct sl_tcp_step *step);
/* True for combinations of flags that a segment can have. */
bool tcp_has_sane_flags(uint8_t flags);

#endif
