/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet time: datagrams come, wait, and go. */
#include "flow/fragment.h"

#include "base/sl_siphash.h"

#include <string.h>

static uint64_t
hash_key(const struct sl_fragments *fragments, const struct sl_fragment_key *key)
{
	return sl_siphash(fragments->hash_key, key, sizeof(*key));
}

struct sl_fragment_chain *
sl_fragments_starting(
	struct sl_fragments *fragments, const struct sl_datagram *datagram, uint32_t offset)
{
	const uint64_t start[2] = {datagram->serial, offset};
	uint64_t hash = sl_siphash(fragments->hash_key, start, sizeof(start));

	return &fragments->by_start[hash & fragments->fragment_mask];
}

static void
count_waiting(struct sl_fragments *fragments, int32_t n)
{
	__atomic_store_n(
		&fragments->n_waiting, fragments->n_waiting + (uint32_t)n, __ATOMIC_RELAXED);
}

void
sl_fragments_add_held(struct sl_fragments *fragments, int32_t n)
{
	__atomic_store_n(&fragments->n_held, fragments->n_held + (uint32_t)n, __ATOMIC_RELAXED);
}

/* --- Sources. --- */

/* What its datagrams have in common with all others of the same source. */
static void
source_key(const struct sl_fragment_key *key, struct sl_fragment_key *source)
{
	*source = *key;
	memset(source->dst, 0, sizeof(source->dst));
	source->id = 0;
	source->protocol = 0;
}

/* The source of a key, a new one if need be; NULL when its chain is full. */
static struct sl_source *
find_source(struct sl_fragments *fragments, const struct sl_fragment_key *key)
{
	struct sl_source_chain *chain;
	struct sl_fragment_key wanted;
	struct sl_source *source;
	uint32_t n = 0;

	source_key(key, &wanted);
	chain = &fragments->by_source[hash_key(fragments, &wanted) & fragments->datagram_mask];
	LIST_FOREACH(source, chain, chain) {
		if (memcmp(&source->key, &wanted, sizeof(wanted)) == 0)
			return source;
		n++;
	}
	source = LIST_FIRST(&fragments->free_sources);
	if (n >= SL_CHAIN_MAX || source == NULL)
		return NULL;
	LIST_REMOVE(source, chain);
	LIST_INSERT_HEAD(chain, source, chain);
	source->key = wanted;
	source->n = 0;
	TAILQ_INIT(&source->datagrams);
	return source;
}

static void
put_source(struct sl_fragments *fragments, struct sl_source *source)
{
	if (source->n != 0)
		return;
	LIST_REMOVE(source, chain);
	LIST_INSERT_HEAD(&fragments->free_sources, source, chain);
}

/* --- Datagrams. --- */

static void
free_datagram(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	TAILQ_INSERT_TAIL(&fragments->free_datagrams, datagram, by_age);
}

/* Gives back what only a datagram needs that may still become whole. */
static void
drop_bytes(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	uint32_t n_units = (datagram->reach + SL_UNIT_BYTES - 1) / SL_UNIT_BYTES;

	fragments->n_chunks_free += datagram->n_chunks;
	datagram->n_chunks = 0;
	STAILQ_CONCAT(&fragments->free_chunks, &datagram->chunks);
	memset(datagram->units, 0, (n_units + 63) / 64 * sizeof(datagram->units[0]));
}

/* Its fragments are the caller's to fetch. */
static void
let_go(struct sl_fragments *fragments, struct sl_datagram *datagram, enum sl_reason reason)
{
	struct sl_batch *batch = STAILQ_FIRST(&fragments->free_batches);

	drop_bytes(fragments, datagram);
	sl_fragments_add_held(fragments, -(int32_t)datagram->n);
	if (datagram->n == 0)
		return;
	STAILQ_REMOVE_HEAD(&fragments->free_batches, next);
	batch->about = (struct sl_departure){
		.datagram = datagram,
		.n = datagram->n,
		.reason = (uint8_t)reason,
	};
	STAILQ_INIT(&batch->fragments);
	STAILQ_CONCAT(&batch->fragments, &datagram->fragments);
	STAILQ_INSERT_TAIL(&fragments->leaving, batch, next);
	if (fragments->unnamed == NULL)
		fragments->unnamed = batch;
	datagram->n = 0;
}

static void
forget_tombstone(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	LIST_REMOVE(datagram, chain);
	TAILQ_REMOVE(&fragments->ended, datagram, by_age);
	fragments->n_ended--;
	free_datagram(fragments, datagram);
}

