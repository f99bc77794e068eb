/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_median.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEW 128

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void
bench_sort(double values[], size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
}

static double
middle(const double sorted[], size_t n)
{
	return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double
bench_median(const double values[], size_t n)
{
	double few[FEW];
	double *sorted = n <= FEW ? few : calloc(n, sizeof(*sorted));
	double median;

	if (n == 0 || sorted == NULL)
		return n == 0 ? 0 : NAN;
	memcpy(sorted, values, n * sizeof(*sorted));
	bench_sort(sorted, n);
	median = middle(sorted, n);
	if (sorted != few)
		free(sorted);
	return median;
}

double
bench_percentile(const double sorted[], size_t n, double percent)
{
	size_t place = (size_t)ceil(percent / 100 * (double)n);

	if (n == 0)
		return 0;
	return sorted[place == 0 ? 0 : place - 1];
}
