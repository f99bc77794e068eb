/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/diff.h"

/* The objects of one type in one revision, by ascending run-time id. */
struct cursor {
	struct sl_object *const *list;
	size_t n;
	size_t at;
};

static struct cursor
cursor_of(const struct sl_policy *policy, enum sl_object_type type)
{
	struct cursor cursor = {0};

	cursor.list = sl_policy_list(policy, type, &cursor.n);
	return cursor;
}

static const struct sl_object *
head(const struct cursor *cursor)
{
	return cursor->at < cursor->n ? cursor->list[cursor->at] : NULL;
}

int
sl_control_diff(const struct sl_policy *before, const struct sl_policy *after,
	enum sl_object_type type, sl_control_diff_fn *fn, void *ctx)
{
	struct cursor old = cursor_of(before, type);
	struct cursor new = cursor_of(after, type);
	int rc = 0;

	/* A type that the edit did not touch shares its list with the revision before. */
	if (old.list == new.list && old.n == new.n)
		return 0;
	while (rc == 0 && (head(&old) != NULL || head(&new) != NULL)) {
		const struct sl_object *a = head(&old);
		const struct sl_object *b = head(&new);

		if (a != NULL && b != NULL && a->id != b->id) {
			if (a->id < b->id)
				b = NULL;
			else
				a = NULL;
		}
		old.at += a != NULL;
		new.at += b != NULL;
		if (a != b)
			rc = fn(ctx, a, b);
	}
	return rc;
}

static int
stop(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	(void)ctx;
	(void)before;
	(void)after;
	return 1;
}

bool
sl_control_diff_is_empty(const struct sl_policy *before, const struct sl_policy *after)
{
	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT; type++)
		if (sl_control_diff(before, after, (enum sl_object_type)type, stop, NULL) != 0)
			return false;
	return true;
}
