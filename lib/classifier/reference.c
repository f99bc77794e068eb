/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/sl_classify.h"

/*
 * The reference engine: every filter of a layer tried in order, as WFP sections 2.2 to 2.4 and 4.5
 * say it, over the policy objects themselves.  It is slow and meant to be read beside the text.
 * Nothing here is shared with the compiler but the meaning of a layer's field.
 */

static bool
test_number(enum sl_match match, uint64_t value, const struct sl_condition_value *c)
{
	const uint64_t low = c->low.number;
	const bool is_range = c->type == SLUICE_TYPE_RANGE;

	if (c->type == SLUICE_TYPE_V4_ADDR_MASK) {
		const bool is_equal = (value & c->high.number) == (low & c->high.number);

		return (match == SL_MATCH_EQUAL && is_equal) ||
			(match == SL_MATCH_NOT_EQUAL && !is_equal);
	}
	if (is_range || match == SL_MATCH_RANGE)
		return is_range && match == SL_MATCH_RANGE && value >= low &&
			value <= c->high.number;
	switch (match) {
	case SL_MATCH_EQUAL:
		return value == low;
	case SL_MATCH_NOT_EQUAL:
		return value != low;
	case SL_MATCH_GREATER:
		return value > low;
	case SL_MATCH_LESS:
		return value < low;
	case SL_MATCH_GREATER_OR_EQUAL:
		return value >= low;
	case SL_MATCH_LESS_OR_EQUAL:
		return value <= low;
	case SL_MATCH_FLAGS_ALL_SET:
		return (value & low) == low;
	case SL_MATCH_FLAGS_ANY_SET:
		return (value & low) != 0;
	case SL_MATCH_FLAGS_NONE_SET:
		return (value & low) == 0;
	default:
		return false;
	}
}

static bool
is_in_prefix(const uint8_t *value, const uint8_t *prefix, uint32_t prefix_len)
{
	for (uint32_t bit = 0; bit < prefix_len; bit++) {
		const uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		if ((value[bit / 8] & mask) != (prefix[bit / 8] & mask))
			return false;
	}
	return true;
}

/* The six matches that an order defines; `order` is that of the value against the condition's. */
static bool
test_order(enum sl_match match, int order)
{
	switch (match) {
	case SL_MATCH_EQUAL:
		return order == 0;
	case SL_MATCH_NOT_EQUAL:
		return order != 0;
	case SL_MATCH_GREATER:
		return order > 0;
	case SL_MATCH_LESS:
		return order < 0;
	case SL_MATCH_GREATER_OR_EQUAL:
		return order >= 0;
	case SL_MATCH_LESS_OR_EQUAL:
		return order <= 0;
	default:
		return false;
	}
}

static bool
test_bytes(
	enum sl_match match, const uint8_t *value, size_t size, const struct sl_condition_value *c)
{
	if (c->type == SLUICE_TYPE_V6_ADDR_MASK) {
		const bool is_equal = is_in_prefix(value, c->low.bytes, c->prefix_len);

		return (match == SL_MATCH_EQUAL && is_equal) ||
			(match == SL_MATCH_NOT_EQUAL && !is_equal);
	}
	if (c->type == SLUICE_TYPE_RANGE)
		return match == SL_MATCH_RANGE && memcmp(value, c->low.bytes, size) >= 0 &&
			memcmp(value, c->high.bytes, size) <= 0;
	return test_order(match, memcmp(value, c->low.bytes, size));
}

static bool
ends_with(const struct sl_blob *value, const char *text, size_t len)
{
	return value->len >= len &&
		(len == 0 || memcmp(value->bytes + (value->len - len), text, len) == 0);
}

/* Blobs compare over the shorter length, then the longer is the greater (WFP section 2.2). */
static int
blob_order(const struct sl_blob *value, const char *text, size_t len)
{
	const size_t common = value->len < len ? value->len : len;
	const int order = common == 0 ? 0 : memcmp(value->bytes, text, common);

	if (order != 0 || value->len == len)
		return order;
	return value->len < len ? -1 : 1;
}

static bool
test_blob(enum sl_match match, const struct sl_blob *value, const struct sl_condition_value *c)
{
	if (c->type != SLUICE_TYPE_BYTE_BLOB)
		return false;
	if (match == SL_MATCH_SUFFIX)
		return ends_with(value, c->text, c->text_len);
	if (match == SL_MATCH_NOT_SUFFIX)
		return !ends_with(value, c->text, c->text_len);
	return test_order(match, blob_order(value, c->text, c->text_len));
}

/* The elements as they were given, one after the other. */
static bool
is_in_set(const struct sl_set *set, const uint8_t *value, size_t size)
{
	uint8_t number[16] = {0};

	memcpy(number + (sizeof(number) - size), value, size);
	for (size_t i = 0; i < set->n_elements; i++) {
		if (memcmp(number, set->elements[i].low, sizeof(number)) >= 0 &&
			memcmp(number, set->elements[i].high, sizeof(number)) <= 0)
			return true;
	}
	return false;
}

static bool
test_set(enum sl_match match, const struct sl_set *set, const struct sl_meta *meta,
	enum sl_slot slot)
{
	const struct sl_slot_info *info = &sl_slot_info[slot];
	uint8_t value[16];

