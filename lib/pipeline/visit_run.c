/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: one layer, or one discard twin, for a set of packets. */
#include "pipeline/pipeline.h"

#include <string.h>

/* One visit of a layer. */
struct visit {
	struct sl_burst *burst;
	const struct sl_layer_program *program;
	struct sl_layer_counter tally; /* added to the worker's counters once, at the end */
	struct sl_trace trace;
	struct sl_arbitration arbitration;
	uint64_t stopped;
	uint64_t absorbed;
	uint64_t differing;            /* the engines judge them differently */
	bool stops_nothing;            /* at discard twins and closures */
	struct sl_auth_answer *answer; /* at ALE layers that authorise */
};

/* Judges one packet by its match list, which is not empty. */
typedef void
judge_fn(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks);

static void
start(struct visit *visit, struct sl_burst *burst, const struct sl_layer_program *program)
{
	struct sl_pipeline *pipeline = burst->pipeline;

	visit->burst = burst;
	visit->program = program;
	visit->tally = (struct sl_layer_counter){0};
	visit->stopped = 0;
	visit->absorbed = 0;
	visit->differing = 0;
	visit->stops_nothing = false;
	visit->answer = NULL;
	visit->trace = (struct sl_trace){.steps = pipeline->steps, .n_max = SL_PIPELINE_TRACE_MAX};
	visit->arbitration = (struct sl_arbitration){
		.invoke = sl_callout_invoke,
		.ctx = &pipeline->env,
		.hits = pipeline->hits,
	};
	/* Callouts must not be called twice, so what they did is recorded as they do it. */
	if (program->has_callouts && pipeline->events != NULL)
		visit->arbitration.trace = &visit->trace;
}

static void
finish(const struct visit *visit)
{
	struct sl_layer_counter *counter =
		&visit->burst->pipeline->counters->layers[visit->program->layer->id];

	sl_counter_add(&counter->permit, visit->tally.permit);
	sl_counter_add(&counter->block, visit->tally.block);
	sl_counter_add(&counter->veto, visit->tally.veto);
	sl_counter_add(&counter->absorb, visit->tally.absorb);
	sl_counter_add(&counter->ignored_override, visit->tally.ignored_override);
}

static void
decide(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks,
	struct sl_verdict *verdict)
{
	struct sl_burst *burst = visit->burst;
	struct sl_pipeline *pipeline = burst->pipeline;

	pipeline->env.frame = burst->frames == NULL ? NULL : &burst->frames[packet];
	pipeline->env.packet = packet;
	visit->arbitration.n_hits = 0;
	visit->trace.n = 0;
	sl_arbitrate(visit->program, ranks, n_ranks, &burst->metas[packet], &visit->arbitration,
		verdict);
}

/* Counts the filters that were evaluated. */
static SL_ALWAYS_INLINE void
count_hits(struct visit *visit, const struct sl_verdict *verdict)
{
	struct sl_burst *burst = visit->burst;
	struct sl_pipeline *pipeline = burst->pipeline;
	const struct sl_filter_hot *hot = visit->program->hot;
	const struct sl_frame *frame = pipeline->env.frame;
	const uint32_t length = frame == NULL ? 0 : frame->length;

	for (uint32_t i = 0; i < visit->arbitration.n_hits; i++)
		sl_counters_hit(
			pipeline->counters, hot[pipeline->hits[i]].counter, length, burst->now_ns);
	visit->tally.ignored_override += verdict->n_ignored;
}

static SL_ALWAYS_INLINE void
arbitrate(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks,
	struct sl_verdict *verdict)
{
	decide(visit, packet, ranks, n_ranks, verdict);
	count_hits(visit, verdict);
}

static SL_ALWAYS_INLINE void
tally(struct visit *visit, const struct sl_verdict *verdict)
{
	if (SL_LIKELY(verdict->action == SL_VERDICT_PERMIT))
		visit->tally.permit++;
	else if (verdict->action == SL_VERDICT_ABSORB)
		visit->tally.absorb++;
	else if (verdict->reason == SL_REASON_VETO)
		visit->tally.veto++;
	else
		visit->tally.block++;
}

/* A callout that did not answer in time is no callout that is not there. */
static uint8_t
reason_of(const struct visit *visit, const struct sl_verdict *verdict)
{
	const struct sl_plugin *overdue = visit->burst->pipeline->env.overdue;

	if (SL_UNLIKELY(overdue != NULL) && verdict->reason == SL_REASON_CALLOUT_UNREGISTERED &&
		visit->program->filters[verdict->rank].binding.callout == overdue)
		return SL_REASON_PEND_TIMEOUT;
	return verdict->reason;
}

