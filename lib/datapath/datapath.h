/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_PRIVATE_H
#define SL_DATAPATH_PRIVATE_H

/* Inside of a datapath: for datapath.c, which makes and runs it, and plane.c, which shows it to control. */

#include "datapath/eal.h"
#include "datapath/links.h"
#include "datapath/sl_datapath.h"
#include "datapath/worker.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct sl_datapath {
	struct worker_shared shared;
	struct sl_plane plane;
	struct eal eal;
	struct links links;
	uint32_t n_workers;
	struct worker *workers[SL_DATAPATH_WORKERS_MAX];
	bool is_started;
	pthread_mutex_t lock; /* ports and what is told of them */
};

extern const struct sl_plane_ops datapath_plane_ops;

/* Returns when every worker has passed a quiescent state; `ctx` is the datapath. */
void datapath_synchronize(void *ctx);

#endif
