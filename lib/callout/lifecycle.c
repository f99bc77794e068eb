/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/registry.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Loading. --- */

static int
no_memory(const char *path, struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_NO_MEMORY, path, "not enough memory to load the plugin");
}

/* Takes over what the operator sees. Texts are copied: they outlive the object. */
static int
describe(struct sl_plugin *plugin, const struct sluice_callout *callout, const char *path)
{
	size_t bytes = plugin->n_workers * sizeof(struct worker_counters);
	char *copy = path != NULL ? strdup(path) : NULL;

	if (path != NULL && copy == NULL)
		return -ENOMEM;
	free(plugin->path);
	plugin->path = copy;
	if (plugin->workers == NULL)
		plugin->workers = aligned_alloc(SL_CACHE_LINE, bytes);
	if (plugin->workers == NULL)
		return -ENOMEM;
	memset(plugin->workers, 0, bytes);
	__atomic_store_n(&plugin->n_completions, 0, __ATOMIC_RELAXED);
	snprintf(plugin->version, sizeof(plugin->version), "%s",
		callout->version != NULL ? callout->version : "");
	snprintf(plugin->description, sizeof(plugin->description), "%s",
		callout->description != NULL ? callout->description : "");
	plugin->flags = callout->flags;
	plugin->abi_version = callout->abi_version;
	plugin->n_counters = 0;
	for (; callout->counters != NULL && callout->counters[plugin->n_counters] != NULL;
		plugin->n_counters++)
		snprintf(plugin->counter_names[plugin->n_counters],
			sizeof(plugin->counter_names[0]), "%s",
			callout->counters[plugin->n_counters]);
	return 0;
}

/* Calls the plugin's own load function. */
static int
start(struct sl_plugin *plugin, const struct plugin_source *source, struct sl_error *err)
{
	int status;

	sl_callout_host_init(&plugin->host, plugin->n_workers);
	plugin->words[0] = '\0';
	plugin->instance = NULL;
	if (source->callout->load == NULL)
		return 0;
	status = source->callout->load(&plugin->host, &plugin->instance);
	if (status == 0)
		return 0;
	return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, source->path,
		"the plugin %s refused to be loaded (status %d)%s%s", plugin->name, status,
		plugin->words[0] != '\0' ? ": " : "", plugin->words);
}

static int
check_not_loaded(const struct sl_plugin *plugin, const char *path, struct sl_error *err)
{
	if (plugin == NULL || plugin->descriptor == NULL)
		return 0;
	if (plugin->is_closing)
		return sl_error_set(err, SL_ERR_BUSY, path,
			"the plugin %s is being unloaded; try again", plugin->name);
	return sl_error_set(err, SL_ERR_ALREADY_EXISTS, path,
		"a plugin of the name %s is loaded already, version %s, from %s", plugin->name,
		plugin->version, plugin->path != NULL ? plugin->path : "the program itself");
}

static void
note_fault(struct sl_plugin *plugin, const struct sl_error *err)
{
	plugin->state = SL_PLUGIN_REFUSED;
	snprintf(plugin->fault, sizeof(plugin->fault), "%s", err->text);
}

int
sl_callout_attach(struct sl_callout_registry *registry, const struct plugin_source *source,
	struct sl_plugin **out, struct sl_error *err)
{
	const char *name = source->callout->name;
	struct sl_plugin *plugin;
	struct sl_error fault;
	int rc;

	rc = check_not_loaded(sl_callout_find(registry, name), source->path, err);
	if (rc != 0)
		return rc;
	plugin = sl_callout_renew(registry, name);
	if (plugin == NULL && registry->n_plugins == SL_CALLOUT_PLUGINS_MAX)
		return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, source->path,
			"there are %u plugins already, which is the limit", SL_CALLOUT_PLUGINS_MAX);
	if (plugin == NULL || describe(plugin, source->callout, source->path) != 0)
		return no_memory(source->path, err);
	rc = start(plugin, source, &fault);
	if (rc != 0) {
		note_fault(plugin, &fault);
		if (err != NULL)
			*err = fault;
		return rc;
	}
	plugin->handle = source->handle;
	plugin->descriptor = source->callout;
	plugin->state = SL_PLUGIN_LOADED;
	plugin->fault[0] = '\0';
	__atomic_store_n(&plugin->callout, source->callout, __ATOMIC_RELEASE);
	if (out != NULL)
		*out = plugin;
	return 0;
}

int
sl_callout_register(struct sl_callout_registry *registry, const struct sluice_callout *callout,
	struct sl_error *err)
{
	struct plugin_source source = {.callout = callout};
	int rc = sl_callout_abi_check(callout, sizeof(*callout), NULL, err);

	return rc != 0 ? rc : sl_callout_attach(registry, &source, NULL, err);
}

void
sl_callout_note_refusal(struct sl_callout_registry *registry, const char *name, const char *path,
	const struct sl_error *err)
{
	struct sl_plugin *plugin = sl_callout_plugin(registry, name);
	char *copy;

	if (plugin == NULL || plugin->descriptor != NULL)
		return;
	copy = strdup(path);
	if (copy != NULL) {
		free(plugin->path);
		plugin->path = copy;
	}
	note_fault(plugin, err);
}

