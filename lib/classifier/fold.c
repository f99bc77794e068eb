/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/edit.h"
#include "classifier/part.h"

#include <errno.h>
#include <stdlib.h>

/* Changes that a layer takes before it wants to be folded: a share of its filters, between these. */
#define CHANGES_SHARE 64u
#define CHANGES_MIN   32u
#define CHANGES_MAX   512u

/* --- When. --- */

/* How much a layer wants to be folded, in changes; 0: not yet. */
static uint32_t
wish(const struct sl_layer_program *layer)
{
	uint32_t enough;

	if (layer == NULL || layer->overlay == NULL)
		return 0;
	enough = layer->store->n_base / CHANGES_SHARE;
	enough = SL_MIN(SL_MAX(enough, CHANGES_MIN), CHANGES_MAX);
	return layer->overlay->n_changes >= enough ? layer->overlay->n_changes : 0;
}

bool
sl_snapshot_wants_fold(const struct sl_snapshot *snapshot, enum sluice_layer *layer)
{
	uint32_t most = 0;

	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++) {
		const uint32_t n = wish(snapshot->layers[id]);

		if (n <= most)
			continue;
		most = n;
		*layer = (enum sluice_layer)id;
	}
	return most > 0;
}

/* --- Compiling. --- */

static struct sl_ranked *
list_filters(const struct sl_layer_program *layer)
{
	struct sl_ranked *list = malloc(layer->n_filters * sizeof(*list));
	struct sl_filter_walk walk = {.layer = layer};
	uint32_t n = 0;
	uint32_t rank;

	while (list != NULL && sl_filter_walk_next(&walk, &rank))
		list[n++] = sl_layer_ranked(layer, rank);
	return list;
}

static int
check_memory(const struct sl_layer_program *layer, size_t have, struct sl_error *err)
{
	if (have == 0 || layer->memory_bytes <= have)
		return 0;
	return sl_error_set(err, SL_ERR_NO_MEMORY, NULL,
		"compiled filters of %s need at least %zu bytes, the limit is %zu bytes",
		layer->layer->name, layer->memory_bytes, have);
}

static int
compile(struct sl_layer_program *layer, const struct sl_compile_tick *tick, struct sl_error *err)
{
	int rc = check_memory(layer, tick->host->memory_max, err);

	if (rc == 0)
		rc = sl_layer_compile(layer, tick, err);
	if (rc == 0)
		rc = check_memory(layer, tick->host->memory_max, err);
	return rc;
}

