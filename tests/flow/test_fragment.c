/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_fragment.h"

#include "flow/cutter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000u
#define START  (5 * (uint64_t)SECOND)

static const uint64_t hash_key[2] = {1, 2};
static const struct sl_fragment_config normal = {
	.datagrams = 64,
	.held = 8192,
	.per_source = 8,
	.timeout_ms = 30000,
	.bytes = 1 << 22,
};

/* What a test has at hand. */
struct rig {
	struct sl_fragments *fragments;
	struct cutter_whole whole;
	struct cutter_whole other;
	uint8_t frame[CUTTER_FRAME_MAX];
	uint8_t joined[SL_DATAGRAM_BUFFER];
	struct sl_datagram *datagram;
	enum sl_reason reason;
	uint64_t now_ns;
	uint32_t path;
	uintptr_t n_added;
};

static struct rig *
rig_new(const struct sl_fragment_config *config)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(sl_fragments_new(config, hash_key, &rig->fragments), 0);
	rig->now_ns = START;
	return rig;
}

/* Fetches what is let go; all of it must be n fragments with that reason. */
static void
expect_let_go(struct rig *rig, uint32_t n, enum sl_reason reason)
{
	struct sl_held held;
	uint64_t note[2];

	while (sl_fragments_let_go(rig->fragments, &held, note)) {
		assert_true(n > 0);
		assert_int_equal(held.reason, reason);
		n--;
	}
	assert_int_equal(n, 0);
}

static void
rig_free(struct rig *rig)
{
	struct sl_held held;
	uint64_t note[2];

	sl_fragments_flush(rig->fragments, SL_REASON_FRAG_TIMEOUT);
	while (sl_fragments_let_go(rig->fragments, &held, note))
		continue;
	assert_int_equal(sl_fragments_held(rig->fragments), 0);
	assert_int_equal(sl_fragments_datagrams(rig->fragments), 0);
	sl_fragments_free(rig->fragments);
	free(rig);
}

/* Adds a frame; its owner is the number of frames added before it. */
static enum sl_fragment_answer
add_frame(struct rig *rig, const uint8_t *bytes, uint32_t length, uint32_t contiguous)
{
	struct sl_frame frame;
	struct sl_meta meta;

	cutter_parse(bytes, length, &frame, &meta);
	assert_int_equal(meta.reason, SL_REASON_NONE);
	assert_true(meta.meta_flags & SL_META_IS_FRAGMENT);
	frame.contiguous = contiguous;
	frame.owner = (void *)rig->n_added++;
	return sl_fragments_add(rig->fragments, &frame, &meta, rig->path, rig->now_ns, &rig->reason,
		&rig->datagram);
}

/* Cuts and adds. */
static enum sl_fragment_answer
add(struct rig *rig, const struct cutter_whole *whole, uint32_t offset, uint32_t n, bool is_last)
{
	uint32_t length = cutter_cut(whole, offset, n, is_last, rig->frame);

	return add_frame(rig, rig->frame, length, length);
}

/* The datagram that is complete is the whole one, byte for byte. */
static void
expect_whole(struct rig *rig, const struct cutter_whole *whole)
{
	struct sl_frame frame;

	memset(rig->joined, 0xa5, sizeof(rig->joined));
	sl_datagram_join(rig->datagram, rig->joined, &frame);
	assert_int_equal(frame.length, whole->length);
	assert_int_equal(frame.contiguous, whole->length);
	assert_memory_equal(rig->joined, whole->bytes, whole->length);
}

static const struct cutter_plan udp = {
	.ip_version = 4, .protocol = 17, .src = 0x0a000002, .id = 7, .n_payload = 2992};

static void
make(struct cutter_whole *whole, const struct cutter_plan *base, uint32_t src, uint32_t id)
{
	struct cutter_plan plan = *base;

	plan.src = src;
	plan.id = id;
	cutter_make(whole, &plan);
}

