/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* What others see of flows, while nobody changes them; tests/race has the rest. */

#define AT(ms) (MAKE_START_NS + (uint64_t)(ms)*MAKE_MS)

static void
test_view(void **state)
{
	struct sl_flow_table *table = make_table(10);
	struct sl_flow_view view;
	struct sl_flow *flow;
	struct sl_flow_key key;
	uint64_t id;

	(void)state;
	flow = make_add(table, 4, SL_FLOW_UDP, AT(1000));
	make_key(&key, 4);
	id = sl_flow_id(table, flow);
	sl_flow_set_flags(flow, SL_FLOW_OUTBOUND | SL_FLOW_PENDING, 0);
	sl_flow_set_flags(flow, SL_FLOW_REPLIED, SL_FLOW_PENDING);
	sl_flow_set_end(flow, SL_FLOW_END_FIN);
	flow->generation = 12;
	flow->tcp.state = SL_TCP_TIME_WAIT;
	sl_flow_about(table, flow)->filter_id = 77;
	sl_flow_about(table, flow)->revision = 5;
	sl_flow_count(flow, SLUICE_DIRECTION_OUTBOUND, 60, sl_flow_clock(table, AT(2000)));
	sl_flow_count(flow, SLUICE_DIRECTION_OUTBOUND, 70, sl_flow_clock(table, AT(2500)));
	sl_flow_count(flow, SLUICE_DIRECTION_INBOUND, 80, sl_flow_clock(table, AT(3000)));
	assert_true(sl_flow_view(table, id, &view));
	assert_int_equal(view.id, id);
	assert_memory_equal(&view.key, &key, sizeof(key));
	assert_int_equal(view.flags, SL_FLOW_OUTBOUND | SL_FLOW_REPLIED);
	assert_int_equal(view.class, SL_FLOW_UDP);
	assert_int_equal(view.end, SL_FLOW_END_FIN);
	assert_int_equal(view.tcp_state, SL_TCP_TIME_WAIT);
	assert_int_equal(view.packets[SLUICE_DIRECTION_OUTBOUND], 2);
	assert_int_equal(view.packets[SLUICE_DIRECTION_INBOUND], 1);
	assert_int_equal(view.bytes[SLUICE_DIRECTION_OUTBOUND], 130);
	assert_int_equal(view.bytes[SLUICE_DIRECTION_INBOUND], 80);
	assert_int_equal(view.since_ns, AT(1000));
	assert_int_equal(view.last_ns, AT(3000));
	assert_int_equal(view.over_ns, AT(63000));
	assert_int_equal(view.filter_id, 77);
	assert_int_equal(view.generation, 12);
	assert_int_equal(view.revision, 5);
	sl_flow_remove(table, flow);
	assert_false(sl_flow_view(table, id, &view));
	assert_false(sl_flow_view(table, UINT64_MAX, &view));
	assert_false(sl_flow_view(table, 0, &view));
	sl_flow_table_free(table);
}

/* In pages of any size, every flow once. */
static void
test_pages(void **state)
{
	struct sl_flow_table *table = make_table(300);
	struct sl_flow_view views[300];

	(void)state;
	for (uint32_t i = 0; i < 250; i++)
		make_add(table, i, SL_FLOW_TCP_SYN, AT(0));
	for (uint32_t i = 0; i < 250; i += 5) {
		struct sl_flow_key key;

		make_key(&key, i);
		sl_flow_remove(table, make_find(table, &key));
	}
	for (uint32_t page = 1; page <= 300; page += page < 10 ? 1 : 50) {
		uint32_t at = 0, total = 0, seen[250] = {0}, number;

		while (at != SL_FLOW_LIST_END) {
			uint32_t n = sl_flow_list(table, &at, views, page);

			assert_true(n <= page);
			for (uint32_t i = 0; i < n; i++) {
				memcpy(&number, views[i].key.remote, sizeof(number));
				seen[number]++;
				assert_non_null(sl_flow_by_id(table, views[i].id));
			}
			total += n;
		}
		assert_int_equal(total, 200);
		for (uint32_t i = 0; i < 250; i++)
			assert_int_equal(seen[i], i % 5 != 0);
		assert_int_equal(sl_flow_list(table, &at, views, page), 0);
		assert_int_equal(at, SL_FLOW_LIST_END);
	}
	sl_flow_table_free(table);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(sl_flow_class_name(SL_FLOW_TCP_SYN), "tcp_syn");
	assert_string_equal(sl_flow_class_name(SL_FLOW_ENDED), "ended");
	assert_string_equal(sl_flow_class_name(SL_FLOW_CLASS_COUNT), "unknown");
	assert_string_equal(sl_flow_end_name(SL_FLOW_END_NONE), "none");
	assert_string_equal(sl_flow_end_name(SL_FLOW_END_REPLACED), "replaced");
	assert_string_equal(sl_flow_end_name(SL_FLOW_END_COUNT), "unknown");
	for (int i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(sl_flow_class_name(i), sl_flow_class_name(k));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_view),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
