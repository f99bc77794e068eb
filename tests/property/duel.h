/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_DUEL_H
#define TESTS_PROPERTY_DUEL_H

/*
 * The compiled classifier, in every form that the processor can run, against the reference; and the
 * report of a difference, with the fewest filters that still make it.
 */

#include "generate.h"

struct duel {
	uint64_t seed;
	const char *shape; /* what kind of policy it is, for reports */
	struct sl_matches compiled;
	struct sl_matches reference;
	uint64_t n_packets; /* judged so far, each by all forms */
	uint64_t n_runs;    /* classifications by forms */
	uint64_t n_matches; /* that the reference found */
};

void duel_init(struct duel *duel, const char *shape);
void duel_fini(struct duel *duel);

/* The first packet, of 1..SL_BATCH_MAX, on which the reference and a form differ, or `n`. */
uint32_t duel_run(struct duel *duel, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n);

/* Says what every form and the reference find for a packet. */
void
duel_print(struct duel *duel, const struct sl_layer_program *layer, const struct sl_meta *meta);

/*
 * Says on standard error how the engines differ about packet `bad` of a batch: shape, seed, layer,
 * the fewest filters and the packet.  Removes filters from the generator's policy.
 */
void duel_report(struct duel *duel, struct generator *g, const struct sl_meta *const metas[],
	uint32_t n, uint32_t bad);

#endif
