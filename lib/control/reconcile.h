/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_RECONCILE_H
#define CONTROL_RECONCILE_H

/*
 * Turning one policy into another with as little change as possible.  Private to the room.
 *
 * Identity. An object that says the same as the one in force stays that object, with its run-time id,
 *          counters and compiled form; one that says something else under the same key takes over the
 *          id and the counters.
 * Ties.    Among equals - filters of one layer, sublayer and weight, sublayers of one weight - the older
 *          comes first.  Where keeping ids would put equals in another order than `fresh` has them, the
 *          later ones are made anew, so that a policy means the same however it came about.
 */

#include "base/sl_error.h"
#include "policy/sl_policy.h"

#include <stdbool.h>

/* Which objects are replaced. Built-in ones never are. */
struct scope {
	const char *provider; /* only the objects of this provider and itself; NULL: of all */
	bool files_only;      /* only objects that came from policy files go */
};

/* True when objects of that scope may be removed for not being in `fresh`. */
bool sl_control_scope_has(const struct scope *scope, const struct sl_object *object);

/*
 * Makes the objects of `policy` in scope those of `fresh`, which it takes over and frees.  References
 * are for the caller to check.  0, or a negative errno with a problem added; `policy` must then be
 * thrown away.
 */
int sl_control_reconcile(struct sl_policy *policy, struct sl_policy *fresh,
	const struct scope *scope, struct sl_problems *problems) SL_MUST_CHECK;

#endif
