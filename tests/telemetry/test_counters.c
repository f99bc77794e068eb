/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry/sl_counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define LAST (SL_COUNTERS_FILTERS_MAX - 1)

static int
setup(void **state)
{
	struct sl_counters *counters;

	if (sl_counters_new(&counters) != 0)
		return -1;
	*state = counters;
	return 0;
}

static int
teardown(void **state)
{
	sl_counters_free(*state);
	return 0;
}

static void
test_free_of_nothing(void **state)
{
	(void)state;
	sl_counters_free(NULL);
}

static void
test_hits_are_counted(void **state)
{
	struct sl_counters *counters = *state;
	struct sl_filter_counter sum = {0};

	sl_counters_hit(counters, LAST, 60, 1000);
	sl_counters_hit(counters, LAST, 1514, 2000);
	sl_counters_sum_filter(counters, LAST, &sum);
	assert_int_equal(sum.packets, 2);
	assert_int_equal(sum.bytes, 1574);
	assert_int_equal(sum.last_hit_ns, 2000);
	sl_counters_sum_filter(counters, 0, &sum);
	assert_int_equal(sum.packets, 2);
}

/* The latest hit of all workers counts, whichever worker is summed last. */
static void
test_sum_over_workers(void **state)
{
	struct sl_counters *first = *state, *second;
	struct sl_filter_counter sum = {0};

	assert_int_equal(sl_counters_new(&second), 0);
	sl_counters_hit(first, 7, 100, 5000);
	sl_counters_hit(second, 7, 10, 3000);
	sl_counters_sum_filter(first, 7, &sum);
	sl_counters_sum_filter(second, 7, &sum);
	assert_int_equal(sum.packets, 2);
	assert_int_equal(sum.bytes, 110);
	assert_int_equal(sum.last_hit_ns, 5000);
	sl_counters_free(second);
}

static void
test_reset_touches_one_filter(void **state)
{
	struct sl_counters *counters = *state;
	struct sl_filter_counter sum = {0};

	for (uint32_t i = 10; i < 13; i++)
		sl_counters_hit(counters, i, 1, 1);
	sl_counters_reset_filter(counters, 11);
	for (uint32_t i = 10; i < 13; i++)
		sl_counters_sum_filter(counters, i, &sum);
	assert_int_equal(sum.packets, 2);
	assert_int_equal(counters->filters[11].packets, 0);
	assert_int_equal(counters->filters[11].last_hit_ns, 0);
}

static void
test_sum_of_the_rest(void **state)
{
	struct sl_counters *counters = *state;
	static struct sl_counters sum;

	sl_counter_add(&counters->layers[0].permit, 1);
	sl_counter_add(&counters->layers[SLUICE_LAYER_COUNT - 1].ignored_override, 2);
	sl_counter_add(&counters->reasons[SL_REASON_COUNT - 1], 3);
	sl_counter_add(&counters->would_drop[SL_REASON_FILTER], 4);
	sl_counter_add(&counters->links[SL_COUNTERS_LINKS_MAX - 1][1].dropped, 5);
	sl_counter_add(&counters->worker.bursts, 6);
	sl_counter_add(&counters->worker.replies_refused, 7);
	sl_counter_add(&counters->flows.opened[SLUICE_DIRECTION_OUTBOUND], 8);
	sl_counter_add(&counters->flows.ended[SL_FLOW_END_ADMIN], 9);
	sl_counter_add(&counters->flows.context_refused, 10);
	sl_counters_sum(counters, &sum);
	sl_counters_sum(counters, &sum);
	assert_int_equal(sum.layers[0].permit, 2);
	assert_int_equal(sum.layers[SLUICE_LAYER_COUNT - 1].ignored_override, 4);
	assert_int_equal(sum.reasons[SL_REASON_COUNT - 1], 6);
	assert_int_equal(sum.would_drop[SL_REASON_FILTER], 8);
	assert_int_equal(sum.links[SL_COUNTERS_LINKS_MAX - 1][1].dropped, 10);
	assert_int_equal(sum.worker.bursts, 12);
	assert_int_equal(sum.worker.replies_refused, 14);
	assert_int_equal(sum.flows.opened[SLUICE_DIRECTION_OUTBOUND], 16);
	assert_int_equal(sum.flows.ended[SL_FLOW_END_ADMIN], 18);
	assert_int_equal(sum.flows.context_refused, 20);
	assert_null(sum.filters);
}

static size_t
resident_bytes(const struct sl_counters *counters)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
	size_t size = SL_COUNTERS_FILTERS_MAX * sizeof(counters->filters[0]);
	size_t n_pages = (size + page - 1) / page;
	unsigned char *map = malloc(n_pages);

	assert_non_null(map);
	assert_int_equal(mincore(counters->filters, size, map), 0);
	for (size_t i = 0; i < n_pages; i++)
		n += map[i] & 1;
	free(map);
	return n * page;
}

/* Room for four million filters costs what is hit: one page, which may be a huge one, a place. */
static void
test_memory_is_lazy(void **state)
{
	struct sl_counters *counters = *state;

	assert_int_equal(resident_bytes(counters), 0);
	sl_counters_reset_filter(counters, 0);
	sl_counters_hit(counters, 0, 1, 1);
	sl_counters_hit(counters, LAST, 1, 1);
	assert_in_range(resident_bytes(counters), 2, (size_t)4 << 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_of_nothing),
		cmocka_unit_test_setup_teardown(test_hits_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sum_over_workers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_touches_one_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sum_of_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_is_lazy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
