/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_parking.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MAX 5u

static const int plugins[2]; /* whose operations they are: two addresses */

static struct sl_parking *
make(uint32_t max, uint32_t packets, uint32_t bytes, uint32_t frames)
{
	const struct sl_pend_config config = {.max = max,
		.packets = packets,
		.bytes = bytes,
		.frames = frames,
		.timeout_ms = 1000};
	struct sl_parking *parking;

	assert_int_equal(sl_parking_new(&config, &parking), 0);
	return parking;
}

static struct sl_frame
frame_of(uint32_t length, void *owner)
{
	return (struct sl_frame){.length = length, .owner = owner};
}

static void
test_limits(void **state)
{
	struct sl_pend_config config = {.max = 0, .packets = 1};
	struct sl_parking *parking;

	(void)state;
	assert_int_equal(sl_parking_new(&config, &parking), -EINVAL);
	config.max = 1;
	config.packets = SL_PARKED_FRAMES_MAX + 1;
	assert_int_equal(sl_parking_new(&config, &parking), -EINVAL);
	config.packets = 8;
	config.max = 1000;
	assert_int_equal(sl_parking_held_max(&config), 8000);
	config.frames = 100;
	assert_int_equal(sl_parking_held_max(&config), 100);
	config.frames = 9000;
	assert_int_equal(sl_parking_held_max(&config), 8000);
	sl_parking_free(NULL);
}

static void
test_come_and_go(void **state)
{
	struct sl_parking *parking = make(MAX, 2, 1000, 0);
	const struct sl_parked *parked;

	(void)state;
	for (uint32_t round = 0; round < 10; round++) {
		for (uint64_t id = 1; id <= MAX; id++) {
			assert_int_equal(sl_parking_room(parking), MAX + 1 - id);
			assert_null(sl_parking_find(parking, id));
			parked = sl_parking_begin(
				parking, id, &plugins[id % 2], (uint32_t)id * 2, 7);
			assert_non_null(parked);
			assert_true(parked->id == id && parked->path == id * 2);
			assert_ptr_equal(parked->by, &plugins[id % 2]);
		}
		assert_int_equal(sl_parking_room(parking), 0);
		assert_null(sl_parking_begin(parking, 99, &plugins[0], 0, 0));
		/* In another order every round. */
		for (uint64_t i = 0; i < MAX; i++) {
			const uint64_t id = 1 + (i * 2 + round) % MAX;

			parked = sl_parking_find(parking, id);
			assert_non_null(parked);
			sl_parking_end(parking, parked);
			assert_null(sl_parking_find(parking, id));
			assert_int_equal(sl_parking_count(parking), MAX - 1 - i);
		}
		assert_null(sl_parking_oldest(parking));
	}
	sl_parking_free(parking);
}

static void
test_by_age(void **state)
{
	struct sl_parking *parking = make(MAX, 2, 1000, 0);
	const uint32_t start = UINT32_MAX - 100; /* the clock wraps meanwhile */

	(void)state;
	assert_false(sl_parking_is_overdue(parking, 0));
	for (uint32_t i = 0; i < MAX; i++)
		sl_parking_begin(parking, i + 1, &plugins[0], 0, start + i * 100);
	assert_true(sl_parking_oldest(parking)->id == 1);
	assert_false(sl_parking_is_overdue(parking, start + 999));
	assert_true(sl_parking_is_overdue(parking, start + 1000));
	/* The second goes first: the oldest is still the first. */
	sl_parking_end(parking, sl_parking_find(parking, 2));
	sl_parking_end(parking, sl_parking_find(parking, 5));
	assert_true(sl_parking_oldest(parking)->id == 1);
	sl_parking_end(parking, sl_parking_oldest(parking));
	assert_true(sl_parking_oldest(parking)->id == 3);
	assert_false(sl_parking_is_overdue(parking, start + 1199));
	assert_true(sl_parking_is_overdue(parking, start + 1200));
	/* A clock that was set back. */
	assert_false(sl_parking_is_overdue(parking, start - 100000));
	sl_parking_begin(parking, 6, &plugins[0], 0, start + 500);
	sl_parking_end(parking, sl_parking_oldest(parking));
	sl_parking_end(parking, sl_parking_oldest(parking));
	assert_true(sl_parking_oldest(parking)->id == 6);
	sl_parking_free(parking);
}

static void
test_frames(void **state)
{
	struct sl_parking *parking = make(MAX, 3, 1000, 4);
	struct sl_frame frames[SL_PARKED_FRAMES_MAX];
	const struct sl_parked *one, *other;
	struct sl_frame frame;
	int owners[8];

	(void)state;
	one = sl_parking_begin(parking, 1, &plugins[0], 0, 0);
	other = sl_parking_begin(parking, 2, &plugins[0], 0, 0);
	frame = frame_of(1001, NULL);
	assert_false(sl_parking_hold(parking, one, &frame));
	for (int i = 0; i < 3; i++) {
		frame = frame_of(300, &owners[i]);
		assert_true(sl_parking_hold(parking, one, &frame));
	}
	assert_int_equal(one->n_bytes, 900);
	frame = frame_of(60, &owners[3]);
	assert_false(sl_parking_hold(parking, one, &frame)); /* packets of a flow */
	assert_true(sl_parking_hold(parking, other, &frame));
	assert_false(sl_parking_hold(parking, other, &frame)); /* of all flows */
	assert_int_equal(sl_parking_held(parking), 4);
	assert_int_equal(sl_parking_take(parking, one, frames), 3);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(frames[i].owner, &owners[i]);
	assert_int_equal(sl_parking_held(parking), 1);
	assert_int_equal(sl_parking_take(parking, one, frames), 0);
	frame = frame_of(941, NULL);
	assert_false(sl_parking_hold(parking, other, &frame)); /* bytes of a flow */
	frame = frame_of(940, NULL);
	assert_true(sl_parking_hold(parking, other, &frame));
	assert_int_equal(sl_parking_take(parking, other, frames), 2);
	sl_parking_end(parking, one);
	sl_parking_end(parking, other);
	assert_int_equal(sl_parking_held(parking), 0);
	sl_parking_free(parking);
}

/* A walk sees every operation of one once, though they end on the way, and does no more than it is asked to. */
static void
test_walk(void **state)
{
	struct sl_parking *parking = make(100, 0, 0, 0);
	const struct sl_parked *parked;
	uint32_t at = 0, n = 0, n_calls = 0, work;

	(void)state;
	for (uint64_t id = 1; id <= 100; id++)
		sl_parking_begin(parking, id, &plugins[id % 4 == 0], 0, 0);
	while (at != SL_PARKING_END) {
		work = 7;
		while ((parked = sl_parking_next(parking, &plugins[1], &at, &work)) != NULL) {
			assert_true(parked->id % 4 == 0);
			sl_parking_end(parking, parked);
			n++;
		}
		n_calls++;
	}
	assert_int_equal(n, 25);
	assert_true(n_calls >= 100 / 7);
	assert_int_equal(sl_parking_count(parking), 75);
	at = 0;
	work = UINT32_MAX;
	for (n = 0; sl_parking_next(parking, NULL, &at, &work) != NULL; n++)
		;
	assert_int_equal(n, 75);
	sl_parking_free(parking);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_by_age),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
