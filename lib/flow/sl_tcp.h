/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_TCP_H
#define SL_FLOW_TCP_H

/*
 * TCP as one in the middle follows it: both sides' states and windows (RFC 9293, RFC 5961, RFC 7323, RFC 7413).
 *
 * Sides.   Indexed by the direction of what they send: side[SLUICE_DIRECTION_OUTBOUND] is the host inside.
 * Window.  A segment must lie in what its receiver has offered, and acknowledge what its receiver has sent
 *          (van Rooij, Real Stateful TCP Packet Filtering in IP Filter, 2000).  Segments were seen by the
 *          filter, not certainly by the receiver, so bounds err to the side of passing: the largest window
 *          ever offered counts, rounded up to a power of two.
 * Opening. A connection is established when each side has acknowledged the other's SYN, in whatever order
 *          they did: three segments, a simultaneous open, a split handshake.  What a SYN-ACK alone shows
 *          can be forged, so the opener's acknowledgement is waited for.
 * RST      ends the connection when its receiver would take it (RFC 5961): at the sequence number that the
 *          receiver expects.  That is one of two as far as the filter knows: what the receiver has last
 *          acknowledged, or behind the last that was sent.  Anywhere else in the window it passes and
 *          changes nothing; the receiver answers it with a challenge.  In answer to a SYN it must
 *          acknowledge that SYN.  Resets in TIME_WAIT change nothing (RFC 1337).
 * SYN      on a live connection passes and changes nothing, so that the host can challenge it.  When the
 *          peer has in truth forgotten the connection and answers with SYN-ACK, the filter goes along.
 *          In LAST_ACK and TIME_WAIT a SYN with a higher number than the last, or with timestamps
 *          (RFC 6191: then the host judges), opens anew; after a reset any.
 * Closing. One side's FIN puts the connection in the class TCP_FIN, which whatever either side sends
 *          refreshes.  Data that the other side sends after it has acknowledged that FIN shows a half-closed
 *          connection in use: back to TCP_ESTABLISHED until the other FIN.
 * Pick-up. Of a connection whose SYNs were not seen neither numbers nor window scales are known: the largest
 *          windows and a scale of 14 are assumed, and stay assumed.
 * Threads. Packet time, pure functions of what they are given.
 */

#include "base/sl_compiler.h"
#include "classifier/sl_reason.h"
#include "flow/sl_flow_config.h"
#include "packet/sl_packet.h"
#include "sdk/sluice_types.h"

#include <stdbool.h>
#include <stdint.h>

enum sl_tcp_state {
	SL_TCP_NONE,        /* not TCP, or nothing known */
	SL_TCP_SYN_SENT,    /* one side sent SYN */
	SL_TCP_SYN_SENT2,   /* both sent SYN: simultaneous open */
	SL_TCP_SYN_RECV,    /* SYN answered by SYN-ACK */
	SL_TCP_ESTABLISHED, /* handshake complete, or picked up */
	SL_TCP_FIN_WAIT,    /* one side sent FIN */
	SL_TCP_CLOSE_WAIT,  /* that FIN is acknowledged */
	SL_TCP_LAST_ACK,    /* both sent FIN */
	SL_TCP_TIME_WAIT,   /* both FINs are acknowledged */
	SL_TCP_CLOSED,      /* reset */
	SL_TCP_STATE_COUNT
};

/* What one side has sent, been offered and acknowledged. */
struct sl_tcp_side {
	uint32_t end; /* highest sequence number sent, and 1 */
	uint32_t
		limit; /* highest sequence number it may send: the peer's acknowledgement and window */
	uint32_t
		ack; /* highest acknowledgement sent; while it has sent none, the first of the peer's numbers */
};

struct sl_tcp {
	struct sl_tcp_side side[2]; /* by enum sluice_direction */
	uint8_t state;              /* enum sl_tcp_state */
	/* Private. */
	uint8_t flags[2]; /* what is known of each side */
	uint8_t scale;    /* window scales: low four bits outbound, high four inbound */
	uint8_t window_log
		[2];    /* no window that a side has offered is larger than 2 to this power */
	uint16_t fresh; /* of a SYN on a live connection; 0: none */
};

