/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_FLOW_FRAGMENT_PRIVATE_H
#define SL_FLOW_FRAGMENT_PRIVATE_H

/*
 * Inside of reassembly: datagrams in a hash table by key, each with its fragments in order of arrival and
 * the bytes of them in chunks of a common pool.
 *
 * Life.    A datagram is WAITING until it is COMPLETE or is ended; an ended one may stay as a tombstone
 *          (ENDED) that names what comes late.  Fragments that are let go depart from it at once, as one
 *          list, and are fetched from there: however many they are, ending them is no work.
 * Places   are those of arrays that sl_fragments_new makes; lists go through them.  A datagram's place
 *          that is given back is the last to be taken again, so that departures can be told of.
 */

#include "flow/sl_fragment.h"

#include <sys/queue.h>

#define SL_CHUNK_BYTES   504u
#define SL_UNIT_BYTES    8u /* what fragments are cut by */
#define SL_UNIT_WORDS    (65536u / SL_UNIT_BYTES / 64u)
#define SL_CHAIN_MAX     32u /* entries of a hash table's chain; what would be more is refused */
#define SL_COMPLETE_MAX  64u /* complete datagrams at a time: one a packet of a burst */
#define SL_UNFETCHED_MAX 64u /* fragments that keep their places although they have been let go */
#define SL_RESTING_MIN   4u  /* places of datagrams given back by one call */
#define SL_VLAN_VID_MASK 0xfffu

/* What fragments of one datagram have in common; compared whole. */
struct sl_fragment_key {
	uint8_t src[16]; /* as in the packet; IPv4: the first four */
	uint8_t dst[16];
	uint32_t id;
	uint32_t path;
	uint16_t vids[SL_PACKET_VLANS_MAX]; /* outermost first */
	uint8_t n_vids;
	uint8_t ip_version;
	uint8_t protocol; /* IPv4; RFC 8200 leaves it out */
	uint8_t reserved[5];
};

_Static_assert(sizeof(struct sl_fragment_key) == 64, "compared whole: no padding");

struct sl_chunk {
	STAILQ_ENTRY(sl_chunk) next;
	uint8_t bytes[SL_CHUNK_BYTES];
};
STAILQ_HEAD(sl_chunks, sl_chunk);

/* Where bytes begin. They go on in the chunks behind. */
struct sl_spot {
	const struct sl_chunk *chunk;
	uint32_t at;
};

/* A fragment in custody. */
struct sl_fragment {
	struct sl_held held;
	STAILQ_ENTRY(sl_fragment) next; /* in order of arrival, or free */
	LIST_ENTRY(sl_fragment) by_start;
	uint64_t serial; /* of its datagram */
	uint32_t offset;
	uint32_t size;   /* of its payload */
	uint32_t copied; /* bytes of it that are at `spot` */
	bool is_last;
	struct sl_spot spot;
};
STAILQ_HEAD(sl_fragment_list, sl_fragment);
LIST_HEAD(sl_fragment_chain, sl_fragment);

/* A source address on its link, and what it has waiting. */
TAILQ_HEAD(sl_datagram_list, sl_datagram);
LIST_HEAD(sl_datagram_chain, sl_datagram);
struct sl_source {
	LIST_ENTRY(sl_source) chain; /* of a bucket, or free */
	struct sl_fragment_key key;  /* without destination, identification and protocol */
	struct sl_datagram_list datagrams;
	uint32_t n;
};
LIST_HEAD(sl_source_chain, sl_source);

enum sl_datagram_state {
	SL_DATAGRAM_WAITING,
	SL_DATAGRAM_COMPLETE,
	SL_DATAGRAM_ENDED /* a tombstone */
};

/* A departure on its way out. */
struct sl_batch {
	struct sl_departure about;
	struct sl_fragment_list fragments;
	STAILQ_ENTRY(sl_batch) next;
};
STAILQ_HEAD(sl_batch_queue, sl_batch);

/* What comes back with the datagram: the first fragment's bytes in front of its payload. */
struct sl_datagram_head {
	struct sl_spot spot;
	uint32_t size;     /* 0: the first fragment has not come */
	uint32_t l3;       /* offset of the IP header */
	uint32_t named_at; /* IPv6: of the byte that named the fragment header */
	uint8_t next;      /* IPv6: what that byte becomes */
};

