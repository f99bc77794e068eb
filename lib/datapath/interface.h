/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DATAPATH_INTERFACE_H
#define SL_DATAPATH_INTERFACE_H

/* What the kernel says of a network interface, in the caller's namespace. Control thread; no state. */

#include "base/sl_error.h"

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct interface {
	int index; /* 0: there is none */
	uint16_t mtu;
	uint8_t mac[6];
	bool is_up;          /* up and with carrier */
	uint32_t speed_mbps; /* 0: unknown */
};

/* False when there is no such interface (or it cannot be asked). */
bool interface_get(const char *name, struct interface *interface);
/* Sets the MTU of an interface. */
int interface_set_mtu(const char *name, uint16_t mtu, struct sl_error *err) SL_MUST_CHECK;

/*
 * Switches off that the kernel merges received packets into longer ones (GRO, LRO), which no port could send.
 * False when it goes on merging.
 */
bool interface_stop_merging(const char *name);

/*
 * The bridge, bond or team that the interface is a part of; false when it is in none.  Such a master would
 * carry packets past us.
 */
bool interface_master(const char *name, char master[IF_NAMESIZE]);
/* An IP address of the interface; false when it has none. The kernel answers for it, past us. */
bool interface_address(const char *name, char address[INET6_ADDRSTRLEN]);

#endif
