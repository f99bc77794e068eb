/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include <errno.h>
#include <time.h>

/*
 * Commands to workers about their flows.  Rings keep the order, so a worker has obeyed all of them when it has
 * obeyed the last.
 */

#define CHUNK   64u
#define TRIES   2000u /* to put a command, or to see it obeyed */
#define WAIT_NS 1000000

struct sent {
	uint64_t last
		[SL_CALLOUT_WORKERS_MAX]; /* the last flow that a worker was told to end; 0: none */
	uint64_t n;
};

static void
wait_a_little(void)
{
	const struct timespec time = {.tv_nsec = WAIT_NS};

	nanosleep(&time, NULL);
}

static int
fail_timeout(uint32_t worker, struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_TIMEOUT, NULL,
		"worker %u has not obeyed a command about its flows within 2 s: it may be "
		"stuck; GET /v1/stats tells whether its polls go on",
		worker);
}

static int
fail_busy(struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_BUSY, NULL,
		"workers are busy with other commands about their flows; try again");
}

static int
fail_gone(uint64_t id, struct sl_error *err)
{
	return sl_error_set(err, SL_ERR_NOT_FOUND, NULL,
		"there is no flow %llu, or it has been ended", (unsigned long long)id);
}

/* The caller holds `flows`. */
static int
send(struct sl_control *control, uint32_t worker, const struct sl_flow_command *command,
	struct sl_error *err)
{
	const struct sl_plane *plane = control->plane;

	for (uint32_t i = 0; i < TRIES; i++) {
		if (plane->ops->flow_command(plane->ctx, worker, command))
			return 0;
		wait_a_little();
	}
	return fail_timeout(worker, err);
}

/* A flow that is there and was not ended before. */
static bool
is_alive(struct sl_control *control, uint64_t id)
{
	struct sl_flow_view view;

	return sl_control_flow(control, id, &view) && (view.flags & SL_FLOW_REVOKED) == 0;
}

static int
wait_until_ended(struct sl_control *control, uint64_t id, struct sl_error *err)
{
	for (uint32_t i = 0; i < TRIES; i++) {
		if (!is_alive(control, id))
			return 0;
		wait_a_little();
	}
	return fail_timeout(sl_flow_id_worker(id), err);
}

/* The caller holds `flows`. */
static int
send_kill(struct sl_control *control, uint64_t id, struct sent *sent, struct sl_error *err)
{
	const struct sl_flow_command command = {.type = SL_FLOW_COMMAND_KILL, .id = id};
	uint32_t worker = sl_flow_id_worker(id);
	int rc = send(control, worker, &command, err);

	if (rc == 0) {
		sent->last[worker] = id;
		sent->n++;
	}
	return rc;
}

int
sl_control_flow_kill(struct sl_control *control, uint64_t id, struct sl_error *err)
{
	struct sent sent = {0};
	int rc;

	if (!is_alive(control, id))
		return fail_gone(id, err);
	pthread_mutex_lock(&control->flows);
	rc = send_kill(control, id, &sent, err);
	pthread_mutex_unlock(&control->flows);
	return rc == 0 ? wait_until_ended(control, id, err) : rc;
}

/* The caller holds `flows`. */
static int
send_kills(struct sl_control *control, const struct sl_flow_wanted *wanted, struct sent *sent,
	struct sl_error *err)
{
	struct sl_flow_view views[CHUNK];
	struct sl_flow_cursor cursor = {0};
	bool is_end = false;
	int rc = 0;

	while (!is_end && rc == 0) {
		uint32_t n = sl_control_flows(control, wanted, &cursor, views, CHUNK, &is_end);

		for (uint32_t i = 0; i < n && rc == 0; i++) {
			if ((views[i].flags & SL_FLOW_REVOKED) == 0)
				rc = send_kill(control, views[i].id, sent, err);
		}
	}
	return rc;
}

int
sl_control_flows_kill(struct sl_control *control, const struct sl_flow_wanted *wanted,
	uint64_t *n_killed, struct sl_error *err)
{
	struct sent sent = {0};
	int rc;

	pthread_mutex_lock(&control->flows);
	rc = send_kills(control, wanted, &sent, err);
	pthread_mutex_unlock(&control->flows);
	for (uint32_t w = 0; w < control->workers.n && rc == 0; w++) {
		if (sent.last[w] != 0)
			rc = wait_until_ended(control, sent.last[w], err);
	}
	*n_killed = sent.n;
	return rc;
}

/* --- Contexts of callouts. --- */

/* Tells every worker that keeps flows. */
static int
send_forget(struct sl_control *control, const struct sl_plugin *plugin, struct sl_error *err)
{
	const struct sl_flow_command command = {
		.type = SL_FLOW_COMMAND_FORGET, .id = (uintptr_t)plugin};
	const struct sl_plane *plane = control->plane;
	int rc = 0;

	pthread_mutex_lock(&control->flows);
	for (uint32_t w = 0; w < control->workers.n && rc == 0; w++) {
		if (plane->ops->flow_command != NULL && plane->ops->flows(plane->ctx, w) != NULL)
			rc = send(control, w, &command, err);
	}
	pthread_mutex_unlock(&control->flows);
	return rc;
}

int
sl_control_flows_forget(
	struct sl_control *control, const struct sl_plugin *plugin, struct sl_error *err)
{
	uint64_t n = sl_callout_contexts(plugin);
	int rc;

	if (n == 0 || control->plane == NULL)
		return 0;
	rc = send_forget(control, plugin, err);
	if (rc != 0)
		return rc;
	for (uint32_t i = 0; i < TRIES && n > 0; i++) {
		wait_a_little();
		n = sl_callout_contexts(plugin);
	}
	if (n == 0)
		return 0;
	return sl_error_set(err, SL_ERR_BUSY, NULL,
		"flows still have %llu contexts of the plugin after 2 s, taken out a part at a "
		"time; try again, or end the flows",
		(unsigned long long)n);
}

/* --- Events. --- */

bool
sl_control_flow_events(struct sl_control *control)
{
	return atomic_load(&control->flow_events);
}

int
sl_control_set_flow_events(struct sl_control *control, bool enabled, struct sl_error *err)
{
	const struct sl_flow_command command = {
		.type = enabled ? SL_FLOW_COMMAND_EVENTS_ON : SL_FLOW_COMMAND_EVENTS_OFF};
	const struct sl_plane *plane = control->plane;
	int rc = 0;

	/* The last one to switch is the last one to tell the workers. */
	if (pthread_mutex_trylock(&control->flows) != 0)
		return fail_busy(err);
	for (uint32_t w = 0; w < control->workers.n && rc == 0; w++) {
		if (plane->ops->flow_command != NULL && plane->ops->flows(plane->ctx, w) != NULL &&
			!plane->ops->flow_command(plane->ctx, w, &command))
			rc = fail_busy(err);
	}
	if (rc == 0)
		atomic_store(&control->flow_events, enabled);
	pthread_mutex_unlock(&control->flows);
	return rc;
}
