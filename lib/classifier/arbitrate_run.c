/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_arbitrate.h"

#include <string.h>

/*
 * Packet time: WFP sections 4.2 to 4.7.
 *
 * A sublayer's decision is merged into the running result.  While the right to write the action is
 * there, a decision replaces another action and may take the right away; once it is gone only a
 * veto, a callout's block against a hard permit, changes anything.
 */

enum decided {
	DECIDED_NOTHING,
	DECIDED_BLOCK,
	DECIDED_PERMIT
};

/* A decision: of one filter, or the running result of all so far. */
struct decision {
	enum decided what;
	bool has_right;  /* a later one may change it */
	bool by_callout; /* a callout spoke, not the engine in its place */
	uint8_t reason;  /* enum sl_reason, of a block */
	uint32_t rank;
};

struct arbiter {
	const struct sl_layer_program *layer;
	const struct sl_meta *meta;
	struct sl_arbitration *arbitration;
	struct sl_verdict *verdict;
	struct decision running;
	bool is_absorbed;
};

/* --- Reports. --- */

static void
trace(struct arbiter *a, uint32_t rank, enum sluice_action returned, enum sl_effect effect)
{
	struct sl_trace *steps = a->arbitration->trace;
	const bool is_block = a->running.what == DECIDED_BLOCK;
	const bool is_any = a->running.what != DECIDED_NOTHING;

	if (SL_LIKELY(steps == NULL))
		return;
	if (steps->n < steps->n_max)
		steps->steps[steps->n] = (struct sl_trace_step){.rank = rank,
			.returned = returned,
			.effect = (uint8_t)effect,
			.running = is_block ? SL_VERDICT_BLOCK : SL_VERDICT_PERMIT,
			.running_is_hard = is_any && !a->running.has_right,
			.running_rank = is_any ? a->running.rank : SL_RANK_NONE};
	if (steps->n < steps->n_max && a->is_absorbed)
		steps->steps[steps->n].running = SL_VERDICT_ABSORB;
	steps->n++;
}

static enum sluice_action
action_of(enum decided what)
{
	return what == DECIDED_BLOCK ? SLUICE_ACTION_BLOCK : SLUICE_ACTION_PERMIT;
}

/* --- Merging (section 4.5). --- */

static enum sl_effect
merge_soft(struct decision *running, const struct decision *d)
{
	if (d->what != running->what) {
		*running = *d;
		return SL_EFFECT_OVERRODE;
	}
	/* Credit stays with the first, unless a later one makes it hard. */
	if (d->has_right)
		return SL_EFFECT_AGREED;
	*running = *d;
	return SL_EFFECT_HARDENED;
}

static SL_ALWAYS_INLINE enum sl_effect
merge(struct decision *running, const struct decision *d)
{
	if (running->what == DECIDED_NOTHING) {
		*running = *d;
		return SL_EFFECT_DECIDED;
	}
	if (running->has_right)
		return merge_soft(running, d);
	if (running->what == DECIDED_PERMIT && d->what == DECIDED_BLOCK && d->by_callout) {
		*running = *d;
		running->has_right = false;
		running->reason = SL_REASON_VETO;
		return SL_EFFECT_VETOED;
	}
	return SL_EFFECT_IGNORED;
}

static void
decide(struct arbiter *a, const struct decision *d)
{
	const enum sl_effect effect = merge(&a->running, d);

	trace(a, d->rank, action_of(d->what), effect);
}

/* --- Filters. --- */

static SL_ALWAYS_INLINE struct decision
decision_of_filter(const struct sl_filter_hot *hot, uint32_t rank)
{
	const bool is_permit = hot->action == SL_HOT_PERMIT;

	/* A filter's block is always hard, its permit only on demand (section 4.2). */
	return (struct decision){.what = is_permit ? DECIDED_PERMIT : DECIDED_BLOCK,
		.has_right = is_permit && !(hot->flags & SL_FILTER_CLEAR_ACTION_RIGHT),
		.reason = SL_REASON_FILTER,
		.rank = rank};
}

/* --- Callouts (section 4.4). --- */

