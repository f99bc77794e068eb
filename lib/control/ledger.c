/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ledger.h"

#include "base/sl_map.h"
#include "control/changes.h"
#include "control/plugins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A filter as it is bound; it keeps the objects it names. All NULL: no filter. */
struct side {
	struct sl_filter *filter;
	struct sl_provider_context *provider_context; /* as the plugin was told */
	struct sl_plugin *plugin;                     /* was told of the filter; NULL: none was */
	uint64_t context;                             /* what the plugin answered */
};

struct ledger_entry {
	struct side now;   /* in force */
	struct side next;  /* when touched: the other one, of the commit under way */
	uint64_t since_ns; /* when the counters began */
	uint32_t counter;
	bool is_touched;
	char key[];
};

/* --- Entries. --- */

static int
no_memory(const char *key, struct sl_error *err)
{
	return sl_error_set(
		err, SL_ERR_NO_MEMORY, NULL, "not enough memory to bind the filter \"%s\"", key);
}

static struct ledger_entry *
entry_find(const struct ledger *ledger, const char *key)
{
	return sl_map_find(ledger->entries, key);
}

static int
entry_add(struct ledger *ledger, struct ledger_entry *entry)
{
	int rc;

	pthread_mutex_lock(&ledger->mutex);
	rc = sl_map_put(ledger->entries, entry->key, entry);
	pthread_mutex_unlock(&ledger->mutex);
	return rc;
}

static int
entry_new(struct ledger *ledger, const char *key, uint64_t now_ns, struct ledger_entry **out,
	struct sl_error *err)
{
	size_t size = strlen(key) + 1;
	struct ledger_entry *entry = calloc(1, sizeof(*entry) + size);
	int rc;

	if (entry == NULL)
		return no_memory(key, err);
	memcpy(entry->key, key, size);
	entry->since_ns = now_ns;
	rc = sl_control_counter_take(&ledger->counters, &entry->counter);
	if (rc == -ENOSPC) {
		rc = sl_error_set(err, SL_ERR_TOO_MANY_FILTERS, NULL,
			"all %u filter counters are in use; remove filters in a change of their "
			"own first",
			SL_COUNTERS_FILTERS_MAX);
		goto free_entry;
	}
	if (rc != 0) {
		rc = no_memory(key, err);
		goto free_entry;
	}
	if (entry_add(ledger, entry) != 0) {
		rc = no_memory(key, err);
		goto return_counter;
	}
	*out = entry;
	return 0;
return_counter:
	sl_control_counter_return(&ledger->counters, entry->counter);
free_entry:
	free(entry);
	return rc;
}

/* The key is gone: its counters become somebody else's, who finds them at zero. */
static void
entry_remove(struct ledger *ledger, struct ledger_entry *entry)
{
	pthread_mutex_lock(&ledger->mutex);
	sl_map_remove(ledger->entries, entry->key);
	pthread_mutex_unlock(&ledger->mutex);
	for (uint32_t w = 0; w < ledger->workers->n; w++)
		sl_counters_reset_filter(ledger->workers->counters[w], entry->counter);
	sl_control_counter_return(&ledger->counters, entry->counter);
	free(entry);
}

/* --- Staging. --- */

struct staging {
	struct ledger *ledger;
	const struct ledger_plan *plan;
	struct sl_error *err;
};

static int
reserve_touched(struct ledger *ledger)
{
	size_t n_max = ledger->n_touched_max < 16 ? 16 : ledger->n_touched_max * 2;
	struct ledger_entry **touched;

	if (ledger->n_touched < ledger->n_touched_max)
		return 0;
	touched = reallocarray(ledger->touched, n_max, sizeof(struct ledger_entry *));
	if (touched == NULL)
		return -ENOMEM;
	ledger->touched = touched;
	ledger->n_touched_max = n_max;
	return 0;
}

