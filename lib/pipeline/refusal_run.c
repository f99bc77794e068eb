/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packet time: the memory of refusals.  Who is not let in tries again at once: a SYN is sent five times, a
 * question to a server until it is given up.  What was blocked without a callout's doing is blocked again
 * without classification for a second, with the same outcome and the same counters.
 */
#include "pipeline/flow.h"

#include <string.h>

#define REMEMBERED_NS 1000000000u

static void
describe(const struct sl_flow_step *step, uint32_t packet, enum sl_auth auth,
	struct sl_refusal_packet *out)
{
	const struct sl_burst *burst = step->burst;
	const struct sl_meta *meta = &burst->metas[packet];

	/* Compared whole. */
	memset(out, 0, sizeof(*out));
	out->key = step->keys[packet];
	out->path = (uint32_t)(burst->path - burst->pipeline->paths);
	out->packet_length = meta->packet_length;
	out->flags = meta->flags_transport;
	out->local_port = meta->local_port;
	out->remote_port = meta->remote_port;
	out->auth = (uint8_t)auth;
	out->ttl = meta->ttl;
	out->dscp = meta->dscp;
	if (sl_meta_has(meta, SL_SLOT_TCP_FLAGS))
		out->tcp_flags = meta->tcp_flags;
	if (sl_meta_has(meta, SL_SLOT_IP_OPTIONS))
		out->ip_options = meta->ip_options;
	if (sl_meta_has(meta, SL_SLOT_IP6_EXTENSIONS))
		out->ip6_extensions = meta->ip6_extensions;
}

static const struct sl_layer_program *
program_of(const struct sl_flow_step *step, enum sl_auth auth)
{
	return step->burst->snapshot->layers[sl_auth_layers[auth]];
}

/* The keys of what opens wildcards do not say whom it was for. */
static bool
is_memorable(const struct sl_flow_step *step, uint32_t packet, enum sl_auth auth)
{
	const struct sl_layer_program *program = program_of(step, auth);

	return program != NULL && !program->has_callouts &&
		!sl_flow_is_wildcard(step, &step->burst->metas[packet]);
}

static struct sl_refusal *
place(const struct sl_flow_step *step, uint32_t packet)
{
	return &step->burst->pipeline->flows->refusals[step->hashes[packet] & (SL_REFUSALS - 1)];
}

/* The same counters as the judgement that is repeated. */
static void
count_again(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth,
	const struct sl_refusal *refusal)
{
	const struct sl_burst *burst = step->burst;
	const struct sl_layer_program *program = program_of(step, auth);
	struct sl_counters *counters = burst->pipeline->counters;

	for (uint32_t i = 0; i < refusal->n_ranks; i++)
		sl_counters_hit(counters, program->hot[refusal->ranks[i]].counter,
			burst->frames[packet].length, burst->now_ns);
	sl_counter_add(&counters->layers[sl_auth_layers[auth]].block, 1);
	sl_counter_add(&counters->flows.blocked, 1);
	sl_counter_add(&counters->flows.blocked_again, 1);
}

static void
stop_again(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth,
	const struct sl_refusal *refusal)
{
	struct sl_burst *burst = step->burst;
	const struct sl_layer *twin = program_of(step, auth)->layer->twin;
	const struct sl_stop stop = {
		.packet = packet,
		.action = SL_VERDICT_BLOCK,
		.reason = refusal->reason,
		.rank = refusal->rank,
		.program = program_of(step, auth),
		.ranks = refusal->ranks,
		.n_ranks = refusal->n_ranks,
	};

	count_again(step, packet, auth, refusal);
	sl_pipeline_stop(burst, &stop);
	step->stopped |= (uint64_t)1 << packet;
	if (burst->snapshot->layers[twin->id] == NULL)
		return;
	sl_flow_dress(&burst->metas[packet], NULL, 0, 0);
	sl_flow_show_twin(burst, burst->snapshot->layers[twin->id], (uint64_t)1 << packet);
}

bool
sl_refusal_repeat(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth)
{
	const struct sl_refusal *refusal = place(step, packet);
	struct sl_refusal_packet asked;

	if (refusal->until_ns <= step->burst->now_ns ||
		refusal->epoch != step->burst->pipeline->flows->epoch ||
		!is_memorable(step, packet, auth))
		return false;
	describe(step, packet, auth, &asked);
	if (memcmp(&asked, &refusal->packet, sizeof(asked)) != 0)
		return false;
	stop_again(step, packet, auth, refusal);
	return true;
}

void
sl_refusal_remember(struct sl_flow_step *step, uint32_t packet, enum sl_auth auth)
{
	const struct sl_outcome *outcome = &step->burst->outcomes[packet];
	struct sl_refusal *refusal = place(step, packet);
	const uint32_t n_ranks = step->answer.n_ranks[packet];

	if (outcome->reason != SL_REASON_FILTER || n_ranks > SL_AUTH_RANKS_MAX ||
		!is_memorable(step, packet, auth))
		return;
	describe(step, packet, auth, &refusal->packet);
	refusal->until_ns = step->burst->now_ns + REMEMBERED_NS;
	refusal->epoch = step->burst->pipeline->flows->epoch;
	refusal->rank = outcome->rank;
	refusal->reason = outcome->reason;
	refusal->n_ranks = (uint8_t)n_ranks;
	memcpy(refusal->ranks, step->answer.ranks[packet], n_ranks * sizeof(refusal->ranks[0]));
}
