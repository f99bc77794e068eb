/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* By level: how many filters it has room for, and where their places are in a key. */
static const struct {
	uint32_t n_max;
	uint32_t shift;
} levels[SL_LEVELS] = {{UINT32_MAX, 32}, {4096, 18}, {256, 7}, {32, 0}};

/* A level's places, and the one behind them, fit below those of the level before. */
_Static_assert(4096 < 1u << (32 - 18) && 256 < 1u << (18 - 7) && 32 < 1u << 7, "room in keys");

/* --- Order. --- */

struct sl_order
sl_order_of(const struct sl_layer_program *layer, uint32_t rank)
{
	return (struct sl_order){.sublayer = layer->sublayers[layer->hot[rank].sublayer].place,
		.weight = layer->filters[rank].weight,
		.id = layer->filters[rank].id};
}

int
sl_order_compare(const struct sl_order *a, const struct sl_order *b)
{
	if (a->sublayer != b->sublayer)
		return a->sublayer < b->sublayer ? -1 : 1;
	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	return (a->id > b->id) - (a->id < b->id);
}

uint32_t
sl_level_find(const struct sl_layer_program *layer, uint32_t level, const struct sl_order *order)
{
	uint32_t low = 0;
	uint32_t high = sl_level_size(layer, level);

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		const struct sl_order there =
			sl_order_of(layer, sl_level_rank(layer, level, middle));

		if (sl_order_compare(&there, order) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* --- Keys. --- */

/* The key of a filter that is to go to a level, as far as the levels before it decide it. */
static uint64_t
first_key(const struct sl_layer_program *layer, uint32_t level, const struct sl_order *order)
{
	uint64_t key = 0;

	for (uint32_t i = 0; i < level; i++)
		key |= (uint64_t)sl_level_find(layer, i, order) << levels[i].shift;
	return key;
}

/* The same, from the key that it had at this level or one behind it. */
static uint64_t
cut_key(uint32_t level, uint64_t key)
{
	return key >> levels[level - 1].shift << levels[level - 1].shift;
}

static uint64_t
finish_key(uint32_t level, uint64_t key, uint32_t place)
{
	const uint32_t shift = levels[level].shift;

	return key | (uint64_t)place << shift | (((uint64_t)1 << shift) - 1);
}

uint32_t
sl_part_level(const struct sl_layer_program *layer, uint32_t n)
{
	for (uint32_t level = SL_LEVELS; level-- > 1;) {
		n += sl_level_size(layer, level);
		if (layer->overlay != NULL)
			n -= layer->overlay->n_dead[level];
		if (n <= levels[level].n_max)
			return level;
	}
	return SL_LEVELS;
}

/* --- Making. --- */

/* A part in the making. */
struct maker {
	const struct sl_layer_program *layer;
	uint32_t level;
	uint32_t added; /* rank of the next filter that was added */
	uint32_t n;     /* filters that are in their place */
	uint64_t *keys;
	uint32_t *ranks;
	struct sl_span *spans;
	struct sl_groups groups;
};

static void
place(struct maker *m, uint32_t rank, uint64_t key)
{
	m->ranks[m->n] = rank;
	m->keys[m->n] = finish_key(m->level, key, m->n);
	m->n++;
}

/* Takes the filters that were added and stand before `order` (NULL: all that are left). */
static int
place_added(struct maker *m, const struct sl_order *order)
{
	const struct sl_layer_program *layer = m->layer;

	for (; m->added < layer->store->n; m->added++) {
		const struct sl_order here = sl_order_of(layer, m->added);

		if (order != NULL && sl_order_compare(&here, order) > 0)
			return 0;
		if (sl_screen_span(&layer->store->screen_plan, layer->layer,
			    &layer->filters[m->added], &m->groups, &m->spans[m->n]) != 0)
			return -ENOMEM;
		place(m, m->added, first_key(layer, m->level, &here));
	}
	return 0;
}

/* Takes the filters in force at the level and behind it, and those added, in order. */
static int
place_all(struct maker *m)
{
	const struct sl_layer_program *layer = m->layer;
	struct sl_filter_walk walk = {.layer = layer};
	uint32_t level;
	uint32_t at;

	for (uint32_t i = 0; i < m->level; i++)
		walk.at[i] = sl_level_size(layer, i);
	while (sl_walk_step(&walk, &level, &at)) {
		const uint32_t rank = sl_level_rank(layer, level, at);
		const struct sl_order order = sl_order_of(layer, rank);

		if (place_added(m, &order) != 0)
			return -ENOMEM;
		m->spans[m->n] = layer->overlay->parts[level]->spans[at];
		place(m, rank, cut_key(m->level, sl_level_key(layer, level, at)));
	}
	return place_added(m, NULL);
}

static uint32_t
count_filters(const struct sl_layer_program *layer, uint32_t level, uint32_t n_added)
{
	uint32_t n = n_added;

	for (; level < SL_LEVELS; level++)
		n += sl_level_size(layer, level) - layer->overlay->n_dead[level];
	return n;
}

static uint32_t
count_callouts(const struct sl_layer_program *layer, const struct sl_part *part)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < part->n; i++)
		n += sl_hot_is_callout(&layer->hot[part->ranks[i]]);
	return n;
}

