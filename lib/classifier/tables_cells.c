/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_cells.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_CELLS (SL_CACHE_LINE / sizeof(uint16_t))

int
sl_cells_add(struct sl_cells *cells, size_t n, uint32_t *at)
{
	const size_t room = (n + LINE_CELLS - 1) & ~(size_t)(LINE_CELLS - 1);

	if (room > cells->n_max - cells->n)
		return -E2BIG;
	if (room > cells->size - cells->n) {
		const size_t wanted = SL_MAX((size_t)cells->size * 2, cells->n + room);
		uint16_t *list = reallocarray(cells->list, wanted, sizeof(*list));

		if (list == NULL)
			return -ENOMEM;
		cells->list = list;
		cells->size = (uint32_t)wanted;
	}
	memset(cells->list + cells->n, 0, room * sizeof(*cells->list));
	*at = cells->n;
	cells->n += (uint32_t)room;
	return 0;
}

void
sl_cells_fini(struct sl_cells *cells)
{
	free(cells->list);
	memset(cells, 0, sizeof(*cells));
}

/* --- Steps: a dimension as a staircase of classes. --- */

/* Values from `low` up to the next step are of class `class`; neighbours differ. */
struct step {
	uint32_t low;
	uint32_t class;
};

static uint32_t
list_steps(const struct sl_dim *dim, struct step *steps)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < dim->n; i++) {
		if (n == 0 || steps[n - 1].class != dim->class_of[i])
			steps[n++] = (struct step){dim->lows[i], dim->class_of[i]};
	}
	return n;
}

static void
make_count(struct sl_tables_element *element, const struct step *steps, uint32_t n)
{
	element->kind = SL_TABLES_COUNT;
	element->n_cuts = (uint8_t)(n - 1);
	for (uint32_t i = 1; i < n; i++)
		element->cuts[i - 1] = (int32_t)((steps[i].low - 1) ^ 0x80000000u);
	for (uint32_t i = 0; i <= SL_TABLES_CUTS; i++)
		element->map[i] = steps[SL_MIN(i, n - 1)].class;
}

/* --- Tries. --- */

/* Bits by level, and what they cost. */
struct strides {
	unsigned int bits[SL_TABLES_LEVELS];
	unsigned int n;
	uint64_t cells;
};

/*
 * How many nodes a trie needs below its first `depth` bits: as many as there are prefixes of that
 * length with a step inside. Counts are by depth.
 */
static void
count_nodes(const struct step *steps, uint32_t n, unsigned int bits, uint32_t counts[33])
{
	for (unsigned int depth = 0; depth <= bits; depth++) {
		const unsigned int below = bits - depth;
		uint64_t before = UINT64_MAX;

		counts[depth] = 0;
		for (uint32_t i = 1; i < n; i++) {
			const uint64_t prefix = (uint64_t)steps[i].low >> below;

			if (((uint64_t)steps[i].low & (((uint64_t)1 << below) - 1)) == 0)
				continue;
			counts[depth] += prefix != before;
			before = prefix;
		}
	}
}

static uint64_t
strides_cost(const struct strides *strides, uint32_t look_up)
{
	return strides->cells + (uint64_t)strides->n * look_up;
}

/* All ways to go on from `depth` bits with what is chosen so far. */
static void
try_strides(const uint32_t counts[33], unsigned int bits, unsigned int depth, uint32_t look_up,
	const struct strides *so_far, struct strides *best)
{
	if (strides_cost(so_far, look_up) >= strides_cost(best, look_up))
		return;
	/* Where no step lies below, the bits that are left do not matter. */
	if (depth > 0 && counts[depth] == 0) {
		*best = *so_far;
		return;
	}
	if (so_far->n == SL_TABLES_LEVELS)
		return;
	for (unsigned int stride = 1; stride <= SL_MIN(bits - depth, 18u); stride++) {
		struct strides longer = *so_far;

		longer.bits[longer.n++] = stride;
		longer.cells += (uint64_t)(depth == 0 ? 1 : counts[depth]) << stride;
		try_strides(counts, bits, depth + stride, look_up, &longer, best);
	}
}

/* A trie on its way into cells, level by level. */
struct trie {
	struct sl_cells *cells;
	struct sl_tables_element *element;
	const struct step *steps;
	uint32_t n_steps;
	uint32_t *firsts; /* by node of the level at hand: its first value */
	uint32_t *nexts;  /* the same of the next level */
	uint32_t n_firsts;
	uint32_t n_nexts;
};

