/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/screen.h"

#include "classifier/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Spans. --- */

static const struct sl_group *
find_group(const struct sl_groups *groups, enum sl_slot slot)
{
	for (uint32_t i = 0; i < groups->n; i++) {
		if (groups->list[i].slot == slot)
			return &groups->list[i];
	}
	return NULL;
}

/* What a byte of a slot must be for a group to accept the slot's value. */
static void
span_of_byte(const struct sl_group *group, const struct sl_screen_byte *byte, uint8_t *low,
	uint8_t *high)
{
	const uint32_t shift = (sl_slot_info[byte->slot].size - 1u - byte->depth) * 8;
	sl_wide first;
	sl_wide last;

	*low = 0;
	*high = UINT8_MAX;
	if (group == NULL || group->accepts_absent || group->present.n == 0)
		return;
	first = group->present.list[0].low >> shift;
	last = group->present.list[group->present.n - 1].high >> shift;
	if (first >> 8 != last >> 8)
		return;
	*low = (uint8_t)first;
	*high = (uint8_t)last;
}

/* Without a byte, a span of nothing or everything. */
static void
span_of_groups(const struct sl_screen_byte *bytes, uint32_t n, const struct sl_groups *groups,
	uint8_t *low, uint8_t *high)
{
	for (uint32_t b = 0; b < n; b++) {
		span_of_byte(find_group(groups, bytes[b].slot), &bytes[b], &low[b], &high[b]);
		if (groups->never) {
			low[b] = 1;
			high[b] = 0;
		}
	}
}

int
sl_screen_span(const struct sl_screen_plan *plan, const struct sl_layer *layer,
	const struct sl_filter_run *run, struct sl_groups *groups, struct sl_span *span)
{
	memset(span, 0, sizeof(*span));
	if (sl_groups_build(groups, layer, run) != 0)
		return -ENOMEM;
	span_of_groups(plan->bytes, plan->n, groups, span->low, span->high);
	return 0;
}

/* --- The plan. --- */

#define FILTERS    1024u /* of the base that are looked at */
#define WORDS      (FILTERS / 64)
#define PACKETS    64u /* made from some of them */
#define CANDIDATES 48u
/* Bytes of an IPv6 address that are looked at. */
#define DEPTH_MAX 10u

/* Some filters of the base, and how bytes tell them from each other. */
struct planner {
	struct sl_screen_byte bytes[CANDIDATES];
	uint32_t n_bytes;
	uint32_t n_filters;
	uint8_t low[FILTERS][CANDIDATES];
	uint8_t high[FILTERS][CANDIDATES];
	/* By byte, and by packet: a bit per filter that allows the packet's byte. */
	uint64_t allowed[CANDIDATES][PACKETS][WORDS];
};

static void
add_slot(struct planner *p, enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];

	if (info->kind == SL_SLOT_KIND_BLOB)
		return;
	for (uint8_t depth = 0; depth < SL_MIN(info->size, DEPTH_MAX); depth++) {
		/* Numbers are in host order: the most significant byte comes last. */
		const uint32_t at =
			info->kind == SL_SLOT_KIND_NUMBER ? info->size - 1u - depth : depth;

		if (p->n_bytes == CANDIDATES)
			return;
		p->bytes[p->n_bytes++] = (struct sl_screen_byte){.slot = (uint8_t)slot,
			.depth = depth,
			.offset = (uint16_t)(info->offset + at)};
	}
}

static const struct sl_filter_run *
sample(const struct planner *p, const struct sl_layer_program *layer, uint32_t i)
{
	return &layer->filters[(uint64_t)i * layer->store->n_base / p->n_filters];
}

