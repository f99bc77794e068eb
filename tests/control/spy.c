/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/spy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC 0x5b1e5b1eu

/* A plugin is handed nothing of the program it is loaded into: the one global of these tests. */
struct spy spy;

static struct spy_filter *
context_of(const struct sluice_filter *filter)
{
	return (struct spy_filter *)(uintptr_t)filter->context;
}

static int
load(const struct sluice_host *host, void **callout)
{
	spy.n_loaded++;
	*callout = (void *)(uintptr_t)host;
	return 0;
}

static void
unload(void *callout)
{
	(void)callout;
	spy.n_unloaded++;
}

static int
add(const struct sluice_host *host, struct sluice_filter *filter)
{
	struct spy_filter *context;
	int64_t refuse = 0;
	int64_t number = -1;

	if (filter->provider_context != NULL) {
		host->json_integer(filter->provider_context, "refuse", 0, 1, &refuse);
		host->json_integer(filter->provider_context, "number", 0, INT64_MAX, &number);
	}
	if (refuse != 0 || strncmp(filter->key, "veto", 4) == 0) {
		spy.n_refused++;
		return 1;
	}
	context = calloc(1, sizeof(*context));
	if (context == NULL)
		return 1;
	context->magic = MAGIC;
	context->number = number;
	snprintf(context->key, sizeof(context->key), "%s", filter->key);
	snprintf(spy.last_added, sizeof(spy.last_added), "%s", filter->key);
	filter->context = (uintptr_t)context;
	spy.n_added++;
	return 0;
}

static int
notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	if (type == SLUICE_NOTIFY_ADD_FILTER)
		return add(callout, filter);
	if (type == SLUICE_NOTIFY_DELETE_FILTER && filter->context != 0) {
		snprintf(spy.last_deleted, sizeof(spy.last_deleted), "%s", context_of(filter)->key);
		context_of(filter)->magic = 0;
		free(context_of(filter));
		spy.n_deleted++;
	}
	return 0;
}

static void
classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct spy_filter *context = context_of(in->filter);

	atomic_fetch_add_explicit(&spy.n_calls, 1, memory_order_relaxed);
	if (context == NULL || context->magic != MAGIC)
		atomic_fetch_add_explicit(&spy.n_strange, 1, memory_order_relaxed);
	out->action = SLUICE_ACTION_CONTINUE;
	if ((in->meta->valid & SLUICE_METADATA_FLOW_HANDLE) != 0 &&
		((const struct sluice_host *)in->callout)
				->flow_associate(in->packet, SLUICE_LAYER_STREAM_PACKET_V4,
					in->meta->flow_handle) == 0)
		atomic_fetch_add_explicit(&spy.n_associated, 1, memory_order_relaxed);
}

static void
flow_delete(void *callout, uint32_t worker, uint32_t layer, uint64_t flow_context)
{
	(void)callout;
	(void)worker;
	if (layer != SLUICE_LAYER_STREAM_PACKET_V4 || flow_context == 0)
		atomic_fetch_add_explicit(&spy.n_strange, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&spy.n_gone, 1, memory_order_relaxed);
}

const struct sluice_callout spy_callout = {
	.abi_version = SLUICE_ABI_VERSION,
	.size = sizeof(struct sluice_callout),
	.classify_in_size = sizeof(struct sluice_classify_in),
	.metadata_size = sizeof(struct sluice_metadata),
	.filter_size = sizeof(struct sluice_filter),
	.name = "spy",
	.version = "1",
	.description = "remembers what it was told",
	.load = load,
	.unload = unload,
	.classify = classify,
	.notify = notify,
	.flow_delete = flow_delete,
};
