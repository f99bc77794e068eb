/* SPDX-License-Identifier: BSD-3-Clause */
/* Random packets, policies and times: the pipeline and a simple model say the same and keep the same flows. */
#include "flow_model.h"
#include "random.h"

#include "pipeline/flow.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct play {
	struct random random;
	struct random corruption; /* of its own: plays are what they are without it */
	struct fixture fixture;
	struct sl_flow_config config;
	struct model model;
	struct model_packet packets[SL_PIPELINE_BURST_MAX];
	uint32_t n_filters; /* made so far */
	char keys[16][32];  /* of those there are */
	uint8_t layers[16];
	uint32_t n_keys;
	uint64_t seed;
	uint32_t reasons[SL_REASON_COUNT];
	bool has_ale_alone; /* filters at ALE layers only, so that packets may go along with their flows */
	uint32_t n_along; /* that did */
	bool has_links;   /* the zone has two */
};

/* --- Policies. --- */

static const uint16_t ports[] = {53, 80, 2000, 5353, 40000, 50000};
static const uint32_t remotes[] = {HOST_OUT, HOST_OUT + 1};
/* The first three are ALE layers. */
static const enum sluice_layer layers[] = {CONNECT, ACCEPT, ESTABLISHED, STREAM, DATAGRAM,
	SLUICE_LAYER_INBOUND_TRANSPORT_V4, SLUICE_LAYER_OUTBOUND_TRANSPORT_V4};

#define CHECKSUM_AT      (14 + 20 + 16) /* of TCP without tags */
#define PICK(play, list) ((list)[random_below(&(play)->random, SL_ARRAY_LEN(list))])

static void
add_condition(struct play *play, struct sl_filter *filter)
{
	const enum sluice_layer layer = filter->layer->id;
	const bool is_auth = layer == CONNECT || layer == ACCEPT;
	const bool has_flow = sl_layer_has_flow(filter->layer);

	switch (random_below(&play->random, is_auth ? 9 : has_flow ? 5 : 3)) {
	case 0:
		fixture_condition(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL,
			SLUICE_TYPE_UINT16, PICK(play, ports));
		break;
	case 1:
		fixture_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL,
			SLUICE_TYPE_UINT32, PICK(play, remotes));
		break;
	case 2:
		fixture_condition(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_LESS,
			SLUICE_TYPE_UINT16, 1 + random_below(&play->random, 50000));
		break;
	case 3:
		fixture_condition(filter, SLUICE_FIELD_X_MIDSTREAM, SL_MATCH_EQUAL,
			SLUICE_TYPE_UINT8, random_below(&play->random, 2));
		break;
	case 4:
		if (is_auth)
			fixture_condition(filter, SLUICE_FIELD_ORIGINAL_ICMP_TYPE, SL_MATCH_EQUAL,
				SLUICE_TYPE_UINT16, random_chance(&play->random, 50) ? 0 : 8);
		else
			fixture_condition(filter, SLUICE_FIELD_DIRECTION, SL_MATCH_EQUAL,
				SLUICE_TYPE_UINT32, random_below(&play->random, 2));
		break;
	case 5:
		fixture_condition(filter, SLUICE_FIELD_FLAGS, SL_MATCH_FLAGS_ALL_SET,
			SLUICE_TYPE_UINT32, SLUICE_CONDITION_FLAG_IS_REAUTHORIZE);
		break;
	case 6:
		fixture_condition(filter, SLUICE_FIELD_REAUTHORIZE_REASON, SL_MATCH_FLAGS_ANY_SET,
			SLUICE_TYPE_UINT32, 1u << random_below(&play->random, 3));
		break;
	case 7:
		fixture_condition(filter,
			random_chance(&play->random, 50) ? SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX
							 : SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX,
			SL_MATCH_EQUAL, SLUICE_TYPE_UINT32, 1 + random_below(&play->random, 4));
		break;
	default:
		fixture_condition(filter,
			random_chance(&play->random, 50) ? SLUICE_FIELD_ARRIVAL_INTERFACE_INDEX
							 : SLUICE_FIELD_NEXTHOP_INTERFACE_INDEX,
			SL_MATCH_EQUAL, SLUICE_TYPE_EMPTY, 0);
		break;
	}
}

static void
add_filter(struct play *play)
{
	const enum sluice_layer layer =
		layers[random_below(&play->random, play->has_ale_alone ? 3 : SL_ARRAY_LEN(layers))];
	struct sl_filter *filter;
	const char *key = play->keys[play->n_keys];

	snprintf(play->keys[play->n_keys], sizeof(play->keys[0]), "f%u", play->n_filters++ % 200);
	filter = fixture_filter(layer, key, NULL);
	if (random_chance(&play->random, 60))
		filter->action = SLUICE_ACTION_BLOCK;
	for (uint32_t i = 0, n = 1 + random_below(&play->random, 2); i < n; i++)
		add_condition(play, filter);
	fixture_add(&play->fixture, filter);
	play->layers[play->n_keys++] = (uint8_t)layer;
	play->model.generations[layer]++;
}

