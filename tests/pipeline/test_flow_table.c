/* SPDX-License-Identifier: BSD-3-Clause */
/* A full table, and commands. */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape dns_out = {.local_port = 4000, .remote_port = 53};
static const struct shape dns_in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};

static void
init(struct fixture *fixture, uint32_t max, enum sl_flow_on_full on_full)
{
	struct sl_flow_config config;

	flow_config(&config);
	config.max = max;
	config.on_full = on_full;
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, &config);
}

/* Flows with an answer, as many as there is room for. */
static void
fill(struct fixture *fixture, uint32_t n)
{
	struct shape out = dns_out, in = dns_in;

	for (uint32_t i = 0; i < n; i++) {
		out.local_port = in.local_port = (uint16_t)(10000 + i);
		assert_int_equal(shape_send(fixture, &out), SL_REASON_NONE);
		assert_int_equal(shape_send(fixture, &in), SL_REASON_NONE);
	}
}

/* 13: full of flows that are used: by the stated rule. */
static void
full_tables_block(void **state)
{
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	fill(&fixture, 16);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FLOW_TABLE_FULL);
	assert_int_equal(counted(&fixture)->refused, 1);
	assert_int_equal(flows_live(&fixture), 16);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_EVICTED], 0);
	fixture_fini(&fixture);
}

/* Flows that are over take nobody's room, though ageing has not come to them yet. */
static void
what_is_over_gives_way(void **state)
{
	struct shape shapes[4];
	struct sl_outcome outcomes[4];
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	fill(&fixture, 16);
	fixture.now_ns += (uint64_t)61 * SECOND;
	for (uint32_t i = 0; i < 4; i++) {
		shapes[i] = dns_out;
		shapes[i].local_port = (uint16_t)(4000 + i);
	}
	shapes_send(&fixture, shapes, 4, outcomes);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(outcomes[i].reason, SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->refused, 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_EVICTED], 0);
	assert_int_equal(flows_live(&fixture), 4);
	fixture_fini(&fixture);
}

static void
full_tables_permit_untracked(void **state)
{
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_PERMIT_UNTRACKED);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	fill(&fixture, 16);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	/* It is judged as a first packet, and so is its answer. */
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	assert_int_equal(counted(&fixture)->untracked, 2);
	assert_int_equal(flows_live(&fixture), 16);
	fixture_fini(&fixture);
}

/* Flows without an answer give way, the oldest first; the closure says why. */
static void
embryos_give_way(void **state)
{
	struct shape out = dns_out;
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_add_mock(&fixture, CLOSURE, "x", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	fill(&fixture, 15);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	out.local_port++;
	assert_int_equal(shape_send(&fixture, &out), SL_REASON_NONE);
	assert_int_equal(flows_live(&fixture), 16);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_EVICTED], 1);
	assert_int_equal(mock_n_calls, 1);
	fixture_fini(&fixture);
}

/* A burst of first packets has no more room than the same packets one by one. */
static void
full_in_a_burst(void **state)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	struct shape shapes[SL_PIPELINE_BURST_MAX];
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++) {
		shapes[i] = dns_out;
		shapes[i].local_port = (uint16_t)(20000 + i);
	}
	shapes_send(&fixture, shapes, SL_PIPELINE_BURST_MAX, outcomes);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++)
		assert_int_equal(outcomes[i].reason, SL_REASON_NONE);
	assert_int_equal(flows_live(&fixture), 16);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_EVICTED], SL_PIPELINE_BURST_MAX - 16);
	fixture_fini(&fixture);
}

/* The time-outs of what was not answered shrink before the table is full. */
static void
pressure_shortens(void **state)
{
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	fill(&fixture, 15);
	pass_time(&fixture, 20ull * SECOND);
	assert_true(flows_live(&fixture) < 15);
	assert_true(counted(&fixture)->ended[SL_FLOW_END_IDLE] > 0);
	fixture_fini(&fixture);
}

/* A flow of TCP that is killed leaves a place, another is gone; the end is the administrator's. */
static void
flows_are_killed(void **state)
{
	const struct shape web = {.protocol = 6,
		.local_port = 40000,
		.remote_port = 80,
		.seq = 1001,
		.ack = 5001,
		.flags = ACK};
	struct sl_flow_command command = {.type = SL_FLOW_COMMAND_KILL};
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	flow_only(&fixture, &view);
	command.id = view.id;
	assert_true(sl_ring_put(fixture.commands, &command));
	assert_true(sl_ring_put(fixture.commands, &command));
	pass_time(&fixture, 1000);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 1);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FLOW_REVOKED);
	fixture_fini(&fixture);

	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	flow_only(&fixture, &view);
	command.id = view.id;
	assert_true(sl_ring_put(fixture.commands, &command));
	pass_time(&fixture, 1000);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 1);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* Commands are obeyed in every mode; flows do not age while no packet is judged. */
static void
bypass_obeys(void **state)
{
	struct sl_flow_command command = {.type = SL_FLOW_COMMAND_KILL};
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	init(&fixture, 16, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	flow_only(&fixture, &view);
	command.id = view.id;
	fixture.now_ns += 3600ull * SECOND;
	sl_pipeline_tick(fixture.pipeline, fixture.snapshot, SL_MODE_BYPASS, fixture.now_ns);
	assert_int_equal(flows_live(&fixture), 1);
	assert_true(sl_ring_put(fixture.commands, &command));
	sl_pipeline_tick(fixture.pipeline, fixture.snapshot, SL_MODE_BYPASS, fixture.now_ns);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_ADMIN], 1);
	fixture_fini(&fixture);
}

/* A room of 0 keeps no flows: what a policy for them says of a packet is not known. */
static void
no_room_no_flows(void **state)
{
	struct fixture fixture;

	(void)state;
	init(&fixture, 0, SL_FLOW_FULL_BLOCK);
	fixture_compile(&fixture);
	assert_null(sl_pipeline_flows(fixture.pipeline));
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture_add_all(&fixture, DATAGRAM, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FLOW_TABLE_FULL);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_tables_block),
		cmocka_unit_test(what_is_over_gives_way),
		cmocka_unit_test(full_tables_permit_untracked),
		cmocka_unit_test(embryos_give_way),
		cmocka_unit_test(full_in_a_burst),
		cmocka_unit_test(pressure_shortens),
		cmocka_unit_test(flows_are_killed),
		cmocka_unit_test(bypass_obeys),
		cmocka_unit_test(no_room_no_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
