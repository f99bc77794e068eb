/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "bench_classify.h"

#include "classifier/sl_classify.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bench_engine_ops *const all_engines[] = {
	&bench_engine_sluice,
	&bench_engine_acl,
	&bench_engine_linear,
};

/* A variant that an engine has; NULL: it has none of that name. */
static const char *
find_variant(const struct bench_engine_ops *ops, const char *variant)
{
	for (size_t i = 0; ops->variants != NULL && ops->variants[i] != NULL; i++)
		if (strcmp(ops->variants[i], variant) == 0)
			return ops->variants[i];
	return NULL;
}

/* "rte_acl" or "rte_acl:avx2". */
static bool
add_engine(struct classify_run *run, const char *name)
{
	struct classify_entry *entry = &run->entries[run->n_entries];
	size_t len = strcspn(name, ":");

	for (size_t i = 0; i < SL_ARRAY_LEN(all_engines); i++)
		if (strlen(all_engines[i]->name) == len &&
			strncmp(all_engines[i]->name, name, len) == 0)
			entry->ops = all_engines[i];
	if (entry->ops != NULL && name[len] == ':')
		entry->variant = find_variant(entry->ops, name + len + 1);
	if (entry->ops == NULL || (name[len] == ':' && entry->variant == NULL)) {
		fprintf(stderr,
			"sluice-bench: --engines: \"%s\"; allowed: sluice, linear, rte_acl, and "
			"rte_acl:scalar, :sse, :avx2, :avx512x16, :avx512x32\n",
			name);
		return false;
	}
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	run->n_entries++;
	return true;
}

static bool
add_burst(struct classify_run *run, const char *text)
{
	uint64_t burst;

	if (!bench_number("--burst", text, 1, BENCH_BURST_MAX, &burst))
		return false;
	run->bursts[run->n_bursts++] = (uint32_t)burst;
	return true;
}

/* Calls `add` for every part of a list with commas, of which there may be `max`. */
static bool
each_part(struct classify_run *run, const char *option, const char *list, uint32_t max,
	bool (*add)(struct classify_run *run, const char *part))
{
	char copy[256];
	char *rest = copy;
	char *part;
	uint32_t n = 0;

	if (snprintf(copy, sizeof(copy), "%s", list) >= (int)sizeof(copy)) {
		fprintf(stderr, "sluice-bench: %s: the list is too long\n", option);
		return false;
	}
	while ((part = strsep(&rest, ",")) != NULL) {
		if (n++ == max) {
			fprintf(stderr, "sluice-bench: %s: \"%s\"; allowed: at most %u\n", option,
				list, max);
			return false;
		}
		if (!add(run, part))
			return false;
	}
	return true;
}

static bool
set_simd(struct classify_run *run, const char *name)
{
	for (int i = 0; i < SL_SIMD_COUNT; i++) {
		if (strcmp(sl_simd_name((enum sl_simd)i), name) != 0)
			continue;
		run->given.simd = i;
		if (sl_simd_has((enum sl_simd)i))
			return true;
		fprintf(stderr, "sluice-bench: --simd: this processor does not have %s\n", name);
		return false;
	}
	fprintf(stderr, "sluice-bench: --simd: \"%s\"; allowed: portable, avx2, avx512\n", name);
	return false;
}

struct texts {
	const char *engines;
	const char *bursts;
};

static bool
take_option(struct classify_run *run, struct texts *texts, int option, const char *text)
{
	switch (option) {
	case 'r':
		run->rules_path = text;
		return true;
	case 't':
		run->trace_path = text;
		return true;
	case 'e':
		texts->engines = text;
		return true;
	case 'b':
		texts->bursts = text;
		return true;
	case 'n':
		return bench_number32("--repeat", text, 1, CLASSIFY_REPEAT_MAX, &run->repeat);
	case 'l':
		return bench_number32(
			"--sublayers", text, 1, BENCH_SUBLAYERS_MAX, &run->given.n_sublayers);
	case 'm':
		return bench_number32("--misses", text, 0, 100, &run->misses);
	case 's':
		return set_simd(run, text);
	case 'v':
		run->is_verified = true;
		return true;
	case 'j':
		run->json_path = text;
		return true;
	default:
		return false;
	}
}

int
classify_options(struct classify_run *run, int argc, char **argv)
{
	static const struct option names[] = {
		{"rules", required_argument, NULL, 'r'},
		{"trace", required_argument, NULL, 't'},
		{"engines", required_argument, NULL, 'e'},
		{"burst", required_argument, NULL, 'b'},
		{"repeat", required_argument, NULL, 'n'},
		{"sublayers", required_argument, NULL, 'l'},
		{"misses", required_argument, NULL, 'm'},
		{"simd", required_argument, NULL, 's'},
		{"verify", no_argument, NULL, 'v'},
		{"json", required_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	struct texts texts = {"sluice,rte_acl,linear", "32"};
	int option;

	run->repeat = 5;
	run->given.n_sublayers = 1;
	run->given.simd = BENCH_SIMD_BEST;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (!take_option(run, &texts, option, optarg))
			return 2;
	if (run->rules_path == NULL || optind != argc) {
		fprintf(stderr,
			"sluice-bench classify: --rules FILE is needed, and nothing but options\n");
		return 2;
	}
	return each_part(run, "--engines", texts.engines, CLASSIFY_ENGINES_MAX, add_engine) &&
			each_part(run, "--burst", texts.bursts, CLASSIFY_BURSTS_MAX, add_burst)
		? 0
		: 2;
}
