/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PRESENT_FLOW                                                           \
	(SL_PRESENT(FLAGS_FLOW) | SL_PRESENT(CONNECTION_DIRECTION) |           \
		SL_PRESENT(REAUTHORIZE_REASON) | SL_PRESENT(MIDSTREAM) |       \
		SL_PRESENT(ALE_ARRIVAL_LUID) | SL_PRESENT(ALE_ARRIVAL_INDEX) | \
		SL_PRESENT(ALE_NEXTHOP_LUID) | SL_PRESENT(ALE_NEXTHOP_INDEX) | \
		SL_PRESENT(ALE_NEXTHOP_SUB_INTERFACE))

/* One packet on its way. */
struct pass {
	struct model *model;
	const struct shape *shape;
	bool is_corrupt;
	const struct sl_frame *frame;
	struct sl_meta meta;
	uint8_t *layer;
	uint64_t now_ns;
};

void
model_init(struct model *model, struct fixture *fixture, const struct sl_flow_config *config)
{
	memset(model, 0, sizeof(*model));
	model->fixture = fixture;
	model->config = config;
}

/* --- Layers. --- */

static bool
blocks(struct pass *pass, enum sluice_layer layer)
{
	const struct sl_layer_program *program = pass->model->fixture->snapshot->layers[layer];
	struct sl_filter_walk walk = {.layer = program};
	uint32_t rank;

	if (program == NULL)
		return false;
	while (sl_filter_walk_next(&walk, &rank)) {
		if (!sl_reference_match(program, rank, &pass->meta, NULL))
			continue;
		*pass->layer = (uint8_t)layer;
		return program->hot[rank].action == SL_HOT_BLOCK;
	}
	return false;
}

/* A layer with flow state: local is the destination, at CONNECT the source, whichever way the packet goes. */
static bool
blocks_flow(struct pass *pass, enum sluice_layer layer, const struct model_flow *flow,
	bool is_outbound, uint32_t flags, uint32_t reason)
{
	const bool is_mirrored = (layer == CONNECT) == pass->shape->is_inbound;
	struct sl_meta *meta = &pass->meta;
	bool answer;

	meta->present |= PRESENT_FLOW;
	if ((reason & ~SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION) != 0)
		meta->present &= pass->shape->is_inbound
			? ~(SL_PRESENT(ALE_NEXTHOP_LUID) | SL_PRESENT(ALE_NEXTHOP_INDEX) |
				  SL_PRESENT(ALE_NEXTHOP_SUB_INTERFACE))
			: ~(SL_PRESENT(ALE_ARRIVAL_LUID) | SL_PRESENT(ALE_ARRIVAL_INDEX));
	meta->flow.direction = is_outbound ? SLUICE_DIRECTION_OUTBOUND : SLUICE_DIRECTION_INBOUND;
	meta->flow.flags = flags;
	meta->flow.reauthorize_reason = reason;
	meta->flow.is_midstream = flow != NULL && flow->is_midstream;
	if (meta->flow.is_midstream)
		meta->flow.flags |= SLUICE_CONDITION_FLAG_IS_MIDSTREAM;
	if (meta->protocol == 1) {
		meta->present |= SL_PRESENT(ORIGINAL_ICMP_TYPE);
		meta->flow.original_icmp_type = flow == NULL ? meta->local_port : flow->icmp_type;
	}
	if (is_mirrored)
		sl_meta_mirror(meta);
	answer = blocks(pass, layer);
	if (is_mirrored)
		sl_meta_mirror(meta);
	meta->present &= ~(PRESENT_FLOW | SL_PRESENT(ORIGINAL_ICMP_TYPE));
	return answer;
}

/* --- The list. --- */

struct model_key
model_key_of(const struct shape *shape)
{
	struct model_key key = {
		.local = shape->local == 0 ? HOST_IN : shape->local,
		.remote = shape->remote == 0 ? HOST_OUT : shape->remote,
		.local_port = shape->local_port,
		.remote_port = shape->remote_port,
		.vlan = shape->vlan,
		.protocol = shape->protocol == 0 ? 17 : shape->protocol,
	};

	if (key.protocol == 1) {
		/* An echo and its reply are one; one from the other side is another one. */
		key.asker = (shape->remote_port >> 8 == 8) != shape->is_inbound ? 1 : 2;
		key.remote_port = 8;
	} else if (key.protocol != 6 && key.protocol != 17) {
		key.local_port = key.remote_port = 0;
	}
	return key;
}

