/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fake_plane.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_RING   1024u
#define COMMAND_RING 64u

struct fake_worker {
	struct fake_plane *fake;
	uint32_t index;
	struct sl_counters *counters;
	struct sl_ring *events;
	struct sl_pipeline *pipeline; /* while its thread runs */
	struct sl_flow_table *flows;
	struct sl_ring *commands;
	bool flow_events;
	pthread_t thread;
	bool has_thread;
	atomic_bool is_running;    /* as told by worker_info */
	_Atomic uint64_t revision; /* of the snapshot used last */
	_Atomic uint64_t seen;     /* the epoch at the end of the last burst */
	_Atomic uint64_t n_bursts;
};

struct fake_plane {
	struct sl_plane plane;
	uint32_t n_workers;
	struct fake_worker workers[FAKE_WORKERS_MAX];
	_Atomic(const struct sl_snapshot *) snapshot;
	_Atomic uint64_t epoch; /* goes up when a grace period begins */
	_Atomic(enum sl_mode) mode;
	atomic_bool is_stopping;
	_Atomic uint32_t n_published;
	_Atomic uint32_t n_synchronized;
	uint64_t flows_ns; /* when their tables were made */
	struct sl_flow_config flow_config;
	bool refuses_commands;
	bool forgets_none;
	fake_burst_fn *fn;
	void *fn_ctx;
	uint8_t bytes[FAKE_FRAMES][SL_PACKET_WINDOW];
	struct sl_frame frames[FAKE_FRAMES];
};

/* --- The plane. --- */

static void
wait_grace(struct fake_plane *fake)
{
	uint64_t epoch = atomic_fetch_add(&fake->epoch, 1) + 1;

	for (uint32_t w = 0; w < fake->n_workers; w++) {
		while (fake->workers[w].has_thread && atomic_load(&fake->workers[w].seen) < epoch)
			sched_yield();
	}
}

static const struct sl_snapshot *
publish(void *ctx, const struct sl_snapshot *snapshot)
{
	struct fake_plane *fake = ctx;
	const struct sl_snapshot *old = atomic_exchange(&fake->snapshot, snapshot);

	atomic_fetch_add(&fake->n_published, 1);
	wait_grace(fake);
	return old;
}

static void
synchronize(void *ctx)
{
	struct fake_plane *fake = ctx;

	atomic_fetch_add(&fake->n_synchronized, 1);
	wait_grace(fake);
}

static void
set_mode(void *ctx, enum sl_mode mode)
{
	struct fake_plane *fake = ctx;

	atomic_store(&fake->mode, mode);
}

static uint32_t
n_workers(void *ctx)
{
	const struct fake_plane *fake = ctx;

	return fake->n_workers;
}

static struct sl_counters *
counters(void *ctx, uint32_t worker)
{
	const struct fake_plane *fake = ctx;

	return fake->workers[worker].counters;
}

static struct sl_ring *
events(void *ctx, uint32_t worker)
{
	const struct fake_plane *fake = ctx;

	return fake->workers[worker].events;
}

static void
worker_info(void *ctx, uint32_t worker, struct sl_worker_info *info)
{
	struct fake_plane *fake = ctx;

	*info = (struct sl_worker_info){
		.lcore = worker,
		.cpu = -1,
		.is_running = atomic_load(&fake->workers[worker].is_running),
		.revision = atomic_load(&fake->workers[worker].revision),
		.tsc_hz = 1000000000,
	};
}

static uint32_t
none(void *ctx)
{
	(void)ctx;
	return 0;
}

static void
port_info(void *ctx, uint32_t port, struct sl_port_info *info)
{
	(void)ctx;
	(void)port;
	*info = (struct sl_port_info){0};
}

static void
link_info(void *ctx, uint32_t link, struct sl_link_info *info)
{
	(void)ctx;
	(void)link;
	*info = (struct sl_link_info){0};
}

/* --- Flows. --- */

static const struct sl_flow_table *
flows(void *ctx, uint32_t worker)
{
	return fake_plane_flows(ctx, worker);
}

