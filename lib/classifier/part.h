/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_PART_H
#define SL_CLASSIFIER_PART_H

/* Parts of an overlay: which filters they get, and how they are compiled. */

#include "classifier/overlay.h"

/* The level into whose part `n` more filters should go. SL_LEVELS: they are too many. */
uint32_t sl_part_level(const struct sl_layer_program *layer, uint32_t n);

/* Where a filter of a layer stands. */
struct sl_order {
	uint16_t sublayer; /* its place */
	uint64_t weight;
	uint64_t id;
};

struct sl_order sl_order_of(const struct sl_layer_program *layer, uint32_t rank);
/* Negative when a stands before b. */
int sl_order_compare(const struct sl_order *a, const struct sl_order *b);
/* The first place of a level whose filter does not stand before `order`. */
uint32_t
sl_level_find(const struct sl_layer_program *layer, uint32_t level, const struct sl_order *order);

/*
 * Makes the part of a level from the filters in force there and behind it, and the last `n_added`
 * entries of the store, which are in arbitration order.  0 and `*out` with one reference; NO_MEMORY
 * or BUSY.
 */
int sl_part_make(const struct sl_layer_program *layer, uint32_t level, uint32_t n_added,
	const struct sl_compile_tick *tick, struct sl_part **out,
	struct sl_error *err) SL_MUST_CHECK;
struct sl_part *sl_part_get(struct sl_part *part);
/* NULL is allowed. */
void sl_part_put(struct sl_part *part);

#endif
