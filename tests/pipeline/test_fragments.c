/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments through the layers: shown singly, held, judged as one, sent as they came. */
#include "fragment_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TRANSPORT SLUICE_LAYER_INBOUND_TRANSPORT_V4
#define IPPACKET  SLUICE_LAYER_INBOUND_IPPACKET_V4

static uint32_t
bench_owner(void *ctx, uint32_t path, const struct sl_frame *frame, const struct sl_meta *meta,
	uint32_t *flags)
{
	struct bench *bench = ctx;

	assert_int_equal(path, PATH_IN);
	assert_int_equal(frame->length, meta->frame_len);
	assert_int_equal(meta->dst_port, 53);
	bench->n_owner_calls++;
	*flags = bench->owner_flags;
	return bench->owner;
}

static uint32_t
count_events(struct bench *bench, enum sl_reason reason)
{
	struct sl_event event;
	uint32_t n = 0;

	while (sl_ring_get(bench->fixture.events, &event)) {
		assert_int_equal(event.reason, reason);
		assert_int_equal(event.ip_src[0], 10);
		n++;
	}
	return n;
}

static uint32_t
count_calls(enum sluice_layer layer, uint32_t length)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < mock_n_calls; i++)
		n += mock_calls[i].layer == layer && mock_calls[i].packet_length == length;
	return n;
}

static void
add_port_rule(struct bench *bench, enum sluice_action action)
{
	struct sl_filter *filter = fixture_filter(TRANSPORT, "port", NULL);

	fixture_condition(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, 53);
	filter->action = action;
	fixture_add(&bench->fixture, filter);
}

/* Nobody asks for whole packets: fragments pass one by one. */
static void
test_nobody_asks(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	fixture_add_all(&bench->fixture, IPPACKET, "all", NULL, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_run_two(bench, PATH_IN);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(bench->outcomes[i].action, SL_VERDICT_PERMIT);
	bench_expect_releases(bench, 0, 0, 0, 0);
	assert_int_equal(sl_fragments_held(sl_pipeline_fragments(bench->fixture.pipeline)), 0);
	bench_free(bench);
}

static void
test_never(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	bench->flows.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_NEVER;
	bench_pipeline(bench);
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_run_two(bench, PATH_IN);
	assert_int_equal(bench->outcomes[0].action, SL_VERDICT_BLOCK);
	assert_int_equal(bench->outcomes[1].action, SL_VERDICT_PERMIT);
	assert_null(sl_pipeline_fragments(bench->fixture.pipeline));
	bench_expect_releases(bench, 0, 0, 0, 0);
	bench_free(bench);
}

/* ALWAYS holds them although nobody asks. */
static void
test_always(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	bench->flows.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_ALWAYS;
	bench_pipeline(bench);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 6, 1);
	bench_run_two(bench, PATH_OUT);
	bench_expect_held(bench, 2);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_PERMIT, SL_REASON_NONE);
	bench_free(bench);
}

/* So does state that is always enforced: segments in fragments count, too. */
static void
test_always_enforced(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	bench->flows.enforce = SL_FLOW_ENFORCE_ALWAYS;
	bench_pipeline(bench);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_run_two(bench, PATH_OUT);
	bench_expect_held(bench, 2);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_PERMIT, SL_REASON_NONE);
	bench_free(bench);
}

/* Over several bursts and out of order: what comes last releases all, in the order in which they came. */
static void
test_permit(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_add_all(&bench->fixture, TRANSPORT, "rest", NULL, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 800, 800, true);
	bench_push(bench, 400, 400, false);
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 2);
	bench_expect_releases(bench, 0, 0, 0, 0);
	bench->now_ns = SECOND + 2;
	bench_push(bench, 0, 400, false);
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 1);
	bench_expect_releases(bench, 3, SECOND, SL_VERDICT_PERMIT, SL_REASON_NONE);
	bench_run(bench, PATH_IN);
	bench_expect_releases(bench, 0, 0, 0, 0);
	assert_int_equal(bench->fixture.counters->flows.fragments, 3);
	assert_int_equal(bench->fixture.counters->flows.datagrams, 1);
	assert_int_equal(bench->fixture.counters->layers[TRANSPORT].permit, 1);
	bench_free(bench);
}

