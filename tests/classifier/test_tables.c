/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables.h"

#include "classifier/box.h"
#include "classifier/sl_classify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Tables against a scan of their boxes, in every form that the processor has. */

#define BYTES_MAX   ((size_t)8 << 20)
#define PACKETS_MAX SL_BATCH_MAX
#define BOXES_MAX   1100u

/* What a trial is made of. */
struct trial {
	const char *name;
	const enum sl_slot *slots;
	uint32_t n_slots;
	uint32_t n_boxes;
	uint32_t n_sublayers;
	uint32_t callouts; /* of 100 places, how many let the list go on */
	uint32_t tested;   /* of 100 places */
	uint32_t
		presence; /* of 100 fields of a box, how many ask for presence only, or for absence */
	uint32_t more;    /* boxes of one place besides its first, at most */
};

/* A trial at work. */
struct bench {
	uint64_t random;
	struct sl_key_plan plan;
	struct sl_boxes boxes;
	uint32_t ends[BOXES_MAX];
	uint32_t n_places;
	struct sl_test tests[BOXES_MAX];
	uint32_t tests_at[BOXES_MAX + 1];
	struct sl_program program;
	const struct sl_tables *tables;
	struct sl_meta metas[PACKETS_MAX];
	const struct sl_meta *pointers[PACKETS_MAX];
	struct sl_matches matches;
};

/* --- Chance. --- */

static uint32_t
draw(struct bench *b, uint32_t n)
{
	b->random ^= b->random << 13;
	b->random ^= b->random >> 7;
	b->random ^= b->random << 17;
	return (uint32_t)(b->random >> 32) % n;
}

static uint32_t
draw32(struct bench *b)
{
	return draw(b, UINT32_MAX);
}

/* --- The key. --- */

/* As classifier/key.c lays it out: an element for each word that a field touches. */
static void
plan_slot(struct sl_key_plan *plan, enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];
	struct sl_key_part *part = &plan->parts[plan->n_parts];
	uint32_t left = info->kind == SL_SLOT_KIND_BLOB ? 0 : info->size;
	uint32_t at = info->offset;

	*part = (struct sl_key_part){.slot = (uint8_t)slot, .element = (uint8_t)plan->n_elements};
	for (; left > 0; part->n_elements++) {
		const uint32_t first = at % 4;
		const uint32_t n = SL_MIN(left, 4 - first);
		const bool is_swapped = info->kind == SL_SLOT_KIND_BYTES;

		plan->words[plan->n_words] = (struct sl_key_word){
			.offset = (uint16_t)(at - first), .is_swapped = is_swapped};
		plan->elements[plan->n_elements++] =
			(struct sl_key_element){.word = (uint8_t)plan->n_words++,
				.shift = (uint8_t)(8 * (is_swapped ? 4 - first - n : first)),
				.bits = (uint8_t)(8 * n),
				.part = (uint8_t)plan->n_parts};
		at += n;
		left -= n;
	}
	plan->part_of_slot[slot] = (uint8_t)plan->n_parts++;
}

static uint32_t
element_of(const struct bench *b, uint32_t e, const struct sl_meta *meta)
{
	const struct sl_key_element *element = &b->plan.elements[e];
	const struct sl_key_word *word = &b->plan.words[element->word];
	uint32_t value;

	memcpy(&value, (const uint8_t *)meta + word->offset, sizeof(value));
	if (word->is_swapped)
		value = __builtin_bswap32(value);
	return value >> element->shift & sl_element_max(element);
}

static void
set_element(const struct bench *b, uint32_t e, struct sl_meta *meta, uint32_t value)
{
	const struct sl_key_element *element = &b->plan.elements[e];
	const struct sl_key_word *key = &b->plan.words[element->word];
	uint8_t *at = (uint8_t *)meta + key->offset;
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	word = key->is_swapped ? __builtin_bswap32(word) : word;
	word &= ~(sl_element_max(element) << element->shift);
	word |= value << element->shift;
	word = key->is_swapped ? __builtin_bswap32(word) : word;
	memcpy(at, &word, sizeof(word));
}

/* --- Boxes. --- */

