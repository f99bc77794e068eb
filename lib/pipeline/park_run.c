/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: flows wait for a callout's answer, and are judged with it (WFP section 6.6). */
#include "pipeline/park.h"

#define ANSWERS_MAX 64u /* taken a round */
#define JUDGED_MAX \
	16u /* flows judged a round: with answers, for want of one, and for a plugin's leaving */
#define FLUSHED_MAX 32u  /* flows that nobody judges any more */
#define LOOKS_MAX   256u /* places looked at */
#define PASSED_MAX  256u /* frames that need not be held any more */

/* One operation's end: whose it is, and what is around it. */
struct ending {
	struct sl_burst burst; /* the frames that were held */
	struct sl_flow *flow;
	uint32_t n;
};

/* --- The beginning. --- */

void
sl_park_lend(struct sl_flow_step *step, bool is_reauthorization)
{
	struct sl_pipeline *pipeline = step->burst->pipeline;
	const struct sl_park_answer *answer = step->completing;
	struct sl_callout_env *env = &pipeline->env;

	if (answer == NULL) {
		env->n_pends_max = pipeline->park == NULL || is_reauthorization
			? 0
			: sl_parking_room(pipeline->park->table);
		return;
	}
	env->overdue = answer->is_missing ? answer->by : NULL;
	env->completed_by = answer->is_missing ? NULL : answer->by;
	env->completion = answer->completion;
}

void
sl_park_take_back(struct sl_flow_step *step)
{
	struct sl_callout_env *env = &step->burst->pipeline->env;

	env->n_pends_max = 0;
	env->overdue = NULL;
	env->completed_by = NULL;
	env->completion = 0;
}

static uint32_t
path_of(const struct sl_burst *burst)
{
	return (uint32_t)(burst->path - burst->pipeline->paths);
}

/*
 * Holds a packet that came the way of the first one, or drops it: what comes another way is of the other direction, or of
 * another link.
 */
static void
hold(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow,
	const struct sl_parked *parked)
{
	struct sl_burst *burst = step->burst;
	const struct sl_frame *frame = &burst->frames[packet];

	if (!burst->is_monitor && (frame->flags & SL_FRAME_COPY) == 0 && parked != NULL &&
		parked->path == path_of(burst) &&
		sl_parking_hold(burst->pipeline->park->table, parked, frame)) {
		burst->outcomes[packet].action = SL_OUTCOME_HELD;
		step->stopped |= (uint64_t)1 << packet;
		return;
	}
	/* The event names the flow. */
	burst->metas[packet].flow.entry = flow;
	sl_flow_drop(step, packet, SL_REASON_FLOW_PENDED);
}

static void
park(struct sl_flow_step *step, uint32_t packet, const struct sl_plugin *by)
{
	struct sl_burst *burst = step->burst;
	struct sl_flow_table *table = burst->pipeline->flows->table;
	struct sl_flow *flow = step->found[packet];
	const struct sl_parked *parked;

	step->establishing &= ~((uint64_t)1 << packet);
	parked = sl_parking_begin(burst->pipeline->park->table, sl_flow_id(table, flow), by,
		path_of(burst), step->now_ms);
	sl_flow_set_flags(flow, 0, SL_FLOW_PENDING);
	sl_flow_pend(table, flow, true, burst->now_ns);
	sl_counter_add(&sl_flow_counters(step)->pended, 1);
	hold(step, packet, flow, parked);
}

uint64_t
sl_park_begin(struct sl_flow_step *step)
{
	struct sl_callout_env *env = &step->burst->pipeline->env;
	uint64_t parked = 0;
	uint32_t packet;

	for (uint64_t left = env->pended; left != 0; left &= left - 1) {
		packet = (uint32_t)__builtin_ctzll(left);
		if (step->burst->outcomes[packet].action == SL_OUTCOME_HELD) {
			park(step, packet, env->pended_by[packet]);
			parked |= (uint64_t)1 << packet;
		} else {
			/* The engines differ about the packet, and it is blocked. */
			sl_callout_pend_ended(env, env->pended_by[packet]);
			env->n_pends_refused++;
		}
	}
	env->pended = 0;
	sl_counter_add(&sl_flow_counters(step)->pend_refused, env->n_pends_refused);
	env->n_pends_refused = 0;
	return parked;
}

