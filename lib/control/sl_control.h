/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CONTROL_CONTROL_H
#define SL_CONTROL_CONTROL_H

/*
 * The management core: owns the policy, and is the one writer of it.
 *
 * Commit.  Clone the policy, edit the clone, check it whole, bind filters to counters and callouts,
 *          compile, publish one snapshot to all workers, wait for the grace period, retire the old
 *          snapshot, tell callouts of deleted filters.  Whatever fails leaves everything as it was.
 * Readers  take a counted reference on a consistent (policy, snapshot, revision) and never wait for a
 *          commit that is compiling.
 * Origin.  Objects of policy files belong to the files: a reload makes them what the files say now,
 *          whatever was done to them meanwhile, and brings back those that were deleted.  Objects made
 *          by calls stay, unless a file names the same key.
 * Long     builds are stopped for a newer change, and one build covers both; when that fails, they are made
 *          one by one, so that only what is wrong is refused.
 * Folds.   Small changes are put beside the compiled form of their layer, and folded into it in the
 *          background, under the same revision.
 * Same.    A change that leaves every object saying what it said is no commit: the revision stays.
 * Threads. Every function may be called from any control thread; commits are serialised.
 */

#include "base/sl_clock.h"
#include "base/sl_error.h"
#include "callout/sl_callout.h"
#include "document/sl_document.h"
#include "pipeline/sl_plane.h"
#include "policy/sl_policy.h"

#include <stdbool.h>
#include <stdint.h>

struct sl_control; /* opaque */

struct sl_control_config {
	const struct sl_plane *plane; /* borrowed; NULL: none, or set with sl_control_attach */
	struct sl_callout_registry *registry; /* borrowed */
	const struct sl_clock *clock;         /* NULL: the system's */
	const char *const *policy_files;      /* paths, borrowed; re-read by sl_control_reload */
	uint32_t n_policy_files;
	uint32_t event_log_max;    /* entries; 0: 65,536 */
	size_t compile_memory_max; /* bytes; 0: no limit; of a policy and what is held of older ones */
	size_t json_memory_max;    /* bytes one document may cost; 0: 1 GiB */
	bool flow_events;          /* the workers begin with net events of flows */
};

/* --- Life. --- */

int sl_control_new(const struct sl_control_config *config, struct sl_control **out,
	struct sl_error *err) SL_MUST_CHECK;
/*
 * Unpublishes and frees. Workers must have stopped, views must have been put; plane and registry are
 * still there. NULL is allowed.
 */
void sl_control_free(struct sl_control *control);
/*
 * Connects a plane (borrowed) and publishes what is in force, if anything.  Once, and before other
 * threads know the control.  A control without a plane works and enforces nothing (--check, tests).
 */
void sl_control_attach(struct sl_control *control, const struct sl_plane *plane);
/*
 * Reads the policy files and commits them as the first revision (an empty policy without files).  Until
 * then no policy is in force.  Every fault is in `problems`, with "FILE: " before the detail.
 */
int sl_control_boot(struct sl_control *control, struct sl_problems *problems) SL_MUST_CHECK;
/*
 * Re-reads the policy files: objects that came from files are replaced by what the files say now, others
 * stay.  On any fault the policy in force stays.
 */
int sl_control_reload(struct sl_control *control, struct sl_problems *problems) SL_MUST_CHECK;
/* Drains event rings into the log. Call about ten times a second; reads call it too. */
void sl_control_tick(struct sl_control *control);

/* --- Reading. --- */

/* A consistent view; immutable until it is put. */
struct sl_view {
	const struct sl_policy *policy;
	const struct sl_snapshot *snapshot;
	uint64_t revision;
	void *state; /* of the control; NULL once it was put */
};

/* Never waits for a commit.  `view->snapshot` is NULL before the first commit. */
void sl_control_view_get(struct sl_control *control, struct sl_view *view);
void sl_control_view_put(struct sl_control *control, struct sl_view *view);
uint64_t sl_control_revision(struct sl_control *control);

/* Counters of a filter, summed over workers, `since` in ns. False: no such filter. */
struct sl_filter_stats {
	struct sl_filter_counter counter;
	uint64_t since_ns; /* when the key's counters began */
};
bool
sl_control_filter_stats(struct sl_control *control, const char *key, struct sl_filter_stats *stats);
/* Everything but filters, summed over workers; `sum` is overwritten. */
void sl_control_counters(struct sl_control *control, struct sl_counters *sum);

