/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/sl_flow.h"
#include "random.h"

#include "base/sl_compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * The TCP tracker against a diary.  The diary keeps every segment that has passed, with numbers of 64 bits that
 * never wrap, and works everything out from all of them for each new one; the tracker keeps a few
 * numbers of 32 bits.  Segments are drawn about every bound there is.
 */

#define FIN 1u
#define SYN 2u
#define RST 4u
#define PSH 8u
#define ACK 16u
#define URG 32u

#define PAGES_MAX 256
#define BEYOND    2 /* a probe's byte, and a FIN */

struct page {
	uint32_t side;
	uint32_t flags;
	int64_t seq;
	int64_t end;
	int64_t ack;
	int64_t window; /* bytes */
	uint32_t payload;
};

struct diary {
	struct page pages[PAGES_MAX];
	uint32_t n;
	uint32_t scales[2]; /* in use */
	bool is_closed;
};

/* --- What the diary says. --- */

static int64_t
sent(const struct diary *diary, uint32_t side)
{
	int64_t most = INT64_MIN;

	for (uint32_t i = 0; i < diary->n; i++)
		if (diary->pages[i].side == side)
			most = SL_MAX(most, diary->pages[i].end);
	return most;
}

static int64_t
acknowledged(const struct diary *diary, uint32_t side)
{
	int64_t most = INT64_MIN;

	for (uint32_t i = 0; i < diary->n; i++)
		if (diary->pages[i].side == side && diary->pages[i].flags & ACK)
			most = SL_MAX(most, diary->pages[i].ack);
	return most;
}

/* How far the side may send, as its peer said at any time. */
static int64_t
offered_to(const struct diary *diary, uint32_t side)
{
	int64_t most = INT64_MIN;

	for (uint32_t i = 0; i < diary->n; i++)
		if (diary->pages[i].side != side && diary->pages[i].flags & ACK)
			most = SL_MAX(most, diary->pages[i].ack + diary->pages[i].window);
	/* The opener's SYN acknowledges nothing: its window begins behind the answer's SYN. */
	if (diary->pages[0].side != side)
		most = SL_MAX(most, diary->pages[1].seq + 1 + diary->pages[0].window);
	return most;
}

/* The side's largest window, as the power of two that holds it. */
static int64_t
largest_window(const struct diary *diary, uint32_t side)
{
	int64_t size = 1;

	for (uint32_t i = 0; i < diary->n; i++)
		while (diary->pages[i].side == side && size < diary->pages[i].window)
			size *= 2;
	return size;
}

static bool
has_fin(const struct diary *diary, uint32_t side)
{
	for (uint32_t i = 0; i < diary->n; i++)
		if (diary->pages[i].side == side && diary->pages[i].flags & FIN)
			return true;
	return false;
}

static bool
is_fin_acknowledged(const struct diary *diary, uint32_t side)
{
	return has_fin(diary, side) && acknowledged(diary, !side) == sent(diary, side);
}

static enum sl_tcp_state
state_of(const struct diary *diary)
{
	const bool fin[2] = {has_fin(diary, 0), has_fin(diary, 1)};
	const bool done[2] = {is_fin_acknowledged(diary, 0), is_fin_acknowledged(diary, 1)};

	if (diary->is_closed)
		return SL_TCP_CLOSED;
	if (fin[0] && fin[1])
		return done[0] && done[1] ? SL_TCP_TIME_WAIT : SL_TCP_LAST_ACK;
	if (fin[0] || fin[1])
		return done[0] || done[1] ? SL_TCP_CLOSE_WAIT : SL_TCP_FIN_WAIT;
	return SL_TCP_ESTABLISHED;
}

/* Data of the open side, after it had acknowledged the other's FIN. */
static bool
is_half_closed_in_use(const struct diary *diary)
{
	struct diary before = *diary;

	for (before.n = 3; before.n < diary->n; before.n++) {
		const struct page *page = &diary->pages[before.n];

		if (page->payload > 0 && !(page->flags & RST) &&
			is_fin_acknowledged(&before, !page->side))
			return true;
	}
	return false;
}

