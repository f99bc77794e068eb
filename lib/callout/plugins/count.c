/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * count: counts the packets and bytes that its filters see, and decides nothing.
 *
 * The plugin's counters hold the sum over all filters.  Each filter has numbers of its own, one pair a
 * worker so that workers do not share cache lines; they are logged when the filter goes.
 */

#include <sluice/sluice_callout.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum counter {
	COUNTER_PACKETS,
	COUNTER_BYTES
};

static const char *const counter_names[] = {"packets", "bytes", NULL};

/* One worker's numbers of one filter; a cache line of its own. */
struct shard {
	_Alignas(64) _Atomic uint64_t packets;
	_Atomic uint64_t bytes;
};

/* --- Packet time. --- */

/* Only one worker writes a shard: a plain addition, stored whole. */
static void
add(_Atomic uint64_t *number, uint64_t n)
{
	uint64_t old = atomic_load_explicit(number, memory_order_relaxed);

	atomic_store_explicit(number, old + n, memory_order_relaxed);
}

static void
count_classify(const struct sluice_classify_in *in, struct sluice_classify_out *out)
{
	const struct sluice_host *host = in->callout;
	struct shard *shards = (struct shard *)(uintptr_t)in->filter->context;
	uint32_t bytes;

	if ((out->rights & SLUICE_RIGHT_ACTION_WRITE) != 0)
		out->action = SLUICE_ACTION_CONTINUE;
	if (in->packet == NULL)
		return;
	bytes = host->packet_length(in->packet);
	host->count(in->packet, COUNTER_PACKETS, 1);
	host->count(in->packet, COUNTER_BYTES, bytes);
	add(&shards[in->worker].packets, 1);
	add(&shards[in->worker].bytes, bytes);
}

/* --- Control thread. --- */

static int
add_filter(const struct sluice_host *host, struct sluice_filter *filter)
{
	const size_t size = host->n_workers_max * sizeof(struct shard);
	struct shard *shards;

	if (filter->action == SLUICE_ACTION_CALLOUT_TERMINATING) {
		host->refuse(host, "count decides nothing; use the action callout_inspection");
		return -1;
	}
	shards = aligned_alloc(_Alignof(struct shard), size);
	if (shards == NULL) {
		host->refuse(host, "not enough memory");
		return -1;
	}
	memset(shards, 0, size);
	filter->context = (uint64_t)(uintptr_t)shards;
	return 0;
}

static void
delete_filter(const struct sluice_host *host, const struct sluice_filter *filter)
{
	struct shard *shards = (struct shard *)(uintptr_t)filter->context;
	uint64_t packets = 0, bytes = 0;
	char text[200];

	for (uint32_t i = 0; i < host->n_workers_max; i++) {
		packets += atomic_load_explicit(&shards[i].packets, memory_order_relaxed);
		bytes += atomic_load_explicit(&shards[i].bytes, memory_order_relaxed);
	}
	free(shards);
	snprintf(text, sizeof(text),
		"filter %s is gone; it saw %" PRIu64 " packets, %" PRIu64 " bytes", filter->key,
		packets, bytes);
	host->log(host, 3, text);
}

static int
count_notify(void *callout, enum sluice_notify_type type, struct sluice_filter *filter)
{
	const struct sluice_host *host = callout;

	if (type == SLUICE_NOTIFY_ADD_FILTER)
		return add_filter(host, filter);
	if (type == SLUICE_NOTIFY_DELETE_FILTER)
		delete_filter(host, filter);
	return 0;
}

/* All that the plugin keeps is its host, which outlives it and is not written to. */
static int
count_load(const struct sluice_host *host, void **callout)
{
	*callout = (void *)(uintptr_t)host;
	return 0;
}

SLUICE_CALLOUT_DEFINE(.name = "count", .version = "1.0",
	.description = "counts packets and bytes, decides nothing", .load = count_load,
	.classify = count_classify, .notify = count_notify, .counters = counter_names);
