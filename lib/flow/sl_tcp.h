/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_TCP_H
#define SL_FLOW_TCP_H

/*
 * TCP as one in the middle follows it: both sides' states and windows (RFC 9293, RFC 5961, RFC 7323, RFC 7413).
 *
 * Sides.   Indexed by the direction of what they send: side[SLUICE_DIRECTION_OUTBOUND] is the host inside.
 * Window.  A segment must lie in what its receiver has offered, and acknowledge what its receiver has sent
 *          (van Rooij, Real Stateful TCP Packet Filtering in IP Filter, 2000).  Segments were seen by the
 *          filter, not certainly by the receiver, so bounds err to the side of passing.
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

/* What one side has sent and been offered. */
struct sl_tcp_side {
	uint32_t end; /* highest sequence number sent, and 1 */
	uint32_t
		limit; /* highest sequence number it may send: the peer's acknowledgement and window */
	uint32_t window_max; /* largest window it has offered, scaled */
};

struct sl_tcp {
	struct sl_tcp_side side[2]; /* by enum sluice_direction */
	uint8_t state;              /* enum sl_tcp_state */
	uint8_t flags[2];           /* private: what is known of each side */
	uint8_t scale;              /* window scales: low four bits outbound, high four inbound */
};

/* What matters of a segment. */
struct sl_tcp_segment {
	uint32_t seq;
	uint32_t ack;    /* valid with the flag ACK */
	uint32_t length; /* sequence numbers it takes: payload, SYN and FIN */
	uint32_t payload;
	uint16_t window; /* as sent, not scaled */
	uint8_t flags;   /* FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32 */
	uint8_t scale;   /* option; 0xff: none */
	bool has_sack;
	bool has_fast_open; /* option 34, or the experimental one */
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
 * ADOPT any other segment that a live connection can have picks it up, with the state it shows;
 * otherwise TCP_NO_CONNECTION, or TCP_BAD_FLAGS for flags that no segment has.
 */
void sl_tcp_open(struct sl_tcp *tcp, const struct sl_tcp_segment *segment,
	enum sluice_direction direction, enum sl_flow_midstream midstream,
	struct sl_tcp_step *step);
/*
 * A further segment.  With STRICT `step->reason` may tell it to be dropped, and `tcp` is then as it was;
 * with LOOSE it never does, and what cannot be right changes no state.
 */
void sl_tcp_next(struct sl_tcp *tcp, const struct sl_tcp_segment *segment,
	enum sluice_direction direction, enum sl_flow_tcp mode, struct sl_tcp_step *step);
/*
 * Whether an ICMP error about a segment with that sequence number, sent in `direction`, can be true
 * (RFC 5927): the number is one that is on its way.
 */
bool sl_tcp_is_in_flight(const struct sl_tcp *tcp, enum sluice_direction direction, uint32_t seq);

/* "established"; never NULL. */
const char *sl_tcp_state_name(enum sl_tcp_state state);

#endif
