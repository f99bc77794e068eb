/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_LEDGER_H
#define CONTROL_LEDGER_H

/*
 * The ledger: what the engine keeps for a filter's key beyond one revision of the policy - the index of
 * its counters, when they began, and what its callout was told.
 *
 * Commit.  Stage prepares the new side of every key that a revision touches, allocates counters and
 *          tells callouts of new filters.  When nothing failed, adopt makes the new sides the ones in
 *          force; settle then drops the losing sides: the old ones after adopt, the new ones without.
 *          Nothing that can fail comes after stage.
 * Callouts A filter is told anew when it, its provider context or its plugin changed, and gets a new
 *          context before the old one is deleted.  While its plugin is not loaded it is bound to none.
 * Threads. The committing thread; sl_control_ledger_stats may run beside it.
 *
 * Private to the room.
 */

#include "classifier/sl_snapshot.h"
#include "control/counter_pool.h"
#include "control/sl_control.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct plugins;
struct sl_map;
struct ledger_entry;

/* Counters and event rings of the workers, which live as long as the plane. */
struct workers {
	uint32_t n;
	struct sl_counters *counters[SL_CALLOUT_WORKERS_MAX];
	struct sl_ring *events[SL_CALLOUT_WORKERS_MAX]; /* NULL: makes none */
};

struct ledger {
	struct plugins *plugins;       /* borrowed */
	const struct workers *workers; /* borrowed */
	struct sl_map *entries;        /* key -> struct ledger_entry */
	pthread_mutex_t mutex;         /* readers of `entries` against the committing thread */
	struct counter_pool counters;
	struct ledger_entry **touched; /* by the commit under way */
	size_t n_touched;
	size_t n_touched_max;
};

/* What a commit is about to do. */
struct ledger_plan {
	const struct sl_policy *before;
	const struct sl_policy *after;   /* cloned from `before` and checked */
	const struct sl_plugin *leaving; /* taken for not loaded; or NULL */
	bool plugins_changed;            /* plugins came or go: look at every callout filter */
	bool is_dry_run;                 /* tell callouts nothing */
	uint64_t now_ns;
};

/* 0 or -ENOMEM. */
int sl_control_ledger_init(struct ledger *ledger, struct plugins *plugins,
	const struct workers *workers) SL_MUST_CHECK;
/* Tells callouts that all their filters are gone. No worker may be running. */
void sl_control_ledger_fini(struct ledger *ledger);

/*
 * Prepares a commit; `*n_touched` receives how many keys it touches.  0, or a negative errno with `err`
 * filled and nothing staged.
 */
int sl_control_ledger_stage(struct ledger *ledger, const struct ledger_plan *plan,
	size_t *n_touched, struct sl_error *err) SL_MUST_CHECK;
/* What the compiler asks: the staged side of a filter, or the one in force. */
int sl_control_ledger_bind(const struct ledger *ledger, const struct sl_filter *filter,
	struct sl_filter_binding *binding, struct sl_error *err) SL_MUST_CHECK;
/* The staged sides are in force from now on. */
void sl_control_ledger_adopt(struct ledger *ledger);
/* Drops the sides that are not in force. No worker may use them. */
void sl_control_ledger_settle(struct ledger *ledger);

/* Any thread. False: no filter of that key is in force. */
bool sl_control_ledger_stats(struct ledger *ledger, const char *key, struct sl_filter_stats *stats);

#endif