/* A range of one of the usual kinds, out of few enough that boxes overlap. */
static void
draw_range(struct bench *b, uint32_t bits, uint32_t *low, uint32_t *high)
{
	const uint32_t max = UINT32_MAX >> (32 - bits);
	const uint32_t value = (draw(b, 12) * 0x11111111u + draw(b, 40)) & max;
	const uint32_t length = draw(b, bits + 1);
	const uint32_t below = length == 0 ? max : (uint32_t)(((uint64_t)max + 1) >> length) - 1;

	*low = value;
	*high = value;
	switch (draw(b, 4)) {
	case 0:
		break;
	case 1: /* a prefix */
		*low = value & ~below;
		*high = value | below;
		break;
	case 2: /* a range */
		*high = value + draw(b, max - value < 5000 ? max - value + 1 : 5000);
		break;
	default: /* up to an end */
		if (draw(b, 2) == 0)
			*low = 0;
		else
			*high = max;
		break;
	}
}

/* Narrows a field: its elements are exact up to one, and open behind it. */
static void
draw_field(struct bench *b, const struct trial *trial, uint32_t p, struct sl_box *box,
	uint32_t *lows, uint32_t *highs)
{
	const struct sl_key_part *part = &b->plan.parts[p];

	if (draw(b, 3) == 0)
		return;
	box->care |= 1u << p;
	if (draw(b, 100) < trial->presence && draw(b, 2) == 0)
		return; /* must be absent */
	box->want |= 1u << p;
	if (part->n_elements == 0 || draw(b, 100) < trial->presence)
		return;
	for (uint32_t i = 0; i < part->n_elements; i++) {
		const uint32_t e = part->element + i;

		draw_range(b, b->plan.elements[e].bits, &lows[e], &highs[e]);
		if (lows[e] != highs[e] || draw(b, 3) == 0)
			return;
	}
}

static void
draw_box(struct bench *b, const struct trial *trial, uint32_t place, bool is_tested)
{
	const uint32_t n = b->boxes.n_elements;
	struct sl_box *box = &b->boxes.list[b->boxes.n];
	uint32_t *lows = b->boxes.bounds + (size_t)b->boxes.n++ * 2 * n;

	*box = (struct sl_box){.rank = place, .is_tested = is_tested};
	memset(lows, 0, n * sizeof(*lows));
	memset(lows + n, 0xff, n * sizeof(*lows));
	for (uint32_t p = 0; p < b->plan.n_parts; p++)
		draw_field(b, trial, p, box, lows, lows + n);
}

/* Places, boxes of places, and where lists go on behind them. */
static void
draw_boxes(struct bench *b, const struct trial *trial)
{
	uint32_t per_sublayer;
	uint32_t place = 0;

	b->boxes = (struct sl_boxes){.n_elements = b->plan.n_elements, .size = trial->n_boxes};
	b->boxes.list = calloc(trial->n_boxes + 1, sizeof(*b->boxes.list));
	b->boxes.bounds = calloc((size_t)(trial->n_boxes + 1) * 2 * (b->plan.n_elements + 1),
		sizeof(*b->boxes.bounds));
	assert_non_null(b->boxes.list);
	assert_non_null(b->boxes.bounds);
	while (b->boxes.n < trial->n_boxes) {
		const uint32_t left = trial->n_boxes - b->boxes.n;
		const uint32_t n = 1 + draw(b, trial->more + 1);
		const bool is_tested = draw(b, 100) < trial->tested;

		for (uint32_t i = 0; i < SL_MIN(n, left); i++)
			draw_box(b, trial, place, is_tested);
		place++;
	}
	b->n_places = place;
	per_sublayer = (place + trial->n_sublayers - 1) / trial->n_sublayers;
	for (uint32_t i = 0; i < place; i++)
		b->ends[i] = draw(b, 100) < trial->callouts
			? 0
			: SL_MIN(place, (i / per_sublayer + 1) * per_sublayer);
}

/* Every other filter has a test: whether one slot, which no box looks at, is in a range. */
static void
make_program(struct bench *b)
{
	for (uint32_t i = 0; i < b->n_places; i++) {
		b->tests[i] = (struct sl_test){.op = SL_TEST_RANGE,
			.slot = SL_SLOT_DSCP,
			.is_last = true,
			.range = {.low = 0, .high = 31}};
		b->tests_at[i + 1] = (i + 2) / 2;
	}
	b->program.tests = b->tests;
	b->program.tests_at = b->tests_at;
	b->program.ends = b->ends;
	b->program.n = b->n_places;
}

