/* SPDX-License-Identifier: BSD-3-Clause */
/* Layers with flow state: who visits them, and what they see; ICMP, multicast. */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape ping_out = {.protocol = 1, .local_port = 77, .remote_port = 8 << 8};
static const struct shape pong_in = {
	.is_inbound = true, .protocol = 1, .local_port = 77, .remote_port = 0};
static const struct shape dns_out = {.local_port = 4000, .remote_port = 53};
static const struct shape dns_in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};

static void
watch(struct fixture *fixture, enum sluice_layer layer, const char *key)
{
	fixture_add_mock(fixture, layer, key, "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
}

/* 7: an echo reply rides, one with another identifier does not. */
static void
pings_ride(void **state)
{
	struct shape other = pong_in;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &ping_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &pong_in), SL_REASON_NONE);
	other.local_port = 78;
	assert_int_equal(shape_send(&fixture, &other), SL_REASON_FILTER);
	fixture_fini(&fixture);
}

/* The type of the message that opened the flow is known at a reauthorisation by its reply. */
static void
original_icmp_types(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &ping_out), SL_REASON_NONE);
	filter = fixture_filter(CONNECT, "echo", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_ORIGINAL_ICMP_TYPE, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 8);
	fixture_add(&fixture, filter);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &pong_in), SL_REASON_FILTER);
	fixture_fini(&fixture);
}

/* 8: an ICMP error about a live flow is seen by the ICMP error layer, and by no ALE layer. */
static void
errors_of_flows_pass(void **state)
{
	struct shape other = dns_out;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	watch(&fixture, ACCEPT, "a");
	watch(&fixture, SLUICE_LAYER_INBOUND_ICMP_ERROR_V4, "e");
	watch(&fixture, DATAGRAM, "d");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	mock_reset();
	assert_int_equal(shape_send_error(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].layer, SLUICE_LAYER_INBOUND_ICMP_ERROR_V4);
	assert_int_equal(counted(&fixture)->icmp_related, 1);
	other.local_port++;
	assert_int_equal(shape_send_error(&fixture, &other), SL_REASON_ICMP_ERROR_UNRELATED);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(flows_live(&fixture), 1);
	fixture_fini(&fixture);
}

/* Of TCP, the segment must be on its way. */
static void
errors_of_segments_in_flight_pass(void **state)
{
	struct shape web = {.protocol = 6, .local_port = 40000, .remote_port = 80};
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	web.seq = 1001;
	web.ack = 5001;
	web.flags = ACK;
	web.payload = 100;
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	assert_int_equal(shape_send_error(&fixture, &web), SL_REASON_NONE);
	web.seq += 500000000;
	assert_int_equal(shape_send_error(&fixture, &web), SL_REASON_ICMP_ERROR_UNRELATED);
	fixture_fini(&fixture);
}

static void
any_error_may_pass(void **state)
{
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.icmp_errors = SL_FLOW_ICMP_ANY;
	fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
	fixture_compile(&fixture);
	assert_int_equal(shape_send_error(&fixture, &dns_out), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* 9: a question to a group may be answered by anybody for four seconds. */
static void
multicast_opens_to_all(void **state)
{
	const struct shape query = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	struct shape answer = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	for (uint32_t i = 0; i < 3; i++) {
		fixture.now_ns += SECOND;
		answer.remote = HOST_OUT + i;
		assert_int_equal(shape_send(&fixture, &answer), SL_REASON_NONE);
	}
	answer.local_port++;
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_FILTER);
	answer.local_port--;
	fixture.now_ns += 2ull * SECOND;
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture) <= 1, true);
	/* The question again refreshes it, answers did not. */
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* One that a later policy has not judged gives no rights until it is asked again. */
static void
multicast_under_another_policy(void **state)
{
	const struct shape query = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	const struct shape answer = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	fixture_add_all(&fixture, CONNECT, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_FILTER);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->reauthorized, 1);
	fixture_fini(&fixture);
}