/* No longer waiting: not evicted, not counted for its source. */
static void
stop_waiting(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	TAILQ_REMOVE(&fragments->waiting, datagram, by_age);
	count_waiting(fragments, -1);
	TAILQ_REMOVE(&datagram->source->datagrams, datagram, by_source);
	datagram->source->n--;
	put_source(fragments, datagram->source);
	datagram->source = NULL;
}

void
sl_datagram_end(struct sl_fragments *fragments, struct sl_datagram *datagram, enum sl_reason reason,
	bool leaves_tombstone)
{
	stop_waiting(fragments, datagram);
	let_go(fragments, datagram, reason);
	if (leaves_tombstone) {
		datagram->state = SL_DATAGRAM_ENDED;
		TAILQ_INSERT_TAIL(&fragments->ended, datagram, by_age);
		fragments->n_ended++;
	} else {
		LIST_REMOVE(datagram, chain);
		free_datagram(fragments, datagram);
	}
}

void
sl_datagram_complete(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	stop_waiting(fragments, datagram);
	LIST_REMOVE(datagram, chain);
	datagram->state = SL_DATAGRAM_COMPLETE;
}

void
sl_datagram_release(
	struct sl_fragments *fragments, struct sl_datagram *datagram, enum sl_reason reason)
{
	let_go(fragments, datagram, reason);
	free_datagram(fragments, datagram);
}

/* --- Finding and beginning. --- */

static bool
is_over(const struct sl_fragments *fragments, const struct sl_datagram *datagram, uint64_t now_ns)
{
	return now_ns > datagram->started_ns &&
		now_ns - datagram->started_ns >= fragments->timeout_ns;
}

static void
time_out(struct sl_fragments *fragments, struct sl_datagram *datagram)
{
	if (datagram->state == SL_DATAGRAM_ENDED)
		forget_tombstone(fragments, datagram);
	else
		sl_datagram_end(fragments, datagram, SL_REASON_FRAG_TIMEOUT, false);
}

struct sl_datagram *
sl_datagram_find(struct sl_fragments *fragments, const struct sl_fragment_key *key, uint64_t now_ns)
{
	uint64_t bucket = hash_key(fragments, key) & fragments->datagram_mask;
	struct sl_datagram *datagram;

	LIST_FOREACH(datagram, &fragments->by_key[bucket], chain) {
		if (memcmp(&datagram->key, key, sizeof(*key)) != 0)
			continue;
		if (!is_over(fragments, datagram, now_ns))
			return datagram;
		time_out(fragments, datagram);
		return NULL;
	}
	return NULL;
}

/* Takes one out of a table that is full: what only remembers before what still waits. */
static void
give_way(struct sl_fragments *fragments)
{
	if (!TAILQ_EMPTY(&fragments->ended))
		forget_tombstone(fragments, TAILQ_FIRST(&fragments->ended));
	else if (!TAILQ_EMPTY(&fragments->waiting))
		sl_datagram_end(
			fragments, TAILQ_FIRST(&fragments->waiting), SL_REASON_FRAG_EVICTED, false);
}

static bool
is_chain_full(const struct sl_datagram_chain *chain)
{
	const struct sl_datagram *datagram;
	uint32_t n = 0;

	LIST_FOREACH(datagram, chain, chain)
		n++;
	return n >= SL_CHAIN_MAX;
}

static void
set_up(struct sl_fragments *fragments, struct sl_datagram *datagram,
	const struct sl_fragment_key *key, uint64_t now_ns)
{
	datagram->key = *key;
	datagram->serial = ++fragments->serial;
	datagram->started_ns = now_ns;
	datagram->state = SL_DATAGRAM_WAITING;
	datagram->n = 0;
	datagram->reach = 0;
	datagram->end = 0;
	datagram->received = 0;
	datagram->n_chunks = 0;
	datagram->chunk_used = 0;
	datagram->head = (struct sl_datagram_head){0};
	STAILQ_INIT(&datagram->fragments);
	STAILQ_INIT(&datagram->chunks);
}

struct sl_datagram *
sl_datagram_begin(
	struct sl_fragments *fragments, const struct sl_fragment_key *key, uint64_t now_ns)
{
	struct sl_datagram_chain *chain =
		&fragments->by_key[hash_key(fragments, key) & fragments->datagram_mask];
	struct sl_datagram *datagram;
	struct sl_source *source;

