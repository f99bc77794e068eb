/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_WRITE_H
#define APP_BENCH_WRITE_H

/*
 * Rule sets and traces as files in ClassBench's format, which bench_rules_load and bench_trace_load
 * read.  IPv6 addresses are written with colons.
 */

#include "bench_rules.h"

/* 0, or IO with `err` naming the file. */
int bench_rules_write(
	const char *path, const struct bench_rules *rules, struct sl_error *err) SL_MUST_CHECK;
int bench_trace_write(const char *path, const struct bench_trace *trace, bool is_v6,
	struct sl_error *err) SL_MUST_CHECK;

#endif
