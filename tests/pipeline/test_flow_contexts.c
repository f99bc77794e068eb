/* SPDX-License-Identifier: BSD-3-Clause */
/* What callouts keep for flows, and flows that callouts end (WFP section 6.4). */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape web = {.protocol = 6,
	.local_port = 40000,
	.remote_port = 80,
	.seq = 1001,
	.ack = 5001,
	.flags = ACK};
static const struct shape dns_out = {.local_port = 4000, .remote_port = 53};
static const struct shape dns_in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};

static void
add_mock(struct fixture *fixture, enum sluice_layer layer, const char *key, uint64_t behaviour)
{
	fixture_add_mock(fixture, layer, key, "system", SLUICE_ACTION_CALLOUT_UNKNOWN,
		SLUICE_ACTION_CONTINUE | behaviour);
}

/* Flows get two contexts when they are established; their packets and their ends are watched. */
static void
start(struct fixture *fixture)
{
	flow_fixture(fixture);
	add_mock(fixture, ESTABLISHED, "begin", MOCK_ASSOCIATE);
	add_mock(fixture, STREAM, "stream", 0);
	add_mock(fixture, DATAGRAM, "datagram", 0);
	add_mock(fixture, CLOSURE, "end", 0);
	fixture_compile(fixture);
	mock_reset();
}

/* The last call was at that layer and had the flow's context. */
static void
expect_context(enum sluice_layer layer)
{
	const struct mock_call *call = &mock_calls[mock_n_calls - 1];

	assert_int_equal(call->layer, layer);
	assert_true(call->flow != 0);
	assert_true(call->flow_context == call->flow);
}

static void
test_packets_bring_it(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 2); /* established, then the same packet as a datagram */
	expect_context(DATAGRAM);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	expect_context(DATAGRAM);
	shape_connect(&fixture, &web);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	expect_context(STREAM);
	assert_int_equal(mock_n_gone, 0);
	fixture_fini(&fixture);
}

/* The closure is seen first; then every context is told gone, once. */
static void
test_ends_tell(void **state)
{
	struct fixture fixture;
	uint64_t handle;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	handle = mock_calls[mock_n_calls - 1].flow;
	mock_reset();
	pass_time(&fixture, 61ull * SECOND);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].layer, CLOSURE);
	assert_int_equal(mock_n_gone, 2);
	assert_true(mock_gone == handle);
	assert_int_equal(mock_gone_after, 1);
	pass_time(&fixture, 61ull * SECOND);
	assert_int_equal(mock_n_gone, 2);
	fixture_fini(&fixture);
	assert_int_equal(mock_n_gone, 2);
}

/* A flow that is blocked where it was given contexts has none. */
static void
test_blocked_openings(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, CONNECT, "no", "system", SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_BLOCK | MOCK_ASSOCIATE);
	fixture_compile(&fixture);
	mock_reset();
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_int_equal(mock_n_gone, 2);
	assert_int_equal(flows_live(&fixture), 0);
	fixture_fini(&fixture);
	assert_int_equal(mock_n_gone, 2);
}

static void
test_revoked_flows(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	shape_connect(&fixture, &web);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FILTER);
	assert_int_equal(mock_n_gone, 2);
	pass_time(&fixture, 61ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(mock_n_gone, 2);
	fixture_fini(&fixture);
}

/* What the callout says of the packet holds; the rest of the flow is dropped. */
static void
test_abort(void **state)
{
	struct fixture fixture;
	struct sl_flow_view view;

	(void)state;
	start(&fixture);
	shape_connect(&fixture, &web);
	add_mock(&fixture, STREAM, "abort", MOCK_ABORT);
	fixture_commit(&fixture);
	mock_reset();
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	assert_int_equal(mock_n_gone, 2);
	assert_int_equal(mock_calls[mock_n_calls - 1].layer, CLOSURE);
	flow_only(&fixture, &view);
	assert_int_equal(view.end, SL_FLOW_END_ADMIN);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 1);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FLOW_REVOKED);
	assert_int_equal(mock_n_gone, 2);
	fixture_fini(&fixture);
}

/* Every packet of a burst wants its flow ended; it ends once. */
static void
test_abort_in_a_burst(void **state)
{
	struct shape shapes[8];
	struct sl_outcome outcomes[8];
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	add_mock(&fixture, DATAGRAM, "abort", MOCK_ABORT | MOCK_ASSOCIATE);
	fixture_compile(&fixture);
	mock_reset();
	for (uint32_t i = 0; i < 8; i++)
		shapes[i] = dns_out;
	shapes_send(&fixture, shapes, 8, outcomes);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(outcomes[i].action, SL_VERDICT_PERMIT);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 1);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(mock_n_gone, 2);
	fixture_fini(&fixture);
}

static void
test_forget(void **state)
{
	struct sl_flow_command command = {.type = SL_FLOW_COMMAND_FORGET};
	struct shape shape = dns_out;
	struct sl_plugin *plugin;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	plugin = sl_callout_plugin(fixture.registry, "mock");
	for (uint16_t i = 0; i < 8; i++) {
		shape.local_port = (uint16_t)(5000 + i);
		assert_int_equal(shape_send(&fixture, &shape), SL_REASON_NONE);
	}
	assert_int_equal(sl_callout_contexts(plugin), 16);
	command.id = (uintptr_t)plugin;
	assert_true(sl_ring_put(fixture.commands, &command));
	for (uint32_t i = 0; i < 10000 && sl_callout_contexts(plugin) > 0; i++)
		pass_time(&fixture, 1000);
	assert_int_equal(sl_callout_contexts(plugin), 0);
	assert_int_equal(mock_n_gone, 16);
	assert_int_equal(flows_live(&fixture), 8);
	assert_int_equal(shape_send(&fixture, &shape), SL_REASON_NONE);
	assert_true(mock_calls[mock_n_calls - 1].flow_context == 0);
	fixture_fini(&fixture);
	assert_int_equal(mock_n_gone, 16);
}

/* What is left when a pipeline goes is told then, while the plugin is still there. */
static void
test_pipeline_goes(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_gone, 0);
	fixture_fini(&fixture);
	assert_int_equal(mock_n_gone, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_bring_it),
		cmocka_unit_test(test_ends_tell),
		cmocka_unit_test(test_blocked_openings),
		cmocka_unit_test(test_revoked_flows),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_abort_in_a_burst),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_pipeline_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
