/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FLOWS_CONFIG_H
#define FLOWS_CONFIG_H

/*
 * The object `flows` of a configuration: how flows and fragments are kept.  The same in the daemon's file and
 * in that of sluice-replay --flows.
 *
 *   max          0..134217728 flows; 0: none are kept
 *   contexts     0..134217728 contexts of callouts
 *   enforce      "auto", "always" or "never": when state may cost a packet its way
 *   on_full      "block" or "permit_untracked"
 *   tcp          "strict" or "loose"
 *   tcp_checksum "control", "all" or "ignore": segments whose checksum is verified
 *   midstream    "adopt" or "drop"
 *   icmp_errors  "related" or "any"
 *   reauth       "lazy" or "sweep"
 *   multicast    "allow" or "deny"
 *   reject       true: a revoked TCP flow is reset at both ends
 *   events       true: net events of flows from the start
 *   save         absolute path of the file that keeps flows over a restart
 *   timeouts     {"tcp_syn", "tcp_established", "tcp_fin", "tcp_time_wait", "tcp_rst", "udp", "icmp", "sctp",
 *                "other", "multicast", "ended"}: seconds, 1..604800, in steps of 0.1
 *   fragments    {"reassemble": "auto", "always" or "never", "datagrams", "held", "per_source", "timeout":
 *                seconds 1..300, "megabytes"}
 *   pend         {"max": 0..65536 flows that wait for a callout, "packets": 0..64 and "kilobytes": 0..1024 held of
 *                one, "timeout": seconds 1..300}
 *
 * Threads. Control thread.
 */

#include "base/sl_compiler.h"
#include "base/sl_error.h"
#include "flow/sl_flow_config.h"

#include <jansson.h>

/*
 * Reads `json` over what `config` holds already (see sl_flow_config_init): members that are absent change
 * nothing.  `pointer` is where `json` stands ("/flows"), "" for a file of its own; NULL json: absent.  `*save`
 * (which may be NULL) receives the path of `save`, borrowed from `json`, or NULL when there is none.
 * 0, or -EINVAL with every fault in `problems`.
 */
int app_flows_config_read(const json_t *json, const char *pointer, struct sl_flow_config *config,
	const char **save, struct sl_problems *problems) SL_MUST_CHECK;

#endif
