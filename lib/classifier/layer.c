/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/layer.h"

#include "base/sl_clock.h"
#include "classifier/overlay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Room for filters that are added later, as many as are there, between these. */
#define SLACK_MIN 512u
#define SLACK_MAX 8192u

/* --- The store. --- */

static void
free_store(struct sl_store *store)
{
	for (uint32_t i = 0; i < store->n; i++)
		sl_entry_put(&store->filters[i]);
	sl_program_free(store->program);
	free(store->hot);
	free(store->filters);
	free(store);
}

void
sl_store_get(struct sl_store *store)
{
	__atomic_add_fetch(&store->n_refs, 1, __ATOMIC_RELAXED);
}

static void
put_store(struct sl_store *store)
{
	if (__atomic_sub_fetch(&store->n_refs, 1, __ATOMIC_ACQ_REL) == 0)
		free_store(store);
}

/* A store with room for `n` filters and more. NULL: no memory. */
static struct sl_store *
new_store(uint32_t n)
{
	struct sl_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->n_refs = 1;
	store->n_max = n + SL_MIN(SL_MAX(n, SLACK_MIN), SLACK_MAX);
	store->hot = calloc(store->n_max, sizeof(*store->hot));
	store->filters = calloc(store->n_max, sizeof(*store->filters));
	store->bytes =
		sizeof(*store) + store->n_max * (sizeof(*store->hot) + sizeof(*store->filters));
	if (store->hot != NULL && store->filters != NULL)
		return store;
	free_store(store);
	return NULL;
}

/* --- Making. --- */

struct sl_sublayer_run *
sl_layer_sublayers(struct sl_layer_program *layer)
{
	return (struct sl_sublayer_run *)(uintptr_t)layer->sublayers;
}

static int
add_filter(struct sl_layer_program *layer, const struct sl_entry_maker *maker,
	const struct sl_ranked *ranked)
{
	struct sl_store *store = layer->store;
	const uint16_t number = (uint16_t)(layer->n_sublayers - 1);
	struct sl_sublayer_run *sublayer = &sl_layer_sublayers(layer)[number];
	struct sl_filter_hot *hot = &store->hot[store->n];
	int rc = sl_entry_make(maker, ranked, number, hot, &store->filters[store->n]);

	if (rc != 0)
		return rc;
	store->n++;
	layer->n_filters++;
	sublayer->n_filters++;
	sublayer->n_callouts += sl_hot_is_callout(hot);
	layer->n_ask_reassembled += sl_hot_asks_reassembled(hot);
	layer->n_ask_packet += sl_hot_asks_packet(hot);
	return 0;
}

static void
add_sublayer(struct sl_layer_program *layer, const struct sl_sublayer *sublayer)
{
	const uint32_t number = layer->n_sublayers++;

	sl_layer_sublayers(layer)[number] =
		(struct sl_sublayer_run){.object = sl_sublayer_of(sl_object_get(&sublayer->object)),
			.first = layer->n_filters,
			.weight = sublayer->weight,
			.place = (uint16_t)number};
}

