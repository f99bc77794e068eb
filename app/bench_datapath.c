/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "bench_appliance.h"
#include "bench_frame.h"
#include "bench_median.h"
#include "bench_policy.h"
#include "bench_testpmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * sluice-bench datapath: one worker beside testpmd.
 *
 * Both read the same frames, a capture or the headers of a trace, over and over (net_pcap with infinite_rx) from the outside port and send into a
 * device that forgets (net_null).  Rounds alternate: testpmd io, testpmd macswap, then the appliance in a
 * process of its own with every filter set in turn.  Figures are medians over the rounds; ratios are
 * medians of each round's ratio to that round's macswap.
 */

#define SETS_MAX   16
#define REPEAT_MAX 21
#define SETTLE_MS  300 /* after publishing, before measuring */
/*
 * Frames made of a trace.  Whoever reads them holds each in a buffer of its own, of which there are
 * 32,768; a few thousand are what the receive queues of a NIC would cycle through, and stay in the cache.
 */
#define FRAMES     4096u
#define FRAMES_MAX 24576u

struct set {
	char label[128];
	char path[256]; /* "" for no filters */
	size_t limit;   /* rules taken; 0: all */
	size_t n_filters;
	double rates[REPEAT_MAX]; /* packets a second */
};

struct run {
	const char *pcap, *trace_path, *json_path;
	char made_pcap[300]; /* of the trace's headers */
	const char *testpmd;
	struct set sets[SETS_MAX];
	size_t n_sets;
	uint32_t seconds;
	uint32_t repeat;
	uint32_t n_frames; /* made of the trace */
	double io[REPEAT_MAX];
	double macswap[REPEAT_MAX];
};

/* What a measuring process sends back for one set. */
struct sample {
	double rate;
	size_t n_filters;
};

/* --- The appliance. --- */

static int
compile_set(struct set *set, struct sl_snapshot **out, struct sl_error *err)
{
	struct bench_rules rules = {0};
	struct sl_policy *policy = NULL;
	int rc = 0;

	if (set->path[0] != '\0')
		rc = bench_rules_load(set->path, &rules, err);
	if (rc == 0)
		rc = bench_policy_make(&rules,
			set->limit > 0 && set->limit < rules.n ? set->limit : rules.n, 1, &policy,
			err);
	if (rc == 0)
		rc = bench_policy_compile(policy, out, err);
	if (rc == 0)
		set->n_filters = (*out)->n_filters;
	sl_policy_free(policy);
	bench_rules_fini(&rules);
	return rc;
}

/* A bench_appliance_fn. */
static int
measure_sets(void *ctx, const struct sl_plane *plane, int output, struct sl_error *err)
{
	struct sl_snapshot *snapshots[SETS_MAX] = {0};
	struct run *run = ctx;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < run->n_sets; i++) {
		struct sample sample;

		rc = compile_set(&run->sets[i], &snapshots[i], err);
		if (rc != 0)
			break;
		plane->ops->publish(plane->ctx, snapshots[i]);
		usleep(SETTLE_MS * 1000);
		sample = (struct sample){
			bench_appliance_rate(plane, run->seconds * 1000), run->sets[i].n_filters};
		rc = bench_appliance_report(output, &sample, sizeof(sample), err);
	}
	plane->ops->publish(plane->ctx, NULL);
	for (size_t i = 0; i < run->n_sets; i++)
		sl_snapshot_free(snapshots[i]);
	return rc;
}

static int
run_appliance(struct run *run, uint32_t round)
{
	struct bench_appliance appliance = {.pcap = run->pcap, .megabytes = 512};
	struct sample samples[SETS_MAX];

	if (sl_flow_config_init(&appliance.flows) != 0)
		return 1;
	/* Classification alone. */
	appliance.flows.max = 0;
	if (bench_appliance_run(
		    &appliance, measure_sets, run, samples, run->n_sets * sizeof(samples[0])) != 0)
		return 1;
	for (size_t i = 0; i < run->n_sets; i++) {
		run->sets[i].rates[round] = samples[i].rate;
		run->sets[i].n_filters = samples[i].n_filters;
	}
	return 0;
}

/* --- Report. --- */

static double
median_ratio(const struct run *run, const double rates[])
{
	double ratios[REPEAT_MAX];

	for (uint32_t i = 0; i < run->repeat; i++)
		ratios[i] = run->macswap[i] > 0 ? rates[i] / run->macswap[i] : 0;
	return bench_median(ratios, run->repeat);
}

static json_t *
row(const struct run *run, const char *label, size_t n_filters, const double rates[])
{
	double mpps = bench_median(rates, run->repeat) / 1e6;
	double ratio = median_ratio(run, rates);

	printf("%-32s %10zu %10.2f %10.2f\n", label, n_filters, mpps, ratio);
	return json_pack("{s:s, s:I, s:f, s:f}", "name", label, "filters", (json_int_t)n_filters,
		"mpps", mpps, "ratio_to_macswap", ratio);
}

static int
report(const struct run *run)
{
	json_t *rows = json_array();
	json_t *json;
	int rc;

	printf("%-32s %10s %10s %10s\n", "one worker core", "filters", "Mpps", "/macswap");
	json_array_append_new(rows, row(run, "testpmd io", 0, run->io));
	json_array_append_new(rows, row(run, "testpmd macswap", 0, run->macswap));
	for (size_t i = 0; i < run->n_sets; i++)
		json_array_append_new(rows,
			row(run, run->sets[i].label, run->sets[i].n_filters, run->sets[i].rates));
	json = json_pack("{s:s, s:i, s:i, s:o}", run->trace_path != NULL ? "trace" : "pcap",
		run->trace_path != NULL ? run->trace_path : run->pcap, "seconds", (int)run->seconds,
		"rounds", (int)run->repeat, "results", rows);
	rc = bench_write_json(run->json_path, json);
	json_decref(json);
	return rc;
}

