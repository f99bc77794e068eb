/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_ORDER_H
#define SL_CLASSIFIER_TABLES_ORDER_H

/* In which order the classes of a group are paired, so that its tables stay small. */

#include "classifier/tables_plan.h"

/*
 * Finds the merges of a group and their cost, which is NONE when it is not below `limit`.  0, -ENOMEM,
 * or -E2BIG when the work is used up.
 */
int sl_tables_order_group(const struct sl_tables_plan *plan, struct sl_tables_group *group,
	uint64_t limit, struct sl_tables_work *work) SL_MUST_CHECK;

#endif
