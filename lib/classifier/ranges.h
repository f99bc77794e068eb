/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_RANGES_H
#define SL_CLASSIFIER_RANGES_H

/*
 * Sets of numbers as closed intervals.  Zero-initialise, add in any order, then merge: the list is
 * sorted, disjoint and not adjacent.  A failed allocation is remembered; callers look once, at the
 * end.
 */

#include "classifier/wide.h"

#include <stdbool.h>
#include <stddef.h>

struct sl_range {
	sl_wide low;
	sl_wide high;
};

struct sl_ranges {
	struct sl_range *list;
	size_t n;
	size_t size;
	bool failed; /* out of memory: the list is incomplete */
};

/* Adds low..high, cut off at `max`; nothing when low is greater than either. */
void sl_ranges_add(struct sl_ranges *ranges, sl_wide low, sl_wide high, sl_wide max);
/* Adds all of 0..max that is not in low..high. */
void sl_ranges_add_outside(struct sl_ranges *ranges, sl_wide low, sl_wide high, sl_wide max);
void sl_ranges_merge(struct sl_ranges *ranges);
/* True when a merged list holds 0..max. */
bool sl_ranges_is_all(const struct sl_ranges *ranges, sl_wide max);
/* Makes it empty and keeps the memory. */
void sl_ranges_clear(struct sl_ranges *ranges);
void sl_ranges_fini(struct sl_ranges *ranges);

#endif
