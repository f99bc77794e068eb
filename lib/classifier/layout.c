/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/layout.h"

#include <stdlib.h>
#include <string.h>

#define NO_WORD     UINT8_MAX
#define RANGES_HALF 8 /* derived ranges of one number */
/* Different ranges that are counted; what comes later is rare or the filters are unusual. */
#define RANGES_MAX 256

struct counted {
	uint32_t low;
	uint32_t high;
	uint32_t n;
};

/* The ranges that boxes have in one element, without single values and without everything. */
struct census {
	struct counted list[RANGES_MAX];
	uint32_t n;
	uint32_t n_boxes;
	uint8_t element;
};

static bool
is_number(const struct sl_key_plan *plan, uint32_t element, uint8_t bits)
{
	const struct sl_key_element *e = &plan->elements[element];

	return e->bits == bits && plan->parts[e->part].n_elements == 1 &&
		!plan->words[e->word].is_swapped;
}

/* Where in the metadata an element of a number begins. */
static uint16_t
offset_of(const struct sl_key_plan *plan, uint32_t element)
{
	const struct sl_key_element *e = &plan->elements[element];

	return (uint16_t)(plan->words[e->word].offset + e->shift / 8);
}

static void
count_range(struct census *census, uint32_t low, uint32_t high)
{
	census->n_boxes++;
	for (uint32_t i = 0; i < census->n; i++) {
		if (census->list[i].low == low && census->list[i].high == high) {
			census->list[i].n++;
			return;
		}
	}
	if (census->n < RANGES_MAX)
		census->list[census->n++] = (struct counted){low, high, 1};
}

static void
take_census(struct census *census, const struct sl_key_plan *plan, const struct sl_boxes *boxes,
	uint8_t element)
{
	const uint32_t max = sl_element_max(&plan->elements[element]);

	memset(census, 0, sizeof(*census));
	census->element = element;
	for (uint32_t i = 0; i < boxes->n; i++) {
		const uint32_t low = sl_box_lows(boxes, i)[element];
		const uint32_t high = sl_box_highs(boxes, i)[element];

		if (low != high && (low > 0 || high < max))
			count_range(census, low, high);
	}
}

static int
by_frequency(const void *a, const void *b)
{
	const struct counted *left = a;
	const struct counted *right = b;

	if (left->n != right->n)
		return left->n > right->n ? -1 : 1;
	if (left->low != right->low)
		return left->low < right->low ? -1 : 1;
	return (left->high > right->high) - (left->high < right->high);
}

/* The half of the derived word that is about one element. */
static void
derive_half(struct sl_layout *layout, const struct sl_key_plan *plan, struct census *census,
	uint32_t half)
{
	struct sl_key_derived *derived = &layout->derived;

	qsort(census->list, census->n, sizeof(*census->list), by_frequency);
	layout->derived_elements[half] = census->element;
	derived->offsets[half] = offset_of(plan, census->element);
	for (uint32_t i = 0; i < RANGES_HALF; i++) {
		const uint32_t lane = half * RANGES_HALF + i;
		const struct counted *range = &census->list[i];

		/* Without a range the bit is always set. */
		derived->lows[lane] = i < census->n ? (uint16_t)range->low : 0;
		derived->spans[lane] =
			i < census->n ? (uint16_t)(range->high - range->low) : UINT16_MAX;
	}
}

/* How many boxes restrict an element. */
static uint32_t
count_boxes(const struct sl_key_plan *plan, const struct sl_boxes *boxes, uint32_t element)
{
	const uint32_t max = sl_element_max(&plan->elements[element]);
	uint32_t n = 0;

	for (uint32_t i = 0; i < boxes->n; i++)
		n += sl_box_lows(boxes, i)[element] > 0 || sl_box_highs(boxes, i)[element] < max;
	return n;
}

