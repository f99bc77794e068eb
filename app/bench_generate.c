/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"
#include "bench_frame.h"
#include "bench_make.h"
#include "bench_traffic.h"
#include "bench_write.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* sluice-bench generate: rule sets and traces that anybody can make again. */

#define HEADERS_MAX 10000000u
#define FRAMES_MAX  65536u /* of a capture: what reads it may hold it in memory, a buffer each */

struct run {
	struct bench_make_spec rules;
	struct bench_traffic_spec traffic;
	const char *out;
	bool has_kind;
	bool wants_frames;
	char prefix[400];
};

static bool
fault(const char *option, const char *text, const char *allowed)
{
	fprintf(stderr, "sluice-bench: %s: \"%s\"; allowed: %s\n", option, text, allowed);
	return false;
}

static bool
take_option(struct run *run, int option, const char *text)
{
	uint32_t n_headers;

	switch (option) {
	case 'k':
		run->has_kind = true;
		return bench_kind_parse(text, &run->rules.kind) ||
			fault("--kind", text, "acl, fw, ipc");
	case 'r':
		return bench_number32("--rules", text, 1, BENCH_MAKE_MAX, &run->rules.n);
	case '6':
		run->rules.is_v6 = true;
		return true;
	case 's':
		return bench_number("--seed", text, 0, UINT64_MAX, &run->rules.seed);
	case 'h':
		if (!bench_number32("--headers", text, 1, HEADERS_MAX, &n_headers))
			return false;
		run->traffic.n_headers = n_headers;
		return true;
	case 't':
		return bench_traffic_parse(text, &run->traffic.traffic) ||
			fault("--traffic", text, "uniform, zipf, corner");
	case 'm':
		return bench_number32("--misses", text, 0, 100, &run->traffic.misses);
	case 'p':
		run->wants_frames = true;
		return true;
	case 'o':
		run->out = text;
		return true;
	default:
		return false;
	}
}

/* Into a folder go files of a name that says what they are. */
static bool
set_prefix(struct run *run)
{
	struct stat st;
	size_t len = strlen(run->out);
	int n;

	if (len > 0 &&
		(run->out[len - 1] == '/' || (stat(run->out, &st) == 0 && S_ISDIR(st.st_mode))))
		n = snprintf(run->prefix, sizeof(run->prefix), "%s%s%s_%s%u", run->out,
			run->out[len - 1] == '/' ? "" : "/", bench_kind_name(run->rules.kind),
			run->rules.is_v6 ? "v6_" : "", run->rules.n);
	else
		n = snprintf(run->prefix, sizeof(run->prefix), "%s", run->out);
	return (len > 0 && n < (int)sizeof(run->prefix) - 8) ||
		fault("--out", run->out, "a folder, or a path of 1 to 390 characters");
}

static int
options(struct run *run, int argc, char **argv)
{
	static const struct option names[] = {
		{"kind", required_argument, NULL, 'k'},
		{"rules", required_argument, NULL, 'r'},
		{"v6", no_argument, NULL, '6'},
		{"seed", required_argument, NULL, 's'},
		{"headers", required_argument, NULL, 'h'},
		{"traffic", required_argument, NULL, 't'},
		{"misses", required_argument, NULL, 'm'},
		{"pcap", no_argument, NULL, 'p'},
		{"out", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int option;

	run->rules.seed = 1;
	run->traffic.n_headers = 100000;
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		if (!take_option(run, option, optarg))
			return 2;
	if (!run->has_kind || run->rules.n == 0 || run->out == NULL || optind != argc) {
		fprintf(stderr,
			"sluice-bench generate: --kind KIND, --rules N and --out PREFIX are "
			"needed, and nothing but options\n");
		return 2;
	}
	run->traffic.seed = run->rules.seed;
	return set_prefix(run) ? 0 : 2;
}

static int
write_all(const struct run *run, const struct bench_rules *rules, const struct bench_trace *trace,
	struct sl_error *err)
{
	char path[sizeof(run->prefix) + 8];
	int rc;

	snprintf(path, sizeof(path), "%s.rules", run->prefix);
	rc = bench_rules_write(path, rules, err);
	snprintf(path, sizeof(path), "%s.trace", run->prefix);
	if (rc == 0)
		rc = bench_trace_write(path, trace, rules->is_v6, err);
	snprintf(path, sizeof(path), "%s.pcap", run->prefix);
	if (rc == 0 && run->wants_frames)
		rc = bench_frames_write(path, trace, rules->is_v6, FRAMES_MAX, err);
	if (rc == 0)
		printf("%s.rules: %zu rules\n%s.trace: %zu headers\n", run->prefix, rules->n,
			run->prefix, trace->n);
	if (rc == 0 && run->wants_frames)
		printf("%s: %zu frames\n", path, SL_MIN(trace->n, (size_t)FRAMES_MAX));
	return rc;
}

int
bench_generate(int argc, char **argv)
{
	struct run run = {0};
	struct bench_rules rules = {0};
	struct bench_trace trace = {0};
	struct sl_error err;
	int rc = options(&run, argc, argv);

	if (rc != 0)
		return rc;
	rc = bench_make(&run.rules, &rules, &err);
	if (rc == 0)
		rc = bench_traffic_make(&rules, &run.traffic, &trace, &err);
	if (rc == 0)
		rc = write_all(&run, &rules, &trace, &err);
	if (rc != 0)
		fprintf(stderr, "sluice-bench: %s: %s\n", err.where, err.text);
	bench_trace_fini(&trace);
	bench_rules_fini(&rules);
	return rc != 0 ? 1 : 0;
}
