/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_service.h"

#include "base/sl_compiler.h"

/* Services that everybody filters. */
static const uint16_t known_ports[] = {80, 443, 22, 53, 25, 21, 23, 123, 161, 445, 139, 3389, 110,
	143, 389, 636, 993, 995, 135, 137, 138, 1433, 1521, 3306, 5432, 514, 69, 20, 88, 111, 119,
	179, 465, 500, 587, 873, 1080, 1194, 1723, 2049, 3128, 4500, 5060, 5900, 6379, 8080, 8443,
	9090, 9200, 27017};
static const uint16_t known_ranges[][2] = {{0, 1023}, {135, 139}, {20, 21}, {6000, 6063},
	{161, 162}, {49152, 65535}, {32768, 60999}, {5060, 5061}, {67, 68}, {137, 138},
	{8000, 8999}, {33434, 33534}, {2000, 2999}, {16384, 32767}, {27000, 27030}, {1, 1023},
	{3000, 3999}, {5000, 65535}};

/* A number below `n`; small ones are much more frequent. */
static uint32_t
draw_skewed(struct bench_random *random, uint32_t n)
{
	double place = bench_random_unit(random);

	return (uint32_t)(place * place * place * n);
}

static void
draw_one(const struct bench_services *services, struct bench_random *random, uint16_t range[2])
{
	uint32_t i = draw_skewed(random, services->n_ports);
	struct bench_random own = bench_random_seed(services->seed + i);

	if (i < SL_ARRAY_LEN(known_ports))
		range[0] = known_ports[i];
	else
		range[0] = (uint16_t)bench_random_between(&own, 1, 49151);
	range[1] = range[0];
}

/* Ranges begin and end anywhere, and are short more often than long. */
static void
draw_range(const struct bench_services *services, struct bench_random *random, uint16_t range[2])
{
	uint32_t i = draw_skewed(random, services->n_ranges);
	struct bench_random own = bench_random_seed(~(services->seed + i));

	if (i < SL_ARRAY_LEN(known_ranges)) {
		range[0] = known_ranges[i][0];
		range[1] = known_ranges[i][1];
	} else {
		range[0] = (uint16_t)bench_random_between(&own, 1, 60000);
		range[1] = (uint16_t)(range[0] + 1 + draw_skewed(&own, 5000));
	}
}

void
bench_service_draw(const struct bench_services *services, struct bench_random *random,
	enum bench_ports ports, uint16_t range[2])
{
	range[0] = ports == BENCH_PORTS_HIGH ? 1024 : 0;
	range[1] = 65535;
	if (ports == BENCH_PORTS_ONE)
		draw_one(services, random, range);
	else if (ports == BENCH_PORTS_RANGE)
		draw_range(services, random, range);
}
