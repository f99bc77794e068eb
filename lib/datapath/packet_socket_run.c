/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/packet_socket.h"

#include "telemetry/sl_counters.h"

#include <rte_branch_prediction.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define MAC_BYTES       (2u * ETH_ALEN)
#define IOVECS_MAX      256u
#define UDP_CSUM_OFFSET 6u

static uint8_t *
slot(const struct packet_socket *socket, const struct packet_ring *ring)
{
	uint32_t block = ring->next / socket->frames_per_block;
	uint32_t frame = ring->next % socket->frames_per_block;

	return ring->slots + (size_t)block * socket->block_size +
		(size_t)frame * socket->frame_size;
}

/* Copies `n` bytes behind what the packet holds, into more buffers as they are needed. */
static bool
append(struct rte_mempool *pool, struct rte_mbuf *mbuf, const uint8_t *bytes, uint32_t n)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(mbuf);

	while (n > 0) {
		uint32_t room = rte_pktmbuf_tailroom(last);
		uint32_t now = n < room ? n : room;

		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len), bytes, now);
		last->data_len = (uint16_t)(last->data_len + now);
		mbuf->pkt_len += now;
		bytes += now;
		n -= now;
		if (n == 0)
			break;
		last->next = rte_pktmbuf_alloc(pool);
		if (last->next == NULL)
			return false;
		last = last->next;
		mbuf->nb_segs++;
	}
	return true;
}

/*
 * The kernel delivers what it has of a checksum that was left to a NIC: the sum of the pseudo header.
 * RFC 1071; RFC 768 spells a UDP checksum of zero as all ones.
 */
static void
complete_checksum(uint8_t *frame, uint32_t len, const struct virtio_net_hdr *offload)
{
	uint32_t start = offload->csum_start, at = start + offload->csum_offset;
	uint16_t sum;

	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || at + sizeof(sum) > len)
		return;
	sum = (uint16_t)~rte_raw_cksum(frame + start, len - start);
	if (sum == 0 && offload->csum_offset == UDP_CSUM_OFFSET)
		sum = UINT16_MAX;
	memcpy(frame + at, &sum, sizeof(sum));
}

/*
 * What the kernel knows of the checksum of a packet: a NIC may have verified it.  One that was completed here is as
 * good as the sender's word for where it stands, so it is verified like any other.
 */
static uint64_t
checksum_flags(const struct virtio_net_hdr *offload)
{
	return offload->flags & VIRTIO_NET_HDR_F_DATA_VALID ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0;
}

/* Frame of one slot as a packet, the VLAN tag where it was. NULL: no buffer. */
static struct rte_mbuf *
take_frame(struct rte_mempool *pool, const struct tpacket2_hdr *header, const uint8_t *frame)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);
	uint32_t len = header->tp_snaplen;
	bool ok;

	if (unlikely(mbuf == NULL))
		return NULL;
	if (unlikely(header->tp_status & TP_STATUS_VLAN_VALID) && len >= MAC_BYTES) {
		uint16_t tag[2] = {
			htons(header->tp_status & TP_STATUS_VLAN_TPID_VALID ? header->tp_vlan_tpid
									    : ETHERTYPE_VLAN),
			htons(header->tp_vlan_tci)};

		ok = append(pool, mbuf, frame, MAC_BYTES) &&
			append(pool, mbuf, (const uint8_t *)tag, sizeof(tag)) &&
			append(pool, mbuf, frame + MAC_BYTES, len - MAC_BYTES);
	} else {
		ok = append(pool, mbuf, frame, len);
	}
	if (unlikely(!ok)) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	return mbuf;
}

/* The host's own packets leave by the interface; they did not arrive. */
static bool
is_outgoing(const struct tpacket2_hdr *header)
{
	const struct sockaddr_ll *address = (const struct sockaddr_ll *)((const uint8_t *)header +
		TPACKET_ALIGN(sizeof(*header)));

	return address->sll_pkttype == PACKET_OUTGOING;
}

/* A frame cut to fit its slot, or one that a sender expects to be cut into several. */
static bool
is_super_packet(const struct tpacket2_hdr *header, const struct virtio_net_hdr *offload)
{
	return header->tp_snaplen < header->tp_len || offload->gso_type != VIRTIO_NET_HDR_GSO_NONE;
}

/* Up to `n` packets of one ring; returns how many. */
static uint16_t
ring_rx(const struct packet_socket *socket, struct packet_queue *queue, enum packet_ring_kind kind,
	struct rte_mempool *pool, struct rte_mbuf **mbufs, uint16_t n)
{
	struct packet_ring *ring = &queue->rings[kind];
	uint16_t n_taken = 0;

