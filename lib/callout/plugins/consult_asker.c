/* SPDX-License-Identifier: BSD-3-Clause */
#include "consult_asker.h"

#include <sluice/sluice_callout.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define NAP_MIN UINT64_C(200000)  /* ns */
#define NAP_MAX UINT64_C(1000000) /* ns */

static uint64_t
monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* --- The thread; the lock is held, but while it waits. --- */

static struct consult_link_use *
find(struct consult_asker *asker, uint32_t number)
{
	for (uint32_t i = 0; i < asker->n_links; i++) {
		if (consult_link_number(asker->links[i].link) == number)
			return &asker->links[i];
	}
	return NULL;
}

/* A question whose filter has gone meanwhile. */
static void
ask_nobody(const struct consult_asker *asker, const struct consult_question *question)
{
	const struct sluice_host *host = asker->desk.host;

	host->complete(host, question->token, consult_answer(question->link, CONSULT_UNREACHABLE));
}

static bool
take_questions(struct consult_asker *asker, uint64_t now_ns)
{
	const struct consult_link_use *use;
	struct consult_question question;
	uint32_t n = 0;

	while (n < CONSULT_RING_SIZE && consult_ring_get(&asker->ring, &question)) {
		use = find(asker, question.link);
		if (use != NULL)
			consult_link_ask(use->link, &question, now_ns);
		else
			ask_nobody(asker, &question);
		n++;
	}
	return n > 0;
}

static void
drop_unused(struct consult_asker *asker)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < asker->n_links; i++) {
		if (asker->links[i].n_users > 0)
			asker->links[n++] = asker->links[i];
		else
			consult_link_free(asker->links[i].link);
	}
	asker->n_links = n;
}

/* True: something was done. */
static bool
go_round(struct consult_asker *asker)
{
	const uint64_t now_ns = monotonic_ns();
	bool is_busy;

	drop_unused(asker);
	is_busy = take_questions(asker, now_ns);
	for (uint32_t i = 0; i < asker->n_links; i++)
		is_busy |= consult_link_work(asker->links[i].link, now_ns);
	return is_busy;
}

static void
nap(struct consult_asker *asker, uint64_t nap_ns)
{
	const struct timespec time = {.tv_nsec = (long)nap_ns};
	struct pollfd fds[CONSULT_LINKS_MAX];
	const uint32_t n = asker->n_links;

	for (uint32_t i = 0; i < n; i++)
		fds[i] = consult_link_poll(asker->links[i].link);
	pthread_mutex_unlock(&asker->lock);
	ppoll(fds, n, &time, NULL);
	pthread_mutex_lock(&asker->lock);
}

static void *
ask(void *arg)
{
	struct consult_asker *asker = arg;
	uint64_t nap_ns = NAP_MIN;

	pthread_mutex_lock(&asker->lock);
	while (!asker->is_over) {
		if (go_round(asker))
			nap_ns = NAP_MIN;
		else if (nap_ns < NAP_MAX)
			nap_ns += NAP_MIN;
		if (asker->n_links > 0)
			nap(asker, nap_ns);
		else
			pthread_cond_wait(&asker->changed, &asker->lock);
	}
	pthread_mutex_unlock(&asker->lock);
	return NULL;
}

/* --- Control thread. --- */

/* Signals are the program's business, and none of this thread's. */
static int
begin(struct consult_asker *asker)
{
	sigset_t all, before;
	int rc;

	if (asker->is_running)
		return 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&asker->thread, NULL, ask, asker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	asker->is_running = rc == 0;
	if (rc == 0)
		pthread_setname_np(asker->thread, "sluice-consult");
	return rc;
}

static struct consult_link_use *
find_path(struct consult_asker *asker, const char *path)
{
	for (uint32_t i = 0; i < asker->n_links; i++) {
		if (strcmp(consult_link_path(asker->links[i].link), path) == 0)
			return &asker->links[i];
	}
	return NULL;
}

static int
join(struct consult_asker *asker, const char *path, uint32_t *number)
{
	struct consult_link_use *use = find_path(asker, path);

	if (use == NULL && asker->n_links == CONSULT_LINKS_MAX)
		return EMFILE;
	if (use == NULL) {
		use = &asker->links[asker->n_links];
		use->n_users = 0;
		use->link = consult_link_new(&asker->desk, path, asker->n_numbers + 1);
		if (use->link == NULL)
			return ENOMEM;
		asker->n_numbers++;
		asker->n_links++;
	}
	use->n_users++;
	*number = consult_link_number(use->link);
	return 0;
}

int
consult_asker_join(struct consult_asker *asker, const char *path, uint32_t *number)
{
	int rc;

	pthread_mutex_lock(&asker->lock);
	rc = begin(asker);
	if (rc == 0)
		rc = join(asker, path, number);
	pthread_cond_signal(&asker->changed);
	pthread_mutex_unlock(&asker->lock);
	return rc;
}

void
consult_asker_leave(struct consult_asker *asker, uint32_t number)
{
	struct consult_link_use *use;

	pthread_mutex_lock(&asker->lock);
	use = find(asker, number);
	if (use != NULL)
		use->n_users--;
	pthread_mutex_unlock(&asker->lock);
}

int
consult_asker_init(struct consult_asker *asker, const struct sluice_host *host)
{
	int rc;

	asker->desk.host = host;
	rc = pthread_mutex_init(&asker->lock, NULL);
	if (rc != 0)
		return rc;
	rc = pthread_cond_init(&asker->changed, NULL);
	if (rc != 0)
		pthread_mutex_destroy(&asker->lock);
	return rc;
}

void
consult_asker_fini(struct consult_asker *asker)
{
	struct consult_question question;

	pthread_mutex_lock(&asker->lock);
	asker->is_over = true;
	pthread_cond_signal(&asker->changed);
	pthread_mutex_unlock(&asker->lock);
	if (asker->is_running)
		pthread_join(asker->thread, NULL);
	while (consult_ring_get(&asker->ring, &question))
		ask_nobody(asker, &question);
	for (uint32_t i = 0; i < asker->n_links; i++)
		consult_link_free(asker->links[i].link);
	pthread_cond_destroy(&asker->changed);
	pthread_mutex_destroy(&asker->lock);
}
