/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TELNET                                                                              \
	"{'key':'telnet','name':'Telnet','layer':'inbound_transport_v4','sublayer':'edge'," \
	"'conditions':[{'field':'ip_local_port','match':'equal','value':23}],'action':'block'}"
#define WEB                                                                            \
	"{'key':'web','name':'Web','layer':'outbound_transport_v4','sublayer':'edge'," \
	"'conditions':[{'field':'ip_remote_port','match':'equal','value':80}],'action':'permit'}"
#define EDGE "{'key':'edge','name':'Edge','weight':40000}"

#define POLICY "{'sublayers':[" EDGE "],'filters':[" TELNET "," WEB "]}"

static void
test_nothing_is_in_force_before_boot(void **state)
{
	struct fixture *f = *state;
	uint32_t n_current, n_workers;
	struct sl_view view;

	sl_control_view_get(f->control, &view);
	assert_non_null(view.policy);
	assert_null(view.snapshot);
	assert_int_equal(view.revision, 0);
	sl_control_view_put(f->control, &view);
	assert_null(fake_plane_snapshot(f->fake));
	assert_false(sl_control_ready(f->control, &n_current, &n_workers));
	assert_int_equal(n_workers, 2);
}

static void
test_boot_puts_the_empty_policy_in_force(void **state)
{
	struct fixture *f = *state;
	uint32_t n_current, n_workers;

	assert_int_equal(sl_control_revision(f->control), 1);
	assert_non_null(fake_plane_snapshot(f->fake));
	assert_int_equal(fake_plane_snapshot(f->fake)->n_filters, 0);
	fake_plane_set_running(f->fake, 1, true);
	assert_true(sl_control_ready(f->control, &n_current, &n_workers));
	assert_int_equal(n_current, 1);
	assert_int_equal(n_workers, 2);
}

static void
test_commit_publishes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	assert_int_equal(sl_control_revision(f->control), 2);
	assert_int_equal(f->report.revision, 2);
	assert_int_equal(f->report.n_filters, 2);
	assert_true(f->report.compiled_bytes > 0);
	assert_true(f->report.compile_ns > 0);
	assert_int_equal(fake_plane_n_published(f->fake), 2);
	assert_int_equal(fake_plane_snapshot(f->fake)->revision, 2);
	assert_non_null(fake_plane_filter(f->fake, "telnet"));
}

static void
test_same_policy_is_no_commit(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	sl_control_view_get(f->control, &view);
	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	assert_int_equal(f->report.revision, 2);
	assert_int_equal(f->report.n_filters, 2);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, TELNET), 0);
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
	assert_int_equal(fake_plane_n_published(f->fake), 2);
}

static void
test_bad_reference_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	sl_control_view_get(f->control, &view);
	assert_int_equal(fixture_put_policy(f,
				 "{'filters':[{'key':'a','name':'A','layer':"
				 "'inbound_transport_v4','action':'block'}," TELNET "]}"),
		-ENOENT);
	fixture_assert_problem(f, SL_ERR_SUBLAYER_NOT_FOUND, "/filters/1/sublayer", "\"edge\"");
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER,
				 "{'key':'b','name':'B','layer':'inbound_transport_v4',"
				 "'sublayer':'nowhere','action':'block'}"),
		-ENOENT);
	fixture_assert_problem(f, SL_ERR_SUBLAYER_NOT_FOUND, "/sublayer", "\"nowhere\"");
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
}

static void
test_revision_mismatch_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;

	sl_control_view_get(f->control, &view);
	f->if_revision = 7;
	assert_int_equal(fixture_put_policy(f, POLICY), -ESTALE);
	fixture_assert_problem(f, SL_ERR_REVISION_MISMATCH, "", "revision 1 is in force");
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
	f->if_revision = 1;
	assert_int_equal(fixture_put_policy(f, POLICY), 0);
}

static void
test_compile_limit_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct sl_problems problems = {0};
	struct sl_view view;

	f->config.compile_memory_max = 1;
	fixture_restart(f);
	assert_int_equal(sl_control_boot(f->control, &problems), 0);
	sl_control_view_get(f->control, &view);
	assert_int_equal(fixture_put_policy(f, POLICY), -ENOMEM);
	assert_int_equal(f->problems.n, 1);
	assert_int_equal(f->problems.list[0].code, SL_ERR_NO_MEMORY);
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
}

