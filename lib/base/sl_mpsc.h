/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_MPSC_H
#define SL_BASE_MPSC_H

/*
 * Queue of fixed-size records from many producers to one consumer, without locks or waiting.
 *
 * A full queue refuses the new record.  A producer that is interrupted between taking its place and filling it
 * keeps the consumer from seeing what came behind, but from nothing else: the consumer finds the queue empty
 * until then.
 */

#include "base/sl_compiler.h"

#include <stdbool.h>
#include <stddef.h>

struct sl_mpsc; /* opaque */

/*
 * Control thread.  Room for `n_max` records (rounded up to a power of two, 2..2^24) of `record_size` bytes (1..4096);
 * memory is taken when it is first used.  0, -EINVAL, -ENOMEM.
 */
int sl_mpsc_new(size_t n_max, size_t record_size, struct sl_mpsc **out) SL_MUST_CHECK;
/* NULL is allowed. */
void sl_mpsc_free(struct sl_mpsc *queue);

/* Any thread. False when the queue is full. */
bool sl_mpsc_put(struct sl_mpsc *queue, const void *record);
/* The one consumer: copies the oldest record out; false when empty. An empty queue costs one load. */
bool sl_mpsc_get(struct sl_mpsc *queue, void *record);

#endif
