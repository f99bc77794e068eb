/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tree.h"

#include "classifier/divide.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Shorter lists are leaves; their boxes take one block. */
#define LEAF_BOXES 8
/* Boxes placed for each one there is, and some more, so that small trees copy as they like. */
#define COPIES_MAX  8
#define COPIES_MORE 4096
#define DEPTH_MAX   24
/* Boxes placed between two looks at whether to go on. */
#define TICK_BOXES 8192

struct builder {
	struct sl_tree *tree;
	const struct sl_boxes *boxes;
	const struct sl_key_plan *plan;
	const char *layer_name;
	const struct sl_compile_tick *tick;
	struct sl_error *err;
	uint32_t next_tick;
	struct sl_region region; /* of the node at work */
};

/* A list of boxes and what may be spent on it. */
struct work {
	uint32_t *list;
	uint32_t n;
	uint64_t budget;
	uint32_t visits;
	uint32_t depth;
};

/* What came of it. */
struct built {
	struct sl_link link;
	uint32_t visits;
	uint32_t depth;
};

static int
no_memory(struct builder *b)
{
	return sl_error_set(b->err, SL_ERR_NO_MEMORY, NULL,
		"out of memory while filters of %s are compiled", b->layer_name);
}

/* Makes room for `n` more elements of an array; returns the array, NULL when there is no memory. */
static void *
grow(void *array, size_t n, size_t *size, size_t used, size_t element)
{
	size_t wanted = *size == 0 ? 64 : *size;
	void *bigger;

	while (wanted < used + n)
		wanted *= 2;
	if (wanted == *size)
		return array;
	bigger = reallocarray(array, wanted, element);
	if (bigger != NULL)
		*size = wanted;
	return bigger;
}

/* --- Leaves. --- */

/* The words that a block of the boxes list[0 .. n-1] must test. Returns how many. */
static uint32_t
open_words(const struct builder *b, const uint32_t *list, uint32_t n, uint8_t *words)
{
	uint32_t n_words = 0;

	for (uint32_t word = 0; word < b->plan->n_elements; word++) {
		bool is_open = false;

		for (uint32_t i = 0; i < n && !is_open; i++)
			is_open = sl_box_lows(b->boxes, list[i])[word] > b->region.lows[word] ||
				sl_box_highs(b->boxes, list[i])[word] < b->region.highs[word];
		if (is_open)
			words[n_words++] = (uint8_t)word;
	}
	return n_words;
}

/* How many boxes from the first on fit in one block. */
static uint32_t
block_boxes(const struct builder *b, const uint32_t *list, uint32_t n)
{
	uint8_t words[SL_KEY_ELEMENTS_MAX];

	n = SL_MIN(n, (uint32_t)SL_LANES);
	/* A single box with more words has its filter tested as a whole, so any of them will do. */
	while (n > 1 && open_words(b, list, n, words) > SL_BLOCK_WORDS)
		n--;
	return n;
}

static bool
needs_presence(const struct builder *b, const uint32_t *list, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if ((b->boxes->list[list[i]].care & ~b->region.known) != 0)
			return true;
	}
	return false;
}

static void
write_presence(const struct builder *b, const uint32_t *list, uint32_t n, uint32_t *to)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_box *box = &b->boxes->list[list[i]];
		const uint32_t care = box->care & ~b->region.known;

		to[i] = care;
		to[SL_LANES + i] = box->want & care;
	}
}

static void
write_word(const struct builder *b, const uint32_t *list, uint32_t n, uint32_t word, uint32_t *to)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t low = sl_box_lows(b->boxes, list[i])[word];

		to[i] = low;
		to[SL_LANES + i] = sl_box_highs(b->boxes, list[i])[word] - low;
	}
}

