/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_classify.h"

#include "classifier/lanes_run.h"
#include "classifier/program.h"

/*
 * Packet time: match lists from a compiled program (program.h says what it looks like).
 *
 * Packets are taken a chunk at a time, and each step of one is followed by a step of the next, so
 * that the memory a packet waits for arrives while the others work.  A packet's state is the link
 * it follows and the links it has put off.
 */
#define CHUNK 16
/* Matches kept while the chunk is under way; packets with more are done again on their own. */
#define FOUND_MAX 16

struct walk {
	const struct sl_meta *meta;
	struct sl_link at;
	uint32_t best; /* lowest rank so far, with a single sublayer; others leave it NONE */
	uint32_t n_later;
	struct sl_link later[SL_VISITS_MAX + 1]; /* the last one is written to and never kept */
};

/* Where matches of one packet are put. `n` counts all, the first `n_max` are kept. */
struct finds {
	uint32_t *ranks;
	uint32_t n;
	uint32_t n_max;
};

/* --- Key. --- */

static SL_ALWAYS_INLINE uint32_t
load_big32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

static SL_ALWAYS_INLINE void
load_absent(const struct sl_key_part *part, uint32_t *words)
{
	for (uint32_t i = 0; i < part->n_words; i++)
		words[i] = 0;
}

static SL_ALWAYS_INLINE void
load_part(const struct sl_key_part *part, const struct sl_meta *meta, uint32_t *words)
{
	const uint8_t *at = (const uint8_t *)meta + part->offset;
	uint16_t number16;
	uint64_t number64;

	switch (part->kind) {
	case SL_KEY_NUMBER8:
		words[0] = *at;
		break;
	case SL_KEY_NUMBER16:
		memcpy(&number16, at, sizeof(number16));
		words[0] = number16;
		break;
	case SL_KEY_NUMBER32:
		memcpy(&words[0], at, sizeof(words[0]));
		break;
	case SL_KEY_NUMBER64:
		memcpy(&number64, at, sizeof(number64));
		words[0] = (uint32_t)(number64 >> 32);
		words[1] = (uint32_t)number64;
		break;
	case SL_KEY_BYTES6:
		words[0] = (uint32_t)at[0] << 8 | at[1];
		words[1] = load_big32(at + 2);
		break;
	case SL_KEY_BYTES16:
		for (uint32_t i = 0; i < 4; i++)
			words[i] = load_big32(at + (size_t)i * 4);
		break;
	default:
		break;
	}
}

static void
load_key(const struct sl_program *program, const struct sl_meta *meta, struct sl_key *key)
{
	uint32_t present = 0;

	for (uint32_t i = 0; i < program->n_parts; i++) {
		const struct sl_key_part *part = &program->parts[i];

		if (SL_LIKELY(meta->present >> part->slot & 1)) {
			present |= (uint32_t)1 << i;
			load_part(part, meta, &key->words[part->word]);
		} else {
			load_absent(part, &key->words[part->word]);
		}
	}
	key->present = present;
}

/* --- Leaf. --- */

/* Bit i: the packet is in the block's box i. */
static SL_ALWAYS_INLINE uint32_t
match_block(const struct sl_block *block, const struct sl_key *key, const sl_lanes **next)
{
	const sl_lanes *at = (const void *)(block + 1);
	sl_lanes mask = sl_lanes_of(UINT32_MAX);

	if (block->flags & SL_BLOCK_PRESENCE) {
		mask = (sl_lanes)((sl_lanes_of(key->present) & at[0]) == at[1]);
		at += 2;
	}
	for (uint32_t i = 0; i < block->n_words; i++, at += 2)
		mask &= (sl_lanes)(sl_lanes_of(key->words[block->words[i]]) - at[0] <= at[1]);
	*next = at;
	return sl_lanes_bits(mask) & block->lanes;
}

static SL_ALWAYS_INLINE bool
passes_tests(const struct sl_program *program, const struct sl_block *block, uint32_t lane,
	const struct sl_meta *meta)
{
	return SL_LIKELY(!(block->tests >> lane & 1)) ||
		sl_test_run(program, block->ranks[lane], meta);
}

