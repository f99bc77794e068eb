/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Time-outs, in their order and in bounded work; pressure; who gives way. */

#define AT(ms) (MAKE_START_NS + (uint64_t)(ms)*MAKE_MS)

static uint32_t
number_of(const struct sl_flow *flow)
{
	uint32_t number;

	memcpy(&number, flow->key.remote, sizeof(number));
	return number;
}

/* Names and removes all that is due, in calls of 64 flows and 256 entries; returns how many. */
static uint32_t
reap(struct sl_flow_table *table, uint64_t now_ns)
{
	struct sl_flow *due[64];
	uint32_t n, total = 0;

	while ((n = sl_flow_due(table, now_ns, 256, due, 64)) > 0) {
		for (uint32_t i = 0; i < n; i++)
			assert_true(sl_flow_is_over(table, due[i], now_ns));
		for (uint32_t i = 0; i < n; i++)
			sl_flow_remove(table, due[i]);
		total += n;
	}
	return total;
}

static void
test_exact(void **state)
{
	struct sl_flow_table *table = make_table(10);
	struct sl_flow *flow = make_add(table, 1, SL_FLOW_UDP, AT(0));

	(void)state;
	assert_false(sl_flow_is_over(table, flow, AT(59999)));
	assert_true(sl_flow_is_over(table, flow, AT(60000)));
	sl_flow_count(flow, SLUICE_DIRECTION_INBOUND, 100, sl_flow_clock(table, AT(1234)));
	assert_int_equal(flow->packets[SLUICE_DIRECTION_INBOUND], 1);
	assert_int_equal(flow->bytes[SLUICE_DIRECTION_INBOUND], 100);
	assert_false(sl_flow_is_over(table, flow, AT(61233)));
	assert_true(sl_flow_is_over(table, flow, AT(61234)));
	sl_flow_table_free(table);
}

/* A flow is named once its tick is there, not more than 64 ms after its end, and only once. */
static void
test_due(void **state)
{
	struct sl_flow_table *table = make_table(10);
	struct sl_flow *flow, *due[8];

	(void)state;
	flow = make_add(table, 1, SL_FLOW_UDP, AT(0));
	for (uint32_t ms = 0; ms < 60000; ms += 7)
		assert_int_equal(sl_flow_due(table, AT(ms), 100, due, 8), 0);
	assert_int_equal(sl_flow_due(table, AT(60000 + 63), 100, due, 8), 1);
	assert_ptr_equal(due[0], flow);
	assert_int_equal(sl_flow_due(table, AT(61000), 100, due, 8), 0);
	/* One that is not removed but lives on in another class is named again. */
	sl_flow_set_class(table, flow, SL_FLOW_ENDED, AT(61000));
	assert_int_equal(sl_flow_due(table, AT(90999), 100, due, 8), 0);
	assert_int_equal(sl_flow_due(table, AT(91063), 100, due, 8), 1);
	sl_flow_remove(table, flow);
	assert_int_equal(reap(table, AT(10000000)), 0);
	sl_flow_table_free(table);
}

/* Packets keep a flow alive as long as they come, for each class. */
static void
test_refresh(void **state)
{
	for (int class = SL_FLOW_TCP_SYN; class < SL_FLOW_CLASS_COUNT; class += 1) {
		struct sl_flow_table *table = make_table(10);
		struct sl_flow_config config;
		struct sl_flow *flow, *due[8];
		uint64_t ms = 0, timeout;

		(void)state;
		make_config(&config, 10);
		timeout = config.timeout_ms[class];
		flow = make_add(table, 1, class, AT(0));
		for (uint32_t i = 0; i < 100; i++) {
			ms += timeout - 1;
			assert_int_equal(sl_flow_due(table, AT(ms), 100, due, 8), 0);
			assert_false(sl_flow_is_over(table, flow, AT(ms)));
			sl_flow_count(flow, i % 2, 60, sl_flow_clock(table, AT(ms)));
		}
		assert_int_equal(sl_flow_due(table, AT(ms + timeout - 1), 100, due, 8), 0);
		assert_int_equal(sl_flow_due(table, AT(ms + timeout + 63), 100, due, 8), 1);
		sl_flow_table_free(table);
	}
}

