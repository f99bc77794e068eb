/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include <stdlib.h>

struct state *
sl_control_state_new(struct sl_policy *policy, uint64_t revision)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state == NULL) {
		sl_policy_free(policy);
		return NULL;
	}
	state->policy = policy;
	state->revision = revision;
	state->n_views = 1;
	return state;
}

void
sl_control_state_free(struct state *state)
{
	if (state == NULL)
		return;
	sl_snapshot_free(state->snapshot);
	sl_policy_free(state->policy);
	free(state);
}

/* The caller holds `views`. */
static void
put_locked(struct sl_control *control, struct state *state)
{
	if (--state->n_views > 0)
		return;
	state->next = control->retired;
	control->retired = state;
}

void
sl_control_state_swap(struct sl_control *control, struct state *next)
{
	struct state *old;

	pthread_mutex_lock(&control->views);
	old = control->current;
	control->current = next;
	put_locked(control, old);
	pthread_mutex_unlock(&control->views);
}

void
sl_control_state_reap(struct sl_control *control)
{
	struct state *state;

	pthread_mutex_lock(&control->views);
	state = control->retired;
	control->retired = NULL;
	pthread_mutex_unlock(&control->views);
	while (state != NULL) {
		struct state *next = state->next;

		sl_control_state_free(state);
		state = next;
	}
}

void
sl_control_view_get(struct sl_control *control, struct sl_view *view)
{
	struct state *state;

	pthread_mutex_lock(&control->views);
	state = control->current;
	state->n_views++;
	pthread_mutex_unlock(&control->views);
	*view = (struct sl_view){.policy = state->policy,
		.snapshot = state->snapshot,
		.revision = state->revision,
		.state = state};
}

void
sl_control_view_put(struct sl_control *control, struct sl_view *view)
{
	bool is_retired;

	if (view->state == NULL)
		return;
	pthread_mutex_lock(&control->views);
	put_locked(control, view->state);
	is_retired = control->retired != NULL;
	pthread_mutex_unlock(&control->views);
	*view = (struct sl_view){0};
	/* A reader does not wait for a commit: whoever holds the lock, or the next tick, frees it. */
	if (is_retired && pthread_mutex_trylock(&control->commit) == 0) {
		sl_control_state_reap(control);
		pthread_mutex_unlock(&control->commit);
	}
}

uint64_t
sl_control_revision(struct sl_control *control)
{
	uint64_t revision;

	pthread_mutex_lock(&control->views);
	revision = control->current->revision;
	pthread_mutex_unlock(&control->views);
	return revision;
}
