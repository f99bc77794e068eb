/* SPDX-License-Identifier: BSD-3-Clause */
/* What becomes of packets: verdicts, twins, replies, modes and counters. */
#include "helper.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRANSPORT SLUICE_LAYER_INBOUND_TRANSPORT_V4
#define TWIN      SLUICE_LAYER_INBOUND_TRANSPORT_V4_DISCARD

static const uint64_t answer_block = SLUICE_ACTION_BLOCK | MOCK_CLEAR_RIGHT | MOCK_REPLY;

static void
run_mode(struct fixture *fixture, enum sl_mode mode, const struct packet *packet,
	struct sl_outcome *outcome)
{
	memset(outcome, 0xaa, sizeof(*outcome));
	sl_pipeline_run(fixture->pipeline, fixture->snapshot, mode, PATH_IN, &packet->frame, 1,
		1000000000, outcome);
}

static uint32_t
n_events(struct fixture *fixture)
{
	struct sl_event event;
	uint32_t n = 0;

	while (sl_ring_get(fixture->events, &event))
		n++;
	return n;
}

static void
test_options(void **state)
{
	struct sl_path path = {.direction = SLUICE_DIRECTION_INBOUND};
	struct sl_pipeline_options options = {.paths = &path};
	struct sl_pipeline *pipeline;

	(void)state;
	assert_int_equal(sl_pipeline_new(&options, &pipeline), -EINVAL);
	options.n_paths = 2 * SL_COUNTERS_LINKS_MAX + 1;
	assert_int_equal(sl_pipeline_new(&options, &pipeline), -EINVAL);
	options.n_paths = 1;
	options.worker = SL_CALLOUT_WORKERS_MAX;
	assert_int_equal(sl_pipeline_new(&options, &pipeline), -EINVAL);
	sl_pipeline_free(NULL);
}

static void
test_mode_names(void **state)
{
	enum sl_mode mode;

	(void)state;
	assert_string_equal(sl_mode_name(SL_MODE_MONITOR), "monitor");
	assert_true(sl_mode_find("block", &mode));
	assert_int_equal(mode, SL_MODE_BLOCK);
	assert_false(sl_mode_find("BLOCK", &mode));
	assert_string_equal(sl_mode_name((enum sl_mode)9), "unknown");
}

static void
test_empty_policy_permits(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(outcome.reason, SL_REASON_NONE);
	assert_int_equal(outcome.has_layer, 0);
	assert_int_equal(outcome.rank, SL_RANK_NONE);
	assert_int_equal(sl_pipeline_meta(fixture.pipeline, 0)->dst_port, 80);
	assert_int_equal(
		sl_pipeline_meta(fixture.pipeline, 0)->direction, SLUICE_DIRECTION_INBOUND);
	fixture_fini(&fixture);
}

/* Until a policy is in force everything is blocked and counted, whatever the mode. */
static void
test_boot_rule(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	packet_udp4(&packet, 80, 1);
	for (enum sl_mode mode = SL_MODE_INLINE; mode <= SL_MODE_BLOCK; mode++) {
		run_mode(&fixture, mode, &packet, &outcome);
		assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
		assert_int_equal(outcome.reason, SL_REASON_NO_POLICY);
		assert_int_equal(outcome.has_layer, 0);
		assert_int_equal(fixture.counters->reasons[SL_REASON_NO_POLICY], mode + 1);
	}
	assert_int_equal(n_events(&fixture), 4);
	fixture_fini(&fixture);
}

/* Without a flow table nobody knows whose flow a packet is: a policy for flows lets none pass. */
static void
test_no_flows_for_a_policy_of_flows(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, SLUICE_LAYER_ALE_AUTH_CONNECT_V4, "open-what-you-like",
		"universal", SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, SL_REASON_FLOW_TABLE_FULL);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FLOW_TABLE_FULL], 1);
	fixture_fini(&fixture);
}

/* Vector 40: a hard permit at one layer means nothing at the next. */
static void
test_layers_do_not_influence_each_other(void **state)
{
	struct fixture fixture;
	struct sl_filter *filter;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_CHECK, 0);
	filter = fixture_filter(SLUICE_LAYER_INBOUND_IPPACKET_V4, "hard-permit", "system");
	filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
	fixture_add(&fixture, filter);
	fixture_add_all(&fixture, TRANSPORT, "later-block", "universal", SLUICE_ACTION_BLOCK);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.layer, TRANSPORT);
	assert_string_equal(fixture_key(&fixture, &outcome), "later-block");
	assert_int_equal(fixture.counters->layers[SLUICE_LAYER_INBOUND_IPPACKET_V4].permit, 1);
	assert_int_equal(fixture.counters->layers[TRANSPORT].block, 1);
	fixture_fini(&fixture);
}

