/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: local ends that have asked a group, but for asked_new. */
#include "datapath/asked.h"

#include <stdlib.h>
#include <string.h>

#define TAG_SHIFT  40u
#define UNIT_MASK  (((uint64_t)1 << TAG_SHIFT) - 1)
#define TAG_OF_ALL 0xffffffu /* of a place that several ends share */
#define SLACK      8u        /* units; an end that asks all the time is written once in so long */

struct asked *
asked_new(uint64_t keep_ns)
{
	struct asked *asked = aligned_alloc(SL_CACHE_LINE, sizeof(*asked));

	if (asked == NULL)
		return NULL;
	memset(asked, 0, sizeof(*asked));
	asked->keep_ns = keep_ns;
	return asked;
}

/* Neither 0, which is an empty place's, nor that of all. */
static uint64_t
tag_of(uint64_t hash)
{
	const uint64_t tag = hash >> TAG_SHIFT;

	return tag == 0 || tag == TAG_OF_ALL ? 1 : tag;
}

/* What a place says when it is to be `tag`'s until `until` too. */
static uint64_t
add(uint64_t place, uint64_t tag, uint64_t until, uint64_t now)
{
	const uint64_t before = place & UNIT_MASK;

	if (before < now || place >> TAG_SHIFT == tag)
		return tag << TAG_SHIFT | (before > until ? before : until);
	return (uint64_t)TAG_OF_ALL << TAG_SHIFT | (before > until ? before : until);
}

static bool
is_of(uint64_t place, uint64_t tag)
{
	return place >> TAG_SHIFT == tag || place >> TAG_SHIFT == TAG_OF_ALL;
}

void
asked_note(struct asked *asked, uint64_t hash, uint64_t now_ns)
{
	uint64_t *place = &asked->places[hash % ASKED_PLACES];
	const uint64_t tag = tag_of(hash), now = now_ns >> ASKED_UNIT_LOG;
	const uint64_t need = (now_ns + asked->keep_ns) >> ASKED_UNIT_LOG;
	uint64_t old = __atomic_load_n(place, __ATOMIC_RELAXED);

	while (!is_of(old, tag) || (old & UNIT_MASK) < need) {
		if (__atomic_compare_exchange_n(place, &old, add(old, tag, need + SLACK, now), true,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	old = __atomic_load_n(&asked->until, __ATOMIC_RELAXED);
	while (old < need) {
		if (__atomic_compare_exchange_n(&asked->until, &old, need + SLACK, true,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
}

bool
asked_has(const struct asked *asked, uint64_t hash, uint64_t now_ns)
{
	const uint64_t place =
		__atomic_load_n(&asked->places[hash % ASKED_PLACES], __ATOMIC_RELAXED);

	return is_of(place, tag_of(hash)) && (place & UNIT_MASK) >= now_ns >> ASKED_UNIT_LOG;
}
