/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: what happens to a packet that does not leave. */
#include "pipeline/flow.h"

/* Adds what each sublayer did; the credited filter is among those kept. */
static void
add_decisions(struct sl_event *event, const struct sl_layer_program *program,
	const struct sl_trace *trace)
{
	struct sl_event_decision *decision;
	const struct sl_trace_step *step;

	for (uint32_t i = 0; i < SL_MIN(trace->n, trace->n_max); i++) {
		step = &trace->steps[i];
		if (step->effect == SL_EFFECT_CONTINUED || step->effect == SL_EFFECT_SKIPPED)
			continue;
		if (event->n_decisions < SL_EVENT_DECISIONS_MAX)
			decision = &event->decisions[event->n_decisions++];
		else if (program->filters[step->rank].id == event->filter_id)
			decision = &event->decisions[SL_EVENT_DECISIONS_MAX - 1];
		else
			continue;
		decision->filter_id = program->filters[step->rank].id;
		decision->returned = step->returned;
		decision->effect = step->effect;
		decision->is_hard = step->running_is_hard && step->running_rank == step->rank;
		decision->sublayer_weight =
			program->sublayers[program->hot[step->rank].sublayer].weight;
	}
}

/*
 * What the filters did at the layer that stopped the packet.  Without callouts arbitration has no
 * effects and is repeated for the packets that get an event, so that others do not pay for a trace.
 */
static void
add_layer(struct sl_event *event, const struct sl_burst *burst, const struct sl_stop *stop)
{
	const struct sl_layer_program *program = stop->program;
	struct sl_trace trace = {
		.steps = burst->pipeline->steps,
		.n_max = SL_PIPELINE_TRACE_MAX,
	};
	struct sl_arbitration arbitration = {.trace = &trace};
	struct sl_verdict verdict;

	event->has_layer = 1;
	event->layer = (uint8_t)program->layer->id;
	event->is_veto = stop->reason == SL_REASON_VETO;
	if (stop->rank != SL_RANK_NONE)
		event->filter_id = program->filters[stop->rank].id;
	if (stop->n_ranks == 0)
		return;
	if (stop->trace == NULL) {
		sl_arbitrate(program, stop->ranks, stop->n_ranks, &burst->metas[stop->packet],
			&arbitration, &verdict);
		add_decisions(event, program, &trace);
	} else {
		add_decisions(event, program, stop->trace);
	}
}

static enum sl_event_type
event_type(const struct sl_stop *stop, const struct sl_meta *meta)
{
	uint8_t ip_version =
		stop->program != NULL ? stop->program->layer->ip_version : meta->ip_version;

	if (sl_reason_kind(stop->reason) != SL_REASON_KIND_POLICY &&
		sl_reason_kind(stop->reason) != SL_REASON_KIND_STATE)
		return SL_EVENT_PARSER_DROP;
	return ip_version == 0 ? SL_EVENT_CLASSIFY_DROP_MAC : SL_EVENT_CLASSIFY_DROP;
}

/* An event shows the packet as it came, not as a layer with flow state sees it. */
static void
describe_packet(struct sl_event *event, const struct sl_burst *burst, uint32_t packet)
{
	struct sl_meta *meta = &burst->metas[packet];
	const bool is_mirrored = meta->flow.is_mirrored;

	if (burst->pipeline->flows != NULL)
		meta->flow.id = meta->flow.entry == NULL
			? 0
			: sl_flow_id(sl_pipeline_flows(burst->pipeline), meta->flow.entry);
	if (is_mirrored)
		sl_meta_mirror(meta);
	sl_event_from_meta(event, meta);
	if (is_mirrored)
		sl_meta_mirror(meta);
}

static void
report(const struct sl_burst *burst, const struct sl_stop *stop)
{
	struct sl_pipeline *pipeline = burst->pipeline;
	const struct sl_meta *meta = &burst->metas[stop->packet];
	struct sl_event event;

	if (!sl_event_limit_take(&pipeline->limit, burst->now_ns)) {
		sl_counter_add(&pipeline->counters->worker.events_suppressed, 1);
		return;
	}
	describe_packet(&event, burst, stop->packet);
	event.time_ns = burst->now_ns;
	event.revision = burst->snapshot == NULL ? 0 : burst->snapshot->revision;
	event.type = event_type(stop, meta);
	event.reason = stop->reason;
	event.link = (uint8_t)burst->path->link;
	event.worker = pipeline->worker;
	event.is_monitor = burst->is_monitor;
	if (stop->program != NULL)
		add_layer(&event, burst, stop);
	sl_ring_put(pipeline->events, &event);
}

void
sl_pipeline_stop(struct sl_burst *burst, const struct sl_stop *stop)
{
	burst->outcomes[stop->packet] = (struct sl_outcome){
		.action = stop->action,
		.reason = stop->reason,
		.layer = stop->program == NULL ? 0 : (uint8_t)stop->program->layer->id,
		.has_layer = stop->program != NULL,
		.rank = stop->rank,
	};
	if (SL_UNLIKELY(burst->is_silent))
		return;
	sl_counter_add(&burst->reasons[stop->reason], 1);
	/* An absorbed packet is its callout's affair (WFP section 4.7). */
	if (burst->pipeline->events != NULL && stop->action != SL_VERDICT_ABSORB)
		report(burst, stop);
}

void
sl_pipeline_stop_all(struct sl_burst *burst, uint64_t members, enum sl_reason reason)
{
	struct sl_stop stop = {
		.action = SL_VERDICT_BLOCK,
		.reason = (uint8_t)reason,
		.rank = SL_RANK_NONE,
	};

	for (; members != 0; members &= members - 1) {
		stop.packet = (uint32_t)__builtin_ctzll(members);
		sl_pipeline_stop(burst, &stop);
	}
}

void
sl_pipeline_show_refused(struct sl_burst *burst, uint64_t members)
{
	const struct sl_order *order = &sl_order[burst->path->direction];
	const struct sl_layer_program *twin_v4 = burst->snapshot->layers[order->refused_twin_v4];
	const struct sl_layer_program *twin_v6 = burst->snapshot->layers[order->refused_twin_v6];
	uint64_t ip4 = 0, ip6 = 0;
	uint32_t packet;

	for (; members != 0; members &= members - 1) {
		packet = (uint32_t)__builtin_ctzll(members);
		ip4 |= (uint64_t)(burst->metas[packet].ip_version == 4) << packet;
		ip6 |= (uint64_t)(burst->metas[packet].ip_version == 6) << packet;
	}
	if (twin_v4 != NULL && ip4 != 0)
		sl_pipeline_visit_twin(burst, twin_v4, ip4);
	if (twin_v6 != NULL && ip6 != 0)
		sl_pipeline_visit_twin(burst, twin_v6, ip6);
}

void
sl_pipeline_refuse(struct sl_burst *burst, uint64_t members)
{
	struct sl_stop stop = {.action = SL_VERDICT_BLOCK, .rank = SL_RANK_NONE};

	for (uint64_t left = members; left != 0; left &= left - 1) {
		stop.packet = (uint32_t)__builtin_ctzll(left);
		stop.reason = burst->metas[stop.packet].reason;
		sl_pipeline_stop(burst, &stop);
	}
	sl_pipeline_show_refused(burst, members);
}
