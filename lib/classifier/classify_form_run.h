/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packet time: match lists from a compiled program (program.h says what it looks like).  This is
 * the body of one form: the file that includes it has chosen an instruction set (lanes_run.h) and
 * names the function it wants in SL_CLASSIFY_FORM.
 *
 * Packets are taken a chunk at a time and go together: all of them down to their leaves, a node
 * each in turn, then all leaves, then all of them back to what they had put off.  The memory that
 * one packet waits for arrives while the others work, and as every loop does one thing, there is
 * nearly nothing for the processor to guess.
 */

#define CHUNK 16u

/* A packet on its way. */
struct trip {
	uint64_t at;   /* the link it follows */
	uint32_t best; /* lowest rank so far, with a single sublayer; others leave it NONE */
	uint32_t n_later;
	const struct sl_meta *meta;
	struct sl_finds *finds;
	struct sl_key key;
	uint64_t later[SL_VISITS_MAX + 1]; /* links put off; one is written to and never kept */
} SL_CACHE_ALIGNED;

/* Packets that do the same next. */
struct group {
	struct trip *list[CHUNK + 1]; /* one is written to and never kept */
	uint32_t n;
};

/* --- Key. --- */

static SL_ALWAYS_INLINE uint32_t
load_big32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

/* The words of one value, all bits of which are and-ed with `mask`. */
static SL_ALWAYS_INLINE void
load_value(enum sl_key_kind kind, const uint8_t *at, uint32_t mask, uint32_t *words)
{
	uint16_t number16;
	uint32_t number32;
	uint64_t number64;

	switch (kind) {
	case SL_KEY_NUMBER8:
		words[0] = *at & mask;
		break;
	case SL_KEY_NUMBER16:
		memcpy(&number16, at, sizeof(number16));
		words[0] = number16 & mask;
		break;
	case SL_KEY_NUMBER32:
		memcpy(&number32, at, sizeof(number32));
		words[0] = number32 & mask;
		break;
	case SL_KEY_NUMBER64:
		memcpy(&number64, at, sizeof(number64));
		words[0] = (uint32_t)(number64 >> 32) & mask;
		words[1] = (uint32_t)number64 & mask;
		break;
	case SL_KEY_BYTES6:
		words[0] = ((uint32_t)at[0] << 8 | at[1]) & mask;
		words[1] = load_big32(at + 2) & mask;
		break;
	case SL_KEY_BYTES16:
		for (uint32_t i = 0; i < 4; i++)
			words[i] = load_big32(at + (size_t)i * 4) & mask;
		break;
	default:
		break;
	}
}

static SL_ALWAYS_INLINE void
load_values(const struct sl_key_part *part, uint32_t bit, enum sl_key_kind kind,
	const struct sl_meta *const metas[], uint32_t n, struct trip *trips)
{
	const uint32_t offset = part->offset;
	const uint32_t slot = part->slot;
	const uint32_t word = part->word;

	for (uint32_t i = 0; i < n; i++) {
		const struct sl_meta *meta = metas[i];
		const uint32_t is_present = (uint32_t)(meta->present >> slot) & 1;

		load_value(kind, (const uint8_t *)meta + offset, -is_present,
			&trips[i].key.words[word]);
		trips[i].key.present |= is_present << bit;
	}
}

/* Part by part rather than packet by packet: what kind a part is, is found out once. */
static void
load_keys(const struct sl_program *program, const struct sl_meta *const metas[], uint32_t n,
	struct trip *trips)
{
	for (uint32_t i = 0; i < n; i++) {
		trips[i].key.present = 0;
		trips[i].key.words[0] = 0; /* blocks may look at it even if there are no parts */
	}
	for (uint32_t bit = 0; bit < program->n_parts; bit++) {
		const struct sl_key_part *part = &program->parts[bit];

		switch (part->kind) {
		case SL_KEY_NUMBER8:
			load_values(part, bit, SL_KEY_NUMBER8, metas, n, trips);
			break;
		case SL_KEY_NUMBER16:
			load_values(part, bit, SL_KEY_NUMBER16, metas, n, trips);
			break;
		case SL_KEY_NUMBER32:
			load_values(part, bit, SL_KEY_NUMBER32, metas, n, trips);
			break;
		case SL_KEY_NUMBER64:
			load_values(part, bit, SL_KEY_NUMBER64, metas, n, trips);
			break;
		case SL_KEY_BYTES6:
			load_values(part, bit, SL_KEY_BYTES6, metas, n, trips);
			break;
		case SL_KEY_BYTES16:
			load_values(part, bit, SL_KEY_BYTES16, metas, n, trips);
			break;
		default:
			load_values(part, bit, SL_KEY_PRESENCE, metas, n, trips);
			break;
		}
	}
}