/* --- Packets. --- */

/* A value at, or next to, a border of a box; or any value. */
static uint32_t
draw_value(struct bench *b, uint32_t box, uint32_t e)
{
	const uint32_t max = sl_element_max(&b->plan.elements[e]);
	const uint32_t low = sl_box_lows(&b->boxes, box)[e];
	const uint32_t high = SL_MIN(sl_box_highs(&b->boxes, box)[e], max);

	switch (draw(b, 10)) {
	case 0:
		return (low - 1) & max;
	case 1:
		return (high + 1) & max;
	case 2:
		return draw32(b) & max;
	case 3:
	case 4:
	case 5:
		return high;
	default:
		return low;
	}
}

static void
draw_meta(struct bench *b, struct sl_meta *meta)
{
	const uint32_t box = draw(b, b->boxes.n);
	const uint32_t absent = draw(b, 4) == 0 ? draw32(b) : 0;

	for (size_t i = 0; i < sizeof(*meta) / sizeof(uint32_t); i++) {
		const uint32_t word = draw32(b);

		memcpy((uint8_t *)meta + i * sizeof(word), &word, sizeof(word));
	}
	for (uint32_t e = 0; e < b->plan.n_elements; e++)
		set_element(b, e, meta, draw_value(b, box, e));
	for (uint32_t p = 0; p < b->plan.n_parts; p++) {
		const uint64_t bit = (uint64_t)1 << b->plan.parts[p].slot;

		meta->present |= bit;
		if (absent >> p & 1)
			meta->present &= ~bit;
	}
	meta->present |= SL_PRESENT(DSCP);
	meta->dscp = (uint8_t)draw(b, 64);
}

/* --- The scan. --- */

static bool
is_in_box(const struct bench *b, uint32_t i, const struct sl_meta *meta)
{
	const struct sl_box *box = &b->boxes.list[i];

	for (uint32_t p = 0; p < b->plan.n_parts; p++) {
		const struct sl_key_part *part = &b->plan.parts[p];
		const bool is_present = meta->present >> part->slot & 1;

		if ((box->care >> p & 1) && is_present != (box->want >> p & 1))
			return false;
		if (!is_present)
			continue;
		for (uint32_t e = part->element; e < part->element + part->n_elements; e++) {
			const uint32_t value = element_of(b, e, meta);

			if (value < sl_box_lows(&b->boxes, i)[e] ||
				value > sl_box_highs(&b->boxes, i)[e])
				return false;
		}
	}
	return !box->is_tested || sl_test_run(&b->program, box->rank, meta);
}

static uint32_t
scan(const struct bench *b, const struct sl_meta *meta, uint32_t *places)
{
	uint32_t next = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->boxes.n; i++) {
		const uint32_t place = b->boxes.list[i].rank;

		if (place < next || (n > 0 && places[n - 1] == place) || !is_in_box(b, i, meta))
			continue;
		places[n++] = place;
		next = b->ends[place];
	}
	return n;
}

/* --- Trials. --- */

static void
compare(const struct bench *b, const struct trial *trial, const char *form, uint32_t packet)
{
	uint32_t expected[BOXES_MAX];
	const uint32_t n = scan(b, b->pointers[packet], expected);
	const uint32_t start = b->matches.start[packet];

	if (b->matches.start[packet + 1] - start != n ||
		memcmp(b->matches.ranks + start, expected, n * sizeof(*expected)) != 0)
		fail_msg("%s, %s: packet %u has %u matches, the first %u, and not %u, the first %u",
			trial->name, form, packet, b->matches.start[packet + 1] - start,
			b->matches.ranks[start], n, n > 0 ? expected[0] : UINT32_MAX);
}

static sl_tables_form_fn *
form_of(enum sl_simd simd)
{
	switch (simd) {
#ifdef __x86_64__
	case SL_SIMD_AVX512:
		return sl_tables_avx512;
	case SL_SIMD_AVX2:
		return sl_tables_avx2;
#endif
	default:
		return sl_tables_portable;
	}
}

