/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_PLUGINS_H
#define CONTROL_PLUGINS_H

/*
 * The callout registry behind a lock of its own, so that whoever lists plugins never waits for a
 * commit that is compiling.  Private to the room.
 */

#include "callout/sl_callout.h"

#include <pthread.h>

struct plugins {
	struct sl_callout_registry *registry; /* borrowed; NULL: no plugin is ever loaded */
	pthread_mutex_t mutex;                /* around every call into the registry */
};

/*
 * The plugin of that name when it is loaded, else NULL.  Makes it known to the registry, so that
 * operators see which plugins a policy waits for.  0, or a negative errno: there are too many.
 */
int sl_control_plugins_find(struct plugins *plugins, const char *name, struct sl_plugin **out,
	struct sl_error *err) SL_MUST_CHECK;
/* Tells a loaded plugin of a filter and keeps what it answered in `*context`. */
int sl_control_plugins_announce(struct plugins *plugins, struct sl_plugin *plugin,
	const struct sl_filter *filter, const struct sl_provider_context *provider_context,
	uint64_t *context, struct sl_error *err) SL_MUST_CHECK;
/* Tells it that the filter is gone. No worker may use `context` any more. */
void sl_control_plugins_withdraw(struct plugins *plugins, struct sl_plugin *plugin,
	const struct sl_filter *filter, uint64_t context);

#endif