/* Makes the key part of the commit, with an empty new side. */
static int
touch(struct staging *staging, const char *key, struct ledger_entry **out)
{
	struct ledger *ledger = staging->ledger;
	struct ledger_entry *entry = entry_find(ledger, key);
	int rc;

	*out = entry;
	if (entry != NULL && entry->is_touched)
		return 0;
	if (reserve_touched(ledger) != 0)
		return no_memory(key, staging->err);
	if (entry == NULL) {
		rc = entry_new(ledger, key, staging->plan->now_ns, out, staging->err);
		if (rc != 0)
			return rc;
		entry = *out;
	}
	entry->is_touched = true;
	ledger->touched[ledger->n_touched++] = entry;
	return 0;
}

/* The loaded plugin and the provider context that a callout filter is to be bound to. */
static int
find_target(struct staging *staging, const struct sl_filter *filter, struct side *target)
{
	const struct ledger_plan *plan = staging->plan;
	const struct sl_object *callout =
		sl_policy_find(plan->after, SL_OBJECT_CALLOUT, filter->callout);
	struct sl_object *context = NULL;
	int rc;

	rc = sl_control_plugins_find(staging->ledger->plugins,
		sl_callout_object_of(callout)->plugin, &target->plugin, staging->err);
	if (rc != 0)
		return rc;
	if (target->plugin == plan->leaving)
		target->plugin = NULL;
	if (filter->provider_context != NULL && target->plugin != NULL)
		context = sl_policy_find(
			plan->after, SL_OBJECT_PROVIDER_CONTEXT, filter->provider_context);
	if (context != NULL)
		target->provider_context = sl_provider_context_of(context);
	return 0;
}

/* Fills the new side of a touched key. The plugin is entered only when it has been told. */
static int
stage_side(struct staging *staging, struct ledger_entry *entry, const struct sl_filter *filter,
	const struct side *target)
{
	struct side *side = &entry->next;
	int rc;

	side->filter = sl_filter_of(sl_object_get(&filter->object));
	if (target->provider_context != NULL)
		side->provider_context =
			sl_provider_context_of(sl_object_get(&target->provider_context->object));
	if (target->plugin == NULL)
		return 0;
	rc = sl_control_plugins_announce(staging->ledger->plugins, target->plugin, filter,
		side->provider_context, &side->context, staging->err);
	if (rc == 0)
		side->plugin = target->plugin;
	return rc;
}

static int
stage_difference(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	struct staging *staging = ctx;
	const struct sl_object *object = after != NULL ? after : before;
	struct ledger_entry *entry;
	struct side target = {0};
	int rc;

	rc = touch(staging, object->key, &entry);
	if (rc != 0 || after == NULL)
		return rc;
	if (sl_action_is_callout(sl_filter_of(after)->action) && !staging->plan->is_dry_run)
		rc = find_target(staging, sl_filter_of(after), &target);
	return rc != 0 ? rc : stage_side(staging, entry, sl_filter_of(after), &target);
}

/* A filter that is the same object, but whose provider context or plugin may not be. */
static int
stage_callout_filter(struct staging *staging, const struct sl_filter *filter)
{
	struct ledger_entry *entry = entry_find(staging->ledger, filter->object.key);
	struct side target = {0};
	int rc;

	if (entry->is_touched)
		return 0;
	rc = find_target(staging, filter, &target);
	if (rc != 0)
		return rc;
	if (target.plugin == entry->now.plugin &&
		target.provider_context == entry->now.provider_context)
		return 0;
	rc = touch(staging, filter->object.key, &entry);
	return rc != 0 ? rc : stage_side(staging, entry, filter, &target);
}

static int
stage_callout_filters(struct staging *staging)
{
	const struct ledger_plan *plan = staging->plan;
	const struct sl_object *filter;
	int rc = 0;

	if (plan->is_dry_run ||
		(!plan->plugins_changed &&
			!sl_control_is_felt(plan->before, plan->after, SL_OBJECT_CALLOUT) &&
			!sl_control_is_felt(plan->before, plan->after, SL_OBJECT_PROVIDER_CONTEXT)))
		return 0;
	filter = sl_policy_next(plan->after, SL_OBJECT_FILTER, 0);
	for (; filter != NULL && rc == 0;
		filter = sl_policy_next(plan->after, SL_OBJECT_FILTER, filter->id)) {
		if (sl_action_is_callout(sl_filter_of(filter)->action))
			rc = stage_callout_filter(staging, sl_filter_of(filter));
	}
	return rc;
}

