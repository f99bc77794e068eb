/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_PROGRAM_H
#define SL_CLASSIFIER_PROGRAM_H

/*
 * The compiled form of some filters, as the run files read it.
 *
 * Key.     Before anything else words of a packet's metadata are copied together, two and two, so
 *          that a pair is a number of 64 bits.  One word may be derived: it tells which of the most
 *          frequent port ranges hold the packet.
 * Box.     A filter is one or more boxes: for every element of the key a closed range, for every
 *          field whether it must be present, must be absent, or either.  Boxes of one filter are
 *          disjoint.  A box that says less than the filter is marked, and what it lets through is
 *          tested by the filter's tests.
 * Tree.    A branch selects bits of one pair; the number they form leads to the next branch, or to
 *          a leaf.  Boxes that leave several of the selected bits open have been put off to the next
 *          tree; there are a few trees, and a packet visits one leaf of each.
 * Leaf.    Blocks of up to eight boxes in order of places, tested in as many lanes at once.
 * Bounds.  The number of trees, their depth, and the copies of a box are limited when the trees are
 *          built; where no bits help, a leaf is long.
 * Life.    One allocation, immutable.
 */

#include "classifier/sl_classify.h"
#include "classifier/sl_snapshot.h"
#include "classifier/wide.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_KEY_PARTS_MAX    32 /* fields of a layer that its filters use */
#define SL_KEY_WORDS_MAX    32 /* words of metadata they lie in */
#define SL_KEY_ELEMENTS_MAX 40
#define SL_KEY_PAIRS_MAX    8
#define SL_KEY_AT_MAX       40 /* words of a key: first the pairs, then the others */
#define SL_LANES            8  /* boxes of a block */
#define SL_BLOCK_COLUMNS    12 /* columns of a block */
#define SL_BLOCK_STANDARD   3  /* columns that all blocks of a program have */
#define SL_TREES_MAX        6

_Static_assert(SLUICE_FIELD_COUNT > SL_KEY_PARTS_MAX, "more fields exist than one layer may use");

/*
 * A word of the key: four bytes of a packet's metadata, at a multiple of four, as a number in host
 * order.  What its fields leave of it is anything.
 */
struct sl_key_word {
	uint16_t offset; /* in struct sl_meta */
	bool is_swapped; /* its bytes are in network order */
};

/*
 * An element: the bits of one field in one word.  A field has one, or several if it is longer than
 * a word or crosses into another; the first is the most significant.
 */
struct sl_key_element {
	uint8_t word;
	uint8_t shift; /* of the word to the element's lowest bit */
	uint8_t bits;  /* 8, 16, 24 or 32 */
	uint8_t part;
};

/* One field of the key; part i has presence bit i.  Parts are in the order of their slots. */
struct sl_key_part {
	uint8_t slot;       /* enum sl_slot */
	uint8_t element;    /* first of its elements */
	uint8_t n_elements; /* 0: a text */
};

static inline uint32_t
sl_element_max(const struct sl_key_element *element)
{
	return UINT32_MAX >> (32 - element->bits);
}

/* How a word of the key is filled. */
enum sl_key_load_kind {
	SL_KEY_LOAD_WORD,
	SL_KEY_LOAD_SWAPPED, /* network order */
	SL_KEY_LOAD_DOUBLE   /* two words that follow each other in both places */
};

struct sl_key_load {
	uint16_t offset; /* in struct sl_meta */
	uint8_t to;      /* word of the key */
	uint8_t kind;    /* enum sl_key_load_kind */
};

/*
 * The derived word: in its upper half bit i tells that a 16-bit number lies in range i, which begins
 * at lows[i] and is spans[i] + 1 long.  Ranges 0..7 are for the number at offsets[0], 8..15 for the
 * one at offsets[1].  The lower half is a number of one byte.
 */
struct sl_key_derived {
	uint16_t lows[16];
	uint16_t spans[16];
	uint16_t offsets[2]; /* in struct sl_meta */
	uint16_t extra;      /* likewise, of the byte */
	uint8_t to;          /* word of the key */
	bool is_used;
};

/*
 * A branch.  With the bits of key pair `pair of to` that are set in the mask, as one number n, the
 * packet goes on at branch `index of to` + n; without bits, at the block there.  Both are numbered
 * in units of 16 bytes.
 */
struct sl_branch {
	uint64_t mask;
	uint32_t to;
	uint32_t best; /* lowest place below; NONE: there is nothing */
};