static int
add_block(struct builder *b, const uint32_t *list, uint32_t n, bool is_last)
{
	struct sl_tree *tree = b->tree;
	const size_t lanes_size = SL_BLOCK_STRIDE;
	uint8_t words[SL_KEY_ELEMENTS_MAX];
	const uint32_t n_open = SL_MIN(open_words(b, list, n, words), (uint32_t)SL_BLOCK_WORDS);
	const uint32_t n_words = SL_MAX(n_open, (uint32_t)SL_BLOCK_WORDS_MIN);
	const bool has_presence = needs_presence(b, list, n);
	const size_t size = sizeof(struct sl_block) + (n_words + has_presence) * lanes_size;
	struct sl_block block = {.n_words = (uint8_t)n_words, .lanes = (uint8_t)((1u << n) - 1)};
	uint8_t *at;
	uint8_t *blocks = grow(tree->blocks, size, &tree->blocks_size, tree->n_block_bytes, 1);

	if (blocks == NULL)
		return no_memory(b);
	tree->blocks = blocks;
	block.flags = (is_last ? SL_BLOCK_LAST : 0) | (has_presence ? SL_BLOCK_PRESENCE : 0);
	memcpy(block.words, words, n_open);
	block.ranks[SL_LANES] = SL_RANK_NONE;
	for (uint32_t i = 0; i < SL_LANES; i++) {
		block.ranks[i] = i < n ? b->boxes->list[list[i]].rank : SL_RANK_NONE;
		if (i < n && b->boxes->list[list[i]].is_tested)
			block.tests |= (uint8_t)(1u << i);
	}
	at = tree->blocks + tree->n_block_bytes;
	memset(at, 0, size);
	memcpy(at, &block, sizeof(block));
	at += sizeof(block);
	if (has_presence) {
		write_presence(b, list, n, (uint32_t *)(void *)at);
		at += lanes_size;
	}
	for (uint32_t i = 0; i < n_open; i++, at += lanes_size)
		write_word(b, list, n, words[i], (uint32_t *)(void *)at);
	/* From 0 on, and as far as numbers go. */
	for (uint32_t i = n_open; i < n_words; i++, at += lanes_size)
		memset(at + lanes_size / 2, 0xff, lanes_size / 2);
	tree->n_block_bytes += size;
	return 0;
}

static int
add_leaf(struct builder *b, const struct work *work, struct built *built)
{
	struct sl_tree *tree = b->tree;
	const size_t first = tree->n_block_bytes / SL_REF_UNIT;
	uint32_t done = 0;

	/* Nodes and blocks share the numbers; there is a block to at least every other node. */
	if (first + tree->n_nodes >= SL_REF_LEAF / 4)
		return sl_error_set(b->err, SL_ERR_NO_MEMORY, NULL,
			"the compiled filters of %s exceed 32 GiB", b->layer_name);
	while (done < work->n) {
		const uint32_t n = block_boxes(b, work->list + done, work->n - done);
		const int rc = add_block(b, work->list + done, n, done + n == work->n);

		if (rc != 0)
			return rc;
		done += n;
	}
	*built = (struct built){
		.link = {SL_REF_LEAF | (uint32_t)first, b->boxes->list[work->list[0]].rank},
		.visits = 1,
		.depth = work->depth};
	tree->n_leaves++;
	tree->n_placed += work->n;
	tree->leaf_max = SL_MAX(tree->leaf_max, work->n);
	if (tree->n_placed < b->next_tick)
		return 0;
	b->next_tick = tree->n_placed + TICK_BOXES;
	return sl_compile_tick(b->tick, tree->n_placed, b->err);
}

/* --- Nodes. --- */

/* A list for every way out of a node. */
struct shares {
	struct work absent;
	struct work rest;
	struct work parts[SL_NODE_CUTS + 1];
	uint32_t n_parts;
	uint64_t n_placed;
	uint32_t *memory; /* of all lists */
};

/* Where a box goes: parts first..last, or nowhere among them (first > last). */
struct place {
	uint32_t first;
	uint32_t last;
	bool is_rest;
	bool is_absent;
};

static struct place
place_of(const struct builder *b, const struct sl_division *division, uint32_t box)
{
	const uint32_t bit = (uint32_t)1 << division->bit;
	const struct sl_box *form = &b->boxes->list[box];
	struct place place = {.first = 1, .last = 0};

	if ((form->care & bit) != 0 && (form->want & bit) == 0) {
		place.is_absent = true;
		return place;
	}
	place.first = sl_division_part(division, sl_box_lows(b->boxes, box)[division->word]);
	place.last = sl_division_part(division, sl_box_highs(b->boxes, box)[division->word]);
	if (place.last - place.first + 1 > division->span_max) {
		place.first = place.last + 1;
		place.is_rest = true;
		return place;
	}
	place.is_absent = (form->care & bit) == 0;
	return place;
}

static void
count_shares(const struct builder *b, const struct work *work, const struct sl_division *division,
	struct shares *shares)
{
	for (uint32_t i = 0; i < work->n; i++) {
		const struct place place = place_of(b, division, work->list[i]);

		shares->rest.n += place.is_rest;
		shares->absent.n += place.is_absent;
		for (uint32_t part = place.first; part <= place.last; part++)
			shares->parts[part].n++;
	}
	shares->n_placed = (uint64_t)shares->rest.n + shares->absent.n;
	for (uint32_t i = 0; i < shares->n_parts; i++)
		shares->n_placed += shares->parts[i].n;
}

static void
push(struct work *work, uint32_t box)
{
	work->list[work->n++] = box;
}

/* Gives a share its memory and its part of what may be spent. */
static void
open_share(const struct work *work, struct shares *shares, struct work *share, uint32_t **memory)
{
	const uint64_t spare = work->budget - shares->n_placed;

	share->list = *memory;
	*memory += share->n;
	share->budget = share->n;
	if (shares->n_placed > 0)
		share->budget += (uint64_t)((double)spare * share->n / (double)shares->n_placed);
	share->depth = work->depth + 1;
	share->n = 0;
}

