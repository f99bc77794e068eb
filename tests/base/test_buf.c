/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_text_grows(void **state)
{
	struct sl_buf buf = {0};
	char *text;

	(void)state;
	assert_string_equal(sl_buf_text(&buf), "");
	for (int i = 0; i < 1000; i++)
		sl_buf_printf(&buf, "%03d", i);
	sl_buf_add_char(&buf, '!');
	sl_buf_add_text(&buf, "end");
	assert_int_equal(buf.len, 3004);
	assert_int_equal(strlen(sl_buf_text(&buf)), 3004);
	assert_memory_equal(buf.data + 2997, "999!end", 8);
	sl_buf_cut(&buf, 3);
	sl_buf_cut(&buf, 99);
	assert_string_equal(sl_buf_text(&buf), "000");
	text = sl_buf_take(&buf);
	assert_string_equal(text, "000");
	free(text);
	assert_null(buf.data);
}

static void
test_empty_text_can_be_taken(void **state)
{
	struct sl_buf buf = {0};
	char *text = sl_buf_take(&buf);

	(void)state;
	assert_non_null(text);
	assert_string_equal(text, "");
	free(text);
}

static void
test_failure_is_remembered(void **state)
{
	struct sl_buf buf = {0};

	(void)state;
	sl_buf_add_text(&buf, "kept");
	sl_buf_add(&buf, "", SIZE_MAX / 2); /* refused before anything is read */
	assert_true(buf.failed);
	sl_buf_add_text(&buf, "ignored");
	assert_string_equal(sl_buf_text(&buf), "kept");
	assert_null(sl_buf_take(&buf));
	assert_null(buf.data);
	sl_buf_fini(&buf);
	sl_buf_fini(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_grows),
		cmocka_unit_test(test_empty_text_can_be_taken),
		cmocka_unit_test(test_failure_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
