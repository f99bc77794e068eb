/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/worker.h"

#include "datapath/asked.h"
#include "datapath/hand.h"
#include "datapath/leave.h"
#include "datapath/port_run.h"

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include <sys/prctl.h>
#include <time.h>

#define DRAIN_BURSTS_MAX 256u
#define IDLE_SPIN_US     20u
#define SLEEP_NS_MIN     5000u
#define SLEEP_NS_MAX     200000u

/* --- Taking a burst in. --- */

/* What the device says of the transport checksum. */
static uint32_t
checksum_flags(const struct rte_mbuf *mbuf)
{
	switch (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
	case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
	case RTE_MBUF_F_RX_L4_CKSUM_NONE:
		return SL_FRAME_CHECKED;
	case RTE_MBUF_F_RX_L4_CKSUM_BAD:
		return SL_FRAME_CORRUPT;
	default:
		return 0;
	}
}

/* Presents the mbufs to the pipeline, with `flags` of frames; returns the bytes of all of them. */
static uint64_t
describe_burst(struct worker *worker, uint16_t n, uint32_t flags)
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
		frame->flags = flags | checksum_flags(mbuf);
		bytes += mbuf->pkt_len;
		if (unlikely(mbuf->data_len < RTE_MIN(mbuf->pkt_len, SL_PACKET_HEADERS_MAX))) {
			frame->contiguous = RTE_MIN(mbuf->pkt_len, SL_PACKET_HEADERS_MAX);
			frame->bytes =
				rte_pktmbuf_read(mbuf, 0, frame->contiguous, worker->windows[i]);
			frame->flags |= SL_FRAME_COPY;
		}
	}
	return bytes;
}

/* --- The loop. --- */

static void
judge_burst(struct worker *worker, struct lane *lane, const struct round *round, uint16_t n)
{
	sl_pipeline_run(worker->pipeline, round->snapshot, round->mode, lane->path, worker->frames,
		n, round->now_ns, worker->outcomes);
	leave_burst(worker, lane, n);
	leave_replies(worker);
}

/* One burst of one lane; returns how many packets it had. */
static uint16_t
lane_run(struct worker *worker, struct lane *lane, const struct round *round)
{
	uint16_t n = port_rx(lane->in, lane->queue, worker->mbufs, (uint16_t)worker->burst);
	uint16_t n_here = n;

	if (n == 0)
		return 0;
	sl_counter_add(&lane->counter->rx_packets, n);
	sl_counter_add(&lane->counter->rx_bytes, describe_burst(worker, n, 0));
	if (lane->steer != NULL)
		n_here = hand_over_strays(worker, lane, n);
	if (lane->asked != NULL && unlikely(asked_is_live(lane->asked, round->since_ns)))
		n_here = hand_over_answers(worker, lane, n_here);
	if (likely(n_here > 0))
		judge_burst(worker, lane, round, n_here);
	return n;
}

/* Judges packets from the inbox, all with one tag, unless they are to go on. */
static void
judge_handed(struct worker *worker, const struct round *round, uint32_t tag, uint16_t n)
{
	const uint32_t flags = leave_tag_flags(tag);
	struct lane *lane = worker->lane_of_path[leave_tag_path(tag)];

	describe_burst(worker, n, flags);
	if (flags == SL_FRAME_ANSWER)
		n = hand_back(worker, lane, n);
	else if (flags == 0 && lane->asked != NULL && asked_is_live(lane->asked, round->since_ns))
		n = hand_over_answers(worker, lane, n);
	if (likely(n > 0))
		judge_burst(worker, lane, round, n);
}

