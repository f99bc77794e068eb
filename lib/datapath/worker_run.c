/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/worker.h"

#include "datapath/port_run.h"

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_prefetch.h>

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <sys/prctl.h>
#include <time.h>

#define TX_TRIES_MAX     64u
#define DRAIN_BURSTS_MAX 256u
#define IDLE_SPIN_US     20u
#define SLEEP_NS_MIN     5000u
#define SLEEP_NS_MAX     200000u
#define VLAN_TAG_BYTES   4u
#define VLAN_TAGS_MAX    2u
#define ETHERTYPE_QINQ   0x88a8u

static void
count_reason(struct worker *worker, enum sl_reason reason, uint64_t n)
{
	sl_counter_add(&worker->counters->reasons[reason], n);
}

/* --- Taking a burst in. --- */

/* Presents the mbufs to the pipeline; returns the bytes of all of them. */
static uint64_t
describe_burst(struct worker *worker, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(worker->mbufs[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = worker->mbufs[i];
		struct sl_frame *frame = &worker->frames[i];

		frame->bytes = rte_pktmbuf_mtod(mbuf, const uint8_t *);
		frame->contiguous = mbuf->data_len;
		frame->length = mbuf->pkt_len;
		frame->owner = mbuf;
		bytes += mbuf->pkt_len;
		if (unlikely(mbuf->data_len < RTE_MIN(mbuf->pkt_len, SL_PACKET_HEADERS_MAX))) {
			frame->contiguous = RTE_MIN(mbuf->pkt_len, SL_PACKET_HEADERS_MAX);
			frame->bytes =
				rte_pktmbuf_read(mbuf, 0, frame->contiguous, worker->windows[i]);
		}
	}
	return bytes;
}

/* --- Letting a burst out. --- */

/* The bytes VLAN tags take in a frame; links carry that much above their MTU. */
static uint32_t
tag_bytes(const struct sl_frame *frame)
{
	uint32_t n = 0;

	for (uint32_t at = 2 * ETH_ALEN; n < VLAN_TAGS_MAX && at + 2 <= frame->contiguous;
		at += VLAN_TAG_BYTES, n++) {
		uint16_t type = (uint16_t)(frame->bytes[at] << 8 | frame->bytes[at + 1]);

		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			break;
	}
	return n * VLAN_TAG_BYTES;
}

static bool
is_too_long(const struct lane *lane, const struct sl_frame *frame)
{
	uint32_t len_max = __atomic_load_n(&lane->out->tx_len_max, __ATOMIC_RELAXED);
	const struct rte_mbuf *mbuf = frame->owner;

	if (likely(frame->length <= len_max && mbuf->nb_segs == 1))
		return false;
	if (mbuf->nb_segs > 1 && !lane->out->has_multi_seg)
		return true;
	return frame->length > len_max && frame->length - len_max > tag_bytes(frame);
}

/* Sends `n` packets of `leaving`, or drops the rest under a name. */
static void
send_burst(struct worker *worker, struct lane *lane, uint16_t n, uint64_t bytes)
{
	struct rte_mbuf **mbufs = worker->leaving;
	uint32_t n_tries = 0;
	uint16_t sent = 0, n_lost = 0;

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
			count_reason(worker, reason, 1);
			bytes -= mbufs[sent]->pkt_len;
			n_lost++;
			rte_pktmbuf_free(mbufs[sent]);
		}
	}
	sl_counter_add(&lane->counter->tx_packets, (uint64_t)(n - n_lost));
	sl_counter_add(&lane->counter->tx_bytes, bytes);
	if (unlikely(n_lost > 0))
		sl_counter_add(&lane->counter->dropped, n_lost);
}

/* Parts those that may leave from the others. */
static void
release_burst(struct worker *worker, struct lane *lane, uint16_t n)
{
	uint64_t bytes = 0;
	uint16_t n_leaving = 0, n_dropped = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = worker->mbufs[i];

		if (worker->outcomes[i].action != SL_VERDICT_PERMIT) {
			worker->dropped[n_dropped++] = mbuf;
		} else if (unlikely(is_too_long(lane, &worker->frames[i]))) {
			count_reason(worker, SL_REASON_TX_TOO_LONG, 1);
			worker->dropped[n_dropped++] = mbuf;
		} else {
			bytes += mbuf->pkt_len;
			worker->leaving[n_leaving++] = mbuf;
		}
	}
	if (n_dropped > 0) {
		rte_pktmbuf_free_bulk(worker->dropped, n_dropped);
		sl_counter_add(&lane->counter->dropped, n_dropped);
	}
	if (n_leaving > 0)
		send_burst(worker, lane, n_leaving, bytes);
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

