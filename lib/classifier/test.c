/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More alternatives of one group are looked up in a table. */
#define RANGE_TESTS_MAX 4
/* Shorter tables are searched as fast without an index; a longer one does not stay in the cache. */
#define INDEX_MIN      64
#define INDEX_BITS_MAX 16u

int
sl_tests_init(struct sl_tests *tests, uint32_t n_filters)
{
	memset(tests, 0, sizeof(*tests));
	tests->n_filters = n_filters;
	tests->at = calloc((size_t)n_filters + 1, sizeof(*tests->at));
	tests->sets = sl_map_new(0);
	/* Offset 0 of the table bytes means that there is no index. */
	sl_buf_add(&tests->table_bytes, (const char[16]){0}, 16);
	if (tests->at == NULL || tests->sets == NULL || tests->table_bytes.failed)
		return -ENOMEM;
	return 0;
}

static void
begin_rank(struct sl_tests *tests, uint32_t rank)
{
	while (tests->next <= rank)
		tests->at[tests->next++] = tests->n;
}

void
sl_tests_finish(struct sl_tests *tests)
{
	begin_rank(tests, tests->n_filters);
}

static int
add_test(struct sl_tests *tests, const struct sl_test *test)
{
	const uint32_t size = tests->size == 0 ? 16 : tests->size * 2;
	struct sl_test *list;

	if (tests->n == tests->size) {
		list = reallocarray(tests->list, size, sizeof(*list));
		if (list == NULL)
			return -ENOMEM;
		tests->list = list;
		tests->size = size;
	}
	tests->list[tests->n++] = *test;
	return 0;
}

/* --- Tables. --- */

/* Ranges to be put into a table, wherever they come from. */
struct source {
	const struct sl_ranges *ranges; /* or NULL: */
	const struct sl_set *set;
	enum sl_slot slot;
	size_t n;
};

static struct sl_range
source_range(const struct source *source, size_t i)
{
	if (source->ranges != NULL)
		return source->ranges->list[i];
	return (struct sl_range){sl_wide_of_bytes(source->set->ranges[i].low, 16),
		sl_wide_of_bytes(source->set->ranges[i].high, 16)};
}

static void
add_bound(struct sl_buf *bytes, bool is_wide, sl_wide value)
{
	const uint32_t narrow = (uint32_t)value;

	if (is_wide)
		sl_buf_add(bytes, &value, sizeof(value));
	else
		sl_buf_add(bytes, &narrow, sizeof(narrow));
}

/* An entry for every one or two ranges, so that the index is never longer than half the table. */
static uint8_t
index_shift(size_t n)
{
	const uint32_t bits = 63 - (uint32_t)__builtin_clzll(n);

	return (uint8_t)(32 - SL_MIN(bits, INDEX_BITS_MAX));
}

/* Entry i: the first range whose end is at or behind i << shift. */
static void
add_index(struct sl_buf *bytes, const struct source *source, unsigned int shift)
{
	uint32_t first = 0;

	for (sl_wide i = 0; i << shift <= (sl_wide)1 << 32; i++) {
		while (first < source->n && source_range(source, first).high < i << shift)
			first++;
		sl_buf_add(bytes, &first, sizeof(first));
	}
}

static void
align(struct sl_buf *bytes)
{
	static const char zeros[16];

	sl_buf_add(bytes, zeros, -bytes->len % sizeof(zeros));
}

