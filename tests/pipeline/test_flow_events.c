/* SPDX-License-Identifier: BSD-3-Clause */
/* Net events of flows. */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape dns_out = {.local_port = 4000, .remote_port = 53, .payload = 1};
static const struct shape dns_in = {
	.is_inbound = true, .local_port = 4000, .remote_port = 53, .payload = 1};

static struct sl_event
next_event(struct fixture *fixture, enum sl_event_type type)
{
	struct sl_event event;

	assert_true(sl_ring_get(fixture->events, &event));
	assert_int_equal(event.type, type);
	return event;
}

static void
assert_no_event(struct fixture *fixture)
{
	struct sl_event event;

	assert_false(sl_ring_get(fixture->events, &event));
}

static void
command(struct fixture *fixture, enum sl_flow_command_type type)
{
	const struct sl_flow_command c = {.type = type};

	assert_true(sl_ring_put(fixture->commands, &c));
	pass_time(fixture, 1);
}

/* New, established, closed, with the flow's numbers; only while somebody asked. */
static void
life_of_a_flow(void **state)
{
	struct fixture fixture;
	struct sl_event event;
	uint64_t id;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_all(&fixture, CONNECT, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	command(&fixture, SL_FLOW_COMMAND_EVENTS_ON);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	event = next_event(&fixture, SL_EVENT_FLOW_NEW);
	assert_int_equal(event.filter_id, fixture.snapshot->layers[CONNECT]->filters[0].id);
	assert_int_equal(event.layer, CONNECT);
	assert_int_equal(event.src_port, 4000);
	assert_int_equal(event.flow_direction, SLUICE_DIRECTION_OUTBOUND);
	assert_int_equal(event.worker, 3);
	id = event.flow_id;
	assert_true(id != 0);
	event = next_event(&fixture, SL_EVENT_FLOW_ESTABLISHED);
	assert_int_equal(event.flow_id, id);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_no_event(&fixture);
	pass_time(&fixture, 61ull * SECOND);
	event = next_event(&fixture, SL_EVENT_FLOW_CLOSED);
	assert_int_equal(event.flow_id, id);
	assert_int_equal(event.flow_end, SL_FLOW_END_IDLE);
	assert_int_equal(event.flow_packets[SLUICE_DIRECTION_OUTBOUND], 1);
	assert_int_equal(event.flow_packets[SLUICE_DIRECTION_INBOUND], 1);
	assert_int_equal(event.flow_bytes[SLUICE_DIRECTION_INBOUND], 43);
	assert_int_equal(event.protocol, 17);
	assert_true(event.flow_since_ns != 0);
	assert_no_event(&fixture);
	command(&fixture, SL_FLOW_COMMAND_EVENTS_OFF);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_no_event(&fixture);
	fixture_fini(&fixture);
}

/* A flow that was blocked first is none: there is a drop, and nothing else. */
static void
no_event_of_the_blocked(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.events = true;
	fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
	block_all(&fixture, CONNECT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	next_event(&fixture, SL_EVENT_CLASSIFY_DROP);
	assert_no_event(&fixture);
	fixture_fini(&fixture);
}

/* The drop that revokes tells of the reauthorisation, the flow and its layer. */
static void
revocations_are_told(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;
	struct sl_event event;

	(void)state;
	flow_config(&config);
	config.events = true;
	fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	next_event(&fixture, SL_EVENT_FLOW_NEW);
	next_event(&fixture, SL_EVENT_FLOW_ESTABLISHED);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	event = next_event(&fixture, SL_EVENT_CLASSIFY_DROP);
	assert_int_equal(event.layer, CONNECT);
	assert_int_equal(event.direction, SLUICE_DIRECTION_INBOUND);
	assert_int_equal(event.src_port, 53);
	assert_int_equal(event.reauthorize_reason, SLUICE_REAUTHORIZE_POLICY_CHANGE);
	assert_true(event.flow_id != 0);
	event = next_event(&fixture, SL_EVENT_FLOW_CLOSED);
	assert_int_equal(event.flow_end, SL_FLOW_END_POLICY);
	assert_no_event(&fixture);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_of_a_flow),
		cmocka_unit_test(no_event_of_the_blocked),
		cmocka_unit_test(revocations_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
