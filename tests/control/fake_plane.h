/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CONTROL_FAKE_PLANE_H
#define TESTS_CONTROL_FAKE_PLANE_H

/*
 * A packet plane without devices, for tests of what stands above it.
 *
 * Still.   Without its threads it is a set of counters and rings, written to by the test.
 * Running. Each worker's thread judges the same burst of frames again and again through the real
 *          pipeline, with one load of the snapshot pointer a burst; publish returns when every running
 *          worker has passed the end of a burst.  Nothing is locked and nobody sleeps, so that ASan
 *          and TSan see every use of a snapshot, filter or context after its time.
 */

#include "callout/sl_callout.h"
#include "pipeline/sl_plane.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_WORKERS_MAX 4u
#define FAKE_FRAMES      4u /* UDP from 198.51.100.7 to 192.0.2.1, ports 1000 to 1003, inbound */
#define FAKE_FRAME_LEN   46u
#define FAKE_FIRST_PORT  1000u

struct fake_plane;

/* What a worker saw in one burst, told on its thread. */
typedef void fake_burst_fn(void *ctx, uint32_t worker, const struct sl_snapshot *snapshot,
	const struct sl_outcome outcomes[FAKE_FRAMES]);

/* `event_ring` records a worker; 0: 1,024. NULL: out of memory. */
struct fake_plane *fake_plane_new(uint32_t n_workers, uint32_t event_ring);
/* Stops. NULL is allowed. */
void fake_plane_free(struct fake_plane *fake);

const struct sl_plane *fake_plane_ops(struct fake_plane *fake);

/* Starts one thread a worker. `fn` may be NULL. False: a thread or its pipeline could not be made. */
bool fake_plane_start(struct fake_plane *fake, fake_burst_fn *fn, void *ctx);
/* Idempotent. */
void fake_plane_stop(struct fake_plane *fake);
/* Returns when every running worker has judged `n` more bursts. */
void fake_plane_wait_bursts(struct fake_plane *fake, uint64_t n);

const struct sl_snapshot *fake_plane_snapshot(struct fake_plane *fake);
enum sl_mode fake_plane_mode(struct fake_plane *fake);
uint32_t fake_plane_n_published(struct fake_plane *fake);
uint32_t fake_plane_n_synchronized(struct fake_plane *fake);
/* What worker_info says of a worker that has no thread. */
void fake_plane_set_running(struct fake_plane *fake, uint32_t worker, bool is_running);

/* --- What a worker would do, for planes that stand still. --- */

/* The filter as it is in force; NULL: no such key. */
const struct sl_filter_run *fake_plane_filter(struct fake_plane *fake, const char *key);
/* Counts a packet of `bytes` at `now_ns` for a filter in force. */
void fake_plane_hit(
	struct fake_plane *fake, uint32_t worker, const char *key, uint32_t bytes, uint64_t now_ns);
/* Makes a drop event that credits a filter of that run-time id. False: the ring is full. */
bool
fake_plane_event(struct fake_plane *fake, uint32_t worker, uint64_t revision, uint64_t filter_id);

/* --- Flows. --- */

/*
 * From now on every worker has a table for `max` flows.  While the plane stands still commands are obeyed when they
 * come; a running worker has a table of its own pipeline, which obeys.  False: out of memory.
 */
bool fake_plane_keep_flows(struct fake_plane *fake, uint32_t max, uint64_t now_ns);
/* Contexts of plugins stay when they should be taken out, as with workers that do not get to it. */
void fake_plane_forget_none(struct fake_plane *fake, bool none);
/* NULL: none is kept. A running worker's is its own. */
struct sl_flow_table *fake_plane_flows(struct fake_plane *fake, uint32_t worker);
/* Rings of commands are full from now on, or are not. */
void fake_plane_refuse_commands(struct fake_plane *fake, bool refuse);
/* Whether a worker has been told to make flow events. */
bool fake_plane_flow_events(struct fake_plane *fake, uint32_t worker);

#endif
