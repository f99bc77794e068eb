/* SPDX-License-Identifier: BSD-3-Clause */
#include "classifier/group.h"

#include <errno.h>
#include <string.h>

static void
add_order(struct sl_ranges *ranges, enum sl_match match, sl_wide value, sl_wide max)
{
	switch (match) {
	case SL_MATCH_EQUAL:
		sl_ranges_add(ranges, value, value, max);
		break;
	case SL_MATCH_NOT_EQUAL:
		sl_ranges_add_outside(ranges, value, value, max);
		break;
	case SL_MATCH_GREATER:
		if (value < max)
			sl_ranges_add(ranges, value + 1, max, max);
		break;
	case SL_MATCH_GREATER_OR_EQUAL:
		sl_ranges_add(ranges, value, max, max);
		break;
	case SL_MATCH_LESS:
		if (value > 0)
			sl_ranges_add(ranges, 0, value - 1, max);
		break;
	case SL_MATCH_LESS_OR_EQUAL:
		sl_ranges_add(ranges, 0, value, max);
		break;
	default:
		break;
	}
}

/* A value with all the bits is at least their sum, one with any of them at least the lowest. */
static void
add_flags(struct sl_group *group, enum sl_match match, uint64_t bits, sl_wide max)
{
	group->is_exact = false;
	if (match == SL_MATCH_FLAGS_ALL_SET)
		sl_ranges_add(&group->present, bits, max, max);
	else if (match == SL_MATCH_FLAGS_NONE_SET)
		sl_ranges_add(&group->present, 0, max & ~(sl_wide)bits, max);
	else if (bits != 0)
		sl_ranges_add(&group->present, bits & -bits, max, max);
}

static void
add_prefix(
	struct sl_ranges *ranges, enum sl_match match, sl_wide address, sl_wide mask, sl_wide max)
{
	const sl_wide low = address & mask;
	const sl_wide high = low | (max & ~mask);

	if (match == SL_MATCH_EQUAL)
		sl_ranges_add(ranges, low, high, max);
	else if (match == SL_MATCH_NOT_EQUAL)
		sl_ranges_add_outside(ranges, low, high, max);
}

static void
add_set(struct sl_group *group, enum sl_match match, const struct sl_set *set, sl_wide max)
{
	const struct sl_set_range *range = set->ranges;

	if (set->n_ranges > SL_GROUP_SET_RANGES_MAX) {
		group->is_exact = false;
		sl_ranges_add(&group->present, 0, max, max);
		return;
	}
	if (match == SL_MATCH_IN_SET) {
		for (size_t i = 0; i < set->n_ranges; i++, range++)
			sl_ranges_add(&group->present, sl_wide_of_bytes(range->low, 16),
				sl_wide_of_bytes(range->high, 16), max);
		return;
	}
	/* Not in the set: the gaps between its ranges, which are sorted. */
	sl_wide gap = 0;

	for (size_t i = 0; i < set->n_ranges; i++, range++) {
		const sl_wide low = sl_wide_of_bytes(range->low, 16);

		if (low > gap)
			sl_ranges_add(&group->present, gap, low - 1, max);
		gap = sl_wide_of_bytes(range->high, 16) + 1;
		if (gap == 0)
			return;
	}
	sl_ranges_add(&group->present, gap, max, max);
}

static sl_wide
scalar(const struct sl_slot_info *info, const union sl_scalar *value)
{
	if (info->kind == SL_SLOT_KIND_BYTES)
		return sl_wide_of_bytes(value->bytes, info->size);
	return value->number;
}

void
sl_condition_ranges(
	struct sl_ranges *ranges, enum sl_slot slot, const struct sl_condition *condition)
{
	const struct sl_condition_value *value = &condition->value;
	const struct sl_slot_info *info = &sl_slot_info[slot];
	const sl_wide max = sl_wide_slot_max(slot);
	const sl_wide low = scalar(info, &value->low);

	switch (value->type) {
	case SLUICE_TYPE_V4_ADDR_MASK:
		add_prefix(ranges, condition->match, low, value->high.number, max);
		break;
	case SLUICE_TYPE_V6_ADDR_MASK:
		add_prefix(ranges, condition->match, low,
			value->prefix_len == 0 ? 0 : ~(sl_wide)0 << (128 - value->prefix_len), max);
		break;
	case SLUICE_TYPE_RANGE:
		if (condition->match == SL_MATCH_RANGE)
			sl_ranges_add(ranges, low, scalar(info, &value->high), max);
		break;
	default:
		add_order(ranges, condition->match, low, max);
	}
}