static bool
knows(const struct fixture *fixture, const struct sl_flow_key *key)
{
	return sl_pipeline_knows(fixture->pipeline, fixture->snapshot, key, fixture->now_ns);
}

/* Who shares flows with others is told of every question that leaves, and may ask what answers it. */
static void
multicast_is_told_of(void **state)
{
	const struct shape query = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	const struct shape answer = {.is_inbound = true, .local_port = 5353, .remote_port = 53};
	struct sl_flow_key key;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(fixture.n_asked, 0);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(fixture.n_asked, 1);
	key = fixture.asked;
	assert_int_equal(key.local_port, 5353);
	sl_flow_key_wildcard(&key);
	assert_memory_equal(&key, &fixture.asked, sizeof(key));
	/* Any end that answers, but not with TCP, and nobody at another port. */
	key.remote[0] = 77;
	key.remote_port = 53;
	assert_true(knows(&fixture, &key));
	key.protocol = 6;
	assert_false(knows(&fixture, &key));
	key.protocol = 17;
	key.local_port++;
	assert_false(knows(&fixture, &key));
	key.local_port--;
	/* Answers are no questions; the same question is told of again. */
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_NONE);
	assert_int_equal(fixture.n_asked, 1);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(fixture.n_asked, 2);
	fixture.now_ns += 5ull * SECOND;
	assert_false(knows(&fixture, &key));
	fixture_fini(&fixture);
}

/* What is blocked asks nobody, and nothing is known under a policy that has not judged the question. */
static void
multicast_that_is_not_allowed(void **state)
{
	const struct shape query = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(fixture.n_asked, 1);
	assert_true(knows(&fixture, &fixture.asked));
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	fixture.asked.remote[0] = 77;
	assert_false(knows(&fixture, &fixture.asked));
	assert_false(sl_pipeline_knows(fixture.pipeline, NULL, &fixture.asked, fixture.now_ns));
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_FILTER);
	assert_int_equal(fixture.n_asked, 1);
	fixture_fini(&fixture);
}

static void
multicast_may_be_denied(void **state)
{
	const struct shape query = {.remote = MDNS_GROUP, .local_port = 5353, .remote_port = 5353};
	const struct shape answer = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct sl_flow_config config;
	struct fixture fixture;

	(void)state;
	flow_config(&config);
	config.multicast = SL_FLOW_MULTICAST_DENY;
	fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_FILTER);
	assert_int_equal(fixture.n_asked, 0);
	fixture_fini(&fixture);
}

/* --- Fields. --- */

/* A filter with conditions on the local address and the remote port blocks both directions' packets. */
static void
check_ends(enum sluice_layer layer, const struct shape *shape, bool is_local)
{
	struct sl_filter *filter;
	struct fixture fixture;
	struct shape first = *shape;

	flow_fixture(&fixture);
	filter = fixture_filter(layer, "ends", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32,
		is_local ? HOST_IN : HOST_OUT);
	fixture_condition(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16,
		shape->remote_port);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	if (first.protocol == 6)
		first.flags = SYN;
	assert_int_equal(
		shape_send(&fixture, &first), is_local ? SL_REASON_FILTER : SL_REASON_NONE);
	fixture_fini(&fixture);
}

static void
local_is_inside(void **state)
{
	const struct shape tcp_out = {.protocol = 6, .local_port = 40000, .remote_port = 80};
	const struct shape tcp_in = {
		.is_inbound = true, .protocol = 6, .local_port = 80, .remote_port = 40000};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		check_ends(DATAGRAM, &dns_out, i == 0);
		check_ends(DATAGRAM, &dns_in, i == 0);
		check_ends(ESTABLISHED, &dns_out, i == 0);
		check_ends(ESTABLISHED, &dns_in, i == 0);
		check_ends(STREAM, &tcp_out, i == 0);
		check_ends(STREAM, &tcp_in, i == 0);
		check_ends(CONNECT, &tcp_out, i == 0);
		check_ends(ACCEPT, &tcp_in, i == 0);
	}
}

