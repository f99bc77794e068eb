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

/* Takes a state out of the list of viewed ones, if it is there. */
static void
unlink_viewed(struct sl_control *control, const struct state *state)
{
	struct state **place = &control->viewed;

	while (*place != NULL && *place != state)
		place = &(*place)->next;
	if (*place != NULL)
		*place = state->next;
}

/* The caller holds `views`. */
static void
put_locked(struct sl_control *control, struct state *state)
{
	if (--state->n_views > 0)
		return;
	unlink_viewed(control, state);
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
	old->next = control->viewed;
	control->viewed = old;
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

/* --- What they hold. --- */

static bool
has_program(const struct state *state, uint32_t layer, const struct sl_program *program)
{
	const struct sl_snapshot *snapshot = state->snapshot;

	return snapshot != NULL && snapshot->layers[layer] != NULL &&
		snapshot->layers[layer]->program == program;
}

/* Bytes of a state's layers but for those whose compiled form the state in force or a later one has. */
static size_t
own_bytes(const struct sl_control *control, const struct state *state)
{
	size_t bytes = 0;

	for (uint32_t i = 0; state->snapshot != NULL && i < SLUICE_LAYER_COUNT; i++) {
		const struct sl_layer_program *layer = state->snapshot->layers[i];
		const struct state *other = control->viewed;

		if (layer == NULL || has_program(control->current, i, layer->program))
			continue;
		while (other != state && !has_program(other, i, layer->program))
			other = other->next;
		bytes += other == state ? layer->memory_bytes : 0;
	}
	return bytes;
}

size_t
sl_control_state_held(struct sl_control *control)
{
	size_t bytes = 0;

	pthread_mutex_lock(&control->views);
	for (const struct state *state = control->viewed; state != NULL; state = state->next)
		bytes += own_bytes(control, state);
	pthread_mutex_unlock(&control->views);
	return bytes;
}

size_t
sl_control_memory_left(struct sl_control *control, size_t taken)
{
	if (control->compile_memory_max == 0)
		return 0;
	taken += sl_control_state_held(control);
	/* 0 would be no limit. */
	return control->compile_memory_max > taken ? control->compile_memory_max - taken : 1;
}

/* --- Views. --- */

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
