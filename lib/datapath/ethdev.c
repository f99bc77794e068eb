/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/ethdev.h"

#include "base/sl_log.h"
#include "datapath/eal.h"
#include "packet/sl_packet.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <string.h>

#define VLAN_TAGS_MAX 2u

static int
fail(struct port *port, int rc, const char *what, struct sl_error *err)
{
	const char *why = eal_last_error();

	return sl_error_set(err, rc == -ENOMEM ? SL_ERR_NO_MEMORY : SL_ERR_PORT_FAILED, NULL,
		"\"%s\": %s: %s%s%s", port->device.spec, what, why, why[0] == '\0' ? "" : " - ",
		rte_strerror(-rc));
}

static int
on_removal(uint16_t ethdev, enum rte_eth_event_type type, void *arg, void *result)
{
	struct port *port = arg;

	(void)ethdev;
	(void)type;
	(void)result;
	__atomic_store_n(&port->was_removed, true, __ATOMIC_RELEASE);
	return 0;
}

/* PCI functions are found when EAL starts; everything else is made now. */
static int
make_device(struct port *port, struct sl_error *err)
{
	int rc;

	if (port->device.kind == DEVICE_PCI)
		return 0;
	eal_clear_error();
	rc = rte_eal_hotplug_add("vdev", port->device.name, port->device.args);
	return rc == 0 ? 0 : fail(port, rc, "DPDK cannot make the device", err);
}

/* A table of queues that the lower bits of a hash can point into. */
static bool
has_places(uint32_t n)
{
	return n >= RTE_ETH_RETA_GROUP_SIZE && n <= STEER_PLACES_MAX && (n & (n - 1)) == 0;
}

int
ethdev_open(struct port *port, struct sl_error *err)
{
	struct rte_eth_dev_info info;
	int rc = make_device(port, err);

	if (rc != 0)
		return rc;
	if (rte_eth_dev_get_port_by_name(port->device.name, &port->ethdev) != 0) {
		port->ethdev = PORT_NO_ETHDEV;
		return sl_error_set(err, SL_ERR_PORT_NOT_FOUND, NULL,
			"\"%s\": DPDK found no Ethernet device \"%s\"", port->device.spec,
			port->device.name);
	}
	rc = rte_eth_dev_info_get(port->ethdev, &info);
	if (rc != 0)
		return fail(port, rc, "the device does not describe itself", err);
	snprintf(port->driver, sizeof(port->driver), "%s",
		info.driver_name != NULL ? info.driver_name : "");
	port->n_queues_max = SL_MIN(info.max_rx_queues, info.max_tx_queues);
	port->n_queues_max = SL_MIN(port->n_queues_max, PORT_QUEUES_MAX);
	port->steer_kind = info.flow_type_rss_offloads != 0 && info.hash_key_size > 0 &&
			info.hash_key_size <= sizeof(steer_rss_key) && has_places(info.reta_size)
		? STEER_RSS
		: STEER_ONE;
	/* Files and nothing take packets of several buffers without saying so. */
	port->has_multi_seg = !port->device.has_mtu ||
		(info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	/* A tap is ours wherever it was moved; other interfaces can go. */
	if (port->device.kind == DEVICE_AF_XDP)
		port->ifindex = (int)if_nametoindex(port->device.interface);
	rte_eth_dev_callback_register(port->ethdev, RTE_ETH_EVENT_INTR_RMV, on_removal, port);
	return 0;
}

/* The device's configuration for the port's queues and MTU, asking only for what it offers. */
static void
make_conf(struct port *port, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	*conf = (struct rte_eth_conf){.rxmode.mtu = port->mtu};
	if (port->mtu + RTE_ETHER_HDR_LEN + VLAN_TAGS_MAX * RTE_VLAN_HLEN > SL_PACKET_WINDOW)
		conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf->txmode.offloads |= info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (port->n_queues > 1) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)steer_rss_key;
		conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
		port->rss_types = info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP);
		conf->rx_adv_conf.rss_conf.rss_hf = port->rss_types;
	}
}

static int
set_up_queues(struct port *port, const struct rte_eth_dev_info *info,
	const struct rte_eth_conf *conf, struct sl_error *err)
{
	uint16_t n_rx = (uint16_t)port->n_rx_descriptors, n_tx = (uint16_t)port->n_tx_descriptors;
	struct rte_eth_rxconf rx = info->default_rxconf;
	struct rte_eth_txconf tx = info->default_txconf;
	int socket = rte_eth_dev_socket_id(port->ethdev);
	int rc;

	if (n_rx == 0)
		n_rx = info->default_rxportconf.ring_size != 0 ? info->default_rxportconf.ring_size
							       : 1024;
	if (n_tx == 0)
		n_tx = info->default_txportconf.ring_size != 0 ? info->default_txportconf.ring_size
							       : 1024;
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->ethdev, &n_rx, &n_tx);
	if (rc != 0)
		return fail(port, rc, "descriptors", err);
	rx.offloads = conf->rxmode.offloads;
	tx.offloads = conf->txmode.offloads;
	for (uint16_t i = 0; i < port->n_queues; i++) {
		rc = rte_eth_rx_queue_setup(
			port->ethdev, i, n_rx, (unsigned int)socket, &rx, port->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(
				port->ethdev, i, n_tx, (unsigned int)socket, &tx);
		if (rc != 0)
			return fail(port, rc, "queues", err);
	}
	return 0;
}

