/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: packets meet their flows, wave after wave. */
#include "pipeline/park.h"

const uint8_t sl_auth_layers[SL_AUTH_COUNT] = {
	[SL_AUTH_RECV_ACCEPT_V4] = SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4,
	[SL_AUTH_CONNECT_V4] = SLUICE_LAYER_ALE_AUTH_CONNECT_V4,
	[SL_AUTH_RECV_ACCEPT_V6] = SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6,
	[SL_AUTH_CONNECT_V6] = SLUICE_LAYER_ALE_AUTH_CONNECT_V6,
};

/* --- Before the packets are met. --- */

static bool
is_enforced(const struct sl_flows *flows, const struct sl_snapshot *snapshot)
{
	return flows->config.enforce == SL_FLOW_ENFORCE_ALWAYS ||
		(flows->config.enforce == SL_FLOW_ENFORCE_AUTO && snapshot->needs_state);
}

void
sl_flow_notice(struct sl_flows *flows, const struct sl_snapshot *snapshot)
{
	if (SL_LIKELY(flows->snapshot == snapshot && flows->revision == snapshot->revision))
		return;
	flows->snapshot = snapshot;
	flows->revision = snapshot->revision;
	flows->epoch++;
	flows->swept = 0;
	for (uint32_t direction = 0; direction < 2; direction++)
		flows->may_go_along[direction] =
			sl_flow_is_unseen(snapshot, (enum sluice_direction)direction);
}

void
sl_flow_step_start(struct sl_flow_step *step, struct sl_burst *burst, uint64_t members)
{
	struct sl_flows *flows = burst->pipeline->flows;

	sl_flow_notice(flows, burst->snapshot);
	step->burst = burst;
	step->members = members;
	step->special = 0;
	step->odd = 0;
	step->tcp = 0;
	step->stale = 0;
	step->opened = 0;
	step->stopped = 0;
	step->dropped = 0;
	step->untracked = 0;
	step->now_ms = sl_flow_clock(flows->table, burst->now_ns);
	step->fresh_ms = flows->fresh_ms;
	step->is_enforced = is_enforced(flows, burst->snapshot);
	step->has_links = sl_trails_part(&flows->trails, burst->path);
	step->tcp_mode = step->is_enforced ? (uint8_t)flows->config.tcp : SL_FLOW_TCP_LOOSE;
	step->checksum = step->is_enforced && flows->config.tcp == SL_FLOW_TCP_STRICT
		? (uint8_t)flows->config.tcp_checksum
		: SL_FLOW_CHECKSUM_IGNORE;
	/* No packet is plain where each has to be looked at. */
	if (SL_UNLIKELY(step->checksum == SL_FLOW_CHECKSUM_ALL))
		step->fresh_ms = 0;
	step->odd_flags = SL_FLOW_REVOKED | SL_FLOW_WILDCARD | SL_FLOW_PENDING |
		SL_FLOW_UNENFORCED | SL_FLOW_PENDED | SL_FLOW_UNCONFIRMED;
	step->odd_value = step->is_enforced ? 0 : SL_FLOW_UNENFORCED;
	step->unanswered =
		burst->path->direction == SLUICE_DIRECTION_INBOUND ? SL_FLOW_OUTBOUND : 0;
	for (uint32_t i = 0; i < SL_AUTH_COUNT; i++)
		step->generations[i] = burst->snapshot->generations[sl_auth_layers[i]];
}

/* The key of an ICMP error is that of the flow which it is about; false: it is about none. */
static bool
take_error_key(struct sl_flow_step *step, uint32_t packet)
{
	const struct sl_burst *burst = step->burst;
	uint32_t seq;
	bool has_seq;

	step->special |= (uint64_t)1 << packet;
	return sl_flow_key_of_error(&burst->frames[packet], &burst->metas[packet],
		burst->path->flow_zone, &step->keys[packet], &seq, &has_seq);
}