_Static_assert(sizeof(struct sl_tcp) == 32, "a flow is two cache lines");

/* What matters of a segment. */
struct sl_tcp_segment {
	uint32_t seq;
	uint32_t ack;    /* valid with the flag ACK */
	uint32_t length; /* sequence numbers it takes: payload, SYN and FIN */
	uint32_t payload;
	uint16_t window;     /* as sent, not scaled */
	uint8_t flags;       /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 */
	uint8_t scale;       /* option; 0xff: none */
	bool has_timestamps; /* RFC 7323; read of SYNs only, like the scale */
};

/* What a segment does to its connection. */
struct sl_tcp_step {
	uint8_t reason;      /* enum sl_reason: NONE, or why it must not pass */
	uint8_t class;       /* enum sl_flow_class now */
	uint8_t end;         /* how the connection ends, enum sl_flow_end: NONE, FIN, RST */
	bool is_established; /* this segment completed the handshake; once a connection */
	bool is_reopening; /* a SYN that may take the place of a connection that is over: open anew */
};

/* Reads the TCP header of a packet that is whole. False: the packet is not TCP with its header in sight. */
bool sl_tcp_read(
	const struct sl_frame *frame, const struct sl_meta *meta, struct sl_tcp_segment *segment);

/*
 * The first segment of a connection.  reason NONE: follow it; `tcp` is then set.  A SYN opens it; with
 * ADOPT any other segment that a live connection can have picks it up, with the state it shows: SYN-ACK
 * SYN_RECV, FIN FIN_WAIT, anything else ESTABLISHED (the latter two with is_established).  Otherwise, and
 * for RST always, TCP_NO_CONNECTION; or TCP_BAD_FLAGS for flags that no segment has.
 */
void sl_tcp_open(struct sl_tcp *tcp, const struct sl_tcp_segment *segment,
	enum sluice_direction direction, enum sl_flow_midstream midstream,
	struct sl_tcp_step *step);
/*
 * A further segment.  With STRICT `step->reason` may tell it to be dropped, and `tcp` is then as it was;
 * with LOOSE it never does, and what cannot be right changes no state.  LOOSE goes along, too, with a side
 * whose peer's segments take another way.
 *
 * is_established comes a second time only when both hosts have forgotten the connection and opened
 * another with the same ports, see SYN above.
 */
void sl_tcp_next(struct sl_tcp *tcp, const struct sl_tcp_segment *segment,
	enum sluice_direction direction, enum sl_flow_tcp mode, struct sl_tcp_step *step);
/*
 * The same for nearly every segment there is: one of an established connection that is neither SYN, FIN nor RST
 * and lies in the windows.  False, and nothing is changed: ask sl_tcp_next.  The packet is TCP, whole, and
 * accepted by the parser.
 */
bool sl_tcp_ride(struct sl_tcp *tcp, const struct sl_frame *frame, const struct sl_meta *meta);
/* The same for a segment with these flags, of whose header 20 bytes are readable, with `payload` bytes behind it. */
bool sl_tcp_ride_at(struct sl_tcp *tcp, const uint8_t *header, uint8_t flags, uint32_t payload,
	enum sluice_direction direction);
/*
 * Whether an ICMP error about a segment with that sequence number, sent in `direction`, can be true
 * (RFC 5927): the number is one that is on its way.
 */
bool sl_tcp_is_in_flight(const struct sl_tcp *tcp, enum sluice_direction direction, uint32_t seq);

/*
 * The segments that reset the receiver of what is sent in `direction`, in the name of its peer: seq, ack and flags.
 * A receiver takes a reset only at the very number that it expects (RFC 5961), which is one of two when something is
 * on its way: what it has last acknowledged, or behind all that was sent.  0: there is nobody to reset, because nothing
 * is known or both have gone; at most 2.
 */
uint32_t sl_tcp_resets(
	const struct sl_tcp *tcp, enum sluice_direction direction, struct sl_tcp_segment resets[2]);

/* "established"; never NULL. */
const char *sl_tcp_state_name(enum sl_tcp_state state);

#endif
