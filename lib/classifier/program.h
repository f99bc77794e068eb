/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_PROGRAM_H
#define SL_CLASSIFIER_PROGRAM_H

/*
 * The compiled form of a layer's filters, as the run files read it.
 *
 * Key.     Before anything else a packet's values are gathered into 32-bit words in host order,
 *          long values most significant word first, and one word with a presence bit for each field
 *          in use. Words of an absent field are 0.
 * Box.     A filter is one or more boxes: for every word a closed range, for every field whether it
 *          must be present, must be absent, or either.  Boxes of one filter are disjoint.  A box
 *          that says less than the filter is marked, and what it lets through is tested by the
 *          filter's tests.
 * Tree.    A node divides one word at up to 12 thresholds; its links lead to the child for an
 *          absent field and one for each part.  Boxes that would fall into too many parts hang off
 *          the node in a tree of their own, the rest, which every packet that passes the node
 *          visits as well.
 * Leaf.    Blocks of up to eight boxes in rank order, tested in as many lanes at once.  A block holds
 *          only the words that the way to the leaf left open.
 * Bounds.  The number of leaves one packet visits, the depth, and the copies of a box are limited
 *          when the tree is built; where no division helps, a leaf is long.
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
#define SL_LANES            8  /* boxes of a block */
#define SL_BLOCK_WORDS      12 /* words of a block */
#define SL_BLOCK_WORDS_MIN  4  /* shorter ones are filled up with words that hold anything */
#define SL_NODE_CUTS        12 /* thresholds of a node */
#define SL_VISITS_MAX       16 /* leaves one packet may visit */

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

struct sl_key {
	uint32_t words[SL_KEY_ELEMENTS_MAX];
	uint32_t present;
};

/* Where a link leads: nothing, a node, or a leaf; nodes and leaves are numbered by cache lines. */
#define SL_REF_LEAF 0x80000000u
#define SL_REF_NONE SL_REF_LEAF /* with the best NONE, which no leaf has */
#define SL_REF_UNIT 64u

struct sl_link {
	uint32_t ref;
	uint32_t best; /* lowest rank below */
};

/*
 * One cache line.  links[0] is for packets without the field; links[1 + i] for those with i
 * thresholds at or below the value.  A threshold t is stored as t - 1 with the top bit turned, so
 * that a signed comparison tells; unused ones are INT32_MAX, which nothing exceeds.
 */
struct sl_node {
	int32_t cuts[SL_NODE_CUTS];
	uint32_t links; /* index of the first link */
	uint8_t word;
	uint8_t bit; /* presence bit of the word's field */
	uint16_t reserved;
	struct sl_link rest; /* ref NONE: there is none */
};

_Static_assert(sizeof(struct sl_node) == SL_REF_UNIT, "a node is a cache line");

enum sl_block_flag {
	SL_BLOCK_LAST = 0x1,    /* of its leaf */
	SL_BLOCK_PRESENCE = 0x2 /* has presence masks */
};

/*
 * A block: this header, with PRESENCE eight masks and eight values of the presence word, then for
 * each of `n_words` words eight lows and eight spans (high - low).  Every part is a cache line.
 */
struct sl_block {
	uint8_t n_words;
	uint8_t flags; /* enum sl_block_flag */
	uint8_t lanes; /* bit per lane in use */
	uint8_t tests; /* bit per lane whose filter must be tested as a whole */
	uint8_t words[SL_BLOCK_WORDS];
	uint32_t ranks[SL_LANES + 1]; /* ascending; unused ones, and always the last, NONE */
	uint8_t reserved[12];
};

#define SL_BLOCK_STRIDE (2 * SL_LANES * sizeof(uint32_t)) /* bytes of a word, or of the presence */

_Static_assert(sizeof(struct sl_block) == SL_REF_UNIT && SL_BLOCK_STRIDE == SL_REF_UNIT,
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

struct sl_program {
	/* --- What every packet needs. --- */
	const uint8_t *lines;     /* nodes and their links, then blocks */
	const uint32_t *tests_at; /* by rank: first test; the next rank's is its end */
	const struct sl_test *tests;
	const struct sl_table *tables;
	const uint8_t *table_bytes;
	const uint8_t *texts;
	struct sl_link root;
	uint32_t n_parts;
	uint32_t meta_lines; /* bit i: line i of a packet's metadata holds values of the key */
	enum sl_simd simd;   /* the form of the code that classifies */
	bool is_single;      /* one sublayer without callouts: the lowest place is the answer */
	/*
	 * By place: where the match list goes on behind this match.  0: at the next match, as a callout may
	 * continue; else the first place of the next sublayer, as this one ends here.
	 */
	const uint32_t *ends;
	uint32_t n; /* places */
	struct sl_key_word words[SL_KEY_WORDS_MAX];
	struct sl_key_element elements[SL_KEY_ELEMENTS_MAX];
	uint8_t slots[SL_KEY_PARTS_MAX]; /* by presence bit */
	uint64_t slot_mask;              /* presence bits of those slots in the metadata */
	uint32_t n_elements;
	uint32_t found_max; /* ranks one packet may collect before they are sorted out */

	/* --- What reports need. --- */
	uint32_t n_words;
	uint32_t n_boxes;
	uint32_t n_placed; /* boxes in leaves, copies included */
	uint32_t n_nodes;
	uint32_t n_leaves;
	uint32_t n_rests;
	uint32_t n_tested; /* filters with tests */
	uint32_t n_tables;
	uint32_t leaf_max; /* boxes of the longest leaf */
	uint32_t depth;    /* nodes on the longest way */
	uint32_t visits_max;
	size_t bytes;
};

/* --- Control time. --- */

/* How far a compilation is; may stop it. */
struct sl_compile_tick {
	const struct sl_compile_host *host;
	size_t done;  /* filters of finished layers */
	size_t total; /* filters of the policy */
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
