/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_PROPERTY_SHAPES_H
#define TESTS_PROPERTY_SHAPES_H

/*
 * Shapes of policies that hurt a compiler, each under a name, so that a failure tells which.  A
 * shape works at every layer, out of the fields that the layer has.
 */

#include "generate.h"

/* Adds `n` filters to a policy that generator_begin has made. */
typedef void shape_fn(struct generator *g, uint32_t n);

struct shape {
	const char *name;
	shape_fn *add;
	uint32_t n_max; /* filters with which it still makes sense */
	uint32_t share; /* how often it is drawn, beside the others' */
};

/* In shapes_*.c, by what they are about. */
shape_fn shape_nested, shape_nested_reversed, shape_ladders, shape_one_bit, shape_straddle,
	shape_steps, shape_adjacent, shape_diagonal, shape_cross, shape_high_words, shape_tuples;
shape_fn shape_random, shape_empty, shape_flags, shape_texts, shape_sets, shape_not_equal,
	shape_alternatives, shape_never, shape_one_field, shape_same_slot, shape_crowded;
shape_fn shape_wild, shape_ties, shape_duplicates, shape_lopsided, shape_callouts,
	shape_many_sublayers, shape_weights;

extern const struct shape shapes[];
extern const uint32_t n_shapes;

/* A shape drawn by its share. */
const struct shape *shape_draw(struct random *random);

#endif
