/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_CONSULT_ASKER_H
#define PLUGINS_CONSULT_ASKER_H

/*
 * The thread that asks, for all filters: takes questions from workers and has a connection to each program.
 *
 * Nobody wakes it when there is a question, because that would be a system call of a worker: it looks 5,000 times a
 * second while there is something to do, and 1,000 times when there is not, which is how long a question may lie.
 * Without a filter it sleeps.  Answers wake it at once.
 */

#include "consult_link.h"
#include "consult_ring.h"

#include <pthread.h>

#define CONSULT_LINKS_MAX 64u

struct consult_link_use {
	struct consult_link *link;
	uint32_t n_users; /* filters; 0: the thread takes the link down */
};

struct consult_asker {
	struct consult_ring ring;
	struct consult_desk desk;
	/* The rest under the lock, which the thread gives up while it waits. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool is_running;
	bool is_over;
	uint32_t n_numbers;
	uint32_t n_links;
	struct consult_link_use links[CONSULT_LINKS_MAX];
};

/* Control thread. The asker is zeroed memory and stays where it is. 0 or a positive errno. */
int consult_asker_init(struct consult_asker *asker, const struct sluice_host *host);
/* Waits for the thread, which does not wait for anybody. No worker may ask any more. */
void consult_asker_fini(struct consult_asker *asker);

/*
 * Control thread: one more filter that asks the program at this path; programs are told apart by it.  The first one
 * begins the thread.  0 and the link's number, which no other had or will have; or a positive errno: EMFILE when there
 * are too many programs.
 */
int consult_asker_join(struct consult_asker *asker, const char *path, uint32_t *number);
/* Undoes one join. No worker may use the number any more. */
void consult_asker_leave(struct consult_asker *asker, uint32_t number);

#endif
