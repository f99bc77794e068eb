/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_update.h"

#include "bench.h"
#include "bench_median.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static json_t *
latency_row(const char *what, const double sorted[], size_t n)
{
	double median = bench_median(sorted, n);
	double p99 = bench_percentile(sorted, n, 99);
	double max = bench_percentile(sorted, n, 100);

	printf("%-28s %10zu %10.3f %10.3f %10.3f\n", what, n, median, p99, max);
	return json_pack("{s:I, s:f, s:f, s:f}", "updates", (json_int_t)n, "median_ms", median,
		"p99_ms", p99, "max_ms", max);
}

static json_t *
throughput(const struct update_run *run)
{
	double ratios[UPDATE_PAIRS_MAX];
	double quiet = bench_median(run->quiet, run->n_pairs) / 1e6;
	double busy = bench_median(run->busy, run->n_pairs) / 1e6;
	double achieved = bench_median(run->achieved, run->n_pairs);
	double ratio;

	for (uint32_t i = 0; i < run->n_pairs; i++)
		ratios[i] = run->busy[i] / run->quiet[i];
	ratio = bench_median(ratios, run->n_pairs);
	printf("%-28s %10.3f Mlookups/s\n%-28s %10.3f Mlookups/s, %.2f of quiet; "
	       "%.0f of %u updates a second\n",
		"lookups, quiet", quiet, "lookups, busy", busy, ratio, achieved, run->rate);
	return json_pack("{s:i, s:f, s:f, s:f, s:f}", "rate_asked", (int)run->rate, "rate_achieved",
		achieved, "quiet_mlookups_per_s", quiet, "busy_mlookups_per_s", busy, "ratio",
		ratio);
}

int
update_report(const struct update_run *run)
{
	json_t *json;
	int rc;

	printf("%zu rules, %zu headers, bursts of %u, worker on CPU %d, control on CPU %d; all "
	       "rules "
	       "in %.2f s\n%-28s %10s %10s %10s %10s\n",
		run->rules.n, run->trace.n, run->burst, run->cpus.last, run->cpus.first,
		run->updater.load_s, "one filter in or out, ms", "updates", "median", "p99", "max");
	json = json_pack("{s:I, s:I, s:i, s:f, s:I}", "rules", (json_int_t)run->rules.n, "headers",
		(json_int_t)run->trace.n, "burst", (int)run->burst, "load_s", run->updater.load_s,
		"wrong", (json_int_t)run->n_wrong);
	json_object_set_new(json, "published",
		latency_row("until it is published", run->latencies.published, run->latencies.n));
	json_object_set_new(json, "in_force",
		latency_row("until it is in force", run->latencies.in_force, run->latencies.n));
	json_object_set_new(json, "call",
		latency_row("until the call returns", run->latencies.call, run->latencies.n));
	json_object_set_new(json, "throughput", throughput(run));
	printf("%-28s %10" PRIu64 "\n", "wrong answers", run->n_wrong);
	rc = bench_write_json(run->json_path, json);
	json_decref(json);
	return rc != 0 || run->n_wrong > 0 ? 1 : 0;
}
