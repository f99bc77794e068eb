/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- One object. --- */

static void
test_put_adds_then_replaces(void **state)
{
	struct fixture *f = *state;
	uint64_t id;

	assert_int_equal(
		fixture_put(f, SL_OBJECT_SUBLAYER, "{'key':'s','name':'S','weight':1}"), 0);
	fixture_assert_keys(f->report.added, f->report.n_added, "sublayers/s");
	id = fixture_find(f, SL_OBJECT_SUBLAYER, "s")->id;
	assert_int_equal(
		fixture_put(f, SL_OBJECT_SUBLAYER, "{'key':'s','name':'S','weight':2}"), 0);
	fixture_assert_keys(f->report.changed, f->report.n_changed, "sublayers/s");
	assert_int_equal(fixture_find(f, SL_OBJECT_SUBLAYER, "s")->id, id);
	assert_int_equal(sl_sublayer_of(fixture_find(f, SL_OBJECT_SUBLAYER, "s"))->weight, 2);
	assert_int_equal(sl_control_revision(f->control), 3);
}

static void
test_post_refuses_what_exists(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_post(f, SL_OBJECT_PROVIDER, "{'key':'p','name':'P'}"), 0);
	assert_int_equal(fixture_post(f, SL_OBJECT_PROVIDER, "{'key':'p','name':'P'}"), -EEXIST);
	fixture_assert_problem(f, SL_ERR_ALREADY_EXISTS, "/key", "\"p\"");
	assert_int_equal(sl_control_revision(f->control), 2);
}

static void
test_put_tells_whether_it_was_new(void **state)
{
	struct fixture *f = *state;
	json_t *json = fixture_json("{'key':'p','name':'P'}");
	struct sl_edit_object edit = {0};

	for (int i = 0; i < 2; i++) {
		edit.object = sl_document_read_object(SL_OBJECT_PROVIDER, json, "",
			SL_LIFETIME_STATIC, SL_ORIGIN_API, &f->problems);
		assert_int_equal(sl_control_change(f->control, sl_control_edit_put, &edit, 0, 0,
					 &f->problems, NULL),
			0);
		assert_int_equal(edit.was_new, i == 0);
		sl_object_put(edit.object);
	}
	json_decref(json);
}

static void
test_built_in_objects_stay(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fixture_put(f, SL_OBJECT_SUBLAYER, "{'key':'universal','name':'U','weight':9}"),
		-EPERM);
	fixture_assert_problem(f, SL_ERR_BUILTIN_OBJECT, "", "universal");
	assert_int_equal(fixture_delete(f, SL_OBJECT_SUBLAYER, "universal"), -EPERM);
	fixture_assert_problem(f, SL_ERR_BUILTIN_OBJECT, "", "universal");
	assert_int_equal(sl_control_revision(f->control), 1);
}

static void
test_delete_refuses_what_is_in_use(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f,
				 "{'sublayers':[{'key':'s','name':'S','weight':1}],"
				 "'filters':[{'key':'f','name':'F','sublayer':'s',"
				 "'layer':'inbound_transport_v4','action':'block'}]}"),
		0);
	assert_int_equal(fixture_delete(f, SL_OBJECT_SUBLAYER, "s"), -EBUSY);
	fixture_assert_problem(f, SL_ERR_IN_USE, "", "filter \"f\"");
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "f"), 0);
	assert_int_equal(fixture_delete(f, SL_OBJECT_SUBLAYER, "s"), 0);
	assert_int_equal(fixture_delete(f, SL_OBJECT_SUBLAYER, "s"), -ENOENT);
	fixture_assert_problem(f, SL_ERR_SUBLAYER_NOT_FOUND, "", "\"s\"");
	fixture_assert_policy(f, "{}");
}

