/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_PEND_MODEL_H
#define TESTS_PROPERTY_PEND_MODEL_H

/*
 * Waiting for callouts (WFP section 6.6) in the simplest form: a flow a key, one packet at a time, no bursts, no tables.
 */

#include "../pipeline/flow_helper.h"

#define PEND_KEYS     12u
#define PEND_HELD_MAX 3u    /* packets of a flow */
#define PEND_BYTES    400u  /* of them */
#define PEND_TIMEOUT  5000u /* ms */
#define PEND_ANSWERS  16u   /* that wait to be taken */

/* What a layer that authorises says. */
enum pend_policy {
	PEND_ASK,      /* the callout, which puts it off; what is not first is permitted */
	PEND_ASK_OPEN, /* the same, and permitted when it does not answer */
	PEND_PERMIT,
	PEND_BLOCK,
	PEND_POLICY_COUNT
};

enum pend_state {
	PEND_NONE,
	PEND_WAITING,
	PEND_OPEN,
	PEND_REVOKED /* of TCP */
};

struct pend_packet {
	struct packet packet;
	uint32_t key;
	bool is_inbound;
	bool is_syn;
	bool is_held;
	bool is_gone; /* the pipeline has said what became of it */
	/* What the model says: HELD until it knows. */
	uint8_t action;
	uint8_t reason;
};

struct pend_flow {
	enum pend_state state;
	bool is_outbound;
	uint64_t id; /* told by the pipeline behind the burst; stays when the flow has gone */
	uint64_t since_ms;
	uint64_t serial; /* of the operation */
	uint32_t n_held;
	uint32_t n_bytes;
	struct pend_packet *held[PEND_HELD_MAX];
};

struct pend_answer {
	uint64_t token;
	uint64_t what;
	bool is_stranger;
};

struct pend_model {
	enum pend_policy policy[2]; /* by enum sluice_direction of who opens */
	enum sl_mode mode;
	bool has_policy;
	bool is_leaving; /* the plugin */
	bool is_leaving_told;
	uint64_t now_ms;
	uint64_t n_begun;
	struct pend_flow flows[PEND_KEYS];
	struct pend_answer answers[PEND_ANSWERS];
	uint32_t n_answers;
	uint64_t kills[8];
	uint32_t n_kills;

	/* Totals. */
	uint64_t n_ended;
	uint64_t n_completed;
	uint64_t n_overdue;
	uint64_t n_late;
};

bool pend_key_is_tcp(uint32_t key);
void model_init(struct pend_model *model);
/* A packet comes: sets its action and reason. */
void model_meet(struct pend_model *model, struct pend_packet *packet);
/* What follows every burst and every tick: commands. */
void model_obey(struct pend_model *model);
void model_tick(struct pend_model *model);
void model_drain(struct pend_model *model);

#endif
