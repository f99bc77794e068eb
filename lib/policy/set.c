/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_addr.h"
#include "policy/interval.h"
#include "policy/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint8_t bits;   /* of an element's numbers */
	bool is_prefix; /* elements are prefixes */
} types[SL_SET_TYPE_COUNT] = {
	[SL_SET_V4_PREFIX] = {"v4_prefix", 32, true},
	[SL_SET_V6_PREFIX] = {"v6_prefix", 128, true},
	[SL_SET_MAC] = {"mac", 48, false},
	[SL_SET_UINT8] = {"uint8", 8, false},
	[SL_SET_UINT16] = {"uint16", 16, false},
	[SL_SET_UINT32] = {"uint32", 32, false},
};

const char *
sl_set_type_name(enum sl_set_type type)
{
	return (unsigned int)type < SL_SET_TYPE_COUNT ? types[type].name : NULL;
}

bool
sl_set_type_find(const char *name, enum sl_set_type *type)
{
	for (unsigned int i = 0; i < SL_SET_TYPE_COUNT; i++) {
		if (strcmp(types[i].name, name) != 0)
			continue;
		*type = (enum sl_set_type)i;
		return true;
	}
	return false;
}

bool
sl_set_type_of_field(const struct sl_layer_field *field, enum sl_set_type *type)
{
	switch (field->type) {
	case SLUICE_TYPE_UINT8:
		*type = SL_SET_UINT8;
		return true;
	case SLUICE_TYPE_UINT16:
		*type = SL_SET_UINT16;
		return true;
	case SLUICE_TYPE_UINT32:
		*type = sl_field_is_address(field->field) ? SL_SET_V4_PREFIX : SL_SET_UINT32;
		return true;
	case SLUICE_TYPE_BYTE_ARRAY16:
		*type = SL_SET_V6_PREFIX;
		return true;
	case SLUICE_TYPE_BYTE_ARRAY6:
		*type = SL_SET_MAC;
		return true;
	default:
		return false;
	}
}

bool
sl_set_contains(const struct sl_set *set, const uint8_t value[16])
{
	size_t low = 0;
	size_t high = set->n_ranges;

	/* The first range that ends at or behind the value is the only one that can hold it. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(set->ranges[middle].high, value, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->n_ranges && memcmp(set->ranges[low].low, value, 16) <= 0;
}

static int
compare(const void *a, const void *b)
{
	/* Low before high in memory, both big-endian: bytes order as the pairs do. */
	return memcmp(a, b, sizeof(struct sl_set_range));
}

_Static_assert(offsetof(struct sl_set_range, low) == 0 &&
		offsetof(struct sl_set_range, high) == 16 && sizeof(struct sl_set_range) == 32,
	"compared as bytes");

/* Writes a number of the set as its author would. */
static const char *
number_text(enum sl_set_type type, const uint8_t number[16], char text[SL_V6_TEXT_MAX])
{
	if (type == SL_SET_V6_PREFIX)
		return sl_addr_format_v6(number, text);
	if (type == SL_SET_V4_PREFIX)
		return sl_addr_format_v4((uint32_t)sl_u128_read(number + 12, 4), text);
	if (type == SL_SET_MAC)
		return sl_addr_format_mac(number + 10, text);
	snprintf(text, SL_V6_TEXT_MAX, "%llu", (unsigned long long)sl_u128_read(number + 8, 8));
	return text;
}

