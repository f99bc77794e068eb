/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/layer.h"

#include "base/sl_clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- Order. --- */

/* Higher weight first, then the older object. */
static int
compare_weights(uint64_t weight_a, uint64_t id_a, uint64_t weight_b, uint64_t id_b)
{
	if (weight_a != weight_b)
		return weight_a > weight_b ? -1 : 1;
	return (id_a > id_b) - (id_a < id_b);
}

static int
compare(const void *a, const void *b)
{
	const struct sl_ranked *left = a;
	const struct sl_ranked *right = b;
	const int order = compare_weights(left->sublayer->weight, left->sublayer->object.id,
		right->sublayer->weight, right->sublayer->object.id);

	if (order != 0)
		return order;
	return compare_weights(left->filter->effective_weight, left->filter->object.id,
		right->filter->effective_weight, right->filter->object.id);
}

void
sl_ranked_sort(struct sl_ranked *list, uint32_t n)
{
	qsort(list, n, sizeof(*list), compare);
}

/* --- Making. --- */

/* The members of a layer program while they may still be written. */
struct draft {
	struct sl_layer_program *layer;
	struct sl_filter_hot *hot;
	struct sl_filter_run *filters;
	struct sl_sublayer_run *sublayers;
	const struct sl_policy *policy;
	const struct sl_compile_host *host;
	struct sl_error *err;
};

static enum sl_hot_action
hot_action(enum sluice_action action)
{
	switch (action) {
	case SLUICE_ACTION_PERMIT:
		return SL_HOT_PERMIT;
	case SLUICE_ACTION_CALLOUT_TERMINATING:
		return SL_HOT_CALLOUT_TERMINATING;
	case SLUICE_ACTION_CALLOUT_UNKNOWN:
		return SL_HOT_CALLOUT_UNKNOWN;
	case SLUICE_ACTION_CALLOUT_INSPECTION:
		return SL_HOT_CALLOUT_INSPECTION;
	default:
		return SL_HOT_BLOCK;
	}
}

static int
dangling(struct sl_error *err, const struct sl_filter *filter, const char *what, const char *key)
{
	return sl_error_set(err, SL_ERR_INTERNAL, NULL,
		"filter %s refers to %s %s, which does not exist", filter->object.key, what, key);
}

static bool
names_set(const struct sl_condition *condition)
{
	return condition->value.type == SLUICE_TYPE_SET;
}

