/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random packets, answers, kills, times, policies and modes: the pipeline and a simple model say the same of every packet
 * and have the same flows.  Every packet that came is permitted, dropped or let go once, every operation ends once, and
 * what is counted is what happened.
 */
#include "pend_model.h"
#include "random.h"

#include "../pipeline/stranger.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKETS_MAX 4096u
#define STEPS       1500u
#define BURST_MAX   12u

struct play {
	struct random random;
	struct fixture fixture;
	struct pend_model model;
	struct pend_packet *packets; /* PACKETS_MAX */
	uint32_t n_packets;
	uint32_t n_filters;
	char filters[2][32]; /* by direction; "": none */
	uint64_t tokens[64]; /* of late */
	uint32_t n_tokens;
	uint64_t seed;
	uint32_t step;
	uint64_t reasons[SL_REASON_COUNT];
	uint64_t n_released;
};

static struct play *playing; /* whose seed is said when an assertion fails */

static void
expect(bool is_right, const char *what)
{
	if (!is_right)
		fail_msg("seed %" PRIu64 ", step %u: %s", playing->seed, playing->step, what);
}

/* --- Policies. --- */

static void
set_policy(struct play *play, enum sluice_direction direction, enum pend_policy policy)
{
	const enum sluice_layer layer = direction == SLUICE_DIRECTION_OUTBOUND ? CONNECT : ACCEPT;
	char *key = play->filters[direction];
	struct sl_filter *filter;

	if (key[0] != '\0')
		fixture_remove(&play->fixture, key);
	key[0] = '\0';
	play->model.policy[direction] = policy;
	if (policy == PEND_PERMIT)
		return;
	snprintf(key, sizeof(play->filters[0]), "f%u", play->n_filters++ % 200);
	filter = fixture_filter(layer, key, "system");
	if (policy == PEND_BLOCK) {
		filter->action = SLUICE_ACTION_BLOCK;
		fixture_add(&play->fixture, filter);
		return;
	}
	if (policy == PEND_ASK_OPEN)
		filter->flags |= SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED;
	fixture_add_mock_filter(&play->fixture, filter, SLUICE_ACTION_CALLOUT_TERMINATING,
		MOCK_PEND | SLUICE_ACTION_PERMIT);
}

static void
change_policy(struct play *play)
{
	static const uint8_t policies[] = {
		PEND_ASK, PEND_ASK, PEND_ASK_OPEN, PEND_ASK_OPEN, PEND_PERMIT, PEND_BLOCK};

	set_policy(play, (enum sluice_direction)random_below(&play->random, 2),
		policies[random_below(&play->random, SL_ARRAY_LEN(policies))]);
	fixture_commit(&play->fixture);
}

/* --- Packets. --- */

static void
draw_packet(struct play *play, bool is_inbound, struct pend_packet *packet)
{
	const uint32_t key = random_below(&play->random, PEND_KEYS);
	const bool is_syn = (key % 2 == 1) == is_inbound;
	const struct shape shape = {
		.is_inbound = is_inbound,
		.protocol = pend_key_is_tcp(key) ? 6 : 17,
		.local_port = (uint16_t)(1000 + key),
		.remote_port = 2000,
		.flags = is_syn ? SYN : SYN | ACK,
		.seq = is_syn ? 1000 : 5000,
		.ack = is_syn ? 0 : 1001,
		.payload =
			pend_key_is_tcp(key) ? 0 : (uint16_t)(random_below(&play->random, 3) * 100),
	};

	memset(packet, 0, sizeof(*packet));
	shape_build(&packet->packet, &shape);
	packet->packet.frame.owner = packet;
	if (random_chance(&play->random, 8))
		packet->packet.frame.flags = SL_FRAME_COPY;
	packet->key = key;
	packet->is_inbound = is_inbound;
	packet->is_syn = is_syn;
}

/* What became of a packet, once. */
static void
finish(struct play *play, struct pend_packet *packet, const struct sl_outcome *outcome)
{
	expect(!packet->is_gone, "a packet went twice");
	expect(outcome->action == packet->action && outcome->reason == packet->reason,
		"the model says something else of a packet");
	packet->is_gone = true;
	play->reasons[outcome->reason]++;
}

