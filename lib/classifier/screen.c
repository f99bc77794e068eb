/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/screen.h"

#include <stdlib.h>
#include <string.h>

/* --- Sieves. --- */

static size_t
sieve_size(uint32_t n_groups, uint32_t word_size)
{
	return (size_t)n_groups * SL_SCREEN_BYTES * 256 * word_size;
}

/* A filter that looks for its like. */
struct member {
	struct sl_span span;
	uint32_t place; /* in the base */
	uint32_t wild;  /* bit per byte that says little */
};

static uint32_t
wild_bytes(const struct sl_span *span)
{
	uint32_t wild = 0;

	for (uint32_t b = 0; b < SL_SCREEN_BYTES; b++)
		wild |= (uint32_t)(span->high[b] - span->low[b] >= 64) << b;
	return wild;
}

/* Filters that restrict the same bytes to near values share a group best. */
static int
compare_members(const void *a, const void *b)
{
	const struct member *left = a;
	const struct member *right = b;
	int order;

	if (left->wild != right->wild)
		return left->wild < right->wild ? -1 : 1;
	order = memcmp(left->span.low, right->span.low, sizeof(left->span.low));
	return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

/* NULL: no memory. */
static struct member *
sort_members(const struct sl_span *spans, const uint64_t *keys, uint32_t n)
{
	struct member *members = malloc(n * sizeof(*members));

	if (members == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		members[i] = (struct member){.span = spans[i],
			.place = (uint32_t)(keys[i] >> 32),
			.wild = wild_bytes(&spans[i])};
	qsort(members, n, sizeof(*members), compare_members);
	return members;
}

/*
 * Divides filters into at most `n_max` groups of about the same size, where there is room for it only
 * with the same wild bytes.  Returns how many; group g has filters starts[g] .. starts[g + 1] - 1.
 */
static uint32_t
divide(const struct member *members, uint32_t n, uint32_t n_max, uint32_t *starts)
{
	uint32_t n_kinds = 1;
	uint32_t n_groups = 0;
	uint32_t n_each;

	for (uint32_t i = 1; i < n; i++)
		n_kinds += members[i].wild != members[i - 1].wild;
	if (n_kinds > n_max / 2)
		n_kinds = 0;
	n_each = (n + n_max - n_kinds - 1) / (n_max - n_kinds);
	for (uint32_t i = 0; i < n; i++) {
		const bool is_other =
			n_kinds > 0 && i > 0 && members[i].wild != members[i - 1].wild;

		if (i == 0 || is_other || i - starts[n_groups - 1] == n_each)
			starts[n_groups++] = i;
	}
	starts[n_groups] = n;
	return n_groups;
}

/* Sets a filter's bit, of its group, wherever its span allows a byte. */
static void
add_member(struct sl_sieve *sieve, uint32_t g, uint32_t bit, const struct sl_span *span)
{
	uint8_t *byte = sieve->words + sl_sieve_at(sieve, g, 0, 0) + bit / 8;

	for (uint32_t b = 0; b < SL_SCREEN_BYTES; b++, byte += (size_t)256 * sieve->word_size) {
		for (uint32_t value = span->low[b]; value <= span->high[b]; value++)
			byte[(size_t)value * sieve->word_size] |= (uint8_t)(1u << bit % 8);
	}
}

static void
fill_sieve(struct sl_sieve *sieve, const struct member *members)
{
	for (uint32_t g = 0; g < sieve->n_groups; g++) {
		for (uint32_t i = sieve->starts[g]; i < sieve->starts[g + 1]; i++) {
			sieve->places[i] = members[i].place;
			add_member(sieve, g, i - sieve->starts[g], &members[i].span);
		}
	}
}

static uint32_t
longest_group(const uint32_t *starts, uint32_t n_groups)
{
	uint32_t longest = 0;

	for (uint32_t g = 0; g < n_groups; g++)
		longest = SL_MAX(longest, starts[g + 1] - starts[g]);
	return longest;
}

/* One piece of memory, zeroed but for what is given. NULL: no memory. */
static struct sl_sieve *
allocate_sieve(const uint32_t *starts, uint32_t n_groups)
{
	const uint32_t longest = longest_group(starts, n_groups);
	const uint32_t word_size = longest <= 8 ? 1 : longest <= 16 ? 2 : longest <= 32 ? 4 : 8;
	const size_t n_numbers = n_groups + (size_t)1 + starts[n_groups];
	/* A word is always read as the longest there is. */
	const size_t size = sizeof(struct sl_sieve) + n_numbers * sizeof(uint32_t) +
		sieve_size(n_groups, word_size) + sizeof(uint64_t);
	struct sl_sieve *sieve = calloc(1, size);

	if (sieve == NULL)
		return NULL;
	sieve->n_groups = n_groups;
	sieve->word_size = word_size;
	sieve->mask = UINT64_MAX >> (64 - word_size * 8);
	sieve->bytes = size;
	sieve->starts = (void *)(sieve + 1);
	sieve->places = sieve->starts + n_groups + 1;
	sieve->words = (void *)(sieve->places + starts[n_groups]);
	memcpy(sieve->starts, starts, (n_groups + (size_t)1) * sizeof(*starts));
	return sieve;
}

struct sl_sieve *
sl_sieve_new(const struct sl_span *spans, const uint64_t *keys, uint32_t n, uint32_t n_groups_max)
{
	uint32_t starts[SL_SCREEN_BITS + 1];
	struct member *members = sort_members(spans, keys, n);
	struct sl_sieve *sieve;

	if (members == NULL)
		return NULL;
	sieve = allocate_sieve(starts, divide(members, n, n_groups_max, starts));
	if (sieve != NULL)
		fill_sieve(sieve, members);
	free(members);
	return sieve;
}

/* --- Screens. --- */

struct sl_screen *
sl_screen_new(const struct sl_screen_plan *plan, uint32_t n_places, const struct sl_screen *from)
{
	struct sl_screen *screen = aligned_alloc(SL_CACHE_LINE,
		(sizeof(*screen) + SL_CACHE_LINE - 1) / SL_CACHE_LINE * SL_CACHE_LINE);

	if (screen == NULL)
		return NULL;
	if (from != NULL) {
		memcpy(screen, from, sizeof(*screen));
		return screen;
	}
	memset(screen, 0, sizeof(*screen));
	screen->n_bytes = plan->n;
	while (n_places >> screen->shift >= SL_SCREEN_SPANS)
		screen->shift++;
	for (uint32_t b = 0; b < plan->n; b++)
		screen->offsets[b] = plan->bytes[b].offset;
	return screen;
}

static sl_screen_bits
bit_at(uint32_t bit)
{
	sl_screen_bits bits = {0, 0};

	bits[bit / 64] = (uint64_t)1 << bit % 64;
	return bits;
}

void
sl_screen_clear(struct sl_screen *screen, struct sl_screen_range range)
{
	sl_screen_bits keep = {UINT64_MAX, UINT64_MAX};

	for (uint32_t i = 0; i < range.n; i++)
		keep ^= bit_at(range.first + i);
	for (uint32_t b = 0; b < screen->n_bytes; b++) {
		for (uint32_t value = 0; value < 256; value++)
			screen->tables[b][value] &= keep;
	}
	for (uint32_t span = 0; span < SL_SCREEN_SPANS; span++)
		screen->early[span] &= keep;
}

static uint32_t
first_place(const struct sl_sieve *sieve, uint32_t g)
{
	uint32_t place = UINT32_MAX;

	for (uint32_t i = sieve->starts[g]; i < sieve->starts[g + 1]; i++)
		place = SL_MIN(place, sieve->places[i]);
	return place;
}

/* The bit of a group: wherever one of its filters allows a byte, and from its first filter on. */
static void
add_group(struct sl_screen *screen, sl_screen_bits bit, const struct sl_sieve *sieve, uint32_t g)
{
	const sl_screen_bits none = {0, 0};
	const uint32_t first = first_place(sieve, g) >> screen->shift;

	for (uint32_t b = 0; b < screen->n_bytes; b++) {
		for (uint32_t value = 0; value < 256; value++)
			screen->tables[b][value] |=
				sl_sieve_word(sieve, g, b, (uint8_t)value) != 0 ? bit : none;
	}
	for (uint32_t span = first; span < SL_SCREEN_SPANS; span++)
		screen->early[span] |= bit;
}

void
sl_screen_fill(struct sl_screen *screen, struct sl_screen_range range, const struct sl_sieve *sieve)
{
	for (uint32_t g = 0; g < sieve->n_groups; g++)
		add_group(screen, bit_at(range.first + g), sieve, g);
}
