/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/tables_order.h"

#include "classifier/tables_squeeze.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Cells from which the classes of a pair are estimated, with many nodes left and with three. */
#define SAMPLE_EARLY 1024u
#define SAMPLE_LATE  32768u
/* Pairs of more cells are not looked at before they must be. */
#define TRY_MAX 65536u
/* ... and more cells than these never. */
#define PAIR_MAX 2000000u

/* A group's nodes while the order is sought. */
struct search {
	const struct sl_tables_plan *plan;
	struct sl_tables_group *group;
	struct sl_tables_work *work;
	struct sl_sets sets[SL_TABLES_NODES_MAX];
	uint32_t n_nodes;
	uint8_t open[SL_DIMS_MAX]; /* nodes that are not merged yet */
	uint32_t n_open;
	uint64_t limit;   /* cells from which on the group is of no interest */
	uint64_t cost;    /* cells so far */
	uint64_t *common; /* by node, see common_of */
	uint32_t words;
	/* By two nodes: how many classes they have together; 0: not known. */
	uint32_t joint[SL_TABLES_NODES_MAX][SL_TABLES_NODES_MAX];
	uint32_t joint16[SL_TABLES_NODES_MAX][SL_TABLES_NODES_MAX]; /* their mean16 */
	uint32_t sample[SL_TABLES_NODES_MAX][SL_TABLES_NODES_MAX];  /* cells looked at */
	uint32_t mean16[SL_TABLES_NODES_MAX];                       /* see sl_sets_mean16 */
};

/* The boxes that all classes of a node hold. */
static uint64_t *
common_of(const struct search *s, uint32_t node)
{
	return s->common + (size_t)node * s->words;
}

static int
load_nodes(struct search *s)
{
	s->n_nodes = s->plan->dims->n + s->plan->n_shared;
	for (uint32_t i = 0; i < s->plan->n_leaves; i++) {
		const uint8_t node = s->plan->leaves[i];
		const struct sl_sets *from = sl_tables_node_sets(s->plan, node);
		const int rc = sl_tables_group_sets(s->plan, s->group, node, &s->sets[node], NULL);

		if (rc != 0)
			return rc;
		s->mean16[node] = sl_sets_mean16(&s->sets[node]);
		sl_sets_common(&s->sets[node], common_of(s, node));
		for (uint32_t k = 0; k < s->words; k++)
			common_of(s, node)[k] &= s->group->members[k];
		s->work->left -= (int64_t)from->n * from->words;
		if (s->sets[node].n > 1)
			s->open[s->n_open++] = node;
	}
	return s->work->left < 0 ? -E2BIG : 0;
}

static uint64_t
cells_of(const struct search *s, uint32_t a, uint32_t b)
{
	return (uint64_t)s->sets[a].n * s->sets[b].n;
}

static void
merge_common(struct search *s, uint32_t a, uint32_t b, uint32_t made)
{
	for (uint32_t i = 0; i < s->words; i++)
		common_of(s, made)[i] = common_of(s, a)[i] & common_of(s, b)[i];
}

/* A node, which may not have been made yet. */
struct factor {
	uint32_t node;
	uint32_t mean16; /* boxes of a class, in sixteenths */
	uint64_t n;      /* classes */
};

/* What a table of two nodes is likely to take, squeezed, with the first for its rows. */
static uint64_t
squeezed_cost(const struct search *s, struct factor rows, struct factor columns)
{
	const uint64_t *in_rows = common_of(s, rows.node);
	const uint32_t n_shared = sl_bits_without(in_rows, common_of(s, columns.node), s->words);
	const uint32_t n_common = sl_bits_count(in_rows, s->words);
	const uint32_t own16 = rows.mean16 > 16 * n_common ? rows.mean16 - 16 * n_common : 0;

	return sl_squeezed_estimate(rows.n, columns.n, n_shared, rows.n * own16 / 16);
}

/* What the table of two nodes is likely to cost, in cells: those that it takes, and its look-ups. */
static uint64_t
table_cost(const struct search *s, struct factor a, struct factor b)
{
	const uint64_t plain = sl_tables_weigh(a.n * b.n, SL_TABLES_LOOK_UP) + SL_TABLES_LOOK_UP;
	uint64_t squeezed;

	if (sl_tables_squeezed_max(a.n * b.n, SL_TABLES_LOOK_UP) == 0)
		return plain;
	squeezed = SL_MIN(squeezed_cost(s, a, b), squeezed_cost(s, b, a));
	return SL_MIN(plain,
		sl_tables_weigh(squeezed, SL_TABLES_LOOK_UP) +
			SL_TABLES_SQUEEZED_LOOK_UPS * SL_TABLES_LOOK_UP);
}

