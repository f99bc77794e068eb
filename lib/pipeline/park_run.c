/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: flows wait for a callout's answer, and are judged with it (WFP section 6.6). */
#include "pipeline/park.h"

#define ANSWERS_MAX 64u /* taken a round */
#define JUDGED_MAX \
	16u /* flows judged a round, for each of three causes: an answer, its want, a plugin's leaving */
#define PACKETS_MAX \
	64u /* no further one is when so many packets of theirs have been: as many as a burst has */
#define FLUSHED_MAX 32u  /* flows that nobody judges any more */
#define PASSED_MAX  256u /* no further ones when so many packets have been let go */
#define LOOKS_MAX   256u /* places looked at */

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
		parked->path == sl_park_path_of(burst) &&
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
		sl_park_path_of(burst), step->now_ms);
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

/* --- A round. --- */

/* Why what is held goes when nobody judges; NONE: it leaves. */
static enum sl_reason
reason_of_mode(const struct sl_park_round *round)
{
	if (round->snapshot == NULL)
		return SL_REASON_NO_POLICY;
	return round->mode == SL_MODE_BLOCK ? SL_REASON_MODE_BLOCK : SL_REASON_NONE;
}

static bool
is_judging(const struct sl_park_round *round)
{
	return round->snapshot != NULL &&
		(round->mode == SL_MODE_INLINE || round->mode == SL_MODE_MONITOR);
}

/* Packets let go since there were `n_before`. */
static uint32_t
released(const struct sl_park_round *round, uint32_t n_before)
{
	return round->pipeline->n_releases - n_before;
}

static void
flush_some(const struct sl_park_round *round)
{
	const struct sl_parking *table = round->pipeline->park->table;
	const uint32_t n_before = round->pipeline->n_releases;
	const struct sl_parked *parked;

	for (uint32_t i = 0; i < FLUSHED_MAX && released(round, n_before) < PASSED_MAX; i++) {
		parked = sl_parking_oldest(table);
		if (parked == NULL)
			return;
		sl_park_abandon(round, parked, reason_of_mode(round));
	}
}

/* False: nobody waits for this answer. */
static bool
take_answer(const struct sl_park_round *round, const struct sl_completion *completion)
{
	struct sl_flow_counter *counters = &round->pipeline->counters->flows;
	const struct sl_parked *parked =
		sl_parking_find(round->pipeline->park->table, completion->token);
	const struct sl_park_answer answer = {
		.by = completion->plugin, .completion = completion->answer};

	if (parked == NULL || parked->by != completion->plugin) {
		sl_counter_add(&counters->completions_late, 1);
		return false;
	}
	sl_counter_add(&counters->completed, 1);
	if (is_judging(round))
		sl_park_settle(round, parked, &answer);
	else
		sl_park_abandon(round, parked, reason_of_mode(round));
	return true;
}

static void
take_answers(const struct sl_park_round *round)
{
	struct sl_mpsc *completions = round->pipeline->park->completions;
	const uint32_t n_before = round->pipeline->n_releases;
	struct sl_completion completion;
	uint32_t n_judged = 0;

	for (uint32_t i = 0; i < ANSWERS_MAX && sl_mpsc_get(completions, &completion); i++) {
		n_judged += take_answer(round, &completion);
		if (n_judged == JUDGED_MAX || released(round, n_before) >= PACKETS_MAX)
			return;
	}
}

static void
judge_overdue(const struct sl_park_round *round)
{
	struct sl_pipeline *pipeline = round->pipeline;
	const struct sl_parking *table = pipeline->park->table;
	const uint32_t now_ms = sl_flow_clock(pipeline->flows->table, round->now_ns);
	const uint32_t n_before = pipeline->n_releases;
	struct sl_park_answer answer = {.is_missing = true};

	for (uint32_t i = 0; i < JUDGED_MAX && released(round, n_before) < PACKETS_MAX &&
		sl_parking_is_overdue(table, now_ms);
		i++) {
		answer.by = sl_parking_oldest(table)->by;
		sl_counter_add(&pipeline->counters->flows.pend_timeouts, 1);
		sl_park_settle(round, sl_parking_oldest(table), &answer);
	}
}

static void
judge_left(const struct sl_park_round *round)
{
	struct sl_park *park = round->pipeline->park;
	const struct sl_park_answer answer = {.by = park->leaving, .is_missing = true};
	const uint32_t n_before = round->pipeline->n_releases;
	const struct sl_parked *parked;
	uint32_t work = LOOKS_MAX;

	for (uint32_t i = 0; i < JUDGED_MAX && released(round, n_before) < PACKETS_MAX; i++) {
		parked = sl_parking_next(park->table, park->leaving, &park->leaving_at, &work);
		if (parked == NULL)
			break;
		sl_park_settle(round, parked, &answer);
	}
	if (park->leaving_at == SL_PARKING_END)
		park->leaving = NULL;
}

/* A monitor holds nothing up: frames of the time before leave, and their flows go on waiting. */
static void
pass_some(const struct sl_park_round *round)
{
	struct sl_park *park = round->pipeline->park;
	const uint32_t n_before = round->pipeline->n_releases;
	const struct sl_parked *parked;
	uint32_t work = LOOKS_MAX;

	while (released(round, n_before) < PASSED_MAX) {
		parked = sl_parking_next(park->table, NULL, &park->passing_at, &work);
		if (parked == NULL)
			break;
		sl_park_pass(round, parked);
	}
	if (park->passing_at == SL_PARKING_END)
		park->passing_at = 0;
}

static void
tend_waiting(const struct sl_park_round *round)
{
	struct sl_park *park = round->pipeline->park;

	if (SL_UNLIKELY(!is_judging(round))) {
		flush_some(round);
		return;
	}
	if (SL_UNLIKELY(round->mode == SL_MODE_MONITOR && sl_parking_held(park->table) != 0))
		pass_some(round);
	judge_overdue(round);
	if (SL_UNLIKELY(park->leaving != NULL))
		judge_left(round);
}

void
sl_park_tend(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	const struct sl_park_round round = {
		.pipeline = pipeline, .snapshot = snapshot, .mode = mode, .now_ns = now_ns};

	if (pipeline->park == NULL)
		return;
	take_answers(&round);
	if (SL_UNLIKELY(sl_parking_count(pipeline->park->table) != 0))
		tend_waiting(&round);
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
	const struct sl_park_round round = {.pipeline = pipeline,
		.snapshot = snapshot,
		.mode = SL_MODE_INLINE,
		.now_ns = now_ns};
	const struct sl_parked *parked =
		sl_parking_find(pipeline->park->table, sl_flow_id(pipeline->flows->table, flow));

	if (parked != NULL)
		sl_park_abandon(&round, parked, SL_REASON_FLOW_REVOKED);
}

void
sl_park_drain(struct sl_pipeline *pipeline, uint64_t now_ns)
{
	const struct sl_park_round round = {
		.pipeline = pipeline, .mode = SL_MODE_INLINE, .now_ns = now_ns};
	const struct sl_parked *parked;

	if (pipeline->park == NULL)
		return;
	while ((parked = sl_parking_oldest(pipeline->park->table)) != NULL)
		sl_park_abandon(&round, parked, SL_REASON_FLOW_PENDED);
}
