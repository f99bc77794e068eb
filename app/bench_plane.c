/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_plane.h"

#include "base/sl_clock.h"
#include "base/sl_ring.h"
#include "classifier/sl_classify.h"
#include "telemetry/sl_counters.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENT_RING       64u /* nothing is put into it */
#define SPINS_BEFORE_OFF 2000u

struct bench_plane {
	struct sl_plane plane;
	struct bench_plane_config config;
	struct sl_counters *counters;
	struct sl_ring *events;
	struct sl_matches matches; /* of the worker */
	pthread_t thread;
	bool has_thread;
	struct bench_plane_times last;
	atomic_bool is_stopping;
	/* Written by control, read by the worker every burst. */
	_Atomic(const struct sl_snapshot *) snapshot SL_CACHE_ALIGNED;
	_Atomic uint64_t epoch; /* goes up when a grace period begins */
	/* Written by the worker every burst. */
	_Atomic uint64_t seen SL_CACHE_ALIGNED; /* the epoch at the end of the last burst */
	_Atomic uint64_t lookups;
	_Atomic uint64_t revision;
};

/* --- The plane. --- */

/* Returns when a burst has ended after this was called. */
static void
wait_burst_end(struct bench_plane *plane)
{
	uint64_t epoch = atomic_fetch_add(&plane->epoch, 1) + 1;
	uint32_t spins = 0;

	while (plane->has_thread &&
		atomic_load_explicit(&plane->seen, memory_order_acquire) < epoch) {
		__builtin_ia32_pause();
		if (++spins % SPINS_BEFORE_OFF == 0)
			sched_yield();
	}
}

static const struct sl_snapshot *
publish(void *ctx, const struct sl_snapshot *snapshot)
{
	struct bench_plane *plane = ctx;
	const struct sl_snapshot *old;

	plane->last.published_ns = sl_clock_monotonic_ns();
	old = atomic_exchange(&plane->snapshot, snapshot);
	wait_burst_end(
		plane); /* it may have begun with the old one, which nobody uses from here on */
	wait_burst_end(plane); /* this one began with the new one */
	plane->last.used_ns = sl_clock_monotonic_ns();
	return old;
}

static void
synchronize(void *ctx)
{
	wait_burst_end(ctx);
}

static void
set_mode(void *ctx, enum sl_mode mode)
{
	(void)ctx;
	(void)mode;
}

static uint32_t
one(void *ctx)
{
	(void)ctx;
	return 1;
}

static uint32_t
none(void *ctx)
{
	(void)ctx;
	return 0;
}

static struct sl_counters *
counters(void *ctx, uint32_t worker)
{
	(void)worker;
	return ((struct bench_plane *)ctx)->counters;
}

static struct sl_ring *
events(void *ctx, uint32_t worker)
{
	(void)worker;
	return ((struct bench_plane *)ctx)->events;
}

static void
worker_info(void *ctx, uint32_t worker, struct sl_worker_info *info)
{
	const struct bench_plane *plane = ctx;

	*info = (struct sl_worker_info){.lcore = worker,
		.cpu = plane->config.cpu,
		.is_running = plane->has_thread,
		.revision = atomic_load(&plane->revision)};
}

static void
port_info(void *ctx, uint32_t port, struct sl_port_info *info)
{
	(void)ctx;
	(void)port;
	memset(info, 0, sizeof(*info));
}

static void
link_info(void *ctx, uint32_t link, struct sl_link_info *info)
{
	(void)ctx;
	(void)link;
	memset(info, 0, sizeof(*info));
}

static const struct sl_plane_ops ops = {
	.publish = publish,
	.synchronize = synchronize,
	.set_mode = set_mode,
	.n_workers = one,
	.counters = counters,
	.events = events,
	.worker_info = worker_info,
	.n_ports = none,
	.port_info = port_info,
	.n_links = none,
	.link_info = link_info,
};

const struct sl_plane *
bench_plane_ops(struct bench_plane *plane)
{
	return &plane->plane;
}

