/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef APP_CTL_FLOWS_H
#define APP_CTL_FLOWS_H

/* sluicectl flows: ctl_flows.c asks, ctl_flows_show.c shows. */

#include "ctl.h"

void ctl_flows_show_list(const struct ctl *ctl, const json_t *list);
ctl_show_fn ctl_flows_show_one, ctl_flows_show_stats;

#endif