/* The rule looks at a port that only the first fragment has; none of them leaves. */
static void
test_block(void **state)
{
	struct bench *bench = bench_new();
	const struct sl_release *releases;

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 0, 400, false);
	bench_push(bench, 400, 400, false);
	bench_push(bench, 800, 800, true);
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 3);
	releases = bench_expect_releases(bench, 3, SECOND, SL_VERDICT_BLOCK, SL_REASON_FILTER);
	for (uint32_t i = 0; i < 3; i++)
		assert_string_equal(fixture_key(&bench->fixture, &releases[i].outcome), "port");
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_FILTER], 3);
	assert_int_equal(bench->fixture.counters->layers[TRANSPORT].block, 1);
	assert_int_equal(count_events(bench, SL_REASON_FILTER), 1);
	bench_free(bench);
}

/* How often each layer sees what, in both directions (WFP section 1.6: two views). */
static void
test_views(void **state)
{
	static const struct {
		enum sluice_layer layer;
		uint32_t path, n_single, n_whole;
	} rows[] = {
		{SLUICE_LAYER_INGRESS_VSWITCH_ETHERNET, PATH_IN, 2, 0},
		{SLUICE_LAYER_INGRESS_VSWITCH_TRANSPORT_V4, PATH_IN, 2, 0},
		{SLUICE_LAYER_INBOUND_MAC_FRAME_ETHERNET, PATH_IN, 2, 0},
		{SLUICE_LAYER_INBOUND_IPPACKET_V4, PATH_IN, 2, 1},
		{SLUICE_LAYER_IPFORWARD_V4, PATH_IN, 2, 0},
		{SLUICE_LAYER_INBOUND_TRANSPORT_V4, PATH_IN, 0, 1},
		{SLUICE_LAYER_EGRESS_VSWITCH_ETHERNET, PATH_IN, 2, 0},
		{SLUICE_LAYER_EGRESS_VSWITCH_TRANSPORT_V4, PATH_IN, 2, 0},
		{SLUICE_LAYER_INGRESS_VSWITCH_ETHERNET, PATH_OUT, 2, 0},
		{SLUICE_LAYER_INGRESS_VSWITCH_TRANSPORT_V4, PATH_OUT, 2, 0},
		{SLUICE_LAYER_OUTBOUND_TRANSPORT_V4, PATH_OUT, 0, 1},
		{SLUICE_LAYER_IPFORWARD_V4, PATH_OUT, 2, 0},
		{SLUICE_LAYER_OUTBOUND_IPPACKET_V4, PATH_OUT, 2, 1},
		{SLUICE_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, PATH_OUT, 2, 0},
		{SLUICE_LAYER_EGRESS_VSWITCH_ETHERNET, PATH_OUT, 2, 0},
		{SLUICE_LAYER_EGRESS_VSWITCH_TRANSPORT_V4, PATH_OUT, 2, 0},
	};
	struct bench *bench;

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		bench = bench_new();
		bench->flows.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_ALWAYS;
		bench_pipeline(bench);
		fixture_add_mock(&bench->fixture, rows[i].layer, "spy", NULL,
			SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
		fixture_compile(&bench->fixture);
		bench_make_whole(bench, 4, 1);
		bench_run_two(bench, rows[i].path);
		bench_expect_releases(bench, 2, SECOND, SL_VERDICT_PERMIT, SL_REASON_NONE);
		assert_int_equal(count_calls(rows[i].layer, 14 + 20 + 800), rows[i].n_single);
		assert_int_equal(count_calls(rows[i].layer, 14 + 20 + 1600), rows[i].n_whole);
		assert_int_equal(mock_n_calls, rows[i].n_single + rows[i].n_whole);
		bench_free(bench);
	}
}

