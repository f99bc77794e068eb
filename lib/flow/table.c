/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

#include <errno.h>
#include <sys/mman.h>

/*
 * The table's memory: one region, with everything in it, touched before the first packet.  Large pages where
 * the system has them, because a lookup in ten million flows misses the TLB at every step otherwise.
 */

#define PAGE_LARGE ((size_t)2 << 20)

/* Where the parts stand in the region, in bytes from its first. */
struct plan {
	size_t entries;
	size_t links;
	size_t buckets;
	size_t abouts;
	size_t contexts;
	size_t chains;
	size_t end;
};

static size_t
part(size_t *end, size_t n, size_t size)
{
	size_t at = *end;

	*end = (at + n * size + SL_CACHE_LINE - 1) & ~(size_t)(SL_CACHE_LINE - 1);
	return at;
}

static uint32_t
count_buckets(uint32_t max)
{
	return (uint32_t)((uint64_t)max * 100 / (FLOW_BUCKET_SLOTS * FLOW_LOAD_PERCENT)) + 2;
}

static void
plan_region(const struct sl_flow_config *config, struct plan *plan)
{
	size_t max = config->max;
	size_t end = 0;

	part(&end, 1, sizeof(struct sl_flow_table));
	plan->buckets = part(&end, count_buckets(config->max), sizeof(struct flow_bucket));
	plan->entries = (end + sizeof(struct sl_flow) - 1) & ~(sizeof(struct sl_flow) - 1);
	end = plan->entries;
	part(&end, max, sizeof(struct sl_flow));
	plan->links = part(&end, max + FLOW_WHEELS * FLOW_WHEEL_TICKS, sizeof(struct flow_link));
	plan->abouts = part(&end, max, sizeof(struct sl_flow_about));
	plan->contexts = part(&end, config->contexts, sizeof(struct flow_context));
	plan->chains = part(&end, config->contexts, sizeof(uint32_t));
	plan->end = end;
}

/* Every page, so that no packet waits for one. */
static void
touch(uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size; at += 4096)
		((volatile uint8_t *)bytes)[at] = 0;
}

/* Zeroed memory on a boundary of large pages; `*region` is what to unmap. NULL: there is none. */
static uint8_t *
new_region(size_t size, void **region, size_t *region_size)
{
	uintptr_t at;

	*region_size = size + PAGE_LARGE;
	*region = mmap(
		NULL, *region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*region == MAP_FAILED)
		return NULL;
	at = ((uintptr_t)*region + PAGE_LARGE - 1) & ~(uintptr_t)(PAGE_LARGE - 1);
	/* Only a matter of speed: no fault where the system has none. */
	(void)madvise((void *)at, size & ~(PAGE_LARGE - 1), MADV_HUGEPAGE);
	touch((uint8_t *)at, size);
	return (uint8_t *)at;
}

static bool
is_valid(const struct sl_flow_config *config, uint32_t worker)
{
	if (config->max < 1 || config->max > FLOW_MAX || worker >= FLOW_WORKERS_MAX)
		return false;
	for (uint32_t i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		if (config->timeout_ms[i] < 1 || config->timeout_ms[i] > FLOW_TIMEOUT_MAX)
			return false;
	return true;
}

static void
init(struct sl_flow_table *table, const struct sl_flow_config *config, uint32_t worker,
	uint64_t now_ns)
{
	table->hash = flow_hash_best();
	memcpy(table->hash_key, config->hash_key, sizeof(table->hash_key));
	memcpy(table->timeouts, config->timeout_ms, sizeof(table->timeouts));
	table->start_ms = now_ns / 1000000;
	table->max = config->max;
	table->n_buckets = count_buckets(config->max);
	table->n_contexts = config->contexts;
	table->worker = worker;
	table->now_ms = table->start_ms;
	table->tick = flow_tick_at(table, table->now_ms);
	table->free_entry = FLOW_NONE;
	flow_wheel_init(table);
	for (uint32_t i = config->contexts; i > 0; i--) {
		table->contexts[i - 1].next = table->free_context;
		table->free_context = i;
	}
}

int
sl_flow_table_new(const struct sl_flow_config *config, uint32_t worker, uint64_t now_ns,
	struct sl_flow_table **out)
{
	struct sl_flow_table *table;
	struct plan plan;
	void *region;
	size_t region_size;
	uint8_t *bytes;

	if (!is_valid(config, worker))
		return -EINVAL;
	plan_region(config, &plan);
	bytes = new_region(plan.end, &region, &region_size);
	if (bytes == NULL)
		return -ENOMEM;
	table = (struct sl_flow_table *)(void *)bytes;
	table->region = region;
	table->region_size = region_size;
	table->n_bytes = plan.contexts;
	table->entries = (struct sl_flow *)(void *)(bytes + plan.entries);
	table->links = (struct flow_link *)(void *)(bytes + plan.links);
	table->buckets = (struct flow_bucket *)(void *)(bytes + plan.buckets);
	table->abouts = (struct sl_flow_about *)(void *)(bytes + plan.abouts);
	table->contexts = (struct flow_context *)(void *)(bytes + plan.contexts);
	table->chains = (uint32_t *)(void *)(bytes + plan.chains);
	init(table, config, worker, now_ns);
	*out = table;
	return 0;
}

void
sl_flow_table_free(struct sl_flow_table *table)
{
	if (table != NULL)
		munmap(table->region, table->region_size);
}

size_t
sl_flow_table_bytes(const struct sl_flow_table *table)
{
	return table->n_bytes;
}

uint32_t
sl_flow_table_max(const struct sl_flow_table *table)
{
	return table->max;
}

uint32_t
sl_flow_table_count(const struct sl_flow_table *table)
{
	return __atomic_load_n(&table->count, __ATOMIC_RELAXED);
}
