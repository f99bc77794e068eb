/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SETS                                                                             \
	"{'sets':[{'key':'bad','name':'Bad hosts','description':'D','type':'v4_prefix'," \
	"'elements':['192.0.2.0/24','198.51.100.7/32']},"                                \
	"{'key':'ports','name':'Ports','type':'uint16','elements':[80,443]}]}"

static void
assert_elements(struct fixture *f, const char *key, const char *json)
{
	const struct sl_object *object = fixture_find(f, SL_OBJECT_SET, key);
	json_t *wanted = fixture_json(json);
	json_t *found = sl_document_write_elements(sl_set_of(object));

	if (!json_equal(wanted, found)) {
		json_dumpf(found, stderr, 0);
		fail_msg(" is not %s", json);
	}
	json_decref(wanted);
	json_decref(found);
}

static int
set_up(void **state)
{
	if (fixture_set_up_booted(state) != 0)
		return -1;
	return fixture_put_policy(*state, SETS);
}

static void
test_add(void **state)
{
	struct fixture *f = *state;
	uint64_t id = fixture_find(f, SL_OBJECT_SET, "bad")->id;

	assert_int_equal(fixture_elements(f, "bad", SL_ELEMENTS_ADD,
				 "['203.0.113.9','10.0.0.0/8','192.0.2.0/24']"),
		0);
	assert_elements(f, "bad", "['10.0.0.0/8','192.0.2.0/24','198.51.100.7','203.0.113.9']");
	fixture_assert_keys(f->report.changed, f->report.n_changed, "sets/bad");
	assert_int_equal(fixture_find(f, SL_OBJECT_SET, "bad")->id, id);
	assert_string_equal(fixture_find(f, SL_OBJECT_SET, "bad")->description, "D");
	assert_int_equal(sl_set_of(fixture_find(f, SL_OBJECT_SET, "bad"))->n_ranges, 4);
}

static void
test_adding_what_is_there_is_no_commit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_elements(f, "bad", SL_ELEMENTS_ADD, "['192.0.2.0/24']"), 0);
	assert_int_equal(fixture_elements(f, "bad", SL_ELEMENTS_ADD, "[]"), 0);
	assert_int_equal(fixture_elements(f, "bad", SL_ELEMENTS_REMOVE, "[]"), 0);
	assert_int_equal(sl_control_revision(f->control), 2);
}

static void
test_remove(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_elements(f, "ports", SL_ELEMENTS_REMOVE, "[443, 443]"), 0);
	assert_elements(f, "ports", "[80]");
	assert_int_equal(fixture_elements(f, "ports", SL_ELEMENTS_REMOVE, "['80']"), 0);
	assert_elements(f, "ports", "[]");
}

static void
test_removing_what_is_absent_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct sl_view view;

	sl_control_view_get(f->control, &view);
	assert_int_equal(fixture_elements(f, "bad", SL_ELEMENTS_REMOVE,
				 "['192.0.2.0/24','10.1.1.1','192.0.2.0/25']"),
		-ENOENT);
	fixture_assert_problem(f, SL_ERR_NOT_FOUND, "/1", "\"10.1.1.1\"");
	/* A part of an element is not an element. */
	fixture_assert_problem(f, SL_ERR_NOT_FOUND, "/2", "\"192.0.2.0/25\"");
	assert_int_equal(f->problems.n, 2);
	assert_int_equal(fixture_elements(f, "ports", SL_ELEMENTS_REMOVE, "[80, 81]"), -ENOENT);
	fixture_assert_problem(f, SL_ERR_NOT_FOUND, "/1", "81");
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
}

static void
test_replace(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_elements(f, "ports", SL_ELEMENTS_REPLACE, "['90-99', 22, 22]"), 0);
	assert_elements(f, "ports", "[22,'90-99']");
	assert_int_equal(fixture_elements(f, "ports", SL_ELEMENTS_REPLACE, "[]"), 0);
	assert_elements(f, "ports", "[]");
}

static void
test_bad_elements_change_nothing(void **state)
{
	struct fixture *f = *state;
	json_t *elements = fixture_json("['10.0.0.0/8','10.0.0.1-10.0.0.9']");
	struct sl_edit_elements edit = {.set = "bad",
		.change = SL_ELEMENTS_ADD,
		.elements = elements,
		.pointer = "/elements"};
	struct sl_view view;

	sl_control_view_get(f->control, &view);
	assert_int_equal(fixture_elements(f, "bad", SL_ELEMENTS_ADD, "['10.0.0.0/8','10.0.0.300']"),
		-EINVAL);
	fixture_assert_problem(f, SL_ERR_TYPE_MISMATCH, "/1", "10.0.0.300");
	assert_true(fixture_elements(f, "ports", SL_ELEMENTS_REPLACE, "[70000]") < 0);
	assert_int_equal(f->problems.list[0].code, SL_ERR_OUT_OF_BOUNDS);
	assert_int_equal(fixture_elements(f, "none", SL_ELEMENTS_ADD, "[1]"), -ENOENT);
	fixture_assert_problem(f, SL_ERR_SET_NOT_FOUND, "", "\"none\"");
	/* Told where the request has the array. */
	sl_problems_fini(&f->problems);
	assert_true(sl_control_change(f->control, sl_control_edit_elements, &edit, 0, 0,
			    &f->problems, NULL) < 0);
	fixture_assert_problem(f, SL_ERR_TYPE_MISMATCH, "/elements/1", "10.0.0.1-10.0.0.9");
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
	json_decref(elements);
}

#define LOADED(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LOADED(test_add),
		LOADED(test_adding_what_is_there_is_no_commit),
		LOADED(test_remove),
		LOADED(test_removing_what_is_absent_changes_nothing),
		LOADED(test_replace),
		LOADED(test_bad_elements_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
