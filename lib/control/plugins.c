/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/plugins.h"

#include "base/sl_utf8.h"
#include "base/sl_uuid.h"
#include "control/control.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096u

/* --- The registry, one call at a time. --- */

int
sl_control_plugins_find(
	struct plugins *plugins, const char *name, struct sl_plugin **out, struct sl_error *err)
{
	struct sl_plugin *plugin;

	*out = NULL;
	if (plugins->registry == NULL)
		return 0;
	pthread_mutex_lock(&plugins->mutex);
	plugin = sl_callout_plugin(plugins->registry, name);
	if (plugin != NULL && sl_callout_is_loaded(plugin))
		*out = plugin;
	pthread_mutex_unlock(&plugins->mutex);
	if (plugin != NULL)
		return 0;
	return sl_error_set(err, SL_ERR_TOO_MANY_CALLOUTS, NULL,
		"the plugin \"%.80s\" cannot be waited for: its name has more than %d characters, "
		"or policies have named %u plugins already",
		name, SL_KEY_LEN_MAX, SL_CALLOUT_PLUGINS_MAX);
}

int
sl_control_plugins_announce(struct plugins *plugins, struct sl_plugin *plugin,
	const struct sl_filter *filter, const struct sl_provider_context *provider_context,
	uint64_t *context, struct sl_error *err)
{
	struct sl_error fault = {0};
	int rc;

	pthread_mutex_lock(&plugins->mutex);
	rc = sl_callout_notify_add(plugin, filter, provider_context, context, &fault);
	pthread_mutex_unlock(&plugins->mutex);
	if (rc == 0)
		return 0;
	snprintf(fault.where, sizeof(fault.where), "/filters/%s", filter->object.key);
	if (err != NULL)
		*err = fault;
	return rc;
}

void
sl_control_plugins_withdraw(struct plugins *plugins, struct sl_plugin *plugin,
	const struct sl_filter *filter, uint64_t context)
{
	pthread_mutex_lock(&plugins->mutex);
	sl_callout_notify_delete(plugin, filter, context);
	pthread_mutex_unlock(&plugins->mutex);
}

/* --- Loading. --- */

static int
no_registry(struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_PLUGIN_REFUSED, NULL, "this program does not take plugins");
}

/* Commits the policy that is in force once more, for the plugins that came or go. */
static int
rebind(struct sl_control *control, const struct sl_plugin *leaving, struct sl_error *err)
{
	const struct commit_options options = {.leaving = leaving, .plugins_changed = true};
	struct sl_problems problems = {0};
	struct sl_policy *policy = sl_policy_clone(control->current->policy);
	int rc;

	if (policy == NULL)
		return sl_error_set(
			err, SL_ERR_NO_MEMORY, NULL, "not enough memory to bind filters");
	rc = sl_control_commit(control, policy, &options, &problems, NULL);
	sl_control_progress_enter(&control->progress, SL_BUILD_IDLE);
	if (rc != 0 && problems.n > 0)
		sl_error_set(err, problems.list[0].code, problems.list[0].pointer, "%s",
			problems.list[0].detail);
	else if (rc != 0)
		sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "not enough memory to bind filters");
	sl_problems_fini(&problems);
	return rc;
}

/* Takes a plugin that no snapshot and no filter is bound to out of the registry. */
static int
unload(struct sl_control *control, const char *name, struct sl_error *err)
{
	struct sl_plugin *plugin;
	int rc;

	pthread_mutex_lock(&control->plugins.mutex);
	rc = sl_callout_unpublish(control->plugins.registry, name, &plugin, err);
	pthread_mutex_unlock(&control->plugins.mutex);
	if (rc != 0)
		return rc;
	/* Whoever was inside the plugin when it was unpublished has left it after this. */
	if (control->plane != NULL)
		control->plane->ops->synchronize(control->plane->ctx);
	pthread_mutex_lock(&control->plugins.mutex);
	sl_callout_unload_finish(control->plugins.registry, plugin);
	pthread_mutex_unlock(&control->plugins.mutex);
	return 0;
}

/* Binds the filters that wait for a plugin just loaded; a filter that it refuses unloads it again. */
static int
bind_loaded(struct sl_control *control, const char *name, struct sl_error *err)
{
	struct sl_error ignored;
	int rc = 0;

	/* Before the first commit there is nothing to bind. */
	if (control->current->snapshot != NULL)
		rc = rebind(control, NULL, err);
	if (rc != 0)
		(void)unload(control, name, &ignored);
	return rc;
}

/* The name of a plugin, which the registry knows by index and by name only. */
static void
find_name(struct sl_callout_registry *registry, const struct sl_plugin *plugin, char name[65])
{
	struct sl_plugin_info info;

	name[0] = '\0';
	for (uint32_t i = 0; sl_callout_info(registry, i, &info); i++) {
		if (sl_callout_plugin(registry, info.name) == plugin)
			snprintf(name, 65, "%s", info.name);
	}
}

