/* SPDX-License-Identifier: BSD-3-Clause */

/* Also run as a race, under the thread sanitizer (tests/race). */
#include "base/sl_mpsc.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_sizes(void **state)
{
	struct sl_mpsc *queue = NULL;

	(void)state;
	assert_int_equal(sl_mpsc_new(0, 8, &queue), -EINVAL);
	assert_int_equal(sl_mpsc_new(((size_t)1 << 24) + 1, 8, &queue), -EINVAL);
	assert_int_equal(sl_mpsc_new(SIZE_MAX, 8, &queue), -EINVAL);
	assert_int_equal(sl_mpsc_new(8, 0, &queue), -EINVAL);
	assert_int_equal(sl_mpsc_new(8, 4097, &queue), -EINVAL);
	assert_null(queue);
	sl_mpsc_free(NULL);
}

/* Puts `first`, `first` + 1 and so on until the queue refuses; how many there were. */
static uint32_t
fill(struct sl_mpsc *queue, uint32_t first)
{
	uint32_t n = 0;
	uint32_t number = first;

	for (; sl_mpsc_put(queue, &number); number = first + n)
		assert_in_range(++n, 1, 100);
	return n;
}

static void
expect(struct sl_mpsc *queue, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t out = UINT32_MAX;

		assert_true(sl_mpsc_get(queue, &out));
		assert_int_equal(out, first + i);
	}
}

static void
test_first_in_first_out_until_full(void **state)
{
	static const struct {
		size_t n_max;
		uint32_t room;
	} sizes[] = {{1, 2}, {2, 2}, {3, 4}, {5, 8}, {8, 8}};
	struct sl_mpsc *queue;
	uint32_t out = 4711;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(sl_mpsc_new(sizes[i].n_max, sizeof(out), &queue), 0);
		for (uint32_t round = 0; round < 5; round++) {
			assert_false(sl_mpsc_get(queue, &out));
			assert_int_equal(out, 4711);
			assert_int_equal(fill(queue, round * 100), sizes[i].room);
			expect(queue, round * 100, sizes[i].room);
		}
		sl_mpsc_free(queue);
	}
}

/* Filled and emptied by halves, so that every round begins at another place. */
static void
test_wraps_around(void **state)
{
	struct sl_mpsc *queue;
	uint32_t next = 0;
	uint32_t oldest = 0;

	(void)state;
	assert_int_equal(sl_mpsc_new(8, sizeof(next), &queue), 0);
	for (uint32_t round = 0; round < 1000; round++) {
		next += fill(queue, next);
		assert_int_equal(next - oldest, 8);
		expect(queue, oldest, 1 + round % 7);
		oldest += 1 + round % 7;
	}
	expect(queue, oldest, next - oldest);
	assert_false(sl_mpsc_get(queue, &oldest));
	sl_mpsc_free(queue);
}

static void
test_records_of_odd_size(void **state)
{
	struct sl_mpsc *queue;
	char record[13] = "abcdefghijkl";
	char out[14];

	(void)state;
	assert_int_equal(sl_mpsc_new(2, sizeof(record), &queue), 0);
	for (int i = 0; i < 9; i++) {
		memset(out, '#', sizeof(out));
		record[0] = (char)('a' + i);
		assert_true(sl_mpsc_put(queue, record));
		assert_true(sl_mpsc_get(queue, out));
		assert_string_equal(record, strtok(out, "#"));
		assert_int_equal(out[13], '#');
	}
	sl_mpsc_free(queue);
}

#define PRODUCERS 4u
#define RECORDS   50000u /* of each */

struct record {
	uint64_t producer;
	uint64_t number;
	uint64_t complement;
};

struct producer {
	pthread_t thread;
	struct sl_mpsc *queue;
	uint64_t index;
};

static void *
produce(void *arg)
{
	const struct producer *producer = arg;

	for (uint64_t i = 0; i < RECORDS; i++) {
		struct record record = {.producer = producer->index, .number = i, .complement = ~i};

		while (!sl_mpsc_put(producer->queue, &record))
			sched_yield();
	}
	return NULL;
}

/* Takes everything; the number of records that were lost, doubled, out of their producer's order or torn. */
static uint32_t
consume(struct sl_mpsc *queue)
{
	uint64_t next[PRODUCERS] = {0};
	struct record record;
	uint32_t n_bad = 0;

	for (uint32_t n = 0; n < PRODUCERS * RECORDS;) {
		if (!sl_mpsc_get(queue, &record)) {
			sched_yield();
			continue;
		}
		n++;
		if (record.producer >= PRODUCERS || record.complement != ~record.number)
			n_bad++;
		else
			n_bad += record.number != next[record.producer]++;
	}
	return n_bad;
}

static void
race(size_t n_max)
{
	struct producer producers[PRODUCERS];
	struct sl_mpsc *queue;
	struct record record;

	assert_int_equal(sl_mpsc_new(n_max, sizeof(record), &queue), 0);
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){.queue = queue, .index = i};
		assert_int_equal(
			pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
	}
	assert_int_equal(consume(queue), 0);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
	assert_false(sl_mpsc_get(queue, &record));
	sl_mpsc_free(queue);
}

/* In a queue of two places producers meet at every record; in the other one they run ahead of the consumer. */
static void
test_producers_race(void **state)
{
	(void)state;
	race(2);
	race(1024);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_first_in_first_out_until_full),
		cmocka_unit_test(test_wraps_around),
		cmocka_unit_test(test_records_of_odd_size),
		cmocka_unit_test(test_producers_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
