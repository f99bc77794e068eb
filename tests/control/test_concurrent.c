/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"
#include "control/spy.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * Workers judge bursts, readers look at views, statistics and events, and writers change the policy
 * and load and unload a plugin, all at the same time.  Sanitizers see what is used out of time; the
 * assertions see what is torn.
 */

#define N_CHANGES 24 /* an even number: the second policy comes last */
#define N_READERS 2

struct race {
	struct fixture *f;
	atomic_bool is_over;
	_Atomic uint64_t n_torn;
	_Atomic uint64_t n_views;
	_Atomic uint32_t n_failed;
};

/*
 * The frames come from 198.51.100.7, which each policy blocks at one of two layers.  A burst that saw the
 * first layer of one revision and the second of the other lets them pass.
 */
#define SPIED "'callouts':[{'key':'c','name':'C','layer':'inbound_transport_v4','plugin':'spy'}],"
#define SPY_FILTER                                                                        \
	"{'key':'spied','name':'N','layer':'inbound_transport_v4','weight':{'range':15}," \
	"'action':{'type':'callout_inspection','callout':'c'}}"
#define FIRST(address)                                                                    \
	"{'key':'first','name':'N','layer':'inbound_ippacket_v4','conditions':[{'field':" \
	"'ip_remote_address','match':'equal','value':'" address "'}],'action':'block'}"
#define SECOND(address)                                                                     \
	"{'key':'second','name':'N','layer':'inbound_transport_v4','conditions':[{'field':" \
	"'ip_remote_address','match':'equal','value':'" address "'}],'action':'block'}"

static const char *const policies[] = {
	"{" SPIED "'filters':[" FIRST("198.51.100.7") "," SECOND("203.0.113.1") "," SPY_FILTER "]}",
	"{" SPIED "'filters':[" FIRST("203.0.113.1") "," SECOND("198.51.100.7") "," SPY_FILTER "]}",
};

static void
see_burst(void *ctx, uint32_t worker, const struct sl_snapshot *snapshot,
	const struct sl_outcome outcomes[FAKE_FRAMES])
{
	struct race *race = ctx;

	(void)worker;
	if (snapshot == NULL || snapshot->n_filters != 3)
		return;
	for (uint32_t i = 0; i < FAKE_FRAMES; i++) {
		if (outcomes[i].action != SL_VERDICT_BLOCK)
			atomic_fetch_add(&race->n_torn, 1);
	}
}

static void
look_at_view(struct race *race)
{
	struct sl_control *control = race->f->control;
	struct sl_filter_stats stats;
	struct sl_view view;
	json_t *document;
	size_t n;

	sl_control_view_get(control, &view);
	document = sl_document_write(view.policy, NULL, true);
	json_decref(document);
	(void)sl_policy_list(view.policy, SL_OBJECT_FILTER, &n);
	if (view.snapshot != NULL &&
		(view.snapshot->revision != view.revision || view.snapshot->n_filters != n))
		atomic_fetch_add(&race->n_torn, 1);
	(void)sl_control_filter_stats(control, "first", &stats);
	sl_control_view_put(control, &view);
	atomic_fetch_add(&race->n_views, 1);
}

static void *
read_all_the_time(void *ctx)
{
	struct race *race = ctx;
	struct sl_control *control = race->f->control;
	struct sl_event_entry entries[8];
	struct sl_plugin_info info;
	uint64_t first, last, lost;
	uint64_t since = 0;
	uint32_t n_current, n_workers;
	char text[4096];

	while (!atomic_load(&race->is_over)) {
		uint32_t n;

		look_at_view(race);
		n = sl_control_events(control, since, entries, 8, &first, &last, &lost);
		for (uint32_t i = 0; i < n; i++) {
			since = entries[i].id;
			/* Every event of these policies is credited to one of two filters. */
			if (strcmp(entries[i].filter, "first") != 0 &&
				strcmp(entries[i].filter, "second") != 0)
				atomic_fetch_add(&race->n_torn, 1);
		}
		(void)sl_control_ready(control, &n_current, &n_workers);
		(void)sl_control_plugin_info(control, 0, &info, text);
		sl_control_tick(control);
	}
	return NULL;
}

static int
put(struct sl_control *control, const char *json)
{
	json_t *document = fixture_json(json);
	struct sl_edit_policy edit = {
		.document = document, .lifetime = SL_LIFETIME_PERSISTENT, .origin = SL_ORIGIN_API};
	struct sl_problems problems = {0};
	int rc = sl_control_change(control, sl_control_edit_policy, &edit, 0, 0, &problems, NULL);

	for (size_t i = 0; i < problems.n; i++)
		print_error("%s\n", problems.list[i].detail);
	sl_problems_fini(&problems);
	json_decref(document);
	return rc;
}

static void *
swap_policies(void *ctx)
{
	struct race *race = ctx;

	for (int i = 0; i < N_CHANGES; i++) {
		if (put(race->f->control, policies[i % 2]) != 0)
			atomic_fetch_add(&race->n_failed, 1);
		fake_plane_wait_bursts(race->f->fake, 1);
	}
	return NULL;
}

/* A writer whose object is its own until the commit and shared from then on. */
static void *
put_objects(void *ctx)
{
	struct race *race = ctx;

	for (int i = 0; i < N_CHANGES; i++) {
		struct sl_edit_object edit = {0};
		struct sl_problems problems = {0};
		json_t *json = json_pack(
			"{s:s, s:s, s:i}", "key", "busy", "name", "Busy", "weight", i % 65536);

		edit.object = sl_document_read_object(SL_OBJECT_SUBLAYER, json, "",
			SL_LIFETIME_PERSISTENT, SL_ORIGIN_API, &problems);
		if (sl_control_change(race->f->control, sl_control_edit_put, &edit, 0, 0, &problems,
			    NULL) != 0)
			atomic_fetch_add(&race->n_failed, 1);
		sl_object_put(edit.object);
		json_decref(json);
		sl_problems_fini(&problems);
	}
	return NULL;
}

