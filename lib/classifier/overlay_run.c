/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/overlay.h"

#include "classifier/simd.h"

#include <string.h>

/*
 * Packet time: match lists of a layer whose compiled form is no longer all of it.
 *
 * The base classifies the batch as if nothing had changed.  Then packets are touched that have to do
 * with a change: those that a part may match, as the screen and the part's sieve tell, and those
 * whose list has a filter that is no longer in force.  All others keep their lists.
 */

/* Room for what one packet finds in a part. */
#define ROOM (SL_PART_MATCHES_MAX * SL_TREES_MAX)
/* Most that a packet can match of all parts. */
#define ADDED_MAX ((SL_LEVELS - 1) * SL_PART_MATCHES_MAX)
/* Levels that have parts. */
#define N_WINDOWS (SL_LEVELS - 1)

/* One part, the packets of the batch that it may match, and what it does. */
struct window {
	const struct sl_part *part;
	const uint64_t *dead;
	uint32_t n; /* packets that it may match */
	uint32_t k; /* of these the next one to be asked for */
	uint32_t first;
	uint32_t end; /* matches are there of those from `first` to before this */
	const struct sl_meta *metas[SL_BATCH_MAX];
	uint16_t packets[SL_BATCH_MAX + 1]; /* one more for the end, which no packet has */
	struct sl_matches matches;
	uint32_t places[ROOM];
};

/* A match list, to be merged with others. */
struct list {
	const uint32_t *places;
	uint32_t n;
	const struct sl_part *part; /* NULL: the base */
};

/* One batch. */
struct run {
	enum sl_simd simd;
	const struct sl_layer_program *layer;
	const struct sl_overlay *overlay;
	const struct sl_meta *const *metas;
	uint32_t n;
	struct sl_matches *out;
	uint64_t touched[SL_BATCH_MAX / 64]; /* bit per packet */
	struct window windows[N_WINDOWS];    /* by level, less one */
};

/* --- Touching packets. --- */

static void
open_windows(struct run *run)
{
	memset(run->touched, 0, sizeof(run->touched));
	for (uint32_t w = 0; w < N_WINDOWS; w++) {
		struct window *window = &run->windows[w];

		window->part = run->overlay->parts[w + 1];
		window->dead = run->overlay->dead[w + 1];
		window->n = 0;
		window->k = 0;
		window->first = 0;
		window->end = 0;
		window->matches.ranks = window->places;
		window->matches.capacity = ROOM;
	}
}

/* No more packets come. True when some were touched. */
static bool
close_windows(struct run *run)
{
	uint64_t touched = 0;

	for (uint32_t w = 0; w < N_WINDOWS; w++)
		run->windows[w].packets[run->windows[w].n] = SL_BATCH_MAX;
	for (uint32_t word = 0; word < SL_ARRAY_LEN(run->touched); word++)
		touched |= run->touched[word];
	return touched != 0;
}

static void
touch(struct run *run, uint32_t i)
{
	run->touched[i / 64] |= (uint64_t)1 << i % 64;
}

static bool
is_touched(const struct run *run, uint32_t i)
{
	return (run->touched[i / 64] >> i % 64 & 1) != 0;
}

static bool
has_dead(const uint64_t *dead, const uint32_t *places, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (sl_is_dead(dead, places[i]))
			return true;
	}
	return false;
}

/* True when a packet may match a filter of these groups of a part that stands early enough. */
static bool
passes(const struct sl_sieve *sieve, uint64_t groups, const struct sl_screen *screen,
	const struct sl_meta *meta, uint32_t latest)
{
	for (; groups != 0; groups &= groups - 1) {
		const uint32_t g = (uint32_t)__builtin_ctzll(groups);
		const uint32_t *places = &sieve->places[sieve->starts[g]];
		uint64_t filters = sl_sieve_look(sieve, g, screen, meta);

		for (; filters != 0; filters &= filters - 1) {
			if (places[__builtin_ctzll(filters)] <= latest)
				return true;
		}
	}
	return false;
}

