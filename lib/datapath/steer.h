/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_STEER_H
#define SL_DATAPATH_STEER_H

/*
 * Steering: which worker has a flow, whichever way and wherever its packets arrive.
 *
 * Flow.     Both directions of a flow must meet one worker, because tables of flows know no locks.  The hash is
 *           therefore symmetric: addresses, and for TCP, UDP and SCTP ports, of both ends are added before they
 *           are mixed.  VLAN tags take no part.
 * Wire.     Packet sockets share frames by a program that the kernel runs (classic BPF, packet(7)); it
 *           computes steer_hash from the bytes.  NICs compute Toeplitz under a symmetric key; the same is
 *           computed here, with the NIC's own table of queues.
 * Others.   What wire cannot see ends up with the wrong worker: ICMP errors, whose flow is that of the packet
 *           in them; IPv6 with extension headers; SNAP; datagrams, of whose fragments only the first
 *           has ports, so that all go by their addresses.  steer_is_plain tells such packets by a few
 *           bytes, and they are handed over.
 * Groups.   A question to a group has a flow without a remote end, which anybody's answers go with.  Where such flows
 *          are kept, the worker that a local end alone names has them, and what else comes for that end is
 *          brought to it by way of a table that all workers share (asked.h).
 * Threads.  steer_program: control thread.  The rest is packet time and pure.
 */

#include "flow/sl_flow.h"
#include "packet/sl_packet.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#define STEER_PROGRAM_MAX 256u /* instructions */
#define STEER_PLACES_MAX  512u /* of a NIC's table of queues */
#define STEER_KEY_BYTES   52u

enum steer_kind {
	STEER_ONE,      /* one queue */
	STEER_PROGRAM,  /* packet sockets: steer_program */
	STEER_RSS,      /* NICs: Toeplitz under steer_rss_key */
	STEER_SOFTWARE, /* the queues mean nothing: every packet is looked at and handed over */
};

/* How the queues of a link, the same on both ports, are shared. */
struct steer {
	enum steer_kind kind;
	uint32_t first; /* worker of queue 0; queue q has worker (first + q) % n_workers */
	uint32_t n_workers;
	uint32_t n_queues;
	bool has_questions;                /* flows without a remote end are kept */
	uint64_t rss_types;                /* RSS: what the NIC hashes ports of, RTE_ETH_RSS_* */
	uint32_t n_places;                 /* RSS: a power of two */
	uint16_t places[STEER_PLACES_MAX]; /* RSS: queue by the low bits of the hash */
};

/* Toeplitz keys of a repeated 16-bit word give both directions one hash. NICs take 40 or 52 bytes. */
extern const uint8_t steer_rss_key[STEER_KEY_BYTES];

/*
 * The program whose answer, modulo the number of queues, is the queue of a frame; for PACKET_FANOUT_DATA, where
 * the kernel shows frames without their link-layer header.  Returns its length.
 */
uint32_t steer_program(struct sock_filter program[STEER_PROGRAM_MAX]);

static inline uint32_t
steer_worker_of(const struct steer *steer, uint32_t queue)
{
	return (steer->first + queue) % steer->n_workers;
}

/* The same for both directions. */
uint32_t steer_hash(const struct sl_flow_key *key);
/* Of the local end of a key that is not TCP's, for asked.h: address, protocol and port where there are any. */
uint64_t steer_end_hash(const struct sl_flow_key *key);
/*
 * The same of where an inbound frame goes, from a few bytes.  False: it is TCP, a fragment, or not known without
 * parsing, which is so of plain frames only when they answer nobody.
 */
bool steer_see_end(const struct sl_frame *frame, uint64_t *hash);
/* The worker that has a flow; of one without a remote end that which the local end names. */
uint32_t steer_worker(const struct steer *steer, const struct sl_flow_key *key);
/*
 * The worker that has the flow of a packet which is not a fragment; of an ICMP error the flow that it is about.  That
 * of queue 0 when it has none.
 */
uint32_t steer_worker_of_packet(
	const struct steer *steer, const struct sl_frame *frame, const struct sl_meta *meta);
/* True when the wire brought the frame to the right worker, as far as a few bytes tell. */
bool steer_is_plain(const struct steer *steer, const struct sl_frame *frame, bool is_outbound);
/*
 * The worker that is to have a frame that is not plain; `meta` is of its direction, for parsing.  `here` when it
 * may stay: a frame of no flow, a fragment.
 */
uint32_t steer_worker_of_frame(const struct steer *steer, const struct sl_frame *frame,
	struct sl_meta *meta, uint32_t here);

#endif
