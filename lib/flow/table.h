/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_TABLE_H
#define SL_FLOW_TABLE_H

/*
 * The table behind sl_flow.h.
 *
 * Entries  stand in one array; a flow's index there never changes.  Beside it, by the same index: links
 *          (of the wheel, or of the free places) and what is needed seldom.
 * Buckets  are cache lines of (tag, index) pairs.  A key has two; it is in its first unless that was full.
 *          A bucket counts the keys that had to go elsewhere, so that a search knows when to end.
 * Wheels   hold flows by the tick at which their time is over: one for each class of embryonic flows, so
 *          that each is in the order of age, and one for all others.
 * Places   of other threads' interest are written with release, so that a reader who finds the serial
 *          unchanged has read one flow (see list.c).
 */

#include "flow/sl_flow.h"

#include <string.h>

#define FLOW_MAX          (1u << 27)
#define FLOW_INDEX_BITS   27u
#define FLOW_SERIAL_BITS  31u /* of an id; the serial's lowest bit is always set there */
#define FLOW_WORKERS_MAX  64u
#define FLOW_NONE         UINT32_MAX
#define FLOW_BATCH        64u /* keys at once */
#define FLOW_BUCKET_SLOTS 12u
#define FLOW_TIMEOUT_MAX  604800000u /* ms; a week */

#define FLOW_PRESSURE_NONE 16u
#define FLOW_TICK_SHIFT    6u /* a tick is 64 ms */
#define FLOW_WHEEL_TICKS   4096u
#define FLOW_WHEEL_WORDS   (FLOW_WHEEL_TICKS / 64)
#define FLOW_WHEEL_SETTLED 0u /* flows that are not embryonic */
/* Wheel 1 + class: embryonic flows. Classes that have none leave theirs empty. */
#define FLOW_WHEELS (1u + SL_FLOW_CLASS_COUNT)

/* A twelfth or so stays free: with two buckets of twelve, no key is then refused. */
#define FLOW_LOAD_PERCENT 85u

struct flow_bucket {
	uint8_t tags[FLOW_BUCKET_SLOTS]; /* 0: free */
	uint16_t n_away; /* keys whose first bucket this is and that are in their second */
	uint16_t reserved;
	uint32_t places[FLOW_BUCKET_SLOTS]; /* index; in the bits above it more of the tag */
} SL_CACHE_ALIGNED;

_Static_assert(sizeof(struct flow_bucket) == 64, "a cache line");

/* In a ring: of a wheel's slot, or alone when the flow has been named as due. Free places: next only. */
struct flow_link {
	uint32_t next;
	uint32_t prev;
};

struct flow_wheel {
	uint64_t summary;                    /* a bit for each word below that is not 0 */
	uint64_t occupied[FLOW_WHEEL_WORDS]; /* a bit a slot */
};

/*
 * A context of a callout.  Flows that have one say so by a flag; theirs are found by a hash table of chains, so
 * that flows without any pay nothing.  Numbers are 1 and index; 0 ends a chain.
 */
struct flow_context {
	void *callout;
	uint64_t value;
	uint32_t next; /* of the chain, or of the free ones */
	uint32_t flow; /* its index */
	uint8_t layer;
};

typedef void flow_hash_fn(
	const uint64_t hash_key[2], const struct sl_flow_key keys[], uint32_t n, uint64_t hashes[]);

struct sl_flow_table {
	/* Never changes. */
	struct sl_flow *entries;
	struct flow_link *links; /* of entries, then the heads of the wheels' slots */
	struct flow_bucket *buckets;
	struct sl_flow_about *abouts;
	struct flow_context *contexts;
	uint32_t *chains; /* of contexts, as many as there are contexts */
	flow_hash_fn *hash;
	uint64_t hash_key[2];
	uint32_t max;
	uint32_t n_buckets;
	uint32_t n_contexts;
	uint32_t worker;
	uint32_t timeouts[SL_FLOW_CLASS_COUNT];
	size_t n_bytes;
	void *region; /* all memory of the table, this structure included */
	size_t region_size;

	/* The worker's; count, fresh, start_ms and now_ms are read by others. */
	uint32_t count SL_CACHE_ALIGNED;
	uint32_t fresh;        /* entries from here on have never been used */
	uint64_t start_ms;     /* wall clock when the table's clock was 0 */
	uint64_t now_ms;       /* wall clock, as last told */
	uint64_t stepped_ms;   /* how far the wall clock was set since the start, modulo 2^64 */
	uint32_t free_entry;   /* the last one freed; FLOW_NONE: none */
	uint32_t free_context; /* its number; 0: none */
	uint64_t tick;         /* the first one not yet worked off */
	uint32_t hand;         /* where the sweep under pressure goes on */
	uint64_t swept_ms;     /* when the sweep last earned */
	uint64_t sweep_credit; /* see earn_sweep */
	uint64_t shortened_ms; /* when the wheels' fronts were last done with */
	struct flow_wheel wheels[FLOW_WHEELS];
};

