/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"
#include "control/spy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CALLOUT "'callouts':[{'key':'c','name':'C','layer':'inbound_transport_v4','plugin':'spy'}]"
#define SPIED(key)                                                    \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v4'," \
	"'action':{'type':'callout_inspection','callout':'c'}}"
#define SPIED_WITH(key, context)                                                                  \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v4','provider_context':'" context \
	"','action':{'type':'callout_inspection','callout':'c'}}"

/* What the plugin was told since the last look. */
struct told {
	struct spy before;
};

static void
look(struct told *told)
{
	told->before = spy;
}

static void
assert_told(struct told *told, uint32_t n_added, uint32_t n_refused, uint32_t n_deleted)
{
	assert_int_equal(spy.n_added - told->before.n_added, n_added);
	assert_int_equal(spy.n_refused - told->before.n_refused, n_refused);
	assert_int_equal(spy.n_deleted - told->before.n_deleted, n_deleted);
	look(told);
}

static const struct spy_filter *
context_of(struct fixture *f, const char *key)
{
	return (const struct spy_filter *)(uintptr_t)fake_plane_filter(f->fake, key)
		->binding.context;
}

static int
set_up(void **state)
{
	struct fixture *f;
	struct sl_error err;

	if (fixture_set_up_booted(state) != 0)
		return -1;
	f = *state;
	return sl_control_plugin_register(f->control, &spy_callout, &err);
}

/* Whatever a test did: every filter that a plugin took was given back. */
static int
tear_down(void **state)
{
	int rc = fixture_tear_down(state);

	if (spy.n_added != spy.n_deleted || spy.n_loaded != spy.n_unloaded)
		return -1;
	return rc;
}

/* --- Commits. --- */

static void
test_filters_are_announced(void **state)
{
	struct fixture *f = *state;
	struct told told;

	look(&told);
	assert_int_equal(
		fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "," SPIED("b") "]}"),
		0);
	assert_told(&told, 2, 0, 0);
	assert_non_null(fake_plane_filter(f->fake, "a")->binding.callout);
	assert_string_equal(context_of(f, "b")->key, "b");
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "a"), 0);
	assert_told(&told, 0, 0, 1);
	assert_string_equal(spy.last_deleted, "a");
	/* What did not change is told nothing. */
	assert_int_equal(
		fixture_put(f, SL_OBJECT_SUBLAYER, "{'key':'s','name':'S','weight':3}"), 0);
	assert_told(&told, 0, 0, 0);
}

static void
test_changed_filter_gets_a_new_context(void **state)
{
	struct fixture *f = *state;
	const struct spy_filter *old;
	struct told told;

	assert_int_equal(fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "]}"), 0);
	old = context_of(f, "a");
	look(&told);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER,
				 "{'key':'a','name':'Renamed','layer':'inbound_transport_v4',"
				 "'action':{'type':'callout_inspection','callout':'c'}}"),
		0);
	/* The new one first: both lived at the same time, so they are not the same. */
	assert_told(&told, 1, 0, 1);
	assert_ptr_not_equal(context_of(f, "a"), old);
	/* A filter that needs the plugin no more is given back. */
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER,
				 "{'key':'a','name':'N','layer':'inbound_transport_v4',"
				 "'action':'block'}"),
		0);
	assert_told(&told, 0, 0, 1);
	assert_null(fake_plane_filter(f->fake, "a")->binding.callout);
}

static void
test_changed_provider_context_is_told(void **state)
{
	struct fixture *f = *state;
	struct told told;

	assert_int_equal(
		fixture_put_policy(f,
			"{'provider_contexts':[{'key':'one','name':'O','data':{'number':1}},"
			"{'key':'two','name':'T','data':{'number':2}}]," CALLOUT
			",'filters':[" SPIED_WITH("a", "one") "," SPIED_WITH("b", "two") "," SPIED(
				"c") "]}"),
		0);
	assert_int_equal(context_of(f, "a")->number, 1);
	look(&told);
	assert_int_equal(fixture_put(f, SL_OBJECT_PROVIDER_CONTEXT,
				 "{'key':'two','name':'T','data':{'number':22}}"),
		0);
	assert_told(&told, 1, 0, 1);
	assert_int_equal(context_of(f, "a")->number, 1);
	assert_int_equal(context_of(f, "b")->number, 22);
	assert_int_equal(context_of(f, "c")->number, -1);
	/* One that refuses it refuses the change. */
	assert_int_equal(fixture_put(f, SL_OBJECT_PROVIDER_CONTEXT,
				 "{'key':'one','name':'O','data':{'refuse':1}}"),
		-EINVAL);
	fixture_assert_problem(f, SL_ERR_CALLOUT_NOTIFICATION_FAILED, "/filters/a", "spy");
	assert_told(&told, 0, 1, 0);
	assert_int_equal(context_of(f, "a")->number, 1);
}

