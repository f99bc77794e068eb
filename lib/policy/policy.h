/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_POLICY_PRIVATE_H
#define SL_POLICY_POLICY_PRIVATE_H

/* What the store and the checks tell each other. Private to the room. */

#include "policy/sl_policy.h"

/* True when a removal could not be made for want of memory: not all that was asked for is done. */
bool sl_policy_is_out_of_memory(const struct sl_policy *policy);
/* 0, or IN_USE with an error that names referrers of the object. */
int sl_policy_check_unused(const struct sl_policy *policy, const struct sl_object *object,
	struct sl_error *err) SL_MUST_CHECK;

#endif
