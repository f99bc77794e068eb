/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Loads the example callout as a program does and lets it judge packets.
 *
 * Usage: try_example FILE
 */

#include "callout/sl_callout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void
fail(const char *what, const char *why)
{
	fprintf(stderr, "try_example: %s: %s\n", what, why);
	exit(1);
}

static struct sl_filter *
new_filter(enum sluice_action action)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);
	struct sl_filter *filter;

	if (object == NULL)
		fail("filter", "no memory");
	object->key = strdup("guard");
	filter = sl_filter_of(object);
	filter->layer = sl_layer_by_id(SLUICE_LAYER_INBOUND_TRANSPORT_V4);
	filter->action = action;
	return filter;
}

/* A filter that the example must refuse with these words. */
static void
expect_refusal(struct sl_plugin *plugin, enum sluice_action action, const char *words)
{
	struct sl_filter *filter = new_filter(action);
	struct sl_error err = {0};
	uint64_t context;

	if (sl_callout_notify_add(plugin, filter, NULL, &context, &err) == 0 ||
		strstr(err.text, words) == NULL)
		fail("not refused as expected", err.text);
	sl_object_put(&filter->object);
}

/* What the example says to a packet of that TTL. */
static uint32_t
judge(struct sl_plugin *plugin, const struct sl_filter *filter, uint64_t context, uint8_t ttl)
{
	const struct sl_filter_run run = {
		.object = filter, .binding = {.callout = plugin, .context = context}};
	const struct sl_filter_hot hot = {.action = SL_HOT_CALLOUT_UNKNOWN};
	const struct sl_sublayer_run sublayer = {.n_filters = 1};
	const struct sl_layer_program program = {
		.layer = filter->layer, .hot = &hot, .filters = &run, .sublayers = &sublayer};
	const uint8_t bytes[60] = {0};
	const struct sl_frame frame = {.bytes = bytes, .contiguous = 60, .length = 60};
	struct sl_callout_env env = {.frame = &frame};
	struct sluice_classify_out out = {.rights = SLUICE_RIGHT_ACTION_WRITE};
	const struct sl_meta_ports ports = {0};
	struct sl_meta meta;

	memset(&meta, 0, sizeof(meta));
	sl_meta_setup(&meta, SLUICE_DIRECTION_INBOUND, &ports);
	meta.ttl = ttl;
	meta.present |= SL_PRESENT(TTL);
	if (sl_callout_invoke(&env, &program, 0, &meta, &out) != SL_INVOKE_CALLED)
		fail("classify", "not called");
	return out.action;
}

static void
try_packets(struct sl_plugin *plugin)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_PROVIDER_CONTEXT);
	struct sl_filter *filter = new_filter(SLUICE_ACTION_CALLOUT_UNKNOWN);
	struct sl_provider_context *data;
	struct sl_error err;
	uint64_t context;

	if (object == NULL)
		fail("provider context", "no memory");
	data = sl_provider_context_of(object);
	data->data = strdup("{\"min\":5}");
	data->data_len = strlen(data->data);
	if (sl_callout_notify_add(plugin, filter, data, &context, &err) != 0)
		fail("filter", err.text);
	if (judge(plugin, filter, context, 4) != SLUICE_ACTION_BLOCK)
		fail("TTL 4", "not blocked");
	if (judge(plugin, filter, context, 5) != SLUICE_ACTION_CONTINUE)
		fail("TTL 5", "not let on");
	sl_callout_notify_delete(plugin, filter, context);
	sl_object_put(&filter->object);
	sl_object_put(object);
}

int
main(int argc, char **argv)
{
	struct sl_callout_registry *registry;
	struct sl_plugin_info info;
	struct sl_plugin *plugin;
	struct sl_error err;

	if (argc != 2)
		fail("usage", "try_example FILE");
	if (sl_callout_registry_new(1, &registry) != 0)
		fail("registry", "no memory");
	if (sl_callout_load(registry, argv[1], &plugin, &err) != 0)
		fail(err.where, err.text);
	expect_refusal(plugin, SLUICE_ACTION_CALLOUT_TERMINATING, "use the action callout_unknown");
	expect_refusal(plugin, SLUICE_ACTION_CALLOUT_UNKNOWN, "it needs a provider context");
	try_packets(plugin);
	if (!sl_callout_info(registry, 0, &info) || info.calls != 2 || info.blocks != 1 ||
		info.counters[0] != 1)
		fail("counters", "not 2 calls and 1 block");
	printf("%s: %s %s, ABI %u: %s\n", argv[1], info.name, info.version, info.abi_version,
		info.description);
	sl_callout_registry_free(registry);
	return 0;
}
