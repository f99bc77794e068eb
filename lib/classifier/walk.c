/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/overlay.h"

/* Goes through a layer's filters in arbitration order: a merge of its levels. */

_Static_assert(
	SL_ARRAY_LEN(((struct sl_filter_walk *)NULL)->at) == SL_LEVELS, "a place in each level");

uint32_t
sl_level_size(const struct sl_layer_program *layer, uint32_t level)
{
	if (level == 0)
		return layer->store->n_base;
	if (layer->overlay == NULL || layer->overlay->parts[level] == NULL)
		return 0;
	return layer->overlay->parts[level]->n;
}

/* Leaves dead filters of a level behind. False: there are no more. */
static bool
settle(struct sl_filter_walk *walk, uint32_t level)
{
	const uint64_t *dead = walk->layer->overlay->dead[level];
	const uint32_t n = sl_level_size(walk->layer, level);

	while (walk->at[level] < n && sl_is_dead(dead, walk->at[level]))
		walk->at[level]++;
	return walk->at[level] < n;
}

bool
sl_walk_step(struct sl_filter_walk *walk, uint32_t *level, uint32_t *place)
{
	const struct sl_layer_program *layer = walk->layer;
	uint64_t best = UINT64_MAX;

	*level = 0;
	if (layer->overlay == NULL) {
		*place = walk->at[0];
		walk->at[0] += walk->at[0] < layer->n_filters;
		return *place < layer->n_filters;
	}
	for (uint32_t i = 0; i < SL_LEVELS; i++) {
		if (settle(walk, i) && sl_level_key(layer, i, walk->at[i]) < best) {
			best = sl_level_key(layer, i, walk->at[i]);
			*level = i;
		}
	}
	*place = walk->at[*level]++;
	return best != UINT64_MAX;
}

bool
sl_filter_walk_next(struct sl_filter_walk *walk, uint32_t *rank)
{
	uint32_t level;
	uint32_t place;

	if (!sl_walk_step(walk, &level, &place))
		return false;
	*rank = sl_level_rank(walk->layer, level, place);
	return true;
}
