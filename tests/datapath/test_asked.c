/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/asked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#define SECOND 1000000000ull
#define KEEP   (4 * SECOND)
#define BEGIN  (1800000000ull * SECOND)
#define UNIT   ((uint64_t)1 << ASKED_UNIT_LOG)
/* How much longer than asked a place may say yes. */
#define SLACK (10 * UNIT)

/* Place 5 under another tag each. */
static uint64_t
hash_of(uint64_t tag)
{
	return tag << 40 | 5;
}

static void
test_from_the_question_on(void **state)
{
	struct asked *asked = asked_new(KEEP);

	(void)state;
	assert_non_null(asked);
	assert_false(asked_is_live(asked, BEGIN));
	assert_false(asked_has(asked, hash_of(9), BEGIN));
	asked_note(asked, hash_of(9), BEGIN);
	for (uint64_t at = BEGIN; at <= BEGIN + KEEP; at += UNIT / 3) {
		assert_true(asked_is_live(asked, at));
		assert_true(asked_has(asked, hash_of(9), at));
		assert_false(asked_has(asked, hash_of(10), at));
		assert_false(asked_has(asked, hash_of(9) + 1, at));
	}
	assert_false(asked_is_live(asked, BEGIN + KEEP + SLACK));
	assert_false(asked_has(asked, hash_of(9), BEGIN + KEEP + SLACK));
	free(asked);
}

/* Asked again at any pace, an end may be answered for the whole time behind each question. */
static void
test_asked_again(void **state)
{
	struct asked *asked = asked_new(KEEP);

	(void)state;
	for (uint64_t at = BEGIN; at < BEGIN + SECOND; at += UNIT / 7) {
		asked_note(asked, hash_of(9), at);
		assert_true(asked_has(asked, hash_of(9), at + KEEP));
		assert_true(asked_is_live(asked, at + KEEP));
		assert_false(asked_has(asked, hash_of(9), at + KEEP + SLACK));
		assert_false(asked_is_live(asked, at + KEEP + SLACK));
	}
	free(asked);
}

/* Two ends in one place: neither is lost, and what is said too much ends with both. */
static void
test_ends_share_a_place(void **state)
{
	struct asked *asked = asked_new(KEEP);

	(void)state;
	asked_note(asked, hash_of(9), BEGIN);
	asked_note(asked, hash_of(10), BEGIN + SECOND);
	assert_true(asked_has(asked, hash_of(9), BEGIN + KEEP));
	assert_true(asked_has(asked, hash_of(10), BEGIN + SECOND + KEEP));
	/* The first goes on for its own time behind the second's. */
	asked_note(asked, hash_of(9), BEGIN + 2 * SECOND);
	assert_true(asked_has(asked, hash_of(9), BEGIN + 2 * SECOND + KEEP));
	assert_true(asked_has(asked, hash_of(11), BEGIN + 2 * SECOND + KEEP));
	assert_false(asked_has(asked, hash_of(9), BEGIN + 2 * SECOND + KEEP + SLACK));
	/* A place that is over is anybody's. */
	asked_note(asked, hash_of(12), BEGIN + 20 * SECOND);
	assert_true(asked_has(asked, hash_of(12), BEGIN + 20 * SECOND));
	assert_false(asked_has(asked, hash_of(9), BEGIN + 20 * SECOND));
	free(asked);
}

/* Tags that places use for something else are as good as others. */
static void
test_odd_tags(void **state)
{
	static const uint64_t tags[] = {0, 1, 0xffffff};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(tags); i++) {
		struct asked *asked = asked_new(KEEP);

		assert_false(asked_has(asked, hash_of(tags[i]), BEGIN));
		asked_note(asked, hash_of(tags[i]), BEGIN);
		assert_true(asked_has(asked, hash_of(tags[i]), BEGIN));
		assert_false(asked_has(asked, hash_of(77), BEGIN));
		free(asked);
	}
}

/* --- Several threads. --- */

#define ENDS 4u

struct asker {
	struct asked *asked;
	uint64_t tag;
	uint64_t n_lost;
};

static void *
ask(void *arg)
{
	struct asker *asker = arg;

	for (uint64_t i = 0; i < 200000; i++) {
		/* All of it within the time that an end is kept. */
		uint64_t now = BEGIN + i * UNIT / 1024;

		asked_note(asker->asked, hash_of(asker->tag), now);
		asker->n_lost += !asked_has(asker->asked, hash_of(asker->tag), now);
		asker->n_lost += !asked_is_live(asker->asked, now);
	}
	return NULL;
}

/* All write one place at once, and none loses its end. */
static void
test_at_once(void **state)
{
	struct asked *asked = asked_new(KEEP);
	struct asker askers[ENDS];
	pthread_t threads[ENDS];

	(void)state;
	for (uint32_t i = 0; i < ENDS; i++) {
		askers[i] = (struct asker){.asked = asked, .tag = 9 + i};
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
	}
	for (uint32_t i = 0; i < ENDS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(askers[i].n_lost, 0);
	}
	free(asked);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_the_question_on),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_ends_share_a_place),
		cmocka_unit_test(test_odd_tags),
		cmocka_unit_test(test_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