static void
choose_byte(struct sl_layout *layout, const struct sl_key_plan *plan, const struct sl_boxes *boxes)
{
	uint32_t most = 0;

	layout->byte_element = (uint8_t)plan->n_elements;
	for (uint32_t e = 0; e < plan->n_elements; e++) {
		const uint32_t n = is_number(plan, e, 8) ? count_boxes(plan, boxes, e) : 0;

		if (n > most) {
			most = n;
			layout->byte_element = (uint8_t)e;
		}
	}
}

/* The two elements with the most ranges get a half each. */
static void
derive(struct sl_layout *layout, const struct sl_key_plan *plan, const struct sl_boxes *boxes)
{
	struct census best[2] = {{.n_boxes = 0}, {.n_boxes = 0}};
	struct census census;

	for (uint32_t e = 0; e < plan->n_elements; e++) {
		if (!is_number(plan, e, 16))
			continue;
		take_census(&census, plan, boxes, (uint8_t)e);
		if (census.n_boxes > best[0].n_boxes) {
			best[1] = best[0];
			best[0] = census;
		} else if (census.n_boxes > best[1].n_boxes) {
			best[1] = census;
		}
	}
	if (best[0].n_boxes == 0)
		return;
	layout->derived.is_used = true;
	if (best[1].n_boxes == 0)
		best[1] = (struct census){.element = best[0].element};
	derive_half(layout, plan, &best[0], 0);
	derive_half(layout, plan, &best[1], 1);
}

/* --- The order of words. --- */

struct word_order {
	uint8_t word;
	uint8_t step; /* which of its field's elements it holds; fields of one element come last */
};

/* Words in the order in which they are paired. Returns how many. */
static uint32_t
order_words(const struct sl_key_plan *plan, struct word_order order[SL_KEY_WORDS_MAX])
{
	uint32_t n = 0;

	for (uint32_t e = 0; e < plan->n_elements; e++) {
		const struct sl_key_element *element = &plan->elements[e];
		const struct sl_key_part *part = &plan->parts[element->part];
		const struct word_order entry = {.word = element->word,
			.step = part->n_elements > 1 ? (uint8_t)(e - part->element) : UINT8_MAX};
		uint32_t at = 0;

		while (at < n && order[at].word != entry.word)
			at++;
		if (at < n)
			continue;
		while (at > 0 && order[at - 1].step > entry.step) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = entry;
		n++;
	}
	return n;
}

/* True when all that boxes want of a word is the byte that the derived word has as well. */
static bool
is_only_byte(const struct sl_layout *layout, const struct sl_key_plan *plan, uint8_t word)
{
	for (uint32_t e = 0; e < plan->n_elements; e++) {
		if (plan->elements[e].word == word && e != layout->byte_element)
			return false;
	}
	return true;
}

static uint8_t
word_of(const struct sl_key_plan *plan, uint32_t element)
{
	return element < plan->n_elements ? plan->elements[element].word : NO_WORD;
}

static void
place_word(struct sl_layout *layout, const struct sl_key_plan *plan, uint8_t word)
{
	const struct sl_key_word *from = &plan->words[word];
	struct sl_key_load *last = layout->n_loads > 0 ? &layout->loads[layout->n_loads - 1] : NULL;

	for (uint32_t e = 0; e < plan->n_elements; e++) {
		if (plan->elements[e].word == word)
			layout->elements[e] = (struct sl_layout_place){
				(uint8_t)layout->n_at, plan->elements[e].shift};
	}
	if (last != NULL && last->kind == SL_KEY_LOAD_WORD && !from->is_swapped &&
		last->offset + sizeof(uint32_t) == from->offset && last->to + 1u == layout->n_at &&
		last->to % 2 == 0)
		last->kind = SL_KEY_LOAD_DOUBLE;
	else
		layout->loads[layout->n_loads++] = (struct sl_key_load){.offset = from->offset,
			.to = (uint8_t)layout->n_at,
			.kind = from->is_swapped ? SL_KEY_LOAD_SWAPPED : SL_KEY_LOAD_WORD};
	layout->n_at++;
}

