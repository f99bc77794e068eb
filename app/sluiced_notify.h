/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLUICED_NOTIFY_H
#define SLUICED_NOTIFY_H

/* What the service manager is told (sd_notify(3)): nothing happens when it does not ask. */

/* Sends `state`, such as "READY=1", to the socket of NOTIFY_SOCKET. */
void sluiced_notify(const char *state);

#endif
