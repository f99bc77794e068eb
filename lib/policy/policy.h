/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_POLICY_PRIVATE_H
#define SL_POLICY_POLICY_PRIVATE_H

/* What the store tells the checks. Private to the room. */

#include "policy/sl_policy.h"

/* True when a removal could not be made for want of memory: the policy is not what was asked for. */
bool sl_policy_is_out_of_memory(const struct sl_policy *policy);

#endif
