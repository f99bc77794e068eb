/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * ttl-guard: blocks packets whose TTL or hop limit is under a minimum, which the filter's provider
 * context gives: {"min": 1..255}.  A small whole callout to begin from; the README one folder up walks
 * through it.
 */

#include <sluice/sluice_callout.h>

#include <stdlib.h>

enum counter {
	COUNTER_BLOCKED
};

static const char *const counter_names[] = {"blocked_packets", NULL};

/* What one filter asks for. */
struct guard {
	uint32_t ttl_index; /* of the TTL among the layer's values */
	uint64_t min;
};

/* --- Packet time: any worker, at any moment; no allocation, no lock, no system call. --- */

static void
ttl_guard_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct guard *guard = (const struct guard *)(uintptr_t)in->filter->context;
	const struct sluice_value *ttl = &in->values[guard->ttl_index];
	const struct sluice_host *host = in->callout;

	/* Somebody of higher weight has decided for good. */
	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) == 0)
		return;
	if (ttl->type == SLUICE_TYPE_EMPTY || ttl->number >= guard->min) {
		out->action = SLUICE_ACTION_CONTINUE;
		return;
	}
	out->action = SLUICE_ACTION_BLOCK;
	out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	host->count(in->packet, COUNTER_BLOCKED, 1);
}

/* --- Control thread. --- */

static int
add_filter(const struct sluice_host *host, struct sluice_filter *filter)
{
	const int index = host->field_index(filter->layer, SLUICE_FIELD_X_TTL);
	struct guard *guard;
	int64_t min;

	/* A terminating callout must not be undecided, and this one often is. */
	if (filter->action != SLUICE_ACTION_CALLOUT_UNKNOWN) {
		host->refuse(host, "use the action callout_unknown");
		return -1;
	}
	if (index < 0) {
		host->refuse(host, "the layer has no field x_ttl");
		return -1;
	}
	if (host->json_integer(filter->provider_context, "min", 1, 255, &min) != 0) {
		host->refuse(
			host, "it needs a provider context with \"min\", an integer from 1 to 255");
		return -1;
	}
	guard = malloc(sizeof(*guard));
	if (guard == NULL)
		return -1;
	guard->ttl_index = (uint32_t)index;
	guard->min = (uint64_t)min;
	filter->context = (uint64_t)(uintptr_t)guard;
	return 0;
}

static int
ttl_guard_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	if (type == SLUICE_NOTIFY_ADD_FILTER)
		return add_filter(callout, filter);
	if (type == SLUICE_NOTIFY_DELETE_FILTER)
		free((void *)(uintptr_t)filter->context);
	return 0;
}

/* All that the plugin keeps is its host, which outlives it and is not written to. */
static int
ttl_guard_load(const struct sluice_host *host, void **callout)
{
	*callout = (void *)(uintptr_t)host;
	return 0;
}

SLUICE_CALLOUT_DEFINE(.name = "ttl-guard", .version = "1.0",
	.description = "blocks packets whose TTL is under a minimum", .load = ttl_guard_load,
	.classify = ttl_guard_classify, .notify = ttl_guard_notify, .counters = counter_names);
