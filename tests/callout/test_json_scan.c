/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/json_scan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNTOUCHED 987654321

static int
integer(const char *json, const char *name, int64_t min, int64_t max, int64_t *value)
{
	*value = UNTOUCHED;
	return sl_callout_json_integer(json, name, min, max, value);
}

static void
test_integers(void **state)
{
	static const struct {
		const char *json;
		int64_t value;
	} good[] = {
		{"{\"n\":0}", 0},
		{"{\"n\":-0}", 0},
		{"{\"n\":42}", 42},
		{" { \"n\" : -42 , \"m\" : 1 } \n", -42},
		{"{\"m\":{\"n\":1},\"n\":2}", 2},
		{"{\"m\":[{\"n\":1},\"}\",\"\\\"n\\\":9\"],\"n\":3}", 3},
		{"{\"a\":\"\\\\\",\"n\":4}", 4},
		{"{\"\\u006e\":5}", 5},
		{"{\"nn\":1,\"n\":6}", 6},
		{"{\"a\":1.5e3,\"b\":true,\"c\":false,\"d\":null,\"e\":[],\"f\":{},\"n\":7}", 7},
		{"{\"n\":9223372036854775807}", INT64_MAX},
		{"{\"n\":-9223372036854775808}", INT64_MIN},
	};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(integer(good[i].json, "n", INT64_MIN, INT64_MAX, &value), 0);
		assert_true(value == good[i].value);
	}
}

static void
test_absent(void **state)
{
	int64_t value;

	(void)state;
	assert_int_equal(integer("{}", "n", 0, 9, &value), -ENOENT);
	assert_int_equal(integer("{\"m\":{\"n\":1}}", "n", 0, 9, &value), -ENOENT);
	assert_int_equal(integer("{\"m\":[\"n\",1]}", "n", 0, 9, &value), -ENOENT);
	assert_int_equal(integer("{\"N\":1,\"n \":1,\"\":2}", "n", 0, 9, &value), -ENOENT);
	assert_int_equal(value, UNTOUCHED);
}

/* Not an integer, out of range, twice. */
static void
test_refused_values(void **state)
{
	static const char *const bad[] = {"{\"n\":1.0}", "{\"n\":1e3}", "{\"n\":\"1\"}",
		"{\"n\":null}", "{\"n\":true}", "{\"n\":[1]}", "{\"n\":{}}", "{\"n\":1,\"n\":1}",
		"{\"n\":1,\"\\u006E\":1}", "{\"n\":9223372036854775808}",
		"{\"n\":-9223372036854775809}", "{\"n\":99999999999999999999999}"};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(integer(bad[i], "n", INT64_MIN, INT64_MAX, &value), -EINVAL);
		assert_int_equal(value, UNTOUCHED);
	}
	assert_int_equal(integer("{\"n\":10}", "n", 0, 9, &value), -EINVAL);
	assert_int_equal(integer("{\"n\":-1}", "n", 0, 9, &value), -EINVAL);
	assert_int_equal(integer("{\"n\":9}", "n", 0, 9, &value), 0);
}

/* Text that is not one object is refused whatever is asked of it, wherever the fault is. */
static void
test_not_an_object(void **state)
{
	static const char *const bad[] = {"", " ", "[]", "1", "\"n\"", "null", "{", "}", "{\"n\"}",
		"{\"n\":}", "{\"n\":1", "{\"n\":1,}", "{,}", "{\"n\":1}x", "{\"n\":1}{}",
		"{\"n\":01}", "{\"n\":+1}", "{\"n\":1.}", "{\"n\":.5}", "{\"n\":1e}", "{\"n\":-}",
		"{\"n\":1 2}", "{n:1}", "{'n':1}", "{\"n\":1,\"a\":tru}", "{\"n\":1,\"a\":nul}",
		"{\"n\":1,\"a\":[1,]}", "{\"n\":1,\"a\":[1}", "{\"n\":1,\"a\":{\"b\"}}",
		"{\"n\":1,\"a\":\"\\x\"}", "{\"n\":1,\"a\":\"\\u12\"}",
		"{\"n\":1,\"a\":\"\\u12g4\"}", "{\"n\":1,\"a\":\"\\ud800\"}",
		"{\"n\":1,\"a\":\"\\ud800\\u0041\"}", "{\"n\":1,\"a\":\"\\udc00\"}",
		"{\"n\":1,\"a\":\"b}", "{\"n\":1,\"a\":\"\\", "{\"n\":1,\"a\":\"\n\"}",
		"{\"n\":1,\"a\":NaN}", "{\"n\":1 \"m\":2}"};
	const char *const allowed[] = {"n", "a", "m", NULL};
	int64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (integer(bad[i], "n", 0, 9, &value) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(value, UNTOUCHED);
		assert_int_equal(sl_callout_json_strict(bad[i], allowed, NULL, 0), -EINVAL);
	}
}