/* The MTU to use: as configured, checked against the device's range; else the device's own. */
static int
choose_mtu(
	struct port *port, uint16_t mtu, const struct rte_eth_dev_info *info, struct sl_error *err)
{
	port->mtu = RTE_ETHER_MTU;
	rte_eth_dev_get_mtu(port->ethdev, &port->mtu);
	if (mtu != 0 && (mtu < info->min_mtu || mtu > info->max_mtu))
		return sl_error_set(err, SL_ERR_CONFIGURATION, NULL,
			"\"%s\": MTU %u is out of the device's range %u..%u", port->device.spec,
			mtu, info->min_mtu, info->max_mtu);
	if (mtu != 0)
		port->mtu = mtu;
	port->tx_len_max = port->device.has_mtu || mtu != 0
		? (uint32_t)port->mtu + RTE_ETHER_HDR_LEN
		: UINT32_MAX;
	return 0;
}

int
ethdev_configure(struct port *port, uint16_t mtu, struct sl_error *err)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	struct rte_ether_addr mac;
	int rc = rte_eth_dev_info_get(port->ethdev, &info);

	if (rc != 0)
		return fail(port, rc, "the device does not describe itself", err);
	rc = choose_mtu(port, mtu, &info, err);
	if (rc != 0)
		return rc;
	make_conf(port, &info, &conf);
	eal_clear_error();
	rc = rte_eth_dev_configure(port->ethdev, port->n_queues, port->n_queues, &conf);
	if (rc != 0)
		return fail(port, rc, "the device refuses its configuration", err);
	/* Drivers without the call fix the MTU when they are configured, or have none. */
	if (mtu != 0) {
		rc = rte_eth_dev_set_mtu(port->ethdev, mtu);
		if (rc != 0 && rc != -ENOTSUP)
			return fail(port, rc, "MTU", err);
	}
	rc = set_up_queues(port, &info, &conf, err);
	if (rc == 0 && rte_eth_macaddr_get(port->ethdev, &mac) == 0)
		memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	return rc;
}

int
ethdev_start(struct port *port, struct sl_error *err)
{
	int rc;

	eal_clear_error();
	rc = rte_eth_dev_start(port->ethdev);
	if (rc != 0)
		return fail(port, rc, "the device does not start", err);
	rc = rte_eth_promiscuous_enable(port->ethdev);
	if (rc != 0 && rc != -ENOTSUP)
		sl_log_warning("port %s (%s): no promiscuous mode: %s", port->name,
			port->device.spec, rte_strerror(-rc));
	port->is_promiscuous = rte_eth_promiscuous_get(port->ethdev) == 1;
	port->state = ethdev_is_up(port) ? SL_PORT_UP : SL_PORT_DOWN;
	return 0;
}

/* Whether the device hashes with our key, and of what. */
static bool
read_hash(const struct port *port, uint8_t key_size, uint64_t *types)
{
	uint8_t key[STEER_KEY_BYTES] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = key, .rss_key_len = key_size};

	if (rte_eth_dev_rss_hash_conf_get(port->ethdev, &conf) != 0)
		return false;
	*types = conf.rss_hf;
	return memcmp(key, steer_rss_key, key_size) == 0 &&
		(conf.rss_hf & (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6)) != 0;
}

bool
ethdev_read_steer(const struct port *port, struct steer *steer)
{
	struct rte_eth_rss_reta_entry64 groups[STEER_PLACES_MAX / RTE_ETH_RETA_GROUP_SIZE];
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(port->ethdev, &info) != 0 || !has_places(info.reta_size) ||
		!read_hash(port, info.hash_key_size, &steer->rss_types))
		return false;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(groups); i++)
		groups[i].mask = UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(port->ethdev, groups, info.reta_size) != 0)
		return false;
	steer->n_places = info.reta_size;
	for (uint32_t i = 0; i < steer->n_places; i++) {
		steer->places[i] =
			groups[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
		if (steer->places[i] >= port->n_queues)
			return false;
	}
	return true;
}

void
ethdev_stop(struct port *port)
{
	int rc = rte_eth_dev_stop(port->ethdev);

	if (rc != 0 && !port->is_gone)
		sl_log_warning("port %s (%s) does not stop: %s", port->name, port->device.spec,
			rte_strerror(-rc));
}

void
ethdev_close(struct port *port)
{
	if (port->ethdev == PORT_NO_ETHDEV)
		return;
	rte_eth_dev_callback_unregister(port->ethdev, RTE_ETH_EVENT_INTR_RMV, on_removal, port);
	rte_eth_dev_close(port->ethdev);
	if (port->device.kind != DEVICE_PCI)
		rte_eal_hotplug_remove("vdev", port->device.name);
	port->ethdev = PORT_NO_ETHDEV;
}

bool
ethdev_is_up(struct port *port)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port->ethdev, &link) != 0)
		return true;
	port->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return link.link_status == RTE_ETH_LINK_UP;
}

void
ethdev_stats(const struct port *port, struct sl_port_info *info)
{
	struct rte_eth_stats stats;

	if (port->ethdev == PORT_NO_ETHDEV || rte_eth_stats_get(port->ethdev, &stats) != 0)
		return;
	info->rx_packets = stats.ipackets;
	info->rx_bytes = stats.ibytes;
	info->rx_missed = stats.imissed;
	info->rx_errors = stats.ierrors;
	info->rx_no_buffer = stats.rx_nombuf;
	info->tx_packets = stats.opackets;
	info->tx_bytes = stats.obytes;
	info->tx_errors = stats.oerrors;
}