	/* Frames that are not taken count too, so that a burst always ends. */
	for (uint16_t seen = 0; seen < n; seen++) {
		struct tpacket2_hdr *header = (struct tpacket2_hdr *)slot(socket, ring);
		struct virtio_net_hdr offload;
		uint8_t *frame;

		/* Nothing else of a slot may be read before the kernel has given it away. */
		if (!(__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			break;
		frame = (uint8_t *)header + header->tp_mac;
		memcpy(&offload, frame - sizeof(offload), sizeof(offload));
		if (unlikely(is_super_packet(header, &offload))) {
			sl_counter_add(&queue->rx_too_long, 1);
		} else if (likely(!is_outgoing(header))) {
			complete_checksum(frame, header->tp_snaplen, &offload);
			mbufs[n_taken] = take_frame(pool, header, frame);
			if (unlikely(mbufs[n_taken] == NULL)) {
				sl_counter_add(&queue->rx_no_buffer, 1);
				break;
			}
			mbufs[n_taken]->ol_flags |= checksum_flags(&offload);
			n_taken++;
		}
		__atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		ring->next = ring->next + 1 == socket->n_frames ? 0 : ring->next + 1;
	}
	return n_taken;
}

/* What opens connections has a quarter of a burst for certain, and what the rest leaves of it. */
uint16_t
packet_queue_rx(const struct packet_socket *socket, struct packet_queue *queue,
	struct rte_mempool *pool, struct rte_mbuf **mbufs, uint16_t n)
{
	const uint16_t n_rest = (uint16_t)(n - n / 4);
	uint64_t bytes = 0;
	uint16_t n_taken = ring_rx(socket, queue, PACKET_RING_REST, pool, mbufs, n_rest);
	const bool has_more = n_taken == n_rest;

	n_taken = (uint16_t)(n_taken +
		ring_rx(socket, queue, PACKET_RING_OPENINGS, pool, mbufs + n_taken,
			(uint16_t)(n - n_taken)));
	if (has_more && n_taken < n)
		n_taken = (uint16_t)(n_taken +
			ring_rx(socket, queue, PACKET_RING_REST, pool, mbufs + n_taken,
				(uint16_t)(n - n_taken)));
	if (n_taken == 0)
		return 0;
	for (uint16_t i = 0; i < n_taken; i++)
		bytes += mbufs[i]->pkt_len;
	sl_counter_add(&queue->rx_packets, n_taken);
	sl_counter_add(&queue->rx_bytes, bytes);
	return n_taken;
}

/* --- Sending. --- */

struct batch {
	struct mmsghdr messages[PACKET_SOCKET_BURST_MAX];
	struct iovec iovecs[IOVECS_MAX];
};

/* Describes up to `n` packets for sendmmsg; returns how many fitted, at least one. */
static uint16_t
describe(struct batch *batch, struct rte_mbuf **mbufs, uint16_t n)
{
	uint32_t n_iovecs = 0;
	uint16_t i;

	n = n < PACKET_SOCKET_BURST_MAX ? n : PACKET_SOCKET_BURST_MAX;
	for (i = 0; i < n && n_iovecs + mbufs[i]->nb_segs <= IOVECS_MAX; i++) {
		struct msghdr *message = &batch->messages[i].msg_hdr;

		memset(message, 0, sizeof(*message));
		message->msg_iov = &batch->iovecs[n_iovecs];
		message->msg_iovlen = mbufs[i]->nb_segs;
		for (struct rte_mbuf *segment = mbufs[i]; segment != NULL; segment = segment->next)
			batch->iovecs[n_iovecs++] = (struct iovec){
				rte_pktmbuf_mtod(segment, void *), segment->data_len};
	}
	return i;
}

static enum sl_reason
reason_of(int error)
{
	switch (error) {
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		return SL_REASON_TX_PORT_DOWN;
	case EMSGSIZE:
	case EINVAL:
		return SL_REASON_TX_TOO_LONG;
	default:
		return SL_REASON_NONE; /* EAGAIN, ENOBUFS: no room now */
	}
}

uint16_t
packet_queue_tx(
	struct packet_queue *queue, struct rte_mbuf **mbufs, uint16_t n, enum sl_reason *reason)
{
	struct batch batch;
	uint64_t bytes = 0;
	uint16_t n_sent = 0;

	*reason = SL_REASON_NONE;
	while (n_sent < n) {
		uint16_t n_described = describe(&batch, mbufs + n_sent, (uint16_t)(n - n_sent));
		/* More segments than can be described: no device sends that. */
		int rc = n_described == 0
			? -1
			: sendmmsg(queue->tx_fd, batch.messages, n_described, MSG_DONTWAIT);

		if (unlikely(rc <= 0)) {
			*reason = n_described == 0 ? SL_REASON_TX_TOO_LONG : reason_of(errno);
			if (*reason != SL_REASON_NONE)
				sl_counter_add(&queue->tx_errors, 1);
			break;
		}
		for (int i = 0; i < rc; i++)
			bytes += mbufs[n_sent + i]->pkt_len;
		n_sent = (uint16_t)(n_sent + rc);
	}
	if (n_sent > 0) {
		rte_pktmbuf_free_bulk(mbufs, n_sent);
		sl_counter_add(&queue->tx_packets, n_sent);
		sl_counter_add(&queue->tx_bytes, bytes);
	}
	return n_sent;
}
