/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include "flow/sl_fragment.h"

#include <string.h>

/*
 * Flows as operators see them: read out of the workers' tables while those work on.
 */

#define CHUNK   64u
#define LOOKS   (1u << 18) /* flows that one list looks at */
#define COUNTED (1u << 20) /* flows of which the classes are counted */

/* NULL: the worker keeps none. */
static const struct sl_flow_table *
table_of(const struct sl_control *control, uint32_t worker)
{
	const struct sl_plane *plane = control->plane;

	if (plane == NULL || plane->ops->flows == NULL || worker >= control->workers.n)
		return NULL;
	return plane->ops->flows(plane->ctx, worker);
}

/*
 * Copies up to `n_max` flows of any kind from the cursor on, all of one worker; 0 only at the end.
 */
static uint32_t
read_some(struct sl_control *control, struct sl_flow_cursor *cursor, struct sl_flow_view views[],
	uint32_t n_max)
{
	uint32_t n = 0;

	while (n == 0 && cursor->worker < control->workers.n) {
		const struct sl_flow_table *table = table_of(control, cursor->worker);

		if (table != NULL && cursor->place != SL_FLOW_LIST_END)
			n = sl_flow_list(table, &cursor->place, views, n_max);
		if (table == NULL || cursor->place == SL_FLOW_LIST_END)
			*cursor = (struct sl_flow_cursor){.worker = cursor->worker + 1};
	}
	return n;
}

uint32_t
sl_control_flows(struct sl_control *control, const struct sl_flow_wanted *wanted,
	struct sl_flow_cursor *cursor, struct sl_flow_view views[], uint32_t n_max, bool *is_end)
{
	struct sl_flow_view some[CHUNK];
	uint32_t n = 0;

	for (uint32_t looks = 0; looks < LOOKS && n < n_max;) {
		/* No more than have room: the cursor must not pass what was not taken. */
		uint32_t n_some = read_some(control, cursor, some, SL_MIN(CHUNK, n_max - n));

		for (uint32_t i = 0; i < n_some; i++) {
			if (sl_flow_is_wanted(&some[i], wanted))
				views[n++] = some[i];
		}
		if (n_some == 0)
			break;
		looks += n_some;
	}
	*is_end = cursor->worker >= control->workers.n;
	return n;
}

bool
sl_control_flow(struct sl_control *control, uint64_t id, struct sl_flow_view *view)
{
	const struct sl_flow_table *table = table_of(control, sl_flow_id_worker(id));

	return table != NULL && sl_flow_view(table, id, view);
}

/* --- Statistics. --- */

static void
count_classes(struct sl_control *control, struct sl_flow_stats *stats)
{
	struct sl_flow_view some[CHUNK];
	struct sl_flow_cursor cursor = {0};
	uint32_t n = CHUNK;

	for (uint32_t looks = 0; looks < COUNTED && n > 0; looks += n) {
		n = read_some(control, &cursor, some, CHUNK);
		for (uint32_t i = 0; i < n; i++) {
			if (some[i].class < SL_FLOW_CLASS_COUNT)
				stats->classes[some[i].class]++;
		}
	}
	stats->is_whole = cursor.worker >= control->workers.n;
}

static void
add_fragments(struct sl_control *control, uint32_t worker, struct sl_flow_stats *stats)
{
	const struct sl_plane *plane = control->plane;
	const struct sl_fragments *fragments =
		plane->ops->fragments != NULL ? plane->ops->fragments(plane->ctx, worker) : NULL;

	if (fragments == NULL)
		return;
	stats->datagrams += sl_fragments_datagrams(fragments);
	stats->held += sl_fragments_held(fragments);
}

void
sl_control_flow_stats(struct sl_control *control, struct sl_flow_stats *stats)
{
	*stats = (struct sl_flow_stats){.pressure = 16};
	for (uint32_t w = 0; w < control->workers.n; w++) {
		const struct sl_flow_table *table = table_of(control, w);

		add_fragments(control, w, stats);
		if (table == NULL)
			continue;
		stats->max += sl_flow_table_max(table);
		stats->n += sl_flow_table_count(table);
		stats->bytes += sl_flow_table_bytes(table);
		stats->pressure = SL_MIN(stats->pressure, sl_flow_pressure(table));
	}
	count_classes(control, stats);
}
