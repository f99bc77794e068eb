/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_FINDS_RUN_H
#define SL_CLASSIFIER_FINDS_RUN_H

/* From what the leaves gave to a packet's match list. */

#include "classifier/program.h"

#include <stdint.h>

/* Matches kept while a chunk is under way; packets with more are done again on their own. */
#define SL_FINDS_SHORT 16u

/* Where matches of one packet are put. `n` counts all, the first `n_max` are kept. */
struct sl_finds {
	uint32_t *places;
	uint32_t n;
	uint32_t n_max;
};

/*
 * Sorts the places of one packet and keeps of each sublayer what comes up to its first terminal
 * match.  Returns how many are left.
 */
uint32_t sl_finds_settle(const struct sl_program *program, uint32_t *places, uint32_t n);

#endif
