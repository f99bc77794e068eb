/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

/* Getting old: time-outs, pressure, who is due, who gives way. */

#define SWEEP_SHIFT 12u /* a turn of the sweep takes 4,096 ms */
#define VICTIM_WORK 64u /* flows that sl_flow_victim looks at */

uint32_t
sl_flow_pressure(const struct sl_flow_table *table)
{
	uint32_t n = __atomic_load_n(&table->count, __ATOMIC_RELAXED);
	uint32_t quarter = table->max / 4;

	if (n <= table->max - quarter || quarter == 0)
		return FLOW_PRESSURE_NONE;
	return SL_MAX((uint32_t)(((uint64_t)(table->max - n) * 16 + quarter - 1) / quarter), 1u);
}

uint32_t
flow_timeout(const struct sl_flow_table *table, uint32_t class, uint32_t flags, uint32_t pressure)
{
	uint32_t timeout = table->timeouts[class];

	if (pressure == FLOW_PRESSURE_NONE ||
		(class == SL_FLOW_TCP_ESTABLISHED && (flags & SL_FLOW_MIDSTREAM) == 0))
		return timeout;
	return (uint32_t)SL_MAX((uint64_t)timeout * pressure / 16, 1u);
}

static bool
is_over_at(const struct sl_flow_table *table, const struct sl_flow *flow, uint64_t wall_ms)
{
	uint32_t elapsed = flow_elapsed(flow_clock_at(table, wall_ms), flow->last_ms);

	if (SL_UNLIKELY((flow->flags & SL_FLOW_PENDED) != 0))
		return false;
	return elapsed >= flow_timeout(table, flow->class, flow->flags, sl_flow_pressure(table));
}

bool
sl_flow_is_over(const struct sl_flow_table *table, const struct sl_flow *flow, uint64_t now_ns)
{
	return is_over_at(table, flow, now_ns / 1000000);
}

/* One call of sl_flow_due. */
struct hunt {
	struct sl_flow_table *table;
	struct sl_flow **due;
	uint32_t n;
	uint32_t n_max;
	uint32_t work;
};

static bool
is_tired(const struct hunt *hunt)
{
	return hunt->work == 0 || hunt->n == hunt->n_max;
}

static void
name(struct hunt *hunt, uint32_t index)
{
	flow_wheel_unlink(hunt->table, index);
	hunt->due[hunt->n++] = &hunt->table->entries[index];
}

/* The ring is walked from one link to the next; what the next one needs can come meanwhile. */
static void
prefetch_next(const struct sl_flow_table *table, uint32_t index)
{
	uint32_t next = table->links[index].next;

	__builtin_prefetch(&table->links[next], 1);
	if (next < table->max)
		__builtin_prefetch(&table->entries[next]);
}

/* Works off a ring whose tick has come; false: not to its end. */
static bool
empty_ring(struct hunt *hunt, uint32_t wheel, uint64_t tick)
{
	struct sl_flow_table *table = hunt->table;
	uint32_t index;

	while ((index = flow_wheel_first(table, wheel, tick)) != FLOW_NONE) {
		if (is_tired(hunt))
			return false;
		hunt->work--;
		prefetch_next(table, index);
		if (is_over_at(table, &table->entries[index], table->now_ms)) {
			name(hunt, index);
			continue;
		}
		flow_wheel_unlink(table, index);
		flow_wheel_arm(table, index);
	}
	return true;
}

/* The next tick at which any wheel has a flow; UINT64_MAX. */
static uint64_t
next_tick(const struct sl_flow_table *table)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t wheel = 0; wheel < FLOW_WHEELS; wheel++)
		next = SL_MIN(next, flow_wheel_next(table, wheel));
	return next;
}

/* All ticks that have come. */
static void
turn_wheels(struct hunt *hunt)
{
	struct sl_flow_table *table = hunt->table;
	uint64_t now = flow_tick_at(table, table->now_ms);

	/* After a long rest one turn sees every flow. */
	if (table->tick + FLOW_WHEEL_TICKS <= now)
		table->tick = now - FLOW_WHEEL_TICKS + 1;
	while (table->tick <= now) {
		table->tick = SL_MIN(next_tick(table), now + 1);
		if (table->tick > now)
			return;
		for (uint32_t wheel = 0; wheel < FLOW_WHEELS; wheel++)
			if (!empty_ring(hunt, wheel, table->tick))
				return;
	}
}

/* Under pressure embryonic flows are over before their tick: each wheel's oldest are at its next one. */
static void
shorten_wheel(struct hunt *hunt, uint32_t wheel)
{
	struct sl_flow_table *table = hunt->table;
	uint64_t tick;

	while (!is_tired(hunt) && (tick = flow_wheel_next(table, wheel)) != UINT64_MAX) {
		uint32_t index = flow_wheel_first(table, wheel, tick);
		const struct sl_flow *flow = &table->entries[index];

		prefetch_next(table, index);
		if (is_over_at(table, flow, table->now_ms)) {
			name(hunt, index);
		} else if (flow_wheel_of(flow) != wheel) {
			flow_wheel_unlink(table, index);
			flow_wheel_arm(table, index);
		} else {
			return;
		}
		hunt->work--;
	}
}

