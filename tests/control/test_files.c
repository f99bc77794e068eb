/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define N_FILES 2

/* A control that is configured with two files in a folder of its own. */
struct files {
	struct fixture *f;
	char folder[64];
	char paths[N_FILES][96];
	const char *list[N_FILES];
	struct sl_problems problems;
};

static int
set_up(void **state)
{
	struct files *files = calloc(1, sizeof(*files));
	void *fixture;

	if (files == NULL || fixture_set_up(&fixture) != 0)
		return -1;
	files->f = fixture;
	strcpy(files->folder, "/tmp/test_control_files.XXXXXX");
	if (mkdtemp(files->folder) == NULL)
		return -1;
	for (int i = 0; i < N_FILES; i++) {
		snprintf(files->paths[i], sizeof(files->paths[i]), "%s/%d.json", files->folder, i);
		files->list[i] = files->paths[i];
	}
	files->f->config.policy_files = files->list;
	files->f->config.n_policy_files = N_FILES;
	fixture_restart(files->f);
	*state = files;
	return 0;
}

static int
tear_down(void **state)
{
	struct files *files = *state;
	void *fixture = files->f;

	for (int i = 0; i < N_FILES; i++)
		unlink(files->paths[i]);
	rmdir(files->folder);
	sl_problems_fini(&files->problems);
	free(files);
	return fixture_tear_down(&fixture);
}

static void
write_file(struct files *files, int i, const char *json)
{
	char *text = fixture_json_text(json);
	FILE *file = fopen(files->paths[i], "w");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	assert_int_equal(fclose(file), 0);
	free(text);
}

static int
reload(struct files *files)
{
	sl_problems_fini(&files->problems);
	return sl_control_reload(files->f->control, &files->problems);
}

static void
assert_problem(
	struct files *files, enum sl_err code, const char *pointer, int file, const char *words)
{
	char begin[128];

	snprintf(begin, sizeof(begin), "%s:", files->paths[file]);
	for (size_t i = 0; i < files->problems.n; i++) {
		const struct sl_problem *problem = &files->problems.list[i];

		if (problem->code == code && strcmp(problem->pointer, pointer) == 0 &&
			strncmp(problem->detail, begin, strlen(begin)) == 0 &&
			strstr(problem->detail, words) != NULL)
			return;
	}
	for (size_t i = 0; i < files->problems.n; i++)
		print_error("found %s at \"%s\": %s\n", sl_err_name(files->problems.list[i].code),
			files->problems.list[i].pointer, files->problems.list[i].detail);
	fail_msg("no %s at \"%s\" of file %d with \"%s\"", sl_err_name(code), pointer, file, words);
}

#define FILTER(key, sublayer, action)                            \
	"{'key':'" key "','name':'N','sublayer':'" sublayer "'," \
	"'layer':'inbound_transport_v4','action':'" action "'}"
#define SUBLAYER(key) "{'key':'" key "','name':'S','weight':9}"

static void
test_boot_reads_files_as_one_document(void **state)
{
	struct files *files = *state;

	/* The first file refers to what the second one says. */
	write_file(files, 0, "{'filters':[" FILTER("a", "s", "block") "]}");
	write_file(files, 1,
		"{'description':'second','sublayers':[" SUBLAYER(
			"s") "],"
			     "'filters':[" FILTER("b", "s", "permit") "]}");
	assert_int_equal(sl_control_boot(files->f->control, &files->problems), 0);
	assert_int_equal(sl_control_revision(files->f->control), 1);
	assert_int_equal(fixture_filter(files->f, "a")->object.id, 1);
	assert_int_equal(fixture_filter(files->f, "b")->object.id, 2);
	assert_int_equal(fixture_filter(files->f, "a")->object.origin, SL_ORIGIN_FILE);
	assert_int_equal(fixture_filter(files->f, "a")->object.lifetime, SL_LIFETIME_PERSISTENT);
	assert_int_equal(fake_plane_snapshot(files->f->fake)->n_filters, 2);
}

static void
test_faults_name_file_and_place(void **state)
{
	struct files *files = *state;

	write_file(files, 0,
		"{'filters':[" FILTER("a", "universal", "block") "," FILTER(
			"b", "nowhere", "block") "]}");
	write_file(files, 1,
		"{'filters':[" FILTER("c", "universal", "block") "," FILTER(
			"a", "universal", "block") "]}");
	assert_true(sl_control_boot(files->f->control, &files->problems) < 0);
	assert_problem(files, SL_ERR_SUBLAYER_NOT_FOUND, "/filters/1/sublayer", 0, "nowhere");
	assert_problem(files, SL_ERR_ALREADY_EXISTS, "/filters/1/key", 1, "\"a\"");
	assert_int_equal(sl_control_revision(files->f->control), 0);
	assert_null(fake_plane_snapshot(files->f->fake));
}

static void
test_syntax_has_line_and_column(void **state)
{
	struct files *files = *state;

	write_file(files, 0, "{\n'filters': [}\n");
	write_file(files, 1, "{'filters':{},'unheard':1}");
	assert_true(sl_control_boot(files->f->control, &files->problems) < 0);
	assert_problem(files, SL_ERR_SYNTAX, "", 0, ":2:");
	/* The author of the other file is told as well. */
	assert_problem(files, SL_ERR_TYPE_MISMATCH, "/filters", 1, "array");
	assert_problem(files, SL_ERR_RESERVED, "/unheard", 1, "");
}

