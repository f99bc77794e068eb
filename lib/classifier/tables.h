/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TABLES_H
#define SL_CLASSIFIER_TABLES_H

/*
 * Tables: a compiled form for programs of up to a few thousand boxes.  A packet is classified by table
 * look-ups alone, with no comparison of boxes and no branch that depends on it.
 *
 * Class.   Two values of an element are of one class when the same boxes hold them.  Every element
 *          is turned into its class first; an absent field is one more class of its first element.
 * Pair.    Two classes together select a cell of a table, which holds the class of both: again, one
 *          class for all that are in the same boxes.  So pair after pair goes until one class
 *          stands for the whole packet; the cells of the last table hold the answer instead of it.
 * Group.   A product of many classes can become large.  Boxes are therefore divided into a few
 *          groups, such that boxes which leave an element open are not with those that do not.
 *          Every group has pairs and an answer of its own, and answers are put together.
 * Answer.  ONE: one sublayer without callouts and tests: cells of last tables are places, NONE if
 *          nothing matches, and the lowest of all groups counts.  FEW: several such sublayers; cells
 *          number answers, which are places by sublayer.  LISTS: cells number lists of places.
 * Life.    One allocation, immutable.
 */

#include "classifier/key.h"
#include "classifier/program.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_boxes;

#define SL_TABLES_PLACE_NONE   0xffffu
#define SL_TABLES_PLACES_MAX   0xffffu /* so many places can be told apart from NONE */
#define SL_TABLES_CLASSES_MAX  0x7fffu /* of a node: cells of tries need the top bit */
#define SL_TABLES_CUTS         15u
#define SL_TABLES_LEVELS       4u
#define SL_TABLES_GROUPS_MAX   6u
#define SL_TABLES_WORDS_MAX    (SL_KEY_WORDS_MAX + 2u)
#define SL_TABLES_ELEMENTS_MAX 40u
#define SL_TABLES_PAIRS_MAX    72u
#define SL_TABLES_SLOTS_MAX    64u
#define SL_TABLES_SLOT_NONE    SL_TABLES_SLOTS_MAX /* one that is written to and never read */
#define SL_TABLES_WINDOW       4u                  /* words */
#define SL_TABLES_QUADS_MAX    4u                  /* FEW: four sublayers each */
#define SL_TABLES_ALWAYS       0xffu /* present_word of an element that needs no presence */

enum sl_tables_answer {
	SL_TABLES_ONE,
	SL_TABLES_FEW,
	SL_TABLES_LISTS
};

enum sl_tables_kind {
	SL_TABLES_COUNT, /* how many thresholds lie below the value selects the class */
	SL_TABLES_TRIE   /* the value's bits select it, some at each level */
};

/*
 * One level of a trie.  The cell of a value v of a node is base + (node << bits) + (v >> shift & mask);
 * a cell with the top bit set goes on at the next level, at the node in its other bits.
 */
struct sl_tables_level {
	uint32_t base; /* first cell */
	uint32_t mask;
	uint8_t shift;
	uint8_t bits;
};

#define SL_TABLES_NODE 0x8000u

/*
 * Words of the metadata that are read together, each to its slot.  Bit w of `swapped`: the bytes of
 * word w are in network order.
 */
struct sl_tables_window {
	uint16_t offset;
	uint8_t swapped;
	uint8_t slots[SL_TABLES_WINDOW];
};

/* From an element, (word >> shift) & mask, to its class in a slot. */
struct sl_tables_element {
	uint8_t kind; /* enum sl_tables_kind */
	uint8_t word; /* slot */
	uint8_t shift;
	uint8_t out;          /* slot */
	uint8_t present_word; /* slot of the word with its presence bit, or ALWAYS */
	uint8_t n_levels;
	uint8_t n_cuts;
	uint8_t reserved;
	uint32_t mask;
	uint32_t present_bit; /* 1 << bit */
	uint32_t absent;      /* class of an absent field */
	/* Thresholds t as in struct sl_node: t - 1 with the top bit turned. Class map[i] is above i of them. */
	int32_t cuts[SL_TABLES_CUTS];
	uint32_t map[SL_TABLES_CUTS + 1];
	struct sl_tables_level levels[SL_TABLES_LEVELS];
};

