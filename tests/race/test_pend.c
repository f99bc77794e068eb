/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Answers from other threads: a worker opens flows whose decisions a callout puts off, three threads answer for them - at
 * once, late, twice, or never - a fourth publishes policies and frees the old ones, and a fifth lists the flows and
 * looks at the plugin's counters.
 *
 * Every packet is let go once, no packet passes that every policy blocks, what was accepted as an answer is counted as one or
 * as late, and when all is over nobody waits.
 */

#include "pipeline/flow_helper.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ANSWERERS 3u
#define PACKETS   2048u /* that may be held */
#define BURST     16u
#define PORTS     6000u
#define NEVER     666u /* a remote port that every policy blocks */

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define SLOWNESS 10u
#else
#define SLOWNESS 1u
#endif
#define ROUNDS (60000u / SLOWNESS)

struct mail {
	struct packet packet;
	uint16_t remote_port;
	bool is_away; /* in the pipeline's hands */
};

struct race {
	struct fixture fixture;
	const struct sl_snapshot *published; /* atomic */
	uint64_t n_rounds;   /* atomic: of the worker, which uses no older snapshot then */
	bool is_over;        /* atomic */
	uint64_t n_accepted; /* atomic: answers */
	uint64_t n_commits;
	uint64_t n_lists;
	uint64_t n_waiting_max;
	struct sl_mpsc *tokens[ANSWERERS];

	/* The worker's. */
	struct mail mails[PACKETS];
	uint32_t next;
	uint32_t n_sent;
	uint32_t n_away;
	uint32_t n_wrong;
};

static struct race race;

/* --- The callout's side. --- */

static void
pass_on(uint64_t token)
{
	sl_mpsc_put(race.tokens[token % ANSWERERS], &token);
}

static void
give(uint64_t token, uint64_t what)
{
	if (mock_complete(token, what) == 0)
		__atomic_add_fetch(&race.n_accepted, 1, __ATOMIC_RELAXED);
}

static void *
answer(void *arg)
{
	struct sl_mpsc *tokens = arg;
	uint64_t token, last = 0;

	while (!__atomic_load_n(&race.is_over, __ATOMIC_ACQUIRE)) {
		if (!sl_mpsc_get(tokens, &token)) {
			sched_yield();
			continue;
		}
		if (token / ANSWERERS % 7 == 0)
			continue; /* the time will be over */
		give(token,
			token / ANSWERERS % 3 == 0 ? SLUICE_ACTION_BLOCK | MOCK_CLEAR_RIGHT
						   : SLUICE_ACTION_PERMIT);
		if (last % 5 == 0 && last != 0)
			give(last, SLUICE_ACTION_PERMIT); /* once more, or too late */
		last = token;
	}
	return NULL;
}

/* --- Control. --- */

