/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_maker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What packets find in the last tables: places, numbers of answers, or numbers of lists. */

/* Numbers a cell can hold. */
#define NUMBERS_MAX 0x10000u

/* --- Kinds of answers. --- */

/* Numbers the sublayers of places. Returns how many, or 0 if a match may go on behind a place. */
static uint32_t
number_sublayers(struct sl_tables_maker *m)
{
	uint32_t sublayer = 0;

	for (uint32_t place = 0; place < m->n_places; place++) {
		if (m->ends[place] == 0)
			return 0;
		if (place > 0 && m->ends[place - 1] == place)
			sublayer++;
		m->sublayer_of[place] = (uint8_t)SL_MIN(sublayer, UINT8_MAX);
	}
	return sublayer + 1;
}

/* Tables hold all of a box. */
static bool
must_test(const struct sl_box *box)
{
	return box->is_tested && !box->is_wide;
}

/* Marks the places that must be tested. Returns whether there are any. */
static bool
mark_tested(struct sl_tables_maker *m)
{
	bool has_any = false;

	for (uint32_t i = 0; i < m->boxes->n; i++) {
		const struct sl_box *box = &m->boxes->list[i];

		if (!must_test(box))
			continue;
		m->tested[box->rank / 64] |= (uint64_t)1 << box->rank % 64;
		has_any = true;
	}
	return has_any;
}

int
sl_tables_choose_answer(struct sl_tables_maker *m)
{
	const bool is_tested = mark_tested(m);
	const uint32_t n_sublayers = number_sublayers(m);
	uint32_t words = m->n_places / 64 + 1;
	uint32_t number;
	int rc;

	m->tables.answer = SL_TABLES_LISTS;
	if (!is_tested && n_sublayers > 0 && m->n_places <= SL_TABLES_PLACES_MAX) {
		if (n_sublayers == 1) {
			m->tables.answer = SL_TABLES_ONE;
		} else if (n_sublayers <= 4 * SL_TABLES_QUADS_MAX) {
			m->tables.answer = SL_TABLES_FEW;
			m->tables.n_quads = (uint8_t)((n_sublayers + 3) / 4);
			words = m->tables.n_quads;
		}
	}
	rc = sl_sets_init(&m->answers, words);
	/* Of no use to ONE; to LISTS the empty list. The room of a new set is zeros. */
	if (rc == 0 && m->tables.answer == SL_TABLES_LISTS) {
		uint64_t *empty = calloc(words, sizeof(*empty));

		rc = empty == NULL ? -ENOMEM : sl_sets_add(&m->answers, empty, &number);
		free(empty);
	}
	return rc;
}

/* --- The finder. --- */

int
sl_tables_finder_init(struct sl_tables_finder *f, struct sl_tables_maker *m)
{
	const size_t n_boxes = m->boxes->n;

	f->m = m;
	f->common.bits = calloc(n_boxes / 64 + 1, sizeof(*f->common.bits));
	f->common.at = calloc(n_boxes / 64 + 1, sizeof(*f->common.at));
	f->answer = calloc(m->answers.words, sizeof(*f->answer));
	f->ones = calloc(
		n_boxes + 64, sizeof(*f->ones)); /* a set may have bits behind the last box */
	if (f->common.bits == NULL || f->common.at == NULL || f->answer == NULL || f->ones == NULL)
		return -ENOMEM;
	return 0;
}

void
sl_tables_finder_fini(struct sl_tables_finder *f)
{
	free(f->common.bits);
	free(f->common.at);
	free(f->answer);
	free(f->ones);
}

/* --- Answers. --- */

static uint32_t
place_of(const struct sl_tables_finder *f, uint32_t member)
{
	return f->m->boxes->list[member].rank;
}

/* The first match of each sublayer. */
static void
fill_few(const struct sl_tables_finder *f)
{
	uint32_t next = 0;

	memset(f->answer, 0xff, f->m->answers.words * sizeof(*f->answer));
	for (uint32_t i = 0; i < f->common.n; i++) {
		f->m->work.left -= __builtin_popcountll(f->common.bits[i]);
		for (uint64_t left = f->common.bits[i]; left != 0; left &= left - 1) {
			const uint32_t member =
				64 * f->common.at[i] + (uint32_t)__builtin_ctzll(left);
			const uint32_t place = place_of(f, member);
			const uint32_t sublayer = f->m->sublayer_of[place];

			if (place < next)
				continue;
			f->answer[sublayer / 4] &= ~((uint64_t)0xffff << 16 * (sublayer % 4));
			f->answer[sublayer / 4] |= (uint64_t)place << 16 * (sublayer % 4);
			next = f->m->ends[place];
		}
	}
}