/* At the IP packet layer flags tell the two views apart. */
static void
test_flags(void **state)
{
	static const uint32_t flags[] = {
		SLUICE_CONDITION_FLAG_IS_FRAGMENT, SLUICE_CONDITION_FLAG_IS_REASSEMBLED};
	struct sl_filter *filter;
	struct bench *bench;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		const enum sluice_layer layer =
			i < 2 ? IPPACKET : SLUICE_LAYER_OUTBOUND_IPPACKET_V4;

		bench = bench_new();
		bench->flows.fragments.reassemble = SL_FRAGMENT_REASSEMBLE_ALWAYS;
		bench_pipeline(bench);
		filter = fixture_filter(layer, "view", NULL);
		fixture_condition(filter, SLUICE_FIELD_FLAGS, SL_MATCH_FLAGS_ALL_SET,
			SLUICE_TYPE_UINT32, flags[i % 2]);
		filter->action = SLUICE_ACTION_BLOCK;
		fixture_add(&bench->fixture, filter);
		fixture_compile(&bench->fixture);
		bench_make_whole(bench, 4, 1);
		bench_run_two(bench, i < 2 ? PATH_IN : PATH_OUT);
		if (i % 2 == 0) {
			assert_int_equal(bench->outcomes[0].action, SL_VERDICT_BLOCK);
			assert_int_equal(bench->outcomes[1].action, SL_VERDICT_BLOCK);
			bench_expect_releases(bench, 0, 0, 0, 0);
		} else {
			bench_expect_held(bench, 2);
			bench_expect_releases(bench, 2, SECOND, SL_VERDICT_BLOCK, SL_REASON_FILTER);
		}
		bench_free(bench);
	}
}

/* Fragments that overlap: one event, each is counted; what comes late is only counted. */
static void
test_overlap(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	fixture_add_mock(&bench->fixture, SLUICE_LAYER_INBOUND_IPPACKET_V4_DISCARD, "spy", NULL,
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE);
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 0, 400, false);
	bench_push(bench, 400, 400, false);
	bench_push(bench, 400, 400, false);
	bench_push(bench, 392, 400, false);
	bench_push(bench, 800, 800, true);
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 2);
	assert_int_equal(bench->outcomes[2].action, SL_VERDICT_BLOCK);
	assert_int_equal(bench->outcomes[2].reason, SL_REASON_FRAG_DUPLICATE);
	assert_int_equal(bench->outcomes[3].reason, SL_REASON_FRAG_OVERLAP);
	assert_int_equal(bench->outcomes[4].action, SL_VERDICT_BLOCK);
	assert_int_equal(bench->outcomes[4].reason, SL_REASON_FRAG_ENDED);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_BLOCK, SL_REASON_FRAG_OVERLAP);
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_FRAG_DUPLICATE], 1);
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_FRAG_OVERLAP], 3);
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_FRAG_ENDED], 1);
	assert_int_equal(mock_n_calls, 3);
	assert_string_equal(mock_calls[1].discard_reason, "frag_overlap");
	{
		struct sl_event event;

		assert_true(sl_ring_get(bench->fixture.events, &event));
		assert_int_equal(event.reason, SL_REASON_FRAG_DUPLICATE);
	}
	assert_int_equal(count_events(bench, SL_REASON_FRAG_OVERLAP), 1);
	bench_free(bench);
}

/* A datagram whose time is over, seen by a tick and by a run; its event has what is known. */
static void
test_time(void **state)
{
	struct bench *bench = bench_new();
	struct sl_event event;

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t owner = bench->now_ns;

		bench_make_whole(bench, 4, 1);
		bench_push(bench, 0, 400, false);
		bench_push(bench, 400, 400, false);
		bench_run(bench, PATH_IN);
		bench_expect_held(bench, 2);
		bench->now_ns += 30 * (uint64_t)SECOND;
		if (i == 0)
			sl_pipeline_tick(bench->fixture.pipeline, bench->fixture.snapshot,
				bench->mode, bench->now_ns);
		else
			bench_run(bench, PATH_OUT);
		bench_expect_releases(bench, 2, owner, SL_VERDICT_BLOCK, SL_REASON_FRAG_TIMEOUT);
		assert_int_equal(
			bench->fixture.counters->reasons[SL_REASON_FRAG_TIMEOUT], 2 * (i + 1));
		assert_true(sl_ring_get(bench->fixture.events, &event));
		assert_int_equal(event.reason, SL_REASON_FRAG_TIMEOUT);
		assert_int_equal(event.dst_port, 53);
		assert_int_equal(event.direction, SLUICE_DIRECTION_INBOUND);
		assert_false(sl_ring_get(bench->fixture.events, &event));
	}
	bench_free(bench);
}

