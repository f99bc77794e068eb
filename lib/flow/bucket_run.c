/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/bucket_run.h"

/* Putting indices into buckets and taking them out; finding them is in find_run.c. */

/* Puts it into a free slot; false: there is none. */
static bool
put(struct flow_bucket *bucket, uint64_t hash, uint32_t index)
{
	uint32_t free = flow_bucket_match(bucket, 0);
	uint32_t slot;

	if (free == 0)
		return false;
	slot = (uint32_t)__builtin_ctz(free);
	bucket->tags[slot] = flow_tag(hash);
	bucket->places[slot] = flow_place(hash, index);
	return true;
}

/* Moves what is in a slot to its other bucket, if there is room. */
static bool
move(struct sl_flow_table *table, uint32_t at, uint32_t slot)
{
	uint32_t index = table->buckets[at].places[slot] & (FLOW_MAX - 1);
	uint64_t hash = flow_hash_one(table->hash_key, &table->entries[index].key);
	uint32_t first = flow_bucket_first(table, hash);
	uint32_t other = at == first ? flow_bucket_second(table, hash, first) : first;

	if (!put(&table->buckets[other], hash, index))
		return false;
	if (at == first)
		table->buckets[first].n_away++;
	else
		table->buckets[first].n_away--;
	table->buckets[at].tags[slot] = 0;
	return true;
}

/* Makes room in a bucket that is full. */
static bool
make_room(struct sl_flow_table *table, uint32_t at)
{
	const struct flow_bucket *bucket = &table->buckets[at];

	for (uint32_t slot = 0; slot < FLOW_BUCKET_SLOTS; slot++)
		__builtin_prefetch(&table->entries[bucket->places[slot] & (FLOW_MAX - 1)]);
	for (uint32_t slot = 0; slot < FLOW_BUCKET_SLOTS; slot++)
		if (move(table, at, slot))
			return true;
	return false;
}

bool
flow_bucket_insert(struct sl_flow_table *table, uint64_t hash, uint32_t index)
{
	uint32_t first = flow_bucket_first(table, hash);
	uint32_t second;

	if (SL_LIKELY(put(&table->buckets[first], hash, index)))
		return true;
	second = flow_bucket_second(table, hash, first);
	if (put(&table->buckets[second], hash, index)) {
		table->buckets[first].n_away++;
		return true;
	}
	if (make_room(table, first))
		return put(&table->buckets[first], hash, index);
	if (!make_room(table, second))
		return false;
	table->buckets[first].n_away++;
	return put(&table->buckets[second], hash, index);
}

static bool
take(struct flow_bucket *bucket, uint64_t hash, uint32_t index)
{
	uint32_t place = flow_place(hash, index);

	for (uint32_t match = flow_bucket_match(bucket, flow_tag(hash)); match != 0;
		match &= match - 1) {
		uint32_t slot = (uint32_t)__builtin_ctz(match);

		if (bucket->places[slot] == place) {
			bucket->tags[slot] = 0;
			return true;
		}
	}
	return false;
}

void
flow_bucket_remove(struct sl_flow_table *table, uint64_t hash, uint32_t index)
{
	uint32_t first = flow_bucket_first(table, hash);

	if (take(&table->buckets[first], hash, index))
		return;
	if (take(&table->buckets[flow_bucket_second(table, hash, first)], hash, index))
		table->buckets[first].n_away--;
}
