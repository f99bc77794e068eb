/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_EAL_H
#define SL_DATAPATH_EAL_H

/*
 * DPDK's environment: its arguments made from our configuration, its log turned into ours, its lcores.
 *
 * EAL can be initialised once in a process's life, even after it was cleaned up.
 *
 * Lcores.  Lcore 0 is the control thread, on all CPUs the process may use; workers are lcores 1, 2 ... each
 *          on a CPU of its own, taken from the last allowed CPU downwards.  With more workers than CPUs no
 *          worker is pinned and the scheduler decides.
 * Threads. Control thread.
 */

#include "base/sl_error.h"
#include "datapath/sl_datapath.h"

#include <stdbool.h>
#include <stdint.h>

struct eal {
	bool is_up;
	uint32_t n_workers;
	unsigned int lcores[SL_DATAPATH_WORKERS_MAX]; /* of worker i */
	int32_t cpus[SL_DATAPATH_WORKERS_MAX];        /* -1: not pinned */
};

/* How many workers "auto" means here: one per allowed CPU but one, at least 1. */
uint32_t eal_workers_auto(void);

/*
 * Initialises EAL for `n_workers` workers.  `pci` are the addresses of the PCI functions that it may touch.
 * NO_MEMORY says need and have; CONFIGURATION carries EAL's own words.
 */
int eal_init(const struct sl_datapath_config *config, uint32_t n_workers, const char *const *pci,
	uint32_t n_pci, struct eal *eal, struct sl_error *err) SL_MUST_CHECK;
/* Twice is harmless. */
void eal_fini(struct eal *eal);

/* The newest line that DPDK logged as an error since eal_clear_error; "" when there was none. */
const char *eal_last_error(void);
void eal_clear_error(void);

#endif
