/* SPDX-License-Identifier: BSD-3-Clause */
/* The order of layers for packets of flows (WFP section 1.4), every layer watched. */
#include "flow_helper.h"

#include "base/sl_buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
watch_everything(struct fixture *fixture)
{
	const struct sl_layer *const *layers;
	char key[65];
	uint32_t n;

	flow_fixture(fixture);
	layers = sl_layer_list(&n);
	for (uint32_t i = 0; i < n; i++) {
		if (layers[i]->status != SL_LAYER_WORKING)
			continue;
		snprintf(key, sizeof(key), "watch-%s", layers[i]->name);
		fixture_add_mock(fixture, layers[i]->id, key, "system",
			SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	}
}

static void
assert_visited(const char *expected)
{
	struct sl_buf buf = {0};

	for (uint32_t i = 0; i < mock_n_calls; i++)
		sl_buf_printf(&buf, "%s\n", sl_layer_by_id(mock_calls[i].layer)->name);
	assert_string_equal(sl_buf_text(&buf), expected);
	sl_buf_fini(&buf);
	mock_reset();
}

#define INGRESS       "ingress_vswitch_ethernet\ningress_vswitch_transport_v4\n"
#define EGRESS        "egress_vswitch_ethernet\negress_vswitch_transport_v4\n"
#define UP_TO_IP      INGRESS "inbound_mac_frame_ethernet\ninbound_ippacket_v4\nipforward_v4\n"
#define FROM_IP       "ipforward_v4\noutbound_ippacket_v4\noutbound_mac_frame_ethernet\n" EGRESS
#define IN_TRANSPORT  "inbound_transport_v4\n"
#define OUT_TRANSPORT "outbound_transport_v4\n"
#define ALE_OUT       "ale_auth_connect_v4\n"
#define ALE_IN        "ale_auth_recv_accept_v4\n"
#define ALE_UP        "ale_flow_established_v4\n"
#define TCP_DATA      "stream_packet_v4\n"
#define OTHER_DATA    "datagram_data_v4\n"

static void
send(struct fixture *fixture, const struct shape *shape, const char *expected)
{
	assert_int_equal(shape_send(fixture, shape), SL_REASON_NONE);
	assert_visited(expected);
}

static void
datagrams(void **state)
{
	const struct shape out = {.local_port = 4000, .remote_port = 53};
	const struct shape in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};
	const struct shape other = {.is_inbound = true, .local_port = 53, .remote_port = 4000};
	struct fixture fixture;

	(void)state;
	watch_everything(&fixture);
	fixture_compile(&fixture);
	send(&fixture, &out, INGRESS ALE_OUT ALE_UP OTHER_DATA OUT_TRANSPORT FROM_IP);
	send(&fixture, &in, UP_TO_IP IN_TRANSPORT OTHER_DATA EGRESS);
	send(&fixture, &out, INGRESS OTHER_DATA OUT_TRANSPORT FROM_IP);
	send(&fixture, &other, UP_TO_IP IN_TRANSPORT ALE_IN ALE_UP OTHER_DATA EGRESS);
	send(&fixture, &other, UP_TO_IP IN_TRANSPORT OTHER_DATA EGRESS);
	fixture_fini(&fixture);
}

static struct shape
segment(bool is_inbound, uint8_t flags, uint32_t seq, uint32_t ack)
{
	return (struct shape){
		.is_inbound = is_inbound,
		.protocol = 6,
		.local_port = 40000,
		.remote_port = 80,
		.flags = flags,
		.seq = seq,
		.ack = ack,
	};
}

static void
connections_from_inside(void **state)
{
	const struct shape syn = segment(false, SYN, 1000, 0);
	const struct shape syn_ack = segment(true, SYN | ACK, 5000, 1001);
	const struct shape ack = segment(false, ACK, 1001, 5001);
	const struct shape data = segment(true, ACK, 5001, 1001);
	struct fixture fixture;

	(void)state;
	watch_everything(&fixture);
	fixture_compile(&fixture);
	send(&fixture, &syn, INGRESS ALE_OUT TCP_DATA OUT_TRANSPORT FROM_IP);
	send(&fixture, &syn_ack, UP_TO_IP IN_TRANSPORT TCP_DATA EGRESS);
	send(&fixture, &ack, INGRESS ALE_UP TCP_DATA OUT_TRANSPORT FROM_IP);
	send(&fixture, &data, UP_TO_IP IN_TRANSPORT TCP_DATA EGRESS);
	/* Judged anew by an inbound packet, at the layer that authorised it. */
	fixture_add_all(&fixture, CONNECT, "yes", NULL, SLUICE_ACTION_PERMIT);
	fixture_commit(&fixture);
	mock_reset();
	send(&fixture, &data, UP_TO_IP IN_TRANSPORT ALE_OUT TCP_DATA EGRESS);
	fixture_fini(&fixture);
}

static void
connections_from_outside(void **state)
{
	const struct shape syn = segment(true, SYN, 1000, 0);
	const struct shape syn_ack = segment(false, SYN | ACK, 5000, 1001);
	const struct shape ack = segment(true, ACK, 1001, 5001);
	struct fixture fixture;

	(void)state;
	watch_everything(&fixture);
	fixture_compile(&fixture);
	send(&fixture, &syn, UP_TO_IP IN_TRANSPORT ALE_IN TCP_DATA EGRESS);
	send(&fixture, &syn_ack, INGRESS TCP_DATA OUT_TRANSPORT FROM_IP);
	send(&fixture, &ack, UP_TO_IP IN_TRANSPORT ALE_UP TCP_DATA EGRESS);
	pass_time(&fixture, 3700ull * SECOND);
	assert_visited("ale_endpoint_closure_v4\n");
	fixture_fini(&fixture);
}

/* A SYN that RECV_ACCEPT blocks is seen by its twin, and by nobody behind. */
static void
blocked_connections(void **state)
{
	const struct shape syn = segment(true, SYN, 1000, 0);
	struct fixture fixture;

	(void)state;
	watch_everything(&fixture);
	block_all(&fixture, ACCEPT, "no");
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &syn), SL_REASON_FILTER);
	assert_visited(UP_TO_IP IN_TRANSPORT ALE_IN "ale_auth_recv_accept_v4_discard\n");
	fixture_fini(&fixture);
}

static void
icmp_errors(void **state)
{
	const struct shape out = {.local_port = 4000, .remote_port = 53};
	const struct shape in = {.is_inbound = true, .local_port = 4000, .remote_port = 53};
	struct fixture fixture;

	(void)state;
	watch_everything(&fixture);
	fixture_compile(&fixture);
	assert_int_equal(shape_send(&fixture, &out), SL_REASON_NONE);
	mock_reset();
	assert_int_equal(shape_send_error(&fixture, &out), SL_REASON_NONE);
	assert_visited(UP_TO_IP IN_TRANSPORT "inbound_icmp_error_v4\n" EGRESS);
	assert_int_equal(shape_send_error(&fixture, &in), SL_REASON_NONE);
	assert_visited(INGRESS "outbound_icmp_error_v4\n" OUT_TRANSPORT FROM_IP);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams),
		cmocka_unit_test(connections_from_inside),
		cmocka_unit_test(connections_from_outside),
		cmocka_unit_test(blocked_connections),
		cmocka_unit_test(icmp_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