/* Vector 12: a callout's block against a hard permit. */
static void
test_veto_is_counted_apart(void **state)
{
	struct fixture fixture;
	struct sl_filter *filter;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	filter = fixture_filter(TRANSPORT, "hard-permit", "system");
	filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
	fixture_add(&fixture, filter);
	fixture_add_mock(&fixture, TRANSPORT, "veto", "firewall", SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_BLOCK | MOCK_VETO);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, SL_REASON_VETO);
	assert_string_equal(fixture_key(&fixture, &outcome), "veto");
	assert_int_equal(fixture.counters->layers[TRANSPORT].veto, 1);
	assert_int_equal(fixture.counters->layers[TRANSPORT].block, 0);
	assert_int_equal(fixture.counters->reasons[SL_REASON_VETO], 1);
	fixture_fini(&fixture);
}

static void
test_missing_plugin_blocks(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_missing(&fixture, TRANSPORT, "gone", "firewall");
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, SL_REASON_CALLOUT_UNREGISTERED);
	assert_string_equal(fixture_key(&fixture, &outcome), "gone");
	fixture_fini(&fixture);
}

/* An absorbed packet is its callout's: no event, no twin (WFP section 4.7). */
static void
test_absorb(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_mock(&fixture, TRANSPORT, "take", "firewall", SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_BLOCK | MOCK_CLEAR_RIGHT | MOCK_ABSORB | MOCK_REPLY);
	fixture_add_mock(&fixture, TWIN, "watch", "firewall", SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_ABSORB);
	assert_int_equal(outcome.reason, SL_REASON_ABSORBED);
	assert_string_equal(fixture_key(&fixture, &outcome), "take");
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(n_events(&fixture), 0);
	assert_int_equal(fixture.counters->layers[TRANSPORT].absorb, 1);
	assert_int_equal(fixture.counters->layers[TRANSPORT].block, 0);
	assert_int_equal(fixture.counters->reasons[SL_REASON_ABSORBED], 1);
	fixture_fini(&fixture);
}

/* A callout blocks and answers every packet; when silent, those to port 4 without the answer. */
static void
add_answers(struct fixture *fixture, bool is_silent)
{
	struct sl_filter *filter;

	fixture_add_mock(fixture, TRANSPORT, "answer", "firewall",
		SLUICE_ACTION_CALLOUT_TERMINATING, answer_block);
	if (!is_silent)
		return;
	filter = fixture_filter(TWIN, "silent", "firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 4);
	fixture_add(fixture, filter);
}

static void
test_replies_leave_in_order(void **state)
{
	struct sl_outcome outcomes[8];
	struct sl_frame frames[8];
	struct packet packets[8];
	const struct sl_reply *replies;
	struct fixture fixture;
	uint32_t n;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	add_answers(&fixture, false);
	fixture_compile(&fixture);
	for (uint32_t i = 0; i < 8; i++) {
		packet_udp4(&packets[i], (uint16_t)i, (uint8_t)(100 + i));
		frames[i] = packets[i].frame;
	}
	fixture_run(&fixture, PATH_IN, frames, 8, outcomes);
	replies = sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, 8);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(replies[i].packet, i);
		assert_int_equal(replies[i].path, PATH_IN);
		assert_int_equal(replies[i].length, 64);
		assert_int_equal(replies[i].bytes[63], 100 + i);
	}
	/* The next burst starts with none. */
	packet_arp(&packets[0]);
	fixture_run(&fixture, PATH_IN, &packets[0].frame, 1, outcomes);
	sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, 0);
	fixture_fini(&fixture);
}

