/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/wall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A cycle takes a nanosecond here. */
#define SECOND 1000000000u
#define START  (1700000000ull * SECOND)

static void
start(struct wall *wall)
{
	memset(wall, 0, sizeof(*wall));
	wall->ns_per_cycle = (uint64_t)1 << 32;
	wall->pairs[0] = (struct wall_pair){.cycles = 1000, .ns = START};
}

static void
test_runs(void **state)
{
	struct wall wall;

	(void)state;
	start(&wall);
	assert_int_equal(wall_now(&wall, 1000), START);
	assert_int_equal(wall_now(&wall, 1500), START + 500);
	/* Another core's counter may be behind. */
	assert_int_equal(wall_now(&wall, 990), START);
	wall_put(&wall, 1000 + SECOND / 10, START + SECOND / 10);
	assert_int_equal(wall_now(&wall, 1000 + SECOND / 5), START + SECOND / 5);
}

/* What a clock is set by is told; what it drifts by is not. */
static void
test_steps(void **state)
{
	const uint64_t year = 31536000ull * SECOND;
	uint64_t cycles = 1000, ns = START;
	int64_t stepped;
	struct wall wall;

	(void)state;
	start(&wall);
	for (uint32_t i = 0; i < 20; i++) {
		cycles += SECOND / 10;
		ns += SECOND / 10 + SECOND / 100;
		wall_put(&wall, cycles, ns);
	}
	assert_int_equal(wall_read(&wall, cycles, &stepped), ns);
	assert_int_equal(stepped, 0);

	wall_put(&wall, cycles, ns + year);
	assert_int_equal(wall_read(&wall, cycles + 5, &stepped), ns + year + 5);
	assert_int_equal(stepped, (int64_t)year);

	wall_put(&wall, cycles + SECOND, ns + 3 * (uint64_t)SECOND);
	assert_int_equal(wall_read(&wall, cycles + SECOND, &stepped), ns + 3 * (uint64_t)SECOND);
	assert_int_equal(stepped, 2 * (int64_t)SECOND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
