/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_LINKS_H
#define SL_DATAPATH_LINKS_H

/*
 * Links: pairs of ports, the buffers they share, and which worker serves which of their queues.
 *
 * Queues.  Where both ports of a link can spread flows by a symmetric hash, the link has a queue for every
 *          worker, as far as the ports have them; else it has one.  Queue q of link l belongs to worker
 *          (l + q) modulo the number of workers, in both directions.
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
	uint16_t n_queues;
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
/* Path 2i is outbound of link i, path 2i + 1 inbound. Valid as long as the links. */
void links_make_paths(const struct links *links, const struct sl_datapath_config *config,
	struct sl_path paths[2 * SL_DATAPATH_LINKS_MAX]);
/* Gives every queue of every link to a worker. */
void links_spread(struct links *links, struct worker *const workers[], uint32_t n_workers);
int links_start(struct links *links, struct sl_error *err) SL_MUST_CHECK;
void links_stop(struct links *links);
void links_close(struct links *links);

#endif
