/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_FLOW_H
#define SL_FLOW_FLOW_H

/*
 * Flows: one worker's table of them (WFP section 7.1).
 *
 * What.    A flow is what both directions of a connection, or of a conversation without one, have in
 *          common: who authorised it, under which policy, its TCP state, its counters, and what callouts
 *          keep for it.  The key names hosts by the side they are on, so both directions have the same.
 * Owner.   Every function is packet time and the table's worker alone, unless it says otherwise: no
 *          lock, no allocation.  All memory is there, and touched, when sl_flow_table_new returns.
 * Readers. Other threads read entries while the worker goes on, see sl_flow_list.
 * Hash.    SipHash-1-3 under a key made at start: whoever chooses addresses cannot choose collisions.
 *          A key has its place in one of two buckets, so a probe is bounded.
 * Age.     Every flow has a class, which has a time-out.  Nobody is told when a flow gets old:
 *          sl_flow_due names those whose time is over, and sl_flow_is_over is true for them at once.
 */

#include "base/sl_compiler.h"
#include "flow/sl_flow_config.h"
#include "flow/sl_tcp.h"
#include "packet/sl_glance.h"
#include "packet/sl_packet.h"
#include "sdk/sluice_types.h"

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a flow is told by; compared whole, so unused bytes are 0.  `local` is the host inside.
 *
 * ICMP and ICMPv6 query messages with an identifier (echo, timestamp ...): local_port is the identifier,
 * remote_port the type of the request, is_icmp_query who asks: requests of one side are not answers to those of
 * the other.  Their other messages: local_port is the type,
 * remote_port the code.  Protocols without ports: both 0.  A flow opened by a multicast or broadcast packet from inside
 * has no remote address and no remote port: all zero (WFP section 7.1).
 */
struct sl_flow_key {
	uint8_t local[16]; /* network order; IPv4: the first four */
	uint8_t remote[16];
	uint16_t local_port; /* host order */
	uint16_t remote_port;
	uint32_t domain; /* zone << 24 | outermost VID << 12 | second VID; VID 0: no tag */
	uint8_t protocol;
	uint8_t ip_version; /* 4 or 6 */
	uint8_t is_icmp_query; /* ICMP or ICMPv6 with an identifier; 1: the host inside asks, 2: the one outside */
	uint8_t reserved;
};

_Static_assert(sizeof(struct sl_flow_key) == 44, "compared whole: no padding");

enum sl_flow_flag {
	SL_FLOW_OUTBOUND =
		0x01, /* the first packet came from inside: authorised at ale_auth_connect */
	SL_FLOW_ESTABLISHED = 0x02, /* ale_flow_established has been passed */
	SL_FLOW_REPLIED = 0x04,     /* both directions have been seen */
	SL_FLOW_MIDSTREAM = 0x08,   /* TCP that was picked up without its handshake */
	SL_FLOW_REVOKED =
		0x10, /* a later policy or an administrator ended it: its packets are dropped */
	SL_FLOW_WILDCARD = 0x20, /* opened by multicast or broadcast: any remote host may answer */
	SL_FLOW_PENDING = 0x40,  /* being authorised in this burst */
	SL_FLOW_UNENFORCED =
		0x80, /* opened while no policy asked for state: TCP windows are unknown */
	SL_FLOW_IMPORTED = 0x100,     /* kept over a restart */
	SL_FLOW_HAS_CONTEXTS = 0x200, /* private: of callouts */
	SL_FLOW_PENDED = 0x400,       /* waits for a callout's answer: nothing of it passes */
	SL_FLOW_UNCONFIRMED = 0x800   /* authorised without a packet: the next one establishes it */
};

/* Why a flow ended (WFP section 7.8). */
enum sl_flow_end {
	SL_FLOW_END_NONE,
	SL_FLOW_END_FIN,      /* both sides closed */
	SL_FLOW_END_RST,      /* one side reset */
	SL_FLOW_END_IDLE,     /* its time-out */
	SL_FLOW_END_EVICTED,  /* gave way to another: table under pressure */
	SL_FLOW_END_POLICY,   /* reauthorisation, or ale_flow_established, blocked it */
	SL_FLOW_END_ADMIN,    /* DELETE /v1/flows */
	SL_FLOW_END_REPLACED, /* a new connection took its 5-tuple */
	SL_FLOW_END_COUNT
};

