/* SPDX-License-Identifier: BSD-3-Clause */
/* What explain says of flows. */
#include "flow_helper.h"

#include "base/sl_buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shape dns_in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};

static void
write_layer(void *ctx, const struct sl_explain_step *step)
{
	if (step->type == SL_EXPLAIN_LAYER && step->program != NULL)
		sl_buf_printf(ctx, "%s\n", step->layer->name);
}

/* The layers with filters that a packet would visit, and who blocks it. */
static void
assert_explained(const struct fixture *fixture, const struct shape *shape,
	enum sl_explain_flow flow, const char *layers, const char *key)
{
	const uint32_t path = shape->is_inbound ? PATH_IN : PATH_OUT;
	struct sl_outcome outcome;
	struct sl_buf buf = {0};
	struct packet packet;
	struct sl_meta meta;

	shape_build(&packet, shape);
	assert_int_equal(sl_pipeline_explain(fixture->snapshot, &fixture->paths[path],
				 &packet.frame, flow, write_layer, &buf, &meta, &outcome),
		0);
	assert_string_equal(sl_buf_text(&buf), layers);
	assert_string_equal(fixture_key(fixture, &outcome), key);
	assert_null(meta.flow.entry);
	assert_int_equal(meta.flow.is_mirrored, 0);
	sl_buf_fini(&buf);
}

static void
states_of_flows(void **state)
{
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_all(&fixture, CONNECT, "out", NULL, SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, ESTABLISHED, "up", NULL, SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, DATAGRAM, "data", NULL, SLUICE_ACTION_PERMIT);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_explained(&fixture, &dns_in, SL_EXPLAIN_FLOW_NEW, "ale_auth_recv_accept_v4\n", "no");
	assert_explained(&fixture, &dns_in, SL_EXPLAIN_FLOW_REPLY, "datagram_data_v4\n", "");
	assert_explained(&fixture, &dns_in, SL_EXPLAIN_FLOW_ESTABLISHED, "datagram_data_v4\n", "");
	fixture_fini(&fixture);
}

/* The first packet from inside passes the layers of a flow; TCP is established later. */
static void
first_packets(void **state)
{
	const struct shape dns_out = {.local_port = 4000, .remote_port = 53};
	struct shape web = {.protocol = 6, .local_port = 40000, .remote_port = 80, .flags = SYN};
	struct fixture fixture;

	(void)state;
	flow_fixture(&fixture);
	fixture_add_all(&fixture, CONNECT, "out", NULL, SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, ACCEPT, "in", NULL, SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, ESTABLISHED, "up", NULL, SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	assert_explained(&fixture, &dns_out, SL_EXPLAIN_FLOW_NEW,
		"ale_auth_connect_v4\nale_flow_established_v4\n", "");
	assert_explained(&fixture, &web, SL_EXPLAIN_FLOW_NEW, "ale_auth_connect_v4\n", "");
	/* Picked up from outside: who has the ephemeral port opened it. */
	web.flags = ACK;
	web.is_inbound = true;
	assert_explained(&fixture, &web, SL_EXPLAIN_FLOW_NEW,
		"ale_auth_connect_v4\nale_flow_established_v4\n", "");
	fixture_fini(&fixture);
}

/* The transport layer of inbound packets knows whether a judgement follows. */
static void
announcements(void **state)
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
	assert_explained(&fixture, &dns_in, SL_EXPLAIN_FLOW_NEW, "inbound_transport_v4\n", "first");
	assert_explained(&fixture, &dns_in, SL_EXPLAIN_FLOW_REPLY, "inbound_transport_v4\n", "");
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_of_flows),
		cmocka_unit_test(first_packets),
		cmocka_unit_test(announcements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
