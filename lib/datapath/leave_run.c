/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/leave.h"

#include "datapath/port_run.h"

#include <rte_pause.h>
#include <rte_ring.h>

#include <net/ethernet.h>

#define TX_TRIES_MAX   64u
#define VLAN_TAG_BYTES 4u
#define VLAN_TAGS_MAX  2u
#define ETHERTYPE_QINQ 0x88a8u

static void
count_reason(struct worker *worker, enum sl_reason reason, uint64_t n)
{
	sl_counter_add(&worker->counters->reasons[reason], n);
}

/* --- To another worker. --- */

void
leave_to_worker(struct worker *worker, struct lane *lane, struct rte_mbuf *mbuf, uint32_t flags,
	uint32_t receiver)
{
	struct rte_ring *inbox = worker->shared->inboxes[receiver];

	mbuf->hash.usr = leave_tag(lane->path, flags);
	if (likely(!worker->is_closing && rte_ring_enqueue(inbox, mbuf) == 0)) {
		sl_counter_add(&worker->counters->flows.handed_over, 1);
		return;
	}
	count_reason(worker, SL_REASON_HANDOVER_FULL, 1);
	sl_counter_add(&lane->counter->dropped, 1);
	rte_pktmbuf_free(mbuf);
}

/* --- To a port. --- */

/* The bytes VLAN tags take in a frame; links carry that much above their MTU. */
static uint32_t
tag_bytes(const struct rte_mbuf *mbuf)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint32_t n = 0;

	for (uint32_t at = 2 * ETH_ALEN; n < VLAN_TAGS_MAX && at + 2 <= mbuf->data_len;
		at += VLAN_TAG_BYTES, n++) {
		uint16_t type = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);

		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
	}
	return n * VLAN_TAG_BYTES;
}

static bool
is_too_long(const struct lane *lane, const struct rte_mbuf *mbuf)
{
	uint32_t len_max = __atomic_load_n(&lane->out->tx_len_max, __ATOMIC_RELAXED);

	if (likely(mbuf->pkt_len <= len_max && mbuf->nb_segs == 1))
		return false;
	if (mbuf->nb_segs > 1 && !lane->out->has_multi_seg)
		return true;
	return mbuf->pkt_len > len_max && mbuf->pkt_len - len_max > tag_bytes(mbuf);
}

static void
drop(struct worker *worker, struct lane *lane, struct rte_mbuf *mbuf, enum sl_reason reason)
{
	count_reason(worker, reason, 1);
	sl_counter_add(&lane->counter->dropped, 1);
	rte_pktmbuf_free(mbuf);
}

/* Sends what is ready to leave, or drops the rest under a name. */
static void
flush(struct worker *worker)
{
	struct lane *lane = worker->leaving_by;
	struct rte_mbuf **mbufs = worker->leaving;
	uint16_t n = worker->n_leaving, sent = 0, n_lost = 0;
	uint32_t n_tries = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += mbufs[i]->pkt_len;
	while (sent < n) {
		enum sl_reason reason;

		sent = (uint16_t)(sent +
			port_tx(lane->out, lane->queue, mbufs + sent, (uint16_t)(n - sent),
				&reason));
		if (likely(sent == n))
			break;
		if (reason == SL_REASON_NONE && ++n_tries < TX_TRIES_MAX) {
			rte_pause();
			continue;
		}
		if (reason == SL_REASON_NONE)
			reason = SL_REASON_TX_FULL;
		/* A packet that is too long is dropped alone; the others meet the same end together. */
		for (uint16_t end = reason == SL_REASON_TX_TOO_LONG ? (uint16_t)(sent + 1) : n;
			sent < end; sent++) {
			bytes -= mbufs[sent]->pkt_len;
			n_lost++;
			drop(worker, lane, mbufs[sent], reason);
		}
	}
	sl_counter_add(&lane->counter->tx_packets, (uint64_t)(n - n_lost));
	sl_counter_add(&lane->counter->tx_bytes, bytes);
	worker->n_leaving = 0;
}

/* Lets one packet out of a lane's other port, together with others of the same lane. */
static void
let_out(struct worker *worker, struct lane *lane, struct rte_mbuf *mbuf)
{
	if (unlikely(is_too_long(lane, mbuf))) {
		drop(worker, lane, mbuf, SL_REASON_TX_TOO_LONG);
		return;
	}
	if (unlikely(worker->n_leaving == SL_PIPELINE_BURST_MAX ||
		    (worker->n_leaving > 0 && worker->leaving_by != lane)))
		flush(worker);
	worker->leaving_by = lane;
	worker->leaving[worker->n_leaving++] = mbuf;
}

