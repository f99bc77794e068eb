/* SPDX-License-Identifier: BSD-3-Clause */
#include "helper.h"

#include "base/sl_buf.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRANSPORT SLUICE_LAYER_INBOUND_TRANSPORT_V4
#define TWIN      SLUICE_LAYER_INBOUND_TRANSPORT_V4_DISCARD

/* --- Steps. --- */

/* One line a step: "layer NAME", "filter KEY ...", "verdict ACTION KEY". */
static void
write_step(void *ctx, const struct sl_explain_step *step)
{
	static const char *const verdicts[] = {"block", "permit", "absorb"};
	const struct sl_filter *filter = NULL;
	struct sl_buf *buf = ctx;

	if (step->program != NULL && step->rank != SL_RANK_NONE)
		filter = step->program->filters[step->rank].object;
	switch (step->type) {
	case SL_EXPLAIN_LAYER:
		sl_buf_printf(buf, "layer %s\n", step->layer->name);
		break;
	case SL_EXPLAIN_FILTER:
		sl_buf_printf(buf, "filter %s", filter->object.key);
		if (!step->matched)
			sl_buf_printf(buf, " missed %s %u/%u", sl_field_name(step->miss.field),
				step->miss.n_failed, step->miss.n_groups);
		else if (!step->reached)
			sl_buf_add_text(buf, " not reached");
		else
			sl_buf_printf(buf, " %s %s", sl_effect_name(step->trace.effect),
				verdicts[step->trace.running]);
		sl_buf_add_char(buf, '\n');
		break;
	case SL_EXPLAIN_VERDICT:
		assert_true(step->engines_agree);
		sl_buf_printf(buf, "verdict %s %s\n", verdicts[step->verdict.action],
			filter == NULL ? "default" : filter->object.key);
		break;
	}
}

static void
assert_explained(struct fixture *fixture, uint32_t path, const struct packet *packet,
	const char *expected, struct sl_outcome *outcome)
{
	struct sl_buf buf = {0};
	struct sl_meta meta;

	assert_int_equal(
		sl_pipeline_explain(fixture->snapshot, &fixture->paths[path], &packet->frame,
			SL_EXPLAIN_FLOW_NEW, write_step, &buf, &meta, outcome),
		0);
	assert_string_equal(sl_buf_text(&buf), expected);
	sl_buf_fini(&buf);
}

static void
test_every_filter_is_told(void **state)
{
	struct fixture fixture;
	struct sl_filter *filter;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	filter = fixture_filter(TRANSPORT, "near", "system");
	fixture_condition(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 17);
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 81);
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = 9;
	fixture_add(&fixture, filter);
	fixture_add_all(&fixture, TRANSPORT, "soft", "system", SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, TRANSPORT, "hidden", "system", SLUICE_ACTION_BLOCK);
	fixture_add_all(&fixture, TRANSPORT, "stop", "firewall", SLUICE_ACTION_BLOCK);
	fixture_add_all(&fixture, TWIN, "twin", "firewall", SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	packet_strip(&packet);
	assert_explained(&fixture, PATH_IN_IP, &packet,
		"layer ingress_vswitch_transport_v4\n"
		"verdict permit default\n"
		"layer inbound_ippacket_v4\n"
		"verdict permit default\n"
		"layer ipforward_v4\n"
		"verdict permit default\n"
		"layer inbound_transport_v4\n"
		"filter near missed ip_local_port 1/2\n"
		"filter soft decided permit\n"
		"filter hidden not reached\n"
		"filter stop overrode block\n"
		"verdict block stop\n"
		"layer inbound_transport_v4_discard\n"
		"filter twin decided permit\n"
		"verdict permit twin\n",
		&outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.layer, TRANSPORT);
	assert_string_equal(fixture_key(&fixture, &outcome), "stop");
	fixture_fini(&fixture);
}

static void
test_refused_packet(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, SLUICE_LAYER_OUTBOUND_IPPACKET_V6_DISCARD, "twin", "firewall",
		SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	packet_broken6(&packet);
	assert_explained(&fixture, PATH_OUT, &packet,
		"layer ingress_vswitch_ethernet\n"
		"verdict permit default\n"
		"layer outbound_ippacket_v6_discard\n"
		"filter twin decided permit\n"
		"verdict permit twin\n",
		&outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, SL_REASON_IP6_BAD_PAYLOAD_LENGTH);
	assert_int_equal(outcome.has_layer, 0);
	fixture_fini(&fixture);
}

