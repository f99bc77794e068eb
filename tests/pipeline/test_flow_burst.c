/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of one flow that come together. */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N 64u

static const struct shape dns_out = {.local_port = 4000, .remote_port = 53};

static void
fill(struct shape shapes[N], const struct shape *shape)
{
	for (uint32_t i = 0; i < N; i++)
		shapes[i] = *shape;
}

static void
assert_reasons(const struct sl_outcome outcomes[], uint32_t n, enum sl_reason reason)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(outcomes[i].reason, reason);
}

static uint32_t
calls_at(enum sluice_layer layer)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < mock_n_calls; i++)
		n += mock_calls[i].layer == layer;
	return n;
}

/* 64 packets of a new flow: one judgement, one flow, and each is seen once by every other layer. */
static void
one_flow_is_judged_once(void **state)
{
	struct sl_outcome outcomes[N];
	struct sl_flow_view view;
	struct fixture fixture;
	struct shape shapes[N];

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, CONNECT, "c", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_add_mock(&fixture, ESTABLISHED, "e", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_add_mock(&fixture, DATAGRAM, "d", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	fill(shapes, &dns_out);
	shapes_send(&fixture, shapes, N, outcomes);
	assert_reasons(outcomes, N, SL_REASON_NONE);
	assert_int_equal(calls_at(CONNECT), 1);
	assert_int_equal(calls_at(ESTABLISHED), 1);
	assert_int_equal(calls_at(DATAGRAM), N);
	assert_int_equal(mock_n_calls, N + 2);
	flow_only(&fixture, &view);
	assert_int_equal(view.packets[SLUICE_DIRECTION_OUTBOUND], N);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_OUTBOUND], 1);
	fixture_fini(&fixture);
}

/* Blocked first packets are judged, or remembered, each; nothing stays in the table. */
static void
check_blocked(bool has_callout)
{
	struct sl_outcome outcomes[N];
	struct fixture fixture;
	struct shape shapes[N];

	flow_fixture(&fixture);
	block_all(&fixture, CONNECT, "no");
	if (has_callout)
		fixture_add_mock(&fixture, CONNECT, "c", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
			SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	fill(shapes, &dns_out);
	shapes_send(&fixture, shapes, N, outcomes);
	assert_reasons(outcomes, N, SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->blocked, N);
	assert_int_equal(counted(&fixture)->blocked_again, has_callout ? 0 : N - 1);
	assert_int_equal(calls_at(CONNECT), has_callout ? N : 0);
	assert_int_equal(fixture.counters->layers[CONNECT].block, N);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], N);
	assert_int_equal(
		fixture.counters->filters[fixture.snapshot->layers[CONNECT]->hot[0].counter]
			.packets,
		N);
	fixture_fini(&fixture);
}

static void
blocked_packets_leave_nothing(void **state)
{
	(void)state;
	check_blocked(false);
	check_blocked(true);
}

/* What was refused is judged again after a second, and at once under another policy. */
static void
refusals_are_forgotten(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, CONNECT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_int_equal(counted(&fixture)->blocked_again, 1);
	fixture.now_ns += SECOND + 1;
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_int_equal(counted(&fixture)->blocked_again, 1);
	fixture_remove(&fixture, "no");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(flows_live(&fixture), 1);
	fixture_fini(&fixture);
}

