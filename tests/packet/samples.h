/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PACKET_SAMPLES_H
#define TESTS_PACKET_SAMPLES_H

/*
 * Hand-made packets: at least one for every fault that the parser names, and one for every layout that
 * it takes.  Unit tests look at what becomes of them, whole and cut; the fuzzers start from them.
 */

#include "packet/sl_build.h"
#include "packet/sl_packet.h"

#include <stdint.h>

struct sample {
	const char *name;
	void (*make)(struct sl_build *build); /* appends; what must be wrong is set after finish */
	enum sl_link_type link;
	enum sl_reason reason; /* what the parser says of it */
};

struct sample_group {
	const struct sample *samples;
	uint32_t n;
};

extern const struct sample_group samples_link, samples_ip4, samples_ip6, samples_transport,
	samples_icmp;

/* The i-th of all samples, or NULL behind the last. */
const struct sample *sample_get(uint32_t i);

/* --- Beginnings of packets. --- */

#define SAMPLE_SRC4 0xc0000201u /* 192.0.2.1 */
#define SAMPLE_DST4 0xc6336402u /* 198.51.100.2 */

extern const uint8_t sample_mac[2][6];  /* destination, source */
extern const uint8_t sample_ip6[2][16]; /* source, destination */

void sample_ethernet(struct sl_build *build);
/* Ethernet and IP. */
void sample_ip4(struct sl_build *build);
void sample_ip6_header(struct sl_build *build);
/* `n` bytes of payload that count up. */
void sample_payload(struct sl_build *build, uint32_t n);
/* Sets the IPv4 fragment member: offset in bytes, more-fragments; the checksum stays right. */
void sample_fragment4(struct sl_build *build, uint32_t offset, bool is_more);
/* An IPv6 fragment header; offset in bytes. */
void sample_fragment6(struct sl_build *build, uint32_t offset, bool is_more);
/* Cuts the packet off at `len` bytes, IP lengths made to fit. */
void sample_shorten(struct sl_build *build, uint32_t len);

#endif
