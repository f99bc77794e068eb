/* SPDX-License-Identifier: BSD-3-Clause */
/* How the wait for a callout ends without its answer, and what happens where nothing can be held. */
#include "pend_helper.h"
#include "stranger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Another than the mock: it gives answers for what it does not wait for. */
static void
command(struct fixture *fixture, enum sl_flow_command_type type, uint64_t id)
{
	const struct sl_flow_command one = {.type = type, .id = id};

	assert_true(sl_ring_put(fixture->commands, &one));
}

/* --- Answers that are none. --- */

static void
test_answers_for_nobody(void **state)
{
	struct fixture fixture;
	struct sl_error err;

	(void)state;
	pend_start(&fixture);
	assert_int_equal(sl_callout_register(fixture.registry, &stranger, &err), 0);
	expect_held(&fixture, &dns_out);
	assert_int_equal(stranger_host->complete(stranger_host, mock_token, PERMIT), 0);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(counted(&fixture)->completions_late, 1);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	assert_int_equal(mock_complete(mock_token + 1, PERMIT), 0);
	assert_int_equal(mock_complete(mock_token, BLOCK), 0);
	assert_int_equal(mock_complete(mock_token, PERMIT), 0);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER), 1);
	assert_int_equal(counted(&fixture)->completions_late, 3);
	assert_int_equal(counted(&fixture)->completed, 1);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* An answer may be there before the packet has been put aside, and is worth as much. */
static void
test_answers_at_once(void **state)
{
	struct sl_outcome outcome;
	struct fixture fixture;
	struct shape shape = dns_out;

	(void)state;
	pend_start(&fixture);
	for (uint16_t i = 0; i < 40; i++) {
		shape.local_port = (uint16_t)(5000 + i);
		outcome = pend_send(&fixture, &shape, SL_MODE_INLINE);
		assert_int_equal(outcome.action, SL_OUTCOME_HELD);
		assert_int_equal(mock_complete(mock_token, PERMIT), 0);
	}
	/* A round takes some of them. */
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 16);
	pend_tick(&fixture, SL_MODE_INLINE);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 8);
	assert_int_equal(counted(&fixture)->completed, 40);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* However much is held, a round lets no more go than a burst has, and one flow's. */
