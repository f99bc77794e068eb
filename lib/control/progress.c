/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/progress.h"

#include "control/control.h"

#include <stdlib.h>
#include <string.h>

#define FACTS_MAX 32u

static const char *const names[] = {
	[SL_BUILD_IDLE] = "idle",
	[SL_BUILD_EDIT] = "edit",
	[SL_BUILD_COMPILE] = "compile",
	[SL_BUILD_PUBLISH] = "publish",
};

const char *
sl_build_phase_name(enum sl_build_phase phase)
{
	return names[phase];
}

void
sl_control_progress_enter(struct progress *progress, uint32_t phase)
{
	if (atomic_load_explicit(&progress->phase, memory_order_relaxed) == SL_BUILD_IDLE)
		atomic_store(&progress->start_ns, sl_clock_monotonic_ns());
	sl_control_progress_tick(progress, 0, 0);
	atomic_store(&progress->phase, phase);
}

void
sl_control_progress_tick(struct progress *progress, size_t n_done, size_t n_total)
{
	atomic_store_explicit(&progress->n_total, n_total, memory_order_relaxed);
	atomic_store_explicit(&progress->n_done, n_done, memory_order_relaxed);
}

static void
read_progress(const struct progress *progress, struct sl_build_progress *out)
{
	*out = (struct sl_build_progress){
		.phase = (enum sl_build_phase)atomic_load(&progress->phase)};
	if (out->phase == SL_BUILD_IDLE)
		return;
	out->running_ns = sl_clock_monotonic_ns() - atomic_load(&progress->start_ns);
	out->n_total = atomic_load(&progress->n_total);
	out->n_done = atomic_load(&progress->n_done);
	/* They are two numbers: between them the next layer may have begun. */
	if (out->n_done > out->n_total)
		out->n_done = out->n_total;
}

/* A number among the facts of a layer; 0: it has no such fact. */
static size_t
find_fact(const struct sl_program_fact *facts, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, name) == 0)
			return strtoul(facts[i].text, NULL, 10);
	}
	return 0;
}

static void
count_unfolded(const struct sl_snapshot *snapshot, struct sl_build_info *info)
{
	struct sl_program_fact facts[FACTS_MAX];

	for (uint32_t i = 0; snapshot != NULL && i < SLUICE_LAYER_COUNT; i++) {
		uint32_t n;

		if (snapshot->layers[i] == NULL)
			continue;
		n = sl_program_facts(snapshot->layers[i], facts, FACTS_MAX);
		info->n_filters_beside += find_fact(facts, n, "overlay_filters");
		info->n_filters_dead += find_fact(facts, n, "tombstones");
	}
}

void
sl_control_build(struct sl_control *control, struct sl_build_info *info)
{
	struct sl_view view;

	*info = (struct sl_build_info){
		.held_bytes = sl_control_state_held(control),
		.n_superseded = atomic_load(&control->n_superseded),
		.n_folds = atomic_load(&control->folder.n_folds),
	};
	read_progress(&control->progress, &info->commit);
	read_progress(&control->folder.progress, &info->fold);
	sl_control_view_get(control, &view);
	count_unfolded(view.snapshot, info);
	sl_control_view_put(control, &view);
}