void
sl_park_meet(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	const uint64_t bit = (uint64_t)1 << packet;
	struct sl_burst *burst = step->burst;
	struct sl_flow_table *table = burst->pipeline->flows->table;

	if (step->completing != NULL) {
		sl_flow_pend(table, flow, false, burst->now_ns);
		sl_flow_set_flags(flow, SL_FLOW_PENDING, 0);
		step->opening |= bit;
		if (!sl_flow_is_tcp(flow))
			step->establishing |= bit;
	} else if (!sl_flow_is_tcp(flow)) {
		hold(step, packet, flow,
			sl_parking_find(burst->pipeline->park->table, sl_flow_id(table, flow)));
	} else {
		burst->metas[packet].flow.entry = flow;
		sl_flow_drop(step, packet, SL_REASON_FLOW_PENDED);
	}
}

/* --- Endings. --- */

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
burst_of(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, bool is_monitor,
	uint64_t now_ns, const struct sl_parked *parked)
{
	struct sl_park *park = pipeline->park;
	struct sl_counters *counters = pipeline->counters;

	return (struct sl_burst){
		.pipeline = pipeline,
		.snapshot = snapshot,
		.path = &pipeline->paths[parked->path],
		.frames = park->frames,
		.metas = park->metas,
		.outcomes = park->outcomes,
		.reasons = is_monitor ? counters->would_drop : counters->reasons,
		.now_ns = now_ns,
		.first_reply = pipeline->env.n_replies,
		.is_monitor = is_monitor,
	};
}

/* Takes an operation and its frames out; the flow stays PENDED. */
static void
end(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, bool is_monitor,
	uint64_t now_ns, const struct sl_parked *parked, struct ending *ending)
{
	ending->burst = burst_of(pipeline, snapshot, is_monitor, now_ns, parked);
	ending->flow = sl_flow_by_id(pipeline->flows->table, parked->id);
	ending->n = take_frames(pipeline->park, parked);
	sl_callout_pend_ended(&pipeline->env, parked->by);
	sl_counter_add(&pipeline->counters->flows.pend_ended, 1);
	sl_parking_end(pipeline->park->table, parked);
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
				.path = path_of(burst),
				.reason = burst->outcomes[i].reason},
			.outcome = burst->outcomes[i],
		};
		if (burst->is_monitor)
			next->outcome.action = SL_VERDICT_PERMIT;
	}
}