static void
test_answers_for_much(void **state)
{
	struct fixture fixture;
	struct shape shape = dns_out;
	uint32_t n, n_released = 0;

	(void)state;
	pend_start(&fixture);
	for (uint16_t i = 0; i < 14; i++) {
		shape.local_port = (uint16_t)(5000 + i);
		for (uint32_t packet = 0; packet < 7; packet++)
			expect_held(&fixture, &shape);
		assert_int_equal(mock_complete(mock_token, PERMIT), 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		pend_tick(&fixture, SL_MODE_INLINE);
		n = expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE);
		assert_int_equal(n, i == 0 ? 70 : i == 1 ? 28 : 0);
		n_released += n;
	}
	assert_int_equal(n_released, 98);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* --- Where nothing is put off. --- */

static void
test_no_room(void **state)
{
	struct shape shape = dns_out;
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.pend.max = 2;
	pend_start_with(&fixture, &config, 0);
	expect_held(&fixture, &shape);
	shape.local_port++;
	expect_held(&fixture, &shape);
	shape.local_port++;
	expect_dropped(&fixture, &shape, SL_REASON_FILTER);
	assert_int_equal(mock_pend_rc, -1); /* it may not even ask */
	assert_int_equal(counted(&fixture)->pended, 2);
	pend_answer(&fixture, PERMIT);
	expect_held(&fixture, &shape);
	fixture_fini(&fixture);
}

/* More packets of a burst than there is room for: each is told. */
static void
test_no_room_in_a_burst(void **state)
{
	struct sl_outcome outcomes[6];
	struct sl_frame frames[6];
	struct sl_flow_config config;
	struct shape shape = dns_out;
	struct fixture fixture;
	uint32_t n_held = 0;

	(void)state;
	flow_config(&config);
	config.pend.max = 4;
	pend_start_with(&fixture, &config, 0);
	for (uint32_t i = 0; i < 6; i++) {
		shape.local_port++;
		frames[i] = pend_make(&shape)->frame;
	}
	fixture_run(&fixture, PATH_OUT, frames, 6, outcomes);
	for (uint32_t i = 0; i < 6; i++) {
		n_held += outcomes[i].action == SL_OUTCOME_HELD;
		assert_true(outcomes[i].action == SL_OUTCOME_HELD ||
			outcomes[i].reason == SL_REASON_FILTER);
	}
	assert_int_equal(n_held, 4);
	assert_int_equal(mock_pend_rc, -105);
	assert_int_equal(counted(&fixture)->pended, 4);
	assert_int_equal(counted(&fixture)->pend_refused, 2);
	fixture_fini(&fixture);
}

/* Neither what is picked up in its middle nor what is judged anew is a first packet. */
static void
test_not_here(void **state)
{
	struct shape middle = web;
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	middle.flags = ACK;
	middle.ack = 7;
	expect_dropped(&fixture, &middle, SL_REASON_FILTER);
	assert_false(mock_calls[mock_n_calls - 1].may_pend);
	expect_held(&fixture, &dns_out);
	pend_answer(&fixture, PERMIT);
	fixture_add_all(&fixture, CONNECT, "more", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	expect_dropped(&fixture, &dns_in, SL_REASON_FILTER);
	assert_false(mock_calls[mock_n_calls - 1].may_pend);
	assert_int_equal(mock_calls[mock_n_calls - 1].reason, SLUICE_REAUTHORIZE_POLICY_CHANGE);
	assert_int_equal(mock_pend_rc, -1);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* A discard twin sees what has been decided. */
static void
test_not_at_twins(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, CONNECT, "no");
	fixture_add_mock(&fixture, SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD, "twin", "system",
		SLUICE_ACTION_CALLOUT_TERMINATING, MOCK_PEND | PERMIT);
	fixture_add_mock(&fixture, CONNECT, "look", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	mock_reset();
	expect_dropped(&fixture, &dns_out, SL_REASON_FILTER);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(mock_pend_rc, -1);
	assert_false(mock_calls[1].may_pend);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* --- Other ends. --- */

static void
test_kill(void **state)
{
	const struct shape shapes[] = {dns_out, web};
	struct fixture fixture;
	struct sl_event event;
	uint32_t n_events;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		pend_start(&fixture);
		fixture_add_mock(&fixture, CLOSURE, "end", "system",
			SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
		fixture_commit(&fixture);
		expect_held(&fixture, &shapes[i]);
		if (i == 0)
			expect_held(&fixture, &shapes[i]);
		command(&fixture, SL_FLOW_COMMAND_KILL, mock_token);
		pend_tick(&fixture, SL_MODE_INLINE);
		assert_int_equal(
			expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FLOW_REVOKED), 2 - i);
		assert_int_equal(fixture.counters->reasons[SL_REASON_FLOW_REVOKED], 2 - i);
		for (n_events = 0; sl_ring_get(fixture.events, &event); n_events++) {
			assert_int_equal(event.reason, SL_REASON_FLOW_REVOKED);
			assert_true(event.flow_id == mock_token);
		}
		assert_int_equal(n_events, 2 - i);
		/* It was never authorised: no closure, and its next packet begins anew. */
		assert_int_equal(mock_n_calls, 1);
		assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 0);
		assert_int_equal(flows_live(&fixture), 0);
		expect_quiet(&fixture);
		expect_held(&fixture, &shapes[i]);
		fixture_fini(&fixture);
	}
}

/* The callout itself has enough of a flow whose decision it has put off: in the burst in which it did. */
static void
test_abort(void **state)
{
	struct sl_outcome outcome;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, CONNECT, "connect", "system", SLUICE_ACTION_CALLOUT_TERMINATING,
		MOCK_PEND | MOCK_ABORT | BLOCK);
	fixture_compile(&fixture);
	mock_reset();
	outcome = pend_send(&fixture, &dns_out, SL_MODE_INLINE);
	assert_int_equal(outcome.action, SL_OUTCOME_HELD);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FLOW_REVOKED), 1);
	assert_int_equal(flows_live(&fixture), 0);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* The plugin is about to be unloaded: no filter names it, and what waits for it is judged so, some a round. */
static void
test_plugin_leaves(void **state)
{
	struct shape shape = dns_out;
	struct sl_plugin *plugin;
	struct fixture fixture;
	uint32_t n, n_released = 0;

	(void)state;
	pend_start(&fixture);
	plugin = sl_callout_plugin(fixture.registry, "mock");
	for (uint16_t i = 0; i < 40; i++) {
		shape.local_port = (uint16_t)(5000 + i);
		expect_held(&fixture, &shape);
	}
	assert_int_equal(sl_callout_contexts(plugin), 40);
	fixture_remove(&fixture, "connect");
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	pend_tick(&fixture, SL_MODE_INLINE);
	assert_int_equal(sl_callout_contexts(plugin), 40);
	command(&fixture, SL_FLOW_COMMAND_FORGET, (uintptr_t)plugin);
	for (uint32_t i = 0; i < 10; i++) {
		pend_tick(&fixture, SL_MODE_INLINE);
		n = expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FILTER);
		assert_true(n <= 16);
		n_released += n;
	}
	assert_int_equal(n_released, 40);
	assert_int_equal(mock_n_calls, 40);
	assert_int_equal(counted(&fixture)->pend_timeouts, 0);
	assert_int_equal(flows_live(&fixture), 0);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* --- Modes. --- */

