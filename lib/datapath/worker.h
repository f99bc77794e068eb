/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_WORKER_H
#define SL_DATAPATH_WORKER_H

/*
 * A worker: one lcore that carries packets of some queues of some links, in both directions.
 *
 * Loop.    Receive a burst, judge it against the snapshot in force, send what may leave to the other port,
 *          free the rest, send what callouts answered back.  Fragments are kept until the pipeline lets them go.
 *          After each round over its lanes the worker is quiescent.
 * Inbox.   Packets whose flow another worker has go there, before anybody judges them, through a ring that is a
 *          further lane of the receiver (steer.h).  A full ring drops them by name.
 * Stop.    Workers first judge what they received, then wait for each other while emptying their inboxes, then let
 *          held fragments go: no buffer is left behind.
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

#define WORKER_BURST_DEFAULT 64u
#define WORKER_LANES_MAX     (2u * SL_DATAPATH_LINKS_MAX)
#define WORKER_PATHS_MAX     (2u * SL_DATAPATH_LINKS_MAX)
#define WORKER_INBOX_MAX     1024u /* packets; a power of two */
#define WORKER_COMMANDS_MAX  4096u

struct asked;
struct link;
struct rte_ring;
struct steer;

/* What all workers look at; the control thread writes it. */
struct worker_shared {
	const struct sl_snapshot *snapshot; /* release/acquire; NULL: block everything */
	uint32_t mode;                      /* enum sl_mode, relaxed */
	bool is_running;                    /* relaxed; false: drain and end */
	struct rte_rcu_qsbr *rcu;
	struct wall wall;
	struct rte_ring *inboxes[SL_DATAPATH_WORKERS_MAX]; /* NULL: links have one queue each */
	struct asked *asked; /* written by all; NULL: no answer can come to the wrong worker */
	uint32_t n_launched; /* before workers run */
	uint32_t n_drained;  /* atomic: of those, how many will hand nothing over any more */
};

/* One direction of one link, on one queue. */
struct lane {
	const struct port *in;
	const struct port *out;
	struct sl_link_counter *counter;
	uint16_t queue;
	uint32_t path;             /* of the pipeline */
	const struct steer *steer; /* NULL: no packet of it belongs to another worker */
	const struct asked *asked; /* NULL: none of it is an answer that does */
};

/* What a round looks at. */
struct round {
	const struct sl_snapshot *snapshot;
	enum sl_mode mode;
	uint64_t now_ns;
	uint64_t since_ns; /* the same had nobody set the clock since the start */
};

struct worker {
	struct worker_shared *shared;
	struct sl_pipeline *pipeline;
	struct sl_counters *counters;
	struct sl_ring *events;
	struct sl_ring *commands; /* of struct sl_flow_command, from control */
	uint32_t index;
	uint32_t burst;
	bool is_adaptive;
	bool keeps_flows;
	uint32_t n_lanes;
	struct lane lanes[WORKER_LANES_MAX];
	struct lane *lane_of_path[WORKER_PATHS_MAX];         /* NULL: not this worker's */
	const struct steer *steer_of_path[WORKER_PATHS_MAX]; /* of all paths */
	uint8_t zone_of_path[WORKER_PATHS_MAX];
	struct sl_meta looks[2]; /* a packet that may belong to another worker, by direction */
	struct round round;
	bool is_closing;    /* hands nothing over any more */
	int64_t stepped_ns; /* settings of the clock that the pipeline has been told of */

	/* Seen by the control thread. */
	uint64_t revision; /* relaxed: of the snapshot it looks at */
	bool is_alive;     /* relaxed */
	unsigned int lcore;

	/* The burst in hand. */
	struct rte_mbuf *mbufs[SL_PIPELINE_BURST_MAX];
	struct rte_mbuf *handed[SL_PIPELINE_BURST_MAX]; /* from the inbox */
	struct rte_mbuf *leaving[SL_PIPELINE_BURST_MAX];
	struct lane *leaving_by; /* of those of `leaving` that are not sent yet */
	uint16_t n_leaving;
	struct rte_mbuf *dropped[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	uint8_t windows[SL_PIPELINE_BURST_MAX]
		       [SL_PACKET_HEADERS_MAX]; /* of packets in several buffers */
} SL_CACHE_ALIGNED;

/* What a worker is made of. */
struct worker_config {
	uint32_t index;
	const struct sl_datapath_config *datapath;
	/* Path 2i is outbound of link i, 2i + 1 inbound; copied. */
	const struct sl_path *paths;
	const struct steer *const
		*steers; /* of the paths; copied, what they point to is borrowed */
	const struct sl_flow_config *flows; /* its share; copied; NULL: it has none */
	struct sl_mpsc *completions;        /* of the callouts' registry; borrowed; NULL: none */
	struct worker_shared *shared;
};

/* 0 or -ENOMEM. */
int worker_new(const struct worker_config *config, struct worker **out) SL_MUST_CHECK;
void worker_free(struct worker *worker);
/* Gives the worker both directions of a link on one queue. */
void
worker_add_link(struct worker *worker, uint32_t index, const struct link *link, uint16_t queue);

/* An lcore_function_t; `arg` is the worker. */
int worker_run(void *arg);

#endif