static void
add_empty(struct sl_group *group, enum sl_match match, sl_wide max)
{
	if (match == SL_MATCH_EQUAL)
		group->accepts_absent = true;
	else if (match == SL_MATCH_NOT_EQUAL && group->slot != SL_SLOT_NONE)
		sl_ranges_add(&group->present, 0, max, max);
}

static void
add_condition(
	struct sl_group *group, const struct sl_condition *condition, const struct sl_set *set)
{
	const sl_wide max = group->slot == SL_SLOT_NONE ? 0 : sl_wide_slot_max(group->slot);

	if (condition->value.type == SLUICE_TYPE_EMPTY) {
		add_empty(group, condition->match, max);
	} else if (group->slot == SL_SLOT_NONE) {
		return; /* a field that is always absent matches nothing but EMPTY */
	} else if (sl_slot_info[group->slot].kind == SL_SLOT_KIND_BLOB) {
		group->is_exact = false;
		sl_ranges_add(&group->present, 0, max, max);
	} else if (condition->match == SL_MATCH_IN_SET || condition->match == SL_MATCH_NOT_IN_SET) {
		if (set != NULL)
			add_set(group, condition->match, set, max);
	} else if (sl_match_is_flags(condition->match)) {
		if (sl_slot_info[group->slot].kind == SL_SLOT_KIND_NUMBER)
			add_flags(group, condition->match, condition->value.low.number, max);
	} else {
		sl_condition_ranges(&group->present, group->slot, condition);
	}
}

static struct sl_group *
group_of(struct sl_groups *groups, const struct sl_layer *layer, enum sluice_field field)
{
	struct sl_group *group;

	if (groups->index[field] != 0)
		return &groups->list[groups->index[field] - 1];
	group = &groups->list[groups->n++];
	groups->index[field] = (uint8_t)groups->n;
	groups->n_used = SL_MAX(groups->n_used, groups->n);
	group->field = field;
	group->slot = sl_meta_slot(layer, field);
	group->accepts_absent = false;
	group->is_exact = true;
	sl_ranges_clear(&group->present);
	return group;
}

_Static_assert(SLUICE_FIELD_COUNT < 255, "a group's place fits in a byte");

/* True when the group restricts nothing. */
static bool
is_everything(const struct sl_group *group)
{
	if (!group->accepts_absent)
		return false;
	if (group->slot == SL_SLOT_NONE)
		return true;
	return group->is_exact && sl_ranges_is_all(&group->present, sl_wide_slot_max(group->slot));
}

/* Takes a group out of the list; its memory stays in the list for later filters. */
static void
drop(struct sl_groups *groups, uint32_t i)
{
	const struct sl_group dropped = groups->list[i];

	groups->list[i] = groups->list[--groups->n];
	groups->list[groups->n] = dropped;
}

static int
finish(struct sl_groups *groups)
{
	uint32_t i = 0;

	while (i < groups->n) {
		struct sl_group *group = &groups->list[i];

		if (group->present.failed)
			return -ENOMEM;
		sl_ranges_merge(&group->present);
		if (!group->accepts_absent && group->present.n == 0)
			groups->never = true;
		if (is_everything(group))
			drop(groups, i);
		else
			i++;
	}
	return 0;
}

int
sl_groups_build(
	struct sl_groups *groups, const struct sl_layer *layer, const struct sl_filter_run *run)
{
	const struct sl_filter *filter = run->object;

	groups->n = 0;
	groups->never = false;
	memset(groups->index, 0, sizeof(groups->index));
	for (size_t i = 0; i < filter->n_conditions; i++) {
		const struct sl_condition *condition = &filter->conditions[i];

		add_condition(group_of(groups, layer, condition->field), condition,
			run->sets == NULL ? NULL : run->sets[i]);
	}
	return finish(groups);
}

void
sl_groups_fini(struct sl_groups *groups)
{
	for (uint32_t i = 0; i < groups->n_used; i++)
		sl_ranges_fini(&groups->list[i].present);
	groups->n_used = 0;
}