int
sl_layer_fold(const struct sl_layer_program *layer, const struct sl_compile_host *host,
	const struct sl_layer_program **folded, struct sl_error *err)
{
	const struct sl_compile_tick tick = {.host = host, .total = layer->n_filters};
	struct sl_ranked *list = list_filters(layer);
	struct sl_layer_program *made;
	int rc;

	if (list == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for a fold");
	rc = sl_layer_make(NULL, layer->layer, list, layer->n_filters, &tick, &made, err);
	free(list);
	if (rc != 0)
		return rc;
	rc = compile(made, &tick, err);
	if (rc != 0) {
		sl_layer_put(made);
		return rc;
	}
	*folded = made;
	return 0;
}

/* --- Putting it in its place. --- */

/* Filters by which two versions of a layer differ. */
struct difference {
	const struct sl_filter **removed;
	struct sl_ranked *added;
	uint32_t n_removed;
	uint32_t n_added;
};

static void
lose(struct difference *d, const struct sl_layer_program *from, uint32_t rank)
{
	d->removed[d->n_removed++] = from->filters[rank].object;
}

static void
gain(struct difference *d, const struct sl_layer_program *to, uint32_t rank)
{
	d->added[d->n_added++] = sl_layer_ranked(to, rank);
}

static uint64_t
dead_word(const struct sl_layer_program *layer, uint32_t word)
{
	const struct sl_overlay *overlay = layer->overlay;

	return overlay == NULL || overlay->dead[0] == NULL ? 0 : overlay->dead[0][word];
}

/* Filters of the base that are dead in one of them alone. */
static void
compare_base(const struct sl_layer_program *from, const struct sl_layer_program *to,
	struct difference *d)
{
	const uint32_t n_words = (from->store->n_base + 63) / 64;

	for (uint32_t word = 0; word < n_words; word++) {
		const uint64_t there = dead_word(to, word);
		uint64_t left = dead_word(from, word) ^ there;

		for (; left != 0; left &= left - 1) {
			const uint32_t bit = (uint32_t)__builtin_ctzll(left);

			if (there >> bit & 1)
				lose(d, from, word * 64 + bit);
			else
				gain(d, to, word * 64 + bit);
		}
	}
}

static int
compare_orders(const struct sl_layer_program *layer, uint32_t a, uint32_t b)
{
	const struct sl_order order_a = sl_order_of(layer, a);
	const struct sl_order order_b = sl_order_of(layer, b);

	return sl_order_compare(&order_a, &order_b);
}

/* Filters of parts that only one of them has. Both walks are in the same order. */
static void
compare_parts(const struct sl_layer_program *from, const struct sl_layer_program *to,
	struct difference *d)
{
	struct sl_filter_walk walk_from = {.layer = from, .at = {from->store->n_base}};
	struct sl_filter_walk walk_to = {.layer = to, .at = {to->store->n_base}};
	uint32_t a;
	uint32_t b;
	bool has_a = from->overlay != NULL && sl_filter_walk_next(&walk_from, &a);
	bool has_b = to->overlay != NULL && sl_filter_walk_next(&walk_to, &b);

	while (has_a || has_b) {
		const int order = !has_a ? 1 : !has_b ? -1 : compare_orders(to, a, b);
		const bool is_same = has_a && has_b && a == b;

		if (!is_same && order <= 0)
			lose(d, from, a);
		if (!is_same && order >= 0)
			gain(d, to, b);
		if (order <= 0)
			has_a = sl_filter_walk_next(&walk_from, &a);
		if (order >= 0)
			has_b = sl_filter_walk_next(&walk_to, &b);
	}
}

/* At most so many filters differ between what a store was compiled from and a version. */
static size_t
count_differing(const struct sl_layer_program *layer)
{
	if (layer->overlay == NULL)
		return 0;
	return (size_t)sl_overlay_added(layer->overlay) + sl_overlay_dead(layer->overlay);
}

/* Applies to `folded` what changed between two versions of what it was made from. */
static int
catch_up(const struct sl_layer_program *from, const struct sl_layer_program *to,
	const struct sl_layer_program *folded, struct sl_layer_program **out, struct sl_error *err)
{
	const size_t n_max = count_differing(from) + count_differing(to) + 1;
	const struct sl_compile_host host = {.progress = NULL};
	const struct sl_compile_tick tick = {.host = &host};
	struct difference d = {.removed = malloc(n_max * sizeof(*d.removed)),
		.added = malloc(n_max * sizeof(*d.added))};
	struct sl_edit edit = {.layer = folded, .is_small = true};
	int rc;

	if (d.removed == NULL || d.added == NULL) {
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for a fold");
		goto free_lists;
	}
	compare_base(from, to, &d);
	compare_parts(from, to, &d);
	sl_ranked_sort(d.added, d.n_added);
	edit.removed = d.removed;
	edit.n_removed = d.n_removed;
	edit.added = d.added;
	edit.n_added = d.n_added;
	rc = sl_layer_edit(&edit, NULL, &tick, out, err);
	if (rc == -E2BIG)
		rc = sl_error_set(err, SL_ERR_BUSY, NULL,
			"the filters of %s have changed too much meanwhile", from->layer->name);
free_lists:
	free(d.removed);
	free(d.added);
	return rc;
}

/* The program to put in the place of `current`. */
static int
replacement(const struct sl_layer_program *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, const struct sl_layer_program **out,
	struct sl_error *err)
{
	struct sl_layer_program *next = NULL;
	int rc;

	if (current == from) {
		*out = sl_layer_get(folded);
		return 0;
	}
	if (current == NULL || current->store != from->store)
		return sl_error_set(err, SL_ERR_BUSY, NULL, "%s was compiled anew meanwhile",
			from->layer->name);
	rc = catch_up(from, current, folded, &next, err);
	*out = next;
	return rc;
}

int
sl_snapshot_with_fold(const struct sl_snapshot *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_snapshot **out, struct sl_error *err)
{
	const enum sluice_layer id = from->layer->id;
	const struct sl_layer_program *next = NULL;
	struct sl_snapshot *snapshot = malloc(sizeof(*snapshot));
	int rc;

	if (snapshot == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for a snapshot");
	rc = replacement(current->layers[id], from, folded, &next, err);
	if (rc != 0) {
		free(snapshot);
		return rc;
	}
	*snapshot = *current;
	for (uint32_t i = 0; i < SLUICE_LAYER_COUNT; i++) {
		if (i != id && current->layers[i] != NULL)
			sl_layer_get(current->layers[i]);
	}
	snapshot->layers[id] = next;
	snapshot->memory_bytes += next->memory_bytes - current->layers[id]->memory_bytes;
	*out = snapshot;
	return 0;
}
