/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_RING_DEFAULT 65536u

int
worker_new(uint32_t index, const struct sl_datapath_config *config, const struct sl_path *paths,
	struct worker_shared *shared, struct worker **out)
{
	struct sl_pipeline_options options = {
		.worker = index,
		.n_paths = 2 * config->n_links,
		.paths = paths,
		.event_rate = config->event_rate,
		.engine = SL_ENGINE_COMPILED,
	};
	struct worker *worker = aligned_alloc(SL_CACHE_LINE, sizeof(*worker));
	int rc;

	if (worker == NULL)
		return -ENOMEM;
	memset(worker, 0, sizeof(*worker));
	worker->index = index;
	worker->shared = shared;
	worker->burst = config->burst != 0 ? config->burst : WORKER_BURST_DEFAULT;
	worker->is_adaptive = config->poll == SL_POLL_ADAPTIVE;
	rc = sl_counters_new(&worker->counters);
	if (rc == 0)
		rc = sl_ring_new(config->event_ring != 0 ? config->event_ring : EVENT_RING_DEFAULT,
			sizeof(struct sl_event), &worker->events);
	options.counters = worker->counters;
	options.events = worker->events;
	if (rc == 0)
		rc = sl_pipeline_new(&options, &worker->pipeline);
	if (rc != 0) {
		worker_free(worker);
		return rc;
	}
	*out = worker;
	return 0;
}

void
worker_free(struct worker *worker)
{
	if (worker == NULL)
		return;
	sl_pipeline_free(worker->pipeline);
	sl_ring_free(worker->events);
	sl_counters_free(worker->counters);
	free(worker);
}

void
worker_add_link(struct worker *worker, uint32_t link, const struct port *inside,
	const struct port *outside, uint16_t queue)
{
	for (uint32_t direction = 0; direction < 2; direction++) {
		bool is_outbound = direction == SLUICE_DIRECTION_OUTBOUND;

		worker->lanes[worker->n_lanes++] = (struct lane){
			.in = is_outbound ? inside : outside,
			.out = is_outbound ? outside : inside,
			.counter = &worker->counters->links[link][direction],
			.queue = queue,
			.path = 2 * link + direction,
		};
	}
}