/* What has been let go; packets of a flow are in the order in which they came. */
static void
take_releases(struct play *play)
{
	const struct sl_release *releases;
	const struct pend_packet *last[PEND_KEYS] = {NULL};
	struct pend_packet *packet;
	uint32_t n;

	releases = sl_pipeline_releases(play->fixture.pipeline, &n);
	for (uint32_t i = 0; i < n; i++) {
		packet = releases[i].held.frame.owner;
		expect(packet->is_held, "what was not held was let go");
		expect(releases[i].held.path == (packet->is_inbound ? PATH_IN : PATH_OUT),
			"a packet changed its path");
		expect(last[packet->key] < packet, "packets of a flow changed places");
		last[packet->key] = packet;
		finish(play, packet, &releases[i].outcome);
		packet->is_held = false;
	}
	play->n_released += n;
}

/* The pipeline has the flows that the model has, and tells it their ids. */
static void
compare_flows(struct play *play)
{
	const uint16_t wanted[] = {
		[PEND_WAITING] = SL_FLOW_PENDED, [PEND_REVOKED] = SL_FLOW_REVOKED};
	struct sl_flow_view views[2 * PEND_KEYS];
	uint32_t at = 0, n, n_expected = 0;
	struct pend_flow *flow;

	n = sl_flow_list(sl_pipeline_flows(play->fixture.pipeline), &at, views, 2 * PEND_KEYS);
	for (uint32_t i = 0; i < PEND_KEYS; i++)
		n_expected += play->model.flows[i].state != PEND_NONE;
	expect(n == n_expected, "other flows than the model has");
	for (uint32_t i = 0; i < n; i++) {
		flow = &play->model.flows[views[i].key.local_port - 1000];
		expect(flow->state != PEND_NONE, "a flow that the model does not have");
		expect((views[i].flags & (SL_FLOW_PENDED | SL_FLOW_REVOKED | SL_FLOW_PENDING)) ==
				(flow->state == PEND_OPEN ? 0 : wanted[flow->state]),
			"a flow in another state");
		expect(((views[i].flags & SL_FLOW_OUTBOUND) != 0) == flow->is_outbound,
			"a flow of the other direction");
		if (flow->state == PEND_WAITING && flow->id != views[i].id)
			play->tokens[play->n_tokens++ % SL_ARRAY_LEN(play->tokens)] = views[i].id;
		flow->id = views[i].id;
	}
}

static const struct sl_snapshot *
in_force(const struct play *play)
{
	return play->model.has_policy ? play->fixture.snapshot : NULL;
}

static void
run_burst(struct play *play)
{
	const bool is_inbound = random_chance(&play->random, 50);
	const uint32_t n = 1 + random_below(&play->random, BURST_MAX);
	struct pend_packet *packets = &play->packets[play->n_packets];
	struct sl_outcome outcomes[BURST_MAX];
	struct sl_frame frames[BURST_MAX];

	if (play->n_packets + n > PACKETS_MAX)
		return;
	play->n_packets += n;
	for (uint32_t i = 0; i < n; i++) {
		draw_packet(play, is_inbound, &packets[i]);
		frames[i] = packets[i].packet.frame;
	}
	sl_pipeline_run(play->fixture.pipeline, in_force(play), play->model.mode,
		is_inbound ? PATH_IN : PATH_OUT, frames, n, play->fixture.now_ns, outcomes);
	for (uint32_t i = 0; i < n; i++)
		model_meet(&play->model, &packets[i]);
	for (uint32_t i = 0; i < n; i++) {
		expect((outcomes[i].action == SL_OUTCOME_HELD) ==
				(packets[i].action == SL_OUTCOME_HELD),
			"held by one of both");
		packets[i].is_held = outcomes[i].action == SL_OUTCOME_HELD;
		if (!packets[i].is_held)
			finish(play, &packets[i], &outcomes[i]);
	}
	if (in_force(play) != NULL &&
		(play->model.mode == SL_MODE_INLINE || play->model.mode == SL_MODE_MONITOR))
		model_obey(&play->model);
	take_releases(play);
	compare_flows(play);
}

