/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"
#include "control/fixture.h"
#include "control/spy.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Builds that are stopped for a newer change.  The linker leads the calls of the compiler through the
 * test (meson.build), which has other threads make their changes while a build is under way, waits until
 * these stand in the queue, and only then asks the control whether to go on.
 */

#define RIVALS_MAX 8
#define TOO_LARGE  "too-large" /* key of a filter that does not fit */

/* A change of another thread. */
struct rival {
	struct sl_control *control;
	pthread_t thread;
	const char *json; /* a filter to put; NULL: delete `key` */
	const char *key;
	uint32_t flags;
	uint64_t if_revision;
	enum sl_err code; /* of its first problem */
	int rc;
	uint64_t revision; /* as reported */
	struct sl_commit_report report;
};

static struct {
	struct fixture *f;
	struct rival *rivals; /* one for each build, in turn */
	unsigned int n_rivals;
	unsigned int n_started;
	unsigned int n_builds;
	unsigned int n_stopped;
} plot;

static void *
run_rival(void *arg)
{
	struct rival *rival = arg;
	struct sl_problems problems = {0};
	struct sl_edit_delete delete = {.type = SL_OBJECT_FILTER, .key = rival->key};
	struct sl_edit_object put = {.must_be_new = true};
	json_t *json;

	if (rival->json == NULL) {
		rival->rc = sl_control_change(rival->control, sl_control_edit_delete, &delete,
			rival->flags, rival->if_revision, &problems, &rival->report);
	} else {
		json = fixture_json(rival->json);
		put.object = sl_document_read_object(SL_OBJECT_FILTER, json, "",
			SL_LIFETIME_PERSISTENT, SL_ORIGIN_API, &problems);
		rival->rc = sl_control_change(rival->control, sl_control_edit_put, &put,
			rival->flags, rival->if_revision, &problems, &rival->report);
		sl_object_put(put.object);
		json_decref(json);
	}
	rival->revision = rival->report.revision;
	if (problems.n > 0)
		rival->code = problems.list[0].code;
	sl_problems_fini(&problems);
	return NULL;
}

/* Has the next rival stand in the queue. */
static void
start_rival(void)
{
	struct sl_control *control = plot.f->control;
	struct rival *rival = &plot.rivals[plot.n_started++];
	const struct change *first;

	rival->control = control;
	assert_int_equal(pthread_create(&rival->thread, NULL, run_rival, rival), 0);
	do {
		sched_yield();
		pthread_mutex_lock(&control->queue.mutex);
		first = control->queue.first;
		pthread_mutex_unlock(&control->queue.mutex);
	} while (first == NULL);
}

static void
join_rivals(void)
{
	assert_int_equal(plot.n_started, plot.n_rivals);
	for (unsigned int i = 0; i < plot.n_started; i++) {
		pthread_join(plot.rivals[i].thread, NULL);
		sl_commit_report_fini(&plot.rivals[i].report);
	}
}

int __real_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err);
int __wrap_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err);

int
__wrap_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err)
{
	plot.n_builds++;
	if (plot.n_started < plot.n_rivals)
		start_rival();
	if (!host->progress(host->ctx, 1, 2)) {
		plot.n_stopped++;
		return sl_error_set(err, SL_ERR_BUSY, NULL, "stopped");
	}
	if (sl_policy_find(policy, SL_OBJECT_FILTER, TOO_LARGE) != NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "too large");
	return __real_sl_snapshot_compile(policy, revision, previous, changes, host, out, err);
}

static void
plan(struct fixture *f, struct rival *rivals, unsigned int n)
{
	memset(&plot, 0, sizeof(plot));
	plot.f = f;
	plot.rivals = rivals;
	plot.n_rivals = n;
}

static void
assert_filters(struct fixture *f, const char *keys)
{
	char text[512] = "";
	struct sl_view view;
	const struct sl_object *object;

	sl_control_view_get(f->control, &view);
	object = sl_policy_next(view.policy, SL_OBJECT_FILTER, 0);
	for (; object != NULL; object = sl_policy_next(view.policy, SL_OBJECT_FILTER, object->id)) {
		assert_non_null(fake_plane_filter(f->fake, object->key));
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			text[0] != '\0' ? " " : "", object->key);
	}
	assert_string_equal(text, keys);
	assert_int_equal(fake_plane_snapshot(f->fake)->revision, view.revision);
	assert_int_equal(fake_plane_snapshot(f->fake)->n_filters,
		sl_policy_len(view.policy, SL_OBJECT_FILTER));
	sl_control_view_put(f->control, &view);
}

#define FILTER(key) "{'key':'" key "','name':'N','layer':'inbound_transport_v4','action':'block'}"
#define SPIED(key)                                                    \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v4'," \
	"'action':{'type':'callout_inspection','callout':'c'}}"

static void
test_one_build_for_both(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = FILTER("b")}};
	struct sl_build_info info;

	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	assert_int_equal(f->report.revision, 2);
	fixture_assert_keys(f->report.added, f->report.n_added, "filters/a");
	/* The other change is in force when the first returns: its thread only has to notice. */
	assert_filters(f, "a b");
	pthread_join(rivals[0].thread, NULL);
	assert_int_equal(rivals[0].rc, 0);
	assert_int_equal(rivals[0].report.revision, 2);
	assert_int_equal(rivals[0].report.n_filters, 2);
	fixture_assert_keys(rivals[0].report.added, rivals[0].report.n_added, "filters/b");
	sl_commit_report_fini(&rivals[0].report);
	assert_int_equal(plot.n_builds, 2);
	assert_int_equal(fake_plane_n_published(f->fake), 2);
	sl_control_build(f->control, &info);
	assert_int_equal(info.n_superseded, 1);
	assert_int_equal(info.commit.phase, SL_BUILD_IDLE);
}