static bool
are_equal(const struct model_key *a, const struct model_key *b)
{
	return a->local == b->local && a->remote == b->remote && a->local_port == b->local_port &&
		a->remote_port == b->remote_port && a->vlan == b->vlan &&
		a->protocol == b->protocol && a->asker == b->asker;
}

static void
forget(struct model *model, struct model_flow *flow)
{
	*flow = model->flows[--model->n_flows];
}

static bool
is_over(const struct model *model, const struct model_flow *flow)
{
	return model->fixture->now_ns - flow->last_ns >=
		(uint64_t)model->config->timeout_ms[flow->class] * 1000000;
}

void
model_age(struct model *model)
{
	for (uint32_t i = model->n_flows; i-- > 0;) {
		if (is_over(model, &model->flows[i]))
			forget(model, &model->flows[i]);
	}
}

static struct model_flow *
find(struct model *model, const struct model_key *key)
{
	for (uint32_t i = 0; i < model->n_flows; i++) {
		if (are_equal(&model->flows[i].key, key))
			return &model->flows[i];
	}
	return NULL;
}

static enum sluice_layer
auth_of(const struct model_flow *flow)
{
	return flow->is_outbound ? CONNECT : ACCEPT;
}

static bool
is_current(const struct model *model, const struct model_flow *flow)
{
	return flow->generation == model->generations[auth_of(flow)];
}

static bool
is_multicast(uint32_t address)
{
	return address >> 28 == 14;
}

/* --- Links. --- */

static void
note_link(const struct pass *pass, struct model_flow *flow)
{
	flow->links[pass->shape->is_inbound] = (uint8_t)(pass->shape->link + 1);
}

/* Why the flow has to be judged anew; 0: it has not. */
static uint32_t
reasons_of(const struct pass *pass, const struct model_flow *flow)
{
	const bool is_inbound = pass->shape->is_inbound;
	const uint8_t link =
		flow->links[is_inbound] != 0 ? flow->links[is_inbound] : flow->links[!is_inbound];
	uint32_t reasons = 0;

	if (!is_current(pass->model, flow))
		reasons = SLUICE_REAUTHORIZE_POLICY_CHANGE;
	if (!flow->is_wildcard && link != pass->shape->link + 1)
		reasons |= is_inbound ? SLUICE_REAUTHORIZE_NEW_ARRIVAL_INTERFACE
				      : SLUICE_REAUTHORIZE_NEW_NEXTHOP_INTERFACE;
	return reasons;
}

/* --- First packets. --- */

static bool
guess_is_outbound(const struct shape *shape)
{
	const bool is_local_high = shape->local_port >= 32768;
	const bool is_remote_high = shape->remote_port >= 32768;
	const bool is_local_low = shape->local_port < 1024;
	const bool is_remote_low = shape->remote_port < 1024;

	if ((shape->flags & (SYN | ACK)) == (SYN | ACK))
		return shape->is_inbound;
	if (is_local_high != is_remote_high)
		return is_local_high;
	if (is_local_low != is_remote_low)
		return is_remote_low;
	return !shape->is_inbound;
}

static enum sl_flow_class
class_of(const struct model_key *key)
{
	if (key->protocol == 17)
		return SL_FLOW_UDP;
	return key->protocol == 1 ? SL_FLOW_ICMP : SL_FLOW_OTHER;
}

/* May give way: TCP before its handshake, or picked up and not answered; anything else without an answer. */
static bool
is_embryonic(const struct model_flow *flow)
{
	if (flow->is_revoked)
		return false;
	if (flow->key.protocol != 6)
		return !flow->has_answer;
	return flow->class == SL_FLOW_TCP_SYN ||
		(flow->class == SL_FLOW_TCP_ESTABLISHED && flow->is_midstream && !flow->has_answer);
}