int
sl_control_plugin_load(
	struct sl_control *control, const char *path, char name[65], struct sl_error *err)
{
	struct sl_plugin *plugin;
	int rc;

	if (control->plugins.registry == NULL)
		return no_registry(err);
	pthread_mutex_lock(&control->commit);
	pthread_mutex_lock(&control->plugins.mutex);
	rc = sl_callout_load(control->plugins.registry, path, &plugin, err);
	if (rc == 0)
		find_name(control->plugins.registry, plugin, name);
	pthread_mutex_unlock(&control->plugins.mutex);
	if (rc == 0)
		rc = bind_loaded(control, name, err);
	pthread_mutex_unlock(&control->commit);
	return rc;
}

int
sl_control_plugin_register(
	struct sl_control *control, const struct sluice_callout *callout, struct sl_error *err)
{
	int rc;

	if (control->plugins.registry == NULL)
		return no_registry(err);
	pthread_mutex_lock(&control->commit);
	pthread_mutex_lock(&control->plugins.mutex);
	rc = sl_callout_register(control->plugins.registry, callout, err);
	pthread_mutex_unlock(&control->plugins.mutex);
	if (rc == 0)
		rc = bind_loaded(control, callout->name, err);
	pthread_mutex_unlock(&control->commit);
	return rc;
}

/* The loaded plugin of that name, without making an unknown name known. */
static struct sl_plugin *
find_loaded(struct plugins *plugins, const char *name)
{
	struct sl_plugin *found = NULL;
	struct sl_plugin_info info;

	pthread_mutex_lock(&plugins->mutex);
	for (uint32_t i = 0; found == NULL && sl_callout_info(plugins->registry, i, &info); i++) {
		if (info.state == SL_PLUGIN_LOADED && strcmp(info.name, name) == 0)
			found = sl_callout_plugin(plugins->registry, name);
	}
	pthread_mutex_unlock(&plugins->mutex);
	return found;
}

/* Flows let go of a plugin that no filter is bound to; if they do not, its filters are bound again. */
static int
forget_flows(struct sl_control *control, const struct sl_plugin *plugin, struct sl_error *err)
{
	int rc = sl_control_flows_forget(control, plugin, err);
	struct sl_error ignored;

	if (rc != 0 && control->current->snapshot != NULL)
		(void)rebind(control, NULL, &ignored);
	return rc;
}

int
sl_control_plugin_unload(struct sl_control *control, const char *name, struct sl_error *err)
{
	struct sl_plugin *plugin = NULL;
	int rc = 0;

	pthread_mutex_lock(&control->commit);
	if (control->plugins.registry != NULL)
		plugin = find_loaded(&control->plugins, name);
	if (plugin == NULL)
		rc = sl_error_set(
			err, SL_ERR_PLUGIN_NOT_FOUND, NULL, "no plugin \"%.80s\" is loaded", name);
	/*
	 * First a revision that does not call it, so that want of memory refuses the unload and changes
	 * nothing, and so that no context of this incarnation is left for the next one.
	 */
	else if (control->current->snapshot != NULL)
		rc = rebind(control, plugin, err);
	if (rc == 0)
		rc = forget_flows(control, plugin, err);
	if (rc == 0)
		rc = unload(control, name, err);
	pthread_mutex_unlock(&control->commit);
	return rc;
}

/* --- Listing. --- */

/* Text that is handed out in pieces of one buffer. */
struct texts {
	char *at;
	size_t left;
};

/* A copy of `text`, cut short when the room runs out. */
static const char *
keep(struct texts *texts, const char *text)
{
	char *copy = texts->at;
	size_t len;

	if (text == NULL || texts->left == 0)
		return "";
	len = sl_utf8_clip(text, texts->left - 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	texts->at += len + 1;
	texts->left -= len + 1;
	return copy;
}

static void
keep_all(struct sl_plugin_info *info, char text[TEXT_MAX])
{
	struct texts texts = {.at = text, .left = TEXT_MAX};

	info->name = keep(&texts, info->name);
	info->version = keep(&texts, info->version);
	info->fault = keep(&texts, info->fault);
	for (uint32_t c = 0; c < info->n_counters; c++)
		info->counter_names[c] = keep(&texts, info->counter_names[c]);
	info->description = keep(&texts, info->description);
	info->path = keep(&texts, info->path);
}

bool
sl_control_plugin_info(
	struct sl_control *control, uint32_t i, struct sl_plugin_info *info, char text[4096])
{
	bool is_there = false;

	if (control->plugins.registry == NULL)
		return false;
	pthread_mutex_lock(&control->plugins.mutex);
	is_there = sl_callout_info(control->plugins.registry, i, info);
	if (is_there)
		keep_all(info, text);
	pthread_mutex_unlock(&control->plugins.mutex);
	return is_there;
}
