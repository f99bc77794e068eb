/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/plugins/bucket.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define START  (UINT64_C(1767323045) * SECOND)

/* How many of `n` tries at the same time succeed. */
static uint32_t
take_many(struct bucket *bucket, uint64_t now_ns, uint32_t n)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < n; i++)
		taken += bucket_take(bucket, now_ns, 1);
	return taken;
}

static void
test_burst_then_rate(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 100, 5);
	assert_int_equal(take_many(&bucket, START, 50), 5);
	/* One token comes every 10 ms. */
	assert_int_equal(take_many(&bucket, START + SECOND / 100 - 1, 50), 0);
	assert_int_equal(take_many(&bucket, START + SECOND / 100, 50), 1);
	assert_int_equal(take_many(&bucket, START + SECOND / 100 * 3, 50), 2);
	/* Never more than the burst, however long it was left alone. */
	assert_int_equal(take_many(&bucket, START + 1000 * SECOND, 50), 5);
}

/* Over a long time as many pass as the rate says, whatever the rate. */
static void
test_rate(void **state)
{
	static const uint32_t rates[] = {1, 3, 7, 1000, 999983, 3000000};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		const double rate = rates[i];
		const uint32_t tries = 2000000;
		const uint64_t step = (uint64_t)(1e9 / rate / 2);
		struct bucket bucket;
		uint32_t taken = 0;
		double expected;

		bucket_init(&bucket, rate, 10);
		for (uint32_t n = 0; n < tries; n++)
			taken += bucket_take(&bucket, START + n * step, 1);
		expected = (double)tries * (double)step * rate / 1e9;
		assert_true((double)taken > expected * 0.998 - 2);
		assert_true((double)taken < expected * 1.002 + 10);
	}
}

/* Bytes: tokens are taken in the sizes of frames. */
static void
test_bytes(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 1250000, 3000); /* 10 Mbit/s */
	assert_true(bucket_take(&bucket, START, 1500));
	assert_true(bucket_take(&bucket, START, 1500));
	assert_false(bucket_take(&bucket, START, 60));
	assert_false(bucket_take(&bucket, START + 1199999, 1500));
	assert_true(bucket_take(&bucket, START + 1200001, 1500));
	/* What is longer than the burst never passes, and takes nothing. */
	assert_false(bucket_take(&bucket, START + 10 * SECOND, 3001));
	assert_true(bucket_take(&bucket, START + 10 * SECOND, 3000));
}

/* The largest and smallest settings that plugins allow do not overflow. */
static void
test_extremes(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 1000, 1000.0 * BUCKET_DEPTH_MAX_S);
	for (int i = 0; i < 54; i++)
		assert_true(bucket_take(&bucket, START, 65536));
	assert_false(bucket_take(&bucket, START, 65536));
	bucket_init(&bucket, 1, BUCKET_DEPTH_MAX_S);
	assert_int_equal(take_many(&bucket, START, 4000), 3600);
	bucket_init(&bucket, 125e9, 65536);
	assert_true(bucket_take(&bucket, START, 65536));
	assert_false(bucket_take(&bucket, START, 65536));
	assert_true(bucket_take(&bucket, START + 525, 65536));
}

/* A clock that is set back does not shut the bucket for as long as it was set back. */
static void
test_clock_steps(void **state)
{
	struct bucket bucket;

	(void)state;
	bucket_init(&bucket, 10, 2);
	assert_int_equal(take_many(&bucket, START, 10), 2);
	assert_int_equal(take_many(&bucket, START - 3600 * SECOND, 10), 2);
	/* A worker whose burst began a little earlier does not find a full bucket. */
	assert_int_equal(take_many(&bucket, START - 3600 * SECOND - 1000000, 10), 0);
	/* Time wraps. */
	assert_int_equal(take_many(&bucket, (UINT64_C(1) << 56) - 1, 10), 2);
	assert_int_equal(take_many(&bucket, (UINT64_C(1) << 56), 10), 0);
	assert_int_equal(take_many(&bucket, (UINT64_C(1) << 56) + SECOND, 10), 2);
}

#define THREADS    4
#define TRIES_EACH 200000

struct contender {
	struct bucket *bucket;
	uint32_t taken;
};

static void *
contend(void *arg)
{
	struct contender *contender = arg;

	for (uint32_t i = 0; i < TRIES_EACH; i++)
		contender->taken += bucket_take(contender->bucket, START + i, 1);
	return NULL;
}

/* Together, several workers get no more and no less than one alone would. */
static void
test_shared(void **state)
{
	struct contender contenders[THREADS];
	pthread_t threads[THREADS];
	struct bucket bucket;
	uint32_t taken = 0;

	(void)state;
	/* A burst that the tries exhaust, and a rate that adds one token in their time. */
	bucket_init(&bucket, 5000, 100000);
	for (int i = 0; i < THREADS; i++) {
		contenders[i] = (struct contender){.bucket = &bucket};
		assert_int_equal(pthread_create(&threads[i], NULL, contend, &contenders[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		taken += contenders[i].taken;
	}
	assert_in_range(taken, 100000, 100001);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_then_rate),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_clock_steps),
		cmocka_unit_test(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
