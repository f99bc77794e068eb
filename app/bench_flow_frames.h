/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_FLOW_FRAMES_H
#define APP_BENCH_FLOW_FRAMES_H

/* Packets of many flows: headers that differ, and frames of 64 bytes with them. */

#include "bench_random.h"
#include "bench_rules.h"
#include "packet/sl_packet.h"

/* Where the hosts outside are; others are nowhere. */
#define BENCH_FLOW_NET      UINT32_C(0x0b000000) /* 11.0.0.0/8: most of them */
#define BENCH_FLOW_SWITCHED UINT32_C(0xc0000200) /* 192.0.2.0/24: some, when asked for */

/*
 * The header of the i-th flow (below 2^23), inbound, IPv4: TCP without SYN and UDP in turn; but one of
 * `switched_every` (0: none) is UDP from BENCH_FLOW_SWITCHED.
 */
void bench_flow_header(uint32_t i, uint32_t switched_every, struct bench_header *header);
bool bench_flow_is_switched(const struct bench_header *header);
/* Headers of flows 0 .. n - 1, in random order. 0 or NO_MEMORY. The caller frees them. */
int bench_flow_trace(uint32_t n, uint32_t switched_every, struct bench_trace *trace,
	struct sl_error *err) SL_MUST_CHECK;

/* Frames in memory, as a port would give them. */
struct bench_flow_frames {
	struct sl_frame *list;
	uint8_t *bytes;
	uint32_t n;
};

/* Room for n frames. 0 or NO_MEMORY. */
int bench_flow_frames_init(
	struct bench_flow_frames *frames, uint32_t n, struct sl_error *err) SL_MUST_CHECK;
void bench_flow_frames_fini(struct bench_flow_frames *frames);
/* Writes the i-th; `is_opening`: TCP gets the flag SYN and nothing else. */
void bench_flow_frames_set(struct bench_flow_frames *frames, uint32_t i,
	const struct bench_header *header, bool is_opening);

#endif
