/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_flag(void **state)
{
	static const char *const wrong[] = {"2", "yes", "TRUE", "01", " 1", "1 ", "truely"};
	bool value = false;

	(void)state;
	assert_true(api_parse_flag("", &value) && value);
	assert_true(api_parse_flag("1", &value) && value);
	assert_true(api_parse_flag("true", &value) && value);
	assert_true(api_parse_flag("0", &value) && !value);
	assert_true(api_parse_flag("false", &value) && !value);
	for (size_t i = 0; i < SL_ARRAY_LEN(wrong); i++) {
		value = true;
		assert_false(api_parse_flag(wrong[i], &value));
		assert_false(value);
	}
}

static void
test_number(void **state)
{
	static const char *const wrong[] = {
		"", " 1", "+1", "-1", "1 ", "0x10", "1e3", "1.0", "18446744073709551616"};
	uint64_t value;

	(void)state;
	assert_true(api_parse_number("0", 0, 10, &value) && value == 0);
	assert_true(api_parse_number("007", 0, 10, &value) && value == 7);
	assert_true(api_parse_number("18446744073709551615", 0, UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	assert_false(api_parse_number("0", 1, 10, &value));
	assert_false(api_parse_number("11", 1, 10, &value));
	for (size_t i = 0; i < SL_ARRAY_LEN(wrong); i++)
		assert_false(api_parse_number(wrong[i], 0, UINT64_MAX, &value));
}

static void
test_revision(void **state)
{
	static const char *const wrong[] = {"", "\"", "\"\"", "0", "\"0\"", "\"1", "1\"", "W/\"1\"",
		"\"1\", \"2\"", "\"1\"2\"", "-1", "one", "**", "18446744073709551616",
		"000000000000000000000000000001"};
	uint64_t revision = 7;

	(void)state;
	assert_true(api_parse_revision("*", &revision) && revision == 0);
	assert_true(api_parse_revision("42", &revision) && revision == 42);
	assert_true(api_parse_revision("\"42\"", &revision) && revision == 42);
	assert_true(api_parse_revision("\"18446744073709551615\"", &revision));
	assert_true(revision == UINT64_MAX);
	for (size_t i = 0; i < SL_ARRAY_LEN(wrong); i++)
		assert_false(api_parse_revision(wrong[i], &revision));
}

static void
test_target(void **state)
{
	static const char *const good[] = {"/", "/v1/version", "/v1/filters/on%6cy",
		"/v1/filters/%ff%C3%a9", "/v1/filters?name=a%2Fb%0a%7f", "/v1/filters?name=%25",
		"/v1/%20"};
	static const char *const bad[] = {"/v1/filters/%", "/v1/filters/%4", "/v1/filters/%zz",
		"/v1/filters/%4?x", "/v1/filters/%00", "/v1/filters%2fonly", "/v1/filters/%2F",
		"/v1/filters/%0d%0a", "/v1/filters/%1f", "/v1/filters/%7F", "/v1/filters?a=%00",
		"/v1/filters?a=%", "/v1/filters?%g0=1"};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(good); i++)
		assert_null(api_target_fault(good[i]));
	for (size_t i = 0; i < SL_ARRAY_LEN(bad); i++)
		assert_non_null(api_target_fault(bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flag),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_revision),
		cmocka_unit_test(test_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