static void
remove_filter(struct play *play)
{
	const uint32_t i = random_below(&play->random, play->n_keys);

	fixture_remove(&play->fixture, play->keys[i]);
	play->model.generations[play->layers[i]]++;
	play->n_keys--;
	memmove(play->keys[i], play->keys[play->n_keys], sizeof(play->keys[0]));
	play->layers[i] = play->layers[play->n_keys];
}

static void
commit_something(struct play *play)
{
	if (play->n_keys == 0 ||
		(play->n_keys < SL_ARRAY_LEN(play->layers) && random_chance(&play->random, 50)))
		add_filter(play);
	else
		remove_filter(play);
	fixture_commit(&play->fixture);
}

/* --- Packets. --- */

/* Numbers that make sense for a connection that began at 1000 and 5000, now and then some that do not. */
static void
draw_segment(struct play *play, struct shape *shape)
{
	static const uint8_t flags[] = {
		SYN, SYN | ACK, ACK, ACK, ACK, ACK, FIN | ACK, RST | ACK, 0, SYN | FIN};

	shape->flags = PICK(play, flags);
	shape->seq = shape->is_inbound ? 5000 : 1000;
	shape->ack = shape->is_inbound ? 1001 : 5001;
	if ((shape->flags & SYN) == 0)
		shape->seq += 1 + random_below(&play->random, 3) / 2;
	if (random_chance(&play->random, 20))
		shape->ack++;
	if (random_chance(&play->random, 5))
		shape->seq += 1500000000;
	if (random_chance(&play->random, 5))
		shape->seq += 100000;
}

static void
draw_shape(struct play *play, bool is_inbound, struct shape *shape)
{
	static const uint8_t protocols[] = {6, 6, 6, 17, 17, 1, 99};

	*shape = (struct shape){
		.is_inbound = is_inbound,
		.protocol = PICK(play, protocols),
		.remote = PICK(play, remotes),
		.local_port = PICK(play, ports),
		.remote_port = PICK(play, ports),
		.vlan = random_chance(&play->random, 10) ? 5 : 0,
		.payload = (uint16_t)random_below(&play->random, 3),
	};
	if (shape->protocol == 6)
		draw_segment(play, shape);
	if (shape->protocol == 1) {
		shape->local_port = (uint16_t)random_below(&play->random, 2);
		shape->remote_port = random_chance(&play->random, 50) ? 8 << 8 : 0;
	}
	if (shape->protocol == 17 && random_chance(&play->random, 20)) {
		shape->local_port = 5353;
		shape->remote_port = 5353;
		if (!is_inbound)
			shape->remote = MDNS_GROUP;
	}
}

static void
draw_packet(struct play *play, bool is_inbound, uint8_t link, struct model_packet *packet)
{
	packet->is_error = random_chance(&play->random, 6);
	draw_shape(play, is_inbound != packet->is_error, &packet->shape);
	packet->shape.link = link;
	if (packet->is_error && packet->shape.remote == MDNS_GROUP)
		packet->shape.remote = HOST_OUT;
	if (packet->is_error)
		shape_build_error(&packet->packet, &packet->shape);
	else
		shape_build(&packet->packet, &packet->shape);
	packet->is_corrupt = !packet->is_error && packet->shape.protocol == 6 &&
		random_chance(&play->corruption, 10);
	if (packet->is_corrupt)
		packet->packet.bytes[packet->shape.vlan != 0 ? CHECKSUM_AT + 4 : CHECKSUM_AT] ^= 1;
}

/* --- Comparison. --- */

static void
compare_outcome(struct play *play, uint32_t i, const struct sl_outcome *outcome)
{
	const struct shape *shape = &play->packets[i].shape;
	enum sl_reason expected;
	uint8_t layer = 0;

	expected = model_meet(&play->model, &play->packets[i], &layer);
	play->reasons[expected]++;
	if (outcome->reason == expected &&
		(expected != SL_REASON_FILTER || outcome->layer == layer))
		return;
	fail_msg("seed %" PRIu64
		 ", packet %u, %s%s protocol %u, %u to %u, flags %u: %s at %s, not %s at %s",
		play->seed, i, shape->is_inbound ? "inbound" : "outbound",
		play->packets[i].is_error ? " error" : "", shape->protocol, shape->local_port,
		shape->remote_port, shape->flags, sl_reason_name(outcome->reason),
		sl_layer_by_id(outcome->layer)->name, sl_reason_name(expected),
		sl_layer_by_id(layer)->name);
}

