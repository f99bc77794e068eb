/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/table.h"

#include "base/sl_compiler.h"
#include "flow/sip_run.h"

#include <string.h>

/*
 * Hashes of keys: SipHash-1-3 of the whole key for IPv6, 44 bytes, and for IPv4 of its 20 bytes that can
 * differ: local, remote, and all behind the addresses.  The length is part of the hash, and the version
 * part of the bytes, so the two never meet.
 */

#define BYTES4     20u
#define BYTES6     44u
#define WORDS4     3u
#define WORDS6     6u
#define BYTES_TAIL 12u /* of both: ports, domain, protocol and what stands behind */

_Static_assert(sizeof(struct sl_flow_key) == BYTES6, "all of the key is hashed");
_Static_assert(offsetof(struct sl_flow_key, local_port) == BYTES6 - BYTES_TAIL, "the tail");

static SL_ALWAYS_INLINE uint64_t
load64(const void *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static SL_ALWAYS_INLINE uint64_t
load32(const void *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* The message's words, the last with its length, as SipHash wants it. */
static SL_ALWAYS_INLINE void
words4_of(const struct sl_flow_key *key, uint64_t word[WORDS4])
{
	const uint8_t *tail = (const uint8_t *)key + BYTES6 - BYTES_TAIL;

	word[0] = load32(key->local) | load32(key->remote) << 32;
	word[1] = load64(tail);
	word[2] = load32(tail + 8) | (uint64_t)BYTES4 << 56;
}

static SL_ALWAYS_INLINE void
words6_of(const struct sl_flow_key *key, uint64_t word[WORDS6])
{
	const uint8_t *bytes = (const uint8_t *)key;

	for (uint32_t i = 0; i < WORDS6 - 1; i++)
		word[i] = load64(bytes + i * 8);
	word[WORDS6 - 1] = load32(bytes + BYTES6 - 4) | (uint64_t)BYTES6 << 56;
}

/* A batch, the families apart, a row for each word so that keys stand side by side. */
struct hash_columns {
	uint64_t words4[WORDS4][FLOW_BATCH];
	uint64_t words6[WORDS6][FLOW_BATCH];
	uint8_t at4[FLOW_BATCH];
	uint8_t at6[FLOW_BATCH];
	uint32_t n4;
	uint32_t n6;
};

#define LANES_MAX 8u /* of any form */

/* Vectors are filled up to their width. */
static SL_ALWAYS_INLINE void
pad(uint64_t words[][FLOW_BATCH], uint32_t n_words, uint32_t n)
{
	for (; n % LANES_MAX != 0; n++)
		for (uint32_t w = 0; w < n_words; w++)
			words[w][n] = 0;
}

static SL_ALWAYS_INLINE void
hash_gather(struct hash_columns *columns, const struct sl_flow_key keys[], uint32_t n)
{
	uint64_t word[WORDS6];

	columns->n4 = 0;
	columns->n6 = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (keys[i].ip_version == 4) {
			words4_of(&keys[i], word);
			for (uint32_t w = 0; w < WORDS4; w++)
				columns->words4[w][columns->n4] = word[w];
			columns->at4[columns->n4++] = (uint8_t)i;
		} else {
			words6_of(&keys[i], word);
			for (uint32_t w = 0; w < WORDS6; w++)
				columns->words6[w][columns->n6] = word[w];
			columns->at6[columns->n6++] = (uint8_t)i;
		}
	}
	pad(columns->words4, WORDS4, columns->n4);
	pad(columns->words6, WORDS6, columns->n6);
}

uint64_t
flow_hash_one(const uint64_t hash_key[2], const struct sl_flow_key *key)
{
	uint64_t v[4] = {hash_key[0] ^ SIP_INIT0, hash_key[1] ^ SIP_INIT1, hash_key[0] ^ SIP_INIT2,
		hash_key[1] ^ SIP_INIT3};
	uint64_t word[WORDS6];
	uint32_t n_words = key->ip_version == 4 ? WORDS4 : WORDS6;

	if (key->ip_version == 4)
		words4_of(key, word);
	else
		words6_of(key, word);
	for (uint32_t w = 0; w < n_words; w++)
		SIP_ABSORB(v, word[w]);
	SIP_FINISH(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#define FORM(name) name##_portable
#define FORM_BYTES 16u
#include "flow/hash_form_run.inc"
#undef FORM
#undef FORM_BYTES

#ifdef __x86_64__

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
#define FORM(name) name##_avx2
#define FORM_BYTES 32u
#include "flow/hash_form_run.inc"
#undef FORM
#undef FORM_BYTES
#ifdef __clang__
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,avx512f,avx512vl"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,avx512f,avx512vl")
#endif
#define FORM(name) name##_avx512
#define FORM_BYTES 32u
#include "flow/hash_form_run.inc"
#undef FORM
#undef FORM_BYTES
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif

flow_hash_fn *
flow_hash_form(uint32_t i)
{
	flow_hash_fn *forms[4] = {hash_portable};
	uint32_t n = 1;

#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		forms[n++] = hash_avx2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
		forms[n++] = hash_avx512;
#endif
	return i < n ? forms[i] : NULL;
}

flow_hash_fn *
flow_hash_best(void)
{
	uint32_t i = 0;

	while (flow_hash_form(i + 1) != NULL)
		i++;
	return flow_hash_form(i);
}

void
sl_flow_hash(const struct sl_flow_table *table, const struct sl_flow_key keys[], uint32_t n,
	uint64_t hashes[])
{
	table->hash(table->hash_key, keys, n, hashes);
}