static void
stop_judged(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks,
	const struct sl_verdict *verdict)
{
	const struct sl_callout_env *env = &visit->burst->pipeline->env;
	struct sl_stop stop;

	visit->stopped |= (uint64_t)1 << packet;
	if (verdict->action == SL_VERDICT_ABSORB) {
		visit->absorbed |= (uint64_t)1 << packet;
		/* Its decision is put off: nothing has become of it yet. */
		if ((env->pended >> packet & 1) != 0) {
			visit->burst->outcomes[packet].action = SL_OUTCOME_HELD;
			return;
		}
	}
	stop = (struct sl_stop){
		.packet = packet,
		.action = verdict->action,
		.reason = reason_of(visit, verdict),
		.rank = verdict->rank,
		.program = visit->program,
		.ranks = ranks,
		.n_ranks = n_ranks,
		.trace = visit->arbitration.trace,
	};
	sl_pipeline_stop(visit->burst, &stop);
}

static void
judge_packet(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks)
{
	struct sl_verdict verdict;

	arbitrate(visit, packet, ranks, n_ranks, &verdict);
	tally(visit, &verdict);
	if (SL_UNLIKELY(verdict.action != SL_VERDICT_PERMIT))
		stop_judged(visit, packet, ranks, n_ranks, &verdict);
}

/* Keeps the match list of a blocked packet, which the memory of refusals asks for. */
static void
keep_ranks(struct sl_auth_answer *answer, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks)
{
	answer->n_ranks[packet] = n_ranks;
	memcpy(answer->ranks[packet], ranks, SL_MIN(n_ranks, SL_AUTH_RANKS_MAX) * sizeof(*ranks));
}

/*
 * Judges a flow that no packet came for.  What is not certain to be blocked is left to its next packet: where conditions
 * are about packets, one may match that without a packet does not.
 */
static void
judge_swept(struct visit *visit, uint32_t flow, const uint32_t *ranks, uint32_t n_ranks)
{
	struct sl_auth_answer *answer = visit->answer;
	struct sl_callout_env *env = &visit->burst->pipeline->env;
	struct sl_verdict verdict;

	if (sl_layer_signature(visit->program, ranks, n_ranks) == answer->signature[flow]) {
		answer->unaffected |= (uint64_t)1 << flow;
		return;
	}
	if (n_ranks == 0 || visit->program->n_ask_packet > 0)
		return;
	env->has_deferred = false;
	decide(visit, flow, ranks, n_ranks, &verdict);
	if (env->has_deferred || verdict.action == SL_VERDICT_PERMIT)
		return;
	count_hits(visit, &verdict);
	tally(visit, &verdict);
	stop_judged(visit, flow, ranks, n_ranks, &verdict);
}

/* Judges a first packet or a flow anew; what has the signature it had needs no judgement. */
static void
judge_flow(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks)
{
	struct sl_auth_answer *answer = visit->answer;
	const uint32_t signature = sl_layer_signature(visit->program, ranks, n_ranks);
	struct sl_verdict verdict = {.action = SL_VERDICT_PERMIT, .rank = SL_RANK_NONE};

	if (answer->is_reauthorization && signature == answer->signature[packet] &&
		(answer->afresh >> packet & 1) == 0) {
		answer->unaffected |= (uint64_t)1 << packet;
		return;
	}
	answer->signature[packet] = signature;
	if (n_ranks != 0)
		arbitrate(visit, packet, ranks, n_ranks, &verdict);
	tally(visit, &verdict);
	answer->rank[packet] = verdict.rank;
	if (verdict.action == SL_VERDICT_PERMIT)
		return;
	keep_ranks(answer, packet, ranks, n_ranks);
	stop_judged(visit, packet, ranks, n_ranks, &verdict);
}

/* A flow that has ended cannot be stopped any more. */
static void
judge_closure(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks)
{
	struct sl_verdict verdict;

	arbitrate(visit, packet, ranks, n_ranks, &verdict);
	tally(visit, &verdict);
}

/* A twin cannot bring the packet back: all that its verdict decides is whether replies leave. */
static void
judge_dropped(struct visit *visit, uint32_t packet, const uint32_t *ranks, uint32_t n_ranks)
{
	struct sl_burst *burst = visit->burst;
	const struct sl_outcome *outcome = &burst->outcomes[packet];
	struct sl_callout_env *env = &burst->pipeline->env;
	const struct sl_layer_program *parent;
	struct sl_verdict verdict;

	parent = outcome->has_layer ? burst->snapshot->layers[outcome->layer] : NULL;
	env->discard_reason = sl_reason_name(outcome->reason);
	env->discard_filter_id =
		outcome->rank == SL_RANK_NONE ? 0 : parent->filters[outcome->rank].id;
	arbitrate(visit, packet, ranks, n_ranks, &verdict);
	if (verdict.action == SL_VERDICT_PERMIT) {
		visit->tally.permit++;
		return;
	}
	visit->tally.block++;
	burst->suppressed |= (uint64_t)1 << packet;
}

