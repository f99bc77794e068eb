/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_TCP_HOST_H
#define TESTS_PROPERTY_TCP_HOST_H

/*
 * A TCP host as RFC 9293 section 3.10 tells it, with RFC 5961 and RFC 7323: one connection, no timers (the
 * test says when something is sent again), bytes without contents.  Plain, slow and correct; what it sends
 * goes to a queue of the test's.
 */

#include "flow/sl_tcp.h"
#include "random.h"

#include <stdbool.h>
#include <stdint.h>

enum host_state {
	HOST_CLOSED,
	HOST_LISTEN,
	HOST_SYN_SENT,
	HOST_SYN_RECEIVED,
	HOST_ESTABLISHED,
	HOST_FIN_WAIT_1,
	HOST_FIN_WAIT_2,
	HOST_CLOSE_WAIT,
	HOST_CLOSING,
	HOST_LAST_ACK,
	HOST_TIME_WAIT
};

#define HOST_RANGES_MAX 16

struct host_range {
	uint32_t first;
	uint32_t end;
};

typedef void host_send_fn(void *user, const struct sl_tcp_segment *segment);

struct host {
	enum host_state state;
	/* Sending. */
	uint32_t iss;
	uint32_t una;
	uint32_t nxt;
	uint32_t max;   /* the highest that nxt has been */
	uint32_t total; /* bytes that it wants to send in all */
	uint32_t window;
	uint32_t window_max;
	uint32_t window_seq; /* of the segment that told the window */
	uint32_t window_ack;
	bool wants_fin; /* FIN behind the last byte */
	/* Receiving. */
	uint32_t rcv_nxt;
	uint32_t rcv_size;                         /* buffer */
	uint32_t rcv_used;                         /* not read yet */
	struct host_range ranges[HOST_RANGES_MAX]; /* out of order */
	uint32_t n_ranges;
	bool has_peer_fin;
	uint32_t peer_fin; /* its number */
	uint64_t delivered;
	bool owes_ack;
	/* Options. */
	uint8_t scale;      /* offered; 0xff: none */
	uint8_t peer_scale; /* 0xff: none */
	bool has_timestamps;
	bool is_fast;    /* TCP Fast Open: data with SYN, and takes it */
	bool has_opened; /* it sent the SYN */

	struct random *random;
	host_send_fn *send;
	void *user;
};

enum host_answer {
	HOST_IGNORED,  /* nothing came of it */
	HOST_ANSWERED, /* not taken, but answered */
	HOST_TAKEN
};

/* A closed host that will want to send `total` bytes. */
void host_init(struct host *host, struct random *random, uint32_t total);
void host_listen(struct host *host);
/* Sends SYN. */
void host_open(struct host *host, uint32_t iss);
enum host_answer host_receive(struct host *host, const struct sl_tcp_segment *segment);
/* Sends something that it may send now: data, FIN, a repeated SYN, a probe, a keep-alive, an ACK. */
void host_act(struct host *host);
/* The retransmission timer: goes back to what is not acknowledged. */
void host_go_back(struct host *host);
/* The application reads some of what has come. */
void host_read(struct host *host, uint32_t n_max);
/* Sends RST and forgets the connection. */
void host_abort(struct host *host);
/* Forgets the connection without a word. */
void host_crash(struct host *host);

#endif