/* Callouts are told of and not called; a missing one fails closed here as well. */
static void
test_callouts_are_not_called(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_mock(&fixture, SLUICE_LAYER_INBOUND_IPPACKET_V4, "look", "system",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	fixture_add_mock(&fixture, SLUICE_LAYER_INBOUND_IPPACKET_V4, "decide", "firewall",
		SLUICE_ACTION_CALLOUT_TERMINATING, SLUICE_ACTION_BLOCK);
	fixture_add_missing(&fixture, TRANSPORT, "gone", "firewall");
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	packet_strip(&packet);
	assert_explained(&fixture, PATH_IN_IP, &packet,
		"layer ingress_vswitch_transport_v4\n"
		"verdict permit default\n"
		"layer inbound_ippacket_v4\n"
		"filter look continued permit\n"
		"filter decide decided permit\n"
		"verdict permit decide\n"
		"layer ipforward_v4\n"
		"verdict permit default\n"
		"layer inbound_transport_v4\n"
		"filter gone decided block\n"
		"verdict block gone\n",
		&outcome);
	assert_int_equal(outcome.reason, SL_REASON_CALLOUT_UNREGISTERED);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(fixture.counters->layers[TRANSPORT].block, 0);
	fixture_fini(&fixture);
}

static void
test_one_layer(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct sl_meta meta;
	struct sl_buf buf = {0};
	struct sl_filter *filter;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	filter = fixture_filter(TRANSPORT, "port", "firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 81);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	memset(&meta, 0, sizeof(meta));
	sl_meta_setup(&meta, SLUICE_DIRECTION_INBOUND, &fixture.paths[PATH_IN].ports);
	meta.present |= SL_PRESENT(LOCAL_PORT);
	meta.local_port = 81;
	assert_int_equal(sl_pipeline_explain_layer(fixture.snapshot, sl_layer_by_id(TRANSPORT),
				 &meta, write_step, &buf, &outcome),
		0);
	assert_string_equal(sl_buf_text(&buf),
		"layer inbound_transport_v4\nfilter port decided block\nverdict block port\n");
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.layer, TRANSPORT);
	sl_buf_fini(&buf);
	fixture_fini(&fixture);
}

static void
test_no_policy(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	packet_udp4(&packet, 80, 1);
	assert_explained(&fixture, PATH_IN, &packet, "", &outcome);
	assert_int_equal(outcome.reason, SL_REASON_NO_POLICY);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	fixture_fini(&fixture);
}

/* --- What explain says is what run does. --- */

struct random {
	uint64_t state;
};

static uint32_t
draw(struct random *random, uint32_t n)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return (uint32_t)(random->state >> 32) % n;
}

/* A condition that matches about one packet in three of those that visit the layer. */
static void
draw_condition(struct random *random, struct sl_filter *filter)
{
	static const enum sluice_field fields[] = {
		SLUICE_FIELD_IP_PROTOCOL,
		SLUICE_FIELD_IP_LOCAL_PORT,
		SLUICE_FIELD_IP_REMOTE_PORT,
		SLUICE_FIELD_IP_SOURCE_PORT,
		SLUICE_FIELD_ICMP_TYPE,
		SLUICE_FIELD_X_TTL,
		SLUICE_FIELD_ETHER_TYPE,
		SLUICE_FIELD_VLAN_ID,
		SLUICE_FIELD_EMBEDDED_PROTOCOL,
		SLUICE_FIELD_L2_FLAGS,
	};
	static const uint16_t values[] = {0, 1, 3, 17, 53, 64, 0x20, 0x800, 0x806, 0x86dd};
	enum sluice_field field = fields[draw(random, SL_ARRAY_LEN(fields))];
	enum sl_match match = draw(random, SL_MATCH_LESS_OR_EQUAL + 1);
	const struct sl_layer_field *at = sl_layer_field_by_id(filter->layer, field, NULL);
	uint16_t value = values[draw(random, SL_ARRAY_LEN(values))];

	if (at == NULL || !at->available)
		return;
	if (draw(random, 5) == 0) {
		fixture_condition(filter, field, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY, 0);
		return;
	}
	if (field == SLUICE_FIELD_L2_FLAGS)
		match = SL_MATCH_FLAGS_ANY_SET;
	if (at->type == SLUICE_TYPE_UINT8)
		value &= 0xff;
	fixture_condition(filter, field, match, at->type, value);
}

