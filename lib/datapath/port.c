/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/port.h"

#include "base/sl_log.h"
#include "datapath/ethdev.h"
#include "datapath/interface.h"
#include "telemetry/sl_counters.h"

#include <inttypes.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>

/* Descriptors a device may have when the configuration leaves their number to it. */
#define DESCRIPTORS_GUESS 1024u

/* Where a closed socket's counters go in port->last. */
enum {
	LAST_RX_PACKETS,
	LAST_RX_BYTES,
	LAST_RX_MISSED,
	LAST_RX_ERRORS,
	LAST_TX_PACKETS,
	LAST_TX_BYTES
};

static bool
is_socket(const struct port *port)
{
	return port->device.kind == DEVICE_AF_PACKET;
}

/* --- Packet sockets. --- */

static int
socket_probe(struct port *port)
{
	struct interface interface;

	if (!interface_get(port->device.interface, &interface))
		return -1;
	port->ifindex = interface.index;
	port->mtu = interface.mtu;
	port->speed_mbps = interface.speed_mbps;
	memcpy(port->mac, interface.mac, sizeof(port->mac));
	port->tx_len_max = interface.mtu + ETH_HLEN;
	port->state = interface.is_up ? SL_PORT_UP : SL_PORT_DOWN;
	return 0;
}

static int
socket_configure(struct port *port, uint16_t mtu, struct sl_error *err)
{
	int rc = 0;

	if (mtu != 0)
		rc = interface_set_mtu(port->device.interface, mtu, err);
	if (rc == 0 && socket_probe(port) != 0)
		rc = sl_error_set(err, SL_ERR_PORT_NOT_FOUND, NULL, "interface \"%s\" disappeared",
			port->device.interface);
	return rc;
}

/* What the kernel does with packets of its own addresses, it does before any policy of ours. */
static void
warn_of_address(const struct port *port)
{
	char address[INET6_ADDRSTRLEN];

	if (interface_address(port->device.interface, address))
		sl_log_warning(
			"port %s (%s): the interface has the address %s; this machine answers "
			"there whatever the policy says",
			port->name, port->device.spec, address);
}

static int
socket_start(struct port *port, struct sl_error *err)
{
	struct packet_socket *socket;
	int rc = packet_socket_open(
		port->device.interface, port->n_queues, port->n_rx_descriptors, &socket, err);

	if (rc != 0)
		return rc;
	__atomic_store_n(&port->socket, socket, __ATOMIC_RELEASE);
	port->is_promiscuous = true;
	warn_of_address(port);
	if (!interface_stop_merging(port->device.interface))
		sl_log_warning("port %s (%s): the interface goes on merging packets (GRO or LRO), "
			       "which are "
			       "then too long; needs CAP_NET_ADMIN",
			port->name, port->device.spec);
	return 0;
}

/* Adds the counters of the open socket to `sum`. */
static void
socket_stats(const struct port *port, uint64_t sum[6])
{
	const struct packet_socket *socket = port->socket;

	for (uint32_t i = 0; socket != NULL && i < socket->n_queues; i++) {
		const struct packet_queue *queue = &socket->queues[i];

		sum[LAST_RX_PACKETS] += sl_counter_read(&queue->rx_packets);
		sum[LAST_RX_BYTES] += sl_counter_read(&queue->rx_bytes);
		sum[LAST_RX_MISSED] += queue->kernel_drops;
		sum[LAST_RX_ERRORS] += sl_counter_read(&queue->rx_too_long);
		sum[LAST_TX_PACKETS] += sl_counter_read(&queue->tx_packets);
		sum[LAST_TX_BYTES] += sl_counter_read(&queue->tx_bytes);
	}
}

static void
socket_close(struct port *port)
{
	struct packet_socket *socket = port->socket;

	if (socket == NULL)
		return;
	packet_socket_update_drops(socket);
	socket_stats(port, port->last);
	__atomic_store_n(&port->socket, NULL, __ATOMIC_RELEASE);
	packet_socket_close(socket);
	port->is_promiscuous = false;
}

/* --- Life. --- */

