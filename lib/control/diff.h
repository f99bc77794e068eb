/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_DIFF_H
#define CONTROL_DIFF_H

/* What changed between two revisions of a policy. Private to the room. */

#include "policy/sl_policy.h"

#include <stdbool.h>

/*
 * One difference: `before` NULL: the object is new; `after` NULL: it is gone; both: it was replaced and
 * kept its run-time id.  Non-zero stops and is returned.
 */
typedef int
sl_control_diff_fn(void *ctx, const struct sl_object *before, const struct sl_object *after);

/*
 * Calls `fn` for every object of a type that differs between two revisions, by ascending run-time id.
 * An object that was removed and made anew under the same key is two differences, the removal first.
 * `after` must have been cloned from `before`.  Costs nothing when the type was not touched, else a
 * glance at each object.
 */
int sl_control_diff(const struct sl_policy *before, const struct sl_policy *after,
	enum sl_object_type type, sl_control_diff_fn *fn, void *ctx);

/* True when both revisions hold the same objects. */
bool sl_control_diff_is_empty(const struct sl_policy *before, const struct sl_policy *after);

#endif
