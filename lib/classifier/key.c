/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/key.h"

#include <string.h>

#define WORD_BYTES sizeof(uint32_t)
/* Sixteen bytes that begin at an odd address. */
#define PIECES_MAX 7

/* A field's bytes in one word of the metadata. */
struct piece {
	uint16_t offset; /* of the word */
	uint8_t first;   /* byte of the word */
	uint8_t n;
};

/* The pieces of a slot in the order of memory. Returns how many. */
static uint32_t
cut(const struct sl_slot_info *info, struct piece pieces[PIECES_MAX])
{
	uint32_t n = 0;
	size_t at = info->offset;
	size_t left = info->kind == SL_SLOT_KIND_BLOB ? 0 : info->size;

	while (left > 0) {
		const size_t first = at % WORD_BYTES;
		/* One, two or four bytes, where a column of the same width has them. */
		const size_t size = first % 2 == 1 || left == 1 ? 1
			: first == 2 || left < WORD_BYTES       ? 2
								: WORD_BYTES;

		pieces[n++] = (struct piece){(uint16_t)(at - first), (uint8_t)first, (uint8_t)size};
		at += size;
		left -= size;
	}
	return n;
}

/* The number of the word at an offset, which is n_words when there is none yet. */
static uint32_t
find_word(const struct sl_key_plan *plan, uint16_t offset)
{
	uint32_t word = 0;

	while (word < plan->n_words && plan->words[word].offset != offset)
		word++;
	return word;
}

/* Two slots may be the same bytes with a presence bit each; the bits of a word belong to one element alone. */
static bool
is_taken(const struct sl_key_plan *plan, const struct sl_key_element *wanted)
{
	for (uint32_t i = 0; i < plan->n_elements; i++) {
		const struct sl_key_element *element = &plan->elements[i];

		if (element->word == wanted->word &&
			element->shift < wanted->shift + wanted->bits &&
			wanted->shift < element->shift + element->bits)
			return true;
	}
	return false;
}

/* False when there is no room, or when the word has its bytes in another order or for another slot. */
static bool
add_piece(struct sl_key_plan *plan, const struct piece *piece, bool is_swapped, uint8_t part)
{
	const uint32_t word = find_word(plan, piece->offset);
	const uint8_t below =
		is_swapped ? (uint8_t)(WORD_BYTES - piece->first - piece->n) : piece->first;
	const struct sl_key_element element = {.word = (uint8_t)word,
		.shift = (uint8_t)(8 * below),
		.bits = (uint8_t)(8 * piece->n),
		.part = part};

	if (plan->n_elements == SL_KEY_ELEMENTS_MAX || is_taken(plan, &element))
		return false;
	if (word == plan->n_words) {
		if (word == SL_KEY_WORDS_MAX)
			return false;
		plan->words[plan->n_words++] =
			(struct sl_key_word){.offset = piece->offset, .is_swapped = is_swapped};
	} else if (plan->words[word].is_swapped != is_swapped && piece->n > 1) {
		return false;
	}
	plan->elements[plan->n_elements++] = element;
	return true;
}

static void
plan_slot(struct sl_key_plan *plan, enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];
	const struct sl_key_plan before = *plan;
	const bool is_bytes = info->kind == SL_SLOT_KIND_BYTES;
	struct piece pieces[PIECES_MAX];
	const uint32_t n = cut(info, pieces);

	if (plan->n_parts == SL_KEY_PARTS_MAX)
		return;
	for (uint32_t i = 0; i < n; i++) {
		/* The most significant first: numbers have it last in memory. */
		const struct piece *piece = &pieces[is_bytes ? i : n - 1 - i];

		if (!add_piece(plan, piece, is_bytes, (uint8_t)plan->n_parts)) {
			*plan = before;
			return;
		}
	}
	plan->parts[plan->n_parts] = (struct sl_key_part){.slot = (uint8_t)slot,
		.element = (uint8_t)before.n_elements,
		.n_elements = (uint8_t)n};
	plan->part_of_slot[slot] = (uint8_t)plan->n_parts++;
}

static uint64_t
used_slots(const struct sl_program_source *source)
{
	const struct sl_layer_program *layer = source->layer;
	uint64_t used = 0;

	for (uint32_t place = 0; place < source->n; place++) {
		const struct sl_filter *filter =
			layer->filters[sl_source_filter(source, place)].object;

		for (size_t i = 0; i < filter->n_conditions; i++) {
			const enum sl_slot slot =
				sl_meta_slot(layer->layer, filter->conditions[i].field);

			if (slot != SL_SLOT_NONE)
				used |= (uint64_t)1 << slot;
		}
	}
	return used;
}

void
sl_key_plan_make(struct sl_key_plan *plan, const struct sl_program_source *source)
{
	const uint64_t used = used_slots(source);

	memset(plan, 0, sizeof(*plan));
	memset(plan->part_of_slot, SL_KEY_PARTS_MAX, sizeof(plan->part_of_slot));
	for (uint32_t slot = 0; slot < SL_SLOT_COUNT; slot++) {
		if (used >> slot & 1)
			plan_slot(plan, (enum sl_slot)slot);
	}
}
