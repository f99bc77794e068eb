/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables.h"

#include "classifier/box.h"
#include "classifier/tables_cells.h"
#include "classifier/tables_dims.h"
#include "classifier/tables_plan.h"
#include "classifier/tables_sets.h"
#include "classifier/tables_squeeze.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Words of sets a build may look at: some 60 ms. */
#define WORK_MAX 60000000
/* More boxes than these are not tried. */
#define BOXES_MAX 16384u
/* Cells of all tables before they are squeezed. */
#define VALUES_MAX ((size_t)6 << 20)
/* With more cells, tables would not stay in the second level of the cache, */
#define CELLS_GOOD 950000u
/* and look-ups become cheap compared with them; down to this. */
#define LOOK_UP_MIN (SL_TABLES_LOOK_UP / 16)
/* Numbers a cell can hold. */
#define NUMBERS_MAX 0x10000u

/* Tables on their way. */
struct maker {
	const struct sl_boxes *boxes;
	const struct sl_key_plan *plan;
	const uint32_t *ends;
	uint32_t n_places;
	struct sl_tables_work work;
	struct sl_dims dims;
	struct sl_tables_plan groups;
	struct sl_cells cells;
	struct sl_tables tables;                       /* all but its memory */
	struct sl_key_word words[SL_TABLES_WORDS_MAX]; /* by slot */
	uint8_t slots[SL_TABLES_NODES_MAX];            /* of dimensions and shared nodes */
	uint8_t *sublayer_of;                          /* by place, FEW */
	uint64_t *tested;                              /* by place, a bit each */
	/* FEW: the answers.  LISTS: sets of places; the first is empty. */
	struct sl_sets answers;
	struct sl_tables_list *lists;
	uint32_t *places;
	uint32_t n_listed;
	struct sl_matrix matrices[SL_TABLES_PAIRS_MAX]; /* by pair */
	size_t n_values_left;                           /* that they may still have */
};

/* --- Kinds of answers. --- */

/* Numbers the sublayers of places. Returns how many, or 0 if a match may go on behind a place. */
static uint32_t
number_sublayers(struct maker *m)
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

/* Marks the places that must be tested. Returns whether there are any. */
static bool
mark_tested(struct maker *m)
{
	bool has_any = false;

	for (uint32_t i = 0; i < m->boxes->n; i++) {
		const struct sl_box *box = &m->boxes->list[i];

		if (!box->is_tested)
			continue;
		m->tested[box->rank / 64] |= (uint64_t)1 << box->rank % 64;
		has_any = true;
	}
	return has_any;
}

static int
choose_answer(struct maker *m)
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

/* --- Words and elements. --- */

static int
add_word(struct maker *m, struct sl_key_word word, uint8_t *slot)
{
	struct sl_tables *tables = &m->tables;

	for (uint8_t i = 0; i < tables->n_words; i++) {
		if (m->words[i].offset == word.offset &&
			m->words[i].is_swapped == word.is_swapped) {
			*slot = i;
			return 0;
		}
	}
	if (tables->n_words == SL_TABLES_WORDS_MAX)
		return -E2BIG;
	*slot = tables->n_words;
	m->words[tables->n_words++] = word;
	tables->meta_lines |= 1u << word.offset / SL_CACHE_LINE;
	return 0;
}

/* Puts a word into a window that has its place free. */
static bool
join_window(struct sl_tables_window *window, const struct sl_key_word *word, uint8_t slot)
{
	const uint32_t at = ((uint32_t)word->offset - window->offset) / sizeof(uint32_t);

	if (word->offset < window->offset || at >= SL_TABLES_WINDOW ||
		window->slots[at] != SL_TABLES_SLOT_NONE)
		return false;
	window->slots[at] = slot;
	window->swapped |= (uint8_t)(word->is_swapped << at);
	return true;
}

