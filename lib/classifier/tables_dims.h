/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_DIMS_H
#define SL_CLASSIFIER_TABLES_DIMS_H

/*
 * The dimensions of boxes: every element of the key, and the presence of every field without
 * elements.  A dimension is a row of intervals at whose borders boxes begin and end, and one interval more
 * for an absent field.
 */

#include "classifier/box.h"
#include "classifier/key.h"
#include "classifier/tables.h"
#include "classifier/tables_sets.h"

#include <stdbool.h>
#include <stdint.h>

#define SL_DIMS_MAX (SL_KEY_ELEMENTS_MAX + SL_KEY_PARTS_MAX)

/* What a box holds of a dimension. */
struct sl_dim_span {
	uint32_t first; /* intervals, with has_present */
	uint32_t last;
	bool has_present;
	bool has_absent; /* the interval of an absent field */
};

struct sl_dim {
	uint8_t part;
	uint8_t element;     /* unless is_text */
	bool is_text;        /* a field without elements: one interval, and absence */
	bool is_first;       /* tells absence: the first element of its part, or a text */
	bool is_narrow;      /* 16 bits at most */
	uint32_t *lows;      /* by interval: its first value */
	uint32_t n;          /* intervals, without the one of an absent field, which is number n */
	uint32_t *class_of;  /* by interval, n + 1 of them */
	struct sl_sets sets; /* by class: the boxes that hold it */
	struct sl_dim_span *spans; /* by box */
	/* Boxes in the order of their first interval, and of their last. */
	uint32_t *by_first;
	uint32_t *by_last;
};

/* Zero-initialise, then init. Dimensions that all boxes leave open are left out. */
struct sl_dims {
	struct sl_dim list[SL_DIMS_MAX];
	uint32_t n;
	uint32_t n_boxes;
};

/* True when the box holds any value, and absence. */
bool sl_dim_is_open(const struct sl_dim *dim, uint32_t box);

/* 0 or -ENOMEM; fini in either case. */
int sl_dims_init(struct sl_dims *dims, const struct sl_boxes *boxes,
	const struct sl_key_plan *plan) SL_MUST_CHECK;
void sl_dims_fini(struct sl_dims *dims);

#endif
