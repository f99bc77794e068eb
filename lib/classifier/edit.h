/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_EDIT_H
#define SL_CLASSIFIER_EDIT_H

/* Edits: from one version of a layer to the next. */

#include "classifier/layer.h"

/* Filters by which a version differs from the one before. */
struct sl_edit {
	const struct sl_layer_program *layer; /* the one before */
	const struct sl_filter *const *removed;
	uint32_t n_removed;
	const struct sl_ranked *added; /* in arbitration order */
	uint32_t n_added;
	bool is_small; /* refuse what an overlay cannot hold */
};

/*
 * Makes the next version of a layer, one at a time for each store: a thread that makes one knows
 * that no other does.
 *
 * 0 and `*out` with one reference: a version of the same store; or a layer program of its own,
 * not compiled yet, when the changes are too many or too great for an overlay; or NULL when no
 * filter is left.  What sl_entry_make said, NO_MEMORY, BUSY, OUT_OF_BOUNDS, INTERNAL when a
 * removed filter is not there; -E2BIG, with `err` left alone, for what `is_small` refuses.
 */
int sl_layer_edit(const struct sl_edit *edit, const struct sl_policy *policy,
	const struct sl_compile_tick *tick, struct sl_layer_program **out,
	struct sl_error *err) SL_MUST_CHECK;

/*
 * Gives filters of `now`, which was made anew and nobody has seen, the stamps that they have in `old`, as far as they
 * do the same there.
 */
void sl_layer_keep_stamps(const struct sl_layer_program *old, struct sl_layer_program *now);

/*
 * Makes the next version of `old` have the filters of `now`, a layer program that was made of them
 * and is not needed any more afterwards.  As sl_layer_edit does with `is_small`: -E2BIG when `now`
 * should be compiled instead.
 */
int sl_layer_update(const struct sl_layer_program *old, const struct sl_layer_program *now,
	const struct sl_compile_tick *tick, struct sl_layer_program **out,
	struct sl_error *err) SL_MUST_CHECK;

#endif