static struct factor
factor_of(const struct search *s, uint32_t node)
{
	return (struct factor){.node = node, .mean16 = s->mean16[node], .n = s->sets[node].n};
}

/* Counts the classes that every `stride`-th set of `a` makes with all of `b`. */
static int
count_sample(struct search *s, const struct sl_sets *a, const struct sl_sets *b, uint32_t stride,
	uint32_t *n, uint32_t *mean16)
{
	struct sl_sets both;
	int rc = sl_sets_init(&both, a->words);

	if (rc == 0)
		rc = sl_sets_cross(&both, a, stride, b, NULL, s->work);
	*n = both.n;
	*mean16 = sl_sets_mean16(&both);
	sl_sets_fini(&both);
	return rc;
}

/*
 * How many classes two nodes have together: exactly if the cells are few, else as two samples let
 * expect, of which one is twice the other. If the larger one has 2^x times as many classes, all has
 * that for each doubling.
 */
static int
estimate_joint(struct search *s, uint32_t a, uint32_t b, uint32_t sample, uint64_t *n)
{
	const struct sl_sets *rows = &s->sets[s->sets[a].n > s->sets[b].n ? a : b];
	const struct sl_sets *columns = &s->sets[s->sets[a].n > s->sets[b].n ? b : a];
	const uint64_t cells = cells_of(s, a, b);
	uint32_t stride = 1;
	uint32_t more;
	uint32_t less;
	uint32_t mean16;
	int rc;

	*n = s->joint[a][b];
	if (*n > 0 && s->sample[a][b] >= SL_MIN(sample, cells))
		return 0;
	s->sample[a][b] = s->sample[b][a] = (uint32_t)SL_MIN(sample, cells);
	while (cells / stride > sample && rows->n / stride > 8)
		stride *= 2;
	rc = count_sample(s, rows, columns, stride, &more, &mean16);
	s->joint16[a][b] = s->joint16[b][a] = mean16;
	if (rc == 0 && stride > 1)
		rc = count_sample(s, rows, columns, 2 * stride, &less, &mean16);
	*n = more;
	for (uint32_t left = stride; left > 1 && rc == 0; left /= 2)
		*n = *n * more / less;
	*n = SL_MIN(*n, cells);
	s->joint[a][b] = s->joint[b][a] = (uint32_t)SL_MIN(*n, UINT32_MAX);
	return rc;
}

/* Merges the open nodes at two positions, a before b. */
static int
merge(struct search *s, uint32_t a, uint32_t b)
{
	struct sl_tables_group *group = s->group;
	const uint8_t node_a = s->open[a];
	const uint8_t node_b = s->open[b];
	const uint32_t made = s->n_nodes++;
	int rc;

	/* The same pair looks the same in every group. */
	group->merges[group->n_merges++] =
		(struct sl_tables_merge){SL_MIN(node_a, node_b), SL_MAX(node_a, node_b)};
	s->cost += table_cost(s, factor_of(s, node_a), factor_of(s, node_b));
	merge_common(s, node_a, node_b, made);
	s->open[a] = (uint8_t)made;
	s->open[b] = s->open[--s->n_open];
	if (s->n_open == 2) {
		/* What is left is one product, for which the count will do. */
		s->sets[made].n = s->joint[node_a][node_b];
		s->mean16[made] = s->joint16[node_a][node_b];
		return 0;
	}
	if (s->n_open == 1)
		return 0; /* the cells are the answer */
	if (sl_sets_init(&s->sets[made], s->sets[node_a].words) != 0)
		return -ENOMEM;
	rc = sl_sets_cross(&s->sets[made], &s->sets[node_a], 1, &s->sets[node_b], NULL, s->work);
	s->mean16[made] = sl_sets_mean16(&s->sets[made]);
	return rc;
}

/* Two positions in the list of open nodes. */
struct choice {
	uint32_t a;
	uint32_t b;
	uint64_t score; /* the lower the better */
};

