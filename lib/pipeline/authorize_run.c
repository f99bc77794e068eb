/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: the ALE layers judge first packets, and what is established (WFP sections 7.2, 7.3). */
#include "pipeline/park.h"

#define FLAG_REAUTHORIZE SLUICE_CONDITION_FLAG_IS_REAUTHORIZE

/* Sorts packets by the layer that authorises their flows. */
static void
sort_by_auth(const struct sl_flow_step *step, uint64_t packets, uint64_t sets[SL_AUTH_COUNT])
{
	uint32_t packet;

	for (uint32_t i = 0; i < SL_AUTH_COUNT; i++)
		sets[i] = 0;
	for (; packets != 0; packets &= packets - 1) {
		packet = (uint32_t)__builtin_ctzll(packets);
		sets[sl_auth_of(step->found[packet])] |= (uint64_t)1 << packet;
	}
}

/* Shows packets and their flows to one ALE layer; returns those that stop. */
static uint64_t
ask(struct sl_flow_step *step, enum sl_auth auth, uint64_t members, bool is_reauthorization)
{
	struct sl_burst *burst = step->burst;
	const struct sl_layer_program *program = burst->snapshot->layers[sl_auth_layers[auth]];
	const struct sl_flow *flow;
	uint32_t packet, flags, reason;
	uint64_t stopped;

	step->answer.is_reauthorization = is_reauthorization;
	step->answer.is_sweep = false;
	step->answer.unaffected = 0;
	step->answer.afresh = 0;
	if (program == NULL)
		return 0;
	for (uint64_t left = members; left != 0; left &= left - 1) {
		packet = (uint32_t)__builtin_ctzll(left);
		flow = step->found[packet];
		flags = 0;
		reason = 0;
		if (is_reauthorization) {
			flags = FLAG_REAUTHORIZE;
			reason = sl_flow_reasons(step, flow);
			if ((reason & ~SLUICE_REAUTHORIZE_POLICY_CHANGE) != 0)
				step->answer.afresh |= (uint64_t)1 << packet;
		} else if (SL_UNLIKELY(step->completing != NULL)) {
			flags = FLAG_REAUTHORIZE;
			reason = SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION;
		} else if ((flow->flags & SL_FLOW_MIDSTREAM) != 0) {
			flags = FLAG_REAUTHORIZE;
			reason = SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION;
		}
		sl_flow_dress(&burst->metas[packet], flow, flags, reason);
		step->answer.signature[packet] = flow->signature;
	}
	if (SL_LIKELY(!program->has_callouts))
		return sl_flow_visit(burst, program, members, &step->answer);
	sl_park_lend(step, is_reauthorization);
	stopped = sl_flow_visit(burst, program, members, &step->answer);
	sl_park_take_back(step);
	return stopped;
}

/* What is stamped on a flow that its layer has permitted. */
static void
stamp(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	const struct sl_flow_table *table = step->burst->pipeline->flows->table;
	const enum sl_auth auth = sl_auth_of(flow);
	const struct sl_layer_program *program =
		step->burst->snapshot->layers[sl_auth_layers[auth]];
	struct sl_flow_about *about = sl_flow_about(table, flow);
	const uint32_t rank = program == NULL ? SL_RANK_NONE : step->answer.rank[packet];

	flow->generation = step->generations[auth];
	flow->signature = program == NULL ? SL_FLOW_NO_SIGNATURE : step->answer.signature[packet];
	about->filter_id = rank == SL_RANK_NONE ? 0 : program->filters[rank].id;
	about->revision = (uint32_t)step->burst->snapshot->revision;
}

/* --- First packets. --- */

/* A first packet that was blocked leaves nothing behind but the memory of it. */
static void
turn_away(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth)
{
	step->establishing &= ~((uint64_t)1 << packet);
	sl_counter_add(&sl_flow_counters(step)->blocked, 1);
	sl_refusal_remember(step, packet, auth);
	sl_flow_discard(step->burst->pipeline, step->found[packet]);
}

/* Notes that the flow is authorised. */
static void
enter(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	struct sl_flow_counter *counters = sl_flow_counters(step);
	struct sl_burst *burst = step->burst;
	const bool is_outbound = (flow->flags & SL_FLOW_OUTBOUND) != 0;
	const bool is_midstream = (flow->flags & SL_FLOW_MIDSTREAM) != 0;

	stamp(step, packet, flow);
	sl_counter_add(&counters->opened[is_outbound ? SLUICE_DIRECTION_OUTBOUND
						     : SLUICE_DIRECTION_INBOUND],
		1);
	if (is_midstream)
		sl_counter_add(&counters->midstream, 1);
	sl_flow_report(burst->pipeline, burst->snapshot, burst->now_ns, SL_EVENT_FLOW_NEW,
		&burst->metas[packet], flow);
}