static void
test_put_checks_those_who_refer(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f,
				 "{'sets':[{'key':'s','name':'S','type':'v4_prefix'}],"
				 "'filters':[{'key':'f','name':'F','layer':'inbound_transport_v4',"
				 "'conditions':[{'field':'ip_remote_address','match':'in_set',"
				 "'value':'s'}],'action':'block'}]}"),
		0);
	assert_int_equal(
		fixture_put(f, SL_OBJECT_SET, "{'key':'s','name':'S','type':'mac'}"), -EINVAL);
	fixture_assert_problem(f, SL_ERR_TYPE_MISMATCH, "/filters/f/conditions/0/value", "\"s\"");
}

/* --- The whole policy. --- */

#define FILTER(key, action) \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v4','action':'" action "'}"
#define FILTER_V6(key) \
	"{'key':'" key "','name':'N','layer':'inbound_transport_v6','action':'block'}"

static void
test_get_after_put_equals_what_was_put(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;
	json_t *first, *second;

	assert_int_equal(
		fixture_put_policy(f,
			"{'providers':[{'key':'p','name':'P'}],"
			"'sublayers':[{'key':'s','name':'S','weight':5,'provider':'p'}],"
			"'sets':[{'key':'b','name':'B','type':'uint16','elements':[80,'90-99']}],"
			"'filters':[" FILTER("b", "block") "," FILTER("a", "permit") "]}"),
		0);
	sl_control_view_get(f->control, &view);
	first = sl_document_write(view.policy, NULL, false);
	sl_control_view_put(f->control, &view);
	/* By way of nothing at all, so that every object is made anew. */
	assert_int_equal(fixture_put_policy(f, "{}"), 0);
	fixture_assert_policy(f, "{}");
	{
		struct sl_edit_policy edit = {.document = first,
			.lifetime = SL_LIFETIME_PERSISTENT,
			.origin = SL_ORIGIN_API};

		assert_int_equal(sl_control_change(f->control, sl_control_edit_policy, &edit, 0, 0,
					 &f->problems, NULL),
			0);
	}
	sl_control_view_get(f->control, &view);
	second = sl_document_write(view.policy, NULL, false);
	sl_control_view_put(f->control, &view);
	assert_true(json_equal(first, second));
	json_decref(first);
	json_decref(second);
}

static void
test_unchanged_objects_keep_their_identity(void **state)
{
	struct fixture *f = *state;
	const struct sl_filter *kept, *changed;
	uint64_t changed_id;
	const struct sl_layer_program *v6;

	assert_int_equal(fixture_put_policy(f,
				 "{'filters':[" FILTER("kept", "block") "," FILTER(
					 "changed", "block") "," FILTER_V6("v6") "]}"),
		0);
	kept = fixture_filter(f, "kept");
	changed = fixture_filter(f, "changed");
	changed_id = changed->object.id;
	v6 = fake_plane_snapshot(f->fake)->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V6];
	assert_non_null(v6);
	assert_int_equal(fixture_put_policy(f,
				 "{'filters':[" FILTER_V6("v6") "," FILTER(
					 "kept", "block") "," FILTER("changed", "permit") "]}"),
		0);
	assert_ptr_equal(fixture_filter(f, "kept"), kept);
	assert_int_equal(fixture_filter(f, "changed")->object.id, changed_id);
	assert_int_equal(fixture_filter(f, "changed")->action, SLUICE_ACTION_PERMIT);
	fixture_assert_keys(f->report.changed, f->report.n_changed, "filters/changed");
	assert_int_equal(f->report.n_added + f->report.n_removed, 0);
	/* What did not change was not compiled again. */
	assert_ptr_equal(
		fake_plane_snapshot(f->fake)->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V6], v6);
}

/* The keys of a layer's filters in arbitration order. */
static void
assert_order(struct fixture *f, enum sluice_layer layer, const char *wanted)
{
	const struct sl_layer_program *program = fake_plane_snapshot(f->fake)->layers[layer];
	char found[200] = "";

	assert_non_null(program);
	for (uint32_t rank = 0; rank < program->n_filters; rank++) {
		strcat(found, program->filters[rank].object->object.key);
		strcat(found, rank + 1 < program->n_filters ? " " : "");
	}
	assert_string_equal(found, wanted);
}

