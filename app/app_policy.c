/* SPDX-License-Identifier: BSD-3-Clause */
#include "app_policy.h"

#include "base/sl_map.h"
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
bind_callout(struct app_policy *policy, const struct sl_filter *filter, struct sl_plugin *plugin,
	const struct sl_provider_context *provider_context, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	int rc;

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

/* The filter as the policy before had it in force, when it is the same one. */
static const struct sl_filter_run *
find_bound(const struct app_policy *policy, const struct sl_filter *filter)
{
	const struct sl_filter_run *run =
		policy->bound == NULL ? NULL : sl_map_find(policy->bound, filter->object.key);

	return run != NULL && run->object == filter ? run : NULL;
}

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct app_policy *policy = ctx;
	const struct sl_filter_run *bound = find_bound(policy, filter);
	const struct sl_provider_context *provider_context = NULL;
	struct sl_plugin *plugin = NULL;
	const struct sl_object *object;

	if (sl_action_is_callout(filter->action)) {
		object = sl_policy_find(policy->policy, SL_OBJECT_CALLOUT, filter->callout);
		plugin = sl_callout_plugin(policy->registry, sl_callout_object_of(object)->plugin);
	}
	if (filter->provider_context != NULL) {
		object = sl_policy_find(
			policy->policy, SL_OBJECT_PROVIDER_CONTEXT, filter->provider_context);
		provider_context = sl_provider_context_of(object);
	}
	if (bound != NULL && bound->binding.callout == plugin &&
		bound->provider_context == provider_context) {
		*binding = bound->binding;
		return 0;
	}
	*binding = (struct sl_filter_binding){.counter = policy->n_counters++};
	if (!sl_action_is_callout(filter->action))
		return 0;
	return bind_callout(policy, filter, plugin, provider_context, binding, err);
}

/* --- Reading. --- */

static int
fail(struct sl_problems *problems, const char *path, const char *what)
{
	sl_problems_add(problems, SL_ERR_NO_MEMORY, path, "no memory for %s", what);
	return -1;
}

static int
read_document(struct sl_policy **policy, const char *path, struct sl_problems *problems)
{
	struct sl_error err;
	json_t *json;
	bool is_good;

	if (sl_json_load_file(path, 0, &json, &err) != 0) {
		sl_problems_add(problems, err.code, err.where, "%s", err.text);
		return -1;
	}
	*policy = sl_policy_new();
	if (*policy == NULL) {
		json_decref(json);
		return fail(problems, path, "a policy");
	}
	is_good = sl_document_read(*policy, json, SL_LIFETIME_STATIC, SL_ORIGIN_FILE, problems);
	json_decref(json);
	return is_good ? 0 : -1;
}

static int
compile(struct app_policy *policy, struct sl_problems *problems)
{
	const struct sl_compile_host host = {.bind = bind, .ctx = policy};
	const struct sl_snapshot *previous =
		policy->before == NULL ? NULL : policy->before->snapshot;
	struct sl_error err;

	if (sl_snapshot_compile(policy->policy, previous == NULL ? 1 : previous->revision + 1,
		    previous, NULL, &host, &policy->snapshot, &err) == 0)
		return 0;
	sl_problems_add(problems, err.code, err.where, "%s", err.text);
	return -1;
}

int
app_policy_load(struct app_policy *policy, const char *path, struct sl_callout_registry *registry,
	struct sl_problems *problems)
{
	*policy = (struct app_policy){.registry = registry};
	if (read_document(&policy->policy, path, problems) == 0 && compile(policy, problems) == 0)
		return 0;
	app_policy_free(policy);
	return -1;
}

/* --- One after another. --- */

/* Objects that must be put into a policy; each a reference. */
struct news {
	struct sl_object **list;
	size_t n_put; /* the first of them: they belong to the policy */
	size_t n;
	size_t n_max;
};

static void
news_fini(struct news *news)
{
	for (size_t i = news->n_put; i < news->n; i++)
		sl_object_put(news->list[i]);
	free(news->list);
}

static int
news_add(struct news *news, struct sl_object *object)
{
	size_t n_max = news->n_max == 0 ? 64 : 2 * news->n_max;
	struct sl_object **list;

	if (news->n == news->n_max) {
		list = realloc(news->list, n_max * sizeof(struct sl_object *));
		if (list == NULL)
			return -ENOMEM;
		news->list = list;
		news->n_max = n_max;
	}
	news->list[news->n++] = sl_object_get(object);
	return 0;
}

