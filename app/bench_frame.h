/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_FRAME_H
#define APP_BENCH_FRAME_H

/* Headers of a trace as Ethernet frames. */

#include "bench_rules.h"

#define BENCH_FRAME_MAX 74u /* TCP over IPv6 */

/*
 * Makes the shortest frame for a header: 60 bytes, which are 64 on the wire, or what IPv6 needs more.
 * Without an ICMP type of its own a header's ports are type and code; protocols without ports have
 * zeros behind the IP header.  Numbers of IPv6 extension headers, which are no protocols, become UDP.
 * Returns its length.
 */
uint32_t
bench_frame_make(const struct bench_header *header, bool is_v6, uint8_t frame[BENCH_FRAME_MAX]);
/* Makes SYN of TCP over IPv4 that bench_frame_make has made, of `len` bytes; other frames stay as they are. */
void bench_frame_open(uint8_t *frame, uint32_t len);
/* Writes the first `n_max` headers as a capture. 0, or IO. */
int bench_frames_write(const char *path, const struct bench_trace *trace, bool is_v6, size_t n_max,
	struct sl_error *err) SL_MUST_CHECK;

#endif