static enum sl_flow_class
class_of(const struct diary *diary)
{
	switch (state_of(diary)) {
	case SL_TCP_CLOSED:
		return SL_FLOW_TCP_RST;
	case SL_TCP_TIME_WAIT:
		return SL_FLOW_TCP_TIME_WAIT;
	case SL_TCP_CLOSE_WAIT:
		return is_half_closed_in_use(diary) ? SL_FLOW_TCP_ESTABLISHED : SL_FLOW_TCP_FIN;
	case SL_TCP_ESTABLISHED:
		return SL_FLOW_TCP_ESTABLISHED;
	default:
		return SL_FLOW_TCP_FIN;
	}
}

static enum sl_reason
judge_reset(struct diary *diary, const struct page *page)
{
	const int64_t low = acknowledged(diary, !page->side), high = sent(diary, page->side);
	const bool is_last = has_fin(diary, page->side) && page->seq == high - 1;

	if (page->seq == low || page->seq == high || is_last) {
		diary->is_closed = state_of(diary) != SL_TCP_TIME_WAIT;
		return SL_REASON_NONE;
	}
	if (page->seq < low || page->seq > offered_to(diary, page->side) + BEYOND)
		return SL_REASON_TCP_RST_OUT_OF_WINDOW;
	return SL_REASON_NONE;
}

static enum sl_reason
judge(struct diary *diary, const struct page *page)
{
	const uint32_t s = page->side, r = !page->side;
	const uint32_t kind = page->flags & (FIN | SYN | RST | ACK);

	if (kind == RST || kind == (RST | ACK))
		return judge_reset(diary, page);
	if (kind != ACK && kind != (FIN | ACK))
		return SL_REASON_TCP_BAD_FLAGS;
	if (page->end > SL_MAX(offered_to(diary, s) + BEYOND, sent(diary, s)) ||
		page->end < sent(diary, s) - largest_window(diary, r) - BEYOND)
		return SL_REASON_TCP_OUT_OF_WINDOW;
	if (page->ack > sent(diary, r) ||
		page->ack < sent(diary, r) - 2 * largest_window(diary, s) - BEYOND)
		return SL_REASON_TCP_BAD_ACK;
	if (has_fin(diary, s) && page->end > sent(diary, s))
		return SL_REASON_TCP_BAD_STATE;
	if (page->flags & FIN && page->end < sent(diary, s))
		return SL_REASON_TCP_BAD_STATE;
	return SL_REASON_NONE;
}

/* Resets that pass tell nothing but that. */
static void
write_down(struct diary *diary, const struct page *page)
{
	if (!(page->flags & RST))
		diary->pages[diary->n++] = *page;
}

/* --- Drawing. --- */

static struct sl_tcp_segment
segment_of(const struct diary *diary, const struct page *page, uint8_t offer)
{
	const uint32_t shift = page->flags & SYN ? 0 : diary->scales[page->side];

	return (struct sl_tcp_segment){
		.seq = (uint32_t)page->seq,
		.ack = (uint32_t)page->ack,
		.length = (uint32_t)(page->end - page->seq),
		.payload = page->payload,
		.window = (uint16_t)(page->window >> shift),
		.flags = (uint8_t)page->flags,
		.scale = offer,
	};
}

/* Three segments; either side may open, with and without scales. */
static void
open_connection(struct random *random, struct diary *diary, struct sl_tcp *tcp)
{
	const uint32_t opener = random_below(random, 2);
	const bool has_scale = random_chance(random, 70);
	const int64_t numbers[2] = {(1ll << 40) + random_below(random, UINT32_MAX),
		random_chance(random, 50) ? (1ll << 40) - 1 - random_below(random, 3000)
					  : (1ll << 41) + random_below(random, UINT32_MAX)};
	struct sl_tcp_step step;
	struct sl_tcp_segment segment;

	memset(diary, 0, sizeof(*diary));
	for (uint32_t i = 0; i < 3; i++) {
		const uint32_t side = i == 1 ? !opener : opener;
		const uint8_t offer = (uint8_t)(has_scale ? 1 + random_below(random, 9) : 0xff);
		struct page page = {
			.side = side,
			.flags = i == 0  ? SYN
				: i == 1 ? SYN | ACK
					 : ACK,
			.seq = numbers[side] + (i == 2),
			.end = numbers[side] + 1,
			.ack = i == 0 ? 0 : numbers[!side] + 1,
		};

		if (i < 2 && has_scale)
			diary->scales[side] = offer;
		page.window = (int64_t)random_below(random, 4000)
			<< (i == 2 ? diary->scales[side] : 0);
		segment = segment_of(diary, &page, offer);
		if (i == 0)
			sl_tcp_open(tcp, &segment, side, SL_FLOW_MIDSTREAM_DROP, &step);
		else
			sl_tcp_next(tcp, &segment, side, SL_FLOW_TCP_STRICT, &step);
		assert_int_equal(step.reason, SL_REASON_NONE);
		diary->pages[diary->n++] = page;
	}
	assert_true(step.is_established);
}

