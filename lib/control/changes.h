/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_CHANGES_H
#define CONTROL_CHANGES_H

/* How a policy differs from the one in force, in the form that the classifier takes. Private to the room. */

#include "classifier/sl_snapshot.h"

/*
 * True when a filter that is the same object in both policies may mean something else for a change among
 * the objects of that type, to which filters refer: one was replaced, or made anew under its key.  What is
 * new has no old filter that refers to it, and what is gone has none any more.
 */
bool sl_control_is_felt(
	const struct sl_policy *before, const struct sl_policy *after, enum sl_object_type type);

/* Zero-initialise; fini frees. */
struct change_list {
	struct sl_changes changes;
	struct sl_filter_change *room; /* where `changes.filters` points */
	size_t n_max;
};

/*
 * Filters by ascending run-time id; one that was made anew under the same key is two changes, the removal
 * first.  Providers mean nothing to the classifier.  Borrows the filters of both policies.  0 or -ENOMEM.
 */
int sl_control_changes_make(struct change_list *list, const struct sl_policy *before,
	const struct sl_policy *after) SL_MUST_CHECK;
void sl_control_changes_fini(struct change_list *list);

#endif