/* Packets without a key have an impossible one, which finds nothing. */
static void
take_key(struct sl_flow_step *step, uint32_t packet)
{
	const struct sl_burst *burst = step->burst;
	struct sl_meta *meta = &burst->metas[packet];
	struct sl_flow_key *key = &step->keys[packet];
	bool has_key = true;

	if (SL_LIKELY(sl_flow_key_of_plain(meta, burst->path->flow_zone, key)))
		has_key = true;
	else if ((meta->meta_flags & SL_META_IS_ICMP_ERROR) != 0)
		has_key = take_error_key(step, packet);
	else
		has_key = sl_flow_key_of(meta, burst->path->flow_zone, key);
	if (SL_UNLIKELY(!has_key))
		*key = (struct sl_flow_key){.ip_version = 0};
	else if (SL_UNLIKELY(sl_flow_is_wildcard(step, meta)))
		sl_flow_key_wildcard(key);
}

uint64_t
sl_flow_find_strayed(const struct sl_flow_step *step, uint32_t n)
{
	const struct sl_flows *flows = step->burst->pipeline->flows;
	const struct sl_flow *flow;
	uint64_t strayed = 0;

	for (uint32_t i = 0; i < n; i++) {
		flow = step->found[i];
		if (flow != NULL &&
			sl_trail_parts(&flows->trails, sl_flow_index(flows->table, flow),
				step->burst->path))
			strayed |= (uint64_t)1 << i;
	}
	return strayed;
}

void
sl_flow_step_find(struct sl_burst *burst, uint64_t members)
{
	struct sl_flow_step *step = &burst->pipeline->flows->step;
	const struct sl_flow_table *table = burst->pipeline->flows->table;
	uint32_t n = members == 0 ? 0 : 64u - (uint32_t)__builtin_clzll(members);

	sl_flow_step_start(step, burst, members);
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (SL_LIKELY((members >> i & 1) != 0))
			take_key(step, i);
		else
			step->keys[i] = (struct sl_flow_key){.ip_version = 0};
		step->tcp |= (uint64_t)(step->keys[i].protocol == 6) << i;
	}
	sl_flow_hash(table, step->keys, n, step->hashes);
	sl_flow_find(table, step->keys, step->hashes, n, step->found);
	step->odd = step->special;
	if (SL_UNLIKELY(step->has_links))
		step->odd |= sl_flow_find_strayed(step, n);
}

/* --- One packet. --- */

/* Finds again what came or went since the burst's flows were found. */
static struct sl_flow *
look_again(struct sl_flow_step *step, uint32_t packet)
{
	const struct sl_flow_table *table = step->burst->pipeline->flows->table;

	step->stale &= ~((uint64_t)1 << packet);
	sl_flow_find(table, &step->keys[packet], &step->hashes[packet], 1, &step->found[packet]);
	return step->found[packet];
}

/* What a question to a group has opened for this answer, if it is one. */
static struct sl_flow *
find_question(struct sl_flow_step *step, uint32_t packet)
{
	const struct sl_burst *burst = step->burst;
	struct sl_flow *flow;

	if (burst->path->direction != SLUICE_DIRECTION_INBOUND)
		return NULL;
	flow = sl_flow_find_question(
		burst->pipeline->flows, burst->snapshot, &step->keys[packet], burst->now_ns);
	if (flow != NULL)
		step->found[packet] = flow;
	return flow;
}

/* The packet's flow as it is now; one whose time is over has been ended. */
static struct sl_flow *
find_live(struct sl_flow_step *step, uint32_t packet)
{
	struct sl_burst *burst = step->burst;
	struct sl_flow *flow = step->found[packet];

	if (flow == NULL &&
		((step->stale >> packet & 1) != 0 ||
			(step->opened >> (step->hashes[packet] & 63) & 1) != 0))
		flow = look_again(step, packet);
	if (flow != NULL && (flow->flags & SL_FLOW_PENDING) == 0 &&
		sl_flow_is_over(burst->pipeline->flows->table, flow, burst->now_ns)) {
		sl_flow_end(
			burst->pipeline, burst->snapshot, burst->now_ns, flow, SL_FLOW_END_IDLE);
		flow = NULL;
	}
	if (flow == NULL && (step->special >> packet & 1) == 0)
		flow = find_question(step, packet);
	return flow;
}

/*
 * The place of a flow that was revoked.  A SYN, and what has no connections, may try anew; the rest of a
 * connection may not.
 */
