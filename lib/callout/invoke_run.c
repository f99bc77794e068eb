/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/registry.h"

#include "telemetry/sl_counters.h"

#include <string.h>

#define IP_PROTOCOL_ICMP  1
#define IP_PROTOCOL_ICMP6 58

/* --- What the callout sees. --- */

static void
get_number(
	const struct sl_meta *meta, const struct value_source *source, struct sluice_value *value)
{
	const bool is_present = (meta->present >> source->slot & 1) != 0;
	uint64_t number;

	/* A number's bytes are the low ones of the eight at its place (registry.c has the mask). */
	memcpy(&number, (const uint8_t *)meta + source->offset, sizeof(number));
	value->type = is_present ? source->type : SLUICE_TYPE_EMPTY;
	value->number = is_present ? number & source->mask : 0;
}

static void
get_bytes(const struct sl_meta *meta, const struct value_source *source, struct sluice_value *value)
{
	const uint8_t *at = (const uint8_t *)meta + source->offset;
	const struct sl_blob *blob;

	if ((meta->present >> source->slot & 1) == 0)
		return;
	value->type = source->type;
	value->bytes = at;
	value->size = source->size;
	if (source->size == 0) {
		memcpy(&blob, at, sizeof(blob));
		value->bytes = blob->bytes;
		value->size = blob->len;
	}
}

