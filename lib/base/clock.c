/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_clock.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t
read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t
system_now(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

const struct sl_clock sl_clock_system = {.now_ns = system_now};

uint64_t
sl_clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

char *
sl_time_format(uint64_t ns, char text[SL_TIME_TEXT_MAX])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm utc;
	size_t len;

	/* 64 bits of nanoseconds end in the year 2554: the year always has four digits. */
	gmtime_r(&seconds, &utc);
	len = strftime(text, SL_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(
		text + len, SL_TIME_TEXT_MAX - len, ".%06uZ", (unsigned int)(ns % NS_PER_S / 1000));
	return text;
}
