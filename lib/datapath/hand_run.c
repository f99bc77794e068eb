/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/hand.h"

#include "datapath/asked.h"
#include "datapath/leave.h"
#include "datapath/steer.h"

#include <netinet/in.h>

/* The worker that is to have a packet. */
typedef uint32_t
receiver_fn(struct worker *worker, const struct lane *lane, const struct sl_frame *frame);

static SL_ALWAYS_INLINE uint16_t
hand_over(struct worker *worker, struct lane *lane, uint16_t n, receiver_fn *receiver_of,
	uint32_t flags)
{
	uint16_t n_here = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t receiver = receiver_of(worker, lane, &worker->frames[i]);

		if (unlikely(receiver != worker->index)) {
			leave_to_worker(worker, lane, worker->mbufs[i], flags, receiver);
			continue;
		}
		if (unlikely(n_here != i)) {
			worker->mbufs[n_here] = worker->mbufs[i];
			worker->frames[n_here] = worker->frames[i];
		}
		n_here++;
	}
	return n_here;
}

/* --- Strays. --- */

static SL_ALWAYS_INLINE uint32_t
receiver_of_stray(struct worker *worker, const struct lane *lane, const struct sl_frame *frame)
{
	const uint32_t direction = lane->path % 2;

	if (likely(steer_is_plain(lane->steer, frame, direction == SLUICE_DIRECTION_OUTBOUND)))
		return worker->index;
	return steer_worker_of_frame(lane->steer, frame, &worker->looks[direction], worker->index);
}

uint16_t
hand_over_strays(struct worker *worker, struct lane *lane, uint16_t n)
{
	return hand_over(worker, lane, n, receiver_of_stray, 0);
}

/* --- Answers. --- */

static bool
knows(const struct worker *worker, const struct sl_flow_key *key)
{
	return sl_pipeline_knows(
		worker->pipeline, worker->round.snapshot, key, worker->round.now_ns);
}

/* The worker that may have the question which a packet with this key answers; this one when it has its flow. */
static uint32_t
worker_of_question(
	const struct worker *worker, const struct steer *steer, const struct sl_flow_key *key)
{
	struct sl_flow_key question = *key;
	uint32_t owner;

	if (key->protocol == IPPROTO_TCP ||
		!asked_has(worker->shared->asked, steer_end_hash(key), worker->round.since_ns))
		return worker->index;
	sl_flow_key_wildcard(&question);
	owner = steer_worker(steer, &question);
	return owner == worker->index || knows(worker, key) ? worker->index : owner;
}

/* The key of an inbound packet that may be an answer. */
static bool
take_key(struct worker *worker, const struct lane *lane, const struct sl_frame *frame,
	struct sl_flow_key *key)
{
	struct sl_meta *meta = &worker->looks[SLUICE_DIRECTION_INBOUND];

	sl_packet_parse(SL_LINK_ETHERNET, frame, 1, &meta);
	return meta->reason == SL_REASON_NONE && (meta->meta_flags & SL_META_IS_FRAGMENT) == 0 &&
		sl_flow_key_of(meta, worker->zone_of_path[lane->path], key);
}

static uint32_t
receiver_of_answer(struct worker *worker, const struct lane *lane, const struct sl_frame *frame)
{
	struct sl_flow_key key;
	uint64_t hash;

	if (likely(steer_see_end(frame, &hash))) {
		if (likely(!asked_has(lane->asked, hash, worker->round.since_ns)))
			return worker->index;
	} else if (steer_is_plain(lane->steer, frame, false)) {
		return worker->index;
	}
	if (!take_key(worker, lane, frame, &key))
		return worker->index;
	return worker_of_question(worker, lane->steer, &key);
}

uint16_t
hand_over_answers(struct worker *worker, struct lane *lane, uint16_t n)
{
	return hand_over(worker, lane, n, receiver_of_answer, SL_FRAME_ANSWER);
}

static uint32_t
receiver_of_no_answer(struct worker *worker, const struct lane *lane, const struct sl_frame *frame)
{
	struct sl_flow_key key;

	if (!take_key(worker, lane, frame, &key) || knows(worker, &key))
		return worker->index;
	return steer_worker(lane->steer, &key);
}

uint16_t
hand_back(struct worker *worker, struct lane *lane, uint16_t n)
{
	return hand_over(worker, lane, n, receiver_of_no_answer, SL_FRAME_SETTLED);
}

void
hand_note_question(void *ctx, const struct sl_flow_key *key)
{
	const struct worker *worker = ctx;

	asked_note(worker->shared->asked, steer_end_hash(key), worker->round.since_ns);
}

/* --- Datagrams. --- */

/*
 * Fragments meet by their addresses, seldom where the flow is, so an answer goes to the question at once: whoever has it would be
 * asked first anyway but for a flow between the same ports.
 */
uint32_t
hand_owner(void *ctx, uint32_t path, const struct sl_frame *frame, const struct sl_meta *meta,
	uint32_t *flags)
{
	const struct worker *worker = ctx;
	const struct steer *steer = worker->steer_of_path[path];
	struct sl_flow_key key;
	uint32_t owner;

	if (steer->n_queues <= 1)
		return worker->index;
	if (worker->shared->asked == NULL || meta->direction != SLUICE_DIRECTION_INBOUND ||
		!sl_flow_key_of(meta, worker->zone_of_path[path], &key))
		return steer_worker_of_packet(steer, frame, meta);
	if ((frame->flags & SL_FRAME_ANSWER) != 0)
		return knows(worker, &key) ? worker->index : steer_worker(steer, &key);
	owner = worker_of_question(worker, steer, &key);
	if (owner != worker->index) {
		*flags = SL_FRAME_ANSWER;
		return owner;
	}
	return knows(worker, &key) ? worker->index : steer_worker(steer, &key);
}
