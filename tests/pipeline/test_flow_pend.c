/* SPDX-License-Identifier: BSD-3-Clause */
/* Decisions that callouts put off (WFP sections 6.6 and 7.9, tests 11 and 12). */
#include "pend_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- Answers. --- */

static void
judge_again(const struct shape *shape, enum sluice_layer layer)
{
	struct shape reply = *shape;
	struct fixture fixture;
	struct sl_flow_view view;

	pend_start(&fixture);
	expect_held(&fixture, shape);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].layer, layer);
	assert_true(mock_calls[0].may_pend);
	assert_int_equal(mock_calls[0].flags & SLUICE_CONDITION_FLAG_IS_REAUTHORIZE, 0);
	assert_true(mock_token != 0 && mock_calls[0].flow == mock_token);
	flow_only(&fixture, &view);
	assert_int_equal(view.flags & (SL_FLOW_PENDED | SL_FLOW_PENDING), SL_FLOW_PENDED);
	assert_true(fixture.counters->reasons[SL_REASON_ABSORBED] == 0);
	assert_true(counted(&fixture)->opened[0] + counted(&fixture)->opened[1] == 0);

	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
	assert_ptr_equal(pend_release(&fixture, 0)->held.frame.owner, &pend_pool[0]);
	assert_int_equal(
		pend_release(&fixture, 0)->held.path, shape->is_inbound ? PATH_IN : PATH_OUT);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(mock_calls[1].layer, layer);
	assert_int_equal(mock_calls[1].flags & SLUICE_CONDITION_FLAG_IS_REAUTHORIZE,
		SLUICE_CONDITION_FLAG_IS_REAUTHORIZE);
	assert_int_equal(mock_calls[1].reason, SLUICE_REAUTHORIZE_CLASSIFY_COMPLETION);
	assert_int_equal(mock_calls[1].answer, PERMIT);
	assert_true(mock_calls[1].has_packet && !mock_calls[1].may_pend);
	flow_only(&fixture, &view);
	assert_int_equal(view.flags & (SL_FLOW_PENDED | SL_FLOW_PENDING), 0);
	assert_int_equal(
		view.flags & SL_FLOW_ESTABLISHED, shape->protocol == 6 ? 0 : SL_FLOW_ESTABLISHED);
	assert_int_equal(view.packets[0] + view.packets[1], 1);
	assert_int_equal(view.id, mock_token);
	assert_int_equal(counted(&fixture)->opened[0] + counted(&fixture)->opened[1], 1);
	assert_int_equal(counted(&fixture)->completed, 1);

	/* The rest rides. */
	reply.is_inbound = !reply.is_inbound;
	reply.flags = SYN | ACK;
	reply.seq = 5000;
	reply.ack = shape->seq + 1;
	expect_passed(&fixture, &reply);
	expect_passed(&fixture, shape);
	assert_int_equal(mock_n_calls, 2);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* WFP section 7.9, test 11. */
static void
test_completion_judges_again(void **state)
{
	struct shape shape;

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		const bool is_inbound = (i & 1) != 0, is_ip6 = (i & 2) != 0;

		shape = (i & 4) != 0 ? web : dns_out;
		shape.is_inbound = is_inbound;
		shape.is_ip6 = is_ip6;
		if (is_inbound)
			judge_again(&shape, is_ip6 ? SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6 : ACCEPT);
		else
			judge_again(&shape, is_ip6 ? SLUICE_LAYER_ALE_AUTH_CONNECT_V6 : CONNECT);
	}
}

/* WFP section 7.9, test 12. */
static void
test_syn_again(void **state)
{
	struct fixture fixture;
	struct shape shape = web;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		shape.is_ip6 = i == 1;
		pend_start(&fixture);
		expect_held(&fixture, &shape);
		for (uint32_t n = 0; n < 5; n++) {
			pass_time(&fixture, SECOND);
			expect_dropped(&fixture, &shape, SL_REASON_FLOW_PENDED);
		}
		assert_int_equal(mock_n_calls, 1);
		assert_int_equal(counted(&fixture)->pended, 1);
		pend_answer(&fixture, PERMIT);
		assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
		expect_passed(&fixture, &shape);
		assert_int_equal(mock_n_calls, 2);
		fixture_fini(&fixture);
	}
}