/* The last step at or below the value. */
static uint32_t
find_step(const struct trie *trie, uint32_t value)
{
	uint32_t low = 0;
	uint32_t high = trie->n_steps;

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (trie->steps[middle].low <= value)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* A cell without a step inside holds its class; another one leads to a node of the next level. */
static void
fill_node(struct trie *trie, const struct sl_tables_level *level, uint32_t node)
{
	const uint64_t span = (uint64_t)1 << level->shift;
	uint16_t *cells = &trie->cells->list[level->base + (node << level->bits)];
	uint32_t step = find_step(trie, trie->firsts[node]);

	for (uint32_t i = 0; i <= level->mask; i++) {
		const uint32_t low = trie->firsts[node] + (uint32_t)(i * span);

		while (step + 1 < trie->n_steps && trie->steps[step + 1].low <= low)
			step++;
		if (step + 1 == trie->n_steps || trie->steps[step + 1].low - low >= span) {
			cells[i] = (uint16_t)trie->steps[step].class;
		} else {
			cells[i] = (uint16_t)(SL_TABLES_NODE | trie->n_nexts);
			trie->nexts[trie->n_nexts++] = low;
		}
	}
}

/* Adds a level for all nodes that the one before has led to. */
static int
add_level(struct trie *trie, unsigned int bits, unsigned int shift)
{
	struct sl_tables_level *level = &trie->element->levels[trie->element->n_levels++];
	uint32_t *firsts = trie->firsts;
	int rc;

	if (trie->n_firsts > SL_TABLES_NODE)
		return -E2BIG;
	rc = sl_cells_add(trie->cells, (size_t)trie->n_firsts << bits, &level->base);
	if (rc != 0)
		return rc;
	level->bits = (uint8_t)bits;
	level->shift = (uint8_t)shift;
	level->mask = (1u << bits) - 1;
	trie->n_nexts = 0;
	for (uint32_t node = 0; node < trie->n_firsts; node++)
		fill_node(trie, level, node);
	trie->firsts = trie->nexts;
	trie->nexts = firsts;
	trie->n_firsts = trie->n_nexts;
	return 0;
}

static int
make_trie(struct trie *trie, unsigned int bits)
{
	const struct strides none = {.n = 0};
	struct strides best = {.n = SL_TABLES_LEVELS, .cells = UINT32_MAX};
	uint32_t counts[33];
	unsigned int depth = 0;
	int rc = 0;

	count_nodes(trie->steps, trie->n_steps, bits, counts);
	try_strides(counts, bits, 0, trie->cells->look_up, &none, &best);
	trie->element->kind = SL_TABLES_TRIE;
	trie->element->n_levels = 0;
	/* A node has a step inside, so that there are fewer nodes than steps. */
	trie->firsts = calloc(trie->n_steps, sizeof(*trie->firsts));
	trie->nexts = calloc(trie->n_steps, sizeof(*trie->nexts));
	if (trie->firsts == NULL || trie->nexts == NULL)
		rc = -ENOMEM;
	else if (best.cells == UINT32_MAX)
		rc = -E2BIG;
	trie->n_firsts = 1;
	for (unsigned int i = 0; i < best.n && rc == 0; i++) {
		depth += best.bits[i];
		rc = add_level(trie, best.bits[i], bits - depth);
	}
	free(trie->firsts);
	free(trie->nexts);
	return rc;
}

int
sl_tables_look_up(const struct sl_dim *dim, unsigned int bits, struct sl_cells *cells,
	struct sl_tables_element *element)
{
	struct step *steps = calloc(dim->n, sizeof(*steps));
	struct trie trie = {.cells = cells, .element = element, .steps = steps};
	int rc = 0;

	if (steps == NULL)
		return -ENOMEM;
	if (dim->sets.n > SL_TABLES_CLASSES_MAX)
		rc = -E2BIG;
	element->absent = dim->class_of[dim->n];
	trie.n_steps = list_steps(dim, steps);
	if (rc == 0 && trie.n_steps <= SL_TABLES_CUTS + 1)
		make_count(element, steps, trie.n_steps);
	else if (rc == 0)
		rc = make_trie(&trie, bits);
	free(steps);
	return rc;
}
