/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_PACKET_H
#define TESTS_PROPERTY_PACKET_H

/*
 * Packets that meet filters.  What an absent field holds must not matter: the bytes of all slots
 * are garbage before values are put, texts' pointers included.
 *
 * A packet is valid until another TEXTS_MAX texts were put into packets.
 */

#include "generate.h"

/* A random packet for the layer, out of the generator's corners where it has any. */
void generator_meta(struct generator *g, struct sl_meta *meta);

/* The filters of a program that packets are aimed at: ranks may have gaps. */
struct targets {
	const struct sl_layer_program *program;
	uint32_t *ranks; /* in arbitration order */
	uint32_t n;
};

void targets_init(struct targets *targets, const struct sl_layer_program *program);
void targets_fini(struct targets *targets);

/*
 * A random packet turned towards filters of a program: it has values at the ends of one filter's
 * conditions, or just outside, and often those of a second filter for some of the fields.
 */
void packet_aim(struct generator *g, const struct targets *targets, struct sl_meta *meta);

/* Gives the packet values that fit the filter, or nearly, for `percent` of its fields. */
void packet_turn(struct generator *g, const struct sl_filter_run *filter, uint32_t percent,
	struct sl_meta *meta);

#endif
