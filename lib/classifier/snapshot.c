/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_snapshot.h"

#include "base/sl_clock.h"
#include "classifier/edit.h"
#include "classifier/overlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One compilation. */
struct job {
	const struct sl_policy *policy;
	const struct sl_snapshot *previous; /* or NULL */
	struct sl_snapshot *snapshot;
	struct sl_compile_tick tick;
	struct sl_error *err;
	struct sl_ranked *ranked;                /* filters of all layers, layer by layer */
	uint32_t starts[SLUICE_LAYER_COUNT + 1]; /* where each layer begins among them */
};

int
sl_compile_tick(const struct sl_compile_tick *tick, size_t done, struct sl_error *err)
{
	const struct sl_compile_host *host = tick->host;

	if (host->progress == NULL ||
		host->progress(host->ctx, SL_MIN(tick->done + done, tick->total), tick->total))
		return 0;
	return sl_error_set(err, SL_ERR_BUSY, NULL,
		"compiling was stopped after %zu of %zu filters",
		SL_MIN(tick->done + done, tick->total), tick->total);
}

/* A filter whose provider's service does not run is as if it were absent (WFP section 4.9, 50). */
static bool
is_active(const struct sl_filter *filter)
{
	return (filter->flags & SL_FILTER_DISABLED) == 0;
}

static void
count_layers(struct job *job, struct sl_object *const *objects, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct sl_filter *filter = sl_filter_of(objects[i]);

		if (is_active(filter))
			job->starts[filter->layer->id + 1]++;
	}
	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++)
		job->starts[id + 1] += job->starts[id];
}

static int
find_sublayer(const struct job *job, struct sl_ranked *ranked)
{
	const struct sl_filter *filter = ranked->filter;
	const struct sl_object *sublayer =
		sl_policy_find(job->policy, SL_OBJECT_SUBLAYER, filter->sublayer);

	if (sublayer == NULL)
		return sl_error_set(job->err, SL_ERR_INTERNAL, NULL,
			"filter %s refers to sublayer %s, which does not exist", filter->object.key,
			filter->sublayer);
	ranked->sublayer = sl_sublayer_of(sublayer);
	return 0;
}

