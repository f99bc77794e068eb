/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/links.h"

#include "datapath/memory.h"
#include "datapath/worker.h"

#include <rte_mempool.h>

#include <stdio.h>
#include <string.h>

#define INTERFACE_TYPE_ETHERNET 6u

static const char *const side_names[] = {"inside", "outside"};

/* Puts the place in front of an error found while working for one port. */
static int
at_port(const struct port *port, struct sl_error *err, int rc)
{
	if (rc != 0 && err != NULL && err->where[0] == '\0')
		snprintf(err->where, sizeof(err->where), "/links/%u/%s", port->link,
			side_names[port->side]);
	return rc;
}

/* Two ports must not take frames from one device. Files may be read by many. */
static bool
is_same_device(const struct device *a, const struct device *b)
{
	if (a->interface[0] != '\0' && strcmp(a->interface, b->interface) == 0)
		return true;
	return strcmp(a->name, b->name) == 0;
}

static int
check_twice(const struct links *links, const struct port *port, struct sl_error *err)
{
	for (uint32_t i = 0; i < 2 * port->link + port->side; i++) {
		const struct port *other = &links->list[i / 2].ports[i % 2];

		if (is_same_device(&port->device, &other->device))
			return sl_error_set(err, SL_ERR_CONFIGURATION, NULL,
				"device \"%s\" is port %s already", port->device.spec, other->name);
	}
	return 0;
}

static int
parse_port(struct links *links, const struct sl_datapath_config *config, uint32_t link,
	enum sl_link_side side, struct sl_error *err)
{
	const struct sl_link_config *from = &config->links[link];
	struct port *port = &links->list[link].ports[side];
	int rc;

	port->link = link;
	port->side = side;
	port->index = 2 * link + side + 1;
	port->n_rx_descriptors = config->rx_descriptors;
	port->n_tx_descriptors = config->tx_descriptors;
	/* Link names are short enough for both words, but the compiler cannot know. */
	snprintf(port->name, sizeof(port->name), "%.54s.%s", from->name, side_names[side]);
	links->list[link].blobs[side] =
		(struct sl_blob){(const uint8_t *)port->name, (uint32_t)strlen(port->name)};
	rc = device_parse(side == SL_SIDE_INSIDE ? from->inside : from->outside, port->index - 1,
		&port->device, err);
	if (rc == 0)
		rc = check_twice(links, port, err);
	return at_port(port, err, rc);
}

int
links_parse(struct links *links, const struct sl_datapath_config *config, struct sl_error *err)
{
	int rc = 0;

	links->n = config->n_links;
	for (uint32_t i = 0; i < 2 * links->n; i++)
		links->list[i / 2].ports[i % 2].ethdev = PORT_NO_ETHDEV;
	for (uint32_t i = 0; i < links->n && rc == 0; i++) {
		memcpy(links->list[i].name, config->links[i].name, sizeof(links->list[i].name));
		rc = parse_port(links, config, i, SL_SIDE_INSIDE, err);
		if (rc == 0)
			rc = parse_port(links, config, i, SL_SIDE_OUTSIDE, err);
	}
	return rc;
}

int
links_probe(const struct links *links, struct sl_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < 2 * links->n && rc == 0; i++) {
		const struct port *port = &links->list[i / 2].ports[i % 2];

		rc = at_port(port, err, device_probe(&port->device, err));
	}
	return rc;
}

uint32_t
links_pci(const struct links *links, const char *pci[2 * SL_DATAPATH_LINKS_MAX])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 2 * links->n; i++) {
		const struct device *device = &links->list[i / 2].ports[i % 2].device;

		if (device->kind == DEVICE_PCI)
			pci[n++] = device->name;
	}
	return n;
}

static uint16_t
choose_queues(const struct link *link, uint32_t n_workers)
{
	uint32_t n = SL_MIN(link->ports[0].n_queues_max, link->ports[1].n_queues_max);

	if (!link->ports[0].has_rss || !link->ports[1].has_rss)
		return 1;
	return (uint16_t)SL_MIN(n, n_workers);
}

