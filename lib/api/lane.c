/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define THREADS_MAX 2u

/*
 * Changes have two threads, so that one can be made while another is being compiled: the management core
 * builds both at once then.  Each may hold a document as large as the limit allows.
 */
static const unsigned int wanted_threads[API_LANE_COUNT] = {
	[API_LANE_READ] = 1,
	[API_LANE_CHANGE] = THREADS_MAX,
};

/* Some threads and the requests that wait for one of them. */
struct lane {
	struct api_lanes *lanes;
	pthread_t threads[THREADS_MAX];
	unsigned int n_threads;
	pthread_cond_t wake;
	struct api_request *first;
	struct api_request **end; /* where the next one goes */
};

struct api_lanes {
	api_lane_fn *fn;
	pthread_mutex_t lock; /* guards queues and `stop` */
	bool stop;
	struct lane list[API_LANE_COUNT]; /* API_LANE_SERVER has none */
};

/* The next request, NULL when there will be no more. The caller holds the lock. */
static struct api_request *
take(struct lane *lane)
{
	struct api_request *request;

	while (lane->first == NULL && !lane->lanes->stop)
		pthread_cond_wait(&lane->wake, &lane->lanes->lock);
	request = lane->first;
	if (request == NULL)
		return NULL;
	lane->first = request->next;
	if (lane->first == NULL)
		lane->end = &lane->first;
	request->next = NULL;
	return request;
}

static void *
work(void *arg)
{
	struct lane *lane = arg;
	struct api_lanes *lanes = lane->lanes;
	struct api_request *request;

	pthread_mutex_lock(&lanes->lock);
	while ((request = take(lane)) != NULL) {
		bool is_late = lanes->stop;

		pthread_mutex_unlock(&lanes->lock);
		lanes->fn(request, is_late);
		pthread_mutex_lock(&lanes->lock);
	}
	pthread_mutex_unlock(&lanes->lock);
	return NULL;
}

static bool
start(struct lane *lane, unsigned int n)
{
	while (lane->n_threads < n) {
		if (pthread_create(&lane->threads[lane->n_threads], NULL, work, lane) != 0)
			return false;
		lane->n_threads++;
	}
	return true;
}

int
api_lanes_new(api_lane_fn *fn, struct api_lanes **out)
{
	struct api_lanes *lanes = calloc(1, sizeof(*lanes));

	if (lanes == NULL)
		return -ENOMEM;
	lanes->fn = fn;
	pthread_mutex_init(&lanes->lock, NULL);
	for (int i = 0; i < API_LANE_COUNT; i++) {
		struct lane *lane = &lanes->list[i];

		pthread_cond_init(&lane->wake, NULL);
		lane->lanes = lanes;
		lane->end = &lane->first;
	}
	for (int i = 0; i < API_LANE_COUNT; i++) {
		if (!start(&lanes->list[i], wanted_threads[i])) {
			api_lanes_free(lanes);
			return -EAGAIN;
		}
	}
	*out = lanes;
	return 0;
}

bool
api_lanes_put(struct api_lanes *lanes, enum api_lane number, struct api_request *request)
{
	struct lane *lane = &lanes->list[number];
	bool is_taken;

	pthread_mutex_lock(&lanes->lock);
	is_taken = !lanes->stop && lane->n_threads > 0;
	if (is_taken) {
		request->next = NULL;
		*lane->end = request;
		lane->end = &request->next;
		pthread_cond_signal(&lane->wake);
	}
	pthread_mutex_unlock(&lanes->lock);
	return is_taken;
}

void
api_lanes_stop(struct api_lanes *lanes)
{
	pthread_mutex_lock(&lanes->lock);
	lanes->stop = true;
	for (int i = 0; i < API_LANE_COUNT; i++)
		pthread_cond_broadcast(&lanes->list[i].wake);
	pthread_mutex_unlock(&lanes->lock);
	for (int i = 0; i < API_LANE_COUNT; i++) {
		struct lane *lane = &lanes->list[i];

		while (lane->n_threads > 0)
			pthread_join(lane->threads[--lane->n_threads], NULL);
	}
}

void
api_lanes_free(struct api_lanes *lanes)
{
	if (lanes == NULL)
		return;
	api_lanes_stop(lanes);
	for (int i = 0; i < API_LANE_COUNT; i++)
		pthread_cond_destroy(&lanes->list[i].wake);
	pthread_mutex_destroy(&lanes->lock);
	free(lanes);
}