static void
obey(struct fake_plane *fake, struct fake_worker *worker, const struct sl_flow_command *command)
{
	struct sl_callout_env env = {.worker = worker->index, .flows = worker->flows};
	struct sl_flow *flow;
	uint32_t at = 0;

	if (command->type == SL_FLOW_COMMAND_FORGET) {
		sl_callout_flows_forget(&env, (const struct sl_plugin *)(uintptr_t)command->id, &at,
			fake->forgets_none ? 0 : UINT32_MAX);
		return;
	}
	if (command->type != SL_FLOW_COMMAND_KILL) {
		worker->flow_events = command->type == SL_FLOW_COMMAND_EVENTS_ON;
		return;
	}
	flow = sl_flow_by_id(worker->flows, command->id);
	if (flow == NULL)
		return;
	flow->flags |= SL_FLOW_REVOKED;
	flow->end = SL_FLOW_END_ADMIN;
	sl_flow_set_class(worker->flows, flow, SL_FLOW_ENDED, fake->flows_ns);
}

static bool
flow_command(void *ctx, uint32_t worker, const struct sl_flow_command *command)
{
	struct fake_plane *fake = ctx;

	if (fake->workers[worker].has_thread)
		return sl_ring_put(fake->workers[worker].commands, command);
	if (!fake->refuses_commands)
		obey(fake, &fake->workers[worker], command);
	return !fake->refuses_commands;
}

/* A port has its worker. */
static int
flow_load(void *ctx, const struct sl_flow_saved *saved, uint64_t now_ns)
{
	struct fake_plane *fake = ctx;
	struct sl_flow_table *table = fake->workers[saved->key.local_port % fake->n_workers].flows;

	return table != NULL ? sl_flow_load(table, saved, now_ns) : -ENOTSUP;
}

bool
fake_plane_keep_flows(struct fake_plane *fake, uint32_t max, uint64_t now_ns)
{
	fake->flows_ns = now_ns;
	if (sl_flow_config_init(&fake->flow_config) != 0)
		return false;
	fake->flow_config.max = max;
	for (uint32_t w = 0; w < fake->n_workers; w++) {
		struct fake_worker *worker = &fake->workers[w];

		sl_flow_table_free(worker->flows);
		worker->flows = NULL;
		if (sl_flow_table_new(&fake->flow_config, w, now_ns, &worker->flows) != 0)
			return false;
		if (worker->commands == NULL &&
			sl_ring_new(COMMAND_RING, sizeof(struct sl_flow_command),
				&worker->commands) != 0)
			return false;
	}
	return true;
}

void
fake_plane_forget_none(struct fake_plane *fake, bool none)
{
	fake->forgets_none = none;
}

struct sl_flow_table *
fake_plane_flows(struct fake_plane *fake, uint32_t worker)
{
	const struct sl_pipeline *pipeline = fake->workers[worker].pipeline;

	return pipeline != NULL ? sl_pipeline_flows(pipeline) : fake->workers[worker].flows;
}

void
fake_plane_refuse_commands(struct fake_plane *fake, bool refuse)
{
	fake->refuses_commands = refuse;
}

bool
fake_plane_flow_events(struct fake_plane *fake, uint32_t worker)
{
	return fake->workers[worker].flow_events;
}

static const struct sl_plane_ops ops = {
	.publish = publish,
	.synchronize = synchronize,
	.set_mode = set_mode,
	.n_workers = n_workers,
	.counters = counters,
	.events = events,
	.flows = flows,
	.flow_command = flow_command,
	.flow_load = flow_load,
	.worker_info = worker_info,
	.n_ports = none,
	.port_info = port_info,
	.n_links = none,
	.link_info = link_info,
};

/* --- Life. --- */

