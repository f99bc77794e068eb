/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: a packet that has no flow opens one (WFP section 7.2). */
#include "pipeline/flow.h"

/* What a first packet says of its flow. */
struct opening {
	struct sl_tcp tcp;
	enum sl_flow_class class;
	uint16_t flags; /* enum sl_flow_flag */
	bool is_established;
};

static bool
is_ephemeral(uint16_t port)
{
	return port >= 32768;
}

bool
sl_flow_guess_is_outbound(const struct sl_meta *meta)
{
	const uint16_t local = meta->local_port, remote = meta->remote_port;
	const bool is_outbound = meta->direction == SLUICE_DIRECTION_OUTBOUND;

	if ((meta->tcp_flags & (SL_TCP_SYN | SL_TCP_ACK)) == (SL_TCP_SYN | SL_TCP_ACK))
		return !is_outbound;
	if (is_ephemeral(local) != is_ephemeral(remote))
		return is_ephemeral(local);
	if ((local < 1024) != (remote < 1024))
		return remote < 1024;
	return is_outbound;
}

/* Reads what TCP says; false: the packet's way is decided. */
static bool
open_tcp(struct sl_flow_step *step, uint32_t packet, struct opening *opening)
{
	struct sl_burst *burst = step->burst;
	const struct sl_flow_config *config = &burst->pipeline->flows->config;
	const struct sl_meta *meta = &burst->metas[packet];
	struct sl_tcp_segment segment;
	struct sl_tcp_step next = {.reason = SL_REASON_TCP_BAD_FLAGS};

	if (sl_tcp_read(&burst->frames[packet], meta, &segment)) {
		if (sl_flow_drop_corrupt(step, packet, NULL))
			return false;
		sl_tcp_open(&opening->tcp, &segment, meta->direction,
			step->is_enforced ? config->midstream : SL_FLOW_MIDSTREAM_ADOPT, &next);
	}
	if (next.reason != SL_REASON_NONE) {
		if (step->is_enforced &&
			(step->tcp_mode == SL_FLOW_TCP_STRICT ||
				next.reason == SL_REASON_TCP_NO_CONNECTION))
			sl_flow_drop(step, packet, next.reason);
		else
			step->untracked |= (uint64_t)1 << packet;
		return false;
	}
	opening->class = next.class;
	opening->is_established = next.is_established;
	if (opening->tcp.state == SL_TCP_SYN_SENT)
		return true;
	opening->flags =
		SL_FLOW_MIDSTREAM | (sl_flow_guess_is_outbound(meta) ? SL_FLOW_OUTBOUND : 0);
	return true;
}

static enum sl_flow_class
class_of(uint8_t protocol)
{
	switch (protocol) {
	case 17:
		return SL_FLOW_UDP;
	case 1:
	case 58:
		return SL_FLOW_ICMP;
	case 132:
		return SL_FLOW_SCTP;
	default:
		return SL_FLOW_OTHER;
	}
}

/* Finds out what kind of flow it is; false: the packet's way is decided. */
static bool
read_opening(struct sl_flow_step *step, uint32_t packet, struct opening *opening)
{
	const struct sl_meta *meta = &step->burst->metas[packet];

	*opening = (struct opening){
		.flags = meta->direction == SLUICE_DIRECTION_OUTBOUND ? SL_FLOW_OUTBOUND : 0,
	};
	if (meta->protocol == 6)
		return open_tcp(step, packet, opening);
	opening->class = class_of(meta->protocol);
	if (sl_flow_is_wildcard(step, meta)) {
		opening->class = SL_FLOW_MULTICAST;
		opening->flags |= SL_FLOW_WILDCARD;
	}
	return true;
}

/* --- Room. --- */

/* No room: by the stated rule, where state is enforced; elsewhere it costs nobody his way. */
static void
refuse_room(struct sl_flow_step *step, uint32_t packet)
{
	const struct sl_flow_config *config = &step->burst->pipeline->flows->config;
	struct sl_flow_counter *counters = sl_flow_counters(step);

	if (step->is_enforced && config->on_full == SL_FLOW_FULL_BLOCK) {
		sl_counter_add(&counters->refused, 1);
		sl_flow_drop(step, packet, SL_REASON_FLOW_TABLE_FULL);
		return;
	}
	sl_counter_add(&counters->untracked, 1);
	step->untracked |= (uint64_t)1 << packet;
}

