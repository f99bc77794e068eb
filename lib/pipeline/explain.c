/* SPDX-License-Identifier: BSD-3-Clause */
/* Control time: one packet's way through the layers, told step by step. */
#include "pipeline/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One walk: what all layers of it share. */
struct walk {
	const struct sl_snapshot *snapshot;
	const struct sl_meta *meta;
	struct sl_meta *packet; /* the same, for layers with flow state; NULL: a layer alone */
	struct sl_flow flow;    /* that the packet is taken to have */
	sl_explain_fn *fn;
	void *ctx;
	struct sl_matches compiled;
	struct sl_matches reference;
};

static int
walk_init(struct walk *walk, const struct sl_snapshot *snapshot, const struct sl_meta *meta,
	sl_explain_fn *fn, void *ctx)
{
	int rc;

	*walk = (struct walk){.snapshot = snapshot, .meta = meta, .fn = fn, .ctx = ctx};
	rc = sl_matches_init(&walk->compiled);
	if (rc == 0)
		rc = sl_matches_init(&walk->reference);
	if (rc != 0)
		sl_matches_fini(&walk->compiled);
	return rc;
}

static void
walk_fini(struct walk *walk)
{
	sl_matches_fini(&walk->compiled);
	sl_matches_fini(&walk->reference);
}

/* Stands in for the callouts: nobody is called, and nothing is dropped for want of an answer. */
static enum sl_invoke_status
pretend(void *ctx, const struct sl_layer_program *program, uint32_t rank,
	const struct sl_meta *meta, struct sluice_classify_out *out)
{
	const struct sl_plugin *plugin = program->filters[rank].binding.callout;

	(void)ctx;
	(void)meta;
	if (plugin == NULL || !sl_callout_is_loaded(plugin))
		return SL_INVOKE_UNREGISTERED;
	out->action = program->hot[rank].action == SL_HOT_CALLOUT_TERMINATING
		? SLUICE_ACTION_PERMIT
		: SLUICE_ACTION_CONTINUE;
	return SL_INVOKE_CALLED;
}

/* Tells of every filter of a layer, in arbitration order as the steps of `trace` are. */
static void
tell_filters(const struct walk *walk, struct sl_explain_step *step, const struct sl_trace *trace)
{
	struct sl_filter_walk filters = {.layer = step->program};
	uint32_t at = 0;
	uint32_t rank;

	step->type = SL_EXPLAIN_FILTER;
	while (sl_filter_walk_next(&filters, &rank)) {
		step->rank = rank;
		step->miss = (struct sl_near_miss){.field = SLUICE_FIELD_NONE};
		step->matched = sl_reference_match(step->program, rank, walk->meta, &step->miss);
		step->reached = at < trace->n && trace->steps[at].rank == rank;
		step->trace = (struct sl_trace_step){.rank = SL_RANK_NONE};
		if (step->reached)
			step->trace = trace->steps[at++];
		walk->fn(walk->ctx, step);
	}
}

/* Both engines on one packet: true when their lists are the same. `compiled` holds the one to go by. */
static bool
match_both(struct walk *walk, const struct sl_layer_program *program)
{
	const struct sl_meta *meta = walk->meta;
	const struct sl_matches *compiled = &walk->compiled, *reference = &walk->reference;
	uint32_t n = 0;

	sl_classify_run(program, &meta, 1, &walk->compiled);
	sl_reference_run(program, &meta, 1, &walk->reference);
	n = compiled->start[1] - compiled->start[0];
	return n == reference->start[1] - reference->start[0] &&
		memcmp(&compiled->ranks[compiled->start[0]], &reference->ranks[reference->start[0]],
			n * sizeof(uint32_t)) == 0;
}

static int
walk_layer(struct walk *walk, const struct sl_layer *layer, struct sl_verdict *verdict)
{
	const struct sl_layer_program *program = walk->snapshot->layers[layer->id];
	struct sl_explain_step step = {
		.type = SL_EXPLAIN_LAYER,
		.layer = layer,
		.program = program,
		.rank = SL_RANK_NONE,
		.engines_agree = true,
	};
	struct sl_trace trace = {.n = 0};
	struct sl_arbitration arbitration = {.invoke = pretend, .trace = &trace};
	const uint32_t *ranks;

	*verdict = (struct sl_verdict){.rank = SL_RANK_NONE, .action = SL_VERDICT_PERMIT};
	if (program != NULL) {
		step.engines_agree = match_both(walk, program);
		ranks = &walk->compiled.ranks[walk->compiled.start[0]];
		trace.n_max = walk->compiled.start[1] - walk->compiled.start[0];
		trace.steps = calloc(SL_MAX(trace.n_max, 1), sizeof(*trace.steps));
		if (trace.steps == NULL)
			return -ENOMEM;
		sl_arbitrate(program, ranks, trace.n_max, walk->meta, &arbitration, verdict);
	}
	walk->fn(walk->ctx, &step);
	if (program != NULL)
		tell_filters(walk, &step, &trace);
	free(trace.steps);
	step.type = SL_EXPLAIN_VERDICT;
	step.rank = verdict->rank;
	step.verdict = *verdict;
	walk->fn(walk->ctx, &step);
	return 0;
}

