/* SPDX-License-Identifier: BSD-3-Clause */
#include "pend_model.h"

#include <string.h>

bool
pend_key_is_tcp(uint32_t key)
{
	return key % 3 == 0;
}

void
model_init(struct pend_model *model)
{
	memset(model, 0, sizeof(*model));
	model->mode = SL_MODE_INLINE;
	model->has_policy = true;
}

static void
say(struct pend_packet *packet, uint8_t action, enum sl_reason reason)
{
	packet->action = action;
	packet->reason = (uint8_t)reason;
}

static void
pass(struct pend_packet *packet)
{
	say(packet, SL_VERDICT_PERMIT, SL_REASON_NONE);
}

/* In mode monitor it leaves all the same. */
static void
drop(const struct pend_model *model, struct pend_packet *packet, enum sl_reason reason)
{
	say(packet, model->mode == SL_MODE_MONITOR ? SL_VERDICT_PERMIT : SL_VERDICT_BLOCK, reason);
}

static void
hold(const struct pend_model *model, struct pend_flow *flow, struct pend_packet *packet)
{
	const struct sl_frame *frame = &packet->packet.frame;

	if (model->mode == SL_MODE_MONITOR || (frame->flags & SL_FRAME_COPY) != 0 ||
		flow->n_held == PEND_HELD_MAX || flow->n_bytes + frame->length > PEND_BYTES) {
		drop(model, packet, SL_REASON_FLOW_PENDED);
		return;
	}
	flow->held[flow->n_held++] = packet;
	flow->n_bytes += frame->length;
	say(packet, SL_OUTCOME_HELD, SL_REASON_NONE);
}

static void
open(struct pend_model *model, struct pend_flow *flow, struct pend_packet *packet)
{
	flow->is_outbound = !packet->is_inbound;
	flow->id = 0;
	switch (model->policy[flow->is_outbound ? SLUICE_DIRECTION_OUTBOUND
						: SLUICE_DIRECTION_INBOUND]) {
	case PEND_PERMIT:
		flow->state = PEND_OPEN;
		pass(packet);
		break;
	case PEND_BLOCK:
		flow->state = PEND_NONE;
		drop(model, packet, SL_REASON_FILTER);
		break;
	default:
		flow->state = PEND_WAITING;
		flow->since_ms = model->now_ms;
		flow->serial = ++model->n_begun;
		flow->n_held = 0;
		flow->n_bytes = 0;
		hold(model, flow, packet);
	}
}

static enum pend_policy
policy_of(const struct pend_model *model, const struct pend_flow *flow)
{
	return model
		->policy[flow->is_outbound ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND];
}

static void
meet_flow(struct pend_model *model, struct pend_packet *packet)
{
	struct pend_flow *flow = &model->flows[packet->key];
	const bool is_tcp = pend_key_is_tcp(packet->key);

	switch (flow->state) {
	case PEND_NONE:
	case PEND_REVOKED:
		if (is_tcp && !packet->is_syn)
			drop(model, packet,
				flow->state == PEND_NONE ? SL_REASON_TCP_NO_CONNECTION
							 : SL_REASON_FLOW_REVOKED);
		else
			open(model, flow, packet);
		break;
	case PEND_WAITING:
		if (is_tcp || flow->is_outbound == packet->is_inbound)
			drop(model, packet, SL_REASON_FLOW_PENDED);
		else
			hold(model, flow, packet);
		break;
	case PEND_OPEN:
		pass(packet);
		if (policy_of(model, flow) != PEND_BLOCK)
			break;
		flow->state = is_tcp ? PEND_REVOKED : PEND_NONE;
		drop(model, packet, SL_REASON_FILTER);
		break;
	}
}

void
model_meet(struct pend_model *model, struct pend_packet *packet)
{
	if (!model->has_policy)
		say(packet, SL_VERDICT_BLOCK, SL_REASON_NO_POLICY);
	else if (model->mode == SL_MODE_BYPASS)
		pass(packet);
	else if (model->mode == SL_MODE_BLOCK)
		drop(model, packet, SL_REASON_MODE_BLOCK);
	else
		meet_flow(model, packet);
}

/* --- Ends. --- */

static void
let_go(struct pend_flow *flow, uint8_t action, enum sl_reason reason)
{
	for (uint32_t i = 0; i < flow->n_held; i++)
		say(flow->held[i], action, reason);
	flow->n_held = 0;
	flow->n_bytes = 0;
}

static void
end(struct pend_model *model, struct pend_flow *flow, enum pend_state state, uint8_t action,
	enum sl_reason reason)
{
	let_go(flow, action, reason);
	flow->state = state;
	model->n_ended++;
}

static bool
is_judging(const struct pend_model *model)
{
	return model->has_policy &&
		(model->mode == SL_MODE_INLINE || model->mode == SL_MODE_MONITOR);
}

