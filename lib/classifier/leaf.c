/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/leaf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Leaves that a short list may still join: the newest, which are nearest to it. */
#define OPEN_LEAVES 24
/* Long leaves among which an equal one is looked for. */
#define RECENT_LONGS 8

/* --- Lists. --- */

static int
grow(void **array, size_t n, size_t *size, size_t element)
{
	size_t wanted = *size == 0 ? 256 : *size;
	void *bigger;

	while (wanted < n)
		wanted *= 2;
	if (wanted == *size)
		return 0;
	bigger = reallocarray(*array, wanted, element);
	if (bigger == NULL)
		return -ENOMEM;
	*array = bigger;
	*size = wanted;
	return 0;
}

static int
new_leaf(struct sl_leaves *leaves, uint32_t *leaf)
{
	size_t size = leaves->size;
	void *list = leaves->list;

	if (grow(&list, leaves->n + (size_t)1, &size, sizeof(*leaves->list)) != 0)
		return -ENOMEM;
	leaves->list = list;
	leaves->size = (uint32_t)size;
	*leaf = leaves->n++;
	memset(&leaves->list[*leaf], 0, sizeof(leaves->list[*leaf]));
	return 0;
}

/* Merges two ascending lists without doubles; returns their length, or a greater number than fits. */
static uint32_t
merge(const struct sl_leaf *leaf, const uint32_t *list, uint32_t n, uint32_t merged[SL_LANES])
{
	uint32_t i = 0;
	uint32_t k = 0;
	uint32_t n_merged = 0;

	while (i < leaf->n || k < n) {
		const uint32_t a = i < leaf->n ? leaf->boxes[i] : UINT32_MAX;
		const uint32_t b = k < n ? list[k] : UINT32_MAX;

		if (n_merged == SL_LANES)
			return SL_LANES + 1;
		merged[n_merged++] = SL_MIN(a, b);
		i += a <= b;
		k += b <= a;
	}
	return n_merged;
}

/* The open leaf that grows least, or UINT32_MAX. */
static uint32_t
find_leaf(const struct sl_leaves *leaves, const uint32_t *list, uint32_t n,
	uint32_t merged[SL_LANES], uint32_t *n_merged)
{
	const uint32_t first = leaves->n > OPEN_LEAVES ? leaves->n - OPEN_LEAVES : 0;
	uint32_t found = UINT32_MAX;
	uint32_t least = UINT32_MAX;

	for (uint32_t i = leaves->n; i-- > first;) {
		uint32_t attempt[SL_LANES];
		uint32_t size;

		if (leaves->list[i].n > SL_LANES)
			continue;
		size = merge(&leaves->list[i], list, n, attempt);
		if (size > SL_LANES || size - leaves->list[i].n >= least)
			continue;
		least = size - leaves->list[i].n;
		found = i;
		*n_merged = size;
		memcpy(merged, attempt, sizeof(attempt));
	}
	return found;
}

static int
add_short(struct sl_leaves *leaves, const uint32_t *list, uint32_t n, uint32_t *leaf)
{
	uint32_t merged[SL_LANES];
	uint32_t n_merged = n;

	*leaf = find_leaf(leaves, list, n, merged, &n_merged);
	if (*leaf == UINT32_MAX) {
		if (new_leaf(leaves, leaf) != 0)
			return -ENOMEM;
		memcpy(merged, list, n * sizeof(*list));
	}
	leaves->list[*leaf].n = n_merged;
	memcpy(leaves->list[*leaf].boxes, merged, n_merged * sizeof(*merged));
	return 0;
}

static int
add_long(struct sl_leaves *leaves, const uint32_t *list, uint32_t n, uint32_t *leaf)
{
	const uint32_t first = leaves->n > RECENT_LONGS ? leaves->n - RECENT_LONGS : 0;
	void *longs = leaves->longs;

	for (uint32_t i = leaves->n; i-- > first;) {
		const struct sl_leaf *old = &leaves->list[i];

		if (old->n == n &&
			memcmp(leaves->longs + old->boxes[0], list, n * sizeof(*list)) == 0) {
			*leaf = i;
			return 0;
		}
	}
	if (leaves->n_longs + n > UINT32_MAX ||
		grow(&longs, leaves->n_longs + n, &leaves->longs_size, sizeof(*list)) != 0)
		return -ENOMEM;
	leaves->longs = longs;
	if (new_leaf(leaves, leaf) != 0)
		return -ENOMEM;
	leaves->list[*leaf].n = n;
	leaves->list[*leaf].boxes[0] = (uint32_t)leaves->n_longs;
	memcpy(leaves->longs + leaves->n_longs, list, n * sizeof(*list));
	leaves->n_longs += n;
	return 0;
}

