/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_DATAPATH_H
#define SL_DATAPATH_DATAPATH_H

/*
 * The datapath: ports, links, workers and their run loop, over DPDK.
 *
 * Boot.    Workers forward nothing until a snapshot is published: every packet is blocked and counted.
 * Burst.   A worker reads the snapshot pointer once per burst and reports quiescent states (rte_rcu_qsbr).
 * Idle.    An adaptive worker that found nothing for a while sleeps, longer each time up to a bound; a
 *          sleeping worker is offline for RCU, so that a commit never waits for it.
 * Threads. Functions are for one control thread unless they say otherwise.
 */

#include "base/sl_error.h"
#include "pipeline/sl_plane.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_DATAPATH_LINKS_MAX   SL_COUNTERS_LINKS_MAX
#define SL_DATAPATH_WORKERS_MAX SL_CALLOUT_WORKERS_MAX

enum sl_poll {
	SL_POLL_ADAPTIVE,
	SL_POLL_BUSY
};

struct sl_link_config {
	char name[SL_PORT_NAME_MAX];
	char inside[256]; /* device: "af_packet:IFACE", "pci:0000:3b:00.0", "vdev:DEVARGS" ... */
	char outside[256];
	uint16_t mtu;            /* 0: the device's own; else 68..9710, set on both ports */
	uint32_t inside_profile; /* zone numbers */
	uint32_t outside_profile;
	uint8_t flow_zone; /* links of one zone share flows */
};

#define SL_EVENT_RATE_USUAL 10000u

struct sl_datapath_config {
	const char *program; /* argv[0] for EAL */
	uint32_t n_links;
	const struct sl_link_config *links;
	uint32_t n_workers; /* 0: auto, one per CPU allowed but one, at least 1 */
	bool hugepages;
	uint32_t megabytes; /* memory for EAL */
	uint32_t buffers;   /* packet buffers of a link at most; 0: 32,768 */
	enum sl_poll poll;
	uint32_t burst;          /* 1..SL_PIPELINE_BURST_MAX; 0: 64 */
	uint32_t rx_descriptors; /* 0: the device's own */
	uint32_t tx_descriptors;
	uint64_t event_rate;         /* events a second and worker; 0: no limit */
	uint32_t event_ring;         /* records a worker; 0: 65,536 */
	struct sl_flow_config flows; /* of all workers together */
	/* Whose callouts may put decisions off; borrowed until sl_datapath_free; NULL: none may. */
	const struct sl_callout_registry *registry;
	const char *const *eal; /* extra EAL arguments */
	uint32_t n_eal;
};

struct sl_datapath; /* opaque; one per process, because EAL is */

/*
 * Initialises EAL, opens and configures all ports.  Nothing runs yet.  Errors name the link and port:
 * PORT_NOT_FOUND (missing interface), PERMISSION (capability that is missing), NO_MEMORY (need and have),
 * CONFIGURATION.
 */
int sl_datapath_new(const struct sl_datapath_config *config, struct sl_datapath **out,
	struct sl_error *err) SL_MUST_CHECK;
/* Starts the ports and workers. */
int sl_datapath_start(struct sl_datapath *datapath, struct sl_error *err) SL_MUST_CHECK;
/* Stops workers, then ports. Packets already received are judged and sent. Idempotent. */
void sl_datapath_stop(struct sl_datapath *datapath);
/* Stops if need be, closes ports, cleans EAL up. NULL is allowed. */
void sl_datapath_free(struct sl_datapath *datapath);

#define SL_DATAPATH_NO_WORKER UINT32_MAX

/*
 * The worker that gets the packets of a flow; NO_WORKER: no link is in the key's zone.  Between sl_datapath_new and
 * sl_datapath_start NICs with several queues have not said yet how they share flows: the answer then counts on
 * what they were asked for.
 */
uint32_t sl_datapath_flow_owner(const struct sl_datapath *datapath, const struct sl_flow_key *key);

/* The plane of this datapath; valid until it is freed. */
const struct sl_plane *sl_datapath_plane(struct sl_datapath *datapath);
/*
 * Looks after ports: reads link states, notices devices that disappeared or came back, and says so in
 * the log.  Call about ten times a second.
 */
void sl_datapath_tick(struct sl_datapath *datapath);

/* Checks the form of a device specification; `err` says what is allowed. Opens nothing. */
int sl_datapath_check_device(const char *device, struct sl_error *err) SL_MUST_CHECK;

#endif
