/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/datapath.h"

#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include <errno.h>
#include <string.h>
#include <time.h>

/* Waits in small steps: a worker may share the CPU with whoever waits for it. */
void
datapath_synchronize(void *ctx)
{
	struct sl_datapath *datapath = ctx;
	const struct timespec step = {.tv_nsec = 20000};
	uint64_t token = rte_rcu_qsbr_start(datapath->shared.rcu);

	while (rte_rcu_qsbr_check(datapath->shared.rcu, token, false) != 1)
		nanosleep(&step, NULL);
}

static const struct sl_snapshot *
publish(void *ctx, const struct sl_snapshot *snapshot)
{
	struct sl_datapath *datapath = ctx;
	const struct sl_snapshot *previous =
		__atomic_exchange_n(&datapath->shared.snapshot, snapshot, __ATOMIC_ACQ_REL);

	datapath_synchronize(datapath);
	return previous;
}

static void
set_mode(void *ctx, enum sl_mode mode)
{
	struct sl_datapath *datapath = ctx;

	__atomic_store_n(&datapath->shared.mode, (uint32_t)mode, __ATOMIC_RELAXED);
	datapath_synchronize(datapath);
}

static uint32_t
n_workers(void *ctx)
{
	const struct sl_datapath *datapath = ctx;

	return datapath->n_workers;
}

static struct sl_counters *
counters(void *ctx, uint32_t worker)
{
	const struct sl_datapath *datapath = ctx;

	return datapath->workers[worker]->counters;
}

static struct sl_ring *
events(void *ctx, uint32_t worker)
{
	const struct sl_datapath *datapath = ctx;

	return datapath->workers[worker]->events;
}

static const struct sl_flow_table *
flows(void *ctx, uint32_t worker)
{
	const struct sl_datapath *datapath = ctx;

	return sl_pipeline_flows(datapath->workers[worker]->pipeline);
}

static const struct sl_fragments *
fragments(void *ctx, uint32_t worker)
{
	const struct sl_datapath *datapath = ctx;

	return sl_pipeline_fragments(datapath->workers[worker]->pipeline);
}

static bool
flow_command(void *ctx, uint32_t worker, const struct sl_flow_command *command)
{
	const struct sl_datapath *datapath = ctx;
	struct sl_ring *commands = datapath->workers[worker]->commands;

	return commands != NULL && sl_ring_put(commands, command);
}

/* -ENOTSUP also for flows of a zone that no link has now. */
static int
flow_load(void *ctx, const struct sl_flow_saved *saved, uint64_t now_ns)
{
	const struct sl_datapath *datapath = ctx;
	uint32_t owner = sl_datapath_flow_owner(datapath, &saved->key);
	struct sl_flow_table *table = owner != SL_DATAPATH_NO_WORKER
		? sl_pipeline_flows(datapath->workers[owner]->pipeline)
		: NULL;

	return table != NULL ? sl_flow_load(table, saved, now_ns) : -ENOTSUP;
}

static void
worker_info(void *ctx, uint32_t index, struct sl_worker_info *info)
{
	const struct sl_datapath *datapath = ctx;
	const struct worker *worker = datapath->workers[index];

	*info = (struct sl_worker_info){
		.lcore = worker->lcore,
		.cpu = datapath->eal.cpus[index],
		.is_running = __atomic_load_n(&worker->is_alive, __ATOMIC_RELAXED),
		.is_adaptive = worker->is_adaptive,
		.revision = __atomic_load_n(&worker->revision, __ATOMIC_RELAXED),
		.tsc_hz = rte_get_tsc_hz(),
	};
}

static uint32_t
n_ports(void *ctx)
{
	const struct sl_datapath *datapath = ctx;

	return 2 * datapath->links.n;
}

static void
get_port_info(void *ctx, uint32_t port, struct sl_port_info *info)
{
	struct sl_datapath *datapath = ctx;

	pthread_mutex_lock(&datapath->lock);
	port_info(&datapath->links.list[port / 2].ports[port % 2], info);
	pthread_mutex_unlock(&datapath->lock);
}

static uint32_t
n_links(void *ctx)
{
	const struct sl_datapath *datapath = ctx;

	return datapath->links.n;
}

static void
get_link_info(void *ctx, uint32_t link, struct sl_link_info *info)
{
	const struct sl_datapath *datapath = ctx;

	*info = (struct sl_link_info){
		.inside = 2 * link,
		.outside = 2 * link + 1,
		.workers = datapath->links.list[link].workers,
	};
	memcpy(info->name, datapath->links.list[link].name, sizeof(info->name));
}

const struct sl_plane_ops datapath_plane_ops = {
	.publish = publish,
	.synchronize = datapath_synchronize,
	.set_mode = set_mode,
	.n_workers = n_workers,
	.counters = counters,
	.events = events,
	.flows = flows,
	.fragments = fragments,
	.flow_command = flow_command,
	.flow_load = flow_load,
	.worker_info = worker_info,
	.n_ports = n_ports,
	.port_info = get_port_info,
	.n_links = n_links,
	.link_info = get_link_info,
};
