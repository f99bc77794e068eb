/* SPDX-License-Identifier: BSD-3-Clause */
#include "pipeline/flow.h"
#include "pipeline/fragments.h"
#include "pipeline/park.h"

#include <string.h>

static uint64_t
first_packets(uint32_t n)
{
	return n == 0 ? 0 : ~(uint64_t)0 >> (64 - n);
}

static void
permit_all(struct sl_outcome *outcomes, uint32_t n)
{
	static const struct sl_outcome permit = {
		.action = SL_VERDICT_PERMIT,
		.reason = SL_REASON_NONE,
		.rank = SL_RANK_NONE,
	};

	for (uint32_t i = 0; i < n; i++)
		memcpy(&outcomes[i], &permit, sizeof(permit));
}

/* The lowest bits of eight bytes, the first byte's lowest. */
static uint64_t
low_bits(uint64_t bytes)
{
	return (bytes & 0x0101010101010101u) * 0x0102040810204080u >> 56;
}

/* Each packet's classes are a byte, and the sets are gathered from eight bytes at a time. */
uint64_t
sl_pipeline_sort(const struct sl_burst *burst, uint32_t n, uint64_t sets[SL_ORDER_CLASS_COUNT])
{
	uint8_t classes[SL_PIPELINE_BURST_MAX] = {0};
	uint64_t refused = 0, eight;

	for (uint32_t i = 0; i < n; i++)
		classes[i] = sl_order_classes(&burst->metas[i]);
	for (uint32_t c = 0; c < SL_ORDER_SORTED; c++)
		sets[c] = 0;
	for (uint32_t i = 0; i < n; i += 8) {
		memcpy(&eight, &classes[i], sizeof(eight));
		for (uint32_t c = 0; c < SL_ORDER_SORTED; c++)
			sets[c] |= low_bits(eight >> c) << i;
		refused |= low_bits(eight >> 7) << i;
	}
	if (burst->path->link_type != SL_LINK_ETHERNET)
		sets[SL_ORDER_ETHERNET] = 0;
	sets[SL_ORDER_IP4_TCP] = sets[SL_ORDER_IP4] & sets[SL_ORDER_TCP];
	sets[SL_ORDER_IP6_TCP] = sets[SL_ORDER_IP6] & sets[SL_ORDER_TCP];
	sets[SL_ORDER_IP4_DATAGRAM] =
		sets[SL_ORDER_IP4] & ~sets[SL_ORDER_TCP] & ~sets[SL_ORDER_IP4_ERROR];
	sets[SL_ORDER_IP6_DATAGRAM] =
		sets[SL_ORDER_IP6] & ~sets[SL_ORDER_TCP] & ~sets[SL_ORDER_IP6_ERROR];
	return refused;
}