static struct model_flow *
victim(struct model *model)
{
	struct model_flow *oldest = NULL, *flow;

	for (uint32_t i = 0; i < model->n_flows; i++) {
		flow = &model->flows[i];
		if (is_embryonic(flow) && (oldest == NULL || flow->last_ns < oldest->last_ns))
			oldest = flow;
	}
	return oldest;
}

static enum sl_reason
judge_untracked(struct pass *pass)
{
	return blocks_flow(pass, pass->shape->is_inbound ? ACCEPT : CONNECT, NULL,
		       !pass->shape->is_inbound, 0, 0)
		? SL_REASON_FILTER
		: SL_REASON_NONE;
}

/* No receiver takes it, so it does nothing where state is enforced: of TCP that ends or begins something, or all. */
static bool
is_dropped_as_corrupt(const struct pass *pass, bool is_first)
{
	const struct sl_flow_config *config = pass->model->config;

	if (!pass->is_corrupt || config->enforce != SL_FLOW_ENFORCE_ALWAYS ||
		config->tcp != SL_FLOW_TCP_STRICT)
		return false;
	switch (config->tcp_checksum) {
	case SL_FLOW_CHECKSUM_CONTROL:
		return is_first || (pass->shape->flags & (FIN | SYN | RST)) != 0;
	case SL_FLOW_CHECKSUM_ALL:
		return true;
	default:
		return false;
	}
}

/* Reads what TCP says; NONE and `*is_untracked`: it can be followed by nobody, and state is not enforced. */
static enum sl_reason
open_tcp(struct pass *pass, struct model_flow *flow, bool *is_established, bool *is_untracked)
{
	const struct sl_flow_config *config = pass->model->config;
	const bool is_enforced = config->enforce == SL_FLOW_ENFORCE_ALWAYS;
	struct sl_tcp_segment segment;
	struct sl_tcp_step step;

	assert_true(sl_tcp_read(pass->frame, &pass->meta, &segment));
	if (is_dropped_as_corrupt(pass, true))
		return SL_REASON_TCP_BAD_CHECKSUM;
	sl_tcp_open(&flow->tcp, &segment, pass->meta.direction,
		is_enforced ? config->midstream : SL_FLOW_MIDSTREAM_ADOPT, &step);
	*is_untracked = step.reason != SL_REASON_NONE &&
		(!is_enforced ||
			(config->tcp == SL_FLOW_TCP_LOOSE &&
				step.reason != SL_REASON_TCP_NO_CONNECTION));
	if (*is_untracked || step.reason != SL_REASON_NONE)
		return *is_untracked ? SL_REASON_NONE : step.reason;
	flow->class = step.class;
	*is_established = step.is_established;
	if (flow->tcp.state != SL_TCP_SYN_SENT) {
		flow->is_midstream = true;
		flow->is_outbound = guess_is_outbound(pass->shape);
	}
	return SL_REASON_NONE;
}

/* No room: the oldest embryo goes, or the packet does what `on_full` says. */
static bool
make_room(struct model *model)
{
	struct model_flow *oldest;

	if (model->n_flows < model->config->max)
		return true;
	oldest = victim(model);
	if (oldest != NULL)
		forget(model, oldest);
	return oldest != NULL;
}

static enum sl_reason
refuse_room(struct pass *pass)
{
	const struct sl_flow_config *config = pass->model->config;

	if (config->enforce == SL_FLOW_ENFORCE_ALWAYS && config->on_full == SL_FLOW_FULL_BLOCK)
		return SL_REASON_FLOW_TABLE_FULL;
	return judge_untracked(pass);
}

