/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/folder.h"

#include "base/sl_log.h"
#include "control/control.h"

#include <signal.h>
#include <sys/resource.h>

#define NICENESS 5

/* --- One fold. --- */

static bool
go_on(void *ctx, size_t done, size_t total)
{
	struct folder *folder = ctx;

	sl_control_progress_tick(&folder->progress, done, total);
	return !atomic_load(&folder->must_stop) && !atomic_load(&folder->must_pause);
}

/* A layer that wants it, with its user; NULL: none does. */
static const struct sl_layer_program *
choose(struct sl_control *control, size_t *memory_max)
{
	const struct sl_layer_program *from = NULL;
	enum sluice_layer layer;
	struct sl_view view;

	sl_control_view_get(control, &view);
	if (view.snapshot != NULL && sl_snapshot_wants_fold(view.snapshot, &layer)) {
		from = sl_layer_get(view.snapshot->layers[layer]);
		*memory_max = sl_control_memory_left(
			control, view.snapshot->memory_bytes - from->memory_bytes);
	}
	/* Not the whole revision is held up while one layer is compiled. */
	sl_control_view_put(control, &view);
	return from;
}

static int
put_in_force(struct sl_control *control, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_error *err)
{
	const struct state *current = control->current;
	struct sl_policy *policy = sl_policy_clone(current->policy);
	struct state *next =
		policy != NULL ? sl_control_state_new(policy, current->revision) : NULL;
	int rc;

	if (next == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "not enough memory to publish");
	rc = sl_snapshot_with_fold(current->snapshot, from, folded, &next->snapshot, err);
	if (rc != 0) {
		sl_control_state_free(next);
		return rc;
	}
	sl_control_publish(control, next);
	sl_control_progress_enter(&control->progress, SL_BUILD_IDLE);
	atomic_fetch_add(&control->folder.n_folds, 1);
	return 0;
}

/* True when it was worth while, and there may be more to do. */
static bool
fold_one(struct sl_control *control)
{
	struct folder *folder = &control->folder;
	struct sl_compile_host host = {.progress = go_on, .ctx = folder};
	const struct sl_layer_program *from = choose(control, &host.memory_max);
	const struct sl_layer_program *folded = NULL;
	struct sl_error err = {0};
	bool has_failed;
	int rc;

	if (from == NULL)
		return false;
	sl_control_progress_enter(&folder->progress, SL_BUILD_COMPILE);
	rc = sl_layer_fold(from, &host, &folded, &err);
	if (rc == 0) {
		pthread_mutex_lock(&control->commit);
		rc = put_in_force(control, from, folded, &err);
		pthread_mutex_unlock(&control->commit);
	}
	/* The next change will bring it here again: it is said once. */
	has_failed = rc != 0 && err.code != SL_ERR_BUSY;
	if (has_failed && !folder->has_failed)
		sl_log_warning("layer %s keeps its changes beside its compiled form: %s",
			from->layer->name, err.text);
	folder->has_failed = has_failed;
	sl_control_progress_enter(&folder->progress, SL_BUILD_IDLE);
	sl_layer_put(folded);
	sl_layer_put(from);
	return rc == 0;
}

/* --- The thread. --- */

/* Waits until something was published. False: it is to stop. */
static bool
wait(struct folder *folder)
{
	pthread_mutex_lock(&folder->mutex);
	while (!folder->must_look && !atomic_load(&folder->must_stop))
		pthread_cond_wait(&folder->wake, &folder->mutex);
	folder->must_look = false;
	pthread_mutex_unlock(&folder->mutex);
	return !atomic_load(&folder->must_stop);
}

static void *
run(void *arg)
{
	struct sl_control *control = arg;

	/* Of this thread alone. Without the right to it the fold is merely less polite. */
	(void)setpriority(PRIO_PROCESS, 0, NICENESS);
	while (wait(&control->folder)) {
		while (go_on(&control->folder, 0, 0) && fold_one(control))
			;
	}
	return NULL;
}

/* Signals are for the thread that started the program. */
static bool
start(struct sl_control *control)
{
	sigset_t all;
	sigset_t before;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ok = pthread_create(&control->folder.thread, NULL, run, control) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

void
sl_control_folder_wake(struct sl_control *control)
{
	struct folder *folder = &control->folder;
	enum sluice_layer layer;

	if (!sl_snapshot_wants_fold(control->current->snapshot, &layer))
		return;
	pthread_mutex_lock(&folder->mutex);
	if (!folder->has_thread)
		folder->has_thread = start(control);
	folder->must_look = true;
	pthread_cond_signal(&folder->wake);
	pthread_mutex_unlock(&folder->mutex);
}

void
sl_control_folder_pause(struct folder *folder)
{
	atomic_store(&folder->must_pause, true);
}

void
sl_control_folder_resume(struct folder *folder)
{
	pthread_mutex_lock(&folder->mutex);
	atomic_store(&folder->must_pause, false);
	/* What was given up is looked at again. */
	folder->must_look = true;
	pthread_cond_signal(&folder->wake);
	pthread_mutex_unlock(&folder->mutex);
}

void
sl_control_folder_init(struct folder *folder)
{
	pthread_mutex_init(&folder->mutex, NULL);
	pthread_cond_init(&folder->wake, NULL);
}

void
sl_control_folder_fini(struct folder *folder)
{
	pthread_mutex_lock(&folder->mutex);
	atomic_store(&folder->must_stop, true);
	pthread_cond_signal(&folder->wake);
	pthread_mutex_unlock(&folder->mutex);
	if (folder->has_thread)
		pthread_join(folder->thread, NULL);
	pthread_cond_destroy(&folder->wake);
	pthread_mutex_destroy(&folder->mutex);
}
