/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Boxes one filter may become. */
#define SPREAD_MAX 16

/* --- A filter's alternatives. --- */

/* How a group's ranges become boxes. */
enum form {
	FORM_SPREAD, /* a box for each range */
	FORM_HULL,   /* one from the first to the last */
	FORM_WILD    /* no restriction at all */
};

/* A group on its way to boxes. */
struct factor {
	const struct sl_group *group;
	enum form form;
	size_t at; /* the alternative at hand */
};

/* The product of all groups of one filter. */
struct product {
	struct factor factors[SLUICE_FIELD_COUNT];
	uint32_t n;
};

/* How many bits of a part's number lie behind element i. */
static unsigned int
bits_behind(const struct sl_key_plan *plan, const struct sl_key_part *part, uint32_t i)
{
	unsigned int bits = 0;

	while (++i < part->n_elements)
		bits += plan->elements[part->element + i].bits;
	return bits;
}

/*
 * True when ranges over single elements can say what the range says: below the first element in
 * which its ends differ, it begins with zeros and ends with ones.
 */
static bool
fits_elements(const struct sl_key_plan *plan, const struct sl_key_part *part,
	const struct sl_range *range)
{
	for (uint32_t i = 0; i + 1u < part->n_elements; i++) {
		const unsigned int shift = bits_behind(plan, part, i);
		const sl_wide below = ((sl_wide)1 << shift) - 1;

		if (range->low >> shift != range->high >> shift)
			return (range->low & below) == 0 && (range->high & below) == below;
	}
	return true;
}

/* Ranges are worth boxes of their own when most of what lies between them is gaps. */
static bool
is_sparse(const struct sl_ranges *ranges)
{
	const sl_wide hull = ranges->list[ranges->n - 1].high - ranges->list[0].low;
	sl_wide covered = 0;

	for (size_t i = 0; i < ranges->n; i++)
		covered += ranges->list[i].high - ranges->list[i].low;
	return covered < hull / 2;
}

static enum form
first_form(const struct sl_key_plan *plan, const struct sl_group *group)
{
	const struct sl_ranges *present = &group->present;

	if (group->slot == SL_SLOT_NONE || plan->part_of_slot[group->slot] == SL_KEY_PARTS_MAX)
		return FORM_WILD;
	if (!group->is_exact || present->n < 2 || present->n > SPREAD_MAX || !is_sparse(present))
		return FORM_HULL;
	/* Boxes larger than their ranges could overlap, and a filter would match twice. */
	for (size_t i = 0; i < present->n; i++) {
		if (!fits_elements(
			    plan, &plan->parts[plan->part_of_slot[group->slot]], &present->list[i]))
			return FORM_HULL;
	}
	return FORM_SPREAD;
}

static size_t
n_alternatives(const struct factor *factor)
{
	const size_t absent = factor->group->accepts_absent ? 1 : 0;

	switch (factor->form) {
	case FORM_SPREAD:
		return absent + factor->group->present.n;
	case FORM_HULL:
		return absent + (factor->group->present.n > 0 ? 1 : 0);
	default:
		return 1;
	}
}

static size_t
product_size(const struct product *product)
{
	size_t size = 1;

	/* Cut off before it can wrap: a factor is at most 17. */
	for (uint32_t i = 0; i < product->n && size <= SPREAD_MAX; i++)
		size *= n_alternatives(&product->factors[i]);
	return size;
}

/* Merges alternatives, beginning where there are most, until few enough boxes are left. */
static void
limit_product(struct product *product, size_t size_max)
{
	while (product_size(product) > size_max) {
		struct factor *largest = &product->factors[0];

		for (uint32_t i = 1; i < product->n; i++) {
			if (n_alternatives(&product->factors[i]) > n_alternatives(largest))
				largest = &product->factors[i];
		}
		largest->form = largest->form == FORM_SPREAD ? FORM_HULL : FORM_WILD;
	}
}

/* --- One box. --- */

/* A box under construction: the last one of the list. */
struct draft {
	struct sl_box *box;
	uint32_t *lows;
	uint32_t *highs;
};

static bool
require(struct draft *draft, uint32_t bit, bool is_present)
{
	const uint32_t want = is_present ? bit : 0;

	if ((draft->box->care & bit) != 0 && (draft->box->want & bit) != want)
		return false; /* another group wants the opposite of the same field */
	draft->box->care |= bit;
	draft->box->want |= want;
	return true;
}

static bool
narrow_element(struct draft *draft, uint32_t element, uint32_t low, uint32_t high)
{
	draft->lows[element] = SL_MAX(draft->lows[element], low);
	draft->highs[element] = SL_MIN(draft->highs[element], high);
	return draft->lows[element] <= draft->highs[element];
}

/* Narrows the elements of a part to a range, down to the first in which its ends differ. */
static bool
narrow(struct draft *draft, const struct sl_key_plan *plan, const struct sl_key_part *part,
	const struct sl_range *range)
{
	if (!fits_elements(plan, part, range))
		draft->box->is_tested = true;
	for (uint32_t i = 0; i < part->n_elements; i++) {
		const uint32_t element = part->element + i;
		const unsigned int shift = bits_behind(plan, part, i);
		const uint32_t max = sl_element_max(&plan->elements[element]);
		const uint32_t low = (uint32_t)(range->low >> shift) & max;
		const uint32_t high = (uint32_t)(range->high >> shift) & max;

		if (!narrow_element(draft, element, low, high))
			return false;
		if (low != high)
			return true;
	}
	return true;
}