static void
test_depth(void **state)
{
	char json[400];
	int64_t value;

	(void)state;
	for (int depth = 1; depth <= 100; depth++) {
		char *at = stpcpy(json, "{\"a\":");

		memset(at, '[', (size_t)depth);
		memset(at + depth, ']', (size_t)depth);
		strcpy(at + 2 * depth, ",\"n\":1}");
		assert_int_equal(integer(json, "n", 0, 9, &value), depth < 64 ? 0 : -EINVAL);
	}
}

/* Every prefix of a text is no object, and reading it never passes its end. */
static void
test_cut_everywhere(void **state)
{
	static const char text[] =
		"{\"a\":[1.5e-3,\"\\ud83d\\ude00\\n\",{\"b\":null}],\"n\":12,\"c\":false}";
	int64_t value;

	(void)state;
	for (size_t cut = 0; cut + 1 < sizeof(text); cut++) {
		char *heap = strndup(text, cut);

		assert_non_null(heap);
		assert_int_equal(integer(heap, "n", 0, 99, &value), -EINVAL);
		free(heap);
	}
	assert_int_equal(integer(text, "n", 0, 99, &value), 0);
	assert_int_equal(value, 12);
}

static void
test_strict(void **state)
{
	const char *const allowed[] = {"pps", "burst", NULL};
	char other[8] = "";

	(void)state;
	assert_int_equal(sl_callout_json_strict("{}", allowed, other, sizeof(other)), 0);
	assert_int_equal(sl_callout_json_strict(
				 "{\"burst\":{\"x\":1},\"pps\":1}", allowed, other, sizeof(other)),
		0);
	assert_int_equal(sl_callout_json_strict(
				 "{\"pps\":1,\"brust\":1,\"x\":2}", allowed, other, sizeof(other)),
		-ENOENT);
	assert_string_equal(other, "brust");
	assert_int_equal(
		sl_callout_json_strict("{\"much-too-long\":1}", allowed, other, sizeof(other)),
		-ENOENT);
	assert_string_equal(other, "much-to");
	assert_int_equal(sl_callout_json_strict("{\"x\":1}", allowed, NULL, 0), -ENOENT);
	/* A fault behind the unknown member still wins. */
	assert_int_equal(sl_callout_json_strict("{\"x\":1,}", allowed, NULL, 0), -EINVAL);
}

static int
string(const char *json, size_t size, char out[16])
{
	memset(out, '#', 16);
	return sl_callout_json_string(json, "s", out, size);
}

static void
test_strings(void **state)
{
	static const char *const bad[] = {"{\"s\":1}", "{\"s\":null}", "{\"s\":[\"a\"]}",
		"{\"s\":\"a\",\"s\":\"a\"}", "{\"s\":\"a\\u0000b\"}", "{\"s\":\"1234567\"}",
		"{\"s\":\"a\",}", "\"s\"", "[\"s\"]"};
	char out[16];

	(void)state;
	assert_int_equal(string("{\"s\":\"\"}", 7, out), 0);
	assert_string_equal(out, "");
	assert_int_equal(string(" {\"a\":{\"s\":1}, \"s\" : \"123456\" } ", 7, out), 0);
	assert_string_equal(out, "123456");
	assert_int_equal(out[7], '#');
	assert_int_equal(string("{\"\\u0073\":\"\\u00e9\\n\\\"\"}", 7, out), 0);
	assert_string_equal(out, "\xc3\xa9\n\"");
	assert_int_equal(string("{}", 7, out), -ENOENT);
	assert_int_equal(string("{\"t\":\"s\"}", 7, out), -ENOENT);
	assert_int_equal(string("{\"s\":\"\"}", 0, out), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (string(bad[i], 7, out) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(out[7], '#');
	}
}

/* Escapes of every length resolve to UTF-8; a name of any length is compared whole. */
static void
test_names(void **state)
{
	const char *const allowed[] = {
		"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\b\f\n\r\t/\\\"", NULL};
	char name[400], json[500];
	int64_t value;

	(void)state;
	assert_int_equal(sl_callout_json_strict("{\"\\u00e9\":1,\"\\u20AC\":2,\"\\ud83d\\ude00\":3,"
						"\"\\b\\f\\n\\r\\t\\/\\\\\\\"\":4}",
				 allowed, NULL, 0),
		0);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(json, sizeof(json), "{\"%s\":1}", name);
	assert_int_equal(integer(json, "x", 0, 9, &value), -ENOENT);
	/* Not even a name that equals what is kept of it. */
	name[127] = '\0';
	assert_int_equal(integer(json, name, 0, 9, &value), -ENOENT);
	snprintf(json, sizeof(json), "{\"%s\":1}", name);
	assert_int_equal(integer(json, name, 0, 9, &value), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_refused_values),
		cmocka_unit_test(test_not_an_object),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_cut_everywhere),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
