/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: flows end (WFP section 7.8). */
#include "pipeline/flow.h"

/* The closure layer sees the last of the flows of one IP version. */
static void
show_closure(struct sl_burst *burst, uint32_t n, uint8_t ip_version)
{
	const struct sl_layer_program *program =
		burst->snapshot->layers[ip_version == 6 ? SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V6
							: SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V4];
	uint64_t members = 0;

	for (uint32_t i = 0; i < n; i++)
		members |= (uint64_t)(burst->metas[i].ip_version == ip_version) << i;
	if (program == NULL || members == 0)
		return;
	sl_flow_name(burst, members);
	sl_pipeline_visit_closure(burst, program, members);
}

static void
portray_all(struct sl_flows *flows, struct sl_flow *const list[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		sl_flow_portray(flows, list[i], false, &flows->metas[i]);
		sl_flow_dress(&flows->metas[i], list[i], 0, 0);
	}
}

/* True when nobody wants to know what the flows looked like. */
static bool
is_unseen(const struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot)
{
	return !pipeline->flows->has_events &&
		(snapshot == NULL ||
			(snapshot->layers[SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V4] == NULL &&
				snapshot->layers[SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V6] == NULL));
}

static void
show(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *const list[], uint32_t n)
{
	struct sl_flows *flows = pipeline->flows;
	struct sl_burst burst = {
		.pipeline = pipeline,
		.snapshot = snapshot,
		.path = &pipeline->paths[0],
		.metas = flows->metas,
		.outcomes = flows->outcomes,
		.reasons = pipeline->counters->reasons,
		.now_ns = now_ns,
	};

	portray_all(flows, list, n);
	if (snapshot == NULL)
		return;
	show_closure(&burst, n, 4);
	show_closure(&burst, n, 6);
}

void
sl_flow_close(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *const list[], uint32_t n)
{
	const bool unseen = is_unseen(pipeline, snapshot);

	if (!unseen)
		show(pipeline, snapshot, now_ns, list, n);
	for (uint32_t i = 0; i < n; i++) {
		sl_callout_flow_end(&pipeline->env, list[i]);
		sl_counter_add(&pipeline->counters->flows.ended[list[i]->end], 1);
		if (!unseen)
			sl_flow_report(pipeline, snapshot, now_ns, SL_EVENT_FLOW_CLOSED,
				&pipeline->flows->metas[i], list[i]);
	}
}

void
sl_flow_forget(struct sl_flow_step *step, const struct sl_flow *flow)
{
	struct sl_meta *meta;
	uint32_t packet;

	/* A packet's metadata name no other flow than the one that was found for it. */
	for (uint64_t left = step->members; left != 0; left &= left - 1) {
		packet = (uint32_t)__builtin_ctzll(left);
		if (SL_LIKELY(step->found[packet] != flow))
			continue;
		meta = &step->burst->metas[packet];
		/* One that has gone with the flow shows the data layers what it was. */
		sl_flow_dress(meta, flow, 0, 0);
		meta->flow.entry = NULL;
		meta->flow.id = 0;
		step->found[packet] = NULL;
		step->stale |= (uint64_t)1 << packet;
	}
}

void
sl_flow_discard(struct sl_pipeline *pipeline, struct sl_flow *flow)
{
	struct sl_flow_step *step = &pipeline->flows->step;

	sl_callout_flow_end(&pipeline->env, flow);
	sl_flow_forget(step, flow);
	sl_flow_remove(pipeline->flows->table, flow);
}

void
sl_flow_end(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *flow, enum sl_flow_end otherwise)
{
	if ((flow->flags & SL_FLOW_REVOKED) == 0) {
		if (flow->end == SL_FLOW_END_NONE)
			sl_flow_set_end(flow, otherwise);
		sl_flow_close(pipeline, snapshot, now_ns, &flow, 1);
	}
	sl_flow_discard(pipeline, flow);
}

void
sl_flow_revoke(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	struct sl_flow *flow, enum sl_flow_end end)
{
	sl_flow_set_end(flow, end);
	sl_flow_close(pipeline, snapshot, now_ns, &flow, 1);
	if (!sl_flow_is_tcp(flow)) {
		sl_flow_discard(pipeline, flow);
		return;
	}
	sl_flow_set_flags(flow, SL_FLOW_REVOKED, 0);
	sl_flow_set_class(pipeline->flows->table, flow, SL_FLOW_ENDED, now_ns);
	__atomic_store_n(
		&flow->last_ms, sl_flow_clock(pipeline->flows->table, now_ns), __ATOMIC_RELAXED);
}