/* Sends what callouts answered out of the port the burst came in by. */
static void
send_replies(struct worker *worker, struct lane *lane)
{
	struct rte_mbuf *mbufs[SL_CALLOUT_REPLIES_MAX];
	enum sl_reason reason;
	uint32_t n_replies;
	const struct sl_reply *replies = sl_pipeline_replies(worker->pipeline, &n_replies);
	uint16_t n = 0, sent = 0;

	if (likely(n_replies == 0))
		return;
	for (uint32_t i = 0; i < n_replies; i++) {
		mbufs[n] = make_reply(lane->in, &replies[i]);
		if (mbufs[n] != NULL)
			n++;
	}
	if (n > 0)
		sent = port_tx(lane->in, lane->queue, mbufs, n, &reason);
	if (sent < n)
		rte_pktmbuf_free_bulk(mbufs + sent, (unsigned int)(n - sent));
	sl_counter_add(&worker->counters->worker.replies_sent, sent);
	sl_counter_add(&worker->counters->worker.replies_refused, n_replies - sent);
}

/* --- The loop. --- */

/* One burst of one lane; returns how many packets it had. */
static uint16_t
lane_run(struct worker *worker, struct lane *lane, const struct sl_snapshot *snapshot,
	uint64_t cycles)
{
	enum sl_mode mode = (enum sl_mode)__atomic_load_n(&worker->shared->mode, __ATOMIC_RELAXED);
	uint16_t n = port_rx(lane->in, lane->queue, worker->mbufs, (uint16_t)worker->burst);

	if (n == 0)
		return 0;
	sl_counter_add(&lane->counter->rx_packets, n);
	sl_counter_add(&lane->counter->rx_bytes, describe_burst(worker, n));
	sl_pipeline_run(worker->pipeline, snapshot, mode, lane->path, worker->frames, n,
		wall_now(&worker->shared->wall, cycles), worker->outcomes);
	release_burst(worker, lane, n);
	send_replies(worker, lane);
	return n;
}

/* One round over all lanes, on one snapshot; returns how many of them had packets. */
static uint32_t
round_run(struct worker *worker, uint64_t cycles)
{
	const struct sl_snapshot *snapshot =
		__atomic_load_n(&worker->shared->snapshot, __ATOMIC_ACQUIRE);
	uint64_t revision = snapshot != NULL ? snapshot->revision : 0;
	uint32_t n_busy = 0;

	if (unlikely(revision != worker->revision))
		__atomic_store_n(&worker->revision, revision, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < worker->n_lanes; i++)
		n_busy += lane_run(worker, &worker->lanes[i], snapshot, cycles) != 0;
	rte_rcu_qsbr_quiescent(worker->shared->rcu, worker->index);
	return n_busy;
}

/* Sleeps, offline, and returns how long to sleep the next time. */
static uint32_t
doze(struct worker *worker, uint32_t sleep_ns)
{
	const struct timespec time = {.tv_nsec = sleep_ns};

	rte_rcu_qsbr_thread_offline(worker->shared->rcu, worker->index);
	nanosleep(&time, NULL);
	rte_rcu_qsbr_thread_online(worker->shared->rcu, worker->index);
	return RTE_MIN(2 * sleep_ns, SLEEP_NS_MAX);
}

static void
poll_until_stopped(struct worker *worker)
{
	struct sl_worker_counter *counter = &worker->counters->worker;
	uint64_t spin_cycles = rte_get_tsc_hz() / 1000000 * IDLE_SPIN_US;
	uint64_t last = rte_rdtsc(), last_busy = last;
	uint32_t sleep_ns = SLEEP_NS_MIN;

	while (__atomic_load_n(&worker->shared->is_running, __ATOMIC_RELAXED)) {
		uint32_t n_busy = round_run(worker, last);
		uint64_t now;

		if (n_busy == 0 && worker->is_adaptive && last - last_busy > spin_cycles)
			sleep_ns = doze(worker, sleep_ns);
		now = rte_rdtsc();
		sl_counter_add(&counter->bursts, n_busy);
		sl_counter_add(&counter->empty_polls, worker->n_lanes - n_busy);
		if (n_busy != 0) {
			sl_counter_add(&counter->busy_cycles, now - last);
			last_busy = now;
			sleep_ns = SLEEP_NS_MIN;
		} else {
			sl_counter_add(&counter->idle_cycles, now - last);
		}
		last = now;
	}
}

int
worker_run(void *arg)
{
	struct worker *worker = arg;

	/* The kernel rounds sleeps up by 50 microseconds unless told otherwise. */
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	rte_rcu_qsbr_thread_register(worker->shared->rcu, worker->index);
	rte_rcu_qsbr_thread_online(worker->shared->rcu, worker->index);
	poll_until_stopped(worker);
	/* What was received before the stop is judged and sent; a device that never ends is left. */
	for (uint32_t i = 0; i < DRAIN_BURSTS_MAX && round_run(worker, rte_rdtsc()) != 0; i++)
		;
	rte_rcu_qsbr_thread_offline(worker->shared->rcu, worker->index);
	rte_rcu_qsbr_thread_unregister(worker->shared->rcu, worker->index);
	__atomic_store_n(&worker->is_alive, false, __ATOMIC_RELAXED);
	return 0;
}
