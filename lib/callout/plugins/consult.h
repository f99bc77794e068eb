/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_CONSULT_H
#define PLUGINS_CONSULT_H

/* What the parts of consult say to each other: a question from a worker, and the verdict that comes back. */

#include <stdint.h>

/* What came of a question. 0 is none. */
enum consult_verdict {
	CONSULT_PERMIT = 1,
	CONSULT_BLOCK,
	CONSULT_UNREACHABLE, /* nobody answered, or nothing that is an answer */
	CONSULT_FULL,        /* there was no room for the question */
	CONSULT_UNASKED      /* here nobody can be asked */
};

/* A flow that somebody is to be asked about. */
struct consult_question {
	uint64_t token;
	uint64_t filter;     /* its run-time id */
	uint32_t link;       /* number of whom to ask */
	uint32_t timeout_ms; /* for the answer */
	uint32_t layer;      /* enum sluice_layer: ale_auth_connect or ale_auth_recv_accept */
	uint8_t protocol;
	uint8_t has_ports;
	uint8_t is_outbound;
	uint16_t local_port; /* ICMP: the type */
	uint16_t remote_port;
	uint8_t local_address[16]; /* network order; IPv4 in the first four, then zeros */
	uint8_t remote_address[16];
};

/*
 * What complete is given: the verdict and who gave it.  Of several programs each answers for itself, and one that was
 * not asked has said nothing.
 */
static inline uint64_t
consult_answer(uint32_t link, enum consult_verdict verdict)
{
	return (uint64_t)link << 8 | (uint64_t)verdict;
}

static inline uint32_t
consult_answer_link(uint64_t answer)
{
	return (uint32_t)(answer >> 8);
}

static inline enum consult_verdict
consult_answer_verdict(uint64_t answer)
{
	return (enum consult_verdict)(answer & 0xff);
}

#endif
