/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_CONTROL_SPY_H
#define TESTS_CONTROL_SPY_H

/*
 * A plugin that remembers what it was told.  It allocates a context for every filter, looks into it at
 * each call and frees it when the filter is gone, so that a sanitizer sees every use before or after
 * its time.
 *
 * Filters are refused when their key begins with "veto" or their provider context's data has the member
 * "refuse".  The plugin is called "spy".  A packet of a flow that has no context of it yet gets one for the
 * stream packet layer.
 */

#include "sdk/sluice_callout.h"

#include <stdatomic.h>
#include <stdint.h>

struct spy_filter {
	uint32_t magic;
	char key[65];
	int64_t number; /* member "number" of the provider context's data, or -1 */
};

/* All incarnations together; tests look at differences. */
struct spy {
	uint32_t n_loaded;
	uint32_t n_unloaded;
	uint32_t n_added; /* filters accepted */
	uint32_t n_refused;
	uint32_t n_deleted;
	char last_added[65];
	char last_deleted[65];
	_Atomic uint64_t n_calls;
	_Atomic uint64_t n_strange;    /* calls with a context that is none of ours */
	_Atomic uint64_t n_associated; /* contexts of flows */
	_Atomic uint64_t n_gone;
};

extern struct spy spy;
extern const struct sluice_callout spy_callout;

#endif