int
sl_control_ledger_stage(struct ledger *ledger, const struct ledger_plan *plan, size_t *n_touched,
	struct sl_error *err)
{
	struct staging staging = {.ledger = ledger, .plan = plan, .err = err};
	int rc = sl_policy_diff(
		plan->before, plan->after, SL_OBJECT_FILTER, stage_difference, &staging);

	if (rc == 0)
		rc = stage_callout_filters(&staging);
	if (rc != 0)
		sl_control_ledger_settle(ledger);
	*n_touched = ledger->n_touched;
	return rc;
}

int
sl_control_ledger_bind(const struct ledger *ledger, const struct sl_filter *filter,
	struct sl_filter_binding *binding, struct sl_error *err)
{
	const struct ledger_entry *entry = entry_find(ledger, filter->object.key);
	const struct side *side;

	if (entry == NULL)
		return sl_error_set(err, SL_ERR_INTERNAL, NULL, "the filter \"%s\" was not staged",
			filter->object.key);
	side = entry->is_touched ? &entry->next : &entry->now;
	*binding = (struct sl_filter_binding){
		.counter = entry->counter, .callout = side->plugin, .context = side->context};
	return 0;
}

/* --- Deciding. --- */

void
sl_control_ledger_adopt(struct ledger *ledger)
{
	pthread_mutex_lock(&ledger->mutex);
	for (size_t i = 0; i < ledger->n_touched; i++) {
		struct ledger_entry *entry = ledger->touched[i];
		struct side old = entry->now;

		entry->now = entry->next;
		entry->next = old;
	}
	pthread_mutex_unlock(&ledger->mutex);
}

static void
side_drop(struct ledger *ledger, struct side *side)
{
	if (side->plugin != NULL)
		sl_control_plugins_withdraw(
			ledger->plugins, side->plugin, side->filter, side->context);
	if (side->provider_context != NULL)
		sl_object_put(&side->provider_context->object);
	if (side->filter != NULL)
		sl_object_put(&side->filter->object);
	*side = (struct side){0};
}

void
sl_control_ledger_settle(struct ledger *ledger)
{
	/* Backwards, so that a plugin sees what is undone in the reverse order of the doing. */
	while (ledger->n_touched > 0) {
		struct ledger_entry *entry = ledger->touched[--ledger->n_touched];

		side_drop(ledger, &entry->next);
		entry->is_touched = false;
		if (entry->now.filter == NULL)
			entry_remove(ledger, entry);
	}
}

/* --- Life, and readers. --- */

int
sl_control_ledger_init(
	struct ledger *ledger, struct plugins *plugins, const struct workers *workers)
{
	*ledger = (struct ledger){.plugins = plugins, .workers = workers};
	ledger->entries = sl_map_new(0);
	if (ledger->entries == NULL)
		return -ENOMEM;
	pthread_mutex_init(&ledger->mutex, NULL);
	return 0;
}

void
sl_control_ledger_fini(struct ledger *ledger)
{
	size_t cursor = 0;
	void *value;

	if (ledger->entries == NULL)
		return;
	while (sl_map_next(ledger->entries, &cursor, NULL, &value)) {
		struct ledger_entry *entry = value;

		side_drop(ledger, &entry->now);
		free(entry);
	}
	sl_map_free(ledger->entries);
	ledger->entries = NULL;
	sl_control_counter_pool_fini(&ledger->counters);
	free(ledger->touched);
	pthread_mutex_destroy(&ledger->mutex);
}

bool
sl_control_ledger_stats(struct ledger *ledger, const char *key, struct sl_filter_stats *stats)
{
	const struct ledger_entry *entry;
	bool is_in_force;

	*stats = (struct sl_filter_stats){0};
	pthread_mutex_lock(&ledger->mutex);
	entry = entry_find(ledger, key);
	is_in_force = entry != NULL && entry->now.filter != NULL;
	if (is_in_force) {
		stats->since_ns = entry->since_ns;
		for (uint32_t w = 0; w < ledger->workers->n; w++)
			sl_counters_sum_filter(
				ledger->workers->counters[w], entry->counter, &stats->counter);
	}
	pthread_mutex_unlock(&ledger->mutex);
	return is_in_force;
}