static bool
is_same(const struct sl_flow_view *view, const struct model_flow *flow)
{
	const struct sl_flow_key *key = &view->key;
	uint32_t local, remote;

	memcpy(&local, key->local, sizeof(local));
	memcpy(&remote, key->remote, sizeof(remote));
	return __builtin_bswap32(local) == flow->key.local &&
		__builtin_bswap32(remote) == flow->key.remote &&
		key->local_port == flow->key.local_port &&
		key->remote_port == flow->key.remote_port && key->protocol == flow->key.protocol &&
		key->is_icmp_query == flow->key.asker &&
		(key->domain >> 12 & 0xfff) == flow->key.vlan;
}

static void
compare_flow(struct play *play, const struct sl_flow_view *view)
{
	for (uint32_t i = 0; i < play->model.n_flows; i++) {
		const struct model_flow *flow = &play->model.flows[i];

		if (!is_same(view, flow))
			continue;
		assert_int_equal(view->class, flow->class);
		assert_int_equal((view->flags & SL_FLOW_OUTBOUND) != 0, flow->is_outbound);
		assert_int_equal((view->flags & SL_FLOW_REVOKED) != 0, flow->is_revoked);
		assert_int_equal((view->flags & SL_FLOW_MIDSTREAM) != 0, flow->is_midstream);
		if (!flow->is_revoked)
			assert_int_equal(
				(view->flags & SL_FLOW_ESTABLISHED) != 0, flow->is_established);
		assert_int_equal(view->flags & SL_FLOW_PENDING, 0);
		return;
	}
	fail_msg("seed %" PRIu64 ": a flow of protocol %u, %u to %u, that should not be",
		play->seed, view->key.protocol, view->key.local_port, view->key.remote_port);
}

static void
compare_flows(struct play *play)
{
	struct sl_flow_view views[MODEL_FLOWS_MAX];
	uint32_t at = 0, n;

	model_age(&play->model);
	pass_time(&play->fixture, 0);
	n = sl_flow_list(sl_pipeline_flows(play->fixture.pipeline), &at, views, MODEL_FLOWS_MAX);
	for (uint32_t i = 0; i < n; i++)
		compare_flow(play, &views[i]);
	assert_int_equal(n, play->model.n_flows);
}

/* Every flow that was opened is there or has ended, once. */
static void
check_sums(const struct play *play)
{
	const struct sl_flow_counter *counters = counted(&play->fixture);
	uint64_t opened = counters->opened[0] + counters->opened[1], ended = 0, live = 0;

	for (uint32_t i = 0; i < play->model.n_flows; i++)
		live += !play->model.flows[i].is_revoked;
	for (uint32_t i = 0; i < SL_FLOW_END_COUNT; i++)
		ended += counters->ended[i];
	assert_int_equal(opened, ended + live);
	assert_int_equal(counters->ended[SL_FLOW_END_NONE], 0);
}

/* --- Plays. --- */

static void
burst(struct play *play, uint32_t n_max)
{
	const bool is_inbound = random_chance(&play->random, 50);
	const uint8_t link = play->has_links && random_chance(&play->random, 30);
	const uint32_t n = 1 + random_below(&play->random, n_max);
	struct sl_frame frames[SL_PIPELINE_BURST_MAX];
	struct sl_outcome outcomes[SL_PIPELINE_BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		draw_packet(play, is_inbound, link, &play->packets[i]);
		if (i > 0 && random_chance(&play->random, 30))
			play->packets[i] = play->packets[i - 1];
		frames[i] = play->packets[i].packet.frame;
		frames[i].bytes = play->packets[i].packet.bytes;
	}
	/* Not only where most of a burst goes along. */
	play->fixture.pipeline->flows->along_pause = 0;
	fixture_run(&play->fixture, shape_path(&play->packets[0].shape, is_inbound), frames, n,
		outcomes);
	play->n_along += (uint32_t)__builtin_popcountll(play->fixture.pipeline->unparsed);
	for (uint32_t i = 0; i < n; i++) {
		play->packets[i].packet.frame.bytes = play->packets[i].packet.bytes;
		compare_outcome(play, i, &outcomes[i]);
	}
}

