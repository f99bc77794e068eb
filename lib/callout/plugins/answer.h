/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_ANSWER_H
#define PLUGINS_ANSWER_H

/*
 * What an IP packet that was refused is answered with, as the host it was sent to would: TCP with a
 * reset (RFC 9293 section 3.10.7.1), UDP with ICMP port unreachable (RFC 792, RFC 1812 section 4.3.2,
 * RFC 4443 sections 2.4 and 3.1).  The answer is a whole frame towards the sender: MAC addresses and IP
 * addresses exchanged, VLAN tags as they were, checksums set.
 *
 * Not answered: resets; fragments but the first one; what was sent to or from a multicast, broadcast,
 * unspecified, loopback or reserved address, or with a multicast MAC address; packets with a source
 * route still to follow; other protocols; packets whose lengths contradict each other.
 *
 * Pure functions, packet time.
 */

#include <stdint.h>

#define ANSWER_SIZE   1514u /* room that an answer needs */
#define QUESTION_SIZE 1514u /* bytes of the packet that are looked at, at most */

enum answer {
	ANSWER_NONE,
	ANSWER_TCP_RESET,
	ANSWER_PORT_UNREACHABLE
};

/* A packet to answer. */
struct question {
	const uint8_t *frame; /* from the Ethernet header on */
	uint32_t readable;    /* bytes at `frame` */
	uint32_t length;      /* bytes of the whole frame */
	uint32_t l2_size;     /* bytes before the IP header: 14 and more */
};

/* Which answer the packet calls for; writes it to `to` (ANSWER_SIZE bytes) and its size to `*size`. */
enum answer answer_build(const struct question *question, uint8_t *to, uint32_t *size);

#endif