static void
test_config(void **state)
{
	struct sl_fragment_config config;
	struct sl_fragments *fragments;

	(void)state;
	for (int i = 0; i < 5; i++) {
		config = normal;
		*(i == 0                 ? &config.datagrams
				: i == 1 ? &config.held
				: i == 2 ? &config.per_source
					 : &config.timeout_ms) = 0;
		if (i == 4) {
			config = normal;
			config.bytes = 0;
		}
		assert_int_equal(sl_fragments_new(&config, hash_key, &fragments), -EINVAL);
	}
	sl_fragments_free(NULL);
}

/* Joined in every layout, and in both orders of arrival. */
static void
test_join(void **state)
{
	static const struct cutter_plan plans[] = {
		{.ip_version = 4, .protocol = 17, .n_payload = 2992},
		{.ip_version = 4, .protocol = 6, .n_payload = 2001, .n_options = 40, .n_vlans = 2},
		{.ip_version = 4, .protocol = 1, .n_payload = 1777, .n_vlans = 8},
		{.ip_version = 4, .protocol = 99, .n_payload = 1777},
		{.ip_version = 6, .protocol = 17, .n_payload = 2992},
		{.ip_version = 6, .protocol = 6, .n_payload = 2001, .n_before = 1},
		{.ip_version = 6, .protocol = 58, .n_payload = 2001, .n_before = 2, .n_vlans = 1},
		{.ip_version = 6,
			.protocol = 17,
			.n_payload = 2001,
			.n_before = 3,
			.has_after = true},
		{.ip_version = 6, .protocol = 17, .n_payload = 2001, .has_after = true},
	};
	struct rig *rig = rig_new(&normal);

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(plans); i++) {
		make(&rig->whole, &plans[i], 3, 0x1234 + i);
		assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
		assert_int_equal(add(rig, &rig->whole, 1000, rig->whole.n - 1000, true),
			SL_FRAGMENT_COMPLETE);
		expect_whole(rig, &rig->whole);
		sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
		expect_let_go(rig, 2, SL_REASON_NONE);
		assert_int_equal(
			add(rig, &rig->whole, 1000, rig->whole.n - 1000, true), SL_FRAGMENT_HELD);
		assert_int_equal(sl_fragments_datagrams(rig->fragments), 1);
		assert_int_equal(sl_fragments_held(rig->fragments), 1);
		assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_COMPLETE);
		expect_whole(rig, &rig->whole);
		sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_FILTER);
		expect_let_go(rig, 2, SL_REASON_FILTER);
	}
	rig_free(rig);
}

