/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PACKET_WORKBENCH_H
#define TESTS_PACKET_WORKBENCH_H

/*
 * What every test of the parser needs: metadata made ready, a parse whose overreads a sanitizer sees,
 * and the rules that hold for any bytes whatsoever.
 */

#include "packet/sl_build.h"
#include "packet/sl_packet.h"

#include <stdbool.h>
#include <stdint.h>

#define WORKBENCH_FRAME_MAX 70000u /* a jumbogram fits */

/* Metadata for packets of a direction, with constants that no packet has. */
void workbench_meta(struct sl_meta *meta, enum sluice_direction direction);

/*
 * Parses a copy of `contiguous` bytes, `length` on the wire, in memory of exactly that size. Returns
 * the rule of workbench_fault that the result breaks, or NULL.
 */
const char *workbench_parse(enum sl_link_type link, enum sluice_direction direction,
	const uint8_t *bytes, uint32_t contiguous, uint32_t length, struct sl_meta *meta);

/* Parses the packet of a builder, finished or not, inbound and whole; fails the test on a broken rule. */
void
workbench_parse_build(enum sl_link_type link, const struct sl_build *build, struct sl_meta *meta);

/*
 * Builds the sample of that name in memory of the workbench, valid until the next call, and parses it
 * whole; fails the test when there is none or a rule is broken.
 */
const struct sl_build *
workbench_sample(const char *name, enum sluice_direction direction, struct sl_meta *meta);

/* The rule that metadata of a frame breaks, or NULL: bounds, presence, consistency. */
const char *
workbench_fault(enum sl_link_type link, const struct sl_frame *frame, const struct sl_meta *meta);

/* The name of a slot present in `part` that is absent from or different in `whole`, or NULL. */
const char *workbench_difference(const struct sl_meta *part, const struct sl_meta *whole);

#endif