/* All matches that may be in the list, whatever tests say. */
static void
fill_list(const struct sl_tables_finder *f)
{
	uint32_t next = 0;

	memset(f->answer, 0, f->m->answers.words * sizeof(*f->answer));
	for (uint32_t i = 0; i < f->common.n; i++) {
		f->m->work.left -= __builtin_popcountll(f->common.bits[i]);
		for (uint64_t left = f->common.bits[i]; left != 0; left &= left - 1) {
			const uint32_t member =
				64 * f->common.at[i] + (uint32_t)__builtin_ctzll(left);
			const uint32_t place = place_of(f, member);

			if (place < next)
				continue;
			f->answer[place / 64] |= (uint64_t)1 << place % 64;
			if (!must_test(&f->m->boxes->list[member]))
				next = f->m->ends[place];
		}
	}
}

/* Finds what a row and a column have in common. Returns whether it is other than before. */
static bool
intersect(struct sl_tables_common *common, const uint64_t *row, const uint64_t *column)
{
	uint64_t change = 0;

	for (uint32_t i = 0; i < common->n; i++) {
		const uint64_t bits = row[common->at[i]] & column[common->at[i]];

		change |= bits ^ common->bits[i];
		common->bits[i] = bits;
	}
	return change != 0;
}

static int
find_answer(struct sl_tables_finder *f, uint32_t *number)
{
	if (f->m->tables.answer == SL_TABLES_FEW)
		fill_few(f);
	else
		fill_list(f);
	if (sl_sets_add(&f->m->answers, f->answer, number) != 0)
		return -ENOMEM;
	return f->m->answers.n > NUMBERS_MAX ? -E2BIG : 0;
}

static void
find_common(struct sl_tables_common *common, const uint64_t *bits, uint32_t words)
{
	common->n = 0;
	for (uint32_t i = 0; i < words; i++) {
		if (bits[i] != 0)
			common->at[common->n++] = i;
	}
}

/* Words of all sets that are not 0. */
static uint64_t
count_words(const struct sl_sets *sets)
{
	uint64_t n = 0;

	for (size_t i = 0; i < (size_t)sets->n * sets->words; i++)
		n += sets->bits[i] != 0;
	return n;
}

/* Rows of answers: entry i * row_step + j * column_step is of row i and column j. */
struct answers {
	uint32_t *numbers;
	const struct sl_sets *rows;
	const struct sl_sets *columns;
	size_t row_step;
	size_t column_step;
};

static int
find_row(struct sl_tables_finder *f, const struct answers *to, uint32_t i)
{
	const uint64_t *row = sl_sets_at(to->rows, i);
	uint32_t number = 0;
	int rc = 0;

	find_common(&f->common, row, to->rows->words);
	f->m->work.left -= (int64_t)to->columns->n * (f->common.n + f->m->answers.words + 8);
	if (f->m->work.left < 0)
		return -E2BIG;
	for (uint32_t j = 0; j < to->columns->n && rc == 0; j++) {
		/* Neighbours are often alike. */
		if (intersect(&f->common, row, sl_sets_at(to->columns, j)) || j == 0)
			rc = find_answer(f, &number);
		to->numbers[i * to->row_step + j * to->column_step] = number;
	}
	return rc;
}

/* Columns by box: those of box b are list[starts[b]] .. list[starts[b + 1] - 1]. */
struct holders {
	uint32_t *starts;
	uint32_t *list;
};

/* 0 or -ENOMEM; free both in either case. */
static int
list_holders(struct holders *holders, const struct sl_sets *columns)
{
	const uint32_t n_boxes = 64 * columns->words;
	uint32_t n = 0;

	holders->starts = calloc(n_boxes + (size_t)2, sizeof(*holders->starts));
	for (size_t i = 0; i < (size_t)columns->n * columns->words; i++)
		n += (uint32_t)__builtin_popcountll(columns->bits[i]);
	holders->list = calloc(n + (size_t)1, sizeof(*holders->list));
	if (holders->starts == NULL || holders->list == NULL)
		return -ENOMEM;
	for (uint32_t pass = 0; pass < 2; pass++) {
		/* First the numbers of columns, two boxes on; then the columns, which moves starts one box on. */
		for (uint32_t j = 0; j < columns->n; j++) {
			const uint64_t *bits = sl_sets_at(columns, j);

			for (uint32_t k = 0; k < columns->words; k++) {
				for (uint64_t left = bits[k]; left != 0; left &= left - 1) {
					const uint32_t box =
						64 * k + (uint32_t)__builtin_ctzll(left);

					if (pass == 0)
						holders->starts[box + 2]++;
					else
						holders->list[holders->starts[box + 1]++] = j;
				}
			}
		}
		for (uint32_t box = 0; box < n_boxes && pass == 0; box++)
			holders->starts[box + 2] += holders->starts[box + 1];
	}
	return 0;
}

