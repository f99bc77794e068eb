/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_KEY_H
#define SL_CLASSIFIER_KEY_H

/* The key: which bytes of a packet's metadata the filters of a program look at (see program.h). */

#include "classifier/program.h"

struct sl_key_plan {
	struct sl_key_word words[SL_KEY_WORDS_MAX];
	struct sl_key_element elements[SL_KEY_ELEMENTS_MAX];
	struct sl_key_part parts[SL_KEY_PARTS_MAX];
	uint32_t n_words;
	uint32_t n_elements;
	uint32_t n_parts;
	uint8_t part_of_slot[SL_SLOT_COUNT]; /* SL_KEY_PARTS_MAX: outside the key */
};

/*
 * Finds out which fields the filters use.  A field that finds no place stays outside, and its
 * filters are tested as a whole.
 */
void sl_key_plan_make(struct sl_key_plan *plan, const struct sl_program_source *source);

#endif