	if (is_chain_full(chain))
		return NULL;
	if (fragments->n_waiting + fragments->n_ended >= fragments->config.datagrams)
		give_way(fragments);
	datagram = TAILQ_FIRST(&fragments->free_datagrams);
	source = datagram == NULL ? NULL : find_source(fragments, key);
	if (source == NULL)
		return NULL;
	TAILQ_REMOVE(&fragments->free_datagrams, datagram, by_age);
	set_up(fragments, datagram, key, now_ns);
	datagram->source = source;
	TAILQ_INSERT_TAIL(&source->datagrams, datagram, by_source);
	source->n++;
	TAILQ_INSERT_TAIL(&fragments->waiting, datagram, by_age);
	LIST_INSERT_HEAD(chain, datagram, chain);
	count_waiting(fragments, 1);
	if (source->n > fragments->config.per_source)
		sl_datagram_end(
			fragments, TAILQ_FIRST(&source->datagrams), SL_REASON_FRAG_EVICTED, true);
	return datagram;
}

/* The oldest that waits, but not `datagram`; NULL: there is none. */
static struct sl_datagram *
oldest_other(struct sl_fragments *fragments, const struct sl_datagram *datagram)
{
	struct sl_datagram *oldest = TAILQ_FIRST(&fragments->waiting);

	return oldest == datagram ? TAILQ_NEXT(oldest, by_age) : oldest;
}

static bool
has_room(const struct sl_fragments *fragments, uint32_t n_chunks)
{
	return fragments->n_held < fragments->config.held && fragments->n_chunks_free >= n_chunks;
}

bool
sl_fragments_make_room(
	struct sl_fragments *fragments, const struct sl_datagram *datagram, uint32_t n_chunks)
{
	struct sl_datagram *oldest;

	while (!has_room(fragments, n_chunks)) {
		oldest = oldest_other(fragments, datagram);
		if (oldest == NULL)
			return false;
		sl_datagram_end(fragments, oldest, SL_REASON_FRAG_EVICTED, true);
	}
	return !STAILQ_EMPTY(&fragments->free_fragments);
}

/* --- Time, and the way out. --- */

bool
sl_fragments_is_idle(const struct sl_fragments *fragments)
{
	return TAILQ_EMPTY(&fragments->waiting) && TAILQ_EMPTY(&fragments->ended) &&
		STAILQ_EMPTY(&fragments->leaving);
}

void
sl_fragments_age(struct sl_fragments *fragments, uint64_t now_ns, uint32_t work)
{
	struct sl_datagram *waiting, *ended;

	for (; work > 0; work--) {
		waiting = TAILQ_FIRST(&fragments->waiting);
		ended = TAILQ_FIRST(&fragments->ended);
		if (waiting != NULL && is_over(fragments, waiting, now_ns))
			time_out(fragments, waiting);
		else if (ended != NULL && is_over(fragments, ended, now_ns))
			time_out(fragments, ended);
		else
			return;
	}
}

void
sl_fragments_flush(struct sl_fragments *fragments, enum sl_reason reason)
{
	while (!TAILQ_EMPTY(&fragments->ended))
		forget_tombstone(fragments, TAILQ_FIRST(&fragments->ended));
	while (!TAILQ_EMPTY(&fragments->waiting))
		sl_datagram_end(fragments, TAILQ_FIRST(&fragments->waiting), reason, false);
}

struct sl_departure *
sl_fragments_departure(struct sl_fragments *fragments)
{
	struct sl_batch *batch = fragments->unnamed;

	if (batch == NULL)
		return NULL;
	fragments->unnamed = STAILQ_NEXT(batch, next);
	return &batch->about;
}

bool
sl_fragments_let_go(struct sl_fragments *fragments, struct sl_held *held, uint64_t note[2])
{
	struct sl_batch *batch = STAILQ_FIRST(&fragments->leaving);
	struct sl_fragment *fragment;

	if (batch == NULL)
		return false;
	fragment = STAILQ_FIRST(&batch->fragments);
	STAILQ_REMOVE_HEAD(&batch->fragments, next);
	*held = fragment->held;
	held->reason = batch->about.reason;
	memcpy(note, batch->about.note, sizeof(batch->about.note));
	LIST_REMOVE(fragment, by_start);
	STAILQ_INSERT_HEAD(&fragments->free_fragments, fragment, next);
	if (!STAILQ_EMPTY(&batch->fragments))
		return true;
	STAILQ_REMOVE_HEAD(&fragments->leaving, next);
	STAILQ_INSERT_HEAD(&fragments->free_batches, batch, next);
	if (fragments->unnamed == batch)
		fragments->unnamed = STAILQ_FIRST(&fragments->leaving);
	return true;
}
