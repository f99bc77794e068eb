/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_OPENING_H
#define SL_DATAPATH_OPENING_H

/*
 * What opens TCP connections, told from the rest before it is received, so that a flood of it has a queue of its own to
 * overflow.
 */

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#define OPENING_PROGRAM_MAX 40u /* instructions */

/*
 * Writes a program of classic BPF for a packet socket of Ethernet frames (SO_ATTACH_FILTER): with `is_wanted` it
 * takes TCP segments with SYN and without ACK, in IPv4 or IPv6 directly, that are no fragments and behind no second
 * VLAN tag; without it everything else.  Any frame is taken by just one of the two, however short it is.
 * Returns how many instructions.
 */
uint32_t opening_program(bool is_wanted, struct sock_filter program[OPENING_PROGRAM_MAX]);

#endif