/* A well-formed UDP datagram of four bytes, without UDP checksum. */
static void
make_frame(uint8_t *bytes, uint16_t port)
{
	static const uint8_t head[] = {0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x08,
		0x00,                                     /* Ethernet */
		0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, /* IPv4, checksum below */
		198, 51, 100, 7, 192, 0, 2, 1, 0xc0, 0x00, 0, 0, 0, 12, 0, 0, 'p', 'i', 'n', 'g'};
	uint32_t sum = 0;

	memcpy(bytes, head, sizeof(head));
	for (unsigned int i = 14; i < 34; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	bytes[24] = (uint8_t)(sum >> 8);
	bytes[25] = (uint8_t)sum;
	bytes[36] = (uint8_t)(port >> 8);
	bytes[37] = (uint8_t)port;
}

struct fake_plane *
fake_plane_new(uint32_t n, uint32_t event_ring)
{
	struct fake_plane *fake = calloc(1, sizeof(*fake));

	if (fake == NULL)
		return NULL;
	fake->plane = (struct sl_plane){.ops = &ops, .ctx = fake};
	fake->n_workers = n;
	for (uint32_t i = 0; i < FAKE_FRAMES; i++) {
		make_frame(fake->bytes[i], (uint16_t)(FAKE_FIRST_PORT + i));
		fake->frames[i] = (struct sl_frame){.bytes = fake->bytes[i],
			.contiguous = FAKE_FRAME_LEN,
			.length = FAKE_FRAME_LEN};
	}
	for (uint32_t w = 0; w < n; w++) {
		struct fake_worker *worker = &fake->workers[w];

		worker->fake = fake;
		worker->index = w;
		if (sl_counters_new(&worker->counters) != 0 ||
			sl_ring_new(event_ring != 0 ? event_ring : EVENT_RING,
				sizeof(struct sl_event), &worker->events) != 0) {
			fake_plane_free(fake);
			return NULL;
		}
	}
	return fake;
}

void
fake_plane_free(struct fake_plane *fake)
{
	if (fake == NULL)
		return;
	fake_plane_stop(fake);
	for (uint32_t w = 0; w < fake->n_workers; w++) {
		sl_counters_free(fake->workers[w].counters);
		sl_ring_free(fake->workers[w].events);
		sl_flow_table_free(fake->workers[w].flows);
		sl_ring_free(fake->workers[w].commands);
	}
	free(fake);
}

const struct sl_plane *
fake_plane_ops(struct fake_plane *fake)
{
	return &fake->plane;
}

/* --- Threads. --- */

static void *
run(void *arg)
{
	struct fake_worker *worker = arg;
	struct fake_plane *fake = worker->fake;
	struct sl_outcome outcomes[FAKE_FRAMES];

	while (!atomic_load_explicit(&fake->is_stopping, memory_order_relaxed)) {
		const struct sl_snapshot *snapshot = atomic_load(&fake->snapshot);
		uint64_t n = atomic_load_explicit(&worker->n_bursts, memory_order_relaxed);

		sl_pipeline_run(worker->pipeline, snapshot,
			atomic_load_explicit(&fake->mode, memory_order_relaxed), 0, fake->frames,
			FAKE_FRAMES, fake->flows_ns + n + 1, outcomes);
		atomic_store(&worker->revision, snapshot != NULL ? snapshot->revision : 0);
		if (fake->fn != NULL)
			fake->fn(fake->fn_ctx, worker->index, snapshot, outcomes);
		atomic_store(&worker->n_bursts, n + 1);
		/* The burst is over: nothing of the snapshot is in use. */
		atomic_store(&worker->seen, atomic_load(&fake->epoch));
	}
	/* Whoever waits for a grace period after this waits for nobody. */
	atomic_store(&worker->seen, UINT64_MAX);
	return NULL;
}

static bool
start_worker(struct fake_worker *worker)
{
	static const struct sl_path path = {.direction = SLUICE_DIRECTION_INBOUND,
		.link_type = SL_LINK_ETHERNET,
		.ports = {.arrival_luid = 2,
			.nexthop_luid = 1,
			.arrival_index = 2,
			.nexthop_index = 1,
			.interface_type = 6}};
	const struct sl_pipeline_options options = {
		.worker = worker->index,
		.n_paths = 1,
		.paths = &path,
		.counters = worker->counters,
		.events = worker->events,
		.flows = worker->flows != NULL ? &worker->fake->flow_config : NULL,
		.commands = worker->commands,
		.now_ns = worker->fake->flows_ns,
	};

	if (sl_pipeline_new(&options, &worker->pipeline) != 0)
		return false;
	atomic_store(&worker->seen, 0);
	worker->has_thread = true;
	if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
		worker->has_thread = false;
		sl_pipeline_free(worker->pipeline);
		worker->pipeline = NULL;
		return false;
	}
	atomic_store(&worker->is_running, true);
	return true;
}

