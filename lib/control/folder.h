/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_FOLDER_H
#define CONTROL_FOLDER_H

/*
 * The folder: one thread that compiles anew, in the background, layers that have many changes beside
 * their compiled form.
 *
 * What.    It publishes the same revision in a better form, and takes the commit lock only for that: what
 *          was committed meanwhile is applied to the new form first.
 * Memory.  It gives way to a long build, so that there is one at a time beside what is in force.
 * Threads. It is started by the first commit that leaves something to fold, at a low priority and where
 *          the committing thread may run, which is never on a worker's core.
 *
 * Private to the room.
 */

#include "control/progress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct sl_control;

struct folder {
	pthread_mutex_t mutex; /* guards the next three */
	pthread_cond_t wake;
	bool has_thread;
	bool must_look; /* something was published since it looked last */
	pthread_t thread;
	atomic_bool must_stop;
	atomic_bool must_pause; /* a long build is under way */
	struct progress progress;
	_Atomic uint64_t n_folds; /* published */
	bool has_failed;          /* the last one had no memory; of the thread */
};

void sl_control_folder_init(struct folder *folder);
/* Stops the thread, also in the middle of a fold. */
void sl_control_folder_fini(struct folder *folder);
/* A fold under way is given up, and none begins until the folder may resume. */
void sl_control_folder_pause(struct folder *folder);
void sl_control_folder_resume(struct folder *folder);
/* After a publication. Where no thread can be had, the next one will ask again. */
void sl_control_folder_wake(struct sl_control *control);

#endif