/* The cache lines that hold the key's values. */
static SL_ALWAYS_INLINE void
prefetch_metas(const struct sl_program *program, const struct sl_meta *const metas[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t *meta = (const uint8_t *)metas[i];

		for (uint32_t lines = program->meta_lines; lines != 0; lines &= lines - 1)
			__builtin_prefetch(meta + (size_t)__builtin_ctz(lines) * SL_CACHE_LINE);
	}
}

/* --- Leaf. --- */

static SL_ALWAYS_INLINE const struct sl_block *
next_block(const struct sl_block *block)
{
	const uint32_t n = block->n_words + (block->flags & SL_BLOCK_PRESENCE ? 1u : 0u);

	return (const void *)((const uint8_t *)(block + 1) + (size_t)n * SL_BLOCK_STRIDE);
}

/* Bit i: the packet is in the block's box i. */
static SL_ALWAYS_INLINE uint32_t
match_block(const struct sl_block *block, const struct sl_key *key)
{
	const uint32_t *at = (const void *)(block + 1);
	sl_hits hits = sl_hits_all();

	if (block->flags & SL_BLOCK_PRESENCE) {
		hits = sl_hits_equal(hits, key->present, at);
		at += 2 * SL_LANES;
	}
	/* Nearly all blocks have as many words, and a loop of that length needs no guess. */
	for (uint32_t i = 0; i < SL_BLOCK_WORDS_MIN; i++, at += 2 * SL_LANES)
		hits = sl_hits_within(hits, key->words[block->words[i]], at);
	for (uint32_t i = SL_BLOCK_WORDS_MIN; i < block->n_words; i++, at += 2 * SL_LANES)
		hits = sl_hits_within(hits, key->words[block->words[i]], at);
	return sl_hits_bits(hits) & block->lanes;
}

/* Of the hits that must be tested as wholes, those that fail. */
static SL_NOINLINE uint32_t
failed_tests(const struct sl_program *program, const struct sl_block *block, uint32_t hits,
	const struct sl_meta *meta)
{
	uint32_t failed = 0;

	for (uint32_t left = hits & block->tests; left != 0; left &= left - 1) {
		const uint32_t lane = (uint32_t)__builtin_ctz(left);

		if (!sl_test_run(program, block->ranks[lane], meta))
			failed |= 1u << lane;
	}
	return failed;
}

static SL_ALWAYS_INLINE uint32_t
hits_of(const struct sl_program *program, const struct sl_block *block, const struct sl_key *key,
	const struct sl_meta *meta)
{
	uint32_t hits = match_block(block, key);

	if (SL_UNLIKELY((hits & block->tests) != 0))
		hits &= ~failed_tests(program, block, hits, meta);
	return hits;
}

/* The first match of a leaf below `best`, or `best`. */
static SL_ALWAYS_INLINE uint32_t
scan_first(const struct sl_program *program, const struct sl_block *block, const struct sl_key *key,
	const struct sl_meta *meta, uint32_t best)
{
	for (;;) {
		const uint32_t hits = hits_of(program, block, key, meta);
		/* Without a hit this is the rank behind the last lane, which is NONE. */
		const uint32_t rank = block->ranks[__builtin_ctz(hits | 1u << SL_LANES)];

		best = SL_MIN(best, rank);
		if (SL_LIKELY(block->flags & SL_BLOCK_LAST) || hits != 0)
			return best;
		block = next_block(block);
		if (block->ranks[0] >= best)
			return best;
	}
}

