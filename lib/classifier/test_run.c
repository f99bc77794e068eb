/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/program.h"

/* Packet time: tests of whole filters. */

/* Only the first range that ends at or behind the value can hold it; it is between low and high. */
static bool
find32(const uint32_t *lows, const uint32_t *highs, uint32_t low, uint32_t high, uint32_t value)
{
	uint32_t n = high;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (highs[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && lows[low] <= value;
}

static bool
is_in_table32(const struct sl_program *program, const struct sl_table *table, uint32_t value)
{
	const uint32_t *lows = (const void *)(program->set_bytes + table->offset);
	const uint32_t *index = (const void *)(program->set_bytes + table->index);
	uint32_t low = 0;
	uint32_t high = table->n;

	if (table->index != 0) {
		low = index[value >> table->shift];
		/* The first range behind the bucket may begin inside it. */
		high = SL_MIN(index[(value >> table->shift) + 1] + 1, table->n);
	}
	return find32(lows, lows + table->n, low, high, value);
}

static bool
is_in_table128(const struct sl_program *program, const struct sl_table *table, sl_wide value)
{
	const sl_wide *lows = (const void *)(program->set_bytes + table->offset);
	const sl_wide *highs = lows + table->n;
	uint32_t low = 0;
	uint32_t high = table->n;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (highs[middle] < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->n && lows[low] <= value;
}

static bool
is_in_table(const struct sl_program *program, uint32_t number, sl_wide value)
{
	const struct sl_table *table = &program->sets[number];

	return table->is_wide ? is_in_table128(program, table, value)
			      : is_in_table32(program, table, (uint32_t)value);
}

static const struct sl_blob *
blob_of(const struct sl_meta *meta, enum sl_slot slot)
{
	const struct sl_blob *blob;

	memcpy(&blob, (const uint8_t *)meta + sl_slot_info[slot].offset, sizeof(blob));
	return blob;
}

static bool
ends_with(const struct sl_blob *blob, const uint8_t *text, uint64_t len)
{
	if (len == 0)
		return true; /* whatever the field is, and nothing may be read of it */
	return blob->len >= len && memcmp(blob->bytes + (blob->len - len), text, len) == 0;
}

static enum sl_test_order
order_of(const struct sl_blob *blob, const uint8_t *text, uint64_t len)
{
	const uint64_t common = SL_MIN(blob->len, len);
	const int order = common == 0 ? 0 : memcmp(blob->bytes, text, common);

	if (order != 0)
		return order < 0 ? SL_ORDER_LESS : SL_ORDER_GREATER;
	if (blob->len == len)
		return SL_ORDER_EQUAL;
	return blob->len < len ? SL_ORDER_LESS : SL_ORDER_GREATER;
}

static bool
test_text(const struct sl_program *program, const struct sl_test *test, const struct sl_meta *meta)
{
	const struct sl_blob *blob = blob_of(meta, test->slot);
	const uint8_t *text = program->texts + test->arg;

	if (test->op == SL_TEST_BLOB)
		return (order_of(blob, text, test->len) & test->orders) != 0;
	return ends_with(blob, text, test->len) == (test->op == SL_TEST_SUFFIX);
}

static bool
test_value(const struct sl_program *program, const struct sl_test *test, sl_wide value)
{
	switch (test->op) {
	case SL_TEST_RANGE:
		return value >= test->range.low && value <= test->range.high;
	case SL_TEST_IN_TABLE:
		return is_in_table(program, test->arg, value);
	case SL_TEST_NOT_IN_TABLE:
		return !is_in_table(program, test->arg, value);
	case SL_TEST_FLAGS_ALL:
		return (value & test->range.low) == test->range.low;
	case SL_TEST_FLAGS_ANY:
		return (value & test->range.low) != 0;
	case SL_TEST_FLAGS_NONE:
		return (value & test->range.low) == 0;
	default:
		return false;
	}
}

static bool
run_test(const struct sl_program *program, const struct sl_test *test, const struct sl_meta *meta)
{
	const bool is_present = sl_meta_has(meta, test->slot);

	switch (test->op) {
	case SL_TEST_ABSENT:
		return !is_present;
	case SL_TEST_PRESENT:
		return is_present;
	case SL_TEST_BLOB:
	case SL_TEST_SUFFIX:
	case SL_TEST_NOT_SUFFIX:
		return is_present && test_text(program, test, meta);
	default:
		return is_present && test_value(program, test, sl_wide_of_slot(meta, test->slot));
	}
}

bool
sl_test_run(const struct sl_program *program, uint32_t rank, const struct sl_meta *meta)
{
	const struct sl_test *test = &program->tests[program->tests_at[rank]];
	const struct sl_test *end = &program->tests[program->tests_at[rank + 1]];
	bool is_met = false; /* by an earlier alternative of the group at hand */

	for (; test < end; test++) {
		is_met = is_met || run_test(program, test, meta);
		if (!test->is_last)
			continue;
		if (!is_met)
			return false;
		is_met = false;
	}
	return true;
}
