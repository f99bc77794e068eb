/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/wall.h"

#include "base/sl_clock.h"

#define STEP_MIN_NS \
	1000000000 /* what differs by less is the drift of a counter, or a busy machine */

void
wall_init(struct wall *wall)
{
	*wall = (struct wall){.ns_per_cycle = (uint64_t)(((unsigned __int128)1000000000 << 32) /
				      rte_get_tsc_hz())};
	wall->pairs[0] = (struct wall_pair){
		.cycles = rte_rdtsc(),
		.ns = sl_clock_now(&sl_clock_system),
	};
}

void
wall_put(struct wall *wall, uint64_t cycles, uint64_t ns)
{
	uint32_t next = (wall->newest + 1) % WALL_PAIRS;
	int64_t stepped_ns;
	int64_t difference = (int64_t)(ns - wall_read(wall, cycles, &stepped_ns));

	if (difference >= STEP_MIN_NS || difference <= -STEP_MIN_NS)
		stepped_ns += difference;
	wall->pairs[next] = (struct wall_pair){
		.cycles = cycles,
		.ns = ns,
		.stepped_ns = stepped_ns,
	};
	__atomic_store_n(&wall->newest, next, __ATOMIC_RELEASE);
}

void
wall_update(struct wall *wall)
{
	uint64_t cycles = rte_rdtsc();

	wall_put(wall, cycles, sl_clock_now(&sl_clock_system));
}