static void
test_twin_suppresses_replies(void **state)
{
	struct sl_outcome outcomes[8];
	struct sl_frame frames[8];
	struct packet packets[8];
	const struct sl_reply *replies;
	struct fixture fixture;
	uint32_t n;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	add_answers(&fixture, true);
	fixture_compile(&fixture);
	for (uint32_t i = 0; i < 8; i++) {
		packet_udp4(&packets[i], i % 3 == 1 ? 4 : 80, (uint8_t)(100 + i));
		frames[i] = packets[i].frame;
	}
	fixture_run(&fixture, PATH_IN, frames, 8, outcomes);
	replies = sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, 5);
	for (uint32_t i = 0, packet = 0; i < n; i++, packet += 1 + (packet % 3 == 0)) {
		assert_int_equal(replies[i].packet, packet);
		assert_int_equal(replies[i].bytes[63], 100 + packet);
	}
	assert_int_equal(fixture.counters->worker.replies_suppressed, 3);
	assert_int_equal(fixture.counters->layers[TWIN].block, 3);
	assert_int_equal(fixture.counters->layers[TWIN].permit, 5);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(outcomes[i].layer, TRANSPORT);
	fixture_fini(&fixture);
}

/* Full queues refuse, and say so in the counters. */
static void
test_replies_beyond_the_queue(void **state)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct packet packet;
	struct fixture fixture;
	uint32_t n;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_mock(&fixture, SLUICE_LAYER_INBOUND_IPPACKET_V4, "first", "firewall",
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE | MOCK_REPLY);
	add_answers(&fixture, false);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++)
		frames[i] = packet.frame;
	fixture_run(&fixture, PATH_IN, frames, SL_PIPELINE_BURST_MAX, outcomes);
	sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, SL_CALLOUT_REPLIES_MAX);
	assert_int_equal(fixture.counters->worker.replies_refused,
		2 * SL_PIPELINE_BURST_MAX - SL_CALLOUT_REPLIES_MAX);
	fixture_fini(&fixture);
}

/* A twin cannot absorb and is not discarded again. */
static void
test_twin_does_not_recurse(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, TRANSPORT, "stop", "firewall", SLUICE_ACTION_BLOCK);
	fixture_add_mock(&fixture, TWIN, "again", "firewall", SLUICE_ACTION_CALLOUT_TERMINATING,
		SLUICE_ACTION_BLOCK | MOCK_ABSORB | MOCK_REPLY);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(mock_n_calls, 1);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.layer, TRANSPORT);
	assert_string_equal(fixture_key(&fixture, &outcome), "stop");
	assert_int_equal(fixture.counters->layers[TWIN].block, 1);
	assert_int_equal(fixture.counters->layers[TWIN].absorb, 0);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 1);
	assert_int_equal(n_events(&fixture), 1);
	fixture_fini(&fixture);
}

/* A filter on what the link layer shows comes before the parser's own refusal. */
static void
test_ethernet_policy_sees_malformed(void **state)
{
	struct fixture fixture;
	struct sl_filter *filter;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_CHECK, 0);
	filter = fixture_filter(SLUICE_LAYER_INBOUND_MAC_FRAME_ETHERNET, "broken", "firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_L2_FLAGS, SL_MATCH_FLAGS_ALL_SET, SLUICE_TYPE_UINT32,
		SLUICE_L2_FLAG_MALFORMED_PACKET);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	packet_broken4(&packet);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.reason, SL_REASON_FILTER);
	assert_string_equal(fixture_key(&fixture, &outcome), "broken");
	assert_int_equal(fixture.counters->reasons[SL_REASON_IP4_BAD_CHECKSUM], 0);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	fixture_fini(&fixture);
}

/* Ports of a later fragment are EMPTY: no port matches, and "not that port" does not either. */
static void
test_fragment_ports_are_empty(void **state)
{
	struct fixture fixture;
	struct sl_filter *filter;
	struct sl_outcome outcome;
	struct packet packet;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_CHECK, 0);
	filter = fixture_filter(TRANSPORT, "port", "system");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_GREATER_OR_EQUAL,
		SLUICE_TYPE_UINT16, 0);
	fixture_add(&fixture, filter);
	filter = fixture_filter(TRANSPORT, "no-port", "firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY, 0);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	packet_fragment4(&packet);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_string_equal(fixture_key(&fixture, &outcome), "no-port");
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_INLINE, &packet, &outcome);
	assert_string_equal(fixture_key(&fixture, &outcome), "port");
	fixture_fini(&fixture);
}

