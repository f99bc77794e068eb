/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_PARKING_H
#define SL_FLOW_PARKING_H

/*
 * Flows that wait for a callout's answer, and the frames of theirs that are held meanwhile (WFP section 6.6).
 *
 * What.    An operation is one flow's: who put the decision off, when, and the frames of its opener's direction that
 *          came until then, in their order.  It knows the flow by its id and nothing else of it.
 * Age.     All operations have the same time-out, so they stand in a list by age, and the oldest is over first.
 * Memory.  Everything is there, and touched, when sl_parking_new returns: `max` operations with `packets` frames
 *          each.
 * Threads. Packet time and one worker, but for new, free and the counts.
 */

#include "base/sl_compiler.h"
#include "flow/sl_flow_config.h"
#include "packet/sl_packet.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_PARKED_FRAMES_MAX 64u

struct sl_parking; /* opaque */

/* One operation; read only. */
struct sl_parked {
	uint64_t id;       /* of the flow; 0: a free place */
	const void *by;    /* who put the decision off */
	uint32_t path;     /* that the first packet came by, and every frame that is held */
	uint32_t since_ms; /* of the clock that the caller keeps; it may wrap */
	uint32_t n_frames;
	uint32_t n_bytes; /* of these frames */
	/* Private: numbers of places. */
	uint32_t older;
	uint32_t younger;
	uint32_t next; /* of the chain of a hash table, or of the free places */
};

/* --- Control thread. --- */

/* 0, -EINVAL (`max` is 0 or `packets` more than SL_PARKED_FRAMES_MAX), -ENOMEM. */
int sl_parking_new(const struct sl_pend_config *config, struct sl_parking **out) SL_MUST_CHECK;
/* Nothing may be held. NULL is allowed. */
void sl_parking_free(struct sl_parking *parking);
/* Operations, and frames that are held; any thread. */
uint32_t sl_parking_count(const struct sl_parking *parking);
uint32_t sl_parking_held(const struct sl_parking *parking);
/* Frames that may be held at a time. */
uint32_t sl_parking_held_max(const struct sl_pend_config *config);

/* --- Packet time. --- */

/* Operations that may still begin. */
uint32_t sl_parking_room(const struct sl_parking *parking);
/* Begins an operation of a flow (`id` not 0) that has none. NULL: no room. */
const struct sl_parked *sl_parking_begin(
	struct sl_parking *parking, uint64_t id, const void *by, uint32_t path, uint32_t now_ms);
/* The operation of a flow; NULL: it has none. */
const struct sl_parked *sl_parking_find(const struct sl_parking *parking, uint64_t id);
/* Holds a frame, which stays its owner's; false: too much of the flow is held, or of all. */
bool sl_parking_hold(
	struct sl_parking *parking, const struct sl_parked *parked, const struct sl_frame *frame);
/* Copies the frames that are held, at most SL_PARKED_FRAMES_MAX, and forgets them; returns how many. */
uint32_t sl_parking_take(
	struct sl_parking *parking, const struct sl_parked *parked, struct sl_frame frames[]);
/* Ends an operation, whose frames have been taken; `parked` is nobody's then. */
void sl_parking_end(struct sl_parking *parking, const struct sl_parked *parked);
/* The operation that is older than all others; NULL: there are none. */
const struct sl_parked *sl_parking_oldest(const struct sl_parking *parking);
/* True when the oldest one's time is over. A clock that was set back makes it younger, not old. */
bool sl_parking_is_overdue(const struct sl_parking *parking, uint32_t now_ms);
/*
 * Operations of `by` (NULL: anybody's) among the places from `*at` on, which it moves on, looking at no more than
 * `*work` of them.  NULL: there are none; `*at` is SL_PARKING_END when that was the last place.
 */
#define SL_PARKING_END UINT32_MAX
const struct sl_parked *
sl_parking_next(const struct sl_parking *parking, const void *by, uint32_t *at, uint32_t *work);

#endif