static void
outcome_of_layer(
	struct sl_outcome *outcome, const struct sl_layer *layer, const struct sl_verdict *verdict)
{
	if (verdict->action == SL_VERDICT_PERMIT)
		return;
	*outcome = (struct sl_outcome){
		.action = verdict->action,
		.reason = verdict->reason,
		.layer = (uint8_t)layer->id,
		.has_layer = true,
		.rank = verdict->rank,
	};
}

static void
outcome_of_reason(struct sl_outcome *outcome, enum sl_reason reason)
{
	*outcome = (struct sl_outcome){
		.action = reason == SL_REASON_NONE ? SL_VERDICT_PERMIT : SL_VERDICT_BLOCK,
		.reason = (uint8_t)reason,
		.rank = SL_RANK_NONE,
	};
}

/* A discard twin is told of only when it has filters, as it is only then visited. */
static int
walk_twin(struct walk *walk, const struct sl_layer *twin)
{
	struct sl_verdict verdict;

	if (twin == NULL || walk->snapshot->layers[twin->id] == NULL)
		return 0;
	return walk_layer(walk, twin, &verdict);
}

static int
refuse(struct walk *walk, const struct sl_order *order, struct sl_outcome *outcome)
{
	outcome_of_reason(outcome, walk->meta->reason);
	if (walk->meta->ip_version == 4)
		return walk_twin(walk, sl_layer_by_id(order->refused_twin_v4));
	if (walk->meta->ip_version == 6)
		return walk_twin(walk, sl_layer_by_id(order->refused_twin_v6));
	return 0;
}

/* One layer, and its twin when it blocks; `*is_over` when the packet goes no further. */
static int
visit(struct walk *walk, const struct sl_layer *layer, struct sl_outcome *outcome, bool *is_over)
{
	struct sl_verdict verdict;
	int rc;

	rc = walk_layer(walk, layer, &verdict);
	if (rc != 0)
		return rc;
	outcome_of_layer(outcome, layer, &verdict);
	*is_over = verdict.action != SL_VERDICT_PERMIT;
	return verdict.action == SL_VERDICT_BLOCK ? walk_twin(walk, layer->twin) : 0;
}

/* --- Layers with flow state. --- */

/* The flow that the packet is taken to have. */
static void
imagine_flow(struct walk *walk, enum sl_explain_flow flow)
{
	const struct sl_meta *meta = walk->meta;
	bool is_outbound = meta->direction == SLUICE_DIRECTION_OUTBOUND;

	walk->flow = (struct sl_flow){
		.key = {.protocol = meta->protocol, .ip_version = meta->ip_version},
	};
	sl_flow_set_icmp_type(&walk->flow, meta);
	if (flow == SL_EXPLAIN_FLOW_REPLY)
		is_outbound = !is_outbound;
	if (flow == SL_EXPLAIN_FLOW_NEW && sl_flow_is_tcp(&walk->flow) &&
		(meta->tcp_flags & SL_TCP_OPENING) != SL_TCP_SYN) {
		walk->flow.flags = SL_FLOW_MIDSTREAM;
		is_outbound = sl_flow_guess_is_outbound(meta);
	}
	if (is_outbound)
		walk->flow.flags |= SL_FLOW_OUTBOUND;
}

static int
visit_with_flow(struct walk *walk, const struct sl_layer *layer, uint32_t flags, uint32_t reason,
	struct sl_outcome *outcome, bool *is_over)
{
	const bool is_outbound = walk->meta->direction == SLUICE_DIRECTION_OUTBOUND;
	const bool is_mirrored = (layer->orientation == SL_ORIENTATION_OUTBOUND) != is_outbound;
	int rc;

	sl_flow_dress(walk->packet, &walk->flow, flags, reason);
	if (is_mirrored)
		sl_meta_mirror(walk->packet);
	rc = visit(walk, layer, outcome, is_over);
	if (is_mirrored)
		sl_meta_mirror(walk->packet);
	sl_flow_undress(walk->packet);
	return rc;
}

