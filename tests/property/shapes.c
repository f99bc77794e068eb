/* SPDX-License-Identifier: BSD-3-Clause */
#include "shapes.h"

const struct shape shapes[] = {
	{"random", shape_random, 30000, 30},
	{"nested", shape_nested, 3000, 5},
	{"nested_reversed", shape_nested_reversed, 3000, 5},
	{"ladders", shape_ladders, 3000, 3},
	{"one_bit", shape_one_bit, 3000, 5},
	{"straddle", shape_straddle, 5000, 5},
	{"steps", shape_steps, 3000, 3},
	{"adjacent", shape_adjacent, 30000, 3},
	{"diagonal", shape_diagonal, 30000, 3},
	{"cross", shape_cross, 30000, 3},
	{"high_words", shape_high_words, 30000, 4},
	{"tuples", shape_tuples, 30000, 10},
	{"empty", shape_empty, 3000, 5},
	{"flags", shape_flags, 2100, 4},
	{"texts", shape_texts, 1100, 4},
	{"sets", shape_sets, 1100, 4},
	{"not_equal", shape_not_equal, 1100, 4},
	{"alternatives", shape_alternatives, 600, 4},
	{"never", shape_never, 3000, 3},
	{"one_field", shape_one_field, 30000, 4},
	{"same_slot", shape_same_slot, 2100, 2},
	{"crowded", shape_crowded, 300, 4},
	{"wild", shape_wild, 3000, 4},
	{"ties", shape_ties, 3000, 4},
	{"duplicates", shape_duplicates, 3000, 3},
	{"lopsided", shape_lopsided, 30000, 4},
	{"callouts", shape_callouts, 1100, 6},
	{"many_sublayers", shape_many_sublayers, 1100, 4},
	{"weights", shape_weights, 3000, 3},
};
const uint32_t n_shapes = SL_ARRAY_LEN(shapes);

const struct shape *
shape_draw(struct random *random)
{
	uint32_t sum = 0;
	uint32_t dice;

	for (uint32_t i = 0; i < n_shapes; i++)
		sum += shapes[i].share;
	dice = random_below(random, sum);
	for (uint32_t i = 0;; i++) {
		if (dice < shapes[i].share)
			return &shapes[i];
		dice -= shapes[i].share;
	}
}