#define OVERDUE_WORK 64u /* entries looked at */

/* Ends a flow whose time is over, for which ageing has not had the time yet; false: there is none. */
static bool
end_overdue(struct sl_flow_step *step)
{
	struct sl_burst *burst = step->burst;
	struct sl_flow_table *table = burst->pipeline->flows->table;
	struct sl_flow *flow;

	if (sl_flow_due(table, burst->now_ns, OVERDUE_WORK, &flow, 1) == 0)
		return false;
	if (SL_UNLIKELY((flow->flags & SL_FLOW_PENDING) != 0)) {
		sl_flow_set_class(table, flow, (enum sl_flow_class)flow->class, burst->now_ns);
		return false;
	}
	sl_flow_end(burst->pipeline, burst->snapshot, burst->now_ns, flow, SL_FLOW_END_IDLE);
	return true;
}

/* Ends the oldest embryonic flow of a full table, or one that is over anyway; false: the packet waits, or there is none. */
static bool
make_room(struct sl_flow_step *step, uint32_t packet)
{
	struct sl_burst *burst = step->burst;
	struct sl_flow_table *table = burst->pipeline->flows->table;
	struct sl_flow *victim;

	if (sl_flow_table_count(table) < sl_flow_table_max(table)) {
		refuse_room(step, packet); /* a probe at its bound */
		return false;
	}
	if (end_overdue(step))
		return true;
	victim = sl_flow_victim(table);
	if (victim == NULL && (step->opening | step->judging | step->establishing) != 0) {
		/* One of those that are being judged may be it, when they have been. */
		step->waiting |= (uint64_t)1 << packet;
		step->is_full = true;
		return false;
	}
	if (victim == NULL) {
		refuse_room(step, packet);
		return false;
	}
	sl_flow_set_end(victim, SL_FLOW_END_EVICTED);
	sl_flow_end(burst->pipeline, burst->snapshot, burst->now_ns, victim, SL_FLOW_END_EVICTED);
	return true;
}

/* A place in the table, or NULL when the packet's way is decided, or it waits. */
static struct sl_flow *
take_place(struct sl_flow_step *step, uint32_t packet, enum sl_flow_class class)
{
	struct sl_flow_table *table = step->burst->pipeline->flows->table;
	const struct sl_flow_key *key = &step->keys[packet];
	struct sl_flow *flow;

	flow = sl_flow_add(table, key, step->hashes[packet], class, step->burst->now_ns);
	if (SL_LIKELY(flow != NULL))
		return flow;
	if (!make_room(step, packet))
		return NULL;
	flow = sl_flow_add(table, key, step->hashes[packet], class, step->burst->now_ns);
	if (flow == NULL)
		refuse_room(step, packet);
	return flow;
}

void
sl_flow_open(struct sl_flow_step *step, uint32_t packet)
{
	const uint64_t bit = (uint64_t)1 << packet;
	const struct sl_meta *meta = &step->burst->metas[packet];
	struct sl_flow_table *table = step->burst->pipeline->flows->table;
	struct opening opening;
	struct sl_flow *flow;

	if (SL_UNLIKELY(step->keys[packet].ip_version == 0)) {
		step->untracked |= bit;
		return;
	}
	if (!read_opening(step, packet, &opening))
		return;
	if (sl_refusal_repeat(step, packet,
		    sl_auth_at((opening.flags & SL_FLOW_OUTBOUND) != 0, meta->ip_version)))
		return;
	flow = take_place(step, packet, opening.class);
	if (flow == NULL)
		return;
	sl_trail_begin(&step->burst->pipeline->flows->trails, sl_flow_index(table, flow));
	flow->tcp = opening.tcp;
	if (meta->protocol == 1 || meta->protocol == 58)
		sl_flow_set_icmp_type(flow, meta);
	if (!step->is_enforced)
		opening.flags |= SL_FLOW_UNENFORCED;
	sl_flow_set_flags(flow, opening.flags | SL_FLOW_PENDING, 0);
	if ((opening.flags & SL_FLOW_MIDSTREAM) != 0)
		sl_flow_set_class(table, flow, opening.class, step->burst->now_ns);
	if (meta->protocol != 6 || opening.is_established)
		step->establishing |= bit;
	step->found[packet] = flow;
	step->stale &= ~bit;
	step->opened |= (uint64_t)1 << (step->hashes[packet] & 63);
	step->opening |= bit;
}