/* True when both would be written alike. */
static bool
is_equal(const struct sl_object *a, const struct sl_object *b)
{
	json_t *left = sl_document_write_object(a, false);
	json_t *right = sl_document_write_object(b, false);
	bool is_same = left != NULL && right != NULL && json_equal(left, right) == 1;

	json_decref(left);
	json_decref(right);
	return is_same;
}

/* What of a fresh policy is not in another one, in the order of the document. */
static int
find_news(struct news *news, const struct sl_policy *fresh, const struct sl_policy *policy)
{
	const struct sl_object *old;
	struct sl_object *object;

	for (int type = 0; type < SL_OBJECT_TYPE_COUNT; type++) {
		object = sl_policy_next(fresh, type, 0);
		for (; object != NULL; object = sl_policy_next(fresh, type, object->id)) {
			if (object->lifetime == SL_LIFETIME_BUILTIN)
				continue;
			old = sl_policy_find(policy, type, object->key);
			if (old != NULL && is_equal(old, object))
				continue;
			if (news_add(news, object) != 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static bool
is_absent(void *ctx, const struct sl_object *object)
{
	const struct sl_policy *fresh = ctx;

	return sl_policy_find(fresh, object->type, object->key) == NULL;
}

static int
put_news(struct sl_policy *policy, struct news *news, struct sl_problems *problems)
{
	struct sl_error err;

	for (; news->n_put < news->n; news->n_put++) {
		if (sl_policy_put(policy, news->list[news->n_put], &err) == 0)
			continue;
		sl_problems_add(problems, err.code, err.where, "%s", err.text);
		return -1;
	}
	return sl_policy_check(policy, NULL, NULL, problems) ? 0 : -1;
}

/* Makes a policy into what the fresh one says, which is freed. */
static int
reconcile(struct sl_policy *policy, struct sl_policy *fresh, const char *path,
	struct sl_problems *problems)
{
	struct news news = {0};
	int rc = 0;

	if (find_news(&news, fresh, policy) != 0)
		rc = fail(problems, path, "a policy");
	for (int type = 0; rc == 0 && type < SL_OBJECT_TYPE_COUNT; type++)
		sl_policy_remove_if(policy, type, is_absent, fresh);
	/* An object is in one policy at a time. */
	sl_policy_free(fresh);
	if (rc == 0)
		rc = put_news(policy, &news, problems);
	news_fini(&news);
	return rc;
}

static int
index_bound(struct app_policy *policy)
{
	const struct sl_snapshot *snapshot = policy->before->snapshot;
	uint32_t rank;

	policy->bound = sl_map_new(snapshot->n_filters);
	if (policy->bound == NULL)
		return -ENOMEM;
	for (int id = 0; id < SLUICE_LAYER_COUNT; id++) {
		struct sl_filter_walk walk = {.layer = snapshot->layers[id]};

		while (walk.layer != NULL && sl_filter_walk_next(&walk, &rank)) {
			const struct sl_filter_run *run = &walk.layer->filters[rank];

			if (sl_map_put(policy->bound, run->object->object.key,
				    (void *)(uintptr_t)run) != 0)
				return -ENOMEM;
		}
	}
	return 0;
}

int
app_policy_load_next(struct app_policy *policy, const char *path, const struct app_policy *before,
	struct sl_problems *problems)
{
	struct sl_policy *fresh = NULL;
	int rc = 0;

	*policy = (struct app_policy){
		.before = before,
		.policy = sl_policy_clone(before->policy),
		.registry = before->registry,
		.n_counters = before->n_counters,
	};
	if (policy->policy == NULL || index_bound(policy) != 0)
		rc = fail(problems, path, "a policy");
	if (rc == 0 && read_document(&fresh, path, problems) == 0) {
		rc = reconcile(policy->policy, fresh, path, problems);
		if (rc == 0)
			rc = compile(policy, problems);
	} else {
		sl_policy_free(fresh);
		rc = -1;
	}
	sl_map_free(policy->bound);
	policy->bound = NULL;
	if (rc != 0)
		app_policy_free(policy);
	return rc;
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
	sl_map_free(policy->bound);
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
