/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_UPDATER_H
#define APP_BENCH_UPDATER_H

/*
 * Changes of single filters in a full rule set, through the management core as a call makes them: a random
 * filter is removed, the next change puts it back.
 *
 * Threads. One.
 */

#include "bench_plane.h"
#include "bench_random.h"
#include "bench_rules.h"
#include "control/sl_control.h"

struct bench_updater {
	const struct bench_rules *rules;
	struct bench_plane *plane;
	struct sl_callout_registry *registry;
	struct sl_control *control;
	struct bench_random random;
	double load_s;
	bool is_out;     /* a filter is out ... */
	size_t out_rule; /* ... that of this rule */
};

/* What one change took, from the call on. */
struct bench_update_times {
	uint64_t published_ns; /* until workers could see the new snapshot */
	uint64_t in_force_ns;  /* until the worker had used the new snapshot */
	uint64_t call_ns;      /* until the call returned */
};

/* Boots a management core on the plane (borrowed) and commits all rules. 0, or the fault. */
int bench_updater_init(struct bench_updater *updater, const struct bench_rules *rules,
	struct bench_plane *plane, struct sl_error *err) SL_MUST_CHECK;
/* The plane must have stopped. */
void bench_updater_fini(struct bench_updater *updater);
/* One filter out, or back in. */
int bench_updater_step(struct bench_updater *updater, struct bench_update_times *times,
	struct sl_error *err) SL_MUST_CHECK;

#endif
