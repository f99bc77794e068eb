/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/flow.h"
#include "pipeline/fragments.h"
#include "pipeline/park.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
make_paths(struct sl_pipeline *pipeline, const struct sl_path *paths, uint32_t n)
{
	size_t n_metas = (size_t)n * SL_PIPELINE_BURST_MAX;
	const struct sl_path *path;

	pipeline->paths = calloc(n, sizeof(*pipeline->paths));
	pipeline->metas = aligned_alloc(SL_CACHE_LINE, n_metas * sizeof(*pipeline->metas));
	pipeline->meta_list = calloc(n_metas, sizeof(struct sl_meta *));
	if (pipeline->paths == NULL || pipeline->metas == NULL || pipeline->meta_list == NULL)
		return -ENOMEM;
	memcpy(pipeline->paths, paths, n * sizeof(*paths));
	memset(pipeline->metas, 0, n_metas * sizeof(*pipeline->metas));
	for (size_t i = 0; i < n_metas; i++) {
		path = &pipeline->paths[i / SL_PIPELINE_BURST_MAX];
		sl_meta_setup(&pipeline->metas[i], path->direction, &path->ports);
		pipeline->meta_list[i] = &pipeline->metas[i];
	}
	pipeline->n_paths = n;
	pipeline->last = pipeline->meta_list;
	return 0;
}

static int
make_scratch(struct sl_pipeline *pipeline)
{
	int rc;

	pipeline->hits = malloc(SL_MATCHES_MAX * sizeof(*pipeline->hits));
	pipeline->env.replies = malloc(SL_CALLOUT_REPLIES_MAX * sizeof(*pipeline->env.replies));
	if (pipeline->hits == NULL || pipeline->env.replies == NULL)
		return -ENOMEM;
	rc = sl_matches_init(&pipeline->matches);
	if (rc == 0 && pipeline->engine == SL_ENGINE_CHECK)
		rc = sl_matches_init(&pipeline->reference);
	return rc;
}

/* Room for everything that can be held, and for what comes with a burst. */
static int
make_releases(struct sl_pipeline *pipeline, const struct sl_flow_config *flows)
{
	size_t n = 2u * SL_PIPELINE_BURST_MAX;

	if (pipeline->reassembly != NULL)
		n += flows->fragments.held;
	if (pipeline->park != NULL)
		n += sl_parking_held_max(&flows->pend);
	pipeline->releases = malloc(n * sizeof(*pipeline->releases));
	if (pipeline->releases == NULL)
		return -ENOMEM;
	/* So that no page is missing at packet time. */
	memset(pipeline->releases, 0, n * sizeof(*pipeline->releases));
	return 0;
}

int
sl_pipeline_new(const struct sl_pipeline_options *options, struct sl_pipeline **out)
{
	struct sl_pipeline *pipeline;
	int rc;

	if (options->n_paths == 0 || options->n_paths > 2 * SL_COUNTERS_LINKS_MAX ||
		options->worker >= SL_CALLOUT_WORKERS_MAX)
		return -EINVAL;
	pipeline = calloc(1, sizeof(*pipeline));
	if (pipeline == NULL)
		return -ENOMEM;
	pipeline->counters = options->counters;
	pipeline->events = options->events;
	pipeline->worker = (uint8_t)options->worker;
	pipeline->engine = options->engine;
	pipeline->difference = options->difference;
	pipeline->difference_ctx = options->difference_ctx;
	pipeline->env.worker = options->worker;
	/* A second's worth may come at once. */
	sl_event_limit_init(&pipeline->limit, options->event_rate, options->event_rate);
	rc = make_paths(pipeline, options->paths, options->n_paths);
	if (rc == 0)
		rc = make_scratch(pipeline);
	if (rc == 0)
		rc = sl_flows_new(options, pipeline->paths, &pipeline->flows);
	if (rc == 0)
		rc = sl_reassembly_new(options, &pipeline->reassembly);
	if (rc == 0)
		rc = sl_park_new(options, &pipeline->park);
	if (rc == 0)
		rc = make_releases(pipeline, options->flows);
	if (rc != 0) {
		sl_pipeline_free(pipeline);
		return rc;
	}
	pipeline->env.flows = sl_pipeline_flows(pipeline);
	*out = pipeline;
	return 0;
}

/* Callouts are told of every context that is still there. */
static void
forget_contexts(struct sl_pipeline *pipeline)
{
	uint32_t at = 0;

	while (pipeline->env.flows != NULL && at != SL_FLOW_LIST_END)
		sl_callout_flows_forget(&pipeline->env, NULL, &at, UINT32_MAX);
}

void
sl_pipeline_free(struct sl_pipeline *pipeline)
{
	if (pipeline == NULL)
		return;
	sl_park_free(pipeline);
	forget_contexts(pipeline);
	sl_reassembly_free(pipeline->reassembly);
	sl_flows_free(pipeline->flows);
	sl_matches_fini(&pipeline->reference);
	sl_matches_fini(&pipeline->matches);
	free(pipeline->releases);
	free(pipeline->env.replies);
	free(pipeline->hits);
	free(pipeline->meta_list);
	free(pipeline->metas);
	free(pipeline->paths);
	free(pipeline);
}

struct sl_flow_table *
sl_pipeline_flows(const struct sl_pipeline *pipeline)
{
	return pipeline->flows == NULL ? NULL : pipeline->flows->table;
}

static const char *const mode_names[] = {
	[SL_MODE_INLINE] = "inline",
	[SL_MODE_MONITOR] = "monitor",
	[SL_MODE_BYPASS] = "bypass",
	[SL_MODE_BLOCK] = "block",
};

const char *
sl_mode_name(enum sl_mode mode)
{
	return (unsigned int)mode < SL_ARRAY_LEN(mode_names) ? mode_names[mode] : "unknown";
}

bool
sl_mode_find(const char *name, enum sl_mode *mode)
{
	for (unsigned int i = 0; i < SL_ARRAY_LEN(mode_names); i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*mode = i;
			return true;
		}
	}
	return false;
}