static int
add_table(struct sl_tests *tests, const struct source *source, uint32_t *number)
{
	const uint32_t size = tests->tables_size == 0 ? 4 : tests->tables_size * 2;
	struct sl_buf *bytes = &tests->table_bytes;
	struct sl_table *table;

	if (tests->n_tables == tests->tables_size) {
		table = reallocarray(tests->tables, size, sizeof(*table));
		if (table == NULL)
			return -ENOMEM;
		tests->tables = table;
		tests->tables_size = size;
	}
	*number = tests->n_tables;
	table = &tests->tables[tests->n_tables++];
	*table = (struct sl_table){.offset = bytes->len,
		.n = (uint32_t)source->n,
		.is_wide = sl_slot_info[source->slot].size > 4};
	for (size_t i = 0; i < source->n; i++)
		add_bound(bytes, table->is_wide, source_range(source, i).low);
	for (size_t i = 0; i < source->n; i++)
		add_bound(bytes, table->is_wide, source_range(source, i).high);
	align(bytes);
	if (!table->is_wide && source->n >= INDEX_MIN) {
		table->index = bytes->len;
		table->shift = index_shift(source->n);
		add_index(bytes, source, table->shift);
		align(bytes);
	}
	return bytes->failed ? -ENOMEM : 0;
}

static int
table_of_set(struct sl_tests *tests, enum sl_slot slot, const struct sl_set *set, uint32_t *number)
{
	const uintptr_t known = (uintptr_t)sl_map_find(tests->sets, set->object.key);

	if (known != 0) {
		*number = (uint32_t)known - 1;
		return 0;
	}
	if (add_table(tests, &(struct source){NULL, set, slot, set->n_ranges}, number) != 0)
		return -ENOMEM;
	return sl_map_put(tests->sets, set->object.key, (void *)(uintptr_t)(*number + 1));
}

/* --- Groups. --- */

