/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: what flows need besides packets: commands, ageing, the sweep. A bounded amount a round. */
#include "pipeline/park.h"

#define COMMANDS_MAX 32u
/*
 * Half as many as a burst can open; each burst and each round ends as many, and where that is too slow a full table
 * ends what is over itself (open_run.c).  More at a time, and what a round is kept for when something interrupts it and
 * takes its caches comes near the 20 us that it may be.
 */
#define DUE_MAX     (SL_PIPELINE_BURST_MAX / 2)
#define DUE_WORK    64u  /* entries looked at */
#define SWEEP_MAX   16u  /* flows judged */
#define SWEEP_WORK  64u  /* places looked at */
#define FORGET_WORK 256u /* contexts looked at */

/* --- Commands. --- */

static void
kill_flow(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns,
	uint64_t id)
{
	struct sl_flow *flow = sl_flow_by_id(pipeline->flows->table, id);

	if (flow == NULL || (flow->flags & SL_FLOW_REVOKED) != 0)
		return;
	if ((flow->flags & SL_FLOW_PENDED) != 0) {
		sl_park_kill(pipeline, snapshot, now_ns, flow);
		return;
	}
	sl_flow_reset(pipeline, flow);
	sl_flow_revoke(pipeline, snapshot, now_ns, flow, SL_FLOW_END_ADMIN);
}

/* Resets that find no room are lost, and there is a next round. */
static bool
has_room_for_resets(const struct sl_pipeline *pipeline)
{
	return pipeline->env.n_replies + SL_FLOW_RESETS_MAX <= SL_CALLOUT_REPLIES_MAX;
}

static void
obey_commands(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns)
{
	struct sl_flows *flows = pipeline->flows;
	struct sl_flow_command command;

	if (flows->commands == NULL)
		return;
	for (uint32_t i = 0; i < COMMANDS_MAX && has_room_for_resets(pipeline) &&
		sl_ring_get(flows->commands, &command);
		i++) {
		switch ((enum sl_flow_command_type)command.type) {
		case SL_FLOW_COMMAND_KILL:
			kill_flow(pipeline, snapshot, now_ns, command.id);
			break;
		case SL_FLOW_COMMAND_EVENTS_ON:
			flows->has_events = true;
			break;
		case SL_FLOW_COMMAND_EVENTS_OFF:
			flows->has_events = false;
			break;
		case SL_FLOW_COMMAND_FORGET:
			flows->leaving = (const struct sl_plugin *)(uintptr_t)command.id;
			flows->leaving_at = 0;
			sl_park_forget(pipeline, flows->leaving);
			break;
		}
	}
}

/* A part of the contexts of a plugin that is about to be unloaded. */
static void
forget_some(struct sl_pipeline *pipeline)
{
	struct sl_flows *flows = pipeline->flows;

	if (flows->leaving == NULL)
		return;
	sl_callout_flows_forget(&pipeline->env, flows->leaving, &flows->leaving_at, FORGET_WORK);
	if (flows->leaving_at == SL_FLOW_LIST_END)
		flows->leaving = NULL;
}

/* Flows that callouts wanted ended while the burst was judged. */
static void
end_aborted(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns)
{
	struct sl_callout_env *env = &pipeline->env;

	for (uint32_t i = 0; i < env->n_aborts; i++)
		kill_flow(pipeline, snapshot, now_ns, env->aborts[i]);
	env->n_aborts = 0;
}

void
sl_flow_obey(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns)
{
	end_aborted(pipeline, snapshot, now_ns);
	obey_commands(pipeline, snapshot, now_ns);
	forget_some(pipeline);
	if (SL_UNLIKELY(pipeline->env.n_contexts_refused != 0)) {
		sl_counter_add(&pipeline->counters->flows.context_refused,
			pipeline->env.n_contexts_refused);
		pipeline->env.n_contexts_refused = 0;
	}
}

/* --- Time-outs. --- */

static void
age(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns)
{
	struct sl_flow_table *table = pipeline->flows->table;
	struct sl_flow *due[DUE_MAX], *closing[DUE_MAX];
	uint32_t n, n_closing = 0;

	n = sl_flow_due(table, now_ns, DUE_WORK, due, DUE_MAX);
	for (uint32_t i = 0; i < n; i++) {
		if ((due[i]->flags & SL_FLOW_REVOKED) != 0)
			continue;
		if (due[i]->end == SL_FLOW_END_NONE)
			sl_flow_set_end(due[i], SL_FLOW_END_IDLE);
		closing[n_closing++] = due[i];
	}
	if (n_closing != 0)
		sl_flow_close(pipeline, snapshot, now_ns, closing, n_closing);
	for (uint32_t i = 0; i < n; i++) {
		sl_callout_flow_end(&pipeline->env, due[i]);
		sl_flow_forget(&pipeline->flows->step, due[i]);
	}
	sl_flow_remove_all(table, due, n);
}

