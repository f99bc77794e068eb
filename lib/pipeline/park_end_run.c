/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: the wait of one flow ends, with a judgement or without one (WFP section 6.6). */
#include "pipeline/park.h"

/* Whose wait ends, and what is around it. */
struct ending {
	struct sl_burst burst; /* the frames that were held */
	struct sl_flow *flow;
	const struct sl_plugin *by;
	uint32_t n;
};

static const struct sl_outcome permit = {
	.action = SL_VERDICT_PERMIT,
	.reason = SL_REASON_NONE,
	.rank = SL_RANK_NONE,
};

static uint64_t
packets_of(const struct ending *ending)
{
	return ending->n == 0 ? 0 : ~(uint64_t)0 >> (64 - ending->n);
}

/* Takes the frames that are held of a flow, which may leave unless somebody says no. */
static uint32_t
take_frames(struct sl_park *park, const struct sl_parked *parked)
{
	const uint32_t n = sl_parking_take(park->table, parked, park->frames);

	for (uint32_t i = 0; i < n; i++)
		park->outcomes[i] = permit;
	return n;
}

static struct sl_burst
burst_of(const struct sl_park_round *round, const struct sl_parked *parked)
{
	struct sl_pipeline *pipeline = round->pipeline;
	const bool is_monitor = round->mode == SL_MODE_MONITOR;
	struct sl_counters *counters = pipeline->counters;
	struct sl_park *park = pipeline->park;

	return (struct sl_burst){
		.pipeline = pipeline,
		.snapshot = round->snapshot,
		.path = &pipeline->paths[parked->path],
		.frames = park->frames,
		.metas = park->metas,
		.outcomes = park->outcomes,
		.reasons = is_monitor ? counters->would_drop : counters->reasons,
		.now_ns = round->now_ns,
		.first_reply = pipeline->env.n_replies,
		.is_monitor = is_monitor,
	};
}

/* Takes an operation and its frames out; the flow stays PENDED. */
static void
end(const struct sl_park_round *round, const struct sl_parked *parked, struct ending *ending)
{
	struct sl_pipeline *pipeline = round->pipeline;

	ending->burst = burst_of(round, parked);
	ending->flow = sl_flow_by_id(pipeline->flows->table, parked->id);
	ending->by = parked->by;
	ending->n = take_frames(pipeline->park, parked);
	sl_parking_end(pipeline->park->table, parked);
}

/* Its plugin may be asked until here. */
static void
finish(const struct ending *ending)
{
	struct sl_pipeline *pipeline = ending->burst.pipeline;

	sl_counter_add(&pipeline->counters->flows.pend_ended, 1);
	sl_callout_pend_ended(&pipeline->env, ending->by);
}

static void
parse(struct ending *ending)
{
	struct sl_burst *burst = &ending->burst;
	struct sl_park *park = burst->pipeline->park;

	for (uint32_t i = 0; i < ending->n; i++)
		sl_meta_setup(&park->metas[i], burst->path->direction, &burst->path->ports);
	sl_packet_parse(burst->path->link_type, park->frames, ending->n, park->meta_list);
}

/* What became of the frames. */
static void
release(const struct ending *ending)
{
	const struct sl_burst *burst = &ending->burst;
	struct sl_pipeline *pipeline = burst->pipeline;
	struct sl_release *next;

	for (uint32_t i = 0; i < ending->n; i++) {
		next = &pipeline->releases[pipeline->n_releases++];
		*next = (struct sl_release){
			.held = {.frame = burst->frames[i],
				.path = sl_park_path_of(burst),
				.reason = burst->outcomes[i].reason},
			.outcome = burst->outcomes[i],
		};
		if (burst->is_monitor)
			next->outcome.action = SL_VERDICT_PERMIT;
	}
}

void
sl_park_pass(const struct sl_park_round *round, const struct sl_parked *parked)
{
	struct ending passing = {.burst = burst_of(round, parked)};

	passing.n = take_frames(round->pipeline->park, parked);
	release(&passing);
}

void
sl_park_abandon(
	const struct sl_park_round *round, const struct sl_parked *parked, enum sl_reason reason)
{
	struct ending ending;

	end(round, parked, &ending);
	if (reason != SL_REASON_NONE && ending.n != 0) {
		parse(&ending);
		for (uint32_t i = 0; i < ending.n; i++)
			ending.burst.metas[i].flow.entry = ending.flow;
		sl_pipeline_stop_all(&ending.burst, packets_of(&ending), reason);
	}
	release(&ending);
	if (ending.flow != NULL)
		sl_flow_discard(round->pipeline, ending.flow);
	finish(&ending);
}

/* --- Judging with an answer. --- */

