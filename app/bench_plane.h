/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_PLANE_H
#define APP_BENCH_PLANE_H

/*
 * A packet plane of one worker without devices, for measuring what changes of the policy cost it.
 *
 * The worker is a thread on a CPU of its own.  For every burst it reads the snapshot pointer, classifies the
 * next headers of a trace at one layer, and says that the burst is over.  publish swaps the pointer and
 * waits until the worker has finished a burst that began after the swap, so that when it returns the
 * new snapshot is in use and the old one is not.
 *
 * Threads. One control thread; start and stop on it as well.
 */

#include "bench_metas.h"
#include "pipeline/sl_plane.h"

struct bench_plane; /* opaque */

struct bench_plane_config {
	const struct bench_metas *metas; /* borrowed */
	const struct sl_layer *layer;
	uint32_t burst;
	int cpu; /* of the worker; -1: any */
};

int bench_plane_new(const struct bench_plane_config *config, struct bench_plane **out,
	struct sl_error *err) SL_MUST_CHECK;
/* Stops. NULL is allowed. */
void bench_plane_free(struct bench_plane *plane);
const struct sl_plane *bench_plane_ops(struct bench_plane *plane);

int bench_plane_start(struct bench_plane *plane, struct sl_error *err) SL_MUST_CHECK;
void bench_plane_stop(struct bench_plane *plane);

/* Lookups since the start. Any thread. */
uint64_t bench_plane_lookups(const struct bench_plane *plane);
/* CPU time the worker has had since the start. Control thread, while it runs. */
uint64_t bench_plane_cpu_ns(const struct bench_plane *plane);
/* When the last publish was called, and when it saw the worker use its snapshot; sl_clock_monotonic_ns. */
struct bench_plane_times {
	uint64_t published_ns;
	uint64_t used_ns;
};
struct bench_plane_times bench_plane_last(const struct bench_plane *plane);

#endif
