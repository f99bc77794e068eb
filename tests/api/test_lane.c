/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Requests are told apart by their key: "wait" stops until `go`, "probe" leaves no trace but `done`. */
static struct {
	sem_t started;
	sem_t go;
	sem_t done;
	atomic_uint n;
	const struct api_request *order[16]; /* as they were done */
	bool was_late[16];
} log_of;

static void
run(struct api_request *request, bool is_late)
{
	unsigned int n;

	if (strcmp(request->key, "wait") == 0 && !is_late) {
		sem_post(&log_of.started);
		sem_wait(&log_of.go);
	}
	if (strcmp(request->key, "probe") != 0) {
		n = atomic_fetch_add(&log_of.n, 1);
		log_of.order[n] = request;
		log_of.was_late[n] = is_late;
	}
	sem_post(&log_of.done);
}

static int
setup(void **state)
{
	(void)state;
	memset(&log_of, 0, sizeof(log_of));
	sem_init(&log_of.started, 0, 0);
	sem_init(&log_of.go, 0, 0);
	sem_init(&log_of.done, 0, 0);
	return 0;
}

static void
wait_done(unsigned int n)
{
	while (n-- > 0)
		sem_wait(&log_of.done);
}

static void
test_order(void **state)
{
	struct api_request requests[8] = {0};
	struct api_lanes *lanes;

	(void)state;
	assert_int_equal(api_lanes_new(run, &lanes), 0);
	memcpy(requests[0].key, "wait", 5);
	for (int i = 0; i < 8; i++)
		assert_true(api_lanes_put(lanes, API_LANE_READ, &requests[i]));
	sem_wait(&log_of.started);
	assert_int_equal(atomic_load(&log_of.n), 0);
	sem_post(&log_of.go);
	wait_done(8);
	for (int i = 0; i < 8; i++) {
		assert_ptr_equal(log_of.order[i], &requests[i]);
		assert_false(log_of.was_late[i]);
	}
	api_lanes_free(lanes);
}

/* A change does not wait for another, so that the control may take both together. */
static void
test_changes_beside_each_other(void **state)
{
	struct api_request slow = {.key = "wait"};
	struct api_request quick = {.key = "quick"};
	struct api_lanes *lanes;

	(void)state;
	assert_int_equal(api_lanes_new(run, &lanes), 0);
	assert_true(api_lanes_put(lanes, API_LANE_CHANGE, &slow));
	sem_wait(&log_of.started);
	assert_true(api_lanes_put(lanes, API_LANE_CHANGE, &quick));
	wait_done(1);
	assert_ptr_equal(log_of.order[0], &quick);
	sem_post(&log_of.go);
	wait_done(1);
	api_lanes_free(lanes);
}

/* A reader does not wait for a change. */
static void
test_beside(void **state)
{
	struct api_request change = {.key = "wait"};
	struct api_request read = {.key = "read"};
	struct api_lanes *lanes;

	(void)state;
	assert_int_equal(api_lanes_new(run, &lanes), 0);
	assert_true(api_lanes_put(lanes, API_LANE_CHANGE, &change));
	sem_wait(&log_of.started);
	assert_true(api_lanes_put(lanes, API_LANE_READ, &read));
	wait_done(1);
	assert_ptr_equal(log_of.order[0], &read);
	sem_post(&log_of.go);
	wait_done(1);
	assert_ptr_equal(log_of.order[1], &change);
	/* The server's own thread is none of ours. */
	assert_false(api_lanes_put(lanes, API_LANE_SERVER, &read));
	api_lanes_free(lanes);
}

static void *
stop(void *lanes)
{
	api_lanes_stop(lanes);
	return NULL;
}

/* Stopping finishes what runs and refuses what waits. */
static void
test_stop(void **state)
{
	struct api_request running = {.key = "wait"};
	struct api_request waiting[2] = {0};
	struct api_request probe = {.key = "probe"};
	struct api_lanes *lanes;
	pthread_t thread;

	(void)state;
	assert_int_equal(api_lanes_new(run, &lanes), 0);
	assert_true(api_lanes_put(lanes, API_LANE_READ, &running));
	sem_wait(&log_of.started);
	assert_true(api_lanes_put(lanes, API_LANE_READ, &waiting[0]));
	assert_true(api_lanes_put(lanes, API_LANE_READ, &waiting[1]));
	assert_int_equal(pthread_create(&thread, NULL, stop, lanes), 0);
	/* Once the lanes refuse, they are being stopped. */
	while (api_lanes_put(lanes, API_LANE_CHANGE, &probe))
		wait_done(1);
	sem_post(&log_of.go);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&log_of.n), 3);
	assert_ptr_equal(log_of.order[0], &running);
	assert_false(log_of.was_late[0]);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(log_of.order[i + 1], &waiting[i]);
		assert_true(log_of.was_late[i + 1]);
	}
	assert_false(api_lanes_put(lanes, API_LANE_READ, &probe));
	api_lanes_free(lanes);
	api_lanes_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_changes_beside_each_other, setup),
		cmocka_unit_test_setup(test_beside, setup),
		cmocka_unit_test_setup(test_stop, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
