/* SPDX-License-Identifier: BSD-3-Clause */
/* Reassembly beside a plain model of it, fragment by fragment. */
#include "flow/cutter.h"
#include "property/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DATAGRAMS   4u /* at a time */
#define PIECES_MAX  400u
#define ROUNDS      3000u
#define PAYLOAD_MAX 65535u
#define MILLISECOND 1000000u
#define TIMEOUT_MS  1000u
#define ALLEN       13u

static const uint64_t hash_key[2] = {3, 4};

/* A fragment as the model knows it. */
struct piece {
	uint32_t offset;
	uint32_t n;
	bool is_last;
	uint8_t change; /* exclusive-or of its last byte */
};

enum model_state {
	ABSENT,
	WAITING,
	ENDED
};

/* A datagram of the model: a list of what has come, compared one by one. */
struct model {
	enum model_state state;
	uint64_t started_ns;
	struct piece held[PIECES_MAX];
	uintptr_t owners[PIECES_MAX];
	uint32_t n;
};

struct round {
	struct random random;
	struct sl_fragments *fragments;
	uint64_t now_ns;
	uintptr_t n_owners;
	struct cutter_whole wholes[DATAGRAMS];
	struct model models[DATAGRAMS];
	struct piece queue[DATAGRAMS][PIECES_MAX]; /* what will be sent */
	uint32_t n_queue[DATAGRAMS];
	uint8_t frame[CUTTER_FRAME_MAX];
	uint8_t joined[SL_DATAGRAM_BUFFER];
	uint8_t expected[SL_DATAGRAM_BUFFER];
	uint32_t n_complete, n_ended, n_duplicates, n_timeouts;
};

/* --- The model. --- */

static bool
is_same(const struct piece *a, const struct piece *b)
{
	return a->offset == b->offset && a->n == b->n && a->is_last == b->is_last &&
		a->change == b->change;
}

static bool
do_overlap(const struct piece *a, const struct piece *b)
{
	return a->offset < b->offset + b->n && b->offset < a->offset + a->n;
}

/* Bytes that share the limit of 65,535 with the payload. */
static uint32_t
head_bytes(const struct cutter_whole *whole)
{
	return whole->split - whole->l3 - (whole->ip_version == 6 ? 40 : 0);
}

static enum sl_reason
model_judge(const struct model *model, const struct cutter_whole *whole, const struct piece *piece)
{
	uint32_t reach = piece->offset + piece->n;
	bool overlaps = false, ends_differ = false, is_wrong = false,
	     has_first = piece->offset == 0;

	for (uint32_t i = 0; i < model->n; i++) {
		const struct piece *held = &model->held[i];
		uint32_t end = held->offset + held->n;

		if (is_same(held, piece))
			return SL_REASON_FRAG_DUPLICATE;
		reach = SL_MAX(reach, end);
		has_first |= held->offset == 0;
		overlaps |= do_overlap(held, piece);
		ends_differ |= held->is_last && piece->is_last && end != piece->offset + piece->n;
		/* Of two ends the one that is no last one must lie before the other. */
		is_wrong |= held->is_last && piece->offset + piece->n >= end;
		is_wrong |= piece->is_last && end >= piece->offset + piece->n;
	}
	if (has_first && head_bytes(whole) + reach > PAYLOAD_MAX)
		return SL_REASON_FRAG_TOO_LONG;
	if (overlaps && !ends_differ)
		return SL_REASON_FRAG_OVERLAP;
	return overlaps || is_wrong ? SL_REASON_FRAG_INCONSISTENT : SL_REASON_NONE;
}

/* The end of a datagram that is whole, otherwise 0. */
static uint32_t
model_end(const struct model *model)
{
	uint32_t sum = 0, end = 0;

	for (uint32_t i = 0; i < model->n; i++) {
		sum += model->held[i].n;
		if (model->held[i].is_last)
			end = model->held[i].offset + model->held[i].n;
	}
	return sum == end ? end : 0;
}

