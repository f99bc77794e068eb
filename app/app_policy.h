/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_POLICY_H
#define APP_POLICY_H

/*
 * From policy files to snapshots without a management core, for tools that judge a policy, or one after
 * another, and end.
 *
 * Counters. Filters get the indices 0, 1, 2 ... in the order in which they are compiled.
 * Callouts. Bound to the plugins of a registry and told of their filters; a plugin that is not loaded
 *           leaves its filters unregistered: they fail closed.
 */

#include "base/sl_error.h"
#include "callout/sl_callout.h"
#include "classifier/sl_snapshot.h"

#include <stddef.h>

struct app_policy_binding {
	struct sl_plugin *plugin;
	const struct sl_filter *filter;
	uint64_t context;
};

struct app_policy {
	const struct app_policy *before; /* borrowed; NULL: it is the first */
	struct sl_policy *policy;
	struct sl_snapshot *snapshot;
	struct sl_callout_registry *registry; /* borrowed */
	struct app_policy_binding *bindings;  /* of callout filters */
	size_t n_bindings;
	size_t n_bindings_max;
	uint32_t n_counters;
	struct sl_map *bound; /* while compiling: the filters of `before` by their keys */
};

/*
 * Reads and compiles the document at `path` as revision 1.  0; or -1 with every fault in `problems` and
 * `*policy` freed.  A fault that is not about a member of the document has "PATH" or "PATH:LINE:COLUMN"
 * for a pointer.
 */
int app_policy_load(struct app_policy *policy, const char *path,
	struct sl_callout_registry *registry, struct sl_problems *problems) SL_MUST_CHECK;
/*
 * The same for a policy that takes the place of `before`, which must outlive it, with the next revision.
 * Objects that both have stay what they are: their filters keep their ids and bindings, and layers
 * in which nothing differs keep their programs.  An object under a key that was there keeps its place among
 * equals; new ones come behind.
 */
int app_policy_load_next(struct app_policy *policy, const char *path,
	const struct app_policy *before, struct sl_problems *problems) SL_MUST_CHECK;
/* Tells callouts that their filters are gone and frees. The registry must still live. */
void app_policy_free(struct app_policy *policy);

/* Callouts of the policy whose plugin is not loaded: the i-th, or NULL past the last. */
const struct sl_callout_object *
app_policy_missing_plugin(const struct app_policy *policy, size_t i);

/* The filter that an outcome credits, or NULL. */
const struct sl_filter *
app_policy_filter(const struct app_policy *policy, enum sluice_layer layer, uint32_t rank);

#endif