/* Ends a flow that nobody judges: what is held is dropped, or with NONE leaves. */
static void
abandon(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	const struct sl_parked *parked, enum sl_reason reason)
{
	struct ending ending;

	end(pipeline, snapshot, false, now_ns, parked, &ending);
	if (reason != SL_REASON_NONE && ending.n != 0) {
		parse(&ending);
		for (uint32_t i = 0; i < ending.n; i++)
			ending.burst.metas[i].flow.entry = ending.flow;
		sl_pipeline_stop_all(&ending.burst, packets_of(&ending), reason);
	}
	release(&ending);
	if (ending.flow != NULL)
		sl_flow_discard(pipeline, ending.flow);
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

static void
settle(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns, const struct sl_parked *parked, const struct sl_park_answer *answer)
{
	struct sl_callout_env *env = &pipeline->env;
	const uint32_t path = env->path;
	const uint64_t id = parked->id;
	struct ending ending;
	struct sl_flow *flow;

	end(pipeline, snapshot, mode == SL_MODE_MONITOR, now_ns, parked, &ending);
	env->path = path_of(&ending.burst);
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
}

/* --- A round. --- */

/* Why what is held goes when nobody judges; NONE: it leaves. */
static enum sl_reason
reason_of_mode(const struct sl_snapshot *snapshot, enum sl_mode mode)
{
	if (snapshot == NULL)
		return SL_REASON_NO_POLICY;
	return mode == SL_MODE_BLOCK ? SL_REASON_MODE_BLOCK : SL_REASON_NONE;
}

static bool
is_judging(const struct sl_snapshot *snapshot, enum sl_mode mode)
{
	return snapshot != NULL && (mode == SL_MODE_INLINE || mode == SL_MODE_MONITOR);
}

static void
flush_some(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	const struct sl_parked *parked;

	for (uint32_t i = 0; i < FLUSHED_MAX; i++) {
		parked = sl_parking_oldest(pipeline->park->table);
		if (parked == NULL)
			return;
		abandon(pipeline, snapshot, now_ns, parked, reason_of_mode(snapshot, mode));
	}
}

static void
take_answers(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	struct sl_park *park = pipeline->park;
	struct sl_completion completion;
	const struct sl_parked *parked;
	uint32_t n_judged = 0;

	for (uint32_t i = 0; i < ANSWERS_MAX && n_judged < JUDGED_MAX &&
		sl_mpsc_get(park->completions, &completion);
		i++) {
		parked = sl_parking_find(park->table, completion.token);
		if (parked == NULL || parked->by != completion.plugin) {
			sl_counter_add(&pipeline->counters->flows.completions_late, 1);
			continue;
		}
		n_judged++;
		sl_counter_add(&pipeline->counters->flows.completed, 1);
		if (!is_judging(snapshot, mode)) {
			abandon(pipeline, snapshot, now_ns, parked, reason_of_mode(snapshot, mode));
			continue;
		}
		settle(pipeline, snapshot, mode, now_ns, parked,
			&(struct sl_park_answer){
				.by = completion.plugin, .completion = completion.answer});
	}
}

static void
judge_overdue(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	struct sl_parking *table = pipeline->park->table;
	const uint32_t now_ms = sl_flow_clock(pipeline->flows->table, now_ns);
	const struct sl_parked *parked;

	for (uint32_t i = 0; i < JUDGED_MAX && sl_parking_is_overdue(table, now_ms); i++) {
		parked = sl_parking_oldest(table);
		sl_counter_add(&pipeline->counters->flows.pend_timeouts, 1);
		settle(pipeline, snapshot, mode, now_ns, parked,
			&(struct sl_park_answer){.by = parked->by, .is_missing = true});
	}
}

static void
judge_left(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	struct sl_park *park = pipeline->park;
	const struct sl_park_answer answer = {.by = park->leaving, .is_missing = true};
	const struct sl_parked *parked;
	uint32_t work = LOOKS_MAX;

	for (uint32_t i = 0; i < JUDGED_MAX; i++) {
		parked = sl_parking_next(park->table, park->leaving, &park->leaving_at, &work);
		if (parked == NULL)
			break;
		settle(pipeline, snapshot, mode, now_ns, parked, &answer);
	}
	if (park->leaving_at == SL_PARKING_END)
		park->leaving = NULL;
}

static void
pass(struct sl_pipeline *pipeline, uint64_t now_ns, const struct sl_parked *parked)
{
	struct ending passing = {.burst = burst_of(pipeline, NULL, false, now_ns, parked)};

	passing.n = take_frames(pipeline->park, parked);
	release(&passing);
}

/* A monitor holds nothing up: frames of the time before leave, and their flows go on waiting. */
static void
pass_some(struct sl_pipeline *pipeline, uint64_t now_ns)
{
	struct sl_park *park = pipeline->park;
	const uint32_t n_before = pipeline->n_releases;
	const struct sl_parked *parked;
	uint32_t work = LOOKS_MAX;

	while (pipeline->n_releases - n_before < PASSED_MAX) {
		parked = sl_parking_next(park->table, NULL, &park->passing_at, &work);
		if (parked == NULL)
			break;
		pass(pipeline, now_ns, parked);
	}
	if (park->passing_at == SL_PARKING_END)
		park->passing_at = 0;
}

static void
tend_waiting(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	struct sl_park *park = pipeline->park;

	if (SL_UNLIKELY(!is_judging(snapshot, mode))) {
		flush_some(pipeline, snapshot, mode, now_ns);
		return;
	}
	if (SL_UNLIKELY(mode == SL_MODE_MONITOR && sl_parking_held(park->table) != 0))
		pass_some(pipeline, now_ns);
	judge_overdue(pipeline, snapshot, mode, now_ns);
	if (SL_UNLIKELY(park->leaving != NULL))
		judge_left(pipeline, snapshot, mode, now_ns);
}

void
sl_park_tend(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	if (pipeline->park == NULL)
		return;
	take_answers(pipeline, snapshot, mode, now_ns);
	if (SL_UNLIKELY(sl_parking_count(pipeline->park->table) != 0))
		tend_waiting(pipeline, snapshot, mode, now_ns);
	else
		pipeline->park->leaving = NULL;
}

void
sl_park_forget(struct sl_pipeline *pipeline, const struct sl_plugin *plugin)
{
	if (pipeline->park == NULL)
		return;
	pipeline->park->leaving = plugin;
	pipeline->park->leaving_at = 0;
}

void
sl_park_kill(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *flow)
{
	const struct sl_parked *parked =
		sl_parking_find(pipeline->park->table, sl_flow_id(pipeline->flows->table, flow));

	if (parked != NULL)
		abandon(pipeline, snapshot, now_ns, parked, SL_REASON_FLOW_REVOKED);
}

void
sl_park_drain(struct sl_pipeline *pipeline, uint64_t now_ns)
{
	const struct sl_parked *parked;

	if (pipeline->park == NULL)
		return;
	while ((parked = sl_parking_oldest(pipeline->park->table)) != NULL)
		abandon(pipeline, NULL, now_ns, parked, SL_REASON_FLOW_PENDED);
}
