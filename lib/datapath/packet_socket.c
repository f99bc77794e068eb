/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/packet_socket.h"

#include "datapath/interface.h"
#include "datapath/opening.h"
#include "datapath/steer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_BYTES    (8u << 20) /* per queue, when the number of slots is left open */
#define FRAMES_MIN    512u
#define FRAMES_MAX    4096u
#define BLOCK_FRAMES  8u
#define SEND_BUFFER   (4 << 20)
#define VLAN_TAGS_MAX 2u

/* --- Opening. --- */

static int
fail(struct sl_error *err, const char *interface, const char *what)
{
	enum sl_err code = SL_ERR_PORT_FAILED;

	if (errno == ENODEV || errno == ENXIO)
		code = SL_ERR_PORT_NOT_FOUND;
	else if (errno == EPERM || errno == EACCES)
		code = SL_ERR_PERMISSION;
	else if (errno == ENOMEM)
		code = SL_ERR_NO_MEMORY;
	return sl_error_set(
		err, code, NULL, "interface \"%s\": %s: %s", interface, what, strerror(errno));
}

/* A socket that is deaf takes no frames. */
static int
set_deaf(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = {.len = 1, .filter = &nothing};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* A socket takes the frames of its kind of ring. */
static int
set_kind(int fd, enum packet_ring_kind kind)
{
	struct sock_filter list[OPENING_PROGRAM_MAX];
	struct sock_fprog program = {.filter = list};

	program.len = (unsigned short)opening_program(kind == PACKET_RING_OPENINGS, list);
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int
bind_to(int fd, int ifindex, uint16_t protocol)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = ifindex,
	};

	return bind(fd, (const struct sockaddr *)&address, sizeof(address));
}

static int
set_option(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value));
}

/* The ring of a receiving socket, before it is bound. */
static int
map_ring(const struct packet_socket *socket, struct packet_ring *ring)
{
	struct tpacket_req request = {
		.tp_block_size = socket->block_size,
		.tp_block_nr = socket->n_blocks,
		.tp_frame_size = socket->frame_size,
		.tp_frame_nr = socket->n_frames,
	};
	void *slots;

	if (setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0)
		return -1;
	slots = mmap(NULL, (size_t)socket->block_size * socket->n_blocks, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, ring->fd, 0);
	if (slots == MAP_FAILED)
		return -1;
	ring->slots = slots;
	return 0;
}

static int
open_rx(const struct packet_socket *packet, enum packet_ring_kind kind, struct packet_ring *ring,
	const char *interface, struct sl_error *err)
{
	struct packet_mreq promiscuous = {
		.mr_ifindex = packet->ifindex, .mr_type = PACKET_MR_PROMISC};

	/* Protocol 0: nothing is received before everything is set up and bound. */
	ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (ring->fd < 0)
		return fail(err, interface,
			errno == EPERM ? "packet socket (needs CAP_NET_RAW)" : "packet socket");
	/* A fanout group forgets that outgoing packets are not wanted; then packet_queue_rx skips them. */
	if (set_option(ring->fd, PACKET_VERSION, TPACKET_V2) != 0 ||
		set_option(ring->fd, PACKET_VNET_HDR, 1) != 0 ||
		set_option(ring->fd, PACKET_IGNORE_OUTGOING, 1) != 0)
		return fail(err, interface, "options of the packet socket");
	if (map_ring(packet, ring) != 0)
		return fail(err, interface, "receive ring");
	/* Until all queues share what arrives, each would take every frame. */
	if ((packet->n_queues > 1 ? set_deaf(ring->fd) : set_kind(ring->fd, kind)) != 0)
		return fail(err, interface, "filter of the packet socket");
	if (bind_to(ring->fd, packet->ifindex, ETH_P_ALL) != 0)
		return fail(err, interface, "bind");
	if (setsockopt(ring->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous,
		    sizeof(promiscuous)) != 0)
		return fail(err, interface, "promiscuous mode");
	return 0;
}

static int
open_tx(const struct packet_socket *packet, struct packet_queue *queue, const char *interface,
	struct sl_error *err)
{
	int size = SEND_BUFFER;

	queue->tx_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (queue->tx_fd < 0 || bind_to(queue->tx_fd, packet->ifindex, 0) != 0)
		return fail(err, interface, "sending socket");
	if (set_option(queue->tx_fd, PACKET_QDISC_BYPASS, 1) != 0)
		return fail(err, interface, "PACKET_QDISC_BYPASS");
	/* More room for bursts where we may; the default serves too. */
	if (setsockopt(queue->tx_fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
		(void)setsockopt(queue->tx_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return 0;
}

/*
 * Lets the queues' rings of a kind share what arrives by steer_program, and without the flag that makes the
 * kernel put fragments together.  The kernel picks a group number that is free.
 */
static int
join_fanout(struct packet_socket *packet, enum packet_ring_kind kind, const char *interface,
	struct sl_error *err)
{
	int group = (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	struct sock_filter list[STEER_PROGRAM_MAX];
	struct sock_fprog program = {.filter = list};
	socklen_t size = sizeof(group);
	int fd = packet->queues[0].rings[kind].fd;

	for (uint32_t i = 0; i < packet->n_queues; i++) {
		if (set_option(packet->queues[i].rings[kind].fd, PACKET_FANOUT, group) != 0)
			return fail(err, interface, "fanout group");
		if (i > 0)
			continue;
		if (getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &group, &size) != 0)
			return fail(err, interface, "fanout group");
		group = (group & 0xffff) | PACKET_FANOUT_CBPF << 16;
	}
	program.len = (unsigned short)steer_program(list);
	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program)) != 0)
		return fail(err, interface, "program of the fanout group");
	for (uint32_t i = 0; i < packet->n_queues; i++) {
		if (set_kind(packet->queues[i].rings[kind].fd, kind) != 0)
			return fail(err, interface, "filter of the packet socket");
	}
	return 0;
}

