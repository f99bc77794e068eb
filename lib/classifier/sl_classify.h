/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_CLASSIFY_H
#define SL_CLASSIFIER_CLASSIFY_H

/*
 * Classify: which filters of a layer match each packet of a batch.
 *
 * Result.  Per packet a list of ranks in arbitration order: per sublayer every matching callout
 *          filter up to and including the first matching PERMIT or BLOCK.  Callout filters are listed because
 *          only at run time is it known whether they decide (WFP section 9.4).
 * Twins.   sl_classify_run uses the compiled program.  sl_reference_run is the oracle: a linear
 *          scan written from WFP sections 2 and 4 over the policy objects, sharing no code with the
 *          compiler.
 * Threads. Packet time; any number of workers on one program.  No allocation, no state.
 */

#include "classifier/sl_meta.h"
#include "classifier/sl_snapshot.h"

#include <stdint.h>

#define SL_BATCH_MAX 256u

/* Match lists of a batch. Storage belongs to the caller. */
struct sl_matches {
	uint32_t *ranks; /* room for `capacity`, at least SL_MATCHES_MAX */
	uint32_t capacity;
	uint32_t start[SL_BATCH_MAX + 1]; /* packet i: ranks[start[i]] .. ranks[start[i + 1] - 1] */
};

/* Allocates the ranks. 0 or -ENOMEM. Control thread. */
int sl_matches_init(struct sl_matches *matches) SL_MUST_CHECK;
void sl_matches_fini(struct sl_matches *matches);

/*
 * Classifies metas[0 .. n-1], n in 1..SL_BATCH_MAX, from the first on until `out` is full; returns
 * how many were done, at least 1.  The caller goes on with the rest.
 */
typedef uint32_t sl_classify_fn(const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out);

sl_classify_fn sl_classify_run;
sl_classify_fn sl_reference_run;

/* --- Forms of sl_classify_run for one instruction set each; all give the same answers. --- */

enum sl_simd {
	SL_SIMD_PORTABLE,
	SL_SIMD_AVX2,
	SL_SIMD_AVX512,
	SL_SIMD_COUNT
};

/* True when this processor can run the form. */
bool sl_simd_has(enum sl_simd simd);
/* The form that sl_classify_run takes. */
enum sl_simd sl_simd_best(void);
/* Never NULL. */
const char *sl_simd_name(enum sl_simd simd);
/* sl_classify_run in a form of which sl_simd_has is true; for tests and comparisons. */
uint32_t sl_classify_run_as(enum sl_simd simd, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out);

/* --- Control time: explain. --- */

#define SL_NEAR_MISS_FIELDS_MAX 8u

/* Why one condition group of a filter matched or not. */
struct sl_near_miss {
	enum sluice_field field; /* the first group that failed; NONE: the filter matches */
	uint32_t n_failed;       /* groups that failed */
	uint32_t n_groups;
	/* The first of those that failed, in the order of the conditions. */
	enum sluice_field fields[SL_NEAR_MISS_FIELDS_MAX];
};
/* True when the filter matches; fills `*miss` (may be NULL). Linear in the filter's conditions. */
bool sl_reference_match(const struct sl_layer_program *layer, uint32_t rank,
	const struct sl_meta *meta, struct sl_near_miss *miss);

#endif