static void
run_batch(struct bench *b, const struct trial *trial, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		draw_meta(b, &b->metas[i]);
	for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
		if (!sl_simd_has(simd))
			continue;
		memset(b->matches.start, 0xee, sizeof(b->matches.start));
		assert_int_equal(
			form_of(simd)(&b->program, b->tables, b->pointers, n, &b->matches), n);
		for (uint32_t i = 0; i < n; i++)
			compare(b, trial, sl_simd_name(simd), i);
		/* Nothing behind what was asked for. */
		if (n < SL_BATCH_MAX)
			assert_int_equal(b->matches.start[n + 1], 0xeeeeeeee);
	}
}

static struct bench *
set_up(const struct trial *trial, uint64_t seed)
{
	struct bench *b = aligned_alloc(64, (sizeof(*b) + 63) & ~(size_t)63);

	assert_non_null(b);
	memset(b, 0, sizeof(*b));
	b->random = 0x9e3779b97f4a7c15u * (seed + 1);
	for (uint32_t i = 0; i < trial->n_slots; i++)
		plan_slot(&b->plan, trial->slots[i]);
	draw_boxes(b, trial);
	make_program(b);
	for (uint32_t i = 0; i < PACKETS_MAX; i++)
		b->pointers[i] = &b->metas[i];
	assert_int_equal(sl_matches_init(&b->matches), 0);
	return b;
}

static void
tear_down(struct bench *b)
{
	sl_tables_free(b->tables);
	sl_matches_fini(&b->matches);
	free(b->boxes.list);
	free(b->boxes.bounds);
	free(b);
}

static void
build(struct bench *b, const struct trial *trial, size_t bytes_max)
{
	struct sl_error err;

	(void)trial;
	assert_int_equal(sl_tables_build(&b->boxes, &b->plan, b->ends, b->n_places, bytes_max,
				 &b->tables, &err),
		0);
}

static void
run_trial(const struct trial *trial, uint32_t n_seeds)
{
	static const uint32_t sizes[] = {1, 15, 16, 17, 63, 64, 65, 256};
	uint32_t n_built = 0;

	for (uint32_t seed = 0; seed < n_seeds; seed++) {
		struct bench *b = set_up(trial, seed);

		build(b, trial, BYTES_MAX);
		for (uint32_t i = 0; i < SL_ARRAY_LEN(sizes) && b->tables != NULL; i++)
			run_batch(b, trial, sizes[i]);
		n_built += b->tables != NULL;
		tear_down(b);
	}
	if (n_built * 2 < n_seeds)
		fail_msg("%s, %u boxes: tables were made for %u of %u seeds", trial->name,
			trial->n_boxes, n_built, n_seeds);
}

/* --- Tests. --- */

static const enum sl_slot flow4[] = {
	SL_SLOT_IP4_SRC, SL_SLOT_IP4_DST, SL_SLOT_PROTOCOL, SL_SLOT_SRC_PORT, SL_SLOT_DST_PORT};
static const enum sl_slot flow6[] = {
	SL_SLOT_IP6_SRC, SL_SLOT_IP6_DST, SL_SLOT_PROTOCOL, SL_SLOT_DST_PORT};
static const enum sl_slot link[] = {SL_SLOT_MAC_SRC, SL_SLOT_MAC_DST, SL_SLOT_ETHER_TYPE,
	SL_SLOT_VLAN_TCI, SL_SLOT_ARRIVAL_LUID, SL_SLOT_ARRIVAL_NAME};
static const enum sl_slot host[] = {SL_SLOT_IP4_DST, SL_SLOT_DST_PORT};
static const enum sl_slot name[] = {SL_SLOT_ARRIVAL_NAME};
static const enum sl_slot one[] = {SL_SLOT_DST_PORT};

static void
test_sizes(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 63, 64, 65, 128, 1000};

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(sizes); i++)
		run_trial(&(struct trial){.name = "sizes",
				  .slots = host,
				  .n_slots = SL_ARRAY_LEN(host),
				  .n_boxes = sizes[i],
				  .n_sublayers = 1},
			4);
}