static void
test_mode_monitor(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;
	struct sl_event event;
	uint32_t n;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	add_answers(&fixture, false);
	fixture_compile(&fixture);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_MONITOR, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(outcome.reason, SL_REASON_FILTER);
	assert_string_equal(fixture_key(&fixture, &outcome), "answer");
	assert_true(sl_ring_get(fixture.events, &event));
	assert_int_equal(event.is_monitor, 1);
	assert_int_equal(event.reason, SL_REASON_FILTER);
	sl_pipeline_replies(fixture.pipeline, &n);
	assert_int_equal(n, 0);
	assert_int_equal(fixture.counters->worker.replies_suppressed, 1);
	packet_broken4(&packet);
	run_mode(&fixture, SL_MODE_MONITOR, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(outcome.reason, SL_REASON_IP4_BAD_CHECKSUM);
	assert_true(sl_ring_get(fixture.events, &event));
	assert_int_equal(event.reason, SL_REASON_IP4_BAD_CHECKSUM);
	assert_int_equal(fixture.counters->layers[TRANSPORT].block, 1);
	assert_int_equal(fixture.counters->would_drop[SL_REASON_FILTER], 1);
	assert_int_equal(fixture.counters->would_drop[SL_REASON_IP4_BAD_CHECKSUM], 1);
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 0);
	assert_int_equal(fixture.counters->reasons[SL_REASON_IP4_BAD_CHECKSUM], 0);
	fixture_fini(&fixture);
}

static void
test_mode_bypass_and_block(void **state)
{
	struct fixture fixture;
	struct sl_outcome outcome;
	struct packet packet;
	struct sl_event event;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_mock(&fixture, TRANSPORT, "answer", "firewall",
		SLUICE_ACTION_CALLOUT_TERMINATING, answer_block);
	fixture_compile(&fixture);
	packet_broken4(&packet);
	run_mode(&fixture, SL_MODE_BYPASS, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(outcome.reason, SL_REASON_NONE);
	packet_udp4(&packet, 80, 1);
	run_mode(&fixture, SL_MODE_BYPASS, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_PERMIT);
	assert_int_equal(n_events(&fixture), 0);
	run_mode(&fixture, SL_MODE_BLOCK, &packet, &outcome);
	assert_int_equal(outcome.action, SL_VERDICT_BLOCK);
	assert_int_equal(outcome.reason, SL_REASON_MODE_BLOCK);
	assert_int_equal(outcome.has_layer, 0);
	assert_true(sl_ring_get(fixture.events, &event));
	assert_int_equal(event.type, SL_EVENT_CLASSIFY_DROP);
	assert_int_equal(event.has_layer, 0);
	assert_int_equal(mock_n_calls, 0);
	assert_int_equal(fixture.counters->reasons[SL_REASON_MODE_BLOCK], 1);
	assert_int_equal(fixture.counters->layers[TRANSPORT].permit, 0);
	fixture_fini(&fixture);
}

/* Hits count frames: those that were evaluated, in all sublayers. */
static void
test_hits(void **state)
{
	struct fixture fixture;
	const struct sl_layer_program *program;
	struct sl_outcome outcomes[2];
	struct packet packets[2];
	struct sl_frame frames[2];
	const struct sl_filter_counter *counter;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_COMPILED, 0);
	fixture_add_all(&fixture, TRANSPORT, "upper", "system", SLUICE_ACTION_PERMIT);
	fixture_add_all(&fixture, TRANSPORT, "lower", "firewall", SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	packet_udp4(&packets[0], 80, 1);
	packet_udp6(&packets[1], 80, 1);
	frames[0] = packets[0].frame;
	frames[1] = packets[1].frame;
	fixture_run(&fixture, PATH_IN, frames, 2, outcomes);
	program = fixture.snapshot->layers[TRANSPORT];
	for (uint32_t rank = 0; rank < 2; rank++) {
		counter = &fixture.counters->filters[program->hot[rank].counter];
		assert_int_equal(counter->packets, 1);
		assert_int_equal(counter->bytes, frames[0].length);
		assert_int_equal(counter->last_hit_ns, 1000000000);
	}
	assert_int_equal(fixture.counters->layers[TRANSPORT].permit, 1);
	fixture_fini(&fixture);
}

/* Every packet of a full burst of all kinds gets its own outcome. */
static void
test_mixed_burst(void **state)
{
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct packet packets[SL_PIPELINE_BURST_MAX];
	struct fixture fixture;
	struct sl_filter *filter;

	(void)state;
	fixture_init(&fixture, SL_ENGINE_CHECK, 0);
	filter = fixture_filter(TRANSPORT, "odd", "firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 1);
	fixture_add(&fixture, filter);
	filter = fixture_filter(SLUICE_LAYER_INBOUND_TRANSPORT_V6, "odd6", "firewall");
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 1);
	fixture_add(&fixture, filter);
	fixture_compile(&fixture);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++) {
		if (i % 4 == 0)
			packet_udp4(&packets[i], i / 4 % 2, 1);
		else if (i % 4 == 1)
			packet_udp6(&packets[i], i / 4 % 2, 1);
		else if (i % 4 == 2)
			packet_arp(&packets[i]);
		else
			packet_broken4(&packets[i]);
		frames[i] = packets[i].frame;
	}
	fixture_run(&fixture, PATH_IN, frames, SL_PIPELINE_BURST_MAX, outcomes);
	for (uint32_t i = 0; i < SL_PIPELINE_BURST_MAX; i++) {
		bool is_odd = i / 4 % 2 == 1;

		if (i % 4 == 3)
			assert_int_equal(outcomes[i].reason, SL_REASON_IP4_BAD_CHECKSUM);
		else if (i % 4 < 2 && is_odd)
			assert_string_equal(
				fixture_key(&fixture, &outcomes[i]), i % 4 == 0 ? "odd" : "odd6");
		else
			assert_int_equal(outcomes[i].action, SL_VERDICT_PERMIT);
	}
	assert_int_equal(fixture.counters->reasons[SL_REASON_FILTER], 16);
	assert_int_equal(fixture.counters->reasons[SL_REASON_IP4_BAD_CHECKSUM], 16);
	assert_int_equal(fixture.n_differences, 0);
	fixture_fini(&fixture);
}

