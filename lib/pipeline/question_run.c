/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: questions to groups, which anybody may answer (WFP section 7.1). */
#include "pipeline/flow.h"

/*
 * One that a later policy has not judged gives no rights: who answers is not who was asked, so the answer cannot be
 * judged in its place.
 */
struct sl_flow *
sl_flow_find_question(const struct sl_flows *flows, const struct sl_snapshot *snapshot,
	const struct sl_flow_key *key, uint64_t now_ns)
{
	struct sl_flow_key question = *key;
	struct sl_flow *flow;
	uint64_t hash;

	if (now_ns > flows->wildcards_until_ns || key->protocol == 6 ||
		flows->config.multicast != SL_FLOW_MULTICAST_ALLOW)
		return NULL;
	sl_flow_key_wildcard(&question);
	sl_flow_hash(flows->table, &question, 1, &hash);
	sl_flow_find(flows->table, &question, &hash, 1, &flow);
	if (flow == NULL || (flow->flags & SL_FLOW_REVOKED) != 0 ||
		flow->generation != snapshot->generations[sl_auth_layers[sl_auth_of(flow)]] ||
		sl_flow_is_over(flows->table, flow, now_ns))
		return NULL;
	return flow;
}

void
sl_flow_note_question(struct sl_flows *flows, const struct sl_flow *flow, uint64_t now_ns)
{
	flows->wildcards_until_ns =
		now_ns + (uint64_t)flows->config.timeout_ms[SL_FLOW_MULTICAST] * 1000000;
	if (flows->asked != NULL)
		flows->asked(flows->asked_ctx, &flow->key);
}

bool
sl_pipeline_knows(const struct sl_pipeline *pipeline, const struct sl_snapshot *snapshot,
	const struct sl_flow_key *key, uint64_t now_ns)
{
	const struct sl_flows *flows = pipeline->flows;
	struct sl_flow *flow;
	uint64_t hash;

	if (flows == NULL || snapshot == NULL)
		return false;
	sl_flow_hash(flows->table, key, 1, &hash);
	sl_flow_find(flows->table, key, &hash, 1, &flow);
	if (flow != NULL && !sl_flow_is_over(flows->table, flow, now_ns))
		return true;
	return sl_flow_find_question(flows, snapshot, key, now_ns) != NULL;
}
