/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

/*
 * The wheels: a ring of flows for each tick of the next four minutes and a half.
 *
 * Lazy.    A packet only notes its time.  When a flow's tick comes it is looked at again, and put where its
 *          last packet wants it.  One whose time is further away than a wheel reaches is put as far away
 *          as that, and looked at then; so there is one level, and nothing to hand down from another.
 * Windows. A wheel has the ticks from table->tick on.  While work is left over from earlier ticks that one
 *          lags behind the clock, and so does the window.
 */

static uint32_t
head_of(const struct sl_flow_table *table, uint32_t wheel, uint64_t tick)
{
	return table->max + wheel * FLOW_WHEEL_TICKS + (uint32_t)(tick % FLOW_WHEEL_TICKS);
}

void
flow_wheel_init(struct sl_flow_table *table)
{
	uint32_t end = table->max + FLOW_WHEELS * FLOW_WHEEL_TICKS;

	for (uint32_t i = table->max; i < end; i++)
		table->links[i] = (struct flow_link){.next = i, .prev = i};
}

static void
occupy(struct sl_flow_table *table, uint32_t head, bool is_occupied)
{
	uint32_t slot = (head - table->max) % FLOW_WHEEL_TICKS;
	struct flow_wheel *wheel = &table->wheels[(head - table->max) / FLOW_WHEEL_TICKS];
	uint64_t *word = &wheel->occupied[slot / 64];

	if (is_occupied)
		*word |= (uint64_t)1 << slot % 64;
	else
		*word &= ~((uint64_t)1 << slot % 64);
	if (*word != 0)
		wheel->summary |= (uint64_t)1 << slot / 64;
	else
		wheel->summary &= ~((uint64_t)1 << slot / 64);
}

static void
append(struct sl_flow_table *table, uint32_t head, uint32_t index)
{
	struct flow_link *links = table->links;
	uint32_t last = links[head].prev;

	if (last == head)
		occupy(table, head, true);
	links[index] = (struct flow_link){.next = head, .prev = last};
	links[last].next = index;
	links[head].prev = index;
}

void
flow_wheel_unlink(struct sl_flow_table *table, uint32_t index)
{
	struct flow_link *links = table->links;
	struct flow_link link = links[index];

	links[link.prev].next = link.next;
	links[link.next].prev = link.prev;
	links[index] = (struct flow_link){.next = index, .prev = index};
	/* Both neighbours are the head: it was the last of its ring. */
	if (link.next == link.prev && link.next >= table->max)
		occupy(table, link.next, false);
}

/* What kind of flow waits for an answer, and may give way when there is no room. */
static bool
is_embryonic(const struct sl_flow *flow)
{
	if ((flow->flags & SL_FLOW_PENDED) != 0)
		return false;
	switch ((enum sl_flow_class)flow->class) {
	case SL_FLOW_TCP_SYN:
		return true;
	case SL_FLOW_TCP_ESTABLISHED:
		return (flow->flags & (SL_FLOW_MIDSTREAM | SL_FLOW_REPLIED)) == SL_FLOW_MIDSTREAM;
	case SL_FLOW_UDP:
	case SL_FLOW_ICMP:
	case SL_FLOW_SCTP:
	case SL_FLOW_OTHER:
	case SL_FLOW_MULTICAST:
		return (flow->flags & SL_FLOW_REPLIED) == 0;
	default:
		return false;
	}
}

uint32_t
flow_wheel_of(const struct sl_flow *flow)
{
	return is_embryonic(flow) ? 1u + flow->class : FLOW_WHEEL_SETTLED;
}

/*
 * Embryonic flows stand at their full time-out, whatever the pressure: so each of their wheels is in the
 * order of age, which a changing pressure would mix up.
 */
uint64_t
flow_wheel_tick(const struct sl_flow_table *table, const struct sl_flow *flow)
{
	bool is_settled = flow_wheel_of(flow) == FLOW_WHEEL_SETTLED;
	uint32_t pressure = is_settled ? sl_flow_pressure(table) : FLOW_PRESSURE_NONE;
	uint32_t timeout = flow_timeout(table, flow->class, flow->flags, pressure);
	uint64_t over_ms = flow_wall_at(table, table->now_ms, flow->last_ms) + timeout;

	if (SL_UNLIKELY((flow->flags & SL_FLOW_PENDED) != 0))
		return UINT64_MAX;
	return flow_tick_at(table, over_ms + (1u << FLOW_TICK_SHIFT) - 1);
}

void
flow_wheel_arm(struct sl_flow_table *table, uint32_t index)
{
	const struct sl_flow *flow = &table->entries[index];
	uint64_t tick = flow_wheel_tick(table, flow);

	tick = SL_MAX(tick, table->tick);
	tick = SL_MIN(tick, table->tick + FLOW_WHEEL_TICKS - 1);
	append(table, head_of(table, flow_wheel_of(flow), tick), index);
}

uint32_t
flow_wheel_first(const struct sl_flow_table *table, uint32_t wheel, uint64_t tick)
{
	uint32_t index = table->links[head_of(table, wheel, tick)].next;

	return index < table->max ? index : FLOW_NONE;
}

/* The lowest bit from `from` on, 64 when there is none. */
static uint32_t
next_bit(uint64_t word, uint32_t from)
{
	word = from < 64 ? word & UINT64_MAX << from : 0;
	return word == 0 ? 64 : (uint32_t)__builtin_ctzll(word);
}

/* The first occupied slot from `from` on, FLOW_WHEEL_TICKS when there is none up to the last. */
static uint32_t
next_slot(const struct flow_wheel *wheel, uint32_t from)
{
	uint32_t bit = next_bit(wheel->occupied[from / 64], from % 64);
	uint32_t word = from / 64;

	if (bit == 64) {
		word = next_bit(wheel->summary, word + 1);
		if (word == 64)
			return FLOW_WHEEL_TICKS;
		bit = next_bit(wheel->occupied[word], 0);
	}
	return word * 64 + bit;
}

uint64_t
flow_wheel_next(const struct sl_flow_table *table, uint32_t wheel)
{
	const struct flow_wheel *w = &table->wheels[wheel];
	uint32_t from = (uint32_t)(table->tick % FLOW_WHEEL_TICKS);
	uint32_t slot;

	if (w->summary == 0)
		return UINT64_MAX;
	slot = next_slot(w, from);
	if (slot == FLOW_WHEEL_TICKS)
		slot = next_slot(w, 0) + FLOW_WHEEL_TICKS; /* behind the turn */
	return table->tick + (slot - from);
}
