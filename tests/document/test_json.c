/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/sl_document.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* clang tells of its sanitizers in this way, gcc by macros of their own. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif

/* What a parse bounded to 64 MiB may add to the process; a sanitizer keeps freed memory. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GROWTH_MAX (1024 * MIB)
#else
#define GROWTH_MAX (160 * MIB)
#endif

static void
expect_error(const char *text, size_t len, enum sl_err code, const char *contains)
{
	struct sl_error err = {0};
	json_t *json = NULL;
	int rc = sl_json_load(text, len, 64 * MIB, &json, &err);

	if (rc != -sl_err_errno(code) || err.code != code || strstr(err.text, contains) == NULL)
		fail_msg("%.60s: expected %s with \"%s\", found %s: %s", text, sl_err_name(code),
			contains, sl_err_name(err.code), err.text);
	assert_null(json);
}

static void
test_valid_texts(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		" {\"a\": [1, -2, 3.5, true, false, null, \"x\\u00e4\\ud83d\\ude00\"]}\n",
		"{\"a\": 9223372036854775807}",
		"{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[\": 1}",
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(texts); i++) {
		json_t *json = NULL;

		assert_int_equal(sl_json_load(texts[i], strlen(texts[i]), 0, &json, NULL), 0);
		json_decref(json);
		assert_int_equal(sl_json_load(texts[i], strlen(texts[i]), MIB, &json, NULL), 0);
		json_decref(json);
	}
}

static void
test_faulty_texts(void **state)
{
	static const struct {
		const char *text;
		enum sl_err code;
		const char *contains;
	} rows[] = {
		{"", SL_ERR_SYNTAX, "line 1"},
		{"{\n\"a\": 1,\n}", SL_ERR_SYNTAX, "line 3, column 1:"},
		{"{\"a\" 1}", SL_ERR_SYNTAX, "line 1, column 6:"},
		{"{} {}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": 01}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": NaN}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": \"\\ud800\"}", SL_ERR_SYNTAX, "ud800"},
		{"{\"a\": \"\\u0000\"}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": \"\xff\"}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": \"x\ny\"}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": 'x'}", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": \"x", SL_ERR_SYNTAX, "line 1"},
		{"{\"a\": 1, \"b\": 2, \"a\": 1}", SL_ERR_DUPLICATE_MEMBER, "\"a\""},
		{"[{\"x\": {\"y\": 1,\n\"y\": 1}}]", SL_ERR_DUPLICATE_MEMBER, "line 2"},
		{"{\"a\": 9223372036854775808}", SL_ERR_OUT_OF_BOUNDS, "as strings"},
		{"{\"a\": 1e400}", SL_ERR_OUT_OF_BOUNDS, "line 1"},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++)
		expect_error(rows[i].text, strlen(rows[i].text), rows[i].code, rows[i].contains);
	expect_error("{\"a\": \"x\0y\"}", 12, SL_ERR_SYNTAX, "line 1");
	expect_error("{}\0", 3, SL_ERR_SYNTAX, "line 1");
}

/* A text of `depth` arrays around nothing; the caller frees. */
static char *
nested(size_t depth)
{
	char *text = malloc(2 * depth + 1);

	assert_non_null(text);
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = '\0';
	return text;
}

static void
test_depth(void **state)
{
	char *deepest = nested(SL_DOCUMENT_DEPTH_MAX);
	char *too_deep = nested(SL_DOCUMENT_DEPTH_MAX + 1);
	char *far_too_deep = nested(10000);
	json_t *json = NULL;

	(void)state;
	assert_int_equal(sl_json_load(deepest, strlen(deepest), 0, &json, NULL), 0);
	json_decref(json);
	expect_error(too_deep, strlen(too_deep), SL_ERR_TOO_DEEP,
		"line 1, column 33: nested deeper than 32");
	expect_error(far_too_deep, strlen(far_too_deep), SL_ERR_TOO_DEEP, "nested deeper than 32");
	expect_error(far_too_deep, 10000, SL_ERR_TOO_DEEP, "nested deeper than 32");
	free(deepest);
	free(too_deep);
	free(far_too_deep);
}

