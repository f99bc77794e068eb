/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_snapshot.h"

#include "base/sl_clock.h"
#include "classifier/layer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
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
place_filters(struct job *job, struct sl_object *const *objects, size_t n)
{
	uint32_t next[SLUICE_LAYER_COUNT];

	memcpy(next, job->starts, sizeof(next));
	for (size_t i = 0; i < n; i++) {
		const struct sl_filter *filter = sl_filter_of(objects[i]);
		const struct sl_object *sublayer;

		if (!is_active(filter))
			continue;
		sublayer = sl_policy_find(job->policy, SL_OBJECT_SUBLAYER, filter->sublayer);
		if (sublayer == NULL)
			return sl_error_set(job->err, SL_ERR_INTERNAL, NULL,
				"filter %s refers to sublayer %s, which does not exist",
				filter->object.key, filter->sublayer);
		job->ranked[next[filter->layer->id]++] =
			(struct sl_ranked){filter, sl_sublayer_of(sublayer)};
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

/* The layer's program of the previous snapshot when nothing it was made of has changed. */
static const struct sl_layer_program *
reusable(const struct job *job, const struct sl_layer_program *layer)
{
	const struct sl_layer_program *old;

	if (job->previous == NULL)
		return NULL;
	old = job->previous->layers[layer->layer->id];
	return old != NULL && sl_layer_is_same(old, layer) ? old : NULL;
}

static int
compile_layer(struct job *job, enum sluice_layer id)
{
	struct sl_ranked *list = job->ranked + job->starts[id];
	const uint32_t n = job->starts[id + 1] - job->starts[id];
	struct sl_snapshot *snapshot = job->snapshot;
	const struct sl_layer_program *old;
	struct sl_layer_program *layer;
	int rc;

	sl_ranked_sort(list, n);
	rc = sl_layer_make(job->policy, sl_layer_by_id(id), list, n, &job->tick, &layer, job->err);
	if (rc != 0)
		return rc;
	old = reusable(job, layer);
	if (old != NULL) {
		sl_layer_put(layer);
		snapshot->layers[id] = sl_layer_get(old);
		rc = check_memory(job, old->memory_bytes);
	} else {
		snapshot->layers[id] = layer;
		rc = check_memory(job, layer->memory_bytes);
		if (rc == 0)
			rc = sl_layer_compile(layer, &job->tick, job->err);
		if (rc == 0)
			rc = check_memory(job, layer->memory_bytes);
	}
	if (rc != 0)
		return rc;
	snapshot->memory_bytes += snapshot->layers[id]->memory_bytes;
	snapshot->n_filters += n;
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

int
sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err)
{
	const uint64_t begin_ns = sl_clock_monotonic_ns();
	struct job job = {
		.policy = policy, .previous = previous, .tick = {.host = host}, .err = err};
	int rc;

	(void)changes;
	job.snapshot = calloc(1, sizeof(*job.snapshot));
	if (job.snapshot == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory for a snapshot");
	job.snapshot->revision = revision;
	job.snapshot->memory_bytes = sizeof(*job.snapshot);
	rc = compile(&job);
	if (rc != 0) {
		sl_snapshot_free(job.snapshot);
		return rc;
	}
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

/* --- Facts. --- */

struct facts {
	struct sl_program_fact *list;
	uint32_t n;
	uint32_t n_max;
};

static void
add_text(struct facts *facts, const char *name, const char *text)
{
	struct sl_program_fact *fact;

	if (facts->n == facts->n_max)
		return;
	fact = &facts->list[facts->n++];
	snprintf(fact->name, sizeof(fact->name), "%s", name);
	snprintf(fact->text, sizeof(fact->text), "%s", text);
}

static void
add_number(struct facts *facts, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_text(facts, name, text);
}

uint32_t
sl_program_facts(const struct sl_layer_program *layer, struct sl_program_fact *list, uint32_t n_max)
{
	const struct sl_program *program = layer->program;
	struct facts facts = {.list = list, .n_max = n_max};

	add_text(&facts, "structure", program->n_nodes == 0 ? "list" : "tree");
	add_number(&facts, "boxes", program->n_boxes);
	add_number(&facts, "boxes_placed", program->n_placed);
	add_number(&facts, "nodes", program->n_nodes);
	add_number(&facts, "rests", program->n_rests);
	add_number(&facts, "leaves", program->n_leaves);
	add_number(&facts, "leaf_max", program->leaf_max);
	add_number(&facts, "depth", program->depth);
	add_number(&facts, "leaves_visited_max", program->visits_max);
	add_number(&facts, "matches_max", layer->matches_max);
	add_number(&facts, "key_words", program->n_words);
	add_number(&facts, "filters_tested_whole", program->n_tested);
	add_number(&facts, "tables", program->n_tables);
	add_number(&facts, "bytes", program->bytes);
	return facts.n;
}
