/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_PART_H
#define SL_CLASSIFIER_PART_H

/* Parts of an overlay: which filters they get, and how they are compiled. */

#include "classifier/overlay.h"

/* A filter on its way into a part. */
struct sl_item {
	uint32_t rank;
	uint64_t key; /* what it has of one: the places in levels before that of the part */
	struct sl_span span;
};

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

/* The key of a filter that is to go to a level, as far as the levels before it decide it. */
uint64_t sl_part_key(const struct sl_layer_program *layer, uint32_t level, uint32_t rank);
/* The same, from the key that it had at this level or one behind it. */
uint64_t sl_part_key_again(uint32_t level, uint64_t key);

/* Compiles filters in arbitration order. 0 and `*out` with one reference; NO_MEMORY or BUSY. */
int sl_part_make(const struct sl_layer_program *layer, uint32_t level, const struct sl_item *items,
	uint32_t n, const struct sl_compile_tick *tick, struct sl_part **out,
	struct sl_error *err) SL_MUST_CHECK;
struct sl_part *sl_part_get(struct sl_part *part);
/* NULL is allowed. */
void sl_part_put(struct sl_part *part);

#endif
