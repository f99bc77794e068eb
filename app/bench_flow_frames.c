/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_flow_frames.h"

#include "bench_frame.h"

#include <stdlib.h>
#include <string.h>

#define ROOM 128u /* bytes a frame, so that none shares a line with another */
#define SEED 1u

static void
put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

void
bench_flow_header(uint32_t i, uint32_t switched_every, struct bench_header *header)
{
	static const uint16_t services[] = {80, 443, 53, 22, 123, 8080, 5060, 25};
	struct bench_random random = bench_random_seed(i);
	const bool switches = switched_every > 0 && i % switched_every == 0;
	const uint32_t n = switches ? i / switched_every : 0;

	memset(header, 0, sizeof(*header));
	/* The number of the flow is in the address, or in port and address: no two are the same. */
	if (switches)
		put32(header->src, BENCH_FLOW_SWITCHED + n % 256);
	else
		put32(header->src, BENCH_FLOW_NET + i);
	put32(header->dst, UINT32_C(0x0a000000) + bench_random_below(&random, 4096));
	header->src_port = (uint16_t)(1024 + (switches ? n / 256 : i) % 60000);
	header->dst_port = services[bench_random_below(&random, SL_ARRAY_LEN(services))];
	header->protocol = switches || i % 2 == 0 ? 17 : 6;
}

bool
bench_flow_is_switched(const struct bench_header *header)
{
	return header->src[0] == BENCH_FLOW_SWITCHED >> 24;
}

int
bench_flow_trace(
	uint32_t n, uint32_t switched_every, struct bench_trace *trace, struct sl_error *err)
{
	struct bench_random random = bench_random_seed(SEED);

	trace->list = calloc(n, sizeof(*trace->list));
	trace->n = n;
	if (trace->list == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, "", "no memory for %u headers", n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t other = bench_random_below(&random, i + 1);

		trace->list[i] = trace->list[other];
		bench_flow_header(i, switched_every, &trace->list[other]);
	}
	return 0;
}

int
bench_flow_frames_init(struct bench_flow_frames *frames, uint32_t n, struct sl_error *err)
{
	frames->n = n;
	frames->list = calloc(n, sizeof(*frames->list));
	frames->bytes = aligned_alloc(ROOM, (size_t)n * ROOM);
	if (frames->list != NULL && frames->bytes != NULL)
		return 0;
	bench_flow_frames_fini(frames);
	return sl_error_set(err, SL_ERR_NO_MEMORY, "", "no memory for %u frames", n);
}

void
bench_flow_frames_fini(struct bench_flow_frames *frames)
{
	free(frames->list);
	free(frames->bytes);
	memset(frames, 0, sizeof(*frames));
}

void
bench_flow_frames_set(struct bench_flow_frames *frames, uint32_t i,
	const struct bench_header *header, bool is_opening)
{
	uint8_t *bytes = frames->bytes + (size_t)i * ROOM;
	uint32_t length = bench_frame_make(header, false, bytes);

	if (is_opening)
		bench_frame_open(bytes, length);
	frames->list[i] = (struct sl_frame){.bytes = bytes, .contiguous = length, .length = length};
}
