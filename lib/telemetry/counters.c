/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry/sl_counters.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FILTERS_SIZE (SL_COUNTERS_FILTERS_MAX * sizeof(struct sl_filter_counter))

/* Everything behind the filters is summed as plain words. */
_Static_assert(
	sizeof(struct sl_layer_counter) % sizeof(uint64_t) == 0, "counters are 64-bit words");
_Static_assert(sizeof(struct sl_link_counter) % sizeof(uint64_t) == 0, "counters are 64-bit words");
_Static_assert(
	sizeof(struct sl_worker_counter) % sizeof(uint64_t) == 0, "counters are 64-bit words");
_Static_assert(sizeof(struct sl_flow_counter) % sizeof(uint64_t) == 0, "counters are 64-bit words");

int
sl_counters_new(struct sl_counters **out)
{
	struct sl_counters *counters;
	void *filters;

	counters = aligned_alloc(SL_CACHE_LINE, sizeof(*counters));
	if (counters == NULL)
		return -ENOMEM;
	memset(counters, 0, sizeof(*counters));
	filters = mmap(NULL, FILTERS_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (filters == MAP_FAILED) {
		free(counters);
		return -ENOMEM;
	}
	counters->filters = filters;
	*out = counters;
	return 0;
}

void
sl_counters_free(struct sl_counters *counters)
{
	if (counters == NULL)
		return;
	munmap(counters->filters, FILTERS_SIZE);
	free(counters);
}

void
sl_counters_reset_filter(struct sl_counters *counters, uint32_t index)
{
	struct sl_filter_counter *filter = &counters->filters[index];

	/* Reading a page that no filter has hit yet does not bring it into being; writing would. */
	if ((filter->packets | filter->bytes | filter->last_hit_ns) != 0)
		memset(filter, 0, sizeof(*filter));
}

void
sl_counters_sum_filter(
	const struct sl_counters *counters, uint32_t index, struct sl_filter_counter *sum)
{
	const struct sl_filter_counter *filter = &counters->filters[index];
	uint64_t last_hit_ns = sl_counter_read(&filter->last_hit_ns);

	sum->packets += sl_counter_read(&filter->packets);
	sum->bytes += sl_counter_read(&filter->bytes);
	sum->last_hit_ns = SL_MAX(sum->last_hit_ns, last_hit_ns);
}

static void
add_words(void *sum, const void *from, size_t size)
{
	const uint64_t *words = from;
	uint64_t *sums = sum;

	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		sums[i] += sl_counter_read(&words[i]);
}

void
sl_counters_sum(const struct sl_counters *counters, struct sl_counters *sum)
{
	add_words(sum->layers, counters->layers, sizeof(sum->layers));
	add_words(sum->reasons, counters->reasons, sizeof(sum->reasons));
	add_words(sum->would_drop, counters->would_drop, sizeof(sum->would_drop));
	add_words(sum->links, counters->links, sizeof(sum->links));
	add_words(&sum->worker, &counters->worker, sizeof(sum->worker));
	add_words(&sum->flows, &counters->flows, sizeof(sum->flows));
}
