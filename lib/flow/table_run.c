/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/bucket_run.h"
#include "flow/table.h"

#include <string.h>

#define REMOVE_MAX 64u

/*
 * Flows come and go.
 *
 * Readers take the serial, copy, and take the serial again; so it is made even before anything else of
 * an entry is written, and odd after.  Every store in between is a release, which costs nothing on x86.
 */

static void
publish(void *member, const void *value, size_t size)
{
	uint64_t u64;
	uint32_t u32;

	for (size_t at = 0; at + 8 <= size; at += 8) {
		memcpy(&u64, (const uint8_t *)value + at, 8);
		__atomic_store_n(
			(uint64_t *)(void *)((uint8_t *)member + at), u64, __ATOMIC_RELEASE);
	}
	if (size % 8 != 0) {
		memcpy(&u32, (const uint8_t *)value + size - 4, 4);
		__atomic_store_n(
			(uint32_t *)(void *)((uint8_t *)member + size - 4), u32, __ATOMIC_RELEASE);
	}
}

_Static_assert(sizeof(struct sl_flow_key) % 8 == 4 && offsetof(struct sl_flow, key) == 0,
	"publish writes it in words");

/* Takes a place that has been used not long ago, or else the first that never was. */
static uint32_t
take_place(struct sl_flow_table *table)
{
	uint32_t index = table->free_entry;

	if (index != FLOW_NONE) {
		table->free_entry = table->links[index].next;
		return index;
	}
	if (table->fresh == table->max)
		return FLOW_NONE;
	index = table->fresh;
	__atomic_store_n(&table->fresh, index + 1, __ATOMIC_RELAXED);
	return index;
}

static void
leave_place(struct sl_flow_table *table, uint32_t index)
{
	table->links[index].next = table->free_entry;
	table->free_entry = index;
}

/* The next odd serial whose upper bits are not all 0, so that no id is 0. */
static uint32_t
next_serial(uint32_t serial)
{
	return serial + 1 == 1 ? 3 : serial + 1;
}

static void
fill(struct sl_flow_table *table, struct sl_flow *flow, const struct sl_flow_key *key,
	enum sl_flow_class class)
{
	struct sl_flow_about *about = sl_flow_about(table, flow);
	uint32_t since = flow_since_of(table, table->now_ms);

	publish(&flow->key, key, sizeof(*key));
	__atomic_store_n(&flow->flags, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&flow->class, (uint8_t) class, __ATOMIC_RELEASE);
	__atomic_store_n(&flow->end, SL_FLOW_END_NONE, __ATOMIC_RELEASE);
	__atomic_store_n(&flow->last_ms, flow_clock_at(table, table->now_ms), __ATOMIC_RELEASE);
	flow->generation = 0;
	flow->signature = 0;
	for (int i = 0; i < 2; i++) {
		__atomic_store_n(&flow->packets[i], 0, __ATOMIC_RELEASE);
		__atomic_store_n(&flow->bytes[i], 0, __ATOMIC_RELEASE);
	}
	memset(&flow->tcp, 0, sizeof(flow->tcp));
	about->filter_id = 0;
	about->revision = 0;
	__atomic_store_n(&about->since, since, __ATOMIC_RELEASE);
	__atomic_store_n(&flow->serial, next_serial(flow->serial), __ATOMIC_RELEASE);
}

struct sl_flow *
sl_flow_add(struct sl_flow_table *table, const struct sl_flow_key *key, uint64_t hash,
	enum sl_flow_class class, uint64_t now_ns)
{
	uint32_t index = take_place(table);
	struct sl_flow *flow;

	if (index == FLOW_NONE)
		return NULL;
	if (!flow_bucket_insert(table, hash, index)) {
		leave_place(table, index);
		return NULL;
	}
	flow = &table->entries[index];
	__atomic_store_n(&table->now_ms, now_ns / 1000000, __ATOMIC_RELAXED);
	fill(table, flow, key, class);
	__atomic_store_n(&table->count, table->count + 1, __ATOMIC_RELAXED);
	flow_wheel_arm(table, index);
	return flow;
}

static void
take_out(struct sl_flow_table *table, struct sl_flow *flow, uint64_t hash)
{
	uint32_t index = flow_index(table, flow);

	__atomic_store_n(&flow->serial, flow->serial + 1, __ATOMIC_RELEASE);
	flow_bucket_remove(table, hash, index);
	flow_wheel_unlink(table, index);
	leave_place(table, index);
	__atomic_store_n(&table->count, table->count - 1, __ATOMIC_RELAXED);
}

