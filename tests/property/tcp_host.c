/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp_host.h"

#include "base/sl_compiler.h"

#include <string.h>

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define PSH 0x08
#define ACK 0x10

#define MSS      1460u
#define NO_SCALE 0xffu

static bool
before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static uint32_t
free_space(const struct host *host)
{
	return host->rcv_used < host->rcv_size ? host->rcv_size - host->rcv_used : 0;
}

/* Scales are in use when both sides offered one. */
static uint32_t
scale_in_use(const struct host *host, uint8_t scale)
{
	return host->scale != NO_SCALE && host->peer_scale != NO_SCALE ? scale : 0;
}

static void
send(struct host *host, uint32_t seq, uint32_t payload, uint8_t flags)
{
	uint32_t window = free_space(host);
	struct sl_tcp_segment segment = {
		.seq = seq,
		.ack = flags & ACK ? host->rcv_nxt : 0,
		.payload = payload,
		.length = payload + ((flags & SYN) != 0) + ((flags & FIN) != 0),
		.flags = flags,
		.scale = NO_SCALE,
	};

	if (flags & SYN) {
		segment.scale =
			flags & ACK && host->peer_scale == NO_SCALE ? NO_SCALE : host->scale;
		segment.has_timestamps = host->has_timestamps;
	} else {
		window >>= scale_in_use(host, host->scale);
	}
	segment.window = (uint16_t)SL_MIN(window, UINT16_MAX);
	if (flags & ACK)
		host->owes_ack = false;
	host->send(host->user, &segment);
}

static void
send_ack(struct host *host)
{
	send(host, host->max, 0, ACK);
}

/* What a host without the connection answers (RFC 9293 3.10.7.1). */
static void
send_reset_for(struct host *host, const struct sl_tcp_segment *segment)
{
	struct sl_tcp_segment reset = {.flags = RST, .scale = NO_SCALE};

	if (segment->flags & ACK) {
		reset.seq = segment->ack;
	} else {
		reset.flags = RST | ACK;
		reset.ack = segment->seq + segment->length;
	}
	host->send(host->user, &reset);
}

void
host_init(struct host *host, struct random *random, uint32_t total)
{
	*host = (struct host){
		.random = random,
		.total = total,
		.scale = NO_SCALE,
		.peer_scale = NO_SCALE,
		.rcv_size = 4000,
	};
}

void
host_listen(struct host *host)
{
	host->state = HOST_LISTEN;
}

static void
move_nxt(struct host *host, uint32_t nxt)
{
	host->nxt = nxt;
	if (before(host->max, nxt))
		host->max = nxt;
}

static void
send_syn(struct host *host)
{
	uint32_t payload = 0;

	if (host->is_fast && random_chance(host->random, 80))
		payload = SL_MIN(host->total, 500u);
	send(host, host->iss, payload, SYN);
	if (before(host->nxt, host->iss + 1 + payload))
		move_nxt(host, host->iss + 1 + payload);
}

void
host_open(struct host *host, uint32_t iss)
{
	host->state = HOST_SYN_SENT;
	host->iss = host->una = host->nxt = host->max = iss;
	host->has_opened = true;
	send_syn(host);
}

static void
forget(struct host *host)
{
	host->state = HOST_CLOSED;
	host->n_ranges = 0;
	host->has_peer_fin = false;
	host->owes_ack = false;
	host->peer_scale = NO_SCALE;
	host->window = host->window_max = 0;
}

void
host_crash(struct host *host)
{
	forget(host);
	host->rcv_used = 0;
	host->delivered = 0;
	host->wants_fin = false;
}

void
host_abort(struct host *host)
{
	if (host->state >= HOST_SYN_RECEIVED && host->state != HOST_TIME_WAIT)
		send(host, host->max, 0, RST | (random_chance(host->random, 50) ? ACK : 0));
	forget(host);
}

void
host_go_back(struct host *host)
{
	if (host->state > HOST_SYN_RECEIVED)
		host->nxt = host->una;
}

void
host_read(struct host *host, uint32_t n_max)
{
	host->rcv_used -= SL_MIN(host->rcv_used, n_max);
}

/* --- Sending. --- */

static void
note_fin_sent(struct host *host)
{
	if (host->state == HOST_ESTABLISHED)
		host->state = HOST_FIN_WAIT_1;
	else if (host->state == HOST_CLOSE_WAIT)
		host->state = HOST_LAST_ACK;
}

/* Nothing in the queue: an acknowledgement, or a keep-alive of either kind. */
static void
send_idle(struct host *host)
{
	if (host->una == host->nxt && host->nxt == host->max && host->state > HOST_SYN_RECEIVED &&
		random_chance(host->random, 30))
		send(host, host->nxt - 1, random_below(host->random, 2), ACK);
	else
		send_ack(host);
}

