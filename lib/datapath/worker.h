/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_WORKER_H
#define SL_DATAPATH_WORKER_H

/*
 * A worker: one lcore that carries packets of some queues of some links, in both directions.
 *
 * Loop.    Receive a burst, judge it against the snapshot in force, send what may leave to the other port,
 *          free the rest, send what callouts answered back.  After each round over its lanes the worker
 *          is quiescent.
 * Idle.    An adaptive worker without packets for 20 microseconds sleeps, 5 microseconds first and twice as
 *          long each time up to 200; while it sleeps it is offline for RCU.
 * Threads. worker_new, worker_free, worker_add_lane: control thread while the worker does not run.
 *          worker_run is the worker's thread.
 */

#include "base/sl_compiler.h"
#include "base/sl_error.h"
#include "datapath/port.h"
#include "datapath/sl_datapath.h"
#include "datapath/wall.h"
#include "pipeline/sl_pipeline.h"

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include <stdbool.h>
#include <stdint.h>

#define WORKER_BURST_DEFAULT 32u
#define WORKER_LANES_MAX     (2u * SL_DATAPATH_LINKS_MAX)

/* What all workers look at; the control thread writes it. */
struct worker_shared {
	const struct sl_snapshot *snapshot; /* release/acquire; NULL: block everything */
	uint32_t mode;                      /* enum sl_mode, relaxed */
	bool is_running;                    /* relaxed; false: drain and end */
	struct rte_rcu_qsbr *rcu;
	struct wall wall;
};

/* One direction of one link, on one queue. */
struct lane {
	const struct port *in;
	const struct port *out;
	struct sl_link_counter *counter;
	uint16_t queue;
	uint32_t path; /* of the pipeline */
};

struct worker {
	struct worker_shared *shared;
	struct sl_pipeline *pipeline;
	struct sl_counters *counters;
	struct sl_ring *events;
	uint32_t index;
	uint32_t burst;
	bool is_adaptive;
	uint32_t n_lanes;
	struct lane lanes[WORKER_LANES_MAX];

	/* Seen by the control thread. */
	uint64_t revision; /* relaxed: of the snapshot it looks at */
	bool is_alive;     /* relaxed */
	unsigned int lcore;

	/* The burst in hand. */
	struct rte_mbuf *mbufs[SL_PIPELINE_BURST_MAX];
	struct rte_mbuf *leaving[SL_PIPELINE_BURST_MAX];
	struct rte_mbuf *dropped[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	uint8_t windows[SL_PIPELINE_BURST_MAX]
		       [SL_PACKET_HEADERS_MAX]; /* of packets in several buffers */
} SL_CACHE_ALIGNED;

/* `paths` are those of all links: path 2i is outbound of link i, 2i + 1 inbound. 0 or -ENOMEM. */
int worker_new(uint32_t index, const struct sl_datapath_config *config, const struct sl_path *paths,
	struct worker_shared *shared, struct worker **out) SL_MUST_CHECK;
void worker_free(struct worker *worker);
/* Gives the worker both directions of a link on one queue. */
void worker_add_link(struct worker *worker, uint32_t link, const struct port *inside,
	const struct port *outside, uint16_t queue);

/* An lcore_function_t; `arg` is the worker. */
int worker_run(void *arg);

#endif
