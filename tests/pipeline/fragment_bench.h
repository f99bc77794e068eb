/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PIPELINE_FRAGMENT_BENCH_H
#define TESTS_PIPELINE_FRAGMENT_BENCH_H

/* A pipeline that holds fragments, and fragments to send through it. */

#include "helper.h"

#include "flow/cutter.h"

#define SECOND     1000000000u
#define FRAMES_MAX 8u

/* A fixture whose pipeline holds fragments, and frames to send through it. */
struct bench {
	struct fixture fixture;
	struct sl_pipeline_options options;
	struct sl_flow_config flows;
	struct cutter_whole whole;
	uint8_t bytes[FRAMES_MAX][4096];
	struct sl_frame frames[FRAMES_MAX];
	struct sl_outcome outcomes[FRAMES_MAX];
	uint32_t n;
	uint64_t now_ns;
	enum sl_mode mode;
	uint32_t owner; /* what bench_owner says */
	uint32_t owner_flags;
	uint32_t n_owner_calls;
};

struct bench *bench_new(void);
void bench_free(struct bench *bench);
/* Makes the pipeline anew, with the options and the configuration that the bench has now. */
void bench_pipeline(struct bench *bench);
/* A UDP datagram of 1,600 bytes to port 53. */
void bench_make_whole(struct bench *bench, uint8_t ip_version, uint32_t id);
/* Puts a fragment into the next burst; its owner is the time and its number there. */
void bench_push(struct bench *bench, uint32_t offset, uint32_t n, bool is_last);
/* Sends the burst. */
void bench_run(struct bench *bench, uint32_t path);
/* Sends a datagram in two fragments in one burst. */
void bench_run_two(struct bench *bench, uint32_t path);
/* The first n packets of the last burst are held. */
void bench_expect_held(const struct bench *bench, uint32_t n);
/* The last burst let go n fragments, owners from `owner` on, with that outcome; the first of them. */
const struct sl_release *bench_expect_releases(const struct bench *bench, uint32_t n,
	uint64_t owner, uint8_t action, enum sl_reason reason);

#endif
