/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LAYOUT_H
#define SL_CLASSIFIER_LAYOUT_H

/*
 * Layout: how the words of a key lie in memory at packet time, so that bits worth selecting together
 * are in one pair (see program.h).
 *
 * Words of fields that have as many, such as two addresses, are paired first with first, second with
 * second.  When filters have port ranges, a derived word tells of the most frequent ones which hold
 * the packet, and is paired with the word of the ports.
 */

#include "classifier/box.h"

/* Where an element is found in the key. */
struct sl_layout_place {
	uint8_t at;
	uint8_t shift;
};

struct sl_layout {
	struct sl_key_load loads[SL_KEY_AT_MAX];
	uint32_t n_loads;
	struct sl_key_derived derived;
	struct sl_layout_place elements[SL_KEY_ELEMENTS_MAX];
	uint8_t derived_elements[2]; /* whose ranges the derived word tells of */
	uint8_t byte_element; /* the one that blocks test beside their columns; n_elements: none */
	uint8_t columns[SL_BLOCK_STANDARD]; /* those that boxes need most, wide ones first */
	uint32_t n_pairs;
	uint32_t n_at; /* words of the key */
};

/* The column of an element. */
uint8_t
sl_layout_column(const struct sl_layout *layout, const struct sl_key_plan *plan, uint32_t element);

void sl_layout_make(
	struct sl_layout *layout, const struct sl_key_plan *plan, const struct sl_boxes *boxes);

#endif