static void
add_to_window(struct sl_tables *tables, const struct sl_key_word *word, uint8_t slot)
{
	const size_t last = sizeof(struct sl_meta) - SL_TABLES_WINDOW * sizeof(uint32_t);
	struct sl_tables_window *window;

	for (uint32_t i = 0; i < tables->n_windows; i++) {
		if (join_window(&tables->windows[i], word, slot))
			return;
	}
	window = &tables->windows[tables->n_windows++];
	window->offset = (uint16_t)SL_MIN((size_t)word->offset, last);
	memset(window->slots, SL_TABLES_SLOT_NONE, sizeof(window->slots));
	(void)join_window(window, word, slot);
}

/* By ascending offset, each window begins at the first word that no other holds. */
static void
make_windows(struct maker *m)
{
	uint32_t offset = 0;

	for (; offset < sizeof(struct sl_meta); offset += sizeof(uint32_t)) {
		for (uint8_t i = 0; i < m->tables.n_words; i++) {
			if (m->words[i].offset == offset)
				add_to_window(&m->tables, &m->words[i], i);
		}
	}
}

/* The half of the presence mask that tells of a slot is a word like any other. */
static int
add_presence(struct maker *m, const struct sl_dim *dim, struct sl_tables_element *element)
{
	const uint8_t slot = m->plan->parts[dim->part].slot;
	const uint32_t half =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? slot / 32u : 1 - slot / 32u;
	const uint16_t offset =
		(uint16_t)(offsetof(struct sl_meta, present) + half * sizeof(uint32_t));

	element->present_bit = (uint32_t)1 << slot % 32;
	return add_word(m, (struct sl_key_word){.offset = offset}, &element->present_word);
}

static int
add_element(struct maker *m, uint32_t d)
{
	const struct sl_dim *dim = &m->dims.list[d];
	struct sl_tables_element *element = &m->tables.elements[d];
	const struct sl_key_element *key = &m->plan->elements[dim->element];
	int rc = 0;

	element->present_word = SL_TABLES_ALWAYS;
	if (dim->is_first)
		rc = add_presence(m, dim, element);
	if (dim->is_text) {
		element->word = element->present_word;
		element->absent = dim->class_of[dim->n];
		for (uint32_t i = 0; i <= SL_TABLES_CUTS; i++)
			element->map[i] = dim->class_of[0];
		return rc;
	}
	if (rc == 0)
		rc = add_word(m, m->plan->words[key->word], &element->word);
	element->shift = key->shift;
	element->mask = sl_element_max(key);
	return rc;
}

/* Classes of elements come behind the words. */
static int
add_elements(struct maker *m)
{
	int rc = 0;

	for (uint32_t d = 0; d < m->dims.n && rc == 0; d++)
		rc = add_element(m, d);
	make_windows(m);
	m->tables.n_elements = (uint8_t)m->dims.n;
	for (uint32_t d = 0; d < m->dims.n; d++)
		m->tables.elements[d].out = (uint8_t)(m->tables.n_words + d);
	return rc;
}

/* --- Pairs. --- */

/* A node as packets have it: `n` classes, of which class c is set set_of[c]. */
struct node {
	const struct sl_sets *sets;
	struct sl_sets own; /* `sets`, unless they are the plan's */
	uint32_t *set_of;   /* NULL: class c is set c */
	uint32_t n;
	uint8_t slot;
};

/* The members that a row and a column have in common: words of the sets that can be other than 0. */
struct common {
	uint64_t *bits;
	uint32_t *at; /* which words they are, ascending */
	uint32_t n;
};

/* A group at work, or what all of them share. */
struct work {
	struct maker *m;
	const struct sl_tables_group *group; /* NULL: all */
	struct node nodes[SL_TABLES_NODES_MAX];
	struct common common;
	uint64_t *answer;
	uint32_t *ones; /* boxes of a row */
};

static int
load_leaf(struct work *w, uint32_t i)
{
	struct node *node = &w->nodes[i];
	const struct sl_sets *sets = sl_tables_node_sets(&w->m->groups, i);

	node->n = sets->n;
	node->slot = w->m->slots[i];
	node->sets = &node->own;
	node->set_of = calloc(node->n, sizeof(*node->set_of));
	if (node->set_of == NULL)
		return -ENOMEM;
	return sl_tables_group_sets(&w->m->groups, w->group, i, &node->own, node->set_of);
}