/* What a callout's answer counts as; CONTINUE: no decision. */
static enum sluice_action
normalise(enum sl_hot_action kind, uint32_t answer, bool had_right)
{
	if (kind == SL_HOT_CALLOUT_INSPECTION)
		return SLUICE_ACTION_CONTINUE;
	if (answer == SLUICE_ACTION_PERMIT || answer == SLUICE_ACTION_BLOCK)
		return (enum sluice_action)answer;
	if (kind == SL_HOT_CALLOUT_UNKNOWN)
		return SLUICE_ACTION_CONTINUE;
	/* A callout that leaves at once because the right is gone has no opinion. */
	if (answer == SLUICE_ACTION_UNTOUCHED && !had_right)
		return SLUICE_ACTION_CONTINUE;
	return SLUICE_ACTION_BLOCK;
}

/* Where a callout may take a packet over (section 4.7). */
static bool
allows_absorb(const struct sl_layer *layer)
{
	switch (layer->id) {
	case SLUICE_LAYER_INGRESS_VSWITCH_TRANSPORT_V4:
	case SLUICE_LAYER_INGRESS_VSWITCH_TRANSPORT_V6:
	case SLUICE_LAYER_EGRESS_VSWITCH_TRANSPORT_V4:
	case SLUICE_LAYER_EGRESS_VSWITCH_TRANSPORT_V6:
		return false;
	default:
		return !layer->is_discard;
	}
}

static bool
may_decide(const struct arbiter *a)
{
	return a->running.what == DECIDED_NOTHING || a->running.has_right;
}

static void
absorb(struct arbiter *a, uint32_t rank)
{
	a->is_absorbed = true;
	a->running = (struct decision){.what = DECIDED_BLOCK,
		.by_callout = true,
		.reason = SL_REASON_ABSORBED,
		.rank = rank};
	trace(a, rank, SLUICE_ACTION_BLOCK, SL_EFFECT_ABSORBED);
}

/* The engine answers for a callout that is not there. True when the sublayer is decided. */
static bool
answer_unregistered(struct arbiter *a, const struct sl_filter_hot *hot, uint32_t rank)
{
	struct decision d = {
		.what = DECIDED_BLOCK, .reason = SL_REASON_CALLOUT_UNREGISTERED, .rank = rank};

	if (hot->action == SL_HOT_CALLOUT_INSPECTION) {
		trace(a, rank, SLUICE_ACTION_CONTINUE, SL_EFFECT_SKIPPED);
		return false;
	}
	if (hot->flags & SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED) {
		d.what = DECIDED_PERMIT;
		d.has_right = true;
	}
	decide(a, &d);
	return true;
}

/* Judges a callout's answer. True when the sublayer is decided. */
static bool
take_answer(struct arbiter *a, const struct sl_filter_hot *hot, uint32_t rank,
	const struct sluice_classify_out *out)
{
	const bool had_right = may_decide(a);
	const enum sluice_action action =
		normalise((enum sl_hot_action)hot->action, out->action, had_right);
	const bool wants_absorb = (out->flags & SLUICE_CLASSIFY_OUT_FLAG_ABSORB) != 0 &&
		out->action == SLUICE_ACTION_BLOCK && action == SLUICE_ACTION_BLOCK;
	struct decision d = {.what = action == SLUICE_ACTION_BLOCK ? DECIDED_BLOCK : DECIDED_PERMIT,
		.by_callout = true,
		.has_right = had_right && (out->rights & SLUICE_RIGHT_ACTION_WRITE) != 0,
		.reason = SL_REASON_FILTER,
		.rank = rank};

	if (action == SLUICE_ACTION_CONTINUE) {
		trace(a, rank, action, SL_EFFECT_CONTINUED);
		return false;
	}
	if (wants_absorb && had_right && allows_absorb(a->layer->layer)) {
		absorb(a, rank);
		return true;
	}
	if (wants_absorb)
		a->verdict->absorb_refused = true;
	if (!had_right && action == SLUICE_ACTION_PERMIT && a->verdict->n_ignored < UINT16_MAX)
		a->verdict->n_ignored++;
	decide(a, &d);
	return true;
}

