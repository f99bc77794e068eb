/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A flow whose last packet came later than this before now is not over, whatever the pressure. */
static uint32_t
shortest_timeout(const struct sl_flow_config *config)
{
	uint32_t shortest = UINT32_MAX;

	for (uint32_t i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		shortest = SL_MIN(shortest, config->timeout_ms[i]);
	return shortest / 16;
}

int
sl_flows_new(const struct sl_pipeline_options *options, const struct sl_path *paths,
	struct sl_flows **out)
{
	const struct sl_flow_config *config = options->flows;
	struct sl_flows *flows;
	int rc = -ENOMEM;

	*out = NULL;
	if (config == NULL || config->max == 0)
		return 0;
	flows = aligned_alloc(SL_CACHE_LINE,
		(sizeof(*flows) + SL_CACHE_LINE - 1) / SL_CACHE_LINE * SL_CACHE_LINE);
	if (flows == NULL)
		return -ENOMEM;
	memset(flows, 0, sizeof(*flows));
	flows->config = *config;
	flows->fresh_ms = shortest_timeout(config);
	flows->has_events = config->events;
	flows->asked = options->asked;
	flows->asked_ctx = options->asked_ctx;
	flows->commands = options->commands;
	flows->wildcards_until_ns =
		options->now_ns + (uint64_t)config->timeout_ms[SL_FLOW_MULTICAST] * 1000000;
	flows->refusals = calloc(SL_REFUSALS, sizeof(*flows->refusals));
	flows->metas = aligned_alloc(SL_CACHE_LINE, SL_PIPELINE_BURST_MAX * sizeof(*flows->metas));
	if (flows->refusals != NULL && flows->metas != NULL)
		rc = sl_trails_init(&flows->trails, config, paths, options->n_paths);
	if (rc == 0)
		rc = sl_flow_table_new(config, options->worker, options->now_ns, &flows->table);
	if (rc != 0) {
		sl_flows_free(flows);
		return rc;
	}
	*out = flows;
	return 0;
}

void
sl_flows_free(struct sl_flows *flows)
{
	if (flows == NULL)
		return;
	sl_flow_table_free(flows->table);
	sl_trails_fini(&flows->trails);
	free(flows->metas);
	free(flows->refusals);
	free(flows);
}
