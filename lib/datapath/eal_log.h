/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_EAL_LOG_H
#define SL_DATAPATH_EAL_LOG_H

/*
 * DPDK's log as part of ours.
 *
 * DPDK has one log per process, so this is one per process as well.  Errors become warnings (whoever
 * called DPDK says what they mean), everything else is for debugging.
 */

#include "base/sl_compiler.h"

/* Takes DPDK's log over. 0 or -ENOMEM. Call before rte_eal_init; again is harmless. */
int eal_log_open(void) SL_MUST_CHECK;

#endif
