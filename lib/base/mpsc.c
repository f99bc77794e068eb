/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_mpsc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX     ((size_t)1 << 24)
#define RECORD_SIZE_MAX ((size_t)4096)

/*
 * Indices count records for ever and are masked on use.  A place says how often it has been filled and emptied:
 * twice its round when it may be filled in that round, one more when it may be emptied.  So zeroed memory is an
 * empty queue, and a producer that lost the race for a place sees it by the place alone.
 */
struct place {
	_Atomic uint64_t turn;
	unsigned char record[];
};

struct sl_mpsc {
	unsigned char *places; /* written once, at creation, as are the next three */
	size_t stride;
	size_t mask;
	size_t record_size;
	unsigned int shift; /* log2 of the number of places */

	SL_CACHE_ALIGNED _Atomic uint64_t tail; /* next to fill */
	SL_CACHE_ALIGNED uint64_t head;         /* next to empty: the consumer's */
};

int
sl_mpsc_new(size_t n_max, size_t record_size, struct sl_mpsc **out)
{
	struct sl_mpsc *queue;

	if (n_max == 0 || n_max > RECORDS_MAX || record_size == 0 || record_size > RECORD_SIZE_MAX)
		return -EINVAL;
	queue = aligned_alloc(SL_CACHE_LINE, sizeof(*queue));
	if (queue == NULL)
		return -ENOMEM;
	memset(queue, 0, sizeof(*queue));
	queue->shift = 1;
	while (((size_t)1 << queue->shift) < n_max)
		queue->shift++;
	queue->mask = ((size_t)1 << queue->shift) - 1;
	queue->record_size = record_size;
	queue->stride = (sizeof(struct place) + record_size + 7) & ~(size_t)7;
	queue->places = calloc(queue->mask + 1, queue->stride);
	if (queue->places == NULL) {
		free(queue);
		return -ENOMEM;
	}
	*out = queue;
	return 0;
}

void
sl_mpsc_free(struct sl_mpsc *queue)
{
	if (queue == NULL)
		return;
	free(queue->places);
	free(queue);
}

static struct place *
place_of(const struct sl_mpsc *queue, uint64_t index)
{
	return (struct place *)(void *)(queue->places + (index & queue->mask) * queue->stride);
}

/* The turn of a place that may be filled with record number `index`. */
static uint64_t
turn_of(const struct sl_mpsc *queue, uint64_t index)
{
	return 2 * (index >> queue->shift);
}

bool
sl_mpsc_put(struct sl_mpsc *queue, const void *record)
{
	uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	struct place *place;
	uint64_t turn;

	for (;;) {
		place = place_of(queue, tail);
		turn = atomic_load_explicit(&place->turn, memory_order_acquire);
		if (turn == turn_of(queue, tail)) {
			if (atomic_compare_exchange_weak_explicit(&queue->tail, &tail, tail + 1,
				    memory_order_relaxed, memory_order_relaxed))
				break;
		} else if (turn < turn_of(queue, tail)) {
			return false; /* not emptied since the last round */
		} else {
			tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
		}
	}
	memcpy(place->record, record, queue->record_size);
	atomic_store_explicit(&place->turn, turn + 1, memory_order_release);
	return true;
}

bool
sl_mpsc_get(struct sl_mpsc *queue, void *record)
{
	struct place *place = place_of(queue, queue->head);
	const uint64_t filled = turn_of(queue, queue->head) + 1;

	if (atomic_load_explicit(&place->turn, memory_order_acquire) != filled)
		return false;
	memcpy(record, place->record, queue->record_size);
	atomic_store_explicit(&place->turn, filled + 1, memory_order_release);
	queue->head++;
	return true;
}