static void
send_text(struct host *host)
{
	uint32_t end = host->iss + 1 + host->total;
	uint32_t left = end - host->nxt, size = 1 + random_below(host->random, MSS);
	uint32_t n = SL_MIN(left, size);
	int32_t usable = (int32_t)(host->una + host->window - host->nxt);

	if (usable <= 0) {
		if (host->una != host->nxt || host->window > 0) {
			send_idle(host);
			return;
		}
		/* A probe of the closed window. */
		send(host, host->nxt, 1, ACK);
		if (host->max == host->nxt)
			host->max++;
		return;
	}
	n = SL_MIN(n, (uint32_t)usable);
	if (n == left && host->wants_fin && host->state != HOST_SYN_RECEIVED &&
		random_chance(host->random, 50)) {
		send(host, host->nxt, n, FIN | PSH | ACK);
		move_nxt(host, host->nxt + n + 1);
		note_fin_sent(host);
		return;
	}
	send(host, host->nxt, n, PSH | ACK);
	move_nxt(host, host->nxt + n);
}

static void
send_more(struct host *host)
{
	uint32_t end = host->iss + 1 + host->total;

	if (before(host->nxt, end)) {
		send_text(host);
	} else if (host->wants_fin && host->nxt == end && host->state != HOST_SYN_RECEIVED) {
		send(host, host->nxt, 0, FIN | ACK);
		move_nxt(host, end + 1);
		note_fin_sent(host);
	} else {
		send_idle(host);
	}
}

void
host_act(struct host *host)
{
	switch (host->state) {
	case HOST_CLOSED:
	case HOST_LISTEN:
		break;
	case HOST_SYN_SENT:
		send_syn(host);
		break;
	case HOST_SYN_RECEIVED:
		/* With Fast Open it may talk already. */
		if (host->is_fast && !host->has_opened && random_chance(host->random, 70))
			send_more(host);
		else
			send(host, host->iss, 0, SYN | ACK);
		break;
	default:
		send_more(host);
		break;
	}
}

/* --- Receiving. --- */

static void
take_syn(struct host *host, const struct sl_tcp_segment *segment)
{
	host->rcv_nxt = segment->seq + 1;
	host->peer_scale = segment->scale;
	host->window = segment->window;
	host->window_max = SL_MAX(host->window_max, host->window);
	host->window_seq = segment->seq;
	host->window_ack = segment->ack;
	if (segment->payload > 0 && host->is_fast && segment->payload <= free_space(host)) {
		host->rcv_nxt += segment->payload;
		host->rcv_used += segment->payload;
		host->delivered += segment->payload;
	}
}

static enum host_answer
receive_listening(struct host *host, const struct sl_tcp_segment *segment)
{
	if (segment->flags & RST)
		return HOST_IGNORED;
	if (segment->flags & ACK) {
		send_reset_for(host, segment);
		return HOST_IGNORED;
	}
	take_syn(host, segment);
	host->iss = (uint32_t)random_next(host->random);
	host->una = host->nxt = host->max = host->iss;
	host->state = HOST_SYN_RECEIVED;
	send(host, host->iss, 0, SYN | ACK);
	move_nxt(host, host->iss + 1);
	return HOST_TAKEN;
}

static enum host_answer
receive_syn_sent(struct host *host, const struct sl_tcp_segment *segment)
{
	if (segment->flags & ACK &&
		(!before(host->iss, segment->ack) || before(host->max, segment->ack))) {
		if (!(segment->flags & RST))
			send_reset_for(host, segment);
		return HOST_IGNORED;
	}
	if (segment->flags & RST) {
		if (!(segment->flags & ACK))
			return HOST_IGNORED;
		forget(host);
		return HOST_TAKEN;
	}
	if (!(segment->flags & SYN))
		return HOST_IGNORED;
	take_syn(host, segment);
	if (segment->flags & ACK) {
		host->una = segment->ack;
		host->nxt = segment->ack; /* data of the SYN that was not taken comes again */
		host->state = HOST_ESTABLISHED;
		send_ack(host);
	} else {
		host->nxt = host->iss + 1;
		host->state = HOST_SYN_RECEIVED;
		send(host, host->iss, 0, SYN | ACK);
	}
	return HOST_TAKEN;
}

/* RFC 9293 3.10.7.4, the table. */
static bool
is_acceptable(const struct host *host, const struct sl_tcp_segment *segment)
{
	uint32_t window = free_space(host);
	uint32_t last = segment->seq + segment->length - 1;

	if (window == 0)
		return segment->seq == host->rcv_nxt; /* its ACK, not its text */
	if (segment->seq - host->rcv_nxt < window)
		return true;
	return segment->length > 0 && last - host->rcv_nxt < window;
}

static enum host_answer
receive_reset(struct host *host, const struct sl_tcp_segment *segment)
{
	if (segment->seq == host->rcv_nxt) {
		forget(host);
		return HOST_TAKEN;
	}
	if (segment->seq - host->rcv_nxt < SL_MAX(free_space(host), 1u)) {
		send_ack(host);
		return HOST_TAKEN; /* the challenge leads to a reset that counts */
	}
	return HOST_IGNORED;
}

static bool
is_fin_acked(const struct host *host)
{
	return host->wants_fin && host->una == host->iss + 1 + host->total + 1;
}

