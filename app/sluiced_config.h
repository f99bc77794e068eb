/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SLUICED_CONFIG_H
#define SLUICED_CONFIG_H

/*
 * The daemon's configuration file: strict JSON, every fault reported at once with its JSON pointer.
 *
 *   links      required: [{"name", "inside", "outside", "mtu", "inside_profile", "outside_profile",
 *              "flow_zone": 0..255, the link's place by default; links of one zone share flows}]
 *   workers    "auto" or 1..64
 *   poll       "adaptive" or "busy"
 *   burst      1..64 packets
 *   descriptors {"rx", "tx"}: 64..32768 a queue
 *   memory     {"hugepages": false, "megabytes": 512, "compiled_megabytes": most for compiled filters}
 *   api        {"socket", "mode": "0660", "group", "body_max", "request_memory_max", "connections_max",
 *              "timeout_s"}
 *   policy     files, in order
 *   plugins    folders
 *   events     {"rate": events a second and worker, "log": events kept}
 *   flows      see flows_config.h
 *   eal        arguments for DPDK
 *   log_level  "error", "warning", "notice", "info" or "debug"
 *   store      accepted; objects made by calls are not kept yet
 *
 * Threads. Control thread.
 */

#include "api/sl_api.h"
#include "base/sl_error.h"
#include "base/sl_log.h"
#include "datapath/sl_datapath.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Strings belong to `json`. */
struct sluiced_config {
	json_t *json;
	struct sl_datapath_config datapath;
	struct sl_link_config links[SL_DATAPATH_LINKS_MAX];
	struct sl_api_config api;
	const char **policy_files;
	uint32_t n_policy_files;
	const char **plugin_folders;
	uint32_t n_plugin_folders;
	const char **eal;
	const char *store;      /* NULL: not given */
	const char *flows_save; /* NULL: flows are not kept over a restart */
	uint32_t event_log;
	size_t compile_memory_max; /* bytes; 0: no limit */
	enum sl_log_level log_level;
};

/*
 * Reads and checks the file at `path`; nothing is opened.  0; or a negative errno with every fault in
 * `problems`, whose details begin with the file's name when it cannot be read at all.  Call sluiced_config_fini
 * in either case.
 */
int sluiced_config_load(struct sluiced_config *config, const char *path,
	struct sl_problems *problems) SL_MUST_CHECK;
void sluiced_config_fini(struct sluiced_config *config);

#endif
