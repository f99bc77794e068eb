/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/finds_run.h"

/* Packet time: match lists from what the leaves gave. */

static void
sift(uint32_t *places, uint32_t root, uint32_t n)
{
	for (uint32_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
		const uint32_t place = places[root];

		if (child + 1 < n && places[child + 1] > places[child])
			child++;
		if (places[child] <= place)
			return;
		places[root] = places[child];
		places[child] = place;
		root = child;
	}
}

static void
sort_many(uint32_t *places, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift(places, i, n);
	for (uint32_t i = n; i-- > 1;) {
		const uint32_t place = places[0];

		places[0] = places[i];
		places[i] = place;
		sift(places, 0, i);
	}
}

/* Leaves deliver ascending runs, so that a short list is nearly in order. */
static void
sort_places(uint32_t *places, uint32_t n)
{
	if (n > SL_FINDS_SHORT) {
		sort_many(places, n);
		return;
	}
	for (uint32_t i = 1; i < n; i++) {
		const uint32_t place = places[i];
		uint32_t at = i;

		for (; at > 0 && places[at - 1] > place; at--)
			places[at] = places[at - 1];
		places[at] = place;
	}
}

/* Keeps of each sublayer what comes up to its first terminal match. Returns how many are left. */
static uint32_t
cut_sublayers(const uint32_t *ends, uint32_t *places, uint32_t n)
{
	uint32_t next = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t place = places[i];

		/* Trees may have copies of one box. */
		if (place < next || (kept > 0 && places[kept - 1] == place))
			continue;
		places[kept++] = place;
		next = ends[place];
	}
	return kept;
}

uint32_t
sl_finds_settle(const struct sl_program *program, uint32_t *places, uint32_t n)
{
	sort_places(places, n);
	return cut_sublayers(program->ends, places, n);
}