static bool
apply(struct draft *draft, const struct sl_key_plan *plan, const struct factor *factor)
{
	const struct sl_group *group = factor->group;
	const struct sl_ranges *present = &group->present;
	const struct sl_key_part *part;
	uint32_t bit;
	size_t at = factor->at;

	if (factor->form == FORM_WILD) {
		draft->box->is_tested = true;
		return true;
	}
	part = &plan->parts[plan->part_of_slot[group->slot]];
	bit = (uint32_t)1 << plan->part_of_slot[group->slot];
	if (group->accepts_absent && at-- == 0)
		return require(draft, bit, false);
	if (!require(draft, bit, true))
		return false;
	if (factor->form == FORM_SPREAD)
		return narrow(draft, plan, part, &present->list[at]);
	if (!group->is_exact || present->n > 1)
		draft->box->is_tested = true;
	return narrow(draft, plan, part,
		&(struct sl_range){present->list[0].low, present->list[present->n - 1].high});
}

static int
make_room(struct sl_boxes *boxes)
{
	const uint32_t size = boxes->size == 0 ? 64 : boxes->size * 2;
	struct sl_box *list;
	uint32_t *bounds;

	if (boxes->n < boxes->size)
		return 0;
	list = reallocarray(boxes->list, size, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	boxes->list = list;
	bounds = reallocarray(
		boxes->bounds, size, 2 * SL_MAX(boxes->n_elements, 1u) * sizeof(*bounds));
	if (bounds == NULL)
		return -ENOMEM;
	boxes->bounds = bounds;
	boxes->size = size;
	return 0;
}

static uint32_t
n_narrowed(const struct sl_boxes *boxes, const struct sl_key_plan *plan, uint32_t i)
{
	const uint32_t *lows = sl_box_lows(boxes, i);
	const uint32_t *highs = sl_box_highs(boxes, i);
	uint32_t n = 0;

	for (uint32_t k = 0; k < boxes->n_elements; k++)
		n += lows[k] > 0 || highs[k] < sl_element_max(&plan->elements[k]);
	return n;
}

/* Adds the box of the alternatives at hand, unless they exclude each other. */
static int
add_box(struct sl_boxes *boxes, const struct sl_key_plan *plan, uint32_t rank,
	const struct product *product)
{
	struct draft draft;
	bool is_possible = true;

	if (make_room(boxes) != 0)
		return -ENOMEM;
	draft.box = &boxes->list[boxes->n];
	draft.lows = boxes->bounds + (size_t)boxes->n * 2 * boxes->n_elements;
	draft.highs = draft.lows + boxes->n_elements;
	*draft.box = (struct sl_box){.rank = rank};
	for (uint32_t i = 0; i < boxes->n_elements; i++) {
		draft.lows[i] = 0;
		draft.highs[i] = sl_element_max(&plan->elements[i]);
	}
	for (uint32_t i = 0; i < product->n && is_possible; i++)
		is_possible = apply(&draft, plan, &product->factors[i]);
	/* More than a block can hold: the rest of them is left to the tests. */
	if (n_narrowed(boxes, plan, boxes->n) > SL_BLOCK_COLUMNS - SL_BLOCK_STANDARD) {
		draft.box->is_wide = !draft.box->is_tested;
		draft.box->is_tested = true;
	}
	if (is_possible)
		boxes->n++;
	return 0;
}

/* Steps to the next combination of alternatives; false behind the last. */
static bool
advance(struct product *product)
{
	for (uint32_t i = 0; i < product->n; i++) {
		if (++product->factors[i].at < n_alternatives(&product->factors[i]))
			return true;
		product->factors[i].at = 0;
	}
	return false;
}

void
sl_boxes_init(struct sl_boxes *boxes, const struct sl_key_plan *plan, uint32_t n_filters)
{
	memset(boxes, 0, sizeof(*boxes));
	boxes->n_elements = plan->n_elements;
	boxes->n_max = n_filters < UINT32_MAX / 4 ? 2 * n_filters + 1024 : UINT32_MAX / 2;
}

int
sl_boxes_add(struct sl_boxes *boxes, const struct sl_key_plan *plan, uint32_t rank,
	const struct sl_groups *groups, bool *is_tested)
{
	struct product product = {.n = 0};
	const uint32_t first = boxes->n;

	*is_tested = false;
	if (groups->never)
		return 0;
	for (uint32_t i = 0; i < groups->n; i++) {
		const struct sl_group *group = &groups->list[i];

		product.factors[product.n++] =
			(struct factor){.group = group, .form = first_form(plan, group)};
	}
	limit_product(&product, boxes->n < boxes->n_max ? SPREAD_MAX : 1);
	do {
		if (add_box(boxes, plan, rank, &product) != 0)
			return -ENOMEM;
	} while (advance(&product));
	for (uint32_t i = first; i < boxes->n; i++)
		*is_tested = *is_tested || boxes->list[i].is_tested;
	return 0;
}

void
sl_boxes_fini(struct sl_boxes *boxes)
{
	free(boxes->list);
	free(boxes->bounds);
	memset(boxes, 0, sizeof(*boxes));
}