static void
change_mode(enum sl_mode mode, uint8_t action, enum sl_reason reason)
{
	struct sl_snapshot *snapshot;
	struct fixture fixture;
	struct sl_event event;

	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &web);
	snapshot = fixture.snapshot;
	if (reason == SL_REASON_NO_POLICY)
		fixture.snapshot = NULL;
	pend_tick(&fixture, mode);
	assert_int_equal(expect_released(&fixture, action, reason), 3);
	if (reason != SL_REASON_NONE) {
		assert_int_equal(fixture.counters->reasons[reason], 3);
		assert_true(sl_ring_get(fixture.events, &event));
		assert_int_equal(event.reason, reason);
	}
	assert_int_equal(flows_live(&fixture), 0);
	expect_quiet(&fixture);
	pend_answer(&fixture, PERMIT);
	assert_int_equal(counted(&fixture)->completions_late, 1);
	fixture.snapshot = snapshot;
	expect_held(&fixture, &dns_out);
	fixture_fini(&fixture);
}

static void
test_modes(void **state)
{
	(void)state;
	change_mode(SL_MODE_BYPASS, SL_VERDICT_PERMIT, SL_REASON_NONE);
	change_mode(SL_MODE_BLOCK, SL_VERDICT_BLOCK, SL_REASON_MODE_BLOCK);
	change_mode(SL_MODE_INLINE, SL_VERDICT_BLOCK, SL_REASON_NO_POLICY);
}

/* What is held leaves when a monitor takes over; the flow goes on waiting, and its answer counts. */
static void
test_monitor_takes_over(void **state)
{
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &dns_out);
	pend_tick(&fixture, SL_MODE_MONITOR);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 2);
	assert_int_equal(counted(&fixture)->pend_ended, 0);
	assert_int_equal(mock_complete(mock_token, PERMIT), 0);
	pend_tick(&fixture, SL_MODE_MONITOR);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_PERMIT, SL_REASON_NONE), 0);
	assert_false(mock_calls[1].has_packet);
	assert_int_equal(flows_live(&fixture), 1);
	expect_quiet(&fixture);
	expect_passed(&fixture, &dns_in);
	fixture_fini(&fixture);
}

static void
test_monitor(void **state)
{
	struct sl_outcome outcome;
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	for (uint32_t i = 0; i < 3; i++) {
		outcome = pend_send(&fixture, i < 2 ? &dns_out : &dns_in, SL_MODE_MONITOR);
		assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
		assert_int_equal(outcome.reason, SL_REASON_FLOW_PENDED);
	}
	assert_int_equal(fixture.counters->would_drop[SL_REASON_FLOW_PENDED], 3);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FLOW_PENDED], 0);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_complete(mock_token, PERMIT), 0);
	pend_tick(&fixture, SL_MODE_MONITOR);
	outcome = pend_send(&fixture, &dns_out, SL_MODE_MONITOR);
	assert_int_equal(outcome.reason, SL_REASON_NONE);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

static void
test_drain(void **state)
{
	struct shape shape = dns_out;
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_in);
	pend_answer(&fixture, PERMIT);
	shape.local_port++;
	expect_held(&fixture, &shape);
	expect_held(&fixture, &shape);
	expect_held(&fixture, &web);
	sl_pipeline_drain(fixture.pipeline, fixture.now_ns);
	assert_int_equal(expect_released(&fixture, SL_VERDICT_BLOCK, SL_REASON_FLOW_PENDED), 3);
	assert_int_equal(flows_live(&fixture), 1);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FLOW_PENDED], 3);
	expect_quiet(&fixture);
	fixture_fini(&fixture);
}

/* A pipeline that goes while flows wait leaves no plugin behind that could not be unloaded. */
static void
test_pipeline_goes(void **state)
{
	struct fixture fixture;

	(void)state;
	pend_start(&fixture);
	expect_held(&fixture, &dns_out);
	expect_held(&fixture, &web);
	sl_pipeline_free(fixture.pipeline);
	fixture.pipeline = NULL;
	assert_int_equal(sl_callout_contexts(sl_callout_plugin(fixture.registry, "mock")), 0);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_for_nobody),
		cmocka_unit_test(test_answers_at_once),
		cmocka_unit_test(test_answers_for_much),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_no_room_in_a_burst),
		cmocka_unit_test(test_not_here),
		cmocka_unit_test(test_not_at_twins),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_plugin_leaves),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_monitor_takes_over),
		cmocka_unit_test(test_monitor),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_pipeline_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