static void
stop_differing(struct visit *visit, uint32_t packet)
{
	const struct sl_stop stop = {
		.packet = packet,
		.action = SL_VERDICT_BLOCK,
		.reason = SL_REASON_ENGINE_DIFFERENCE,
		.rank = SL_RANK_NONE,
		.program = visit->program,
	};

	visit->tally.block++;
	if (visit->stops_nothing) {
		visit->burst->suppressed |= (uint64_t)1 << packet;
		return;
	}
	visit->stopped |= (uint64_t)1 << packet;
	sl_pipeline_stop(visit->burst, &stop);
}

/* Compares the first packets of a batch with the reference; returns how many were compared. */
static uint32_t
check(struct visit *visit, const uint8_t packets[], const struct sl_meta *const metas[], uint32_t n)
{
	struct sl_burst *burst = visit->burst;
	struct sl_pipeline *pipeline = burst->pipeline;
	const struct sl_matches *compiled = &pipeline->matches;
	const struct sl_matches *reference = &pipeline->reference;
	const uint32_t *c, *r;
	uint32_t n_c, n_r, n_done;

	n_done = sl_reference_run(visit->program, metas, n, &pipeline->reference);
	for (uint32_t i = 0; i < n_done; i++) {
		c = &compiled->ranks[compiled->start[i]];
		n_c = compiled->start[i + 1] - compiled->start[i];
		r = &reference->ranks[reference->start[i]];
		n_r = reference->start[i + 1] - reference->start[i];
		if (n_c == n_r && memcmp(c, r, n_c * sizeof(*c)) == 0)
			continue;
		visit->differing |= (uint64_t)1 << packets[i];
		if (!burst->has_reported && pipeline->difference != NULL)
			pipeline->difference(pipeline->difference_ctx, visit->program, metas[i],
				packets[i], c, n_c, r, n_r);
		burst->has_reported = true;
	}
	return n_done;
}

/* Classifies the first packets of a batch with the engine asked for; returns how many. */
static uint32_t
classify(struct visit *visit, const uint8_t packets[], const struct sl_meta *const metas[],
	uint32_t n)
{
	struct sl_pipeline *pipeline = visit->burst->pipeline;
	uint32_t n_done;

	if (SL_UNLIKELY(pipeline->engine == SL_ENGINE_REFERENCE))
		return sl_reference_run(visit->program, metas, n, &pipeline->matches);
	n_done = sl_classify_run(visit->program, metas, n, &pipeline->matches);
	if (SL_UNLIKELY(pipeline->engine == SL_ENGINE_CHECK))
		return check(visit, packets, metas, n_done);
	return n_done;
}

/* Brings in the counters that the packets are about to hit. */
static void
prefetch_counters(const struct visit *visit, uint32_t n)
{
	const struct sl_matches *matches = &visit->burst->pipeline->matches;
	const struct sl_filter_counter *filters = visit->burst->pipeline->counters->filters;
	const struct sl_filter_hot *hot = visit->program->hot;

	for (uint32_t i = 0; i < n; i++) {
		if (matches->start[i] != matches->start[i + 1])
			__builtin_prefetch(
				&filters[hot[matches->ranks[matches->start[i]]].counter], 1);
	}
}

/* True when no filter weighs against another: every packet of the batch matches one at most. */
static bool
is_undisputed(const struct visit *visit, uint32_t n)
{
	const struct sl_matches *matches = &visit->burst->pipeline->matches;
	uint32_t longest = 0;

	if (visit->program->has_callouts || visit->arbitration.trace != NULL ||
		visit->differing != 0)
		return false;
	for (uint32_t i = 0; i < n; i++)
		longest = SL_MAX(longest, matches->start[i + 1] - matches->start[i]);
	return longest <= 1;
}

/*
 * What judge_packet does for such a batch.  Blocks and permits come mixed, and each branch that asks which it is
 * would be guessed wrong half the time: first all are counted without one, then those that are blocked are stopped.
 */
