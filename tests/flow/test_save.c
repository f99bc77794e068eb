/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Flows over a restart: out of one table, into another with another clock and another hash key. */

#define AT(ms) (MAKE_START_NS + (uint64_t)(ms)*MAKE_MS)

static struct sl_flow_table *
make_later_table(uint32_t max, uint64_t now_ns)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;

	make_config(&config, max);
	config.hash_key[0] ^= 0x5555;
	assert_int_equal(sl_flow_table_new(&config, 3, now_ns, &table), 0);
	return table;
}

static void
fill(struct sl_flow_table *table)
{
	for (uint32_t i = 0; i < 60; i++) {
		struct sl_flow *flow = make_add(table, i, i % SL_FLOW_CLASS_COUNT, AT(i * 10));

		sl_flow_set_flags(flow, i % 2 == 0 ? SL_FLOW_OUTBOUND : SL_FLOW_REPLIED, 0);
		flow->tcp.state = i % SL_TCP_STATE_COUNT;
		flow->tcp.side[0].end = i * 1000;
		flow->generation = 9;
		for (uint32_t k = 0; k <= i; k++)
			sl_flow_count(flow, k % 2, 100, sl_flow_clock(table, AT(i * 20)));
	}
	sl_flow_set_flags(make_add(table, 60, SL_FLOW_UDP, AT(0)), SL_FLOW_PENDING, 0);
	sl_flow_set_flags(make_add(table, 61, SL_FLOW_UDP, AT(0)), SL_FLOW_PENDED, 0);
}

static void
check_same(const struct sl_flow_table *table, const struct sl_flow_saved *saved)
{
	const struct sl_flow *flow = make_find(table, &saved->key);
	struct sl_flow_view view;

	assert_non_null(flow);
	assert_true(sl_flow_view(table, sl_flow_id(table, flow), &view));
	assert_int_equal(view.flags, saved->flags | SL_FLOW_IMPORTED);
	assert_int_equal(view.class, saved->class);
	assert_int_equal(view.last_ns, saved->last_ns);
	assert_memory_equal(view.packets, saved->packets, sizeof(view.packets));
	assert_memory_equal(view.bytes, saved->bytes, sizeof(view.bytes));
	assert_true(view.since_ns <= saved->since_ns + 62500000);
	assert_true(view.since_ns + 62500000 >= saved->since_ns);
	assert_memory_equal(&flow->tcp, &saved->tcp, sizeof(flow->tcp));
	assert_int_equal(flow->generation, 0);
}

static void
test_round(void **state)
{
	struct sl_flow_table *table = make_table(100), *later;
	struct sl_flow_saved saved[80];
	uint32_t at = 0, n = 0, n_loaded = 0;
	uint64_t now_ns = AT(3500);

	(void)state;
	fill(table);
	while (at != SL_FLOW_LIST_END)
		n += sl_flow_save(table, &at, &saved[n], 7);
	assert_int_equal(n, 60);
	later = make_later_table(100, now_ns);
	for (uint32_t i = 0; i < n; i++) {
		int error = sl_flow_load(later, &saved[i], now_ns);

		/* Of those four seconds old only multicast is over, if its last packet was long enough ago. */
		if (saved[i].class == SL_FLOW_MULTICAST &&
			now_ns - saved[i].last_ns >= 4 * MAKE_S) {
			assert_int_equal(error, -ESTALE);
			continue;
		}
		assert_int_equal(error, 0);
		assert_int_equal(sl_flow_load(later, &saved[i], now_ns), -EEXIST);
		check_same(later, &saved[i]);
		n_loaded++;
	}
	assert_int_equal(sl_flow_table_count(later), n_loaded);
	sl_flow_table_free(table);
	sl_flow_table_free(later);
}

/* Time goes on while the process is away, and ends come when they would have come. */
static void
test_ends(void **state)
{
	struct sl_flow_table *table = make_table(10), *later;
	struct sl_flow_saved saved;
	struct sl_flow *flow, *due[4];
	uint32_t at = 0;

	(void)state;
	make_add(table, 1, SL_FLOW_UDP, AT(0));
	assert_int_equal(sl_flow_save(table, &at, &saved, 1), 1);
	sl_flow_table_free(table);
	later = make_later_table(10, AT(60000));
	assert_int_equal(sl_flow_load(later, &saved, AT(60000)), -ESTALE);
	sl_flow_table_free(later);
	later = make_later_table(10, AT(50000));
	assert_int_equal(sl_flow_load(later, &saved, AT(50000)), 0);
	flow = make_find(later, &saved.key);
	assert_int_equal(sl_flow_since_ns(later, flow), AT(0));
	assert_false(sl_flow_is_over(later, flow, AT(59999)));
	assert_true(sl_flow_is_over(later, flow, AT(60000)));
	assert_int_equal(sl_flow_due(later, AT(59999), 10, due, 4), 0);
	assert_int_equal(sl_flow_due(later, AT(60063), 10, due, 4), 1);
	sl_flow_table_free(later);
}

/* What comes from a file may be anything. */
static void
test_refused(void **state)
{
	struct sl_flow_table *table = make_table(1);
	struct sl_flow_saved good = {.class = SL_FLOW_UDP, .last_ns = AT(0), .since_ns = AT(0)},
			     bad;

	(void)state;
	make_key(&good.key, 2);
#define REFUSED(member, value)                                                \
	do {                                                                  \
		bad = good;                                                   \
		bad.member = (value);                                         \
		assert_int_equal(sl_flow_load(table, &bad, AT(10)), -EINVAL); \
	} while (0)
	REFUSED(class, SL_FLOW_CLASS_COUNT);
	REFUSED(end, SL_FLOW_END_COUNT);
	REFUSED(flags, SL_FLOW_PENDING);
	REFUSED(flags, 0x8000);
	REFUSED(tcp.state, SL_TCP_STATE_COUNT);
	REFUSED(key.ip_version, 5);
	REFUSED(key.is_icmp_query, 3);
	REFUSED(key.reserved, 1);
	REFUSED(key.local[4], 1);
	REFUSED(key.remote[15], 1);
#undef REFUSED
	/* Times that cannot be are made possible. */
	bad = good;
	bad.last_ns = UINT64_MAX;
	bad.since_ns = 0;
	assert_int_equal(sl_flow_load(table, &bad, AT(10)), 0);
	assert_int_equal(make_find(table, &bad.key)->last_ms, 10);
	assert_true(sl_flow_since_ns(table, make_find(table, &bad.key)) < AT(0));
	make_key(&good.key, 4);
	assert_int_equal(sl_flow_load(table, &good, AT(10)), -ENOSPC);
	sl_flow_table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