/* The derived word, with the byte in its lower half when it is one of the key's. */
static void
place_derived(struct sl_layout *layout, const struct sl_key_plan *plan)
{
	const uint8_t byte = layout->byte_element;

	layout->derived.to = (uint8_t)layout->n_at;
	layout->derived.extra = byte < plan->n_elements
		? offset_of(plan, byte)
		: (uint16_t)offsetof(struct sl_meta, protocol);
	if (byte < plan->n_elements)
		layout->elements[byte] = (struct sl_layout_place){(uint8_t)layout->n_at, 0};
	layout->n_at++;
}

/* --- Columns. --- */

uint8_t
sl_layout_column(const struct sl_layout *layout, const struct sl_key_plan *plan, uint32_t element)
{
	const uint8_t bits = plan->elements[element].bits;
	const enum sl_column_kind kind = bits == 32 ? SL_COLUMN_32
		: bits == 16                        ? SL_COLUMN_16
						    : SL_COLUMN_8;

	return SL_COLUMN(layout->elements[element].at, kind);
}

static void
swap_columns(uint8_t *a, uint8_t *b)
{
	const uint8_t kept = *a;

	*a = *b;
	*b = kept;
}

/* The columns that most boxes need; with fewer, one that all of them leave open. */
static void
choose_columns(
	struct sl_layout *layout, const struct sl_key_plan *plan, const struct sl_boxes *boxes)
{
	uint32_t counts[256] = {0};

	for (uint32_t e = 0; e < plan->n_elements; e++) {
		if (e != layout->byte_element)
			counts[sl_layout_column(layout, plan, e)] += count_boxes(plan, boxes, e);
	}
	for (uint32_t i = 0; i < SL_BLOCK_STANDARD; i++) {
		uint32_t most = 0;

		for (uint32_t column = 1; column < 256; column++) {
			if (counts[column] > counts[most])
				most = column;
		}
		layout->columns[i] = (uint8_t)most;
		counts[most] = 0;
	}
	/* The kind is in the upper bits. */
	if (layout->columns[0] > layout->columns[1])
		swap_columns(&layout->columns[0], &layout->columns[1]);
	if (layout->columns[1] > layout->columns[2])
		swap_columns(&layout->columns[1], &layout->columns[2]);
	if (layout->columns[0] > layout->columns[1])
		swap_columns(&layout->columns[0], &layout->columns[1]);
}

void
sl_layout_make(
	struct sl_layout *layout, const struct sl_key_plan *plan, const struct sl_boxes *boxes)
{
	struct word_order order[SL_KEY_WORDS_MAX];
	const uint32_t n = order_words(plan, order);
	uint8_t ranged = NO_WORD;  /* goes with the derived word */
	uint8_t dropped = NO_WORD; /* the derived word has all of it */

	memset(layout, 0, sizeof(*layout));
	choose_byte(layout, plan, boxes);
	derive(layout, plan, boxes);
	if (layout->derived.is_used) {
		const uint8_t byte_word = word_of(plan, layout->byte_element);

		ranged = word_of(plan, layout->derived_elements[0]);
		if (byte_word != NO_WORD && byte_word != ranged &&
			is_only_byte(layout, plan, byte_word))
			dropped = byte_word;
		place_word(layout, plan, ranged);
		place_derived(layout, plan);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (order[i].word != ranged && order[i].word != dropped)
			place_word(layout, plan, order[i].word);
	}
	if (dropped != NO_WORD)
		layout->elements[layout->byte_element] =
			(struct sl_layout_place){layout->derived.to, 0};
	/* An odd last word is paired with the zeros behind it. */
	layout->n_pairs = SL_MIN((layout->n_at + 1) / 2, (uint32_t)SL_KEY_PAIRS_MAX);
	choose_columns(layout, plan, boxes);
}
