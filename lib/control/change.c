/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/control.h"

#include <errno.h>
#include <inttypes.h>

/*
 * Changes wait in a queue, in the order of their calls, and whoever gets the commit lock serves those
 * that stand before his own.
 *
 * Superseding.  A build that takes long asks whether a change waits.  Then it is stopped, the change is
 * made on top of the policy that was being built, and one build covers both.  A change that is refused
 * there, or that must see the revision in force, waits for the outcome and is made on that.  When a build
 * for several changes fails, they are made again, one by one: what is refused is what is wrong.
 */

/* So that a stream of changes cannot keep all of them from being built. */
#define STOPS_MAX 4

struct change {
	sl_control_edit_fn *edit;
	void *ctx;
	uint32_t flags;
	uint64_t if_revision;
	struct sl_problems *problems;
	struct sl_commit_report *report; /* or NULL */
	int rc;                          /* the outcome */
	bool is_done;                    /* guarded by `commit` */
	struct change *next;             /* in the queue, or in its batch */
};

/* --- The queue. --- */

void
sl_control_queue_init(struct change_queue *queue)
{
	pthread_mutex_init(&queue->mutex, NULL);
	queue->first = NULL;
	queue->end = &queue->first;
}

void
sl_control_queue_fini(struct change_queue *queue)
{
	pthread_mutex_destroy(&queue->mutex);
}

static void
enqueue(struct change_queue *queue, struct change *change)
{
	pthread_mutex_lock(&queue->mutex);
	*queue->end = change;
	queue->end = &change->next;
	pthread_mutex_unlock(&queue->mutex);
}

static struct change *
dequeue(struct change_queue *queue)
{
	struct change *change;

	pthread_mutex_lock(&queue->mutex);
	change = queue->first;
	queue->first = change->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	pthread_mutex_unlock(&queue->mutex);
	change->next = NULL;
	return change;
}

/* A change that may be made on top of one that is not in force yet. */
static bool
is_joinable(const struct change *change)
{
	return (change->flags & SL_CHANGE_DRY_RUN) == 0 && change->if_revision == 0;
}

/* The next change if it may join; it stays in the queue. */
static struct change *
joinable(struct change_queue *queue)
{
	struct change *change;

	pthread_mutex_lock(&queue->mutex);
	change = queue->first;
	pthread_mutex_unlock(&queue->mutex);
	/* Only the holder of `commit`, who asks, takes it out. */
	return change != NULL && is_joinable(change) ? change : NULL;
}

bool
sl_control_change_waits(struct sl_control *control)
{
	return joinable(&control->queue) != NULL;
}

/* --- One change. --- */

static int
check_revision(const struct sl_control *control, const struct change *change)
{
	uint64_t revision = control->current->revision;

	if (change->if_revision == 0 || change->if_revision == revision)
		return 0;
	sl_problems_add(change->problems, SL_ERR_REVISION_MISMATCH, "",
		"revision %" PRIu64 " is in force, the change is for revision %" PRIu64, revision,
		change->if_revision);
	return -sl_err_errno(SL_ERR_REVISION_MISMATCH);
}

/* Edits `policy` and checks it whole. 0, or a negative errno with problems added. */
static int
edit(const struct change *change, struct sl_policy *policy, struct sl_problems *problems)
{
	size_t first = problems->n;
	int rc = change->edit(change->ctx, policy, problems);

	if (rc == 0 && !sl_policy_check(policy, NULL, NULL, problems))
		rc = sl_control_errno(problems, first);
	return rc < 0 ? rc : 0;
}

static int
report_difference(const struct change *change, uint64_t start_ns, const struct sl_policy *before,
	const struct sl_policy *after)
{
	if (change->report == NULL)
		return 0;
	/* It may be here for the second time. */
	sl_commit_report_fini(change->report);
	change->report->check_ns = sl_clock_monotonic_ns() - start_ns;
	return sl_control_report_make(change->report, before, after);
}

/* Makes the change on a clone of `base`. 0 and `*out`, or a negative errno with problems added. */
static int
make(const struct change *change, const struct sl_policy *base, struct sl_problems *problems,
	struct sl_policy **out)
{
	uint64_t start_ns = sl_clock_monotonic_ns();
	struct sl_policy *policy = sl_policy_clone(base);
	int rc;

	if (policy == NULL)
		return sl_control_no_memory(problems);
	rc = edit(change, policy, problems);
	if (rc == 0 && report_difference(change, start_ns, base, policy) != 0)
		rc = sl_control_no_memory(problems);
	if (rc != 0) {
		sl_policy_free(policy);
		return rc;
	}
	*out = policy;
	return 0;
}

static void
finish(struct change *change, int rc)
{
	change->rc = rc;
	change->is_done = true;
}

