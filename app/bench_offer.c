/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_offer.h"

#include "base/sl_compiler.h"

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RING      "ETH_RXTX0_net_ring0" /* the name that the driver gives it */
#define BATCH     32u
#define BUFFERS   4096u /* more than can be on their way */
#define ROOM      (RTE_PKTMBUF_HEADROOM + 128u)
#define NOTES     65536u /* a power of two, more than BUFFERS */
#define PAUSE_US  50u    /* between batches that are due */
#define LATE_MS   1u     /* what the thread makes up for when it comes late */
#define DRAIN_MS  2000u
#define SETTLE_US 100000u /* what was taken from the ring has left */

struct bench_offer {
	const struct bench_flow_frames *frames;
	const uint8_t *is_switched;
	struct rte_ring *ring;
	struct rte_mempool *pool;
	uint16_t inside;
	const struct rte_eth_rxtx_callback *callback;
	pthread_t thread;
	bool has_thread;
	uint64_t *notes; /* by number: the revision in use when it was offered */
	atomic_bool is_stopping;
	_Atomic double rate;
	_Atomic uint64_t publishing; /* revisions */
	_Atomic uint64_t published;
	/* The thread that offers. */
	_Atomic uint64_t n_offered SL_CACHE_ALIGNED;
	_Atomic uint64_t n_missed;
	_Atomic uint64_t n_excused;
	uint64_t missed; /* not told yet whether they are excused */
	int delays;      /* the worker's schedstat; -1: not open */
	uint64_t delay_ns;
	/* The worker, in the callback. */
	_Atomic int worker SL_CACHE_ALIGNED; /* its thread; 0: not known yet */
	uint64_t next;                       /* the number that leaves next if nothing is dropped */
	_Atomic uint64_t n_left;
	_Atomic uint64_t n_dropped;
	_Atomic uint64_t n_misjudged;
};

static void
add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* --- The account. --- */

/* Whether one of the revisions that may have judged the packet lets its host through, or blocks it. */
static bool
may_be(const struct bench_offer *offer, uint64_t number, bool has_left)
{
	const uint64_t from = offer->notes[number % NOTES];
	const uint64_t to = atomic_load_explicit(&offer->publishing, memory_order_acquire);

	if (!offer->is_switched[number % offer->frames->n])
		return has_left;
	return to > from || (from % 2 == 0) == has_left;
}

static void
account_dropped(struct bench_offer *offer, uint64_t end)
{
	for (; offer->next < end; offer->next++) {
		add(&offer->n_dropped, 1);
		if (!may_be(offer, offer->next, false))
			add(&offer->n_misjudged, 1);
	}
}

/* The number stands before the frame. */
static uint64_t *
number_of(struct rte_mbuf *mbuf)
{
	return (uint64_t *)mbuf->buf_addr;
}

/* A rte_tx_callback_fn: what is about to leave. */
static uint16_t
see_leaving(uint16_t port, uint16_t queue, struct rte_mbuf *mbufs[], uint16_t n, void *ctx)
{
	struct bench_offer *offer = ctx;

	(void)port;
	(void)queue;
	if (unlikely(atomic_load_explicit(&offer->worker, memory_order_relaxed) == 0))
		atomic_store_explicit(&offer->worker, gettid(), memory_order_relaxed);
	for (uint16_t i = 0; i < n; i++) {
		uint64_t number = *number_of(mbufs[i]);

		/* One that comes again, or too early, was not offered so. */
		if (number < offer->next || !may_be(offer, number, true))
			add(&offer->n_misjudged, 1);
		account_dropped(offer, number);
		offer->next = SL_MAX(offer->next, number + 1);
	}
	add(&offer->n_left, n);
	return n;
}

/* --- Offering. --- */