/* Adds the matches of a leaf: in each sublayer all up to the first that ends it. */
static void
scan_all(const struct sl_layer_program *layer, const struct sl_block *block,
	const struct sl_key *key, const struct sl_meta *meta, struct sl_finds *finds)
{
	uint32_t next_rank = 0; /* ranks below are of sublayers that have ended */
	bool is_last = false;

	for (; !is_last; block = next_block(block)) {
		uint32_t hits = hits_of(layer->program, block, key, meta);

		for (; hits != 0; hits &= hits - 1) {
			const uint32_t rank = block->ranks[__builtin_ctz(hits)];

			if (rank < next_rank)
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
	}
}

/* --- Walk. --- */

/*
 * A link in one number: the best rank below in the upper half, so that of two links the smaller is
 * the better, and where it leads in the lower.
 */
static SL_ALWAYS_INLINE uint64_t
link_of(const struct sl_link *link)
{
	return (uint64_t)link->best << 32 | link->ref;
}

/* Where a link leads; an empty one anywhere. */
static SL_ALWAYS_INLINE const void *
target_of(const struct sl_program *program, uint64_t link)
{
	return program->lines + (size_t)((uint32_t)link & ~SL_REF_LEAF) * SL_REF_UNIT;
}

/* A node and its links, or the head of a leaf and its first words. */
static SL_ALWAYS_INLINE void
prefetch_target(const struct sl_program *program, uint64_t link)
{
	const uint8_t *target = target_of(program, link);

	__builtin_prefetch(target);
	__builtin_prefetch(target + SL_CACHE_LINE);
	__builtin_prefetch(target + (size_t)2 * SL_CACHE_LINE);
}

/* Puts a packet where it goes next, or nowhere when its link can make no difference. */
static SL_ALWAYS_INLINE void
enlist(struct trip *trip, struct group *at_nodes, struct group *at_leaves)
{
	/* An empty link has the best NONE, which beats nothing. */
	const uint32_t is_live = (uint32_t)(trip->at >> 32) < trip->best;
	const uint32_t is_leaf = is_live & (uint32_t)trip->at >> 31;

	at_nodes->list[at_nodes->n] = trip;
	at_nodes->n += is_live - is_leaf;
	at_leaves->list[at_leaves->n] = trip;
	at_leaves->n += is_leaf;
}

/* From a node to the better of child and rest; the other one waits. */
static SL_ALWAYS_INLINE void
step(const struct sl_program *program, struct trip *trip)
{
	const struct sl_node *node =
		(const void *)(program->lines + (size_t)(uint32_t)trip->at * SL_REF_UNIT);
	const struct sl_link *links = (const void *)(node + 1);
	const uint32_t value = trip->key.words[node->word] ^ 0x80000000u;
	const uint32_t part = sl_count_below(node, (int32_t)value);
	const uint32_t is_present = trip->key.present >> node->bit & 1;
	const uint64_t child = link_of(&links[(part + 1) & -is_present]);
	const uint64_t rest = link_of(&node->rest);
	const uint64_t worse = SL_MAX(child, rest);

	trip->at = SL_MIN(child, rest);
	trip->later[trip->n_later] = worse;
	trip->n_later += (uint32_t)(worse >> 32) < trip->best;
	prefetch_target(program, trip->at);
}

/* All packets at nodes down to leaves. */
static SL_ALWAYS_INLINE void
descend(const struct sl_program *program, struct group *at_nodes, struct group *at_leaves)
{
	while (at_nodes->n > 0) {
		const uint32_t n = at_nodes->n;

		at_nodes->n = 0;
		for (uint32_t i = 0; i < n; i++) {
			struct trip *trip = at_nodes->list[i];

			step(program, trip);
			enlist(trip, at_nodes, at_leaves);
		}
	}
}

/* All leaves, for the lowest rank or for lists. */
static SL_ALWAYS_INLINE void
scan(const struct sl_layer_program *layer, struct group *at_leaves, bool is_single)
{
	const struct sl_program *program = layer->program;

	for (uint32_t i = 0; i < at_leaves->n; i++) {
		const uint8_t *leaf = target_of(program, at_leaves->list[i]->at);

		__builtin_prefetch(leaf + (size_t)3 * SL_CACHE_LINE);
		__builtin_prefetch(leaf + (size_t)4 * SL_CACHE_LINE);
	}
	for (uint32_t i = 0; i < at_leaves->n; i++) {
		struct trip *trip = at_leaves->list[i];
		const struct sl_block *leaf = target_of(program, trip->at);

		if (is_single)
			trip->best = scan_first(program, leaf, &trip->key, trip->meta, trip->best);
		else
			scan_all(layer, leaf, &trip->key, trip->meta, trip->finds);
	}
	at_leaves->n = 0;
}

/* Takes up what a packet put off and can still make a difference; false when there is nothing. */
static SL_ALWAYS_INLINE bool
resume(const struct sl_program *program, struct trip *trip)
{
	while (trip->n_later > 0) {
		const uint64_t link = trip->later[--trip->n_later];

		if ((uint32_t)(link >> 32) < trip->best) {
			trip->at = link;
			prefetch_target(program, link);
			return true;
		}
	}
	return false;
}

/* Walks a chunk, behind which `n_next` packets are to come. */
static SL_ALWAYS_INLINE void
walk(const struct sl_layer_program *layer, const struct sl_meta *const metas[], uint32_t n,
	uint32_t n_next, struct trip *trips, bool is_single)
{
	const struct sl_program *program = layer->program;
	struct group under_way = {.n = 0};
	struct group at_nodes = {.n = 0};
	struct group at_leaves = {.n = 0};

	load_keys(program, metas, n, trips);
	prefetch_metas(program, metas + n, SL_MIN(n_next, CHUNK));
	for (uint32_t i = 0; i < n; i++) {
		trips[i].at = link_of(&program->root);
		trips[i].best = SL_RANK_NONE;
		trips[i].n_later = 0;
		trips[i].meta = metas[i];
		under_way.list[under_way.n++] = &trips[i];
		enlist(&trips[i], &at_nodes, &at_leaves);
	}
	while (under_way.n > 0) {
		const uint32_t n_under_way = under_way.n;

		descend(program, &at_nodes, &at_leaves);
		scan(layer, &at_leaves, is_single);
		under_way.n = 0;
		for (uint32_t i = 0; i < n_under_way; i++) {
			struct trip *trip = under_way.list[i];

			if (!resume(program, trip))
				continue;
			under_way.list[under_way.n++] = trip;
			enlist(trip, &at_nodes, &at_leaves);
		}
	}
}

/* --- Batches. --- */

/* One answer a packet. Returns how many packets of the chunk fitted. */
static uint32_t
run_single(const struct sl_layer_program *layer, const struct sl_meta *const metas[], uint32_t n,
	uint32_t n_next, struct sl_matches *out, uint32_t first)
{
	struct trip trips[CHUNK];
	uint32_t end = out->start[first];

	/* What is written behind the last match is never kept, but must have its place. */
	if (out->capacity - end < n)
		n = out->capacity - end;
	walk(layer, metas, n, n_next, trips, true);
	for (uint32_t i = 0; i < n; i++) {
		out->ranks[end] = trips[i].best;
		end += trips[i].best != SL_RANK_NONE;
		out->start[first + i + 1] = end;
	}
	return n;
}

/* A packet with many matches, alone: straight into the list. Returns how many there are. */
static SL_NOINLINE uint32_t
find_many(const struct sl_layer_program *layer, const struct sl_meta *meta, uint32_t *ranks,
	uint32_t n_max)
{
	struct sl_finds finds = {.ranks = ranks, .n_max = n_max};
	struct trip trip;

	trip.finds = &finds;
	walk(layer, &meta, 1, 0, &trip, false);
	return SL_MIN(finds.n, n_max);
}

static uint32_t
run_lists(const struct sl_layer_program *layer, const struct sl_meta *const metas[], uint32_t n,
	uint32_t n_next, struct sl_matches *out, uint32_t first)
{
	struct trip trips[CHUNK];
	struct sl_finds finds[CHUNK];
	uint32_t ranks[CHUNK][SL_FINDS_SHORT];
	uint32_t end = out->start[first];
	uint32_t i;

	for (i = 0; i < n; i++) {
		finds[i] = (struct sl_finds){.ranks = ranks[i], .n_max = SL_FINDS_SHORT};
		trips[i].finds = &finds[i];
	}
	walk(layer, metas, n, n_next, trips, false);
	for (i = 0; i < n; i++) {
		uint32_t *to = out->ranks + end;
		const uint32_t room = out->capacity - end;
		uint32_t n_found = finds[i].n;

		if (n_found > room)
			break;
		if (n_found > SL_FINDS_SHORT)
			n_found = find_many(layer, metas[i], to, room);
		else
			memcpy(to, ranks[i], n_found * sizeof(*to));
		end += sl_finds_settle(layer, to, n_found);
		out->start[first + i + 1] = end;
	}
	return i;
}

uint32_t
SL_CLASSIFY_FORM(const struct sl_layer_program *layer, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out)
{
	const bool is_single = layer->program->is_single;
	uint32_t done = 0;

	out->start[0] = 0;
	prefetch_metas(layer->program, metas, SL_MIN(n, CHUNK));
	while (done < n) {
		const uint32_t wanted = SL_MIN(n - done, CHUNK);
		const uint32_t next = done + wanted;
		uint32_t got;

		got = is_single ? run_single(layer, metas + done, wanted, n - next, out, done)
				: run_lists(layer, metas + done, wanted, n - next, out, done);
		done += got;
		if (got < wanted)
			break;
	}
	return done;
}
