/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

/*
 * Time: nanoseconds since 1970-01-01 UTC as uint64_t, and RFC 3339 text.  Code that needs "now" takes a
 * `struct sl_clock`, so that the replay tool can run on the capture's time and tests on their own.
 */

#include "base/sl_compiler.h"

#include <stdint.h>

#define SL_TIME_TEXT_MAX 32

typedef uint64_t sl_clock_now_fn(void *ctx);

struct sl_clock {
	sl_clock_now_fn *now_ns;
	void *ctx;
};

/* The system's real-time clock. Any thread. */
extern const struct sl_clock sl_clock_system;

static inline uint64_t
sl_clock_now(const struct sl_clock *clock)
{
	return clock->now_ns(clock->ctx);
}

/* Monotonic nanoseconds of the machine, for measuring durations. */
uint64_t sl_clock_monotonic_ns(void);
/* "2026-01-02T03:04:05.000006Z" (microseconds). Returns `text`. */
char *sl_time_format(uint64_t ns, char text[SL_TIME_TEXT_MAX]);

#endif
