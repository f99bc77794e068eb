/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_RING_H
#define SL_BASE_RING_H

/*
 * Ring of fixed-size records from one producer to one consumer, without locks or waiting.
 *
 * A full ring refuses the new record and counts it; the consumer reads the count.  The producer may be a
 * worker at packet time: put is two loads, a copy and a store.
 */

#include "base/sl_compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_ring; /* opaque */

/* --- Construction: control thread. --- */

/* `n_max` records (rounded up to a power of two, 2..2^24) of `record_size` bytes. 0, -EINVAL, -ENOMEM. */
int sl_ring_new(size_t n_max, size_t record_size, struct sl_ring **out) SL_MUST_CHECK;
void sl_ring_free(struct sl_ring *ring);

/* --- The one producer. --- */

/* False, and one more in sl_ring_refused, when the ring is full. */
bool sl_ring_put(struct sl_ring *ring, const void *record);

/* --- The one consumer. --- */

/* Copies the oldest record out; false when empty. */
bool sl_ring_get(struct sl_ring *ring, void *record);

/* --- Any thread. --- */

/* Records refused since creation. */
uint64_t sl_ring_refused(const struct sl_ring *ring);

#endif
