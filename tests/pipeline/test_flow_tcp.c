/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP in the pipeline: midstream, what is dropped, how connections end. */
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

static struct shape
from_other_end(const struct shape *shape)
{
	struct shape other = *shape;

	other.is_inbound = !shape->is_inbound;
	other.seq = shape->ack;
	other.ack = shape->seq;
	return other;
}

static void
init(struct fixture *fixture, enum sl_flow_enforce enforce, enum sl_flow_midstream midstream,
	enum sl_flow_tcp tcp)
{
	struct sl_flow_config config;

	flow_config(&config);
	config.enforce = enforce;
	config.midstream = midstream;
	config.tcp = tcp;
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, &config);
}

static uint32_t
calls_at(enum sluice_layer layer)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < mock_n_calls; i++)
		n += mock_calls[i].layer == layer;
	return n;
}

static void
watch(struct fixture *fixture, enum sluice_layer layer, const char *key)
{
	fixture_add_mock(fixture, layer, key, "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
}

/* A connection that is picked up is judged where its opener would have been, and established at once. */
static void
midstream_is_adopted(void **state)
{
	const struct shape back = from_other_end(&web);
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	watch(&fixture, CONNECT, "c");
	watch(&fixture, ACCEPT, "a");
	watch(&fixture, ESTABLISHED, "e");
	fixture_compile(&fixture);
	/* The packet comes from outside, the ephemeral port is inside. */
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(mock_calls[0].layer, CONNECT);
	assert_int_equal(mock_calls[1].layer, ESTABLISHED);
	flow_only(&fixture, &view);
	assert_true(view.flags & SL_FLOW_OUTBOUND);
	assert_true(view.flags & SL_FLOW_MIDSTREAM);
	assert_int_equal(counted(&fixture)->midstream, 1);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 2);
	fixture_fini(&fixture);
}

static void
check_guess(uint16_t local_port, uint16_t remote_port, bool is_inbound, uint8_t flags,
	enum sluice_layer expected)
{
	const struct shape shape = {.is_inbound = is_inbound,
		.protocol = 6,
		.local_port = local_port,
		.remote_port = remote_port,
		.seq = 1,
		.ack = 1,
		.flags = flags};
	struct fixture fixture;

	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	watch(&fixture, CONNECT, "c");
	watch(&fixture, ACCEPT, "a");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &shape), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].layer, expected);
	fixture_fini(&fixture);
}

static void
openers_are_guessed(void **state)
{
	(void)state;
	check_guess(40000, 80, true, ACK, CONNECT);
	check_guess(40000, 8080, true, ACK, CONNECT);
	check_guess(22, 50000, false, ACK, ACCEPT);
	check_guess(2000, 80, true, ACK, CONNECT);
	check_guess(80, 2000, false, ACK, ACCEPT);
	check_guess(2000, 3000, true, ACK, ACCEPT);
	check_guess(2000, 3000, false, ACK, CONNECT);
	check_guess(2000, 3000, false, SYN | ACK, ACCEPT);
	check_guess(2000, 3000, true, SYN | ACK, CONNECT);
}

/* It says so in its fields. */
static void
midstream_says_so(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	filter = fixture_filter(CONNECT, "midstream", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_FLAGS, SL_MATCH_FLAGS_ALL_SET, SLUICE_TYPE_UINT32,
		SLUICE_CONDITION_FLAG_IS_REAUTHORIZE | SLUICE_CONDITION_FLAG_IS_MIDSTREAM);
	fixture_condition(filter, SLUICE_FIELD_REAUTHORIZE_REASON, SL_MATCH_EQUAL,
		SLUICE_TYPE_UINT32, SLUICE_REAUTHORIZE_MID_STREAM_INSPECTION);
	fixture_condition(filter, SLUICE_FIELD_X_MIDSTREAM, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 1);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	fixture_fini(&fixture);
}

/* `drop`: what opens nothing is dropped, and shown to the transport layer's twin. */
static void
midstream_is_dropped(void **state)
{
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_DROP, SL_FLOW_TCP_STRICT);
	watch(&fixture, SLUICE_LAYER_OUTBOUND_TRANSPORT_V4_DISCARD, "t");
	watch(&fixture, SLUICE_LAYER_OUTBOUND_TRANSPORT_V4, "o");
	watch(&fixture, CONNECT, "c");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_TCP_NO_CONNECTION);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].layer, SLUICE_LAYER_OUTBOUND_TRANSPORT_V4_DISCARD);
	assert_string_equal(mock_calls[0].discard_reason, "tcp_no_connection");
	assert_int_equal(fixture.counters->reasons[SL_REASON_TCP_NO_CONNECTION], 1);
	shape_connect(&fixture, &web);
	fixture_fini(&fixture);
}

/* Without a filter that asks for state nothing is dropped for it; flows are there all the same. */
static void
unenforced_state_drops_nothing(void **state)
{
	struct shape wild = web;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_AUTO, SL_FLOW_MIDSTREAM_DROP, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	wild.seq += 1000000000;
	assert_int_equal(shape_send(&fixture, &wild), SL_REASON_NONE);
	wild.flags = 0;
	assert_int_equal(shape_send(&fixture, &wild), SL_REASON_NONE);
	wild.local_port++;
	assert_int_equal(shape_send(&fixture, &wild), SL_REASON_NONE);
	assert_int_equal(flows_live(&fixture), 1);
	fixture_fini(&fixture);
}

