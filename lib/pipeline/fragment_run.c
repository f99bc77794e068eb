/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: fragments are held, and let go. */
#include "pipeline/fragments.h"

#include <string.h>

#define AGE_WORK     4u   /* datagrams ended a burst */
#define RELEASE_WORK 256u /* fragments named a burst: more than can come in one */

static const struct sl_outcome permit = {
	.action = SL_VERDICT_PERMIT,
	.reason = SL_REASON_NONE,
	.rank = SL_RANK_NONE,
};

/* --- Letting go. --- */

/* What is noted for all fragments of a departure. */
struct note {
	struct sl_outcome outcome;
	uint32_t worker;
	uint32_t flags; /* of fragments that are handed over */
};

_Static_assert(sizeof(struct note) == 2 * sizeof(uint64_t), "a departure's note");

/* Notes what becomes of the fragments that are let go together. */
static void
depart(struct sl_reassembly *reassembly, struct sl_departure *departure,
	const struct sl_outcome *outcome, uint32_t worker, uint32_t flags)
{
	const struct note note = {.outcome = *outcome, .worker = worker, .flags = flags};

	memcpy(departure->note, &note, sizeof(note));
	reassembly->n_leaving += departure->n;
}

/* Names fragments that are let go, but no more than n_max of this burst. */
static void
release(struct sl_pipeline *pipeline, uint32_t n_max)
{
	struct sl_reassembly *reassembly = pipeline->reassembly;
	struct sl_release *next;
	struct sl_held held;
	uint64_t bytes[2];
	struct note note;

	for (; n_max > 0 && sl_fragments_let_go(reassembly->table, &held, bytes); n_max--) {
		reassembly->n_leaving--;
		if ((held.frame.flags & SL_FRAME_LEFT) != 0)
			continue;
		memcpy(&note, bytes, sizeof(note));
		next = &pipeline->releases[pipeline->n_releases++];
		reassembly->n_released++;
		next->held = held;
		next->outcome = note.outcome;
		next->worker = note.worker;
		if (note.outcome.action == SL_OUTCOME_HANDED)
			next->held.frame.flags = (held.frame.flags & ~(uint32_t)SL_FRAME_ANSWER) |
				SL_FRAME_VIEWED | note.flags;
	}
}

/* Counts and reports a datagram that did not become whole, with what is known of it. */
static void
report(const struct sl_burst *burst, const struct sl_departure *departure,
	struct sl_outcome *outcome)
{
	struct sl_reassembly *reassembly = burst->pipeline->reassembly;
	struct sl_burst alone = *burst;

	*reassembly->meta = *sl_datagram_meta(departure->datagram);
	alone.path = &burst->pipeline->paths[sl_datagram_path(departure->datagram)];
	alone.frames = NULL;
	alone.metas = reassembly->meta;
	alone.outcomes = outcome;
	sl_pipeline_stop_all(&alone, 1, departure->reason);
}

/*
 * Lets go what the table has ended or was told to end.  What a fragment of this burst ended under `reported` has
 * had its event with that.
 */
static void
let_go(const struct sl_burst *burst, enum sl_reason reported)
{
	struct sl_reassembly *reassembly = burst->pipeline->reassembly;
	struct sl_departure *departure;
	struct sl_outcome outcome;
	uint32_t n_counted;
	uint8_t reason;

	while ((departure = sl_fragments_departure(reassembly->table)) != NULL) {
		reason = departure->reason;
		n_counted = 0;
		outcome = permit;
		if (reason != SL_REASON_NONE && reason != reported) {
			report(burst, departure, &outcome);
			n_counted = 1;
		}
		outcome.reason = reason;
		outcome.action = reason == SL_REASON_NONE || burst->is_monitor ? SL_VERDICT_PERMIT
									       : SL_VERDICT_BLOCK;
		if (reason != SL_REASON_NONE)
			sl_counter_add(&burst->reasons[reason], departure->n - n_counted);
		depart(reassembly, departure, &outcome, 0, 0);
	}
}

/* --- Time, modes and policies. --- */

/* A burst without packets. */
static struct sl_burst
quiet_burst(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot, enum sl_mode mode,
	uint64_t now_ns)
{
	const bool is_monitor = mode == SL_MODE_MONITOR;

	return (struct sl_burst){
		.pipeline = pipeline,
		.snapshot = snapshot,
		.path = pipeline->paths,
		.reasons =
			is_monitor ? pipeline->counters->would_drop : pipeline->counters->reasons,
		.now_ns = now_ns,
		.is_monitor = is_monitor,
	};
}

static bool
wants_whole(const struct sl_reassembly *reassembly, const struct sl_snapshot *snapshot,
	enum sl_mode mode)
{
	if (snapshot == NULL || (mode != SL_MODE_INLINE && mode != SL_MODE_MONITOR))
		return false;
	return reassembly->reassemble == SL_FRAGMENT_REASSEMBLE_ALWAYS ||
		(reassembly->reassemble == SL_FRAGMENT_REASSEMBLE_AUTO && snapshot->needs_whole);
}