/*
 * How good a pair is, while there are many nodes: a pair that hardly has more classes than one of
 * its nodes is nearly free of charge for all that follows.
 */
static int
rate_early(struct search *s, struct choice *choice)
{
	const uint32_t a = s->open[choice->a];
	const uint32_t b = s->open[choice->b];
	uint64_t n;
	int rc = 0;

	if (cells_of(s, a, b) <= TRY_MAX)
		rc = estimate_joint(s, a, b, SAMPLE_EARLY, &n);
	else
		n = cells_of(s, a, b);
	choice->score = n * SL_MIN(s->sets[a].n, s->sets[b].n);
	return rc;
}

static bool
is_leaf(const struct search *s, uint32_t node)
{
	return node < s->plan->dims->n + s->plan->n_shared;
}

/* With three nodes left: all cells that are yet to come. */
static int
rate_late(struct search *s, struct choice *choice)
{
	const uint32_t a = s->open[choice->a];
	const uint32_t b = s->open[choice->b];
	const uint32_t c = s->open[3 - choice->a - choice->b];
	const uint64_t cells = cells_of(s, a, b);
	const uint64_t left = s->limit > s->cost ? s->limit - s->cost : 0;
	struct factor both;
	uint64_t n;
	int rc;

	choice->score = SL_TABLES_COST_NONE;
	if (cells >= PAIR_MAX || table_cost(s, factor_of(s, a), factor_of(s, b)) >= left)
		return 0;
	rc = estimate_joint(s, a, b, SAMPLE_LATE, &n);
	merge_common(s, a, b, s->n_nodes);
	both = (struct factor){.node = s->n_nodes, .mean16 = s->joint16[a][b], .n = n};
	choice->score = table_cost(s, factor_of(s, a), factor_of(s, b)) +
		table_cost(s, both, factor_of(s, c));
	/* Two leaves can be looked up while the third node is still being made. */
	if (is_leaf(s, a) && is_leaf(s, b))
		choice->score = choice->score / 4 * 3;
	return rc;
}

static int
choose(struct search *s, struct choice *best)
{
	best->score = SL_TABLES_COST_NONE;
	for (uint32_t a = 0; a < s->n_open; a++) {
		for (uint32_t b = a + 1; b < s->n_open; b++) {
			struct choice choice = {.a = a, .b = b};
			const int rc =
				s->n_open == 3 ? rate_late(s, &choice) : rate_early(s, &choice);

			if (rc != 0)
				return rc;
			if (choice.score < best->score)
				*best = choice;
		}
	}
	return 0;
}

static int
search_order(struct search *s)
{
	int rc = load_nodes(s);

	/* One node, or none, is a table with a single row. */
	if (rc == 0 && s->n_open <= 1) {
		const uint8_t node = s->n_open == 1 ? s->open[0] : s->plan->leaves[0];

		s->group->merges[s->group->n_merges++] = (struct sl_tables_merge){node, node};
		s->cost = s->sets[node].n + SL_TABLES_LOOK_UP;
	}
	while (rc == 0 && s->n_open > 1) {
		struct choice best = {.a = 0, .b = 1, .score = 0};

		if (s->n_open > 2)
			rc = choose(s, &best);
		if (rc == 0 && (best.score == SL_TABLES_COST_NONE || s->cost >= s->limit)) {
			s->cost = SL_TABLES_COST_NONE;
			return 0;
		}
		if (rc == 0)
			rc = merge(s, best.a, best.b);
	}
	return rc;
}

int
sl_tables_order_group(const struct sl_tables_plan *plan, struct sl_tables_group *group,
	uint64_t limit, struct sl_tables_work *work)
{
	struct search *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->plan = plan;
	s->group = group;
	s->work = work;
	s->limit = limit;
	s->words = plan->dims->n_boxes / 64 + 1;
	s->common = calloc((size_t)SL_TABLES_NODES_MAX * s->words, sizeof(*s->common));
	group->n_merges = 0;
	rc = s->common == NULL ? -ENOMEM : search_order(s);
	if (rc == -E2BIG && work->left >= 0) {
		s->cost = SL_TABLES_COST_NONE;
		rc = 0;
	}
	group->cost = s->cost < limit ? s->cost : SL_TABLES_COST_NONE;
	for (uint32_t i = 0; i < s->n_nodes; i++)
		sl_sets_fini(&s->sets[i]);
	free(s->common);
	free(s);
	return rc;
}
