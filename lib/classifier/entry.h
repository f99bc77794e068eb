/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_ENTRY_H
#define SL_CLASSIFIER_ENTRY_H

/* Entries: what a layer program keeps of a filter, and the order they stand in. */

#include "classifier/sl_snapshot.h"

/* A filter on its way into a layer program. */
struct sl_ranked {
	const struct sl_filter *filter;
	const struct sl_sublayer *sublayer;
	/*
	 * Its entry in another program, whose references and binding it takes over; NULL: references
	 * are looked up in the policy, and the host binds it.
	 */
	const struct sl_filter_run *from;
};

/* Negative when a stands before b in arbitration order: WFP sections 3.4 and 4.5. */
int sl_ranked_compare(const struct sl_ranked *a, const struct sl_ranked *b);
/* Sorts filters of one layer into arbitration order. */
void sl_ranked_sort(struct sl_ranked *list, uint32_t n);

/* Where entries get what they refer to. */
struct sl_entry_maker {
	const struct sl_policy *policy; /* these three may be NULL when every filter has an entry */
	const struct sl_compile_host *host;
	uint64_t *stamp; /* the last one given */
	struct sl_error *err;
};

/*
 * Fills a filter's entry, with references that sl_entry_put gives back.  0; the host's error,
 * NO_MEMORY, INTERNAL when a reference of the policy leads nowhere, with nothing kept.
 */
int sl_entry_make(const struct sl_entry_maker *maker, const struct sl_ranked *ranked,
	uint16_t sublayer, struct sl_filter_hot *hot, struct sl_filter_run *run) SL_MUST_CHECK;
void sl_entry_put(const struct sl_filter_run *run);
/* True when both are of the same filter with the same references and binding. */
bool sl_entry_is_same(const struct sl_filter_run *a, const struct sl_filter_run *b);
/* The same, but for the sets of its conditions: both do the same to a packet that matches. */
bool sl_entry_acts_same(const struct sl_filter_run *a, const struct sl_filter_run *b);

static inline bool
sl_hot_asks_reassembled(const struct sl_filter_hot *hot)
{
	return (hot->flags & SL_HOT_ASKS_REASSEMBLED) != 0;
}

static inline bool
sl_hot_asks_packet(const struct sl_filter_hot *hot)
{
	return (hot->flags & SL_HOT_ASKS_PACKET) != 0;
}

static inline bool
sl_hot_is_callout(const struct sl_filter_hot *hot)
{
	return hot->action > SL_HOT_PERMIT;
}

#endif
