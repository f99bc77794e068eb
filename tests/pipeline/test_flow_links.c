/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows whose packets come by several links of a zone (WFP sections 2.7 and 7.5). */
#include "flow_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEW_ARRIVAL SLUICE_REAUTHORIZE_NEW_ARRIVAL_INTERFACE
#define NEW_NEXTHOP SLUICE_REAUTHORIZE_NEW_NEXTHOP_INTERFACE
#define CHANGE      SLUICE_REAUTHORIZE_POLICY_CHANGE

static const struct shape web = {.protocol = 6,
	.local_port = 40000,
	.remote_port = 80,
	.seq = 1001,
	.ack = 5001,
	.flags = ACK};
static const struct shape web_in = {.is_inbound = true,
	.protocol = 6,
	.local_port = 40000,
	.remote_port = 80,
	.seq = 5001,
	.ack = 1001,
	.flags = ACK};
static const struct shape dns_out = {.local_port = 4000, .remote_port = 53};
static const struct shape dns_in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};
/* The same by the other link. */
static const struct shape dns_out_2 = {.local_port = 4000, .remote_port = 53, .link = 1};
static const struct shape dns_in_2 = {
	.is_inbound = true, .local_port = 4000, .remote_port = 53, .link = 1};

static void
start(struct fixture *fixture, bool has_reject)
{
	struct sl_flow_config config;

	flow_config(&config);
	config.reject = has_reject;
	fixture_init_zone(fixture, &config);
}

/* A layer that tells its callout of every judgement. */
static void
start_watched(struct fixture *fixture)
{
	start(fixture, false);
	fixture_add_mock(fixture, CONNECT, "watch", "system", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(fixture);
	mock_reset();
}

/* Sends a packet, which is permitted, and tells for what reasons its flow was judged anew; 0: it was not. */
static uint32_t
reasons_of(struct fixture *fixture, const struct shape *shape)
{
	mock_reset();
	assert_int_equal(shape_send(fixture, shape), SL_REASON_NONE);
	assert_in_range(mock_n_calls, 0, 1);
	return mock_n_calls == 0 ? 0 : mock_calls[0].reason;
}

/* Each direction has a link of its own; the first answer is expected by the link that the question took. */
static void
other_links_are_judged(void **state)
{
	struct fixture fixture;

	(void)state;
	start_watched(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].reason, 0);
	assert_int_equal(reasons_of(&fixture, &dns_in_2), NEW_ARRIVAL);
	assert_int_equal(mock_calls[0].direction, SLUICE_DIRECTION_INBOUND);
	/* Remembered: questions by one link and answers by the other are what is usual now. */
	assert_int_equal(reasons_of(&fixture, &dns_out), 0);
	assert_int_equal(reasons_of(&fixture, &dns_in_2), 0);
	assert_int_equal(reasons_of(&fixture, &dns_in), NEW_ARRIVAL);
	assert_int_equal(reasons_of(&fixture, &dns_in), 0);
	assert_int_equal(reasons_of(&fixture, &dns_out_2), NEW_NEXTHOP);
	assert_int_equal(mock_calls[0].direction, SLUICE_DIRECTION_OUTBOUND);
	assert_int_equal(reasons_of(&fixture, &dns_out_2), 0);
	assert_int_equal(reasons_of(&fixture, &dns_in), 0);
	assert_int_equal(counted(&fixture)->reauthorized, 3);
	assert_int_equal(counted(&fixture)->unaffected, 0);
	fixture_fini(&fixture);
}

static void
one_link_is_not_judged(void **state)
{
	struct fixture fixture;

	(void)state;
	start_watched(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(reasons_of(&fixture, &dns_in), 0);
	assert_int_equal(reasons_of(&fixture, &dns_out), 0);
	assert_int_equal(counted(&fixture)->reauthorized, 0);
	fixture_fini(&fixture);
}

static void
reasons_come_together(void **state)
{
	struct fixture fixture;

	(void)state;
	start_watched(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	fixture_add_all(&fixture, CONNECT, "more", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	assert_int_equal(reasons_of(&fixture, &dns_in_2), CHANGE | NEW_ARRIVAL);
	fixture_remove(&fixture, "more");
	fixture_commit(&fixture);
	assert_int_equal(reasons_of(&fixture, &dns_out), CHANGE);
	fixture_fini(&fixture);
}

static void
add_block(struct fixture *fixture, enum sluice_field field, uint32_t number)
{
	struct sl_filter *filter = fixture_filter(CONNECT, "no", NULL);

	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, field, SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, number);
	fixture_add(fixture, filter);
}

/* What is blocked at another link ends the flow, for the other one, too. */
static void
blocked_links_revoke(void **state)
{
	struct shape moved = web_in;
	struct fixture fixture;

	(void)state;
	moved.link = 1;
	start(&fixture, true);
	/* Port 4 is the outside one of the second link. */
	add_block(&fixture, SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX, 4);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	assert_int_equal(shape_send(&fixture, &web_in), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &moved), SL_REASON_FILTER);
	assert_int_equal(counted(&fixture)->revoked, 1);
	assert_int_equal(shape_send(&fixture, &web_in), SL_REASON_FLOW_REVOKED);
	fixture_fini(&fixture);

	start(&fixture, false);
	add_block(&fixture, SLUICE_FIELD_REAUTHORIZE_REASON, NEW_NEXTHOP);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_in_2), SL_REASON_NONE);
	assert_int_equal(shape_send(&fixture, &dns_out_2), SL_REASON_FILTER);
	assert_int_equal(flows_live(&fixture), 0);
	fixture_fini(&fixture);
}