/* In the order of their ends, whatever the order of their beginnings. */
static void
test_order(void **state)
{
	static const enum sl_flow_class classes[] = {SL_FLOW_UDP, SL_FLOW_TCP_RST, SL_FLOW_TCP_FIN,
		SL_FLOW_MULTICAST, SL_FLOW_TCP_ESTABLISHED};
	struct sl_flow_table *table = make_table(1000);
	struct sl_flow_config config;
	struct sl_flow *due[8];
	uint64_t last = 0;
	uint32_t n, total = 0;

	(void)state;
	make_config(&config, 1000);
	for (uint32_t i = 0; i < 700; i++)
		make_add(table, i, classes[i % 5], AT(i * 37 % 700));
	/* All at once, as after a long rest, but worked off in small steps. */
	for (uint32_t calls = 0; total < 560; calls++) {
		assert_true(calls < 2000);
		n = sl_flow_due(table, AT(120000), 5, due, 8);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t over = due[i]->last_ms + config.timeout_ms[due[i]->class];

			assert_true(over + 64 > last);
			last = SL_MAX(last, over);
			sl_flow_remove(table, due[i]);
		}
		total += n;
	}
	assert_int_equal(sl_flow_due(table, AT(120000), 1000, due, 8), 0);
	assert_int_equal(sl_flow_table_count(table), 140);
	assert_int_equal(reap(table, AT(3600000)), 0);
	assert_int_equal(reap(table, AT(3600800)), 140);
	sl_flow_table_free(table);
}

/* Everything ends in one tick: each call does its work and no more, and ends are named without a gap. */
static void
test_bounded(void **state)
{
	enum {
		N = 50000
	};
	struct sl_flow_table *table = make_table(2 * N);
	struct sl_flow *due[64];
	uint32_t total = 0, calls = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		make_add(table, i, SL_FLOW_UDP, AT(0));
	for (; total < N; calls++) {
		uint32_t n = sl_flow_due(table, AT(70000), 40, due, 64);

		assert_in_range(n, 1, 40);
		for (uint32_t i = 0; i < n; i++)
			sl_flow_remove(table, due[i]);
		total += n;
		/* New flows come meanwhile, and are not taken for old ones. */
		assert_non_null(make_add(table, N + calls, SL_FLOW_UDP, AT(70000)));
	}
	assert_int_equal(calls, N / 40);
	assert_int_equal(reap(table, AT(129999)), 0);
	assert_int_equal(reap(table, AT(130063)), calls);
	assert_int_equal(sl_flow_table_count(table), 0);
	sl_flow_table_free(table);
}

/* Flows that had a packet since they were put there cost work, and no call does more than it may. */
static void
test_bounded_refresh(void **state)
{
	enum {
		N = 10000
	};
	struct sl_flow_table *table = make_table(2 * N);
	struct sl_flow *flows[N], *due[64];
	uint32_t calls = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		flows[i] = make_add(table, i, SL_FLOW_TCP_FIN, AT(0));
	for (uint32_t i = 0; i < N; i++)
		sl_flow_count(flows[i], 0, 60, sl_flow_clock(table, AT(20000)));
	/* The only one without is the last of its tick: it is found after all the others, in N steps. */
	make_add(table, N, SL_FLOW_TCP_FIN, AT(0));
	while (sl_flow_due(table, AT(31000), 50, due, 64) == 0)
		assert_true(++calls < N);
	assert_int_equal(calls, N / 50);
	assert_int_equal(number_of(due[0]), N);
	sl_flow_table_free(table);
}

