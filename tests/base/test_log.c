/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	int saved_stderr;
	int pipe_read;
};

/* Standard error becomes a pipe for the length of one test. */
static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int ends[2];

	if (f == NULL || pipe(ends) != 0)
		return -1;
	f->saved_stderr = dup(STDERR_FILENO);
	f->pipe_read = ends[0];
	if (dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	unsetenv("JOURNAL_STREAM");
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	if (dup2(f->saved_stderr, STDERR_FILENO) < 0)
		return -1;
	close(f->saved_stderr);
	close(f->pipe_read);
	free(f);
	return 0;
}

static void
read_back(struct fixture *f, char *text, size_t size)
{
	ssize_t n;

	/* An end mark, so that reading never waits. */
	assert_int_equal(write(STDERR_FILENO, "$", 1), 1);
	n = read(f->pipe_read, text, size - 1);
	assert_true(n > 0);
	text[n - 1] = '\0';
}

static void
test_line_with_time(void **state)
{
	char text[4096];

	sl_log_setup("prog", SL_LOG_INFO);
	sl_log_info("port %d is up", 3);
	sl_log_debug("not shown");
	read_back(*state, text, sizeof(text));
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[26], 'Z');
	assert_string_equal(text + 27, " prog: port 3 is up\n");
}

static void
test_journal_gets_priorities(void **state)
{
	char text[4096];

	setenv("JOURNAL_STREAM", "8:1", 1);
	sl_log_setup("prog", SL_LOG_DEBUG);
	sl_log_error("e");
	sl_log_warning("w");
	sl_log_notice("n");
	sl_log_info("i");
	sl_log_debug("d");
	read_back(*state, text, sizeof(text));
	assert_string_equal(text, "<3>prog: e\n<4>prog: w\n<5>prog: n\n<6>prog: i\n<7>prog: d\n");
	unsetenv("JOURNAL_STREAM");
}

static void
test_one_call_is_one_line(void **state)
{
	char text[8192], long_text[5000];

	setenv("JOURNAL_STREAM", "8:1", 1);
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	sl_log_setup("prog", SL_LOG_INFO);
	sl_log_info("forged\n<3>prog: line \x1b[31m");
	sl_log_info("%s", long_text);
	read_back(*state, text, sizeof(text));
	assert_non_null(strstr(text, "<6>prog: forged?<3>prog: line ?[31m\n"));
	assert_int_equal(strlen(strchr(text, '\n') + 1), 2047);
	assert_int_equal(text[strlen(text) - 1], '\n');
	unsetenv("JOURNAL_STREAM");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line_with_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_journal_gets_priorities, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_call_is_one_line, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
