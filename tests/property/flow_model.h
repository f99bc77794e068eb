/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_FLOW_MODEL_H
#define TESTS_PROPERTY_FLOW_MODEL_H

/*
 * WFP section 7 in the simplest form: a list of flows, one packet at a time, every filter of a layer tried in turn.
 * It shares with the pipeline what has oracles of its own: the parser, the reference matcher, the tracker of TCP.
 */

#include "../pipeline/flow_helper.h"

#define MODEL_FLOWS_MAX 512u

/* What a flow is told by. */
struct model_key {
	uint32_t local, remote;
	uint16_t local_port, remote_port;
	uint16_t vlan;
	uint8_t protocol;
	uint8_t asker; /* ICMP: 1: the host inside, 2: the one outside */
};

struct model_flow {
	struct model_key key;
	bool is_outbound;
	bool is_midstream;
	bool is_established;
	bool is_revoked;
	bool has_answer;
	bool is_wildcard;
	enum sl_flow_class class;
	uint64_t last_ns;
	uint32_t generation; /* of its layer when it was judged */
	uint16_t icmp_type;
	uint8_t links[2]; /* by direction: of its last packet, and 1; 0: there was none */
	struct sl_tcp tcp;
};

struct model {
	const struct sl_flow_config *config;
	struct fixture *fixture;                  /* its policy and paths */
	uint32_t generations[SLUICE_LAYER_COUNT]; /* one more for each change of a layer */
	struct model_flow flows[MODEL_FLOWS_MAX];
	uint32_t n_flows;
};

/* A packet, or the error that a packet of that shape is answered with. */
struct model_packet {
	struct shape shape;
	bool is_error;
	bool is_corrupt; /* TCP with a wrong checksum */
	struct packet packet;
};

void model_init(struct model *model, struct fixture *fixture, const struct sl_flow_config *config);
/* What becomes of a packet; `*layer` is the one that blocks it, where one does. */
enum sl_reason model_meet(struct model *model, const struct model_packet *packet, uint8_t *layer);
/* Forgets flows that are over. */
void model_age(struct model *model);
struct model_key model_key_of(const struct shape *shape);

#endif
