/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

#include <errno.h>

/* Keeping flows over a restart. What comes from outside is checked like any other input. */

#define FLAGS_KEPT                                                                           \
	(SL_FLOW_OUTBOUND | SL_FLOW_ESTABLISHED | SL_FLOW_REPLIED | SL_FLOW_MIDSTREAM |      \
		SL_FLOW_REVOKED | SL_FLOW_WILDCARD | SL_FLOW_UNENFORCED | SL_FLOW_IMPORTED | \
		SL_FLOW_UNCONFIRMED)

static void
save_one(const struct sl_flow_table *table, const struct sl_flow *flow, struct sl_flow_saved *saved)
{
	memset(saved, 0, sizeof(*saved));
	saved->key = flow->key;
	saved->flags = flow->flags & FLAGS_KEPT;
	saved->class = flow->class;
	saved->end = flow->end;
	memcpy(saved->packets, flow->packets, sizeof(saved->packets));
	memcpy(saved->bytes, flow->bytes, sizeof(saved->bytes));
	saved->since_ns = sl_flow_since_ns(table, flow);
	saved->last_ns = flow_wall_at(table, table->now_ms, flow->last_ms) * 1000000;
	saved->tcp = flow->tcp;
}

uint32_t
sl_flow_save(const struct sl_flow_table *table, uint32_t *at, struct sl_flow_saved saved[],
	uint32_t n_max)
{
	uint32_t n = 0;

	for (; *at < table->fresh && n < n_max; (*at)++) {
		const struct sl_flow *flow = &table->entries[*at];

		/* Nobody has authorised those yet. */
		if ((flow->serial & 1) != 0 &&
			(flow->flags & (SL_FLOW_PENDING | SL_FLOW_PENDED)) == 0)
			save_one(table, flow, &saved[n++]);
	}
	if (*at >= table->fresh)
		*at = SL_FLOW_LIST_END;
	return n;
}

static bool
is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool
is_valid(const struct sl_flow_saved *saved)
{
	const struct sl_flow_key *key = &saved->key;

	if (saved->class >= SL_FLOW_CLASS_COUNT || saved->end >= SL_FLOW_END_COUNT ||
		(saved->flags & ~FLAGS_KEPT) != 0 || saved->tcp.state >= SL_TCP_STATE_COUNT ||
		key->is_icmp_query > 2 || key->reserved != 0)
		return false;
	if (key->ip_version == 4)
		return is_zero(key->local + 4, sizeof(key->local) - 4) &&
			is_zero(key->remote + 4, sizeof(key->remote) - 4);
	return key->ip_version == 6;
}

/* Counters and times; of the clock that the table has from now on. */
static void
restore(struct sl_flow_table *table, struct sl_flow *flow, const struct sl_flow_saved *saved,
	uint64_t last_ms)
{
	uint64_t since_ms = SL_MIN(saved->since_ns / 1000000, last_ms);
	flow->flags = saved->flags | SL_FLOW_IMPORTED;
	flow->end = saved->end;
	flow->last_ms = flow_clock_at(table, last_ms);
	memcpy(flow->packets, saved->packets, sizeof(flow->packets));
	memcpy(flow->bytes, saved->bytes, sizeof(flow->bytes));
	flow->tcp = saved->tcp;
	sl_flow_about(table, flow)->since = flow_since_of(table, since_ms);
	flow_wheel_unlink(table, flow_index(table, flow));
	flow_wheel_arm(table, flow_index(table, flow));
}

int
sl_flow_load(struct sl_flow_table *table, const struct sl_flow_saved *saved, uint64_t now_ns)
{
	uint64_t now_ms = now_ns / 1000000;
	uint64_t last_ms = SL_MIN(saved->last_ns / 1000000, now_ms);
	struct sl_flow *flow;
	uint64_t hash;

	if (!is_valid(saved))
		return -EINVAL;
	if (now_ms - last_ms >=
		flow_timeout(table, saved->class, saved->flags, sl_flow_pressure(table)))
		return -ESTALE;
	sl_flow_hash(table, &saved->key, 1, &hash);
	sl_flow_find(table, &saved->key, &hash, 1, &flow);
	if (flow != NULL)
		return -EEXIST;
	flow = sl_flow_add(table, &saved->key, hash, saved->class, now_ns);
	if (flow == NULL)
		return -ENOSPC;
	restore(table, flow, saved, last_ms);
	return 0;
}