void
sl_flow_remove(struct sl_flow_table *table, struct sl_flow *flow)
{
	take_out(table, flow, flow_hash_one(table->hash_key, &flow->key));
}

void
sl_flow_remove_all(struct sl_flow_table *table, struct sl_flow *const flows[], uint32_t n)
{
	struct sl_flow_key keys[REMOVE_MAX];
	uint64_t hashes[REMOVE_MAX];

	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		keys[i] = flows[i]->key;
	sl_flow_hash(table, keys, n, hashes);
	/* Where they are is all over the memory; all of it can come at once. */
	for (uint32_t i = 0; i < n; i++)
		__builtin_prefetch(&table->buckets[flow_bucket_first(table, hashes[i])], 1);
	for (uint32_t i = 0; i < n; i++)
		take_out(table, flows[i], hashes[i]);
}

void
sl_flow_set_class(struct sl_flow_table *table, struct sl_flow *flow, enum sl_flow_class class,
	uint64_t now_ns)
{
	__atomic_store_n(&table->now_ms, now_ns / 1000000, __ATOMIC_RELAXED);
	__atomic_store_n(&flow->class, (uint8_t) class, __ATOMIC_RELAXED);
	__atomic_store_n(&flow->last_ms, flow_clock_at(table, table->now_ms), __ATOMIC_RELAXED);
	flow_wheel_unlink(table, flow_index(table, flow));
	flow_wheel_arm(table, flow_index(table, flow));
}

void
sl_flow_pend(struct sl_flow_table *table, struct sl_flow *flow, bool is_pended, uint64_t now_ns)
{
	sl_flow_set_flags(flow, is_pended ? SL_FLOW_PENDED : 0, is_pended ? 0 : SL_FLOW_PENDED);
	sl_flow_set_class(table, flow, (enum sl_flow_class)flow->class, now_ns);
}

void
sl_flow_step_clock(struct sl_flow_table *table, int64_t step_ms)
{
	uint64_t step = (uint64_t)step_ms;

	__atomic_store_n(&table->start_ms, table->start_ms + step, __ATOMIC_RELAXED);
	__atomic_store_n(&table->now_ms, table->now_ms + step, __ATOMIC_RELAXED);
	table->stepped_ms += step;
	table->swept_ms += step;
	table->shortened_ms += step;
}

uint32_t
sl_flow_clock(const struct sl_flow_table *table, uint64_t now_ns)
{
	return flow_clock_at(table, now_ns / 1000000);
}

uint64_t
sl_flow_id(const struct sl_flow_table *table, const struct sl_flow *flow)
{
	return flow_id_of(table, flow_index(table, flow), flow->serial);
}

uint32_t
sl_flow_index(const struct sl_flow_table *table, const struct sl_flow *flow)
{
	return flow_index(table, flow);
}

struct sl_flow *
sl_flow_by_id(const struct sl_flow_table *table, uint64_t id)
{
	uint32_t index = flow_id_index(id);
	struct sl_flow *flow = &table->entries[index];

	if (index >= table->fresh || (flow->serial & 1) == 0 || sl_flow_id(table, flow) != id)
		return NULL;
	return flow;
}

uint32_t
sl_flow_id_worker(uint64_t id)
{
	return (uint32_t)(id >> (FLOW_SERIAL_BITS + FLOW_INDEX_BITS));
}

struct sl_flow_about *
sl_flow_about(const struct sl_flow_table *table, const struct sl_flow *flow)
{
	return &table->abouts[flow_index(table, flow)];
}

uint64_t
sl_flow_since_ns(const struct sl_flow_table *table, const struct sl_flow *flow)
{
	return flow_since_ns(table, sl_flow_about(table, flow)->since);
}

uint32_t
sl_flow_sweep(struct sl_flow_table *table, uint32_t *at, uint32_t work, struct sl_flow *flows[],
	uint32_t n_max)
{
	uint32_t places = SL_MIN(work, table->fresh);
	uint32_t n = 0;

	for (uint32_t i = 0; i < places && n < n_max; i++) {
		struct sl_flow *flow;

		if (*at >= table->fresh)
			*at = 0;
		flow = &table->entries[(*at)++];
		__builtin_prefetch(flow + 8);
		if ((flow->serial & 1) != 0)
			flows[n++] = flow;
	}
	return n;
}