int
sl_leaves_add(struct sl_leaves *leaves, const uint32_t *list, uint32_t n, uint32_t *leaf)
{
	leaves->longest = SL_MAX(leaves->longest, n);
	return n <= SL_LANES ? add_short(leaves, list, n, leaf) : add_long(leaves, list, n, leaf);
}

void
sl_leaves_fini(struct sl_leaves *leaves)
{
	free(leaves->list);
	free(leaves->longs);
	memset(leaves, 0, sizeof(*leaves));
}

/* --- Blocks. --- */

struct writer {
	const struct sl_layout *layout;
	const struct sl_key_plan *plan;
	const struct sl_boxes *boxes;
	uint8_t *to;  /* NULL: only counts */
	size_t lines; /* so far */
	uint32_t n_blocks;
};

/* The columns of one block. */
struct columns {
	uint8_t list[SL_BLOCK_COLUMNS];
	uint32_t n;
};

static bool
is_open(const struct writer *w, uint32_t box, uint32_t element)
{
	return sl_box_lows(w->boxes, box)[element] > 0 ||
		sl_box_highs(w->boxes, box)[element] < sl_element_max(&w->plan->elements[element]);
}

/* True when value & mask can say what the range says; then the mask is set. */
static bool
as_mask(uint32_t low, uint32_t high, uint8_t *mask)
{
	const uint32_t differ = low ^ high;

	if ((differ & (differ + 1)) != 0 || (low & differ) != 0 || (high & differ) != differ)
		return false;
	*mask = (uint8_t)~differ;
	return true;
}

/* True when the byte that every block tests is enough for this element. */
static bool
is_byte(const struct writer *w, const uint32_t *list, uint32_t n, uint32_t element)
{
	uint8_t mask;

	if (element != w->layout->byte_element)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (!as_mask(sl_box_lows(w->boxes, list[i])[element],
			    sl_box_highs(w->boxes, list[i])[element], &mask))
			return false;
	}
	return true;
}

/* The columns that boxes need. False when there are more than a block can have. */
static bool
find_columns(const struct writer *w, const uint32_t *list, uint32_t n, struct columns *columns)
{
	memcpy(columns->list, w->layout->columns, SL_BLOCK_STANDARD);
	columns->n = SL_BLOCK_STANDARD;
	for (uint32_t e = 0; e < w->plan->n_elements; e++) {
		const uint8_t column = sl_layout_column(w->layout, w->plan, e);
		bool is_needed = false;
		uint32_t at = 0;

		for (uint32_t i = 0; i < n && !is_needed; i++)
			is_needed = is_open(w, list[i], e);
		if (!is_needed || is_byte(w, list, n, e))
			continue;
		while (at < columns->n && columns->list[at] != column)
			at++;
		if (at < columns->n)
			continue;
		if (columns->n == SL_BLOCK_COLUMNS)
			return false;
		columns->list[columns->n++] = column;
	}
	return true;
}

/* How many boxes from the first on fit in one block, and its columns. */
static uint32_t
fit_block(const struct writer *w, const uint32_t *list, uint32_t n, struct columns *columns)
{
	n = SL_MIN(n, (uint32_t)SL_LANES);
	/* A single box with more columns has its filter tested as a whole, so any of them will do. */
	while (!find_columns(w, list, n, columns) && n > 1)
		n--;
	return n;
}

static bool
wants_absence(const struct writer *w, const uint32_t *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_box *box = &w->boxes->list[list[i]];

		if (box->care != box->want)
			return true;
	}
	return false;
}