static void
test_files_may_be_missing_or_no_object(void **state)
{
	struct files *files = *state;

	write_file(files, 1, "[]");
	assert_true(sl_control_boot(files->f->control, &files->problems) < 0);
	assert_problem(files, SL_ERR_IO, "", 0, "cannot be opened");
	assert_problem(files, SL_ERR_TYPE_MISMATCH, "", 1, "an array");
	assert_null(fake_plane_snapshot(files->f->fake));
}

static int
boot(struct files *files)
{
	write_file(files, 0,
		"{'sublayers':[" SUBLAYER("s") "],'filters':[" FILTER("a", "s", "block") "," FILTER(
			"b", "s", "block") "]}");
	write_file(files, 1, "{}");
	return sl_control_boot(files->f->control, &files->problems);
}

static void
test_reload_of_the_same_is_no_commit(void **state)
{
	struct files *files = *state;

	assert_int_equal(boot(files), 0);
	assert_int_equal(reload(files), 0);
	assert_int_equal(sl_control_revision(files->f->control), 1);
}

static void
test_reload_replaces_what_came_from_files(void **state)
{
	struct files *files = *state;
	struct fixture *f = files->f;
	const struct sl_filter *a;
	struct sl_filter_stats stats;

	assert_int_equal(boot(files), 0);
	a = fixture_filter(f, "a");
	fake_plane_hit(f->fake, 0, "a", 60, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("by-call", "s", "permit")), 0);
	write_file(files, 0,
		"{'sublayers':[" SUBLAYER("s") "],'filters':[" FILTER("a", "s", "block") "," FILTER(
			"new", "s", "permit") "]}");
	assert_int_equal(reload(files), 0);
	assert_ptr_equal(fixture_filter(f, "a"), a);
	assert_null(fixture_filter(f, "b"));
	assert_non_null(fixture_filter(f, "new"));
	assert_non_null(fixture_filter(f, "by-call"));
	assert_true(sl_control_filter_stats(f->control, "a", &stats));
	assert_int_equal(stats.counter.packets, 1);
}

static void
test_reload_takes_back_what_calls_changed(void **state)
{
	struct files *files = *state;
	struct fixture *f = files->f;

	assert_int_equal(boot(files), 0);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a", "s", "permit")), 0);
	assert_int_equal(fixture_filter(f, "a")->object.origin, SL_ORIGIN_API);
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "b"), 0);
	assert_int_equal(reload(files), 0);
	assert_int_equal(fixture_filter(f, "a")->action, SLUICE_ACTION_BLOCK);
	assert_int_equal(fixture_filter(f, "a")->object.origin, SL_ORIGIN_FILE);
	assert_non_null(fixture_filter(f, "b"));
}

/* What a file says belongs to the file, whoever said the same before. */
static void
test_files_take_over_what_they_name(void **state)
{
	struct files *files = *state;
	struct fixture *f = files->f;

	assert_int_equal(boot(files), 0);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("c", "s", "permit")), 0);
	write_file(files, 1, "{'filters':[" FILTER("c", "s", "permit") "]}");
	assert_int_equal(reload(files), 0);
	assert_int_equal(fixture_filter(f, "c")->object.origin, SL_ORIGIN_FILE);
	write_file(files, 1, "{}");
	assert_int_equal(reload(files), 0);
	assert_null(fixture_filter(f, "c"));
}

static void
test_put_of_the_whole_policy_covers_files(void **state)
{
	struct files *files = *state;
	struct fixture *f = files->f;

	assert_int_equal(boot(files), 0);
	assert_int_equal(fixture_put_policy(f, "{}"), 0);
	fixture_assert_policy(f, "{}");
	assert_int_equal(reload(files), 0);
	assert_non_null(fixture_filter(f, "a"));
}

static void
test_faulty_reload_keeps_the_policy(void **state)
{
	struct files *files = *state;
	struct fixture *f = files->f;
	struct sl_view view;

	assert_int_equal(boot(files), 0);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("by-call", "s", "permit")), 0);
	sl_control_view_get(f->control, &view);
	write_file(files, 1, "{'filters':[" FILTER("c", "t", "block") "]}");
	assert_int_equal(reload(files), -ENOENT);
	assert_problem(files, SL_ERR_SUBLAYER_NOT_FOUND, "/filters/0/sublayer", 1, "\"t\"");
	fixture_assert_unchanged(f, &view);
	/* A file may not take away what somebody else refers to. */
	write_file(files, 0, "{}");
	write_file(files, 1, "{}");
	assert_int_equal(reload(files), -ENOENT);
	assert_int_equal(files->problems.n, 1);
	assert_string_equal(files->problems.list[0].pointer, "/filters/by-call/sublayer");
	fixture_assert_unchanged(f, &view);
	sl_control_view_put(f->control, &view);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(test_boot_reads_files_as_one_document),
		WITH_FILES(test_faults_name_file_and_place),
		WITH_FILES(test_syntax_has_line_and_column),
		WITH_FILES(test_files_may_be_missing_or_no_object),
		WITH_FILES(test_reload_of_the_same_is_no_commit),
		WITH_FILES(test_reload_replaces_what_came_from_files),
		WITH_FILES(test_reload_takes_back_what_calls_changed),
		WITH_FILES(test_files_take_over_what_they_name),
		WITH_FILES(test_put_of_the_whole_policy_covers_files),
		WITH_FILES(test_faulty_reload_keeps_the_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
