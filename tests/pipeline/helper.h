/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PIPELINE_HELPER_H
#define TESTS_PIPELINE_HELPER_H

/* A policy, a pipeline over it, a callout that records its calls, and packets to send. */

#include "pipeline/sl_pipeline.h"
#include "policy/sl_policy.h"

#include <stdbool.h>
#include <stdint.h>

/* Paths of the pipeline. */
enum {
	PATH_IN,    /* inbound, Ethernet */
	PATH_OUT,   /* outbound, Ethernet */
	PATH_IN_IP, /* inbound, no link header */
	PATH_OUT_IP,
	PATH_IN_2, /* of a second link, Ethernet */
	PATH_OUT_2,
	N_PATHS
};

struct fixture {
	struct sl_policy *policy;
	struct sl_callout_registry *registry;
	struct sl_snapshot *snapshot;
	struct sl_counters *counters;
	struct sl_ring *events;
	struct sl_pipeline *pipeline;
	struct sl_path paths[N_PATHS];
	uint32_t n_counters;
	char keys[256][65];     /* of filters, by counter */
	uint32_t n_differences; /* reported by the check engine */
	struct sl_ring *commands;
	uint32_t n_asked; /* questions to groups that the pipeline has told of */
	struct sl_flow_key asked;
	uint64_t now_ns; /* when packets come */
	uint64_t revision;
};

#define FIXTURE_NOW_NS 1000000000u

/* An empty policy; `event_rate` as in the pipeline's options, the ring holds 64. */
void fixture_init(struct fixture *fixture, enum sl_engine engine, uint64_t event_rate);
/* The same with flows, when `flows` is not NULL. */
void fixture_init_flows(struct fixture *fixture, enum sl_engine engine, uint64_t event_rate,
	const struct sl_flow_config *flows);
/* The same; both links with Ethernet are of one flow zone. */
void fixture_init_zone(struct fixture *fixture, const struct sl_flow_config *flows);
void fixture_fini(struct fixture *fixture);
/* An unfinished filter at `layer` that permits. */
struct sl_filter *fixture_filter(enum sluice_layer layer, const char *key, const char *sublayer);
/* Adds a condition `field` `match` a number of `type`; flags and EMPTY are numbers, too. */
void fixture_condition(struct sl_filter *filter, enum sluice_field field, enum sl_match match,
	enum sluice_data_type type, uint64_t number);
/* Finishes and adds the filter. */
void fixture_add(struct fixture *fixture, struct sl_filter *filter);
/* A filter without conditions. */
void fixture_add_all(struct fixture *fixture, enum sluice_layer layer, const char *key,
	const char *sublayer, enum sluice_action action);
/* A filter without conditions whose callout does `behaviour`. */
void fixture_add_mock(struct fixture *fixture, enum sluice_layer layer, const char *key,
	const char *sublayer, enum sluice_action action, uint64_t behaviour);
/* An unfinished filter becomes such a one. */
void fixture_add_mock_filter(struct fixture *fixture, struct sl_filter *filter,
	enum sluice_action action, uint64_t behaviour);
/* The same with a callout that is not loaded. */
void fixture_add_missing(
	struct fixture *fixture, enum sluice_layer layer, const char *key, const char *sublayer);
/* Checks and compiles the policy: the fixture's snapshot. */
void fixture_compile(struct fixture *fixture);
/* Compiles what the policy is now: the next revision. */
void fixture_commit(struct fixture *fixture);
/* The same in two steps: the previous snapshot is the caller's, who retires it when nobody uses it any more. */
struct sl_snapshot *fixture_replace(struct fixture *fixture);
void fixture_retire(struct sl_snapshot *snapshot);
/* Takes a filter out of the policy. */
void fixture_remove(struct fixture *fixture, const char *key);
/* Judges the packets at once, in mode inline. */
void fixture_run(struct fixture *fixture, uint32_t path, const struct sl_frame *frames, uint32_t n,
	struct sl_outcome *outcomes);
/* Key of the filter that an outcome credits, "" for none. */
const char *fixture_key(const struct fixture *fixture, const struct sl_outcome *outcome);

/* --- The callout. --- */

/* What it answers, in a filter's raw context: an action and these. */
#define MOCK_CLEAR_RIGHT 0x10000u
#define MOCK_ABSORB      0x20000u
#define MOCK_REPLY       0x40000u /* queues a frame whose last byte is the packet's */
#define MOCK_VETO        0x80000u /* writes its action even without the right */
/* Associates the flow's handle with it, at the IPv4 layers of packets. */
#define MOCK_ASSOCIATE 0x100000u
#define MOCK_ABORT     0x200000u /* ends the flow */
/* Puts its decision off where it may; asked again, it does what the answer says: an action and these. */
#define MOCK_PEND 0x400000u

struct mock_call {
	enum sluice_layer layer;
	uint32_t packet_length;
	char discard_reason[32]; /* "" where there is none */
	uint64_t discard_filter_id;
	uint64_t flow; /* handle; 0: none */
	uint64_t flow_context;
	uint32_t direction;
	uint32_t flags;  /* the field; 0 where there is none */
	uint32_t reason; /* of reauthorisation, the field */
	uint64_t answer; /* of a completion; 0: none */
	bool may_pend;
	bool has_packet;
};

/* Calls since the last mock_reset. */
extern struct mock_call mock_calls[1024];
extern uint32_t mock_n_calls;
/* Contexts of flows that were told gone since then, the last one, and how many calls there had been. */
extern uint32_t mock_n_gone;
extern uint64_t mock_gone;
extern uint32_t mock_gone_after;
void mock_reset(void);
/* The flow that was pended last, and what pend answered last. */
extern uint64_t mock_token;
extern int mock_pend_rc;
/* Is told of every flow that is pended, on the thread of its worker; NULL: nobody. */
typedef void mock_pend_fn(uint64_t token);
extern mock_pend_fn *mock_on_pend;
/* Answers for a flow; any thread. */
int mock_complete(uint64_t token, uint64_t answer);

/* --- Packets. --- */

struct packet {
	uint8_t bytes[512];
	struct sl_frame frame;
};

#define HOST_IN  0x0a000001u /* 10.0.0.1 */
#define HOST_OUT 0xc6336407u /* 198.51.100.7 */

/* With Ethernet header from outside to inside; `mark` is the last byte of the payload. */
void packet_udp4(struct packet *packet, uint16_t dst_port, uint8_t mark);
void packet_udp6(struct packet *packet, uint16_t dst_port, uint8_t mark);
/* An ICMP error from outside about a UDP packet of the inside host. */
void packet_error4(struct packet *packet);
void packet_error6(struct packet *packet);
void packet_arp(struct packet *packet);
/* A UDP packet whose IPv4 header checksum is wrong. */
void packet_broken4(struct packet *packet);
/* A UDP packet whose payload length exceeds the frame. */
void packet_broken6(struct packet *packet);
/* A fragment of a UDP packet that is not the first. */
void packet_fragment4(struct packet *packet);
/* Takes the Ethernet header off. */
void packet_strip(struct packet *packet);

#endif