#define SL_TO_LEAF  0x80000000u
#define SL_TO_PAIR  28 /* shift */
#define SL_TO_INDEX 0x0fffffffu
#define SL_TO_UNIT  16u

_Static_assert(sizeof(struct sl_branch) == SL_TO_UNIT && SL_KEY_PAIRS_MAX <= 8,
	"a branch is a unit, a pair has three bits");

/* Numbers in one column of a block, by their width; columns of 8 and 16 have several in a word. */
enum sl_column_kind {
	SL_COLUMN_32,
	SL_COLUMN_16,
	SL_COLUMN_8
};

#define SL_COLUMN(at, kind)    ((uint8_t)((at) | (kind) << 6))
#define SL_COLUMN_AT(column)   ((column)&0x3fu)
#define SL_COLUMN_KIND(column) ((enum sl_column_kind)((column) >> 6))

enum sl_block_flag {
	SL_BLOCK_MORE = 0x1,        /* of its leaf follow */
	SL_BLOCK_PRESENCE = 0x2,    /* some box wants a field to be absent: has a presence line */
	SL_BLOCK_TESTS = 0x4,       /* some filter must be tested as a whole */
	SL_BLOCK_COLUMNS_MORE = 0x8 /* than the standard ones */
};

/*
 * A block: this header, then for each column, the program's standard ones first, eight lows and eight spans (high - low), then with
 * PRESENCE eight masks and eight values of the presence word.  Every part is a cache line.
 */
struct sl_block {
	uint32_t places[SL_LANES]; /* ascending; unused ones are NONE */
	/* The byte of the key that every block tests: value & mask. */
	uint8_t byte_values[SL_LANES];
	uint8_t byte_masks[SL_LANES];
	uint8_t lanes; /* bit per lane in use */
	uint8_t tests; /* bit per lane whose filter must be tested as a whole */
	uint8_t flags; /* enum sl_block_flag */
	uint8_t n_columns;
	uint8_t columns[SL_BLOCK_COLUMNS]; /* SL_COLUMN() */
};

#define SL_BLOCK_STRIDE \
	(2 * SL_LANES * sizeof(uint32_t)) /* bytes of a column, or of the presence */

_Static_assert(sizeof(struct sl_block) == SL_CACHE_LINE && SL_BLOCK_STRIDE == SL_CACHE_LINE,
	"a block's lanes begin at a cache line");

/* --- Tests of a whole filter. --- */

enum sl_test_op {
	SL_TEST_RANGE,    /* low <= value <= high */
	SL_TEST_IN_TABLE, /* `arg` is a table */
	SL_TEST_NOT_IN_TABLE,
	SL_TEST_FLAGS_ALL, /* of low */
	SL_TEST_FLAGS_ANY,
	SL_TEST_FLAGS_NONE,
	SL_TEST_ABSENT,
	SL_TEST_PRESENT,
	SL_TEST_BLOB, /* order against a text: `orders` tells which will do */
	SL_TEST_SUFFIX,
	SL_TEST_NOT_SUFFIX
};

/* Which orders of the field against the text a SL_TEST_BLOB accepts. */
enum sl_test_order {
	SL_ORDER_LESS = 1,
	SL_ORDER_EQUAL = 2,
	SL_ORDER_GREATER = 4
};

/* One alternative of a group. All but ABSENT are false when the field is absent. */
struct sl_test {
	uint8_t op;     /* enum sl_test_op */
	uint8_t slot;   /* enum sl_slot */
	bool is_last;   /* of its group */
	uint8_t orders; /* enum sl_test_order */
	uint32_t arg;   /* table, or offset of the text */
	uint64_t len;   /* bytes of the text */
	struct {
		sl_wide low;
		sl_wide high;
	} range; /* FLAGS: the bits in low */
};

/*
 * Sorted disjoint ranges of 32-bit or 128-bit numbers: all lows, then all highs.  Tables of 32-bit
 * numbers have an index by the top bits when they are long: entry i is the first range that ends
 * at or behind i << shift.
 */
struct sl_table {
	uint64_t offset; /* in the program's table bytes */
	uint64_t index;  /* likewise; 0: none */
	uint32_t n;
	uint8_t shift; /* of a value to its entry in the index */
	bool is_wide;
};

struct sl_tables;

