/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/trie.h"

#include "make.h"

/*
 * Random histories of several maps that share nodes, checked at every step against plain arrays: what is
 * found, what comes next, what differs between any two of them, and who holds references.
 */

#define N_NUMBERS 160u
#define N_MAPS    4u
#define N_STEPS   6000u

/* A map and what it must say: the object under each of the numbers, ascending. */
struct twin {
	struct trie trie;
	struct sl_object *model[N_NUMBERS];
};

struct bench {
	uint64_t numbers[N_NUMBERS];
	struct twin twins[N_MAPS];
	uint64_t seed;
};

static uint64_t
draw(struct bench *bench, uint64_t below)
{
	bench->seed = bench->seed * 6364136223846793005u + 1442695040888963407u;
	return (bench->seed >> 33) % below;
}

static void
check_reading(struct bench *bench, const struct twin *twin)
{
	const struct sl_object *after = NULL;

	for (unsigned int i = N_NUMBERS; i-- > 0;) {
		const uint64_t number = bench->numbers[i];

		if (number < UINT64_MAX)
			assert_ptr_equal(sl_trie_next(&twin->trie, number + 1), after);
		if (twin->model[i] != NULL)
			after = twin->model[i];
		assert_ptr_equal(sl_trie_find(&twin->trie, number), twin->model[i]);
		assert_ptr_equal(sl_trie_next(&twin->trie, number), after);
	}
}

/* The differences that are still to be told, in order. */
struct expected {
	const struct twin *before;
	const struct twin *after;
	unsigned int at;
};

static void
skip_same(struct expected *expected)
{
	while (expected->at < N_NUMBERS &&
		expected->before->model[expected->at] == expected->after->model[expected->at])
		expected->at++;
}

static int
check_difference(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	struct expected *expected = ctx;

	skip_same(expected);
	assert_true(expected->at < N_NUMBERS);
	assert_ptr_equal(before, expected->before->model[expected->at]);
	assert_ptr_equal(after, expected->after->model[expected->at]);
	expected->at++;
	return 0;
}

static void
check_diff(const struct twin *before, const struct twin *after)
{
	struct expected expected = {.before = before, .after = after};

	assert_int_equal(sl_trie_diff(&before->trie, &after->trie, check_difference, &expected), 0);
	skip_same(&expected);
	assert_int_equal(expected.at, N_NUMBERS);
}

static void
change(struct bench *bench, struct twin *twin)
{
	const unsigned int i = (unsigned int)draw(bench, N_NUMBERS);
	const uint64_t number = bench->numbers[i];
	const bool is_there = twin->model[i] != NULL;
	const bool must_go = is_there && draw(bench, 2) == 0;
	struct sl_object *object = must_go ? NULL : sl_object_new(SL_OBJECT_SUBLAYER);

	if (is_there)
		assert_int_equal(sl_trie_own(&twin->trie, number), 0);
	if (must_go)
		sl_trie_remove(&twin->trie, number);
	else if (is_there)
		sl_trie_set(&twin->trie, number, object);
	else
		assert_int_equal(sl_trie_add(&twin->trie, number, object), 0);
	twin->model[i] = object;
}

/* One map becomes another, as a policy becomes a clone. */
static void
share(struct bench *bench)
{
	const struct twin *from = &bench->twins[draw(bench, N_MAPS)];
	struct twin *to = &bench->twins[draw(bench, N_MAPS)];

	if (from == to)
		return;
	sl_trie_drop(&to->trie);
	*to = *from;
	sl_trie_share(&from->trie, &to->trie);
}

static void
run_history(struct bench *bench)
{
	for (unsigned int i = 0; i < N_MAPS; i++)
		bench->twins[i].trie.holds = true;
	for (unsigned int step = 0; step < N_STEPS; step++) {
		struct twin *twin = &bench->twins[draw(bench, N_MAPS)];

		change(bench, twin);
		if (draw(bench, 20) == 0)
			share(bench);
		if (step % 16 != 0)
			continue;
		for (unsigned int i = 0; i < N_MAPS; i++) {
			check_reading(bench, &bench->twins[i]);
			check_diff(&bench->twins[i], twin);
		}
	}
	for (unsigned int i = 0; i < N_MAPS; i++) {
		struct sl_object *kept = sl_trie_next(&bench->twins[i].trie, 0);

		if (kept != NULL)
			sl_object_get(kept);
		sl_trie_drop(&bench->twins[i].trie);
		assert_null(sl_trie_next(&bench->twins[i].trie, 0));
		sl_object_put(kept);
	}
}

static void
test_counted_numbers(void **state)
{
	struct bench bench = {.seed = 1};

	(void)state;
	for (unsigned int i = 0; i < N_NUMBERS; i++)
		bench.numbers[i] = i + 1;
	run_history(&bench);
}

static int
compare_numbers(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a;
	const uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* Far apart, neighbours, and both ends. */
static void
test_scattered_numbers(void **state)
{
	struct bench bench = {.seed = 2};

	(void)state;
	for (unsigned int i = 0; i < N_NUMBERS / 2; i++) {
		const uint64_t number = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) & ~UINT64_C(1);

		bench.numbers[2 * i] = number;
		bench.numbers[2 * i + 1] = number + 1;
	}
	bench.numbers[0] = 0;
	bench.numbers[1] = UINT64_MAX;
	qsort(bench.numbers, N_NUMBERS, sizeof(bench.numbers[0]), compare_numbers);
	run_history(&bench);
}

static int
stop_at_third(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	unsigned int *n = ctx;

	assert_null(before);
	assert_non_null(after);
	return ++*n == 3 ? 7 : 0;
}

static void
test_diff_stops(void **state)
{
	struct trie empty = {.holds = true};
	struct trie full = {.holds = true};
	unsigned int n = 0;

	(void)state;
	for (uint64_t number = 0; number < 100; number++)
		assert_int_equal(sl_trie_add(&full, number, sl_object_new(SL_OBJECT_SUBLAYER)), 0);
	assert_int_equal(sl_trie_diff(&empty, &full, stop_at_third, &n), 7);
	assert_int_equal(n, 3);
	assert_int_equal(sl_trie_diff(&empty, &empty, stop_at_third, &n), 0);
	sl_trie_drop(&full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counted_numbers),
		cmocka_unit_test(test_scattered_numbers),
		cmocka_unit_test(test_diff_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
