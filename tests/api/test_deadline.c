/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"
#include "base/sl_clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Long enough that the watcher's own clock never strikes during a test. */
#define TIMEOUT_S  100000u
#define TIMEOUT_NS (TIMEOUT_S * UINT64_C(1000000000))
#define N          4

struct bench {
	struct api_deadlines *deadlines;
	struct api_deadline *list[N];
	int ours[N];
	int theirs[N];
};

static void
open_bench(struct bench *bench, uint32_t crowd)
{
	assert_int_equal(api_deadlines_new(TIMEOUT_S, crowd, &bench->deadlines), 0);
	for (int i = 0; i < N; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
		bench->ours[i] = pair[0];
		bench->theirs[i] = pair[1];
		bench->list[i] = api_deadline_begin(bench->deadlines, pair[0]);
		assert_non_null(bench->list[i]);
	}
}

static void
close_bench(struct bench *bench)
{
	/* What has not ended ends here. */
	api_deadlines_free(bench->deadlines);
	for (int i = 0; i < N; i++) {
		close(bench->ours[i]);
		close(bench->theirs[i]);
	}
}

/* What the client sees: the end of the connection, or nothing. */
static bool
is_cut(const struct bench *bench, int i)
{
	char byte;
	ssize_t n = recv(bench->theirs[i], &byte, 1, 0);

	assert_true(n == 0 || (n < 0 && errno == EAGAIN));
	return n == 0;
}

static void
test_late(void **state)
{
	struct bench bench;
	uint64_t now_ns;

	(void)state;
	open_bench(&bench, UINT32_MAX);
	now_ns = sl_clock_monotonic_ns();
	api_deadlines_cut(bench.deadlines, now_ns);
	for (int i = 0; i < N; i++)
		assert_false(is_cut(&bench, i));
	/* A request that is there whole is not waited for. */
	api_deadline_stop(bench.deadlines, bench.list[1]);
	api_deadlines_cut(bench.deadlines, now_ns + TIMEOUT_NS + 1000000);
	assert_true(is_cut(&bench, 0));
	assert_false(is_cut(&bench, 1));
	assert_true(is_cut(&bench, 2));
	/* Its reader is. */
	api_deadline_restart(bench.deadlines, bench.list[1]);
	api_deadlines_cut(bench.deadlines, now_ns + TIMEOUT_NS / 2);
	assert_false(is_cut(&bench, 1));
	api_deadlines_cut(bench.deadlines, now_ns + 2 * TIMEOUT_NS);
	assert_true(is_cut(&bench, 1));
	close_bench(&bench);
}

static void
test_end(void **state)
{
	struct bench bench;

	(void)state;
	open_bench(&bench, UINT32_MAX);
	/* First, last and between them, in the list. */
	api_deadline_end(bench.deadlines, bench.list[1]);
	api_deadline_end(bench.deadlines, bench.list[3]);
	api_deadline_end(bench.deadlines, bench.list[0]);
	api_deadlines_cut(bench.deadlines, UINT64_MAX - 1);
	assert_false(is_cut(&bench, 0));
	assert_false(is_cut(&bench, 1));
	assert_true(is_cut(&bench, 2));
	assert_false(is_cut(&bench, 3));
	close_bench(&bench);
}

static void
test_crowd(void **state)
{
	struct bench bench;

	(void)state;
	/* The third and the fourth come when there are enough. */
	open_bench(&bench, 2);
	assert_true(is_cut(&bench, 0));
	assert_true(is_cut(&bench, 1));
	assert_false(is_cut(&bench, 2));
	assert_false(is_cut(&bench, 3));
	close_bench(&bench);

	/* Whoever is being answered keeps its place; nobody is left to cut. */
	open_bench(&bench, N);
	for (int i = 0; i < N; i++)
		api_deadline_stop(bench.deadlines, bench.list[i]);
	api_deadline_end(bench.deadlines, bench.list[3]);
	bench.list[3] = api_deadline_begin(bench.deadlines, bench.ours[3]);
	api_deadline_end(bench.deadlines, api_deadline_begin(bench.deadlines, -1));
	for (int i = 0; i < N - 1; i++)
		assert_false(is_cut(&bench, i));
	assert_true(is_cut(&bench, 3));
	close_bench(&bench);
}

static void
test_unwatched(void **state)
{
	struct bench bench;

	(void)state;
	/* A connection that found no memory for its deadline has none. */
	open_bench(&bench, UINT32_MAX);
	api_deadline_stop(bench.deadlines, NULL);
	api_deadline_restart(bench.deadlines, NULL);
	api_deadline_end(bench.deadlines, NULL);
	close_bench(&bench);
	api_deadlines_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_unwatched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
