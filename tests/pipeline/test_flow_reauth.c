/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows under a policy that has changed (WFP section 7.5). */
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

/* The same connection's packet from the other end. */
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
add_port_block(struct fixture *fixture, enum sluice_layer layer, const char *key, uint16_t port)
{
	struct sl_filter *filter = fixture_filter(layer, key, NULL);

	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, port);
	fixture_add(fixture, filter);
}

/* 4: what changes at the other layer is none of a flow's business. */
static void
other_layers_do_not_matter(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, CONNECT, "watch", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	block_all(&fixture, ACCEPT, "no");
	fixture_commit(&fixture);
	mock_reset();
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(counted(&fixture)->unaffected + counted(&fixture)->reauthorized, 0);
	fixture_fini(&fixture);
}

/* 5, 6: a block at CONNECT ends the flow by an inbound packet; the rest of the connection is dropped. */
static void
blocks_revoke(void **state)
{
	const struct shape back = from_other_end(&web);
	struct sl_flow_view view;
	struct fixture fixture;
	struct shape syn = web;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, CLOSURE, "watch-closure", "system",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	fixture_add_mock(&fixture, SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD, "watch-discard",
		"system", SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	fixture_add_mock(&fixture, CONNECT, "watch-connect", "system",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	add_port_block(&fixture, CONNECT, "no", 80);
	fixture_commit(&fixture);
	mock_reset();
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_FILTER);
	assert_int_equal(mock_n_calls, 3);
	assert_int_equal(mock_calls[0].layer, CONNECT);
	assert_int_equal(mock_calls[0].direction, SLUICE_DIRECTION_INBOUND);
	assert_int_equal(mock_calls[1].layer, SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD);
	assert_int_equal(mock_calls[2].layer, CLOSURE);
	assert_int_equal(counted(&fixture)->revoked, 1);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_POLICY], 1);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_ENDED);
	assert_int_equal(view.end, SL_FLOW_END_POLICY);

	fixture_remove(&fixture, "no");
	fixture_commit(&fixture);
	mock_reset();
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FLOW_REVOKED);
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_FLOW_REVOKED);
	assert_int_equal(mock_n_calls, 0);
	syn.flags = SYN;
	syn.seq = 77000;
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_NONE);
	flow_only(&fixture, &view);
	assert_int_equal(view.class, SL_FLOW_TCP_SYN);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_POLICY], 1);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_REPLACED], 0);
	fixture_fini(&fixture);
}

/* The place of a revoked connection goes when nothing has come for 30 seconds. */
static void
places_of_the_revoked_go(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	add_port_block(&fixture, CONNECT, "no", 80);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FILTER);
	pass_time(&fixture, 20ull * SECOND);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_FLOW_REVOKED);
	pass_time(&fixture, 20ull * SECOND);
	assert_int_equal(flows_live(&fixture), 1);
	pass_time(&fixture, 11ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_POLICY], 1);
	assert_int_equal(counted(&fixture)->ended[SL_FLOW_END_IDLE], 0);
	fixture_fini(&fixture);
}

/* What has no connections opens anew at once: the reply of a revoked flow is a first packet. */
static void
datagrams_open_anew(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	add_port_block(&fixture, CONNECT, "no", 53);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->opened[SLUICE_DIRECTION_INBOUND], 1);
	fixture_fini(&fixture);
}

/* The interfaces that the packet cannot tell of are EMPTY (WFP section 2.4). */
static void
check_empty(enum sluice_field field, bool is_inbound, enum sl_reason expected)
{
	struct sl_filter *filter;
	struct fixture fixture;
	struct shape shape = is_inbound ? dns_in : dns_out;

	flow_fixture(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	filter = fixture_filter(CONNECT, "unknown", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, field, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY, 0);
	fixture_add(&fixture, filter);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &shape), expected);
	fixture_fini(&fixture);
}

static void
unknown_interfaces_are_empty(void **state)
{
	(void)state;
	check_empty(SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX, false, SL_REASON_FILTER);
	check_empty(SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX, true, SL_REASON_NONE);
	check_empty(SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX, false, SL_REASON_NONE);
	check_empty(SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX, true, SL_REASON_FILTER);
}

/* A first packet knows both. */
static void
first_packets_know_their_interfaces(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(CONNECT, "unknown", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY, 0);
	fixture_condition(
		filter, SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY, 0);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture_fini(&fixture);
}

/* A change that says nothing else of a flow is noticed and asks nobody. */
static void
unaffected_flows_are_not_judged(void **state)
{
	struct fixture fixture;
	uint64_t permits;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, CONNECT, "watch", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	permits = fixture.counters->layers[CONNECT].permit;
	add_port_block(&fixture, CONNECT, "other", 80);
	fixture_commit(&fixture);
	mock_reset();
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(counted(&fixture)->unaffected, 1);
	assert_int_equal(fixture.counters->layers[CONNECT].permit, permits);
	fixture_fini(&fixture);
}