/* However many come, those that wait are built in the end. */
static void
test_a_stream_of_changes(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[RIVALS_MAX] = {{.json = FILTER("b1")}, {.json = FILTER("b2")},
		{.json = FILTER("b3")}, {.json = FILTER("b4")}, {.json = FILTER("b5")}};

	plan(f, rivals, 5);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	assert_int_equal(plot.n_stopped, 4);
	join_rivals();
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(rivals[i].rc, 0);
	assert_filters(f, "a b1 b2 b3 b4 b5");
	assert_int_equal(sl_control_revision(f->control), 3);
}

static void
test_a_change_on_top_of_another(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.key = "a"}};

	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	join_rivals();
	assert_int_equal(rivals[0].rc, 0);
	assert_int_equal(plot.n_stopped, 1);
	assert_filters(f, "");
}

/* What the plugin refuses is refused alone. */
static void
test_only_the_guilty_one_is_refused(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = SPIED("veto")}};

	assert_int_equal(fixture_put(f, SL_OBJECT_CALLOUT,
				 "{'key':'c','name':'C','layer':'inbound_transport_v4','plugin':"
				 "'spy'}"),
		0);
	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, SPIED("good")), 0);
	join_rivals();
	assert_int_equal(rivals[0].rc, -sl_err_errno(SL_ERR_CALLOUT_NOTIFICATION_FAILED));
	assert_int_equal(rivals[0].code, SL_ERR_CALLOUT_NOTIFICATION_FAILED);
	assert_filters(f, "good");
	assert_int_equal(f->report.revision, 3);
	assert_int_equal(spy.n_added - spy.n_deleted, 1);
	plan(f, rivals, 0);
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "good"), 0);
}

/* It is refused, and the change that was made on top of it is made without it. */
static void
test_the_first_may_be_the_guilty_one(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = FILTER("good")}};

	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER(TOO_LARGE)), -ENOMEM);
	fixture_assert_problem(f, SL_ERR_NO_MEMORY, "", "too large");
	join_rivals();
	assert_int_equal(plot.n_stopped, 1);
	assert_int_equal(rivals[0].rc, 0);
	assert_int_equal(rivals[0].revision, 2);
	assert_filters(f, "good");
}

/* Neither fits, and each is told what it alone would need. */
static void
test_memory_refuses_each(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = FILTER("b")}};

	f->config.compile_memory_max = 1000;
	fixture_restart(f);
	plan(f, rivals, 0);
	assert_int_equal(sl_control_boot(f->control, &f->problems), 0);
	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), -ENOMEM);
	fixture_assert_problem(f, SL_ERR_NO_MEMORY, "", "the limit is 1000 bytes");
	assert_int_equal(f->problems.n_total, 1);
	join_rivals();
	assert_int_equal(rivals[0].rc, -ENOMEM);
	assert_int_equal(rivals[0].code, SL_ERR_NO_MEMORY);
	assert_filters(f, "");
	assert_int_equal(sl_control_revision(f->control), 1);
}

/* A change that cannot be made on top of one that is not in force waits for the outcome. */
static void
test_refusals_wait_for_the_outcome(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = FILTER("a")}};

	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	assert_int_equal(plot.n_builds, 2);
	assert_int_equal(plot.n_stopped, 1);
	join_rivals();
	assert_int_equal(rivals[0].rc, -EEXIST);
	assert_int_equal(rivals[0].code, SL_ERR_ALREADY_EXISTS);
	assert_filters(f, "a");
}

/* "The revision in force" is no revision that is being built. */
static void
test_conditions_on_the_revision(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = FILTER("b"), .if_revision = 1}};

	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	assert_int_equal(plot.n_stopped, 0);
	join_rivals();
	assert_int_equal(rivals[0].rc, -ESTALE);
	assert_filters(f, "a");
}

static void
test_dry_runs_stop_nothing(void **state)
{
	struct fixture *f = *state;
	struct rival rivals[] = {{.json = FILTER("b"), .flags = SL_CHANGE_DRY_RUN}};

	plan(f, rivals, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	assert_int_equal(plot.n_stopped, 0);
	join_rivals();
	assert_int_equal(rivals[0].rc, 0);
	assert_filters(f, "a");
}

static int
set_up(void **state)
{
	struct sl_error err;
	struct fixture *f;

	memset(&plot, 0, sizeof(plot));
	if (fixture_set_up_booted(state) != 0)
		return -1;
	f = *state;
	if (sl_control_plugin_register(f->control, &spy_callout, &err) != 0)
		return -1;
	return 0;
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_one_build_for_both),
		BOOTED(test_a_stream_of_changes),
		BOOTED(test_a_change_on_top_of_another),
		BOOTED(test_only_the_guilty_one_is_refused),
		BOOTED(test_the_first_may_be_the_guilty_one),
		BOOTED(test_memory_refuses_each),
		BOOTED(test_refusals_wait_for_the_outcome),
		BOOTED(test_conditions_on_the_revision),
		BOOTED(test_dry_runs_stop_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