static int
add_range_tests(struct sl_tests *tests, enum sl_slot slot, const struct sl_ranges *ranges)
{
	struct sl_test test = {.op = SL_TEST_IN_TABLE, .slot = (uint8_t)slot};

	if (ranges->n > RANGE_TESTS_MAX) {
		const struct source source = {ranges, NULL, slot, ranges->n};

		if (add_table(tests, &source, &test.arg) != 0)
			return -ENOMEM;
		return add_test(tests, &test);
	}
	test.op = SL_TEST_RANGE;
	for (size_t i = 0; i < ranges->n; i++) {
		test.range.low = ranges->list[i].low;
		test.range.high = ranges->list[i].high;
		if (add_test(tests, &test) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int
add_set_test(
	struct sl_tests *tests, enum sl_slot slot, enum sl_match match, const struct sl_set *set)
{
	struct sl_test test = {
		.op = match == SL_MATCH_IN_SET ? SL_TEST_IN_TABLE : SL_TEST_NOT_IN_TABLE,
		.slot = (uint8_t)slot};

	if (set == NULL)
		return 0;
	if (table_of_set(tests, slot, set, &test.arg) != 0)
		return -ENOMEM;
	return add_test(tests, &test);
}

static int
add_flags_test(struct sl_tests *tests, enum sl_slot slot, enum sl_match match, uint64_t bits)
{
	struct sl_test test = {.op = SL_TEST_FLAGS_NONE, .slot = (uint8_t)slot};

	if (match == SL_MATCH_FLAGS_ALL_SET)
		test.op = SL_TEST_FLAGS_ALL;
	else if (match == SL_MATCH_FLAGS_ANY_SET)
		test.op = SL_TEST_FLAGS_ANY;
	test.range.low = bits;
	return add_test(tests, &test);
}

/* Which orders satisfy each match; 0: it is not a comparison. */
static const uint8_t orders_of_match[SL_MATCH_COUNT] = {
	[SL_MATCH_EQUAL] = SL_ORDER_EQUAL,
	[SL_MATCH_NOT_EQUAL] = SL_ORDER_LESS | SL_ORDER_GREATER,
	[SL_MATCH_GREATER] = SL_ORDER_GREATER,
	[SL_MATCH_GREATER_OR_EQUAL] = SL_ORDER_GREATER | SL_ORDER_EQUAL,
	[SL_MATCH_LESS] = SL_ORDER_LESS,
	[SL_MATCH_LESS_OR_EQUAL] = SL_ORDER_LESS | SL_ORDER_EQUAL,
};

static int
add_blob_test(struct sl_tests *tests, enum sl_slot slot, const struct sl_condition *condition)
{
	struct sl_test test = {.op = SL_TEST_BLOB,
		.slot = (uint8_t)slot,
		.orders = orders_of_match[condition->match],
		.arg = (uint32_t)tests->texts.len,
		.len = condition->value.text_len};

	if (condition->match == SL_MATCH_SUFFIX)
		test.op = SL_TEST_SUFFIX;
	else if (condition->match == SL_MATCH_NOT_SUFFIX)
		test.op = SL_TEST_NOT_SUFFIX;
	if (test.len > 0)
		sl_buf_add(&tests->texts, condition->value.text, condition->value.text_len);
	/* The offset of a text has 32 bits. */
	if (tests->texts.failed || tests->texts.len > UINT32_MAX)
		return -ENOMEM;
	return add_test(tests, &test);
}

/* The alternatives of one condition of a group that ranges do not express. */
static int
add_condition(struct sl_tests *tests, enum sl_slot slot, const struct sl_condition *condition,
	const struct sl_set *set)
{
	if (condition->value.type == SLUICE_TYPE_EMPTY) {
		const struct sl_test test = {.op = SL_TEST_PRESENT, .slot = (uint8_t)slot};

		/* EQUAL is the group's: it accepts an absent field. */
		return condition->match == SL_MATCH_NOT_EQUAL ? add_test(tests, &test) : 0;
	}
	if (sl_slot_info[slot].kind == SL_SLOT_KIND_BLOB)
		return add_blob_test(tests, slot, condition);
	if (condition->match == SL_MATCH_IN_SET || condition->match == SL_MATCH_NOT_IN_SET)
		return add_set_test(tests, slot, condition->match, set);
	if (sl_match_is_flags(condition->match))
		return add_flags_test(tests, slot, condition->match, condition->value.low.number);
	sl_ranges_clear(&tests->scratch);
	sl_condition_ranges(&tests->scratch, slot, condition);
	if (tests->scratch.failed)
		return -ENOMEM;
	return add_range_tests(tests, slot, &tests->scratch);
}

static int
add_group(struct sl_tests *tests, const struct sl_group *group, const struct sl_filter_run *run)
{
	const struct sl_filter *filter = run->object;
	const struct sl_test absent = {.op = SL_TEST_ABSENT, .slot = (uint8_t)group->slot};
	const uint32_t first = tests->n;

	if (group->accepts_absent && add_test(tests, &absent) != 0)
		return -ENOMEM;
	if (group->is_exact) {
		if (add_range_tests(tests, group->slot, &group->present) != 0)
			return -ENOMEM;
	} else {
		for (size_t i = 0; i < filter->n_conditions; i++) {
			const struct sl_set *set = run->sets == NULL ? NULL : run->sets[i];

			if (filter->conditions[i].field != group->field)
				continue;
			if (add_condition(tests, group->slot, &filter->conditions[i], set) != 0)
				return -ENOMEM;
		}
	}
	if (tests->n > first)
		tests->list[tests->n - 1].is_last = true;
	return 0;
}

int
sl_tests_add(struct sl_tests *tests, uint32_t rank, const struct sl_filter_run *run,
	const struct sl_groups *groups)
{
	begin_rank(tests, rank);
	for (uint32_t i = 0; i < groups->n; i++) {
		if (add_group(tests, &groups->list[i], run) != 0)
			return -ENOMEM;
	}
	tests->n_tested++;
	return 0;
}

void
sl_tests_fini(struct sl_tests *tests)
{
	free(tests->list);
	free(tests->at);
	free(tests->tables);
	sl_buf_fini(&tests->table_bytes);
	sl_buf_fini(&tests->texts);
	sl_map_free(tests->sets);
	sl_ranges_fini(&tests->scratch);
	memset(tests, 0, sizeof(*tests));
}
