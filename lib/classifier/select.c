/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/select.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE_MAX SL_SELECT_SAMPLE
#define COPIES_MAX 6 /* entries for each box of the sample */
#define GROUPS_MAX (1u << SL_SELECT_BITS_MAX)
/* Groups of so many boxes are weighed together. */
#define SMALL_GROUP 4
/* Pairs whose bits are searched, of which there may be more. */
#define PAIRS_SEARCHED 2
/* A bit must take away this share of what is left. */
#define GAIN_MIN 0.04
/* Boxes a packet meets at which there is nothing left to gain. */
#define ENOUGH 2.0

/* A box in one group of those that the bits so far make. */
struct entry {
	uint16_t sample;
	bool is_full; /* leaves as many bits open as it may */
};

/* Counts by bit. */
struct tally {
	uint32_t zeros[64];
	uint32_t ones[64];
};

struct sl_selector {
	struct sl_pattern *samples;
	uint8_t *n_open;
	bool *is_out;
	/* Entries lie group by group; ends[g] is where group g ends. */
	struct entry *entries[2];
	uint32_t *ends[2];
	uint32_t entries_max;
	uint32_t groups_max;
	uint64_t spread[256]; /* bit i of the index in byte i */
};

/* One search on one pair. */
struct search {
	struct sl_selector *selector;
	const struct sl_select_model *model;
	uint32_t n_samples;
	double scale; /* boxes that a sample stands for */
	uint32_t n_entries;
	uint32_t n_groups;
	uint32_t n_out;
	uint32_t side; /* of entries and ends that are valid */
	uint64_t mask;
	uint64_t candidates;
	double met; /* sum over entries of their group's size, in samples */
};

struct sl_selector *
sl_selector_new(uint32_t n_boxes)
{
	const uint32_t n = SL_MIN(SL_MAX(n_boxes, 1u), SAMPLE_MAX);
	struct sl_selector *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->entries_max = n * COPIES_MAX;
	/* Groups are divided as long as there are fewer than twice the boxes. */
	s->groups_max = (uint32_t)SL_MIN((uint64_t)n_boxes * 4 + 8, (uint64_t)GROUPS_MAX);
	s->samples = calloc(n, sizeof(*s->samples));
	s->n_open = calloc(n, sizeof(*s->n_open));
	s->is_out = calloc(n, sizeof(*s->is_out));
	for (uint32_t side = 0; side < 2; side++) {
		s->entries[side] = calloc(s->entries_max, sizeof(*s->entries[side]));
		s->ends[side] = calloc(s->groups_max, sizeof(*s->ends[side]));
	}
	if (s->samples == NULL || s->n_open == NULL || s->is_out == NULL || s->entries[0] == NULL ||
		s->entries[1] == NULL || s->ends[0] == NULL || s->ends[1] == NULL) {
		sl_selector_free(s);
		return NULL;
	}
	for (uint32_t byte = 0; byte < 256; byte++) {
		for (uint32_t bit = 0; bit < 8; bit++)
			s->spread[byte] |= (uint64_t)(byte >> bit & 1) << 8 * bit;
	}
	return s;
}

void
sl_selector_free(struct sl_selector *selector)
{
	if (selector == NULL)
		return;
	free(selector->samples);
	free(selector->n_open);
	free(selector->is_out);
	for (uint32_t side = 0; side < 2; side++) {
		free(selector->entries[side]);
		free(selector->ends[side]);
	}
	free(selector);
}

/* --- Counting. --- */

/* Counters of eight bits for all 64 bits of a number; good for 255 numbers. */
struct small_tally {
	uint64_t bytes[8];
};

static inline void
small_add(struct small_tally *tally, const uint64_t *spread, uint64_t bits)
{
	for (uint32_t i = 0; i < 8; i++)
		tally->bytes[i] += spread[bits >> 8 * i & 0xff];
}

static void
small_flush(struct small_tally *small, uint32_t counts[64])
{
	for (uint32_t i = 0; i < 64; i++)
		counts[i] += (uint32_t)(small->bytes[i / 8] >> 8 * (i % 8) & 0xff);
	memset(small, 0, sizeof(*small));
}

/* Counts the values of entries that may leave more bits open, or of those that may not. */
static uint32_t
count_entries(const struct search *search, const struct entry *entries, uint32_t n, bool is_full,
	struct tally *tally)
{
	const struct sl_selector *selector = search->selector;
	struct small_tally zeros = {.bytes = {0}};
	struct small_tally ones = {.bytes = {0}};
	uint32_t counted = 0;

