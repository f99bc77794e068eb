/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_sets.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A cell has 16 bits, of which a trie takes one. */
#define SETS_MAX   0x7fffu
#define FIRST_SIZE 32u
/* What one look-up costs besides the words of the set. */
#define LOOK_UP_WORDS 8

/*
 * Sums of products with odd numbers that differ from word to word; unlike a chain, the processor
 * works on all of them at once.
 */
static uint32_t
hash_bits(const uint64_t *bits, uint32_t words)
{
	uint64_t factor = 0x9e3779b97f4a7c15u;
	uint64_t hash = 0;

	for (uint32_t i = 0; i < words; i++) {
		hash += (bits[i] ^ bits[i] >> 32) * factor;
		factor += 0x3c6ef372fe94f82au;
	}
	return (uint32_t)((hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u >> 32);
}

int
sl_sets_init(struct sl_sets *sets, uint32_t words)
{
	memset(sets, 0, sizeof(*sets));
	sets->words = words;
	sets->size = FIRST_SIZE;
	sets->n_slots = 4 * FIRST_SIZE;
	sets->bits = calloc((size_t)sets->size * words, sizeof(*sets->bits));
	sets->slots = calloc(sets->n_slots, sizeof(*sets->slots));
	return sets->bits == NULL || sets->slots == NULL ? -ENOMEM : 0;
}

void
sl_sets_fini(struct sl_sets *sets)
{
	free(sets->bits);
	free(sets->slots);
	memset(sets, 0, sizeof(*sets));
}

static int
grow(struct sl_sets *sets)
{
	const uint32_t n_slots = sets->n_slots * 2;
	uint64_t *bits;
	uint32_t *slots;

	bits = reallocarray(sets->bits, (size_t)sets->size * 2, sets->words * sizeof(*sets->bits));
	if (bits == NULL)
		return -ENOMEM;
	sets->bits = bits;
	slots = calloc(n_slots, sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < sets->n; i++) {
		uint32_t at = hash_bits(sl_sets_at(sets, i), sets->words) & (n_slots - 1);

		while (slots[at] != 0)
			at = (at + 1) & (n_slots - 1);
		slots[at] = i + 1;
	}
	free(sets->slots);
	sets->slots = slots;
	sets->n_slots = n_slots;
	sets->size *= 2;
	return 0;
}

int
sl_sets_add(struct sl_sets *sets, const uint64_t *bits, uint32_t *number)
{
	const size_t size = sets->words * sizeof(*bits);
	uint32_t at;

	/* First, so that there is room behind the last set whatever comes. */
	if (sets->n == sets->size && grow(sets) != 0)
		return -ENOMEM;
	at = hash_bits(bits, sets->words) & (sets->n_slots - 1);
	for (; sets->slots[at] != 0; at = (at + 1) & (sets->n_slots - 1)) {
		*number = sets->slots[at] - 1;
		if (memcmp(sl_sets_at(sets, *number), bits, size) == 0)
			return 0;
	}
	*number = sets->n++;
	sets->slots[at] = sets->n;
	memcpy(sets->bits + (size_t)*number * sets->words, bits, size);
	return 0;
}

/* Where a set has words that are not 0. Returns how many. */
static uint32_t
list_words(const uint64_t *bits, uint32_t words, uint32_t *list)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < words; i++) {
		if (bits[i] != 0)
			list[n++] = i;
	}
	return n;
}

/* Sets the listed words of `both` to what the sets have in common. Returns whether they have changed. */
static bool
intersect(uint64_t *both, const uint64_t *a, const uint64_t *b, const uint32_t *list, uint32_t n)
{
	uint64_t change = 0;

	for (uint32_t i = 0; i < n; i++) {
		const uint64_t bits = a[list[i]] & b[list[i]];

		change |= bits ^ both[list[i]];
		both[list[i]] = bits;
	}
	return change != 0;
}

int
sl_sets_cross(struct sl_sets *out, const struct sl_sets *a, uint32_t stride,
	const struct sl_sets *b, uint32_t *cells, struct sl_tables_work *work)
{
	uint64_t *both = calloc(a->words, sizeof(*both));
	uint32_t *list = calloc(a->words, sizeof(*list));
	int rc = both == NULL || list == NULL ? -ENOMEM : 0;

	for (uint32_t i = 0; i < a->n && rc == 0; i += stride) {
		const uint64_t *row = sl_sets_at(a, i);
		const uint32_t n = list_words(row, a->words, list);

		uint32_t number = 0;

		work->left -= (int64_t)b->n * (n + LOOK_UP_WORDS / 2);
		if (work->left < 0 || out->n > SETS_MAX)
			rc = -E2BIG;
		memset(both, 0, a->words * sizeof(*both));
		for (uint32_t j = 0; j < b->n && rc == 0; j++) {
			/* Neighbours are often alike. */
			if (intersect(both, row, sl_sets_at(b, j), list, n) || j == 0)
				rc = sl_sets_add(out, both, &number);
			if (cells != NULL)
				cells[(size_t)i * b->n + j] = number;
		}
	}
	if (rc == 0 && out->n > SETS_MAX)
		rc = -E2BIG;
	free(both);
	free(list);
	return rc;
}

void
sl_sets_common(const struct sl_sets *sets, uint64_t *bits)
{
	memset(bits, 0xff, sets->words * sizeof(*bits));
	for (uint32_t i = 0; i < sets->n; i++) {
		for (uint32_t k = 0; k < sets->words; k++)
			bits[k] &= sl_sets_at(sets, i)[k];
	}
}

uint32_t
sl_bits_count(const uint64_t *bits, uint32_t words)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < words; i++)
		n += (uint32_t)__builtin_popcountll(bits[i]);
	return n;
}

uint32_t
sl_bits_without(const uint64_t *a, const uint64_t *b, uint32_t words)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < words; i++)
		n += (uint32_t)__builtin_popcountll(a[i] & ~b[i]);
	return n;
}

uint32_t
sl_sets_mean16(const struct sl_sets *sets)
{
	uint64_t n = 0;

	for (size_t i = 0; i < (size_t)sets->n * sets->words; i++)
		n += (uint64_t)__builtin_popcountll(sets->bits[i]);
	return sets->n == 0 ? 0 : (uint32_t)(16 * n / sets->n);
}
