/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_SIPHASH_H
#define SL_BASE_SIPHASH_H

/*
 * SipHash-1-3: one compression and three finalisation rounds (Aumasson and Bernstein, 2012).  Keyed,
 * so that clients who choose the strings of a table cannot choose its collisions.
 */

#include <stddef.h>
#include <stdint.h>

/* The hash of `len` bytes under a 128-bit key, of which key[0] holds the first eight bytes. */
uint64_t sl_siphash(const uint64_t key[2], const void *data, size_t len);

#endif
