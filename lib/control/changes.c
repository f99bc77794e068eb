/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/changes.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN 8u

static int
make_room(struct change_list *list)
{
	size_t n_max = list->n_max < ROOM_MIN ? ROOM_MIN : list->n_max * 2;
	struct sl_filter_change *room;

	if (list->changes.n < list->n_max)
		return 0;
	room = reallocarray(list->room, n_max, sizeof(*room));
	if (room == NULL)
		return -ENOMEM;
	list->room = room;
	list->n_max = n_max;
	list->changes.filters = room;
	return 0;
}

static int
add_change(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	struct change_list *list = ctx;

	if (make_room(list) != 0)
		return -ENOMEM;
	list->room[list->changes.n++] = (struct sl_filter_change){
		.old = before != NULL ? sl_filter_of(before) : NULL,
		.now = after != NULL ? sl_filter_of(after) : NULL,
	};
	return 0;
}

/* Stops at a difference that old filters feel; `ctx` is the policy before. */
static int
feel(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	const struct sl_policy *policy = ctx;

	if (after == NULL)
		return 0;
	return before != NULL || sl_policy_find(policy, after->type, after->key) != NULL;
}

bool
sl_control_is_felt(
	const struct sl_policy *before, const struct sl_policy *after, enum sl_object_type type)
{
	return sl_policy_diff(before, after, type, feel, (void *)(uintptr_t)before) != 0;
}

int
sl_control_changes_make(
	struct change_list *list, const struct sl_policy *before, const struct sl_policy *after)
{
	static const enum sl_object_type others[] = {
		SL_OBJECT_SUBLAYER, SL_OBJECT_PROVIDER_CONTEXT, SL_OBJECT_SET, SL_OBJECT_CALLOUT};

	for (size_t i = 0; i < SL_ARRAY_LEN(others); i++) {
		if (sl_control_is_felt(before, after, others[i]))
			list->changes.others = true;
	}
	return sl_policy_diff(before, after, SL_OBJECT_FILTER, add_change, list);
}

void
sl_control_changes_fini(struct change_list *list)
{
	free(list->room);
	*list = (struct change_list){0};
}
