/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TREE_H
#define SL_CLASSIFIER_TREE_H

/* The tree over a layer's boxes (see program.h), in memory that can grow. */

#include "classifier/box.h"

struct sl_tree {
	struct sl_node *nodes;
	uint32_t n_nodes;
	uint32_t nodes_size;
	struct sl_link *links;
	uint32_t n_links;
	uint32_t links_size;
	uint8_t *blocks;
	size_t n_block_bytes;
	size_t blocks_size;
	struct sl_link root;
	uint32_t n_leaves;
	uint32_t n_rests;
	uint32_t n_placed;
	uint32_t leaf_max;
	uint32_t depth;
	uint32_t visits_max;
};

/*
 * Builds the tree.  No packet will visit more than `visits_max` (1..SL_VISITS_MAX) leaves, and no
 * more than 8 times as many boxes are placed as there are, and some.  0; NO_MEMORY or BUSY.  fini
 * in either case.
 */
int sl_tree_build(struct sl_tree *tree, const struct sl_boxes *boxes,
	const struct sl_key_plan *plan, const char *layer_name, uint32_t visits_max,
	const struct sl_compile_tick *tick, struct sl_error *err) SL_MUST_CHECK;
void sl_tree_fini(struct sl_tree *tree);

#endif