/* Puts `n` packets into the ring, which has room for them; false: no buffers. */
static bool
put(struct bench_offer *offer, uint64_t number, uint32_t n)
{
	const uint64_t revision = atomic_load_explicit(&offer->published, memory_order_acquire);
	struct rte_mbuf *mbufs[BATCH];

	if (rte_pktmbuf_alloc_bulk(offer->pool, mbufs, n) != 0)
		return false;
	for (uint32_t i = 0; i < n; i++, number++) {
		const struct sl_frame *frame = &offer->frames->list[number % offer->frames->n];

		memcpy(rte_pktmbuf_mtod(mbufs[i], void *), frame->bytes, frame->length);
		mbufs[i]->data_len = (uint16_t)frame->length;
		mbufs[i]->pkt_len = frame->length;
		*number_of(mbufs[i]) = number;
		offer->notes[number % NOTES] = revision;
	}
	rte_ring_enqueue_bulk(offer->ring, (void **)mbufs, n, NULL);
	return true;
}

/* Puts what is due as far as there is room; returns how many are still due. */
static uint64_t
put_due(struct bench_offer *offer, uint64_t due)
{
	uint64_t number = atomic_load_explicit(&offer->n_offered, memory_order_relaxed);

	while (due > 0) {
		const uint32_t room = rte_ring_free_count(offer->ring);
		const uint32_t n = SL_MIN((uint32_t)SL_MIN(due, (uint64_t)BATCH), room);

		if (n == 0 || !put(offer, number, n))
			break;
		number += n;
		due -= n;
	}
	atomic_store_explicit(&offer->n_offered, number, memory_order_release);
	return due;
}