	memset(tally, 0, sizeof(*tally));
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_pattern *pattern = &selector->samples[entries[i].sample];

		if (entries[i].is_full != is_full)
			continue;
		small_add(&ones, selector->spread, pattern->value);
		small_add(&zeros, selector->spread, pattern->mask & ~pattern->value);
		if (++counted % 255 == 0) {
			small_flush(&ones, tally->ones);
			small_flush(&zeros, tally->zeros);
		}
	}
	small_flush(&ones, tally->ones);
	small_flush(&zeros, tally->zeros);
	return counted;
}

/* What each bit would make of one group: boxes met, and copies. */
static void
weigh_group(const struct search *search, const struct entry *entries, uint32_t n, double met[64],
	double copies[64])
{
	struct tally may;
	struct tally full = {.zeros = {0}};
	const uint32_t n_may = count_entries(search, entries, n, false, &may);

	if (n_may < n)
		count_entries(search, entries, n, true, &full);
	for (uint64_t left = search->candidates; left != 0; left &= left - 1) {
		const uint32_t bit = (uint32_t)__builtin_ctzll(left);
		const uint32_t open = n_may - may.zeros[bit] - may.ones[bit];
		const double zeros = may.zeros[bit] + full.zeros[bit] + open;
		const double ones = may.ones[bit] + full.ones[bit] + open;

		met[bit] += zeros * zeros + ones * ones;
		copies[bit] += open;
	}
}

/*
 * Small groups, of which there are many, together: two entries meet in a half when both can be there,
 * and a square is the sum over all pairs.
 */
struct pair_tally {
	struct small_tally same;  /* entries with themselves */
	struct small_tally other; /* ... with each other: counts twice */
	struct small_tally open;
	uint32_t n_same;
	uint32_t n_other;
	uint32_t same_counts[64];
	uint32_t other_counts[64];
	uint32_t open_counts[64];
};

static void
flush_same(struct pair_tally *tally)
{
	small_flush(&tally->same, tally->same_counts);
	small_flush(&tally->open, tally->open_counts);
	tally->n_same = 0;
}

static void
flush_other(struct pair_tally *tally)
{
	small_flush(&tally->other, tally->other_counts);
	tally->n_other = 0;
}

static void
add_small_group(const struct search *search, const struct entry *entries, uint32_t n,
	struct pair_tally *tally)
{
	const struct sl_selector *selector = search->selector;
	const uint64_t *spread = selector->spread;
	uint64_t zeros[SMALL_GROUP];
	uint64_t ones[SMALL_GROUP];

	for (uint32_t i = 0; i < n; i++) {
		const struct sl_pattern *pattern = &selector->samples[entries[i].sample];
		const uint64_t open = entries[i].is_full ? 0 : ~pattern->mask;

		ones[i] = pattern->value | open;
		zeros[i] = (pattern->mask & ~pattern->value) | open;
		small_add(&tally->open, spread, open);
		small_add(&tally->same, spread, ones[i]);
		small_add(&tally->same, spread, zeros[i]);
		tally->n_same += 2;
		if (tally->n_same >= 254)
			flush_same(tally);
		for (uint32_t k = 0; k < i; k++) {
			small_add(&tally->other, spread, ones[i] & ones[k]);
			small_add(&tally->other, spread, zeros[i] & zeros[k]);
			tally->n_other += 2;
			if (tally->n_other >= 254)
				flush_other(tally);
		}
	}
}

/* All groups: by bit, boxes met and copies made if it were taken. */
static void
weigh_groups(const struct search *search, double met[64], double copies[64])
{
	const struct sl_selector *selector = search->selector;
	const struct entry *entries = selector->entries[search->side];
	const uint32_t *ends = selector->ends[search->side];
	struct pair_tally small = {.n_same = 0};
	uint32_t begin = 0;

	for (uint32_t g = 0; g < search->n_groups; g++) {
		const uint32_t n = ends[g] - begin;

		if (n > SMALL_GROUP)
			weigh_group(search, entries + begin, n, met, copies);
		else if (n > 0)
			add_small_group(search, entries + begin, n, &small);
		begin = ends[g];
	}
	flush_same(&small);
	flush_other(&small);
	for (uint32_t bit = 0; bit < 64; bit++) {
		met[bit] += small.same_counts[bit] + 2.0 * small.other_counts[bit];
		copies[bit] += small.open_counts[bit];
	}
}

