/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_SCREEN_H
#define SL_CLASSIFIER_SCREEN_H

/*
 * Screen: which packets may match a filter of an overlay, told by a few bytes of their metadata.
 *
 * Every bit stands for a group of filters of one part.  For each byte that the screen looks at a
 * table has, by the byte's value, the bits of the groups in which some filter allows it.  The bits
 * that all bytes of a packet allow are left over; most packets have none.  For those that have one,
 * the part's sieve says the same of the single filters of a group.  Neither ever holds back a packet
 * that matches; both may let one through in vain.
 */

#include "classifier/group.h"

#include <stdint.h>
#include <string.h>

#define SL_SCREEN_BYTES 6u
#define SL_SCREEN_BITS  128u

typedef uint64_t sl_screen_bits __attribute__((vector_size(SL_SCREEN_BITS / 8)));

/* A byte of a slot; the same for all versions of a layer since it was compiled. */
struct sl_screen_byte {
	uint8_t slot;    /* enum sl_slot */
	uint8_t depth;   /* 0: the most significant byte */
	uint16_t offset; /* in struct sl_meta */
};

struct sl_screen_plan {
	struct sl_screen_byte bytes[SL_SCREEN_BYTES];
	uint32_t n;
};

/* By byte of the plan: the values a packet must have to match a filter. */
struct sl_span {
	uint8_t low[SL_SCREEN_BYTES];
	uint8_t high[SL_SCREEN_BYTES];
};

/*
 * The filters of a part in groups of their like.  For each group and byte there is, by the byte's
 * value, a word with a bit per filter that allows it.
 */
struct sl_sieve {
	uint32_t n_groups;
	uint32_t word_size; /* bytes */
	uint64_t mask;      /* bits of a word */
	uint32_t *starts;   /* by group: where its places begin */
	uint32_t *places;   /* of the base, that the filters stand before; group by group */
	uint8_t *words;
	size_t bytes;
};

/* Parts of the base that its places are divided into. */
#define SL_SCREEN_SPANS 256u

struct sl_screen {
	sl_screen_bits tables[SL_SCREEN_BYTES][256];
	/* By part of the base: groups with a filter that stands before a place in it or before it. */
	sl_screen_bits early[SL_SCREEN_SPANS];
	uint16_t offsets[SL_SCREEN_BYTES]; /* of the bytes in struct sl_meta */
	uint32_t n_bytes;
	uint32_t shift; /* of a place to its part */
};

/* Bits of a level of an overlay, one a group. */
struct sl_screen_range {
	uint32_t first;
	uint32_t n;
};

/* Finds bytes that tell the filters of a layer's base from each other. 0 or -ENOMEM. */
int sl_screen_plan_make(
	struct sl_screen_plan *plan, const struct sl_layer_program *layer) SL_MUST_CHECK;

/* The span of a filter. `groups` is for use inside. 0 or -ENOMEM. */
int sl_screen_span(const struct sl_screen_plan *plan, const struct sl_layer *layer,
	const struct sl_filter_run *run, struct sl_groups *groups,
	struct sl_span *span) SL_MUST_CHECK;

/* A sieve of filters with these spans and keys (see overlay.h). NULL: no memory. Freed by free. */
struct sl_sieve *
sl_sieve_new(const struct sl_span *spans, const uint64_t *keys, uint32_t n, uint32_t n_groups_max);

/* A screen for a base of so many places that holds everything back, or a copy of `from`. NULL: no memory. Freed by free. */
struct sl_screen *
sl_screen_new(const struct sl_screen_plan *plan, uint32_t n_places, const struct sl_screen *from);
/* Makes bits stand for nothing. */
void sl_screen_clear(struct sl_screen *screen, struct sl_screen_range range);
/* Makes bits that stand for nothing stand for the groups of a sieve. */
void sl_screen_fill(
	struct sl_screen *screen, struct sl_screen_range range, const struct sl_sieve *sieve);

/* --- Packet time. --- */

/* Where the word is for a group and a value of byte `b`. */
static SL_ALWAYS_INLINE size_t
sl_sieve_at(const struct sl_sieve *sieve, uint32_t g, uint32_t b, uint8_t value)
{
	return (((size_t)g * SL_SCREEN_BYTES + b) * 256 + value) * sieve->word_size;
}

static SL_ALWAYS_INLINE uint64_t
sl_sieve_word(const struct sl_sieve *sieve, uint32_t g, uint32_t b, uint8_t value)
{
	uint64_t word;

	memcpy(&word, sieve->words + sl_sieve_at(sieve, g, b, value), sizeof(word));
	return word & sieve->mask;
}

/* The filters of a group that a packet may match, a bit each. */
static SL_ALWAYS_INLINE uint64_t
sl_sieve_look(const struct sl_sieve *sieve, uint32_t g, const struct sl_screen *screen,
	const struct sl_meta *meta)
{
	const uint8_t *bytes = (const uint8_t *)meta;
	uint64_t word = sieve->mask;

	for (uint32_t b = 0; b < screen->n_bytes; b++)
		word &= sl_sieve_word(sieve, g, b, bytes[screen->offsets[b]]);
	return word;
}

/*
 * The bits of groups in which a packet may match a filter that stands at `latest`, a place of the
 * base, or before it.  `n` is the number of bytes.
 */
static SL_ALWAYS_INLINE sl_screen_bits
sl_screen_look(
	const struct sl_screen *screen, const struct sl_meta *meta, uint32_t latest, uint32_t n)
{
	const uint8_t *bytes = (const uint8_t *)meta;
	const uint32_t span = SL_MIN(latest >> screen->shift, SL_SCREEN_SPANS - 1);
	sl_screen_bits bits = screen->early[span];

	for (uint32_t b = 0; b < n; b++)
		bits &= screen->tables[b][bytes[screen->offsets[b]]];
	return bits;
}

#endif
