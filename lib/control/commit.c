/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* --- Faults. --- */

int
sl_control_fail(struct sl_problems *problems, const struct sl_error *err, int rc)
{
	/* The place is a pointer into the document, or something that the detail must tell. */
	if (err->where[0] == '/' || err->where[0] == '\0')
		sl_problems_add(problems, err->code, err->where, "%s", err->text);
	else
		sl_problems_add(problems, err->code, "", "%s: %s", err->where, err->text);
	return rc;
}

int
sl_control_no_memory(struct sl_problems *problems)
{
	sl_problems_add(problems, SL_ERR_NO_MEMORY, "", "not enough memory to change the policy");
	return -ENOMEM;
}

int
sl_control_errno(const struct sl_problems *problems, size_t first)
{
	return first < problems->n ? -sl_err_errno(problems->list[first].code) : -ENOMEM;
}

/* --- Compiling. --- */

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	return sl_control_ledger_bind(ctx, filter, binding, err);
}

static int
compile(struct sl_control *control, struct state *next, struct sl_error *err)
{
	const struct sl_compile_host host = {
		.bind = bind, .ctx = &control->ledger, .memory_max = control->compile_memory_max};

	return sl_snapshot_compile(next->policy, next->revision, control->current->snapshot, NULL,
		&host, &next->snapshot, err);
}

/* --- Publishing: nothing here can fail. --- */

static void
publish(struct sl_control *control, struct state *next)
{
	const struct state *old = control->current;

	sl_control_events_expect(control, next, old);
	/* Returns when no worker uses the old snapshot any more. */
	if (control->plane != NULL)
		control->plane->ops->publish(control->plane->ctx, next->snapshot);
	sl_control_ledger_adopt(&control->ledger);
	/* Events that still name filters of the old revision get their names while it is here. */
	sl_control_events_drain(control);
	sl_control_events_expect(control, next, NULL);
	sl_control_state_swap(control, next);
	sl_control_ledger_settle(&control->ledger);
	sl_control_state_reap(control);
}

/* --- Committing. --- */

static void
report_snapshot(struct sl_commit_report *report, const struct sl_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	report->compiled_bytes = snapshot->memory_bytes;
	report->n_filters = snapshot->n_filters;
}

/* Compiles and, unless dry, publishes. Takes `next` over. */
static int
put_in_force(struct sl_control *control, struct state *next, bool is_dry_run,
	struct sl_commit_report *report, struct sl_error *err)
{
	uint64_t start_ns = sl_clock_monotonic_ns();
	uint64_t compiled_ns;
	int rc = compile(control, next, err);

	compiled_ns = sl_clock_monotonic_ns();
	report->compile_ns = compiled_ns - start_ns;
	report_snapshot(report, next->snapshot);
	if (rc != 0 || is_dry_run) {
		sl_control_ledger_settle(&control->ledger);
		sl_control_state_free(next);
		return rc;
	}
	publish(control, next);
	report->publish_ns = sl_clock_monotonic_ns() - compiled_ns;
	return 0;
}

static int
stage(struct sl_control *control, const struct sl_policy *policy,
	const struct commit_options *options, size_t *n_touched, struct sl_error *err)
{
	const struct ledger_plan plan = {
		.before = control->current->policy,
		.after = policy,
		.leaving = options->leaving,
		.plugins_changed = options->plugins_changed,
		.is_dry_run = options->is_dry_run,
		.now_ns = sl_clock_now(control->clock),
	};

	return sl_control_ledger_stage(&control->ledger, &plan, n_touched, err);
}

static bool
is_same(const struct sl_policy *before, const struct sl_policy *after)
{
	for (unsigned int t = 0; t < SL_OBJECT_TYPE_COUNT; t++) {
		if (!sl_policy_is_same(before, after, (enum sl_object_type)t))
			return false;
	}
	return true;
}

int
sl_control_commit(struct sl_control *control, struct sl_policy *policy,
	const struct commit_options *options, struct sl_problems *problems,
	struct sl_commit_report *report)
{
	const struct state *current = control->current;
	struct sl_commit_report unwanted = {0};
	struct sl_error err = {0};
	struct state *next;
	size_t n_touched;
	int rc;

	if (report == NULL)
		report = &unwanted;
	rc = stage(control, policy, options, &n_touched, &err);
	if (rc != 0) {
		sl_policy_free(policy);
		return sl_control_fail(problems, &err, rc);
	}
	if (current->snapshot != NULL && n_touched == 0 && is_same(current->policy, policy)) {
		sl_policy_free(policy);
		report_snapshot(report, current->snapshot);
		report->revision = current->revision;
		return 0;
	}
	next = sl_control_state_new(policy, current->revision + 1);
	if (next == NULL) {
		sl_control_ledger_settle(&control->ledger);
		return sl_control_no_memory(problems);
	}
	rc = put_in_force(control, next, options->is_dry_run, report, &err);
	report->revision = control->current->revision;
	return rc != 0 ? sl_control_fail(problems, &err, rc) : 0;
}

/* --- Changing. --- */

/* Edits a clone and checks it whole. NULL: `*rc` says why not, and problems were added. */
static struct sl_policy *
make_policy(struct sl_control *control, sl_control_edit_fn *edit, void *ctx,
	struct sl_problems *problems, int *rc)
{
	struct sl_policy *policy = sl_policy_clone(control->current->policy);
	size_t first = problems->n;

	if (policy == NULL) {
		*rc = sl_control_no_memory(problems);
		return NULL;
	}
	*rc = edit(ctx, policy, problems);
	if (*rc == 0 && !sl_policy_check(policy, NULL, NULL, problems))
		*rc = sl_control_errno(problems, first);
	if (*rc >= 0)
		return policy;
	sl_policy_free(policy);
	return NULL;
}

static int
check_revision(struct sl_control *control, uint64_t if_revision, struct sl_problems *problems)
{
	uint64_t revision = control->current->revision;

	if (if_revision == 0 || if_revision == revision)
		return 0;
	sl_problems_add(problems, SL_ERR_REVISION_MISMATCH, "",
		"revision %" PRIu64 " is in force, the change is for revision %" PRIu64, revision,
		if_revision);
	return -sl_err_errno(SL_ERR_REVISION_MISMATCH);
}

/* The caller holds `commit`. */
static int
change(struct sl_control *control, sl_control_edit_fn *edit, void *ctx, uint32_t flags,
	struct sl_problems *problems, struct sl_commit_report *report)
{
	const struct commit_options options = {
		.is_dry_run = (flags & SL_CHANGE_DRY_RUN) != 0,
	};
	uint64_t start_ns = sl_clock_monotonic_ns();
	struct sl_policy *policy;
	int rc;

	policy = make_policy(control, edit, ctx, problems, &rc);
	if (policy == NULL)
		return rc;
	if (report != NULL) {
		report->check_ns = sl_clock_monotonic_ns() - start_ns;
		if (sl_control_report_make(report, control->current->policy, policy) != 0) {
			sl_policy_free(policy);
			return sl_control_no_memory(problems);
		}
	}
	return sl_control_commit(control, policy, &options, problems, report);
}

int
sl_control_change(struct sl_control *control, sl_control_edit_fn *edit, void *ctx, uint32_t flags,
	uint64_t if_revision, struct sl_problems *problems, struct sl_commit_report *report)
{
	int rc;

	pthread_mutex_lock(&control->commit);
	rc = check_revision(control, if_revision, problems);
	if (rc == 0)
		rc = change(control, edit, ctx, flags, problems, report);
	pthread_mutex_unlock(&control->commit);
	return rc;
}
