/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/overlay.h"

#include "classifier/simd.h"

#include <string.h>

/*
 * Packet time: match lists of a layer whose compiled form is no longer all of it.
 *
 * The base classifies the batch as if nothing had changed.  Then the packets that have to do with a
 * change are seen to: those that a part may match, and those whose list has a filter that is no
 * longer in force.  All others keep their lists.
 */

/* Room for what one packet finds in a part. */
#define ROOM (SL_PART_MATCHES_MAX * SL_VISITS_MAX)
/* Most that a packet can match of all parts. */
#define ADDED_MAX ((SL_LEVELS - 1) * SL_PART_MATCHES_MAX)

/* Packets of a batch that a part may match. */
struct picked {
	const struct sl_meta *metas[SL_BATCH_MAX];
	uint16_t packets[SL_BATCH_MAX];
	uint32_t n;
};

/* Matches of one part, for as many of the picked packets at a time as there is room. */
struct window {
	const struct sl_part *part;
	const uint64_t *dead;
	uint32_t first; /* picked packets from here on */
	uint32_t end;
	struct sl_matches matches;
	uint32_t places[ROOM];
};

/* A match list, to be merged with others. */
struct list {
	const uint32_t *places;
	uint32_t n;
	const struct sl_part *part; /* NULL: the base */
};

struct run {
	enum sl_simd simd;
	const struct sl_layer_program *layer;
	const struct sl_overlay *overlay;
	const struct sl_meta *const *metas;
	struct sl_matches *out;
	const struct picked *picked;
};

/* --- Parts. --- */

