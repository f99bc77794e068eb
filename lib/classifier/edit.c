/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/edit.h"

#include "classifier/part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct editor {
	const struct sl_edit *edit;
	const struct sl_policy *policy;
	const struct sl_compile_tick *tick;
	struct sl_error *err;
	struct sl_layer_program *next; /* the version that is being made */
	struct sl_overlay *overlay;    /* of `next` */
	struct sl_sublayer_run *sublayers;
};

static int
no_memory(const struct editor *e)
{
	return sl_error_set(e->err, SL_ERR_NO_MEMORY, NULL,
		"out of memory for a change of the filters of %s", e->edit->layer->layer->name);
}

/* --- A version like the one before. --- */

/* Sublayers of the filters that are added, which stand together. */
static uint32_t
count_added_sublayers(const struct sl_edit *edit)
{
	uint32_t n = edit->n_added > 0 ? 1 : 0;

	for (uint32_t i = 1; i < edit->n_added; i++)
		n += edit->added[i].sublayer != edit->added[i - 1].sublayer;
	return n;
}

static int
fork_layer(struct editor *e)
{
	const struct sl_layer_program *layer = e->edit->layer;
	const size_t size = layer->n_sublayers * sizeof(*e->sublayers);

	e->next = malloc(sizeof(*e->next));
	e->sublayers = malloc(size + count_added_sublayers(e->edit) * sizeof(*e->sublayers));
	e->overlay = sl_overlay_copy(layer);
	if (e->next == NULL || e->sublayers == NULL || e->overlay == NULL) {
		free(e->next);
		free(e->sublayers);
		sl_overlay_free(e->overlay);
		return no_memory(e);
	}
	memcpy(e->sublayers, layer->sublayers, size);
	for (uint32_t s = 0; s < layer->n_sublayers; s++)
		sl_object_get(&layer->sublayers[s].object->object);
	/* All but the count of users, which other threads change. */
	*e->next = (struct sl_layer_program){
		.layer = layer->layer,
		.hot = layer->hot,
		.filters = layer->filters,
		.sublayers = e->sublayers,
		.n_filters = layer->n_filters,
		.n_sublayers = layer->n_sublayers,
		.n_ask_reassembled = layer->n_ask_reassembled,
		.n_ask_packet = layer->n_ask_packet,
		.matches_max = layer->matches_max,
		.has_callouts = layer->has_callouts,
		.program = layer->program,
		.overlay = e->overlay,
		.store = layer->store,
		.n_refs = 1,
		.memory_bytes = layer->memory_bytes,
		.build_ns = layer->build_ns,
	};
	sl_store_get(e->next->store);
	return 0;
}

/* --- Removing. --- */

/* Looks for a filter in a level, at the place where it would be. */
static bool
find_in(const struct sl_layer_program *layer, uint32_t level, const struct sl_order *order,
	const struct sl_filter *filter, uint32_t *place)
{
	struct sl_order found;
	uint32_t rank;

	*place = sl_level_find(layer, level, order);
	if (*place == sl_level_size(layer, level) ||
		sl_is_dead(layer->overlay->dead[level], *place))
		return false;
	rank = sl_level_rank(layer, level, *place);
	found = sl_order_of(layer, rank);
	return layer->filters[rank].object == filter && sl_order_compare(&found, order) == 0;
}

static bool
kill_in(struct editor *e, const struct sl_filter *filter, struct sl_sublayer_run *sublayer)
{
	const struct sl_order order = {.sublayer = sublayer->place,
		.weight = filter->effective_weight,
		.id = filter->object.id};
	const struct sl_filter_hot *hot;
	uint32_t place;

	for (uint32_t level = 0; level < SL_LEVELS; level++) {
		if (!find_in(e->next, level, &order, filter, &place))
			continue;
		hot = &e->next->hot[sl_level_rank(e->next, level, place)];
		sublayer->n_callouts -= sl_hot_is_callout(hot);
		e->next->n_ask_reassembled -= sl_hot_asks_reassembled(hot);
		e->next->n_ask_packet -= sl_hot_asks_packet(hot);
		sublayer->n_filters--;
		e->next->n_filters--;
		sl_overlay_kill(e->next, e->overlay, level, place);
		return true;
	}
	return false;
}

/* `*number` is the sublayer of the filter before, which often is that of this one. */
static bool
kill(struct editor *e, const struct sl_filter *filter, uint32_t *number)
{
	const uint32_t n = e->next->n_sublayers;

	for (uint32_t i = 0; i < n; i++) {
		struct sl_sublayer_run *sublayer = &e->sublayers[(*number + i) % n];

		/* A sublayer and what replaced it have the same key. */
		if (strcmp(sublayer->object->object.key, filter->sublayer) != 0 ||
			!kill_in(e, filter, sublayer))
			continue;
		*number = (*number + i) % n;
		return true;
	}
	return false;
}

