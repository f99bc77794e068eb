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

/* Which ports a side of a set's rules speaks of: well-known ones first, then others. */
struct bench_services {
	uint64_t seed; /* of the others */
	uint32_t n_ports;
	uint32_t n_ranges;
};

void bench_service_draw(const struct bench_services *services, struct bench_random *random,
	enum bench_ports ports, uint16_t range[2]);

#endif