int
port_open(struct port *port, struct sl_error *err)
{
	int rc = device_probe(&port->device, err);

	port->ethdev = PORT_NO_ETHDEV;
	if (rc != 0)
		return rc;
	if (!is_socket(port))
		return ethdev_open(port, err);
	snprintf(port->driver, sizeof(port->driver), "af_packet");
	port->n_queues_max = PACKET_SOCKET_QUEUES_MAX;
	port->steer_kind = STEER_PROGRAM;
	port->has_multi_seg = true;
	if (socket_probe(port) != 0)
		return sl_error_set(err, SL_ERR_PORT_NOT_FOUND, NULL,
			"interface \"%s\" disappeared", port->device.interface);
	return 0;
}

int
port_configure(struct port *port, uint16_t n_queues, uint16_t mtu, struct rte_mempool *pool,
	struct sl_error *err)
{
	port->n_queues = n_queues;
	port->pool = pool;
	if (is_socket(port))
		return socket_configure(port, mtu, err);
	return ethdev_configure(port, mtu, err);
}

uint32_t
port_queue_buffers(const struct port *port)
{
	uint32_t n_rx = port->n_rx_descriptors, n_tx = port->n_tx_descriptors;

	/* The kernel has rings of its own. */
	if (is_socket(port))
		return 0;
	return (n_rx != 0 ? n_rx : DESCRIPTORS_GUESS) + (n_tx != 0 ? n_tx : DESCRIPTORS_GUESS);
}

bool
port_read_steer(const struct port *port, struct steer *steer)
{
	return !is_socket(port) && ethdev_read_steer(port, steer);
}

int
port_start(struct port *port, struct sl_error *err)
{
	int rc = is_socket(port) ? socket_start(port, err) : ethdev_start(port, err);

	port->is_started = rc == 0;
	return rc;
}

void
port_stop(struct port *port)
{
	if (!port->is_started)
		return;
	port->is_started = false;
	if (is_socket(port))
		socket_close(port);
	else
		ethdev_stop(port);
}

void
port_close(struct port *port)
{
	port_stop(port);
	if (!is_socket(port))
		ethdev_close(port);
}

/* --- Looking after it. --- */

static void
report_state(struct port *port, enum sl_port_state state)
{
	if (state == port->state)
		return;
	if (state == SL_PORT_GONE)
		sl_log_error("port %s (%s): %s", port->name, port->device.spec, port->fault);
	else
		sl_log_notice("port %s (%s): %s", port->name, port->device.spec,
			state == SL_PORT_UP ? "link is up" : "link is down");
	port->state = state;
}

/*
 * Opens the interface anew: it came back under a new number, or its MTU changed.  The workers go over to the
 * new socket by themselves; the old one is closed when none uses it any more.
 */
static void
socket_reopen(struct port *port, const struct interface *interface,
	port_synchronize_fn *synchronize, void *ctx)
{
	struct packet_socket *old = port->socket, *new;
	struct sl_error err;

	if (packet_socket_open(port->device.interface, port->n_queues, port->n_rx_descriptors, &new,
		    &err) != 0) {
		snprintf(port->fault, sizeof(port->fault), "cannot be opened again: %.120s",
			err.text);
		return;
	}
	packet_socket_update_drops(old);
	__atomic_store_n(&port->tx_len_max, interface->mtu + (uint32_t)ETH_HLEN, __ATOMIC_RELAXED);
	__atomic_store_n(&port->socket, new, __ATOMIC_RELEASE);
	synchronize(ctx);
	port->socket = old;
	socket_stats(port, port->last);
	port->socket = new;
	packet_socket_close(old);
	port->ifindex = interface->index;
	port->mtu = interface->mtu;
	memcpy(port->mac, interface->mac, sizeof(port->mac));
	port->fault[0] = '\0';
	__atomic_store_n(&port->is_gone, false, __ATOMIC_RELAXED);
	interface_stop_merging(port->device.interface);
	sl_log_notice(
		"port %s (%s): opened again, MTU %u", port->name, port->device.spec, port->mtu);
}

