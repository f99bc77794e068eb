/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/part.h"

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

uint64_t
sl_part_key(const struct sl_layer_program *layer, uint32_t level, uint32_t rank)
{
	const struct sl_order order = sl_order_of(layer, rank);
	uint64_t key = 0;

	for (uint32_t i = 0; i < level; i++)
		key |= (uint64_t)sl_level_find(layer, i, &order) << levels[i].shift;
	return key;
}

uint64_t
sl_part_key_again(uint32_t level, uint64_t key)
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

/* NULL: no memory. */
static struct sl_part *
new_part(uint32_t n)
{
	struct sl_part *part = calloc(1, sizeof(*part));
	uint64_t *keys = calloc(n, sizeof(*keys));
	uint32_t *ranks = calloc(n, sizeof(*ranks));
	struct sl_span *spans = calloc(n, sizeof(*spans));

	if (part == NULL || keys == NULL || ranks == NULL || spans == NULL) {
		free(part);
		free(keys);
		free(ranks);
		free(spans);
		return NULL;
	}
	part->n_refs = 1;
	part->n = n;
	part->keys = keys;
	part->ranks = ranks;
	part->spans = spans;
	part->bytes = sizeof(*part) + n * (sizeof(*keys) + sizeof(*ranks) + sizeof(*spans));
	return part;
}

static void
fill(struct sl_part *part, const struct sl_layer_program *layer, uint32_t level,
	const struct sl_item *items)
{
	uint64_t *keys = (uint64_t *)(uintptr_t)part->keys;
	uint32_t *ranks = (uint32_t *)(uintptr_t)part->ranks;
	struct sl_span *spans = (struct sl_span *)(uintptr_t)part->spans;

	for (uint32_t place = 0; place < part->n; place++) {
		keys[place] = finish_key(level, items[place].key, place);
		ranks[place] = items[place].rank;
		spans[place] = items[place].span;
		part->n_callouts += sl_hot_is_callout(&layer->hot[ranks[place]]);
	}
}

static int
no_memory(const struct sl_layer_program *layer, uint32_t n, struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_NO_MEMORY, NULL,
		"out of memory for %" PRIu32 " filters of %s", n, layer->layer->name);
}

int
sl_part_make(const struct sl_layer_program *layer, uint32_t level, const struct sl_item *items,
	uint32_t n, const struct sl_compile_tick *tick, struct sl_part **out, struct sl_error *err)
{
	struct sl_part *part = new_part(n);
	struct sl_program_source source = {.layer = layer, .n = n, .is_small_change = true};
	int rc;

	if (part == NULL)
		return no_memory(layer, n, err);
	fill(part, layer, level, items);
	source.filters = part->ranks;
	part->sieve = sl_sieve_new(part->spans, part->keys, n, sl_level_bits(level).n);
	if (part->sieve == NULL) {
		sl_part_put(part);
		return no_memory(layer, n, err);
	}
	part->bytes += part->sieve->bytes;
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
