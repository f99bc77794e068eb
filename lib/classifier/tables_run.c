/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables.h"

#include <string.h>

/* Packet time: match lists from the lists of groups. */

/* Puts a place among those before it, unless it is there already. Returns how many there are. */
static uint32_t
insert(uint32_t *places, uint32_t n, uint32_t place)
{
	uint32_t at = n;

	while (at > 0 && places[at - 1] > place)
		at--;
	if (at > 0 && places[at - 1] == place)
		return n;
	memmove(places + at + 1, places + at, (n - at) * sizeof(*places));
	places[at] = place;
	return n + 1;
}

/* Keeps of each sublayer what comes up to its first terminal match. Returns how many are left. */
static uint32_t
cut(const uint32_t *ends, uint32_t *places, uint32_t n)
{
	uint32_t next = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t place = places[i];

		if (place < next)
			continue;
		places[kept++] = place;
		next = ends[place];
	}
	return kept;
}

uint32_t
sl_tables_join(const struct sl_program *program, const struct sl_tables *tables,
	const uint32_t *numbers, const struct sl_meta *meta, uint32_t *places, uint32_t room)
{
	uint32_t n_lists = 0;
	uint32_t n_max = 0;
	uint32_t n = 0;
	bool is_tested = false;

	for (uint32_t group = 0; group < tables->n_groups; group++) {
		const struct sl_tables_list *list = &tables->lists[numbers[group]];

		n_max += list->n;
		n_lists += list->n > 0;
		is_tested = is_tested || list->is_tested;
	}
	if (n_max > room)
		return UINT32_MAX;
	for (uint32_t group = 0; group < tables->n_groups; group++) {
		const struct sl_tables_list *list = &tables->lists[numbers[group]];

		for (uint32_t i = 0; i < list->n; i++) {
			const uint32_t place = tables->places[list->at + i];

			if (SL_UNLIKELY((tables->tested[place / 64] >> place % 64 & 1) != 0) &&
				!sl_test_run(program, place, meta))
				continue;
			n = insert(places, n, place);
		}
	}
	/* A single list that nothing was taken from is as it should be. */
	return n_lists > 1 || is_tested ? cut(program->ends, places, n) : n;
}