/* A layer that is empty has nothing to say, and the link is remembered all the same. */
static void
empty_layers_judge_nothing(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture, false);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(shape_send(&fixture, &dns_in_2), SL_REASON_NONE);
	assert_int_equal(counted(&fixture)->unaffected, 1);
	assert_int_equal(counted(&fixture)->reauthorized, 0);
	fixture_fini(&fixture);
}

/* Packets of one burst: the first has the flow judged, the others go with it. */
static void
bursts_are_judged_once(void **state)
{
	struct sl_outcome outcomes[4];
	struct shape shapes[4];
	struct fixture fixture;

	(void)state;
	start_watched(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	mock_reset();
	for (uint32_t i = 0; i < 4; i++)
		shapes[i] = dns_in_2;
	shapes_send(&fixture, shapes, 4, outcomes);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(outcomes[i].reason, SL_REASON_NONE);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(mock_calls[0].reason, NEW_ARRIVAL);
	fixture_fini(&fixture);
}

/* A flow in the place of another begins without that one's links. */
static void
places_forget_links(void **state)
{
	struct fixture fixture;

	(void)state;
	start_watched(&fixture);
	assert_int_equal(shape_send(&fixture, &dns_out), SL_REASON_NONE);
	assert_int_equal(reasons_of(&fixture, &dns_in_2), NEW_ARRIVAL);
	pass_time(&fixture, 61ull * SECOND);
	assert_int_equal(flows_live(&fixture), 0);
	assert_int_equal(reasons_of(&fixture, &dns_out_2), 0);
	assert_int_equal(reasons_of(&fixture, &dns_in_2), 0);
	assert_int_equal(counted(&fixture)->reauthorized, 1);
	fixture_fini(&fixture);
}

/* Multicast goes out by every link, and answers may come by any. */
static void
multicast_has_no_link(void **state)
{
	struct shape query = {.local_port = 5353, .remote_port = 5353, .remote = MDNS_GROUP};
	struct shape answer = {.is_inbound = true, .local_port = 5353, .remote_port = 5353};
	struct fixture fixture;

	(void)state;
	start_watched(&fixture);
	for (uint8_t i = 0; i < 4; i++) {
		query.link = answer.link = i % 2;
		assert_int_equal(reasons_of(&fixture, &query), 0);
		assert_int_equal(reasons_of(&fixture, &answer), 0);
	}
	assert_int_equal(counted(&fixture)->reauthorized, 0);
	fixture_fini(&fixture);
}

/* Resets without a packet leave by the link of each direction. */
static void
resets_take_the_same_links(void **state)
{
	struct sl_flow_command command = {.type = SL_FLOW_COMMAND_KILL};
	const struct sl_reply *replies;
	struct sl_flow_view view;
	struct shape moved = web_in;
	struct fixture fixture;
	uint32_t n;

	(void)state;
	start(&fixture, true);
	fixture_compile(&fixture);
	shape_connect(&fixture, &web);
	moved.link = 1;
	assert_int_equal(shape_send(&fixture, &moved), SL_REASON_NONE);
	flow_only(&fixture, &view);
	command.id = view.id;
	assert_true(sl_ring_put(fixture.commands, &command));
	sl_pipeline_tick(fixture.pipeline, fixture.snapshot, SL_MODE_INLINE, fixture.now_ns);
	replies = sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, 2);
	assert_int_equal(replies[0].path, PATH_OUT);
	assert_int_equal(replies[1].path, PATH_IN_2);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_links_are_judged),
		cmocka_unit_test(one_link_is_not_judged),
		cmocka_unit_test(reasons_come_together),
		cmocka_unit_test(blocked_links_revoke),
		cmocka_unit_test(empty_layers_judge_nothing),
		cmocka_unit_test(bursts_are_judged_once),
		cmocka_unit_test(places_forget_links),
		cmocka_unit_test(multicast_has_no_link),
		cmocka_unit_test(resets_take_the_same_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