/* When a policy begins to ask for state, connections go on and are checked from then on. */
static void
enforcement_begins(void **state)
{
	struct shape wild = web, next = web, back = from_other_end(&web);
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_AUTO, SL_FLOW_MIDSTREAM_DROP, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	flow_only(&fixture, &view);
	assert_true(view.flags & SL_FLOW_UNENFORCED);
	wild.seq += 1800000000;
	fixture_add_all(&fixture, CONNECT, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	next.seq += 100000000;
	next.payload = 10;
	assert_int_equal(shape_send(&fixture, &next), SL_REASON_NONE);
	back.ack = next.seq + 10;
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &wild), SL_REASON_TCP_OUT_OF_WINDOW);
	flow_only(&fixture, &view);
	assert_false(view.flags & SL_FLOW_UNENFORCED);
	fixture_fini(&fixture);
}

/* A dropped segment leaves no trace in the flow. */
static void
out_of_window_is_dropped(void **state)
{
	struct shape wild = web;
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	watch(&fixture, STREAM, "s");
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	assert_int_equal(calls_at(STREAM), 3);
	wild.seq += 1000000000;
	assert_int_equal(shape_send(&fixture, &wild), SL_REASON_TCP_OUT_OF_WINDOW);
	assert_int_equal(calls_at(STREAM), 3);
	flow_only(&fixture, &view);
	assert_int_equal(view.packets[SLUICE_DIRECTION_OUTBOUND], 2);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	fixture_fini(&fixture);
}

static void
loose_drops_nothing(void **state)
{
	struct shape wild = web;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_LOOSE);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	wild.seq += 1000000000;
	assert_int_equal(shape_send(&fixture, &wild), SL_REASON_NONE);
	fixture_fini(&fixture);
}

static void
close_both(struct fixture *fixture)
{
	struct shape a = web, b = from_other_end(&web);

	a.flags = FIN | ACK;
	assert_int_equal(shape_send(fixture, &a), SL_REASON_NONE);
	b.flags = FIN | ACK;
	b.ack = 1002;
	assert_int_equal(shape_send(fixture, &b), SL_REASON_NONE);
	a.flags = ACK;
	a.seq = 1002;
	a.ack = 5002;
	assert_int_equal(shape_send(fixture, &a), SL_REASON_NONE);
}

/* Closure: once, with the way the connection ended, when its last time-out is over. */
static void
closed_connections_end_as_fin(void **state)
{
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	watch(&fixture, CLOSURE, "x");
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	close_both(&fixture);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_TCP_TIME_WAIT);
	assert_int_equal(mock_n_calls, 0);
	pass_time(&fixture, 31ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(calls_at(CLOSURE), 1);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_FIN], 1);
	pass_time(&fixture, 31ull * SECOND);
	assert_int_equal(calls_at(CLOSURE), 1);
	fixture_fini(&fixture);
}

static void
resets_end_as_rst(void **state)
{
	struct shape rst = web;
	struct fixture fixture;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	rst.flags = RST | ACK;
	assert_int_equal(shape_send(&fixture, &rst), SL_REASON_NONE);
	pass_time(&fixture, 6ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_RST], 1);
	fixture_fini(&fixture);
}

/* A SYN takes the place of a connection that is over: closed first, then judged as any first packet. */
static void
connections_are_reopened(void **state)
{
	struct sl_flow_view view;
	struct fixture fixture;
	struct shape syn = web;

	(void)state;
	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	watch(&fixture, CONNECT, "c");
	watch(&fixture, CLOSURE, "x");
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	close_both(&fixture);
	mock_reset();
	syn.flags = SYN;
	syn.seq = 900000;
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(mock_calls[0].layer, CLOSURE);
	assert_int_equal(mock_calls[1].layer, CONNECT);
	assert_true(mock_calls[0].flow != mock_calls[1].flow || mock_calls[0].flow == 0);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_TCP_SYN);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_FIN], 1);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_OUTBOUND], 2);
	fixture_fini(&fixture);
}

/* The answer to a SYN establishes nothing: who opened has to acknowledge it. */
static void
check_establishment(const struct shape *opener)
{
	struct shape syn = *opener, answer, ack = *opener;
	struct fixture fixture;

	init(&fixture, SL_FLOW_ENFORCE_ALWAYS, SL_FLOW_MIDSTREAM_ADOPT, SL_FLOW_TCP_STRICT);
	watch(&fixture, ESTABLISHED, "e");
	fixture_compile(&fixture);
	syn.flags = SYN;
	syn.seq--;
	answer = from_other_end(opener);
	answer.flags = SYN | ACK;
	answer.seq--;
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(shape_send(&fixture, &ack), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	fixture_fini(&fixture);
}

static void
openers_establish(void **state)
{
	const struct shape ssh = {.is_inbound = true,
		.protocol = 6,
		.local_port = 22,
		.remote_port = 50000,
		.seq = 1001,
		.ack = 5001,
		.flags = ACK};

	(void)state;
	check_establishment(&web);
	check_establishment(&ssh);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(midstream_is_adopted),
		cmocka_unit_test(openers_are_guessed),
		cmocka_unit_test(midstream_says_so),
		cmocka_unit_test(midstream_is_dropped),
		cmocka_unit_test(unenforced_state_drops_nothing),
		cmocka_unit_test(enforcement_begins),
		cmocka_unit_test(out_of_window_is_dropped),
		cmocka_unit_test(loose_drops_nothing),
		cmocka_unit_test(closed_connections_end_as_fin),
		cmocka_unit_test(resets_end_as_rst),
		cmocka_unit_test(connections_are_reopened),
		cmocka_unit_test(openers_establish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