/* A packet that was held goes its way. The pipeline has counted why it is dropped, if it is. */
static void
let_go(struct worker *worker, const struct sl_release *release)
{
	struct lane *lane = worker->lane_of_path[release->held.path];
	struct rte_mbuf *mbuf = release->held.frame.owner;

	switch (release->outcome.action) {
	case SL_VERDICT_PERMIT:
		let_out(worker, lane, mbuf);
		break;
	case SL_OUTCOME_HANDED:
		leave_to_worker(worker, lane, mbuf, release->held.frame.flags, release->worker);
		break;
	default:
		sl_counter_add(&lane->counter->dropped, 1);
		rte_pktmbuf_free(mbuf);
	}
}

/* Where in releases[from .. n-1] a packet of the burst is; `from` when it is not: it is held on. */
static uint32_t
pass_held(const struct sl_release *releases, uint32_t from, uint32_t n, const struct rte_mbuf *mbuf)
{
	for (uint32_t i = from; i < n; i++) {
		if (releases[i].held.frame.owner == mbuf)
			return i + 1;
	}
	return from;
}

void
leave_burst(struct worker *worker, struct lane *lane, uint16_t n)
{
	uint32_t n_releases, at = 0;
	const struct sl_release *releases = sl_pipeline_releases(worker->pipeline, &n_releases);
	uint16_t n_dropped = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = worker->mbufs[i];
		uint8_t action = worker->outcomes[i].action;

		if (likely(action == SL_VERDICT_PERMIT)) {
			let_out(worker, lane, mbuf);
		} else if (likely(action != SL_OUTCOME_HELD)) {
			worker->dropped[n_dropped++] = mbuf;
		} else {
			for (uint32_t end = pass_held(releases, at, n_releases, mbuf); at < end;
				at++)
				let_go(worker, &releases[at]);
		}
	}
	for (; at < n_releases; at++)
		let_go(worker, &releases[at]);
	if (n_dropped > 0) {
		rte_pktmbuf_free_bulk(worker->dropped, n_dropped);
		sl_counter_add(&lane->counter->dropped, n_dropped);
	}
	if (worker->n_leaving > 0)
		flush(worker);
}

void
leave_held(struct worker *worker)
{
	uint32_t n;
	const struct sl_release *releases = sl_pipeline_releases(worker->pipeline, &n);

	for (uint32_t i = 0; i < n; i++)
		let_go(worker, &releases[i]);
	if (worker->n_leaving > 0)
		flush(worker);
}

/* A buffer of the port with the reply's bytes; NULL: no buffer. */
static struct rte_mbuf *
make_reply(const struct port *port, const struct sl_reply *reply)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(port->pool);
	char *room;

	if (mbuf == NULL)
		return NULL;
	room = rte_pktmbuf_append(mbuf, (uint16_t)reply->length);
	if (room == NULL) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	memcpy(room, reply->bytes, reply->length);
	return mbuf;
}

/* The port that a reply leaves by; NULL: the worker does not have its path. */
static const struct port *
port_of_reply(const struct worker *worker, const struct sl_reply *reply)
{
	const struct lane *lane = worker->lane_of_path[reply->path];

	if (unlikely(lane == NULL))
		return NULL;
	return reply->is_onward ? lane->out : lane->in;
}

/* Sends those of `left` that leave by the port of the first of them, and takes them out; returns how many left. */
static uint32_t
send_replies(struct worker *worker, const struct sl_reply *replies, uint64_t *left)
{
	const struct sl_reply *first = &replies[__builtin_ctzll(*left)];
	const struct port *port = port_of_reply(worker, first);
	struct rte_mbuf *mbufs[SL_CALLOUT_REPLIES_MAX];
	uint16_t n = 0, sent = 0;
	enum sl_reason reason;

	for (uint64_t rest = *left; rest != 0; rest &= rest - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(rest);

		if (port_of_reply(worker, &replies[i]) != port)
			continue;
		*left &= ~((uint64_t)1 << i);
		mbufs[n] = port == NULL ? NULL : make_reply(port, &replies[i]);
		if (mbufs[n] != NULL)
			n++;
	}
	if (n > 0)
		sent = port_tx(port, worker->lane_of_path[first->path]->queue, mbufs, n, &reason);
	if (sent < n)
		rte_pktmbuf_free_bulk(mbufs + sent, (unsigned int)(n - sent));
	return sent;
}

_Static_assert(SL_CALLOUT_REPLIES_MAX <= 64, "a set of replies is a 64-bit mask");

void
leave_replies(struct worker *worker)
{
	uint32_t n, sent = 0;
	const struct sl_reply *replies = sl_pipeline_replies(worker->pipeline, &n);
	uint64_t left;

	if (likely(n == 0))
		return;
	for (left = ~(uint64_t)0 >> (64 - n); left != 0;)
		sent += send_replies(worker, replies, &left);
	sl_counter_add(&worker->counters->worker.replies_sent, sent);
	sl_counter_add(&worker->counters->worker.replies_refused, n - sent);
}