static int
remove_filters(struct editor *e)
{
	uint32_t sublayer = 0;

	for (uint32_t i = 0; i < e->edit->n_removed; i++) {
		const struct sl_filter *filter = e->edit->removed[i];

		if (!kill(e, filter, &sublayer))
			return sl_error_set(e->err, SL_ERR_INTERNAL, NULL,
				"filter %s was to be removed from %s, which does not have it",
				filter->object.key, e->next->layer->name);
	}
	return 0;
}

/* --- Adding. --- */

/* The number of a sublayer, which often is that of the filter before. */
static bool
find_sublayer(const struct editor *e, const struct sl_sublayer *sublayer, uint16_t *number)
{
	if (*number < e->next->n_sublayers && e->sublayers[*number].object == sublayer)
		return true;
	for (uint32_t s = 0; s < e->next->n_sublayers; s++) {
		*number = (uint16_t)s;
		if (e->sublayers[s].object == sublayer)
			return true;
	}
	return false;
}

static bool
stands_before(const struct sl_sublayer *a, const struct sl_sublayer *b)
{
	if (a->weight != b->weight)
		return a->weight > b->weight;
	return a->object.id < b->object.id;
}

/* Numbers stay, places move. */
static void
add_sublayer(struct editor *e, const struct sl_sublayer *sublayer)
{
	struct sl_sublayer_run *added = &e->sublayers[e->next->n_sublayers];

	*added =
		(struct sl_sublayer_run){.object = sl_sublayer_of(sl_object_get(&sublayer->object)),
			.weight = sublayer->weight};
	for (uint32_t s = 0; s < e->next->n_sublayers; s++) {
		if (stands_before(sublayer, e->sublayers[s].object))
			e->sublayers[s].place++;
		else
			added->place++;
	}
	e->next->n_sublayers++;
}

/* There is room for as many as the filters that were added have. */
static void
add_sublayers(struct editor *e)
{
	uint16_t number = 0;

	for (uint32_t i = 0; i < e->edit->n_added; i++) {
		if (!find_sublayer(e, e->edit->added[i].sublayer, &number))
			add_sublayer(e, e->edit->added[i].sublayer);
	}
}

/* At most so many filters of a new part at a level can match a packet. */
static uint32_t
count_matches(const struct editor *e, uint32_t level)
{
	uint32_t n_callouts = 0;
	uint32_t n = e->edit->n_added;

	for (uint32_t i = 0; i < e->edit->n_added; i++)
		n_callouts += sl_action_is_callout(e->edit->added[i].filter->action);
	for (; level < SL_LEVELS; level++) {
		if (e->overlay->parts[level] == NULL)
			continue;
		n += e->overlay->parts[level]->n;
		n_callouts += e->overlay->parts[level]->n_callouts;
	}
	return n_callouts +
		SL_MIN(n - n_callouts, e->next->n_sublayers + count_added_sublayers(e->edit));
}

/* True when an overlay can take what is added in, into a part at `*level`. */
static bool
is_small(const struct editor *e, uint32_t *level)
{
	const struct sl_store *store = e->next->store;

	if (store->n_base < SL_OVERLAY_BASE_MIN || e->overlay->n_dead[0] > store->n_base / 2)
		return false;
	if (e->edit->n_added == 0)
		return true;
	*level = sl_part_level(e->next, e->edit->n_added);
	return *level < SL_LEVELS && store->n_max - store->n >= e->edit->n_added &&
		store->matches_max + (SL_LEVELS - 1) * SL_PART_MATCHES_MAX <= SL_MATCHES_MAX &&
		count_matches(e, *level) <= SL_PART_MATCHES_MAX &&
		e->next->n_sublayers + count_added_sublayers(e->edit) <= UINT16_MAX;
}

/* Undoes what add_entries did: nobody has seen it yet. */
static void
drop_entries(struct editor *e, uint32_t n_before)
{
	struct sl_store *store = e->next->store;

	while (store->n > n_before)
		sl_entry_put(&store->filters[--store->n]);
}

static int
add_entries(struct editor *e)
{
	const struct sl_entry_maker maker = {
		.policy = e->policy, .host = e->tick->host, .stamp = e->tick->stamp, .err = e->err};
	struct sl_store *store = e->next->store;
	const uint32_t n_before = store->n;
	uint16_t number = 0;

	for (uint32_t i = 0; i < e->edit->n_added; i++) {
		const struct sl_ranked *ranked = &e->edit->added[i];
		int rc;

		(void)find_sublayer(e, ranked->sublayer, &number);
		rc = sl_entry_make(
			&maker, ranked, number, &store->hot[store->n], &store->filters[store->n]);
		if (rc != 0) {
			drop_entries(e, n_before);
			return rc;
		}
		store->n++;
	}
	return 0;
}