/* More of a source than it may have: the oldest gives way, with an event of its own. */
static void
test_evicted(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	bench->flows.fragments.per_source = 2;
	bench_pipeline(bench);
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	for (uint32_t i = 0; i < 3; i++) {
		bench_make_whole(bench, 4, i);
		bench_push(bench, 0, 400, false);
	}
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 3);
	bench_expect_releases(bench, 1, SECOND, SL_VERDICT_BLOCK, SL_REASON_FRAG_EVICTED);
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_FRAG_EVICTED], 1);
	assert_int_equal(count_events(bench, SL_REASON_FRAG_EVICTED), 1);
	bench_free(bench);
}

/* The whole is one that the parser refuses. */
static void
test_refused(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench->whole.bytes[14 + 20 + 4] = 0xff; /* UDP length */
	bench_run_two(bench, PATH_IN);
	bench_expect_held(bench, 2);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_BLOCK, SL_REASON_UDP_BAD_LENGTH);
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_UDP_BAD_LENGTH], 2);
	assert_int_equal(count_events(bench, SL_REASON_UDP_BAD_LENGTH), 1);
	bench_free(bench);
}

/* A monitor holds nothing, and knows what would be. */
static void
test_monitor(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench->mode = SL_MODE_MONITOR;
	bench_make_whole(bench, 4, 1);
	bench_run_two(bench, PATH_IN);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(bench->outcomes[i].action, SL_VERDICT_PERMIT);
	bench_expect_releases(bench, 0, 0, 0, 0);
	assert_int_equal(bench->fixture.counters->would_drop[SL_REASON_FILTER], 2);
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_FILTER], 0);
	assert_int_equal(count_events(bench, SL_REASON_FILTER), 1);
	/* Copies are forgotten when it becomes inline: their fragments have left. */
	bench_push(bench, 0, 800, false);
	bench_run(bench, PATH_IN);
	bench->mode = SL_MODE_INLINE;
	bench_run(bench, PATH_IN);
	bench_expect_releases(bench, 0, 0, 0, 0);
	assert_int_equal(sl_fragments_held(sl_pipeline_fragments(bench->fixture.pipeline)), 0);
	bench_free(bench);
}

/* Another mode lets go what is held: blocked where everything is, otherwise sent. */
static void
test_modes(void **state)
{
	static const enum sl_mode modes[] = {SL_MODE_MONITOR, SL_MODE_BYPASS, SL_MODE_BLOCK};
	struct bench *bench = bench_new();
	uint64_t owner;

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	for (uint32_t i = 0; i < SL_ARRAY_LEN(modes); i++) {
		owner = bench->now_ns;
		bench->mode = SL_MODE_INLINE;
		bench_make_whole(bench, 4, i);
		bench_push(bench, 0, 800, false);
		bench_run(bench, PATH_IN);
		bench_expect_held(bench, 1);
		bench->mode = modes[i];
		if (modes[i] == SL_MODE_BLOCK)
			bench_run(bench, PATH_IN);
		else
			sl_pipeline_tick(bench->fixture.pipeline, bench->fixture.snapshot,
				bench->mode, bench->now_ns);
		bench_expect_releases(bench, 1, owner,
			modes[i] == SL_MODE_BLOCK ? SL_VERDICT_BLOCK : SL_VERDICT_PERMIT,
			modes[i] == SL_MODE_BLOCK ? SL_REASON_MODE_BLOCK : SL_REASON_NONE);
	}
	assert_int_equal(bench->fixture.counters->reasons[SL_REASON_MODE_BLOCK], 1);
	bench_free(bench);
}

/* A policy that asks for nothing whole lets what is held leave: no packet is lost by a commit. */
static void
test_policy_change(void **state)
{
	struct bench *bench = bench_new();
	struct sl_snapshot other;

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 0, 800, false);
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 1);
	other = *bench->fixture.snapshot;
	other.needs_whole = false;
	other.layers[TRANSPORT] = NULL;
	bench_push(bench, 800, 800, true);
	sl_pipeline_run(bench->fixture.pipeline, &other, SL_MODE_INLINE, PATH_IN, bench->frames, 1,
		bench->now_ns, bench->outcomes);
	assert_int_equal(bench->outcomes[0].action, SL_VERDICT_PERMIT);
	bench_expect_releases(bench, 1, SECOND, SL_VERDICT_PERMIT, SL_REASON_NONE);
	bench_free(bench);
}