static void
socket_tick(struct port *port, port_synchronize_fn *synchronize, void *ctx)
{
	struct interface interface;
	uint64_t sum[6];

	if (!interface_get(port->device.interface, &interface)) {
		snprintf(port->fault, sizeof(port->fault),
			"interface disappeared; the port is used again when it is back");
		__atomic_store_n(&port->is_gone, true, __ATOMIC_RELAXED);
		report_state(port, SL_PORT_GONE);
		return;
	}
	if (interface.index != port->ifindex || interface.mtu != port->mtu)
		socket_reopen(port, &interface, synchronize, ctx);
	if (!port->is_gone)
		report_state(port, interface.is_up ? SL_PORT_UP : SL_PORT_DOWN);
	port->speed_mbps = interface.speed_mbps;
	packet_socket_update_drops(port->socket);
	memcpy(sum, port->last, sizeof(sum));
	socket_stats(port, sum);
	if (sum[LAST_RX_ERRORS] != port->too_long_seen && port->too_long_seen == 0)
		sl_log_warning(
			"port %s (%s): frames longer than the MTU arrive and are dropped; switch "
			"segmentation off where they are made (ethtool -K IFACE tso off gso off)",
			port->name, port->device.spec);
	port->too_long_seen = sum[LAST_RX_ERRORS];
}

static void
device_tick(struct port *port)
{
	bool is_gone = __atomic_load_n(&port->was_removed, __ATOMIC_ACQUIRE);

	if (port->is_gone)
		return;
	if (port->ifindex != 0 && (int)if_nametoindex(port->device.interface) != port->ifindex)
		is_gone = true;
	if (is_gone) {
		snprintf(port->fault, sizeof(port->fault),
			"device disappeared; the daemon must be restarted when it is back");
		__atomic_store_n(&port->is_gone, true, __ATOMIC_RELAXED);
		report_state(port, SL_PORT_GONE);
		return;
	}
	report_state(port, ethdev_is_up(port) ? SL_PORT_UP : SL_PORT_DOWN);
}

void
port_tick(struct port *port, port_synchronize_fn *synchronize, void *ctx)
{
	if (!port->is_started)
		return;
	if (is_socket(port))
		socket_tick(port, synchronize, ctx);
	else
		device_tick(port);
}

static void
socket_info(const struct port *port, struct sl_port_info *info)
{
	uint64_t sum[6];

	memcpy(sum, port->last, sizeof(sum));
	socket_stats(port, sum);
	info->rx_packets = sum[LAST_RX_PACKETS];
	info->rx_bytes = sum[LAST_RX_BYTES];
	info->rx_missed = sum[LAST_RX_MISSED];
	info->rx_errors = sum[LAST_RX_ERRORS];
	info->tx_packets = sum[LAST_TX_PACKETS];
	info->tx_bytes = sum[LAST_TX_BYTES];
	for (uint32_t i = 0; port->socket != NULL && i < port->socket->n_queues; i++) {
		info->rx_no_buffer += sl_counter_read(&port->socket->queues[i].rx_no_buffer);
		info->tx_errors += sl_counter_read(&port->socket->queues[i].tx_errors);
	}
}

void
port_info(struct port *port, struct sl_port_info *info)
{
	*info = (struct sl_port_info){
		.index = port->index,
		.link = port->link,
		.side = port->side,
		.state = port->state,
		.mtu = port->mtu,
		.speed_mbps = port->speed_mbps,
		.is_promiscuous = port->is_promiscuous,
		.n_rx_queues = port->n_queues,
		.n_tx_queues = port->n_queues,
	};
	snprintf(info->name, sizeof(info->name), "%s", port->name);
	snprintf(info->device, sizeof(info->device), "%s", port->device.spec);
	snprintf(info->driver, sizeof(info->driver), "%s", port->driver);
	snprintf(info->fault, sizeof(info->fault), "%s", port->fault);
	memcpy(info->mac, port->mac, sizeof(info->mac));
	if (is_socket(port))
		socket_info(port, info);
	else
		ethdev_stats(port, info);
}
