/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_flows.h"

#include "bench.h"
#include "bench_cpu.h"

#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	bench_flows_fn *run;
} cases[] = {
	{"table", bench_flows_table},
	{"new", bench_flows_new},
	{"stall", bench_flows_stall},
	{"storm", bench_flows_storm},
	{"storm-wire", bench_flows_deluge},
	{"wire", bench_flows_wire},
	{"filters", bench_flows_filters},
};

/* --- Shared by the cases. --- */

void
bench_flows_line(struct bench_flows *run, const char *name, const char *ours, const char *peer,
	double figure)
{
	printf("%-44s %18s %26s %10.2f\n", name, ours, peer == NULL ? "" : peer, figure);
	fflush(stdout);
	/* A quotient by what did not run at all is no number. */
	json_array_append_new(run->results,
		json_pack("{s:s, s:s, s:s*, s:o}", "name", name, "ours", ours, "peer", peer,
			"figure", isfinite(figure) ? json_real(figure) : json_null()));
}

int
bench_flows_pipeline_init(struct bench_flows_pipeline *pipeline,
	const struct sl_flow_config *config, uint64_t now_ns, struct sl_error *err)
{
	const struct sl_path path = {
		.direction = SLUICE_DIRECTION_INBOUND,
		.link_type = SL_LINK_ETHERNET,
		.ports = {.arrival_luid = 2,
			.nexthop_luid = 1,
			.outside_luid = 2,
			.arrival_index = 2,
			.nexthop_index = 1,
			.outside_index = 2,
			.interface_type = 6},
	};
	struct sl_pipeline_options options = {
		.n_paths = 1, .paths = &path, .flows = config, .now_ns = now_ns};

	memset(pipeline, 0, sizeof(*pipeline));
	if (sl_counters_new(&pipeline->counters) == 0) {
		options.counters = pipeline->counters;
		if (sl_pipeline_new(&options, &pipeline->pipeline) == 0)
			return 0;
	}
	bench_flows_pipeline_fini(pipeline);
	return sl_error_set(err, SL_ERR_NO_MEMORY, "", "no memory for %u flows", config->max);
}

void
bench_flows_pipeline_fini(struct bench_flows_pipeline *pipeline)
{
	sl_pipeline_free(pipeline->pipeline);
	sl_counters_free(pipeline->counters);
	memset(pipeline, 0, sizeof(*pipeline));
}

/* --- Options. --- */

/* "10000,100000" */
static bool
read_sizes(struct bench_flows *run, const char *text)
{
	char copy[128], *rest = copy, *one;

	snprintf(copy, sizeof(copy), "%s", text);
	for (run->n_sizes = 0; (one = strsep(&rest, ",")) != NULL; run->n_sizes++) {
		if (run->n_sizes == BENCH_FLOWS_SIZES_MAX) {
			fprintf(stderr, "sluice-bench: --flows: \"%s\"; allowed: at most %d\n",
				text, BENCH_FLOWS_SIZES_MAX);
			return false;
		}
		if (!bench_number32("--flows", one, 1000, 20000000, &run->sizes[run->n_sizes]))
			return false;
	}
	return true;
}

static bool
read_cases(bool wanted[], const char *text)
{
	const char *at = text;

	memset(wanted, 0, SL_ARRAY_LEN(cases) * sizeof(wanted[0]));
	for (;;) {
		size_t len = strcspn(at, ","), i = 0;

		while (i < SL_ARRAY_LEN(cases) &&
			(strlen(cases[i].name) != len || memcmp(cases[i].name, at, len) != 0))
			i++;
		if (i == SL_ARRAY_LEN(cases)) {
			fprintf(stderr,
				"sluice-bench: --only: \"%s\"; allowed: table, new, stall, storm, "
				"storm-wire, wire, filters\n",
				text);
			return false;
		}
		wanted[i] = true;
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

static bool
take_option(struct bench_flows *run, bool wanted[], int option, const char *text)
{
	switch (option) {
	case 'o':
		return read_cases(wanted, text);
	case 'f':
		return read_sizes(run, text);
	case 's':
		return bench_number32("--seconds", text, 1, 60, &run->seconds);
	case 'n':
		return bench_number32("--repeat", text, 1, BENCH_FLOWS_REPEAT_MAX, &run->repeat);
	case 't':
		run->testpmd = text;
		return true;
	case 'j':
		run->json_path = text;
		return true;
	default:
		return false;
	}
}

static int
options(struct bench_flows *run, bool wanted[], int argc, char **argv)
{
	static const struct option names[] = {
		{"only", required_argument, NULL, 'o'},
		{"flows", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},
		{"repeat", required_argument, NULL, 'n'},
		{"testpmd", required_argument, NULL, 't'},
		{"json", required_argument, NULL, 'j'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (!take_option(run, wanted, option, optarg))
			return 2;
	if (optind == argc)
		return 0;
	fprintf(stderr, "sluice-bench flows: \"%s\"; allowed: nothing but options\n", argv[optind]);
	return 2;
}

int
bench_flows(int argc, char **argv)
{
	struct bench_flows run = {.seconds = 3, .repeat = 3, .testpmd = "dpdk-testpmd"};
	bool wanted[SL_ARRAY_LEN(cases)];
	struct sl_error err = {0};
	cpu_set_t cpus;
	json_t *json;
	int rc;

	memset(wanted, true, sizeof(wanted));
	rc = options(&run, wanted, argc, argv);
	if (rc != 0)
		return rc;
	run.results = json_array();
	run.cpu = bench_cpus_get().last;
	printf("%-44s %18s %26s %10s\n", "case", "sluice", "peer", "figure");
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (size_t i = 0; rc == 0 && i < SL_ARRAY_LEN(cases); i++) {
		if (!wanted[i])
			continue;
		rc = cases[i].run(&run, &err);
		/* Each keeps to the CPU that it wants. */
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	if (rc != 0)
		fprintf(stderr, "sluice-bench: %s%s%s\n", err.where,
			err.where[0] == '\0' ? "" : ": ", err.text);
	json = json_pack("{s:i, s:i, s:o}", "seconds", (int)run.seconds, "rounds", (int)run.repeat,
		"results", run.results);
	if (rc == 0)
		rc = bench_write_json(run.json_path, json);
	json_decref(json);
	return rc == 0 ? 0 : 1;
}
