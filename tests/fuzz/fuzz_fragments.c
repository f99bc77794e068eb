/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target of reassembly.
 *
 * Input.   Eight bytes an event: time that passes, and a fragment of one of a few datagrams, with its place, its
 *          size and up to two bytes of its headers changed.  IPv4 checksums are set right.
 * Rules.   Whatever comes, what is held adds up, everything that was taken comes back once and in its
 *          order, and what is joined is a whole packet.
 */
#include "flow/cutter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_SIZE 8u
#define DATAGRAMS  4u
#define FRAMES_MAX 4096u /* an input's */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is known of the frames of an input. */
struct custody {
	struct sl_fragments *fragments;
	bool is_held[FRAMES_MAX];
	uint32_t n; /* frames so far */
	uint32_t n_held;
	uint64_t now_ns;
	uint32_t next[DATAGRAMS]; /* offset of a datagram's next fragment */
};

static void
expect(bool is_so, const char *rule)
{
	if (is_so)
		return;
	fprintf(stderr, "rule broken: %s\n", rule);
	abort();
}

static void
fetch(struct custody *custody)
{
	struct sl_departure *departure;
	uint32_t n_departed = 0;
	struct sl_held held;
	uint64_t note[2];

	while ((departure = sl_fragments_departure(custody->fragments)) != NULL) {
		expect(departure->n > 0, "who departs is somebody");
		n_departed += departure->n;
	}
	while (sl_fragments_let_go(custody->fragments, &held, note)) {
		uintptr_t owner = (uintptr_t)held.frame.owner;

		expect(owner < custody->n && custody->is_held[owner], "what comes back was taken");
		custody->is_held[owner] = false;
		custody->n_held--;
		n_departed--;
	}
	expect(n_departed == 0, "departures are as large as they say");
	expect(custody->n_held == sl_fragments_held(custody->fragments), "what is held adds up");
}

static void
check_joined(const struct sl_datagram *datagram)
{
	static uint8_t buffer[SL_DATAGRAM_BUFFER];
	struct sl_frame frame;
	struct sl_meta meta;

	sl_datagram_join(datagram, buffer, &frame);
	expect(frame.length <= sizeof(buffer), "a datagram fits into its buffer");
	expect(frame.contiguous == frame.length, "all of it is there");
	cutter_parse(frame.bytes, frame.length, &frame, &meta);
	expect((meta.meta_flags & SL_META_IS_FRAGMENT) == 0, "what is joined is no fragment");
	expect(meta.reason != SL_REASON_IP4_BAD_CHECKSUM &&
			meta.reason != SL_REASON_IP4_BAD_TOTAL_LENGTH &&
			meta.reason != SL_REASON_IP6_BAD_PAYLOAD_LENGTH,
		"its IP header is right");
}

static const struct cutter_whole *
whole_of(uint32_t i)
{
	static const struct cutter_plan plans[DATAGRAMS] = {
		{.ip_version = 4, .protocol = 17, .n_payload = 3000, .id = 1},
		{.ip_version = 4, .protocol = 6, .n_payload = 65000, .id = 2, .n_options = 12},
		{.ip_version = 6, .protocol = 17, .n_payload = 3000, .id = 3, .n_before = 3},
		{.ip_version = 6, .protocol = 58, .n_payload = 65000, .id = 4, .has_after = true},
	};
	static struct cutter_whole wholes[DATAGRAMS];

	if (wholes[i].length == 0)
		cutter_make(&wholes[i], &plans[i]);
	return &wholes[i];
}

/* Changes what an event says of a frame's headers. */
static void
change(const struct cutter_whole *whole, const uint8_t event[EVENT_SIZE], uint8_t *bytes)
{
	bytes[whole->l3 + event[5] % 80] ^= event[6];
	bytes[whole->l3 + event[4] % 80] ^= event[7];
	if (bytes[whole->l3] >> 4 == 4 && (bytes[whole->l3] & 15) >= 5)
		sl_build_ip4_checksum(bytes + whole->l3);
}

/*
 * The fragment of an event: one anywhere, or the next one of its datagram, so that some become whole.  0: the event
 * has none.
 */
static uint32_t
make_frame(struct custody *custody, const uint8_t event[EVENT_SIZE], uint8_t *bytes)
{
	const struct cutter_whole *whole = whole_of(event[0] % DATAGRAMS);
	uint32_t *next = &custody->next[event[0] % DATAGRAMS];
	uint32_t offset = (event[1] | (event[2] & 0x1fu) << 8) * 8;
	uint32_t n = event[3] == 0 ? 1 + event[4] : event[3] * 8u, length;
	bool is_last = (event[2] & 0x40) != 0;

	if (event[2] & 0x20)
		n *= 32;
	if (event[4] & 1) {
		offset = *next;
		n = SL_MIN(event[3] == 0 ? 1024 : n, whole->n - offset);
		is_last = offset + n == whole->n;
		*next = is_last ? 0 : offset + n;
	}
	if (offset + n > 65535)
		return 0;
	length = cutter_cut(whole, offset, n, is_last, bytes);
	if (event[2] & 0x80)
		change(whole, event, bytes);
	return length;
}

static void
play(struct custody *custody, const uint8_t event[EVENT_SIZE])
{
	static uint8_t bytes[CUTTER_FRAME_MAX];
	enum sl_fragment_answer answer;
	struct sl_datagram *datagram;
	enum sl_reason reason;
	struct sl_frame frame;
	struct sl_meta meta;
	uint32_t length;

	custody->now_ns += (uint64_t)(event[0] >> 2) * 1000000;
	sl_fragments_age(custody->fragments, custody->now_ns, 2);
	fetch(custody);
	length = make_frame(custody, event, bytes);
	if (length == 0 || custody->n == FRAMES_MAX)
		return;
	cutter_parse(bytes, length, &frame, &meta);
	if (meta.reason != SL_REASON_NONE || (meta.meta_flags & SL_META_IS_FRAGMENT) == 0)
		return;
	frame.owner = (void *)(uintptr_t)custody->n;
	answer = sl_fragments_add(custody->fragments, &frame, &meta, event[0] >> 7, custody->now_ns,
		&reason, &datagram);
	expect((answer == SL_FRAGMENT_DROPPED) == (reason != SL_REASON_NONE),
		"drops have a reason");
	custody->is_held[custody->n] = answer != SL_FRAGMENT_DROPPED;
	custody->n_held += answer != SL_FRAGMENT_DROPPED;
	custody->n++;
	if (answer == SL_FRAGMENT_COMPLETE) {
		check_joined(datagram);
		sl_datagram_release(custody->fragments, datagram, SL_REASON_NONE);
	}
	fetch(custody);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t hash_key[2] = {5, 6};
	const struct sl_fragment_config config = {
		.datagrams = 6, .held = 40, .per_source = 3, .timeout_ms = 500, .bytes = 200 << 9};
	static struct custody custody;

	memset(&custody, 0, sizeof(custody));
	if (sl_fragments_new(&config, hash_key, &custody.fragments) != 0)
		return -1;
	for (size_t at = 0; at + EVENT_SIZE <= size; at += EVENT_SIZE)
		play(&custody, data + at);
	sl_fragments_flush(custody.fragments, SL_REASON_FRAG_TIMEOUT);
	fetch(&custody);
	expect(custody.n_held == 0, "everything comes back");
	sl_fragments_free(custody.fragments);
	return 0;
}
