/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_PORT_RUN_H
#define SL_DATAPATH_PORT_RUN_H

/* Packet time: receiving from and sending to a port, whatever stands behind it. One queue, one worker. */

#include "datapath/port.h"

#include <rte_branch_prediction.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

static inline uint16_t
port_rx(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n)
{
	struct packet_socket *socket;

	if (unlikely(__atomic_load_n(&port->is_gone, __ATOMIC_RELAXED)))
		return 0;
	if (port->ethdev != PORT_NO_ETHDEV)
		return rte_eth_rx_burst(port->ethdev, queue, mbufs, n);
	socket = __atomic_load_n(&port->socket, __ATOMIC_ACQUIRE);
	return packet_queue_rx(socket, &socket->queues[queue], port->pool, mbufs, n);
}

/* Sends and frees the first packets; returns how many. `*reason`: see packet_queue_tx. */
static inline uint16_t
port_tx(const struct port *port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t n,
	enum sl_reason *reason)
{
	struct packet_socket *socket;

	*reason = SL_REASON_NONE;
	if (unlikely(__atomic_load_n(&port->is_gone, __ATOMIC_RELAXED))) {
		*reason = SL_REASON_TX_PORT_DOWN;
		return 0;
	}
	if (port->ethdev != PORT_NO_ETHDEV)
		return rte_eth_tx_burst(port->ethdev, queue, mbufs, n);
	socket = __atomic_load_n(&port->socket, __ATOMIC_ACQUIRE);
	return packet_queue_tx(&socket->queues[queue], mbufs, n, reason);
}

#endif