/* The check engine blocks what the engines judge differently, and reports the first of a burst. */
static void
test_check_engine(void **state)
{
	struct fixture fixture, other;
	struct sl_layer_program mixed;
	struct sl_snapshot snapshot;
	struct sl_filter *filter;
	struct sl_outcome outcomes[2];
	struct packet packet;
	struct sl_frame frames[2];

	(void)state;
	fixture_init(&fixture, SL_ENGINE_CHECK, 0);
	fixture_add_all(&fixture, TRANSPORT, "all", "firewall", SLUICE_ACTION_PERMIT);
	fixture_compile(&fixture);
	fixture_init(&other, SL_ENGINE_COMPILED, 0);
	filter = fixture_filter(TRANSPORT, "some", "firewall");
	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 1);
	fixture_add(&other, filter);
	fixture_compile(&other);
	packet_udp4(&packet, 80, 1);
	frames[0] = frames[1] = packet.frame;
	/* The filters of one policy with the compiled form of another. */
	mixed = *fixture.snapshot->layers[TRANSPORT];
	mixed.program = other.snapshot->layers[TRANSPORT]->program;
	snapshot = *fixture.snapshot;
	snapshot.layers[TRANSPORT] = &mixed;
	sl_pipeline_run(
		fixture.pipeline, &snapshot, SL_MODE_INLINE, PATH_IN, frames, 2, 1, outcomes);
	assert_int_equal(fixture.n_differences, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(outcomes[i].action, SL_VERDICT_BLOCK);
		assert_int_equal(outcomes[i].reason, SL_REASON_ENGINE_DIFFERENCE);
	}
	fixture_fini(&other);
	fixture_fini(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_mode_names),
		cmocka_unit_test(test_empty_policy_permits),
		cmocka_unit_test(test_boot_rule),
		cmocka_unit_test(test_no_flows_for_a_policy_of_flows),
		cmocka_unit_test(test_layers_do_not_influence_each_other),
		cmocka_unit_test(test_veto_is_counted_apart),
		cmocka_unit_test(test_missing_plugin_blocks),
		cmocka_unit_test(test_absorb),
		cmocka_unit_test(test_replies_leave_in_order),
		cmocka_unit_test(test_twin_suppresses_replies),
		cmocka_unit_test(test_replies_beyond_the_queue),
		cmocka_unit_test(test_twin_does_not_recurse),
		cmocka_unit_test(test_ethernet_policy_sees_malformed),
		cmocka_unit_test(test_fragment_ports_are_empty),
		cmocka_unit_test(test_mode_monitor),
		cmocka_unit_test(test_mode_bypass_and_block),
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_mixed_burst),
		cmocka_unit_test(test_check_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
