/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/changes.h"
#include "control/control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
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

/* From here on a build takes long, and the folder, which would take memory and time, gives way. */
#define LONG_NS 5000000u

/* One compilation, as its host sees it. */
struct build {
	struct sl_control *control;
	uint64_t start_ns;
	bool is_long;
	bool may_stop; /* for a change that waits */
	bool was_stopped;
};

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	const struct build *build = ctx;

	return sl_control_ledger_bind(&build->control->ledger, filter, binding, err);
}

/* A build that takes no long time ends without being asked this. */
static bool
go_on(void *ctx, size_t done, size_t total)
{
	struct build *build = ctx;

	sl_control_progress_tick(&build->control->progress, done, total);
	if (!build->is_long && sl_clock_monotonic_ns() - build->start_ns > LONG_NS) {
		build->is_long = true;
		sl_control_folder_pause(&build->control->folder);
	}
	build->was_stopped = build->may_stop && sl_control_change_waits(build->control);
	return !build->was_stopped;
}

/* A limit that is not the one configured must say why. */
static void
explain_limit(struct sl_control *control, struct sl_error *err)
{
	const size_t len = strlen(err->text);

	if (err->code == SL_ERR_NO_MEMORY)
		snprintf(err->text + len, sizeof(err->text) - len,
			"; %zu bytes are held by older revisions that are being read",
			sl_control_state_held(control));
}

static int
compile(struct build *build, struct state *next, const struct commit_options *options,
	struct sl_error *err)
{
	struct sl_control *control = build->control;
	const struct state *current = control->current;
	struct sl_compile_host host = {.bind = bind, .progress = go_on, .ctx = build};
	struct change_list list = {0};
	bool is_known;
	int rc;

	/*
	 * A dry run compiles what it must anew, and tells what that takes: what is put beside a compiled
	 * form stays there until the next fold, also when it comes to nothing.  Without memory for the
	 * list everything is compared, too.
	 */
	is_known = !options->plugins_changed && !options->is_dry_run && current->snapshot != NULL &&
		sl_control_changes_make(&list, current->policy, next->policy) == 0;
	sl_control_progress_enter(&control->progress, SL_BUILD_COMPILE);
	/* What nobody looks at any more is no reason to refuse. */
	sl_control_state_reap(control);
	host.memory_max = sl_control_memory_left(control, 0);
	rc = sl_snapshot_compile(next->policy, next->revision, current->snapshot,
		is_known ? &list.changes : NULL, &host, &next->snapshot, err);
	sl_control_changes_fini(&list);
	if (rc != 0 && host.memory_max < control->compile_memory_max)
		explain_limit(control, err);
	return rc;
}

/* --- Publishing: nothing here can fail. --- */

void
sl_control_publish(struct sl_control *control, struct state *next)
{
	const struct state *old = control->current;

	sl_control_progress_enter(&control->progress, SL_BUILD_PUBLISH);
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
	sl_control_folder_wake(control);
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
put_in_force(struct sl_control *control, struct state *next, const struct commit_options *options,
	struct sl_commit_report *report, struct sl_error *err)
{
	uint64_t start_ns = sl_clock_monotonic_ns();
	struct build build = {
		.control = control, .start_ns = start_ns, .may_stop = options->may_be_superseded};
	uint64_t compiled_ns;
	int rc = compile(&build, next, options, err);

	compiled_ns = sl_clock_monotonic_ns();
	report->compile_ns = compiled_ns - start_ns;
	report_snapshot(report, next->snapshot);
	if (rc != 0 || options->is_dry_run) {
		sl_control_ledger_settle(&control->ledger);
		sl_control_state_free(next);
	} else {
		sl_control_publish(control, next);
		report->publish_ns = sl_clock_monotonic_ns() - compiled_ns;
	}
	if (build.is_long)
		sl_control_folder_resume(&control->folder);
	return rc != 0 && build.was_stopped ? COMMIT_SUPERSEDED : rc;
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
	rc = put_in_force(control, next, options, report, &err);
	report->revision = control->current->revision;
	return rc < 0 ? sl_control_fail(problems, &err, rc) : rc;
}
