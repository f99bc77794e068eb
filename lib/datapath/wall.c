/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/wall.h"

#include "base/sl_clock.h"

static struct wall_pair
take_pair(void)
{
	return (struct wall_pair){.cycles = rte_rdtsc(), .ns = sl_clock_now(&sl_clock_system)};
}

void
wall_init(struct wall *wall)
{
	*wall = (struct wall){.ns_per_cycle = (uint64_t)(((unsigned __int128)1000000000 << 32) /
				      rte_get_tsc_hz())};
	wall->pairs[0] = take_pair();
}

void
wall_update(struct wall *wall)
{
	uint32_t next = (wall->newest + 1) % WALL_PAIRS;

	wall->pairs[next] = take_pair();
	__atomic_store_n(&wall->newest, next, __ATOMIC_RELEASE);
}
