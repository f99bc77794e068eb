/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_LINKS_H
#define SL_DATAPATH_LINKS_H

/*
 * Links: pairs of ports, the buffers they share, and which worker serves which of their queues.
 *
 * Queues.  Where both ports of a link can share flows in a way that is the same for both directions and known here
 *          (steer.h), the link has a queue for every worker, as far as the ports have them; else it has one.
 *          Queue q belongs to worker (l + q) modulo the number of workers, in both directions, where l is the
 *          first link of the zone.
 * Zones.   Links of one flow zone share flows: a packet may come in by one of them and its answer by another.
 *          So they have the same queues, shared the same way, for the same workers; several links of NICs
 *          in one zone, or of different kinds, have one queue each.
 * Threads. Control thread, while no worker runs.
 */

#include "datapath/port.h"
#include "datapath/sl_datapath.h"
#include "pipeline/sl_pipeline.h"

#include <stdint.h>

struct rte_mempool;
struct worker;

struct link {
	char name[SL_PORT_NAME_MAX];
	struct port ports[2];    /* [enum sl_link_side] */
	struct sl_blob blobs[2]; /* names of the ports, as conditions see them */
	struct rte_mempool *pool;
	uint8_t zone;
	uint16_t n_queues;
	struct steer steer;
	uint32_t n_spare; /* buffers of the pool that neither queues nor bursts need */
	uint64_t workers; /* bit i: worker i serves it */
};

struct links {
	uint32_t n;
	struct link list[SL_DATAPATH_LINKS_MAX];
};

/* Takes the configuration's devices apart; errors name link and side, as /links/0/inside. */
int links_parse(struct links *links, const struct sl_datapath_config *config,
	struct sl_error *err) SL_MUST_CHECK;
/* Whether the machine has what all devices need. */
int links_probe(const struct links *links, struct sl_error *err) SL_MUST_CHECK;
/* The PCI functions among the devices. Returns how many. */
uint32_t links_pci(const struct links *links, const char *pci[2 * SL_DATAPATH_LINKS_MAX]);
/* Opens and configures all ports. */
int links_open(struct links *links, const struct sl_datapath_config *config, uint32_t n_workers,
	struct sl_error *err) SL_MUST_CHECK;
/* Path 2i is outbound of link i, path 2i + 1 inbound; and how each is shared. Valid as long as the links. */
void links_make_paths(const struct links *links, const struct sl_datapath_config *config,
	struct sl_path paths[2 * SL_DATAPATH_LINKS_MAX],
	const struct steer *steers[2 * SL_DATAPATH_LINKS_MAX]);
/* Bit i: worker i serves a link; after links_open. */
uint64_t links_workers(const struct links *links);
/* Gives every queue of every link to a worker. */
void links_spread(struct links *links, struct worker *const workers[]);
/* Whether any link has several queues, so that packets may have to be handed over. */
bool links_share(const struct links *links);
/* Packets that may be held without taking buffers from queues, bursts and inboxes, whatever link they come by. */
uint32_t links_held_max(const struct links *links);
/* How the links of a zone are shared; NULL: no link is in it. */
const struct steer *links_steer(const struct links *links, uint8_t zone);
int links_start(struct links *links, struct sl_error *err) SL_MUST_CHECK;
void links_stop(struct links *links);
void links_close(struct links *links);

#endif