/* --- Unloading. --- */

int
sl_callout_unpublish(struct sl_callout_registry *registry, const char *name, struct sl_plugin **out,
	struct sl_error *err)
{
	struct sl_plugin *plugin = sl_callout_find(registry, name);
	uint64_t n_contexts;

	if (plugin == NULL || plugin->descriptor == NULL || plugin->is_closing)
		return sl_error_set(err, SL_ERR_PLUGIN_NOT_FOUND, name, "no such plugin is loaded");
	n_contexts = sl_callout_contexts(plugin);
	if (n_contexts > 0)
		return sl_error_set(err, SL_ERR_BUSY, name,
			"flows have %llu contexts of the plugin, which must be gone first: remove "
			"the "
			"filters that name it and try again, or end its flows",
			(unsigned long long)n_contexts);
	__atomic_store_n(&plugin->callout, NULL, __ATOMIC_RELEASE);
	plugin->state = SL_PLUGIN_UNLOADED;
	plugin->is_closing = true;
	*out = plugin;
	return 0;
}

static void
tell_deleted(struct sl_plugin *plugin, const struct binding *binding)
{
	struct sluice_filter filter;

	if (plugin->descriptor->notify == NULL)
		return;
	sl_callout_filter_init(&filter, binding->filter, NULL);
	filter.context = binding->context;
	plugin->descriptor->notify(plugin->instance, SLUICE_NOTIFY_DELETE_FILTER, &filter);
}

static void
forget(void *ctx, struct binding *binding)
{
	if (binding->is_told)
		tell_deleted(ctx, binding);
	binding->is_told = false;
}

void
sl_callout_unload_finish(struct sl_callout_registry *registry, struct sl_plugin *plugin)
{
	(void)registry;
	__atomic_store_n(&plugin->callout, NULL, __ATOMIC_RELEASE);
	sl_callout_bindings_each(&plugin->bindings, forget, plugin);
	if (plugin->descriptor->unload != NULL)
		plugin->descriptor->unload(plugin->instance);
	if (plugin->handle != NULL)
		dlclose(plugin->handle);
	plugin->handle = NULL;
	plugin->descriptor = NULL;
	plugin->instance = NULL;
	plugin->is_closing = false;
	plugin->state = SL_PLUGIN_UNLOADED;
}

/* --- Filters. --- */

void
sl_callout_filter_init(struct sluice_filter *out, const struct sl_filter *filter,
	const struct sl_provider_context *provider_context)
{
	*out = (struct sluice_filter){
		.key = filter->object.key,
		.id = filter->object.id,
		.weight = filter->effective_weight,
		.raw_context = provider_context == NULL ? filter->raw_context : 0,
		.provider_context = provider_context != NULL ? provider_context->data : NULL,
		.provider_context_len = provider_context != NULL ? provider_context->data_len : 0,
		.layer = filter->layer->id,
		.action = filter->action,
		.flags = filter->flags &
			(SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT |
				SLUICE_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED),
	};
}

static int
tell_added(struct sl_plugin *plugin, const struct sl_filter *filter,
	const struct sl_provider_context *provider_context, uint64_t *context, struct sl_error *err)
{
	struct sluice_filter told;
	int status;

	if (plugin->descriptor->notify == NULL)
		return 0;
	sl_callout_filter_init(&told, filter, provider_context);
	plugin->words[0] = '\0';
	status = plugin->descriptor->notify(plugin->instance, SLUICE_NOTIFY_ADD_FILTER, &told);
	*context = told.context;
	if (status == 0)
		return 0;
	return sl_error_set(err, SL_ERR_CALLOUT_NOTIFICATION_FAILED, NULL,
		"the plugin %s refused the filter %s: %s", plugin->name, filter->object.key,
		plugin->words[0] != '\0' ? plugin->words : "it gave no reason");
}

int
sl_callout_notify_add(struct sl_plugin *plugin, const struct sl_filter *filter,
	const struct sl_provider_context *provider_context, uint64_t *context, struct sl_error *err)
{
	bool is_loaded = sl_callout_is_loaded(plugin);
	uint64_t stored = 0;
	int rc = 0;

	if (is_loaded)
		rc = tell_added(plugin, filter, provider_context, &stored, err);
	if (rc != 0)
		return rc;
	if (sl_callout_bindings_add(&plugin->bindings, filter, stored, is_loaded) != 0) {
		const struct binding binding = {.filter = filter, .context = stored};

		if (is_loaded)
			tell_deleted(plugin, &binding);
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL,
			"not enough memory to bind the filter %s to the plugin %s",
			filter->object.key, plugin->name);
	}
	*context = stored;
	return 0;
}

void
sl_callout_notify_delete(struct sl_plugin *plugin, const struct sl_filter *filter, uint64_t context)
{
	const struct binding binding = {.filter = filter, .context = context};
	bool was_told;

	if (sl_callout_bindings_remove(&plugin->bindings, filter, context, &was_told) && was_told)
		tell_deleted(plugin, &binding);
}

bool
sl_callout_is_loaded(const struct sl_plugin *plugin)
{
	return plugin->descriptor != NULL && !plugin->is_closing;
}