static uint32_t
set_of(const struct node *node, uint32_t class)
{
	return node->set_of == NULL ? class : node->set_of[class];
}

/* The table of two nodes as packets look it up; `numbers` are by sets. 0, -ENOMEM or -E2BIG. */
static int
fill_matrix(struct maker *m, const struct node *a, const struct node *b, const uint32_t *numbers,
	struct sl_matrix *matrix)
{
	const size_t n = (a == b ? (size_t)1 : a->n) * b->n;

	/* Both factors of a row's first cell must be below 32768, see sl_vec_multiply. */
	if (a->n > SL_TABLES_CLASSES_MAX || b->n > SL_TABLES_CLASSES_MAX || n > m->n_values_left)
		return -E2BIG;
	m->n_values_left -= n;
	matrix->n_rows = a == b ? 1 : a->n;
	matrix->n_columns = b->n;
	matrix->values = calloc(n, sizeof(*matrix->values));
	if (matrix->values == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < matrix->n_rows; i++) {
		const uint32_t *row = numbers + (a == b ? 0 : (size_t)set_of(a, i) * b->sets->n);
		uint32_t *to = matrix->values + (size_t)i * b->n;

		for (uint32_t j = 0; j < b->n; j++)
			to[j] = row[set_of(b, j)];
	}
	return 0;
}

/* --- Answers. --- */

static uint32_t
place_of(const struct work *w, uint32_t member)
{
	return w->m->boxes->list[member].rank;
}

/* The first match of each sublayer. */
static void
fill_few(const struct work *w)
{
	uint32_t next = 0;

	memset(w->answer, 0xff, w->m->answers.words * sizeof(*w->answer));
	for (uint32_t i = 0; i < w->common.n; i++) {
		w->m->work.left -= __builtin_popcountll(w->common.bits[i]);
		for (uint64_t left = w->common.bits[i]; left != 0; left &= left - 1) {
			const uint32_t member =
				64 * w->common.at[i] + (uint32_t)__builtin_ctzll(left);
			const uint32_t place = place_of(w, member);
			const uint32_t sublayer = w->m->sublayer_of[place];

			if (place < next)
				continue;
			w->answer[sublayer / 4] &= ~((uint64_t)0xffff << 16 * (sublayer % 4));
			w->answer[sublayer / 4] |= (uint64_t)place << 16 * (sublayer % 4);
			next = w->m->ends[place];
		}
	}
}

/* All matches that may be in the list, whatever tests say. */
static void
fill_list(const struct work *w)
{
	uint32_t next = 0;

	memset(w->answer, 0, w->m->answers.words * sizeof(*w->answer));
	for (uint32_t i = 0; i < w->common.n; i++) {
		w->m->work.left -= __builtin_popcountll(w->common.bits[i]);
		for (uint64_t left = w->common.bits[i]; left != 0; left &= left - 1) {
			const uint32_t member =
				64 * w->common.at[i] + (uint32_t)__builtin_ctzll(left);
			const uint32_t place = place_of(w, member);

			if (place < next)
				continue;
			w->answer[place / 64] |= (uint64_t)1 << place % 64;
			if (!w->m->boxes->list[member].is_tested)
				next = w->m->ends[place];
		}
	}
}

/* Finds what a row and a column have in common. Returns whether it is other than before. */
static bool
intersect(struct common *common, const uint64_t *row, const uint64_t *column)
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
find_answer(struct work *w, uint32_t *number)
{
	if (w->m->tables.answer == SL_TABLES_FEW)
		fill_few(w);
	else
		fill_list(w);
	if (sl_sets_add(&w->m->answers, w->answer, number) != 0)
		return -ENOMEM;
	return w->m->answers.n > NUMBERS_MAX ? -E2BIG : 0;
}

