/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_sizes(void **state)
{
	struct sl_ring *ring = NULL;

	(void)state;
	assert_int_equal(sl_ring_new(0, 8, &ring), -EINVAL);
	assert_int_equal(sl_ring_new(((size_t)1 << 24) + 1, 8, &ring), -EINVAL);
	assert_int_equal(sl_ring_new(8, 0, &ring), -EINVAL);
	assert_int_equal(sl_ring_new(8, SIZE_MAX, &ring), -EINVAL);
	assert_null(ring);
	sl_ring_free(NULL);
}

static void
test_first_in_first_out_until_full(void **state)
{
	struct sl_ring *ring;
	uint32_t number, out;

	(void)state;
	assert_int_equal(sl_ring_new(5, sizeof(number), &ring), 0); /* rounded up to 8 */
	for (uint32_t round = 0; round < 5; round++) {
		assert_false(sl_ring_get(ring, &out));
		for (number = 0; number < 8; number++)
			assert_true(sl_ring_put(ring, &number));
		assert_false(sl_ring_put(ring, &number));
		assert_int_equal(sl_ring_refused(ring), round + 1);
		for (number = 0; number < 8; number++) {
			assert_true(sl_ring_get(ring, &out));
			assert_int_equal(out, number);
		}
	}
	sl_ring_free(ring);
}

static void
test_records_of_odd_size(void **state)
{
	struct sl_ring *ring;
	char record[7] = "abcdef", out[7];

	(void)state;
	assert_int_equal(sl_ring_new(2, sizeof(record), &ring), 0);
	for (int i = 0; i < 9; i++) {
		record[0] = (char)('a' + i);
		assert_true(sl_ring_put(ring, record));
		assert_true(sl_ring_get(ring, out));
		assert_string_equal(out, record);
	}
	sl_ring_free(ring);
}

#define N_RECORDS 200000u

struct record {
	uint64_t number;
	uint64_t complement;
};

static void *
produce(void *arg)
{
	struct sl_ring *ring = arg;

	for (uint64_t i = 0; i < N_RECORDS; i++) {
		struct record record = {.number = i, .complement = ~i};

		while (!sl_ring_put(ring, &record))
			sched_yield();
	}
	return NULL;
}

/* Nothing is lost, doubled, reordered or torn between two threads. */
static void
test_two_threads(void **state)
{
	struct sl_ring *ring;
	pthread_t producer;
	struct record record;
	uint64_t n_seen = 0, n_bad = 0;

	(void)state;
	assert_int_equal(sl_ring_new(64, sizeof(record), &ring), 0);
	assert_int_equal(pthread_create(&producer, NULL, produce, ring), 0);
	while (n_seen < N_RECORDS) {
		if (!sl_ring_get(ring, &record)) {
			sched_yield();
			continue;
		}
		n_bad += record.number != n_seen || record.complement != ~n_seen;
		n_seen++;
	}
	assert_int_equal(pthread_join(producer, NULL), 0);
	assert_int_equal(n_bad, 0);
	assert_false(sl_ring_get(ring, &record));
	sl_ring_free(ring);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_first_in_first_out_until_full),
		cmocka_unit_test(test_records_of_odd_size),
		cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
