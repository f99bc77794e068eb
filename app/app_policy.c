/* SPDX-License-Identifier: BSD-3-Clause */
#include "app_policy.h"

#include "document/sl_document.h"
#include "policy/sl_policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more binding. */
static int
grow_bindings(struct app_policy *policy)
{
	size_t n_max = policy->n_bindings_max == 0 ? 16 : 2 * policy->n_bindings_max;
	struct app_policy_binding *bindings;

	if (policy->n_bindings < policy->n_bindings_max)
		return 0;
	bindings = realloc(policy->bindings, n_max * sizeof(*bindings));
	if (bindings == NULL)
		return -ENOMEM;
	policy->bindings = bindings;
	policy->n_bindings_max = n_max;
	return 0;
}

static int
bind_callout(struct app_policy *policy, const struct sl_filter *filter,
	struct sl_filter_binding *binding, struct sl_error *err)
{
	const struct sl_object *object, *context = NULL;
	const struct sl_provider_context *provider_context = NULL;
	struct sl_plugin *plugin;
	int rc;

	object = sl_policy_find(policy->policy, SL_OBJECT_CALLOUT, filter->callout);
	if (filter->provider_context != NULL)
		context = sl_policy_find(
			policy->policy, SL_OBJECT_PROVIDER_CONTEXT, filter->provider_context);
	if (context != NULL)
		provider_context = sl_provider_context_of(context);
	plugin = sl_callout_plugin(policy->registry, sl_callout_object_of(object)->plugin);
	if (plugin == NULL || grow_bindings(policy) != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory for callout \"%s\"",
			filter->callout);
	rc = sl_callout_notify_add(plugin, filter, provider_context, &binding->context, err);
	if (rc != 0)
		return rc;
	binding->callout = plugin;
	policy->bindings[policy->n_bindings++] = (struct app_policy_binding){
		.plugin = plugin,
		.filter = filter,
		.context = binding->context,
	};
	return 0;
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct app_policy *policy = ctx;

	*binding = (struct sl_filter_binding){.counter = policy->n_counters++};
	if (!sl_action_is_callout(filter->action))
		return 0;
	return bind_callout(policy, filter, binding, err);
}

static int
read_document(struct app_policy *policy, const char *path, struct sl_problems *problems)
{
	struct sl_error err;
	json_t *json;
	bool is_good;

	if (sl_json_load_file(path, 0, &json, &err) != 0) {
		sl_problems_add(problems, err.code, err.where, "%s", err.text);
		return -1;
	}
	policy->policy = sl_policy_new();
	if (policy->policy == NULL) {
		sl_problems_add(problems, SL_ERR_NO_MEMORY, path, "no memory for a policy");
		json_decref(json);
		return -1;
	}
	is_good = sl_document_read(
		policy->policy, json, SL_LIFETIME_STATIC, SL_ORIGIN_FILE, problems);
	json_decref(json);
	return is_good ? 0 : -1;
}

int
app_policy_load(struct app_policy *policy, const char *path, struct sl_callout_registry *registry,
	struct sl_problems *problems)
{
	const struct sl_compile_host host = {.bind = bind, .ctx = policy};
	struct sl_error err;

	*policy = (struct app_policy){.registry = registry};
	if (read_document(policy, path, problems) != 0)
		goto free_policy;
	if (sl_snapshot_compile(policy->policy, 1, NULL, NULL, &host, &policy->snapshot, &err) !=
		0) {
		sl_problems_add(problems, err.code, err.where, "%s", err.text);
		goto free_policy;
	}
	return 0;

free_policy:
	app_policy_free(policy);
	return -1;
}

void
app_policy_free(struct app_policy *policy)
{
	const struct app_policy_binding *binding;

	for (size_t i = 0; i < policy->n_bindings; i++) {
		binding = &policy->bindings[i];
		sl_callout_notify_delete(binding->plugin, binding->filter, binding->context);
	}
	free(policy->bindings);
	sl_snapshot_free(policy->snapshot);
	sl_policy_free(policy->policy);
	*policy = (struct app_policy){0};
}

const struct sl_callout_object *
app_policy_missing_plugin(const struct app_policy *policy, size_t i)
{
	const struct sl_callout_object *callout;
	const struct sl_plugin *plugin;
	struct sl_object *const *list;
	size_t n;

	list = sl_policy_list(policy->policy, SL_OBJECT_CALLOUT, &n);
	for (size_t at = 0; at < n; at++) {
		callout = sl_callout_object_of(list[at]);
		plugin = sl_callout_plugin(policy->registry, callout->plugin);
		if ((plugin == NULL || !sl_callout_is_loaded(plugin)) && i-- == 0)
			return callout;
	}
	return NULL;
}

const struct sl_filter *
app_policy_filter(const struct app_policy *policy, enum sluice_layer layer, uint32_t rank)
{
	const struct sl_layer_program *program = policy->snapshot->layers[layer];

	if (program == NULL || rank == SL_RANK_NONE)
		return NULL;
	return program->filters[rank].object;
}
