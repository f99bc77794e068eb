/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet time: packets that nobody wants to see but their flow (WFP section 7.4).
 *
 * Where a policy has filters at ALE layers alone, a packet of an authorised flow visits no layer.  Then a glance at its
 * headers is enough, and most of the work of a packet - metadata - is not done.  What it does to its flow is
 * what flow_run.c does: this is a shorter way to the same place, and tests compare the two.
 *
 * Order. Packets of one flow keep theirs: whatever does not go along keeps back what comes behind it in the burst
 *        and may be of its flow.
 */
#include "pipeline/flow.h"

#define PAUSE 15u /* bursts */

/* False for a visit that packets of which the parser takes a glance do not make. */
static bool
is_visited(uint8_t visitors)
{
	switch (visitors) {
	case SL_ORDER_ETHERNET:
	case SL_ORDER_IP4:
	case SL_ORDER_TCP:
	case SL_ORDER_IP4_TCP:
	case SL_ORDER_IP4_DATAGRAM:
		return true;
	default:
		return false;
	}
}

bool
sl_flow_is_unseen(const struct sl_snapshot *snapshot, enum sluice_direction direction)
{
	const struct sl_order_visit *visits = sl_order[direction].visits;

	if (snapshot == NULL)
		return false;
	for (uint32_t i = 0; i < SL_ORDER_VISITS; i++) {
		if (is_visited(visits[i].visitors) && snapshot->layers[visits[i].layer] != NULL)
			return false;
	}
	return true;
}

/* By another link than before nobody goes along. */
static void
keep_strayed(struct sl_flow_step *step, uint32_t n)
{
	for (uint64_t left = sl_flow_find_strayed(step, n); left != 0; left &= left - 1)
		step->found[__builtin_ctzll(left)] = NULL;
}

/* Finds the flows of the packets that were glanced at. */
static void
find(struct sl_flow_step *step, uint64_t packets)
{
	const struct sl_burst *burst = step->burst;
	const struct sl_flow_table *table = burst->pipeline->flows->table;
	const uint32_t n = 64u - (uint32_t)__builtin_clzll(packets);

	for (uint32_t i = 0; i < n; i++) {
		if (SL_LIKELY((packets >> i & 1) != 0))
			sl_flow_key_of_glance(&step->glances[i], burst->path->direction,
				burst->path->flow_zone, &step->keys[i]);
		else
			step->keys[i] = (struct sl_flow_key){.ip_version = 0};
	}
	sl_flow_hash(table, step->keys, n, step->hashes);
	sl_flow_find(table, step->keys, step->hashes, n, step->found);
	if (SL_UNLIKELY(step->has_links))
		keep_strayed(step, n);
}

static SL_ALWAYS_INLINE bool
goes(struct sl_flow_step *step, uint32_t packet, bool is_tcp)
{
	const struct sl_frame *frame = &step->burst->frames[packet];
	const struct sl_glance *glance = &step->glances[packet];
	const enum sluice_direction direction = step->burst->path->direction;
	struct sl_flow *flow = step->found[packet];

	if (!sl_flow_is_plain(step, flow))
		return false;
	if (is_tcp &&
		(flow->class != SL_FLOW_TCP_ESTABLISHED ||
			!sl_tcp_ride_at(&flow->tcp, frame->bytes + SL_GLANCE_L4, glance->tcp_flags,
				glance->payload_len, direction)))
		return false;
	sl_flow_count(flow, direction, frame->length, step->now_ms);
	return true;
}

/* Returns those of `packets` that go. `kept` has a bit of the hash of each that does not. */
static SL_ALWAYS_INLINE uint64_t
go_some(struct sl_flow_step *step, uint64_t packets, bool is_tcp)
{
	uint64_t gone = 0, kept = 0;

	for (; packets != 0; packets &= packets - 1) {
		const uint32_t packet = (uint32_t)__builtin_ctzll(packets);
		const uint64_t bit = (uint64_t)1 << (step->hashes[packet] & 63);

		if (SL_LIKELY((kept & bit) == 0 && goes(step, packet, is_tcp)))
			gone |= (uint64_t)1 << packet;
		else
			kept |= bit;
	}
	return gone;
}

uint64_t
sl_flow_go_along(struct sl_burst *burst, uint32_t n)
{
	struct sl_flows *flows = burst->pipeline->flows;
	struct sl_flow_step *step = &flows->step;
	struct sl_glance_sets sets;
	uint64_t gone;

	sl_flow_notice(flows, burst->snapshot);
	if (!flows->may_go_along[burst->path->direction] ||
		burst->path->link_type != SL_LINK_ETHERNET)
		return 0;
	if (flows->along_pause > 0) {
		flows->along_pause--;
		return 0;
	}
	sl_packet_glance(burst->frames, n, step->glances, &sets);
	if (SL_UNLIKELY(sets.kin != 0)) {
		const uint64_t before = (sets.kin & -sets.kin) - 1;

		sets.tcp &= before;
		sets.udp &= before;
	}
	if ((sets.tcp | sets.udp) == 0) {
		flows->along_pause = PAUSE;
		return 0;
	}
	sl_flow_step_start(step, burst, 0);
	find(step, sets.tcp | sets.udp);
	/* One kind after the other, for the sake of guessed branches; no flow has packets of both. */
	gone = go_some(step, sets.tcp, true) | go_some(step, sets.udp, false);
	if ((uint32_t)__builtin_popcountll(gone) < n / 2)
		flows->along_pause = PAUSE;
	return gone;
}
