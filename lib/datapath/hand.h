/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_HAND_H
#define SL_DATAPATH_HAND_H

/*
 * Handing over: packets of the burst in hand whose flow another worker has go to that one's inbox, before anybody
 * judges them.
 *
 * Strays.   What the wire brought to the wrong worker, and questions to groups (steer.h).
 * Answers.  What may be an answer to a question of a local end (asked.h), and has no flow of its own here, goes to the worker that
 *           may have the question.  When that one has none it hands the packet back, and so the first packet of a flow always
 *           opens it where the rest of the flow will come.  No packet goes further than that: stray, answer, back.
 * Threads.  Packet time, the worker's own.
 */

#include "datapath/worker.h"

#include <stdint.h>

/* Each parts from the worker's first n frames what it hands over, and returns how many stay. */
uint16_t hand_over_strays(struct worker *worker, struct lane *lane, uint16_t n);
/* While asked_is_live; of inbound lanes. */
uint16_t hand_over_answers(struct worker *worker, struct lane *lane, uint16_t n);
/* Those that were handed over as answers and are none. */
uint16_t hand_back(struct worker *worker, struct lane *lane, uint16_t n);
/* The worker that is to judge a datagram: sl_pipeline_owner_fn, of which `ctx` is the worker. */
uint32_t hand_owner(void *ctx, uint32_t path, const struct sl_frame *frame,
	const struct sl_meta *meta, uint32_t *flags);
/* Tells the others of a question: sl_pipeline_asked_fn, of which `ctx` is the worker. */
void hand_note_question(void *ctx, const struct sl_flow_key *key);

#endif