/* The first match of a leaf below `best`, or `best`. */
static uint32_t
scan_first(const struct sl_program *program, uint32_t leaf, const struct sl_key *key,
	const struct sl_meta *meta, uint32_t best)
{
	const void *at = program->blocks + (size_t)leaf * SL_LEAF_UNIT;

	for (;;) {
		const struct sl_block *block = at;
		const sl_lanes *next;
		uint32_t bits;

		if (block->ranks[0] >= best)
			return best;
		bits = match_block(block, key, &next);
		for (; bits != 0; bits &= bits - 1) {
			const uint32_t lane = (uint32_t)__builtin_ctz(bits);

			if (passes_tests(program, block, lane, meta))
				return SL_MIN(best, block->ranks[lane]);
		}
		if (block->flags & SL_BLOCK_LAST)
			return best;
		at = next;
	}
}

/* Adds the matches of a leaf: in each sublayer all up to the first that ends it. */
static void
scan_all(const struct sl_layer_program *layer, uint32_t leaf, const struct sl_key *key,
	const struct sl_meta *meta, struct finds *finds)
{
	const struct sl_program *program = layer->program;
	const void *at = program->blocks + (size_t)leaf * SL_LEAF_UNIT;
	uint32_t next_rank = 0; /* ranks below are of sublayers that have ended */
	bool is_last = false;

	while (!is_last) {
		const struct sl_block *block = at;
		const sl_lanes *next;
		uint32_t bits = match_block(block, key, &next);

		for (; bits != 0; bits &= bits - 1) {
			const uint32_t lane = (uint32_t)__builtin_ctz(bits);
			const uint32_t rank = block->ranks[lane];

			if (rank < next_rank || !passes_tests(program, block, lane, meta))
				continue;
			if (finds->n < finds->n_max)
				finds->ranks[finds->n] = rank;
			finds->n++;
			if (layer->hot[rank].action <= SL_HOT_PERMIT) {
				const struct sl_sublayer_run *sublayer =
					&layer->sublayers[layer->hot[rank].sublayer];

				next_rank = sublayer->first + sublayer->n_filters;
			}
		}
		is_last = (block->flags & SL_BLOCK_LAST) != 0;
		at = next;
	}
}

/* --- Walk. --- */

static SL_ALWAYS_INLINE void
prefetch(const struct sl_program *program, uint32_t ref)
{
	if (ref & SL_REF_LEAF) {
		const uint8_t *leaf = program->blocks + (size_t)(ref & ~SL_REF_LEAF) * SL_LEAF_UNIT;

		if (ref == SL_REF_NONE)
			return;
		__builtin_prefetch(leaf);
		__builtin_prefetch(leaf + SL_CACHE_LINE);
		__builtin_prefetch(leaf + 2 * SL_CACHE_LINE);
	} else {
		__builtin_prefetch(&program->nodes[ref]);
	}
}

/* Goes on with what was put off; false when nothing is left that can make a difference. */
static SL_ALWAYS_INLINE bool
resume(const struct sl_program *program, struct walk *walk)
{
	while (walk->n_later > 0) {
		walk->at = walk->later[--walk->n_later];
		if (walk->at.best < walk->best) {
			prefetch(program, walk->at.ref);
			return true;
		}
	}
	return false;
}

/* From a node to the better of child and rest; the other one waits. */
static SL_ALWAYS_INLINE void
step(const struct sl_program *program, struct walk *walk, const struct sl_key *key)
{
	const struct sl_node *node = &program->nodes[walk->at.ref];
	const uint32_t value = key->words[node->word] ^ 0x80000000u;
	const uint32_t part = sl_lanes_count_below(node->cuts, (int32_t)value);
	const uint32_t is_present = key->present >> node->bit & 1;
	const struct sl_link child = program->links[node->links + (part + 1) * is_present];
	const struct sl_link rest = node->rest;
	const bool is_rest_better = rest.best < child.best;

	walk->at = is_rest_better ? rest : child;
	walk->later[walk->n_later] = is_rest_better ? child : rest;
	walk->n_later += rest.best != SL_RANK_NONE;
	prefetch(program, walk->at.ref);
}

static SL_ALWAYS_INLINE bool
is_leaf(const struct walk *walk)
{
	return (walk->at.ref & SL_REF_LEAF) != 0;
}

/* One step of one packet: a node, or a leaf and what follows it. False when the packet is done. */
static SL_ALWAYS_INLINE bool
advance(const struct sl_layer_program *layer, struct walk *walk, const struct sl_key *key,
	struct finds *finds)
{
	const struct sl_program *program = layer->program;