static void
test_veto_rolls_everything_back(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;
	struct told told;
	const struct spy_filter *a;

	assert_int_equal(fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "]}"), 0);
	a = context_of(f, "a");
	sl_control_view_get(f->control, &view);
	look(&told);
	/* Three are taken, one of them a change, before the fourth is refused. */
	assert_int_equal(fixture_put_policy(f,
				 "{'provider_contexts':[{'key':'p','name':'P','data':{}}]," CALLOUT
				 ",'filters':[" SPIED_WITH("a", "p") "," SPIED("b") "," SPIED(
					 "c") "," SPIED("veto") "]}"),
		-EINVAL);
	fixture_assert_problem(
		f, SL_ERR_CALLOUT_NOTIFICATION_FAILED, "/filters/veto", "refused the filter");
	assert_told(&told, 3, 1, 3);
	fixture_assert_unchanged(f, &view);
	assert_ptr_equal(context_of(f, "a"), a);
	assert_string_equal(a->key, "a");
	sl_control_view_put(f->control, &view);
}

static void
test_dry_run_tells_plugins_nothing(void **state)
{
	struct fixture *f = *state;
	struct sl_plugin_info info;
	char text[4096];
	struct told told;

	assert_int_equal(fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "]}"), 0);
	look(&told);
	f->flags = SL_CHANGE_DRY_RUN;
	assert_int_equal(
		fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("b") "," SPIED("veto") "]}"),
		0);
	fixture_assert_keys(f->report.added, f->report.n_added, "filters/b filters/veto");
	assert_int_equal(fixture_put(f, SL_OBJECT_CALLOUT,
				 "{'key':'other','name':'O','layer':'inbound_transport_v4',"
				 "'plugin':'never-seen'}"),
		0);
	assert_int_equal(fixture_put_policy(f, "{}"), 0);
	assert_told(&told, 0, 0, 0);
	assert_string_equal(context_of(f, "a")->key, "a");
	assert_true(sl_control_plugin_info(f->control, 0, &info, text));
	assert_false(sl_control_plugin_info(f->control, 1, &info, text));
}

static void
test_compile_limit_gives_new_filters_back(void **state)
{
	struct fixture *f = *state;
	struct sl_problems problems = {0};
	struct told told;

	f->config.compile_memory_max = 1;
	fixture_restart(f);
	assert_int_equal(sl_control_boot(f->control, &problems), 0);
	look(&told);
	assert_int_equal(
		fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "]}"), -ENOMEM);
	assert_told(&told, 1, 0, 1);
	assert_null(fake_plane_filter(f->fake, "a"));
}

static void
test_too_many_plugin_names(void **state)
{
	struct fixture *f = *state;
	char json[400];
	int rc = 0;
	int n = 0;

	assert_int_equal(fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "]}"), 0);
	for (; n < 300 && rc == 0; n++) {
		snprintf(json, sizeof(json),
			"{'key':'c','name':'C','layer':'inbound_transport_v4','plugin':'p-%d'}", n);
		rc = fixture_put(f, SL_OBJECT_CALLOUT, json);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(n, SL_CALLOUT_PLUGINS_MAX);
	fixture_assert_problem(f, SL_ERR_TOO_MANY_CALLOUTS, "", "p-255");
}

/* --- Loading and unloading. --- */

static void
unload(struct fixture *f)
{
	struct sl_error err = {0};

	if (sl_control_plugin_unload(f->control, "spy", &err) != 0)
		fail_msg("%s", err.text);
}

static void
test_unload_unbinds(void **state)
{
	struct fixture *f = *state;
	uint32_t n_synchronized = fake_plane_n_synchronized(f->fake);
	struct told told;

	assert_int_equal(
		fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "," SPIED("b") "]}"),
		0);
	look(&told);
	unload(f);
	assert_told(&told, 0, 0, 2);
	assert_int_equal(spy.n_loaded, spy.n_unloaded);
	assert_int_equal(sl_control_revision(f->control), 3);
	assert_int_equal(fake_plane_n_synchronized(f->fake), n_synchronized + 1);
	assert_null(fake_plane_filter(f->fake, "a")->binding.callout);
	/* The policy keeps naming it. */
	assert_string_equal(fixture_filter(f, "a")->callout, "c");
}

static void
test_load_binds_what_was_waiting(void **state)
{
	struct fixture *f = *state;
	struct sl_filter_stats stats;
	struct sl_error err = {0};
	struct told told;

	unload(f);
	assert_int_equal(sl_control_revision(f->control), 1);
	look(&told);
	assert_int_equal(
		fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "," SPIED("b") "]}"),
		0);
	assert_told(&told, 0, 0, 0);
	assert_null(fake_plane_filter(f->fake, "a")->binding.callout);
	fake_plane_hit(f->fake, 0, "a", 60, 1);
	assert_int_equal(sl_control_plugin_register(f->control, &spy_callout, &err), 0);
	assert_told(&told, 2, 0, 0);
	assert_int_equal(sl_control_revision(f->control), 3);
	assert_non_null(fake_plane_filter(f->fake, "a")->binding.callout);
	assert_string_equal(context_of(f, "a")->key, "a");
	assert_true(sl_control_filter_stats(f->control, "a", &stats));
	assert_int_equal(stats.counter.packets, 1);
}