/*
 * An entry; 128 bytes.  The worker writes; members marked (r) are read by others, so they are written
 * with relaxed atomics: sl_flow_count, sl_flow_set_flags, sl_flow_set_end and the table do it.
 */
struct sl_flow {
	struct sl_flow_key key; /* (r) never changes while `serial` stays */
	uint16_t flags;         /* (r) enum sl_flow_flag */
	uint8_t class;          /* (r) enum sl_flow_class; sl_flow_set_class */
	uint8_t end; /* (r) enum sl_flow_end, known before the flow is over: FIN, RST, POLICY ... */
	uint32_t last_ms;    /* (r) of the last packet; milliseconds of the table's clock */
	uint32_t generation; /* of the authorising layer when it was last judged; 0: judge it */
	uint32_t signature;  /* sl_layer_signature of that judgement */
	uint32_t serial;     /* (r) odd while in use; with the index it makes the id */
	uint64_t packets[2]; /* (r) by enum sluice_direction */
	uint64_t bytes[2];   /* (r) of frames */
	struct sl_tcp tcp;
};

_Static_assert(sizeof(struct sl_flow) == 128, "two cache lines");

/* What is needed seldom, in an array beside the entries; see sl_flow_about. */
struct sl_flow_about {
	uint64_t filter_id; /* authorising filter; 0: no filter matched */
	uint32_t since;     /* private: of the first packet; sl_flow_since_ns */
	uint32_t
		revision; /* of the policy that authorised it, lower half; who authorises sets it */
};

struct sl_flow_table; /* opaque */

/* --- Control thread. --- */

/*
 * Room for `config->max` flows (1 .. 2^27), `config->contexts` contexts.  `worker` is part of the ids.
 * The table's clock starts at `now_ns`.  0, -EINVAL, -ENOMEM.
 */
int sl_flow_table_new(const struct sl_flow_config *config, uint32_t worker, uint64_t now_ns,
	struct sl_flow_table **out) SL_MUST_CHECK;
/* NULL is allowed. */
void sl_flow_table_free(struct sl_flow_table *table);
/* Bytes that the table takes, contexts not included. Any thread. */
size_t sl_flow_table_bytes(const struct sl_flow_table *table);
uint32_t sl_flow_table_max(const struct sl_flow_table *table);
/* Flows in it; any thread. */
uint32_t sl_flow_table_count(const struct sl_flow_table *table);

/* --- Keys. Pure. --- */

/*
 * The key of a packet that the parser accepts and that is no later fragment; false when it has none
 * (not IP; an ICMP error, whose flow is that of sl_flow_key_of_error).
 */
bool sl_flow_key_of(const struct sl_meta *meta, uint8_t zone, struct sl_flow_key *key);
/*
 * The same for what nearly every packet is: TCP or UDP in IPv4, without tags.  False: it is not one; nothing
 * is written.
 */
