/* SPDX-License-Identifier: BSD-3-Clause */
/* The sweep: flows under a policy that has changed, without a packet (`flows.reauth`: sweep). */
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
sweeping(struct sl_flow_config *config)
{
	flow_config(config);
	config->reauth = SL_FLOW_REAUTH_SWEEP;
}

static void
start(struct fixture *fixture)
{
	struct sl_flow_config config;

	sweeping(&config);
	fixture_init_flows(fixture, SL_ENGINE_CHECK, 0, &config);
	fixture_compile(fixture);
}

/* A filter of lower weight than those in sublayer "system", for a remote port. */
static struct sl_filter *
port_filter(const char *key, uint16_t port)
{
	struct sl_filter *filter = fixture_filter(CONNECT, key, NULL);

	fixture_condition(
		filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, port);
	return filter;
}

static void
add_port_block(struct fixture *fixture, const char *key, uint16_t port)
{
	struct sl_filter *filter = port_filter(key, port);

	filter->action = SLUICE_ACTION_BLOCK;
	fixture_add(fixture, filter);
}

/* It finds what no packet comes for, and leaves what the policy permits. */
static void
blocked_flows_end(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	shape_connect(&fixture, &web);
	add_port_block(&fixture, "no", 53);
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	assert_int_equal(flows_live(&fixture), 1);
	assert_int_equal(counted(&fixture)->revoked, 1);
	assert_int_equal(counted(&fixture)->unaffected, 1);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 0);
	assert_int_equal(shape_send(&fixture, &web), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->unaffected, 1);
	fixture_fini(&fixture);
}

/* What is left to the next packet counts when that comes, and once. */
static void
permits_count_once(void **state)
{
	const struct sl_layer_counter *layer;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture_add(&fixture, port_filter("yes", 53));
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	layer = &fixture.counters->layers[CONNECT];
	assert_int_equal(layer->permit, 0);
	assert_int_equal(counted(&fixture)->reauthorized, 0);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(layer->permit, 1);
	assert_int_equal(counted(&fixture)->reauthorized, 1);
	fixture_fini(&fixture);
}

/* A layer with callouts: only flows that one of them has a say in wait for their packets. */
static void
callouts_are_left_out(void **state)
{
	const struct shape other = {.local_port = 4001, .remote_port = 54};
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &other), SL_REASON_NONE);
	fixture_add_mock(&fixture, CONNECT, "ask", "system", SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_BLOCK);
	fixture_commit(&fixture);
	mock_reset();
	pass_time(&fixture, SECOND);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(flows_live(&fixture), 2);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_FILTER);
	assert_int_equal(mock_n_calls, 1);
	fixture_fini(&fixture);

	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &other), SL_REASON_NONE);
	filter = fixture_filter(CONNECT, "ask", "system");
	fixture_condition(
		filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 54);
	fixture_add_mock_filter(
		&fixture, filter, SLUICE_ACTION_CALLOUT_TERMINATING, SLUICE_ACTION_CONTINUE);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	mock_reset();
	pass_time(&fixture, SECOND);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(flows_live(&fixture), 1);
	assert_int_equal(counted(&fixture)->revoked, 1);
	fixture_fini(&fixture);
}

/* Nobody can be asked who is not there: the filter decides, and no packet is waited for. */
static void
missing_callouts_decide(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture_add_missing(&fixture, CONNECT, "gone", "system");
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(counted(&fixture)->revoked, 1);
	fixture_fini(&fixture);
}

/* Whoever multicast has been sent to is not known; its flow gives no rights until it has been judged. */
static void
multicast_is_left_out(void **state)
{
	const struct shape query = {.local_port = 5353, .remote_port = 5353, .remote = MDNS_GROUP};
	const struct shape answer = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	start(&fixture);
	block_all(&fixture, ACCEPT, "unasked");
	fixture_commit(&fixture);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_NONE);
	add_port_block(&fixture, "no", 5353);
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	assert_int_equal(flows_live(&fixture), 1);
	assert_int_equal(counted(&fixture)->revoked, 0);
	assert_int_equal(shape_send(&fixture, &answer), SL_REASON_FILTER);
	assert_int_equal(shape_send(&fixture, &query), SL_REASON_FILTER);
	assert_int_equal(counted(&fixture)->revoked, 1);
	fixture_fini(&fixture);
}

/* A filter that asks about packets may permit what without a packet is blocked. */
static void
packets_are_waited_for(void **state)
{
	struct sl_filter *filter;
	struct fixture fixture;

	(void)state;
	start(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	filter = fixture_filter(CONNECT, "near", "system");
	fixture_condition(filter, SLUICE_FIELD_X_TTL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 64);
	filter->flags |= SL_FILTER_CLEAR_ACTION_RIGHT;
	fixture_add(&fixture, filter);
	block_all(&fixture, CONNECT, "no");
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	assert_int_equal(counted(&fixture)->revoked, 0);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	/* Without it there is nothing to wait for. */
	fixture_remove(&fixture, "near");
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	assert_int_equal(counted(&fixture)->revoked, 1);
	fixture_fini(&fixture);
}

static void
add_interface_block(struct fixture *fixture, enum sluice_field field, uint32_t index)
{
	struct sl_filter *filter = fixture_filter(CONNECT, "interface", NULL);

	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, field, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, index);
	fixture_add(fixture, filter);
}

/* In a zone of several links flows are judged by the one that their packets took. */
static void
links_are_known(void **state)
{
	const struct shape second = {.local_port = 4001, .remote_port = 53, .link = 1};
	struct sl_flow_config config;
	struct sl_flow_view view;
	struct fixture fixture;

	(void)state;
	sweeping(&config);
	fixture_init_zone(&fixture, &config);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &second), SL_REASON_NONE);
	/* Port 4 is the outside one of the second link. */
	add_interface_block(&fixture, SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX, 4);
	fixture_commit(&fixture);
	pass_time(&fixture, SECOND);
	assert_int_equal(counted(&fixture)->revoked, 1);
	flow_only(&fixture, &view);
	assert_int_equal(view.key.local_port, 4000);
	fixture_fini(&fixture);
}

/* A flow of before a restart: by which link its packets come is not known until one has. */
static void
unknown_links_are_left_out(void **state)
{
	struct sl_flow_config config;
	struct sl_flow_saved saved;
	struct fixture fixture;
	uint32_t at = 0;

	(void)state;
	sweeping(&config);
	fixture_init_zone(&fixture, &config);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(sl_flow_save(sl_pipeline_flows(fixture.pipeline), &at, &saved, 1), 1);
	fixture_fini(&fixture);
	fixture_init_zone(&fixture, &config);
	block_all(&fixture, CONNECT, "no");
	fixture_compile(&fixture);
	assert_int_equal(
		sl_flow_load(sl_pipeline_flows(fixture.pipeline), &saved, fixture.now_ns), 0);
	pass_time(&fixture, SECOND);
	assert_int_equal(flows_live(&fixture), 1);
	assert_int_equal(shape_send(&fixture, &dns_in), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocked_flows_end),
		cmocka_unit_test(permits_count_once),
		cmocka_unit_test(callouts_are_left_out),
		cmocka_unit_test(missing_callouts_decide),
		cmocka_unit_test(multicast_is_left_out),
		cmocka_unit_test(packets_are_waited_for),
		cmocka_unit_test(links_are_known),
		cmocka_unit_test(unknown_links_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