#define PORT(port)                                                                                 \
	"{'filters':[{'key':'" port "','name':'N','layer':'inbound_transport_v4',"                 \
	"'conditions':[{'field':'ip_local_port','match':'equal','value':" port "}],"               \
	"'action':'block'},{'key':'b','name':'N','layer':'inbound_transport_v4','action':'permit'" \
	"}],"                                                                                      \
	"'sublayers':[{'key':'s" port "','name':'S','weight':7}]}"

/* Older revisions count for as long as somebody reads them. */
static void
test_what_is_being_read_counts(void **state)
{
	struct fixture *f = *state;
	struct sl_problems problems = {0};
	struct sl_build_info info;
	struct sl_view view;
	size_t bytes;

	assert_int_equal(fixture_put_policy(f, PORT("21")), 0);
	bytes = f->report.compiled_bytes;
	f->config.compile_memory_max = bytes + bytes / 2;
	fixture_restart(f);
	assert_int_equal(sl_control_boot(f->control, &problems), 0);
	assert_int_equal(fixture_put_policy(f, PORT("21")), 0);
	sl_control_view_get(f->control, &view);
	sl_control_build(f->control, &info);
	assert_int_equal(info.held_bytes, 0);
	assert_int_equal(fixture_put_policy(f, PORT("22")), 0);
	sl_control_build(f->control, &info);
	assert_true(info.held_bytes > bytes / 2);
	assert_int_equal(fixture_put_policy(f, PORT("23")), -ENOMEM);
	fixture_assert_problem(f, SL_ERR_NO_MEMORY, "", "need at least");
	fixture_assert_problem(f, SL_ERR_NO_MEMORY, "", "are held by older revisions");
	assert_int_equal(sl_control_revision(f->control), 3);
	sl_control_view_put(f->control, &view);
	assert_int_equal(fixture_put_policy(f, PORT("23")), 0);
	sl_control_build(f->control, &info);
	assert_int_equal(info.held_bytes, 0);
}

static void
test_dry_run_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	sl_control_view_get(f->control, &view);
	f->flags = SL_CHANGE_DRY_RUN;
	assert_int_equal(fixture_put_policy(f, "{'sublayers':[" EDGE "],'filters':[" WEB "]}"), 0);
	fixture_assert_keys(f->report.removed, f->report.n_removed, "filters/telnet");
	assert_int_equal(f->report.revision, 2);
	assert_int_equal(f->report.n_filters, 1);
	fixture_assert_unchanged(f, &view);
	assert_int_equal(fixture_put_policy(f, "{'filters':[" WEB "]}"), -ENOENT);
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
	assert_int_equal(fake_plane_n_published(f->fake), 2);
}

static void
test_report_tells_the_difference(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	fixture_assert_keys(
		f->report.added, f->report.n_added, "sublayers/edge filters/telnet filters/web");
	assert_int_equal(fixture_put_policy(f,
				 "{'sublayers':[{'key':'edge','name':'Edge','weight':41000}],"
				 "'filters':[" WEB ",{'key':'new','name':'New','layer':"
				 "'inbound_transport_v4','action':'permit'}]}"),
		0);
	fixture_assert_keys(f->report.added, f->report.n_added, "filters/new");
	fixture_assert_keys(f->report.removed, f->report.n_removed, "filters/telnet");
	fixture_assert_keys(f->report.changed, f->report.n_changed, "sublayers/edge");
}

static void
test_report_holds_lints(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f,
				 "{'sublayers':[{'key':'one','name':'One','weight':7},"
				 "{'key':'two','name':'Two','weight':7}]}"),
		0);
	assert_int_equal(f->report.n_lints, 1);
	assert_string_equal(f->report.lints[0].code, "sublayer_weight_tie");
	assert_null(f->report.lints[0].object);
	assert_non_null(strstr(f->report.lints[0].detail, "\"two\""));
}