/* Puts a packet before the parts that it may match. */
static SL_NOINLINE void
consider(struct run *run, uint32_t i, sl_screen_bits bits, uint32_t latest)
{
	const uint64_t groups[N_WINDOWS] = {bits[1], bits[0] >> 32, bits[0] & UINT32_MAX};

	for (uint32_t w = 0; w < N_WINDOWS; w++) {
		struct window *window = &run->windows[w];

		if (groups[w] == 0 ||
			!passes(window->part->sieve, groups[w], run->overlay->screen, run->metas[i],
				latest))
			continue;
		window->metas[window->n] = run->metas[i];
		window->packets[window->n++] = (uint16_t)i;
		touch(run, i);
	}
}

/* A packet for which filters at `latest` of the base, or before it, make a difference. */
static SL_ALWAYS_INLINE void
look(struct run *run, uint32_t i, uint32_t latest, uint32_t n_bytes)
{
	const sl_screen_bits bits =
		sl_screen_look(run->overlay->screen, run->metas[i], latest, n_bytes);

	if (SL_UNLIKELY((bits[0] | bits[1]) != 0))
		consider(run, i, bits, latest);
}

/* With one answer a packet, filters that stand behind it make no difference. */
static SL_ALWAYS_INLINE void
look_at_answers(struct run *run, uint32_t n_bytes)
{
	const struct sl_matches *out = run->out;
	const uint64_t *dead = run->overlay->dead[0];

	for (uint32_t i = 0; i < run->n; i++) {
		const uint32_t at = out->start[i];
		uint32_t latest = at == out->start[i + 1] ? SL_RANK_NONE : out->ranks[at];

		if (latest != SL_RANK_NONE && SL_UNLIKELY(sl_is_dead(dead, latest))) {
			touch(run, i);
			latest = SL_RANK_NONE;
		}
		if (n_bytes > 0)
			look(run, i, latest, n_bytes);
	}
}

static SL_ALWAYS_INLINE void
look_at_lists(struct run *run, uint32_t n_bytes)
{
	const struct sl_matches *out = run->out;
	const uint64_t *dead = run->overlay->dead[0];

	for (uint32_t i = 0; i < run->n; i++) {
		if (dead != NULL &&
			has_dead(dead, &out->ranks[out->start[i]],
				out->start[i + 1] - out->start[i]))
			touch(run, i);
		if (n_bytes > 0)
			look(run, i, SL_RANK_NONE, n_bytes);
	}
}

static SL_ALWAYS_INLINE void
look_at_all(struct run *run, uint32_t n_bytes)
{
	if (run->overlay->is_single)
		look_at_answers(run, n_bytes);
	else
		look_at_lists(run, n_bytes);
}

/* Loops that know how many bytes they look at are the faster ones. */
static bool
touch_packets(struct run *run)
{
	const struct sl_screen *screen = run->overlay->screen;

	open_windows(run);
	switch (screen == NULL ? 0 : screen->n_bytes) {
	case 0:
		look_at_all(run, 0);
		break;
	case 1:
		look_at_all(run, 1);
		break;
	case 2:
		look_at_all(run, 2);
		break;
	case 3:
		look_at_all(run, 3);
		break;
	case 4:
		look_at_all(run, 4);
		break;
	case 5:
		look_at_all(run, 5);
		break;
	default:
		look_at_all(run, SL_SCREEN_BYTES);
		break;
	}
	return close_windows(run);
}

/* --- Parts. --- */

/* The packet at hand again, alone, without the dead. */
static SL_NOINLINE void
renew_window(struct window *window)
{
	struct sl_matches *matches = &window->matches;

	window->first = window->k;
	window->end = window->k + 1;
	matches->start[0] = 0;
	matches->start[1] = sl_program_run_without(window->part->program, window->dead,
		window->metas[window->k], window->places, ROOM);
}

/* What a part matches of packet `i` of the batch; packets are asked for in order. */
static struct list
matches_of(const struct run *run, struct window *window, uint32_t i)
{
	struct sl_matches *matches = &window->matches;
	struct list list = {.part = window->part};

	if (window->packets[window->k] != i)
		return list;
	if (window->k >= window->end) {
		window->first = window->k;
		window->end = window->k +
			sl_program_run_as(run->simd, window->part->program,
				window->metas + window->k, window->n - window->k, matches);
	}
	for (;;) {
		const uint32_t *start = &matches->start[window->k - window->first];

		list.places = window->places + start[0];
		list.n = start[1] - start[0];
		if (SL_LIKELY(!has_dead(window->dead, list.places, list.n)))
			break;
		renew_window(window);
	}
	window->k++;
	return list;
}