static inline bool
sl_flow_key_of_plain(const struct sl_meta *meta, uint8_t zone, struct sl_flow_key *key)
{
	const bool is_inbound = meta->direction == SLUICE_DIRECTION_INBOUND;
	const uint32_t local = __builtin_bswap32(is_inbound ? meta->ip4_dst : meta->ip4_src);
	const uint32_t remote = __builtin_bswap32(is_inbound ? meta->ip4_src : meta->ip4_dst);

	/* One test: TCP and UDP come as they come, and a branch for each would be guessed wrong. */
	if (((meta->ip_version ^ 4u) | meta->vlan_n |
		    (meta->protocol > 17 ? 1u : ~(1u << 6 | 1u << 17) >> meta->protocol & 1u) |
		    (uint32_t)(~meta->present >> SL_SLOT_SRC_PORT & 1u)) != 0)
		return false;
	/* One store each: bytes that were written apart cannot be read at once for a while. */
	_mm_storeu_si128((__m128i *)(void *)key->local, _mm_cvtsi32_si128((int)local));
	_mm_storeu_si128((__m128i *)(void *)key->remote, _mm_cvtsi32_si128((int)remote));
	key->local_port = is_inbound ? meta->dst_port : meta->src_port;
	key->remote_port = is_inbound ? meta->src_port : meta->dst_port;
	key->domain = (uint32_t)zone << 24;
	key->protocol = meta->protocol;
	key->ip_version = 4;
	key->is_icmp_query = 0;
	key->reserved = 0;
	return true;
}
/* The key of a packet that was glanced at: the same as sl_flow_key_of gives. */
static inline void
sl_flow_key_of_glance(const struct sl_glance *glance, enum sluice_direction direction, uint8_t zone,
	struct sl_flow_key *key)
{
	const bool is_inbound = direction == SLUICE_DIRECTION_INBOUND;

	/* One store each: bytes that were written apart cannot be read at once for a while. */
	_mm_storeu_si128((__m128i *)(void *)key->local,
		_mm_cvtsi32_si128((int)(is_inbound ? glance->dst : glance->src)));
	_mm_storeu_si128((__m128i *)(void *)key->remote,
		_mm_cvtsi32_si128((int)(is_inbound ? glance->src : glance->dst)));
	key->local_port = is_inbound ? glance->dst_port : glance->src_port;
	key->remote_port = is_inbound ? glance->src_port : glance->dst_port;
	key->domain = (uint32_t)zone << 24;
	key->protocol = glance->protocol;
	key->ip_version = 4;
	key->is_icmp_query = 0;
	key->reserved = 0;
}
/*
 * The key of the flow that an ICMP error is about, from the packet in it; false when too little of it is
 * there.  `*seq` and `*has_seq`: for TCP its sequence number (RFC 5927).
 */
bool sl_flow_key_of_error(const struct sl_frame *frame, const struct sl_meta *meta, uint8_t zone,
	struct sl_flow_key *key, uint32_t *seq, bool *has_seq);
/* The key that a flow opened by multicast or broadcast from `key`'s local end has. */
void sl_flow_key_wildcard(struct sl_flow_key *key);

/* --- Packet time. --- */

/* Hashes of n keys, at once; n at most 64. */
void sl_flow_hash(const struct sl_flow_table *table, const struct sl_flow_key keys[], uint32_t n,
	uint64_t hashes[]);
/* The flows of n keys with their hashes, NULL where there is none; n at most 64. */
void sl_flow_find(const struct sl_flow_table *table, const struct sl_flow_key keys[],
	const uint64_t hashes[], uint32_t n, struct sl_flow *flows[]);
/*
 * A new flow, zeroed but for key, class, times and serial; the key must not be there.  NULL: no room; then
 * sl_flow_victim may name a flow to end first.
 */
struct sl_flow *sl_flow_add(struct sl_flow_table *table, const struct sl_flow_key *key,
	uint64_t hash, enum sl_flow_class class, uint64_t now_ns);
/* Takes it out. Its contexts must have been taken. */
void sl_flow_remove(struct sl_flow_table *table, struct sl_flow *flow);
/* The same for n flows (n at most 64), which costs less than one by one. */
void sl_flow_remove_all(struct sl_flow_table *table, struct sl_flow *const flows[], uint32_t n);
/*
 * The embryonic flow whose last packet is the oldest, as far as the tick tells; it stays in the table, and
 * the caller removes it.  NULL when none was found in a bounded search.  Embryonic is TCP of class TCP_SYN,
 * TCP picked up and not answered (MIDSTREAM without REPLIED), and anything else without REPLIED; never a
 * flow that is ENDED, PENDING, PENDED, or whose handshake was seen.
 */
struct sl_flow *sl_flow_victim(struct sl_flow_table *table);
/*
 * Another class: another time-out, counted from `now_ns`.  Set flags that come with it (MIDSTREAM) before:
 * they tell whether the flow is embryonic.
 */