/* --- Changing. --- */

/* What a commit did or, dry, would do. Keys are "filters/KEY". Zero-initialise; fini frees. */
struct sl_commit_report {
	uint64_t revision; /* in force after it */
	uint64_t check_ns;
	uint64_t compile_ns;
	uint64_t publish_ns; /* publication and grace period */
	size_t compiled_bytes;
	uint32_t n_filters;
	char **added;
	char **removed;
	char **changed;
	size_t n_added, n_removed, n_changed;
	struct sl_lint *lints; /* their `object` members are NULL; the detail names them */
	size_t n_lints;
};
void sl_commit_report_fini(struct sl_commit_report *report);

/* What an edit may return instead of 0 when the references of the policy are known to be whole. */
#define SL_EDIT_CHECKED 1

/*
 * Edits the clone; 0, SL_EDIT_CHECKED, or a negative errno with at least one problem added.  It may be
 * called several times for one change, and on another thread that holds the commit lock: only what the
 * last call did counts.
 */
typedef int sl_control_edit_fn(void *ctx, struct sl_policy *policy, struct sl_problems *problems);

#define SL_CHANGE_DRY_RUN 0x1u /* everything but publishing and callouts' notify */

/*
 * Commits an edit.  Changes take effect in the order of their calls; several may become one revision.
 * `if_revision` not 0: refused with REVISION_MISMATCH unless that revision is in force.
 * `report` may be NULL (diff and lint are computed only when it is given).
 * 0, or a negative errno with problems added and nothing changed.
 */
int sl_control_change(struct sl_control *control, sl_control_edit_fn *edit, void *ctx,
	uint32_t flags, uint64_t if_revision, struct sl_problems *problems,
	struct sl_commit_report *report) SL_MUST_CHECK;

/* Common edits. `ctx` types below. */

/* Adds or replaces one object. Problems are told from the object: "/sublayer". */
struct sl_edit_object {
	struct sl_object *object; /* finished, in no policy; the edit takes its own reference */
	bool must_be_new;         /* POST */
	bool was_new;             /* output */
};
sl_control_edit_fn sl_control_edit_put;

/* Deletes one object that nothing refers to. */
struct sl_edit_delete {
	enum sl_object_type type;
	const char *key;
};
sl_control_edit_fn sl_control_edit_delete;

struct sl_edit_policy {
	const json_t *document;
	enum sl_lifetime lifetime; /* of objects that say nothing */
	enum sl_origin origin;
	const char *provider; /* replace only this provider's objects; NULL: everything */
};
/*
 * Replaces the policy, objects of policy files included, but for what is built in.  Objects that say
 * the same as before keep their identity, run-time ids and counters; others under the same key keep id
 * and counters.  Among equals the order of the document decides, as when it is read for the first time.
 *
 * With a provider, only its objects and itself are replaced, and the document may hold no others; a
 * document without the member "providers" leaves the provider itself as it is.
 */
sl_control_edit_fn sl_control_edit_policy;

enum sl_elements_change {
	SL_ELEMENTS_REPLACE,
	SL_ELEMENTS_ADD,
	SL_ELEMENTS_REMOVE
};
struct sl_edit_elements {
	const char *set;
	enum sl_elements_change change;
	const json_t *elements; /* array of texts or integers */
	const char
		*pointer; /* where that array stands in the request; NULL: "", it is the request */
};
/*
 * All or nothing.  Adding what is there already is no fault, removing what is not there is one (NOT_FOUND,
 * naming it).  Elements are compared as they are written: a prefix is not part of a larger one.
 */
sl_control_edit_fn sl_control_edit_elements;

/* --- Engine. --- */

enum sl_mode sl_control_mode(struct sl_control *control);
void sl_control_set_mode(struct sl_control *control, enum sl_mode mode);
bool sl_control_events_enabled(struct sl_control *control);
void sl_control_set_events_enabled(struct sl_control *control, bool enabled);
/* True when a policy is in force; workers that use the newest snapshot (or idle), of all. */
bool sl_control_ready(struct sl_control *control, uint32_t *n_current, uint32_t *n_workers);
uint64_t sl_control_start_ns(struct sl_control *control);
const struct sl_plane *sl_control_plane(struct sl_control *control);

