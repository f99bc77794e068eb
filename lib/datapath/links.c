/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/links.h"

#include "base/sl_log.h"
#include "datapath/memory.h"
#include "datapath/worker.h"

#include <rte_mempool.h>

#include <stdio.h>
#include <string.h>

#define INTERFACE_TYPE_ETHERNET 6u
#define FRAME_OVERHEAD          22u /* Ethernet header and two VLAN tags */

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
		links->list[i].zone = config->links[i].flow_zone;
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

/* How the links of a zone can share their queues: as the least capable of their ports. */
static enum steer_kind
choose_kind(const struct links *links, uint8_t zone)
{
	enum steer_kind kind = STEER_ONE;
	uint32_t n_seen = 0;

	for (uint32_t i = 0; i < 2 * links->n; i++) {
		const struct port *port = &links->list[i / 2].ports[i % 2];

		if (links->list[i / 2].zone != zone)
			continue;
		if (n_seen > 0 && port->steer_kind != kind)
			return STEER_ONE;
		kind = port->steer_kind;
		n_seen++;
	}
	/* The tables of NICs are known when they run; those of several links need not be the same. */
	return kind == STEER_RSS && n_seen > 2 ? STEER_ONE : kind;
}

static uint32_t
choose_queues(const struct links *links, uint8_t zone, uint32_t n_workers)
{
	uint32_t n = n_workers;

	if (choose_kind(links, zone) == STEER_ONE)
		return 1;
	for (uint32_t i = 0; i < 2 * links->n; i++) {
		if (links->list[i / 2].zone == zone)
			n = SL_MIN(n, links->list[i / 2].ports[i % 2].n_queues_max);
	}
	return SL_MAX(n, 1u);
}

static uint32_t
first_of_zone(const struct links *links, uint8_t zone)
{
	uint32_t i = 0;

	while (links->list[i].zone != zone)
		i++;
	return i;
}

static void
share_link(struct links *links, struct link *link, uint32_t n_workers, bool has_questions)
{
	link->n_queues = (uint16_t)choose_queues(links, link->zone, n_workers);
	link->steer = (struct steer){
		.kind = link->n_queues > 1 ? choose_kind(links, link->zone) : STEER_ONE,
		.first = first_of_zone(links, link->zone) % n_workers,
		.n_workers = n_workers,
		.n_queues = link->n_queues,
		.has_questions = has_questions,
	};
}

/* Buffers that a link's queues and the bursts of its workers may hold at once. */
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
open_ports(struct link *link, struct sl_error *err)
{
	int rc = 0;

	for (uint32_t side = 0; side < 2 && rc == 0; side++)
		rc = at_port(&link->ports[side], err, port_open(&link->ports[side], err));
	return rc;
}

static int
configure_link(struct links *links, uint32_t index, const struct sl_datapath_config *config,
	struct sl_error *err)
{
	struct link *link = &links->list[index];
	uint32_t n_min = count_buffers(link);
	int rc = memory_pool_new(
		index, links->n, n_min, config->buffers, config->megabytes, &link->pool, err);

	if (rc == 0)
		link->n_spare = memory_pool_spare(link->pool, n_min);
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
	const bool has_questions =
		config->flows.max > 0 && config->flows.multicast == SL_FLOW_MULTICAST_ALLOW;
	int rc = 0;

	for (uint32_t i = 0; i < links->n && rc == 0; i++)
		rc = open_ports(&links->list[i], err);
	for (uint32_t i = 0; i < links->n && rc == 0; i++)
		share_link(links, &links->list[i], n_workers, has_questions);
	for (uint32_t i = 0; i < links->n && rc == 0; i++)
		rc = configure_link(links, i, config, err);
	return rc;
}

uint64_t
links_workers(const struct links *links)
{
	uint64_t workers = 0;

	for (uint32_t i = 0; i < links->n; i++) {
		for (uint32_t queue = 0; queue < links->list[i].n_queues; queue++)
			workers |= (uint64_t)1 << steer_worker_of(&links->list[i].steer, queue);
	}
	return workers;
}