static void
flush(struct pend_model *model, struct pend_flow *flow)
{
	if (!model->has_policy)
		end(model, flow, PEND_NONE, SL_VERDICT_BLOCK, SL_REASON_NO_POLICY);
	else if (model->mode == SL_MODE_BLOCK)
		end(model, flow, PEND_NONE, SL_VERDICT_BLOCK, SL_REASON_MODE_BLOCK);
	else
		end(model, flow, PEND_NONE, SL_VERDICT_PERMIT, SL_REASON_NONE);
}

/* `what` is the callout's answer, NULL when there is none. */
static void
settle(struct pend_model *model, struct pend_flow *flow, const uint64_t *what)
{
	const enum pend_policy policy = policy_of(model, flow);
	const uint8_t no = model->mode == SL_MODE_MONITOR ? SL_VERDICT_PERMIT : SL_VERDICT_BLOCK;
	const bool is_asked = policy == PEND_ASK || policy == PEND_ASK_OPEN;

	if (policy == PEND_BLOCK)
		end(model, flow, PEND_NONE, no, SL_REASON_FILTER);
	else if (policy == PEND_PERMIT || (what == NULL && policy == PEND_ASK_OPEN) ||
		(what != NULL && (*what & 0xffff) == SLUICE_ACTION_PERMIT))
		end(model, flow, PEND_OPEN, SL_VERDICT_PERMIT, SL_REASON_NONE);
	else if (is_asked && what == NULL)
		end(model, flow, PEND_NONE, no, SL_REASON_PEND_TIMEOUT);
	else if ((*what & MOCK_ABSORB) != 0)
		end(model, flow, PEND_NONE,
			model->mode == SL_MODE_MONITOR ? SL_VERDICT_PERMIT : SL_VERDICT_ABSORB,
			SL_REASON_ABSORBED);
	else
		end(model, flow, PEND_NONE, no, SL_REASON_FILTER);
}

static struct pend_flow *
find(struct pend_model *model, uint64_t id)
{
	for (uint32_t i = 0; i < PEND_KEYS; i++) {
		if (model->flows[i].state != PEND_NONE && model->flows[i].id == id)
			return &model->flows[i];
	}
	return NULL;
}

static void
take_answers(struct pend_model *model)
{
	struct pend_flow *flow;

	for (uint32_t i = 0; i < model->n_answers; i++) {
		flow = find(model, model->answers[i].token);
		if (flow == NULL || flow->state != PEND_WAITING || model->answers[i].is_stranger) {
			model->n_late++;
			continue;
		}
		model->n_completed++;
		if (is_judging(model))
			settle(model, flow, &model->answers[i].what);
		else
			flush(model, flow);
	}
	model->n_answers = 0;
}

static void
look_after(struct pend_model *model, struct pend_flow *flow)
{
	if (flow->state != PEND_WAITING)
		return;
	if (!is_judging(model)) {
		flush(model, flow);
		return;
	}
	if (model->mode == SL_MODE_MONITOR)
		let_go(flow, SL_VERDICT_PERMIT, SL_REASON_NONE);
	if (model->now_ms - flow->since_ms >= PEND_TIMEOUT) {
		model->n_overdue++;
		settle(model, flow, NULL);
	} else if (model->is_leaving) {
		settle(model, flow, NULL);
	}
}

void
model_obey(struct pend_model *model)
{
	struct pend_flow *flow;
	uint32_t key;

	for (uint32_t i = 0; i < model->n_kills; i++) {
		flow = find(model, model->kills[i]);
		if (flow == NULL || flow->state == PEND_REVOKED)
			continue;
		key = (uint32_t)(flow - model->flows);
		if (flow->state == PEND_WAITING)
			end(model, flow, PEND_NONE, SL_VERDICT_BLOCK, SL_REASON_FLOW_REVOKED);
		else
			flow->state = pend_key_is_tcp(key) ? PEND_REVOKED : PEND_NONE;
	}
	model->n_kills = 0;
	if (model->is_leaving_told)
		model->is_leaving = true;
	model->is_leaving_told = false;
}

void
model_tick(struct pend_model *model)
{
	bool is_anybody = false;

	take_answers(model);
	for (uint32_t i = 0; i < PEND_KEYS; i++)
		is_anybody |= model->flows[i].state == PEND_WAITING;
	for (uint32_t i = 0; i < PEND_KEYS; i++)
		look_after(model, &model->flows[i]);
	if (!is_anybody || is_judging(model))
		model->is_leaving = false;
	model_obey(model);
}

void
model_drain(struct pend_model *model)
{
	for (uint32_t i = 0; i < PEND_KEYS; i++) {
		if (model->flows[i].state == PEND_WAITING)
			end(model, &model->flows[i], PEND_NONE, SL_VERDICT_BLOCK,
				SL_REASON_FLOW_PENDED);
	}
}
