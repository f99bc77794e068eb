/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_PATTERN_H
#define SL_CLASSIFIER_PATTERN_H

/*
 * Patterns: what boxes say about single bits of the key.  For each box and pair a mask of the bits
 * that every packet in the box has alike, and their values.  Trees select among such bits.
 */

#include "classifier/layout.h"

struct sl_pattern {
	uint64_t mask;
	uint64_t value; /* 0 outside the mask */
};

struct sl_patterns {
	struct sl_pattern *list; /* n_pairs for each box */
	uint32_t n_pairs;
};

static inline const struct sl_pattern *
sl_pattern_of(const struct sl_patterns *patterns, uint32_t box, uint32_t pair)
{
	return &patterns->list[(size_t)box * patterns->n_pairs + pair];
}

/* 0 or -ENOMEM; fini in either case. */
int sl_patterns_make(struct sl_patterns *patterns, const struct sl_layout *layout,
	const struct sl_key_plan *plan, const struct sl_boxes *boxes) SL_MUST_CHECK;
void sl_patterns_fini(struct sl_patterns *patterns);

#endif