/* Lists the boxes of a row, up to one that all columns hold: those behind it come too late. */
static uint32_t
list_ones(const struct sl_tables_finder *f, const struct answers *to, const struct holders *holders,
	const uint64_t *row)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < to->rows->words; k++) {
		for (uint64_t left = row[k]; left != 0; left &= left - 1) {
			const uint32_t box = 64 * k + (uint32_t)__builtin_ctzll(left);

			f->ones[n++] = box;
			if (holders->starts[box + 1] - holders->starts[box] == to->columns->n)
				return n;
		}
	}
	return n;
}

/* The first match of each column: from the last box to the first, each takes the columns that hold it. */
static void
fill_ones(const struct sl_tables_finder *f, const struct answers *to, const struct holders *holders,
	uint32_t i)
{
	uint32_t *numbers = to->numbers + i * to->row_step;
	uint32_t n = list_ones(f, to, holders, sl_sets_at(to->rows, i));

	for (uint32_t j = 0; j < to->columns->n; j++)
		numbers[j * to->column_step] = SL_TABLES_PLACE_NONE;
	while (n-- > 0) {
		const uint32_t box = f->ones[n];

		for (uint32_t k = holders->starts[box]; k < holders->starts[box + 1]; k++)
			numbers[holders->list[k] * to->column_step] = place_of(f, box);
	}
}

static int
find_ones(struct sl_tables_finder *f, const struct answers *to)
{
	struct holders holders = {.starts = NULL};
	int rc = list_holders(&holders, to->columns);

	for (uint32_t i = 0; i < to->rows->n && rc == 0; i++) {
		f->m->work.left -= to->columns->n;
		if (f->m->work.left < 0)
			rc = -E2BIG;
		else
			fill_ones(f, to, &holders, i);
	}
	free(holders.starts);
	free(holders.list);
	return rc;
}

int
sl_tables_find_answers(struct sl_tables_finder *f, const struct sl_sets *a, const struct sl_sets *b,
	uint32_t *numbers)
{
	/* The shorter rows are, the less there is to look at. */
	const bool is_turned = count_words(b) * a->n < count_words(a) * b->n;
	const struct answers to = {.numbers = numbers,
		.rows = is_turned ? b : a,
		.columns = is_turned ? a : b,
		.row_step = is_turned ? 1 : b->n,
		.column_step = is_turned ? b->n : 1};
	int rc = 0;

	if (f->m->tables.answer == SL_TABLES_ONE)
		return find_ones(f, &to);
	for (uint32_t i = 0; i < to.rows->n && rc == 0; i++)
		rc = find_row(f, &to, i);
	return rc;
}

/* The answers of a group with a single node: one row, of all boxes. */
int
sl_tables_find_lone_answers(
	struct sl_tables_finder *f, const struct sl_sets *sets, uint32_t *numbers)
{
	struct sl_sets all;
	int rc = sl_sets_init(&all, sets->words);

	if (rc == 0) {
		memset(all.bits, 0xff, all.words * sizeof(*all.bits));
		all.n = 1;
		rc = sl_tables_find_answers(f, &all, sets, numbers);
	}
	sl_sets_fini(&all);
	return rc;
}

/* --- Lists. --- */

static uint32_t
count_bits(const uint64_t *bits, uint32_t words)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < words; i++)
		n += (uint32_t)__builtin_popcountll(bits[i]);
	return n;
}

/* Writes a set of places as a list. */
static void
write_list(struct sl_tables_maker *m, const uint64_t *bits, struct sl_tables_list *list)
{
	list->at = m->n_listed;
	for (uint32_t i = 0; i < m->answers.words; i++) {
		for (uint64_t left = bits[i]; left != 0; left &= left - 1)
			m->places[m->n_listed++] = 64 * i + (uint32_t)__builtin_ctzll(left);
		if (i < (m->n_places + 63) / 64)
			list->is_tested = list->is_tested || (bits[i] & m->tested[i]) != 0;
	}
	list->n = m->n_listed - list->at;
}

int
sl_tables_write_lists(struct sl_tables_maker *m)
{
	const struct sl_sets *sets = &m->answers;
	uint64_t n_listed = 0;
	uint32_t n_longest = 0;

	if (m->tables.answer != SL_TABLES_LISTS)
		return 0;
	for (uint32_t i = 0; i < sets->n; i++) {
		const uint32_t n = count_bits(sl_sets_at(sets, i), sets->words);

		n_listed += n;
		n_longest = SL_MAX(n_longest, n);
	}
	/* Lists of all groups must fit where the packet's list will be. */
	if (n_listed > m->cells.n_max || (uint64_t)n_longest * m->groups.n_groups > SL_MATCHES_MAX)
		return -E2BIG;
	m->lists = calloc(sets->n, sizeof(*m->lists));
	m->places = calloc(n_listed + 1, sizeof(*m->places));
	if (m->lists == NULL || m->places == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < sets->n; i++)
		write_list(m, sl_sets_at(sets, i), &m->lists[i]);
	return 0;
}