struct sl_datagram {
	struct sl_fragment_key key;
	uint64_t serial; /* differs from that of every other datagram there was */
	uint64_t started_ns;
	uint8_t state;  /* enum sl_datagram_state */
	uint32_t n;     /* fragments */
	uint32_t reach; /* end of the fragment that goes furthest */
	uint32_t end;   /* of the payload; 0: the last fragment has not come */
	uint32_t received;
	uint32_t n_chunks;
	uint32_t chunk_used; /* bytes of the last one */
	struct sl_chunk *last_chunk;
	struct sl_datagram_head head;
	struct sl_fragment_list fragments;
	struct sl_chunks chunks;
	struct sl_source *source; /* WAITING */
	LIST_ENTRY(sl_datagram) chain;
	TAILQ_ENTRY(sl_datagram) by_age; /* in `waiting` or `ended`; free */
	TAILQ_ENTRY(sl_datagram) by_source;
	struct sl_meta meta;           /* see sl_datagram_meta */
	uint64_t units[SL_UNIT_WORDS]; /* bit i: payload from 8 i on is there */
};

struct sl_fragments {
	struct sl_fragment_config config;
	uint64_t timeout_ns;
	uint64_t hash_key[2];
	uint64_t serial; /* of the last datagram */
	uint32_t n_waiting;
	uint32_t n_ended;
	uint32_t n_held;
	uint32_t n_chunks_free;

	struct sl_datagram_list waiting; /* oldest first */
	struct sl_datagram_list ended;
	struct sl_datagram_list free_datagrams;
	struct sl_batch_queue leaving;
	struct sl_batch
		*unnamed; /* first of those leaving that sl_fragments_departure has not named */
	struct sl_batch_queue free_batches;
	struct sl_fragment_list free_fragments;
	struct sl_source_chain free_sources;
	struct sl_chunks free_chunks;

	uint32_t datagram_mask; /* of buckets */
	uint32_t fragment_mask;
	struct sl_datagram_chain *by_key;
	struct sl_source_chain *by_source;
	struct sl_fragment_chain *by_start;
	size_t size; /* of this and all behind it */
};

/* A fragment that has just come. */
struct sl_arrival {
	const struct sl_frame *frame;
	const struct sl_meta *meta;
	struct sl_fragment_place place;
	struct sl_fragment_key key;
	uint32_t offset;
	uint32_t end;    /* offset behind its payload */
	uint32_t copied; /* bytes of its payload that can be read */
	bool is_last;
};

/* --- fragment_store_run.c: bytes. --- */

/* Chunks that a datagram needs for n more bytes. */
uint32_t sl_datagram_chunks_for(const struct sl_datagram *datagram, uint32_t n);
/* Appends n bytes, for which there is room, and says where they begin. */
void sl_datagram_put(struct sl_fragments *fragments, struct sl_datagram *datagram,
	const uint8_t *bytes, uint32_t n, struct sl_spot *spot);
void sl_spot_get(struct sl_spot spot, uint8_t *bytes, uint32_t n);
bool sl_spot_equals(struct sl_spot spot, const uint8_t *bytes, uint32_t n);
/* Whether any, and from then on all, of the units that bytes from .. end - 1 lie in are there. */
bool sl_datagram_has_any(const struct sl_datagram *datagram, uint32_t from, uint32_t end);
void sl_datagram_mark(struct sl_datagram *datagram, uint32_t from, uint32_t end);

/* --- fragment_table_run.c: datagrams come and go. --- */

/* The datagram of a key, a tombstone included; NULL: none. What is too old is ended first. */
struct sl_datagram *sl_datagram_find(
	struct sl_fragments *fragments, const struct sl_fragment_key *key, uint64_t now_ns);
/* A new one; others may have to give way to it. NULL: no room. */
struct sl_datagram *sl_datagram_begin(
	struct sl_fragments *fragments, const struct sl_fragment_key *key, uint64_t now_ns);
/* Ends a waiting datagram and lets its fragments go. */
void sl_datagram_end(struct sl_fragments *fragments, struct sl_datagram *datagram,
	enum sl_reason reason, bool leaves_tombstone);
/* A waiting datagram of which everything is there: it is no longer found, and is the caller's. */
void sl_datagram_complete(struct sl_fragments *fragments, struct sl_datagram *datagram);
/* Makes room for one fragment and that many chunks. Others than `datagram` may have to give way. */
bool sl_fragments_make_room(
	struct sl_fragments *fragments, const struct sl_datagram *datagram, uint32_t n_chunks);
/* The chain of fragments that begin at an offset of a datagram. */
struct sl_fragment_chain *sl_fragments_starting(
	struct sl_fragments *fragments, const struct sl_datagram *datagram, uint32_t offset);
/* Held fragments come and go. */
void sl_fragments_add_held(struct sl_fragments *fragments, int32_t n);

#endif