static void
test_counters_survive_updates(void **state)
{
	struct fixture *f = *state;
	struct sl_filter_stats stats;

	f->now_ns = 5000;
	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	fake_plane_hit(f->fake, 0, "telnet", 60, 6000);
	fake_plane_hit(f->fake, 1, "telnet", 100, 7000);
	f->now_ns = 8000;
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER,
				 "{'key':'telnet','name':'Telnet','sublayer':'edge',"
				 "'layer':'inbound_transport_v4','action':'permit'}"),
		0);
	fake_plane_hit(f->fake, 0, "telnet", 40, 9000);
	assert_true(sl_control_filter_stats(f->control, "telnet", &stats));
	assert_int_equal(stats.counter.packets, 3);
	assert_int_equal(stats.counter.bytes, 200);
	assert_int_equal(stats.counter.last_hit_ns, 9000);
	assert_int_equal(stats.since_ns, 5000);
	/* Also when the whole policy is put again in another shape. */
	assert_int_equal(
		fixture_put_policy(f, "{'sublayers':[" EDGE "],'filters':[" TELNET "]}"), 0);
	assert_true(sl_control_filter_stats(f->control, "telnet", &stats));
	assert_int_equal(stats.counter.packets, 3);
}

static void
test_counters_of_a_new_key_begin_at_zero(void **state)
{
	struct fixture *f = *state;
	struct sl_filter_stats stats;
	uint32_t counter;

	assert_false(sl_control_filter_stats(f->control, "telnet", &stats));
	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	fake_plane_hit(f->fake, 0, "telnet", 60, 6000);
	fake_plane_hit(f->fake, 1, "telnet", 60, 6000);
	counter = fake_plane_filter(f->fake, "telnet")->binding.counter;
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "telnet"), 0);
	assert_false(sl_control_filter_stats(f->control, "telnet", &stats));
	f->now_ns = 9000;
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER,
				 "{'key':'other','name':'Other',"
				 "'layer':'inbound_transport_v4','action':'permit'}"),
		0);
	/* The index is used again, the numbers are not. */
	assert_int_equal(fake_plane_filter(f->fake, "other")->binding.counter, counter);
	assert_true(sl_control_filter_stats(f->control, "other", &stats));
	assert_int_equal(stats.counter.packets, 0);
	assert_int_equal(stats.counter.last_hit_ns, 0);
	assert_int_equal(stats.since_ns, 9000);
}

static void
test_refused_commit_keeps_counters(void **state)
{
	struct fixture *f = *state;
	struct sl_filter_stats stats;
	uint32_t counter;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	counter = fake_plane_filter(f->fake, "telnet")->binding.counter;
	fake_plane_hit(f->fake, 0, "telnet", 60, 6000);
	f->flags = SL_CHANGE_DRY_RUN;
	assert_int_equal(fixture_put_policy(f, "{}"), 0);
	assert_int_equal(fixture_put_policy(f,
				 "{'filters':[{'key':'n','name':'N',"
				 "'layer':'inbound_transport_v4','action':'permit'}]}"),
		0);
	assert_false(sl_control_filter_stats(f->control, "n", &stats));
	assert_true(sl_control_filter_stats(f->control, "telnet", &stats));
	assert_int_equal(stats.counter.packets, 1);
	assert_int_equal(fake_plane_filter(f->fake, "telnet")->binding.counter, counter);
}

static void
test_views_stay_as_they_were(void **state)
{
	struct fixture *f = *state;
	struct sl_view views[3];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			i == 1 ? fixture_put_policy(f, "{}") : fixture_put_policy(f, POLICY), 0);
		sl_control_view_get(f->control, &views[i]);
	}
	assert_int_equal(fixture_put_policy(f, "{}"), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(views[i].revision, 2 + i);
		assert_int_equal(views[i].snapshot->revision, 2 + i);
		assert_int_equal(sl_policy_len(views[i].policy, SL_OBJECT_FILTER), i == 1 ? 0 : 2);
	}
	/* In an order of their own; putting twice is harmless. */
	sl_control_view_put(f->control, &views[1]);
	sl_control_view_put(f->control, &views[0]);
	sl_control_view_put(f->control, &views[0]);
	assert_string_equal(sl_policy_find(views[2].policy, SL_OBJECT_FILTER, "web")->name, "Web");
	sl_control_view_put(f->control, &views[2]);
	sl_control_tick(f->control);
}