static void
find_common(struct common *common, const uint64_t *bits, uint32_t words)
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
find_row(struct work *w, const struct answers *to, uint32_t i)
{
	const uint64_t *row = sl_sets_at(to->rows, i);
	uint32_t number = 0;
	int rc = 0;

	find_common(&w->common, row, to->rows->words);
	w->m->work.left -= (int64_t)to->columns->n * (w->common.n + w->m->answers.words + 8);
	if (w->m->work.left < 0)
		return -E2BIG;
	for (uint32_t j = 0; j < to->columns->n && rc == 0; j++) {
		/* Neighbours are often alike. */
		if (intersect(&w->common, row, sl_sets_at(to->columns, j)) || j == 0)
			rc = find_answer(w, &number);
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
list_ones(const struct work *w, const struct answers *to, const struct holders *holders,
	const uint64_t *row)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < to->rows->words; k++) {
		for (uint64_t left = row[k]; left != 0; left &= left - 1) {
			const uint32_t box = 64 * k + (uint32_t)__builtin_ctzll(left);

			w->ones[n++] = box;
			if (holders->starts[box + 1] - holders->starts[box] == to->columns->n)
				return n;
		}
	}
	return n;
}

/* The first match of each column: from the last box to the first, each takes the columns that hold it. */
static void
fill_ones(const struct work *w, const struct answers *to, const struct holders *holders, uint32_t i)
{
	uint32_t *numbers = to->numbers + i * to->row_step;
	uint32_t n = list_ones(w, to, holders, sl_sets_at(to->rows, i));

	for (uint32_t j = 0; j < to->columns->n; j++)
		numbers[j * to->column_step] = SL_TABLES_PLACE_NONE;
	while (n-- > 0) {
		const uint32_t box = w->ones[n];

		for (uint32_t k = holders->starts[box]; k < holders->starts[box + 1]; k++)
			numbers[holders->list[k] * to->column_step] = place_of(w, box);
	}
}

static int
find_ones(struct work *w, const struct answers *to)
{
	struct holders holders = {.starts = NULL};
	int rc = list_holders(&holders, to->columns);

	for (uint32_t i = 0; i < to->rows->n && rc == 0; i++) {
		w->m->work.left -= to->columns->n;
		if (w->m->work.left < 0)
			rc = -E2BIG;
		else
			fill_ones(w, to, &holders, i);
	}
	free(holders.starts);
	free(holders.list);
	return rc;
}

/* numbers[i * b->n + j] becomes the answer of sets i and j. */
static int
find_answers(struct work *w, const struct sl_sets *a, const struct sl_sets *b, uint32_t *numbers)
{
	/* The shorter rows are, the less there is to look at. */
	const bool is_turned = count_words(b) * a->n < count_words(a) * b->n;
	const struct answers to = {.numbers = numbers,
		.rows = is_turned ? b : a,
		.columns = is_turned ? a : b,
		.row_step = is_turned ? 1 : b->n,
		.column_step = is_turned ? b->n : 1};
	int rc = 0;

	if (w->m->tables.answer == SL_TABLES_ONE)
		return find_ones(w, &to);
	for (uint32_t i = 0; i < to.rows->n && rc == 0; i++)
		rc = find_row(w, &to, i);
	return rc;
}

/* The answers of a group with a single node: one row, of all boxes. */
static int
find_lone_answers(struct work *w, const struct sl_sets *sets, uint32_t *numbers)
{
	struct sl_sets all;
	int rc = sl_sets_init(&all, sets->words);

	if (rc == 0) {
		memset(all.bits, 0xff, all.words * sizeof(*all.bits));
		all.n = 1;
		rc = find_answers(w, &all, sets, numbers);
	}
	sl_sets_fini(&all);
	return rc;
}

/* --- Groups. --- */

