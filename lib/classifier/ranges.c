/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/ranges.h"

#include <stdlib.h>
#include <string.h>

static bool
make_room(struct sl_ranges *ranges)
{
	const size_t size = ranges->size == 0 ? 8 : ranges->size * 2;
	struct sl_range *list;

	if (ranges->n < ranges->size)
		return true;
	list = reallocarray(ranges->list, size, sizeof(*list));
	if (list == NULL) {
		ranges->failed = true;
		return false;
	}
	ranges->list = list;
	ranges->size = size;
	return true;
}

void
sl_ranges_add(struct sl_ranges *ranges, sl_wide low, sl_wide high, sl_wide max)
{
	if (low > high || low > max || !make_room(ranges))
		return;
	ranges->list[ranges->n++] = (struct sl_range){low, SL_MIN(high, max)};
}

void
sl_ranges_add_outside(struct sl_ranges *ranges, sl_wide low, sl_wide high, sl_wide max)
{
	if (low > 0)
		sl_ranges_add(ranges, 0, low - 1, max);
	if (high < max)
		sl_ranges_add(ranges, high + 1, max, max);
}

static int
compare(const void *a, const void *b)
{
	const struct sl_range *left = a;
	const struct sl_range *right = b;

	if (left->low != right->low)
		return left->low < right->low ? -1 : 1;
	return (left->high > right->high) - (left->high < right->high);
}

void
sl_ranges_merge(struct sl_ranges *ranges)
{
	struct sl_range *last;

	if (ranges->n < 2)
		return;
	qsort(ranges->list, ranges->n, sizeof(*ranges->list), compare);
	last = ranges->list;
	for (size_t i = 1; i < ranges->n; i++) {
		const struct sl_range *next = &ranges->list[i];

		/* The first test keeps the second from running over the largest number. */
		if (next->low <= last->high || next->low == last->high + 1)
			last->high = SL_MAX(last->high, next->high);
		else
			*++last = *next;
	}
	ranges->n = (size_t)(last - ranges->list) + 1;
}

bool
sl_ranges_is_all(const struct sl_ranges *ranges, sl_wide max)
{
	return ranges->n == 1 && ranges->list[0].low == 0 && ranges->list[0].high == max;
}

void
sl_ranges_clear(struct sl_ranges *ranges)
{
	ranges->n = 0;
	ranges->failed = false;
}

void
sl_ranges_fini(struct sl_ranges *ranges)
{
	free(ranges->list);
	memset(ranges, 0, sizeof(*ranges));
}