static void
meet_revoked(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	const uint8_t flags = step->burst->metas[packet].tcp_flags & SL_TCP_OPENING;

	if (sl_flow_is_tcp(flow) && sl_flow_drop_corrupt(step, packet, flow))
		return;
	if (!sl_flow_is_tcp(flow) || flags == SL_TCP_SYN) {
		sl_flow_discard(step->burst->pipeline, flow);
		sl_flow_open(step, packet);
		return;
	}
	__atomic_store_n(&flow->last_ms, step->now_ms, __ATOMIC_RELAXED);
	/* The event names the flow. */
	step->burst->metas[packet].flow.entry = flow;
	sl_flow_reject_rest(step->burst, packet);
	sl_flow_drop(step, packet, SL_REASON_FLOW_REVOKED);
}

/* True when the packet has to wait for what a layer says of its flow. */
static bool
gather(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	const uint64_t bit = (uint64_t)1 << packet;

	if (sl_flow_reasons(step, flow) != 0 && !sl_flow_is_unaffected(step, flow))
		step->judging |= bit;
	else if ((step->establishing & bit) != 0 && !sl_flow_has_judge_of_established(step, flow)) {
		step->establishing &= ~bit;
		sl_flow_confirm(step, packet, flow);
	}
	if (((step->judging | step->establishing) & bit) == 0)
		return false;
	sl_flow_set_flags(flow, SL_FLOW_PENDING, 0);
	return true;
}

/* Whether the flow's windows were checked from its beginning shows in its flags. */
static void
note_enforcement(struct sl_flow_step *step, struct sl_flow *flow)
{
	if (!step->is_enforced && (flow->flags & SL_FLOW_UNENFORCED) == 0)
		sl_flow_set_flags(flow, SL_FLOW_UNENFORCED, 0);
	else if (step->is_enforced && (flow->flags & SL_FLOW_UNENFORCED) != 0)
		sl_flow_set_flags(flow, 0, SL_FLOW_UNENFORCED);
}

static void
meet(struct sl_flow_step *step, uint32_t packet)
{
	const uint64_t bit = (uint64_t)1 << packet;
	struct sl_flow *flow;

	if (step->is_full) {
		step->waiting |= bit;
		return;
	}
	flow = find_live(step, packet);
	if (flow != NULL && (flow->flags & SL_FLOW_PENDING) != 0) {
		step->waiting |= bit;
	} else if ((step->special & bit) != 0) {
		sl_flow_relate(step, packet, flow);
	} else if (flow == NULL) {
		sl_flow_open(step, packet);
	} else if ((flow->flags & SL_FLOW_REVOKED) != 0) {
		meet_revoked(step, packet, flow);
	} else if ((flow->flags & SL_FLOW_PENDED) != 0) {
		sl_park_meet(step, packet, flow);
	} else if (!sl_flow_is_tcp(flow) || sl_flow_track(step, packet, flow)) {
		note_enforcement(step, flow);
		if ((flow->flags & SL_FLOW_UNCONFIRMED) != 0)
			step->establishing |= bit;
		if (!gather(step, packet, flow))
			sl_flow_ride(step, packet, flow);
	}
}

/* --- Waves. --- */

/* A plain packet goes with its flow; true when it did. */
static SL_ALWAYS_INLINE bool
ride_plain(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow, bool is_tcp)
{
	struct sl_burst *burst = step->burst;
	const struct sl_frame *frame = &burst->frames[packet];
	struct sl_meta *meta = &burst->metas[packet];

	if (is_tcp &&
		(flow->class != SL_FLOW_TCP_ESTABLISHED || !sl_tcp_ride(&flow->tcp, frame, meta)))
		return false;
	meta->flow.entry = flow;
	sl_flow_count(flow, meta->direction, frame->length, step->now_ms);
	return true;
}

static SL_ALWAYS_INLINE void
meet_some(struct sl_flow_step *step, uint64_t packets, bool is_tcp)
{
	struct sl_flow *flow;
	uint32_t packet;

	for (; packets != 0; packets &= packets - 1) {
		packet = (uint32_t)__builtin_ctzll(packets);
		flow = step->found[packet];
		if (SL_LIKELY(sl_flow_is_plain(step, flow) && (step->odd >> packet & 1) == 0 &&
			    !step->is_full && ride_plain(step, packet, flow, is_tcp)))
			continue;
		meet(step, packet);
	}
}