/* A packet that a filter may judge otherwise is not answered from memory. */
static void
refusals_are_of_equal_packets(void **state)
{
	struct shape longer = dns_out;
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(CONNECT, "short", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_X_PACKET_LENGTH, SL_MATCH_LESS, SLUICE_TYPE_UINT32, 40);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	longer.payload = 100;
	assert_int_equal(shape_send(&fixture, &longer), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* A burst may open a connection, and its other direction's burst close the handshake. */
static void
handshakes_in_bursts(void **state)
{
	const struct shape out[] = {
		{.protocol = 6, .local_port = 40000, .remote_port = 80, .seq = 1000, .flags = SYN},
		{.protocol = 6, .local_port = 40000, .remote_port = 80, .seq = 1000, .flags = SYN},
	};
	const struct shape in[] = {{.is_inbound = true,
		.protocol = 6,
		.local_port = 40000,
		.remote_port = 80,
		.seq = 5000,
		.ack = 1001,
		.flags = SYN | ACK}};
	const struct shape rest[] = {
		{.protocol = 6,
			.local_port = 40000,
			.remote_port = 80,
			.seq = 1001,
			.ack = 5001,
			.flags = ACK},
		{.protocol = 6,
			.local_port = 40000,
			.remote_port = 80,
			.seq = 1001,
			.ack = 5001,
			.flags = ACK,
			.payload = 100},
	};
	struct sl_outcome outcomes[2];
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_add_mock(&fixture, ESTABLISHED, "e", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	shapes_send(&fixture, out, 2, outcomes);
	assert_reasons(outcomes, 2, SL_REASON_NONE);
	shapes_send(&fixture, in, 1, outcomes);
	assert_reasons(outcomes, 1, SL_REASON_NONE);
	assert_int_equal(calls_at(ESTABLISHED), 0);
	shapes_send(&fixture, rest, 2, outcomes);
	assert_reasons(outcomes, 2, SL_REASON_NONE);
	assert_int_equal(calls_at(ESTABLISHED), 1);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_TCP_ESTABLISHED);
	assert_int_equal(view.packets[SLUICE_DIRECTION_OUTBOUND], 4);
	fixture_fini(&fixture);
}

/* One blocks, one permits: each packet is judged for itself while no flow is there. */
static void
blocked_then_permitted(void **state)
{
	struct shape shapes[4] = {dns_out, dns_out, dns_out, dns_out};
	struct sl_outcome outcomes[4];
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(CONNECT, "short", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_X_PACKET_LENGTH, SL_MATCH_LESS, SLUICE_TYPE_UINT32, 40);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	shapes[2].payload = 100;
	shapes_send(&fixture, shapes, 4, outcomes);
	assert_int_equal(outcomes[0].reason, SL_REASON_FILTER);
	assert_int_equal(outcomes[1].reason, SL_REASON_FILTER);
	assert_int_equal(outcomes[2].reason, SL_REASON_NONE);
	assert_int_equal(outcomes[3].reason, SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_OUTBOUND], 1);
	fixture_fini(&fixture);
}

/* A reauthorisation that blocks ends the flow for the rest of the burst. */
static void
revoked_in_a_burst(void **state)
{
	const struct shape web = {.protocol = 6,
		.local_port = 40000,
		.remote_port = 80,
		.seq = 1001,
		.ack = 5001,
		.flags = ACK};
	struct sl_outcome outcomes[N];
	struct fixture fixture;
	struct shape shapes[N];

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	fill(shapes, &web);
	shapes_send(&fixture, shapes, N, outcomes);
	assert_int_equal(outcomes[0].reason, SL_REASON_FILTER);
	assert_reasons(&outcomes[1], N - 1, SL_REASON_FLOW_REVOKED);
	assert_int_equal(counted(&fixture)->revoked, 1);
	assert_int_equal(fixture.counters->layers[CONNECT].block, 1);
	fixture_fini(&fixture);
}

/* FLOW_ESTABLISHED may refuse: the flow is closed, and the next packet opens another. */
static void
refused_when_established(void **state)
{
	struct shape shapes[3] = {dns_out, dns_out, dns_out};
	struct sl_outcome outcomes[3];
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ESTABLISHED, "no");
	fixture_compile(&fixture);
	shapes_send(&fixture, shapes, 3, outcomes);
	assert_reasons(outcomes, 3, SL_REASON_FILTER);
	assert_int_equal(outcomes[0].layer, ESTABLISHED);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_OUTBOUND], 3);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_POLICY], 3);
	assert_int_equal(counted(&fixture)->established, 0);
	fixture_fini(&fixture);
}

/* A connection is picked up; then it is reset, and a SYN takes its place, in one burst. The reset is still of the old one. */
static void
last_words_are_of_the_old_flow(void **state)
{
	const struct shape picked_up = {.protocol = 6,
		.local_port = 4000,
		.remote_port = 80,
		.flags = ACK,
		.seq = 1000,
		.ack = 5000};
	struct shape last[2] = {picked_up, picked_up};
	struct sl_outcome outcomes[2];
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(STREAM, "from-the-start", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_X_MIDSTREAM, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 0);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &picked_up), SL_REASON_NONE);
	last[0].flags = RST | ACK;
	last[1].flags = SYN;
	last[1].seq = 90000;
	last[1].ack = 0;
	shapes_send(&fixture, last, 2, outcomes);
	assert_int_equal(outcomes[0].reason, SL_REASON_NONE);
	assert_int_equal(outcomes[1].reason, SL_REASON_FILTER);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_RST], 1);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flow_is_judged_once),
		cmocka_unit_test(blocked_packets_leave_nothing),
		cmocka_unit_test(refusals_are_forgotten),
		cmocka_unit_test(refusals_are_of_equal_packets),
		cmocka_unit_test(handshakes_in_bursts),
		cmocka_unit_test(blocked_then_permitted),
		cmocka_unit_test(revoked_in_a_burst),
		cmocka_unit_test(refused_when_established),
		cmocka_unit_test(last_words_are_of_the_old_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
