/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_flow_table.h"

#include "bench_appliance.h"
#include "bench_cpu.h"
#include "bench_flows.h"

#include <rte_eal.h>
#include <rte_memory.h>

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 15u /* of lookups, for each of --repeat */

/* The table by itself as a case of sluice-bench flows: a process with EAL, and the lines. */

/* Large pages for the peer too, as the table has them. */
static int
ask_large_pages(
	const struct rte_memseg_list *list, const struct rte_memseg *segment, size_t len, void *arg)
{
	(void)list;
	(void)arg;
	(void)madvise(segment->addr, len, MADV_HUGEPAGE);
	return 0;
}

static int
start_eal(struct sl_error *err)
{
	const char *const args[] = {"sluice-bench", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "-m", "3072", "--lcores", "0@0", "--log-level=error",
		"--force-max-simd-bitwidth=512"};
	char *argv[SL_ARRAY_LEN(args) + 1] = {0};
	struct bench_cpus cpus = bench_cpus_get();
	char lcores[32];

	for (size_t i = 0; i < SL_ARRAY_LEN(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	snprintf(lcores, sizeof(lcores), "0@%d", SL_MAX(cpus.last, 0));
	argv[8] = lcores;
	if (rte_eal_init(SL_ARRAY_LEN(args), argv) < 0)
		return sl_error_set(
			err, SL_ERR_NO_MEMORY, "", "cannot start EAL with 3,072 MB for rte_hash");
	/* EAL's folder for files that processes share: we have none. */
	(void)rmdir(rte_eal_get_runtime_dir());
	rte_memseg_contig_walk(ask_large_pages, NULL);
	return 0;
}

static void
say(struct bench_flows *run, const struct bench_flow_table *figures)
{
	char name[64], ours[32], peer[32];

	snprintf(name, sizeof(name), "lookup, ns, %u flows, beside rte_hash", figures->n_flows);
	snprintf(ours, sizeof(ours), "%.1f", figures->lookup_ns);
	snprintf(peer, sizeof(peer), "%.1f", figures->peer_ns);
	bench_flows_line(run, name, ours, peer, figures->ratio);
	snprintf(name, sizeof(name), "bytes a flow, %u flows", figures->n_flows);
	snprintf(ours, sizeof(ours), "%.1f stated", figures->bytes_stated);
	bench_flows_line(run, name, ours, NULL, figures->bytes);
	snprintf(name, sizeof(name), "additions, millions a second, %u flows", figures->n_flows);
	snprintf(ours, sizeof(ours), "%.2f", figures->adds / 1e6);
	bench_flows_line(run, name, ours, NULL, figures->adds / 1e6);
	snprintf(name, sizeof(name), "naming who is due, us, %u flows", figures->n_flows);
	snprintf(ours, sizeof(ours), "%.1f at most", figures->due_us);
	bench_flows_line(run, name, ours, NULL, figures->due_most_us);
}

/* What the child does: figures of each size into the pipe. Its exit status. */
static int
measure_all(const struct bench_flows *run, int output)
{
	static const uint32_t usual[] = {10000, 100000, 1000000, 10000000};
	const uint32_t *sizes = run->n_sizes > 0 ? run->sizes : usual;
	const size_t n = run->n_sizes > 0 ? run->n_sizes : SL_ARRAY_LEN(usual);
	struct bench_flow_table figures;
	struct sl_error err = {0};
	int rc = start_eal(&err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = bench_flow_table_measure(sizes[i], TURNS * run->repeat, &figures, &err);
		if (rc == 0)
			rc = bench_appliance_report(output, &figures, sizeof(figures), &err);
	}
	if (rc != 0)
		fprintf(stderr, "sluice-bench: %s\n", err.text);
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}

/* What the child has written: all or nothing of each size. */
static void
take_all(struct bench_flows *run, int input)
{
	struct bench_flow_table figures;
	FILE *file = fdopen(input, "r");

	if (file == NULL) {
		close(input);
		return;
	}
	while (fread(&figures, sizeof(figures), 1, file) == 1)
		say(run, &figures);
	fclose(file);
}

/* In a process of its own, because EAL starts once a process and other cases want another one. */
int
bench_flows_table(struct bench_flows *run, struct sl_error *err)
{
	int ends[2], status;
	pid_t child;

	if (pipe(ends) != 0)
		return sl_error_set(err, SL_ERR_IO, "", "no pipe");
	if (run->cpu >= 0)
		bench_cpu_stay(run->cpu);
	fflush(NULL);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		_exit(measure_all(run, ends[1]));
	}
	close(ends[1]);
	take_all(run, ends[0]);
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		return sl_error_set(err, SL_ERR_IO, "", "the table could not be measured");
	return 0;
}
