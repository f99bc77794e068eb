/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_maker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What tables read of a packet. */

static int
add_word(struct sl_tables_maker *m, struct sl_key_word word, uint8_t *slot)
{
	struct sl_tables *tables = &m->tables;

	for (uint8_t i = 0; i < tables->n_words; i++) {
		if (m->words[i].offset == word.offset &&
			m->words[i].is_swapped == word.is_swapped) {
			*slot = i;
			return 0;
		}
	}
	if (tables->n_words == SL_TABLES_WORDS_MAX)
		return -E2BIG;
	*slot = tables->n_words;
	m->words[tables->n_words++] = word;
	tables->meta_lines |= 1u << word.offset / SL_CACHE_LINE;
	return 0;
}

/* Puts a word into a window that has its place free. */
static bool
join_window(struct sl_tables_window *window, const struct sl_key_word *word, uint8_t slot)
{
	const uint32_t at = ((uint32_t)word->offset - window->offset) / sizeof(uint32_t);

	if (word->offset < window->offset || at >= SL_TABLES_WINDOW ||
		window->slots[at] != SL_TABLES_SLOT_NONE)
		return false;
	window->slots[at] = slot;
	window->swapped |= (uint8_t)(word->is_swapped << at);
	return true;
}

static void
add_to_window(struct sl_tables *tables, const struct sl_key_word *word, uint8_t slot)
{
	const size_t last = sizeof(struct sl_meta) - SL_TABLES_WINDOW * sizeof(uint32_t);
	struct sl_tables_window *window;

	for (uint32_t i = 0; i < tables->n_windows; i++) {
		if (join_window(&tables->windows[i], word, slot))
			return;
	}
	window = &tables->windows[tables->n_windows++];
	window->offset = (uint16_t)SL_MIN((size_t)word->offset, last);
	memset(window->slots, SL_TABLES_SLOT_NONE, sizeof(window->slots));
	(void)join_window(window, word, slot);
}

/* By ascending offset, each window begins at the first word that no other holds. */
static void
make_windows(struct sl_tables_maker *m)
{
	uint32_t offset = 0;

	for (; offset < sizeof(struct sl_meta); offset += sizeof(uint32_t)) {
		for (uint8_t i = 0; i < m->tables.n_words; i++) {
			if (m->words[i].offset == offset)
				add_to_window(&m->tables, &m->words[i], i);
		}
	}
}

/* The half of the presence mask that tells of a slot is a word like any other. */
static int
add_presence(struct sl_tables_maker *m, const struct sl_dim *dim, struct sl_tables_element *element)
{
	const uint8_t slot = m->plan->parts[dim->part].slot;
	const uint32_t half =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? slot / 32u : 1 - slot / 32u;
	const uint16_t offset =
		(uint16_t)(offsetof(struct sl_meta, present) + half * sizeof(uint32_t));

	element->present_bit = (uint32_t)1 << slot % 32;
	return add_word(m, (struct sl_key_word){.offset = offset}, &element->present_word);
}

static int
add_element(struct sl_tables_maker *m, uint32_t d)
{
	const struct sl_dim *dim = &m->dims.list[d];
	struct sl_tables_element *element = &m->tables.elements[d];
	const struct sl_key_element *key = &m->plan->elements[dim->element];
	int rc = 0;

	element->present_word = SL_TABLES_ALWAYS;
	if (dim->is_first)
		rc = add_presence(m, dim, element);
	if (dim->is_text) {
		element->word = element->present_word;
		element->absent = dim->class_of[dim->n];
		for (uint32_t i = 0; i <= SL_TABLES_CUTS; i++)
			element->map[i] = dim->class_of[0];
		return rc;
	}
	if (rc == 0)
		rc = add_word(m, m->plan->words[key->word], &element->word);
	element->shift = key->shift;
	element->mask = sl_element_max(key);
	return rc;
}

int
sl_tables_add_elements(struct sl_tables_maker *m)
{
	int rc = 0;

	for (uint32_t d = 0; d < m->dims.n && rc == 0; d++)
		rc = add_element(m, d);
	make_windows(m);
	m->tables.n_elements = (uint8_t)m->dims.n;
	/* Classes of elements come behind the words. */
	for (uint32_t d = 0; d < m->dims.n; d++)
		m->tables.elements[d].out = (uint8_t)(m->tables.n_words + d);
	return rc;
}
