/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_CONSULT_RING_H
#define PLUGINS_CONSULT_RING_H

/*
 * Questions on their way from all workers to the one thread that asks them: no lock, no waiting, and nobody is
 * woken.  A full ring refuses.  Zeroed memory is an empty ring.
 *
 * Indices count questions for ever.  A place's turn is twice the round in which it may be filled, and one more when it
 * has been: so a worker that lost a race for a place sees it by the place alone.
 */

#include "consult.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#define CONSULT_RING_BITS 10
#define CONSULT_RING_SIZE (1u << CONSULT_RING_BITS)

struct consult_place {
	_Atomic uint64_t turn;
	struct consult_question question;
};

struct consult_ring {
	alignas(64) _Atomic uint64_t tail; /* next to fill */
	alignas(64) uint64_t head;         /* next to empty: the asking thread's */
	alignas(64) struct consult_place places[CONSULT_RING_SIZE];
};

/* Any worker. False: the ring is full. */
static inline bool
consult_ring_put(struct consult_ring *ring, const struct consult_question *question)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	struct consult_place *place;
	uint64_t turn, wanted;

	for (;;) {
		place = &ring->places[tail % CONSULT_RING_SIZE];
		wanted = 2 * (tail >> CONSULT_RING_BITS);
		turn = atomic_load_explicit(&place->turn, memory_order_acquire);
		if (turn < wanted)
			return false;
		if (turn > wanted)
			tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
		else if (atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + 1,
				 memory_order_relaxed, memory_order_relaxed))
			break;
	}
	place->question = *question;
	atomic_store_explicit(&place->turn, wanted + 1, memory_order_release);
	return true;
}

/* The asking thread. False: there is none. */
static inline bool
consult_ring_get(struct consult_ring *ring, struct consult_question *question)
{
	struct consult_place *place = &ring->places[ring->head % CONSULT_RING_SIZE];
	const uint64_t filled = 2 * (ring->head >> CONSULT_RING_BITS) + 1;

	if (atomic_load_explicit(&place->turn, memory_order_acquire) != filled)
		return false;
	*question = place->question;
	atomic_store_explicit(&place->turn, filled + 1, memory_order_release);
	ring->head++;
	return true;
}

#endif