static int
refuse(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	int *n_calls = ctx;

	(*n_calls)++;
	/* Whatever an edit did before it refuses is thrown away. */
	sl_policy_remove_if(policy, SL_OBJECT_FILTER, NULL, NULL);
	sl_problems_add(problems, SL_ERR_BUSY, "/x", "not now");
	return -EAGAIN;
}

static void
test_edit_may_refuse(void **state)
{
	struct fixture *f = *state;
	struct sl_problems problems = {0};
	struct sl_view view;
	int n_calls = 0;

	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	sl_control_view_get(f->control, &view);
	assert_int_equal(
		sl_control_change(f->control, refuse, &n_calls, 0, 0, &problems, NULL), -EAGAIN);
	assert_int_equal(n_calls, 1);
	assert_int_equal(problems.n, 1);
	assert_int_equal(sl_policy_len(view.policy, SL_OBJECT_FILTER), 2);
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
	sl_problems_fini(&problems);
}

static void
test_mode_reaches_the_plane(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sl_control_mode(f->control), SL_MODE_INLINE);
	sl_control_set_mode(f->control, SL_MODE_BLOCK);
	assert_int_equal(sl_control_mode(f->control), SL_MODE_BLOCK);
	assert_int_equal(fake_plane_mode(f->fake), SL_MODE_BLOCK);
}

static void
test_plane_may_come_later(void **state)
{
	struct fixture *f = *state;
	struct sl_problems problems = {0};
	uint32_t n_current, n_workers;

	f->config.plane = NULL;
	fixture_restart(f);
	assert_int_equal(sl_control_boot(f->control, &problems), 0);
	sl_control_set_mode(f->control, SL_MODE_MONITOR);
	assert_int_equal(fixture_put_policy(f, POLICY), 0);
	assert_false(sl_control_ready(f->control, &n_current, &n_workers));
	assert_null(fake_plane_snapshot(f->fake));
	sl_control_attach(f->control, fake_plane_ops(f->fake));
	assert_int_equal(fake_plane_snapshot(f->fake)->revision, 2);
	assert_int_equal(fake_plane_mode(f->fake), SL_MODE_MONITOR);
	assert_true(sl_control_ready(f->control, &n_current, &n_workers));
}

static void
test_counters_are_summed(void **state)
{
	struct fixture *f = *state;
	const struct sl_plane *plane = sl_control_plane(f->control);
	static struct sl_counters sum;

	for (uint32_t w = 0; w < 2; w++) {
		struct sl_counters *counters = plane->ops->counters(plane->ctx, w);

		sl_counter_add(&counters->reasons[SL_REASON_FILTER], 3 + w);
		sl_counter_add(&counters->worker.bursts, 10);
	}
	sum.worker.bursts = 99;
	sl_control_counters(f->control, &sum);
	assert_int_equal(sum.reasons[SL_REASON_FILTER], 7);
	assert_int_equal(sum.worker.bursts, 20);
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_nothing_is_in_force_before_boot, fixture_set_up, fixture_tear_down),
		BOOTED(test_boot_puts_the_empty_policy_in_force),
		BOOTED(test_commit_publishes),
		BOOTED(test_same_policy_is_no_commit),
		BOOTED(test_bad_reference_changes_nothing),
		BOOTED(test_revision_mismatch_changes_nothing),
		BOOTED(test_compile_limit_changes_nothing),
		BOOTED(test_what_is_being_read_counts),
		BOOTED(test_dry_run_changes_nothing),
		BOOTED(test_report_tells_the_difference),
		BOOTED(test_report_holds_lints),
		BOOTED(test_counters_survive_updates),
		BOOTED(test_counters_of_a_new_key_begin_at_zero),
		BOOTED(test_refused_commit_keeps_counters),
		BOOTED(test_views_stay_as_they_were),
		BOOTED(test_edit_may_refuse),
		BOOTED(test_mode_reaches_the_plane),
		BOOTED(test_plane_may_come_later),
		BOOTED(test_counters_are_summed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
