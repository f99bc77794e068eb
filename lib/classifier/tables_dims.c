/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_dims.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
sl_dim_is_open(const struct sl_dim *dim, uint32_t box)
{
	const struct sl_dim_span *span = &dim->spans[box];

	return span->has_present && span->first == 0 && span->last == dim->n - 1 &&
		span->has_absent;
}

/* --- Intervals. --- */

static int
compare_numbers(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Where intervals begin: at 0, where boxes begin, and behind their ends. */
static int
find_lows(struct sl_dim *dim, const struct sl_boxes *boxes, uint32_t max)
{
	uint32_t n = 0;

	dim->lows = calloc(2 * (size_t)boxes->n + 1, sizeof(*dim->lows));
	if (dim->lows == NULL)
		return -ENOMEM;
	dim->lows[n++] = 0;
	for (uint32_t i = 0; i < boxes->n && !dim->is_text; i++) {
		const uint32_t low = sl_box_lows(boxes, i)[dim->element];
		const uint32_t high = sl_box_highs(boxes, i)[dim->element];

		if (low <= max)
			dim->lows[n++] = low;
		if (high < max)
			dim->lows[n++] = high + 1;
	}
	qsort(dim->lows, n, sizeof(*dim->lows), compare_numbers);
	dim->n = 1;
	for (uint32_t i = 1; i < n; i++) {
		if (dim->lows[i] != dim->lows[dim->n - 1])
			dim->lows[dim->n++] = dim->lows[i];
	}
	return 0;
}

/* The interval that holds the value. */
static uint32_t
find_interval(const struct sl_dim *dim, uint32_t value)
{
	uint32_t low = 0;
	uint32_t high = dim->n;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (dim->lows[middle] <= value)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * What a box holds.  Only the first element tells whether a field is absent: if it is, the others
 * are anything, and must not matter to boxes that hold an absent field.
 */
static struct sl_dim_span
find_span(const struct sl_dim *dim, const struct sl_boxes *boxes, uint32_t i)
{
	const struct sl_box *box = &boxes->list[i];
	const bool has_present = (box->care & ~box->want) >> dim->part & 1 ? false : true;
	const bool has_absent = (box->care & box->want) >> dim->part & 1 ? false : true;
	struct sl_dim_span span = {.last = dim->n - 1, .has_present = true, .has_absent = true};

	if (has_absent && !dim->is_first)
		return span;
	if (dim->is_first) {
		span.has_present = has_present;
		span.has_absent = has_absent;
	}
	if (has_present && !has_absent && !dim->is_text) {
		span.first = find_interval(dim, sl_box_lows(boxes, i)[dim->element]);
		span.last = find_interval(dim, sl_box_highs(boxes, i)[dim->element]);
	}
	return span;
}

/* Boxes in the order of their first intervals, or of their last: a sort by counting. */
static int
order_boxes(const struct sl_dim *dim, uint32_t n_boxes, bool by_last, uint32_t **out)
{
	uint32_t *starts = calloc(dim->n + (size_t)1, sizeof(*starts));
	uint32_t *order = calloc(n_boxes + (size_t)1, sizeof(*order));

	*out = order;
	if (starts == NULL || order == NULL) {
		free(starts);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n_boxes; i++)
		starts[1 + (by_last ? dim->spans[i].last : dim->spans[i].first)]++;
	for (uint32_t i = 0; i < dim->n; i++)
		starts[i + 1] += starts[i];
	for (uint32_t i = 0; i < n_boxes; i++)
		order[starts[by_last ? dim->spans[i].last : dim->spans[i].first]++] = i;
	free(starts);
	return 0;
}

/* --- Sets. --- */

static void
flip(uint64_t *bits, uint32_t member)
{
	bits[member / 64] ^= (uint64_t)1 << member % 64;
}

/* Turns a box in or out. False when it holds no value. */
static bool
turn(const struct sl_dim *dim, uint32_t box, uint64_t *bits)
{
	if (!dim->spans[box].has_present)
		return false;
	flip(bits, box);
	return true;
}

/* From the first interval to the last: boxes come where they begin and go behind their end. */
static int
sweep(struct sl_dim *dim, uint32_t n_boxes, uint64_t *bits)
{
	uint32_t begun = 0;
	uint32_t ended = 0;

	for (uint32_t i = 0; i < dim->n; i++) {
		bool has_changed = i == 0;

		for (; ended < n_boxes && dim->spans[dim->by_last[ended]].last < i; ended++)
			has_changed |= turn(dim, dim->by_last[ended], bits);
		for (; begun < n_boxes && dim->spans[dim->by_first[begun]].first <= i; begun++)
			has_changed |= turn(dim, dim->by_first[begun], bits);
		if (!has_changed)
			dim->class_of[i] = dim->class_of[i - 1];
		else if (sl_sets_add(&dim->sets, bits, &dim->class_of[i]) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int
find_classes(struct sl_dim *dim, uint32_t n_boxes)
{
	uint64_t *bits;
	int rc;

	dim->class_of = calloc(dim->n + (size_t)1, sizeof(*dim->class_of));
	if (sl_sets_init(&dim->sets, n_boxes / 64 + 1) != 0 || dim->class_of == NULL)
		return -ENOMEM;
	bits = calloc(dim->sets.words, sizeof(*bits));
	rc = bits == NULL ? -ENOMEM : sweep(dim, n_boxes, bits);
	if (rc == 0) {
		memset(bits, 0, dim->sets.words * sizeof(*bits));
		for (uint32_t i = 0; i < n_boxes; i++) {
			if (dim->spans[i].has_absent)
				flip(bits, i);
		}
		/* Where absence is not told, nothing has that class. */
		dim->class_of[dim->n] = dim->class_of[0];
		if (dim->is_first)
			rc = sl_sets_add(&dim->sets, bits, &dim->class_of[dim->n]);
	}
	free(bits);
	return rc;
}

/* --- All. --- */

static void
dim_fini(struct sl_dim *dim)
{
	free(dim->lows);
	free(dim->class_of);
	sl_sets_fini(&dim->sets);
	free(dim->spans);
	free(dim->by_first);
	free(dim->by_last);
	memset(dim, 0, sizeof(*dim));
}

static int
dim_init(struct sl_dim *dim, const struct sl_boxes *boxes, uint32_t max)
{
	if (find_lows(dim, boxes, max) != 0)
		return -ENOMEM;
	dim->spans = calloc(boxes->n + (size_t)1, sizeof(*dim->spans));
	if (dim->spans == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < boxes->n; i++)
		dim->spans[i] = find_span(dim, boxes, i);
	if (order_boxes(dim, boxes->n, false, &dim->by_first) != 0 ||
		order_boxes(dim, boxes->n, true, &dim->by_last) != 0)
		return -ENOMEM;
	return find_classes(dim, boxes->n);
}

/* Adds a dimension unless it makes no difference. */
static int
add_dim(struct sl_dims *dims, const struct sl_boxes *boxes, struct sl_dim kind, uint32_t max)
{
	struct sl_dim *dim = &dims->list[dims->n];
	int rc;

	*dim = kind;
	dim->is_narrow = max <= UINT16_MAX;
	rc = dim_init(dim, boxes, max);
	if (rc == 0 && dim->sets.n > 1)
		dims->n++;
	else
		dim_fini(dim);
	return rc;
}

int
sl_dims_init(struct sl_dims *dims, const struct sl_boxes *boxes, const struct sl_key_plan *plan)
{
	int rc = 0;

	dims->n_boxes = boxes->n;
	for (uint8_t p = 0; p < plan->n_parts && rc == 0; p++) {
		const struct sl_key_part *part = &plan->parts[p];

		if (part->n_elements == 0)
			rc = add_dim(dims, boxes,
				(struct sl_dim){.part = p, .is_text = true, .is_first = true}, 0);
		for (uint8_t i = 0; i < part->n_elements && rc == 0; i++) {
			const uint8_t e = (uint8_t)(part->element + i);

			rc = add_dim(dims, boxes,
				(struct sl_dim){.part = p, .element = e, .is_first = i == 0},
				sl_element_max(&plan->elements[e]));
		}
	}
	return rc;
}

void
sl_dims_fini(struct sl_dims *dims)
{
	for (uint32_t i = 0; i < dims->n; i++)
		dim_fini(&dims->list[i]);
	dims->n = 0;
}
