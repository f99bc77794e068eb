/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_ETHDEV_H
#define SL_DATAPATH_ETHDEV_H

/* The family of ports that DPDK's ethdev serves. For port.c only; same threads. */

#include "datapath/port.h"

int ethdev_open(struct port *port, struct sl_error *err) SL_MUST_CHECK;
int ethdev_configure(struct port *port, uint16_t mtu, struct sl_error *err) SL_MUST_CHECK;
int ethdev_start(struct port *port, struct sl_error *err) SL_MUST_CHECK;
/* See port_read_steer. */
bool ethdev_read_steer(const struct port *port, struct steer *steer);
void ethdev_stop(struct port *port);
/* Twice, and on a port that was never opened, is harmless. */
void ethdev_close(struct port *port);
/* Whether the link is up; brings the port's speed up to date. */
bool ethdev_is_up(struct port *port);
void ethdev_stats(const struct port *port, struct sl_port_info *info);

#endif
