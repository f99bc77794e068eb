/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: a packet whose flow is known goes with it, or does not. */
#include "pipeline/flow.h"

bool
sl_flow_drop_corrupt(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	struct sl_burst *burst = step->burst;
	struct sl_meta *meta = &burst->metas[packet];

	if (step->checksum == SL_FLOW_CHECKSUM_IGNORE ||
		(step->checksum == SL_FLOW_CHECKSUM_CONTROL && flow != NULL &&
			(meta->tcp_flags & SL_TCP_CONTROL) == 0) ||
		SL_LIKELY(!sl_packet_tcp_is_corrupt(&burst->frames[packet], meta)))
		return false;
	meta->flow.entry = flow;
	sl_flow_drop(step, packet, SL_REASON_TCP_BAD_CHECKSUM);
	return true;
}

/*
 * What is known of windows from a time when nothing was enforced may be wrong.  When the first segment since
 * then fits, it is kept; otherwise the connection is picked up with that segment, as any other would be.
 */
static void
begin_strictness(
	struct sl_flow_step *step, struct sl_flow *flow, const struct sl_tcp_segment *segment)
{
	const enum sluice_direction direction = step->burst->path->direction;
	struct sl_tcp tcp = flow->tcp;
	struct sl_tcp_step next;

	if (!step->is_enforced || step->tcp_mode != SL_FLOW_TCP_STRICT)
		return;
	sl_tcp_next(&tcp, segment, direction, SL_FLOW_TCP_STRICT, &next);
	if (next.reason == SL_REASON_NONE)
		return;
	sl_tcp_open(&tcp, segment, direction, SL_FLOW_MIDSTREAM_ADOPT, &next);
	if (next.reason == SL_REASON_NONE)
		flow->tcp = tcp;
}

/* How the connection goes on after a segment. */
static void
follow(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow,
	const struct sl_tcp_step *next)
{
	struct sl_flow_table *table = step->burst->pipeline->flows->table;

	if (next->class != flow->class)
		sl_flow_set_class(table, flow, next->class, step->burst->now_ns);
	if (next->end != SL_FLOW_END_NONE)
		sl_flow_set_end(flow, next->end);
	if (next->is_established && (flow->flags & SL_FLOW_ESTABLISHED) == 0)
		step->establishing |= (uint64_t)1 << packet;
}

/* A SYN takes the place of a connection that is over. */
static void
reopen(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	struct sl_burst *burst = step->burst;

	sl_flow_end(burst->pipeline, burst->snapshot, burst->now_ns, flow, SL_FLOW_END_REPLACED);
	sl_flow_open(step, packet);
}

bool
sl_flow_track(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	const struct sl_burst *burst = step->burst;
	struct sl_tcp_segment segment;
	struct sl_tcp_step next;

	if (!sl_tcp_read(&burst->frames[packet], &burst->metas[packet], &segment))
		return true;
	if (sl_flow_drop_corrupt(step, packet, flow))
		return false;
	if (SL_UNLIKELY((flow->flags & SL_FLOW_UNENFORCED) != 0))
		begin_strictness(step, flow, &segment);
	sl_tcp_next(&flow->tcp, &segment, burst->path->direction, step->tcp_mode, &next);
	if (SL_UNLIKELY(next.reason != SL_REASON_NONE)) {
		burst->metas[packet].flow.entry = flow;
		sl_flow_drop(step, packet, next.reason);
		return false;
	}
	if (SL_UNLIKELY(next.is_reopening)) {
		reopen(step, packet, flow);
		return false;
	}
	if (SL_UNLIKELY(next.class != flow->class || next.end != SL_FLOW_END_NONE ||
		    next.is_established))
		follow(step, packet, flow, &next);
	return true;
}

void
sl_flow_ride(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	const enum sluice_direction direction = step->burst->path->direction;
	const uint32_t length = step->burst->frames[packet].length;
	const bool is_outbound = direction == SLUICE_DIRECTION_OUTBOUND;
	uint32_t last_ms = step->now_ms;

	step->burst->metas[packet].flow.entry = flow;
	/* Answers do not keep open what multicast has opened (WFP section 7.1). */
	if (SL_UNLIKELY((flow->flags & SL_FLOW_WILDCARD) != 0 && !is_outbound))
		last_ms = flow->last_ms;
	sl_flow_count(flow, direction, length, last_ms);
	sl_trail_note(&step->burst->pipeline->flows->trails,
		sl_flow_index(step->burst->pipeline->flows->table, flow), step->burst, packet,
		sl_flow_is_tcp(flow));
	if (((flow->flags & SL_FLOW_OUTBOUND) != 0) != is_outbound &&
		(flow->flags & SL_FLOW_REPLIED) == 0)
		sl_flow_set_flags(flow, SL_FLOW_REPLIED, 0);
	if ((flow->flags & SL_FLOW_WILDCARD) != 0 && is_outbound)
		sl_flow_note_question(step->burst->pipeline->flows, flow, step->burst->now_ns);
}

/* --- ICMP errors. --- */

/* The segment that an error is about must be one that is on its way (RFC 5927). */
static bool
is_in_flight(const struct sl_flow_step *step, uint32_t packet, const struct sl_flow *flow)
{
	const struct sl_burst *burst = step->burst;
	struct sl_flow_key key;
	uint32_t seq;
	bool has_seq;

	if (!sl_flow_is_tcp(flow))
		return true;
	if (!sl_flow_key_of_error(&burst->frames[packet], &burst->metas[packet],
		    burst->path->flow_zone, &key, &seq, &has_seq) ||
		!has_seq)
		return false;
	/* It goes back to who sent that segment. */
	return sl_tcp_is_in_flight(&flow->tcp,
		burst->path->direction == SLUICE_DIRECTION_INBOUND ? SLUICE_DIRECTION_OUTBOUND
								   : SLUICE_DIRECTION_INBOUND,
		seq);
}

void
sl_flow_relate(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	if (flow != NULL && (flow->flags & (SL_FLOW_REVOKED | SL_FLOW_PENDED)) == 0 &&
		is_in_flight(step, packet, flow)) {
		step->burst->metas[packet].flow.entry = flow;
		sl_counter_add(&sl_flow_counters(step)->icmp_related, 1);
		return;
	}
	step->burst->metas[packet].flow.entry = NULL;
	if (step->is_enforced &&
		step->burst->pipeline->flows->config.icmp_errors == SL_FLOW_ICMP_RELATED)
		sl_flow_drop(step, packet, SL_REASON_ICMP_ERROR_UNRELATED);
}