static void
count_entries(struct editor *e, uint32_t n_before)
{
	const struct sl_store *store = e->next->store;

	for (uint32_t rank = n_before; rank < store->n; rank++) {
		struct sl_sublayer_run *run = &e->sublayers[store->hot[rank].sublayer];

		run->n_filters++;
		run->n_callouts += sl_hot_is_callout(&store->hot[rank]);
		e->next->n_ask_reassembled += sl_hot_asks_reassembled(&store->hot[rank]);
		e->next->n_ask_packet += sl_hot_asks_packet(&store->hot[rank]);
	}
	e->next->n_filters += e->edit->n_added;
	e->overlay->n_changes += e->edit->n_added;
}

static int
add_part(struct editor *e, uint32_t level)
{
	struct sl_part *part;
	int rc = sl_part_make(e->next, level, e->edit->n_added, e->tick, &part, e->err);

	if (rc == 0 && sl_overlay_put_part(e->next, e->overlay, level, part) != 0)
		rc = no_memory(e);
	return rc;
}

static int
add_filters(struct editor *e, uint32_t level)
{
	const uint32_t n_before = e->next->store->n;
	int rc;

	add_sublayers(e);
	rc = add_entries(e);
	if (rc != 0)
		return rc;
	rc = add_part(e, level);
	if (rc == 0)
		count_entries(e, n_before);
	else
		drop_entries(e, n_before);
	return rc;
}

/* --- All of it. --- */

/* Every program has one answer for a packet, and all are of the same sublayer. */
static bool
is_single(const struct editor *e)
{
	bool is_single = e->next->program->is_single;
	uint32_t n_sublayers = 0;

	for (uint32_t level = 1; level < SL_LEVELS; level++) {
		if (e->overlay->parts[level] != NULL)
			is_single = is_single && e->overlay->parts[level]->program->is_single;
	}
	for (uint32_t s = 0; s < e->next->n_sublayers; s++)
		n_sublayers += e->sublayers[s].n_filters > 0;
	return is_single && n_sublayers == 1;
}

/* Parts that are all dead are left out, and an overlay that says nothing. */
static void
tidy(struct editor *e)
{
	sl_overlay_tidy(e->overlay);
	if (sl_overlay_is_empty(e->overlay)) {
		sl_overlay_free(e->overlay);
		e->overlay = NULL;
		e->next->overlay = NULL;
	}
}

static void
finish(struct editor *e)
{
	struct sl_layer_program *next = e->next;

	tidy(e);
	(void)sl_layer_measure(next);
	next->memory_bytes =
		sizeof(*next) + next->store->bytes + next->n_sublayers * sizeof(*e->sublayers);
	if (e->overlay == NULL)
		return;
	e->overlay->is_single = is_single(e);
	next->memory_bytes += sl_overlay_bytes(e->overlay);
}

/* Filters of the version in the making and those added, in arbitration order. */
static void
merge_ranked(const struct editor *e, struct sl_ranked *list)
{
	const struct sl_ranked *added = e->edit->added;
	const struct sl_ranked *end = added + e->edit->n_added;
	struct sl_filter_walk walk = {.layer = e->next};
	uint32_t rank;

	while (sl_filter_walk_next(&walk, &rank)) {
		const struct sl_ranked here = sl_layer_ranked(e->next, rank);

		while (added < end && sl_ranked_compare(added, &here) < 0)
			*list++ = *added++;
		*list++ = here;
	}
	while (added < end)
		*list++ = *added++;
}

/* Makes a layer of its own instead. */
static int
remake(struct editor *e, struct sl_layer_program **out)
{
	const uint32_t n = e->next->n_filters + e->edit->n_added;
	struct sl_ranked *list = malloc(n * sizeof(*list));
	int rc;

	if (list == NULL)
		return no_memory(e);
	merge_ranked(e, list);
	rc = sl_layer_make(e->policy, e->next->layer, list, n, e->tick, out, e->err);
	free(list);
	return rc;
}

static int
advance(struct editor *e, struct sl_layer_program **out)
{
	uint32_t level;
	int rc = remove_filters(e);

	*out = NULL;
	if (rc != 0 || e->next->n_filters + e->edit->n_added == 0)
		return rc;
	if (!is_small(e, &level))
		return e->edit->is_small ? -E2BIG : remake(e, out);
	if (e->edit->n_added > 0)
		rc = add_filters(e, level);
	if (rc != 0)
		return rc;
	finish(e);
	*out = e->next;
	return 0;
}

int
sl_layer_edit(const struct sl_edit *edit, const struct sl_policy *policy,
	const struct sl_compile_tick *tick, struct sl_layer_program **out, struct sl_error *err)
{
	struct editor e = {.edit = edit, .policy = policy, .tick = tick, .err = err};
	int rc = fork_layer(&e);

	if (rc != 0)
		return rc;
	rc = advance(&e, out);
	if (rc != 0 || *out != e.next)
		sl_layer_put(e.next);
	return rc;
}