static void
get_values(
	const struct sl_meta *meta, const struct value_layout *layout, struct sluice_value *values)
{
	memset(values, 0, layout->n_values * sizeof(values[0]));
	for (uint32_t i = 0; i < layout->n_numbers; i++)
		get_number(meta, &layout->sources[i], &values[layout->sources[i].index]);
	for (uint32_t i = layout->n_numbers; i < layout->n_sources; i++)
		get_bytes(meta, &layout->sources[i], &values[layout->sources[i].index]);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are read by their low bytes");
_Static_assert(SLUICE_TYPE_EMPTY == 0, "zeroed values are EMPTY");

static void
get_fragment(const struct sl_meta *meta, struct sluice_metadata *out)
{
	if ((meta->meta_flags & SL_META_IS_FRAGMENT) == 0)
		return;
	out->valid |= SLUICE_METADATA_FRAGMENT_DATA;
	out->fragment_identification = meta->frag_id;
	out->fragment_offset = meta->frag_offset;
	if (meta->packet_length > out->ip_header_size)
		out->fragment_length = (uint16_t)(meta->packet_length - out->ip_header_size);
}

/* Sizes of the headers that were parsed; a header that was not reached has none. */
static void
get_sizes(const struct sl_meta *meta, struct sluice_metadata *out)
{
	if (meta->ip_version == 0)
		return;
	out->valid |= SLUICE_METADATA_L2_HEADER_SIZE;
	out->l2_header_size = meta->l3_offset;
	if (meta->l4_offset <= meta->l3_offset)
		return;
	out->valid |= SLUICE_METADATA_IP_HEADER_SIZE;
	out->ip_header_size = (uint32_t)(meta->l4_offset - meta->l3_offset);
	if (meta->l4_len != 0) {
		out->valid |= SLUICE_METADATA_TRANSPORT_HEADER_SIZE;
		out->transport_header_size = meta->l4_len;
	}
}

/* Echo requests and replies; the type of an ICMP message is its local port. */
static bool
is_echo(const struct sl_meta *meta)
{
	if (!sl_meta_has(meta, SL_SLOT_PROTOCOL) || !sl_meta_has(meta, SL_SLOT_LOCAL_PORT))
		return false;
	if (meta->protocol == IP_PROTOCOL_ICMP)
		return meta->local_port == 8 || meta->local_port == 0;
	return meta->protocol == IP_PROTOCOL_ICMP6 &&
		(meta->local_port == 128 || meta->local_port == 129);
}

static bool
is_ale(enum sluice_layer layer)
{
	return (layer >= SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V4 &&
		       layer <= SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6_DISCARD) ||
		layer == SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V4 ||
		layer == SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V6;
}

/* At ALE layers the direction is the layer's own, but for packets that have their flow judged again. */
static void
get_direction(const struct sl_meta *meta, enum sluice_layer layer, struct sluice_metadata *out)
{
	if (is_ale(layer) && (meta->flow.flags & SLUICE_CONDITION_FLAG_IS_REAUTHORIZE) == 0)
		return;
	out->valid |= SLUICE_METADATA_PACKET_DIRECTION;
	out->packet_direction = meta->direction;
}

static void
get_link(const struct sl_meta *meta, struct sluice_metadata *out)
{
	if (sl_meta_has(meta, SL_SLOT_ARRIVAL_INDEX)) {
		out->valid |= SLUICE_METADATA_SOURCE_INTERFACE_INDEX;
		out->source_interface_index = meta->ports.arrival_index;
	}
	if (sl_meta_has(meta, SL_SLOT_NEXTHOP_INDEX)) {
		out->valid |= SLUICE_METADATA_DESTINATION_INTERFACE_INDEX;
		out->destination_interface_index = meta->ports.nexthop_index;
	}
	if (meta->vlan_n != 0) {
		out->valid |= SLUICE_METADATA_VLAN_STACK;
		out->vlan_n = meta->vlan_n;
		memcpy(out->vlan_tci, meta->vlan_stack, sizeof(out->vlan_tci));
	}
}

_Static_assert(SL_META_VLANS_MAX == 4, "the ABI shows as many tags as the parser keeps");

static void
get_metadata(const struct sl_meta *meta, const struct sl_callout_env *env, enum sluice_layer layer,
	struct sluice_metadata *out)
{
	*out = (struct sluice_metadata){
		.time_ns = env->now_ns,
		.policy_revision = env->revision,
	};
	if (meta->flow.id != 0) {
		out->valid |= SLUICE_METADATA_FLOW_HANDLE;
		out->flow_handle = meta->flow.id;
	}
	get_direction(meta, layer, out);
	get_link(meta, out);
	get_sizes(meta, out);
	get_fragment(meta, out);
	if (is_echo(meta)) {
		out->valid |= SLUICE_METADATA_ICMP_ID_AND_SEQUENCE;
		out->icmp_id = meta->icmp_id;
		out->icmp_sequence = meta->icmp_sequence;
	}
	if (env->is_discard) {
		out->valid |= SLUICE_METADATA_DISCARD_REASON;
		out->discard_reason = env->discard_reason;
		out->discard_filter_id = env->discard_filter_id;
	}
}

static void
get_filter(const struct sl_layer_program *layer, uint32_t rank, struct sluice_filter *out)
{
	const struct sl_filter_run *run = &layer->filters[rank];

	sl_callout_filter_init(out, run->object, run->provider_context);
	out->key = NULL;
	out->context = run->binding.context;
	out->sublayer_weight = layer->sublayers[layer->hot[rank].sublayer].weight;
}

/* --- What it answered. --- */

/* As arbitration takes it (WFP section 4.4). */
static enum sluice_action
normalise(uint8_t action, const struct sluice_classify_out *out, bool had_right)
{
	if (action == SL_HOT_CALLOUT_INSPECTION)
		return SLUICE_ACTION_CONTINUE;
	if (out->action == SLUICE_ACTION_PERMIT || out->action == SLUICE_ACTION_BLOCK)
		return (enum sluice_action)out->action;
	if (action == SL_HOT_CALLOUT_UNKNOWN)
		return SLUICE_ACTION_CONTINUE;
	if (out->action == SLUICE_ACTION_UNTOUCHED && !had_right)
		return SLUICE_ACTION_CONTINUE;
	return SLUICE_ACTION_BLOCK;
}

static void
count_answer(struct worker_counters *counters, enum sluice_action answer)
{
	sl_counter_add(&counters->calls, 1);
	if (answer == SLUICE_ACTION_PERMIT)
		sl_counter_add(&counters->permits, 1);
	else if (answer == SLUICE_ACTION_BLOCK)
		sl_counter_add(&counters->blocks, 1);
	else
		sl_counter_add(&counters->continues, 1);
}

/* --- The call. --- */

static void
call(const struct sluice_callout *callout, const struct sl_plugin *plugin,
	struct sl_callout_env *env, const struct sl_layer_program *layer, uint32_t rank,
	const struct sl_meta *meta, uint64_t flow_context, struct sluice_classify_out *out)
{
	const struct value_layout *layout = &plugin->layouts[layer->layer->id];
	struct sluice_packet packet = {.env = env,
		.counters = &plugin->workers[env->worker],
		.plugin = plugin,
		.meta = meta,
		.may_pend = sl_callout_may_pend(env, meta)};
	struct sluice_value values[SLUICE_FIELDS_MAX];
	struct sluice_metadata metadata;
	struct sluice_filter filter;
	const struct sluice_classify_in in = {
		.size = sizeof(in),
		.layer = layer->layer->id,
		.n_values = layout->n_values,
		.worker = env->worker,
		.values = values,
		.meta = &metadata,
		.packet = env->frame != NULL ? &packet : NULL,
		.filter = &filter,
		.flow_context = flow_context,
		.callout = plugin->instance,
	};

	get_values(meta, layout, values);
	get_metadata(meta, env, layer->layer->id, &metadata);
	get_filter(layer, rank, &filter);
	if (packet.may_pend)
		metadata.valid |= SLUICE_METADATA_COMPLETION_HANDLE;
	if (env->completed_by == plugin) {
		metadata.valid |= SLUICE_METADATA_COMPLETION;
		metadata.completion = env->completion;
	}
	callout->classify(&in, out);
}

enum sl_invoke_status
sl_callout_invoke(void *ctx, const struct sl_layer_program *layer, uint32_t rank,
	const struct sl_meta *meta, struct sluice_classify_out *out)
{
	const struct sl_plugin *plugin = layer->filters[rank].binding.callout;
	const enum sluice_layer id = layer->layer->id;
	const uint32_t rights = out->rights;
	const struct sluice_callout *callout;
	struct sl_callout_env *env = ctx;
	enum sluice_action answer;
	uint64_t flow_context;

	callout = plugin != NULL ? __atomic_load_n(&plugin->callout, __ATOMIC_ACQUIRE) : NULL;
	if (callout == NULL || env->worker >= plugin->n_workers || env->overdue == plugin)
		return SL_INVOKE_UNREGISTERED;
	flow_context = sl_callout_flow_context(plugin, env, meta, id);
	if (flow_context == 0 && (callout->flags & SLUICE_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0 &&
		!is_ale(id))
		return SL_INVOKE_SKIPPED;
	if (SL_UNLIKELY(env->is_deferring)) {
		env->has_deferred = true;
		return SL_INVOKE_SKIPPED;
	}
	call(callout, plugin, env, layer, rank, meta, flow_context, out);
	/* A right can be given up, not taken. */
	out->rights &= rights;
	out->flags &= SLUICE_CLASSIFY_OUT_FLAG_ABSORB;
	answer = normalise(layer->hot[rank].action, out, (rights & SLUICE_RIGHT_ACTION_WRITE) != 0);
	count_answer(&plugin->workers[env->worker], answer);
	if (SL_UNLIKELY(env->pended != 0) &&
		(answer != SLUICE_ACTION_BLOCK || (rights & SLUICE_RIGHT_ACTION_WRITE) == 0 ||
			(out->flags & SLUICE_CLASSIFY_OUT_FLAG_ABSORB) == 0))
		sl_callout_void_pend(env, plugin);
	return SL_INVOKE_CALLED;
}
