/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_BENCH_MEDIAN_H
#define APP_BENCH_MEDIAN_H

#include <stddef.h>

/* Sorts ascending. */
void bench_sort(double values[], size_t n);
/* The values stay as they are. 0 for none; NaN when there is no memory to sort more than 128. */
double bench_median(const double values[], size_t n);
/* Of sorted values: the smallest that at least `percent` of them do not exceed. 0 for none. */
double bench_percentile(const double sorted[], size_t n, double percent);

#endif