static uint32_t
open_windows(const struct run *run, struct window *windows)
{
	uint32_t n = 0;

	for (uint32_t level = 1; level < SL_LEVELS; level++) {
		struct window *window = &windows[n];

		if (run->overlay->parts[level] == NULL)
			continue;
		window->part = run->overlay->parts[level];
		window->dead = run->overlay->dead[level];
		window->first = 0;
		window->end = 0;
		window->matches.ranks = window->places;
		window->matches.capacity = ROOM;
		n++;
	}
	return n;
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

/* A packet again, alone, without the dead. */
static SL_NOINLINE void
renew_window(const struct run *run, struct window *window, uint32_t k)
{
	struct sl_matches *matches = &window->matches;

	window->first = k;
	window->end = k + 1;
	matches->start[0] = 0;
	matches->start[1] = sl_program_run_without(
		window->part->program, window->dead, run->picked->metas[k], window->places, ROOM);
}

/* What a part matches of picked packet `k`. */
static struct list
matches_of(const struct run *run, struct window *window, uint32_t k)
{
	struct sl_matches *matches = &window->matches;
	struct list list = {.part = window->part};

	if (k >= window->end) {
		window->first = k;
		window->end = k +
			sl_program_run_as(run->simd, window->part->program, run->picked->metas + k,
				run->picked->n - k, matches);
	}
	for (;;) {
		list.places = window->places + matches->start[k - window->first];
		list.n = matches->start[k - window->first + 1] - matches->start[k - window->first];
		if (SL_LIKELY(!has_dead(window->dead, list.places, list.n)))
			return list;
		renew_window(run, window, k);
	}
}

/* --- One sublayer without callouts: of all answers the first. --- */

/* The base's answer for a packet whose first answer is dead. */
static SL_NOINLINE uint32_t
next_answer(const struct run *run, const struct sl_meta *meta)
{
	uint32_t places[SL_VISITS_MAX];
	const uint32_t n = sl_program_run_without(
		run->layer->program, run->overlay->dead[0], meta, places, SL_ARRAY_LEN(places));

	return n == 0 ? SL_RANK_NONE : places[0];
}

static uint64_t
key_of_answer(uint32_t answer)
{
	return answer == SL_RANK_NONE ? UINT64_MAX : sl_base_key(answer);
}

/* The parts' answer for picked packet `k`. */
static uint32_t
answer_of_parts(const struct run *run, struct window *windows, uint32_t n_windows, uint32_t k,
	uint64_t *key)
{
	uint32_t rank = SL_RANK_NONE;

	*key = UINT64_MAX;
	for (uint32_t w = 0; w < n_windows; w++) {
		const struct list list = matches_of(run, &windows[w], k);

		if (list.n > 0 && list.part->keys[list.places[0]] < *key) {
			*key = list.part->keys[list.places[0]];
			rank = list.part->ranks[list.places[0]];
		}
	}
	return rank;
}

/* What the base says of packets, one place or none each. */
static void
read_answers(const struct sl_matches *out, uint32_t n, uint32_t *answers)
{
	for (uint32_t i = 0; i < n; i++)
		answers[i] = out->start[i] == out->start[i + 1] ? SL_RANK_NONE
								: out->ranks[out->start[i]];
}

static void
write_answers(const uint32_t *answers, uint32_t n, struct sl_matches *out)
{
	uint32_t end = 0;

	for (uint32_t i = 0; i < n; i++) {
		out->ranks[end] = answers[i];
		end += answers[i] != SL_RANK_NONE;
		out->start[i + 1] = end;
	}
}

static SL_NOINLINE uint32_t
merge_answers(const struct run *run, uint32_t n)
{
	const struct picked *picked = run->picked;
	const uint64_t *dead = run->overlay->dead[0];
	struct window windows[SL_LEVELS - 1];
	const uint32_t n_windows = open_windows(run, windows);
	uint32_t answers[SL_BATCH_MAX];
	uint32_t k = 0;

	read_answers(run->out, n, answers);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t rank = SL_RANK_NONE;
		uint64_t key = UINT64_MAX;

		if (k < picked->n && picked->packets[k] == i)
			rank = answer_of_parts(run, windows, n_windows, k++, &key);
		/* A dead answer tells where those that are not dead can begin at the soonest. */
		if (key > key_of_answer(answers[i]) && sl_is_dead(dead, answers[i]))
			answers[i] = next_answer(run, run->metas[i]);
		if (key < key_of_answer(answers[i]))
			answers[i] = rank;
	}
	write_answers(answers, n, run->out);
	return n;
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
merge(const struct sl_layer_program *layer, struct list *lists, uint32_t n_lists, uint32_t *ranks)
{
	uint32_t ended = UINT32_MAX; /* sublayer */
	uint32_t n = 0;

	for (;;) {
		struct list *best = &lists[0];
		const struct sl_filter_hot *hot;
		uint32_t rank;

		for (uint32_t l = 1; l < n_lists; l++) {
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

/* Merges one packet's lists. `k`: the picked packet that it is, or none. False: there is no room. */
static bool
merge_packet(const struct run *run, struct tape *tape, struct window *windows, uint32_t n_windows,
	uint32_t i, uint32_t n, uint32_t k)
{
	struct list lists[SL_LEVELS];

	if (has_dead(run->overlay->dead[0], tape->ranks + tape->unread, n) &&
		!renew_list(run, tape, i, &n))
		return false;
	if (tape->unread - tape->written < ADDED_MAX)
		return false;
	lists[0] = (struct list){.places = tape->ranks + tape->unread, .n = n};
	tape->unread += n;
	for (uint32_t w = 0; w < n_windows; w++)
		lists[1 + w] = matches_of(run, &windows[w], k);
	tape->written += merge(run->layer, lists, 1 + n_windows, tape->ranks + tape->written);
	return true;
}

static SL_NOINLINE uint32_t
merge_lists(const struct run *run, uint32_t n)
{
	const struct picked *picked = run->picked;
	struct sl_matches *out = run->out;
	struct window windows[SL_LEVELS - 1];
	const uint32_t n_windows = open_windows(run, windows);
	const uint32_t n_ranks = out->start[n];
	struct tape tape = {.ranks = out->ranks, .unread = out->capacity - n_ranks};
	uint32_t begin = 0;
	uint32_t k = 0;

	memmove(out->ranks + tape.unread, out->ranks, n_ranks * sizeof(*out->ranks));
	for (uint32_t i = 0; i < n; i++) {
		const bool is_picked = k < picked->n && picked->packets[k] == i;
		const uint32_t end = out->start[i + 1];

		if (!merge_packet(
			    run, &tape, windows, is_picked ? n_windows : 0, i, end - begin, k))
			return i;
		k += is_picked;
		begin = end;
		out->start[i + 1] = tape.written;
	}
	return n;
}

/* --- Batches. --- */

static void
pick(const struct run *run, uint32_t n, struct picked *picked)
{
	picked->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		picked->metas[picked->n] = run->metas[i];
		picked->packets[picked->n++] = (uint16_t)i;
	}
}

uint32_t
sl_overlay_run(enum sl_simd simd, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out)
{
	struct picked picked;
	const struct run run = {.simd = simd,
		.layer = layer,
		.overlay = layer->overlay,
		.metas = metas,
		.out = out,
		.picked = &picked};
	uint32_t done;

	do {
		n = sl_program_run_as(simd, layer->program, metas, n, out);
		pick(&run, n, &picked);
		if (picked.n == 0 && !has_dead(layer->overlay->dead[0], out->ranks, out->start[n]))
			return n;
		done = layer->overlay->is_single ? merge_answers(&run, n) : merge_lists(&run, n);
		/* Where not even the first list fitted beside the others, it does alone. */
		n = 1;
	} while (SL_UNLIKELY(done == 0));
	return done;
}