_Static_assert(SL_ORDER_REFUSED == 1u << 7, "the refused are the highest bit of the classes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "sets are gathered from the low byte up");

uint64_t
sl_pipeline_visit_some(struct sl_burst *burst, const uint64_t sets[SL_ORDER_CLASS_COUNT],
	uint32_t first, uint32_t end, uint64_t alive)
{
	const struct sl_order_visit *visits = sl_order[burst->path->direction].visits;
	const struct sl_layer_program *program;
	uint64_t members;

	for (uint32_t i = first; i < end && alive != 0; i++) {
		program = burst->snapshot->layers[visits[i].layer];
		members = alive & sets[visits[i].visitors];
		if (program == NULL || members == 0)
			continue;
		if (program->has_callouts && burst->pipeline->flows != NULL)
			sl_flow_name(burst, members);
		if (visits[i].visitors < SL_ORDER_SORTED)
			alive &= ~sl_pipeline_visit(burst, program, members);
		else if (burst->pipeline->flows != NULL)
			alive &= ~sl_flow_visit_data(burst, program, members);
	}
	return alive;
}

uint64_t
sl_pipeline_judge_whole(struct sl_burst *burst, const uint64_t sets[SL_ORDER_CLASS_COUNT],
	uint32_t end, uint64_t alive)
{
	const struct sl_order *order = &sl_order[burst->path->direction];
	uint64_t ip = sets[SL_ORDER_IP4] | sets[SL_ORDER_IP6];
	uint64_t whole = ip & ~sets[SL_ORDER_FRAGMENT];
	bool is_announced;

	if (burst->pipeline->flows == NULL) {
		/* Nobody can say whose flow a packet is, so no filter for flows may be passed by. */
		if (SL_UNLIKELY(burst->snapshot->needs_state && (alive & ip) != 0)) {
			sl_pipeline_stop_all(burst, alive & ip, SL_REASON_FLOW_TABLE_FULL);
			alive &= ~ip;
		}
		return sl_pipeline_visit_some(burst, sets, order->n_before_whole, end, alive);
	}
	sl_flow_step_find(burst, alive & whole);
	if (order->n_before_flow != order->n_before_whole) {
		is_announced = sl_flow_step_announce(burst, alive & whole);
		alive = sl_pipeline_visit_some(
			burst, sets, order->n_before_whole, order->n_before_flow, alive);
		if (is_announced)
			sl_flow_step_unannounce(burst, alive & whole);
	}
	alive &= ~sl_flow_step_run(burst, alive & whole);
	if ((alive & ip & ~whole) != 0)
		alive &= ~sl_flow_judge_untracked(burst, alive & ip & ~whole);
	return sl_pipeline_visit_some(burst, sets, order->n_before_flow, end, alive);
}

/* Takes the burst through its layers, one layer at a time. */
static void
judge(struct sl_burst *burst, uint32_t n, uint64_t alive)
{
	const struct sl_order *order = &sl_order[burst->path->direction];
	uint64_t sets[SL_ORDER_CLASS_COUNT];
	uint64_t viewed = 0, refused;

	refused = sl_pipeline_sort(burst, n, sets) & alive;
	if (SL_UNLIKELY(sets[SL_ORDER_FRAGMENT] != 0))
		viewed = sl_reassembly_viewed(burst, alive & sets[SL_ORDER_FRAGMENT] & ~refused);
	alive = sl_pipeline_visit_some(burst, sets, 0, order->n_before_ip, alive & ~viewed);
	if ((alive & refused) != 0) {
		sl_pipeline_refuse(burst, alive & refused);
		alive &= ~refused;
	}
	alive = sl_pipeline_visit_some(
		burst, sets, order->n_before_ip, order->n_before_whole, alive);
	alive |= viewed;
	if (SL_UNLIKELY((alive & sets[SL_ORDER_FRAGMENT]) != 0))
		alive &= ~sl_reassembly_take(burst, sets, alive);
	sl_pipeline_judge_whole(burst, sets, SL_ORDER_VISITS, alive);
}

static bool
is_suppressed(const struct sl_burst *burst, const struct sl_reply *reply)
{
	return reply->packet != SL_REPLY_NO_PACKET && (burst->suppressed >> reply->packet & 1) != 0;
}

void
sl_pipeline_sweep_replies(struct sl_burst *burst)
{
	struct sl_callout_env *env = &burst->pipeline->env;
	struct sl_worker_counter *worker = &burst->pipeline->counters->worker;
	struct sl_reply *reply;
	uint32_t n_kept = burst->first_reply;

	if (SL_LIKELY(env->n_replies == n_kept && env->n_replies_refused == 0))
		return;
	for (uint32_t i = n_kept; i < env->n_replies; i++) {
		reply = &env->replies[i];
		if (burst->is_monitor || is_suppressed(burst, reply))
			continue;
		if (n_kept != i) {
			env->replies[n_kept].packet = reply->packet;
			env->replies[n_kept].path = reply->path;
			env->replies[n_kept].length = reply->length;
			env->replies[n_kept].is_onward = reply->is_onward;
			memcpy(env->replies[n_kept].bytes, reply->bytes, reply->length);
		}
		n_kept++;
	}
	sl_counter_add(&worker->replies_suppressed, env->n_replies - n_kept);
	sl_counter_add(&worker->replies_refused, env->n_replies_refused);
	env->n_replies = n_kept;
	env->n_replies_refused = 0;
}

/* Makes metadata of those that are left of a burst. */
static void
parse(const struct sl_burst *burst, struct sl_meta *const metas[], uint32_t n, uint64_t packets)
{
	const enum sl_link_type link = burst->path->link_type;

	if (packets == first_packets(n)) {
		sl_packet_parse(link, burst->frames, n, metas);
		return;
	}
	for (; packets != 0; packets &= packets - 1) {
		const uint32_t i = (uint32_t)__builtin_ctzll(packets);

		sl_packet_parse(link, &burst->frames[i], 1, &metas[i]);
	}
}

/* In mode monitor everything leaves; outcomes keep what would have happened. */
static void
let_pass(struct sl_outcome *outcomes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		outcomes[i].action = SL_VERDICT_PERMIT;
}

/* What the last burst made and let go is the caller's no more. */
static void
start(struct sl_burst *burst)
{
	struct sl_callout_env *env = &burst->pipeline->env;

	env->now_ns = burst->now_ns;
	env->revision = burst->snapshot == NULL ? 0 : burst->snapshot->revision;
	env->path = (uint32_t)(burst->path - burst->pipeline->paths);
	env->n_replies = 0;
	env->n_replies_refused = 0;
	burst->pipeline->n_releases = 0;
}

void
sl_pipeline_run(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint32_t path, const struct sl_frame frames[], uint32_t n, uint64_t now_ns,
	struct sl_outcome outcomes[])
{
	struct sl_meta **metas = &pipeline->meta_list[(size_t)path * SL_PIPELINE_BURST_MAX];
	struct sl_burst burst = {
		.pipeline = pipeline,
		.snapshot = snapshot,
		.path = &pipeline->paths[path],
		.frames = frames,
		.metas = metas[0],
		.outcomes = outcomes,
		.reasons = pipeline->counters->reasons,
		.now_ns = now_ns,
	};
	uint64_t alive;

	pipeline->last = metas;
	pipeline->last_link = burst.path->link_type;
	pipeline->last_frames = frames;
	pipeline->unparsed = 0;
	start(&burst);
	sl_reassembly_start(pipeline, snapshot, mode, now_ns);
	permit_all(outcomes, n);
	if (snapshot != NULL && mode == SL_MODE_BYPASS)
		return;
	if (pipeline->flows != NULL && snapshot != NULL && mode != SL_MODE_BLOCK)
		pipeline->unparsed = sl_flow_go_along(&burst, n);
	alive = first_packets(n) & ~pipeline->unparsed;
	parse(&burst, metas, n, alive);
	if (snapshot == NULL) {
		sl_pipeline_stop_all(&burst, first_packets(n), SL_REASON_NO_POLICY);
		return;
	}
	if (mode == SL_MODE_BLOCK) {
		sl_pipeline_stop_all(&burst, first_packets(n), SL_REASON_MODE_BLOCK);
		return;
	}
	if (mode == SL_MODE_MONITOR) {
		burst.is_monitor = true;
		burst.reasons = pipeline->counters->would_drop;
	}
	if (alive != 0)
		judge(&burst, n, alive);
	if (pipeline->flows != NULL) {
		sl_flow_obey(pipeline, snapshot, now_ns);
		sl_flow_tend(pipeline, snapshot, now_ns);
	}
	sl_pipeline_sweep_replies(&burst);
	sl_reassembly_finish(&burst);
	sl_reassembly_age(pipeline, snapshot, mode, now_ns);
	if (burst.is_monitor)
		let_pass(outcomes, n);
}

void
sl_pipeline_tick(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns)
{
	struct sl_burst burst = {
		.pipeline = pipeline,
		.snapshot = snapshot,
		.path = pipeline->paths,
		.now_ns = now_ns,
		/* Who lets packets pass without a judgement, or none at all, sends nothing of his own. */
		.is_monitor = mode != SL_MODE_INLINE,
	};

	start(&burst);
	sl_reassembly_start(pipeline, snapshot, mode, now_ns);
	sl_park_tend(pipeline, snapshot, mode, now_ns);
	if (pipeline->flows != NULL)
		sl_flow_obey(pipeline, snapshot, now_ns);
	if (pipeline->flows != NULL && (mode == SL_MODE_INLINE || mode == SL_MODE_MONITOR))
		sl_flow_tend(pipeline, snapshot, now_ns);
	sl_pipeline_sweep_replies(&burst);
	sl_reassembly_age(pipeline, snapshot, mode, now_ns);
}

void
sl_pipeline_drain(struct sl_pipeline *pipeline, uint64_t now_ns)
{
	pipeline->env.n_replies = 0;
	pipeline->n_releases = 0;
	sl_reassembly_drain(pipeline, now_ns);
	sl_park_drain(pipeline, now_ns);
}

void
sl_pipeline_step_clock(struct sl_pipeline *pipeline, int64_t step_ns, uint64_t now_ns)
{
	struct sl_flows *flows = pipeline->flows;

	if (flows != NULL) {
		sl_flow_step_clock(flows->table, step_ns / 1000000);
		flows->wildcards_until_ns += (uint64_t)step_ns;
		flows->epoch++; /* refusals have times of the old clock */
	}
	pipeline->env.n_replies = 0;
	pipeline->n_releases = 0;
	sl_reassembly_drain(pipeline, now_ns);
}

const struct sl_reply *
sl_pipeline_replies(const struct sl_pipeline *pipeline, uint32_t *n)
{
	*n = pipeline->env.n_replies;
	return pipeline->env.replies;
}

const struct sl_release *
sl_pipeline_releases(const struct sl_pipeline *pipeline, uint32_t *n)
{
	*n = pipeline->n_releases;
	return pipeline->releases;
}

const struct sl_meta *
sl_pipeline_meta(const struct sl_pipeline *pipeline, uint32_t i)
{
	if ((pipeline->unparsed >> i & 1) != 0)
		sl_packet_parse(
			pipeline->last_link, &pipeline->last_frames[i], 1, &pipeline->last[i]);
	return pipeline->last[i];
}