static void
test_kinds(void **state)
{
#define TRIAL(text, list, boxes, sublayers, ...)                                \
	{                                                                       \
		.name = (text), .slots = (list), .n_slots = SL_ARRAY_LEN(list), \
		.n_boxes = (boxes), .n_sublayers = (sublayers), __VA_ARGS__     \
	}
	static const struct trial trials[] = {
		TRIAL("presence", flow4, 60, 1, .presence = 30),
		TRIAL("places of many boxes", flow4, 100, 1, .more = 7),
		TRIAL("IPv6", flow6, 40, 1, .presence = 10),
		TRIAL("link", link, 40, 1, .presence = 20),
		TRIAL("a text", name, 5, 2, .presence = 50),
		TRIAL("a field", one, 200, 1, .presence = 10),
		TRIAL("two sublayers", flow4, 100, 2, .presence = 10),
		TRIAL("four sublayers", flow4, 100, 4, .presence = 10),
		TRIAL("five sublayers", flow4, 60, 5, .presence = 10),
		TRIAL("sixteen sublayers", flow4, 60, 16, .presence = 10),
		TRIAL("seventeen sublayers", flow4, 60, 17, .presence = 10),
		TRIAL("callouts", flow4, 60, 1, .callouts = 30),
		TRIAL("nothing but callouts", flow4, 40, 1, .callouts = 100),
		TRIAL("callouts in sublayers", flow4, 60, 3, .callouts = 30, .more = 2),
		TRIAL("tested", flow4, 60, 1, .tested = 30),
		TRIAL("all tested", flow4, 40, 1, .tested = 100),
		TRIAL("everything", flow4, 80, 3, .tested = 20, .callouts = 20, .presence = 10,
			.more = 3),
		TRIAL("everything, link", link, 30, 3, .tested = 20, .callouts = 20, .presence = 10,
			.more = 3),
	};
#undef TRIAL

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(trials); i++)
		run_trial(&trials[i], 12);
}

/* Boxes that make many classes together, so that they are divided into groups. */
static void
test_groups(void **state)
{
	const struct trial trial = {.name = "groups",
		.slots = flow4,
		.n_slots = SL_ARRAY_LEN(flow4),
		.n_boxes = 90,
		.n_sublayers = 3,
		.more = 1};
	struct bench *b = set_up(&trial, 1);

	(void)state;
	build(b, &trial, BYTES_MAX);
	assert_non_null(b->tables);
	assert_true(b->tables->n_groups > 1);
	run_batch(b, &trial, 256);
	tear_down(b);
}

static void
set_exact(struct bench *b, uint32_t box, uint32_t e, uint32_t value)
{
	uint32_t *lows = b->boxes.bounds + (size_t)box * 2 * b->boxes.n_elements;

	lows[e] = lows[b->boxes.n_elements + e] = value;
}

/* Many pairs of hosts: a table that is as good as empty.  Two ports that are never asked for together make groups. */
static void
test_squeezed(void **state)
{
	static const enum sl_slot slots[] = {
		SL_SLOT_IP4_SRC, SL_SLOT_IP4_DST, SL_SLOT_SRC_PORT, SL_SLOT_DST_PORT};
	const struct trial trial = {.name = "squeezed",
		.slots = slots,
		.n_slots = SL_ARRAY_LEN(slots),
		.n_boxes = 1000,
		.n_sublayers = 2};
	struct bench *b = set_up(&trial, 5);
	bool has_squeezed = false;
	bool has_second = false;

	(void)state;
	memset(b->boxes.bounds, 0xff,
		(size_t)b->boxes.n * 2 * b->boxes.n_elements * sizeof(*b->boxes.bounds));
	for (uint32_t i = 0; i < b->boxes.n; i++) {
		const uint32_t port = 2 + i % 2; /* the other one is open */

		b->boxes.list[i].care = b->boxes.list[i].want = 3 | 1u << port;
		set_exact(b, i, 0, draw32(b));
		set_exact(b, i, 1, draw32(b));
		set_exact(b, i, port, draw(b, 300));
		b->boxes.bounds[(size_t)i * 8 + 5 - port] = 0;
	}
	build(b, &trial, BYTES_MAX);
	assert_non_null(b->tables);
	for (uint32_t i = 0; i < b->tables->n_pairs; i++) {
		const struct sl_tables_pair *pair = &b->tables->pairs[i];

		has_squeezed = has_squeezed || pair->kinds != 0;
		has_second =
			has_second || (pair->kinds != 0 && pair->second != SL_TABLES_SLOT_NONE);
	}
	assert_true(has_squeezed && has_second);
	for (uint32_t i = 0; i < 20; i++)
		run_batch(b, &trial, 256);
	tear_down(b);
}

