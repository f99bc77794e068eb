/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_DEVICE_H
#define SL_DATAPATH_DEVICE_H

/*
 * Devices as an operator writes them: "af_packet:eth1", "pci:0000:3b:00.0", "pcap:rx=FILE,tx=FILE".
 *
 * A specification is taken apart here and turned into what DPDK calls a device; what the machine lacks
 * for it (the interface, a capability, a file) is found out before DPDK is asked, because DPDK only
 * answers "no".
 *
 * Threads. Control thread; no state.
 */

#include "base/sl_error.h"

#include <net/if.h>
#include <stdbool.h>

enum device_kind {
	DEVICE_PCI,
	DEVICE_AF_PACKET, /* our own packet socket; the others are DPDK's */
	DEVICE_AF_XDP,
	DEVICE_TAP,
	DEVICE_PCAP,
	DEVICE_MEMIF,
	DEVICE_NULL,
	DEVICE_VDEV,
	DEVICE_KIND_COUNT
};

struct device {
	enum device_kind kind;
	char spec[256];              /* as written */
	char name[64];               /* DPDK's name of it: "net_pcap0", "0000:3b:00.0" */
	char args[512];              /* DPDK's arguments for it */
	char interface[IF_NAMESIZE]; /* kernel interface it stands on; "" when there is none */
	bool has_mtu; /* frames have a greatest length (not so for files and nothing) */
};

/*
 * Takes `spec` apart; `index` makes the device's name unique in the process.  CONFIGURATION when the form is
 * wrong; the error's text says what was found and what is allowed.
 */
int device_parse(const char *spec, unsigned int index, struct device *device,
	struct sl_error *err) SL_MUST_CHECK;
/*
 * Finds out whether the machine has what the device needs.  PORT_NOT_FOUND: interface, PCI function or
 * file is missing; PERMISSION: names the missing capabilities; PORT_FAILED: bound to another driver, or not
 * Ethernet.
 */
int device_probe(const struct device *device, struct sl_error *err) SL_MUST_CHECK;

#endif
