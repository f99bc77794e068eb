/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_PORT_H
#define SL_DATAPATH_PORT_H

/*
 * A port: one device, opened, configured and looked after.
 *
 * Two families stand behind one face: DPDK's ethdevs, and packet sockets of our own for "af_packet:".
 *
 * Gone.    A port whose device disappeared is skipped by its workers.  Packet sockets come back with their
 *          interface; DPDK devices need a restart, and the port's fault says so.
 * Threads. Everything here is for the control thread, under the datapath's lock; workers use port_run.h.
 */

#include "base/sl_error.h"
#include "datapath/device.h"
#include "datapath/packet_socket.h"
#include "datapath/steer.h"
#include "pipeline/sl_plane.h"

#include <stdbool.h>
#include <stdint.h>

#define PORT_NO_ETHDEV  UINT16_MAX
#define PORT_QUEUES_MAX 64u

struct rte_mempool;

struct port {
	/* Read by workers. */
	uint16_t ethdev;              /* DPDK's port id; PORT_NO_ETHDEV: a packet socket */
	bool is_gone;                 /* relaxed atomic */
	bool has_multi_seg;           /* can send packets of several buffers */
	uint32_t tx_len_max;          /* bytes of an untagged frame; UINT32_MAX: no limit */
	struct packet_socket *socket; /* acquire/release; NULL: an ethdev */
	struct rte_mempool *pool;     /* borrowed; the link's */

	/* Control. */
	struct device device;
	char name[SL_PORT_NAME_MAX]; /* "wan.inside" */
	uint32_t index;              /* from 1 */
	uint32_t link;
	enum sl_link_side side;
	enum sl_port_state state;
	bool was_removed; /* atomic; set by DPDK's interrupt thread */
	bool is_started;
	enum steer_kind steer_kind; /* how its queues can share flows; ONE: they cannot */
	uint64_t rss_types;         /* what a NIC was asked to hash: RTE_ETH_RSS_* */
	uint16_t n_queues_max;
	uint16_t n_queues;
	uint16_t mtu;
	uint32_t n_rx_descriptors; /* 0: the device's own */
	uint32_t n_tx_descriptors;
	int ifindex; /* of the kernel interface; 0: none */
	uint8_t mac[6];
	bool is_promiscuous;
	uint32_t speed_mbps;
	char driver[32];
	char fault[160];
	uint64_t too_long_seen; /* rx_too_long when it was last reported */
	uint64_t last[6];       /* counters of sockets that were closed: see socket_stats */
};

/*
 * Makes the device known and finds out what it can do (n_queues_max, steer_kind); the caller has parsed
 * `port->device` and set names and numbers.  Errors name the port.
 */
int port_open(struct port *port, struct sl_error *err) SL_MUST_CHECK;
/* Configures `n_queues` queues. `mtu` 0: the device's own. */
int port_configure(struct port *port, uint16_t n_queues, uint16_t mtu, struct rte_mempool *pool,
	struct sl_error *err) SL_MUST_CHECK;
/* Buffers that one queue of the port may keep between bursts; after port_open. */
uint32_t port_queue_buffers(const struct port *port);
/*
 * Reads back how a started NIC shares its queues into `steer` (rss_types, n_places, places).  False when it cannot
 * tell, or does it in a way that is not ours.
 */
bool port_read_steer(const struct port *port, struct steer *steer);
int port_start(struct port *port, struct sl_error *err) SL_MUST_CHECK;
void port_stop(struct port *port);
void port_close(struct port *port);

/* Waits until no worker uses what it used before. */
typedef void port_synchronize_fn(void *ctx);
/* Notices changes of the link's state and of the device's existence, and says so in the log. */
void port_tick(struct port *port, port_synchronize_fn *synchronize, void *ctx);
void port_info(struct port *port, struct sl_port_info *info);

#endif
