/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_CLASSIFIER_TEST_H
#define SL_CLASSIFIER_TEST_H

/*
 * Tests of whole filters, for filters that boxes cannot express: flags, texts, big sets, many
 * alternatives (see program.h for the form).  A set is compiled once, however many filters name it.
 */

#include "base/sl_buf.h"
#include "base/sl_map.h"
#include "classifier/group.h"
#include "classifier/program.h"

/* Zero-initialise, init, add by ascending rank, fini. */
struct sl_tests {
	struct sl_test *list;
	uint32_t n;
	uint32_t size;
	uint32_t *at; /* by rank: its first test; n_filters + 1 entries */
	uint32_t n_filters;
	uint32_t next;     /* ranks below have their entry */
	uint32_t n_tested; /* filters with tests */
	struct sl_table *tables;
	uint32_t n_tables;
	uint32_t tables_size;
	struct sl_buf table_bytes;
	struct sl_buf texts;
	struct sl_map *sets; /* set key to table number plus one */
	struct sl_ranges scratch;
};

/* 0 or -ENOMEM; fini in either case. */
int sl_tests_init(struct sl_tests *tests, uint32_t n_filters) SL_MUST_CHECK;
/* The tests of a filter, of which `groups` are the groups. 0 or -ENOMEM. */
int sl_tests_add(struct sl_tests *tests, uint32_t rank, const struct sl_filter_run *run,
	const struct sl_groups *groups) SL_MUST_CHECK;
/* Closes the list behind the last filter. */
void sl_tests_finish(struct sl_tests *tests);
void sl_tests_fini(struct sl_tests *tests);

#endif
