/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PLUGINS_CONSULT_MEMORY_H
#define PLUGINS_CONSULT_MEMORY_H

/*
 * Answers that are remembered for a while, by who talks to whom about what: both addresses, protocol, layer, and thereby
 * direction, and the port of the service.  The other port, which the opener draws anew for each connection, is left out; ICMP has type
 * and code instead.
 *
 * A table of fixed size that all workers read and write without a lock: each key has one place, the newest answer
 * has it.  A place has a sequence, odd while it is written.  Who finds it odd, or changed, passes on: a reader has
 * not found anything then, a writer has lost an answer that somebody else just gave.
 */

#include "consult.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define CONSULT_MEMORY_PLACES 4096u
#define CONSULT_KEY_WORDS     5

struct consult_key {
	uint64_t words[CONSULT_KEY_WORDS];
};

struct consult_place_of_key {
	alignas(64) _Atomic uint64_t sequence;
	_Atomic uint64_t key[CONSULT_KEY_WORDS];
	_Atomic uint64_t
		said; /* nanoseconds of when, the lowest bit: it was a permit; 0: nothing yet */
};

struct consult_memory {
	struct consult_place_of_key places[CONSULT_MEMORY_PLACES];
};

static inline void
consult_key_of(const struct consult_question *question, struct consult_key *key)
{
	const bool is_outbound = question->is_outbound;
	const bool is_icmp = question->protocol == 1 || question->protocol == 58;
	const uint64_t local = is_icmp || !is_outbound ? question->local_port : 0;
	const uint64_t remote = is_icmp || is_outbound ? question->remote_port : 0;

	memcpy(&key->words[0], question->local_address, 16);
	memcpy(&key->words[2], question->remote_address, 16);
	key->words[4] = local << 48 | remote << 32 | (uint64_t)question->layer << 16 |
		(uint64_t)question->protocol << 8 | (uint64_t)question->has_ports;
}

/* Where a key belongs. Who fills places on purpose makes others be asked about again, and no more. */
static inline struct consult_place_of_key *
consult_memory_place(struct consult_memory *memory, const struct consult_key *key)
{
	uint64_t hash = 0;

	for (int i = 0; i < CONSULT_KEY_WORDS; i++) {
		hash = (hash ^ key->words[i]) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	return &memory->places[hash % CONSULT_MEMORY_PLACES];
}

static inline void
consult_memory_put(struct consult_memory *memory, const struct consult_key *key,
	enum consult_verdict verdict, uint64_t now_ns)
{
	struct consult_place_of_key *place = consult_memory_place(memory, key);
	uint64_t sequence = atomic_load_explicit(&place->sequence, memory_order_relaxed);

	if ((sequence & 1) != 0 ||
		!atomic_compare_exchange_strong_explicit(&place->sequence, &sequence, sequence + 1,
			memory_order_acquire, memory_order_relaxed))
		return;
	/* Whoever sees one of these words sees the odd sequence too. */
	for (int i = 0; i < CONSULT_KEY_WORDS; i++)
		atomic_store_explicit(&place->key[i], key->words[i], memory_order_release);
	atomic_store_explicit(&place->said,
		(now_ns & ~UINT64_C(1)) | (verdict == CONSULT_PERMIT ? 1 : 0),
		memory_order_release);
	atomic_store_explicit(&place->sequence, sequence + 2, memory_order_release);
}

/* What was said about the key no longer than `age_ns` before; 0: nothing. */
static inline enum consult_verdict
consult_memory_get(struct consult_memory *memory, const struct consult_key *key, uint64_t now_ns,
	uint64_t age_ns)
{
	struct consult_place_of_key *place = consult_memory_place(memory, key);
	const uint64_t sequence = atomic_load_explicit(&place->sequence, memory_order_acquire);
	bool is_same = (sequence & 1) == 0;
	uint64_t said;

	for (int i = 0; i < CONSULT_KEY_WORDS; i++)
		is_same &=
			atomic_load_explicit(&place->key[i], memory_order_acquire) == key->words[i];
	said = atomic_load_explicit(&place->said, memory_order_acquire);
	if (!is_same || said == 0 ||
		atomic_load_explicit(&place->sequence, memory_order_relaxed) != sequence)
		return (enum consult_verdict)0;
	/* After a clock was set back it may lie ahead: then it is of no known age. */
	if (said > (now_ns | 1) || now_ns - (said & ~UINT64_C(1)) > age_ns)
		return (enum consult_verdict)0;
	return (said & 1) != 0 ? CONSULT_PERMIT : CONSULT_BLOCK;
}

#endif