static int
fill_shares(const struct builder *b, const struct work *work, const struct sl_division *division,
	struct shares *shares)
{
	uint32_t *memory = malloc(shares->n_placed * sizeof(*memory));

	if (memory == NULL)
		return -ENOMEM;
	shares->memory = memory;
	open_share(work, shares, &shares->absent, &memory);
	open_share(work, shares, &shares->rest, &memory);
	for (uint32_t i = 0; i < shares->n_parts; i++)
		open_share(work, shares, &shares->parts[i], &memory);
	for (uint32_t i = 0; i < work->n; i++) {
		const struct place place = place_of(b, division, work->list[i]);

		if (place.is_rest)
			push(&shares->rest, work->list[i]);
		if (place.is_absent)
			push(&shares->absent, work->list[i]);
		for (uint32_t part = place.first; part <= place.last; part++)
			push(&shares->parts[part], work->list[i]);
	}
	return 0;
}

/* A division is made only when it keeps to the budget and leaves every list shorter. */
static bool
is_progress(const struct work *work, const struct shares *shares)
{
	if (shares->n_placed > work->budget || shares->rest.n >= work->n)
		return false;
	for (uint32_t i = 0; i < shares->n_parts; i++) {
		if (shares->parts[i].n >= work->n)
			return false;
	}
	return true;
}

static int build(struct builder *b, struct work *work, struct built *built);

/* How much there may be to divide in a list: bits of its length beyond a leaf's. */
static uint32_t
list_bits(uint32_t n)
{
	return n <= LEAF_BOXES ? 0 : 32 - (uint32_t)__builtin_clz(n / LEAF_BOXES);
}

/* Visits go to the rest and to the parts as there is work left to do in them; both get one. */
static void
share_visits(const struct work *work, struct shares *shares)
{
	uint32_t part_bits = list_bits(shares->absent.n);
	uint32_t rest_bits = list_bits(shares->rest.n);
	uint32_t rest = 0;

	for (uint32_t i = 0; i < shares->n_parts; i++)
		part_bits = SL_MAX(part_bits, list_bits(shares->parts[i].n));
	if (shares->rest.n > 0) {
		const uint32_t bits = SL_MAX(rest_bits + part_bits, 1u);

		rest = (work->visits * rest_bits + bits / 2) / bits;
		rest = SL_MIN(SL_MAX(rest, 1u), work->visits - 1);
	}
	shares->rest.visits = rest;
	shares->absent.visits = work->visits - rest;
	for (uint32_t i = 0; i < shares->n_parts; i++)
		shares->parts[i].visits = work->visits - rest;
}

static int
add_node(struct builder *b, const struct sl_division *division, uint32_t *number)
{
	struct sl_tree *tree = b->tree;
	size_t nodes_size = tree->nodes_size;
	size_t links_size = tree->links_size;
	struct sl_node *nodes = grow(tree->nodes, 1, &nodes_size, tree->n_nodes, sizeof(*nodes));
	struct sl_link *links;
	struct sl_node *node;

	if (nodes == NULL)
		return no_memory(b);
	tree->nodes = nodes;
	tree->nodes_size = (uint32_t)nodes_size;
	links = grow(tree->links, SL_NODE_CUTS + 2, &links_size, tree->n_links, sizeof(*links));
	if (links == NULL)
		return no_memory(b);
	tree->links = links;
	tree->links_size = (uint32_t)links_size;
	*number = tree->n_nodes++;
	node = &tree->nodes[*number];
	*node = (struct sl_node){.links = tree->n_links,
		.word = (uint8_t)division->word,
		.bit = (uint8_t)division->bit,
		.rest = {SL_REF_NONE, SL_RANK_NONE}};
	for (uint32_t i = 0; i < SL_NODE_CUTS; i++)
		node->cuts[i] = i < division->n_cuts
			? (int32_t)((division->cuts[i] - 1) ^ 0x80000000u)
			: INT32_MAX;
	tree->n_links += division->n_cuts + 2;
	return 0;
}

/* Builds what a link leads to, in the region that the caller has set. */
static int
build_link(struct builder *b, struct work *work, uint32_t link, struct built *sum)
{
	struct built built;
	const int rc = build(b, work, &built);

	if (rc != 0)
		return rc;
	b->tree->links[link] = built.link;
	sum->link.best = SL_MIN(sum->link.best, built.link.best);
	sum->visits = SL_MAX(sum->visits, built.visits);
	sum->depth = SL_MAX(sum->depth, built.depth);
	return 0;
}

