/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CALLOUT_BINDINGS_H
#define CALLOUT_BINDINGS_H

/*
 * Which filters are bound to an incarnation of a plugin, and what the plugin stored for each: a hash
 * table of (filter, context).  The same filter may be in it twice while an old and a new revision
 * overlap.
 *
 * Threads. Control threads, under the owner's lock.
 */

#include "base/sl_compiler.h"
#include "policy/sl_object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct binding {
	struct binding *next;
	const struct sl_filter *filter; /* borrowed: valid while bound */
	uint64_t context;
	bool is_told; /* the plugin knows the filter */
};

/* Zero-initialise before use. */
struct bindings {
	struct binding **buckets;
	size_t n_buckets; /* a power of two, or 0 */
	size_t n;
};

/* 0 or -ENOMEM. */
int sl_callout_bindings_add(struct bindings *bindings, const struct sl_filter *filter,
	uint64_t context, bool is_told) SL_MUST_CHECK;
/* Removes one entry with that filter and context. False: there is none. */
bool sl_callout_bindings_remove(struct bindings *bindings, const struct sl_filter *filter,
	uint64_t context, bool *was_told);
/* Calls `fn` for each entry; it may change `is_told`. */
typedef void sl_callout_bindings_fn(void *ctx, struct binding *binding);
void
sl_callout_bindings_each(const struct bindings *bindings, sl_callout_bindings_fn *fn, void *ctx);
void sl_callout_bindings_fini(struct bindings *bindings);

#endif
