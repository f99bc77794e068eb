/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/registry.h"

#include "base/sl_mpsc.h"
#include "classifier/sl_meta.h"
#include "telemetry/sl_counters.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETIONS_MAX 4096u /* of a worker, on their way */

/* --- Creation. --- */

static void
add_source(struct value_layout *layout, const struct sl_layer *layer, uint8_t index)
{
	const struct sl_layer_field *field = &layer->fields[index];
	const enum sl_slot slot =
		field->available ? sl_meta_slot(layer, field->field) : SL_SLOT_NONE;
	const struct sl_slot_info *info;

	if (slot >= SL_SLOT_COUNT)
		return;
	info = &sl_slot_info[slot];
	/* Numbers are read as 8 bytes, of which those beyond the number are masked off. */
	assert(info->offset + sizeof(uint64_t) <= sizeof(struct sl_meta));
	layout->sources[layout->n_sources++] = (struct value_source){
		.mask = UINT64_MAX >> (64 - 8 * SL_MIN(info->size, sizeof(uint64_t))),
		.offset = info->offset,
		.index = index,
		.type = (uint8_t)field->type,
		.slot = (uint8_t)slot,
		.size = info->kind == SL_SLOT_KIND_BYTES ? info->size : 0,
	};
}

static bool
is_number(const struct sl_layer *layer, uint8_t index)
{
	const enum sl_slot slot = sl_meta_slot(layer, layer->fields[index].field);

	return slot < SL_SLOT_COUNT && sl_slot_info[slot].kind == SL_SLOT_KIND_NUMBER;
}

static void
lay_out_values(const struct sl_layer *layer, struct value_layout *layout)
{
	assert(layer->n_fields <= SLUICE_FIELDS_MAX);
	layout->n_values = layer->n_fields;
	for (uint8_t i = 0; i < layer->n_fields; i++) {
		if (is_number(layer, i))
			add_source(layout, layer, i);
	}
	layout->n_numbers = layout->n_sources;
	for (uint8_t i = 0; i < layer->n_fields; i++) {
		if (!is_number(layer, i))
			add_source(layout, layer, i);
	}
}

static int
make_completions(struct sl_callout_registry *registry)
{
	int rc = 0;

	for (uint32_t i = 0; i < registry->n_workers && rc == 0; i++)
		rc = sl_mpsc_new(
			COMPLETIONS_MAX, sizeof(struct sl_completion), &registry->completions[i]);
	return rc;
}

struct sl_mpsc *
sl_callout_completions(const struct sl_callout_registry *registry, uint32_t worker)
{
	return worker < registry->n_workers ? registry->completions[worker] : NULL;
}

int
sl_callout_registry_new(uint32_t n_workers_max, struct sl_callout_registry **out)
{
	struct sl_callout_registry *registry = calloc(1, sizeof(*registry));
	const struct sl_layer *const *layers;
	uint32_t n;

	assert(n_workers_max >= 1 && n_workers_max <= SL_CALLOUT_WORKERS_MAX);
	if (registry == NULL)
		return -ENOMEM;
	registry->n_workers = n_workers_max;
	if (make_completions(registry) != 0) {
		sl_callout_registry_free(registry);
		return -ENOMEM;
	}
	layers = sl_layer_list(&n);
	for (uint32_t i = 0; i < n; i++)
		lay_out_values(layers[i], &registry->layouts[layers[i]->id]);
	*out = registry;
	return 0;
}

static void
plugin_free(struct sl_plugin *plugin)
{
	sl_callout_bindings_fini(&plugin->bindings);
	free(plugin->workers);
	free(plugin->path);
	free(plugin);
}

void
sl_callout_registry_free(struct sl_callout_registry *registry)
{
	if (registry == NULL)
		return;
	for (uint32_t i = 0; i < registry->n_plugins; i++) {
		struct sl_plugin *plugin = registry->plugins[i];

		if (plugin->descriptor != NULL)
			sl_callout_unload_finish(registry, plugin);
		while (plugin != NULL) {
			struct sl_plugin *older = plugin->older;

			plugin_free(plugin);
			plugin = older;
		}
	}
	for (uint32_t i = 0; i < registry->n_workers; i++)
		sl_mpsc_free(registry->completions[i]);
	free(registry);
}

/* --- Names and incarnations. --- */

static struct sl_plugin **
slot_of(struct sl_callout_registry *registry, const char *name)
{
	for (uint32_t i = 0; i < registry->n_plugins; i++) {
		if (strcmp(registry->plugins[i]->name, name) == 0)
			return &registry->plugins[i];
	}
	return NULL;
}

