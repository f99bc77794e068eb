/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_SCORE_H
#define SL_CLASSIFIER_SCORE_H

/*
 * What a forest costs a packet: packets made from the boxes themselves walk it, and what they touch
 * is priced.  No clock is asked, so that the same policy always gets the same program.
 */

#include "classifier/forest.h"

/* Keys of packets to try. Zero-initialise; fini. */
struct sl_probes {
	uint32_t (*keys)[SL_KEY_AT_MAX];
	uint32_t n;
};

/* Packets in boxes, and some that are a mixture of two boxes. 0 or -ENOMEM. */
int sl_probes_make(struct sl_probes *probes, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes) SL_MUST_CHECK;
void sl_probes_fini(struct sl_probes *probes);

/* Expected picoseconds for a packet. */
uint32_t sl_forest_score(const struct sl_forest *forest, const struct sl_forest_source *source,
	const struct sl_probes *probes);

#endif