static void
test_long_time_outs(void **state)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;
	struct sl_flow *due[8];
	uint64_t hour = 3600 * 1000, ms;

	(void)state;
	make_config(&config, 10);
	config.timeout_ms[SL_FLOW_TCP_ESTABLISHED] = 604800000;
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), 0);
	make_add(table, 1, SL_FLOW_TCP_ESTABLISHED, AT(17));
	for (ms = 0; ms < 168 * hour; ms += hour / 4)
		assert_int_equal(sl_flow_due(table, AT(ms), 10, due, 8), 0);
	assert_int_equal(sl_flow_due(table, AT(168 * hour + 16), 10, due, 8), 0);
	assert_int_equal(sl_flow_due(table, AT(168 * hour + 17 + 63), 10, due, 8), 1);
	sl_flow_remove(table, due[0]);
	/* The table's clock of 32 bits comes round after 49 days. */
	for (; ms < 60 * 24 * hour; ms += 6 * hour) {
		make_add(table, 2, SL_FLOW_UDP, AT(ms));
		assert_int_equal(sl_flow_due(table, AT(ms + 59999), 10, due, 8), 0);
		assert_int_equal(reap(table, AT(ms + 60063)), 1);
	}
	sl_flow_table_free(table);
}

/* A clock that is set back makes nothing old, and nothing is forgotten for it. */
static void
test_clock_set_back(void **state)
{
	struct sl_flow_table *table = make_table(10);
	struct sl_flow *flow, *due[8];

	(void)state;
	flow = make_add(table, 1, SL_FLOW_UDP, AT(100000));
	assert_int_equal(sl_flow_due(table, AT(100000), 10, due, 8), 0);
	assert_false(sl_flow_is_over(table, flow, AT(10000)));
	assert_int_equal(sl_flow_due(table, AT(10000), 10, due, 8), 0);
	make_add(table, 2, SL_FLOW_UDP, AT(10000));
	assert_false(sl_flow_is_over(table, flow, AT(159999)));
	assert_int_equal(reap(table, AT(100064)), 1);
	assert_int_equal(reap(table, AT(160064)), 1);
	sl_flow_table_free(table);
}

/* --- Pressure. --- */

/* A clock that is set, and says so, takes no flow's time; what is reported follows it. */
static void
test_clock_is_set(void **state)
{
	static const int64_t steps[] = {1, 63, 64, 262144, 86400000 * 365LL, -1, -3600000};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(steps); i++) {
		struct sl_flow_table *table = make_table(10);
		struct sl_flow_view view;
		uint32_t at = 0;
		struct sl_flow *flow;
		int64_t step = steps[i];

		flow = make_add(table, 1, SL_FLOW_UDP, AT(7000));
		assert_int_equal(reap(table, AT(8000)), 0);
		sl_flow_step_clock(table, step);
		assert_int_equal(reap(table, AT(8000 + step)), 0);
		assert_false(sl_flow_is_over(table, flow, AT(66999 + step)));
		assert_true(sl_flow_is_over(table, flow, AT(67000 + step)));
		assert_int_equal(sl_flow_list(table, &at, &view, 1), 1);
		assert_int_equal(view.last_ns, AT(7000 + step));
		assert_int_equal(view.over_ns, AT(67000 + step));
		assert_int_equal(sl_flow_clock(table, AT(9000 + step)), 9000);
		make_add(table, 2, SL_FLOW_UDP, AT(20000 + step));
		assert_int_equal(reap(table, AT(66900 + step)), 0);
		assert_int_equal(reap(table, AT(67063 + step)), 1);
		assert_int_equal(reap(table, AT(80063 + step)), 1);
		sl_flow_table_free(table);
	}
}