/* What a build is doing. */
enum sl_build_phase {
	SL_BUILD_IDLE,
	SL_BUILD_EDIT,    /* reading and checking the change */
	SL_BUILD_COMPILE, /* binding and compiling */
	SL_BUILD_PUBLISH, /* handing over to the workers */
	SL_BUILD_PHASE_COUNT
};
/* "idle", "edit", "compile", "publish" */
const char *sl_build_phase_name(enum sl_build_phase phase);

struct sl_build_progress {
	enum sl_build_phase phase;
	size_t n_done; /* filters of those that are compiled; 0 of 0 when it takes no time */
	size_t n_total;
	uint64_t running_ns; /* since it began; 0 when idle */
};

struct sl_build_info {
	struct sl_build_progress commit; /* the change under way */
	struct sl_build_progress fold;   /* in the background */
	uint64_t n_superseded;           /* builds that were stopped for a newer change */
	uint64_t n_folds;                /* layers folded */
	size_t n_filters_beside;         /* in force beside the compiled form of their layer */
	size_t n_filters_dead;           /* in a compiled form, and not in force any more */
	size_t held_bytes; /* of compiled filters of older revisions that are being read */
};
/* Never waits for a commit. */
void sl_control_build(struct sl_control *control, struct sl_build_info *info);

/* --- Events. --- */

/*
 * Copies up to `n_max` entries with an id above `since`, oldest first; returns how many.  `*first` and
 * `*last` receive the oldest id kept and the newest (0: none); `*lost` how many events were not made or
 * did not fit since the start.
 */
uint32_t
sl_control_events(struct sl_control *control, uint64_t since, struct sl_event_entry *entries,
	uint32_t n_max, uint64_t *first, uint64_t *last, uint64_t *lost);

/* --- Flows. --- */

/* What flows are wanted: those for which every member holds that is named in `has`. */
enum sl_flow_wants {
	SL_FLOW_WANTS_PROTOCOL = 0x001,
	SL_FLOW_WANTS_IP_VERSION = 0x002,
	SL_FLOW_WANTS_LOCAL = 0x004, /* with IP_VERSION */
	SL_FLOW_WANTS_REMOTE = 0x008,
	SL_FLOW_WANTS_LOCAL_PORT = 0x010, /* ports: only of protocols that have them */
	SL_FLOW_WANTS_REMOTE_PORT = 0x020,
	SL_FLOW_WANTS_PORT = 0x040, /* at either end */
	SL_FLOW_WANTS_TCP_STATE = 0x080,
	SL_FLOW_WANTS_CLASS = 0x100,
	SL_FLOW_WANTS_DIRECTION = 0x200, /* who opened it */
	SL_FLOW_WANTS_FILTER = 0x400,    /* the filter that authorised it last */
	SL_FLOW_WANTS_VLAN = 0x800,      /* outermost VID; 0: no tag */
	SL_FLOW_WANTS_PENDED = 0x1000    /* whether it waits for a callout's answer */
};
struct sl_flow_wanted {
	uint32_t has; /* enum sl_flow_wants; 0: every flow */
	uint8_t protocol;
	uint8_t ip_version;
	uint8_t tcp_state;  /* enum sl_tcp_state */
	uint8_t class;      /* enum sl_flow_class */
	uint8_t direction;  /* enum sluice_direction */
	uint8_t local_bits; /* length of the prefix */
	uint8_t remote_bits;
	bool is_pended;
	uint8_t local[16]; /* network order; IPv4: the first four */
	uint8_t remote[16];
	uint16_t local_port;
	uint16_t remote_port;
	uint16_t port;
	uint16_t vlan;
	uint64_t filter_id; /* 0: no filter matched */
};
/* Whether a flow is wanted. Pure. */
bool sl_flow_is_wanted(const struct sl_flow_view *view, const struct sl_flow_wanted *wanted);

/* Where a list goes on; zero is the beginning. */
struct sl_flow_cursor {
	uint32_t worker;
	uint32_t place;
};
/*
 * Copies up to `n_max` wanted flows from `*cursor` on and moves it; workers do not notice.  It looks at a bounded
 * number of flows, so that fewer, even none, may come although there are more.  `*is_end`: there are none
 * behind.  Flows that come and go meanwhile may be there or not.
 */