static void
tick(struct play *play)
{
	const uint32_t ms = random_below(&play->random, 1500);

	play->model.now_ms += ms;
	play->fixture.now_ns += (uint64_t)ms * 1000000;
	sl_pipeline_tick(
		play->fixture.pipeline, in_force(play), play->model.mode, play->fixture.now_ns);
	model_tick(&play->model);
	take_releases(play);
	compare_flows(play);
}

/* --- Answers and commands. --- */

static uint64_t
draw_token(struct play *play)
{
	const struct pend_flow *flow = &play->model.flows[random_below(&play->random, PEND_KEYS)];

	if (random_chance(&play->random, 15) && play->n_tokens > 0)
		return play->tokens[random_below(&play->random,
			SL_MIN(play->n_tokens, (uint32_t)SL_ARRAY_LEN(play->tokens)))];
	return flow->id;
}

static void
answer(struct play *play)
{
	static const uint64_t answers[] = {SLUICE_ACTION_PERMIT, SLUICE_ACTION_PERMIT,
		SLUICE_ACTION_BLOCK | MOCK_CLEAR_RIGHT,
		SLUICE_ACTION_BLOCK | MOCK_CLEAR_RIGHT | MOCK_ABSORB};
	const struct sluice_host *host = stranger_host;
	struct pend_answer one = {.token = draw_token(play)};
	const uint32_t n = random_chance(&play->random, 10) ? 2 : 1;

	one.what = answers[random_below(&play->random, SL_ARRAY_LEN(answers))];
	one.is_stranger = random_chance(&play->random, 10);
	if (one.token == 0 || play->model.n_answers + n > PEND_ANSWERS)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (one.is_stranger)
			expect(host->complete(host, one.token, one.what) == 0, "refused");
		else
			expect(mock_complete(one.token, one.what) == 0, "refused");
		play->model.answers[play->model.n_answers++] = one;
	}
}

static void
command(struct play *play, enum sl_flow_command_type type, uint64_t id)
{
	const struct sl_flow_command one = {.type = type, .id = id};

	expect(sl_ring_put(play->fixture.commands, &one), "no room for a command");
}

static void
kill_some(struct play *play)
{
	const uint64_t id = draw_token(play);

	if (id == 0 || play->model.n_kills == SL_ARRAY_LEN(play->model.kills))
		return;
	play->model.kills[play->model.n_kills++] = id;
	command(play, SL_FLOW_COMMAND_KILL, id);
}

static void
forget(struct play *play)
{
	command(play, SL_FLOW_COMMAND_FORGET,
		(uintptr_t)sl_callout_plugin(play->fixture.registry, "mock"));
	play->model.is_leaving_told = true;
}

static void
drain(struct play *play)
{
	sl_pipeline_drain(play->fixture.pipeline, play->fixture.now_ns);
	model_drain(&play->model);
	take_releases(play);
	compare_flows(play);
}

static void
set_clock(struct play *play)
{
	const int64_t step_ms = (int64_t)random_below(&play->random, 20000) - 10000;

	play->fixture.now_ns += (uint64_t)(step_ms * 1000000);
	sl_pipeline_step_clock(play->fixture.pipeline, step_ms * 1000000, play->fixture.now_ns);
	take_releases(play);
}

static void
change_mode(struct play *play)
{
	const uint32_t roll = random_below(&play->random, 6);

	play->model.has_policy = roll != 5;
	play->model.mode = roll < 4 ? (enum sl_mode)roll : SL_MODE_INLINE;
}

/* --- The play. --- */

static void
step(struct play *play)
{
	const uint32_t roll = random_below(&play->random, 1000);

	/* Out of the ordinary is not for long. */
	if ((play->model.mode != SL_MODE_INLINE || !play->model.has_policy) && roll % 4 == 0) {
		play->model.mode = SL_MODE_INLINE;
		play->model.has_policy = true;
	}
	if (roll < 380)
		run_burst(play);
	else if (roll < 560)
		tick(play);
	else if (roll < 850)
		answer(play);
	else if (roll < 890)
		kill_some(play);
	else if (roll < 960)
		change_policy(play);
	else if (roll < 980)
		change_mode(play);
	else if (roll < 990)
		set_clock(play);
	else if (roll < 995)
		forget(play);
	else if (roll < 997)
		drain(play);
}

