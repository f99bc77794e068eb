/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/worker.h"

#include "datapath/hand.h"
#include "datapath/links.h"

#include <rte_ring.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_RING_DEFAULT 65536u

static int
make_rings(struct worker *worker, const struct worker_config *config)
{
	uint32_t n_events = config->datapath->event_ring;
	int rc = sl_ring_new(n_events != 0 ? n_events : EVENT_RING_DEFAULT, sizeof(struct sl_event),
		&worker->events);

	if (rc == 0 && config->flows != NULL)
		rc = sl_ring_new(
			WORKER_COMMANDS_MAX, sizeof(struct sl_flow_command), &worker->commands);
	return rc;
}

static int
make_pipeline(struct worker *worker, const struct worker_config *config)
{
	const struct sl_pipeline_options options = {
		.worker = config->index,
		.n_paths = 2 * config->datapath->n_links,
		.paths = config->paths,
		.counters = worker->counters,
		.events = worker->events,
		.event_rate = config->datapath->event_rate,
		.engine = SL_ENGINE_COMPILED,
		.flows = config->flows,
		.owner = worker->keeps_flows ? hand_owner : NULL,
		.owner_ctx = worker,
		.asked = config->shared->asked != NULL ? hand_note_question : NULL,
		.asked_ctx = worker,
		.commands = worker->commands,
		.completions = config->completions,
		.now_ns = wall_now(&config->shared->wall, rte_rdtsc()),
	};

	return sl_pipeline_new(&options, &worker->pipeline);
}

int
worker_new(const struct worker_config *config, struct worker **out)
{
	struct worker *worker = aligned_alloc(SL_CACHE_LINE, sizeof(*worker));
	uint32_t burst = config->datapath->burst;
	int rc;

	if (worker == NULL)
		return -ENOMEM;
	memset(worker, 0, sizeof(*worker));
	worker->index = config->index;
	worker->shared = config->shared;
	worker->burst = burst != 0 ? burst : WORKER_BURST_DEFAULT;
	worker->is_adaptive = config->datapath->poll == SL_POLL_ADAPTIVE;
	worker->keeps_flows = config->flows != NULL && config->flows->max > 0;
	memcpy(worker->steer_of_path, config->steers,
		2 * config->datapath->n_links * sizeof(worker->steer_of_path[0]));
	for (uint32_t i = 0; i < 2 * config->datapath->n_links; i++)
		worker->zone_of_path[i] = config->paths[i].flow_zone;
	for (uint32_t i = 0; i < 2; i++)
		sl_meta_setup(&worker->looks[i], (enum sluice_direction)i, &config->paths[i].ports);
	rc = sl_counters_new(&worker->counters);
	if (rc == 0)
		rc = make_rings(worker, config);
	if (rc == 0)
		rc = make_pipeline(worker, config);
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
	sl_ring_free(worker->commands);
	sl_ring_free(worker->events);
	sl_counters_free(worker->counters);
	free(worker);
}

void
worker_add_link(struct worker *worker, uint32_t index, const struct link *link, uint16_t queue)
{
	bool hands_over = link->n_queues > 1 && worker->keeps_flows;

	for (uint32_t direction = 0; direction < 2; direction++) {
		bool is_outbound = direction == SLUICE_DIRECTION_OUTBOUND;
		uint32_t from = is_outbound ? SL_SIDE_INSIDE : SL_SIDE_OUTSIDE;
		struct lane *lane = &worker->lanes[worker->n_lanes++];

		*lane = (struct lane){
			.in = &link->ports[from],
			.out = &link->ports[1 - from],
			.counter = &worker->counters->links[index][direction],
			.queue = queue,
			.path = 2 * index + direction,
			.steer = hands_over ? &link->steer : NULL,
			.asked = hands_over && !is_outbound ? worker->shared->asked : NULL,
		};
		worker->lane_of_path[lane->path] = lane;
	}
}
