/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_PRIVILEGE_H
#define SL_DATAPATH_PRIVILEGE_H

/* Which capabilities of capabilities(7) the process has. Control thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * True when every capability of `mask` (bit CAP_x) is effective; else the names of the missing ones,
 * "CAP_NET_RAW, CAP_NET_ADMIN", go to `missing`.
 */
bool privilege_has(uint64_t mask, char *missing, size_t size);

#endif
