/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_LAYER_H
#define SL_CLASSIFIER_LAYER_H

/*
 * Layer programs: a layer's filters in arbitration order with everything they refer to, on which
 * the program holds references, and how many snapshots share it.
 */

#include "classifier/program.h"

/* A filter on its way into a layer program. */
struct sl_ranked {
	const struct sl_filter *filter;
	const struct sl_sublayer *sublayer;
};

/* Sorts filters of one layer into arbitration order: WFP sections 3.4 and 4.5. */
void sl_ranked_sort(struct sl_ranked *list, uint32_t n);

/*
 * Makes a layer program without compiled form from filters in arbitration order, each bound by the
 * host. 0 and `*out` with one reference; the host's error, NO_MEMORY, OUT_OF_BOUNDS when match
 * lists could become longer than SL_MATCHES_MAX, INTERNAL when a reference of the policy leads
 * nowhere.
 */
int sl_layer_make(const struct sl_policy *policy, const struct sl_layer *layer,
	const struct sl_ranked *list, uint32_t n, const struct sl_compile_tick *tick,
	struct sl_layer_program **out, struct sl_error *err) SL_MUST_CHECK;

/* True when both have the same filters with the same references and bindings. */
bool sl_layer_is_same(const struct sl_layer_program *a, const struct sl_layer_program *b);

/* Compiles it, fills `program`, `memory_bytes` and `build_ns`. NO_MEMORY or BUSY. */
int sl_layer_compile(struct sl_layer_program *layer, const struct sl_compile_tick *tick,
	struct sl_error *err) SL_MUST_CHECK;

/*
 * Makes a layer program without compiled form of the filters of another, bound as they are there.
 * 0 and `*out` with one reference, or NO_MEMORY.
 */
int sl_layer_copy(const struct sl_layer_program *from, struct sl_layer_program **out,
	struct sl_error *err) SL_MUST_CHECK;

#endif