static void
test_drain(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 0, 400, false);
	bench_push(bench, 800, 800, true);
	bench_run(bench, PATH_IN);
	bench_expect_held(bench, 2);
	sl_pipeline_drain(bench->fixture.pipeline, bench->now_ns);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_BLOCK, SL_REASON_FRAG_TIMEOUT);
	assert_int_equal(sl_fragments_held(sl_pipeline_fragments(bench->fixture.pipeline)), 0);
	bench_free(bench);
}

/* Releases of the last burst, all with that action; those of a datagram in the order of their owners. */
static uint32_t
count_releases(const struct bench *bench, uint8_t action, uint32_t n_datagrams)
{
	const struct sl_release *releases;
	uint32_t n, n_steps_back = 0;

	releases = sl_pipeline_releases(bench->fixture.pipeline, &n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(releases[i].outcome.action, action);
		n_steps_back += i > 0 &&
			(uintptr_t)releases[i].held.frame.owner <
				(uintptr_t)releases[i - 1].held.frame.owner;
	}
	assert_int_equal(n_steps_back, n_datagrams - 1);
	return n;
}

/* More than a burst has time for is released by and by, in its order. */
static void
test_paced(void **state)
{
	struct bench *bench = bench_new();

	(void)state;
	bench->flows.fragments.held = 1000;
	bench_pipeline(bench);
	add_port_rule(bench, SLUICE_ACTION_PERMIT);
	fixture_compile(&bench->fixture);
	for (uint32_t id = 0; id < 2; id++) {
		bench_make_whole(bench, 4, id);
		for (uint32_t i = id == 0 ? 0 : 1; i < 199 + id; i++) {
			bench_push(bench, i * 8, 8, i == 199);
			if (bench->n == FRAMES_MAX)
				bench_run(bench, PATH_IN);
		}
		bench_run(bench, PATH_IN);
	}
	/* Now the last of the one and the first of the other. */
	bench_make_whole(bench, 4, 0);
	bench_push(bench, 199 * 8, 8, true);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 0, 8, false);
	bench_run(bench, PATH_IN);
	assert_int_equal(bench->fixture.counters->flows.datagrams, 2);
	assert_int_equal(count_releases(bench, SL_VERDICT_PERMIT, 2), 256);
	sl_pipeline_tick(
		bench->fixture.pipeline, bench->fixture.snapshot, SL_MODE_BYPASS, bench->now_ns);
	assert_int_equal(count_releases(bench, SL_VERDICT_PERMIT, 1), 144);
	sl_pipeline_drain(bench->fixture.pipeline, bench->now_ns);
	assert_int_equal(count_releases(bench, SL_VERDICT_PERMIT, 1), 0);
	bench_free(bench);
}

/* The flow is another worker's: it gets the fragments, shows them to no layer again and judges the whole. */
static void
test_handed(void **state)
{
	const struct sl_release *releases;
	struct bench *bench = bench_new();
	struct sl_frame frames[2];

	(void)state;
	bench->options.owner = bench_owner;
	bench->options.owner_ctx = bench;
	bench_pipeline(bench);
	fixture_add_mock(&bench->fixture, IPPACKET, "spy", NULL, SLUICE_ACTION_CALLOUT_INSPECTION,
		SLUICE_ACTION_CONTINUE);
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench->owner = 5;
	bench_make_whole(bench, 4, 1);
	bench_run_two(bench, PATH_IN);
	bench_expect_held(bench, 2);
	releases = bench_expect_releases(bench, 2, SECOND, SL_OUTCOME_HANDED, SL_REASON_NONE);
	assert_int_equal(bench->n_owner_calls, 1);
	assert_int_equal(mock_n_calls, 2);
	assert_int_equal(bench->fixture.counters->flows.handed_over, 2);
	assert_int_equal(bench->fixture.counters->layers[TRANSPORT].block, 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(releases[i].worker, 5);
		assert_int_equal(releases[i].held.frame.flags, SL_FRAME_VIEWED);
		frames[i] = releases[i].held.frame;
	}
	mock_reset();
	sl_pipeline_run(bench->fixture.pipeline, bench->fixture.snapshot, SL_MODE_INLINE, PATH_IN,
		frames, 2, bench->now_ns, bench->outcomes);
	bench_expect_held(bench, 2);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_BLOCK, SL_REASON_FILTER);
	assert_int_equal(bench->n_owner_calls, 1);
	assert_int_equal(mock_n_calls, 1);
	/* Seen twice, they came once. */
	assert_int_equal(bench->fixture.counters->flows.fragments, 2);
	bench_free(bench);
}