static void
put_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The packet as it would have been without fragments; returns its length. */
static uint32_t
model_packet(const struct model *model, const struct cutter_whole *whole, uint8_t *bytes)
{
	uint32_t end = model_end(model), l3 = whole->l3, there;

	memcpy(bytes, whole->bytes, whole->split);
	memset(bytes + whole->split, 0xee, end);
	there = SL_MIN(end, whole->n);
	memcpy(bytes + whole->split, whole->bytes + whole->split, there);
	for (uint32_t i = 0; i < model->n; i++)
		bytes[whole->split + model->held[i].offset + model->held[i].n - 1] ^=
			model->held[i].change;
	if (whole->ip_version == 4) {
		put_be16(bytes + l3 + 2, whole->split - l3 + end);
		sl_build_ip4_checksum(bytes + l3);
	} else {
		put_be16(bytes + l3 + 4, whole->split - l3 - 40 + end);
	}
	return whole->split + end;
}

/* --- Playing. --- */

/* What is let go must be the model's, in its order; then the model's datagram holds nothing. */
static void
expect_let_go(struct round *round, struct model *model, enum sl_reason reason)
{
	struct sl_held held;
	uint64_t note[2];

	for (uint32_t i = 0; i < model->n; i++) {
		assert_true(sl_fragments_let_go(round->fragments, &held, note));
		assert_int_equal(held.reason, reason);
		assert_int_equal((uintptr_t)held.frame.owner, model->owners[i]);
	}
	assert_false(sl_fragments_let_go(round->fragments, &held, note));
	model->n = 0;
}

/* The joined packet is the model's, and it parses to the same metadata. */
static void
expect_whole(struct round *round, const struct model *model, const struct cutter_whole *whole,
	const struct sl_datagram *datagram)
{
	struct sl_meta meta, expected_meta;
	struct sl_frame frame, expected;
	uint32_t length;

	length = model_packet(model, whole, round->expected);
	sl_datagram_join(datagram, round->joined, &frame);
	assert_int_equal(frame.length, length);
	assert_int_equal(frame.contiguous, length);
	assert_memory_equal(round->joined, round->expected, length);
	cutter_parse(round->expected, length, &expected, &expected_meta);
	cutter_parse(frame.bytes, frame.length, &frame, &meta);
	assert_memory_equal(&meta, &expected_meta, sizeof(meta));
	assert_int_not_equal(meta.reason, SL_REASON_IP4_BAD_CHECKSUM);
	assert_int_equal(meta.meta_flags & SL_META_IS_FRAGMENT, 0);
}

static void
expect_dropped(struct round *round, struct model *model, enum sl_fragment_answer answer,
	enum sl_reason reason, enum sl_reason expected)
{
	assert_int_equal(answer, SL_FRAGMENT_DROPPED);
	assert_int_equal(reason, expected);
	if (expected == SL_REASON_FRAG_DUPLICATE) {
		round->n_duplicates++;
		return;
	}
	if (expected != SL_REASON_FRAG_ENDED) {
		expect_let_go(round, model, expected);
		model->state = ENDED;
		round->n_ended++;
	}
}

static bool
is_over(const struct round *round, const struct model *model)
{
	return model->state != ABSENT &&
		round->now_ns - model->started_ns >= TIMEOUT_MS * (uint64_t)MILLISECOND;
}

/* One fragment, to both, unless the parser refuses it. */
static void
play(struct round *round, uint32_t d, const struct piece *piece)
{
	const struct cutter_whole *whole = &round->wholes[d];
	struct model *model = &round->models[d];
	struct sl_datagram *datagram = NULL;
	enum sl_fragment_answer answer;
	enum sl_reason reason, expected;
	struct sl_frame frame;
	struct sl_meta meta;
	uint32_t length, timed_out;

	length = cutter_cut(whole, piece->offset, piece->n, piece->is_last, round->frame);
	round->frame[length - 1] ^= piece->change;
	cutter_parse(round->frame, length, &frame, &meta);
	if (meta.reason != SL_REASON_NONE || (meta.meta_flags & SL_META_IS_FRAGMENT) == 0)
		return;
	frame.owner = (void *)round->n_owners;
	timed_out = is_over(round, model);
	answer = sl_fragments_add(
		round->fragments, &frame, &meta, d, round->now_ns, &reason, &datagram);
	/* The bytes are not the table's. */
	memset(round->frame, 0x55, length);
	if (timed_out) {
		round->n_timeouts += model->state == WAITING;
		if (model->state == WAITING)
			expect_let_go(round, model, SL_REASON_FRAG_TIMEOUT);
		model->state = ABSENT;
	}
	if (model->state == ABSENT) {
		model->state = WAITING;
		model->started_ns = round->now_ns;
	}
	expected = model->state == ENDED ? SL_REASON_FRAG_ENDED : model_judge(model, whole, piece);
	if (expected != SL_REASON_NONE) {
		expect_dropped(round, model, answer, reason, expected);
		return;
	}
	model->held[model->n] = *piece;
	model->owners[model->n++] = round->n_owners++;
	if (model_end(model) == 0) {
		assert_int_equal(answer, SL_FRAGMENT_HELD);
		return;
	}
	assert_int_equal(answer, SL_FRAGMENT_COMPLETE);
	expect_whole(round, model, whole, datagram);
	sl_datagram_release(round->fragments, datagram, SL_REASON_NONE);
	expect_let_go(round, model, SL_REASON_NONE);
	model->state = ABSENT;
	round->n_complete++;
}