/* How long the worker has waited for its CPU, while another thread had it, since the last call. */
static uint64_t
delayed_ns(struct bench_offer *offer)
{
	const int worker = atomic_load_explicit(&offer->worker, memory_order_relaxed);
	const uint64_t before_ns = offer->delay_ns;
	char text[128] = "";

	if (offer->delays < 0 && worker != 0) {
		snprintf(text, sizeof(text), "/proc/self/task/%d/schedstat", worker);
		offer->delays = open(text, O_RDONLY | O_CLOEXEC);
	}
	if (offer->delays < 0 || pread(offer->delays, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	/* Time on the CPU, and waiting for it. */
	if (strchr(text, ' ') != NULL)
		offer->delay_ns = strtoull(strchr(text, ' '), NULL, 10);
	return offer->delay_ns - before_ns;
}

/*
 * What is due beyond the queue is missed: excused as far as the worker had no CPU meanwhile, of which the kernel tells
 * only when it has one again.
 */
static uint64_t
keep_queue(struct bench_offer *offer, uint64_t due, double rate)
{
	const uint64_t behind = BENCH_OFFER_QUEUE - rte_ring_get_capacity(offer->ring);
	uint64_t excused;

	if (due > behind) {
		offer->missed += due - behind;
		due = behind;
	}
	if (offer->missed > 0 && due < behind) {
		excused = (uint64_t)(rate * (double)delayed_ns(offer) / 1e9);
		excused = SL_MIN(excused, offer->missed);
		add(&offer->n_excused, excused);
		add(&offer->n_missed, offer->missed - excused);
		offer->missed = 0;
	} else if (due == 0) {
		delayed_ns(offer); /* it has caught up */
	}
	return due;
}

static void *
run(void *arg)
{
	struct bench_offer *offer = arg;
	const uint64_t hz = rte_get_tsc_hz();
	uint64_t last = rte_rdtsc(), due = 0;
	double part = 0;

	rte_thread_register(); /* buffers come cheaper so; it does without */
	while (!atomic_load_explicit(&offer->is_stopping, memory_order_relaxed)) {
		const double rate = atomic_load_explicit(&offer->rate, memory_order_relaxed);
		const uint64_t now = rte_rdtsc();

		if (rate < 0) {
			put_due(offer, BATCH);
			last = now;
			continue;
		}
		part += rate * (double)SL_MIN(now - last, hz / 1000 * LATE_MS) / (double)hz;
		last = now;
		due += (uint64_t)part;
		part -= (double)(uint64_t)part;
		due = keep_queue(offer, put_due(offer, due), rate);
		usleep(PAUSE_US);
	}
	add(&offer->n_missed, offer->missed);
	rte_thread_unregister();
	return NULL;
}

/* --- Life. --- */

static int
fail(struct sl_error *err, const char *what)
{
	return sl_error_set(err, SL_ERR_INTERNAL, "", "%s: %s", what, rte_strerror(rte_errno));
}

static int
set_up(struct bench_offer *offer, const char *inside, struct sl_error *err)
{
	offer->ring = rte_ring_lookup(RING);
	if (offer->ring == NULL)
		return fail(err, "the port has no ring \"" RING "\"");
	if (rte_eth_dev_get_port_by_name(inside, &offer->inside) != 0)
		return fail(err, inside);
	offer->pool = rte_pktmbuf_pool_create("bench_offer", BUFFERS, 256, 0, ROOM, SOCKET_ID_ANY);
	if (offer->pool == NULL)
		return fail(err, "buffers");
	offer->notes = calloc(NOTES, sizeof(*offer->notes));
	if (offer->notes == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	offer->callback = rte_eth_add_tx_callback(offer->inside, 0, see_leaving, offer);
	if (offer->callback == NULL)
		return fail(err, "callback of the inside port");
	if (pthread_create(&offer->thread, NULL, run, offer) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "cannot start a thread");
	offer->has_thread = true;
	return 0;
}

int
bench_offer_start(const struct bench_flow_frames *frames, const uint8_t *is_switched,
	const char *inside, struct bench_offer **out, struct sl_error *err)
{
	struct bench_offer *offer = aligned_alloc(SL_CACHE_LINE, sizeof(*offer));
	int rc;

	if (offer == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	memset(offer, 0, sizeof(*offer));
	offer->frames = frames;
	offer->is_switched = is_switched;
	offer->delays = -1;
	rc = set_up(offer, inside, err);
	if (rc == 0)
		*out = offer;
	else
		bench_offer_free(offer);
	return rc;
}

void
bench_offer_pace(struct bench_offer *offer, double rate)
{
	atomic_store(&offer->rate, rate);
}

void
bench_offer_publishing(struct bench_offer *offer, uint64_t revision)
{
	atomic_store_explicit(&offer->publishing, revision, memory_order_release);
}

void
bench_offer_published(struct bench_offer *offer, uint64_t revision)
{
	atomic_store_explicit(&offer->published, revision, memory_order_release);
}

void
bench_offer_stop(struct bench_offer *offer)
{
	if (!offer->has_thread)
		return;
	atomic_store(&offer->is_stopping, true);
	pthread_join(offer->thread, NULL);
	offer->has_thread = false;
	for (uint32_t i = 0; i < DRAIN_MS && !rte_ring_empty(offer->ring); i++)
		usleep(1000);
	usleep(SETTLE_US);
	/* Nothing leaves any more: what is behind the last that left was dropped. */
	account_dropped(offer, atomic_load(&offer->n_offered));
}

struct bench_offer_account
bench_offer_read(const struct bench_offer *offer)
{
	return (struct bench_offer_account){
		.n_offered = atomic_load_explicit(&offer->n_offered, memory_order_acquire),
		.n_missed = atomic_load_explicit(&offer->n_missed, memory_order_relaxed),
		.n_excused = atomic_load_explicit(&offer->n_excused, memory_order_relaxed),
		.n_left = atomic_load_explicit(&offer->n_left, memory_order_relaxed),
		.n_dropped = atomic_load_explicit(&offer->n_dropped, memory_order_relaxed),
		.n_misjudged = atomic_load_explicit(&offer->n_misjudged, memory_order_relaxed),
	};
}

void
bench_offer_free(struct bench_offer *offer)
{
	if (offer == NULL)
		return;
	bench_offer_stop(offer);
	if (offer->callback != NULL) {
		rte_eth_remove_tx_callback(offer->inside, 0, offer->callback);
		usleep(SETTLE_US); /* the worker has left it */
	}
	rte_mempool_free(offer->pool);
	if (offer->delays >= 0)
		close(offer->delays);
	free(offer->notes);
	free(offer);
}