/* About a bound: on it, next to it, or further off. */
static int64_t
about(struct random *random, int64_t bound)
{
	static const uint32_t spans[] = {1, 3, 9, 200, 5000, 1u << 21};
	const uint32_t span = spans[random_below(random, SL_ARRAY_LEN(spans))];

	return bound - span + random_below(random, 2 * span + 1);
}

static int64_t
draw_number(struct random *random, const struct diary *diary, uint32_t s, uint32_t r)
{
	switch (random_below(random, 8)) {
	case 0:
		return about(random, offered_to(diary, s));
	case 1:
		return about(random, acknowledged(diary, r));
	case 2:
		return about(random, sent(diary, s) - largest_window(diary, r));
	case 3:
		return about(random, sent(diary, s) - 2 * largest_window(diary, r));
	case 4:
		return about(random, sent(diary, s));
	default:
		return sent(diary, s);
	}
}

static struct page
draw(struct random *random, const struct diary *diary)
{
	static const uint32_t flags[] = {ACK, ACK, ACK, ACK, ACK, ACK, ACK, ACK, PSH | ACK,
		PSH | ACK, URG | ACK, FIN | ACK, FIN | ACK, RST, RST | ACK, 0, FIN, FIN | RST,
		FIN | PSH | URG, SYN | FIN | ACK};
	const uint32_t s = random_below(random, 2), r = !s;
	struct page page = {.side = s, .flags = flags[random_below(random, SL_ARRAY_LEN(flags))]};

	/* Ends come late, or nothing else would be seen. */
	if (page.flags & (FIN | RST) && random_chance(random, 70))
		page.flags = ACK;
	page.payload = random_chance(random, 50) ? random_below(random, 3000) : 0;
	page.seq = draw_number(random, diary, s, r);
	if (random_chance(random, 30) && page.seq != sent(diary, s))
		page.seq -= page.payload; /* its end is what was drawn */
	page.end = page.seq + page.payload + (page.flags & FIN) + (page.flags >> 1 & 1);
	page.ack = draw_number(random, diary, r, s);
	page.window = (int64_t)random_below(random, random_chance(random, 10) ? 65536 : 3000)
		<< diary->scales[s];
	return page;
}

static void
test_diary(void **state)
{
	struct random random = {random_seed()};
	uint64_t n_passed = 0, n = random_amount(300000);
	struct diary diary;
	struct sl_tcp tcp;

	(void)state;
	for (uint64_t i = 0; i < n; i++) {
		struct sl_tcp_segment segment;
		struct sl_tcp_step step;
		enum sl_reason reason;
		struct page page;

		if (i == 0 || diary.n == 64 || (diary.is_closed && random_chance(&random, 20)))
			open_connection(&random, &diary, &tcp);
		page = draw(&random, &diary);
		segment = segment_of(&diary, &page, 0xff);
		reason = judge(&diary, &page);
		if (reason == SL_REASON_NONE)
			write_down(&diary, &page);
		sl_tcp_next(&tcp, &segment, page.side, SL_FLOW_TCP_STRICT, &step);
		if (step.reason != reason || tcp.state != state_of(&diary) ||
			step.class != class_of(&diary))
			fail_msg("segment %lu: tracker %s %s class %u, diary %s %s class %u",
				(unsigned long)i, sl_reason_name(step.reason),
				sl_tcp_state_name(tcp.state), step.class, sl_reason_name(reason),
				sl_tcp_state_name(state_of(&diary)), class_of(&diary));
		assert_false(step.is_established || step.is_reopening);
		n_passed += reason == SL_REASON_NONE;
	}
	assert_in_range(n_passed, n / 10, n - n / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
