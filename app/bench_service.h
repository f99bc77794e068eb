/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_SERVICE_H
#define APP_BENCH_SERVICE_H

/* Ports of made rule sets: a limited number of services and ranges, the first of them used most. */

#include "bench_random.h"

#include <stdint.h>

/* What a rule says of a port. */
enum bench_ports {
	BENCH_PORTS_ANY,
	BENCH_PORTS_ONE,
	BENCH_PORTS_HIGH,  /* 1024 to 65535 */
	BENCH_PORTS_RANGE, /* any other */
	BENCH_PORTS_COUNT
};

/* `seed` of the set decides which ports beyond the well-known ones it uses. */
void bench_service_draw(
	uint64_t seed, struct bench_random *random, enum bench_ports ports, uint16_t range[2]);

#endif