/* One burst of what others handed over; returns how many packets it had. */
static uint32_t
inbox_run(struct worker *worker, const struct round *round)
{
	struct rte_ring *inbox = worker->shared->inboxes[worker->index];
	struct rte_mbuf **handed = worker->handed;
	uint32_t n, from = 0;

	if (inbox == NULL)
		return 0;
	n = rte_ring_dequeue_burst(inbox, (void **)handed, worker->burst, NULL);
	while (from < n) {
		uint32_t tag = handed[from]->hash.usr;
		uint16_t n_alike = 0;

		while (from < n && handed[from]->hash.usr == tag)
			worker->mbufs[n_alike++] = handed[from++];
		judge_handed(worker, round, tag, n_alike);
	}
	return n;
}

static struct round
begin_round(struct worker *worker, uint64_t cycles)
{
	struct worker_shared *shared = worker->shared;
	int64_t stepped_ns;
	struct round round = {
		.snapshot = __atomic_load_n(&shared->snapshot, __ATOMIC_ACQUIRE),
		.mode = (enum sl_mode)__atomic_load_n(&shared->mode, __ATOMIC_RELAXED),
		.now_ns = wall_read(&shared->wall, cycles, &stepped_ns),
	};
	uint64_t revision = round.snapshot != NULL ? round.snapshot->revision : 0;

	if (unlikely(revision != worker->revision))
		__atomic_store_n(&worker->revision, revision, __ATOMIC_RELAXED);
	if (unlikely(stepped_ns != worker->stepped_ns)) {
		sl_pipeline_step_clock(
			worker->pipeline, stepped_ns - worker->stepped_ns, round.now_ns);
		worker->stepped_ns = stepped_ns;
		leave_held(worker);
	}
	round.since_ns = round.now_ns - (uint64_t)stepped_ns;
	worker->round = round;
	return round;
}

/* What time asks for, which may let fragments go and make resets; the worker is quiescent behind it. */
static void
end_round(struct worker *worker, const struct round *round)
{
	sl_pipeline_tick(worker->pipeline, round->snapshot, round->mode, round->now_ns);
	leave_held(worker);
	leave_replies(worker);
	rte_rcu_qsbr_quiescent(worker->shared->rcu, worker->index);
}

/* One round over all lanes, on one snapshot; returns how many of them had packets. */
static uint32_t
round_run(struct worker *worker, uint64_t cycles)
{
	const struct round round = begin_round(worker, cycles);
	uint32_t n_busy = inbox_run(worker, &round) != 0;

	for (uint32_t i = 0; i < worker->n_lanes; i++)
		n_busy += lane_run(worker, &worker->lanes[i], &round) != 0;
	end_round(worker, &round);
	return n_busy;
}

/* A round over what others handed over alone. */
static bool
inbox_round_run(struct worker *worker)
{
	const struct round round = begin_round(worker, rte_rdtsc());
	bool is_busy = inbox_run(worker, &round) != 0;

	end_round(worker, &round);
	return is_busy;
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
		if (n_busy < worker->n_lanes)
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

/* Judges what was received before the stop and lets everything go. */
static void
wind_up(struct worker *worker)
{
	struct worker_shared *shared = worker->shared;

	/* A device that never ends is left. */
	for (uint32_t i = 0; i < DRAIN_BURSTS_MAX && round_run(worker, rte_rdtsc()) != 0; i++)
		;
	/* Nobody hands over any more when all have come this far. */
	worker->is_closing = true;
	__atomic_add_fetch(&shared->n_drained, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&shared->n_drained, __ATOMIC_ACQUIRE) < shared->n_launched) {
		if (!inbox_round_run(worker))
			doze(worker, SLEEP_NS_MIN);
	}
	while (inbox_round_run(worker))
		;
	sl_pipeline_drain(worker->pipeline, wall_now(&shared->wall, rte_rdtsc()));
	leave_held(worker);
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
	wind_up(worker);
	rte_rcu_qsbr_thread_offline(worker->shared->rcu, worker->index);
	rte_rcu_qsbr_thread_unregister(worker->shared->rcu, worker->index);
	__atomic_store_n(&worker->is_alive, false, __ATOMIC_RELAXED);
	return 0;
}