static void
draw_policy(struct random *random, struct fixture *fixture)
{
	static const char *const sublayers[] = {"system", "antispoof", "firewall", "universal"};
	const struct sl_layer *const *layers;
	struct sl_filter *filter;
	uint32_t n_layers, n_filters = draw(random, 30);
	char key[16];

	layers = sl_layer_list(&n_layers);
	for (uint32_t i = 0; i < n_filters; i++) {
		const struct sl_layer *layer = layers[draw(random, n_layers)];

		if (layer->status != SL_LAYER_WORKING)
			continue;
		snprintf(key, sizeof(key), "f%u", i);
		filter = fixture_filter(layer->id, key, sublayers[draw(random, 4)]);
		if (draw(random, 2) == 0)
			filter->action = SLUICE_ACTION_BLOCK;
		else if (draw(random, 2) == 0)
			filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
		for (uint32_t n = draw(random, 3); n > 0; n--)
			draw_condition(random, filter);
		fixture_add(fixture, filter);
	}
}

static void
draw_packet(struct random *random, struct packet *packet)
{
	switch (draw(random, 9)) {
	case 0:
		packet_udp6(packet, (uint16_t)draw(random, 4), 1);
		break;
	case 1:
		packet_error4(packet);
		break;
	case 2:
		packet_error6(packet);
		break;
	case 3:
		packet_arp(packet);
		break;
	case 4:
		packet_fragment4(packet);
		break;
	case 5:
		packet_broken4(packet);
		break;
	case 6:
		packet_broken6(packet);
		break;
	default:
		packet_udp4(packet, (uint16_t)draw(random, 60), 1);
		break;
	}
	/* Cut anywhere: then most are malformed, each in its own way. */
	if (draw(random, 4) == 0) {
		packet->frame.length = draw(random, packet->frame.length + 1);
		packet->frame.contiguous = packet->frame.length;
	}
}

static void
compare(struct fixture *fixture, uint32_t path, const struct packet packets[], uint32_t n,
	uint64_t seed)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX], explained;
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct sl_buf buf = {0};
	struct sl_meta meta;

	for (uint32_t i = 0; i < n; i++) {
		frames[i] = packets[i].frame;
		/* Each is the first of its flow: that of an equal one is over. */
		fixture->now_ns += 3600000000000u;
		fixture_run(fixture, path, &frames[i], 1, &outcomes[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		sl_buf_cut(&buf, 0);
		assert_int_equal(
			sl_pipeline_explain(fixture->snapshot, &fixture->paths[path], &frames[i],
				SL_EXPLAIN_FLOW_NEW, write_step, &buf, &meta, &explained),
			0);
		if (memcmp(&outcomes[i], &explained, sizeof(explained)) != 0)
			fail_msg("seed %" PRIu64 ": run %s/%s, explain %s/%s:\n%s", seed,
				sl_reason_name(outcomes[i].reason),
				fixture_key(fixture, &outcomes[i]),
				sl_reason_name(explained.reason), fixture_key(fixture, &explained),
				sl_buf_text(&buf));
	}
	sl_buf_fini(&buf);
}

static void
test_explain_agrees_with_run(void **state)
{
	struct packet packets[SL_PIPELINE_BURST_MAX];
	struct fixture fixture;
	struct sl_flow_config config;
	struct random random;
	uint32_t n_stopped = 0, n;

	(void)state;
	assert_int_equal(sl_flow_config_init(&config), 0);
	config.max = 1024;
	config.icmp_errors = SL_FLOW_ICMP_ANY;
	config.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_NEVER;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		random.state = seed * 0x9e3779b97f4a7c15u;
		fixture_init_flows(&fixture, SL_ENGINE_CHECK, 0, &config);
		draw_policy(&random, &fixture);
		fixture_compile(&fixture);
		for (uint32_t path = 0; path < N_PATHS; path++) {
			n = 1 + draw(&random, SL_PIPELINE_BURST_MAX);
			for (uint32_t i = 0; i < n; i++) {
				draw_packet(&random, &packets[i]);
				if (path >= PATH_IN_IP && packets[i].frame.length >= 14)
					packet_strip(&packets[i]);
			}
			compare(&fixture, path, packets, n, seed);
		}
		assert_int_equal(fixture.n_differences, 0);
		n_stopped += fixture.counters->reasons[SL_REASON_FILTER] > 0;
		fixture_fini(&fixture);
	}
	/* The policies were not all idle. */
	assert_in_range(n_stopped, 100, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_filter_is_told),
		cmocka_unit_test(test_refused_packet),
		cmocka_unit_test(test_callouts_are_not_called),
		cmocka_unit_test(test_one_layer),
		cmocka_unit_test(test_no_policy),
		cmocka_unit_test(test_explain_agrees_with_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