/* A part with its filters, and nothing made of them. 0 or -ENOMEM; to be put in either case. */
static int
fill(struct sl_part *part, const struct sl_layer_program *layer, uint32_t level, uint32_t n_added)
{
	const uint32_t n = part->n;
	struct maker m = {.layer = layer,
		.level = level,
		.added = layer->store->n - n_added,
		.keys = calloc(n, sizeof(*m.keys)),
		.ranks = calloc(n, sizeof(*m.ranks)),
		.spans = calloc(n, sizeof(*m.spans))};
	int rc = -ENOMEM;

	part->keys = m.keys;
	part->ranks = m.ranks;
	part->spans = m.spans;
	if (m.keys != NULL && m.ranks != NULL && m.spans != NULL)
		rc = place_all(&m);
	sl_groups_fini(&m.groups);
	if (rc != 0)
		return rc;
	part->n_callouts = count_callouts(layer, part);
	part->sieve = sl_sieve_new(part->spans, part->keys, n, sl_level_bits(level).n);
	if (part->sieve == NULL)
		return -ENOMEM;
	part->bytes = sizeof(*part) + n * (sizeof(*m.keys) + sizeof(*m.ranks) + sizeof(*m.spans)) +
		part->sieve->bytes;
	return 0;
}

int
sl_part_make(const struct sl_layer_program *layer, uint32_t level, uint32_t n_added,
	const struct sl_compile_tick *tick, struct sl_part **out, struct sl_error *err)
{
	const uint32_t n = count_filters(layer, level, n_added);
	struct sl_program_source source = {.layer = layer, .n = n, .is_small_change = true};
	struct sl_part *part = calloc(1, sizeof(*part));
	int rc = -ENOMEM;

	if (part != NULL) {
		part->n_refs = 1;
		part->n = n;
		rc = fill(part, layer, level, n_added);
	}
	if (rc != 0) {
		sl_part_put(part);
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL,
			"out of memory for %" PRIu32 " filters of %s", n, layer->layer->name);
	}
	source.filters = part->ranks;
	rc = sl_program_build(&source, tick, &part->program, err);
	if (rc != 0) {
		sl_part_put(part);
		return rc;
	}
	part->bytes += part->program->bytes;
	*out = part;
	return 0;
}

struct sl_part *
sl_part_get(struct sl_part *part)
{
	__atomic_add_fetch(&part->n_refs, 1, __ATOMIC_RELAXED);
	return part;
}

void
sl_part_put(struct sl_part *part)
{
	if (part == NULL || __atomic_sub_fetch(&part->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	sl_program_free(part->program);
	free((void *)(uintptr_t)part->keys);
	free((void *)(uintptr_t)part->ranks);
	free((void *)(uintptr_t)part->spans);
	free(part->sieve);
	free(part);
}
