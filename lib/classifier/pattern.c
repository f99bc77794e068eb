/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/pattern.h"

#include <errno.h>
#include <stdlib.h>

/* One box's words on their way into pairs. */
struct draft {
	uint32_t masks[SL_KEY_AT_MAX];
	uint32_t values[SL_KEY_AT_MAX];
};

/* The bits that all numbers from `low` to `high` have alike. */
static uint32_t
common_bits(uint32_t low, uint32_t high)
{
	const uint32_t differ = low ^ high;

	if (differ == 0)
		return UINT32_MAX;
	return ~(UINT32_MAX >> __builtin_clz(differ));
}

static void
add_bits(struct draft *draft, uint32_t at, uint32_t mask, uint32_t value)
{
	draft->masks[at] |= mask;
	draft->values[at] |= value & mask;
}

static void
add_element(struct draft *draft, const struct sl_layout *layout,
	const struct sl_key_element *element, uint32_t e, uint32_t low, uint32_t high)
{
	const struct sl_layout_place *place = &layout->elements[e];
	const uint32_t mask = common_bits(low, high) & sl_element_max(element);

	add_bits(draft, place->at, mask << place->shift, low << place->shift);
}

/* A box inside a derived range or outside it knows that bit. */
static void
add_derived(struct draft *draft, const struct sl_layout *layout, const uint32_t *lows,
	const uint32_t *highs)
{
	const struct sl_key_derived *derived = &layout->derived;

	for (uint32_t lane = 0; lane < 16; lane++) {
		const uint32_t element = layout->derived_elements[lane / 8];
		const uint32_t low = derived->lows[lane];
		const uint32_t high = low + derived->spans[lane];
		const uint32_t bit = 1u << (16 + lane);

		if (low == 0 && high == UINT16_MAX)
			continue;
		if (lows[element] >= low && highs[element] <= high)
			add_bits(draft, derived->to, bit, bit);
		else if (highs[element] < low || lows[element] > high)
			add_bits(draft, derived->to, bit, 0);
	}
}

static void
make_box(struct sl_pattern *list, uint32_t n_pairs, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes, uint32_t box)
{
	const uint32_t *lows = sl_box_lows(boxes, box);
	const uint32_t *highs = sl_box_highs(boxes, box);
	struct draft draft = {.masks = {0}};

	for (uint32_t e = 0; e < plan->n_elements; e++)
		add_element(&draft, layout, &plan->elements[e], e, lows[e], highs[e]);
	if (layout->derived.is_used)
		add_derived(&draft, layout, lows, highs);
	for (uint32_t i = 0; i < n_pairs; i++) {
		const uint32_t at = 2 * i;

		list[i].mask = draft.masks[at] | (uint64_t)draft.masks[at + 1] << 32;
		list[i].value = draft.values[at] | (uint64_t)draft.values[at + 1] << 32;
	}
}

int
sl_patterns_make(struct sl_patterns *patterns, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes)
{
	const uint32_t n_pairs = layout->n_pairs;

	patterns->n_pairs = n_pairs;
	patterns->list = calloc((size_t)boxes->n * n_pairs + 1, sizeof(*patterns->list));
	if (patterns->list == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < boxes->n; i++)
		make_box(patterns->list + (size_t)i * n_pairs, n_pairs, layout, plan, boxes, i);
	return 0;
}

void
sl_patterns_fini(struct sl_patterns *patterns)
{
	free(patterns->list);
	patterns->list = NULL;
}
