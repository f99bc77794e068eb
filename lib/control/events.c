/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

/*
 * Events name filters by run-time id.  They get their keys when they are taken out of the rings, from the
 * revision they were made under: every commit drains the rings after its grace period and before it
 * lets go of the old revision, so that an event in a ring is never older than that.
 */

#define DRAIN_MAX 131072u /* events of one ring taken at one time */

/* True when the event was made under the revision before the newest. */
static bool
is_of_before(const struct sl_control *control, const struct sl_event *event)
{
	const struct state *before = control->resolve[1];

	return before != NULL && event->revision <= before->revision;
}

static void
log_event(struct sl_control *control, const struct sl_event *event)
{
	struct sl_event_entry *entry = sl_event_log_next(control->log);

	entry->event = *event;
	sl_event_resolve(entry, control->resolve[is_of_before(control, event)]->policy);
}

/*
 * A worker may fill its ring as fast as it is emptied: this is enough for one time, unless events of the
 * revision that is about to go are still coming.
 */
static void
drain_ring(struct sl_control *control, struct sl_ring *ring)
{
	bool is_enabled = atomic_load(&control->events_enabled);
	struct sl_event event;

	for (uint32_t n = 0; sl_ring_get(ring, &event); n++) {
		if (is_enabled)
			log_event(control, &event);
		if (n >= DRAIN_MAX && !is_of_before(control, &event))
			break;
	}
}

/* The caller holds `events`. */
static void
drain_locked(struct sl_control *control)
{
	for (uint32_t w = 0; w < control->workers.n; w++) {
		if (control->workers.events[w] != NULL)
			drain_ring(control, control->workers.events[w]);
	}
}

void
sl_control_events_drain(struct sl_control *control)
{
	pthread_mutex_lock(&control->events);
	drain_locked(control);
	pthread_mutex_unlock(&control->events);
}

void
sl_control_events_expect(
	struct sl_control *control, const struct state *newest, const struct state *before)
{
	pthread_mutex_lock(&control->events);
	control->resolve[0] = newest;
	control->resolve[1] = before;
	pthread_mutex_unlock(&control->events);
}

bool
sl_control_events_enabled(struct sl_control *control)
{
	return atomic_load(&control->events_enabled);
}

void
sl_control_set_events_enabled(struct sl_control *control, bool enabled)
{
	/* What the rings hold was made before the switch and is treated so. */
	pthread_mutex_lock(&control->events);
	drain_locked(control);
	atomic_store(&control->events_enabled, enabled);
	pthread_mutex_unlock(&control->events);
}

static uint64_t
count_lost(const struct sl_control *control)
{
	uint64_t lost = 0;

	for (uint32_t w = 0; w < control->workers.n; w++) {
		const struct sl_counters *counters = control->workers.counters[w];

		lost += sl_counter_read(&counters->worker.events_suppressed);
		if (control->workers.events[w] != NULL)
			lost += sl_ring_refused(control->workers.events[w]);
	}
	return lost;
}

uint32_t
sl_control_events(struct sl_control *control, uint64_t since, struct sl_event_entry *entries,
	uint32_t n_max, uint64_t *first, uint64_t *last, uint64_t *lost)
{
	uint32_t n = 0;

	pthread_mutex_lock(&control->events);
	drain_locked(control);
	while (n < n_max) {
		const struct sl_event_entry *entry = sl_event_log_after(control->log, since);

		if (entry == NULL)
			break;
		entries[n++] = *entry;
		since = entry->id;
	}
	*first = sl_event_log_first_id(control->log);
	*last = sl_event_log_last_id(control->log);
	*lost = count_lost(control);
	pthread_mutex_unlock(&control->events);
	return n;
}
