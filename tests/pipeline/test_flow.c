/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of packets that meet their flows: the list of WFP section 7.9. */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape dns_out = {.local_port = 4000, .remote_port = 53, .payload = 20};
static const struct shape dns_in = {
	.is_inbound = true, .local_port = 4000, .remote_port = 53, .payload = 40};

/* 1: UDP request out, reply in: only CONNECT is asked, whatever RECV_ACCEPT says. */
static void
replies_ride(void **state)
{
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_add_mock(&fixture, CONNECT, "watch-connect", "system",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	fixture_add_mock(&fixture, ACCEPT, "watch-accept", "system",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].layer, CONNECT);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	flow_only(&fixture, &view);
	assert_int_equal(view.packets[SLUICE_DIRECTION_OUTBOUND], 2);
	assert_int_equal(view.packets[SLUICE_DIRECTION_INBOUND], 1);
	assert_int_equal(view.bytes[SLUICE_DIRECTION_INBOUND], 14 + 20 + 8 + 40);
	assert_int_equal(
		view.flags & ~0x200, SL_FLOW_OUTBOUND | SL_FLOW_ESTABLISHED | SL_FLOW_REPLIED);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_OUTBOUND], 1);
	assert_int_equal(counted(&fixture)->established, 1);
	fixture_fini(&fixture);
}

/* 2: a reply from another port of the same host is a flow of its own. */
static void
other_ports_are_other_flows(void **state)
{
	struct shape other = dns_in;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	other.remote_port = 54;
	assert_int_equal(shape_send(&fixture, &other), SL_REASON_FILTER);
	other.remote_port = 53;
	other.vlan = 9;
	assert_int_equal(shape_send(&fixture, &other), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 1);
	assert_int_equal(counted(&fixture)->blocked, 2);
	fixture_fini(&fixture);
}

/* 3: after 61 idle seconds a reply is a first packet. */
static void
idle_flows_end(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture.now_ns += 59ull * SECOND;
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	fixture.now_ns += 61ull * SECOND;
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_IDLE], 1);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	pass_time(&fixture, 61ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_IDLE], 2);
	fixture_fini(&fixture);
}

static void
handshakes_establish(void **state)
{
	const struct shape web = {.local_port = 40000, .remote_port = 80};
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_TCP_ESTABLISHED);
	assert_int_equal(view.tcp_state, SL_TCP_ESTABLISHED);
	assert_int_equal(counted(&fixture)->established, 1);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_ride),
		cmocka_unit_test(other_ports_are_other_flows),
		cmocka_unit_test(idle_flows_end),
		cmocka_unit_test(handshakes_establish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