/* A datagram in 802.3 may be longer than its length field can say. */
static void
test_join_snap(void **state)
{
	const struct cutter_plan plan = {
		.ip_version = 4, .protocol = 17, .n_payload = 2000, .is_snap = true, .n_vlans = 1};
	const struct cutter_plan ethernet = {
		.ip_version = 4, .protocol = 17, .n_payload = 2000, .n_vlans = 1};
	struct rig *rig = rig_new(&normal);

	(void)state;
	make(&rig->whole, &plan, 3, 1);
	make(&rig->other, &ethernet, 3, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	assert_int_equal(add(rig, &rig->whole, 1000, 1008, true), SL_FRAGMENT_COMPLETE);
	expect_whole(rig, &rig->other);
	sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/* 65 kB at an MTU of 1,500, and as many fragments as there can be. */
static void
test_many(void **state)
{
	static const uint32_t sizes[] = {1480, 8};
	struct cutter_plan plan = {.ip_version = 4, .protocol = 17, .n_payload = 65507};
	struct sl_held held;
	uint64_t note[2];
	struct rig *rig = rig_new(&normal);
	uint32_t n, at, last;

	(void)state;
	make(&rig->whole, &plan, 3, 1);
	for (uint32_t i = 0; i < SL_ARRAY_LEN(sizes); i++) {
		n = (rig->whole.n + sizes[i] - 1) / sizes[i];
		last = rig->whole.n - (n - 1) * sizes[i];
		rig->n_added = 0;
		assert_int_equal(
			add(rig, &rig->whole, (n - 1) * sizes[i], last, true), SL_FRAGMENT_HELD);
		/* Odd ones first, so that every one fills a gap. */
		for (uint32_t j = 1; j < n; j++) {
			at = j <= (n - 1) / 2 ? 2 * j - 1 : 2 * (j - 1 - (n - 1) / 2);
			assert_int_equal(add(rig, &rig->whole, at * sizes[i], sizes[i], false),
				j == n - 1 ? SL_FRAGMENT_COMPLETE : SL_FRAGMENT_HELD);
		}
		assert_int_equal(n, i == 0 ? 45 : 8190);
		expect_whole(rig, &rig->whole);
		sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
		for (uintptr_t j = 0; j < n; j++) {
			assert_true(sl_fragments_let_go(rig->fragments, &held, note));
			assert_ptr_equal(held.frame.owner, (void *)j);
		}
		assert_false(sl_fragments_let_go(rig->fragments, &held, note));
	}
	rig_free(rig);
}

static void
test_duplicate(void **state)
{
	struct rig *rig = rig_new(&normal);

	(void)state;
	make(&rig->whole, &udp, 3, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_DROPPED);
	assert_int_equal(rig->reason, SL_REASON_FRAG_DUPLICATE);
	expect_let_go(rig, 0, SL_REASON_NONE);
	assert_int_equal(sl_fragments_held(rig->fragments), 1);
	assert_int_equal(add(rig, &rig->whole, 1000, 2000, true), SL_FRAGMENT_COMPLETE);
	expect_whole(rig, &rig->whole);
	sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/* Two fragments that cannot be of one datagram: what the second does, and that it lasts. */
struct quarrel {
	uint32_t offset, n;
	bool is_last;
	uint32_t offset2, n2;
	bool is_last2;
	enum sl_reason reason;
};

static const struct quarrel quarrels[] = {
	{0, 1000, false, 8, 1000, false, SL_REASON_FRAG_OVERLAP},
	{0, 1000, false, 8, 16, false, SL_REASON_FRAG_OVERLAP},
	{8, 16, false, 0, 1000, false, SL_REASON_FRAG_OVERLAP},
	{0, 1000, false, 0, 1008, false, SL_REASON_FRAG_OVERLAP},
	{0, 1000, false, 0, 992, false, SL_REASON_FRAG_OVERLAP},
	{0, 1000, false, 992, 8, false, SL_REASON_FRAG_OVERLAP},
	{0, 1000, false, 24, 4, true, SL_REASON_FRAG_OVERLAP}, /* teardrop */
	{1000, 96, false, 1000, 96, true, SL_REASON_FRAG_OVERLAP},
	{1000, 100, true, 1096, 4, true, SL_REASON_FRAG_OVERLAP},
	{1000, 100, true, 1096, 12, true, SL_REASON_FRAG_INCONSISTENT},
	{1000, 100, true, 2000, 100, true, SL_REASON_FRAG_INCONSISTENT},
	{1000, 100, true, 504, 96, true, SL_REASON_FRAG_INCONSISTENT},
	{1000, 100, true, 1104, 8, false, SL_REASON_FRAG_INCONSISTENT},
	{1000, 96, true, 1096, 8, false, SL_REASON_FRAG_INCONSISTENT},
	{2000, 96, false, 1000, 100, true, SL_REASON_FRAG_INCONSISTENT},
};

static void
test_quarrels(void **state)
{
	struct rig *rig = rig_new(&normal);
	const struct quarrel *q;

	(void)state;
	for (uint32_t i = 0; i < 2 * SL_ARRAY_LEN(quarrels); i++) {
		struct cutter_plan plan = udp;

		q = &quarrels[i / 2];
		plan.ip_version = i % 2 == 0 ? 4 : 6;
		make(&rig->whole, &plan, 3, i);
		assert_int_equal(
			add(rig, &rig->whole, q->offset, q->n, q->is_last), SL_FRAGMENT_HELD);
		assert_int_equal(
			add(rig, &rig->whole, q->offset2, q->n2, q->is_last2), SL_FRAGMENT_DROPPED);
		assert_int_equal(rig->reason, q->reason);
		expect_let_go(rig, 1, q->reason);
		assert_int_equal(add(rig, &rig->whole, 2504, 8, false), SL_FRAGMENT_DROPPED);
		assert_int_equal(rig->reason, SL_REASON_FRAG_ENDED);
		expect_let_go(rig, 0, SL_REASON_NONE);
		assert_int_equal(sl_fragments_datagrams(rig->fragments), 0);
		assert_int_equal(sl_fragments_held(rig->fragments), 0);
	}
	rig_free(rig);
}

/* The same place and length, other bytes. */
static void
test_other_bytes(void **state)
{
	struct rig *rig = rig_new(&normal);
	uint32_t length;

	(void)state;
	make(&rig->whole, &udp, 3, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	length = cutter_cut(&rig->whole, 0, 1000, false, rig->frame);
	rig->frame[length - 1] ^= 1;
	assert_int_equal(add_frame(rig, rig->frame, length, length), SL_FRAGMENT_DROPPED);
	assert_int_equal(rig->reason, SL_REASON_FRAG_OVERLAP);
	expect_let_go(rig, 1, SL_REASON_FRAG_OVERLAP);
	rig_free(rig);
}

/* Each fragment is short enough, but the first one's options make the whole too long. */
static void
test_too_long(void **state)
{
	struct cutter_plan plan = udp;
	struct rig *rig = rig_new(&normal);

	(void)state;
	plan.n_options = 40;
	make(&rig->whole, &plan, 3, 1);
	make(&rig->other, &udp, 3, 1);
	for (uint32_t is_reversed = 0; is_reversed < 2; is_reversed++) {
		for (uint32_t i = 0; i < 2; i++) {
			if (i == is_reversed)
				assert_int_equal(add(rig, &rig->whole, 0, 1000, false),
					i == 0 ? SL_FRAGMENT_HELD : SL_FRAGMENT_DROPPED);
			else
				assert_int_equal(add(rig, &rig->other, 65440, 75, true),
					i == 0 ? SL_FRAGMENT_HELD : SL_FRAGMENT_DROPPED);
		}
		assert_int_equal(rig->reason, SL_REASON_FRAG_TOO_LONG);
		expect_let_go(rig, 1, SL_REASON_FRAG_TOO_LONG);
		rig->now_ns += 30 * (uint64_t)SECOND;
	}
	rig_free(rig);
}

/* From the first fragment on, whatever came since; seen by ageing and by who looks. */
static void
test_time(void **state)
{
	struct rig *rig = rig_new(&normal);

	(void)state;
	make(&rig->whole, &udp, 3, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	rig->now_ns = START + 29 * (uint64_t)SECOND;
	assert_int_equal(add(rig, &rig->whole, 2000, 1000, true), SL_FRAGMENT_HELD);
	sl_fragments_age(rig->fragments, START + 30 * (uint64_t)SECOND - 1, 8);
	expect_let_go(rig, 0, SL_REASON_NONE);
	sl_fragments_age(rig->fragments, START + 30 * (uint64_t)SECOND, 8);
	expect_let_go(rig, 2, SL_REASON_FRAG_TIMEOUT);

	rig->now_ns = START + 30 * (uint64_t)SECOND;
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	rig->now_ns = START + 60 * (uint64_t)SECOND;
	assert_int_equal(add(rig, &rig->whole, 1000, 2000, true), SL_FRAGMENT_HELD);
	expect_let_go(rig, 1, SL_REASON_FRAG_TIMEOUT);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_COMPLETE);
	sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/* A tombstone lasts as long as its datagram would have. */
static void
test_tombstone_time(void **state)
{
	struct rig *rig = rig_new(&normal);

	(void)state;
	make(&rig->whole, &udp, 3, 1);
	for (uint32_t by_age = 0; by_age < 2; by_age++) {
		uint64_t start = rig->now_ns;

		assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
		rig->now_ns = start + 20 * (uint64_t)SECOND;
		assert_int_equal(add(rig, &rig->whole, 8, 1000, false), SL_FRAGMENT_DROPPED);
		expect_let_go(rig, 1, SL_REASON_FRAG_OVERLAP);
		rig->now_ns = start + 30 * (uint64_t)SECOND - 1;
		sl_fragments_age(rig->fragments, rig->now_ns, 8);
		assert_int_equal(add(rig, &rig->whole, 8, 1000, false), SL_FRAGMENT_DROPPED);
		assert_int_equal(rig->reason, SL_REASON_FRAG_ENDED);
		rig->now_ns++;
		if (by_age)
			sl_fragments_age(rig->fragments, rig->now_ns, 8);
		assert_int_equal(add(rig, &rig->whole, 8, 1000, false), SL_FRAGMENT_HELD);
		rig->now_ns += 30 * (uint64_t)SECOND;
		sl_fragments_age(rig->fragments, rig->now_ns, 8);
		expect_let_go(rig, 1, SL_REASON_FRAG_TIMEOUT);
	}
	rig_free(rig);
}

/* Ageing does no more than it is asked for. */
static void
test_age_work(void **state)
{
	struct rig *rig = rig_new(&normal);

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		make(&rig->whole, &udp, 3 + i, 1);
		assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
	}
	sl_fragments_age(rig->fragments, START + 30 * (uint64_t)SECOND, 4);
	expect_let_go(rig, 4, SL_REASON_FRAG_TIMEOUT);
	assert_int_equal(sl_fragments_datagrams(rig->fragments), 2);
	rig_free(rig);
}

/* Everything in the key tells datagrams apart, and nothing else does. */
static void
test_key(void **state)
{
	struct cutter_plan plans[6];
	struct rig *rig = rig_new(&normal);

	(void)state;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(plans); i++)
		plans[i] = udp;
	plans[1].src++;
	plans[2].id++;
	plans[3].protocol = 99;
	plans[4].n_vlans = 1;
	plans[5].n_vlans = 6;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(plans); i++) {
		cutter_make(&rig->whole, &plans[i]);
		assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	}
	rig->path = 1;
	cutter_make(&rig->whole, &plans[0]);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	assert_int_equal(sl_fragments_datagrams(rig->fragments), 7);
	assert_int_equal(add(rig, &rig->whole, 1000, 2000, true), SL_FRAGMENT_COMPLETE);
	assert_int_equal(sl_datagram_path(rig->datagram), 1);
	sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/* IPv6: what the first fragment says counts, later ones may say something else (RFC 8200 4.5). */
static void
test_first_speaks(void **state)
{
	struct cutter_plan plan = {
		.ip_version = 6, .protocol = 17, .n_payload = 2000, .n_before = 2};
	struct rig *rig = rig_new(&normal);
	uint32_t length;

	(void)state;
	make(&rig->whole, &plan, 3, 9);
	plan.n_before = 0;
	make(&rig->other, &plan, 3, 9);
	length = cutter_cut(&rig->other, 1000, 1008, true, rig->frame);
	rig->frame[rig->other.split] = 6; /* its fragment header's next header */
	assert_int_equal(add_frame(rig, rig->frame, length, length), SL_FRAGMENT_HELD);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_COMPLETE);
	expect_whole(rig, &rig->whole);
	sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/* A fragment that is the whole datagram is none (RFC 6946); neither is any other whole packet. */
static void
test_atomic(void **state)
{
	struct cutter_plan plan = {.ip_version = 6, .protocol = 17, .n_payload = 100};
	struct rig *rig = rig_new(&normal);
	struct sl_fragment_place place;
	struct sl_frame frame;
	struct sl_meta meta;
	uint32_t length;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		plan.ip_version = i == 0 ? 6 : 4;
		make(&rig->whole, &plan, 3, 9);
		length = cutter_cut(&rig->whole, 0, rig->whole.n, true, rig->frame);
		cutter_parse(rig->frame, length, &frame, &meta);
		assert_int_equal(meta.reason, SL_REASON_NONE);
		assert_int_equal(meta.meta_flags & SL_META_IS_FRAGMENT, 0);
		assert_int_equal(meta.dst_port, 53);
		assert_false(sl_packet_fragment(&frame, &meta, &place));
		/* Whoever hands it over all the same does no harm. */
		assert_int_equal(sl_fragments_add(rig->fragments, &frame, &meta, 0, rig->now_ns,
					 &rig->reason, &rig->datagram),
			SL_FRAGMENT_DROPPED);
	}
	rig_free(rig);
}

/* What could not be read is not in the joined packet. */
static void
test_contiguous(void **state)
{
	struct rig *rig = rig_new(&normal);
	struct sl_frame frame;
	uint32_t length;

	(void)state;
	make(&rig->whole, &udp, 3, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	length = cutter_cut(&rig->whole, 1000, 2000, true, rig->frame);
	assert_int_equal(
		add_frame(rig, rig->frame, length, rig->whole.split + 700), SL_FRAGMENT_COMPLETE);
	sl_datagram_join(rig->datagram, rig->joined, &frame);
	assert_int_equal(frame.length, rig->whole.length);
	assert_int_equal(frame.contiguous, rig->whole.split + 1700);
	assert_memory_equal(rig->joined, rig->whole.bytes, frame.contiguous);
	sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/* Owner of the one fragment that is let go. */
static uintptr_t
only_victim(struct rig *rig)
{
	struct sl_held held;
	uint64_t note[2];

	assert_true(sl_fragments_let_go(rig->fragments, &held, note));
	assert_int_equal(held.reason, SL_REASON_FRAG_EVICTED);
	expect_let_go(rig, 0, SL_REASON_NONE);
	return (uintptr_t)held.frame.owner;
}

static void
test_per_source(void **state)
{
	struct rig *rig = rig_new(&normal);

	(void)state;
	make(&rig->whole, &udp, 2, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
	for (uint32_t i = 0; i < 8; i++) {
		make(&rig->whole, &udp, 3, i);
		assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
		expect_let_go(rig, 0, SL_REASON_NONE);
	}
	make(&rig->whole, &udp, 3, 8);
	assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
	assert_int_equal(only_victim(rig), 1);
	assert_int_equal(sl_fragments_datagrams(rig->fragments), 9);
	/* What is left of the one that gave way does not take another's place. */
	make(&rig->whole, &udp, 3, 0);
	assert_int_equal(add(rig, &rig->whole, 8, 8, false), SL_FRAGMENT_DROPPED);
	assert_int_equal(rig->reason, SL_REASON_FRAG_ENDED);
	rig_free(rig);
}

static void
test_table_full(void **state)
{
	struct rig *rig = rig_new(&normal);

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		make(&rig->whole, &udp, 100 + i, 1);
		assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
	}
	expect_let_go(rig, 0, SL_REASON_NONE);
	make(&rig->whole, &udp, 1, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
	assert_int_equal(only_victim(rig), 0);
	/* What only remembers goes before what waits. */
	make(&rig->whole, &udp, 120, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 16, false), SL_FRAGMENT_DROPPED);
	expect_let_go(rig, 1, SL_REASON_FRAG_OVERLAP);
	make(&rig->whole, &udp, 2, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
	expect_let_go(rig, 0, SL_REASON_NONE);
	assert_int_equal(sl_fragments_datagrams(rig->fragments), 64);
	rig_free(rig);
}

/* Too many fragments, or too many bytes: the oldest datagram gives way; its own cannot. */
static void
test_no_room(void **state)
{
	struct sl_fragment_config config = normal;
	struct rig *rig;

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		config.held = i == 0 ? 4 : 1000;
		config.bytes = i == 0 ? 1 << 20 : 4 * 512;
		rig = rig_new(&config);
		make(&rig->whole, &udp, 2, 1);
		assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
		make(&rig->other, &udp, 3, 1);
		for (uint32_t j = 0; j < 3; j++)
			assert_int_equal(
				add(rig, &rig->other, 8 + j * 504, 504, false), SL_FRAGMENT_HELD);
		expect_let_go(rig, 0, SL_REASON_NONE);
		assert_int_equal(add(rig, &rig->other, 1520, 504, false), SL_FRAGMENT_HELD);
		assert_int_equal(only_victim(rig), 0);
		assert_int_equal(add(rig, &rig->other, 2024, 504, false), SL_FRAGMENT_DROPPED);
		assert_int_equal(rig->reason, SL_REASON_FRAG_TABLE_FULL);
		expect_let_go(rig, 4, SL_REASON_FRAG_TABLE_FULL);
		make(&rig->whole, &udp, 4, 1);
		assert_int_equal(add(rig, &rig->whole, 0, 504, false), SL_FRAGMENT_HELD);
		rig_free(rig);
	}
}

/* Several datagrams let go by one call depart one after the other, each with its metadata and its note. */
static void
test_departures(void **state)
{
	struct sl_departure *departure;
	struct rig *rig = rig_new(&normal);
	struct sl_held held;
	uint64_t note[2];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		make(&rig->whole, &udp, 3 + i, 1);
		assert_int_equal(add(rig, &rig->whole, 8, 8, false), SL_FRAGMENT_HELD);
		assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
		assert_int_equal(add(rig, &rig->whole, 16, 8, false), SL_FRAGMENT_HELD);
	}
	assert_null(sl_fragments_departure(rig->fragments));
	sl_fragments_flush(rig->fragments, SL_REASON_MODE_BLOCK);
	for (uint32_t i = 0; i < 3; i++) {
		departure = sl_fragments_departure(rig->fragments);
		assert_non_null(departure);
		assert_int_equal(departure->n, 3);
		assert_int_equal(departure->reason, SL_REASON_MODE_BLOCK);
		assert_int_equal(departure->note[0] | departure->note[1], 0);
		assert_int_equal(sl_datagram_meta(departure->datagram)->ip4_src, 3 + i);
		assert_int_equal(sl_datagram_meta(departure->datagram)->dst_port, 53);
		departure->note[1] = 7 + i;
	}
	assert_null(sl_fragments_departure(rig->fragments));
	for (uintptr_t i = 0; i < 9; i++) {
		assert_true(sl_fragments_let_go(rig->fragments, &held, note));
		assert_ptr_equal(held.frame.owner, (void *)i);
		assert_int_equal(held.reason, SL_REASON_MODE_BLOCK);
		assert_int_equal(note[1], 7 + i / 3);
	}
	rig_free(rig);
}

/*
 * One datagram gives way with all its fragments, which are fetched by and by: those that come meanwhile have their
 * places, and what departs behind it keeps its own.
 */
static void
test_unfetched(void **state)
{
	struct sl_fragment_config config = normal;
	struct sl_departure *departure;
	uint32_t n_departed = 0, n_fetched = 0;
	struct sl_held held;
	uint64_t note[2];
	struct rig *rig;

	(void)state;
	config.held = 1000;
	config.datagrams = 80;
	rig = rig_new(&config);
	make(&rig->whole, &udp, 3, 1);
	rig->other = rig->whole;
	for (uint32_t i = 0; i < 1000; i++) {
		/* As long as there can be. */
		make(&rig->whole, &udp, 3 + i / 370, 1);
		assert_int_equal(add(rig, &rig->whole, i % 370 * 8, 8, false), SL_FRAGMENT_HELD);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		make(&rig->whole, &udp, 1000 + i, 1);
		assert_int_equal(add(rig, &rig->whole, 0, 8, false), SL_FRAGMENT_HELD);
		assert_true(sl_fragments_held(rig->fragments) <= config.held);
		while ((departure = sl_fragments_departure(rig->fragments)) != NULL) {
			assert_int_equal(departure->reason, SL_REASON_FRAG_EVICTED);
			departure->note[0] = sl_datagram_meta(departure->datagram)->ip4_src;
			assert_int_equal(departure->note[0],
				n_departed < 1000 ? 3 + n_departed / 370 : n_departed);
			n_departed += departure->n;
		}
		for (uint32_t j = 0; i % 64 == 63 && j < 64; j++) {
			if (!sl_fragments_let_go(rig->fragments, &held, note))
				break;
			assert_int_equal(
				note[0], n_fetched < 1000 ? 3 + n_fetched / 370 : n_fetched);
			assert_int_equal((uintptr_t)held.frame.owner, n_fetched);
			n_fetched++;
		}
	}
	assert_int_equal(n_departed, 1000 + 2000 - 80);
	assert_true(n_fetched > 1500);
	rig_free(rig);
}

/* A datagram that is complete is out of everybody's way until it is released. */
static void
test_complete_is_out(void **state)
{
	struct sl_fragment_config config = normal;
	struct sl_datagram *first;
	struct rig *rig;

	(void)state;
	config.held = 2;
	rig = rig_new(&config);
	make(&rig->whole, &udp, 3, 1);
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_HELD);
	assert_int_equal(add(rig, &rig->whole, 1000, 2000, true), SL_FRAGMENT_COMPLETE);
	first = rig->datagram;
	/* The same key begins anew; there is no room, and what is complete does not give way. */
	assert_int_equal(add(rig, &rig->whole, 0, 1000, false), SL_FRAGMENT_DROPPED);
	assert_int_equal(rig->reason, SL_REASON_FRAG_TABLE_FULL);
	sl_fragments_age(rig->fragments, START + 99 * (uint64_t)SECOND, 9);
	expect_let_go(rig, 0, SL_REASON_NONE);
	rig->datagram = first;
	expect_whole(rig, &rig->whole);
	sl_datagram_release(rig->fragments, first, SL_REASON_NONE);
	expect_let_go(rig, 2, SL_REASON_NONE);
	rig_free(rig);
}

/*
 * A thousand sources send 1,252 datagrams each of which nothing but the first fragment comes, 45 of them for
 * every fragment of one who sends 65 kB, over and over: none of his is lost.
 */
static void
test_flood(void **state)
{
	static const struct sl_fragment_config config = {.datagrams = 4096,
		.held = 8192,
		.per_source = 64,
		.timeout_ms = 30000,
		.bytes = 16 << 20};
	const struct cutter_plan orphan = {.ip_version = 4, .protocol = 17, .n_payload = 1472};
	const struct cutter_plan honest = {.ip_version = 4, .protocol = 17, .n_payload = 65507};
	const uint32_t n_orphans = 1252 * 1000, a_fragment = 45;
	struct rig *rig = rig_new(&config);
	uint32_t n_complete = 0, at = 0, id = 0, length, left;
	uint8_t *bytes = rig->joined;
	struct sl_held held;
	uint64_t note[2];

	(void)state;
	make(&rig->other, &honest, 0x01000001, 0);
	make(&rig->whole, &orphan, 2, 0);
	length = cutter_cut(&rig->whole, 0, 1480, false, bytes);
	for (uint32_t i = 0; i < n_orphans; i++) {
		rig->now_ns += SECOND / 50000;
		bytes[14 + 14] = (uint8_t)(i % 1000 >> 8);
		bytes[14 + 15] = (uint8_t)(i % 1000);
		bytes[14 + 4] = (uint8_t)(i / 1000 >> 8);
		bytes[14 + 5] = (uint8_t)(i / 1000);
		sl_build_ip4_checksum(bytes + 14);
		assert_int_equal(add_frame(rig, bytes, length, length), SL_FRAGMENT_HELD);
		if (i % a_fragment == 0) {
			left = SL_MIN(1480, rig->other.n - at);
			rig->other.bytes[14 + 5] = (uint8_t)id;
			if (add(rig, &rig->other, at, left, at + left == rig->other.n) ==
				SL_FRAGMENT_COMPLETE) {
				n_complete++;
				sl_datagram_release(rig->fragments, rig->datagram, SL_REASON_NONE);
			}
			at = (at + left) % rig->other.n;
			id += at == 0;
		}
		while (sl_fragments_let_go(rig->fragments, &held, note))
			continue;
	}
	assert_int_equal(n_complete, id);
	assert_true(id > 600);
	rig_free(rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_join_snap),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_quarrels),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_tombstone_time),
		cmocka_unit_test(test_age_work),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_first_speaks),
		cmocka_unit_test(test_atomic),
		cmocka_unit_test(test_contiguous),
		cmocka_unit_test(test_per_source),
		cmocka_unit_test(test_table_full),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_departures),
		cmocka_unit_test(test_unfetched),
		cmocka_unit_test(test_complete_is_out),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