/* A block's event shows the packet as it came, even where the layer saw it exchanged. */
static void
events_are_not_mirrored(void **state)
{
	struct sl_event event;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, DATAGRAM, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_true(sl_ring_get(fixture.events, &event));
	assert_int_equal(event.src_port, 4000);
	assert_int_equal(event.dst_port, 53);
	assert_int_equal(event.ip_src[0], HOST_IN >> 24);
	assert_int_equal(event.layer, DATAGRAM);
	assert_true(event.flow_id != 0);
	fixture_fini(&fixture);
}

static void
add_direction(struct fixture *fixture, enum sluice_layer layer, enum sluice_direction direction)
{
	struct sl_filter *filter = fixture_filter(layer, "direction", NULL);

	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_DIRECTION, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, direction);
	fixture_add(fixture, filter);
}

/* The packet's direction at the data layers, the connection's where it is established. */
static void
directions(void **state)
{
	const struct shape web = {.protocol = 6,
		.local_port = 40000,
		.remote_port = 80,
		.flags = ACK,
		.seq = 1,
		.ack = 1};
	struct shape back = web;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	add_direction(&fixture, DATAGRAM, SLUICE_DIRECTION_INBOUND);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	fixture_fini(&fixture);

	/* Picked up from outside, opened from inside. */
	flow_fixture(&fixture);
	add_direction(&fixture, ESTABLISHED, SLUICE_DIRECTION_OUTBOUND);
	fixture_compile(&fixture);
	back.is_inbound = true;
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_FILTER);
	fixture_fini(&fixture);
}

/* TCP visits stream packet, everything else datagram data, ICMP errors neither. */
static void
data_layers_by_protocol(void **state)
{
	const struct shape gre = {.protocol = 47, .payload = 16};
	const struct shape syn = {
		.protocol = 6, .local_port = 40000, .remote_port = 80, .flags = SYN};
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	watch(&fixture, STREAM, "s");
	watch(&fixture, DATAGRAM, "d");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &gre), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &ping_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 3);
	assert_int_equal(mock_calls[0].layer, STREAM);
	assert_int_equal(mock_calls[1].layer, DATAGRAM);
	assert_int_equal(mock_calls[2].layer, DATAGRAM);
	fixture_fini(&fixture);
}

/* The transport layer of inbound packets is told that an ALE layer comes next. */
static void
transport_knows_what_comes(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(SLUICE_LAYER_INBOUND_TRANSPORT_V4, "first", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_FLAGS, SL_MATCH_FLAGS_ALL_SET, SLUICE_TYPE_UINT32,
		SLUICE_CONDITION_FLAG_REQUIRES_ALE_CLASSIFY);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* The closure layer sees who the flow was between. */
static void
closures_have_ends(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(CLOSURE, "dns", NULL);
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, HOST_IN);
	fixture_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL,
		SLUICE_TYPE_UINT32, HOST_OUT);
	fixture_condition(
		filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 53);
	fixture_condition(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 17);
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_INTERFACE, SL_MATCH_EQUAL, SLUICE_TYPE_UINT64, 2);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &ping_out), SL_REASON_NONE);
	pass_time(&fixture, 61ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(
		fixture.counters->filters[fixture.snapshot->layers[CLOSURE]->hot[0].counter]
			.packets,
		1);
	assert_int_equal(fixture.counters->layers[CLOSURE].permit, 2);
	fixture_fini(&fixture);
}