	if (set == NULL || info->kind == SL_SLOT_KIND_BLOB)
		return false;
	if (info->kind == SL_SLOT_KIND_BYTES) {
		memcpy(value, (const uint8_t *)meta + info->offset, info->size);
	} else {
		const uint64_t number = sl_meta_number(meta, slot);

		for (uint32_t i = 0; i < info->size; i++)
			value[i] = (uint8_t)(number >> 8 * (info->size - 1 - i));
	}
	return is_in_set(set, value, info->size) == (match == SL_MATCH_IN_SET);
}

/* WFP section 2.4: an EMPTY field matches EQUAL EMPTY and nothing else. */
static bool
test_condition(const struct sl_condition *condition, const struct sl_set *set, enum sl_slot slot,
	const struct sl_meta *meta)
{
	const struct sl_condition_value *value = &condition->value;
	const bool is_present = sl_meta_has(meta, slot);
	const uint8_t *at;

	if (value->type == SLUICE_TYPE_EMPTY)
		return (condition->match == SL_MATCH_EQUAL && !is_present) ||
			(condition->match == SL_MATCH_NOT_EQUAL && is_present);
	if (!is_present)
		return false;
	if (condition->match == SL_MATCH_IN_SET || condition->match == SL_MATCH_NOT_IN_SET)
		return test_set(condition->match, set, meta, slot);
	at = (const uint8_t *)meta + sl_slot_info[slot].offset;
	switch (sl_slot_info[slot].kind) {
	case SL_SLOT_KIND_NUMBER:
		return test_number(condition->match, sl_meta_number(meta, slot), value);
	case SL_SLOT_KIND_BYTES:
		return test_bytes(condition->match, at, sl_slot_info[slot].size, value);
	default: {
		const struct sl_blob *blob;

		memcpy(&blob, at, sizeof(blob));
		return test_blob(condition->match, blob, value);
	}
	}
}

/* What is known of a field's group of conditions while a filter is gone through. */
enum group_state {
	GROUP_NONE,
	GROUP_FAILED,
	GROUP_MATCHED
};

/* Conditions of one field are alternatives; every field must have one that holds (section 2.3). */
static bool
match_filter(const struct sl_layer *layer, const struct sl_filter_run *run,
	const struct sl_meta *meta, struct sl_near_miss *miss)
{
	const struct sl_filter *filter = run->object;
	uint8_t groups[SLUICE_FIELD_COUNT] = {GROUP_NONE};

	for (size_t i = 0; i < filter->n_conditions; i++) {
		const struct sl_condition *condition = &filter->conditions[i];
		const struct sl_set *set = run->sets == NULL ? NULL : run->sets[i];
		const enum sl_slot slot = sl_meta_slot(layer, condition->field);

		if (groups[condition->field] == GROUP_NONE)
			miss->n_groups++;
		if (test_condition(condition, set, slot, meta))
			groups[condition->field] = GROUP_MATCHED;
		else if (groups[condition->field] == GROUP_NONE)
			groups[condition->field] = GROUP_FAILED;
	}
	for (size_t i = 0; i < filter->n_conditions; i++) {
		const enum sluice_field field = filter->conditions[i].field;

		if (groups[field] != GROUP_FAILED)
			continue;
		if (miss->n_failed == 0)
			miss->field = field;
		if (miss->n_failed < SL_NEAR_MISS_FIELDS_MAX)
			miss->fields[miss->n_failed] = field;
		miss->n_failed++;
		groups[field] = GROUP_NONE; /* counted */
	}
	return miss->n_failed == 0;
}

bool
sl_reference_match(const struct sl_layer_program *layer, uint32_t rank, const struct sl_meta *meta,
	struct sl_near_miss *miss)
{
	struct sl_near_miss found = {.field = SLUICE_FIELD_NONE};
	const bool is_match = match_filter(layer->layer, &layer->filters[rank], meta, &found);

	if (miss != NULL)
		*miss = found;
	return is_match;
}

static bool
is_terminal(const struct sl_filter *filter)
{
	return filter->action == SLUICE_ACTION_PERMIT || filter->action == SLUICE_ACTION_BLOCK;
}

/* In each sublayer: callout filters up to the first PERMIT or BLOCK (section 9.4). */
static uint32_t
run_packet(const struct sl_layer_program *layer, const struct sl_meta *meta, uint32_t *ranks)
{
	struct sl_filter_walk walk = {.layer = layer};
	uint32_t ended = UINT32_MAX; /* the sublayer that had its PERMIT or BLOCK */
	uint32_t n = 0;
	uint32_t rank;

	while (sl_filter_walk_next(&walk, &rank)) {
		const uint32_t sublayer = layer->hot[rank].sublayer;

		if (sublayer == ended || !sl_reference_match(layer, rank, meta, NULL))
			continue;
		ranks[n++] = rank;
		if (is_terminal(layer->filters[rank].object))
			ended = sublayer;
	}
	return n;
}

uint32_t
sl_reference_run(const struct sl_layer_program *layer, const struct sl_meta *const metas[],
	uint32_t n, struct sl_matches *out)
{
	uint32_t end = 0;
	uint32_t i;

	out->start[0] = 0;
	for (i = 0; i < n && out->capacity - end >= layer->matches_max; i++) {
		end += run_packet(layer, metas[i], out->ranks + end);
		out->start[i + 1] = end;
	}
	return i;
}
