/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_HISTORY_H
#define TESTS_PROPERTY_HISTORY_H

/*
 * Histories: a policy that changes step by step, each step compiled upon the one before and the
 * layer folded now and then.  A step is plain data, so that any part of a history can be played
 * again.
 */

#include "duel.h"
#include "packet.h"

#define HISTORY_FOLDS 3   /* folds that are begun and not yet ended */
#define HISTORY_TOUCH 512 /* filters changed by one commit, at most; more count as all */

enum step_kind {
	STEP_PUT,        /* a filter is added or replaced */
	STEP_DELETE,     /* ... or goes */
	STEP_BACK,       /* ... or comes back as it was before it went */
	STEP_WEIGHT,     /* ... or gets another weight */
	STEP_SUBLAYER,   /* a sublayer gets another weight */
	STEP_SET,        /* a set gets other elements */
	STEP_BIND,       /* the host binds filters otherwise from now on */
	STEP_FOLD_BEGIN, /* a layer is compiled anew */
	STEP_FOLD_END    /* ... and what came of it takes its place */
};

struct step {
	uint8_t kind;     /* enum step_kind */
	bool is_joined;   /* committed together with the next one */
	bool has_changes; /* the commit tells which filters have changed */
	uint32_t number;  /* of a filter, sublayer, set or fold */
	uint64_t seed;
};

struct fold {
	const struct sl_layer_program *from; /* NULL: none is begun */
	const struct sl_layer_program *folded;
};

/* A history being played. */
struct history {
	struct generator *g;     /* its policy is the present one */
	struct generator *other; /* makes every eighth filter, for another layer */
	struct sl_policy *committed;
	struct sl_snapshot
		*snapshot;  /* of `committed`; the owner may take it away after a commit */
	uint64_t *seeds;    /* by filter: of its present or last form */
	uint32_t *counters; /* by filter: what `bind` said last */
	uint32_t n_filters_max;
	uint32_t touched[HISTORY_TOUCH];
	uint32_t n_touched;
	bool others_changed;
	bool sublayers_moved;
	struct seen *seen; /* by filter: as the latest commit left it */
	uint32_t binding;
	struct fold folds[HISTORY_FOLDS];
	uint32_t n_begun;
	uint32_t n_folded; /* folds that took their place */
};

/* `g` has a policy without filters and is frozen; filters are numbered below `n_filters_max`. */
void history_begin(struct history *history, struct generator *g, struct generator *other,
	uint32_t n_filters_max);
void history_end(struct history *history);

/*
 * Plays one step.  True when it ended with a new snapshot; the old one is then `*old`, the caller's to
 * free, and may be NULL.
 */
bool history_play(struct history *history, const struct step *step, struct sl_snapshot **old);

/* The generator of the layer of a filter that the seed makes. */
struct generator *history_generator(struct history *history, uint32_t number, uint64_t seed);
/* The filters of a layer in the order that WFP 3.4 and 4.5 say; the caller frees the list. */
const struct sl_filter **
history_order(const struct history *history, const struct sl_layer *layer, uint32_t *n);
/* True when a program has exactly these filters, with the members that arbitration needs. */
bool history_is_in_order(
	const struct history *history, const struct sl_layer *layer, const char **fault);

void print_step(const struct step *step);

#endif
