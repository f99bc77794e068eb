/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PIPELINE_PEND_HELPER_H
#define TESTS_PIPELINE_PEND_HELPER_H

/* Packets that may be held, a callout that puts its decisions off at every ALE layer that authorises, and its answers. */

#include "flow_helper.h"

/* What the callout answers. */
#define PERMIT SLUICE_ACTION_PERMIT
#define BLOCK  (SLUICE_ACTION_BLOCK | MOCK_CLEAR_RIGHT)

/* Packets in the order they were made since the fixture was started: those that are held must outlive their bursts. */
#define PEND_POOL 256u
extern struct packet pend_pool[PEND_POOL];

extern const struct shape web;     /* the SYN of a connection from inside */
extern const struct shape dns_out; /* UDP from inside, and its answer */
extern const struct shape dns_in;

/* A fixture whose callout answers "block" when it may not pend. `flags` are the filters'. */
void pend_start_with(struct fixture *fixture, const struct sl_flow_config *config, uint32_t flags);
/* The same with the configuration of flow_config. */
void pend_start(struct fixture *fixture);
/* A packet of the pool. */
struct packet *pend_make(const struct shape *shape);
struct sl_outcome pend_send(struct fixture *fixture, const struct shape *shape, enum sl_mode mode);
void expect_held(struct fixture *fixture, const struct shape *shape);
void expect_dropped(struct fixture *fixture, const struct shape *shape, enum sl_reason reason);
void expect_passed(struct fixture *fixture, const struct shape *shape);
void pend_tick(struct fixture *fixture, enum sl_mode mode);
/* Answers for the flow that was pended last. */
void pend_answer(struct fixture *fixture, uint64_t what);
/* Everything that has been let go had this outcome. Returns how many packets there were. */
uint32_t expect_released(struct fixture *fixture, uint8_t action, enum sl_reason reason);
/* Packet i of what was let go. */
const struct sl_release *pend_release(struct fixture *fixture, uint32_t i);
/* Nothing waits any more, and nobody is thought to. */
void expect_quiet(struct fixture *fixture);

#endif