	/* An empty link has the best NONE, which beats nothing. */
	if (walk->at.best >= walk->best)
		return resume(program, walk);
	if (!is_leaf(walk)) {
		step(program, walk, key);
		return true;
	}
	if (finds == NULL)
		walk->best = scan_first(
			program, walk->at.ref & ~SL_REF_LEAF, key, walk->meta, walk->best);
	else
		scan_all(layer, walk->at.ref & ~SL_REF_LEAF, key, walk->meta, finds);
	return resume(program, walk);
}

static void
begin(const struct sl_program *program, struct walk *walk, struct sl_key *key,
	const struct sl_meta *meta)
{
	walk->meta = meta;
	walk->at = program->root;
	walk->best = SL_RANK_NONE;
	walk->n_later = 0;
	load_key(program, meta, key);
}

/* Walks a chunk; `finds` has one per packet, or is NULL when the lowest rank will do. */
static SL_ALWAYS_INLINE void
walk_chunk(const struct sl_layer_program *layer, const struct sl_meta *const metas[], uint32_t n,
	struct walk *walks, struct finds *finds)
{
	struct sl_key keys[CHUNK];
	uint8_t active[CHUNK];
	uint32_t n_active = n;

	for (uint32_t i = 0; i < n; i++) {
		begin(layer->program, &walks[i], &keys[i], metas[i]);
		active[i] = (uint8_t)i;
	}
	while (n_active > 0) {
		uint32_t n_left = 0;

		for (uint32_t i = 0; i < n_active; i++) {
			const uint8_t packet = active[i];

			active[n_left] = packet;
			n_left += advance(layer, &walks[packet], &keys[packet],
				finds == NULL ? NULL : &finds[packet]);
		}
		n_active = n_left;
	}
}

/* --- From finds to a match list. --- */

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
	if (n > FOUND_MAX) {
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

/* A packet with many matches, alone: straight into the list. Returns how many there are. */
static SL_NOINLINE uint32_t
find_many(const struct sl_layer_program *layer, const struct sl_meta *meta, uint32_t *ranks,
	uint32_t n_max)
{
	struct finds finds = {.ranks = ranks, .n_max = n_max};
	struct walk walk;
	struct sl_key key;

	begin(layer->program, &walk, &key, meta);
	while (advance(layer, &walk, &key, &finds))
		;
	return SL_MIN(finds.n, n_max);
}

/* --- Batches. --- */

/* One answer a packet. Returns how many packets of the chunk fitted. */
static uint32_t
run_single(const struct sl_layer_program *layer, const struct sl_meta *const metas[], uint32_t n,
	struct sl_matches *out, uint32_t first)
{
	struct walk walks[CHUNK];
	uint32_t end = out->start[first];

	if (out->capacity - end < n)
		n = out->capacity - end;
	walk_chunk(layer, metas, n, walks, NULL);
	for (uint32_t i = 0; i < n; i++) {
		if (walks[i].best != SL_RANK_NONE)
			out->ranks[end++] = walks[i].best;
		out->start[first + i + 1] = end;
	}
	return n;
}

static uint32_t
run_lists(const struct sl_layer_program *layer, const struct sl_meta *const metas[], uint32_t n,
	struct sl_matches *out, uint32_t first)
{
	struct walk walks[CHUNK];
	struct finds finds[CHUNK];
	uint32_t ranks[CHUNK][FOUND_MAX];
	uint32_t end = out->start[first];
	uint32_t i;

	for (i = 0; i < n; i++)
		finds[i] = (struct finds){.ranks = ranks[i], .n_max = FOUND_MAX};
	walk_chunk(layer, metas, n, walks, finds);
	for (i = 0; i < n; i++) {
		uint32_t *to = out->ranks + end;
		const uint32_t room = out->capacity - end;
		uint32_t n_found = finds[i].n;

		if (n_found > room)
			break;
		if (n_found > FOUND_MAX)
			n_found = find_many(layer, metas[i], to, room);
		else
			memcpy(to, ranks[i], n_found * sizeof(*to));
		sort_ranks(to, n_found);
		end += cut_sublayers(layer, to, n_found);
		out->start[first + i + 1] = end;
	}
	return i;
}

uint32_t
sl_classify_run(const struct sl_layer_program *layer, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out)
{
	uint32_t done = 0;

	out->start[0] = 0;
	while (done < n) {
		const uint32_t wanted = SL_MIN(n - done, (uint32_t)CHUNK);
		const uint32_t got = layer->program->is_single
			? run_single(layer, metas + done, wanted, out, done)
			: run_lists(layer, metas + done, wanted, out, done);

		done += got;
		if (got < wanted)
			break;
	}
	return done;
}
