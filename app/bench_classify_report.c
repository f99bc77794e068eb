/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "bench_classify.h"

#include "bench_median.h"
#include "classifier/sl_classify.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

/* Median of the per-round ratios of an engine to the first rte_acl; 0 when there is none. */
static double
ratio_to_acl(const struct classify_run *run, const struct classify_entry *entry, size_t b)
{
	double ratios[CLASSIFY_REPEAT_MAX];

	for (size_t e = 0; e < run->n_entries; e++) {
		const struct classify_entry *acl = &run->entries[e];

		if (acl->ops != &bench_engine_acl || acl->state == NULL || entry->state == NULL)
			continue;
		for (uint32_t i = 0; i < run->repeat; i++)
			ratios[i] = entry->results[b].rates[i] / acl->results[b].rates[i];
		return bench_median(ratios, run->repeat);
	}
	return 0;
}

/* --- JSON. --- */

static json_t *
entry_json(const struct classify_run *run, const struct classify_entry *entry, size_t b)
{
	const struct classify_result *result = &entry->results[b];
	double ratio = ratio_to_acl(run, entry, b);
	double rate;
	json_t *json;

	if (entry->state == NULL)
		return json_pack("{s:s, s:s}", "name", entry->name, "error", entry->fault);
	rate = bench_median(result->rates, run->repeat);
	json = json_pack("{s:s, s:f, s:f, s:f, s:I}", "name", entry->name, "mlookups_per_s",
		rate / 1e6, "ns_per_lookup", 1e9 / rate, "build_s", result->facts.build_s,
		"memory_bytes", (json_int_t)result->facts.memory);
	if (run->is_verified)
		json_object_set_new(
			json, "mismatches", json_integer((json_int_t)result->mismatches));
	if (ratio > 0)
		json_object_set_new(json, "ratio_to_rte_acl", json_real(ratio));
	if (result->facts.chosen[0] != '\0')
		json_object_set_new(json, "chosen", json_string(result->facts.chosen));
	return json;
}

static json_t *
engines_json(const struct classify_run *run, size_t b)
{
	json_t *engines = json_array();

	for (size_t e = 0; e < run->n_entries; e++)
		json_array_append_new(engines, entry_json(run, &run->entries[e], b));
	return engines;
}

static int
write_json(const struct classify_run *run)
{
	json_t *json = json_pack("{s:I, s:I, s:i, s:i, s:I}", "rules", (json_int_t)run->rules.n,
		"headers", (json_int_t)run->trace.n, "sublayers", (int)run->given.n_sublayers,
		"misses_percent", (int)run->misses, "rules_left_out", (json_int_t)run->n_left_out);
	json_t *list = json_array();
	int rc;

	if (run->given.simd != BENCH_SIMD_BEST)
		json_object_set_new(
			json, "simd", json_string(sl_simd_name((enum sl_simd)run->given.simd)));
	/* For one length of bursts everything is at the top. */
	if (run->n_bursts == 1) {
		json_object_set_new(json, "burst", json_integer(run->bursts[0]));
		json_object_set_new(json, "engines", engines_json(run, 0));
	} else {
		for (size_t b = 0; b < run->n_bursts; b++)
			json_array_append_new(list,
				json_pack("{s:i, s:o}", "burst", (int)run->bursts[b], "engines",
					engines_json(run, b)));
		json_object_set(json, "bursts", list);
	}
	rc = bench_write_json(run->json_path, json);
	json_decref(list);
	json_decref(json);
	return rc;
}

/* --- Text. --- */

static void
print_entry(const struct classify_run *run, const struct classify_entry *entry, size_t b)
{
	const struct classify_result *result = &entry->results[b];
	double rate = bench_median(result->rates, run->repeat);
	char mismatches[24] = "-";

	if (entry->state == NULL) {
		printf("%-17s error: %s\n", entry->name, entry->fault);
		return;
	}
	if (run->is_verified)
		snprintf(mismatches, sizeof(mismatches), "%" PRIu64, result->mismatches);
	printf("%-17s %12.3f %10.1f %10.3f %12zu %10s %8.2f  %s\n", entry->name, rate / 1e6,
		1e9 / rate, result->facts.build_s, result->facts.memory, mismatches,
		ratio_to_acl(run, entry, b), result->facts.chosen);
}

static void
print_table(const struct classify_run *run, size_t b)
{
	printf("%zu rules, %zu headers, bursts of %u, median of %u rounds", run->rules.n,
		run->trace.n, run->bursts[b], run->repeat);
	if (run->given.n_sublayers > 1)
		printf(", %u sublayers", run->given.n_sublayers);
	if (run->misses > 0)
		printf(", %u %% of the headers match nothing", run->misses);
	if (run->n_left_out > 0)
		printf(" (%zu rules that leave nothing to miss were left out)", run->n_left_out);
	printf("\n%-17s %12s %10s %10s %12s %10s %8s\n", "engine", "Mlookups/s", "ns/lookup",
		"build s", "bytes", "mismatch", "ratio");
	for (size_t e = 0; e < run->n_entries; e++)
		print_entry(run, &run->entries[e], b);
}

int
classify_report(const struct classify_run *run)
{
	for (size_t b = 0; b < run->n_bursts; b++)
		print_table(run, b);
	return write_json(run);
}
