/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_CTL_FLOWS_H
#define APP_CTL_FLOWS_H

/* sluicectl flows: ctl_flows.c asks, ctl_flows_show.c shows, ctl_flows_watch.c does both again and again. */

#include "ctl.h"

void ctl_flows_show_list(const struct ctl *ctl, const json_t *list);
/* The list of `path`, every `interval_ms`, until the program is interrupted or a call fails. */
int ctl_flows_watch(struct ctl *ctl, const char *path, size_t n_max, uint32_t interval_ms);
ctl_show_fn ctl_flows_show_one, ctl_flows_show_stats;

#endif
