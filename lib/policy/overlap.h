/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_OVERLAP_H
#define SL_POLICY_OVERLAP_H

/* How the conditions of filters relate, as far as can be told cheaply. Private to the room. */

#include "policy/interval.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * True when no text satisfies both: equality and suffix, read as positive whether negated or not.
 * Both values are texts.
 */
bool sl_texts_exclude(const struct sl_condition *a, const struct sl_condition *b);
/* True when a packet may match both filters, which are at one layer. Doubt counts as overlap. */
bool sl_filters_overlap(const struct sl_filter *a, const struct sl_filter *b);
/* True when the filters have the same conditions in any order. */
bool sl_filters_same_conditions(const struct sl_filter *a, const struct sl_filter *b);
/* Equal for filters with the same conditions in any order. */
uint64_t sl_filter_hash_conditions(const struct sl_filter *filter);
/* The span from the lowest to the highest value that the filter may match in `field`. */
struct sl_interval
sl_filter_hull(const struct sl_filter *filter, const struct sl_layer_field *field);

#endif