/* The packets behind a first one that was not let through share its lot. */
static void
stop_rest(struct sl_burst *burst, uint64_t rest)
{
	const struct sl_outcome *first = &burst->outcomes[0];
	struct sl_stop stop = {
		.action = first->action,
		.reason = first->reason,
		.rank = first->rank,
		.program = first->has_layer ? burst->snapshot->layers[first->layer] : NULL,
	};

	for (; rest != 0; rest &= rest - 1) {
		stop.packet = (uint32_t)__builtin_ctzll(rest);
		sl_pipeline_stop(burst, &stop);
	}
}

static bool
is_admitted(const struct sl_flow_table *table, uint64_t id)
{
	const struct sl_flow *flow = sl_flow_by_id(table, id);

	return flow != NULL && (flow->flags & SL_FLOW_REVOKED) == 0;
}

/* Judges the flow by its first packet; the others ride behind it. Returns those that go on. */
static uint64_t
pass_step(struct ending *ending, const struct sl_park_answer *answer)
{
	struct sl_burst *burst = &ending->burst;
	struct sl_flow_step *step = &burst->pipeline->flows->step;
	const struct sl_flow_table *table = burst->pipeline->flows->table;
	const uint64_t id = sl_flow_id(table, ending->flow);
	const uint64_t rest = packets_of(ending) & ~(uint64_t)1;
	uint64_t alive;

	sl_flow_step_find(burst, 1);
	step->completing = answer;
	alive = ~sl_flow_step_run(burst, 1) & 1;
	step->completing = NULL;
	if (rest == 0)
		return alive;
	if (!is_admitted(table, id)) {
		stop_rest(burst, rest);
		return alive;
	}
	sl_flow_step_find(burst, rest);
	return alive | (rest & ~sl_flow_step_run(burst, rest));
}

static void
judge_held(struct ending *ending, const struct sl_park_answer *answer)
{
	struct sl_burst *burst = &ending->burst;
	const struct sl_order *order = &sl_order[burst->path->direction];
	uint64_t sets[SL_ORDER_CLASS_COUNT], alive;

	parse(ending);
	sl_pipeline_sort(burst, ending->n, sets);
	alive = pass_step(ending, answer);
	sl_pipeline_visit_some(burst, sets, order->n_before_flow, SL_ORDER_VISITS, alive);
	release(ending);
}

/*
 * Nothing of the flow is there.  Whom multicast was for cannot be told without a packet, so that is blocked: its next
 * packet asks anew.
 */
static void
judge_unseen(struct ending *ending, const struct sl_park_answer *answer)
{
	struct sl_burst *burst = &ending->burst;
	struct sl_pipeline *pipeline = burst->pipeline;
	struct sl_flow_step *step = &pipeline->flows->step;
	struct sl_flow *flow = ending->flow;
	bool is_permitted = false;

	burst->frames = NULL;
	burst->is_silent = true; /* the packets that were dropped have been counted */
	sl_flow_step_find(burst, 0);
	if ((flow->flags & SL_FLOW_WILDCARD) == 0) {
		sl_flow_portray_on(
			burst->path, flow, (flow->flags & SL_FLOW_OUTBOUND) != 0, burst->metas);
		step->completing = answer;
		is_permitted = sl_flow_authorize_unseen(step, flow);
		step->completing = NULL;
	}
	if (!is_permitted)
		return;
	sl_flow_pend(pipeline->flows->table, flow, false, burst->now_ns);
	if (!sl_flow_is_tcp(flow))
		sl_flow_set_flags(flow, SL_FLOW_UNCONFIRMED, 0);
}

/* Replies that were made meanwhile answer no packet of a burst. */
static void
finish_replies(struct sl_burst *burst)
{
	struct sl_callout_env *env = &burst->pipeline->env;

	sl_pipeline_sweep_replies(burst);
	for (uint32_t i = burst->first_reply; i < env->n_replies; i++)
		env->replies[i].packet = SL_REPLY_NO_PACKET;
}

void
sl_park_settle(const struct sl_park_round *round, const struct sl_parked *parked,
	const struct sl_park_answer *answer)
{
	struct sl_pipeline *pipeline = round->pipeline;
	struct sl_callout_env *env = &pipeline->env;
	const uint32_t path = env->path;
	const uint64_t id = parked->id;
	struct ending ending;
	struct sl_flow *flow;

	end(round, parked, &ending);
	env->path = sl_park_path_of(&ending.burst);
	if (ending.n != 0)
		judge_held(&ending, answer);
	else
		judge_unseen(&ending, answer);
	finish_replies(&ending.burst);
	env->path = path;
	/* Nobody would ever look at one that nobody waits for. */
	flow = sl_flow_by_id(pipeline->flows->table, id);
	if (flow != NULL && (flow->flags & SL_FLOW_PENDED) != 0)
		sl_flow_discard(pipeline, flow);
	finish(&ending);
}