/* --- The sweep. --- */

/*
 * Of what multicast or broadcast opened the other end is not known, but conditions may be about it; until a packet has it
 * judged it gives nobody any rights.  A flow that waits for a callout is judged when that has answered.
 */
#define UNSWEPT (SL_FLOW_REVOKED | SL_FLOW_WILDCARD | SL_FLOW_PENDED)

/* A flow as a packet of its opener's direction; false: by which link those come is not known. */
static bool
portray(const struct sl_flows *flows, const struct sl_flow *flow, struct sl_meta *meta)
{
	const bool is_connect = (flow->flags & SL_FLOW_OUTBOUND) != 0;
	const uint32_t direction =
		is_connect ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND;

	if (sl_trail_path(&flows->trails, sl_flow_index(flows->table, flow),
		    (uint8_t)(flow->key.domain >> 24), direction) == NULL)
		return false;
	sl_flow_portray(flows, flow, is_connect, meta);
	sl_flow_dress(
		meta, flow, SLUICE_CONDITION_FLAG_IS_REAUTHORIZE, SLUICE_REAUTHORIZE_POLICY_CHANGE);
	return true;
}

/*
 * Judges flows of one layer as a packet would have them judged, but without what only a packet has.  What is
 * permitted is left for its next packet: only that can tell under which signature.  So is what callouts are to judge,
 * which want to see that packet.
 */
static void
judge(struct sl_pipeline *pipeline, struct sl_burst *burst, enum sl_auth auth,
	struct sl_flow *const list[], uint64_t members)
{
	const struct sl_layer_program *program = burst->snapshot->layers[sl_auth_layers[auth]];
	struct sl_auth_answer *answer = &pipeline->flows->step.answer;
	struct sl_flow *flow;
	uint64_t stopped;

	if (program == NULL || members == 0)
		return;
	answer->is_reauthorization = true;
	answer->is_sweep = true;
	answer->unaffected = 0;
	for (uint64_t left = members; left != 0; left &= left - 1)
		answer->signature[__builtin_ctzll(left)] = list[__builtin_ctzll(left)]->signature;
	stopped = sl_pipeline_visit_auth(burst, program, members, answer);
	for (; members != 0; members &= members - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(members);

		flow = list[i];
		if ((answer->unaffected >> i & 1) != 0) {
			flow->generation = burst->snapshot->generations[sl_auth_layers[auth]];
			sl_counter_add(&pipeline->counters->flows.unaffected, 1);
		} else if ((stopped >> i & 1) != 0) {
			sl_counter_add(&pipeline->counters->flows.revoked, 1);
			sl_flow_reset(pipeline, flow);
			sl_flow_revoke(
				pipeline, burst->snapshot, burst->now_ns, flow, SL_FLOW_END_POLICY);
		}
	}
}

void
sl_flow_sweep_some(
	struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns)
{
	struct sl_flows *flows = pipeline->flows;
	struct sl_flow *list[SWEEP_MAX];
	struct sl_meta metas[SWEEP_MAX];
	struct sl_burst burst = {
		.pipeline = pipeline,
		.snapshot = snapshot,
		.path = &pipeline->paths[0],
		.metas = metas,
		.outcomes = flows->outcomes,
		.now_ns = now_ns,
		.is_silent = true,
	};
	uint64_t sets[SL_AUTH_COUNT] = {0};
	uint32_t n;

	n = sl_flow_sweep(flows->table, &flows->sweep_at, SWEEP_WORK, list, SWEEP_MAX);
	for (uint32_t i = 0; i < n; i++) {
		const enum sl_auth auth = sl_auth_of(list[i]);

		if ((list[i]->flags & UNSWEPT) == 0 &&
			list[i]->generation != snapshot->generations[sl_auth_layers[auth]] &&
			portray(flows, list[i], &metas[i]))
			sets[auth] |= (uint64_t)1 << i;
	}
	for (uint32_t auth = 0; auth < SL_AUTH_COUNT; auth++)
		judge(pipeline, &burst, auth, list, sets[auth]);
}

void
sl_flow_tend(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, uint64_t now_ns)
{
	struct sl_flows *flows = pipeline->flows;

	age(pipeline, snapshot, now_ns);
	if (snapshot == NULL)
		return;
	sl_flow_notice(flows, snapshot);
	if (flows->config.reauth == SL_FLOW_REAUTH_SWEEP &&
		flows->swept < 2 * sl_flow_table_max(flows->table)) {
		sl_flow_sweep_some(pipeline, snapshot, now_ns);
		flows->swept += SWEEP_WORK;
	}
}
