/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time, but for complete, which is any time: decisions that callouts put off (WFP section 6.6). */
#include "callout/registry.h"

#include "base/sl_mpsc.h"
#include "telemetry/sl_counters.h"

#include <errno.h>

bool
sl_callout_may_pend(const struct sl_callout_env *env, const struct sl_meta *meta)
{
	return env->n_pends_max > 0 && env->completed_by == NULL && !env->is_discard &&
		meta->flow.entry != NULL &&
		(meta->flow.flags & SLUICE_CONDITION_FLAG_IS_REAUTHORIZE) == 0;
}

int
sl_callout_host_pend(struct sluice_packet *packet, uint64_t *token)
{
	struct sl_callout_env *env = packet != NULL ? packet->env : NULL;
	uint64_t bit;

	if (env == NULL || !packet->may_pend)
		return -EPERM;
	bit = (uint64_t)1 << env->packet;
	if ((env->pended & bit) != 0)
		return -EEXIST;
	if ((uint32_t)__builtin_popcountll(env->pended) >= env->n_pends_max) {
		env->n_pends_refused++;
		return -ENOBUFS;
	}
	env->pended |= bit;
	env->pended_by[env->packet] = packet->plugin;
	sl_counter_add(&packet->counters->pends, 1);
	*token = packet->meta->flow.id;
	return 0;
}

int
sl_callout_host_complete(const struct sluice_host *host, uint64_t token, uint64_t answer)
{
	struct sl_plugin *plugin = SL_CONTAINER_OF(host, struct sl_plugin, host);
	const struct sl_completion completion = {
		.token = token, .answer = answer, .plugin = plugin};
	const uint32_t worker = sl_flow_id_worker(token);

	if (token == 0 || worker >= plugin->n_workers)
		return -ENOENT;
	if (!sl_mpsc_put(plugin->completions[worker], &completion))
		return -ENOBUFS;
	__atomic_add_fetch(&plugin->n_completions, 1, __ATOMIC_RELAXED);
	return 0;
}

void
sl_callout_pend_ended(struct sl_callout_env *env, const struct sl_plugin *plugin)
{
	struct worker_counters *counters = &plugin->workers[env->worker];

	/* Whoever sees that nothing is left knows that nobody will ask for the plugin. */
	__atomic_store_n(&counters->pends_ended, counters->pends_ended + 1, __ATOMIC_RELEASE);
}

void
sl_callout_void_pend(struct sl_callout_env *env, const struct sl_plugin *plugin)
{
	const uint64_t bit = (uint64_t)1 << env->packet;

	if ((env->pended & bit) == 0 || env->pended_by[env->packet] != plugin)
		return;
	env->pended &= ~bit;
	env->n_pends_refused++;
	sl_callout_pend_ended(env, plugin);
}