static void
test_pressure(void **state)
{
	struct sl_flow_table *table = make_table(1600);
	struct sl_flow *syn, *established, *adopted;

	(void)state;
	syn = make_add(table, 0, SL_FLOW_TCP_SYN, AT(0));
	established = make_add(table, 1, SL_FLOW_TCP_ESTABLISHED, AT(0));
	adopted = make_add(table, 2, SL_FLOW_TCP_ESTABLISHED, AT(0));
	sl_flow_set_flags(adopted, SL_FLOW_MIDSTREAM, 0);
	for (uint32_t i = 3; i < 1200; i++)
		make_add(table, i, SL_FLOW_UDP, AT(0));
	assert_int_equal(sl_flow_pressure(table), 16);
	assert_false(sl_flow_is_over(table, syn, AT(29999)));
	for (uint32_t i = 1200; i < 1400; i++)
		make_add(table, i, SL_FLOW_UDP, AT(0));
	assert_int_equal(sl_flow_pressure(table), 8);
	assert_false(sl_flow_is_over(table, syn, AT(14999)));
	assert_true(sl_flow_is_over(table, syn, AT(15000)));
	for (uint32_t i = 1400; i < 1600; i++) {
		uint32_t pressure = sl_flow_pressure(table);

		make_add(table, i, SL_FLOW_UDP, AT(0));
		assert_true(sl_flow_pressure(table) <= pressure);
		assert_true(sl_flow_pressure(table) >= 1);
	}
	assert_int_equal(sl_flow_pressure(table), 1);
	assert_true(sl_flow_is_over(table, syn, AT(1875)));
	assert_false(sl_flow_is_over(table, syn, AT(1874)));
	/* Never where the handshake was seen. */
	assert_false(sl_flow_is_over(table, established, AT(3599999)));
	assert_true(sl_flow_is_over(table, adopted, AT(225000)));
	sl_flow_table_free(table);
}

/* Shorter time-outs take effect for flows that were put in their places before. */
static void
test_pressure_takes_effect(void **state)
{
	struct sl_flow_table *table = make_table(1000);
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		make_add(table, i, SL_FLOW_TCP_ESTABLISHED, AT(0));
	for (uint32_t i = 100; i < 200; i++)
		make_add(table, i, SL_FLOW_TCP_FIN, AT(0));
	for (uint32_t i = 200; i < 1000; i++)
		make_add(table, i, i % 2 == 0 ? SL_FLOW_UDP : SL_FLOW_TCP_SYN, AT(0));
	assert_int_equal(sl_flow_pressure(table), 1);
	/* As flows go the pressure goes, down to three quarters. */
	for (uint32_t ms = 0; ms < 10000; ms += 10)
		n += reap(table, AT(ms));
	/* At ten seconds a SYN is over at 5/16 or less, when 78 places or less are free; 64 go at once. */
	assert_in_range(n, 64, 78 + 64);
	/* The established ones are all there. */
	for (uint32_t i = 0; i < 100; i++) {
		struct sl_flow_key key;

		make_key(&key, i);
		assert_non_null(make_find(table, &key));
	}
	sl_flow_table_free(table);
}

/* --- Who gives way. --- */

static void
test_victim_order(void **state)
{
	struct sl_flow_table *table = make_table(1000);
	struct sl_flow *victim;

	(void)state;
	assert_null(sl_flow_victim(table));
	for (uint32_t i = 0; i < 100; i++) {
		enum sl_flow_class class = i % 2 == 0 ? SL_FLOW_UDP : SL_FLOW_TCP_SYN;

		/* From the middle on, and then those before; two ticks apart. */
		make_add(table, i, class, AT((i + 50) % 100 * 128));
	}
	assert_int_equal(reap(table, AT(100 * 128)), 0);
	for (uint32_t i = 0; i < 100; i++) {
		victim = sl_flow_victim(table);
		assert_non_null(victim);
		assert_int_equal(number_of(victim), (i + 50) % 100);
		sl_flow_remove(table, victim);
	}
	assert_null(sl_flow_victim(table));
	sl_flow_table_free(table);
}