/* Resolves the sets that a filter's conditions name, and takes references on them. */
static int
resolve_sets(struct draft *d, struct sl_filter_run *run)
{
	const struct sl_filter *filter = run->object;
	const struct sl_set **sets;
	size_t first = 0;

	while (first < filter->n_conditions && !names_set(&filter->conditions[first]))
		first++;
	if (first == filter->n_conditions)
		return 0;
	sets = calloc(filter->n_conditions, sizeof(*sets));
	if (sets == NULL)
		return sl_error_set(d->err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	run->sets = sets;
	for (size_t i = first; i < filter->n_conditions; i++) {
		const char *key = filter->conditions[i].value.text;
		const struct sl_object *set;

		if (!names_set(&filter->conditions[i]))
			continue;
		set = sl_policy_find(d->policy, SL_OBJECT_SET, key);
		if (set == NULL)
			return dangling(d->err, filter, "set", key);
		sets[i] = sl_set_of(sl_object_get(set));
	}
	return 0;
}

static int
resolve_context(struct draft *d, struct sl_filter_run *run)
{
	const char *key = run->object->provider_context;
	const struct sl_object *context;

	if (key == NULL)
		return 0;
	context = sl_policy_find(d->policy, SL_OBJECT_PROVIDER_CONTEXT, key);
	if (context == NULL)
		return dangling(d->err, run->object, "provider context", key);
	run->provider_context = sl_provider_context_of(sl_object_get(context));
	return 0;
}

static int
add_filter(struct draft *d, const struct sl_ranked *ranked)
{
	struct sl_layer_program *layer = d->layer;
	const uint32_t rank = layer->n_filters++;
	struct sl_filter_run *run = &d->filters[rank];
	const struct sl_filter *filter = ranked->filter;
	int rc;

	*run = (struct sl_filter_run){.object = sl_filter_of(sl_object_get(&filter->object)),
		.id = filter->object.id,
		.weight = filter->effective_weight};
	rc = resolve_context(d, run);
	if (rc == 0)
		rc = resolve_sets(d, run);
	if (rc == 0)
		rc = d->host->bind(d->host->ctx, filter, &run->binding, d->err);
	if (rc != 0)
		return rc;
	d->hot[rank] = (struct sl_filter_hot){.counter = run->binding.counter,
		.sublayer = (uint16_t)(layer->n_sublayers - 1),
		.action = (uint8_t)hot_action(filter->action),
		.flags = (uint8_t)(filter->flags &
			(SL_FILTER_CLEAR_ACTION_RIGHT | SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED))};
	return 0;
}

static void
add_sublayer(struct draft *d, const struct sl_sublayer *sublayer)
{
	d->sublayers[d->layer->n_sublayers++] =
		(struct sl_sublayer_run){.object = sl_sublayer_of(sl_object_get(&sublayer->object)),
			.first = d->layer->n_filters,
			.weight = sublayer->weight};
}

static int
add_filters(struct draft *d, const struct sl_ranked *list, uint32_t n,
	const struct sl_compile_tick *tick)
{
	for (uint32_t i = 0; i < n; i++) {
		int rc;

		if (i == 0 || list[i].sublayer != list[i - 1].sublayer)
			add_sublayer(d, list[i].sublayer);
		rc = add_filter(d, &list[i]);
		d->sublayers[d->layer->n_sublayers - 1].n_filters++;
		if (rc == 0 && i % 1024 == 1023)
			rc = sl_compile_tick(tick, 0, d->err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* --- What follows from the list. --- */

static bool
is_callout(const struct sl_filter_hot *hot)
{
	return hot->action > SL_HOT_PERMIT;
}

/* Counts callouts. The longest match list has them all, and one filter that ends each sublayer. */
static uint64_t
measure_sublayers(struct draft *d)
{
	uint64_t matches_max = 0;

	for (uint32_t s = 0; s < d->layer->n_sublayers; s++) {
		struct sl_sublayer_run *sublayer = &d->sublayers[s];
		uint32_t n_callouts = 0;

		for (uint32_t i = 0; i < sublayer->n_filters; i++)
			n_callouts += is_callout(&d->hot[sublayer->first + i]);
		sublayer->has_callouts = n_callouts > 0;
		matches_max += n_callouts + (n_callouts < sublayer->n_filters ? 1 : 0);
	}
	return matches_max;
}

static int
measure(struct draft *d)
{
	struct sl_layer_program *layer = d->layer;
	const uint64_t matches_max = measure_sublayers(d);

	for (uint32_t s = layer->n_sublayers; s-- > 0;) {
		d->sublayers[s].has_callouts_below = layer->has_callouts;
		layer->has_callouts = layer->has_callouts || d->sublayers[s].has_callouts;
	}
	if (matches_max > SL_MATCHES_MAX)
		return sl_error_set(d->err, SL_ERR_OUT_OF_BOUNDS, NULL,
			"callout filters and sublayers at %s: a packet could match %" PRIu64
			", the limit is %u",
			layer->layer->name, matches_max, SL_MATCHES_MAX);
	layer->matches_max = (uint32_t)matches_max;
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

/* A layer program with room for everything and one reference. 0, or NO_MEMORY. */
static int
allocate(struct draft *d, const struct sl_layer *layer, uint32_t n, uint32_t n_sublayers)
{
	d->layer = calloc(1, sizeof(*d->layer));
	d->hot = calloc(n, sizeof(*d->hot));
	d->filters = calloc(n, sizeof(*d->filters));
	d->sublayers = calloc(n_sublayers, sizeof(*d->sublayers));
	if (d->layer == NULL || d->hot == NULL || d->filters == NULL || d->sublayers == NULL) {
		free(d->layer);
		free(d->hot);
		free(d->filters);
		free(d->sublayers);
		return sl_error_set(d->err, SL_ERR_NO_MEMORY, NULL,
			"out of memory for %" PRIu32 " filters of %s", n, layer->name);
	}
	d->layer->layer = layer;
	d->layer->hot = d->hot;
	d->layer->filters = d->filters;
	d->layer->sublayers = d->sublayers;
	d->layer->n_refs = 1;
	d->layer->memory_bytes = sizeof(*d->layer) + n * (sizeof(*d->hot) + sizeof(*d->filters)) +
		n_sublayers * sizeof(*d->sublayers);
	return 0;
}

int
sl_layer_make(const struct sl_policy *policy, const struct sl_layer *layer,
	const struct sl_ranked *list, uint32_t n, const struct sl_compile_tick *tick,
	struct sl_layer_program **out, struct sl_error *err)
{
	const uint32_t n_sublayers = count_sublayers(list, n);
	struct draft d = {.policy = policy, .host = tick->host, .err = err};
	int rc = 0;

	if (allocate(&d, layer, n, n_sublayers) != 0)
		return -ENOMEM;
	rc = add_filters(&d, list, n, tick);
	if (rc == 0)
		rc = measure(&d);
	if (rc != 0) {
		sl_layer_put(d.layer);
		return rc;
	}
	*out = d.layer;
	return 0;
}

/* --- Copying. --- */

static const struct sl_set *const *
copy_sets(const struct sl_filter_run *from)
{
	const size_t n = from->object->n_conditions;
	const struct sl_set **sets = calloc(n, sizeof(*sets));

	if (sets == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (from->sets[i] != NULL)
			sets[i] = sl_set_of(sl_object_get(&from->sets[i]->object));
	}
	return sets;
}

/* 0 or -ENOMEM, with `*to` as it was. */
static int
copy_filter(struct sl_filter_run *to, const struct sl_filter_run *from)
{
	const struct sl_set *const *sets = NULL;

	if (from->sets != NULL) {
		sets = copy_sets(from);
		if (sets == NULL)
			return -ENOMEM;
	}
	*to = *from;
	to->sets = sets;
	sl_object_get(&from->object->object);
	if (from->provider_context != NULL)
		sl_object_get(&from->provider_context->object);
	return 0;
}

int
sl_layer_copy(
	const struct sl_layer_program *from, struct sl_layer_program **out, struct sl_error *err)
{
	struct draft d = {.err = err};
	struct sl_filter_walk walk = {.layer = from};
	uint32_t rank;

	if (allocate(&d, from->layer, from->n_filters, from->n_sublayers) != 0)
		return -ENOMEM;
	while (d.layer->n_sublayers < from->n_sublayers) {
		const uint32_t s = d.layer->n_sublayers++;

		d.sublayers[s] = from->sublayers[s];
		sl_object_get(&from->sublayers[s].object->object);
	}
	while (sl_filter_walk_next(&walk, &rank)) {
		const uint32_t n = d.layer->n_filters;

		if (copy_filter(&d.filters[n], &from->filters[rank]) != 0) {
			sl_layer_put(d.layer);
			return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory");
		}
		d.hot[n] = from->hot[rank];
		d.layer->n_filters++;
	}
	d.layer->matches_max = from->matches_max;
	d.layer->has_callouts = from->has_callouts;
	*out = d.layer;
	return 0;
}

bool
sl_filter_walk_next(struct sl_filter_walk *walk, uint32_t *rank)
{
	if (walk->at[0] == walk->layer->n_filters)
		return false;
	*rank = walk->at[0]++;
	return true;
}

/* --- Sharing. --- */

/* Objects never change, and a program holds on to its own: the same address is the same object. */
static bool
is_same_filter(const struct sl_filter_run *a, const struct sl_filter_run *b)
{
	if (a->object != b->object || a->provider_context != b->provider_context ||
		a->binding.counter != b->binding.counter ||
		a->binding.callout != b->binding.callout ||
		a->binding.context != b->binding.context || (a->sets == NULL) != (b->sets == NULL))
		return false;
	return a->sets == NULL ||
		memcmp(a->sets, b->sets, a->object->n_conditions * sizeof(*a->sets)) == 0;
}

bool
sl_layer_is_same(const struct sl_layer_program *a, const struct sl_layer_program *b)
{
	if (a->n_filters != b->n_filters || a->n_sublayers != b->n_sublayers)
		return false;
	for (uint32_t s = 0; s < a->n_sublayers; s++) {
		if (a->sublayers[s].object != b->sublayers[s].object ||
			a->sublayers[s].first != b->sublayers[s].first)
			return false;
	}
	for (uint32_t rank = 0; rank < a->n_filters; rank++) {
		if (!is_same_filter(&a->filters[rank], &b->filters[rank]))
			return false;
	}
	return true;
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
	layer->memory_bytes += layer->program->bytes;
	layer->build_ns = sl_clock_monotonic_ns() - begin_ns;
	return 0;
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

static void
put(const struct sl_object *object)
{
	sl_object_put((struct sl_object *)(uintptr_t)object);
}

static void
put_filter(const struct sl_filter_run *run)
{
	if (run->sets != NULL) {
		for (size_t i = 0; i < run->object->n_conditions; i++) {
			if (run->sets[i] != NULL)
				put(&run->sets[i]->object);
		}
		free((void *)(uintptr_t)run->sets);
	}
	if (run->provider_context != NULL)
		put(&run->provider_context->object);
	put(&run->object->object);
}

void
sl_layer_put(const struct sl_layer_program *layer)
{
	if (layer == NULL || __atomic_sub_fetch(&writable(layer)->n_refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (uint32_t rank = 0; rank < layer->n_filters; rank++)
		put_filter(&layer->filters[rank]);
	for (uint32_t s = 0; s < layer->n_sublayers; s++)
		put(&layer->sublayers[s].object->object);
	sl_program_free(layer->program);
	free((void *)(uintptr_t)layer->hot);
	free((void *)(uintptr_t)layer->filters);
	free((void *)(uintptr_t)layer->sublayers);
	free(writable(layer));
}
