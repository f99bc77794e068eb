/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_FLOW_TABLE_H
#define APP_BENCH_FLOW_TABLE_H

/*
 * The table of flows by itself, beside rte_hash with the same keys.
 *
 * Both are full of the same flows and are asked for the same ones, in bursts of 32 in random order, in turns in
 * one thread; a figure is the median of many turns, and the ratio is the median of ratios of neighbours.
 */

#include "base/sl_error.h"

#include <stdint.h>

struct bench_flow_table {
	uint32_t n_flows;
	double lookup_ns; /* a key: hash and find */
	double peer_ns;   /* a key: rte_hash_lookup_bulk */
	double ratio;
	double bytes;        /* a flow: growth of the process's resident memory */
	double bytes_stated; /* a flow: sl_flow_table_bytes */
	double adds;         /* new flows a second, hash and failing find included */
	double due_us; /* the longest sl_flow_due of all, in CPU time, while all flows end at once */
	double due_most_us; /* what 99.9 % of them keep */
};

/*
 * Measures with `n_flows` flows, `n_turns` turns of lookups.  EAL runs, and has memory for rte_hash with as
 * many keys.  0, or the fault.
 */
int bench_flow_table_measure(uint32_t n_flows, uint32_t n_turns, struct bench_flow_table *out,
	struct sl_error *err) SL_MUST_CHECK;

#endif
