/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void
test_texts(void **state)
{
	char text[SL_TIME_TEXT_MAX];

	(void)state;
	assert_string_equal(sl_time_format(0, text), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(
		sl_time_format(UINT64_C(1767323045000006789), text), "2026-01-02T03:04:05.000006Z");
	assert_string_equal(
		sl_time_format(UINT64_C(951827696999999999), text), "2000-02-29T12:34:56.999999Z");
	assert_string_equal(sl_time_format(UINT64_MAX, text), "2554-07-21T23:34:33.709551Z");
}

static void
test_system_clock_is_the_system_time(void **state)
{
	uint64_t now = sl_clock_now(&sl_clock_system);
	uint64_t expected = (uint64_t)time(NULL) * 1000000000;

	(void)state;
	assert_true(now + 2000000000 > expected && now < expected + 2000000000);
}

static void
test_monotonic_never_goes_back(void **state)
{
	uint64_t last = sl_clock_monotonic_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t now = sl_clock_monotonic_ns();

		assert_true(now >= last);
		last = now;
	}
}

static uint64_t
count_up(void *ctx)
{
	return ++*(uint64_t *)ctx;
}

static void
test_clocks_can_be_replaced(void **state)
{
	uint64_t ticks = 41;
	struct sl_clock clock = {.now_ns = count_up, .ctx = &ticks};

	(void)state;
	assert_int_equal(sl_clock_now(&clock), 42);
	assert_int_equal(sl_clock_now(&clock), 43);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_system_clock_is_the_system_time),
		cmocka_unit_test(test_monotonic_never_goes_back),
		cmocka_unit_test(test_clocks_can_be_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
