/* SPDX-License-Identifier: BSD-3-Clause */
#include "mock_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define START  (UINT64_C(1767323045) * SECOND)
#define WRITE  SLUICE_RIGHT_ACTION_WRITE

enum {
	PERMITTED_PACKETS,
	PERMITTED_BYTES,
	BLOCKED_PACKETS,
	BLOCKED_BYTES
};

static const uint8_t frame[2000];

/* The answer for a frame of `length` bytes at a time. */
static struct sluice_classify_out
offer(struct mock *mock, const struct sluice_filter *filter, uint32_t length, uint64_t now_ns,
	uint32_t rights)
{
	const struct sluice_metadata meta = {.time_ns = now_ns};

	mock_frame(mock, frame, length);
	return mock_classify(mock, filter, &meta, rights, 0);
}

static void
test_packets(void **state)
{
	struct sluice_classify_out out;
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	assert_int_equal(mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING,
				 "{\"pps\": 10, \"burst\": 2}"),
		0);
	out = offer(&mock, &filter, 100, START, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_PERMIT);
	assert_int_equal(out.rights, WRITE);
	out = offer(&mock, &filter, 100, START, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_PERMIT);
	out = offer(&mock, &filter, 100, START, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_BLOCK);
	assert_int_equal(out.rights, 0);
	out = offer(&mock, &filter, 100, START + SECOND / 10, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_PERMIT);
	assert_int_equal(mock.counters[PERMITTED_PACKETS], 3);
	assert_int_equal(mock.counters[PERMITTED_BYTES], 300);
	assert_int_equal(mock.counters[BLOCKED_PACKETS], 1);
	assert_int_equal(mock.counters[BLOCKED_BYTES], 100);
	mock_delete(&mock, &filter);
	mock_fini(&mock);
}

static void
test_bits(void **state)
{
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	/* 100 kbit/s are 12,500 bytes a second; the usual burst holds a jumbo frame. */
	assert_int_equal(
		mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"bps\": 100000}"),
		0);
	for (int i = 0; i < 7; i++)
		assert_int_equal(offer(&mock, &filter, 1500, START, WRITE).action,
			i < 6 ? SLUICE_ACTION_PERMIT : SLUICE_ACTION_BLOCK);
	assert_int_equal(offer(&mock, &filter, 216, START, WRITE).action, SLUICE_ACTION_PERMIT);
	assert_int_equal(offer(&mock, &filter, 60, START, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(offer(&mock, &filter, 1500, START + 120 * 1000000 + 1, WRITE).action,
		SLUICE_ACTION_PERMIT);
	mock_delete(&mock, &filter);
	mock_fini(&mock);
}

/* Without the right it neither answers nor uses up tokens, and it never vetoes. */
static void
test_without_the_right(void **state)
{
	struct sluice_classify_out out;
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	assert_int_equal(mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING,
				 "{\"pps\":1,\"burst\":1}"),
		0);
	for (int i = 0; i < 3; i++) {
		out = offer(&mock, &filter, 60, START, 0);
		assert_int_equal(out.action, SLUICE_ACTION_UNTOUCHED);
		assert_int_equal(out.rights, 0);
	}
	assert_int_equal(offer(&mock, &filter, 60, START, WRITE).action, SLUICE_ACTION_PERMIT);
	mock_delete(&mock, &filter);
	mock_fini(&mock);
}

/* The filter's flag makes permits hard; an unknown callout has no opinion under the rate. */
static void
test_filter_decides_how(void **state)
{
	struct sluice_classify_out out;
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	assert_int_equal(mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING,
				 "{\"pps\":5,\"burst\":1}"),
		0);
	filter.flags = SLUICE_FILTER_FLAG_CLEAR_ACTION_RIGHT;
	out = offer(&mock, &filter, 60, START, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_PERMIT);
	assert_int_equal(out.rights, 0);
	mock_delete(&mock, &filter);
	assert_int_equal(
		mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_UNKNOWN, "{\"pps\":5,\"burst\":1}"),
		0);
	out = offer(&mock, &filter, 60, START, WRITE);
	assert_int_equal(out.action, SLUICE_ACTION_CONTINUE);
	assert_int_equal(out.rights, WRITE);
	assert_int_equal(offer(&mock, &filter, 60, START, WRITE).action, SLUICE_ACTION_BLOCK);
	mock_delete(&mock, &filter);
	mock_fini(&mock);
}