static enum sl_reason
open_flow(struct pass *pass, const struct model_key *key)
{
	struct model *model = pass->model;
	struct model_flow flow = {
		.key = *key,
		.is_outbound = !pass->shape->is_inbound,
		.last_ns = pass->now_ns,
		.icmp_type = pass->meta.local_port,
	};
	bool is_established = true, is_untracked = false;
	enum sl_reason reason;

	if (key->protocol == 6) {
		reason = open_tcp(pass, &flow, &is_established, &is_untracked);
		if (reason != SL_REASON_NONE)
			return reason;
		if (is_untracked)
			return judge_untracked(pass);
	} else {
		flow.class = class_of(key);
	}
	flow.is_wildcard = key->remote == 0;
	if (flow.is_wildcard)
		flow.class = SL_FLOW_MULTICAST;
	if (!make_room(model))
		return refuse_room(pass);
	if (blocks_flow(pass, auth_of(&flow), &flow, flow.is_outbound,
		    flow.is_midstream ? SLUICE_CONDITION_FLAG_IS_REAUTHORIZE : 0,
		    flow.is_midstream ? SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION : 0))
		return SL_REASON_FILTER;
	flow.generation = model->generations[auth_of(&flow)];
	if (is_established && blocks_flow(pass, ESTABLISHED, &flow, flow.is_outbound, 0, 0)) {
		flow.is_revoked = true;
		flow.class = SL_FLOW_ENDED;
		if (key->protocol == 6)
			model->flows[model->n_flows++] = flow;
		return SL_REASON_FILTER;
	}
	flow.is_established = is_established;
	flow.has_answer = flow.is_outbound == pass->shape->is_inbound;
	note_link(pass, &flow);
	assert_true(model->n_flows < MODEL_FLOWS_MAX);
	model->flows[model->n_flows++] = flow;
	return SL_REASON_NONE;
}

/* --- Further packets. --- */

static enum sl_reason
revoke(struct pass *pass, struct model_flow *flow)
{
	if (flow->key.protocol != 6) {
		forget(pass->model, flow);
		return SL_REASON_FILTER;
	}
	flow->is_revoked = true;
	flow->class = SL_FLOW_ENDED;
	flow->last_ns = pass->now_ns;
	return SL_REASON_FILTER;
}

/* NONE: it goes on. `*is_new`: as a first packet. */
static enum sl_reason
track(struct pass *pass, struct model_flow *flow, bool *is_new, bool *is_established)
{
	const struct sl_flow_config *config = pass->model->config;
	struct sl_tcp_segment segment;
	struct sl_tcp_step step;

	assert_true(sl_tcp_read(pass->frame, &pass->meta, &segment));
	if (is_dropped_as_corrupt(pass, false))
		return SL_REASON_TCP_BAD_CHECKSUM;
	sl_tcp_next(&flow->tcp, &segment, pass->meta.direction,
		config->enforce == SL_FLOW_ENFORCE_ALWAYS ? config->tcp : SL_FLOW_TCP_LOOSE, &step);
	if (step.reason != SL_REASON_NONE)
		return step.reason;
	*is_new = step.is_reopening;
	if (step.is_reopening)
		return SL_REASON_NONE;
	if (flow->class != step.class)
		flow->last_ns = pass->now_ns;
	flow->class = step.class;
	*is_established = step.is_established && !flow->is_established;
	return SL_REASON_NONE;
}

static enum sl_reason
go_with(struct pass *pass, struct model_flow *flow, const struct model_key *key)
{
	const bool is_outbound = flow->is_outbound;
	bool is_new = false, is_established = false;
	enum sl_reason reason;
	uint32_t reasons;

	if (key->protocol == 6) {
		reason = track(pass, flow, &is_new, &is_established);
		if (reason != SL_REASON_NONE)
			return reason;
	}
	if (is_new) {
		forget(pass->model, flow);
		return open_flow(pass, key);
	}
	reasons = reasons_of(pass, flow);
	if (reasons != 0) {
		if (blocks_flow(pass, auth_of(flow), flow, is_outbound,
			    SLUICE_CONDITION_FLAG_IS_REAUTHORIZE, reasons))
			return revoke(pass, flow);
		flow->generation = pass->model->generations[auth_of(flow)];
	}
	if (is_established) {
		if (blocks_flow(pass, ESTABLISHED, flow, is_outbound, 0, 0))
			return revoke(pass, flow);
		flow->is_established = true;
	}
	note_link(pass, flow);
	if (is_outbound == pass->shape->is_inbound)
		flow->has_answer = true;
	if (!flow->is_wildcard || !pass->shape->is_inbound)
		flow->last_ns = pass->now_ns;
	return SL_REASON_NONE;
}