bool
links_share(const struct links *links)
{
	for (uint32_t i = 0; i < links->n; i++) {
		if (links->list[i].n_queues > 1)
			return true;
	}
	return false;
}

/* Buffers that the longest frame of a link takes. */
static uint32_t
buffers_of_frame(const struct link *link)
{
	uint32_t mtu = SL_MAX(link->ports[0].mtu, link->ports[1].mtu);

	return 1 + (mtu + FRAME_OVERHEAD) / SL_PACKET_WINDOW;
}

uint32_t
links_held_max(const struct links *links)
{
	uint32_t n = UINT32_MAX;

	for (uint32_t i = 0; i < links->n; i++) {
		const struct link *link = &links->list[i];
		uint32_t in_inboxes = link->n_queues > 1 ? link->n_queues * WORKER_INBOX_MAX : 0;
		uint32_t spare = link->n_spare > in_inboxes ? link->n_spare - in_inboxes : 0;

		n = SL_MIN(n, spare / buffers_of_frame(link));
	}
	return n;
}

const struct steer *
links_steer(const struct links *links, uint8_t zone)
{
	for (uint32_t i = 0; i < links->n; i++) {
		if (links->list[i].zone == zone)
			return &links->list[i].steer;
	}
	return NULL;
}

void
links_make_paths(const struct links *links, const struct sl_datapath_config *config,
	struct sl_path paths[2 * SL_DATAPATH_LINKS_MAX],
	const struct steer *steers[2 * SL_DATAPATH_LINKS_MAX])
{
	for (uint32_t i = 0; i < 2 * links->n; i++) {
		const struct link *link = &links->list[i / 2];
		uint32_t from =
			i % 2 == SLUICE_DIRECTION_OUTBOUND ? SL_SIDE_INSIDE : SL_SIDE_OUTSIDE;
		uint32_t to = 1 - from;
		const uint32_t profiles[] = {
			config->links[i / 2].inside_profile, config->links[i / 2].outside_profile};

		steers[i] = &link->steer;
		paths[i] = (struct sl_path){
			.link = i / 2,
			.direction = (enum sluice_direction)(i % 2),
			.link_type = SL_LINK_ETHERNET,
			.flow_zone = link->zone,
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
links_spread(struct links *links, struct worker *const workers[])
{
	for (uint32_t i = 0; i < links->n; i++) {
		struct link *link = &links->list[i];

		for (uint16_t queue = 0; queue < link->n_queues; queue++) {
			uint32_t worker = steer_worker_of(&link->steer, queue);

			worker_add_link(workers[worker], i, link, queue);
			link->workers |= (uint64_t)1 << worker;
		}
	}
}

/*
 * What NICs make of the key and the queues is known now.  Where both ports of a link do not agree, or do not say,
 * queues mean nothing: workers look at every packet themselves.
 */
static void
agree_on_queues(struct link *link)
{
	struct steer *steer = &link->steer, sides[2] = {*steer, *steer};
	bool agree = port_read_steer(&link->ports[0], &sides[0]) &&
		port_read_steer(&link->ports[1], &sides[1]) &&
		sides[0].n_places == sides[1].n_places &&
		sides[0].rss_types == sides[1].rss_types &&
		memcmp(sides[0].places, sides[1].places,
			sides[0].n_places * sizeof(sides[0].places[0])) == 0;

	if (agree) {
		*steer = sides[0];
		steer->kind = STEER_RSS;
		return;
	}
	steer->kind = STEER_SOFTWARE;
	sl_log_warning(
		"link %s: its NICs do not say how they share flows among queues, or not alike; "
		"every packet is shared in software, which costs speed",
		link->name);
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
	for (uint32_t i = 0; i < links->n && rc == 0; i++) {
		if (links->list[i].steer.kind == STEER_RSS ||
			links->list[i].steer.kind == STEER_SOFTWARE)
			agree_on_queues(&links->list[i]);
	}
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