static void
test_load_is_refused_when_a_filter_is(void **state)
{
	struct fixture *f = *state;
	struct sl_error err = {0};
	struct sl_view view;
	struct told told;

	unload(f);
	assert_int_equal(
		fixture_put_policy(f, "{" CALLOUT ",'filters':[" SPIED("a") "," SPIED("veto") "]}"),
		0);
	sl_control_view_get(f->control, &view);
	look(&told);
	assert_int_equal(sl_control_plugin_register(f->control, &spy_callout, &err), -EINVAL);
	assert_int_equal(err.code, SL_ERR_CALLOUT_NOTIFICATION_FAILED);
	assert_non_null(strstr(err.text, "veto"));
	assert_told(&told, 1, 1, 1);
	assert_int_equal(spy.n_loaded, spy.n_unloaded);
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
	/* Without the filter it loads. */
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "veto"), 0);
	assert_int_equal(sl_control_plugin_register(f->control, &spy_callout, &err), 0);
}

static void
test_load_from_a_file(void **state)
{
	struct fixture *f = *state;
	struct sl_error err = {0};
	char name[65] = "";

	assert_int_equal(fixture_put_policy(f,
				 "{'callouts':[{'key':'c','name':'C','plugin':'count',"
				 "'layer':'inbound_transport_v4'}],'filters':[" SPIED("a") "]}"),
		0);
	assert_null(fake_plane_filter(f->fake, "a")->binding.callout);
	if (sl_control_plugin_load(f->control, PLUGIN_DIR "/count.so", name, &err) != 0)
		fail_msg("%s: %s", err.where, err.text);
	assert_string_equal(name, "count");
	assert_non_null(fake_plane_filter(f->fake, "a")->binding.callout);
	assert_int_equal(sl_control_revision(f->control), 3);
	assert_int_equal(sl_control_plugin_unload(f->control, "count", &err), 0);
	assert_null(fake_plane_filter(f->fake, "a")->binding.callout);
}

static void
test_unload_of_the_unknown(void **state)
{
	struct fixture *f = *state;
	struct sl_plugin_info info;
	struct sl_error err = {0};
	char text[4096];

	assert_int_equal(sl_control_plugin_unload(f->control, "nobody", &err), -ENOENT);
	assert_int_equal(err.code, SL_ERR_PLUGIN_NOT_FOUND);
	unload(f);
	assert_int_equal(sl_control_plugin_unload(f->control, "spy", &err), -ENOENT);
	/* Asking for it did not make it known. */
	assert_false(sl_control_plugin_info(f->control, 1, &info, text));
}

static void
test_load_of_no_plugin(void **state)
{
	struct fixture *f = *state;
	struct sl_error err = {0};
	char name[65];

	assert_int_equal(
		sl_control_plugin_load(f->control, "/nonexistent/x.so", name, &err) < 0, 1);
	assert_int_equal(err.code, SL_ERR_PLUGIN_REFUSED);
	assert_int_equal(sl_control_plugin_register(f->control, &spy_callout, &err), -EEXIST);
	assert_int_equal(err.code, SL_ERR_ALREADY_EXISTS);
	f->config.registry = NULL;
	fixture_restart(f);
	assert_int_equal(
		sl_control_plugin_load(f->control, "/nonexistent/x.so", name, &err), -ENOEXEC);
	assert_int_equal(sl_control_plugin_unload(f->control, "spy", &err), -ENOENT);
}

static void
test_plugins_are_listed(void **state)
{
	struct fixture *f = *state;
	struct sl_plugin_info info;
	char text[4096];

	assert_true(sl_control_plugin_info(f->control, 0, &info, text));
	assert_string_equal(info.name, "spy");
	assert_string_equal(info.description, "remembers what it was told");
	assert_true(info.name >= text && info.name < text + sizeof(text));
	assert_int_equal(info.state, SL_PLUGIN_LOADED);
	/* What a policy waits for is listed too. */
	assert_int_equal(fixture_put_policy(f,
				 "{'callouts':[{'key':'c','name':'C','plugin':'later',"
				 "'layer':'inbound_transport_v4'}],'filters':[" SPIED("a") "]}"),
		0);
	assert_true(sl_control_plugin_info(f->control, 1, &info, text));
	assert_string_equal(info.name, "later");
	assert_int_equal(info.state, SL_PLUGIN_ABSENT);
	assert_false(sl_control_plugin_info(f->control, 2, &info, text));
}

#define SPIED_ON(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SPIED_ON(test_filters_are_announced),
		SPIED_ON(test_changed_filter_gets_a_new_context),
		SPIED_ON(test_changed_provider_context_is_told),
		SPIED_ON(test_veto_rolls_everything_back),
		SPIED_ON(test_dry_run_tells_plugins_nothing),
		SPIED_ON(test_compile_limit_gives_new_filters_back),
		SPIED_ON(test_too_many_plugin_names),
		SPIED_ON(test_unload_unbinds),
		SPIED_ON(test_load_binds_what_was_waiting),
		SPIED_ON(test_load_is_refused_when_a_filter_is),
		SPIED_ON(test_load_from_a_file),
		SPIED_ON(test_unload_of_the_unknown),
		SPIED_ON(test_load_of_no_plugin),
		SPIED_ON(test_plugins_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
