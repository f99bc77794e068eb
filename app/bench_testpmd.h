/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_TESTPMD_H
#define APP_BENCH_TESTPMD_H

#include <stdint.h>

/*
 * Packets a second of DPDK's testpmd (`program`) with one core in a forward mode, such as "macswap",
 * reading `pcap`, which has `n_frames` at most, over and over and sending into a device that forgets.  0 when it
 * could not run.
 */
double bench_testpmd(const char *program, const char *pcap, uint32_t n_frames, const char *mode,
	uint32_t seconds);

#endif