static bool
call(struct arbiter *a, const struct sl_filter_hot *hot, uint32_t rank)
{
	struct sl_arbitration *arbitration = a->arbitration;
	struct sluice_classify_out out = {.action = SLUICE_ACTION_UNTOUCHED,
		.rights = may_decide(a) ? SLUICE_RIGHT_ACTION_WRITE : 0};
	enum sl_invoke_status status = SL_INVOKE_UNREGISTERED;

	if (arbitration->invoke != NULL)
		status = arbitration->invoke(arbitration->ctx, a->layer, rank, a->meta, &out);
	switch (status) {
	case SL_INVOKE_CALLED:
		return take_answer(a, hot, rank, &out);
	case SL_INVOKE_SKIPPED:
		trace(a, rank, SLUICE_ACTION_CONTINUE, SL_EFFECT_SKIPPED);
		return false;
	default:
		return answer_unregistered(a, hot, rank);
	}
}

/* --- All sublayers. --- */

static void
hit(struct sl_arbitration *arbitration, uint32_t rank)
{
	if (arbitration->hits != NULL)
		arbitration->hits[arbitration->n_hits] = rank;
	arbitration->n_hits++;
}

/* Evaluates one matched filter. True when its sublayer is decided. */
static bool
evaluate(struct arbiter *a, const struct sl_filter_hot *hot, uint32_t rank)
{
	struct decision d;

	hit(a->arbitration, rank);
	if (hot->action > SL_HOT_PERMIT)
		return call(a, hot, rank);
	d = decision_of_filter(hot, rank);
	decide(a, &d);
	return true;
}

/* Section 4.6: nothing below can be seen to happen, but for the hits of filters without callout. */
static bool
is_over(const struct arbiter *a, const struct sl_sublayer_run *sublayer)
{
	return a->running.what != DECIDED_NOTHING && !a->running.has_right &&
		!sublayer->has_callouts_below && a->arbitration->trace == NULL;
}

static void
arbitrate_callouts(struct arbiter *a, const uint32_t *ranks, uint32_t n_ranks)
{
	const struct sl_layer_program *layer = a->layer;
	uint32_t i = 0;

	while (i < n_ranks && !a->is_absorbed) {
		const uint16_t number = layer->hot[ranks[i]].sublayer;
		bool is_decided = false;

		for (; i < n_ranks && layer->hot[ranks[i]].sublayer == number; i++) {
			if (!is_decided)
				is_decided = evaluate(a, &layer->hot[ranks[i]], ranks[i]);
		}
		if (is_decided && is_over(a, &layer->sublayers[number]))
			break;
	}
	for (; i < n_ranks && !a->is_absorbed; i++)
		hit(a->arbitration, ranks[i]);
}

/* Without callouts every rank is the decision of a sublayer, and nobody watches how they merge. */
static void
arbitrate_filters(struct arbiter *a, const uint32_t *ranks, uint32_t n_ranks)
{
	for (uint32_t i = 0; i < n_ranks; i++) {
		const struct decision d = decision_of_filter(&a->layer->hot[ranks[i]], ranks[i]);

		merge(&a->running, &d);
		if (!a->running.has_right)
			break;
	}
	if (a->arbitration->hits != NULL)
		memcpy(a->arbitration->hits, ranks, n_ranks * sizeof(*ranks));
	a->arbitration->n_hits = n_ranks;
}

static void
conclude(const struct arbiter *a)
{
	const struct decision *running = &a->running;
	struct sl_verdict *verdict = a->verdict;

	if (running->what == DECIDED_NOTHING)
		return;
	verdict->rank = running->rank;
	verdict->is_hard = !running->has_right;
	verdict->by_callout = running->by_callout;
	if (running->what == DECIDED_PERMIT)
		return;
	verdict->action = a->is_absorbed ? SL_VERDICT_ABSORB : SL_VERDICT_BLOCK;
	verdict->reason = running->reason;
}

void
sl_arbitrate(const struct sl_layer_program *layer, const uint32_t *ranks, uint32_t n_ranks,
	const struct sl_meta *meta, struct sl_arbitration *arbitration, struct sl_verdict *verdict)
{
	struct arbiter a = {.layer = layer,
		.meta = meta,
		.arbitration = arbitration,
		.verdict = verdict,
		.running = {.rank = SL_RANK_NONE}};

	*verdict = (struct sl_verdict){
		.rank = SL_RANK_NONE, .action = SL_VERDICT_PERMIT, .reason = SL_REASON_NONE};
	arbitration->n_hits = 0;
	if (SL_LIKELY(!layer->has_callouts && arbitration->trace == NULL))
		arbitrate_filters(&a, ranks, n_ranks);
	else
		arbitrate_callouts(&a, ranks, n_ranks);
	conclude(&a);
}