static void
expect_counted(const struct play *play)
{
	const struct sl_counters *counters = play->fixture.counters;
	const struct sl_flow_counter *flows = &counters->flows;

	for (uint32_t i = 1; i < SL_REASON_COUNT; i++)
		expect(counters->reasons[i] + counters->would_drop[i] == play->reasons[i],
			sl_reason_name((enum sl_reason)i));
	expect(flows->pended == play->model.n_begun, "operations begun");
	expect(flows->pend_ended == play->model.n_ended, "operations ended");
	expect(flows->pended == flows->pend_ended, "an operation has no end");
	expect(flows->completed == play->model.n_completed, "answers");
	expect(flows->pend_timeouts == play->model.n_overdue, "time-outs");
	expect(flows->completions_late == play->model.n_late, "late answers");
	expect(sl_callout_contexts(sl_callout_plugin(play->fixture.registry, "mock")) == 0,
		"a plugin is waited for");
}

static void
start(struct play *play, uint64_t seed)
{
	struct sl_flow_config config;
	struct sl_error err;

	memset(play, 0, sizeof(*play));
	playing = play;
	play->seed = seed;
	play->random.state = seed;
	play->packets = calloc(PACKETS_MAX, sizeof(*play->packets));
	assert_non_null(play->packets);
	flow_config(&config);
	for (uint32_t i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		config.timeout_ms[i] = 86400000;
	config.midstream = SL_FLOW_MIDSTREAM_DROP;
	config.pend = (struct sl_pend_config){.max = 16,
		.packets = PEND_HELD_MAX,
		.bytes = PEND_BYTES,
		.timeout_ms = PEND_TIMEOUT};
	fixture_init_flows(&play->fixture, SL_ENGINE_COMPILED, 0, &config);
	play->fixture.now_ns += 1000000ull * SECOND; /* so that it can be set back */
	assert_int_equal(sl_callout_register(play->fixture.registry, &stranger, &err), 0);
	model_init(&play->model);
	set_policy(play, SLUICE_DIRECTION_OUTBOUND, PEND_ASK);
	set_policy(play, SLUICE_DIRECTION_INBOUND, PEND_ASK);
	fixture_compile(&play->fixture);
}

static void
finish_play(struct play *play)
{
	tick(play);
	drain(play);
	for (uint32_t i = 0; i < play->n_packets; i++)
		expect(play->packets[i].is_gone && !play->packets[i].is_held,
			"a packet is neither here nor there");
	expect_counted(play);
	fixture_fini(&play->fixture);
	free(play->packets);
}

static void
test_plays(void **state)
{
	const uint32_t n = (uint32_t)random_amount(400);
	const uint64_t first = random_seed();
	uint64_t reasons[SL_REASON_COUNT] = {0};
	uint64_t n_completed = 0, n_overdue = 0, n_released = 0;
	struct play play;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		start(&play, first + i);
		for (play.step = 0; play.step < STEPS; play.step++)
			step(&play);
		finish_play(&play);
		for (uint32_t r = 0; r < SL_REASON_COUNT; r++)
			reasons[r] += play.reasons[r];
		n_completed += play.model.n_completed;
		n_overdue += play.model.n_overdue;
		n_released += play.n_released;
	}
	/* Everything that can happen did. */
	assert_true(n_completed > n && n_overdue > n && n_released > n);
	assert_true(reasons[SL_REASON_FLOW_PENDED] > n && reasons[SL_REASON_PEND_TIMEOUT] > 0);
	assert_true(reasons[SL_REASON_FLOW_REVOKED] > 0 && reasons[SL_REASON_ABSORBED] > 0);
	assert_true(reasons[SL_REASON_MODE_BLOCK] > 0 && reasons[SL_REASON_NO_POLICY] > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