static void
test_victim_choice(void **state)
{
	struct sl_flow_table *table = make_table(100);
	struct sl_flow *flow;

	(void)state;
	/* Never: a handshake that was seen, a conversation with an answer, what has ended, what is being judged. */
	make_add(table, 1, SL_FLOW_TCP_ESTABLISHED, AT(0));
	flow = make_add(table, 2, SL_FLOW_UDP, AT(0));
	sl_flow_set_flags(flow, SL_FLOW_REPLIED, 0);
	make_add(table, 3, SL_FLOW_ENDED, AT(0));
	make_add(table, 4, SL_FLOW_TCP_FIN, AT(0));
	flow = make_add(table, 5, SL_FLOW_UDP, AT(0));
	sl_flow_set_flags(flow, SL_FLOW_PENDING, 0);
	assert_null(sl_flow_victim(table));
	sl_flow_set_flags(flow, 0, SL_FLOW_PENDING);
	assert_ptr_equal(sl_flow_victim(table), flow);
	sl_flow_remove(table, flow);
	/* SYN-ACK is not the end of a handshake. */
	flow = make_add(table, 6, SL_FLOW_TCP_SYN, AT(1000));
	sl_flow_set_flags(flow, SL_FLOW_REPLIED, 0);
	assert_ptr_equal(sl_flow_victim(table), flow);
	sl_flow_set_class(table, flow, SL_FLOW_TCP_ESTABLISHED, AT(1000));
	assert_null(sl_flow_victim(table));
	/* One that was picked up, until it is answered. */
	flow = make_add(table, 7, SL_FLOW_OTHER, AT(1000));
	sl_flow_set_flags(flow, SL_FLOW_MIDSTREAM, 0);
	sl_flow_set_class(table, flow, SL_FLOW_TCP_ESTABLISHED, AT(1000));
	assert_ptr_equal(sl_flow_victim(table), flow);
	sl_flow_set_flags(flow, SL_FLOW_REPLIED, 0);
	assert_null(sl_flow_victim(table));
	sl_flow_table_free(table);
}

/* A packet makes a flow younger. */
static void
test_victim_refreshed(void **state)
{
	struct sl_flow_table *table = make_table(1000);
	struct sl_flow *flows[200];

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		flows[i] = make_add(table, i, SL_FLOW_UDP, AT(i * 64));
	for (uint32_t i = 0; i < 50; i++)
		sl_flow_count(flows[i], 0, 60, sl_flow_clock(table, AT(20000)));
	for (uint32_t i = 50; i < 200; i++) {
		assert_ptr_equal(sl_flow_victim(table), flows[i]);
		sl_flow_remove(table, flows[i]);
	}
	for (uint32_t i = 0; i < 50; i++) {
		assert_non_null(sl_flow_victim(table));
		sl_flow_remove(table, sl_flow_victim(table));
	}
	assert_int_equal(sl_flow_table_count(table), 0);
	sl_flow_table_free(table);
}

/* Time-outs beyond a wheel's reach: still one is named, however long they wait. */
static void
test_victim_far(void **state)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;
	struct sl_flow *victim;

	(void)state;
	make_config(&config, 1000);
	config.timeout_ms[SL_FLOW_UDP] = 600000;
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), 0);
	for (uint32_t i = 0; i < 200; i++)
		make_add(table, i, SL_FLOW_UDP, AT(i * 64));
	reap(table, AT(200000));
	for (uint32_t i = 0; i < 200; i++) {
		victim = sl_flow_victim(table);
		assert_non_null(victim);
		assert_int_equal(number_of(victim), i);
		sl_flow_remove(table, victim);
	}
	sl_flow_table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_bounded_refresh),
		cmocka_unit_test(test_long_time_outs),
		cmocka_unit_test(test_clock_set_back),
		cmocka_unit_test(test_clock_is_set),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_pressure_takes_effect),
		cmocka_unit_test(test_victim_order),
		cmocka_unit_test(test_victim_choice),
		cmocka_unit_test(test_victim_refreshed),
		cmocka_unit_test(test_victim_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
