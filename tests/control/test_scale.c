/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Large policies: right however large, and how long it takes is printed, not judged. */

#define N_FILTERS  100000
#define N_ELEMENTS 1000000

static double
ms_since(uint64_t start_ns)
{
	return (double)(sl_clock_monotonic_ns() - start_ns) / 1e6;
}

/* Filters of different remote networks and ports at two layers. */
static json_t *
make_document(int n)
{
	json_t *filters = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(filters,
			json_pack("{s:o, s:s, s:s, s:[{s:s, s:s, s:o}, {s:s, s:s, s:i}], s:s}",
				"key", json_sprintf("filter-%d", i), "name", "N", "layer",
				i % 10 == 0 ? "outbound_transport_v4" : "inbound_transport_v4",
				"conditions", "field", "ip_remote_address", "match", "equal",
				"value",
				json_sprintf(
					"%d.%d.%d.0/24", 1 + i / 65536, i / 256 % 256, i % 256),
				"field", "ip_remote_port", "match", "equal", "value", i % 65536,
				"action", i % 2 == 0 ? "block" : "permit"));
	return json_pack("{s:o}", "filters", filters);
}

static void
print_report(const char *what, const struct sl_commit_report *report, double ms)
{
	print_message("%-34s %9.2f ms (check %.2f, compile %.2f, publish %.2f)\n", what, ms,
		(double)report->check_ns / 1e6, (double)report->compile_ns / 1e6,
		(double)report->publish_ns / 1e6);
}

static void
put_document(struct fixture *f, const char *what, const json_t *document)
{
	struct sl_edit_policy edit = {
		.document = document, .lifetime = SL_LIFETIME_PERSISTENT, .origin = SL_ORIGIN_API};
	struct sl_commit_report report = {0};
	uint64_t start_ns = sl_clock_monotonic_ns();

	assert_int_equal(sl_control_change(f->control, sl_control_edit_policy, &edit, 0, 0,
				 &f->problems, &report),
		0);
	print_report(what, &report, ms_since(start_ns));
	sl_commit_report_fini(&report);
}

#define ONE "{'key':'one','name':'One','layer':'inbound_icmp_error_v4','action':'block'}"
#define SAME_LAYER                                                                           \
	"{'key':'same','name':'Same','layer':'inbound_transport_v4','conditions':[{'field':" \
	"'ip_remote_port','match':'equal','value':7}],'action':'block'}"

/* One object without report, as a call does it. */
static void
put_one(struct fixture *f, const char *what, const char *text)
{
	json_t *json = fixture_json(text);
	struct sl_edit_object edit = {0};
	uint64_t start_ns;

	edit.object = sl_document_read_object(
		SL_OBJECT_FILTER, json, "", SL_LIFETIME_PERSISTENT, SL_ORIGIN_API, &f->problems);
	start_ns = sl_clock_monotonic_ns();
	assert_int_equal(
		sl_control_change(f->control, sl_control_edit_put, &edit, 0, 0, &f->problems, NULL),
		0);
	print_message("%-34s %9.2f ms\n", what, ms_since(start_ns));
	sl_object_put(edit.object);
	json_decref(json);
}

static void
test_many_filters(void **state)
{
	struct fixture *f = *state;
	json_t *document = make_document(N_FILTERS);
	struct sl_edit_delete delete = {.type = SL_OBJECT_FILTER, .key = "one"};
	struct sl_filter_stats stats;
	struct sl_view view;
	uint64_t start_ns;

	put_document(f, "put 100,000 filters", document);
	put_document(f, "put them again", document);
	assert_int_equal(sl_control_revision(f->control), 2);
	fake_plane_hit(f->fake, 0, "filter-77777", 60, 1);
	put_one(f, "one more at another layer", ONE);
	start_ns = sl_clock_monotonic_ns();
	assert_int_equal(sl_control_change(f->control, sl_control_edit_delete, &delete, 0, 0,
				 &f->problems, NULL),
		0);
	print_message("%-34s %9.2f ms\n", "one less at another layer", ms_since(start_ns));
	put_one(f, "one more at the layer of 90,000", SAME_LAYER);
	start_ns = sl_clock_monotonic_ns();
	sl_control_view_get(f->control, &view);
	sl_control_view_put(f->control, &view);
	print_message("%-34s %9.4f ms\n", "a view", ms_since(start_ns));
	assert_true(sl_control_filter_stats(f->control, "filter-77777", &stats));
	assert_int_equal(stats.counter.packets, 1);
	assert_int_equal(fake_plane_snapshot(f->fake)->n_filters, N_FILTERS + 1);
	json_decref(document);
	document = json_object();
	put_document(f, "put nothing", document);
	assert_int_equal(fake_plane_snapshot(f->fake)->n_filters, 0);
	json_decref(document);
}

/* Every other /32 of 10.0.0.0/8, from `first` on. */
static json_t *
make_elements(int first, int n)
{
	json_t *elements = json_array();

	for (int i = first; i < first + n; i++)
		json_array_append_new(
			elements, json_sprintf("10.%d.%d.%d", i >> 15, i >> 7 & 255, i << 1 & 255));
	return elements;
}

static void
change_elements(struct fixture *f, const char *what, enum sl_elements_change change, int first,
	int n, size_t n_after)
{
	json_t *elements = make_elements(first, n);
	struct sl_edit_elements edit = {.set = "big", .change = change, .elements = elements};
	uint64_t start_ns = sl_clock_monotonic_ns();
	struct sl_view view;

	assert_int_equal(sl_control_change(f->control, sl_control_edit_elements, &edit, 0, 0,
				 &f->problems, NULL),
		0);
	print_message("%-34s %9.2f ms\n", what, ms_since(start_ns));
	sl_control_view_get(f->control, &view);
	assert_int_equal(
		sl_set_of(sl_policy_find(view.policy, SL_OBJECT_SET, "big"))->n_elements, n_after);
	sl_control_view_put(f->control, &view);
	json_decref(elements);
}

static void
test_many_elements(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fixture_put_policy(f,
			"{'sets':[{'key':'big','name':'Big','type':'v4_prefix'}],'filters':["
			"{'key':'f','name':'F','layer':'inbound_transport_v4','conditions':[{'"
			"field':"
			"'ip_remote_address','match':'in_set','value':'big'}],'action':'block'}]}"),
		0);
	change_elements(
		f, "set of 1,000,000 elements", SL_ELEMENTS_REPLACE, 0, N_ELEMENTS, N_ELEMENTS);
	change_elements(f, "one more", SL_ELEMENTS_ADD, N_ELEMENTS, 1, N_ELEMENTS + 1);
	change_elements(f, "one less", SL_ELEMENTS_REMOVE, 5, 1, N_ELEMENTS);
	change_elements(
		f, "500,000 less", SL_ELEMENTS_REMOVE, 1000, N_ELEMENTS / 2, N_ELEMENTS / 2);
	change_elements(f, "500,000 more", SL_ELEMENTS_ADD, 1000, N_ELEMENTS / 2, N_ELEMENTS);
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_many_filters),
		BOOTED(test_many_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
