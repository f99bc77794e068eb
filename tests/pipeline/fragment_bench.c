/* SPDX-License-Identifier: BSD-3-Clause */
#include "fragment_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void
bench_pipeline(struct bench *bench)
{
	sl_pipeline_free(bench->fixture.pipeline);
	assert_int_equal(sl_pipeline_new(&bench->options, &bench->fixture.pipeline), 0);
}

struct bench *
bench_new(void)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	fixture_init(&bench->fixture, SL_ENGINE_COMPILED, 0);
	assert_int_equal(sl_flow_config_init(&bench->flows), 0);
	bench->flows.max = 0;
	bench->flows.fragments.held = 64;
	bench->now_ns = SECOND;
	bench->owner = 3;
	bench->options = (struct sl_pipeline_options){
		.worker = 3,
		.n_paths = N_PATHS,
		.paths = bench->fixture.paths,
		.counters = bench->fixture.counters,
		.events = bench->fixture.events,
		.engine = SL_ENGINE_CHECK,
		.flows = &bench->flows,
		.now_ns = SECOND,
	};
	bench_pipeline(bench);
	return bench;
}

void
bench_free(struct bench *bench)
{
	fixture_fini(&bench->fixture);
	free(bench);
}

/* A UDP datagram of 1,600 bytes to port 53. */
void
bench_make_whole(struct bench *bench, uint8_t ip_version, uint32_t id)
{
	const struct cutter_plan plan = {
		.ip_version = ip_version,
		.protocol = 17,
		.src = 0x0a000002,
		.id = id,
		.n_payload = 1592,
	};

	cutter_make(&bench->whole, &plan);
}

/* Puts a fragment into the next burst; its owner is its number there. */
void
bench_push(struct bench *bench, uint32_t offset, uint32_t n, bool is_last)
{
	uint8_t *bytes = bench->bytes[bench->n];
	uint32_t length = cutter_cut(&bench->whole, offset, n, is_last, bytes);

	bench->frames[bench->n] = (struct sl_frame){
		.bytes = bytes,
		.contiguous = length,
		.length = length,
		.owner = (void *)(uintptr_t)(bench->now_ns + bench->n),
	};
	bench->n++;
}

void
bench_run(struct bench *bench, uint32_t path)
{
	memset(bench->outcomes, 0xa5, sizeof(bench->outcomes));
	sl_pipeline_run(bench->fixture.pipeline, bench->fixture.snapshot, bench->mode, path,
		bench->frames, bench->n, bench->now_ns, bench->outcomes);
	bench->n = 0;
	bench->now_ns += FRAMES_MAX;
}

/* Sends a datagram in two fragments in one burst. */
void
bench_run_two(struct bench *bench, uint32_t path)
{
	bench_push(bench, 0, 800, false);
	bench_push(bench, 800, 800, true);
	bench_run(bench, path);
}

/* Every packet of the last burst is held. */
void
bench_expect_held(const struct bench *bench, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(bench->outcomes[i].action, SL_OUTCOME_HELD);
		assert_int_equal(bench->outcomes[i].reason, SL_REASON_NONE);
	}
}

/* The last burst let go n fragments, owners from `owner` on, with that outcome; the first of them. */
const struct sl_release *
bench_expect_releases(const struct bench *bench, uint32_t n, uint64_t owner, uint8_t action,
	enum sl_reason reason)
{
	const struct sl_release *releases;
	uint32_t n_releases;

	releases = sl_pipeline_releases(bench->fixture.pipeline, &n_releases);
	assert_int_equal(n_releases, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(releases[i].outcome.action, action);
		assert_int_equal(releases[i].outcome.reason, reason);
		assert_int_equal((uintptr_t)releases[i].held.frame.owner, owner + i);
	}
	return releases;
}