static void
begin(struct play *play, uint64_t seed)
{
	play->seed = seed;
	play->random.state = seed;
	play->corruption.state = ~seed;
	flow_config(&play->config);
	play->config.max = 4096;
	play->config.enforce =
		random_chance(&play->random, 75) ? SL_FLOW_ENFORCE_ALWAYS : SL_FLOW_ENFORCE_NEVER;
	play->config.tcp =
		random_chance(&play->random, 70) ? SL_FLOW_TCP_STRICT : SL_FLOW_TCP_LOOSE;
	play->config.tcp_checksum = random_chance(&play->corruption, 60)
		? SL_FLOW_CHECKSUM_CONTROL
		: (enum sl_flow_tcp_checksum)random_below(&play->corruption, 3);
	play->config.midstream =
		random_chance(&play->random, 60) ? SL_FLOW_MIDSTREAM_ADOPT : SL_FLOW_MIDSTREAM_DROP;
	play->config.icmp_errors =
		random_chance(&play->random, 80) ? SL_FLOW_ICMP_RELATED : SL_FLOW_ICMP_ANY;
	/* Ends half a second from where time ever stands still. */
	for (uint32_t i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		play->config.timeout_ms[i] += 500;
	play->n_keys = 0;
	play->n_filters = 0;
	play->has_ale_alone = false;
	play->has_links = false;
}

static void
start(struct play *play)
{
	if (play->has_links)
		fixture_init_zone(&play->fixture, &play->config);
	else
		fixture_init_flows(&play->fixture, SL_ENGINE_CHECK, 1, &play->config);
	model_init(&play->model, &play->fixture, &play->config);
	fixture_compile(&play->fixture);
}

static void
test_bursts(void **state)
{
	struct play *play = calloc(1, sizeof(*play));
	const uint64_t seed = random_seed();

	(void)state;
	for (uint64_t i = 0; i < 300 / RANDOM_SLOWNESS; i++) {
		begin(play, seed + i);
		play->has_ale_alone = random_chance(&play->random, 50);
		play->has_links = random_chance(&play->random, 30);
		play->config.reject = random_chance(&play->random, 30);
		start(play);
		for (uint32_t k = 0; k < 60; k++) {
			if (random_chance(&play->random, 25))
				commit_something(play);
			if (random_chance(&play->random, 25))
				play->fixture.now_ns +=
					(uint64_t)(1 + random_below(&play->random, 20)) * SECOND;
			burst(play, random_chance(&play->random, 50) ? 4 : SL_PIPELINE_BURST_MAX);
			compare_flows(play);
		}
		check_sums(play);
		assert_int_equal(play->fixture.n_differences, 0);
		fixture_fini(&play->fixture);
	}
	/* Everything has happened. */
	assert_true(play->reasons[SL_REASON_NONE] > 1000);
	assert_true(play->reasons[SL_REASON_FILTER] > 1000);
	assert_true(play->reasons[SL_REASON_FLOW_REVOKED] > 10);
	assert_true(play->reasons[SL_REASON_TCP_NO_CONNECTION] > 100);
	assert_true(play->reasons[SL_REASON_TCP_OUT_OF_WINDOW] > 10);
	assert_true(play->reasons[SL_REASON_TCP_BAD_FLAGS] > 100);
	assert_true(play->reasons[SL_REASON_TCP_BAD_CHECKSUM] > 100);
	assert_true(play->reasons[SL_REASON_ICMP_ERROR_UNRELATED] > 100);
	assert_true(play->n_along > 1000 / RANDOM_SLOWNESS);
	free(play);
}

/* Tables of a few places, one packet at a time: flows give way, or first packets do. */
static void
test_tiny_tables(void **state)
{
	struct play *play = calloc(1, sizeof(*play));
	const uint64_t seed = random_seed();

	(void)state;
	for (uint64_t i = 0; i < 4000 / RANDOM_SLOWNESS; i++) {
		begin(play, seed + 1000000 + i);
		play->config.max = 1 + random_below(&play->random, 12);
		play->config.on_full = random_chance(&play->random, 50)
			? SL_FLOW_FULL_BLOCK
			: SL_FLOW_FULL_PERMIT_UNTRACKED;
		/* Pressure shortens time-outs: to more than a play takes. */
		for (uint32_t k = 0; k < SL_FLOW_CLASS_COUNT; k++)
			play->config.timeout_ms[k] = 256000;
		start(play);
		for (uint32_t k = 0; k < 15; k++) {
			if (random_chance(&play->random, 5))
				commit_something(play);
			/* Later than what was refused is remembered: a place is taken for it again. */
			play->fixture.now_ns += SECOND / 20 * 21;
			burst(play, 1);
			compare_flows(play);
		}
		check_sums(play);
		fixture_fini(&play->fixture);
	}
	assert_true(play->reasons[SL_REASON_FLOW_TABLE_FULL] > 100 / RANDOM_SLOWNESS);
	free(play);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_tiny_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