/* Narrows one lane of a column to a box. Elements in the column that it leaves open stay so. */
static void
write_lane(const struct writer *w, uint8_t column, uint32_t box, uint32_t *low, uint32_t *span)
{
	*low = 0;
	*span = UINT32_MAX;
	for (uint32_t e = 0; e < w->plan->n_elements; e++) {
		const uint32_t max = sl_element_max(&w->plan->elements[e]);
		const uint32_t shift = w->layout->elements[e].shift;
		const uint32_t from = sl_box_lows(w->boxes, box)[e];
		const uint32_t to = sl_box_highs(w->boxes, box)[e];

		if (sl_layout_column(w->layout, w->plan, e) != column || !is_open(w, box, e))
			continue;
		*low = (*low & ~(max << shift)) | from << shift;
		*span = (*span & ~(max << shift)) | (to - from) << shift;
	}
}

static void
write_header(const struct writer *w, struct sl_block *block, const uint32_t *list, uint32_t n)
{
	const uint32_t byte = w->layout->byte_element;

	for (uint32_t lane = 0; lane < SL_LANES; lane++) {
		block->places[lane] = lane < n ? w->boxes->list[list[lane]].rank : SL_RANK_NONE;
		if (lane >= n)
			continue;
		block->lanes |= (uint8_t)(1u << lane);
		if (w->boxes->list[list[lane]].is_tested)
			block->tests |= (uint8_t)(1u << lane);
		if (byte < w->plan->n_elements && is_byte(w, list, n, byte)) {
			as_mask(sl_box_lows(w->boxes, list[lane])[byte],
				sl_box_highs(w->boxes, list[lane])[byte], &block->byte_masks[lane]);
			block->byte_values[lane] =
				(uint8_t)(sl_box_lows(w->boxes, list[lane])[byte] &
					block->byte_masks[lane]);
		}
	}
}

static void
write_columns(const struct writer *w, struct sl_block *block, const struct columns *columns,
	const uint32_t *list, uint32_t n)
{
	uint32_t *at = (void *)(block + 1);

	block->n_columns = (uint8_t)columns->n;
	memcpy(block->columns, columns->list, columns->n);
	for (uint32_t i = 0; i < columns->n; i++, at += 2 * SL_LANES) {
		for (uint32_t lane = 0; lane < SL_LANES; lane++) {
			at[lane] = 0;
			at[SL_LANES + lane] = UINT32_MAX;
			if (lane < n)
				write_lane(w, columns->list[i], list[lane], &at[lane],
					&at[SL_LANES + lane]);
		}
	}
	if ((block->flags & SL_BLOCK_PRESENCE) == 0)
		return;
	for (uint32_t lane = 0; lane < SL_LANES; lane++) {
		at[lane] = lane < n ? w->boxes->list[list[lane]].care : 0;
		at[SL_LANES + lane] = lane < n ? w->boxes->list[list[lane]].want : 0;
	}
}

static void
write_leaf(struct writer *w, const uint32_t *list, uint32_t n)
{
	for (uint32_t i = 0; i < n;) {
		struct columns columns;
		const uint32_t here = fit_block(w, list + i, n - i, &columns);
		const bool has_presence = wants_absence(w, list + i, here);
		struct sl_block *block = (void *)(w->to + w->lines * SL_CACHE_LINE);

		if (w->to != NULL) {
			memset(block, 0, sizeof(*block));
			block->flags = (uint8_t)((i + here < n ? SL_BLOCK_MORE : 0) |
				(has_presence ? SL_BLOCK_PRESENCE : 0) |
				(columns.n > SL_BLOCK_STANDARD ? SL_BLOCK_COLUMNS_MORE : 0));
			write_header(w, block, list + i, here);
			if (block->tests != 0)
				block->flags |= SL_BLOCK_TESTS;
			write_columns(w, block, &columns, list + i, here);
		}
		w->lines += 1 + columns.n + has_presence;
		w->n_blocks++;
		i += here;
	}
}

size_t
sl_leaves_write(struct sl_leaves *leaves, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes, uint8_t *to,
	uint32_t *n_blocks)
{
	struct writer w = {.layout = layout, .plan = plan, .boxes = boxes, .to = to};

	for (uint32_t i = 0; i < leaves->n; i++) {
		struct sl_leaf *leaf = &leaves->list[i];
		const uint32_t *list =
			leaf->n > SL_LANES ? leaves->longs + leaf->boxes[0] : leaf->boxes;

		leaf->line = (uint32_t)w.lines;
		write_leaf(&w, list, leaf->n);
	}
	*n_blocks = w.n_blocks;
	return w.lines;
}
