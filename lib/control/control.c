/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_LOG_MAX   65536u
#define JSON_MEMORY_MAX ((size_t)1 << 30)

/* --- Life. --- */

static int
no_memory(struct sl_error *err)
{
	return sl_error_set(
		err, SL_ERR_NO_MEMORY, NULL, "not enough memory for the management core");
}

static void
init_locks(struct sl_control *control)
{
	pthread_mutex_init(&control->commit, NULL);
	pthread_mutex_init(&control->views, NULL);
	pthread_mutex_init(&control->events, NULL);
	pthread_mutex_init(&control->flows, NULL);
	pthread_mutex_init(&control->mode_mutex, NULL);
	pthread_mutex_init(&control->plugins.mutex, NULL);
	sl_control_queue_init(&control->queue);
	sl_control_folder_init(&control->folder);
}

static void
fini_locks(struct sl_control *control)
{
	pthread_mutex_destroy(&control->commit);
	pthread_mutex_destroy(&control->views);
	pthread_mutex_destroy(&control->events);
	pthread_mutex_destroy(&control->flows);
	pthread_mutex_destroy(&control->mode_mutex);
	pthread_mutex_destroy(&control->plugins.mutex);
	sl_control_queue_fini(&control->queue);
}

static void
configure(struct sl_control *control, const struct sl_control_config *config)
{
	control->clock = config->clock != NULL ? config->clock : &sl_clock_system;
	control->policy_files = config->policy_files;
	control->n_policy_files = config->n_policy_files;
	control->compile_memory_max = config->compile_memory_max;
	control->json_memory_max =
		config->json_memory_max != 0 ? config->json_memory_max : JSON_MEMORY_MAX;
	control->start_ns = sl_clock_now(control->clock);
	control->plugins.registry = config->registry;
	atomic_init(&control->mode, SL_MODE_INLINE);
	atomic_init(&control->events_enabled, true);
	atomic_init(&control->flow_events, config->flow_events);
}

/* Before the first commit there is a policy without objects, and nothing in force. */
static int
init_state(struct sl_control *control)
{
	struct sl_policy *policy = sl_policy_new();

	if (policy == NULL)
		return -ENOMEM;
	control->current = sl_control_state_new(policy, 0);
	if (control->current == NULL)
		return -ENOMEM;
	control->resolve[0] = control->current;
	return 0;
}

int
sl_control_new(
	const struct sl_control_config *config, struct sl_control **out, struct sl_error *err)
{
	struct sl_control *control = calloc(1, sizeof(*control));
	uint32_t log_max = config->event_log_max != 0 ? config->event_log_max : EVENT_LOG_MAX;

	if (control == NULL)
		return no_memory(err);
	init_locks(control);
	configure(control, config);
	if (init_state(control) != 0 || sl_event_log_new(log_max, &control->log) != 0 ||
		sl_control_ledger_init(&control->ledger, &control->plugins, &control->workers) !=
			0) {
		sl_control_free(control);
		return no_memory(err);
	}
	if (config->plane != NULL)
		sl_control_attach(control, config->plane);
	*out = control;
	return 0;
}

void
sl_control_attach(struct sl_control *control, const struct sl_plane *plane)
{
	struct workers *workers = &control->workers;

	workers->n = plane->ops->n_workers(plane->ctx);
	for (uint32_t w = 0; w < workers->n; w++) {
		workers->counters[w] = plane->ops->counters(plane->ctx, w);
		workers->events[w] = plane->ops->events(plane->ctx, w);
	}
	control->plane = plane;
	plane->ops->set_mode(plane->ctx, sl_control_mode(control));
	if (control->current->snapshot != NULL)
		plane->ops->publish(plane->ctx, control->current->snapshot);
}

void
sl_control_free(struct sl_control *control)
{
	if (control == NULL)
		return;
	sl_control_folder_fini(&control->folder);
	if (control->plane != NULL)
		control->plane->ops->publish(control->plane->ctx, NULL);
	sl_control_ledger_fini(&control->ledger);
	sl_control_state_reap(control);
	sl_control_state_free(control->current);
	sl_event_log_free(control->log);
	fini_locks(control);
	free(control);
}

void
sl_control_tick(struct sl_control *control)
{
	sl_control_events_drain(control);
	if (pthread_mutex_trylock(&control->commit) == 0) {
		sl_control_state_reap(control);
		pthread_mutex_unlock(&control->commit);
	}
}

/* --- Engine. --- */

enum sl_mode
sl_control_mode(struct sl_control *control)
{
	return atomic_load(&control->mode);
}

void
sl_control_set_mode(struct sl_control *control, enum sl_mode mode)
{
	/* The last one to set the mode is the last one to tell the workers. */
	pthread_mutex_lock(&control->mode_mutex);
	atomic_store(&control->mode, mode);
	if (control->plane != NULL)
		control->plane->ops->set_mode(control->plane->ctx, mode);
	pthread_mutex_unlock(&control->mode_mutex);
}

static uint32_t
count_running(const struct sl_plane *plane, uint32_t n_workers)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < n_workers; w++) {
		struct sl_worker_info info = {0};

		plane->ops->worker_info(plane->ctx, w, &info);
		n += info.is_running;
	}
	return n;
}

bool
sl_control_ready(struct sl_control *control, uint32_t *n_current, uint32_t *n_workers)
{
	*n_current = 0;
	*n_workers = control->workers.n;
	if (control->plane == NULL || sl_control_revision(control) == 0)
		return false;
	/* A revision is told only after its grace period: every worker that runs has left the old one. */
	*n_current = count_running(control->plane, control->workers.n);
	return true;
}

uint64_t
sl_control_start_ns(struct sl_control *control)
{
	return control->start_ns;
}

const struct sl_plane *
sl_control_plane(struct sl_control *control)
{
	return control->plane;
}

/* --- Counters. --- */

bool
sl_control_filter_stats(struct sl_control *control, const char *key, struct sl_filter_stats *stats)
{
	return sl_control_ledger_stats(&control->ledger, key, stats);
}

void
sl_control_counters(struct sl_control *control, struct sl_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t w = 0; w < control->workers.n; w++)
		sl_counters_sum(control->workers.counters[w], sum);
}
