/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_uuids_are_version_4_and_differ(void **state)
{
	char first[SL_UUID_TEXT_MAX], text[SL_UUID_TEXT_MAX];

	(void)state;
	assert_int_equal(sl_uuid_make(first), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sl_uuid_make(text), 0);
		assert_int_equal(strlen(text), 36);
		assert_int_equal(strspn(text, "0123456789abcdef-"), 36);
		assert_true(
			text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
		assert_int_equal(text[14], '4');
		assert_non_null(strchr("89ab", text[19]));
		assert_string_not_equal(text, first);
		assert_true(sl_key_is_valid(text));
	}
}

static void
test_keys(void **state)
{
	char longest[SL_KEY_LEN_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[SL_KEY_LEN_MAX] = '\0';
	assert_true(sl_key_is_valid(longest));
	longest[SL_KEY_LEN_MAX] = 'a';
	longest[SL_KEY_LEN_MAX + 1] = '\0';
	assert_false(sl_key_is_valid(longest));

	assert_true(sl_key_is_valid("a"));
	assert_true(sl_key_is_valid("no-telnet.v4_2"));
	assert_true(sl_key_is_valid("9lives"));
	assert_true(sl_key_is_valid("F8D3A1B0-0000-4000-8000-0123456789AB"));
	assert_true(sl_key_is_valid("a8D3A1B0-0000-4000-8000-0123456789AB"));
	assert_false(sl_key_is_valid(""));
	assert_false(sl_key_is_valid("-a"));
	assert_false(sl_key_is_valid("_a"));
	assert_false(sl_key_is_valid("Abc"));
	assert_false(sl_key_is_valid("a b"));
	assert_false(sl_key_is_valid("a/b"));
	assert_false(sl_key_is_valid("\xc3\xa4"));
	assert_false(sl_key_is_valid("G8D3A1B0-0000-4000-8000-0123456789AB"));
	assert_false(sl_key_is_valid("F8D3A1B0-0000-4000-8000-0123456789A"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uuids_are_version_4_and_differ),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
