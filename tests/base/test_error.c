/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_every_code_is_complete(void **state)
{
	(void)state;
	for (int code = 0; code < SL_ERR_COUNT; code++) {
		enum sl_err err = (enum sl_err)code;

		assert_true(strlen(sl_err_name(err)) > 0);
		assert_true(strlen(sl_err_meaning(err)) > 0);
		assert_in_range(sl_err_http_status(err), 200, 599);
		assert_int_equal(sl_err_errno(err) == 0, err == SL_ERR_OK);
		for (int other = 0; other < code; other++)
			assert_string_not_equal(sl_err_name(err), sl_err_name((enum sl_err)other));
	}
}

static void
test_codes_of_wfp(void **state)
{
	(void)state;
	assert_string_equal(sl_err_name(SL_ERR_FILTER_NOT_FOUND), "filter_not_found");
	assert_int_equal(sl_err_http_status(SL_ERR_FILTER_NOT_FOUND), 404);
	assert_int_equal(sl_err_errno(SL_ERR_IN_USE), EBUSY);
	assert_string_equal(sl_err_name((enum sl_err)SL_ERR_COUNT), "internal");
}

static void
test_set_fills_and_returns(void **state)
{
	struct sl_error err;
	char long_where[1000];

	(void)state;
	assert_int_equal(
		sl_error_set(&err, SL_ERR_OUT_OF_BOUNDS, "/a", "%d is too much", 7), -ERANGE);
	assert_int_equal(err.code, SL_ERR_OUT_OF_BOUNDS);
	assert_string_equal(err.where, "/a");
	assert_string_equal(err.text, "7 is too much");
	assert_int_equal(sl_error_set(NULL, SL_ERR_NO_MEMORY, NULL, "x"), -ENOMEM);
	memset(long_where, 'w', sizeof(long_where));
	long_where[sizeof(long_where) - 1] = '\0';
	assert_int_equal(sl_error_set(&err, SL_ERR_IO, long_where, "%s", long_where), -EIO);
	assert_int_equal(strlen(err.where), sizeof(err.where) - 1);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(sl_error_set(&err, SL_ERR_IO, NULL, "x"), -EIO);
	assert_string_equal(err.where, "");
}

static void
test_problems_keep_order_and_text(void **state)
{
	struct sl_problems problems = {0};
	struct sl_error err;

	(void)state;
	sl_problems_add(&problems, SL_ERR_RESERVED, "/filters/0/x", "\"%s\" is unknown", "x");
	(void)sl_error_set(&err, SL_ERR_IN_USE, "/key", "taken");
	sl_problems_add_error(&problems, "/filters/1", &err);
	(void)sl_error_set(&err, SL_ERR_IN_USE, "somewhere", "taken");
	sl_problems_add_error(&problems, "/filters/2", &err);
	assert_int_equal(problems.n, 3);
	assert_int_equal(problems.n_total, 3);
	assert_string_equal(problems.list[0].pointer, "/filters/0/x");
	assert_string_equal(problems.list[0].detail, "\"x\" is unknown");
	assert_string_equal(problems.list[1].pointer, "/filters/1/key");
	assert_int_equal(problems.list[1].code, SL_ERR_IN_USE);
	assert_string_equal(problems.list[2].pointer, "/filters/2");
	sl_problems_fini(&problems);
	assert_null(problems.list);
	sl_problems_fini(&problems);
	sl_problems_fini(NULL);
}

static void
test_problems_stop_at_the_limit_and_count_on(void **state)
{
	struct sl_problems problems = {0};
	struct sl_error err = {.code = SL_ERR_IO};

	(void)state;
	for (int i = 0; i < 1500; i++)
		sl_problems_add(&problems, SL_ERR_RESERVED, "", "%d", i);
	sl_problems_add_error(&problems, "", &err);
	assert_int_equal(problems.n, 1000);
	assert_int_equal(problems.n_total, 1501);
	assert_string_equal(problems.list[999].detail, "999");
	sl_problems_fini(&problems);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_is_complete),
		cmocka_unit_test(test_codes_of_wfp),
		cmocka_unit_test(test_set_fills_and_returns),
		cmocka_unit_test(test_problems_keep_order_and_text),
		cmocka_unit_test(test_problems_stop_at_the_limit_and_count_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
