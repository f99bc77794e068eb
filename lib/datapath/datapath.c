/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/datapath.h"

#include "base/sl_log.h"
#include "datapath/asked.h"
#include "flow/sl_parking.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_ZONE_SHIFT 24u /* in the domain of a key */

/* --- Construction. --- */

static int
make_rcu(struct sl_datapath *datapath)
{
	size_t size = rte_rcu_qsbr_get_memsize(SL_DATAPATH_WORKERS_MAX);

	datapath->shared.rcu = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (datapath->shared.rcu == NULL)
		return -ENOMEM;
	return rte_rcu_qsbr_init(datapath->shared.rcu, SL_DATAPATH_WORKERS_MAX) == 0 ? 0 : -ENOMEM;
}

/* Rings from which workers take what others hand over; none when no link has several queues. */
static int
make_inboxes(struct sl_datapath *datapath)
{
	char name[RTE_RING_NAMESIZE];

	for (uint32_t i = 0; i < datapath->n_workers && links_share(&datapath->links); i++) {
		snprintf(name, sizeof(name), "sluice-inbox-%u", i);
		/* Workers may share CPUs: whoever was preempted while putting must not hold up the others. */
		datapath->shared.inboxes[i] = rte_ring_create(
			name, WORKER_INBOX_MAX, SOCKET_ID_ANY, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
		if (datapath->shared.inboxes[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Where workers tell each other of questions to groups, when answers may come to the wrong one. */
static int
make_asked(struct sl_datapath *datapath, const struct sl_flow_config *flows)
{
	if (!links_share(&datapath->links) || flows->max == 0 ||
		flows->multicast != SL_FLOW_MULTICAST_ALLOW)
		return 0;
	datapath->shared.asked =
		asked_new((uint64_t)flows->timeout_ms[SL_FLOW_MULTICAST] * 1000000);
	return datapath->shared.asked != NULL ? 0 : -ENOMEM;
}

/*
 * Packets that wait for callouts keep buffers of which fragments come first, but for a quarter.  Returns how many
 * may wait.
 */
static uint32_t
bound_pended(struct sl_flow_config *flows, uint32_t held_max, uint32_t n)
{
	uint32_t wanted = flows->max == 0 ? 0 : sl_parking_held_max(&flows->pend);
	uint32_t left = held_max > flows->fragments.held ? held_max - flows->fragments.held : 0;
	uint32_t most = SL_MAX(SL_MAX(left, held_max / 4), n);

	if (wanted <= most)
		return wanted;
	sl_log_notice(
		"at most %u packets wait for callouts instead of %u: memory.megabytes gives no "
		"buffers for more",
		most, wanted);
	flows->pend.frames = most;
	return most;
}

/*
 * A worker's share of flows and fragments, among `n` that serve links.  What is held keeps packet buffers, of
 * which queues must have theirs first.
 */
static void
share_flows(struct sl_datapath *datapath, const struct sl_flow_config *flows, uint32_t n,
	struct sl_flow_config *share)
{
	struct sl_flow_config whole = *flows;
	uint32_t held_max = SL_MAX(links_held_max(&datapath->links), 2 * n);

	held_max -= bound_pended(&whole, held_max, n);
	if (whole.fragments.held > held_max) {
		sl_log_notice(
			"at most %u fragments are held instead of %u: memory.megabytes gives no "
			"buffers for more",
			held_max, whole.fragments.held);
		whole.fragments.held = held_max;
	}
	sl_flow_config_share(&whole, n, share);
}

static int
make_workers(
	struct sl_datapath *datapath, const struct sl_datapath_config *config, struct sl_error *err)
{
	const struct steer *steers[2 * SL_DATAPATH_LINKS_MAX];
	struct sl_path paths[2 * SL_DATAPATH_LINKS_MAX];
	uint64_t serving = links_workers(&datapath->links);
	struct sl_flow_config share;
	struct worker_config worker = {
		.datapath = config, .paths = paths, .steers = steers, .shared = &datapath->shared};

	links_make_paths(&datapath->links, config, paths, steers);
	share_flows(datapath, &config->flows, (uint32_t)__builtin_popcountll(serving), &share);
	for (uint32_t i = 0; i < datapath->n_workers; i++) {
		bool keeps = config->flows.max > 0 || config->flows.fragments.held > 0;

		worker.index = i;
		worker.flows = keeps && (serving >> i & 1) != 0 ? &share : NULL;
		worker.completions = config->registry == NULL
			? NULL
			: sl_callout_completions(config->registry, i);
		if (worker_new(&worker, &datapath->workers[i]) != 0)
			return sl_error_set(
				err, SL_ERR_NO_MEMORY, NULL, "no memory for worker %u", i);
		datapath->workers[i]->lcore = datapath->eal.lcores[i];
	}
	links_spread(&datapath->links, datapath->workers);
	return 0;
}

static int
check_config(const struct sl_datapath_config *config, struct sl_error *err)
{
	if (config->n_links == 0 || config->n_links > SL_DATAPATH_LINKS_MAX)
		return sl_error_set(err, SL_ERR_CONFIGURATION, "/links",
			"%u links; 1 to %u are allowed", config->n_links, SL_DATAPATH_LINKS_MAX);
	if (config->n_workers > SL_DATAPATH_WORKERS_MAX)
		return sl_error_set(err, SL_ERR_CONFIGURATION, "/workers",
			"%u workers; at most %u are allowed", config->n_workers,
			SL_DATAPATH_WORKERS_MAX);
	if (config->burst > SL_PIPELINE_BURST_MAX)
		return sl_error_set(err, SL_ERR_CONFIGURATION, NULL,
			"burst %u; at most %u is allowed", config->burst, SL_PIPELINE_BURST_MAX);
	return 0;
}

/* Devices are looked at before EAL starts, so that most mistakes cost nothing. */
static int
set_up(struct sl_datapath *datapath, const struct sl_datapath_config *config, struct sl_error *err)
{
	const char *pci[2 * SL_DATAPATH_LINKS_MAX];
	uint32_t n_pci;
	int rc = check_config(config, err);

	if (rc == 0)
		rc = links_parse(&datapath->links, config, err);
	if (rc == 0)
		rc = links_probe(&datapath->links, err);
	if (rc != 0)
		return rc;
	n_pci = links_pci(&datapath->links, pci);
	rc = eal_init(config, datapath->n_workers, pci, n_pci, &datapath->eal, err);
	if (rc != 0)
		return rc;
	wall_init(&datapath->shared.wall);
	if (make_rcu(datapath) != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory for the datapath");
	rc = links_open(&datapath->links, config, datapath->n_workers, err);
	if (rc == 0 && (make_inboxes(datapath) != 0 || make_asked(datapath, &config->flows) != 0))
		rc = sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory for the datapath");
	if (rc == 0)
		rc = make_workers(datapath, config, err);
	return rc;
}

int
sl_datapath_new(
	const struct sl_datapath_config *config, struct sl_datapath **out, struct sl_error *err)
{
	struct sl_datapath *datapath = aligned_alloc(SL_CACHE_LINE, sizeof(*datapath));
	int rc;

	if (datapath == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory for the datapath");
	memset(datapath, 0, sizeof(*datapath));
	pthread_mutex_init(&datapath->lock, NULL);
	datapath->plane = (struct sl_plane){.ops = &datapath_plane_ops, .ctx = datapath};
	datapath->n_workers = config->n_workers != 0 ? config->n_workers : eal_workers_auto();
	rc = set_up(datapath, config, err);
	if (rc != 0) {
		sl_datapath_free(datapath);
		return rc;
	}
	*out = datapath;
	return 0;
}

int
sl_datapath_check_device(const char *device, struct sl_error *err)
{
	struct device parsed;

	return device_parse(device, 0, &parsed, err);
}

/* --- Running. --- */

int
sl_datapath_start(struct sl_datapath *datapath, struct sl_error *err)
{
	int rc;

	if (datapath->is_started)
		return 0;
	pthread_mutex_lock(&datapath->lock);
	wall_update(&datapath->shared.wall);
	rc = links_start(&datapath->links, err);
	if (rc == 0) {
		datapath->is_started = true;
		__atomic_store_n(&datapath->shared.is_running, true, __ATOMIC_RELAXED);
	}
	datapath->shared.n_launched = datapath->n_workers;
	datapath->shared.n_drained = 0;
	for (uint32_t i = 0; rc == 0 && i < datapath->n_workers; i++) {
		datapath->workers[i]->is_closing = false;
		__atomic_store_n(&datapath->workers[i]->is_alive, true, __ATOMIC_RELAXED);
		rc = rte_eal_remote_launch(
			worker_run, datapath->workers[i], datapath->workers[i]->lcore);
		if (rc != 0) {
			sl_error_set(err, SL_ERR_INTERNAL, NULL, "worker %u does not start", i);
			/* Nobody shall wait for those that never run. */
			__atomic_add_fetch(&datapath->shared.n_drained, datapath->n_workers - i,
				__ATOMIC_ACQ_REL);
		}
	}
	pthread_mutex_unlock(&datapath->lock);
	if (rc != 0)
		sl_datapath_stop(datapath);
	return rc;
}

void
sl_datapath_stop(struct sl_datapath *datapath)
{
	if (!datapath->is_started)
		return;
	__atomic_store_n(&datapath->shared.is_running, false, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < datapath->n_workers; i++)
		rte_eal_wait_lcore(datapath->workers[i]->lcore);
	pthread_mutex_lock(&datapath->lock);
	links_stop(&datapath->links);
	datapath->is_started = false;
	pthread_mutex_unlock(&datapath->lock);
}

void
sl_datapath_free(struct sl_datapath *datapath)
{
	if (datapath == NULL)
		return;
	sl_datapath_stop(datapath);
	links_close(&datapath->links);
	for (uint32_t i = 0; i < datapath->n_workers; i++) {
		worker_free(datapath->workers[i]);
		rte_ring_free(datapath->shared.inboxes[i]);
	}
	free(datapath->shared.asked);
	free(datapath->shared.rcu);
	eal_fini(&datapath->eal);
	pthread_mutex_destroy(&datapath->lock);
	free(datapath);
}

/* --- What it tells. --- */

const struct sl_plane *
sl_datapath_plane(struct sl_datapath *datapath)
{
	return &datapath->plane;
}

uint32_t
sl_datapath_flow_owner(const struct sl_datapath *datapath, const struct sl_flow_key *key)
{
	const struct steer *steer =
		links_steer(&datapath->links, (uint8_t)(key->domain >> FLOW_ZONE_SHIFT));

	return steer != NULL ? steer_worker(steer, key) : SL_DATAPATH_NO_WORKER;
}

void
sl_datapath_tick(struct sl_datapath *datapath)
{
	pthread_mutex_lock(&datapath->lock);
	wall_update(&datapath->shared.wall);
	for (uint32_t i = 0; datapath->is_started && i < 2 * datapath->links.n; i++)
		port_tick(
			&datapath->links.list[i / 2].ports[i % 2], datapath_synchronize, datapath);
	pthread_mutex_unlock(&datapath->lock);
}