static void
test_document_order_decides_ties(void **state)
{
	struct fixture *f = *state;
	struct sl_filter_stats stats;
	const struct sl_filter *a;

	assert_int_equal(fixture_put_policy(f,
				 "{'filters':[" FILTER("a", "block") "," FILTER(
					 "b", "permit") "," FILTER_V6("v6") "]}"),
		0);
	assert_order(f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, "a b");
	a = fixture_filter(f, "a");
	fake_plane_hit(f->fake, 0, "a", 60, 1);
	/* The other way round, with a new one in front: as if it were read for the first time. */
	assert_int_equal(
		fixture_put_policy(f,
			"{'filters':[" FILTER("c", "block") "," FILTER("b", "permit") "," FILTER(
				"a", "block") "," FILTER_V6("v6") "]}"),
		0);
	assert_order(f, SLUICE_LAYER_INBOUND_TRANSPORT_V4, "c b a");
	assert_ptr_not_equal(fixture_filter(f, "a"), a);
	fixture_assert_keys(f->report.added, f->report.n_added, "filters/c");
	fixture_assert_keys(f->report.changed, f->report.n_changed, "filters/a filters/b");
	/* A new place, the same counters. */
	assert_true(sl_control_filter_stats(f->control, "a", &stats));
	assert_int_equal(stats.counter.packets, 1);
	/* What is equal to nothing here kept its id although it stands elsewhere. */
	assert_int_equal(fixture_filter(f, "v6")->object.id, 3);
}

static void
test_equals_in_order_keep_their_ids(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fixture_put_policy(
			f, "{'filters':[" FILTER("a", "block") "," FILTER("b", "permit") "]}"),
		0);
	assert_int_equal(fixture_put_policy(f,
				 "{'filters':[" FILTER("a", "block") "," FILTER(
					 "b", "permit") "," FILTER("c", "permit") "]}"),
		0);
	assert_int_equal(fixture_filter(f, "a")->object.id, 1);
	assert_int_equal(fixture_filter(f, "b")->object.id, 2);
	assert_int_equal(fixture_filter(f, "c")->object.id, 3);
	assert_int_equal(f->report.n_changed, 0);
}

static void
test_equal_sublayers_keep_document_order(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f,
				 "{'sublayers':[{'key':'x','name':'X','weight':5},"
				 "{'key':'y','name':'Y','weight':5},"
				 "{'key':'z','name':'Z','weight':6}]}"),
		0);
	assert_true(fixture_find(f, SL_OBJECT_SUBLAYER, "x")->id <
		fixture_find(f, SL_OBJECT_SUBLAYER, "y")->id);
	assert_int_equal(fixture_put_policy(f,
				 "{'sublayers':[{'key':'z','name':'Z','weight':6},"
				 "{'key':'y','name':'Y','weight':5},"
				 "{'key':'x','name':'X','weight':5}]}"),
		0);
	assert_true(fixture_find(f, SL_OBJECT_SUBLAYER, "x")->id >
		fixture_find(f, SL_OBJECT_SUBLAYER, "y")->id);
	fixture_assert_keys(f->report.changed, f->report.n_changed, "sublayers/x");
}

static void
test_every_fault_is_told(void **state)
{
	struct fixture *f = *state;

	assert_true(fixture_put_policy(f,
			    "{'filters':[{'key':'a','name':'A','layer':'nowhere','action':'block'}"
			    ",{'key':'b','name':'B','layer':'inbound_transport_v4'}],'x':1}") < 0);
	fixture_assert_problem(f, SL_ERR_LAYER_NOT_FOUND, "/filters/0/layer", "nowhere");
	fixture_assert_problem(f, SL_ERR_RESERVED, "/x", "");
	assert_true(f->problems.n >= 3);
	fixture_assert_policy(f, "{}");
}

/* --- One provider's part. --- */

