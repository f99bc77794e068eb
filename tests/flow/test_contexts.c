/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Contexts of callouts: one per flow, layer and callout, out of a stock of 64 (see make_config). */

static int callouts[4];

static int
add(struct sl_flow_table *table, struct sl_flow *flow, int callout, uint8_t layer, uint64_t value)
{
	const struct sl_flow_context context = {&callouts[callout], value, layer};

	return sl_flow_context_add(table, flow, &context);
}

static void
test_one_each(void **state)
{
	struct sl_flow_table *table = make_table(10);
	struct sl_flow *flow = make_add(table, 1, SL_FLOW_UDP, MAKE_START_NS);
	struct sl_flow *other = make_add(table, 2, SL_FLOW_UDP, MAKE_START_NS);
	struct sl_flow_context context;

	(void)state;
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[0], 3), 0);
	assert_int_equal(add(table, flow, 0, 3, 0), -EINVAL);
	assert_int_equal(
		sl_flow_context_add(table, flow, &(struct sl_flow_context){NULL, 1, 3}), -EINVAL);
	assert_int_equal(add(table, flow, 0, 3, 30), 0);
	assert_int_equal(add(table, flow, 0, 3, 31), -EEXIST);
	assert_int_equal(add(table, flow, 0, 4, 40), 0);
	assert_int_equal(add(table, flow, 1, 3, 130), 0);
	assert_int_equal(add(table, other, 0, 3, 99), 0);
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[0], 3), 30);
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[0], 4), 40);
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[1], 3), 130);
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[1], 4), 0);
	assert_int_equal(sl_flow_context_get(table, other, &callouts[0], 3), 99);
	assert_true(sl_flow_context_take(table, flow, &callouts[0], 4, &context));
	assert_ptr_equal(context.callout, &callouts[0]);
	assert_int_equal(context.value, 40);
	assert_int_equal(context.layer, 4);
	assert_false(sl_flow_context_take(table, flow, &callouts[0], 4, &context));
	assert_false(sl_flow_context_take(table, flow, NULL, 4, &context));
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[0], 3), 30);
	sl_flow_table_free(table);
}

static void
test_take_any(void **state)
{
	struct sl_flow_table *table = make_table(10);
	struct sl_flow *flow = make_add(table, 1, SL_FLOW_UDP, MAKE_START_NS);
	struct sl_flow_context context;
	uint64_t sum = 0;

	(void)state;
	assert_false(sl_flow_context_take_any(table, flow, &context));
	for (int i = 0; i < 4; i++)
		for (uint8_t layer = 0; layer < 4; layer++)
			assert_int_equal(add(table, flow, i, layer, 1u << (i * 4 + layer)), 0);
	assert_true(sl_flow_context_take(table, flow, &callouts[2], 1, &context));
	while (sl_flow_context_take_any(table, flow, &context)) {
		assert_int_equal(context.value,
			1u << ((int *)context.callout - callouts) * 4 << context.layer);
		sum += context.value;
	}
	assert_int_equal(sum, 0xffff - (1 << 9));
	assert_int_equal(flow->flags, 0);
	sl_flow_remove(table, flow);
	sl_flow_table_free(table);
}

/* The stock is for all flows; what is taken can be given again. */
static void
test_stock(void **state)
{
	struct sl_flow_table *table = make_table(100);
	struct sl_flow *flows[65];
	struct sl_flow_context context;

	(void)state;
	for (uint32_t i = 0; i < 65; i++)
		flows[i] = make_add(table, i, SL_FLOW_UDP, MAKE_START_NS);
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 64; i++)
			assert_int_equal(add(table, flows[i], i % 4, 1, i + 1), 0);
		assert_int_equal(add(table, flows[64], 0, 1, 1), -ENOSPC);
		assert_int_equal(flows[64]->flags, 0);
		for (uint32_t i = 0; i < 64; i++)
			assert_int_equal(
				sl_flow_context_get(table, flows[i], &callouts[i % 4], 1), i + 1);
		for (uint32_t i = round; i < 64 + round; i++) {
			assert_true(sl_flow_context_take_any(table, flows[i % 64], &context));
			assert_int_equal(context.value, i % 64 + 1);
		}
	}
	sl_flow_table_free(table);
}

static void
test_none(void **state)
{
	struct sl_flow_config config;
	struct sl_flow_table *table;
	struct sl_flow *flow;
	struct sl_flow_context context;

	(void)state;
	make_config(&config, 10);
	config.contexts = 0;
	assert_int_equal(sl_flow_table_new(&config, 0, MAKE_START_NS, &table), 0);
	flow = make_add(table, 1, SL_FLOW_UDP, MAKE_START_NS);
	assert_int_equal(add(table, flow, 0, 1, 1), -ENOSPC);
	assert_int_equal(sl_flow_context_get(table, flow, &callouts[0], 1), 0);
	assert_false(sl_flow_context_take_any(table, flow, &context));
	sl_flow_table_free(table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_each),
		cmocka_unit_test(test_take_any),
		cmocka_unit_test(test_stock),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