static inline uint32_t
flow_index(const struct sl_flow_table *table, const struct sl_flow *flow)
{
	return (uint32_t)(flow - table->entries);
}

/* --- Numbers of flows. --- */

static inline uint64_t
flow_id_of(const struct sl_flow_table *table, uint32_t index, uint32_t serial)
{
	return ((uint64_t)table->worker << FLOW_INDEX_BITS | index) << FLOW_SERIAL_BITS |
		serial >> 1;
}

static inline uint32_t
flow_id_index(uint64_t id)
{
	return (uint32_t)(id >> FLOW_SERIAL_BITS) & (FLOW_MAX - 1);
}

/* --- Times. --- */

/* Sixteenths of a second since two years before the table's start, so that older flows can be loaded. */
#define FLOW_SINCE_START (1u << 30)

static inline uint64_t
flow_start_ms(const struct sl_flow_table *table)
{
	return __atomic_load_n(&table->start_ms, __ATOMIC_RELAXED);
}

static inline uint32_t
flow_since_of(const struct sl_flow_table *table, uint64_t wall_ms)
{
	int64_t since = FLOW_SINCE_START + (int64_t)(wall_ms - flow_start_ms(table)) * 2 / 125;

	return (uint32_t)SL_MAX(since, 0);
}

static inline uint64_t
flow_since_ns(const struct sl_flow_table *table, uint32_t since)
{
	return flow_start_ms(table) * 1000000 +
		(uint64_t)(((int64_t)since - FLOW_SINCE_START) * 62500000);
}

static inline uint32_t
flow_clock_at(const struct sl_flow_table *table, uint64_t wall_ms)
{
	return (uint32_t)(wall_ms - flow_start_ms(table));
}

/* The wall clock when the table's clock was `clock`, which is not far from now; ms. */
static inline uint64_t
flow_wall_at(const struct sl_flow_table *table, uint64_t now_ms, uint32_t clock)
{
	return now_ms + (uint64_t)(int64_t)(int32_t)(clock - flow_clock_at(table, now_ms));
}

/* The tick of a time of the wall clock. Ticks go on when that clock is set. */
static inline uint64_t
flow_tick_at(const struct sl_flow_table *table, uint64_t wall_ms)
{
	return (wall_ms - table->stepped_ms) >> FLOW_TICK_SHIFT;
}

/* --- hash_run.c --- */

/* The widest form that this processor has. */
flow_hash_fn *flow_hash_best(void);
/* All forms, for tests: the i-th that this processor has, NULL behind the last. */
flow_hash_fn *flow_hash_form(uint32_t i);
/* One key. */
uint64_t flow_hash_one(const uint64_t hash_key[2], const struct sl_flow_key *key);

/* --- bucket_run.c --- */

/* A place for an index; false: both buckets are full and none of their keys can move. */
bool flow_bucket_insert(struct sl_flow_table *table, uint64_t hash, uint32_t index);
void flow_bucket_remove(struct sl_flow_table *table, uint64_t hash, uint32_t index);

/* --- wheel_run.c --- */

void flow_wheel_init(struct sl_flow_table *table);
/* Puts a flow that is in no ring where its class, flags and last packet want it. */
void flow_wheel_arm(struct sl_flow_table *table, uint32_t index);
/*
 * The tick at which its time is over, if no packet comes; it may have passed, or be further away than a wheel
 * reaches.  UINT64_MAX: it does not age.
 */
uint64_t flow_wheel_tick(const struct sl_flow_table *table, const struct sl_flow *flow);
/* Takes it out of its ring, whichever that is; it is then alone. */
void flow_wheel_unlink(struct sl_flow_table *table, uint32_t index);
/* The first flow of a wheel's slot for `tick`, FLOW_NONE. */
uint32_t flow_wheel_first(const struct sl_flow_table *table, uint32_t wheel, uint64_t tick);
/* The first tick from table->tick on at which the wheel has a flow; UINT64_MAX: it is empty. */
uint64_t flow_wheel_next(const struct sl_flow_table *table, uint32_t wheel);
/* The wheel where a flow belongs now. */
uint32_t flow_wheel_of(const struct sl_flow *flow);

/* --- age_run.c --- */

/* The time-out in force of a flow of that class and flags, at that pressure; ms. */
uint32_t
flow_timeout(const struct sl_flow_table *table, uint32_t class, uint32_t flags, uint32_t pressure);
/* Milliseconds from `last_ms` to `clock`; 0 when a clock that was set back makes it negative. */
static inline uint32_t
flow_elapsed(uint32_t clock, uint32_t last_ms)
{
	int32_t elapsed = (int32_t)(clock - last_ms);

	return elapsed < 0 ? 0 : (uint32_t)elapsed;
}

#endif
