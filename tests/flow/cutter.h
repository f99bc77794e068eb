/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FLOW_CUTTER_H
#define TESTS_FLOW_CUTTER_H

/* Datagrams, and fragments of them, for tests of reassembly. */

#include "flow/sl_fragment.h"
#include "packet/sl_build.h"

#include <stdbool.h>
#include <stdint.h>

#define CUTTER_FRAME_MAX SL_DATAGRAM_BUFFER

/* How a datagram is made. */
struct cutter_plan {
	uint8_t ip_version;
	uint8_t protocol;  /* 17, 6, 1 or 58; anything else has payload alone */
	uint8_t n_vlans;   /* tags, VIDs 1, 2 ... */
	uint8_t n_options; /* IPv4: bytes of options */
	uint8_t n_before; /* IPv6: headers in front of the fragment header: hop-by-hop, routing, destination */
	bool has_after; /* IPv6: destination options behind it */
	bool is_snap;   /* IP in 802.3 */
	uint32_t src;   /* last four bytes of the address, or all of it */
	uint32_t id;
	uint32_t n_payload; /* bytes behind the transport header */
};

/* A packet that has not been split. */
struct cutter_whole {
	uint8_t bytes[CUTTER_FRAME_MAX];
	uint32_t length;
	uint32_t l3;
	uint32_t split;    /* where what can be split begins */
	uint32_t named_at; /* IPv6: of the byte that will name the fragment header */
	uint32_t id;
	uint32_t n; /* bytes that can be split */
	uint8_t ip_version;
	bool is_snap;
};

/* The payload's bytes depend on the identification. */
void cutter_make(struct cutter_whole *whole, const struct cutter_plan *plan);
/*
 * Writes the fragment with n bytes from `offset` on, a multiple of 8; returns its length.  Bytes behind the
 * datagram's end are 0xee.  The packet must fit into `bytes`.
 */
uint32_t cutter_cut(const struct cutter_whole *whole, uint32_t offset, uint32_t n, bool is_last,
	uint8_t *bytes);
/* Offset of the payload in a fragment. */
uint32_t cutter_payload_at(const struct cutter_whole *whole);
/* Parses the bytes, inbound, Ethernet. */
void
cutter_parse(const uint8_t *bytes, uint32_t length, struct sl_frame *frame, struct sl_meta *meta);

#endif