struct sl_plugin *
sl_callout_find(const struct sl_callout_registry *registry, const char *name)
{
	for (uint32_t i = 0; i < registry->n_plugins; i++) {
		if (strcmp(registry->plugins[i]->name, name) == 0)
			return registry->plugins[i];
	}
	return NULL;
}

static struct sl_plugin *
plugin_new(const struct sl_callout_registry *registry, const char *name)
{
	/* The counters in it are aligned to cache lines, and so is what holds them. */
	struct sl_plugin *plugin = calloc(1, sizeof(*plugin));

	if (plugin == NULL)
		return NULL;
	plugin->layouts = registry->layouts;
	plugin->n_workers = registry->n_workers;
	plugin->completions = registry->completions;
	snprintf(plugin->name, sizeof(plugin->name), "%s", name);
	return plugin;
}

struct sl_plugin *
sl_callout_plugin(struct sl_callout_registry *registry, const char *name)
{
	struct sl_plugin *plugin = sl_callout_find(registry, name);

	if (plugin != NULL)
		return plugin;
	if (registry->n_plugins == SL_CALLOUT_PLUGINS_MAX || strlen(name) > NAME_MAX_LEN)
		return NULL;
	plugin = plugin_new(registry, name);
	if (plugin != NULL)
		registry->plugins[registry->n_plugins++] = plugin;
	return plugin;
}

/* Taking an old record when one is free bounds them: those with bindings, and one. */
struct sl_plugin *
sl_callout_renew(struct sl_callout_registry *registry, const char *name)
{
	struct sl_plugin *plugin = sl_callout_plugin(registry, name);
	struct sl_plugin **newest, **at;

	if (plugin == NULL || plugin->bindings.n == 0)
		return plugin;
	newest = slot_of(registry, name);
	for (at = &(*newest)->older; *at != NULL; at = &(*at)->older) {
		if ((*at)->bindings.n == 0)
			break;
	}
	plugin = *at;
	if (plugin != NULL)
		*at = plugin->older;
	else
		plugin = plugin_new(registry, name);
	if (plugin != NULL) {
		plugin->older = *newest;
		*newest = plugin;
	}
	return plugin;
}

/* --- Reports. --- */

static void
sum_counters(const struct sl_plugin *plugin, struct sl_plugin_info *info)
{
	info->completions = __atomic_load_n(&plugin->n_completions, __ATOMIC_RELAXED);
	for (uint32_t w = 0; plugin->workers != NULL && w < plugin->n_workers; w++) {
		const struct worker_counters *counters = &plugin->workers[w];

		info->calls += sl_counter_read(&counters->calls);
		info->permits += sl_counter_read(&counters->permits);
		info->blocks += sl_counter_read(&counters->blocks);
		info->continues += sl_counter_read(&counters->continues);
		info->contexts += sl_counter_read(&counters->contexts);
		info->pends += sl_counter_read(&counters->pends);
		for (uint32_t i = 0; i < plugin->n_counters; i++)
			info->counters[i] += sl_counter_read(&counters->own[i]);
	}
}

/* What ends is read first: what began meanwhile is then counted, never what has ended twice. */
static uint64_t
contexts_of(const struct worker_counters *counters)
{
	const uint64_t ended = __atomic_load_n(&counters->pends_ended, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&counters->contexts, __ATOMIC_ACQUIRE) +
		sl_counter_read(&counters->pends) - ended;
}

uint64_t
sl_callout_contexts(const struct sl_plugin *plugin)
{
	uint64_t n = 0;

	for (uint32_t w = 0; plugin->workers != NULL && w < plugin->n_workers; w++)
		n += contexts_of(&plugin->workers[w]);
	return n;
}

bool
sl_callout_info(struct sl_callout_registry *registry, uint32_t i, struct sl_plugin_info *info)
{
	const struct sl_plugin *plugin;

	if (i >= registry->n_plugins)
		return false;
	plugin = registry->plugins[i];
	*info = (struct sl_plugin_info){
		.name = plugin->name,
		.path = plugin->path != NULL ? plugin->path : "",
		.version = plugin->version,
		.description = plugin->description,
		.fault = plugin->fault,
		.state = plugin->state,
		.abi_version = plugin->abi_version,
		.flags = plugin->flags,
		.n_counters = plugin->n_counters,
	};
	for (uint32_t c = 0; c < plugin->n_counters; c++)
		info->counter_names[c] = plugin->counter_names[c];
	sum_counters(plugin, info);
	info->completions = sl_counter_read(&plugin->n_completions);
	return true;
}