/* --- What is played. --- */

static void
draw_whole(struct round *round, uint32_t d)
{
	static const uint8_t protocols[2][4] = {{17, 6, 1, 200}, {17, 6, 58, 200}};
	struct random *random = &round->random;
	bool is_ip6 = random_chance(random, 50);
	const struct cutter_plan plan = {
		.ip_version = is_ip6 ? 6 : 4,
		.protocol = protocols[is_ip6][random_below(random, 4)],
		.n_vlans = random_chance(random, 80) ? 0 : (uint8_t)random_below(random, 9),
		.n_options =
			random_chance(random, 80) ? 0 : (uint8_t)(4 * random_below(random, 11)),
		.n_before = (uint8_t)random_below(random, 4),
		.has_after = random_chance(random, 30),
		.is_snap = false,
		.src = random_below(random, 3),
		.id = random_below(random, 65536),
		.n_payload = random_chance(random, 5) ? 60000 + random_below(random, 5400)
						      : 64 + random_below(random, 4000),
	};

	cutter_make(&round->wholes[d], &plan);
}

static void
push(struct round *round, uint32_t d, struct piece piece)
{
	if (round->n_queue[d] < PIECES_MAX - 1 && piece.n > 0 && piece.offset + piece.n <= 65535)
		round->queue[d][round->n_queue[d]++] = piece;
}

/* Cuts the whole at random places. */
static void
draw_cuts(struct round *round, uint32_t d)
{
	const uint32_t n = round->wholes[d].n;
	uint32_t largest = 8 * (1 + random_below(&round->random, n > 8000 ? 1000 : 100)), step;

	largest = SL_MAX(largest, (n / 100) & ~7u);
	for (uint32_t at = 0; at < n; at += step) {
		step = 8 * (1 + random_below(&round->random, largest / 8 + 1));
		if (at == 0)
			step = SL_MAX(step, 64);
		step = SL_MIN(step, n - at);
		push(round, d, (struct piece){at, step, at + step == n, 0});
	}
}

/*
 * A piece whose relation to another is one of Allen's thirteen: where its two ends lie, before, at, within, at the
 * end of or behind the other.  In units of 8 bytes.
 */
static struct piece
allen(struct random *random, const struct piece *piece, uint32_t relation)
{
	static const uint8_t ends[ALLEN][2] = {/* 0 before, 1 start, 2 within, 3 end, 4 behind */
		{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}, {1, 2}, {1, 3}, {1, 4}, {2, 2}, {2, 3},
		{2, 4}, {3, 4}, {4, 4}};
	uint32_t start = piece->offset / 8, end = start + (piece->n + 7) / 8;
	uint32_t at[2],
		places[5] = {start - SL_MIN(start, 1 + random_below(random, 4)), start,
			start + (end - start) / 2, end, end + 1 + random_below(random, 4)};
	struct piece other = {.is_last = false};

	at[0] = places[ends[relation][0]];
	at[1] = places[ends[relation][1]];
	if (at[0] == at[1])
		at[1]++;
	other.offset = at[0] * 8;
	other.n = (at[1] - at[0]) * 8;
	return other;
}

