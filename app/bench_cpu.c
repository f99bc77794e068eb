/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_cpu.h"

#include <sched.h>
#include <stddef.h>
#include <time.h>

struct bench_cpus
bench_cpus_get(void)
{
	struct bench_cpus cpus = {-1, -1};
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return cpus;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &set))
			continue;
		if (cpus.first < 0)
			cpus.first = cpu;
		cpus.last = cpu;
	}
	return cpus;
}

void
bench_cpu_stay(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void
bench_cpu_avoid(int cpu)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return;
	CPU_CLR((size_t)cpu, &set);
	if (CPU_COUNT(&set) > 0)
		sched_setaffinity(0, sizeof(set), &set);
}

uint64_t
bench_cpu_ns(void)
{
	struct timespec time = {0};

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}
