/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LAYER_H
#define SL_CLASSIFIER_LAYER_H

/*
 * Layer programs.
 *
 * A layer is compiled as a whole, into a store.  After that, versions of it come and go: each has
 * all that the store has but a few filters that were removed, and a few more that were added.  The
 * store grows behind what older versions look at, so that nothing of its size is copied for a
 * change; it lives as long as one of its versions.
 */

#include "classifier/entry.h"
#include "classifier/program.h"
#include "classifier/screen.h"

/* Fewer filters are compiled as fast as they are changed. */
#define SL_OVERLAY_BASE_MIN 32u

/* What the versions of a layer share since it was compiled. */
struct sl_store {
	uint32_t n_refs; /* versions; atomic */
	uint32_t n_base; /* filters that were compiled: the first ones, in arbitration order */
	uint32_t n;      /* entries in use; only who makes versions looks at it */
	uint32_t n_max;
	struct sl_filter_hot *hot;
	struct sl_filter_run *filters;
	const struct sl_program *program;
	uint32_t matches_max;              /* of the program alone */
	struct sl_screen_plan screen_plan; /* of a base that may have an overlay */
	size_t bytes;
};

/*
 * Makes a layer program without compiled form from filters in arbitration order, at least one.
 * 0 and `*out` with one reference; what sl_entry_make said, NO_MEMORY, BUSY, OUT_OF_BOUNDS when
 * match lists could become longer than SL_MATCHES_MAX.  `policy` may be NULL when every filter has
 * an entry.
 */
int sl_layer_make(const struct sl_policy *policy, const struct sl_layer *layer,
	const struct sl_ranked *list, uint32_t n, const struct sl_compile_tick *tick,
	struct sl_layer_program **out, struct sl_error *err) SL_MUST_CHECK;

/* Compiles what sl_layer_make made. NO_MEMORY or BUSY. */
int sl_layer_compile(struct sl_layer_program *layer, const struct sl_compile_tick *tick,
	struct sl_error *err) SL_MUST_CHECK;

/* True when both have the same filters with the same references and bindings. */
bool sl_layer_is_same(const struct sl_layer_program *a, const struct sl_layer_program *b);

/*
 * Finds what follows from the counts of the sublayers: callouts and the longest match list.  Returns
 * how long that is, which may be more than SL_MATCHES_MAX.
 */
uint64_t sl_layer_measure(struct sl_layer_program *layer);

/* A filter of a layer on its way into another program. */
struct sl_ranked sl_layer_ranked(const struct sl_layer_program *layer, uint32_t rank);

/* The sublayers of a layer program that is being made. */
struct sl_sublayer_run *sl_layer_sublayers(struct sl_layer_program *layer);

void sl_store_get(struct sl_store *store);

#endif
