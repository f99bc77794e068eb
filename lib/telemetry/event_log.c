/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry/sl_event.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ids run from 1; the entry with id `i` stands at (i - 1) modulo the capacity. */
struct sl_event_log {
	uint64_t last_id;
	size_t n_max;
	struct sl_event_entry entries[];
};

int
sl_event_log_new(size_t n_max, struct sl_event_log **out)
{
	struct sl_event_log *log;

	if (n_max == 0)
		return -EINVAL;
	if (n_max > (SIZE_MAX - sizeof(*log)) / sizeof(log->entries[0]))
		return -ENOMEM;
	log = calloc(1, sizeof(*log) + n_max * sizeof(log->entries[0]));
	if (log == NULL)
		return -ENOMEM;
	log->n_max = n_max;
	*out = log;
	return 0;
}

void
sl_event_log_free(struct sl_event_log *log)
{
	free(log);
}

struct sl_event_entry *
sl_event_log_next(struct sl_event_log *log)
{
	struct sl_event_entry *entry = &log->entries[log->last_id % log->n_max];

	memset(entry, 0, sizeof(*entry));
	entry->id = ++log->last_id;
	return entry;
}

const struct sl_event_entry *
sl_event_log_after(const struct sl_event_log *log, uint64_t since)
{
	uint64_t first = sl_event_log_first_id(log);

	if (since >= log->last_id)
		return NULL;
	return &log->entries[(SL_MAX(since + 1, first) - 1) % log->n_max];
}

uint64_t
sl_event_log_first_id(const struct sl_event_log *log)
{
	if (log->last_id == 0)
		return 0;
	return log->last_id <= log->n_max ? 1 : log->last_id - log->n_max + 1;
}

uint64_t
sl_event_log_last_id(const struct sl_event_log *log)
{
	return log->last_id;
}

static void
resolve(const struct sl_policy *policy, uint64_t id, char filter[65], char sublayer[65])
{
	const struct sl_object *found = sl_policy_find_id(policy, SL_OBJECT_FILTER, id);

	if (found == NULL)
		return;
	snprintf(filter, 65, "%s", found->key);
	snprintf(sublayer, 65, "%s", sl_filter_of(found)->sublayer);
}

void
sl_event_resolve(struct sl_event_entry *entry, const struct sl_policy *policy)
{
	const struct sl_event *event = &entry->event;

	resolve(policy, event->filter_id, entry->filter, entry->sublayer);
	for (uint32_t i = 0; i < event->n_decisions && i < SL_EVENT_DECISIONS_MAX; i++)
		resolve(policy, event->decisions[i].filter_id, entry->decisions[i],
			entry->decision_sublayers[i]);
}