/* What is blocked is forgotten: its next packet asks anew. */
static void
test_block(void **state)
{
	struct shape shapes[] = {dns_out, web};
	struct fixture fixture;
	struct sl_event event;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		pend_start(&fixture);
		fixture_add_all(&fixture, SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD, "twin", NULL,
			SLUICE_ACTION_PERMIT);
		fixture_commit(&fixture);
		expect_held(&fixture, &shapes[i]);
		assert_false(sl_ring_get(fixture.events, &event));
		pend_answer(&fixture, BLOCK);
		assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER), 1);
		assert_string_equal(
			fixture_key(&fixture, &pend_release(&fixture, 0)->outcome), "connect");
		assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 1);
		assert_int_equal(
			fixture.counters->layers[SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD].permit,
			1);
		assert_true(sl_ring_get(fixture.events, &event));
		assert_int_equal(event.reason, SL_REASON_FILTER);
		assert_int_equal(event.layer, CONNECT);
		assert_false(sl_ring_get(fixture.events, &event));
		assert_int_equal(flows_live(&fixture), 0);
		assert_int_equal(counted(&fixture)->blocked, 1);
		expect_quiet(&fixture);
		expect_held(&fixture, &shapes[i]);
		assert_int_equal(counted(&fixture)->pended, 2);
		fixture_fini(&fixture);
	}
}

/* The callout decides by absorbing: nobody hears of it. */
static void
test_absorb(void **state)
{
	struct fixture fixture;
	struct sl_event event;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &dns_out);
	pend_answer(&fixture, BLOCK | MOCK_ABSORB);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_ABSORB, SL_REASON_ABSORBED), 2);
	assert_false(sl_ring_get(fixture.events, &event));
	assert_int_equal(flows_live(&fixture), 0);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* --- What is held. --- */

static void
test_held_in_order(void **state)
{
	struct shape shape = dns_out;
	struct fixture fixture;
	struct sl_flow_view view;

	(void)state;
	pend_start(&fixture);
	for (uint16_t i = 0; i < 8; i++) {
		shape.payload = i;
		expect_held(&fixture, &shape);
	}
	expect_dropped(&fixture, &shape, SL_REASON_FLOW_PENDED);
	assert_int_equal(mock_n_calls, 1);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_ptr_equal(pend_release(&fixture, i)->held.frame.owner, &pend_pool[i]);
	assert_int_equal(mock_n_calls, 2);
	flow_only(&fixture, &view);
	assert_int_equal(view.packets[SLUICE_DIRECTION_OUTBOUND], 8);
	fixture_fini(&fixture);
}

static void
test_held_bytes(void **state)
{
	struct shape shape = dns_out;
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.pend.bytes = 300;
	pend_start_with(&fixture, &config, 0);
	shape.payload = 200;
	expect_held(&fixture, &shape);
	expect_dropped(&fixture, &shape, SL_REASON_FLOW_PENDED);
	expect_held(&fixture, &dns_out);
	fixture_fini(&fixture);
}

/* All of a burst: one is asked about, the others wait for it. */
static void
test_burst(void **state)
{
	struct sl_frame frames[12];
	struct sl_outcome outcomes[12];
	struct shape shape = dns_out;
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	for (uint32_t i = 0; i < 12; i++) {
		shape.local_port = i == 5 ? 4001 : 4000;
		frames[i] = pend_make(&shape)->frame;
	}
	fixture_run(&fixture, PATH_OUT, frames, 12, outcomes);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(outcomes[i].action, SL_OUTCOME_HELD);
	for (uint32_t i = 9; i < 12; i++)
		assert_int_equal(outcomes[i].reason, SL_REASON_FLOW_PENDED);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(counted(&fixture)->pended, 2);
	fixture_fini(&fixture);
}

static void
test_nothing_passes(void **state)
{
	struct fixture fixture;
	struct shape answer_of_web = web;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_dropped(&fixture, &dns_in, SL_REASON_FLOW_PENDED);
	expect_held(&fixture, &web);
	answer_of_web.is_inbound = true;
	answer_of_web.flags = SYN | ACK;
	expect_dropped(&fixture, &answer_of_web, SL_REASON_FLOW_PENDED);
	assert_int_equal(shape_send_error(&fixture, &dns_out), SL_REASON_ICMP_ERROR_UNRELATED);
	assert_int_equal(mock_n_calls, 2);
	fixture_fini(&fixture);
}

