/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_PACKET_SOCKET_H
#define SL_DATAPATH_PACKET_SOCKET_H

/*
 * A port on a kernel interface through packet sockets (packet(7)): what "af_packet:IFACE" means.
 *
 * Why not DPDK's driver of that name: it asks the kernel to put IPv4 fragments together (so none crosses
 * an inline device), takes the host's own packets for received ones, loses the type of VLAN tags, waits in
 * poll when a ring is full, and cannot come back when its interface does.
 *
 * Receive. Two rings (TPACKET_V2) per queue: what opens TCP connections has one of its own, and a share of
 *          each burst, so that a flood of SYNs overflows there and costs open connections nothing.  Queues
 *          share by steer_program.  VLAN tags that the kernel took off are put back as they were.  A checksum
 *          that the sender left to its NIC is completed; mbufs say which ones the kernel has seen verified.
 *          A frame longer than a ring slot is a segmentation super-packet: counted, not taken.
 * Send.    sendmmsg past the queueing discipline; never waits.
 * Threads. open, close and the rest: control thread.  Each queue belongs to one worker: rx and tx.
 */

#include "base/sl_error.h"
#include "classifier/sl_reason.h"

#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

#define PACKET_SOCKET_QUEUES_MAX 64u
#define PACKET_SOCKET_BURST_MAX  64u

/* Rings, in the order in which they are looked at. */
enum packet_ring_kind {
	PACKET_RING_REST,
	PACKET_RING_OPENINGS, /* see opening.h */
	PACKET_RINGS
};

struct packet_ring {
	int fd;
	uint8_t *slots;
	uint32_t next; /* slot to look at */
};

/* One queue. Counters are written by its worker and read with relaxed loads. */
struct packet_queue {
	struct packet_ring rings[PACKET_RINGS];
	int tx_fd;
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t rx_too_long;  /* frames longer than a slot, and segmentation super-packets */
	uint64_t rx_no_buffer; /* polls that found a frame and no buffer */
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t tx_errors;
	uint64_t kernel_drops; /* ring full; control thread only */
} SL_CACHE_ALIGNED;

struct packet_socket {
	int ifindex;
	uint32_t n_queues;
	uint32_t frame_size; /* bytes of a ring slot */
	uint32_t block_size;
	uint32_t frames_per_block;
	uint32_t n_frames; /* of a ring */
	uint32_t n_blocks;
	struct packet_queue queues[];
};

/* --- Control thread. --- */

/*
 * Opens `n_queues` queues (1..PACKET_SOCKET_QUEUES_MAX) on an interface, promiscuous, with rings of `n_frames`
 * slots (0: chosen by size).  Packets arrive from now on.  PORT_NOT_FOUND, PERMISSION, PORT_FAILED, NO_MEMORY.
 */
int packet_socket_open(const char *interface, uint32_t n_queues, uint32_t n_frames,
	struct packet_socket **out, struct sl_error *err) SL_MUST_CHECK;
/* No worker may use it any more. NULL is allowed. */
void packet_socket_close(struct packet_socket *socket);
/* Fetches what the kernel dropped since the last call into the queues' counters. */
void packet_socket_update_drops(struct packet_socket *socket);

/* --- Packet time: the queue's worker. No lock, no allocation but mbufs; one system call a burst sent. --- */

/* Receives up to `n` packets; returns how many. */
uint16_t packet_queue_rx(const struct packet_socket *socket, struct packet_queue *queue,
	struct rte_mempool *pool, struct rte_mbuf **mbufs, uint16_t n);
/*
 * Sends up to `n` packets and frees those it sent; returns how many.  When it stops early, `*reason` says why:
 * NONE (the interface is busy, try again), TX_PORT_DOWN, or TX_TOO_LONG (the next packet only).
 */
uint16_t packet_queue_tx(
	struct packet_queue *queue, struct rte_mbuf **mbufs, uint16_t n, enum sl_reason *reason);

#endif