/* Why what is held is let go; NONE: it may leave, since nobody wants it whole any more. */
static enum sl_reason
reason_of_change(const struct sl_snapshot *snapshot, enum sl_mode mode)
{
	if (snapshot == NULL)
		return SL_REASON_NO_POLICY;
	return mode == SL_MODE_BLOCK ? SL_REASON_MODE_BLOCK : SL_REASON_NONE;
}

void
sl_reassembly_start(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns)
{
	struct sl_reassembly *reassembly = pipeline->reassembly;
	struct sl_burst burst;
	bool is_on;

	if (reassembly == NULL)
		return;
	reassembly->n_released = 0;
	is_on = wants_whole(reassembly, snapshot, mode);
	if (SL_UNLIKELY(is_on != reassembly->is_on || mode != reassembly->mode)) {
		reassembly->is_on = is_on;
		reassembly->mode = (uint8_t)mode;
		burst = quiet_burst(pipeline, snapshot, mode, now_ns);
		sl_fragments_flush(reassembly->table, reason_of_change(snapshot, mode));
		let_go(&burst, SL_REASON_NONE);
	}
	if (SL_UNLIKELY(reassembly->n_leaving > 0))
		release(pipeline, RELEASE_WORK);
}

void
sl_reassembly_age(struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	enum sl_mode mode, uint64_t now_ns)
{
	struct sl_reassembly *reassembly = pipeline->reassembly;
	struct sl_burst burst;

	if (reassembly == NULL || !reassembly->is_on)
		return;
	if (SL_LIKELY(reassembly->n_leaving == 0 && sl_fragments_is_idle(reassembly->table)))
		return;
	sl_fragments_age(reassembly->table, now_ns, AGE_WORK);
	burst = quiet_burst(pipeline, snapshot, mode, now_ns);
	let_go(&burst, SL_REASON_NONE);
	if (SL_UNLIKELY(reassembly->n_leaving > 0))
		release(pipeline, RELEASE_WORK - SL_MIN(RELEASE_WORK, reassembly->n_released));
}

void
sl_reassembly_drain(struct sl_pipeline *pipeline, uint64_t now_ns)
{
	struct sl_reassembly *reassembly = pipeline->reassembly;
	struct sl_burst burst;

	if (reassembly == NULL)
		return;
	burst = quiet_burst(pipeline, NULL, reassembly->mode, now_ns);
	sl_fragments_flush(reassembly->table, SL_REASON_FRAG_TIMEOUT);
	let_go(&burst, SL_REASON_NONE);
	release(pipeline, UINT32_MAX);
}

/* --- Holding. --- */

uint64_t
sl_reassembly_viewed(const struct sl_burst *burst, uint64_t fragments)
{
	uint64_t viewed = 0;

	for (; fragments != 0; fragments &= fragments - 1) {
		const uint32_t packet = (uint32_t)__builtin_ctzll(fragments);

		if ((burst->frames[packet].flags & SL_FRAME_VIEWED) != 0)
			viewed |= (uint64_t)1 << packet;
	}
	return viewed;
}

/*
 * A fragment that does not fit is shown to the twin of the IP packet layer.  The rest of a datagram that was ended
 * is only counted: that one had its event.
 */
static void
refuse(struct sl_burst *burst, uint32_t packet, enum sl_reason reason)
{
	const uint64_t member = (uint64_t)1 << packet;

	if (reason == SL_REASON_FRAG_ENDED) {
		burst->outcomes[packet].action = SL_VERDICT_BLOCK;
		burst->outcomes[packet].reason = (uint8_t)reason;
		sl_counter_add(&burst->reasons[reason], 1);
	} else {
		sl_pipeline_stop_all(burst, member, reason);
	}
	sl_pipeline_show_refused(burst, member);
}

static void
hold(struct sl_burst *burst, uint32_t packet)
{
	struct sl_reassembly *reassembly = burst->pipeline->reassembly;
	const uint32_t path = (uint32_t)(burst->path - burst->pipeline->paths);
	struct sl_frame frame = burst->frames[packet];
	enum sl_fragment_answer answer;
	struct sl_datagram *datagram;
	enum sl_reason reason;

	if (burst->is_monitor)
		frame.flags |= SL_FRAME_LEFT;
	answer = sl_fragments_add(reassembly->table, &frame, &burst->metas[packet], path,
		burst->now_ns, &reason, &datagram);
	if (answer == SL_FRAGMENT_DROPPED)
		refuse(burst, packet, reason);
	else
		burst->outcomes[packet].action = SL_OUTCOME_HELD;
	if (answer == SL_FRAGMENT_COMPLETE)
		reassembly->complete[reassembly->n_complete++] = (struct sl_complete){
			.datagram = datagram,
			.flags = frame.flags & (SL_FRAME_VIEWED | SL_FRAME_ANSWER),
		};
	let_go(burst, reason);
}