/* --- The worker. --- */

static void *
work(void *arg)
{
	struct bench_plane *plane = arg;
	const struct bench_metas *metas = plane->config.metas;
	uint64_t lookups = 0;
	size_t at = 0;

	while (!atomic_load_explicit(&plane->is_stopping, memory_order_relaxed)) {
		const struct sl_snapshot *snapshot =
			atomic_load_explicit(&plane->snapshot, memory_order_acquire);
		const struct sl_layer_program *layer =
			snapshot != NULL ? snapshot->layers[plane->config.layer->id] : NULL;
		uint32_t n = (uint32_t)SL_MIN(metas->n - at, (size_t)plane->config.burst);

		/* One sublayer without callouts: a batch always fits. */
		if (layer != NULL) {
			sl_classify_run(layer, &metas->list[at], n, &plane->matches);
			lookups += n;
		}
		at = at + n == metas->n ? 0 : at + n;
		atomic_store_explicit(&plane->lookups, lookups, memory_order_relaxed);
		atomic_store_explicit(&plane->revision, snapshot != NULL ? snapshot->revision : 0,
			memory_order_relaxed);
		/* The burst is over: nothing of the snapshot is in use. */
		atomic_store_explicit(&plane->seen,
			atomic_load_explicit(&plane->epoch, memory_order_acquire),
			memory_order_release);
	}
	/* Whoever waits for a grace period after this waits for nobody. */
	atomic_store(&plane->seen, UINT64_MAX);
	return NULL;
}

int
bench_plane_start(struct bench_plane *plane, struct sl_error *err)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	int rc;

	pthread_attr_init(&attr);
	CPU_ZERO(&cpus);
	if (plane->config.cpu >= 0) {
		CPU_SET((size_t)plane->config.cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	atomic_store(&plane->is_stopping, false);
	atomic_store(&plane->seen, 0);
	rc = pthread_create(&plane->thread, &attr, work, plane);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return sl_error_set(err, SL_ERR_IO, "", "cannot start a worker on CPU %d: %s",
			plane->config.cpu, strerror(rc));
	plane->has_thread = true;
	return 0;
}

void
bench_plane_stop(struct bench_plane *plane)
{
	if (!plane->has_thread)
		return;
	atomic_store(&plane->is_stopping, true);
	pthread_join(plane->thread, NULL);
	plane->has_thread = false;
}

/* --- Life. --- */

int
bench_plane_new(
	const struct bench_plane_config *config, struct bench_plane **out, struct sl_error *err)
{
	struct bench_plane *plane = aligned_alloc(SL_CACHE_LINE, sizeof(*plane));

	if (plane == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	memset(plane, 0, sizeof(*plane));
	plane->plane = (struct sl_plane){.ops = &ops, .ctx = plane};
	plane->config = *config;
	if (sl_counters_new(&plane->counters) != 0 ||
		sl_ring_new(EVENT_RING, sizeof(struct sl_event), &plane->events) != 0 ||
		sl_matches_init(&plane->matches) != 0) {
		bench_plane_free(plane);
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "not enough memory");
	}
	*out = plane;
	return 0;
}

void
bench_plane_free(struct bench_plane *plane)
{
	if (plane == NULL)
		return;
	bench_plane_stop(plane);
	sl_matches_fini(&plane->matches);
	sl_ring_free(plane->events);
	sl_counters_free(plane->counters);
	free(plane);
}

uint64_t
bench_plane_lookups(const struct bench_plane *plane)
{
	return atomic_load_explicit(&plane->lookups, memory_order_relaxed);
}

uint64_t
bench_plane_cpu_ns(const struct bench_plane *plane)
{
	struct timespec time = {0};
	clockid_t clock;

	if (plane->has_thread && pthread_getcpuclockid(plane->thread, &clock) == 0)
		clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

struct bench_plane_times
bench_plane_last(const struct bench_plane *plane)
{
	return plane->last;
}