/* Bytes of the slots that the filters restrict. */
static int
list_bytes(struct planner *p, const struct sl_layer_program *layer, struct sl_groups *groups)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < p->n_filters; i++) {
		if (sl_groups_build(groups, layer->layer, sample(p, layer, i)) != 0)
			return -ENOMEM;
		for (uint32_t g = 0; g < groups->n; g++) {
			const enum sl_slot slot = groups->list[g].slot;

			if (slot == SL_SLOT_NONE || (seen >> slot & 1) != 0)
				continue;
			seen |= (uint64_t)1 << slot;
			add_slot(p, slot);
		}
	}
	/* Any byte will do where there is nothing but texts. */
	if (p->n_bytes == 0)
		add_slot(p, SL_SLOT_PROTOCOL);
	return 0;
}

static int
take_spans(struct planner *p, const struct sl_layer_program *layer, struct sl_groups *groups)
{
	for (uint32_t i = 0; i < p->n_filters; i++) {
		if (sl_groups_build(groups, layer->layer, sample(p, layer, i)) != 0)
			return -ENOMEM;
		span_of_groups(p->bytes, p->n_bytes, groups, p->low[i], p->high[i]);
	}
	return 0;
}

/* Some value that a packet of the filter may have, the same every time. */
static uint8_t
byte_of_packet(const struct planner *p, uint32_t b, uint32_t filter)
{
	const uint32_t mixed = (b * FILTERS + filter + 1) * 2654435761u >> 16;
	const uint32_t n = p->high[filter][b] - p->low[filter][b] + 1u;

	return (uint8_t)(p->low[filter][b] + (n == 0 ? 0 : mixed % n));
}

static void
compare_filters(struct planner *p)
{
	for (uint32_t b = 0; b < p->n_bytes; b++) {
		for (uint32_t k = 0; k < PACKETS; k++) {
			const uint32_t from = k * p->n_filters / PACKETS;
			const uint8_t value = byte_of_packet(p, b, from);

			for (uint32_t i = 0; i < p->n_filters; i++) {
				const bool allows = value >= p->low[i][b] && value <= p->high[i][b];

				p->allowed[b][k][i / 64] |= (uint64_t)allows << i % 64;
			}
		}
	}
}

/* Filters that would be left over for all packets together, with one byte more. */
static uint32_t
count_left(const struct planner *p, uint32_t b, uint64_t (*left)[WORDS])
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < PACKETS; k++) {
		for (uint32_t w = 0; w < WORDS; w++)
			n += (uint32_t)__builtin_popcountll(left[k][w] & p->allowed[b][k][w]);
	}
	return n;
}

static uint32_t
best_byte(const struct planner *p, uint64_t (*left)[WORDS], uint32_t *n_left)
{
	uint32_t best = 0;

	*n_left = UINT32_MAX;
	for (uint32_t b = 0; b < p->n_bytes; b++) {
		const uint32_t n = count_left(p, b, left);

		if (n < *n_left) {
			*n_left = n;
			best = b;
		}
	}
	return best;
}

/* One byte after the other, always that which helps most, as long as one does. */
static void
choose_bytes(const struct planner *p, struct sl_screen_plan *plan)
{
	uint64_t left[PACKETS][WORDS];
	uint32_t n_left = UINT32_MAX;

	memset(left, 0xff, sizeof(left));
	while (plan->n < SL_SCREEN_BYTES) {
		uint32_t n;
		const uint32_t b = best_byte(p, left, &n);

		if (n >= n_left)
			break;
		n_left = n;
		for (uint32_t k = 0; k < PACKETS; k++) {
			for (uint32_t w = 0; w < WORDS; w++)
				left[k][w] &= p->allowed[b][k][w];
		}
		plan->bytes[plan->n++] = p->bytes[b];
	}
}

int
sl_screen_plan_make(struct sl_screen_plan *plan, const struct sl_layer_program *layer)
{
	struct sl_groups groups = {.n = 0};
	struct planner *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->n_filters = SL_MIN(layer->store->n_base, FILTERS);
	rc = list_bytes(p, layer, &groups);
	if (rc == 0)
		rc = take_spans(p, layer, &groups);
	if (rc == 0) {
		compare_filters(p);
		choose_bytes(p, plan);
	}
	sl_groups_fini(&groups);
	free(p);
	return rc;
}
