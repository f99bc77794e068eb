/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/finds_run.h"

/* Packet time: match lists from what the leaves gave. */

static void
sift(uint32_t *ranks, uint32_t root, uint32_t n)
{
	for (uint32_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
		const uint32_t rank = ranks[root];

		if (child + 1 < n && ranks[child + 1] > ranks[child])
			child++;
		if (ranks[child] <= rank)
			return;
		ranks[root] = ranks[child];
		ranks[child] = rank;
		root = child;
	}
}

static void
sort_many(uint32_t *ranks, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift(ranks, i, n);
	for (uint32_t i = n; i-- > 1;) {
		const uint32_t rank = ranks[0];

		ranks[0] = ranks[i];
		ranks[i] = rank;
		sift(ranks, 0, i);
	}
}

/* Leaves deliver ascending runs, so that a short list is nearly in order. */
static void
sort_ranks(uint32_t *ranks, uint32_t n)
{
	if (n > SL_FINDS_SHORT) {
		sort_many(ranks, n);
		return;
	}
	for (uint32_t i = 1; i < n; i++) {
		const uint32_t rank = ranks[i];
		uint32_t at = i;

		for (; at > 0 && ranks[at - 1] > rank; at--)
			ranks[at] = ranks[at - 1];
		ranks[at] = rank;
	}
}

/* Keeps of each sublayer what comes up to its first terminal match. Returns how many are left. */
static uint32_t
cut_sublayers(const struct sl_layer_program *layer, uint32_t *ranks, uint32_t n)
{
	uint32_t next_rank = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t rank = ranks[i];
		const struct sl_filter_hot *hot = &layer->hot[rank];

		if (rank < next_rank)
			continue;
		ranks[kept++] = rank;
		if (hot->action <= SL_HOT_PERMIT)
			next_rank = layer->sublayers[hot->sublayer].first +
				layer->sublayers[hot->sublayer].n_filters;
	}
	return kept;
}

uint32_t
sl_finds_settle(const struct sl_layer_program *layer, uint32_t *ranks, uint32_t n)
{
	sort_ranks(ranks, n);
	return cut_sublayers(layer, ranks, n);
}