/* What may answer a question is asked about again where the question may be, and may be handed on from there. */
static void
test_handed_as_answer(void **state)
{
	const struct sl_release *releases;
	struct bench *bench = bench_new();
	struct sl_frame frames[2];

	(void)state;
	bench->options.owner = bench_owner;
	bench->options.owner_ctx = bench;
	bench_pipeline(bench);
	add_port_rule(bench, SLUICE_ACTION_BLOCK);
	fixture_compile(&bench->fixture);
	bench->owner = 5;
	bench->owner_flags = SL_FRAME_ANSWER;
	bench_make_whole(bench, 4, 1);
	bench_run_two(bench, PATH_IN);
	bench_expect_held(bench, 2);
	for (uint32_t hop = 1; hop <= 2; hop++) {
		releases =
			bench_expect_releases(bench, 2, SECOND, SL_OUTCOME_HANDED, SL_REASON_NONE);
		assert_int_equal(bench->n_owner_calls, hop);
		for (uint32_t i = 0; i < 2; i++) {
			assert_int_equal(releases[i].held.frame.flags,
				hop == 1 ? SL_FRAME_VIEWED | SL_FRAME_ANSWER : SL_FRAME_VIEWED);
			frames[i] = releases[i].held.frame;
		}
		bench->owner_flags = 0;
		sl_pipeline_run(bench->fixture.pipeline, bench->fixture.snapshot, SL_MODE_INLINE,
			PATH_IN, frames, 2, bench->now_ns, bench->outcomes);
		bench_expect_held(bench, 2);
	}
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_BLOCK, SL_REASON_FILTER);
	assert_int_equal(bench->n_owner_calls, 2);
	bench_free(bench);
}

/* Replies to a whole datagram leave beside those to the burst's packets, and are suppressed apart from them. */
static void
test_replies(void **state)
{
	struct bench *bench = bench_new();
	const struct sl_reply *replies;
	struct sl_filter *filter;
	uint32_t n;

	(void)state;
	fixture_add_mock(&bench->fixture, TRANSPORT, "answer", NULL,
		SLUICE_ACTION_CALLOUT_INSPECTION, SLUICE_ACTION_CONTINUE | MOCK_REPLY);
	filter = fixture_filter(SLUICE_LAYER_INBOUND_IPPACKET_V4_DISCARD, "hush", NULL);
	filter->action = SLUICE_ACTION_BLOCK;
	fixture_add(&bench->fixture, filter);
	fixture_compile(&bench->fixture);
	bench_make_whole(bench, 4, 1);
	bench_push(bench, 0, 800, false);
	bench_run(bench, PATH_IN);
	/* The first packet of the burst is dropped, and its replies would be suppressed. */
	bench->now_ns = SECOND;
	bench_push(bench, 0, 800, false);
	bench_push(bench, 800, 800, true);
	bench->bytes[1][14 + 20 + 799] = 0x77;
	bench_run(bench, PATH_IN);
	assert_int_equal(bench->outcomes[0].reason, SL_REASON_FRAG_DUPLICATE);
	replies = sl_pipeline_replies(bench->fixture.pipeline, &n);
	assert_int_equal(n, 1);
	assert_int_equal(replies[0].bytes[63], 0x77);
	bench_expect_releases(bench, 2, SECOND, SL_VERDICT_PERMIT, SL_REASON_NONE);
	bench_free(bench);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_asks),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_always_enforced),
		cmocka_unit_test(test_permit),
		cmocka_unit_test(test_block),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_evicted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_monitor),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_policy_change),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_handed),
		cmocka_unit_test(test_handed_as_answer),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