void sl_flow_set_class(struct sl_flow_table *table, struct sl_flow *flow, enum sl_flow_class class,
	uint64_t now_ns);
/*
 * Sets or clears SL_FLOW_PENDED.  Such a flow neither ages nor gives way to another; when it waits no more its time
 * counts from `now_ns`.
 */
void
sl_flow_pend(struct sl_flow_table *table, struct sl_flow *flow, bool is_pended, uint64_t now_ns);
/* True when the flow's time is over, whether sl_flow_due has named it or not. */
bool
sl_flow_is_over(const struct sl_flow_table *table, const struct sl_flow *flow, uint64_t now_ns);
/*
 * Up to n_max flows whose time is over, in the order of their ends as far as the table's tick of 64 ms tells,
 * looking at no more than `work` entries.  They stay in the table, and are named once: the caller removes every
 * one, or gives it another class.
 */
uint32_t sl_flow_due(struct sl_flow_table *table, uint64_t now_ns, uint32_t work,
	struct sl_flow *due[], uint32_t n_max);
/*
 * Time-outs shrink as the table fills: above 3/4 of `max` in proportion to what is free, down to a sixteenth
 * (never for established TCP, whose handshake was seen).  1..16, 16: not shortened.
 */
uint32_t sl_flow_pressure(const struct sl_flow_table *table);

/* Sets and clears flags: enum sl_flow_flag. */
static inline void
sl_flow_set_flags(struct sl_flow *flow, uint32_t set, uint32_t clear)
{
	__atomic_store_n(&flow->flags, (uint16_t)((flow->flags & ~clear) | set), __ATOMIC_RELAXED);
}

static inline void
sl_flow_set_end(struct sl_flow *flow, enum sl_flow_end end)
{
	__atomic_store_n(&flow->end, (uint8_t)end, __ATOMIC_RELAXED);
}

/* Counts a packet of `length` bytes and refreshes the flow. */
static inline void
sl_flow_count(
	struct sl_flow *flow, enum sluice_direction direction, uint32_t length, uint32_t now_ms)
{
	__atomic_store_n(&flow->packets[direction], flow->packets[direction] + 1, __ATOMIC_RELAXED);
	__atomic_store_n(
		&flow->bytes[direction], flow->bytes[direction] + length, __ATOMIC_RELAXED);
	__atomic_store_n(&flow->last_ms, now_ms, __ATOMIC_RELAXED);
}

/*
 * The clock that `now_ns` is of was set forward by so much, or back: no time has passed for the flows.  Without
 * this a clock that is set forward is one that runs.
 */
void sl_flow_step_clock(struct sl_flow_table *table, int64_t step_ms);
/* The table's clock at `now_ns`; wraps after 49 days, which is longer than any time-out. */
uint32_t sl_flow_clock(const struct sl_flow_table *table, uint64_t now_ns);
/* Unique among all flows of a process, never 0. */
uint64_t sl_flow_id(const struct sl_flow_table *table, const struct sl_flow *flow);
/* Which of the table's entries it is, for what others keep beside it: 0 .. `max` - 1. */
uint32_t sl_flow_index(const struct sl_flow_table *table, const struct sl_flow *flow);
/* The flow of an id of this table; NULL: it is gone. */
struct sl_flow *sl_flow_by_id(const struct sl_flow_table *table, uint64_t id);
/* The worker of an id. Pure. */
uint32_t sl_flow_id_worker(uint64_t id);
struct sl_flow_about *sl_flow_about(const struct sl_flow_table *table, const struct sl_flow *flow);
/* When the first packet came, to the sixteenth of a second. */
uint64_t sl_flow_since_ns(const struct sl_flow_table *table, const struct sl_flow *flow);
/* Flows in use from `*at` on, for sweeps: up to n_max, looking at no more than `work` places; wraps. */
uint32_t sl_flow_sweep(struct sl_flow_table *table, uint32_t *at, uint32_t work,
	struct sl_flow *flows[], uint32_t n_max);

