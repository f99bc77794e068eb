/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/eal.h"

#include "base/sl_log.h"
#include "datapath/eal_log.h"
#include "datapath/memory.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX 192

/* The argument list under construction; texts are owned. */
struct args {
	char *list[ARGS_MAX];
	int n;
	bool failed;
};

static SL_PRINTF(2, 3) void add(struct args *args, const char *format, ...)
{
	va_list values;

	if (args->n == ARGS_MAX) {
		args->failed = true;
		return;
	}
	va_start(values, format);
	if (vasprintf(&args->list[args->n], format, values) < 0)
		args->failed = true;
	else
		args->n++;
	va_end(values);
}

static void
args_fini(struct args *args)
{
	for (int i = 0; i < args->n; i++)
		free(args->list[i]);
}

/* CPUs the process may use, ascending. Returns how many. */
static uint32_t
allowed_cpus(uint32_t cpus[CPU_SETSIZE])
{
	cpu_set_t set;
	uint32_t n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0) {
		for (uint32_t i = 0; i < CPU_SETSIZE; i++) {
			if (CPU_ISSET(i, &set))
				cpus[n++] = i;
		}
	}
	if (n == 0)
		cpus[n++] = 0;
	return n;
}

uint32_t
eal_workers_auto(void)
{
	uint32_t cpus[CPU_SETSIZE];
	uint32_t n = allowed_cpus(cpus);

	return n <= 1 ? 1 : SL_MIN(n - 1, SL_DATAPATH_WORKERS_MAX);
}

static bool
starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Whether the operator lays out the lcores himself. */
static bool
has_own_lcores(const struct sl_datapath_config *config)
{
	for (uint32_t i = 0; i < config->n_eal; i++) {
		if (starts_with(config->eal[i], "--lcores") || starts_with(config->eal[i], "-l") ||
			starts_with(config->eal[i], "-c"))
			return true;
	}
	return false;
}

/* "--lcores=0@(0,1,2),1@2,2@1": see the header. */
static void
add_lcores(struct args *args, uint32_t n_workers)
{
	uint32_t cpus[CPU_SETSIZE];
	uint32_t n_cpus = allowed_cpus(cpus);
	char all[4096], *layout;
	size_t len = 0, size = 64 + (n_workers + 1) * sizeof(all);

	for (uint32_t i = 0; i < n_cpus && len < sizeof(all) - 8; i++)
		len += (size_t)snprintf(
			all + len, sizeof(all) - len, "%s%u", i == 0 ? "(" : ",", cpus[i]);
	snprintf(all + len, sizeof(all) - len, ")");
	layout = malloc(size);
	if (layout == NULL) {
		args->failed = true;
		return;
	}
	len = (size_t)snprintf(layout, size, "0@%s", all);
	for (uint32_t i = 0; i < n_workers; i++) {
		if (n_workers <= n_cpus)
			len += (size_t)snprintf(
				layout + len, size - len, ",%u@%u", i + 1, cpus[n_cpus - 1 - i]);
		else
			len += (size_t)snprintf(layout + len, size - len, ",%u@%s", i + 1, all);
	}
	add(args, "--lcores=%s", layout);
	free(layout);
}

static void
make_args(struct args *args, const struct sl_datapath_config *config, uint32_t n_workers,
	const char *const *pci, uint32_t n_pci)
{
	add(args, "%s", config->program != NULL ? config->program : "sluiced");
	if (config->hugepages) {
		add(args, "--in-memory");
	} else {
		/* In-memory mode cannot be had without hugepages; this leaves no files either. */
		add(args, "--no-huge");
		add(args, "--no-shconf");
	}
	add(args, "-m");
	add(args, "%u", config->megabytes);
	add(args, "--file-prefix=sluice-%ld", (long)getpid());
	add(args, "--no-telemetry");
	if (!has_own_lcores(config))
		add_lcores(args, n_workers);
	if (n_pci == 0)
		add(args, "--no-pci");
	for (uint32_t i = 0; i < n_pci; i++) {
		add(args, "-a");
		add(args, "%s", pci[i]);
	}
	for (uint32_t i = 0; i < config->n_eal; i++)
		add(args, "%s", config->eal[i]);
}

/* Gives workers their lcores. */
static int
collect_lcores(struct eal *eal, uint32_t n_workers, struct sl_error *err)
{
	unsigned int lcore;

	eal->n_workers = 0;
	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		cpu_set_t set = rte_lcore_cpuset(lcore);

		if (eal->n_workers == n_workers)
			break;
		eal->lcores[eal->n_workers] = lcore;
		eal->cpus[eal->n_workers] =
			CPU_COUNT(&set) == 1 ? (int32_t)rte_lcore_to_cpu_id((int)lcore) : -1;
		eal->n_workers++;
	}
	if (eal->n_workers == n_workers)
		return 0;
	return sl_error_set(err, SL_ERR_CONFIGURATION, "/eal",
		"the EAL arguments leave %u lcores for %u workers", eal->n_workers, n_workers);
}

static int
fail_init(struct sl_error *err)
{
	if (rte_errno == EALREADY)
		return sl_error_set(err, SL_ERR_CONFIGURATION, NULL,
			"DPDK can be initialised only once in a process");
	return sl_error_set(err, rte_errno == ENOMEM ? SL_ERR_NO_MEMORY : SL_ERR_CONFIGURATION,
		NULL, "DPDK does not start: %s (%s)", eal_last_error(), rte_strerror(rte_errno));
}

/*
 * EAL makes a folder for files that processes share.  We have none, and whatever ends this process, nothing
 * of it shall stay.  A folder that is not empty is in use after all and stays.
 */
static void
remove_folder(void)
{
	if (rmdir(rte_eal_get_runtime_dir()) != 0)
		sl_log_debug("cannot remove %s: %s", rte_eal_get_runtime_dir(), strerror(errno));
}

int
eal_init(const struct sl_datapath_config *config, uint32_t n_workers, const char *const *pci,
	uint32_t n_pci, struct eal *eal, struct sl_error *err)
{
	struct args args = {0};
	char *list[ARGS_MAX];
	int rc = memory_check(config->megabytes, config->hugepages, err);

	if (rc != 0)
		return rc;
	rc = eal_log_open();
	if (rc != 0)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory for DPDK's log");
	make_args(&args, config, n_workers, pci, n_pci);
	/* EAL moves the pointers about. */
	memcpy(list, args.list, sizeof(list));
	if (args.failed) {
		rc = sl_error_set(
			err, SL_ERR_NO_MEMORY, "/eal", "too many EAL arguments or no memory");
	} else if (rte_eal_init(args.n, list) < 0) {
		rc = fail_init(err);
	} else {
		eal->is_up = true;
		remove_folder();
		rc = collect_lcores(eal, n_workers, err);
	}
	args_fini(&args);
	return rc;
}

void
eal_fini(struct eal *eal)
{
	if (!eal->is_up)
		return;
	rte_eal_cleanup();
	eal->is_up = false;
}
