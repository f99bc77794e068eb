/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_RULES_H
#define APP_BENCH_RULES_H

/* ClassBench filter sets and header traces, plain or gzip, IPv4 and IPv6. */

#include "base/sl_error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One rule; the first of a set is the most important. */
struct bench_rule {
	uint8_t src
		[16]; /* IPv4: the first four bytes; network order, bits beyond the length zero */
	uint8_t dst[16];
	uint8_t src_len; /* prefix lengths */
	uint8_t dst_len;
	bool has_protocol;
	uint8_t protocol;
	uint16_t src_port[2]; /* low, high; both included */
	uint16_t dst_port[2];
};

struct bench_rules {
	struct bench_rule *list;
	size_t n;
	bool is_v6;
};

struct bench_header {
	uint8_t src[16];
	uint8_t dst[16];
	uint16_t src_port;
	uint16_t dst_port;
	uint8_t protocol;
};

struct bench_trace {
	struct bench_header *list;
	size_t n;
};

/* 0, or a negative errno with `err` naming file and line. The caller frees with the fini function. */
int
bench_rules_load(const char *path, struct bench_rules *rules, struct sl_error *err) SL_MUST_CHECK;
void bench_rules_fini(struct bench_rules *rules);
/*
 * Removes the rules that leave nothing to miss: for any protocol and port, with prefixes of no more than
 * two bits together, as the default rule, or the two halves of one.  Returns how many there were.
 */
size_t bench_rules_drop_default(struct bench_rules *rules);
int bench_trace_load(const char *path, bool is_v6, struct bench_trace *trace,
	struct sl_error *err) SL_MUST_CHECK;
void bench_trace_fini(struct bench_trace *trace);

#endif
