/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX ((size_t)1 << 24)

/*
 * Indices count records for ever and are masked on use, so full and empty differ without a spare
 * slot.  Each side keeps a copy of the other's index and re-reads it only when that copy says
 * full or empty: in a steady stream the sides do not touch each other's cache line.
 */
struct sl_ring {
	unsigned char *records; /* written once, at creation, as are mask and record_size */
	size_t mask;
	size_t record_size;

	/* Producer's line. */
	SL_CACHE_ALIGNED _Atomic uint64_t tail; /* next to write */
	uint64_t head_seen;
	_Atomic uint64_t refused;

	/* Consumer's line. */
	SL_CACHE_ALIGNED _Atomic uint64_t head; /* next to read */
	uint64_t tail_seen;
};

int
sl_ring_new(size_t n_max, size_t record_size, struct sl_ring **out)
{
	struct sl_ring *ring;
	size_t capacity = 2;

	if (n_max == 0 || n_max > RECORDS_MAX || record_size == 0 ||
		record_size > SIZE_MAX / RECORDS_MAX)
		return -EINVAL;
	while (capacity < n_max)
		capacity *= 2;
	ring = aligned_alloc(SL_CACHE_LINE, sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	memset(ring, 0, sizeof(*ring));
	ring->mask = capacity - 1;
	ring->record_size = record_size;
	/* Touched now, so that the producer does not pay for page faults. */
	ring->records = malloc(capacity * record_size);
	if (ring->records == NULL) {
		free(ring);
		return -ENOMEM;
	}
	memset(ring->records, 0, capacity * record_size);
	*out = ring;
	return 0;
}

void
sl_ring_free(struct sl_ring *ring)
{
	if (ring == NULL)
		return;
	free(ring->records);
	free(ring);
}

bool
sl_ring_put(struct sl_ring *ring, const void *record)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail - ring->head_seen > ring->mask) {
		/* Acquire: the consumer has finished reading the slots before `head`. */
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail - ring->head_seen > ring->mask) {
			/* One writer: a plain increment, atomic only so that readers see a whole number. */
			atomic_store_explicit(&ring->refused,
				atomic_load_explicit(&ring->refused, memory_order_relaxed) + 1,
				memory_order_relaxed);
			return false;
		}
	}
	memcpy(ring->records + (tail & ring->mask) * ring->record_size, record, ring->record_size);
	/* Release: the record is visible before the index that announces it. */
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

bool
sl_ring_get(struct sl_ring *ring, void *record)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head == ring->tail_seen) {
		/* Acquire: pairs with the release in sl_ring_put. */
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head == ring->tail_seen)
			return false;
	}
	memcpy(record, ring->records + (head & ring->mask) * ring->record_size, ring->record_size);
	/* Release: the slot is read before the producer may write it again. */
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return true;
}

uint64_t
sl_ring_refused(const struct sl_ring *ring)
{
	return atomic_load_explicit(&ring->refused, memory_order_relaxed);
}