#define TWO_PROVIDERS                                                             \
	"{'providers':[{'key':'p','name':'P'},{'key':'q','name':'Q'}],"           \
	"'sublayers':[{'key':'shared','name':'S','weight':5}],"                   \
	"'filters':[{'key':'of-p','name':'N','provider':'p','sublayer':'shared'," \
	"'layer':'inbound_transport_v4','action':'block'},"                       \
	"{'key':'of-q','name':'N','provider':'q','layer':'inbound_transport_v4'," \
	"'action':'block'}]}"

static void
test_provider_replaces_its_own(void **state)
{
	struct fixture *f = *state;
	const struct sl_filter *of_q;

	assert_int_equal(fixture_put_policy(f, TWO_PROVIDERS), 0);
	of_q = fixture_filter(f, "of-q");
	assert_int_equal(fixture_put_part(f, "p",
				 "{'filters':[{'key':'new','name':'N','provider':'p',"
				 "'sublayer':'shared','layer':'inbound_transport_v4',"
				 "'action':'permit'}]}"),
		0);
	fixture_assert_keys(f->report.added, f->report.n_added, "filters/new");
	fixture_assert_keys(f->report.removed, f->report.n_removed, "filters/of-p");
	assert_ptr_equal(fixture_filter(f, "of-q"), of_q);
	assert_non_null(fixture_find(f, SL_OBJECT_PROVIDER, "p"));
	/* Saying that there is no such provider removes it. */
	assert_int_equal(fixture_put_part(f, "p", "{'providers':[]}"), 0);
	fixture_assert_keys(f->report.removed, f->report.n_removed, "providers/p filters/new");
}

static void
test_provider_may_not_touch_others(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;

	assert_int_equal(fixture_put_policy(f, TWO_PROVIDERS), 0);
	sl_control_view_get(f->control, &view);
	assert_true(fixture_put_part(f, "p",
			    "{'providers':[{'key':'p','name':'P'},{'key':'r','name':'R'}],"
			    "'filters':[" FILTER("new", "block") "]}") < 0);
	fixture_assert_problem(f, SL_ERR_INVALID_PARAMETER, "/providers/1", "\"p\"");
	fixture_assert_problem(f, SL_ERR_INVALID_PARAMETER, "/filters/0", "\"p\"");
	assert_true(fixture_put_part(f, "p",
			    "{'filters':[{'key':'of-q','name':'N','provider':'p',"
			    "'layer':'inbound_transport_v4','action':'block'}]}") < 0);
	fixture_assert_problem(f, SL_ERR_ALREADY_EXISTS, "/filters/0/key", "of-q");
	assert_int_equal(fixture_put_part(f, "unknown", "{}"), -ENOENT);
	fixture_assert_problem(f, SL_ERR_PROVIDER_NOT_FOUND, "", "unknown");
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
}

static void
test_provider_in_use_by_others_stays(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f,
				 "{'providers':[{'key':'p','name':'P'}],"
				 "'sublayers':[{'key':'s','name':'S','weight':5,'provider':'p'}],"
				 "'filters':[{'key':'f','name':'F','sublayer':'s',"
				 "'layer':'inbound_transport_v4','action':'block'}]}"),
		0);
	assert_int_equal(fixture_put_part(f, "p", "{}"), -ENOENT);
	fixture_assert_problem(f, SL_ERR_SUBLAYER_NOT_FOUND, "/filters/f/sublayer", "\"s\"");
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_put_adds_then_replaces),
		BOOTED(test_post_refuses_what_exists),
		BOOTED(test_put_tells_whether_it_was_new),
		BOOTED(test_built_in_objects_stay),
		BOOTED(test_delete_refuses_what_is_in_use),
		BOOTED(test_put_checks_those_who_refer),
		BOOTED(test_get_after_put_equals_what_was_put),
		BOOTED(test_unchanged_objects_keep_their_identity),
		BOOTED(test_document_order_decides_ties),
		BOOTED(test_equals_in_order_keep_their_ids),
		BOOTED(test_equal_sublayers_keep_document_order),
		BOOTED(test_every_fault_is_told),
		BOOTED(test_provider_replaces_its_own),
		BOOTED(test_provider_may_not_touch_others),
		BOOTED(test_provider_in_use_by_others_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