/* --- Contexts of callouts (WFP section 6.4): one per flow, layer and callout. --- */

struct sl_flow_context {
	void *callout;  /* of the callout room */
	uint64_t value; /* not 0 */
	uint8_t layer;  /* enum sluice_layer */
};

/* 0; -EEXIST; -ENOSPC: no context left; -EINVAL: value 0 or no callout. */
int sl_flow_context_add(
	struct sl_flow_table *table, struct sl_flow *flow, const struct sl_flow_context *context);
/* The value; 0: none. A flow without contexts costs one look. */
uint64_t sl_flow_context_get(const struct sl_flow_table *table, const struct sl_flow *flow,
	const void *callout, uint8_t layer);
/* Takes it; false: there was none. */
bool sl_flow_context_take(struct sl_flow_table *table, struct sl_flow *flow, const void *callout,
	uint8_t layer, struct sl_flow_context *context);
/* Takes any one; false: there are no more. */
bool sl_flow_context_take_any(
	struct sl_flow_table *table, struct sl_flow *flow, struct sl_flow_context *context);
/*
 * Takes a callout's context (NULL: anybody's) from whichever flow has one, looking at no more than `*work` places
 * from `*at` on (0 at first), both of which it moves on.  False: none there; `*at` is then SL_FLOW_LIST_END when
 * there was nothing behind the last place either.
 */
bool sl_flow_context_drain(struct sl_flow_table *table, const void *callout, uint32_t *at,
	uint32_t *work, struct sl_flow_context *context);

/* --- Reading from other threads. --- */

/* A flow as others see it. Each number is whole; they may be a packet apart. */
struct sl_flow_view {
	uint64_t id;
	struct sl_flow_key key;
	uint16_t flags;
	uint8_t class;
	uint8_t end;
	uint8_t tcp_state; /* enum sl_tcp_state */
	uint64_t packets[2];
	uint64_t bytes[2];
	uint64_t since_ns; /* since 1970-01-01 UTC */
	uint64_t last_ns;
	uint64_t over_ns; /* when it will be over if nothing comes */
	uint64_t filter_id;
	uint32_t generation;
	uint32_t revision;
};

/*
 * Copies flows from place `*at` (0 at first) on, up to n_max; `*at` is then where to go on, and is left at
 * SL_FLOW_LIST_END behind the last.  Flows that come and go meanwhile may be in the list or not; every
 * other one is there once.  Any thread; the worker does not notice.
 */
#define SL_FLOW_LIST_END UINT32_MAX
uint32_t sl_flow_list(const struct sl_flow_table *table, uint32_t *at, struct sl_flow_view views[],
	uint32_t n_max);
/* One flow by id. False: it is gone. */
bool sl_flow_view(const struct sl_flow_table *table, uint64_t id, struct sl_flow_view *view);

/* "tcp_established", "idle"; never NULL. */
const char *sl_flow_class_name(enum sl_flow_class class);
const char *sl_flow_end_name(enum sl_flow_end end);

/* --- Keeping flows over a restart. Control thread, no worker runs. --- */

/*
 * A flow as it is written: everything that has a meaning in another process.  Times are wall clock.
 */
struct sl_flow_saved {
	struct sl_flow_key key;
	uint16_t flags;
	uint8_t class;
	uint8_t end;
	uint64_t packets[2];
	uint64_t bytes[2];
	uint64_t since_ns;
	uint64_t last_ns;
	struct sl_tcp tcp;
};

/* Copies flows from place `*at` on, as sl_flow_list does, but those that are not authorised yet. */
uint32_t sl_flow_save(const struct sl_flow_table *table, uint32_t *at, struct sl_flow_saved saved[],
	uint32_t n_max);
/*
 * Adds a saved flow, with generation 0: its next packet is judged by the policy in force.  0; -ESTALE:
 * its time is over; -EEXIST; -ENOSPC; -EINVAL: no such key or class.
 */
int sl_flow_load(struct sl_flow_table *table, const struct sl_flow_saved *saved, uint64_t now_ns);

#endif
