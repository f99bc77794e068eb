/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_PLANE_H
#define SL_PIPELINE_PLANE_H

/*
 * The packet plane as the management core sees it: the four named places where the planes meet - the
 * snapshot pointer, reclamation, the rings upward and the counters - and the view of the hardware.
 * The datapath implements it over DPDK; tests and tools implement it over nothing.
 *
 * Threads. Called from control threads, never from a worker.  publish and synchronize are called by one
 *          thread at a time; everything else also beside them, from any control thread.
 */

#include "pipeline/sl_pipeline.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_PORT_NAME_MAX 64

enum sl_port_state {
	SL_PORT_UP,
	SL_PORT_DOWN, /* no carrier */
	SL_PORT_GONE  /* the device disappeared */
};

struct sl_port_info {
	char name[SL_PORT_NAME_MAX]; /* "wan.inside" */
	char device[256];            /* as configured: "af_packet:veth-in" */
	char driver[32];             /* "net_af_packet" */
	uint32_t index;              /* interface index in conditions, from 1 */
	uint32_t link;
	enum sl_link_side side;
	enum sl_port_state state;
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t speed_mbps; /* 0: unknown */
	bool is_promiscuous;
	uint16_t n_rx_queues;
	uint16_t n_tx_queues;
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_no_buffer;
	uint64_t tx_packets, tx_bytes, tx_errors;
	char fault[160]; /* why it is gone; "" */
};

struct sl_link_info {
	char name[SL_PORT_NAME_MAX];
	uint32_t inside; /* place in the list of ports */
	uint32_t outside;
	uint64_t workers; /* bit i: worker i serves it */
};

struct sl_worker_info {
	uint32_t lcore;
	int32_t cpu; /* -1: not pinned */
	bool is_running;
	bool is_adaptive;  /* backs off when idle */
	uint64_t revision; /* of the snapshot it used last; 0: none */
	uint64_t tsc_hz;
};

struct sl_plane_ops {
	/*
	 * Makes `snapshot` (may be NULL: block everything) the one in force, waits until no worker uses the
	 * previous one, and returns it.
	 */
	const struct sl_snapshot *(*publish)(void *ctx, const struct sl_snapshot *snapshot);
	/* Returns when every worker has passed a quiescent state. */
	void (*synchronize)(void *ctx);
	void (*set_mode)(void *ctx, enum sl_mode mode);

	uint32_t (*n_workers)(void *ctx);
	struct sl_counters *(*counters)(void *ctx, uint32_t worker);
	struct sl_ring *(*events)(void *ctx, uint32_t worker);
	/*
	 * NULL: the worker keeps none. What sl_flow.h allows any thread.  A plane that keeps no flows at all may
	 * have NULL for this and the three below.
	 */
	const struct sl_flow_table *(*flows)(void *ctx, uint32_t worker);
	const struct sl_fragments *(*fragments)(void *ctx, uint32_t worker);
	/* Puts a command into the worker's ring; false: it is full, try again. One thread at a time. */
	bool (*flow_command)(void *ctx, uint32_t worker, const struct sl_flow_command *command);
	/*
	 * Adds a saved flow to the table of the worker that will have its packets; no worker runs.  What
	 * sl_flow_load returns, or -ENOTSUP where no flows are kept.
	 */
	int (*flow_load)(void *ctx, const struct sl_flow_saved *saved, uint64_t now_ns);
	void (*worker_info)(void *ctx, uint32_t worker, struct sl_worker_info *info);

	uint32_t (*n_ports)(void *ctx);
	void (*port_info)(void *ctx, uint32_t port, struct sl_port_info *info);
	uint32_t (*n_links)(void *ctx);
	void (*link_info)(void *ctx, uint32_t link, struct sl_link_info *info);
};

struct sl_plane {
	const struct sl_plane_ops *ops;
	void *ctx;
};

#endif