/* Buffers that a link's queues may hold at once. */
static uint32_t
count_buffers(const struct link *link)
{
	uint32_t n = 0;

	for (uint32_t side = 0; side < 2; side++)
		n += link->n_queues *
			(port_queue_buffers(&link->ports[side]) + SL_PIPELINE_BURST_MAX);
	return n;
}

static int
open_link(struct links *links, uint32_t index, const struct sl_datapath_config *config,
	uint32_t n_workers, struct sl_error *err)
{
	struct link *link = &links->list[index];
	int rc = 0;

	for (uint32_t side = 0; side < 2 && rc == 0; side++)
		rc = at_port(&link->ports[side], err, port_open(&link->ports[side], err));
	if (rc != 0)
		return rc;
	link->n_queues = choose_queues(link, n_workers);
	rc = memory_pool_new(index, links->n, count_buffers(link), config->buffers,
		config->megabytes, &link->pool, err);
	for (uint32_t side = 0; side < 2 && rc == 0; side++)
		rc = at_port(&link->ports[side], err,
			port_configure(&link->ports[side], link->n_queues, config->links[index].mtu,
				link->pool, err));
	return rc;
}

int
links_open(struct links *links, const struct sl_datapath_config *config, uint32_t n_workers,
	struct sl_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < links->n && rc == 0; i++)
		rc = open_link(links, i, config, n_workers, err);
	return rc;
}

void
links_make_paths(const struct links *links, const struct sl_datapath_config *config,
	struct sl_path paths[2 * SL_DATAPATH_LINKS_MAX])
{
	for (uint32_t i = 0; i < 2 * links->n; i++) {
		const struct link *link = &links->list[i / 2];
		uint32_t from =
			i % 2 == SLUICE_DIRECTION_OUTBOUND ? SL_SIDE_INSIDE : SL_SIDE_OUTSIDE;
		uint32_t to = 1 - from;
		const uint32_t profiles[] = {
			config->links[i / 2].inside_profile, config->links[i / 2].outside_profile};

		paths[i] = (struct sl_path){
			.link = i / 2,
			.direction = (enum sluice_direction)(i % 2),
			.link_type = SL_LINK_ETHERNET,
			.ports =
				{
					.arrival_luid = link->ports[from].index,
					.nexthop_luid = link->ports[to].index,
					.arrival_index = link->ports[from].index,
					.nexthop_index = link->ports[to].index,
					.interface_type = INTERFACE_TYPE_ETHERNET,
					.arrival_profile = profiles[from],
					.nexthop_profile = profiles[to],
					.arrival_name = &link->blobs[from],
					.nexthop_name = &link->blobs[to],
				},
		};
		memcpy(paths[i].ports.outside_mac, link->ports[SL_SIDE_OUTSIDE].mac, 6);
	}
}

void
links_spread(struct links *links, struct worker *const workers[], uint32_t n_workers)
{
	for (uint32_t i = 0; i < links->n; i++) {
		struct link *link = &links->list[i];

		for (uint16_t queue = 0; queue < link->n_queues; queue++) {
			uint32_t worker = (i + queue) % n_workers;

			worker_add_link(workers[worker], i, &link->ports[SL_SIDE_INSIDE],
				&link->ports[SL_SIDE_OUTSIDE], queue);
			link->workers |= (uint64_t)1 << worker;
		}
	}
}

int
links_start(struct links *links, struct sl_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < 2 * links->n && rc == 0; i++) {
		struct port *port = &links->list[i / 2].ports[i % 2];

		rc = at_port(port, err, port_start(port, err));
	}
	if (rc != 0)
		links_stop(links);
	return rc;
}

void
links_stop(struct links *links)
{
	for (uint32_t i = 0; i < 2 * links->n; i++)
		port_stop(&links->list[i / 2].ports[i % 2]);
}

void
links_close(struct links *links)
{
	for (uint32_t i = 0; i < 2 * links->n; i++)
		port_close(&links->list[i / 2].ports[i % 2]);
	for (uint32_t i = 0; i < links->n; i++) {
		rte_mempool_free(links->list[i].pool);
		links->list[i].pool = NULL;
	}
}
