/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_LEAVE_H
#define SL_DATAPATH_LEAVE_H

/*
 * Where packets go when they have been looked at: out of a port, to another worker, or nowhere.
 *
 * Order.   Packets of a burst leave in the order they came, what was held with them.
 * Counts.  Everything that is not sent is counted, with its lane and under its reason.
 * Threads. Packet time, the worker's own.
 */

#include "datapath/worker.h"

#include <stdint.h>

#define LEAVE_TAG_FLAGS (SL_FRAME_VIEWED | SL_FRAME_ANSWER | SL_FRAME_SETTLED)
#define LEAVE_TAG_SHIFT 8u

_Static_assert(LEAVE_TAG_FLAGS >> LEAVE_TAG_SHIFT == 0, "flags lie below the path");

/* What a packet in an inbox tells of itself, in its buffer: path, and enum sl_frame_flag. */
static inline uint32_t
leave_tag(uint32_t path, uint32_t flags)
{
	return path << LEAVE_TAG_SHIFT | (flags & LEAVE_TAG_FLAGS);
}

static inline uint32_t
leave_tag_path(uint32_t tag)
{
	return tag >> LEAVE_TAG_SHIFT;
}

static inline uint32_t
leave_tag_flags(uint32_t tag)
{
	return tag & LEAVE_TAG_FLAGS;
}

/* Gives a packet to another worker, or drops it when that one takes no more. */
void leave_to_worker(struct worker *worker, struct lane *lane, struct rte_mbuf *mbuf,
	uint32_t flags, uint32_t receiver);
/*
 * Parts those of the burst in hand that may leave from the others.  Packets that were held and are let go take the places that
 * they had in the burst, those that came earlier before them, so that no packet overtakes another.
 */
void leave_burst(struct worker *worker, struct lane *lane, uint16_t n);
/* What the pipeline let go without a burst: time, a stop. */
void leave_held(struct worker *worker);
/* Sends what the pipeline has made itself, answers of callouts and resets, each out of a port of its path. */
void leave_replies(struct worker *worker);

#endif
