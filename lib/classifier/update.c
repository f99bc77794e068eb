/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/edit.h"

#include <errno.h>
#include <stdlib.h>

/* A layer that was made anew, as changes of the one before, when they are few. */

#define CHANGES_MAX 512u

/* What stands in one of two layers alone. */
struct difference {
	const struct sl_filter *removed[CHANGES_MAX];
	struct sl_ranked added[CHANGES_MAX];
	uint32_t n_removed;
	uint32_t n_added;
};

/* A walk and the filter it stands at. */
struct cursor {
	struct sl_filter_walk walk;
	struct sl_ranked at;
	uint32_t rank;
	bool is_at_end;
};

static void
advance(struct cursor *cursor)
{
	cursor->is_at_end = !sl_filter_walk_next(&cursor->walk, &cursor->rank);
	if (!cursor->is_at_end)
		cursor->at = sl_layer_ranked(cursor->walk.layer, cursor->rank);
}

/* Both layers are in the same order. False: there are too many. */
static bool
find_difference(const struct sl_layer_program *old, const struct sl_layer_program *now,
	struct difference *d)
{
	struct cursor a = {.walk = {.layer = old}};
	struct cursor b = {.walk = {.layer = now}};

	advance(&a);
	advance(&b);
	while (!a.is_at_end || !b.is_at_end) {
		const int order = a.is_at_end ? 1
			: b.is_at_end         ? -1
					      : sl_ranked_compare(&a.at, &b.at);
		const bool is_same = order == 0 && a.at.sublayer == b.at.sublayer &&
			sl_entry_is_same(a.at.from, b.at.from);

		if (!is_same && (d->n_removed == CHANGES_MAX || d->n_added == CHANGES_MAX))
			return false;
		if (!is_same && order <= 0)
			d->removed[d->n_removed++] = a.at.filter;
		if (!is_same && order >= 0)
			d->added[d->n_added++] = b.at;
		if (order <= 0)
			advance(&a);
		if (order >= 0)
			advance(&b);
	}
	return true;
}

/* Where the order of sublayers has changed, some filters are not recognised and keep their new stamps. */
void
sl_layer_keep_stamps(const struct sl_layer_program *old, struct sl_layer_program *now)
{
	struct cursor a = {.walk = {.layer = old}};
	struct cursor b = {.walk = {.layer = now}};

	advance(&a);
	advance(&b);
	while (!a.is_at_end && !b.is_at_end) {
		const int order = sl_ranked_compare(&a.at, &b.at);

		if (order == 0 && sl_entry_acts_same(a.at.from, b.at.from))
			now->store->filters[b.rank].stamp = a.at.from->stamp;
		if (order <= 0)
			advance(&a);
		if (order >= 0)
			advance(&b);
	}
}

int
sl_layer_update(const struct sl_layer_program *old, const struct sl_layer_program *now,
	const struct sl_compile_tick *tick, struct sl_layer_program **out, struct sl_error *err)
{
	struct difference *d = calloc(1, sizeof(*d));
	int rc = -E2BIG;

	if (d == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	if (find_difference(old, now, d)) {
		const struct sl_edit edit = {.layer = old,
			.removed = d->removed,
			.n_removed = d->n_removed,
			.added = d->added,
			.n_added = d->n_added,
			.is_small = true};

		rc = sl_layer_edit(&edit, NULL, tick, out, err);
	}
	free(d);
	return rc;
}