static void *
swap_plugins(void *ctx)
{
	struct race *race = ctx;

	for (int i = 0; i < N_CHANGES / 4; i++) {
		struct sl_error err;

		if (sl_control_plugin_register(race->f->control, &spy_callout, &err) != 0)
			atomic_fetch_add(&race->n_failed, 1);
		fake_plane_wait_bursts(race->f->fake, 1);
		if (sl_control_plugin_unload(race->f->control, "spy", &err) != 0)
			atomic_fetch_add(&race->n_failed, 1);
	}
	return NULL;
}

static void
test_readers_writers_and_workers(void **state)
{
	struct race race = {.f = *state};
	pthread_t readers[N_READERS];
	pthread_t writers[3];
	struct sl_error err;
	uint64_t n_calls = spy.n_calls;

	assert_int_equal(put(race.f->control, policies[1]), 0);
	assert_true(fake_plane_start(race.f->fake, see_burst, &race));
	for (int i = 0; i < N_READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &race), 0);
	assert_int_equal(pthread_create(&writers[0], NULL, swap_policies, &race), 0);
	assert_int_equal(pthread_create(&writers[1], NULL, put_objects, &race), 0);
	assert_int_equal(pthread_create(&writers[2], NULL, swap_plugins, &race), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(writers[i], NULL);
	/* However the threads fell: once more, with the plugin loaded and its filter visited. */
	assert_int_equal(sl_control_plugin_register(race.f->control, &spy_callout, &err), 0);
	fake_plane_wait_bursts(race.f->fake, 2);
	atomic_store(&race.is_over, true);
	for (int i = 0; i < N_READERS; i++)
		pthread_join(readers[i], NULL);
	fake_plane_stop(race.f->fake);
	assert_int_equal(race.n_failed, 0);
	assert_int_equal(race.n_torn, 0);
	assert_true(race.n_views > 0);
	assert_true(spy.n_calls > n_calls);
	assert_int_equal(spy.n_strange, 0);
}

/* The check above can fail: a single packet that passes is seen. */
static void
test_torn_policies_would_be_seen(void **state)
{
	struct race race = {.f = *state};
	struct sl_outcome outcomes[FAKE_FRAMES] = {0};

	assert_int_equal(put(race.f->control, policies[0]), 0);
	outcomes[1].action = SL_VERDICT_PERMIT;
	see_burst(&race, 0, fake_plane_snapshot(race.f->fake), outcomes);
	assert_int_equal(race.n_torn, 1);
}

static void
test_counts_are_exact_over_changes(void **state)
{
	struct fixture *f = *state;
	struct sl_filter_stats first, second;
	static struct sl_counters sum;

	assert_int_equal(put(f->control, policies[0]), 0);
	assert_true(fake_plane_start(f->fake, NULL, NULL));
	for (int i = 1; i <= 20; i++) {
		fake_plane_wait_bursts(f->fake, 1);
		assert_int_equal(put(f->control, policies[i % 2]), 0);
	}
	fake_plane_stop(f->fake);
	assert_true(sl_control_filter_stats(f->control, "first", &first));
	assert_true(sl_control_filter_stats(f->control, "second", &second));
	sl_control_counters(f->control, &sum);
	assert_true(first.counter.packets > 0);
	assert_true(second.counter.packets > 0);
	/* Every packet was blocked by one of the two; none was counted twice or forgotten. */
	assert_int_equal(
		first.counter.packets + second.counter.packets, sum.reasons[SL_REASON_FILTER]);
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

/* A plugin that keeps something for every flow comes and goes while the packets of these flows go on. */
static void
test_contexts_of_flows(void **state)
{
	struct fixture *f = *state;
	struct sl_error err = {0};

	assert_true(fake_plane_keep_flows(f->fake, 4096, 0));
	assert_int_equal(put(f->control,
				 "{'callouts':[{'key':'c','name':'C','layer':'datagram_data_v4',"
				 "'plugin':'spy'}],'filters':[{'key':'f','name':'N',"
				 "'layer':'datagram_data_v4','action':"
				 "{'type':'callout_inspection','callout':'c'}}]}"),
		0);
	assert_true(fake_plane_start(f->fake, NULL, NULL));
	for (int i = 0; i < N_CHANGES; i++) {
		const uint64_t n_associated = spy.n_associated;

		assert_int_equal(sl_control_plugin_register(f->control, &spy_callout, &err), 0);
		fake_plane_wait_bursts(f->fake, 2);
		assert_true(spy.n_associated > n_associated);
		if (sl_control_plugin_unload(f->control, "spy", &err) != 0)
			fail_msg("%s", err.text);
		assert_int_equal(spy.n_gone, spy.n_associated);
		assert_int_equal(spy.n_strange, 0);
	}
	/* With the workers go their tables, and what is in them. */
	assert_int_equal(sl_control_plugin_register(f->control, &spy_callout, &err), 0);
	fake_plane_wait_bursts(f->fake, 2);
	fake_plane_stop(f->fake);
	assert_int_equal(spy.n_gone, spy.n_associated);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_readers_writers_and_workers),
		BOOTED(test_torn_policies_would_be_seen),
		BOOTED(test_counts_are_exact_over_changes),
		BOOTED(test_contexts_of_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