static void
run_alone(struct sl_control *control, struct change *change)
{
	const struct commit_options options = {
		.is_dry_run = (change->flags & SL_CHANGE_DRY_RUN) != 0,
	};
	struct sl_policy *policy;
	int rc = check_revision(control, change);

	if (rc == 0)
		rc = make(change, control->current->policy, change->problems, &policy);
	if (rc == 0)
		rc = sl_control_commit(control, policy, &options, change->problems, change->report);
	finish(change, rc);
}

/* --- Several changes in one build. --- */

struct batch {
	struct change *first;
	struct change **end;
	struct sl_policy *policy; /* with all changes made */
	bool is_closed;           /* no more may join */
	uint32_t n_stops;
};

static void
join(struct batch *batch, struct change *change)
{
	*batch->end = change;
	batch->end = &change->next;
}

/* Takes in the changes that wait, up to the first that cannot be made now. */
static void
extend(struct sl_control *control, struct batch *batch)
{
	struct change *change;

	while (!batch->is_closed && (change = joinable(&control->queue)) != NULL) {
		struct sl_problems problems = {0};
		struct sl_policy *policy;

		if (make(change, batch->policy, &problems, &policy) == 0) {
			sl_policy_free(batch->policy);
			batch->policy = policy;
			join(batch, dequeue(&control->queue));
		} else {
			batch->is_closed = true;
		}
		sl_problems_fini(&problems);
	}
}

/* Builds and publishes, again for each change that joins meanwhile. */
static int
commit_batch(struct sl_control *control, struct batch *batch, struct sl_problems *problems,
	struct sl_commit_report *report)
{
	int rc;

	do {
		const struct commit_options options = {
			.may_be_superseded = !batch->is_closed && batch->n_stops < STOPS_MAX};
		struct sl_policy *policy = sl_policy_clone(batch->policy);

		if (policy == NULL)
			return sl_control_no_memory(problems);
		rc = sl_control_commit(control, policy, &options, problems, report);
		if (rc == COMMIT_SUPERSEDED) {
			batch->n_stops++;
			atomic_fetch_add(&control->n_superseded, 1);
			extend(control, batch);
		}
	} while (rc == COMMIT_SUPERSEDED);
	return rc;
}

/* What was done for all is told to each. */
static void
report_outcome(const struct change *change, const struct sl_commit_report *common)
{
	struct sl_commit_report *report = change->report;

	if (report == NULL)
		return;
	report->revision = common->revision;
	report->compile_ns = common->compile_ns;
	report->publish_ns = common->publish_ns;
	report->compiled_bytes = common->compiled_bytes;
	report->n_filters = common->n_filters;
}

static void
add_problems(struct sl_problems *to, const struct sl_problems *from)
{
	for (size_t i = 0; i < from->n; i++)
		sl_problems_add(
			to, from->list[i].code, from->list[i].pointer, "%s", from->list[i].detail);
	/* Those that found no memory are missed all the same. */
	to->n_total += from->n_total - from->n;
}

static void
settle(struct sl_control *control, const struct batch *batch, int rc,
	const struct sl_problems *problems, const struct sl_commit_report *report)
{
	bool is_alone = batch->first->next == NULL;

	if (rc != 0 && is_alone)
		add_problems(batch->first->problems, problems);
	for (struct change *change = batch->first; change != NULL; change = change->next) {
		if (rc == 0 || is_alone) {
			report_outcome(change, report);
			finish(change, rc);
		} else {
			run_alone(control, change);
		}
	}
}

static void
run_batch(struct sl_control *control, struct change *first)
{
	struct batch batch = {.first = first, .end = &first->next};
	struct sl_problems problems = {0};
	struct sl_commit_report report = {0};
	int rc = check_revision(control, first);

	if (rc == 0)
		rc = make(first, control->current->policy, first->problems, &batch.policy);
	if (rc != 0) {
		finish(first, rc);
		return;
	}
	rc = commit_batch(control, &batch, &problems, &report);
	sl_policy_free(batch.policy);
	settle(control, &batch, rc, &problems, &report);
	sl_problems_fini(&problems);
	sl_commit_report_fini(&report);
}

/* --- All of them. --- */

static void
serve(struct sl_control *control, struct change *change)
{
	sl_control_progress_enter(&control->progress, SL_BUILD_EDIT);
	if ((change->flags & SL_CHANGE_DRY_RUN) != 0)
		run_alone(control, change);
	else
		run_batch(control, change);
	sl_control_progress_enter(&control->progress, SL_BUILD_IDLE);
}

int
sl_control_change(struct sl_control *control, sl_control_edit_fn *fn, void *ctx, uint32_t flags,
	uint64_t if_revision, struct sl_problems *problems, struct sl_commit_report *report)
{
	struct change change = {.edit = fn,
		.ctx = ctx,
		.flags = flags,
		.if_revision = if_revision,
		.problems = problems,
		.report = report};

	enqueue(&control->queue, &change);
	pthread_mutex_lock(&control->commit);
	while (!change.is_done)
		serve(control, dequeue(&control->queue));
	pthread_mutex_unlock(&control->commit);
	return change.rc;
}
