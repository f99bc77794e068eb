/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLUICED_FLOWS_H
#define SLUICED_FLOWS_H

/*
 * Flows from one life of the daemon to the next: the configuration's `flows.save`.
 *
 * Neither stops the daemon: a file that cannot be used is told of in the log, and connections begin anew.
 * Threads. Main thread, while no worker runs.
 */

#include "control/sl_control.h"
#include "flow/sl_flow_config.h"

/* Takes what an earlier life left. NULL path: nothing. */
void sluiced_flows_load(
	struct sl_control *control, const char *path, const struct sl_flow_config *config);
/* Leaves what there is for a later one. NULL path: nothing. */
void sluiced_flows_save(struct sl_control *control, const char *path);

#endif