/* How many samples each bit would put off. */
static void
count_put_off(const struct search *search, uint32_t put_off[64])
{
	const struct sl_selector *selector = search->selector;
	const uint32_t open_max = search->model->open_max;

	memset(put_off, 0, 64 * sizeof(*put_off));
	if (open_max == SL_SELECT_ALL_OPEN)
		return;
	for (uint32_t i = 0; i < search->n_samples; i++) {
		uint64_t open = ~selector->samples[i].mask & search->candidates;

		if (selector->is_out[i] || selector->n_open[i] < open_max)
			continue;
		for (; open != 0; open &= open - 1)
			put_off[__builtin_ctzll(open)]++;
	}
}

static double
price_of(const struct search *search, double n_out)
{
	const double put_off = n_out * search->scale;
	const double each = search->model->put_off_each;

	return each > 0 ? put_off * each : put_off * put_off;
}

/* --- Taking a bit. --- */

/* The entry's place in the half that has the bit as `is_one`, if it is there. */
static bool
keeps(const struct search *search, const struct entry *entry, uint64_t bit, bool is_one)
{
	const struct sl_pattern *pattern = &search->selector->samples[entry->sample];

	if (search->selector->is_out[entry->sample])
		return false;
	return (pattern->mask & bit) == 0 || ((pattern->value & bit) != 0) == is_one;
}

static void
mark_open(struct search *search, uint64_t bit)
{
	struct sl_selector *selector = search->selector;

	for (uint32_t i = 0; i < search->n_samples; i++) {
		if ((selector->samples[i].mask & bit) != 0 || selector->is_out[i])
			continue;
		if (search->model->open_max != SL_SELECT_ALL_OPEN &&
			selector->n_open[i] >= search->model->open_max) {
			selector->is_out[i] = true;
			search->n_out++;
		} else if (selector->n_open[i] < UINT8_MAX) {
			selector->n_open[i]++;
		}
	}
}

/* Copies entries of one group that belong into one half. Returns the number of entries then. */
static uint32_t
copy_half(const struct search *search, const struct entry *from, uint32_t n, uint64_t bit,
	bool is_one, uint32_t n_to)
{
	const struct sl_selector *selector = search->selector;
	struct entry *to = search->selector->entries[search->side ^ 1];

	for (uint32_t i = 0; i < n; i++) {
		if (!keeps(search, &from[i], bit, is_one))
			continue;
		to[n_to++] = (struct entry){.sample = from[i].sample,
			.is_full = search->model->open_max != SL_SELECT_ALL_OPEN &&
				selector->n_open[from[i].sample] >= search->model->open_max};
	}
	return n_to;
}

static void
split(struct search *search, uint32_t bit_number)
{
	struct sl_selector *selector = search->selector;
	const uint64_t bit = (uint64_t)1 << bit_number;
	const struct entry *from = selector->entries[search->side];
	const uint32_t *ends = selector->ends[search->side];
	uint32_t *new_ends = selector->ends[search->side ^ 1];
	uint32_t n = 0;
	uint32_t begin = 0;

	mark_open(search, bit);
	search->met = 0;
	for (uint32_t g = 0; g < search->n_groups; g++) {
		for (uint32_t half = 0; half < 2; half++) {
			const uint32_t first = n;

			n = copy_half(search, from + begin, ends[g] - begin, bit, half == 1, n);
			new_ends[2 * g + half] = n;
			search->met += (double)(n - first) * (n - first);
		}
		begin = ends[g];
	}
	search->n_entries = n;
	search->n_groups *= 2;
	search->side ^= 1;
	search->mask |= bit;
	search->candidates &= ~bit;
}

/* --- Search. --- */

struct choice {
	uint32_t bit;
	double cost;
	double copies;
};

/* The bit after which the least is left; false when there is none. */
static bool
best_bit(struct search *search, struct choice *choice)
{
	const double square = search->scale * search->scale;
	double met[64] = {0};
	double copies[64] = {0};
	uint32_t put_off[64];

	weigh_groups(search, met, copies);
	count_put_off(search, put_off);
	choice->cost = -1;
	for (uint64_t left = search->candidates; left != 0; left &= left - 1) {
		const uint32_t bit = (uint32_t)__builtin_ctzll(left);
		const double cost = met[bit] * square + copies[bit] * search->scale +
			price_of(search, search->n_out + put_off[bit]);

		if (choice->cost < 0 || cost < choice->cost)
			*choice = (struct choice){bit, cost, copies[bit]};
	}
	return choice->cost >= 0;
}

