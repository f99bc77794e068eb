/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/counter_pool.h"

#include "telemetry/sl_counters.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ROOM_MIN 64u

static int
make_room(struct counter_pool *pool)
{
	size_t n_max = pool->n_max < ROOM_MIN ? ROOM_MIN : pool->n_max * 2;
	uint32_t *list;

	if (pool->n_given < pool->n_max)
		return 0;
	list = reallocarray(pool->free, n_max, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	pool->free = list;
	pool->n_max = n_max;
	return 0;
}

int
sl_control_counter_take(struct counter_pool *pool, uint32_t *index)
{
	if (pool->n_free > 0) {
		*index = pool->free[--pool->n_free];
		return 0;
	}
	if (pool->n_given == SL_COUNTERS_FILTERS_MAX)
		return -ENOSPC;
	if (make_room(pool) != 0)
		return -ENOMEM;
	*index = pool->n_given++;
	return 0;
}

void
sl_control_counter_return(struct counter_pool *pool, uint32_t index)
{
	assert(index < pool->n_given && pool->n_free < pool->n_given);
	pool->free[pool->n_free++] = index;
}

void
sl_control_counter_pool_fini(struct counter_pool *pool)
{
	free(pool->free);
	*pool = (struct counter_pool){0};
}
