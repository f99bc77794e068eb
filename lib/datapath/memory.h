/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_MEMORY_H
#define SL_DATAPATH_MEMORY_H

/*
 * Memory: whether the machine has it, and the pools of packet buffers.
 *
 * A buffer holds SL_PACKET_WINDOW bytes, which take the headers of nearly every packet; longer
 * packets take several buffers.  Each link has a pool of its own: a link that is stuck cannot take
 * the buffers of another.
 *
 * Threads. Control thread.
 */

#include "base/sl_error.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;

/* Refuses with NO_MEMORY, need and have, when the machine cannot give `megabytes`. */
int memory_check(uint32_t megabytes, bool hugepages, struct sl_error *err) SL_MUST_CHECK;

/*
 * A pool for one of `n_links` links.  `n_min`: buffers that its queues and workers may hold at once.  Half of
 * `megabytes` is shared by the pools, up to `n_max` buffers each (0: 32,768).
 */
int memory_pool_new(uint32_t index, uint32_t n_links, uint32_t n_min, uint32_t n_max,
	uint32_t megabytes, struct rte_mempool **out, struct sl_error *err) SL_MUST_CHECK;
/* Buffers of a pool beyond those for which `n_min` asked. */
uint32_t memory_pool_spare(const struct rte_mempool *pool, uint32_t n_min);

#endif