static void
wait_for_worker(void)
{
	const uint64_t n = __atomic_load_n(&race.n_rounds, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&race.n_rounds, __ATOMIC_ACQUIRE) < n + 2 &&
		!__atomic_load_n(&race.is_over, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void
add_asking(struct fixture *fixture, const char *key, bool is_open)
{
	struct sl_filter *filter = fixture_filter(CONNECT, key, "system");

	if (is_open)
		filter->flags |= SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED;
	fixture_add_mock_filter(fixture, filter, SLUICE_ACTION_CALLOUT_TERMINATING,
		MOCK_PEND | SLUICE_ACTION_PERMIT);
}

static void *
publish(void *arg)
{
	struct fixture *fixture = &race.fixture;
	struct sl_snapshot *previous;

	(void)arg;
	for (uint32_t i = 0; !__atomic_load_n(&race.is_over, __ATOMIC_ACQUIRE); i++) {
		fixture_remove(fixture, "ask");
		if (i % 4 != 3)
			add_asking(fixture, "ask", i % 2 == 0);
		previous = fixture_replace(fixture);
		__atomic_store_n(&race.published, fixture->snapshot, __ATOMIC_RELEASE);
		wait_for_worker();
		/* The worker has ended: it is retired behind it, too. */
		if (__atomic_load_n(&race.is_over, __ATOMIC_ACQUIRE))
			while (__atomic_load_n(&race.n_rounds, __ATOMIC_ACQUIRE) != UINT64_MAX)
				sched_yield();
		fixture_retire(previous);
		race.n_commits++;
	}
	return NULL;
}

static void *
look(void *arg)
{
	const struct sl_flow_table *flows = sl_pipeline_flows(race.fixture.pipeline);
	const struct sl_plugin *plugin = arg;
	struct sl_flow_view views[64];

	while (!__atomic_load_n(&race.is_over, __ATOMIC_ACQUIRE)) {
		for (uint32_t at = 0; at != SL_FLOW_LIST_END;)
			sl_flow_list(flows, &at, views, 64);
		race.n_waiting_max = SL_MAX(race.n_waiting_max, sl_callout_contexts(plugin));
		race.n_lists++;
		sched_yield();
	}
	return NULL;
}

/* --- The worker. --- */

static void
finish(const struct mail *mail, const struct sl_outcome *outcome)
{
	if (outcome->action == SL_VERDICT_PERMIT && mail->remote_port == NEVER)
		race.n_wrong++;
}

static void
take_releases(void)
{
	const struct sl_release *releases;
	uint32_t n;

	releases = sl_pipeline_releases(race.fixture.pipeline, &n);
	for (uint32_t i = 0; i < n; i++) {
		struct mail *mail = releases[i].held.frame.owner;

		race.n_wrong += !mail->is_away;
		mail->is_away = false;
		race.n_away--;
		finish(mail, &releases[i].outcome);
	}
}

/* The next packets of a list of ports that comes round, in what is not away. */
static uint32_t
make_burst(struct mail *mails[BURST], struct sl_frame frames[BURST])
{
	struct shape shape = {0};
	uint32_t n = 0;

	for (uint32_t i = 0; i < 2 * BURST && n < BURST; i++) {
		struct mail *mail = &race.mails[race.next++ % PACKETS];

		if (mail->is_away)
			continue;
		mail->remote_port = race.n_sent % 13 == 0 ? NEVER : 53;
		shape.protocol = race.n_sent % 5 == 0 ? 6 : 17;
		shape.flags = SYN;
		shape.seq = 1000;
		shape.remote_port = mail->remote_port;
		shape.local_port = (uint16_t)(1024 + race.n_sent / 2 % PORTS);
		race.n_sent++;
		shape_build(&mail->packet, &shape);
		mail->packet.frame.owner = mail;
		frames[n] = mail->packet.frame;
		mails[n++] = mail;
	}
	return n;
}

static void
play_round(void)
{
	struct fixture *fixture = &race.fixture;
	const struct sl_snapshot *snapshot = __atomic_load_n(&race.published, __ATOMIC_ACQUIRE);
	struct sl_outcome outcomes[BURST];
	struct sl_frame frames[BURST];
	struct mail *mails[BURST];
	uint32_t n = make_burst(mails, frames);

	if (n > 0)
		sl_pipeline_run(fixture->pipeline, snapshot, SL_MODE_INLINE, PATH_OUT, frames, n,
			fixture->now_ns, outcomes);
	for (uint32_t i = 0; i < n; i++) {
		if (outcomes[i].action == SL_OUTCOME_HELD) {
			mails[i]->is_away = true;
			race.n_away++;
		} else {
			finish(mails[i], &outcomes[i]);
		}
	}
	if (n > 0)
		take_releases();
	fixture->now_ns += 20000;
	sl_pipeline_tick(fixture->pipeline, snapshot, SL_MODE_INLINE, fixture->now_ns);
	take_releases();
	__atomic_store_n(&race.n_rounds, race.n_rounds + 1, __ATOMIC_RELEASE);
}

/* What was accepted while the others ended, and what still waits. */
static void
wind_up(void)
{
	struct fixture *fixture = &race.fixture;

	for (uint32_t i = 0; i < 10000; i++) {
		sl_pipeline_tick(
			fixture->pipeline, fixture->snapshot, SL_MODE_INLINE, fixture->now_ns);
		take_releases();
	}
	sl_pipeline_drain(fixture->pipeline, fixture->now_ns);
	take_releases();
}

static void
start(void)
{
	struct sl_flow_config config;
	struct sl_filter *never;

	flow_config(&config);
	config.max = 4096;
	for (uint32_t i = 0; i < SL_FLOW_CLASS_COUNT; i++)
		config.timeout_ms[i] = 50;
	config.pend =
		(struct sl_pend_config){.max = 512, .packets = 4, .bytes = 4096, .timeout_ms = 20};
	fixture_init_flows(&race.fixture, SL_ENGINE_COMPILED, 0, &config);
	never = fixture_filter(CONNECT, "never", NULL);
	never->action = SLUICE_ACTION_BLOCK;
	fixture_condition(
		never, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, NEVER);
	fixture_add(&race.fixture, never);
	add_asking(&race.fixture, "ask", false);
	fixture_compile(&race.fixture);
	race.published = race.fixture.snapshot;
	for (uint32_t i = 0; i < ANSWERERS; i++)
		assert_int_equal(sl_mpsc_new(4096, sizeof(uint64_t), &race.tokens[i]), 0);
	mock_on_pend = pass_on;
}

static void
test_answers_from_threads(void **state)
{
	pthread_t threads[ANSWERERS + 2];
	const struct sl_flow_counter *flows;
	struct sl_plugin *plugin;

	(void)state;
	start();
	plugin = sl_callout_plugin(race.fixture.registry, "mock");
	for (uint32_t i = 0; i < ANSWERERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, answer, race.tokens[i]), 0);
	assert_int_equal(pthread_create(&threads[ANSWERERS], NULL, publish, NULL), 0);
	assert_int_equal(pthread_create(&threads[ANSWERERS + 1], NULL, look, plugin), 0);
	for (uint32_t i = 0; i < ROUNDS; i++)
		play_round();
	__atomic_store_n(&race.is_over, true, __ATOMIC_RELEASE);
	__atomic_store_n(&race.n_rounds, UINT64_MAX, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < ANSWERERS + 2; i++)
		pthread_join(threads[i], NULL);
	wind_up();

	flows = counted(&race.fixture);
	assert_int_equal(race.n_wrong, 0);
	assert_int_equal(race.n_away, 0);
	assert_true(flows->pended == flows->pend_ended);
	assert_true(flows->completed + flows->completions_late == race.n_accepted);
	assert_int_equal(sl_callout_contexts(plugin), 0);
	/* Every kind of end was there. */
	assert_true(flows->completed > 0 && flows->completions_late > 0);
	assert_true(flows->pend_timeouts > 0);
	assert_true(race.n_commits > 10 && race.n_lists > 10 && race.n_waiting_max > 0);
	mock_on_pend = NULL;
	for (uint32_t i = 0; i < ANSWERERS; i++)
		sl_mpsc_free(race.tokens[i]);
	fixture_fini(&race.fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_from_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
