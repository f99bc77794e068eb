/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_PRIVATE_H
#define CONTROL_PRIVATE_H

/*
 * The inside of the management core.  Private to the room.
 *
 * Locks, in the order in which they are taken:
 *   commit  one writer at a time, held from the clone to the end of the grace period.  Guards the state in
 *           force, the ledger, and what versions of a layer share; whoever frees a state holds it.
 *   events  the consuming side of the workers' rings, the event log, and `resolve`.
 *   flows   who sends commands to workers about flows; nothing is taken under it.
 *   views, ledger.mutex, plugins.mutex, queue.mutex, folder.mutex, mode
 *           held for a moment; nobody waits for anything under them.
 */

#include "control/folder.h"
#include "control/ledger.h"
#include "control/plugins.h"
#include "control/progress.h"
#include "control/sl_control.h"

#include <pthread.h>
#include <stdatomic.h>

/* One revision of the policy with what was compiled from it. */
struct state {
	struct sl_policy *policy;
	struct sl_snapshot *snapshot; /* NULL before the first commit */
	uint64_t revision;
	uint32_t n_views;   /* views, and one while it is in force; guarded by `views` */
	struct state *next; /* in the list of viewed or of retired ones */
};

/* Changes that wait for the commit lock; see change.c. */
struct change_queue {
	pthread_mutex_t mutex;
	struct change *first; /* taken out by the holder of `commit` alone */
	struct change **end;
};

struct sl_control {
	/* Constant once other threads know the control. */
	const struct sl_clock *clock;
	const char *const *policy_files;
	uint32_t n_policy_files;
	size_t compile_memory_max;
	size_t json_memory_max;
	uint64_t start_ns;
	const struct sl_plane *plane;
	struct workers workers;

	struct change_queue queue;
	pthread_mutex_t commit;
	struct progress progress; /* told by the holder of `commit` */
	_Atomic uint64_t n_superseded;
	struct ledger ledger;
	struct plugins plugins;

	struct folder folder;

	pthread_mutex_t views;
	struct state *current; /* read by the committing thread without the lock: only it writes */
	struct state *viewed;  /* no longer in force, but somebody looks at them */
	struct state *retired; /* without views; freed by the next holder of `commit` */

	pthread_mutex_t events;
	struct sl_event_log *log;
	/* Revisions that the events in the rings were made under: the newest, and the one before. */
	const struct state *resolve[2];
	atomic_bool events_enabled;

	pthread_mutex_t flows;
	atomic_bool flow_events;

	pthread_mutex_t mode_mutex;
	_Atomic(enum sl_mode) mode;
};

/* --- commit.c --- */

/* Beyond what a change of the policy is. */
struct commit_options {
	const struct sl_plugin *leaving; /* see struct ledger_plan */
	bool plugins_changed;
	bool is_dry_run;
	bool may_be_superseded; /* stops for a change that waits */
};

/* What a commit returns, with nothing changed and no problem added, when it stopped for a change. */
#define COMMIT_SUPERSEDED 1

/*
 * Puts an edited and checked policy in force, or finds that it says the same as the one that is.  Takes
 * `policy` over in any case.  The caller holds `commit`.
 */
int sl_control_commit(struct sl_control *control, struct sl_policy *policy,
	const struct commit_options *options, struct sl_problems *problems,
	struct sl_commit_report *report) SL_MUST_CHECK;

/*
 * Makes `next` the state in force; returns after the grace period and lets the old one go.  The caller
 * holds `commit`.
 */
void sl_control_publish(struct sl_control *control, struct state *next);

/* --- change.c --- */

void sl_control_queue_init(struct change_queue *queue);
void sl_control_queue_fini(struct change_queue *queue);
/* True when a change waits that may be made on top of one that is not in force yet. */
bool sl_control_change_waits(struct sl_control *control);

/* --- state.c --- */

/* Takes `policy` over, also when it fails. NULL: out of memory. */
struct state *sl_control_state_new(struct sl_policy *policy, uint64_t revision);
/* The caller holds `commit`. NULL is allowed. */
void sl_control_state_free(struct state *state);
/* Makes `next` the current state; the old one is retired when its last view is put. */
void sl_control_state_swap(struct sl_control *control, struct state *next);
/* Frees retired states. The caller holds `commit`. */
void sl_control_state_reap(struct sl_control *control);
/* Bytes of compiled filters that only states no longer in force have. Any thread. */
size_t sl_control_state_held(struct sl_control *control);
/*
 * What a build may take of a limit, of which `taken` is: what older states hold counts.  0: no limit.  Any
 * thread.
 */
size_t sl_control_memory_left(struct sl_control *control, size_t taken);

/* --- events.c --- */

/* Drains the rings into the log. */
void sl_control_events_drain(struct sl_control *control);
/* From now on events may be made under `newest`, and are still made under `before` (or NULL). */
void sl_control_events_expect(
	struct sl_control *control, const struct state *newest, const struct state *before);

/* --- flow_kill.c --- */

/*
 * Returns when no flow has a context of the plugin any more.  No filter is bound to it.  BUSY, TIMEOUT: workers did
 * not do it in time; they may still do so.
 */
int sl_control_flows_forget(struct sl_control *control, const struct sl_plugin *plugin,
	struct sl_error *err) SL_MUST_CHECK;

/* --- report.c --- */

/* Fills diff and lints. 0 or -ENOMEM. */
int sl_control_report_make(struct sl_commit_report *report, const struct sl_policy *before,
	const struct sl_policy *after) SL_MUST_CHECK;

/* --- Errors. --- */

/* Adds `err` as a fault: at its `where` when that is a JSON pointer, else at the document. Returns `rc`. */
int sl_control_fail(struct sl_problems *problems, const struct sl_error *err, int rc);
/* Adds NO_MEMORY. Returns -ENOMEM. */
int sl_control_no_memory(struct sl_problems *problems);
/* The errno of the fault number `first` of `problems`, negative. */
int sl_control_errno(const struct sl_problems *problems, size_t first);

#endif