static int
place_filters(struct job *job, struct sl_object *const *objects, size_t n)
{
	uint32_t next[SLUICE_LAYER_COUNT];

	memcpy(next, job->starts, sizeof(next));
	for (size_t i = 0; i < n; i++) {
		const struct sl_filter *filter = sl_filter_of(objects[i]);
		struct sl_ranked *ranked;
		int rc;

		if (!is_active(filter))
			continue;
		ranked = &job->ranked[next[filter->layer->id]++];
		*ranked = (struct sl_ranked){.filter = filter};
		rc = find_sublayer(job, ranked);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
collect(struct job *job)
{
	size_t n;
	struct sl_object *const *objects = sl_policy_list(job->policy, SL_OBJECT_FILTER, &n);

	job->ranked = malloc((n + 1) * sizeof(*job->ranked));
	if (job->ranked == NULL || n < sl_policy_len(job->policy, SL_OBJECT_FILTER))
		return sl_error_set(
			job->err, SL_ERR_NO_MEMORY, NULL, "out of memory for %zu filters", n);
	count_layers(job, objects, n);
	job->tick.total = job->starts[SLUICE_LAYER_COUNT];
	return place_filters(job, objects, n);
}

static int
check_memory(const struct job *job, size_t more)
{
	const size_t need = job->snapshot->memory_bytes + more;
	const size_t have = job->tick.host->memory_max;

	if (have == 0 || need <= have)
		return 0;
	return sl_error_set(job->err, SL_ERR_NO_MEMORY, NULL,
		"compiled filters need at least %zu bytes, the limit is %zu bytes", need, have);
}

/* Compiles a layer program that was made. */
static int
compile_made(struct job *job, struct sl_layer_program *layer)
{
	int rc = check_memory(job, layer->memory_bytes);

	if (rc == 0)
		rc = sl_layer_compile(layer, &job->tick, job->err);
	return rc;
}

/* Takes a layer's program over, which the snapshot owns from now on. */
static int
take_layer(struct job *job, const struct sl_layer_program *layer)
{
	const int rc = check_memory(job, layer->memory_bytes);

	job->snapshot->layers[layer->layer->id] = layer;
	job->snapshot->memory_bytes += layer->memory_bytes;
	job->snapshot->n_filters += layer->n_filters;
	return rc;
}

/*
 * The program to use for a layer that was made: that of the previous snapshot when it is the same,
 * its next version when few filters differ, or else the made one, compiled.  Takes `made` over.
 */
static int
choose_layer(struct job *job, struct sl_layer_program *made, const struct sl_layer_program **chosen)
{
	const enum sluice_layer id = made->layer->id;
	const struct sl_layer_program *old =
		job->previous == NULL ? NULL : job->previous->layers[id];
	struct sl_layer_program *next = NULL;
	int rc = -E2BIG;

	if (old != NULL && sl_layer_is_same(old, made)) {
		sl_layer_put(made);
		*chosen = sl_layer_get(old);
		return 0;
	}
	if (old != NULL)
		sl_layer_keep_stamps(old, made);
	if (old != NULL)
		rc = sl_layer_update(old, made, &job->tick, &next, job->err);
	if (rc == -E2BIG) {
		next = made;
		rc = compile_made(job, made);
	}
	if (rc != 0 || next != made)
		sl_layer_put(made);
	*chosen = next;
	return rc;
}

static int
compile_layer(struct job *job, enum sluice_layer id)
{
	struct sl_ranked *list = job->ranked + job->starts[id];
	const uint32_t n = job->starts[id + 1] - job->starts[id];
	const struct sl_layer_program *layer;
	struct sl_layer_program *made;
	int rc;

	sl_ranked_sort(list, n);
	rc = sl_layer_make(job->policy, sl_layer_by_id(id), list, n, &job->tick, &made, job->err);
	if (rc == 0)
		rc = choose_layer(job, made, &layer);
	if (rc == 0)
		rc = take_layer(job, layer);
	if (rc != 0)
		return rc;
	job->tick.done += n;
	return sl_compile_tick(&job->tick, 0, job->err);
}

static int
compile(struct job *job)
{
	int rc = collect(job);

	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT && rc == 0; id++) {
		if (job->starts[id + 1] > job->starts[id])
			rc = compile_layer(job, (enum sluice_layer)id);
	}
	free(job->ranked);
	return rc;
}

/* --- Compiling what changed. --- */

/* The changes of one layer. */
struct share {
	const struct sl_filter **removed;
	struct sl_ranked *added;
	uint32_t n_removed;
	uint32_t n_added;
};

static bool
is_at(const struct sl_filter *filter, enum sluice_layer id)
{
	return filter != NULL && is_active(filter) && filter->layer->id == id;
}

static int
add_to_share(struct job *job, struct share *share, const struct sl_filter *filter)
{
	struct sl_ranked *ranked = &share->added[share->n_added++];

	*ranked = (struct sl_ranked){.filter = filter};
	return find_sublayer(job, ranked);
}

/* Fills a layer's share, to be freed in any case. */
static int
split(struct job *job, const struct sl_changes *changes, enum sluice_layer id, struct share *share)
{
	int rc = 0;

	share->removed = malloc((changes->n + 1) * sizeof(*share->removed));
	share->added = malloc((changes->n + 1) * sizeof(*share->added));
	if (share->removed == NULL || share->added == NULL)
		return sl_error_set(job->err, SL_ERR_NO_MEMORY, NULL,
			"out of memory for %zu changes", changes->n);
	for (size_t i = 0; i < changes->n && rc == 0; i++) {
		const struct sl_filter_change *change = &changes->filters[i];

		if (is_at(change->old, id))
			share->removed[share->n_removed++] = change->old;
		if (is_at(change->now, id))
			rc = add_to_share(job, share, change->now);
	}
	sl_ranked_sort(share->added, share->n_added);
	return rc;
}

static int
change_layer(struct job *job, const struct share *share, enum sluice_layer id)
{
	const struct sl_edit edit = {.layer = job->previous->layers[id],
		.removed = share->removed,
		.n_removed = share->n_removed,
		.added = share->added,
		.n_added = share->n_added};
	struct sl_layer_program *layer = NULL;
	int rc = 0;

	if (edit.layer != NULL)
		rc = sl_layer_edit(&edit, job->policy, &job->tick, &layer, job->err);
	else if (share->n_added > 0)
		rc = sl_layer_make(job->policy, sl_layer_by_id(id), share->added, share->n_added,
			&job->tick, &layer, job->err);
	if (rc != 0 || layer == NULL)
		return rc;
	if (layer->program == NULL)
		rc = compile_made(job, layer);
	if (rc == 0)
		return take_layer(job, layer);
	sl_layer_put(layer);
	return rc;
}

static int
change_one(struct job *job, const struct sl_changes *changes, enum sluice_layer id)
{
	struct share share = {.n_added = 0};
	int rc = split(job, changes, id, &share);

	if (rc == 0)
		rc = change_layer(job, &share, id);
	free(share.removed);
	free(share.added);
	return rc;
}

static int
apply(struct job *job, const struct sl_changes *changes)
{
	bool is_touched[SLUICE_LAYER_COUNT] = {false};
	int rc = 0;

	for (size_t i = 0; i < changes->n; i++) {
		if (changes->filters[i].old != NULL)
			is_touched[changes->filters[i].old->layer->id] = true;
		if (changes->filters[i].now != NULL)
			is_touched[changes->filters[i].now->layer->id] = true;
	}
	job->tick.total = job->previous->n_filters + changes->n;
	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT && rc == 0; id++) {
		const struct sl_layer_program *old = job->previous->layers[id];

		if (is_touched[id])
			rc = change_one(job, changes, (enum sluice_layer)id);
		else if (old != NULL)
			rc = take_layer(job, sl_layer_get(old));
	}
	return rc;
}