/*
 * From two slots to a third, or to the answer of a group: cells[base + a * stride + b].  A pair with
 * a second slot has two cells for each, one behind the other.  A squeezed one (tables_squeeze.h) has first at
 * its base an entry for each row, then by region and column the kind of column, then cells by row
 * and kind.
 */
struct sl_tables_pair {
	uint32_t base;
	uint32_t stride;
	uint8_t a;
	uint8_t b;
	uint8_t out;
	uint8_t second; /* or NONE */
	uint32_t kinds; /* behind the base; 0: not squeezed */
	uint32_t cells; /* likewise */
};

/* A list of places: the packet's, if none of them fails its test. */
struct sl_tables_list {
	uint32_t at; /* index in places */
	uint32_t n;
	bool is_tested; /* holds a place that must be tested, and goes on behind it */
};

struct sl_tables {
	/* --- What every packet needs. --- */
	const uint16_t *cells;
	const uint64_t *answers; /* FEW: by number and quad, four places each, lowest bits first */
	const struct sl_tables_list *lists; /* LISTS */
	const uint32_t *places;             /* of lists */
	const uint64_t *tested;             /* LISTS: bit p % 64 of tested[p / 64] */
	uint32_t meta_lines;                /* as in struct sl_program */
	uint8_t answer;                     /* enum sl_tables_answer */
	uint8_t n_words;                    /* the slots before those of elements */
	uint8_t n_windows;
	uint8_t n_elements;
	uint8_t n_pairs;
	uint8_t n_groups;
	uint8_t n_quads; /* FEW */
	struct sl_tables_window windows[SL_TABLES_WORDS_MAX];
	struct sl_tables_element elements[SL_TABLES_ELEMENTS_MAX];
	struct sl_tables_pair pairs[SL_TABLES_PAIRS_MAX];
	uint8_t results[SL_TABLES_GROUPS_MAX]; /* slots of the groups' answers */

	/* --- What reports and the choice among structures need. --- */
	size_t bytes;       /* of all */
	size_t table_bytes; /* that packets look up */
	uint32_t n_cells;
	uint32_t n_answers; /* FEW and LISTS */
	uint32_t gathers;   /* look-ups a packet, words of its metadata included */
	uint32_t lines;     /* estimate: cache lines of tables that all packets together touch */
};

/* --- Control time. --- */

/*
 * Builds tables from boxes, of which `ends` tells by place what follows a match (see struct
 * sl_program).  0 and `*out`, freed by sl_tables_free and independent of all arguments; `*out` is
 * NULL when tables would take more than `bytes_max`, or too long to build.  NO_MEMORY.
 */
int sl_tables_build(const struct sl_boxes *boxes, const struct sl_key_plan *plan,
	const uint32_t *ends, uint32_t n_places, size_t bytes_max, const struct sl_tables **out,
	struct sl_error *err) SL_MUST_CHECK;
/* NULL is allowed. */
void sl_tables_free(const struct sl_tables *tables);

/* --- Packet time. --- */

/*
 * Match lists of a batch in places, as sl_program_run gives them.  Of the program only `ends` and
 * the tests are read, and those only with LISTS.  One function for each instruction set.
 */
typedef uint32_t sl_tables_form_fn(const struct sl_program *program, const struct sl_tables *tables,
	const struct sl_meta *const metas[], uint32_t n, struct sl_matches *out);

sl_tables_form_fn sl_tables_portable;
#ifdef __x86_64__
sl_tables_form_fn sl_tables_avx2;
sl_tables_form_fn sl_tables_avx512;
#endif

/*
 * LISTS: the match list of a packet of which groups gave the lists `numbers`.  Stores places,
 * ascending, and returns how many, or UINT32_MAX when `room` may be too small.
 */
uint32_t sl_tables_join(const struct sl_program *program, const struct sl_tables *tables,
	const uint32_t *numbers, const struct sl_meta *meta, uint32_t *places, uint32_t room);

#endif
