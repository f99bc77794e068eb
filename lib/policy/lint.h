/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_LINT_H
#define SL_POLICY_LINT_H

/* Where lint's two files meet. Private to the room. */

#include "policy/sl_policy.h"

#include <stdbool.h>
#include <stddef.h>

struct sl_lint_run {
	const struct sl_policy *policy;
	sl_policy_lint_fn *fn;
	void *ctx;
	size_t n_left; /* findings that may still be reported */
};

void sl_lint_report(struct sl_lint_run *run, const char *code, const struct sl_object *object,
	const char *format, ...) SL_PRINTF(4, 5);
/* What is odd about one filter by itself: tautology, never_match. */
void sl_lint_filter(struct sl_lint_run *run, const struct sl_filter *filter);

#endif