static void
test_buckets_apart(void **state)
{
	struct sluice_filter one, two;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	assert_int_equal(
		mock_add(&mock, &one, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"pps\":1}"), 0);
	assert_int_equal(
		mock_add(&mock, &two, SLUICE_ACTION_CALLOUT_TERMINATING, "{\"pps\":1}"), 0);
	assert_int_equal(offer(&mock, &one, 60, START, WRITE).action, SLUICE_ACTION_PERMIT);
	assert_int_equal(offer(&mock, &one, 60, START, WRITE).action, SLUICE_ACTION_BLOCK);
	assert_int_equal(offer(&mock, &two, 60, START, WRITE).action, SLUICE_ACTION_PERMIT);
	mock_delete(&mock, &one);
	mock_delete(&mock, &two);
	mock_fini(&mock);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *data;
		const char *words;
	} bad[] = {
		{NULL,
			"it needs a provider context with data such as {\"pps\": 1000} or "
			"{\"bps\": 10000000, "
			"\"burst\": 20000}"},
		{"{}",
			"the provider context's data must have one of \"pps\" and \"bps\", not "
			"both"},
		{"{\"burst\":5}",
			"the provider context's data must have one of \"pps\" and \"bps\", not "
			"both"},
		{"{\"pps\":5,\"bps\":8000}",
			"the provider context's data must have one of \"pps\" and \"bps\", not "
			"both"},
		{"[1]", "the provider context's data is not a JSON object"},
		{"{\"pps\":5,\"brust\":1}",
			"the provider context's data has a member \"brust\"; it may have "
			"\"pps\" or \"bps\", and \"burst\""},
		{"{\"pps\":0}", "\"pps\" must be an integer from 1 to 1000000000"},
		{"{\"pps\":1000000001}", "\"pps\" must be an integer from 1 to 1000000000"},
		{"{\"pps\":\"5\"}", "\"pps\" must be an integer from 1 to 1000000000"},
		{"{\"pps\":1.5}", "\"pps\" must be an integer from 1 to 1000000000"},
		{"{\"bps\":7999}", "\"bps\" must be an integer from 8000 to 1000000000000"},
		{"{\"bps\":-1}", "\"bps\" must be an integer from 8000 to 1000000000000"},
		{"{\"pps\":2,\"burst\":0}", "\"burst\" must be an integer from 1 to 7200"},
		{"{\"pps\":2,\"burst\":7201}", "\"burst\" must be an integer from 1 to 7200"},
		{"{\"bps\":8000,\"burst\":1513}",
			"\"burst\" must be an integer from 1514 to 3600000"},
	};
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_not_equal(
			mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING, bad[i].data),
			0);
		assert_string_equal(mock.refusal, bad[i].words);
		assert_int_equal(filter.context, 0);
	}
	assert_int_not_equal(
		mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_INSPECTION, "{\"pps\":1}"), 0);
	assert_non_null(strstr(mock.refusal, "use the action callout_terminating"));
	mock_fini(&mock);
}

/* The edges of what is allowed work. */
static void
test_edges(void **state)
{
	static const char *const good[] = {"{\"pps\":1}", "{\"pps\":1000000000}",
		"{\"pps\":2,\"burst\":7200}", "{\"bps\":8000,\"burst\":1514}",
		"{\"bps\":8000,\"burst\":3600000}", "{\"bps\":1000000000000}",
		"{\"bps\":1000000000000,\"burst\":450000000000000}",
		"{\"pps\":1000000000,\"burst\":3600000000000}"};
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(
			mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING, good[i]), 0);
		assert_int_equal(
			offer(&mock, &filter, 1514, START, WRITE).action, SLUICE_ACTION_PERMIT);
		mock_delete(&mock, &filter);
	}
	mock_fini(&mock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_without_the_right),
		cmocka_unit_test(test_filter_decides_how),
		cmocka_unit_test(test_buckets_apart),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