static void
judge_undisputed(struct visit *visit, const uint8_t packets[], uint32_t n)
{
	struct sl_burst *burst = visit->burst;
	const struct sl_matches *matches = &burst->pipeline->matches;
	const struct sl_filter_hot *hot = visit->program->hot;
	struct sl_verdict verdict = {
		.action = SL_VERDICT_BLOCK, .reason = SL_REASON_FILTER, .is_hard = true};
	const uint32_t *rank;
	uint64_t blocked = 0;

	for (uint32_t i = 0; i < n; i++) {
		rank = &matches->ranks[matches->start[i]];
		if (matches->start[i] == matches->start[i + 1])
			continue;
		sl_counters_hit(burst->pipeline->counters, hot[*rank].counter,
			burst->frames == NULL ? 0 : burst->frames[packets[i]].length,
			burst->now_ns);
		blocked |= (uint64_t)(hot[*rank].action == SL_HOT_BLOCK) << i;
	}
	visit->tally.permit += n - (uint64_t)__builtin_popcountll(blocked);
	visit->tally.block += (uint64_t)__builtin_popcountll(blocked);
	for (; blocked != 0; blocked &= blocked - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(blocked);

		rank = &matches->ranks[matches->start[i]];
		verdict.rank = *rank;
		stop_judged(visit, packets[i], rank, 1, &verdict);
	}
}

/* `judge` is asked of packets without a match only when it `wants_all`. */
static SL_ALWAYS_INLINE void
judge_members(struct visit *visit, uint64_t members, judge_fn *judge, bool wants_all)
{
	struct sl_burst *burst = visit->burst;
	const struct sl_matches *matches = &burst->pipeline->matches;
	const struct sl_meta *metas[SL_PIPELINE_BURST_MAX];
	uint8_t packets[SL_PIPELINE_BURST_MAX];
	uint32_t n = 0, n_done, n_ranks;

	for (; members != 0; members &= members - 1) {
		packets[n] = (uint8_t)__builtin_ctzll(members);
		metas[n] = &burst->metas[packets[n]];
		n++;
	}
	for (uint32_t at = 0; at < n; at += n_done) {
		n_done = classify(visit, &packets[at], &metas[at], n - at);
		prefetch_counters(visit, n_done);
		if (judge == judge_packet && is_undisputed(visit, n_done)) {
			judge_undisputed(visit, &packets[at], n_done);
			continue;
		}
		for (uint32_t i = 0; i < n_done; i++) {
			n_ranks = matches->start[i + 1] - matches->start[i];
			if (SL_UNLIKELY((visit->differing >> packets[at + i] & 1) != 0))
				stop_differing(visit, packets[at + i]);
			else if (n_ranks == 0 && !wants_all)
				visit->tally.permit++;
			else
				judge(visit, packets[at + i], &matches->ranks[matches->start[i]],
					n_ranks);
		}
	}
}

/* Counts, and shows what was dropped to the discard twin; returns those that stop. */
static uint64_t
leave(const struct visit *visit)
{
	const struct sl_layer *twin = visit->program->layer->twin;
	struct sl_burst *burst = visit->burst;
	uint64_t dropped = visit->stopped & ~visit->absorbed;

	finish(visit);
	if (dropped != 0 && !burst->is_silent && twin != NULL &&
		burst->snapshot->layers[twin->id] != NULL)
		sl_pipeline_visit_twin(burst, burst->snapshot->layers[twin->id], dropped);
	return visit->stopped;
}

uint64_t
sl_pipeline_visit(struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members)
{
	struct visit visit;

	start(&visit, burst, program);
	judge_members(&visit, members, judge_packet, false);
	return leave(&visit);
}

uint64_t
sl_pipeline_visit_auth(struct sl_burst *burst, const struct sl_layer_program *program,
	uint64_t members, struct sl_auth_answer *answer)
{
	struct visit visit;

	start(&visit, burst, program);
	visit.answer = answer;
	if (SL_UNLIKELY(answer->is_sweep)) {
		burst->pipeline->env.is_deferring = true;
		judge_members(&visit, members, judge_swept, true);
		burst->pipeline->env.is_deferring = false;
	} else {
		judge_members(&visit, members, judge_flow, true);
	}
	return leave(&visit);
}

void
sl_pipeline_visit_closure(
	struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members)
{
	struct visit visit;

	start(&visit, burst, program);
	visit.stops_nothing = true;
	visit.arbitration.trace = NULL;
	judge_members(&visit, members, judge_closure, false);
	finish(&visit);
}

void
sl_pipeline_visit_twin(
	struct sl_burst *burst, const struct sl_layer_program *program, uint64_t members)
{
	struct sl_callout_env *env = &burst->pipeline->env;
	struct visit visit;

	start(&visit, burst, program);
	visit.stops_nothing = true;
	visit.arbitration.trace = NULL;
	env->is_discard = true;
	judge_members(&visit, members, judge_dropped, false);
	env->is_discard = false;
	env->discard_reason = NULL;
	env->discard_filter_id = 0;
	finish(&visit);
}
