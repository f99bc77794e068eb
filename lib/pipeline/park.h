/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_PIPELINE_PARK_H
#define SL_PIPELINE_PARK_H

/*
 * Flows that wait for a callout's answer (WFP section 6.6).
 *
 * Begin.   A callout that is asked about a first packet puts its decision off and absorbs the packet.  The flow stays in
 *          the table as PENDED, and the packet is held, as others of its direction are that come meanwhile (of TCP none: its
 *          SYN is there already).  Everything else of the flow is dropped: FLOW_PENDED.
 * End.     With the callout's answer, when the time is over, or when the plugin leaves, the flow is judged once more at its
 *          layer by the policy in force then, and what is held goes on behind that as a burst of its own, from
 *          the flow step on: the layers before it have seen these packets.  Whatever else ends the flow, or the need to
 *          judge it, ends the operation too.  Every operation ends once, and every frame is released once.
 * Unheld   packets - of a copy that is gone behind the burst, without room, or in mode monitor, where they leave - are dropped as
 *          WFP drops them.  A flow without any is judged without a packet; its next one finds it authorised.
 * Threads. Packet time, one worker, but for sl_park_new and sl_park_free.
 */

#include "flow/sl_parking.h"
#include "pipeline/flow.h"

/* What a flow that has waited is judged with. */
struct sl_park_answer {
	const struct sl_plugin *by; /* who was waited for */
	uint64_t completion;        /* what it answered */
	bool is_missing;            /* it did not */
};

/* What a tick, or whoever ends flows, looks at. */
struct sl_park_round {
	struct sl_pipeline *pipeline;
	const struct sl_snapshot *snapshot; /* NULL: no policy */
	enum sl_mode mode;
	uint64_t now_ns;
};

struct sl_park {
	struct sl_parking *table;
	struct sl_mpsc *completions;     /* borrowed */
	const struct sl_plugin *leaving; /* what waits for it is judged without it; NULL: none */
	uint32_t leaving_at;
	uint32_t passing_at; /* where frames that need not be held any more are looked for */

	/* The flow in hand. */
	struct sl_meta *metas; /* SL_PIPELINE_BURST_MAX */
	struct sl_meta *meta_list[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
};

_Static_assert(SL_PARKED_FRAMES_MAX <= SL_PIPELINE_BURST_MAX, "a flow's frames are a burst");

/* --- Control thread. --- */

/* 0, -EINVAL or -ENOMEM. `*out` is NULL where the options let nobody put decisions off. */
int sl_park_new(const struct sl_pipeline_options *options, struct sl_park **out) SL_MUST_CHECK;
/* Ends what still waits; its frames are forgotten. */
void sl_park_free(struct sl_pipeline *pipeline);

/* --- The step. --- */

/* Tells the callouts of an ALE layer that is about to be visited what they may do and what has been answered. */
void sl_park_lend(struct sl_flow_step *step, bool is_reauthorization);
/* Takes that back. */
void sl_park_take_back(struct sl_flow_step *step);
/* Takes over the first packets whose flows callouts have pended; returns them. */
uint64_t sl_park_begin(struct sl_flow_step *step);
/* A packet of a PENDED flow. */
void sl_park_meet(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow);

/* --- Ends. In pipelines without a park there is no such flow, and nothing is done. --- */

/*
 * A round's part: takes answers, judges flows whose time is over or whose plugin leaves, and lets go what a mode
 * does not want held.  A bounded amount of work.
 */
void sl_park_tend(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns);
/* What waits for the plugin is judged without it, some in each round. */
void sl_park_forget(struct sl_pipeline *pipeline, const struct sl_plugin *plugin);
/* Ends a PENDED flow that somebody wants ended. */
void sl_park_kill(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *flow);
/* Ends all, before a stop. */
void sl_park_drain(struct sl_pipeline *pipeline, uint64_t now_ns);

/* The number of a burst's path, which operations are told by. */
static inline uint32_t
sl_park_path_of(const struct sl_burst *burst)
{
	return (uint32_t)(burst->path - burst->pipeline->paths);
}

/* --- One operation. What was held is among the pipeline's releases then. --- */

/* Ends it and its flow, which nobody judges: what is held is dropped, or with NONE leaves. */
void sl_park_abandon(
	const struct sl_park_round *round, const struct sl_parked *parked, enum sl_reason reason);
/* Ends it by judging its flow. */
void sl_park_settle(const struct sl_park_round *round, const struct sl_parked *parked,
	const struct sl_park_answer *answer);
/* Lets go what is held, and the flow goes on waiting. */
void sl_park_pass(const struct sl_park_round *round, const struct sl_parked *parked);

#endif