/* The array [{},{},...] of `size` bytes. */
static char *
many_objects(size_t size)
{
	char *text = malloc(size);

	assert_non_null(text);
	for (size_t i = 0; i + 3 <= size; i += 3)
		memcpy(text + i, "{},", 3);
	text[0] = '[';
	text[1] = text[2] = ' ';
	memcpy(text + size - 3, "{}]", 3);
	return text;
}

static size_t
resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* 30 MB that would become 2 GB. */
static void
test_memory_is_bounded(void **state)
{
	size_t size = 30 * MIB, before;
	char *text = many_objects(size);

	(void)state;
	before = resident_bytes();
	expect_error(text, size, SL_ERR_TOO_LARGE, "67108864 bytes of memory");
	/* Freed memory may stay with the allocator, so this bounds what was ever used. */
	assert_true(resident_bytes() < before + GROWTH_MAX);
	free(text);
}

/* The limit is of one document, and not used up by others. */
static void
test_budget_is_renewed_for_each_document(void **state)
{
	char *text = many_objects(30 * 1024);
	size_t low = 1, high = 64 * MIB;
	json_t *json;

	(void)state;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		json = NULL;
		if (sl_json_load(text, 30 * 1024, middle, &json, NULL) == 0)
			high = middle;
		else
			low = middle + 1;
		json_decref(json);
	}
	/* 10,240 objects of some 200 bytes each. */
	assert_in_range(low, 1 * MIB, 4 * MIB);
	for (int i = 0; i < 3; i++) {
		json = NULL;
		/* A tenth more or less: what the allocator rounds to depends on what it has at hand. */
		assert_int_equal(sl_json_load(text, 30 * 1024, low + low / 10, &json, NULL), 0);
		json_decref(json);
		assert_int_equal(
			sl_json_load(text, 30 * 1024, low - low / 10, &json, NULL), -E2BIG);
	}
	free(text);
}

static void *
load_unbounded(void *arg)
{
	char *text = arg;
	json_t *json = NULL;
	int rc = 0;

	for (int i = 0; i < 20 && rc == 0; i++) {
		rc = sl_json_load(text, 30 * 1024, 0, &json, NULL);
		json_decref(json);
	}
	return rc == 0 ? text : NULL;
}

/* A budget is of one thread: another one parses without a bound meanwhile. */
static void
test_budget_is_of_one_thread(void **state)
{
	char *text = many_objects(30 * 1024);
	pthread_t other;
	json_t *json = NULL;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&other, NULL, load_unbounded, text), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(sl_json_load(text, 30 * 1024, MIB / 2, &json, NULL), -E2BIG);
	assert_int_equal(pthread_join(other, &result), 0);
	assert_ptr_equal(result, text);
	free(text);
}

/* Writes a temporary file and returns its path in `path`. */
static void
write_file(char path[32], const char *text, size_t len)
{
	int fd;

	strcpy(path, "/tmp/sluice-test-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void
test_files(void **state)
{
	struct sl_error err = {0};
	json_t *json = NULL;
	char path[32], where[64];

	(void)state;
	write_file(path, "{\"a\": 5}\n", 9);
	assert_int_equal(sl_json_load_file(path, MIB, &json, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(json, "a")), 5);
	json_decref(json);
	unlink(path);

	write_file(path, "{\n \"a\": }\n", 10);
	assert_int_equal(sl_json_load_file(path, MIB, &json, &err), -EINVAL);
	snprintf(where, sizeof(where), "%s:2:7", path);
	assert_string_equal(err.where, where);
	assert_int_equal(err.code, SL_ERR_SYNTAX);
	unlink(path);

	assert_int_equal(sl_json_load_file(path, MIB, &json, &err), -EIO);
	assert_string_equal(err.where, path);
	assert_non_null(strstr(err.text, "No such file"));
	assert_int_equal(sl_json_load_file("/proc", MIB, &json, &err), -EIO);
	assert_non_null(strstr(err.text, "directory"));
}

static int
set_up(void **state)
{
	(void)state;
	sl_document_setup();
	sl_document_setup();
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_valid_texts),
		cmocka_unit_test(test_faulty_texts),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_budget_is_renewed_for_each_document),
		cmocka_unit_test(test_budget_is_of_one_thread),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