/*
 * TCP before the rest: a branch for each packet would be guessed wrong half the time where they are mixed.  Packets
 * of one flow are of one kind, so their order stays.
 */
static void
meet_all(struct sl_flow_step *step, uint64_t packets)
{
	meet_some(step, packets & step->tcp, true);
	meet_some(step, packets & ~step->tcp, false);
}

/* Shows what no layer dropped to the discard twins of the transport layers (WFP section 1.7). */
static void
show_dropped(struct sl_flow_step *step)
{
	static const uint8_t twins[2][2] = {
		[SLUICE_DIRECTION_OUTBOUND] = {SLUICE_LAYER_OUTBOUND_TRANSPORT_V4_DISCARD,
			SLUICE_LAYER_OUTBOUND_TRANSPORT_V6_DISCARD},
		[SLUICE_DIRECTION_INBOUND] = {SLUICE_LAYER_INBOUND_TRANSPORT_V4_DISCARD,
			SLUICE_LAYER_INBOUND_TRANSPORT_V6_DISCARD},
	};
	struct sl_burst *burst = step->burst;
	const struct sl_layer_program *program;
	uint64_t members[2] = {0, 0};
	uint32_t packet;

	for (uint64_t left = step->dropped; left != 0; left &= left - 1) {
		packet = (uint32_t)__builtin_ctzll(left);
		members[burst->metas[packet].ip_version == 6] |= (uint64_t)1 << packet;
	}
	for (uint32_t i = 0; i < 2; i++) {
		program = burst->snapshot->layers[twins[burst->path->direction][i]];
		if (program != NULL && members[i] != 0)
			sl_pipeline_visit_twin(burst, program, members[i]);
	}
}

uint64_t
sl_flow_step_run(struct sl_burst *burst, uint64_t members)
{
	struct sl_flow_step *step = &burst->pipeline->flows->step;
	uint64_t packets = members;

	while (packets != 0) {
		step->waiting = 0;
		step->opening = 0;
		step->judging = 0;
		step->establishing = 0;
		step->is_full = false;
		meet_all(step, packets);
		if (SL_UNLIKELY(step->opening != 0))
			sl_flow_authorize(step);
		if (SL_UNLIKELY(step->judging != 0))
			sl_flow_reauthorize(step);
		if (SL_UNLIKELY(step->establishing != 0))
			sl_flow_establish(step);
		packets = step->waiting;
	}
	if (SL_UNLIKELY(step->untracked != 0))
		step->stopped |= sl_flow_judge_untracked(burst, step->untracked);
	if (SL_UNLIKELY(step->dropped != 0))
		show_dropped(step);
	step->members = 0;
	return step->stopped;
}

void
sl_flow_drop(struct sl_flow_step *step, uint32_t packet, enum sl_reason reason)
{
	const uint64_t bit = (uint64_t)1 << packet;

	sl_pipeline_stop_all(step->burst, bit, reason);
	step->stopped |= bit;
	step->dropped |= bit;
}

/* --- What the transport layer of inbound packets is told before they meet their flows. --- */

bool
sl_flow_step_announce(struct sl_burst *burst, uint64_t members)
{
	const struct sl_flow_step *step = &burst->pipeline->flows->step;
	const struct sl_flow *flow;
	struct sl_meta *meta;
	uint32_t packet;

	if (burst->snapshot->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V4] == NULL &&
		burst->snapshot->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V6] == NULL)
		return false;
	for (members &= ~step->special; members != 0; members &= members - 1) {
		packet = (uint32_t)__builtin_ctzll(members);
		flow = step->found[packet];
		meta = &burst->metas[packet];
		meta->flow.entry = step->found[packet];
		if (flow == NULL || flow->generation != step->generations[sl_auth_of(flow)] ||
			(step->odd >> packet & 1) != 0)
			meta->flags_transport |= SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY;
	}
	return true;
}

void
sl_flow_step_unannounce(struct sl_burst *burst, uint64_t members)
{
	for (; members != 0; members &= members - 1)
		burst->metas[__builtin_ctzll(members)].flags_transport &=
			~SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY;
}