/* The same where the layer had no filter before, or has none any more. */
static void
empty_layers_are_like_others(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	add_port_block(&fixture, CONNECT, "other", 80);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->unaffected, 1);
	fixture_remove(&fixture, "other");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->unaffected, 2);
	assert_int_equal(counted(&fixture)->reauthorized, 0);
	fixture_fini(&fixture);
}

/* Another permit than before is judged and stamped. */
static void
permits_are_stamped(void **state)
{
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	flow_only(&fixture, &view);
	assert_int_equal(view.filter_id, 0);
	fixture_add_all(&fixture, CONNECT, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->reauthorized, 1);
	flow_only(&fixture, &view);
	assert_int_equal(view.filter_id, fixture.snapshot->layers[CONNECT]->filters[0].id);
	assert_int_equal(view.revision, 8);
	fixture_fini(&fixture);
}

/* 10: established once, in spite of three reauthorisations. */
static void
established_once(void **state)
{
	static const char *const keys[] = {"a", "b", "c"};
	struct fixture fixture;
	uint32_t n = 0;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_mock(&fixture, ESTABLISHED, "watch", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	for (uint32_t i = 0; i < SL_ARRAY_LEN(keys); i++) {
		fixture_add_all(&fixture, CONNECT, keys[i], NULL, SLUICE_ACTION_PERMIT);
		if (i > 0)
			fixture_remove(&fixture, keys[i - 1]);
		fixture_commit(&fixture);
		assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	}
	assert_int_equal(counted(&fixture)->reauthorized, 3);
	for (uint32_t i = 0; i < mock_n_calls; i++)
		n += mock_calls[i].layer == ESTABLISHED;
	assert_int_equal(n, 1);
	fixture_fini(&fixture);
}

/* IS_REAUTHORIZE and the reason are there to be tested, and only then. */
static void
reauthorisations_say_so(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	filter = fixture_filter(CONNECT, "again", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_FLAGS, SL_MATCH_FLAGS_ALL_SET, SLUICE_TYPE_UINT32,
		SLUICE_CONDITION_FLAG_IS_REAUTHORIZE);
	fixture_condition(filter, SLUICE_FIELD_REAUTHORIZE_REASON, SL_MATCH_EQUAL,
		SLUICE_TYPE_UINT32, SLUICE_REAUTHORIZE_POLICY_CHANGE);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	add_port_block(&fixture, CONNECT, "other", 80);
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	fixture_fini(&fixture);
}

/* `reject`: both ends of a revoked connection are reset, unless a discard twin blocks. */
static void
check_reject(bool is_suppressed)
{
	const struct shape back = from_other_end(&web);
	struct sl_flow_config config;
	const struct sl_reply *replies;
	struct fixture fixture;
	uint32_t n;

	flow_config(&config);
	config.reject = true;
	fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	block_all(&fixture, CONNECT, "no");
	if (is_suppressed)
		block_all(&fixture, SLUICE_LAYER_ALE_AUTH_CONNECT_V4_DISCARD, "silent");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_FILTER);
	replies = sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, is_suppressed ? 0 : 2);
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *ip = replies[i].bytes + 14, *tcp = ip + 20;

		assert_int_equal(replies[i].path, PATH_IN);
		assert_int_equal(replies[i].is_onward, i);
		assert_int_equal(tcp[13], RST | ACK);
		assert_int_equal(tcp[0] << 8 | tcp[1], i == 0 ? 40000 : 80);
		assert_int_equal(ip[15], i == 0 ? HOST_IN & 0xff : HOST_OUT & 0xff);
		assert_int_equal((uint32_t)tcp[4] << 24 | tcp[5] << 16 | tcp[6] << 8 | tcp[7],
			i == 0 ? back.ack : back.seq);
	}
	/* The rest is told as well, until it has heard; a twin of no layer of flows has a say in that. */
	assert_int_equal(shape_send(&fixture, &back), SL_REASON_FLOW_REVOKED);
	sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, 1);
	fixture_fini(&fixture);
}

static void
both_ends_are_reset(void **state)
{
	(void)state;
	check_reject(false);
	check_reject(true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_layers_do_not_matter),
		cmocka_unit_test(blocks_revoke),
		cmocka_unit_test(places_of_the_revoked_go),
		cmocka_unit_test(datagrams_open_anew),
		cmocka_unit_test(unknown_interfaces_are_empty),
		cmocka_unit_test(first_packets_know_their_interfaces),
		cmocka_unit_test(unaffected_flows_are_not_judged),
		cmocka_unit_test(empty_layers_are_like_others),
		cmocka_unit_test(permits_are_stamped),
		cmocka_unit_test(established_once),
		cmocka_unit_test(reauthorisations_say_so),
		cmocka_unit_test(both_ends_are_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