/* --- One sublayer without callouts: of all answers the first. --- */

/* The first place from this one on that is not dead. */
static uint32_t
first_alive(const uint64_t *dead, uint32_t place, uint32_t n)
{
	while (place < n && sl_is_dead(dead, place))
		place++;
	return place;
}

/* The base's answer for a packet whose first answer is dead. */
static SL_NOINLINE uint32_t
next_answer(const struct run *run, const struct sl_meta *meta)
{
	uint32_t places[SL_TREES_MAX];
	const uint32_t n = sl_program_run_without(
		run->layer->program, run->overlay->dead[0], meta, places, SL_ARRAY_LEN(places));

	return n == 0 ? SL_RANK_NONE : places[0];
}

/* The parts' answer for a packet, and its key. */
static uint32_t
answer_of_parts(struct run *run, uint32_t i, uint64_t *key)
{
	uint32_t rank = SL_RANK_NONE;

	*key = UINT64_MAX;
	for (uint32_t w = 0; w < N_WINDOWS; w++) {
		const struct list list = matches_of(run, &run->windows[w], i);

		if (list.n > 0 && list.part->keys[list.places[0]] < *key) {
			*key = list.part->keys[list.places[0]];
			rank = list.part->ranks[list.places[0]];
		}
	}
	return rank;
}

/* The answer for a packet for which the base says `answer`. */
static uint32_t
better_answer(struct run *run, uint32_t i, uint32_t answer)
{
	const uint64_t *dead = run->overlay->dead[0];
	uint64_t key;
	const uint32_t rank = answer_of_parts(run, i, &key);

	if (answer != SL_RANK_NONE && sl_is_dead(dead, answer)) {
		/* The base has nothing for the packet that stands before this. */
		const uint32_t next = first_alive(dead, answer, run->layer->store->n_base);

		if (key < sl_base_key(next))
			return rank;
		answer = next_answer(run, run->metas[i]);
	}
	return answer == SL_RANK_NONE || key < sl_base_key(answer) ? rank : answer;
}

static uint32_t
answer_at(const struct sl_matches *out, uint32_t i)
{
	return out->start[i] == out->start[i + 1] ? SL_RANK_NONE : out->ranks[out->start[i]];
}

/* Touched packets have new answers; a list with one more or less moves all behind it. */
static void
write_answers(const struct run *run, uint32_t *answers)
{
	struct sl_matches *out = run->out;
	uint32_t end = 0;

	for (uint32_t i = 0; i < run->n; i++) {
		if (!is_touched(run, i))
			answers[i] = answer_at(out, i);
	}
	for (uint32_t i = 0; i < run->n; i++) {
		out->ranks[end] = answers[i];
		end += answers[i] != SL_RANK_NONE;
		out->start[i + 1] = end;
	}
}

static SL_NOINLINE uint32_t
merge_answers(struct run *run)
{
	struct sl_matches *out = run->out;
	uint32_t answers[SL_BATCH_MAX];
	bool moves = false;

	for (uint32_t word = 0; word < SL_ARRAY_LEN(run->touched); word++) {
		for (uint64_t left = run->touched[word]; left != 0; left &= left - 1) {
			const uint32_t i = word * 64 + (uint32_t)__builtin_ctzll(left);
			const uint32_t answer = answer_at(out, i);

			answers[i] = better_answer(run, i, answer);
			if ((answers[i] == SL_RANK_NONE) != (answer == SL_RANK_NONE))
				moves = true;
			else if (answer != SL_RANK_NONE)
				out->ranks[out->start[i]] = answers[i];
		}
	}
	if (moves)
		write_answers(run, answers);
	return run->n;
}

/* --- Lists. --- */

static uint64_t
first_key(const struct list *list)
{
	if (list->n == 0)
		return UINT64_MAX;
	return list->part == NULL ? sl_base_key(list->places[0])
				  : list->part->keys[list->places[0]];
}