uint64_t
sl_reassembly_take(
	struct sl_burst *burst, const uint64_t sets[SL_ORDER_CLASS_COUNT], uint64_t alive)
{
	const struct sl_order *order = &sl_order[burst->path->direction];
	struct sl_reassembly *reassembly = burst->pipeline->reassembly;
	uint64_t fragments, viewed, left;

	if (reassembly == NULL || !reassembly->is_on)
		return 0;
	fragments = alive & sets[SL_ORDER_FRAGMENT] & (sets[SL_ORDER_IP4] | sets[SL_ORDER_IP6]);
	viewed = sl_reassembly_viewed(burst, fragments);
	left = viewed |
		sl_pipeline_visit_some(
			burst, sets, order->n_whole, SL_ORDER_VISITS, fragments & ~viewed);
	sl_counter_add(&burst->pipeline->counters->flows.fragments,
		(uint64_t)__builtin_popcountll(left & ~viewed));
	for (; left != 0; left &= left - 1)
		hold(burst, (uint32_t)__builtin_ctzll(left));
	return fragments;
}

/* --- Whole datagrams. --- */

/* Whose it is: this worker's, unless somebody knows better. */
static uint32_t
owner_of(const struct sl_burst *burst, const struct sl_complete *complete, uint32_t *flags)
{
	const struct sl_reassembly *reassembly = burst->pipeline->reassembly;

	if (reassembly->owner == NULL || complete->flags == SL_FRAME_VIEWED || burst->is_monitor ||
		burst->metas->reason != SL_REASON_NONE)
		return burst->pipeline->worker;
	return reassembly->owner(reassembly->owner_ctx, sl_datagram_path(complete->datagram),
		burst->frames, burst->metas, flags);
}

/* The layers that see whole datagrams (WFP section 1.6), in the order of the direction. */
static void
judge(struct sl_burst *burst)
{
	const struct sl_order *order = &sl_order[burst->path->direction];
	uint64_t sets[SL_ORDER_CLASS_COUNT], alive = 1;

	if (sl_pipeline_sort(burst, 1, sets) != 0) {
		sl_pipeline_refuse(burst, alive);
		return;
	}
	if (order->n_ippacket < order->n_before_whole)
		alive = sl_pipeline_visit_some(
			burst, sets, order->n_ippacket, order->n_ippacket + 2u, alive);
	alive = sl_pipeline_judge_whole(burst, sets, order->n_whole, alive);
	if (order->n_ippacket >= order->n_whole)
		sl_pipeline_visit_some(
			burst, sets, order->n_ippacket, order->n_ippacket + 2u, alive);
}

static void
parse(struct sl_burst *burst, const struct sl_frame *frame)
{
	struct sl_meta *meta = burst->metas;

	sl_meta_setup(meta, burst->path->direction, &burst->path->ports);
	sl_packet_parse(burst->path->link_type, frame, 1, &meta);
	meta->flags_ip |= SLUICE_CONDITION_FLAG_IS_REASSEMBLED;
}

/* Judges one datagram, and lets its fragments go with what became of it. */
static void
settle(const struct sl_burst *parent, const struct sl_complete *complete)
{
	struct sl_pipeline *pipeline = parent->pipeline;
	struct sl_reassembly *reassembly = pipeline->reassembly;
	struct sl_outcome outcome = permit;
	struct sl_burst burst = *parent;
	struct sl_departure *departure;
	struct sl_frame frame;
	uint32_t worker, flags = 0;

	sl_datagram_join(complete->datagram, reassembly->buffer, &frame);
	frame.flags |= SL_FRAME_COPY | complete->flags;
	burst.frames = &frame;
	burst.metas = reassembly->meta;
	burst.outcomes = &outcome;
	burst.suppressed = 0;
	burst.first_reply = pipeline->env.n_replies;
	parse(&burst, &frame);
	worker = owner_of(&burst, complete, &flags);
	if (worker != pipeline->worker)
		outcome.action = SL_OUTCOME_HANDED;
	else
		judge(&burst);
	sl_pipeline_sweep_replies(&burst);
	if (burst.is_monitor)
		outcome.action = SL_VERDICT_PERMIT;
	sl_datagram_release(reassembly->table, complete->datagram, outcome.reason);
	departure = sl_fragments_departure(reassembly->table);
	depart(reassembly, departure, &outcome, worker, flags);
	if (outcome.reason != SL_REASON_NONE)
		sl_counter_add(&burst.reasons[outcome.reason], departure->n - 1);
	if (outcome.action == SL_OUTCOME_HANDED)
		sl_counter_add(&pipeline->counters->flows.handed_over, departure->n);
	else
		sl_counter_add(&pipeline->counters->flows.datagrams, 1);
}

void
sl_reassembly_finish(struct sl_burst *burst)
{
	struct sl_reassembly *reassembly = burst->pipeline->reassembly;

	if (SL_LIKELY(reassembly == NULL || reassembly->n_complete == 0))
		return;
	for (uint32_t i = 0; i < reassembly->n_complete; i++)
		settle(burst, &reassembly->complete[i]);
	reassembly->n_complete = 0;
}