/* --- What follows from the programs. --- */

static void
note_generations(struct sl_snapshot *snapshot, const struct sl_snapshot *previous)
{
	const uint32_t now = SL_MAX((uint32_t)snapshot->revision, 1u);

	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++) {
		const bool is_same =
			previous != NULL && previous->layers[id] == snapshot->layers[id];

		snapshot->generations[id] = is_same ? previous->generations[id] : now;
	}
}

/* True for layers that are shown whole datagrams only. */
static bool
is_whole_layer(const struct sl_layer *layer)
{
	return (layer->id >= SLUICE_LAYER_INBOUND_TRANSPORT_V4 &&
		       layer->id <= SLUICE_LAYER_OUTBOUND_TRANSPORT_V6_DISCARD) ||
		(layer->id >= SLUICE_LAYER_INBOUND_ICMP_ERROR_V4 &&
			layer->id <= SLUICE_LAYER_OUTBOUND_ICMP_ERROR_V6_DISCARD) ||
		sl_layer_has_flow(layer);
}

static void
note_needs(struct sl_snapshot *snapshot)
{
	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++) {
		const struct sl_layer_program *layer = snapshot->layers[id];

		if (layer == NULL)
			continue;
		snapshot->needs_state |= sl_layer_has_flow(layer->layer);
		snapshot->needs_whole |=
			is_whole_layer(layer->layer) || layer->n_ask_reassembled > 0;
	}
}

/* Stamps go on where those of the snapshot before ended. */
static uint64_t
first_stamp(uint64_t revision, const struct sl_snapshot *previous)
{
	const uint64_t start = revision << 32;

	return previous == NULL ? start : SL_MAX(start, previous->stamp);
}

int
sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err)
{
	const uint64_t begin_ns = sl_clock_monotonic_ns();
	struct job job = {
		.policy = policy, .previous = previous, .tick = {.host = host}, .err = err};
	int rc;

	job.snapshot = calloc(1, sizeof(*job.snapshot));
	if (job.snapshot == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for a snapshot");
	job.snapshot->revision = revision;
	job.snapshot->memory_bytes = sizeof(*job.snapshot);
	job.snapshot->stamp = first_stamp(revision, previous);
	job.tick.stamp = &job.snapshot->stamp;
	if (previous != NULL && changes != NULL && !changes->others)
		rc = apply(&job, changes);
	else
		rc = compile(&job);
	if (rc != 0) {
		sl_snapshot_free(job.snapshot);
		return rc;
	}
	note_generations(job.snapshot, previous);
	note_needs(job.snapshot);
	job.snapshot->build_ns = sl_clock_monotonic_ns() - begin_ns;
	*out = job.snapshot;
	return 0;
}

void
sl_snapshot_free(struct sl_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++)
		sl_layer_put(snapshot->layers[id]);
	free(snapshot);
}