struct sl_program {
	/* --- What every packet needs. --- */
	const struct sl_tables *tables;       /* answers instead of the trees; or NULL */
	const uint8_t *lines;                 /* branches, then blocks */
	struct sl_branch trees[SL_TREES_MAX]; /* by the lowest place in them */
	uint32_t n_trees;
	uint32_t n_loads;
	struct sl_key_load loads[SL_KEY_AT_MAX];
	struct sl_key_derived derived;
	uint8_t byte_at;                    /* word of the key with the byte that blocks test */
	uint8_t byte_shift;                 /* where it is there */
	uint8_t columns[SL_BLOCK_STANDARD]; /* SL_COLUMN(), first of every block */
	enum sl_simd simd;                  /* the form of the code that classifies */
	bool is_far;                        /* too large for the second-level cache */
	bool is_single;      /* one sublayer without callouts: the lowest place is the answer */
	uint32_t meta_lines; /* bit i: line i of a packet's metadata holds values of the key */
	uint64_t slot_mask;  /* presence bits in the metadata of the key's fields */
	/*
	 * By place: where the match list goes on behind this match.  0: at the next match, as a
	 * callout may continue; else the first place of the next sublayer, as this one ends here.
	 */
	const uint32_t *ends;
	const uint32_t *needs;    /* by place: presence word of the fields that must be there */
	const uint32_t *tests_at; /* by place: first test; the next place's is its end */
	const struct sl_test *tests;
	const struct sl_table *sets;
	const uint8_t *set_bytes;
	const uint8_t *texts;
	uint32_t n;         /* places */
	uint32_t found_max; /* places one packet may collect before they are sorted out */
	uint32_t n_parts;
	uint8_t slots[SL_KEY_PARTS_MAX]; /* by presence bit */
	struct sl_key_word words[SL_KEY_WORDS_MAX];
	struct sl_key_element elements[SL_KEY_ELEMENTS_MAX];
	uint32_t n_words;
	uint32_t n_elements;

	/* --- What reports need. --- */
	uint32_t n_boxes;
	uint32_t n_placed; /* boxes in leaves, copies included */
	uint32_t n_branches;
	uint32_t n_blocks;
	uint32_t n_tested; /* filters with tests */
	uint32_t n_sets;
	uint32_t leaf_max;    /* boxes of the longest leaf */
	uint32_t depth;       /* branches on the longest way */
	uint32_t expected_ps; /* picoseconds for a packet, as the cost model has it */
	size_t bytes;
};

/* --- Control time. --- */

/* How far a compilation is; may stop it. */
struct sl_compile_tick {
	const struct sl_compile_host *host;
	size_t done;     /* filters of finished layers */
	size_t total;    /* filters of the policy */
	uint64_t *stamp; /* the last one given to a filter; NULL: no filter is bound */
};

/* Reports `done` filters of the layer at work. 0, or BUSY when the host stops. */
int sl_compile_tick(
	const struct sl_compile_tick *tick, size_t done, struct sl_error *err) SL_MUST_CHECK;

/*
 * What a program is compiled from: filters of a layer, all or some, in arbitration order.  A program
 * numbers them by their place in this order and knows nothing else of the layer.
 */
struct sl_program_source {
	const struct sl_layer_program *layer;
	const uint32_t
		*filters;     /* by place: index in layer->filters; NULL: the place is the index */
	uint32_t n;           /* 0 is allowed */
	bool is_small_change; /* compile fast rather than well */
};

/* The index in layer->filters of the filter at a place. */
static inline uint32_t
sl_source_filter(const struct sl_program_source *source, uint32_t place)
{
	return source->filters == NULL ? place : source->filters[place];
}

/* 0 and `*out`, freed by sl_program_free and independent of the source; NO_MEMORY or BUSY. */
int sl_program_build(const struct sl_program_source *source, const struct sl_compile_tick *tick,
	const struct sl_program **out, struct sl_error *err) SL_MUST_CHECK;
/* NULL is allowed. */
void sl_program_free(const struct sl_program *program);

/* --- Packet time. --- */

/*
 * Match lists of a batch, in places.  Like sl_classify_run: from the first packet on until `out` is
 * full, returns how many were done.
 */
uint32_t sl_program_run(const struct sl_program *program, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out);
/*
 * The match list of one packet as if filters were not there: bit p % 64 of dead[p / 64] is set for
 * the filter at place p.  Stores places, ascending, and returns how many; `n_max` at least
 * SL_MATCHES_MAX.  Slower than sl_program_run.
 */
uint32_t sl_program_run_without(const struct sl_program *program, const uint64_t *dead,
	const struct sl_meta *meta, uint32_t *places, uint32_t n_max);

/* True when the packet passes all tests of the filter. */
bool sl_test_run(const struct sl_program *program, uint32_t place, const struct sl_meta *meta);

#endif