static int
add_filters(struct sl_layer_program *layer, const struct sl_entry_maker *maker,
	const struct sl_ranked *list, uint32_t n, const struct sl_compile_tick *tick)
{
	for (uint32_t i = 0; i < n; i++) {
		int rc;

		if (i == 0 || list[i].sublayer != list[i - 1].sublayer)
			add_sublayer(layer, list[i].sublayer);
		rc = add_filter(layer, maker, &list[i]);
		if (rc == 0 && i % 1024 == 1023)
			rc = sl_compile_tick(tick, 0, maker->err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static uint32_t
count_sublayers(const struct sl_ranked *list, uint32_t n)
{
	uint32_t n_sublayers = n > 0 ? 1 : 0;

	for (uint32_t i = 1; i < n; i++)
		n_sublayers += list[i].sublayer != list[i - 1].sublayer;
	return n_sublayers;
}

/* NULL: no memory. */
static struct sl_layer_program *
new_layer(const struct sl_layer *layer, uint32_t n, uint32_t n_sublayers)
{
	struct sl_layer_program *program = calloc(1, sizeof(*program));
	struct sl_sublayer_run *sublayers = calloc(n_sublayers, sizeof(*sublayers));
	struct sl_store *store = new_store(n);

	if (program == NULL || sublayers == NULL || store == NULL) {
		free(program);
		free(sublayers);
		if (store != NULL)
			free_store(store);
		return NULL;
	}
	program->layer = layer;
	program->store = store;
	program->hot = store->hot;
	program->filters = store->filters;
	program->sublayers = sublayers;
	program->n_refs = 1;
	program->memory_bytes = sizeof(*program) + store->bytes + n_sublayers * sizeof(*sublayers);
	return program;
}

int
sl_layer_make(const struct sl_policy *policy, const struct sl_layer *layer,
	const struct sl_ranked *list, uint32_t n, const struct sl_compile_tick *tick,
	struct sl_layer_program **out, struct sl_error *err)
{
	const struct sl_entry_maker maker = {
		.policy = policy, .host = tick->host, .stamp = tick->stamp, .err = err};
	struct sl_layer_program *program = new_layer(layer, n, count_sublayers(list, n));
	uint64_t matches_max;
	int rc;

	if (program == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL,
			"out of memory for %" PRIu32 " filters of %s", n, layer->name);
	rc = add_filters(program, &maker, list, n, tick);
	matches_max = sl_layer_measure(program);
	if (rc == 0 && matches_max > SL_MATCHES_MAX)
		rc = sl_error_set(err, SL_ERR_OUT_OF_BOUNDS, NULL,
			"callout filters and sublayers at %s: a packet could match %" PRIu64
			", the limit is %u",
			layer->name, matches_max, SL_MATCHES_MAX);
	if (rc != 0) {
		sl_layer_put(program);
		return rc;
	}
	program->store->n_base = n;
	program->store->matches_max = program->matches_max;
	*out = program;
	return 0;
}

/* The longest match list has all callouts, and one filter that ends each sublayer. */
uint64_t
sl_layer_measure(struct sl_layer_program *layer)
{
	struct sl_sublayer_run *sublayers = sl_layer_sublayers(layer);
	uint32_t last_place = 0; /* behind the last sublayer with callouts */
	uint64_t matches_max = 0;

	for (uint32_t s = 0; s < layer->n_sublayers; s++) {
		struct sl_sublayer_run *sublayer = &sublayers[s];

		sublayer->has_callouts = sublayer->n_callouts > 0;
		if (sublayer->has_callouts)
			last_place = SL_MAX(last_place, sublayer->place + 1u);
		matches_max += sublayer->n_callouts;
		matches_max += sublayer->n_callouts < sublayer->n_filters ? 1 : 0;
	}
	for (uint32_t s = 0; s < layer->n_sublayers; s++)
		sublayers[s].has_callouts_below = sublayers[s].place + 1u < last_place;
	layer->has_callouts = last_place > 0;
	layer->matches_max = (uint32_t)matches_max;
	return matches_max;
}

int
sl_layer_compile(
	struct sl_layer_program *layer, const struct sl_compile_tick *tick, struct sl_error *err)
{
	const uint64_t begin_ns = sl_clock_monotonic_ns();
	const struct sl_program_source source = {.layer = layer, .n = layer->n_filters};
	const int rc = sl_program_build(&source, tick, &layer->program, err);

	if (rc != 0)
		return rc;
	layer->store->program = layer->program;
	if (layer->n_filters >= SL_OVERLAY_BASE_MIN &&
		sl_screen_plan_make(&layer->store->screen_plan, layer) != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for filters of %s",
			layer->layer->name);
	layer->store->bytes += layer->program->bytes;
	layer->memory_bytes += layer->program->bytes;
	layer->build_ns = sl_clock_monotonic_ns() - begin_ns;
	return 0;
}

/* --- Sharing. --- */

static const struct sl_sublayer *
sublayer_of(const struct sl_layer_program *layer, uint32_t rank)
{
	return layer->sublayers[layer->hot[rank].sublayer].object;
}

struct sl_ranked
sl_layer_ranked(const struct sl_layer_program *layer, uint32_t rank)
{
	const struct sl_filter_run *run = &layer->filters[rank];

	return (struct sl_ranked){
		.filter = run->object, .sublayer = sublayer_of(layer, rank), .from = run};
}

bool
sl_layer_is_same(const struct sl_layer_program *a, const struct sl_layer_program *b)
{
	struct sl_filter_walk walk_a = {.layer = a};
	struct sl_filter_walk walk_b = {.layer = b};
	uint32_t rank_a;
	uint32_t rank_b;

	if (a->n_filters != b->n_filters)
		return false;
	while (sl_filter_walk_next(&walk_a, &rank_a) && sl_filter_walk_next(&walk_b, &rank_b)) {
		if (sublayer_of(a, rank_a) != sublayer_of(b, rank_b) ||
			!sl_entry_is_same(&a->filters[rank_a], &b->filters[rank_b]))
			return false;
	}
	return true;
}

/* The count is the one member that is written after the program was made. */
static struct sl_layer_program *
writable(const struct sl_layer_program *layer)
{
	return (struct sl_layer_program *)(uintptr_t)layer;
}

const struct sl_layer_program *
sl_layer_get(const struct sl_layer_program *layer)
{
	__atomic_add_fetch(&writable(layer)->n_refs, 1, __ATOMIC_RELAXED);
	return layer;
}

void
sl_layer_put(const struct sl_layer_program *layer)
{
	if (layer == NULL || __atomic_sub_fetch(&writable(layer)->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint32_t s = 0; s < layer->n_sublayers; s++)
		sl_object_put((struct sl_object *)(uintptr_t)&layer->sublayers[s].object->object);
	sl_overlay_free(layer->overlay);
	put_store(layer->store);
	free((void *)(uintptr_t)layer->sublayers);
	free(writable(layer));
}