/* Makes the next pair, whose slot comes behind those that there are. */
static struct sl_tables_pair *
next_pair(struct sl_tables *tables)
{
	const uint32_t slot = (uint32_t)tables->n_words + tables->n_elements + tables->n_pairs;
	struct sl_tables_pair *pair = &tables->pairs[tables->n_pairs];

	if (tables->n_pairs == SL_TABLES_PAIRS_MAX || slot >= SL_TABLES_SLOTS_MAX)
		return NULL;
	tables->n_pairs++;
	pair->out = (uint8_t)slot;
	pair->second = SL_TABLES_SLOT_NONE;
	return pair;
}

/* Merges two nodes into node `made`, or, if that is NULL, into the answer of the group. */
static int
add_pair(struct work *w, const struct sl_tables_merge *merge, struct node *made)
{
	const struct node *a = &w->nodes[merge->a];
	const struct node *b = &w->nodes[merge->b];
	struct sl_tables_pair *pair = next_pair(&w->m->tables);
	uint32_t *numbers;
	int rc;

	if (pair == NULL)
		return -E2BIG;
	numbers = calloc((a == b ? (size_t)1 : a->sets->n) * b->sets->n, sizeof(*numbers));
	if (numbers == NULL)
		return -ENOMEM;
	if (made == NULL) {
		w->m->tables.results[w->m->tables.n_groups++] = pair->out;
		rc = a == b ? find_lone_answers(w, b->sets, numbers)
			    : find_answers(w, a->sets, b->sets, numbers);
	} else {
		rc = sl_sets_init(&made->own, a->sets->words);
		if (rc == 0)
			rc = sl_sets_cross(&made->own, a->sets, 1, b->sets, numbers, &w->m->work);
		made->sets = &made->own;
		made->n = made->own.n;
		made->slot = pair->out;
	}
	pair->a = a->slot;
	pair->b = b->slot;
	if (rc == 0)
		rc = fill_matrix(w->m, a, b, numbers, &w->m->matrices[w->m->tables.n_pairs - 1]);
	free(numbers);
	return rc;
}

static struct work *
work_new(struct maker *m, const struct sl_tables_group *group)
{
	struct work *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->m = m;
	w->group = group;
	return w;
}

static void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	for (uint32_t i = 0; i < SL_TABLES_NODES_MAX; i++) {
		sl_sets_fini(&w->nodes[i].own);
		free(w->nodes[i].set_of);
	}
	free(w->common.bits);
	free(w->common.at);
	free(w->answer);
	free(w->ones);
	free(w);
}

/* Pairs that all groups share: their sets are of all boxes, and every class is a set. */
static int
add_shared(struct maker *m)
{
	const struct sl_tables_plan *plan = &m->groups;
	struct work *w = work_new(m, NULL);
	int rc = w == NULL ? -ENOMEM : 0;

	for (uint32_t d = 0; d < m->dims.n && rc == 0; d++) {
		m->slots[d] = m->tables.elements[d].out;
		w->nodes[d] = (struct node){.sets = &m->dims.list[d].sets,
			.n = m->dims.list[d].sets.n,
			.slot = m->slots[d]};
	}
	for (uint32_t i = 0; i < plan->n_shared && rc == 0; i++) {
		struct node *made = &w->nodes[m->dims.n + i];

		rc = add_pair(w, &plan->shared[i], made);
		m->slots[m->dims.n + i] = made->slot;
	}
	work_free(w);
	return rc;
}

static int
add_group(struct maker *m, const struct sl_tables_group *group)
{
	const struct sl_tables_plan *plan = &m->groups;
	struct work *w = work_new(m, group);
	int rc = 0;

	if (w == NULL)
		return -ENOMEM;
	w->common.bits = calloc(m->boxes->n / 64 + (size_t)1, sizeof(*w->common.bits));
	w->common.at = calloc(m->boxes->n / 64 + (size_t)1, sizeof(*w->common.at));
	w->answer = calloc(m->answers.words, sizeof(*w->answer));
	w->ones = calloc(m->boxes->n + (size_t)64, sizeof(*w->ones));
	if (w->common.bits == NULL || w->common.at == NULL || w->answer == NULL || w->ones == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < plan->n_leaves && rc == 0; i++)
		rc = load_leaf(w, plan->leaves[i]);
	for (uint32_t i = 0; i < group->n_merges && rc == 0; i++)
		rc = add_pair(w, &group->merges[i],
			i + 1 == group->n_merges ? NULL
						 : &w->nodes[m->dims.n + plan->n_shared + i]);
	work_free(w);
	return rc;
}

