/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: what callouts keep for flows (WFP section 6.4). */
#include "callout/registry.h"

#include "policy/sl_layer.h"
#include "telemetry/sl_counters.h"

#include <errno.h>

/* Layers that see the packets of a flow, by IP version; 0: not one. */
static uint8_t
data_layer_version(uint32_t layer)
{
	switch (layer) {
	case SLUICE_LAYER_INBOUND_TRANSPORT_V4:
	case SLUICE_LAYER_OUTBOUND_TRANSPORT_V4:
	case SLUICE_LAYER_DATAGRAM_DATA_V4:
	case SLUICE_LAYER_STREAM_PACKET_V4:
		return 4;
	case SLUICE_LAYER_INBOUND_TRANSPORT_V6:
	case SLUICE_LAYER_OUTBOUND_TRANSPORT_V6:
	case SLUICE_LAYER_DATAGRAM_DATA_V6:
	case SLUICE_LAYER_STREAM_PACKET_V6:
		return 6;
	default:
		return 0;
	}
}

/*
 * Calls what the plugin wants called for a context that is gone.  The count is lowered behind the call: whoever
 * sees 0 knows that nobody is inside.
 */
static void
tell_gone(const struct sl_callout_env *env, const struct sl_flow_context *context)
{
	const struct sl_plugin *plugin = context->callout;
	const struct sluice_callout *callout = __atomic_load_n(&plugin->callout, __ATOMIC_ACQUIRE);
	struct worker_counters *counters = &plugin->workers[env->worker];

	if (callout != NULL)
		callout->flow_delete(plugin->instance, env->worker, context->layer, context->value);
	__atomic_store_n(&counters->contexts, counters->contexts - 1, __ATOMIC_RELEASE);
}

/* --- Services. --- */

int
sl_callout_host_flow_associate(struct sluice_packet *packet, uint32_t layer, uint64_t context)
{
	struct sl_flow_context wanted;
	struct sl_flow *flow;
	int rc;

	if (packet == NULL || packet->meta->flow.entry == NULL || packet->env->flows == NULL)
		return -ENOENT;
	flow = packet->meta->flow.entry;
	if (context == 0 || packet->plugin->descriptor->flow_delete == NULL ||
		data_layer_version(layer) != flow->key.ip_version)
		return -EINVAL;
	wanted = (struct sl_flow_context){.callout = (void *)(uintptr_t)packet->plugin,
		.value = context,
		.layer = (uint8_t)layer};
	rc = sl_flow_context_add(packet->env->flows, flow, &wanted);
	if (rc == 0)
		sl_counter_add(&packet->counters->contexts, 1);
	else if (rc == -ENOSPC)
		packet->env->n_contexts_refused++;
	return rc == -ENOSPC ? -ENOBUFS : rc;
}

int
sl_callout_host_flow_remove(struct sluice_packet *packet, uint32_t layer)
{
	struct sl_flow_context context;

	if (packet == NULL || packet->meta->flow.entry == NULL || packet->env->flows == NULL ||
		data_layer_version(layer) == 0 ||
		!sl_flow_context_take(packet->env->flows, packet->meta->flow.entry, packet->plugin,
			(uint8_t)layer, &context))
		return -ENOENT;
	tell_gone(packet->env, &context);
	return 0;
}

int
sl_callout_host_flow_abort(struct sluice_packet *packet)
{
	struct sl_callout_env *env;

	if (packet == NULL || packet->meta->flow.entry == NULL)
		return -ENOENT;
	env = packet->env;
	if (env->n_aborts == SL_CALLOUT_ABORTS_MAX)
		return -ENOBUFS;
	env->aborts[env->n_aborts++] = packet->meta->flow.id;
	return 0;
}

/* --- For the rooms below. --- */

uint64_t
sl_callout_flow_context(const struct sl_plugin *plugin, const struct sl_callout_env *env,
	const struct sl_meta *meta, enum sluice_layer layer)
{
	const struct sl_flow *flow = meta->flow.entry;

	if (flow == NULL || env->flows == NULL)
		return 0;
	return sl_flow_context_get(env->flows, flow, plugin, (uint8_t)layer);
}

void
sl_callout_flow_end(struct sl_callout_env *env, struct sl_flow *flow)
{
	struct sl_flow_context context;

	while (sl_flow_context_take_any(env->flows, flow, &context))
		tell_gone(env, &context);
}

void
sl_callout_flows_forget(
	struct sl_callout_env *env, const struct sl_plugin *plugin, uint32_t *at, uint32_t work)
{
	struct sl_flow_context context;

	while (sl_flow_context_drain(env->flows, plugin, at, &work, &context))
		tell_gone(env, &context);
}
