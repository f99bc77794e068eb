/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: flows wait for a callout's answer. */
#include "flow/parking.h"

#include <string.h>

static uint32_t
place_of(const struct sl_parking *parking, const struct sl_parked *parked)
{
	return (uint32_t)(parked - parking->places);
}

/*
 * Ids are the process's own: a place in the table of flows and a number that counts up.  Whoever sends packets can
 * choose neither, so that spreading them is enough.
 */
static uint32_t *
chain_of(const struct sl_parking *parking, uint64_t id)
{
	return &parking->chains[(uint32_t)(id * 0x9e3779b97f4a7c15u >> 32) &
		(parking->n_chains - 1)];
}

static void
set(uint32_t *number, uint32_t value)
{
	__atomic_store_n(number, value, __ATOMIC_RELAXED);
}

uint32_t
sl_parking_room(const struct sl_parking *parking)
{
	return parking->max - parking->n;
}

/* --- By age. --- */

static void
append(struct sl_parking *parking, uint32_t place)
{
	struct sl_parked *parked = &parking->places[place];

	parked->older = parking->youngest;
	parked->younger = PARKING_NONE;
	if (parking->youngest == PARKING_NONE)
		parking->oldest = place;
	else
		parking->places[parking->youngest].younger = place;
	parking->youngest = place;
}

static void
unlink_aged(struct sl_parking *parking, const struct sl_parked *parked)
{
	if (parked->older == PARKING_NONE)
		parking->oldest = parked->younger;
	else
		parking->places[parked->older].younger = parked->younger;
	if (parked->younger == PARKING_NONE)
		parking->youngest = parked->older;
	else
		parking->places[parked->younger].older = parked->older;
}

const struct sl_parked *
sl_parking_oldest(const struct sl_parking *parking)
{
	return parking->oldest == PARKING_NONE ? NULL : &parking->places[parking->oldest];
}

bool
sl_parking_is_overdue(const struct sl_parking *parking, uint32_t now_ms)
{
	const struct sl_parked *oldest = sl_parking_oldest(parking);
	int32_t elapsed;

	if (SL_LIKELY(oldest == NULL))
		return false;
	elapsed = (int32_t)(now_ms - oldest->since_ms);
	return elapsed >= 0 && (uint32_t)elapsed >= parking->timeout_ms;
}

/* --- Operations. --- */

const struct sl_parked *
sl_parking_begin(
	struct sl_parking *parking, uint64_t id, const void *by, uint32_t path, uint32_t now_ms)
{
	const uint32_t place = parking->free;
	uint32_t *chain = chain_of(parking, id);
	struct sl_parked *parked;

	if (parking->n == parking->max)
		return NULL;
	parked = &parking->places[place];
	parking->free = parked->next;
	*parked = (struct sl_parked){
		.id = id, .by = by, .path = path, .since_ms = now_ms, .next = *chain};
	*chain = place;
	append(parking, place);
	set(&parking->n, parking->n + 1);
	return parked;
}

const struct sl_parked *
sl_parking_find(const struct sl_parking *parking, uint64_t id)
{
	uint32_t place = *chain_of(parking, id);

	while (place != PARKING_NONE && parking->places[place].id != id)
		place = parking->places[place].next;
	return place == PARKING_NONE ? NULL : &parking->places[place];
}

void
sl_parking_end(struct sl_parking *parking, const struct sl_parked *ended)
{
	const uint32_t place = place_of(parking, ended);
	struct sl_parked *parked = &parking->places[place];
	uint32_t *link = chain_of(parking, parked->id);

	while (*link != place)
		link = &parking->places[*link].next;
	*link = parked->next;
	unlink_aged(parking, parked);
	set(&parking->n_held, parking->n_held - parked->n_frames);
	set(&parking->n, parking->n - 1);
	parked->id = 0;
	parked->next = parking->free;
	parking->free = place;
}

const struct sl_parked *
sl_parking_next(const struct sl_parking *parking, const void *by, uint32_t *at, uint32_t *work)
{
	const struct sl_parked *parked;

	while (*work > 0 && *at < parking->max) {
		--*work;
		parked = &parking->places[(*at)++];
		if (parked->id != 0 && (by == NULL || parked->by == by))
			return parked;
	}
	if (*at >= parking->max)
		*at = SL_PARKING_END;
	return NULL;
}

/* --- Frames. --- */

bool
sl_parking_hold(
	struct sl_parking *parking, const struct sl_parked *parked, const struct sl_frame *frame)
{
	const uint32_t place = place_of(parking, parked);
	struct sl_parked *holder = &parking->places[place];

	if (holder->n_frames == parking->n_packets || parking->n_held == parking->held_max ||
		frame->length > parking->n_bytes - holder->n_bytes)
		return false;
	parking->frames[(size_t)place * parking->n_packets + holder->n_frames++] = *frame;
	holder->n_bytes += frame->length;
	set(&parking->n_held, parking->n_held + 1);
	return true;
}

uint32_t
sl_parking_take(
	struct sl_parking *parking, const struct sl_parked *parked, struct sl_frame frames[])
{
	const uint32_t place = place_of(parking, parked);
	struct sl_parked *holder = &parking->places[place];
	const uint32_t n = holder->n_frames;

	memcpy(frames, &parking->frames[(size_t)place * parking->n_packets], n * sizeof(frames[0]));
	set(&parking->n_held, parking->n_held - n);
	holder->n_frames = 0;
	holder->n_bytes = 0;
	return n;
}