static int
add_groups(struct maker *m)
{
	int rc = add_shared(m);

	for (uint32_t i = 0; i < m->groups.n_groups && rc == 0; i++)
		rc = add_group(m, &m->groups.groups[i]);
	return rc;
}

/* --- Cells. --- */

/* Writes all tables, with look-ups worth so many cells. */
static int
write_cells(struct maker *m, uint32_t look_up)
{
	int rc = 0;

	m->cells.n = 0;
	m->cells.look_up = look_up;
	for (uint32_t d = 0; d < m->dims.n && rc == 0; d++) {
		const struct sl_dim *dim = &m->dims.list[d];

		if (!dim->is_text)
			rc = sl_tables_look_up(dim, m->plan->elements[dim->element].bits, &m->cells,
				&m->tables.elements[d]);
	}
	return rc == 0 ? sl_tables_put_pairs(&m->tables, m->matrices, &m->cells) : rc;
}

/* Writes all tables, with more look-ups the more cells there would be. */
static int
fit_cells(struct maker *m)
{
	struct sl_tables_pair pairs[SL_TABLES_PAIRS_MAX];
	uint32_t look_up = SL_TABLES_LOOK_UP;
	int rc;

	sl_tables_unite_pairs(&m->tables, m->matrices);
	memcpy(pairs, m->tables.pairs, sizeof(pairs));
	do {
		memcpy(m->tables.pairs, pairs, sizeof(pairs));
		rc = write_cells(m, look_up);
		look_up /= 2;
	} while ((rc == -E2BIG || (rc == 0 && m->cells.n > CELLS_GOOD)) && look_up >= LOOK_UP_MIN);
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
write_list(struct maker *m, const uint64_t *bits, struct sl_tables_list *list)
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

static int
write_lists(struct maker *m)
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

/* --- The one allocation. --- */

/* One part of the memory: filled from `from`, and `*to` set to where it is. */
struct piece {
	const void *from;
	size_t size;
	const void **to;
};

static size_t
piece_room(size_t size)
{
	/* A gather reads four bytes of a cell's two: there is always something behind the last one. */
	return (size + sizeof(uint32_t) + SL_CACHE_LINE - 1) & ~(size_t)(SL_CACHE_LINE - 1);
}

static void
count_facts(struct sl_tables *tables, const struct maker *m)
{
	tables->n_cells = m->cells.n;
	tables->n_answers = m->answers.n;
	tables->gathers = tables->n_windows + (uint32_t)tables->n_pairs +
		(uint32_t)tables->n_quads * tables->n_groups;
	for (uint32_t i = 0; i < tables->n_pairs; i++)
		tables->gathers += tables->pairs[i].kinds != 0 ? 2 : 0;
	for (uint32_t i = 0; i < tables->n_elements; i++)
		tables->gathers += tables->elements[i].n_levels;
	tables->lines = (uint32_t)(tables->table_bytes / SL_CACHE_LINE);
}

static int
freeze(struct maker *m, size_t bytes_max, const struct sl_tables **out)
{
	struct sl_tables *tables = &m->tables;
	const bool is_few = tables->answer == SL_TABLES_FEW;
	const bool is_list = tables->answer == SL_TABLES_LISTS;
	const struct piece pieces[] = {
		{m->cells.list, m->cells.n * sizeof(*m->cells.list), (const void **)&tables->cells},
		{m->answers.bits,
			is_few ? m->answers.n * m->answers.words * sizeof(*m->answers.bits) : 0,
			(const void **)&tables->answers},
		{m->lists, is_list ? m->answers.n * sizeof(*m->lists) : 0,
			(const void **)&tables->lists},
		{m->places, is_list ? m->n_listed * sizeof(*m->places) : 0,
			(const void **)&tables->places},
		{m->tested, is_list ? (m->n_places / 64 + (size_t)1) * sizeof(*m->tested) : 0,
			(const void **)&tables->tested},
	};
	size_t size = piece_room(sizeof(*tables));
	uint8_t *memory;
	uint8_t *at;

	for (size_t i = 0; i < SL_ARRAY_LEN(pieces); i++)
		size += piece_room(pieces[i].size);
	if (size > bytes_max)
		return -E2BIG;
	memory = aligned_alloc(SL_CACHE_LINE, size);
	if (memory == NULL)
		return -ENOMEM;
	memset(memory, 0, size);
	at = memory + piece_room(sizeof(*tables));
	tables->table_bytes = size - (size_t)(at - memory);
	for (size_t i = 0; i < SL_ARRAY_LEN(pieces); i++) {
		if (pieces[i].size > 0)
			memcpy(at, pieces[i].from, pieces[i].size);
		*pieces[i].to = at;
		at += piece_room(pieces[i].size);
	}
	tables->bytes = size;
	count_facts(tables, m);
	memcpy(memory, tables, sizeof(*tables));
	*out = (const struct sl_tables *)(const void *)memory;
	return 0;
}

/* --- All. --- */

static int
make(struct maker *m, size_t bytes_max, const struct sl_tables **out)
{
	int rc;

	m->work.left = WORK_MAX;
	m->n_values_left = VALUES_MAX;
	m->cells.n_max = (uint32_t)SL_MIN(bytes_max / sizeof(uint16_t), (size_t)UINT32_MAX / 4);
	m->sublayer_of = calloc(m->n_places + (size_t)1, sizeof(*m->sublayer_of));
	m->tested = calloc(m->n_places / 64 + (size_t)1, sizeof(*m->tested));
	if (m->sublayer_of == NULL || m->tested == NULL)
		return -ENOMEM;
	rc = choose_answer(m);
	if (rc == 0)
		rc = sl_dims_init(&m->dims, m->boxes, m->plan);
	if (rc == 0 && (m->dims.n == 0 || m->dims.n > SL_TABLES_ELEMENTS_MAX))
		rc = -E2BIG;
	if (rc == 0)
		rc = sl_tables_plan_make(&m->groups, &m->dims, m->cells.n_max, &m->work);
	if (rc == 0)
		rc = add_elements(m);
	if (rc == 0)
		rc = add_groups(m);
	if (rc == 0)
		rc = fit_cells(m);
	if (rc == 0)
		rc = write_lists(m);
	return rc == 0 ? freeze(m, bytes_max, out) : rc;
}

int
sl_tables_build(const struct sl_boxes *boxes, const struct sl_key_plan *plan, const uint32_t *ends,
	uint32_t n_places, size_t bytes_max, const struct sl_tables **out, struct sl_error *err)
{
	struct maker *m;
	int rc;

	*out = NULL;
	if (boxes->n == 0 || boxes->n > BOXES_MAX)
		return 0;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "out of memory");
	m->boxes = boxes;
	m->plan = plan;
	m->ends = ends;
	m->n_places = n_places;
	rc = make(m, bytes_max, out);
	sl_tables_plan_fini(&m->groups);
	sl_dims_fini(&m->dims);
	sl_cells_fini(&m->cells);
	sl_sets_fini(&m->answers);
	free(m->sublayer_of);
	free(m->tested);
	for (uint32_t i = 0; i < SL_TABLES_PAIRS_MAX; i++)
		free(m->matrices[i].values);
	free(m->lists);
	free(m->places);
	free(m);
	if (rc == -ENOMEM)
		return sl_error_set(
			err, SL_ERR_NO_MEMORY, NULL, "out of memory while tables are made");
	return 0;
}

void
sl_tables_free(const struct sl_tables *tables)
{
	/* The one writer of an immutable thing is the one who frees it. */
	free((void *)(uintptr_t)tables);
}
