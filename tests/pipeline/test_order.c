/* SPDX-License-Identifier: BSD-3-Clause */
/* Which layers a packet visits, and in which order: WFP sections 1.4 and 1.7. */
#include "helper.h"

#include "base/sl_buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A fixture with an inspecting callout at every layer that needs no flows; for those see test_flow_order.c. */
static void
watch_everything(struct fixture *fixture)
{
	const struct sl_layer *const *layers;
	char key[65];
	uint32_t n;

	fixture_init(fixture, SL_ENGINE_CHECK, 0);
	layers = sl_layer_list(&n);
	for (uint32_t i = 0; i < n; i++) {
		if (layers[i]->status != SL_LAYER_WORKING || sl_layer_has_flow(layers[i]))
			continue;
		snprintf(key, sizeof(key), "watch-%s", layers[i]->name);
		fixture_add_mock(fixture, layers[i]->id, key, "system",
			SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	}
}

/* Names of the layers visited since the last reset, one a line. */
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

static void
run_one(struct fixture *fixture, uint32_t path, const struct packet *packet,
	enum sl_verdict_action action, enum sl_reason reason)
{
	struct sl_outcome outcome;

	fixture_run(fixture, path, &packet->frame, 1, &outcome);
	assert_int_equal(outcome.action, action);
	assert_int_equal(outcome.reason, reason);
	assert_int_equal(fixture->n_differences, 0);
}

static void
assert_way(uint32_t path, const struct packet *packet, const char *expected)
{
	struct fixture fixture;

	watch_everything(&fixture);
	fixture_compile(&fixture);
	run_one(&fixture, path, packet, SL_VERDICT_PERMIT, SL_REASON_NONE);
	assert_visited(expected);
	fixture_fini(&fixture);
}

static void
test_inbound(void **state)
{
	struct packet packet;

	(void)state;
	packet_udp4(&packet, 80, 1);
	assert_way(PATH_IN, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v4\n"
		"inbound_mac_frame_ethernet\n"
		"inbound_ippacket_v4\n"
		"ipforward_v4\n"
		"inbound_transport_v4\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v4\n");
	packet_udp6(&packet, 80, 1);
	assert_way(PATH_IN, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v6\n"
		"inbound_mac_frame_ethernet\n"
		"inbound_ippacket_v6\n"
		"ipforward_v6\n"
		"inbound_transport_v6\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v6\n");
}

static void
test_outbound(void **state)
{
	struct packet packet;

	(void)state;
	packet_udp4(&packet, 80, 1);
	assert_way(PATH_OUT, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v4\n"
		"outbound_transport_v4\n"
		"ipforward_v4\n"
		"outbound_ippacket_v4\n"
		"outbound_mac_frame_ethernet\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v4\n");
	packet_udp6(&packet, 80, 1);
	assert_way(PATH_OUT, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v6\n"
		"outbound_transport_v6\n"
		"ipforward_v6\n"
		"outbound_ippacket_v6\n"
		"outbound_mac_frame_ethernet\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v6\n");
}

static void
test_icmp_errors(void **state)
{
	struct packet packet;

	(void)state;
	packet_error4(&packet);
	assert_way(PATH_IN, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v4\n"
		"inbound_mac_frame_ethernet\n"
		"inbound_ippacket_v4\n"
		"ipforward_v4\n"
		"inbound_transport_v4\n"
		"inbound_icmp_error_v4\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v4\n");
	assert_way(PATH_OUT, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v4\n"
		"outbound_icmp_error_v4\n"
		"outbound_transport_v4\n"
		"ipforward_v4\n"
		"outbound_ippacket_v4\n"
		"outbound_mac_frame_ethernet\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v4\n");
}

static void
test_frames_that_are_not_ip(void **state)
{
	struct packet packet;

	(void)state;
	packet_arp(&packet);
	assert_way(PATH_IN, &packet,
		"ingress_vswitch_ethernet\n"
		"inbound_mac_frame_ethernet\n"
		"egress_vswitch_ethernet\n");
	assert_way(PATH_OUT, &packet,
		"ingress_vswitch_ethernet\n"
		"outbound_mac_frame_ethernet\n"
		"egress_vswitch_ethernet\n");
}

static void
test_packets_without_ethernet(void **state)
{
	struct packet packet;

	(void)state;
	packet_udp4(&packet, 80, 1);
	packet_strip(&packet);
	assert_way(PATH_IN_IP, &packet,
		"ingress_vswitch_transport_v4\n"
		"inbound_ippacket_v4\n"
		"ipforward_v4\n"
		"inbound_transport_v4\n"
		"egress_vswitch_transport_v4\n");
	packet_error6(&packet);
	packet_strip(&packet);
	assert_way(PATH_OUT_IP, &packet,
		"ingress_vswitch_transport_v6\n"
		"outbound_icmp_error_v6\n"
		"outbound_transport_v6\n"
		"ipforward_v6\n"
		"outbound_ippacket_v6\n"
		"egress_vswitch_transport_v6\n");
}

/* Later fragments have no ports, and visit the transport layers all the same. */
static void
test_later_fragment(void **state)
{
	struct packet packet;

	(void)state;
	packet_fragment4(&packet);
	assert_way(PATH_IN, &packet,
		"ingress_vswitch_ethernet\n"
		"ingress_vswitch_transport_v4\n"
		"inbound_mac_frame_ethernet\n"
		"inbound_ippacket_v4\n"
		"ipforward_v4\n"
		"inbound_transport_v4\n"
		"egress_vswitch_ethernet\n"
		"egress_vswitch_transport_v4\n");
}

static void
test_malformed(void **state)
{
	struct fixture fixture;
	struct packet packet;

	(void)state;
	watch_everything(&fixture);
	fixture_compile(&fixture);
	packet_broken4(&packet);
	run_one(&fixture, PATH_IN, &packet, SL_VERDICT_BLOCK, SL_REASON_IP4_BAD_CHECKSUM);
	assert_string_equal(mock_calls[2].discard_reason, "ip4_bad_checksum");
	assert_int_equal(mock_calls[2].discard_filter_id, 0);
	assert_string_equal(mock_calls[1].discard_reason, "");
	assert_visited("ingress_vswitch_ethernet\n"
		       "inbound_mac_frame_ethernet\n"
		       "inbound_ippacket_v4_discard\n");
	run_one(&fixture, PATH_OUT, &packet, SL_VERDICT_BLOCK, SL_REASON_IP4_BAD_CHECKSUM);
	assert_visited("ingress_vswitch_ethernet\n"
		       "outbound_ippacket_v4_discard\n");
	packet_broken6(&packet);
	run_one(&fixture, PATH_IN, &packet, SL_VERDICT_BLOCK, SL_REASON_IP6_BAD_PAYLOAD_LENGTH);
	assert_visited("ingress_vswitch_ethernet\n"
		       "inbound_mac_frame_ethernet\n"
		       "inbound_ippacket_v6_discard\n");
	packet_strip(&packet);
	run_one(&fixture, PATH_OUT_IP, &packet, SL_VERDICT_BLOCK, SL_REASON_IP6_BAD_PAYLOAD_LENGTH);
	assert_visited("outbound_ippacket_v6_discard\n");
	packet.frame.contiguous = packet.frame.length = 9;
	run_one(&fixture, PATH_IN, &packet, SL_VERDICT_BLOCK, SL_REASON_ETH_TRUNCATED);
	assert_visited("ingress_vswitch_ethernet\n"
		       "inbound_mac_frame_ethernet\n");
	fixture_fini(&fixture);
}

/* A block ends the way, at every layer that there is, and shows the packet to the layer's twin. */
static void
assert_block_ends_way(uint32_t path, const struct packet *packet)
{
	const struct sl_layer *layer, *twin;
	struct mock_call way[SL_ARRAY_LEN(mock_calls)];
	struct sl_outcome outcome;
	struct fixture fixture;
	uint32_t n_way;

	watch_everything(&fixture);
	fixture_compile(&fixture);
	run_one(&fixture, path, packet, SL_VERDICT_PERMIT, SL_REASON_NONE);
	memcpy(way, mock_calls, sizeof(way));
	n_way = mock_n_calls;
	fixture_fini(&fixture);
	for (uint32_t i = 0; i < n_way; i++) {
		layer = sl_layer_by_id(way[i].layer);
		twin = layer->twin;
		watch_everything(&fixture);
		fixture_add_all(&fixture, layer->id, "stop", "universal", SLUICE_ACTION_BLOCK);
		fixture_compile(&fixture);
		fixture_run(&fixture, path, &packet->frame, 1, &outcome);
		assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
		assert_int_equal(outcome.reason, SL_REASON_FILTER);
		assert_true(outcome.has_layer);
		assert_int_equal(outcome.layer, layer->id);
		assert_string_equal(fixture_key(&fixture, &outcome), "stop");
		assert_int_equal(mock_n_calls, i + 1 + (twin != NULL));
		for (uint32_t at = 0; at <= i; at++)
			assert_int_equal(mock_calls[at].layer, way[at].layer);
		if (twin != NULL) {
			assert_int_equal(mock_calls[i + 1].layer, twin->id);
			assert_string_equal(mock_calls[i + 1].discard_reason, "filter");
			assert_int_equal(mock_calls[i + 1].discard_filter_id,
				fixture.snapshot->layers[layer->id]->filters[outcome.rank].id);
		}
		assert_int_equal(fixture.counters->layers[layer->id].block, 1);
		assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 1);
		fixture_fini(&fixture);
	}
}

static void
test_block_at_each_layer(void **state)
{
	struct packet packet;

	(void)state;
	packet_error4(&packet);
	assert_block_ends_way(PATH_IN, &packet);
	assert_block_ends_way(PATH_OUT, &packet);
	packet_error6(&packet);
	assert_block_ends_way(PATH_IN, &packet);
	assert_block_ends_way(PATH_OUT, &packet);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inbound),
		cmocka_unit_test(test_outbound),
		cmocka_unit_test(test_icmp_errors),
		cmocka_unit_test(test_frames_that_are_not_ip),
		cmocka_unit_test(test_packets_without_ethernet),
		cmocka_unit_test(test_later_fragment),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_block_at_each_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
