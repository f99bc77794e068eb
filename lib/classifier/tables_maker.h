/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_MAKER_H
#define SL_CLASSIFIER_TABLES_MAKER_H

/* Tables on their way from boxes: what their makers share. */

#include "classifier/box.h"
#include "classifier/tables.h"
#include "classifier/tables_cells.h"
#include "classifier/tables_dims.h"
#include "classifier/tables_plan.h"
#include "classifier/tables_sets.h"
#include "classifier/tables_squeeze.h"

#include <stddef.h>
#include <stdint.h>

/* Tables on their way. */
struct sl_tables_maker {
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

/* The members that a row and a column have in common: words of the sets that can be other than 0. */
struct sl_tables_common {
	uint64_t *bits;
	uint32_t *at; /* which words they are, ascending */
	uint32_t n;
};

/* Finds the answers of a group. Zero-initialise, then init. */
struct sl_tables_finder {
	struct sl_tables_maker *m;
	struct sl_tables_common common;
	uint64_t *answer; /* the one at hand: a set of m->answers */
	uint32_t *ones;   /* boxes of a row */
};

/* All of these give 0, -ENOMEM, or -E2BIG when tables are not worth while. */

/* Words of the metadata, and an element for each dimension, but for its look-ups. */
int sl_tables_add_elements(struct sl_tables_maker *m) SL_MUST_CHECK;
/* Pairs of all groups, and their matrices. */
int sl_tables_add_groups(struct sl_tables_maker *m) SL_MUST_CHECK;

/* Finds out which kind of answers will do. */
int sl_tables_choose_answer(struct sl_tables_maker *m) SL_MUST_CHECK;
int sl_tables_finder_init(struct sl_tables_finder *f, struct sl_tables_maker *m) SL_MUST_CHECK;
void sl_tables_finder_fini(struct sl_tables_finder *f);
/* numbers[i * b->n + j] becomes the answer of what sets i and j have in common. */
int sl_tables_find_answers(struct sl_tables_finder *f, const struct sl_sets *a,
	const struct sl_sets *b, uint32_t *numbers) SL_MUST_CHECK;
/* numbers[j] becomes the answer of set j. */
int sl_tables_find_lone_answers(
	struct sl_tables_finder *f, const struct sl_sets *sets, uint32_t *numbers) SL_MUST_CHECK;
/* The answers as lists. */
int sl_tables_write_lists(struct sl_tables_maker *m) SL_MUST_CHECK;

#endif