static void
admit(struct sl_flow_step *step, uint32_t packet)
{
	struct sl_flow *flow = step->found[packet];

	enter(step, packet, flow);
	if ((step->establishing >> packet & 1) != 0)
		return;
	sl_flow_set_flags(flow, 0, SL_FLOW_PENDING);
	sl_flow_ride(step, packet, flow);
}

bool
sl_flow_authorize_unseen(struct sl_flow_step *step, struct sl_flow *flow)
{
	step->found[0] = flow;
	if (ask(step, sl_auth_of(flow), 1, false) != 0) {
		sl_counter_add(&sl_flow_counters(step)->blocked, 1);
		return false;
	}
	enter(step, 0, flow);
	return true;
}

/* True when callouts have put decisions off, or wanted to. */
static bool
has_pended(const struct sl_flow_step *step)
{
	const struct sl_callout_env *env = &step->burst->pipeline->env;

	return env->pended != 0 || env->n_pends_refused != 0;
}

void
sl_flow_authorize(struct sl_flow_step *step)
{
	uint64_t sets[SL_AUTH_COUNT], stopped;
	uint32_t packet;

	sort_by_auth(step, step->opening, sets);
	for (uint32_t auth = 0; auth < SL_AUTH_COUNT; auth++) {
		if (sets[auth] == 0)
			continue;
		stopped = ask(step, auth, sets[auth], false);
		step->stopped |= stopped;
		if (SL_UNLIKELY(has_pended(step)))
			sets[auth] &= ~sl_park_begin(step);
		for (uint64_t left = sets[auth]; left != 0; left &= left - 1) {
			packet = (uint32_t)__builtin_ctzll(left);
			if ((stopped >> packet & 1) != 0)
				turn_away(step, packet, auth);
			else
				admit(step, packet);
		}
	}
}

/* --- Flows that a later policy has not judged, or not on this link (WFP section 7.5). --- */

/* Multicast goes out by all links of a zone, and answers to it may come by any. */
uint32_t
sl_flow_reasons(const struct sl_flow_step *step, const struct sl_flow *flow)
{
	const struct sl_flows *flows = step->burst->pipeline->flows;
	const struct sl_path *path = step->burst->path;
	uint32_t reasons = 0;

	if (flow->generation != step->generations[sl_auth_of(flow)])
		reasons = SLUICE_REAUTHORIZE_POLICY_CHANGE;
	if (SL_UNLIKELY(step->has_links) && (flow->flags & SL_FLOW_WILDCARD) == 0 &&
		sl_trail_parts(&flows->trails, sl_flow_index(flows->table, flow), path))
		reasons |= path->direction == SLUICE_DIRECTION_INBOUND
			? SLUICE_REAUTHORIZE_NEW_ARRIVAL_INTERFACE
			: SLUICE_REAUTHORIZE_NEW_NEXTHOP_INTERFACE;
	return reasons;
}

/* Absorbed packets say nothing of their flows: the next one will be judged. */
static bool
is_absorbed(const struct sl_flow_step *step, uint32_t packet)
{
	return step->burst->outcomes[packet].action == SL_VERDICT_ABSORB;
}

static void
revoke(struct sl_flow_step *step, uint32_t packet, uint64_t *counter)
{
	struct sl_burst *burst = step->burst;
	struct sl_flow *flow = step->found[packet];

	step->establishing &= ~((uint64_t)1 << packet);
	sl_flow_set_flags(flow, 0, SL_FLOW_PENDING);
	if (is_absorbed(step, packet))
		return;
	if (counter != NULL)
		sl_counter_add(counter, 1);
	if (burst->pipeline->flows->config.reject && sl_flow_is_tcp(flow))
		sl_flow_reject(burst, packet);
	sl_flow_revoke(burst->pipeline, burst->snapshot, burst->now_ns, flow, SL_FLOW_END_POLICY);
}

static void
keep(struct sl_flow_step *step, uint32_t packet)
{
	struct sl_flow *flow = step->found[packet];
	struct sl_flow_counter *counters = sl_flow_counters(step);

	if ((step->answer.unaffected >> packet & 1) != 0) {
		flow->generation = step->generations[sl_auth_of(flow)];
		sl_counter_add(&counters->unaffected, 1);
	} else {
		stamp(step, packet, flow);
		sl_counter_add(&counters->reauthorized, 1);
	}
	if ((step->establishing >> packet & 1) != 0)
		return;
	sl_flow_set_flags(flow, 0, SL_FLOW_PENDING);
	sl_flow_ride(step, packet, flow);
}