/* IPv6 has layers of its own, from the first packet to the last. */
static void
flows_of_ip6(void **state)
{
	struct fixture fixture;
	struct sl_flow_view view;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no-ip4");
	watch(&fixture, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6, "a");
	watch(&fixture, SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6, "e");
	watch(&fixture, SLUICE_LAYER_DATAGRAM_DATA_V6, "d");
	watch(&fixture, SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V6, "x");
	fixture_compile(&fixture);
	packet_udp6(&packet, 53, 1);
	for (uint32_t i = 0; i < 2; i++) {
		fixture_run(&fixture, PATH_IN, &packet.frame, 1, &outcome);
		assert_int_equal(outcome.reason, SL_REASON_NONE);
	}
	assert_int_equal(mock_n_calls, 4);
	assert_int_equal(mock_calls[0].layer, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6);
	assert_int_equal(mock_calls[1].layer, SLUICE_LAYER_ALE_FLOW_ESTABLISHED_V6);
	assert_int_equal(mock_calls[3].layer, SLUICE_LAYER_DATAGRAM_DATA_V6);
	flow_only(&fixture, &view);
	assert_int_equal(view.key.ip_version, 6);
	assert_int_equal(view.packets[SLUICE_DIRECTION_INBOUND], 2);
	block_all(&fixture, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6, "no-ip6");
	fixture_commit(&fixture);
	mock_reset();
	fixture_run(&fixture, PATH_IN, &packet.frame, 1, &outcome);
	assert_int_equal(outcome.reason, SL_REASON_FILTER);
	assert_int_equal(outcome.layer, SLUICE_LAYER_ALE_AUTH_RECV_ACCEPT_V6);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(mock_calls[1].layer, SLUICE_LAYER_ALE_ENDPOINT_CLOSURE_V6);
	assert_int_equal(flows_live(&fixture), 0);
	fixture_fini(&fixture);
}

/* Monitor judges all the same and lets everything pass. */
static void
monitors_let_pass(void **state)
{
	struct sl_outcome outcome;
	struct fixture fixture;
	struct packet packet;

	(void)state;
	flow_fixture(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	shape_build(&packet, &dns_in);
	sl_pipeline_run(fixture.pipeline, fixture.snapshot, SL_MODE_MONITOR, PATH_IN, &packet.frame,
		1, fixture.now_ns, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(outcome.reason, SL_REASON_FILTER);
	assert_int_equal(fixture.counters->would_drop[SL_REASON_FILTER], 1);
	assert_int_equal(flows_live(&fixture), 0);
	shape_build(&packet, &dns_out);
	sl_pipeline_run(fixture.pipeline, fixture.snapshot, SL_MODE_BYPASS, PATH_OUT, &packet.frame,
		1, fixture.now_ns, &outcome);
	sl_pipeline_run(fixture.pipeline, fixture.snapshot, SL_MODE_BLOCK, PATH_OUT, &packet.frame,
		1, fixture.now_ns, &outcome);
	sl_pipeline_run(fixture.pipeline, NULL, SL_MODE_INLINE, PATH_OUT, &packet.frame, 1,
		fixture.now_ns, &outcome);
	assert_int_equal(flows_live(&fixture), 0);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pings_ride),
		cmocka_unit_test(original_icmp_types),
		cmocka_unit_test(errors_of_flows_pass),
		cmocka_unit_test(errors_of_segments_in_flight_pass),
		cmocka_unit_test(any_error_may_pass),
		cmocka_unit_test(multicast_opens_to_all),
		cmocka_unit_test(multicast_under_another_policy),
		cmocka_unit_test(multicast_is_told_of),
		cmocka_unit_test(multicast_that_is_not_allowed),
		cmocka_unit_test(multicast_may_be_denied),
		cmocka_unit_test(local_is_inside),
		cmocka_unit_test(events_are_not_mirrored),
		cmocka_unit_test(directions),
		cmocka_unit_test(data_layers_by_protocol),
		cmocka_unit_test(transport_knows_what_comes),
		cmocka_unit_test(closures_have_ends),
		cmocka_unit_test(flows_of_ip6),
		cmocka_unit_test(monitors_let_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