static enum sl_reason
meet_flow(struct pass *pass, const struct model_flow **passed)
{
	const struct shape *shape = pass->shape;
	struct model *model = pass->model;
	struct model_key key = model_key_of(shape), wildcard;
	struct model_flow *flow;
	enum sl_reason reason;

	if (!shape->is_inbound && is_multicast(key.remote) && key.protocol != 6)
		key.remote = key.remote_port = 0;
	flow = find(model, &key);
	if (flow != NULL && is_over(model, flow)) {
		forget(model, flow);
		flow = NULL;
	}
	wildcard = key;
	wildcard.remote = wildcard.remote_port = 0;
	if (flow == NULL && shape->is_inbound && key.protocol != 6) {
		flow = find(model, &wildcard);
		if (flow != NULL &&
			(is_over(model, flow) || !flow->is_wildcard || !is_current(model, flow)))
			flow = NULL;
		if (flow != NULL)
			key = wildcard;
	}
	if (flow != NULL && flow->is_revoked && is_dropped_as_corrupt(pass, false))
		return SL_REASON_TCP_BAD_CHECKSUM;
	if (flow != NULL && flow->is_revoked) {
		if ((shape->flags & (FIN | SYN | RST | ACK)) != SYN) {
			flow->last_ns = pass->now_ns;
			return SL_REASON_FLOW_REVOKED;
		}
		forget(model, flow);
		flow = NULL;
	}
	reason = flow == NULL ? open_flow(pass, &key) : go_with(pass, flow, &key);
	*passed = find(model, &key);
	return reason;
}

static enum sl_reason
meet_error(struct pass *pass)
{
	const struct sl_flow_config *config = pass->model->config;
	const struct model_key key = model_key_of(pass->shape);
	struct model_flow *flow = find(pass->model, &key);

	if (flow != NULL && !is_over(pass->model, flow) && !flow->is_revoked &&
		(key.protocol != 6 ||
			sl_tcp_is_in_flight(&flow->tcp,
				pass->shape->is_inbound ? SLUICE_DIRECTION_INBOUND
							: SLUICE_DIRECTION_OUTBOUND,
				pass->shape->seq)))
		return SL_REASON_NONE;
	if (config->enforce == SL_FLOW_ENFORCE_ALWAYS &&
		config->icmp_errors == SL_FLOW_ICMP_RELATED)
		return SL_REASON_ICMP_ERROR_UNRELATED;
	return SL_REASON_NONE;
}

enum sl_reason
model_meet(struct model *model, const struct model_packet *packet, uint8_t *layer)
{
	const bool is_inbound = packet->shape.is_inbound != packet->is_error;
	const struct sl_path *path = &model->fixture->paths[shape_path(&packet->shape, is_inbound)];
	struct pass pass = {
		.model = model,
		.shape = &packet->shape,
		.is_corrupt = packet->is_corrupt,
		.frame = &packet->packet.frame,
		.layer = layer,
		.now_ns = model->fixture->now_ns,
	};
	struct sl_meta *meta = &pass.meta;
	const struct model_flow *flow = NULL;
	enum sl_reason reason;

	sl_meta_setup(meta, path->direction, &path->ports);
	sl_packet_parse(path->link_type, pass.frame, 1, &meta);
	if (is_inbound && blocks(&pass, SLUICE_LAYER_INBOUND_TRANSPORT_V4))
		return SL_REASON_FILTER;
	reason = packet->is_error ? meet_error(&pass) : meet_flow(&pass, &flow);
	if (reason != SL_REASON_NONE)
		return reason;
	if (!packet->is_error &&
		blocks_flow(&pass, packet->shape.protocol == 6 ? STREAM : DATAGRAM, flow,
			flow == NULL ? !is_inbound : flow->is_outbound, 0, 0))
		return SL_REASON_FILTER;
	if (!is_inbound && blocks(&pass, SLUICE_LAYER_OUTBOUND_TRANSPORT_V4))
		return SL_REASON_FILTER;
	return SL_REASON_NONE;
}