/* Adds what an attacker might. */
static void
draw_trouble(struct round *round, uint32_t d)
{
	struct random *random = &round->random;
	uint32_t n = round->n_queue[d];
	struct piece piece = round->queue[d][random_below(random, n)];

	switch (random_below(random, 6)) {
	case 0:
	case 1:
		piece = allen(random, &piece, random_below(random, ALLEN));
		break;
	case 2:
		piece.change = 1;
		break;
	case 3:
		piece.is_last = !piece.is_last;
		break;
	case 4:
		piece.offset = 8 * random_below(random, 8192);
		piece.is_last = random_chance(random, 50);
		break;
	default:
		piece.n = 1 + random_below(random, piece.n + 8);
		piece.is_last = true;
	}
	push(round, d, piece);
}

static void
shuffle(struct round *round, uint32_t d)
{
	uint32_t n = round->n_queue[d], j;
	struct piece piece;

	for (uint32_t i = n; i > 1; i--) {
		j = random_below(&round->random, i);
		piece = round->queue[d][i - 1];
		round->queue[d][i - 1] = round->queue[d][j];
		round->queue[d][j] = piece;
	}
}

static void
draw(struct round *round, uint32_t d)
{
	struct random *random = &round->random;

	round->n_queue[d] = 0;
	draw_whole(round, d);
	draw_cuts(round, d);
	while (random_chance(random, 40))
		push(round, d, round->queue[d][random_below(random, round->n_queue[d])]);
	while (random_chance(random, 25))
		draw_trouble(round, d);
	if (random_chance(random, 80))
		shuffle(round, d);
	if (random_chance(random, 10))
		round->n_queue[d]--;
}

static void
empty(struct sl_fragments *fragments)
{
	struct sl_held held;
	uint64_t note[2];

	sl_fragments_flush(fragments, SL_REASON_FRAG_TIMEOUT);
	while (sl_fragments_let_go(fragments, &held, note))
		continue;
	assert_int_equal(sl_fragments_held(fragments), 0);
}

/* Plays all queues, interleaved; sometimes time passes, seldom a lot. */
static void
play_round(struct round *round)
{
	uint32_t at[DATAGRAMS] = {0}, left = 0, d;

	for (d = 0; d < DATAGRAMS; d++) {
		draw(round, d);
		left += round->n_queue[d];
	}
	while (left > 0) {
		d = random_below(&round->random, DATAGRAMS);
		if (at[d] == round->n_queue[d])
			continue;
		if (random_chance(&round->random, 1))
			round->now_ns += 300u * MILLISECOND;
		play(round, d, &round->queue[d][at[d]++]);
		left--;
	}
	/* Paths tell the datagrams apart, so the next ones must not meet what is left of these. */
	round->now_ns += 2 * TIMEOUT_MS * (uint64_t)MILLISECOND;
	for (d = 0; d < DATAGRAMS; d++) {
		round->models[d].state = ABSENT;
		round->models[d].n = 0;
	}
	empty(round->fragments);
}

static void
test_model(void **state)
{
	const struct sl_fragment_config config = {
		.datagrams = 64,
		.held = 4096,
		.per_source = 64,
		.timeout_ms = TIMEOUT_MS,
		.bytes = 1 << 20,
	};
	struct round *round = calloc(1, sizeof(*round));
	uint64_t n = random_amount(ROUNDS);

	(void)state;
	assert_non_null(round);
	round->random.state = random_seed();
	round->now_ns = 1;
	assert_int_equal(sl_fragments_new(&config, hash_key, &round->fragments), 0);
	for (uint64_t i = 0; i < n; i++)
		play_round(round);
	printf("%u datagrams joined, %u ended, %u timed out, %u duplicates\n", round->n_complete,
		round->n_ended, round->n_timeouts, round->n_duplicates);
	/* A test that never gets so far checks nothing. */
	assert_true(round->n_complete > n && round->n_ended > n / 10);
	assert_true(round->n_duplicates > n / 10 && (n < 100 || round->n_timeouts > 0));
	sl_fragments_free(round->fragments);
	free(round);
}

/* --- With little memory: everything that is taken comes back, once. --- */

#define SMALL_FRAGMENTS 200000u

static void
fetch_all(struct sl_fragments *fragments, uint8_t *out, uint32_t *n_out)
{
	struct sl_held held;
	uint64_t note[2];

	while (sl_fragments_let_go(fragments, &held, note)) {
		uintptr_t owner = (uintptr_t)held.frame.owner;

		assert_int_equal(out[owner], 1);
		out[owner] = 2;
		(*n_out)++;
	}
}

