/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONTROL_COUNTER_POOL_H
#define CONTROL_COUNTER_POOL_H

/*
 * Indexes of filter counters: given to a filter's key, taken back when the key is gone and given to
 * another one later, most recently returned first so that few pages are in use.
 *
 * Threads. One writer.  Private to the room.
 */

#include "base/sl_compiler.h"

#include <stddef.h>
#include <stdint.h>

/* Zero-initialise before use. */
struct counter_pool {
	uint32_t *free; /* returned indexes */
	size_t n_free;
	size_t n_max;     /* room in `free`: never less than `n_given` */
	uint32_t n_given; /* indexes from here on were never given */
};

/* 0, -ENOMEM, or -ENOSPC when all SL_COUNTERS_FILTERS_MAX are in use. */
int sl_control_counter_take(struct counter_pool *pool, uint32_t *index) SL_MUST_CHECK;
/* Never fails: the room was made when the index was first given. */
void sl_control_counter_return(struct counter_pool *pool, uint32_t index);
void sl_control_counter_pool_fini(struct counter_pool *pool);

#endif