/* --- Options. --- */

/* "FILE" or "FILE:N" for the first N rules. */
static bool
add_set(struct run *run, const char *text)
{
	struct set *set = &run->sets[run->n_sets];
	const char *colon = strrchr(text, ':');
	const char *name;
	uint64_t limit = 0;
	size_t len = strlen(text);

	if (colon != NULL && colon[1] >= '0' && colon[1] <= '9' &&
		strspn(colon + 1, "0123456789") == strlen(colon + 1)) {
		if (!bench_number("--filters", colon + 1, 1, 4000000, &limit))
			return false;
		len = (size_t)(colon - text);
	}
	if (run->n_sets == SETS_MAX || len >= sizeof(set->path)) {
		fprintf(stderr,
			"sluice-bench: --filters: at most %d sets, paths shorter than %zu\n",
			SETS_MAX - 1, sizeof(set->path));
		return false;
	}
	memcpy(set->path, text, len);
	set->limit = limit;
	name = strrchr(set->path, '/') != NULL ? strrchr(set->path, '/') + 1 : set->path;
	snprintf(set->label, sizeof(set->label), "sluice %.100s", name);
	run->n_sets++;
	return true;
}

static int
options(struct run *run, int argc, char **argv)
{
	static const struct option names[] = {
		{"pcap", required_argument, NULL, 'p'},
		{"trace", required_argument, NULL, 'c'},
		{"frames", required_argument, NULL, 'm'},
		{"filters", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},
		{"repeat", required_argument, NULL, 'n'},
		{"testpmd", required_argument, NULL, 't'},
		{"json", required_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	run->seconds = 3;
	run->repeat = 3;
	run->n_frames = FRAMES;
	snprintf(run->sets[run->n_sets++].label, sizeof(run->sets[0].label), "sluice, no filters");
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		bool ok = option != '?';

		if (option == 'p')
			run->pcap = optarg;
		else if (option == 'c')
			run->trace_path = optarg;
		else if (option == 'f')
			ok = add_set(run, optarg);
		else if (option == 's')
			ok = bench_number32("--seconds", optarg, 1, 60, &run->seconds);
		else if (option == 'n')
			ok = bench_number32("--repeat", optarg, 1, REPEAT_MAX, &run->repeat);
		else if (option == 'm')
			ok = bench_number32("--frames", optarg, 1, FRAMES_MAX, &run->n_frames);
		else if (option == 't')
			run->testpmd = optarg;
		else if (option == 'j')
			run->json_path = optarg;
		if (!ok)
			return 2;
	}
	if ((run->pcap == NULL) == (run->trace_path == NULL) || optind != argc) {
		fprintf(stderr,
			"sluice-bench datapath: either --pcap FILE or --trace FILE is needed, and "
			"nothing but options\n");
		return 2;
	}
	return 0;
}

/* Reads what is given once before anything is measured, so that faults are told first. */
static int
prepare(struct run *run, struct sl_error *err)
{
	struct bench_trace trace = {0};
	bool is_v6 = false;
	int rc;

	for (size_t i = 0; i < run->n_sets; i++) {
		struct bench_rules rules = {0};

		if (run->sets[i].path[0] == '\0')
			continue;
		rc = bench_rules_load(run->sets[i].path, &rules, err);
		is_v6 = rules.is_v6;
		bench_rules_fini(&rules);
		if (rc != 0)
			return rc;
	}
	if (run->pcap != NULL)
		return access(run->pcap, R_OK) == 0
			? 0
			: sl_error_set(err, SL_ERR_IO, run->pcap, "%s", strerror(errno));
	rc = bench_trace_load(run->trace_path, is_v6, &trace, err);
	if (rc != 0)
		return rc;
	snprintf(run->made_pcap, sizeof(run->made_pcap), "%s/frames.pcap",
		getenv("RUNTIME_DIRECTORY"));
	rc = bench_frames_write(run->made_pcap, &trace, is_v6, run->n_frames, err);
	bench_trace_fini(&trace);
	run->pcap = run->made_pcap;
	return rc;
}

int
bench_datapath(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	struct sl_error err;
	int rc;

	if (run == NULL)
		return 1;
	run->testpmd = "dpdk-testpmd";
	rc = options(run, argc, argv);
	if (rc == 0 && prepare(run, &err) != 0) {
		fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
		rc = 2;
	}
	for (uint32_t round = 0; rc == 0 && round < run->repeat; round++) {
		fprintf(stderr, "round %u of %u\n", round + 1, run->repeat);
		run->io[round] =
			bench_testpmd(run->testpmd, run->pcap, FRAMES_MAX, "io", run->seconds);
		run->macswap[round] =
			bench_testpmd(run->testpmd, run->pcap, FRAMES_MAX, "macswap", run->seconds);
		if (run->macswap[round] <= 0)
			fprintf(stderr, "sluice-bench: %s did not run; ratios are 0\n",
				run->testpmd);
		rc = run_appliance(run, round);
	}
	if (rc == 0)
		rc = report(run);
	free(run);
	return rc;
}