/* A first packet: the layer that authorises its flow, and the one where it is established. */
static int
visit_ale(struct walk *walk, struct sl_outcome *outcome, bool *is_over)
{
	const bool is_midstream = (walk->flow.flags & SL_FLOW_MIDSTREAM) != 0;
	const enum sluice_layer established = walk->meta->ip_version == 6
		? SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6
		: SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4;
	int rc;

	rc = visit_with_flow(walk, sl_layer_by_id(sl_auth_layers[sl_auth_of(&walk->flow)]),
		is_midstream ? SLUICE_CONDITION_FLAG_IS_REAUTHORIZE : 0,
		is_midstream ? SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION : 0, outcome, is_over);
	if (rc != 0 || *is_over || (sl_flow_is_tcp(&walk->flow) && !is_midstream) ||
		(walk->meta->meta_flags & SL_META_IS_FRAGMENT) != 0)
		return rc;
	return visit_with_flow(walk, sl_layer_by_id(established), 0, 0, outcome, is_over);
}

/* --- All of them. --- */

static int
visit_next(struct walk *walk, const struct sl_order_visit *next, bool is_announced,
	struct sl_outcome *outcome, bool *is_over)
{
	const struct sl_layer *layer = sl_layer_by_id(next->layer);
	int rc;

	if (next->visitors >= SL_ORDER_SORTED)
		return visit_with_flow(walk, layer, 0, 0, outcome, is_over);
	if (is_announced)
		walk->packet->flags_transport |= SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY;
	rc = visit(walk, layer, outcome, is_over);
	walk->packet->flags_transport &= ~SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY;
	return rc;
}

static int
walk_layers(struct walk *walk, const struct sl_path *path, bool is_new, struct sl_outcome *outcome)
{
	const struct sl_order *order = &sl_order[path->direction];
	uint32_t classes = sl_order_classes(walk->meta);
	const bool meets_flow = walk->meta->ip_version != 0 &&
		(walk->meta->meta_flags & SL_META_IS_ICMP_ERROR) == 0;
	bool is_over = false;
	int rc = 0;

	if (path->link_type != SL_LINK_ETHERNET)
		classes &= ~(1u << SL_ORDER_ETHERNET);
	for (uint32_t i = 0; i < SL_ORDER_VISITS && rc == 0 && !is_over; i++) {
		if (i == order->n_before_ip && walk->meta->reason != SL_REASON_NONE)
			return refuse(walk, order, outcome);
		if (i == order->n_before_flow && meets_flow && is_new)
			rc = visit_ale(walk, outcome, &is_over);
		if (rc == 0 && !is_over && sl_order_has(classes, order->visits[i].visitors))
			rc = visit_next(walk, &order->visits[i],
				is_new && meets_flow && i >= order->n_before_whole &&
					i < order->n_before_flow,
				outcome, &is_over);
	}
	return rc;
}

int
sl_pipeline_explain(const struct sl_snapshot *snapshot, const struct sl_path *path,
	const struct sl_frame *frame, enum sl_explain_flow flow, sl_explain_fn *fn, void *ctx,
	struct sl_meta *meta, struct sl_outcome *outcome)
{
	struct walk walk;
	int rc;

	sl_meta_setup(meta, path->direction, &path->ports);
	sl_packet_parse(path->link_type, frame, 1, &meta);
	outcome_of_reason(outcome, snapshot == NULL ? SL_REASON_NO_POLICY : SL_REASON_NONE);
	if (snapshot == NULL)
		return 0;
	rc = walk_init(&walk, snapshot, meta, fn, ctx);
	if (rc != 0)
		return rc;
	walk.packet = meta;
	imagine_flow(&walk, flow);
	rc = walk_layers(&walk, path, flow == SL_EXPLAIN_FLOW_NEW, outcome);
	meta->flow.entry = NULL;
	walk_fini(&walk);
	return rc;
}

int
sl_pipeline_explain_layer(const struct sl_snapshot *snapshot, const struct sl_layer *layer,
	const struct sl_meta *meta, sl_explain_fn *fn, void *ctx, struct sl_outcome *outcome)
{
	struct sl_verdict verdict;
	struct walk walk;
	int rc;

	outcome_of_reason(outcome, snapshot == NULL ? SL_REASON_NO_POLICY : SL_REASON_NONE);
	if (snapshot == NULL)
		return 0;
	rc = walk_init(&walk, snapshot, meta, fn, ctx);
	if (rc != 0)
		return rc;
	rc = walk_layer(&walk, layer, &verdict);
	if (rc == 0)
		outcome_of_layer(outcome, layer, &verdict);
	walk_fini(&walk);
	return rc;
}
