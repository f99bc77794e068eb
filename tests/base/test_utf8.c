/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_utf8.h"

#include "base/sl_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_mend_keeps_what_is_well_formed(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"plain", "plain"},
		{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
			"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"cut \xc3", "cut ?"},
		{"cut \xe2\x82", "cut ??"},
		{"\x80lone", "?lone"},
		{"\xc0\xaf", "??"},           /* overlong */
		{"\xe0\x80\xaf", "???"},      /* overlong */
		{"\xed\xa0\x80", "???"},      /* surrogate */
		{"\xf4\x90\x80\x80", "????"}, /* above U+10FFFF */
		{"\xf5\x80\x80\x80", "????"},
		{"\xff\xfe", "??"},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		char text[32];

		strcpy(text, rows[i][0]);
		sl_utf8_mend(text);
		assert_string_equal(text, rows[i][1]);
	}
}

static void
test_clip_never_cuts_a_character(void **state)
{
	const char *text = "a\xc3\xa4\xe2\x82\xac"; /* 1 + 2 + 3 bytes */
	static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6};

	(void)state;
	for (size_t size = 0; size < SL_ARRAY_LEN(expected); size++)
		assert_int_equal(sl_utf8_clip(text, size), expected[size]);
}

/* Error texts are cut to size and still whole characters. */
static void
test_errors_are_valid_text(void **state)
{
	struct sl_problems problems = {0};
	struct sl_error err;
	char text[1001];

	(void)state;
	for (size_t i = 0; i < 1000; i += 2)
		memcpy(text + i, "\xc3\xa4", 3);
	/* The place begins in the middle of a character, the sentence ends in one. */
	(void)sl_error_set(&err, SL_ERR_IO, text + 1, "xy%s", text);
	assert_memory_equal(err.where, "?\xc3\xa4", 3);
	assert_memory_equal(err.text + 396, "\xc3\xa4?", 4);
	sl_problems_add(&problems, SL_ERR_IO, "/a", "%.3s", text);
	assert_string_equal(problems.list[0].detail, "\xc3\xa4?");
	sl_problems_fini(&problems);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mend_keeps_what_is_well_formed),
		cmocka_unit_test(test_clip_never_cuts_a_character),
		cmocka_unit_test(test_errors_are_valid_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
