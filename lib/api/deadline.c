/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include "base/sl_clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

/*
 * The HTTP library's own time-out counts silence, so a client that sends one byte a second is never silent.
 * Here every connection has a moment by which its request must be there whole; a thread that wakes
 * four times a second shuts the sockets of those that missed it, and the library cleans up.
 *
 * When connections run short, whoever has kept us waiting longest makes room for who comes.  An honest
 * client is waited for only as long as its request travels.
 */

struct api_deadline {
	struct api_deadline *next;
	struct api_deadline **link; /* what points here */
	uint64_t at_ns;             /* monotonic; UINT64_MAX: not watched now */
	int fd;
};

struct api_deadlines {
	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t wake;
	pthread_t thread;
	struct api_deadline *list;
	uint32_t n;
	uint32_t crowd;
	uint64_t timeout_ns;
	bool stop;
};

static void
cut(struct api_deadline *deadline)
{
	shutdown(deadline->fd, SHUT_RDWR);
	deadline->at_ns = UINT64_MAX;
}

static void
cut_late(struct api_deadlines *deadlines, uint64_t now_ns)
{
	for (struct api_deadline *d = deadlines->list; d != NULL; d = d->next)
		if (d->at_ns <= now_ns)
			cut(d);
}

static void
cut_longest(struct api_deadlines *deadlines)
{
	struct api_deadline *longest = NULL;

	for (struct api_deadline *d = deadlines->list; d != NULL; d = d->next)
		if (d->at_ns != UINT64_MAX && (longest == NULL || d->at_ns < longest->at_ns))
			longest = d;
	if (longest != NULL)
		cut(longest);
}

static void *
watch(void *arg)
{
	struct api_deadlines *deadlines = arg;
	struct timespec until;

	pthread_mutex_lock(&deadlines->lock);
	while (!deadlines->stop) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += 250000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&deadlines->wake, &deadlines->lock, &until);
		cut_late(deadlines, sl_clock_monotonic_ns());
	}
	pthread_mutex_unlock(&deadlines->lock);
	return NULL;
}

static void
destroy(struct api_deadlines *deadlines)
{
	pthread_cond_destroy(&deadlines->wake);
	pthread_mutex_destroy(&deadlines->lock);
	free(deadlines);
}

int
api_deadlines_new(uint32_t timeout_s, uint32_t crowd, struct api_deadlines **out)
{
	struct api_deadlines *deadlines = calloc(1, sizeof(*deadlines));
	pthread_condattr_t attr;

	if (deadlines == NULL)
		return -ENOMEM;
	deadlines->timeout_ns = timeout_s * UINT64_C(1000000000);
	deadlines->crowd = crowd;
	pthread_mutex_init(&deadlines->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&deadlines->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&deadlines->thread, NULL, watch, deadlines) != 0) {
		destroy(deadlines);
		return -EAGAIN;
	}
	*out = deadlines;
	return 0;
}

void
api_deadlines_free(struct api_deadlines *deadlines)
{
	if (deadlines == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	deadlines->stop = true;
	pthread_cond_signal(&deadlines->wake);
	pthread_mutex_unlock(&deadlines->lock);
	pthread_join(deadlines->thread, NULL);
	while (deadlines->list != NULL)
		api_deadline_end(deadlines, deadlines->list);
	destroy(deadlines);
}

void
api_deadlines_cut(struct api_deadlines *deadlines, uint64_t now_ns)
{
	pthread_mutex_lock(&deadlines->lock);
	cut_late(deadlines, now_ns);
	pthread_mutex_unlock(&deadlines->lock);
}

struct api_deadline *
api_deadline_begin(struct api_deadlines *deadlines, int fd)
{
	struct api_deadline *deadline = calloc(1, sizeof(*deadline));

	if (deadline == NULL)
		return NULL;
	deadline->fd = fd;
	pthread_mutex_lock(&deadlines->lock);
	if (deadlines->n >= deadlines->crowd)
		cut_longest(deadlines);
	deadline->at_ns = sl_clock_monotonic_ns() + deadlines->timeout_ns;
	deadline->next = deadlines->list;
	deadline->link = &deadlines->list;
	if (deadline->next != NULL)
		deadline->next->link = &deadline->next;
	deadlines->list = deadline;
	deadlines->n++;
	pthread_mutex_unlock(&deadlines->lock);
	return deadline;
}

void
api_deadline_end(struct api_deadlines *deadlines, struct api_deadline *deadline)
{
	if (deadline == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	*deadline->link = deadline->next;
	if (deadline->next != NULL)
		deadline->next->link = deadline->link;
	deadlines->n--;
	pthread_mutex_unlock(&deadlines->lock);
	free(deadline);
}

static void
set_at(struct api_deadlines *deadlines, struct api_deadline *deadline, bool is_watched)
{
	if (deadline == NULL)
		return;
	pthread_mutex_lock(&deadlines->lock);
	deadline->at_ns = is_watched ? sl_clock_monotonic_ns() + deadlines->timeout_ns : UINT64_MAX;
	pthread_mutex_unlock(&deadlines->lock);
}

void
api_deadline_stop(struct api_deadlines *deadlines, struct api_deadline *deadline)
{
	set_at(deadlines, deadline, false);
}

void
api_deadline_restart(struct api_deadlines *deadlines, struct api_deadline *deadline)
{
	set_at(deadlines, deadline, true);
}
