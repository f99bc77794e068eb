/* SPDX-License-Identifier: BSD-3-Clause */
#include "mock_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
test_counts(void **state)
{
	const struct sluice_metadata meta = {0};
	struct sluice_classify_out out;
	struct sluice_filter filter;
	const uint8_t frame[1500] = {0};
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	assert_int_equal(mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_INSPECTION, NULL), 0);
	for (uint32_t i = 0; i < 12; i++) {
		mock_frame(&mock, frame, 60 + i);
		out = mock_classify(&mock, &filter, &meta, SLUICE_RIGHT_ACTION_WRITE, i % 4);
		assert_int_equal(out.action, SLUICE_ACTION_CONTINUE);
		assert_int_equal(out.rights, SLUICE_RIGHT_ACTION_WRITE);
	}
	assert_int_equal(mock.counters[0], 12);
	assert_int_equal(mock.counters[1], 12 * 60 + 66);
	mock_delete(&mock, &filter);
	assert_string_equal(mock.logged, "filter under-test is gone; it saw 12 packets, 786 bytes");
	mock_fini(&mock);
}

/* Each filter has numbers of its own; without the right nothing is touched, and it counts all the same. */
static void
test_filters_apart(void **state)
{
	const struct sluice_metadata meta = {0};
	struct sluice_filter one, two;
	const uint8_t frame[64] = {0};
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	mock_frame(&mock, frame, 64);
	assert_int_equal(mock_add(&mock, &one, SLUICE_ACTION_CALLOUT_INSPECTION, NULL), 0);
	assert_int_equal(mock_add(&mock, &two, SLUICE_ACTION_CALLOUT_UNKNOWN, NULL), 0);
	mock_classify(&mock, &one, &meta, SLUICE_RIGHT_ACTION_WRITE, 0);
	assert_int_equal(mock_classify(&mock, &two, &meta, 0, 0).action, SLUICE_ACTION_UNTOUCHED);
	mock_classify(&mock, &two, &meta, 0, 3);
	mock_delete(&mock, &one);
	assert_non_null(strstr(mock.logged, " 1 packets, 64 bytes"));
	mock_delete(&mock, &two);
	assert_non_null(strstr(mock.logged, " 2 packets, 128 bytes"));
	mock_fini(&mock);
}

static void
test_refuses_terminating(void **state)
{
	struct sluice_filter filter;
	struct mock mock;

	(void)state;
	mock_init(&mock, &sluice_callout);
	assert_int_not_equal(mock_add(&mock, &filter, SLUICE_ACTION_CALLOUT_TERMINATING, NULL), 0);
	assert_string_equal(
		mock.refusal, "count decides nothing; use the action callout_inspection");
	assert_int_equal(
		mock.callout->notify(mock.instance, (enum sluice_notify_type)77, &filter), 0);
	mock_fini(&mock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_filters_apart),
		cmocka_unit_test(test_refuses_terminating),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