static void
test_custody(void **state)
{
	const struct sl_fragment_config config = {
		.datagrams = 12, .held = 24, .per_source = 5, .timeout_ms = 40, .bytes = 40 << 9};
	struct cutter_plan plan = {.ip_version = 4, .protocol = 17, .n_payload = 2000};
	struct random random = {random_seed()};
	struct cutter_whole *whole = malloc(sizeof(*whole));
	uint32_t n = (uint32_t)random_amount(SMALL_FRAGMENTS), n_in = 0, n_out = 0, length, at;
	uint8_t *owners = calloc(n, 1), *bytes = malloc(CUTTER_FRAME_MAX);
	struct sl_fragments *fragments;
	enum sl_fragment_answer answer;
	struct sl_datagram *datagram;
	enum sl_reason reason;
	struct sl_frame frame;
	struct sl_meta meta;

	(void)state;
	assert_int_equal(sl_fragments_new(&config, hash_key, &fragments), 0);
	for (uint32_t i = 0; i < n; i++) {
		plan.src = random_below(&random, 4);
		plan.id = random_below(&random, 6);
		cutter_make(whole, &plan);
		at = 504 * random_below(&random, 4);
		length = cutter_cut(
			whole, at, SL_MIN(504, whole->n - at), at + 504 >= whole->n, bytes);
		cutter_parse(bytes, length, &frame, &meta);
		frame.owner = (void *)(uintptr_t)i;
		answer = sl_fragments_add(
			fragments, &frame, &meta, 0, i * (uint64_t)MILLISECOND, &reason, &datagram);
		if (answer != SL_FRAGMENT_DROPPED) {
			owners[i] = 1;
			n_in++;
		}
		if (answer == SL_FRAGMENT_COMPLETE)
			sl_datagram_release(fragments, datagram, SL_REASON_NONE);
		fetch_all(fragments, owners, &n_out);
		assert_int_equal(n_in - n_out, sl_fragments_held(fragments));
		assert_true(sl_fragments_held(fragments) <= config.held);
		assert_true(sl_fragments_datagrams(fragments) <= config.datagrams);
		if (random_chance(&random, 5))
			sl_fragments_age(fragments, i * (uint64_t)MILLISECOND, 2);
		fetch_all(fragments, owners, &n_out);
	}
	sl_fragments_flush(fragments, SL_REASON_FRAG_TIMEOUT);
	fetch_all(fragments, owners, &n_out);
	assert_int_equal(n_in, n_out);
	assert_true(n_in > n / 2);
	sl_fragments_free(fragments);
	free(owners);
	free(bytes);
	free(whole);
}

/* Each of Allen's relations, each way round, both families, with the same bytes and with others. */
static void
test_allen(void **state)
{
	static const struct sl_fragment_config config = {.datagrams = 256,
		.held = 256,
		.per_source = 256,
		.timeout_ms = 1000,
		.bytes = 1 << 20};
	const struct piece first = {800, 80, false, 0};
	struct round *round = calloc(1, sizeof(*round));
	struct piece second;

	(void)state;
	assert_non_null(round);
	assert_int_equal(sl_fragments_new(&config, hash_key, &round->fragments), 0);
	for (uint32_t i = 0; i < 8 * ALLEN; i++) {
		struct cutter_plan plan = {.protocol = 17, .n_payload = 2000, .id = i};

		plan.ip_version = i & 1 ? 4 : 6;
		cutter_make(&round->wholes[0], &plan);
		round->models[0].n = 0;
		round->models[0].state = ABSENT;
		second = allen(&round->random, &first, i / 8);
		second.change = i & 2 ? 1 : 0;
		play(round, 0, i & 4 ? &second : &first);
		play(round, 0, i & 4 ? &first : &second);
		/* Apart they stay; one is the other; or they overlap. */
		assert_int_equal(round->models[0].state,
			do_overlap(&first, &second) && !is_same(&first, &second) ? ENDED : WAITING);
	}
	assert_int_equal(round->n_duplicates, 4);
	/* Four are apart; one is the same, unless its bytes differ. */
	assert_int_equal(round->n_ended, 8 * (ALLEN - 5) + 4);
	empty(round->fragments);
	sl_fragments_free(round->fragments);
	free(round);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allen),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_custody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
