/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_CPU_H
#define APP_BENCH_CPU_H

#include <stdint.h>

/* CPUs that this process may use; what measures takes the last, which the system uses least. */
struct bench_cpus {
	int first; /* -1: not known */
	int last;
};

struct bench_cpus bench_cpus_get(void);
/* Keeps this thread, and those it starts, on one CPU. */
void bench_cpu_stay(int cpu);
/* Keeps them off one CPU, unless there is no other. */
void bench_cpu_avoid(int cpu);

/* CPU time that this thread has had, in nanoseconds: what others do on the CPU meanwhile is not in it. */
uint64_t bench_cpu_ns(void);

#endif