/* Bits that some boxes have as 0 and others as 1. */
static uint64_t
telling_bits(const struct search *search)
{
	uint64_t zeros = 0;
	uint64_t ones = 0;

	for (uint32_t i = 0; i < search->n_samples; i++) {
		const struct sl_pattern *pattern = &search->selector->samples[i];

		ones |= pattern->value;
		zeros |= pattern->mask & ~pattern->value;
	}
	return zeros & ones;
}

static void
begin(struct search *search, const struct sl_patterns *patterns, uint32_t pair,
	const uint32_t *list, uint32_t n)
{
	struct sl_selector *selector = search->selector;
	const uint32_t step = n / SAMPLE_MAX + 1;

	for (uint32_t i = 0; i < n && search->n_samples < SAMPLE_MAX; i += step) {
		const uint32_t sample = search->n_samples++;

		selector->samples[sample] = *sl_pattern_of(patterns, list[i], pair);
		selector->n_open[sample] = 0;
		selector->is_out[sample] = false;
		selector->entries[0][sample] = (struct entry){
			.sample = (uint16_t)sample, .is_full = search->model->open_max == 0};
	}
	search->scale = (double)n / search->n_samples;
	search->n_entries = search->n_samples;
	search->n_groups = 1;
	selector->ends[0][0] = search->n_samples;
	search->candidates = telling_bits(search);
	search->met = (double)search->n_samples * search->n_samples;
}

/* Adds bits to the selection as long as they are worth it. */
static void
search_pair(struct search *search, uint32_t n, struct sl_selection *selection)
{
	const double square = search->scale * search->scale;
	double cost = (double)n * n;

	while (selection->n_bits < search->model->bits_max && search->candidates != 0) {
		const double sunk =
			search->model->put_off_each > 0 ? 0 : price_of(search, search->n_out);
		struct choice choice;

		if (!best_bit(search, &choice) || cost - choice.cost < GAIN_MIN * (cost - sunk))
			break;
		if (search->n_entries + choice.copies >
				search->model->copies_max * search->n_samples ||
			search->n_entries + choice.copies > search->selector->entries_max ||
			2 * search->n_groups > search->selector->groups_max)
			break;
		split(search, choice.bit);
		selection->n_bits++;
		cost = choice.cost;
		if (search->met * square / n < ENOUGH || search->n_groups > 2 * n + 2)
			break;
	}
	selection->mask = search->mask;
	selection->cost = cost;
}

/* The pairs to search: those with the best first bit. Returns how many. */
static uint32_t
rank_pairs(struct sl_selector *selector, const struct sl_patterns *patterns, const uint32_t *list,
	uint32_t n, const struct sl_select_model *model, uint32_t pairs[PAIRS_SEARCHED])
{
	double costs[PAIRS_SEARCHED];
	uint32_t n_ranked = 0;

	for (uint32_t pair = 0; pair < patterns->n_pairs; pair++) {
		struct search search = {.selector = selector, .model = model};
		struct choice choice;
		uint32_t at;

		begin(&search, patterns, pair, list, n);
		if (search.candidates == 0 || !best_bit(&search, &choice))
			continue;
		for (at = SL_MIN(n_ranked, PAIRS_SEARCHED - 1u);
			at > 0 && costs[at - 1] > choice.cost; at--) {
			costs[at] = costs[at - 1];
			pairs[at] = pairs[at - 1];
		}
		if (at == n_ranked || choice.cost < costs[at] || n_ranked < PAIRS_SEARCHED) {
			costs[at] = choice.cost;
			pairs[at] = pair;
		}
		n_ranked = SL_MIN(n_ranked + 1, PAIRS_SEARCHED);
	}
	return n_ranked;
}

void
sl_select(struct sl_selector *selector, const struct sl_patterns *patterns, const uint32_t *list,
	uint32_t n, const struct sl_select_model *model, struct sl_selection *selection)
{
	uint32_t pairs[PAIRS_SEARCHED];
	const uint32_t n_pairs = rank_pairs(selector, patterns, list, n, model, pairs);

	*selection = (struct sl_selection){.cost = (double)n * n};
	for (uint32_t i = 0; i < n_pairs; i++) {
		struct search search = {.selector = selector, .model = model};
		struct sl_selection found = {.pair = pairs[i]};

		begin(&search, patterns, pairs[i], list, n);
		search_pair(&search, n, &found);
		if (found.n_bits > 0 && found.cost < selection->cost)
			*selection = found;
	}
}