void
sl_flow_reauthorize(struct sl_flow_step *step)
{
	uint64_t sets[SL_AUTH_COUNT], stopped;
	uint32_t packet;

	sort_by_auth(step, step->judging, sets);
	for (uint32_t auth = 0; auth < SL_AUTH_COUNT; auth++) {
		if (sets[auth] == 0)
			continue;
		stopped = ask(step, auth, sets[auth], true);
		step->stopped |= stopped;
		for (uint64_t left = sets[auth]; left != 0; left &= left - 1) {
			packet = (uint32_t)__builtin_ctzll(left);
			if ((stopped >> packet & 1) != 0)
				revoke(step, packet, &sl_flow_counters(step)->revoked);
			else
				keep(step, packet);
		}
	}
}

bool
sl_flow_is_unaffected(struct sl_flow_step *step, struct sl_flow *flow)
{
	const enum sl_auth auth = sl_auth_of(flow);
	const bool had_matches = flow->signature != SL_FLOW_NO_SIGNATURE;

	if (step->burst->snapshot->layers[sl_auth_layers[auth]] != NULL)
		return false;
	flow->generation = step->generations[auth];
	flow->signature = SL_FLOW_NO_SIGNATURE;
	sl_flow_about(step->burst->pipeline->flows->table, flow)->filter_id = 0;
	sl_counter_add(had_matches ? &sl_flow_counters(step)->reauthorized
				   : &sl_flow_counters(step)->unaffected,
		1);
	return true;
}

/* --- Flows that are established (WFP section 7.3). --- */

static const struct sl_layer_program *
established_program(const struct sl_flow_step *step, uint8_t ip_version)
{
	return step->burst->snapshot
		->layers[ip_version == 6 ? SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6
					 : SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V4];
}

bool
sl_flow_has_judge_of_established(const struct sl_flow_step *step, const struct sl_flow *flow)
{
	return established_program(step, flow->key.ip_version) != NULL;
}

void
sl_flow_confirm(struct sl_flow_step *step, uint32_t packet, struct sl_flow *flow)
{
	struct sl_burst *burst = step->burst;

	sl_flow_set_flags(flow, SL_FLOW_ESTABLISHED, SL_FLOW_PENDING | SL_FLOW_UNCONFIRMED);
	sl_counter_add(&sl_flow_counters(step)->established, 1);
	sl_flow_report(burst->pipeline, burst->snapshot, burst->now_ns, SL_EVENT_FLOW_ESTABLISHED,
		&burst->metas[packet], flow);
}

static uint64_t
ask_established(struct sl_flow_step *step, uint8_t ip_version, uint64_t packets)
{
	const struct sl_layer_program *program = established_program(step, ip_version);
	struct sl_burst *burst = step->burst;
	uint64_t members = 0;
	uint32_t packet;

	for (; packets != 0; packets &= packets - 1) {
		packet = (uint32_t)__builtin_ctzll(packets);
		if (step->found[packet]->key.ip_version != ip_version)
			continue;
		members |= (uint64_t)1 << packet;
		sl_flow_dress(&burst->metas[packet], step->found[packet], 0, 0);
	}
	if (members == 0 || program == NULL)
		return 0;
	return sl_flow_visit(burst, program, members, NULL);
}

void
sl_flow_establish(struct sl_flow_step *step)
{
	const uint64_t packets = step->establishing;
	uint64_t stopped;
	uint32_t packet;

	stopped = ask_established(step, 4, packets) | ask_established(step, 6, packets);
	step->stopped |= stopped;
	for (uint64_t left = packets; left != 0; left &= left - 1) {
		packet = (uint32_t)__builtin_ctzll(left);
		if ((stopped >> packet & 1) != 0 && !is_absorbed(step, packet)) {
			revoke(step, packet, NULL);
			continue;
		}
		sl_flow_confirm(step, packet, step->found[packet]);
		if ((stopped >> packet & 1) == 0)
			sl_flow_ride(step, packet, step->found[packet]);
	}
}

/* --- Without a flow. --- */

uint64_t
sl_flow_judge_untracked(struct sl_burst *burst, uint64_t members)
{
	const bool is_outbound = burst->path->direction == SLUICE_DIRECTION_OUTBOUND;
	const struct sl_layer_program *program;
	uint64_t sets[2] = {0, 0}, stopped = 0;
	uint32_t packet;

	for (uint64_t left = members; left != 0; left &= left - 1) {
		packet = (uint32_t)__builtin_ctzll(left);
		sl_flow_dress(&burst->metas[packet], NULL, 0, 0);
		sets[burst->metas[packet].ip_version == 6] |= (uint64_t)1 << packet;
	}
	for (uint32_t i = 0; i < 2; i++) {
		program = burst->snapshot
				  ->layers[sl_auth_layers[sl_auth_at(is_outbound, i == 0 ? 4 : 6)]];
		if (program != NULL && sets[i] != 0)
			stopped |= sl_flow_visit(burst, program, sets[i], NULL);
	}
	return stopped;
}
