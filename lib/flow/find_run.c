/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/bucket_run.h"

#include <smmintrin.h>

/*
 * Looking up a batch.  Each step asks for the memory that the next one reads, for all keys, so that waiting
 * for it happens side by side: buckets, then the entries that a tag points to, then their keys.
 */

/* Three loads cover the key: bytes 0..15, 16..31 and 28..43. */
static SL_ALWAYS_INLINE bool
is_same(const struct sl_flow_key *a, const struct sl_flow_key *b)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
	__m128i difference = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)x),
		_mm_loadu_si128((const __m128i *)(const void *)y));

	difference = _mm_or_si128(difference,
		_mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)(x + 16)),
			_mm_loadu_si128((const __m128i *)(const void *)(y + 16))));
	difference = _mm_or_si128(difference,
		_mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)(x + 28)),
			_mm_loadu_si128((const __m128i *)(const void *)(y + 28))));
	return _mm_testz_si128(difference, difference) != 0;
}

_Static_assert(sizeof(struct sl_flow_key) == 44, "is_same covers the key");

/* Both cache lines: who finds a flow wants its counters too. */
static SL_ALWAYS_INLINE void
prefetch_entry(const struct sl_flow_table *table, uint32_t index)
{
	__builtin_prefetch(&table->entries[index], 1);
	__builtin_prefetch((const uint8_t *)&table->entries[index] + SL_CACHE_LINE, 1);
}

/* All candidates of one bucket, one after the other. */
static struct sl_flow *
search(const struct sl_flow_table *table, const struct flow_bucket *bucket,
	const struct sl_flow_key *key, uint64_t hash)
{
	uint32_t match = flow_bucket_match(bucket, flow_tag(hash));
	uint32_t index;

	while ((index = flow_bucket_candidate(bucket, hash, &match)) != FLOW_NONE)
		if (is_same(&table->entries[index].key, key))
			return &table->entries[index];
	return NULL;
}

/* For the rare key whose first candidate was another one with the same tag. */
static SL_NOINLINE struct sl_flow *
search_both(const struct sl_flow_table *table, const struct sl_flow_key *key, uint64_t hash)
{
	uint32_t first = flow_bucket_first(table, hash);
	struct sl_flow *flow = search(table, &table->buckets[first], key, hash);

	if (flow != NULL || table->buckets[first].n_away == 0)
		return flow;
	return search(table, &table->buckets[flow_bucket_second(table, hash, first)], key, hash);
}

/* What is known of the keys of a batch between two steps. */
struct batch {
	uint32_t firsts[FLOW_BATCH];     /* buckets */
	uint32_t candidates[FLOW_BATCH]; /* indices, FLOW_NONE */
	uint32_t seconds[FLOW_BATCH];    /* buckets of the keys named in `away` */
	uint8_t away[FLOW_BATCH];
	uint32_t n_away;
};

static SL_ALWAYS_INLINE uint32_t
first_candidate(const struct sl_flow_table *table, uint32_t at, uint64_t hash)
{
	const struct flow_bucket *bucket = &table->buckets[at];
	uint32_t match = flow_bucket_match(bucket, flow_tag(hash));
	uint32_t index = flow_bucket_candidate(bucket, hash, &match);

	if (index != FLOW_NONE)
		prefetch_entry(table, index);
	return index;
}

static SL_ALWAYS_INLINE void
look_into_firsts(
	const struct sl_flow_table *table, const uint64_t hashes[], uint32_t n, struct batch *batch)
{
	batch->n_away = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t first = batch->firsts[i];

		batch->candidates[i] = first_candidate(table, first, hashes[i]);
		if (SL_LIKELY(
			    batch->candidates[i] != FLOW_NONE || table->buckets[first].n_away == 0))
			continue;
		batch->seconds[i] = flow_bucket_second(table, hashes[i], first);
		__builtin_prefetch(&table->buckets[batch->seconds[i]]);
		batch->away[batch->n_away++] = (uint8_t)i;
	}
}

void
sl_flow_find(const struct sl_flow_table *table, const struct sl_flow_key keys[],
	const uint64_t hashes[], uint32_t n, struct sl_flow *flows[])
{
	struct batch batch;

	for (uint32_t i = 0; i < n; i++) {
		batch.firsts[i] = flow_bucket_first(table, hashes[i]);
		__builtin_prefetch(&table->buckets[batch.firsts[i]]);
	}
	look_into_firsts(table, hashes, n, &batch);
	for (uint32_t k = 0; k < batch.n_away; k++) {
		uint32_t i = batch.away[k];

		batch.candidates[i] = first_candidate(table, batch.seconds[i], hashes[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = batch.candidates[i];

		if (index == FLOW_NONE)
			flows[i] = NULL;
		else if (SL_LIKELY(is_same(&table->entries[index].key, &keys[i])))
			flows[i] = &table->entries[index];
		else
			flows[i] = search_both(table, &keys[i], hashes[i]);
	}
}