/*
 * How many entries the sweep may look at: all of them in four seconds, so that a table that stays under pressure
 * costs each burst next to nothing.  What time has earned is kept in 4,096ths of an entry.
 */
static uint32_t
earn_sweep(struct sl_flow_table *table)
{
	uint64_t ms = table->now_ms > table->swept_ms ? table->now_ms - table->swept_ms : 0;
	uint64_t most = (uint64_t)table->fresh << SWEEP_SHIFT;

	table->swept_ms = table->now_ms;
	ms = SL_MIN(ms, (uint64_t)1 << SWEEP_SHIFT);
	table->sweep_credit = SL_MIN(table->sweep_credit + ms * table->fresh, most);
	return (uint32_t)(table->sweep_credit >> SWEEP_SHIFT);
}

/* Under pressure the rest are over before their tick too, and stand anywhere. */
static void
sweep_entries(struct hunt *hunt)
{
	struct sl_flow_table *table = hunt->table;
	uint32_t n = SL_MIN(hunt->work, earn_sweep(table));
	uint32_t i;

	for (i = 0; i < n && !is_tired(hunt); i++) {
		uint32_t index = table->hand < table->fresh ? table->hand : 0;
		const struct sl_flow *flow = &table->entries[index];

		__builtin_prefetch(flow + 8);
		table->hand = index + 1;
		hunt->work--;
		if ((flow->serial & 1) == 0 || table->links[index].next == index)
			continue; /* free, or named already */
		if (is_over_at(table, flow, table->now_ms))
			name(hunt, index);
	}
	table->sweep_credit -= (uint64_t)i << SWEEP_SHIFT;
}

/* What is over only because there is pressure. */
static void
relieve(struct hunt *hunt, uint32_t work_kept)
{
	struct sl_flow_table *table = hunt->table;

	/* The wheels' fronts change with the clock: once a millisecond, until nothing is left. */
	if (table->shortened_ms != table->now_ms) {
		for (uint32_t wheel = FLOW_WHEEL_SETTLED + 1; wheel < FLOW_WHEELS; wheel++)
			shorten_wheel(hunt, wheel);
		if (!is_tired(hunt))
			table->shortened_ms = table->now_ms;
	}
	hunt->work += work_kept;
	sweep_entries(hunt);
}

uint32_t
sl_flow_due(struct sl_flow_table *table, uint64_t now_ns, uint32_t work, struct sl_flow *due[],
	uint32_t n_max)
{
	bool is_pressed = sl_flow_pressure(table) < FLOW_PRESSURE_NONE;
	uint32_t kept = is_pressed ? work / 4 : 0; /* for the sweep, however much is due */
	struct hunt hunt = {.table = table, .due = due, .n_max = n_max, .work = work - kept};

	__atomic_store_n(&table->now_ms, now_ns / 1000000, __ATOMIC_RELAXED);
	turn_wheels(&hunt);
	if (is_pressed)
		relieve(&hunt, kept);
	return hunt.n;
}

/* Whether it stands where it belongs; what is further away than the wheel reaches stands anywhere. */
static bool
is_right(const struct sl_flow_table *table, const struct sl_flow *flow, uint32_t wheel,
	uint64_t tick)
{
	uint64_t wanted = flow_wheel_tick(table, flow);

	return flow_wheel_of(flow) == wheel &&
		(wanted <= tick || wanted - table->tick >= FLOW_WHEEL_TICKS);
}

/*
 * The oldest of a wheel of embryonic flows.  Flows that have been answered, or had another packet, since they
 * were put there are put right on the way, each once; `*work` bounds it.
 */
static struct sl_flow *
oldest(struct sl_flow_table *table, uint32_t wheel, uint32_t *work)
{
	uint64_t tick;

	for (; *work > 0 && (tick = flow_wheel_next(table, wheel)) != UINT64_MAX; --*work) {
		uint32_t index = flow_wheel_first(table, wheel, tick);
		struct sl_flow *flow = &table->entries[index];

		if (is_right(table, flow, wheel, tick))
			return (flow->flags & SL_FLOW_PENDING) == 0 ? flow : NULL;
		prefetch_next(table, index);
		flow_wheel_unlink(table, index);
		flow_wheel_arm(table, index);
	}
	return NULL;
}

struct sl_flow *
sl_flow_victim(struct sl_flow_table *table)
{
	uint32_t work = VICTIM_WORK;
	struct sl_flow *victim = NULL;

	for (uint32_t wheel = FLOW_WHEEL_SETTLED + 1; wheel < FLOW_WHEELS; wheel++) {
		struct sl_flow *flow = oldest(table, wheel, &work);

		if (flow != NULL &&
			(victim == NULL || (int32_t)(victim->last_ms - flow->last_ms) > 0))
			victim = flow;
	}
	return victim;
}
