/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PIPELINE_FLOW_HELPER_H
#define TESTS_PIPELINE_FLOW_HELPER_H

/* Packets of flows, and what has become of them. */

#include "helper.h"

#define ACCEPT      SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4
#define CONNECT     SLUICE_LAYER_ALE_AUTH_CONNECT_V4
#define ESTABLISHED SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4
#define CLOSURE     SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V4
#define STREAM      SLUICE_LAYER_STREAM_PACKET_V4
#define DATAGRAM    SLUICE_LAYER_DATAGRAM_DATA_V4

#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define ACK 0x10u

#define MDNS_GROUP 0xe00000fbu

#define SECOND 1000000000u

/* A packet between two hosts: what matters of it. */
struct shape {
	bool is_inbound;
	bool is_ip6;      /* then the hosts are 2001:db8:: and these numbers */
	uint8_t protocol; /* 0: UDP */
	uint32_t local;   /* 0: HOST_IN */
	uint32_t remote;  /* 0: HOST_OUT */
	uint16_t local_port;
	uint16_t remote_port; /* ICMP: type << 8 | code, and local_port the identifier */
	uint32_t seq;
	uint32_t ack;
	uint8_t flags;
	uint16_t payload; /* bytes */
	uint16_t vlan;    /* VID; 0: no tag */
	uint8_t link;     /* 1: by the second link */
};

/* The configuration as it is by default, with room for 64 flows, always enforced. */
void flow_config(struct sl_flow_config *config);
/* A fixture with such a configuration. */
void flow_fixture(struct fixture *fixture);
/* The path of packets of a direction by the shape's link. */
uint32_t shape_path(const struct shape *shape, bool is_inbound);
void shape_build(struct packet *packet, const struct shape *shape);
/* An ICMP error "port unreachable" for a packet of that shape, going the other way. */
void shape_build_error(struct packet *packet, const struct shape *shape);
/* Sends one packet; the outcome's reason, NONE when it left. */
enum sl_reason shape_send(struct fixture *fixture, const struct shape *shape);
enum sl_reason shape_send_error(struct fixture *fixture, const struct shape *shape);
/* Sends them in one burst, all of the first one's direction. */
void shapes_send(struct fixture *fixture, const struct shape shapes[], uint32_t n,
	struct sl_outcome outcomes[]);
/* Opens a TCP connection with its handshake; `shape` names the ends and who opens it. */
void shape_connect(struct fixture *fixture, const struct shape *shape);
/* Lets time go by, with a tick at its end. */
void pass_time(struct fixture *fixture, uint64_t ns);
/* Blocks everything at a layer, in a sublayer of low weight. */
void block_all(struct fixture *fixture, enum sluice_layer layer, const char *key);

const struct sl_flow_counter *counted(const struct fixture *fixture);
uint32_t flows_live(const struct fixture *fixture);
/* The one flow there is. */
void flow_only(const struct fixture *fixture, struct sl_flow_view *view);

#endif
