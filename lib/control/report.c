/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Grows by doubling: full exactly when the count is a power of two, or zero. */
static void *
room_for_one(void *list, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return list;
	return reallocarray(list, n == 0 ? 1 : n * 2, size);
}

static int
add_key(char ***list, size_t *n, const struct sl_object *object)
{
	char **grown = room_for_one(*list, *n, sizeof(char *));

	if (grown == NULL)
		return -ENOMEM;
	*list = grown;
	if (asprintf(&grown[*n], "%s/%s", sl_object_type_plural(object->type), object->key) < 0)
		return -ENOMEM;
	(*n)++;
	return 0;
}

struct difference {
	struct sl_commit_report *report;
	const struct sl_policy *before;
	const struct sl_policy *after;
};

/* An object made anew under the same key, for a place of its own among equals, has changed. */
static int
add_difference(void *ctx, const struct sl_object *before, const struct sl_object *after)
{
	const struct difference *difference = ctx;
	struct sl_commit_report *report = difference->report;

	if (before == NULL) {
		if (sl_policy_find(difference->before, after->type, after->key) != NULL)
			return 0;
		return add_key(&report->added, &report->n_added, after);
	}
	if (after == NULL && sl_policy_find(difference->after, before->type, before->key) == NULL)
		return add_key(&report->removed, &report->n_removed, before);
	return add_key(&report->changed, &report->n_changed, before);
}

struct lints {
	struct sl_commit_report *report;
	bool failed;
};

static void
add_lint(void *ctx, const struct sl_lint *lint)
{
	struct lints *lints = ctx;
	struct sl_commit_report *report = lints->report;
	struct sl_lint *grown =
		room_for_one(report->lints, report->n_lints, sizeof(*report->lints));

	if (grown == NULL) {
		lints->failed = true;
		return;
	}
	report->lints = grown;
	report->lints[report->n_lints] = *lint;
	/* The report may outlive the policy. */
	report->lints[report->n_lints++].object = NULL;
}

int
sl_control_report_make(struct sl_commit_report *report, const struct sl_policy *before,
	const struct sl_policy *after)
{
	struct difference difference = {.report = report, .before = before, .after = after};
	struct lints lints = {.report = report};
	int rc = 0;

	for (unsigned int type = 0; type < SL_OBJECT_TYPE_COUNT && rc == 0; type++)
		rc = sl_policy_diff(
			before, after, (enum sl_object_type)type, add_difference, &difference);
	if (rc == 0)
		sl_policy_lint(after, add_lint, &lints);
	return lints.failed ? -ENOMEM : rc;
}

static void
free_keys(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void
sl_commit_report_fini(struct sl_commit_report *report)
{
	if (report == NULL)
		return;
	free_keys(report->added, report->n_added);
	free_keys(report->removed, report->n_removed);
	free_keys(report->changed, report->n_changed);
	free(report->lints);
	*report = (struct sl_commit_report){0};
}