static int
build_links(struct builder *b, struct shares *shares, const struct sl_division *division,
	uint32_t first_link, struct built *sum)
{
	struct sl_region *region = &b->region;
	const uint32_t word = division->word;
	const uint32_t low = region->lows[word];
	const uint32_t high = region->highs[word];
	const uint32_t known = region->known;
	int rc;

	region->known |= (uint32_t)1 << division->bit;
	rc = build_link(b, &shares->absent, first_link, sum);
	for (uint32_t i = 0; i < shares->n_parts && rc == 0; i++) {
		if (i > 0)
			region->lows[word] = division->cuts[i - 1];
		region->highs[word] = i < division->n_cuts ? division->cuts[i] - 1 : high;
		rc = build_link(b, &shares->parts[i], first_link + 1 + i, sum);
	}
	region->lows[word] = low;
	region->highs[word] = high;
	region->known = known;
	return rc;
}

static int
build_rest(struct builder *b, struct work *work, uint32_t number, struct built *sum)
{
	struct built built;
	int rc;

	if (work->n == 0)
		return 0;
	rc = build(b, work, &built);
	if (rc != 0)
		return rc;
	b->tree->nodes[number].rest = built.link;
	b->tree->n_rests++;
	sum->link.best = SL_MIN(sum->link.best, built.link.best);
	sum->visits += built.visits;
	sum->depth = SL_MAX(sum->depth, built.depth);
	return 0;
}

static int
build_node(struct builder *b, const struct work *work, const struct sl_division *division,
	struct shares *shares, struct built *built)
{
	uint32_t number = 0;
	int rc;

	if (fill_shares(b, work, division, shares) != 0)
		return no_memory(b);
	share_visits(work, shares);
	rc = add_node(b, division, &number);
	if (rc != 0)
		return rc;
	*built = (struct built){.link = {number, SL_RANK_NONE}};
	rc = build_links(b, shares, division, b->tree->nodes[number].links, built);
	return rc == 0 ? build_rest(b, &shares->rest, number, built) : rc;
}

/* Finds a division that is worth a node; false: the list is a leaf. */
static bool
find_division(const struct builder *b, const struct work *work, struct sl_division *division,
	struct shares *shares)
{
	const struct sl_divide_task task = {.boxes = b->boxes,
		.plan = b->plan,
		.region = &b->region,
		.list = work->list,
		.n = work->n,
		.budget = work->budget,
		.may_rest = work->visits > 1};

	if (work->n <= LEAF_BOXES || work->depth >= DEPTH_MAX || !sl_divide(&task, division))
		return false;
	shares->n_parts = division->n_cuts + 1;
	count_shares(b, work, division, shares);
	return is_progress(work, shares);
}

static int
build(struct builder *b, struct work *work, struct built *built)
{
	struct sl_division division;
	struct shares shares = {.n_placed = 0};
	int rc;

	if (work->n == 0) {
		*built = (struct built){.link = {SL_REF_NONE, SL_RANK_NONE}, .depth = work->depth};
		return 0;
	}
	if (!find_division(b, work, &division, &shares))
		return add_leaf(b, work, built);
	rc = build_node(b, work, &division, &shares, built);
	free(shares.memory);
	return rc;
}

/* Everything: each word up to the largest number its field can hold. */
static void
open_region(struct sl_region *region, const struct sl_key_plan *plan)
{
	memset(region, 0, sizeof(*region));
	for (uint32_t word = 0; word < plan->n_elements; word++) {
		region->highs[word] = sl_element_max(&plan->elements[word]);
	}
}

int
sl_tree_build(struct sl_tree *tree, const struct sl_boxes *boxes, const struct sl_key_plan *plan,
	const char *layer_name, uint32_t visits_max, const struct sl_compile_tick *tick,
	struct sl_error *err)
{
	struct builder b = {.tree = tree,
		.boxes = boxes,
		.plan = plan,
		.layer_name = layer_name,
		.tick = tick,
		.err = err,
		.next_tick = TICK_BOXES};
	struct work all = {.n = boxes->n,
		.budget = (uint64_t)boxes->n * COPIES_MAX + COPIES_MORE,
		.visits = visits_max};
	struct built built;
	int rc;

	memset(tree, 0, sizeof(*tree));
	open_region(&b.region, plan);
	all.list = malloc(((size_t)boxes->n + 1) * sizeof(*all.list));
	if (all.list == NULL)
		return no_memory(&b);
	for (uint32_t i = 0; i < boxes->n; i++)
		all.list[i] = i;
	rc = build(&b, &all, &built);
	free(all.list);
	if (rc != 0)
		return rc;
	tree->root = built.link;
	tree->depth = built.depth;
	tree->visits_max = built.visits;
	return 0;
}

void
sl_tree_fini(struct sl_tree *tree)
{
	free(tree->nodes);
	free(tree->links);
	free(tree->blocks);
	memset(tree, 0, sizeof(*tree));
}
