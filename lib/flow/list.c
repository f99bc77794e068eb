/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

/*
 * Reading from other threads: an entry is copied between two looks at its serial, and what was copied is one
 * flow if both show the same odd number.  Loads are acquires, so that none of them passes the second look.
 */

static const char *const class_names[SL_FLOW_CLASS_COUNT] = {"tcp_syn", "tcp_established",
	"tcp_fin", "tcp_time_wait", "tcp_rst", "udp", "icmp", "sctp", "other", "multicast",
	"ended"};
static const char *const end_names[SL_FLOW_END_COUNT] = {
	"none", "fin", "rst", "idle", "evicted", "policy", "admin", "replaced"};

const char *sl_flow_class_name(enum sl_flow_class class)
{
	return class < SL_FLOW_CLASS_COUNT ? class_names[class] : "unknown";
}

const char *
sl_flow_end_name(enum sl_flow_end end)
{
	return end < SL_FLOW_END_COUNT ? end_names[end] : "unknown";
}

static void
copy_key(const struct sl_flow *flow, struct sl_flow_key *key)
{
	const uint32_t *from = (const uint32_t *)(const void *)&flow->key;
	uint32_t words[sizeof(*key) / 4];

	for (uint32_t i = 0; i < SL_ARRAY_LEN(words); i++)
		words[i] = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
	memcpy(key, words, sizeof(*key));
}

/*
 * What the worker writes as it likes, each in one instruction on any machine that this runs on: a flow's
 * judgement, and TCP's state.  No lock and no atomic is asked of those who write them.
 */
__attribute__((no_sanitize("thread"), noinline)) static void
copy_loose(const struct sl_flow *flow, const struct sl_flow_about *about, struct sl_flow_view *view)
{
	view->generation = *(const volatile uint32_t *)&flow->generation;
	view->tcp_state = *(const volatile uint8_t *)&flow->tcp.state;
	view->filter_id = *(const volatile uint64_t *)&about->filter_id;
	view->revision = *(const volatile uint32_t *)&about->revision;
}

static void
copy_times(const struct sl_flow_table *table, const struct sl_flow *flow,
	const struct sl_flow_about *about, struct sl_flow_view *view)
{
	uint64_t now_ms = __atomic_load_n(&table->now_ms, __ATOMIC_RELAXED);
	uint32_t last_ms = __atomic_load_n(&flow->last_ms, __ATOMIC_ACQUIRE);
	uint64_t last = flow_wall_at(table, now_ms, last_ms);
	uint32_t timeout = flow_timeout(table, view->class, view->flags, sl_flow_pressure(table));

	view->since_ns = flow_since_ns(table, __atomic_load_n(&about->since, __ATOMIC_ACQUIRE));
	view->last_ns = last * 1000000;
	view->over_ns = (last + timeout) * 1000000;
}

/* False: the place is free, or was given to another flow meanwhile. */
static bool
copy(const struct sl_flow_table *table, uint32_t index, struct sl_flow_view *view)
{
	const struct sl_flow *flow = &table->entries[index];
	uint32_t serial = __atomic_load_n(&flow->serial, __ATOMIC_ACQUIRE);

	if ((serial & 1) == 0)
		return false;
	view->id = flow_id_of(table, index, serial);
	copy_key(flow, &view->key);
	view->flags = __atomic_load_n(&flow->flags, __ATOMIC_ACQUIRE);
	view->class = __atomic_load_n(&flow->class, __ATOMIC_ACQUIRE);
	view->end = __atomic_load_n(&flow->end, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 2; i++) {
		view->packets[i] = __atomic_load_n(&flow->packets[i], __ATOMIC_ACQUIRE);
		view->bytes[i] = __atomic_load_n(&flow->bytes[i], __ATOMIC_ACQUIRE);
	}
	copy_loose(flow, &table->abouts[index], view);
	copy_times(table, flow, &table->abouts[index], view);
	return __atomic_load_n(&flow->serial, __ATOMIC_RELAXED) == serial;
}

uint32_t
sl_flow_list(const struct sl_flow_table *table, uint32_t *at, struct sl_flow_view views[],
	uint32_t n_max)
{
	uint32_t end = __atomic_load_n(&table->fresh, __ATOMIC_RELAXED);
	uint32_t n = 0;

	for (; *at < end && n < n_max; (*at)++)
		n += copy(table, *at, &views[n]);
	if (*at >= end)
		*at = SL_FLOW_LIST_END;
	return n;
}

bool
sl_flow_view(const struct sl_flow_table *table, uint64_t id, struct sl_flow_view *view)
{
	uint32_t index = flow_id_index(id);

	return index < __atomic_load_n(&table->fresh, __ATOMIC_RELAXED) &&
		copy(table, index, view) && view->id == id;
}