static void
take_window(struct host *host, const struct sl_tcp_segment *segment)
{
	bool is_newer =
		before(host->window_ack, segment->ack) || before(host->window_seq, segment->seq);

	/* A newer acknowledgement brings its window, in a repeated segment as well. */
	if (!is_newer && segment->seq != host->window_seq)
		return;
	host->window = (uint32_t)segment->window << scale_in_use(host, host->peer_scale);
	host->window_max = SL_MAX(host->window_max, host->window);
	host->window_seq = segment->seq;
	host->window_ack = segment->ack;
}

static void
take_ack(struct host *host, const struct sl_tcp_segment *segment)
{
	if (before(segment->ack, host->una))
		return;
	host->una = segment->ack;
	if (before(host->nxt, host->una))
		host->nxt = host->una;
	take_window(host, segment);
	if (!is_fin_acked(host))
		return;
	if (host->state == HOST_FIN_WAIT_1)
		host->state = HOST_FIN_WAIT_2;
	else if (host->state == HOST_CLOSING)
		host->state = HOST_TIME_WAIT;
	else if (host->state == HOST_LAST_ACK)
		forget(host);
}

/* Keeps a range that came out of order; what does not fit is lost. */
static void
keep_range(struct host *host, uint32_t first, uint32_t end)
{
	if (host->n_ranges < HOST_RANGES_MAX)
		host->ranges[host->n_ranges++] = (struct host_range){first, end};
}

static void
deliver_to(struct host *host, uint32_t end)
{
	if (!before(host->rcv_nxt, end))
		return;
	host->rcv_used += end - host->rcv_nxt;
	host->delivered += end - host->rcv_nxt;
	host->rcv_nxt = end;
}

static void
join_ranges(struct host *host)
{
	for (bool has_joined = true; has_joined;) {
		has_joined = false;
		for (uint32_t i = 0; i < host->n_ranges; i++) {
			if (before(host->rcv_nxt, host->ranges[i].first))
				continue;
			deliver_to(host, host->ranges[i].end);
			host->ranges[i] = host->ranges[--host->n_ranges];
			has_joined = true;
		}
	}
}

static void
take_fin(struct host *host)
{
	if (!host->has_peer_fin || host->rcv_nxt != host->peer_fin)
		return;
	host->rcv_nxt++;
	if (host->state == HOST_ESTABLISHED)
		host->state = HOST_CLOSE_WAIT;
	else if (host->state == HOST_FIN_WAIT_1)
		host->state = HOST_CLOSING;
	else if (host->state == HOST_FIN_WAIT_2)
		host->state = HOST_TIME_WAIT;
}

static void
take_text(struct host *host, const struct sl_tcp_segment *segment)
{
	uint32_t first = segment->seq, end = segment->seq + segment->payload;
	uint32_t edge = host->rcv_nxt + free_space(host);

	if (host->state != HOST_ESTABLISHED && host->state != HOST_FIN_WAIT_1 &&
		host->state != HOST_FIN_WAIT_2)
		return;
	if (segment->length == 0)
		return;
	host->owes_ack = true;
	if (segment->flags & FIN && !before(edge, end)) {
		host->has_peer_fin = true;
		host->peer_fin = end;
	}
	if (before(edge, end))
		end = edge;
	if (before(host->rcv_nxt, first) && before(first, end))
		keep_range(host, first, end);
	else if (before(first, end))
		deliver_to(host, end);
	join_ranges(host);
	take_fin(host);
}

/* The states in which both sides know each other's numbers. */
static enum host_answer
receive_synchronized(struct host *host, const struct sl_tcp_segment *segment)
{
	if (segment->flags & RST)
		return receive_reset(host, segment);
	if (!is_acceptable(host, segment) || segment->flags & SYN) {
		send_ack(host);
		return HOST_ANSWERED;
	}
	if (!(segment->flags & ACK))
		return HOST_IGNORED;
	if (host->state == HOST_SYN_RECEIVED) {
		if (!before(host->iss, segment->ack) || before(host->max, segment->ack)) {
			send_reset_for(host, segment);
			return HOST_IGNORED;
		}
		host->state = HOST_ESTABLISHED;
	}
	if (before(segment->ack, host->una - host->window_max) || before(host->max, segment->ack)) {
		send_ack(host); /* RFC 5961 section 5 */
		return HOST_ANSWERED;
	}
	take_ack(host, segment);
	if (host->state != HOST_CLOSED)
		take_text(host, segment);
	return HOST_TAKEN;
}

enum host_answer
host_receive(struct host *host, const struct sl_tcp_segment *segment)
{
	switch (host->state) {
	case HOST_CLOSED:
		if (!(segment->flags & RST))
			send_reset_for(host, segment);
		return HOST_IGNORED;
	case HOST_LISTEN:
		return receive_listening(host, segment);
	case HOST_SYN_SENT:
		return receive_syn_sent(host, segment);
	default:
		return receive_synchronized(host, segment);
	}
}