uint32_t sl_control_flows(struct sl_control *control, const struct sl_flow_wanted *wanted,
	struct sl_flow_cursor *cursor, struct sl_flow_view views[], uint32_t n_max, bool *is_end);
/* One flow by its id. False: it is gone. */
bool sl_control_flow(struct sl_control *control, uint64_t id, struct sl_flow_view *view);

/*
 * Ends a flow: its packets are dropped from now on.  Returns when its worker has obeyed.  NOT_FOUND: there is no
 * such flow, or it has been ended; TIMEOUT: the worker does not obey.
 */
int
sl_control_flow_kill(struct sl_control *control, uint64_t id, struct sl_error *err) SL_MUST_CHECK;
/*
 * Ends every wanted flow that is there now; `*n_killed` receives how many were told to the workers, also when it
 * fails with TIMEOUT.
 */
int sl_control_flows_kill(struct sl_control *control, const struct sl_flow_wanted *wanted,
	uint64_t *n_killed, struct sl_error *err) SL_MUST_CHECK;

/* Whether workers make net events of flows. */
bool sl_control_flow_events(struct sl_control *control);
/* Never waits: BUSY while many flows are being ended, and it may be tried again. */
int sl_control_set_flow_events(
	struct sl_control *control, bool enabled, struct sl_error *err) SL_MUST_CHECK;

/* All tables together. */
struct sl_flow_stats {
	uint64_t max;
	uint64_t n;
	uint64_t bytes;                        /* of memory */
	uint64_t classes[SL_FLOW_CLASS_COUNT]; /* flows of each class */
	bool is_whole;      /* false: there are too many flows, `classes` are of some of them */
	uint32_t pressure;  /* in the fullest table, sixteenths of the time-outs; 16: whole */
	uint64_t datagrams; /* incomplete ones */
	uint64_t held;      /* fragments */
};
void sl_control_flow_stats(struct sl_control *control, struct sl_flow_stats *stats);

/* What became of the flows of a file. */
struct sl_flow_kept {
	uint64_t n;         /* in the file */
	uint64_t n_loaded;  /* in a table now */
	uint64_t n_stale;   /* their time was over */
	uint64_t n_refused; /* no room, or no such flow can be */
};
/*
 * Writes all flows to the file at `path`, or leaves what was there.  No worker runs.  `*n` receives how many.
 * IO, NO_MEMORY.
 */
int sl_control_flows_save(struct sl_control *control, const char *path, uint64_t *n,
	struct sl_error *err) SL_MUST_CHECK;
/*
 * Takes flows from the file at `path` and removes it: it is used once.  No worker runs.  Nothing is taken from a
 * file that is damaged, of another version, or older than `age_max_ns`: CONFIGURATION.  NOT_FOUND: there is
 * none.  Every flow is judged by the policy in force at its next packet.
 */
int sl_control_flows_load(struct sl_control *control, const char *path, uint64_t age_max_ns,
	struct sl_flow_kept *kept, struct sl_error *err) SL_MUST_CHECK;

/* --- Plugins. --- */

/*
 * After boot, plugins come and go through these only.
 *
 * Loads a file and binds the filters that name it (a new revision when there are any).  A filter that
 * the plugin refuses makes the load fail with CALLOUT_NOTIFICATION_FAILED, and the plugin is unloaded.
 */
int sl_control_plugin_load(struct sl_control *control, const char *path, char name[65],
	struct sl_error *err) SL_MUST_CHECK;
/* The same for a plugin linked into the program. */
int sl_control_plugin_register(struct sl_control *control, const struct sluice_callout *callout,
	struct sl_error *err) SL_MUST_CHECK;
/*
 * Unloads; filters that name it behave as unregistered from then on (a new revision when there are any),
 * and are bound again when it is loaded again.  Workers take its contexts out of all flows first.
 * PLUGIN_NOT_FOUND when it is not loaded; BUSY or TIMEOUT when workers do not, and then it stays loaded.
 */
int sl_control_plugin_unload(
	struct sl_control *control, const char *name, struct sl_error *err) SL_MUST_CHECK;
/* i-th plugin; strings are copied into `text` (4 KiB), which `info` points into. */
bool sl_control_plugin_info(
	struct sl_control *control, uint32_t i, struct sl_plugin_info *info, char text[4096]);

#endif