static void
check_element(const struct sl_set *set, size_t i, struct sl_faults *faults)
{
	sl_u128 low = sl_u128_read(set->elements[i].low, 16);
	sl_u128 high = sl_u128_read(set->elements[i].high, 16);
	sl_u128 span = high - low;
	char member[48];
	char from[SL_V6_TEXT_MAX];
	char to[SL_V6_TEXT_MAX];
	enum sl_err code = SL_ERR_OK;
	const char *why = "";

	if (low > sl_u128_max(types[set->set_type].bits) ||
		high > sl_u128_max(types[set->set_type].bits)) {
		code = SL_ERR_OUT_OF_BOUNDS;
		why = "is out of bounds for this type of set";
	} else if (low > high) {
		code = SL_ERR_INVALID_RANGE;
		why = "ends before it begins";
	} else if (types[set->set_type].is_prefix &&
		((span & (span + 1)) != 0 || (low & span) != 0)) {
		code = SL_ERR_INVALID_NET_MASK;
		why = "is not a prefix";
	} else if (set->set_type == SL_SET_MAC && span != 0) {
		code = SL_ERR_INVALID_RANGE;
		why = "is a range; a mac set holds single addresses";
	}
	if (code == SL_ERR_OK)
		return;
	snprintf(member, sizeof(member), "/elements/%zu", i);
	number_text(set->set_type, set->elements[i].low, from);
	number_text(set->set_type, set->elements[i].high, to);
	sl_fault_add(
		faults, code, member, "%s to %s %s (%s)", from, to, why, types[set->set_type].name);
}

static void
sort_elements(struct sl_set *set)
{
	size_t n = 1;

	/* Long lists mostly come in order, and sorting would be the dearest part of finishing. */
	while (n < set->n_elements && compare(&set->elements[n - 1], &set->elements[n]) < 0)
		n++;
	if (n >= set->n_elements)
		return;
	qsort(set->elements, set->n_elements, sizeof(*set->elements), compare);
	n = 1;
	for (size_t i = 1; i < set->n_elements; i++)
		if (compare(&set->elements[n - 1], &set->elements[i]) != 0)
			set->elements[n++] = set->elements[i];
	set->n_elements = n;
}

/* True when `next`, which does not begin before `last`, overlaps it or follows at once. */
static bool
joins(const struct sl_set_range *last, const struct sl_set_range *next)
{
	sl_u128 end = sl_u128_read(last->high, 16);

	return end == ~(sl_u128)0 || sl_u128_read(next->low, 16) <= end + 1;
}

static void
merge_ranges(struct sl_set *set)
{
	struct sl_set_range *last = NULL;

	set->n_ranges = 0;
	for (size_t i = 0; i < set->n_elements; i++) {
		const struct sl_set_range *next = &set->elements[i];

		if (last == NULL || !joins(last, next)) {
			last = &set->ranges[set->n_ranges++];
			*last = *next;
		} else if (memcmp(next->high, last->high, 16) > 0) {
			memcpy(last->high, next->high, 16);
		}
	}
}

/* Gives back what merging did not need; keeping it is no fault. */
static void
trim_ranges(struct sl_set *set)
{
	struct sl_set_range *trimmed;

	if (set->n_ranges == 0 || set->n_ranges == set->n_elements)
		return;
	trimmed = reallocarray(set->ranges, set->n_ranges, sizeof(*trimmed));
	if (trimmed != NULL)
		set->ranges = trimmed;
}

void
sl_set_finish(struct sl_set *set, struct sl_faults *faults)
{
	size_t n_before = faults->n;

	if ((unsigned int)set->set_type >= SL_SET_TYPE_COUNT) {
		sl_fault_add(faults, SL_ERR_INVALID_ENUMERATOR, "/type",
			"%u is no type of set; use v4_prefix, v6_prefix, mac, uint8, uint16 or "
			"uint32",
			(unsigned int)set->set_type);
		return;
	}
	if (set->elements == NULL && set->n_elements > 0) {
		sl_fault_add(faults, SL_ERR_NULL_POINTER, "/elements", "the elements are missing");
		return;
	}
	for (size_t i = 0; i < set->n_elements; i++)
		check_element(set, i, faults);
	free(set->ranges);
	set->ranges = NULL;
	set->n_ranges = 0;
	if (faults->n > n_before || set->n_elements == 0)
		return;
	sort_elements(set);
	set->ranges = calloc(set->n_elements, sizeof(*set->ranges));
	if (set->ranges == NULL) {
		sl_fault_add_no_memory(faults);
		return;
	}
	merge_ranges(set);
	trim_ranges(set);
}