/* Writes the lists as one, each sublayer up to its first terminal filter. Returns its length. */
static uint32_t
merge(const struct sl_layer_program *layer, struct list *lists, uint32_t *ranks)
{
	uint32_t ended = UINT32_MAX; /* sublayer */
	uint32_t n = 0;

	for (;;) {
		struct list *best = &lists[0];
		const struct sl_filter_hot *hot;
		uint32_t rank;

		for (uint32_t l = 1; l < SL_LEVELS; l++) {
			if (first_key(&lists[l]) < first_key(best))
				best = &lists[l];
		}
		if (best->n == 0)
			return n;
		rank = best->part == NULL ? *best->places : best->part->ranks[*best->places];
		best->places++;
		best->n--;
		hot = &layer->hot[rank];
		if (hot->sublayer == ended)
			continue;
		ranks[n++] = rank;
		if (!sl_hot_is_callout(hot))
			ended = hot->sublayer;
	}
}

/*
 * Base lists that wait at the end of the output's room, while merged ones grow from its beginning.
 * A merged list is longer than the one it is made of by ADDED_MAX at the most.
 */
struct tape {
	uint32_t *ranks;
	uint32_t written; /* end of the merged lists */
	uint32_t unread;  /* begin of the waiting ones */
};

static void
keep_list(struct tape *tape, uint32_t n)
{
	memmove(tape->ranks + tape->written, tape->ranks + tape->unread, n * sizeof(*tape->ranks));
	tape->written += n;
	tape->unread += n;
}

/* Puts the list of a packet without the dead where the one with them waits. */
static SL_NOINLINE bool
renew_list(const struct run *run, struct tape *tape, uint32_t i, uint32_t *n)
{
	const struct sl_program *program = run->layer->program;
	const uint32_t end = tape->unread + *n;
	uint32_t n_renewed;

	if (end - tape->written < program->found_max)
		return false;
	n_renewed = sl_program_run_without(program, run->overlay->dead[0], run->metas[i],
		tape->ranks + tape->written, end - tape->written);
	memmove(tape->ranks + end - n_renewed, tape->ranks + tape->written,
		n_renewed * sizeof(*tape->ranks));
	tape->unread = end - n_renewed;
	*n = n_renewed;
	return true;
}

/* Merges the lists of packet `i`, that of the base with `n` matches. False: there is no room. */
static bool
merge_packet(struct run *run, struct tape *tape, uint32_t i, uint32_t n)
{
	struct list lists[SL_LEVELS];

	if (!is_touched(run, i)) {
		keep_list(tape, n);
		return true;
	}
	if (has_dead(run->overlay->dead[0], tape->ranks + tape->unread, n) &&
		!renew_list(run, tape, i, &n))
		return false;
	if (tape->unread - tape->written < ADDED_MAX)
		return false;
	lists[0] = (struct list){.places = tape->ranks + tape->unread, .n = n};
	tape->unread += n;
	for (uint32_t w = 0; w < N_WINDOWS; w++)
		lists[1 + w] = matches_of(run, &run->windows[w], i);
	tape->written += merge(run->layer, lists, tape->ranks + tape->written);
	return true;
}

static SL_NOINLINE uint32_t
merge_lists(struct run *run)
{
	struct sl_matches *out = run->out;
	const uint32_t n_ranks = out->start[run->n];
	struct tape tape = {.ranks = out->ranks, .unread = out->capacity - n_ranks};
	uint32_t begin = 0;

	memmove(out->ranks + tape.unread, out->ranks, n_ranks * sizeof(*out->ranks));
	for (uint32_t i = 0; i < run->n; i++) {
		const uint32_t end = out->start[i + 1];

		if (!merge_packet(run, &tape, i, end - begin))
			return i;
		begin = end;
		out->start[i + 1] = tape.written;
	}
	return run->n;
}

/* --- Batches. --- */

uint32_t
sl_overlay_run(enum sl_simd simd, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out)
{
	struct run run;
	uint32_t done;

	run.simd = simd;
	run.layer = layer;
	run.overlay = layer->overlay;
	run.metas = metas;
	run.out = out;
	do {
		run.n = sl_program_run_as(simd, layer->program, metas, n, out);
		if (!touch_packets(&run))
			return run.n;
		done = layer->overlay->is_single ? merge_answers(&run) : merge_lists(&run);
		/* Where not even the first list fitted beside the others, it does alone. */
		n = 1;
	} while (SL_UNLIKELY(done == 0));
	return done;
}
