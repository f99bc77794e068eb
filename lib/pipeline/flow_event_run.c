/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: net events of flows, while somebody asked for them. */
#include "pipeline/flow.h"

static void
add_flow(struct sl_event *event, const struct sl_flows *flows, const struct sl_flow *flow)
{
	event->flow_id = sl_flow_id(flows->table, flow);
	event->filter_id = sl_flow_about(flows->table, flow)->filter_id;
	event->flow_since_ns = sl_flow_since_ns(flows->table, flow);
	event->flow_end = flow->end;
	event->flow_direction = (flow->flags & SL_FLOW_OUTBOUND) != 0 ? SLUICE_DIRECTION_OUTBOUND
								      : SLUICE_DIRECTION_INBOUND;
	event->is_midstream = (flow->flags & SL_FLOW_MIDSTREAM) != 0;
	for (uint32_t i = 0; i < 2; i++) {
		event->flow_packets[i] = flow->packets[i];
		event->flow_bytes[i] = flow->bytes[i];
	}
	event->has_layer = 1;
	event->layer = sl_auth_layers[sl_auth_of(flow)];
}

void
sl_flow_report(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	enum sl_event_type type, const struct sl_meta *meta, const struct sl_flow *flow)
{
	struct sl_event event;

	if (SL_LIKELY(!pipeline->flows->has_events) || pipeline->events == NULL)
		return;
	if (!sl_event_limit_take(&pipeline->limit, now_ns)) {
		sl_counter_add(&pipeline->counters->worker.events_suppressed, 1);
		return;
	}
	sl_event_from_meta(&event, meta);
	event.time_ns = now_ns;
	event.revision = snapshot == NULL ? 0 : snapshot->revision;
	event.type = (uint8_t)type;
	event.link =
		(uint8_t)(meta->ports.arrival_index == 0 ? 0 : (meta->ports.arrival_index - 1) / 2);
	event.worker = pipeline->worker;
	add_flow(&event, pipeline->flows, flow);
	sl_ring_put(pipeline->events, &event);
}