bool
fake_plane_start(struct fake_plane *fake, fake_burst_fn *fn, void *ctx)
{
	fake->fn = fn;
	fake->fn_ctx = ctx;
	atomic_store(&fake->is_stopping, false);
	for (uint32_t w = 0; w < fake->n_workers; w++) {
		if (!start_worker(&fake->workers[w])) {
			fake_plane_stop(fake);
			return false;
		}
	}
	return true;
}

void
fake_plane_stop(struct fake_plane *fake)
{
	atomic_store(&fake->is_stopping, true);
	for (uint32_t w = 0; w < fake->n_workers; w++) {
		struct fake_worker *worker = &fake->workers[w];

		if (!worker->has_thread)
			continue;
		pthread_join(worker->thread, NULL);
		worker->has_thread = false;
		atomic_store(&worker->is_running, false);
		sl_pipeline_free(worker->pipeline);
		worker->pipeline = NULL;
	}
}

void
fake_plane_wait_bursts(struct fake_plane *fake, uint64_t n)
{
	for (uint32_t w = 0; w < fake->n_workers; w++) {
		struct fake_worker *worker = &fake->workers[w];
		uint64_t goal = atomic_load(&worker->n_bursts) + n;

		while (worker->has_thread && atomic_load(&worker->n_bursts) < goal)
			sched_yield();
	}
}

/* --- Looking in. --- */

const struct sl_snapshot *
fake_plane_snapshot(struct fake_plane *fake)
{
	return atomic_load(&fake->snapshot);
}

enum sl_mode
fake_plane_mode(struct fake_plane *fake)
{
	return atomic_load(&fake->mode);
}

uint32_t
fake_plane_n_published(struct fake_plane *fake)
{
	return atomic_load(&fake->n_published);
}

uint32_t
fake_plane_n_synchronized(struct fake_plane *fake)
{
	return atomic_load(&fake->n_synchronized);
}

void
fake_plane_set_running(struct fake_plane *fake, uint32_t worker, bool is_running)
{
	atomic_store(&fake->workers[worker].is_running, is_running);
}

/* --- Standing in for a worker. --- */

const struct sl_filter_run *
fake_plane_filter(struct fake_plane *fake, const char *key)
{
	const struct sl_snapshot *snapshot = atomic_load(&fake->snapshot);

	for (unsigned int i = 0; snapshot != NULL && i < SLUICE_LAYER_COUNT; i++) {
		const struct sl_layer_program *layer = snapshot->layers[i];

		for (uint32_t rank = 0; layer != NULL && rank < layer->n_filters; rank++) {
			if (strcmp(layer->filters[rank].object->object.key, key) == 0)
				return &layer->filters[rank];
		}
	}
	return NULL;
}

void
fake_plane_hit(
	struct fake_plane *fake, uint32_t worker, const char *key, uint32_t bytes, uint64_t now_ns)
{
	const struct sl_filter_run *filter = fake_plane_filter(fake, key);

	if (filter != NULL)
		sl_counters_hit(
			fake->workers[worker].counters, filter->binding.counter, bytes, now_ns);
}

bool
fake_plane_event(struct fake_plane *fake, uint32_t worker, uint64_t revision, uint64_t filter_id)
{
	struct sl_event event = {
		.revision = revision,
		.filter_id = filter_id,
		.type = SL_EVENT_CLASSIFY_DROP,
		.reason = SL_REASON_FILTER,
		.n_decisions = 1,
	};

	event.decisions[0].filter_id = filter_id;
	return sl_ring_put(fake->workers[worker].events, &event);
}
