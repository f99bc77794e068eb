/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_APPLIANCE_H
#define APP_BENCH_APPLIANCE_H

/*
 * The appliance with one worker in a process of its own, because EAL starts once a process: it reads the same
 * frames over and over (net_pcap with infinite_rx) from its outside port and sends into a device that forgets
 * (net_null).  Another device may take the place of the outside port.
 */

#include "datapath/sl_datapath.h"

#define BENCH_APPLIANCE_INSIDE "net_null0" /* as DPDK calls the inside port */

struct bench_appliance {
	const char *pcap;    /* what the outside port reads; or ... */
	const char *outside; /* ... its device; NULL: it reads `pcap` */
	uint32_t megabytes;
	uint32_t buffers; /* 0: as many as by default */
	struct sl_flow_config flows;
};

/* Measures, while the worker runs, and writes figures to `output`. 0 or the fault. */
typedef int
bench_appliance_fn(void *ctx, const struct sl_plane *plane, int output, struct sl_error *err);

/*
 * Runs `fn` in a process with that appliance; `size` bytes of its output come into `figures`.  0, or 1 and
 * the fault was printed.
 */
int bench_appliance_run(const struct bench_appliance *appliance, bench_appliance_fn *fn, void *ctx,
	void *figures, size_t size) SL_MUST_CHECK;
/* Packets a second that the worker takes, over so many milliseconds. */
double bench_appliance_rate(const struct sl_plane *plane, uint32_t ms);
/* Writes all of it. 0 or IO. */
int bench_appliance_report(
	int output, const void *figures, size_t size, struct sl_error *err) SL_MUST_CHECK;

#endif
