/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FLOW_MAKE_H
#define TESTS_FLOW_MAKE_H

/* Tables and keys for tests of flows. */

#include "flow/sl_flow.h"

#define MAKE_START_NS 1700000000000000000u /* when tables begin */
#define MAKE_MS       1000000u
#define MAKE_S        1000000000u

/* A configuration as set out, with a hash key that is the same each time. */
void make_config(struct sl_flow_config *config, uint32_t max);
/* Fails the test when there is none. */
struct sl_flow_table *make_table(uint32_t max);
/* The i-th of keys that differ all: IPv4 for even numbers, IPv6 for odd ones; TCP, UDP, ICMP ... in turn. */
void make_key(struct sl_flow_key *key, uint32_t i);
/* One at a time. */
struct sl_flow *make_find(const struct sl_flow_table *table, const struct sl_flow_key *key);
struct sl_flow *
make_add(struct sl_flow_table *table, uint32_t i, enum sl_flow_class class, uint64_t now_ns);

#endif