/* Every box of one size in both addresses makes a cross product as large as can be. */
static void
test_too_large(void **state)
{
	const struct trial trial = {.name = "too large",
		.slots = flow4,
		.n_slots = SL_ARRAY_LEN(flow4),
		.n_boxes = 1000,
		.n_sublayers = 1};
	struct bench *b = set_up(&trial, 1);

	(void)state;
	for (uint32_t i = 0; i < b->boxes.n; i++) {
		uint32_t *lows = b->boxes.bounds + (size_t)i * 2 * b->boxes.n_elements;
		uint32_t *highs = lows + b->boxes.n_elements;

		b->boxes.list[i].care = b->boxes.list[i].want = 0x1f;
		for (uint32_t e = 0; e < 5; e++) {
			const uint32_t max = sl_element_max(&b->plan.elements[e]);

			lows[e] = draw32(b) & max & 0x7fffffff;
			highs[e] = lows[e] + (max - lows[e]) / 2;
		}
	}
	build(b, &trial, BYTES_MAX);
	assert_null(b->tables);
	tear_down(b);
}

static void
test_empty(void **state)
{
	const struct trial trial = {.name = "empty",
		.slots = flow4,
		.n_slots = SL_ARRAY_LEN(flow4),
		.n_boxes = 3,
		.n_sublayers = 1};
	struct bench *b = set_up(&trial, 1);

	(void)state;
	/* Boxes that hold everything need no tables. */
	for (uint32_t i = 0; i < 3; i++)
		b->boxes.list[i].care = 0;
	build(b, &trial, BYTES_MAX);
	assert_null(b->tables);
	b->boxes.n = 0;
	build(b, &trial, BYTES_MAX);
	assert_null(b->tables);
	tear_down(b);
}

/* The bytes given are never exceeded, and the same boxes give the same tables. */
static void
test_bytes(void **state)
{
	const struct trial trial = {.name = "bytes",
		.slots = flow4,
		.n_slots = SL_ARRAY_LEN(flow4),
		.n_boxes = 60,
		.n_sublayers = 1};
	struct bench *b = set_up(&trial, 7);
	const struct sl_tables *first;

	(void)state;
	build(b, &trial, BYTES_MAX);
	first = b->tables;
	assert_non_null(first);
	build(b, &trial, first->bytes);
	assert_non_null(b->tables);
	assert_int_equal(b->tables->bytes, first->bytes);
	assert_memory_equal(b->tables->cells, first->cells, first->n_cells * sizeof(uint16_t));
	sl_tables_free(b->tables);
	build(b, &trial, first->bytes - 1);
	assert_null(b->tables);
	sl_tables_free(first);
	tear_down(b);
}

/* A list that is full ends the batch early. */
static void
test_capacity(void **state)
{
	const struct trial trials[] = {
		{"one", flow4, SL_ARRAY_LEN(flow4), 60, 1, 0, 0, 0, 0},
		{"few", flow4, SL_ARRAY_LEN(flow4), 60, 3, 0, 0, 0, 0},
		{"lists", flow4, SL_ARRAY_LEN(flow4), 60, 3, 30, 30, 0, 0},
	};

	(void)state;
	for (uint32_t t = 0; t < SL_ARRAY_LEN(trials); t++) {
		struct bench *b = set_up(&trials[t], 3);

		build(b, &trials[t], BYTES_MAX);
		assert_non_null(b->tables);
		for (uint32_t i = 0; i < PACKETS_MAX; i++)
			draw_meta(b, &b->metas[i]);
		for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
			uint32_t done;

			if (!sl_simd_has(simd))
				continue;
			b->matches.capacity = 70;
			b->matches.ranks[70] = 0xabcdabcd;
			done = form_of(simd)(
				&b->program, b->tables, b->pointers, PACKETS_MAX, &b->matches);
			assert_in_range(done, 1, PACKETS_MAX - 1);
			assert_true(b->matches.start[done] <= 70);
			assert_int_equal(b->matches.ranks[70], 0xabcdabcd);
			for (uint32_t i = 0; i < done; i++)
				compare(b, &trials[t], sl_simd_name(simd), i);
		}
		tear_down(b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_squeezed),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_capacity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