/* Slots that hold the longest frame of the interface, several to a block of whole pages. */
static void
lay_out(struct packet_socket *packet, uint16_t mtu, uint32_t n_frames)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t frame = TPACKET_ALIGN(TPACKET2_HDRLEN) +
		TPACKET_ALIGN(sizeof(struct virtio_net_hdr)) + 2 * TPACKET_ALIGNMENT + mtu +
		ETH_HLEN + 4 * VLAN_TAGS_MAX;

	frame = TPACKET_ALIGN(frame);
	packet->frame_size = (uint32_t)frame;
	packet->block_size = (uint32_t)((frame * BLOCK_FRAMES + page - 1) / page * page);
	packet->frames_per_block = packet->block_size / packet->frame_size;
	if (n_frames == 0)
		n_frames = SL_MAX(FRAMES_MIN, SL_MIN(FRAMES_MAX, RING_BYTES / packet->frame_size));
	packet->n_blocks = (n_frames + packet->frames_per_block - 1) / packet->frames_per_block;
	packet->n_frames = packet->n_blocks * packet->frames_per_block;
}

static void
set_closed(struct packet_socket *packet)
{
	for (uint32_t i = 0; i < packet->n_queues; i++) {
		packet->queues[i].tx_fd = -1;
		for (int kind = 0; kind < PACKET_RINGS; kind++)
			packet->queues[i].rings[kind].fd = -1;
	}
}

static int
open_queue(const struct packet_socket *packet, struct packet_queue *queue, const char *interface,
	struct sl_error *err)
{
	int rc = open_tx(packet, queue, interface, err);

	for (int kind = 0; kind < PACKET_RINGS && rc == 0; kind++)
		rc = open_rx(
			packet, (enum packet_ring_kind)kind, &queue->rings[kind], interface, err);
	return rc;
}

int
packet_socket_open(const char *interface, uint32_t n_queues, uint32_t n_frames,
	struct packet_socket **out, struct sl_error *err)
{
	struct interface state;
	struct packet_socket *packet;
	size_t size = sizeof(*packet) + n_queues * sizeof(packet->queues[0]);
	int rc = 0;

	if (!interface_get(interface, &state))
		return sl_error_set(err, SL_ERR_PORT_NOT_FOUND, NULL,
			"this machine has no interface named \"%s\"", interface);
	packet = aligned_alloc(
		SL_CACHE_LINE, (size + SL_CACHE_LINE - 1) / SL_CACHE_LINE * SL_CACHE_LINE);
	if (packet == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory for a packet socket");
	memset(packet, 0, size);
	packet->ifindex = state.index;
	packet->n_queues = n_queues;
	lay_out(packet, state.mtu, n_frames);
	set_closed(packet);
	for (uint32_t i = 0; i < n_queues && rc == 0; i++)
		rc = open_queue(packet, &packet->queues[i], interface, err);
	for (int kind = 0; kind < PACKET_RINGS && rc == 0 && n_queues > 1; kind++)
		rc = join_fanout(packet, (enum packet_ring_kind)kind, interface, err);
	if (rc != 0) {
		packet_socket_close(packet);
		return rc;
	}
	*out = packet;
	return 0;
}

static void
close_ring(const struct packet_socket *packet, const struct packet_ring *ring)
{
	if (ring->slots != NULL)
		munmap(ring->slots, (size_t)packet->block_size * packet->n_blocks);
	if (ring->fd >= 0)
		close(ring->fd);
}

void
packet_socket_close(struct packet_socket *packet)
{
	if (packet == NULL)
		return;
	for (uint32_t i = 0; i < packet->n_queues; i++) {
		for (int kind = 0; kind < PACKET_RINGS; kind++)
			close_ring(packet, &packet->queues[i].rings[kind]);
		if (packet->queues[i].tx_fd >= 0)
			close(packet->queues[i].tx_fd);
	}
	free(packet);
}

static uint64_t
new_drops(const struct packet_ring *ring)
{
	struct tpacket_stats stats;
	socklen_t size = sizeof(stats);

	/* Reading resets what the kernel counts. */
	return getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0
		? stats.tp_drops
		: 0;
}

void
packet_socket_update_drops(struct packet_socket *packet)
{
	for (uint32_t i = 0; i < packet->n_queues; i++)
		for (int kind = 0; kind < PACKET_RINGS; kind++)
			packet->queues[i].kernel_drops += new_drops(&packet->queues[i].rings[kind]);
}