/* The layers before the flow step see a packet when it comes, those behind it when it goes on. */
static void
test_other_layers(void **state)
{
	struct fixture fixture;
	const struct sl_layer_counter *transport, *data;

	(void)state;
	pend_start(&fixture);
	fixture_add_all(&fixture, SLUICE_LAYER_INBOUND_TRANSPORT_V4, "transport", NULL,
		SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, DATAGRAM, "data", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	transport = &fixture.counters->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V4];
	data = &fixture.counters->layers[DATAGRAM];
	expect_held(&fixture, &dns_in);
	expect_held(&fixture, &dns_in);
	assert_int_equal(transport->permit, 2);
	assert_int_equal(data->permit, 0);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(transport->permit, 2);
	assert_int_equal(data->permit, 2);
	/* A layer behind it may still block packets. */
	fixture_remove(&fixture, "data");
	block_all(&fixture, DATAGRAM, "no-data");
	fixture_commit(&fixture);
	expect_held(&fixture, &(struct shape){.is_inbound = true, .local_port = 9});
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER), 1);
	assert_int_equal(flows_live(&fixture), 2);
	fixture_fini(&fixture);
}

/* --- Time. --- */

static void
test_timeout(void **state)
{
	struct fixture fixture;
	struct sl_event event;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &dns_out);
	fixture.now_ns += 29999ull * 1000000;
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_NONE), 0);
	fixture.now_ns += 2000000;
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_PEND_TIMEOUT), 2);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(fixture.counters->reasons[SL_REASON_PEND_TIMEOUT], 2);
	assert_int_equal(fixture.counters->reasons[SL_REASON_CALLOUT_UNREGISTERED], 0);
	assert_true(sl_ring_get(fixture.events, &event));
	assert_int_equal(event.reason, SL_REASON_PEND_TIMEOUT);
	assert_int_equal(event.layer, CONNECT);
	assert_int_equal(counted(&fixture)->pend_timeouts, 1);
	assert_int_equal(flows_live(&fixture), 0);
	expect_quiet(&fixture);
	/* An answer that comes now is for nobody. */
	pend_answer(&fixture, PERMIT);
	assert_int_equal(counted(&fixture)->completions_late, 1);
	assert_int_equal(counted(&fixture)->completed, 0);
	fixture_fini(&fixture);
}

static void
test_timeout_permits(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	pend_start_with(&fixture, &config, SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &web);
	fixture.now_ns += 30001ull * 1000000;
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 2);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(flows_live(&fixture), 2);
	assert_int_equal(counted(&fixture)->pend_timeouts, 2);
	expect_passed(&fixture, &dns_in);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* The clock is set while flows wait: no time has passed. */
static void
test_clock_is_set(void **state)
{
	struct fixture fixture;
	const int64_t day_ns = 86400ll * SECOND;

	(void)state;
	pend_start(&fixture);
	fixture.now_ns += (uint64_t)day_ns;
	expect_held(&fixture, &dns_out);
	fixture.now_ns += (uint64_t)day_ns;
	sl_pipeline_step_clock(fixture.pipeline, day_ns, fixture.now_ns);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	fixture.now_ns -= (uint64_t)day_ns;
	sl_pipeline_step_clock(fixture.pipeline, -day_ns, fixture.now_ns);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
	fixture_fini(&fixture);
}

/* A flow that waits longer than a flow of its kind lives; then its time counts from its end. */
static void
test_no_age(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.pend.timeout_ms = 300000;
	pend_start_with(&fixture, &config, 0);
	expect_held(&fixture, &dns_out);
	for (uint32_t i = 0; i < 28; i++)
		pass_time(&fixture, 10ull * SECOND);
	assert_int_equal(flows_live(&fixture), 1);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 1);
	pass_time(&fixture, 59ull * SECOND);
	assert_int_equal(flows_live(&fixture), 1);
	pass_time(&fixture, 2ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_IDLE], 1);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completion_judges_again),
		cmocka_unit_test(test_syn_again),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_absorb),
		cmocka_unit_test(test_held_in_order),
		cmocka_unit_test(test_held_bytes),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_nothing_passes),
		cmocka_unit_test(test_other_layers),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_timeout_permits),
		cmocka_unit_test(test_clock_is_set),
		cmocka_unit_test(test_no_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
