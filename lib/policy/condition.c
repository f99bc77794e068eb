/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_addr.h"
#include "base/sl_uuid.h"
#include "policy/interval.h"
#include "policy/object.h"

#include <stdio.h>
#include <string.h>

/*
 * One condition: the rules of WFP section 2.2, in its order.  Field, match and value type are three
 * independent choices of the author; each is checked against what the earlier ones allow, and only
 * the first fault of a condition is reported, because the others follow from it.
 */

static const char *const match_names[SL_MATCH_COUNT] = {
	[SL_MATCH_EQUAL] = "equal",
	[SL_MATCH_GREATER] = "greater",
	[SL_MATCH_LESS] = "less",
	[SL_MATCH_GREATER_OR_EQUAL] = "greater_or_equal",
	[SL_MATCH_LESS_OR_EQUAL] = "less_or_equal",
	[SL_MATCH_RANGE] = "range",
	[SL_MATCH_FLAGS_ALL_SET] = "flags_all_set",
	[SL_MATCH_FLAGS_ANY_SET] = "flags_any_set",
	[SL_MATCH_FLAGS_NONE_SET] = "flags_none_set",
	[SL_MATCH_EQUAL_CASE_INSENSITIVE] = "equal_case_insensitive",
	[SL_MATCH_NOT_EQUAL] = "not_equal",
	[SL_MATCH_SUFFIX] = "suffix",
	[SL_MATCH_NOT_SUFFIX] = "not_suffix",
	[SL_MATCH_IN_SET] = "in_set",
	[SL_MATCH_NOT_IN_SET] = "not_in_set",
};

#define BIT(match)       (1u << (match))
#define MATCHES_EQUALITY (BIT(SL_MATCH_EQUAL) | BIT(SL_MATCH_NOT_EQUAL))
#define MATCHES_SET      (BIT(SL_MATCH_IN_SET) | BIT(SL_MATCH_NOT_IN_SET))
#define MATCHES_SUFFIX   (BIT(SL_MATCH_SUFFIX) | BIT(SL_MATCH_NOT_SUFFIX))
#define MATCHES_ORDER                                                                  \
	(BIT(SL_MATCH_GREATER) | BIT(SL_MATCH_LESS) | BIT(SL_MATCH_GREATER_OR_EQUAL) | \
		BIT(SL_MATCH_LESS_OR_EQUAL))
#define MATCHES_FLAGS \
	(BIT(SL_MATCH_FLAGS_ALL_SET) | BIT(SL_MATCH_FLAGS_ANY_SET) | BIT(SL_MATCH_FLAGS_NONE_SET))

const char *
sl_match_name(enum sl_match match)
{
	return (unsigned int)match < SL_MATCH_COUNT ? match_names[match] : NULL;
}

bool
sl_match_find(const char *name, enum sl_match *match)
{
	for (unsigned int i = 0; i < SL_MATCH_COUNT; i++) {
		if (strcmp(match_names[i], name) != 0)
			continue;
		*match = (enum sl_match)i;
		return true;
	}
	return false;
}

/* The matches that some value of the field's type can be used with, as a bit mask. */
static uint32_t
matches_of_field(const struct sl_layer_field *field)
{
	enum sl_set_type set_type;
	uint32_t sets = sl_set_type_of_field(field, &set_type) ? MATCHES_SET : 0;

	switch (field->type) {
	case SLUICE_TYPE_BYTE_ARRAY6:
		return MATCHES_EQUALITY | sets;
	case SLUICE_TYPE_BYTE_BLOB:
		return MATCHES_EQUALITY | MATCHES_ORDER | MATCHES_SUFFIX;
	default:
		break;
	}
	if (sl_field_is_address(field->field))
		return MATCHES_EQUALITY | MATCHES_ORDER | BIT(SL_MATCH_RANGE) | sets;
	return MATCHES_EQUALITY | MATCHES_ORDER | BIT(SL_MATCH_RANGE) | MATCHES_FLAGS | sets;
}

/* The matches that take a value of this type, as a bit mask. */
static uint32_t
matches_of_value(enum sluice_data_type type)
{
	switch (type) {
	case SLUICE_TYPE_RANGE:
		return BIT(SL_MATCH_RANGE);
	case SLUICE_TYPE_SET:
		return MATCHES_SET;
	case SLUICE_TYPE_EMPTY:
	case SLUICE_TYPE_V4_ADDR_MASK:
	case SLUICE_TYPE_V6_ADDR_MASK:
		return MATCHES_EQUALITY;
	default:
		return ~(BIT(SL_MATCH_RANGE) | MATCHES_SET);
	}
}

/* There is no conversion: the value has the field's type, or a form made for it. */
static bool
type_agrees(const struct sl_layer_field *field, const struct sl_condition_value *value)
{
	enum sl_set_type set_type;
	bool is_address = sl_field_is_address(field->field);

	switch (value->type) {
	case SLUICE_TYPE_EMPTY:
		return true;
	case SLUICE_TYPE_V4_ADDR_MASK:
		return is_address && field->type == SLUICE_TYPE_UINT32;
	case SLUICE_TYPE_V6_ADDR_MASK:
		return is_address && field->type == SLUICE_TYPE_BYTE_ARRAY16;
	case SLUICE_TYPE_RANGE:
		return value->range_type == field->type;
	case SLUICE_TYPE_SET:
		return sl_set_type_of_field(field, &set_type);
	default:
		return value->type == field->type;
	}
}

static void
list_matches(uint32_t mask, struct sl_buf *text)
{
	const char *separator = "";

	for (unsigned int i = 0; i < SL_MATCH_COUNT; i++) {
		if ((mask & BIT(i)) == 0)
			continue;
		sl_buf_printf(text, "%s%s", separator, match_names[i]);
		separator = ", ";
	}
}

static const char *
type_text(enum sluice_data_type type)
{
	const char *name = sl_type_name(type);

	return name != NULL ? name : "unknown";
}

/* What a field's values may be, in words. */
static const char *
allowed_types(const struct sl_layer_field *field)
{
	enum sl_set_type set_type;

	if (field->type == SLUICE_TYPE_BYTE_ARRAY16)
		return "an IPv6 address, a prefix, a range of addresses, a v6_prefix set or empty";
	if (sl_field_is_address(field->field))
		return "an IPv4 address, a prefix, a range of addresses, a v4_prefix set or empty";
	if (field->type == SLUICE_TYPE_BYTE_ARRAY6)
		return "a MAC address, a set of them or empty";
	if (field->type == SLUICE_TYPE_BYTE_BLOB)
		return "a text or empty";
	if (sl_set_type_of_field(field, &set_type))
		return "an integer of the field's own width, a range of them, a set of them or "
		       "empty";
	return "an integer of the field's own width, a range of them or empty";
}

static void
fault_field(const struct sl_layer *layer, enum sluice_field field, const char *member,
	struct sl_faults *faults)
{
	struct sl_buf text = {0};
	const char *name = sl_field_name(field);

	sl_layer_list_fields(layer, &text);
	if (name == NULL)
		sl_fault_add(faults, SL_ERR_CONDITION_NOT_FOUND, member,
			"no known field is given; layer \"%s\" has %s", layer->name,
			sl_buf_text(&text));
	else
		sl_fault_add(faults, SL_ERR_CONDITION_NOT_FOUND, member,
			"layer \"%s\" has no field \"%s\"; it has %s", layer->name, name,
			sl_buf_text(&text));
	sl_buf_fini(&text);
}

static void
fault_match(const struct sl_layer_field *field, const struct sl_condition *condition,
	const char *member, struct sl_faults *faults)
{
	uint32_t of_field = matches_of_field(field);
	const char *name = sl_field_name(field->field);
	struct sl_buf text = {0};

	if ((of_field & BIT(condition->match)) == 0) {
		list_matches(of_field, &text);
		sl_fault_add(faults, SL_ERR_MATCH_TYPE_MISMATCH, member,
			"\"%s\" does not fit \"%s\", which is %s; it takes %s",
			match_names[condition->match], name, type_text(field->type),
			sl_buf_text(&text));
	} else {
		list_matches(of_field & matches_of_value(condition->value.type), &text);
		sl_fault_add(faults, SL_ERR_MATCH_TYPE_MISMATCH, member,
			"\"%s\" does not take a value of type %s; on \"%s\" such a value goes with "
			"%s",
			match_names[condition->match], type_text(condition->value.type), name,
			sl_buf_text(&text));
	}
	sl_buf_fini(&text);
}

/* Writes a scalar as its author would: "10.0.0.1", "2001:db8::1", "80". */
static const char *
scalar_text(const struct sl_layer_field *field, const union sl_scalar *scalar,
	char text[SL_V6_TEXT_MAX])
{
	if (field->type == SLUICE_TYPE_BYTE_ARRAY16)
		return sl_addr_format_v6(scalar->bytes, text);
	if (sl_field_is_address(field->field))
		return sl_addr_format_v4((uint32_t)scalar->number, text);
	snprintf(text, SL_V6_TEXT_MAX, "%llu", (unsigned long long)scalar->number);
	return text;
}

/* False, and a fault, when an integer does not fit its type. */
static bool
check_width(const struct sl_layer_field *field, const union sl_scalar *scalar, const char *member,
	struct sl_faults *faults)
{
	unsigned int bits = sl_type_bits(field->type);

	if (bits > 64 || bits == 0 || field->type == SLUICE_TYPE_BYTE_ARRAY6)
		return true;
	if (scalar->number <= (uint64_t)sl_u128_max(bits))
		return true;
	sl_fault_add(faults, SL_ERR_OUT_OF_BOUNDS, member,
		"%llu is too large for \"%s\", which is %s: at most %llu",
		(unsigned long long)scalar->number, sl_field_name(field->field),
		type_text(field->type), (unsigned long long)sl_u128_max(bits));
	return false;
}

static void
finish_range(const struct sl_layer_field *field, const struct sl_condition_value *value,
	const char *member, struct sl_faults *faults)
{
	char low[SL_V6_TEXT_MAX];
	char high[SL_V6_TEXT_MAX];

	if (!check_width(field, &value->low, member, faults) ||
		!check_width(field, &value->high, member, faults))
		return;
	if (sl_scalar_number(field->type, &value->low) >
		sl_scalar_number(field->type, &value->high))
		sl_fault_add(faults, SL_ERR_INVALID_RANGE, member,
			"the range begins at %s and ends before it, at %s",
			scalar_text(field, &value->low, low),
			scalar_text(field, &value->high, high));
}

static void
finish_v4_mask(struct sl_condition_value *value, const char *member, struct sl_faults *faults)
{
	char text[SL_V4_TEXT_MAX];
	uint64_t host = ~value->high.number & UINT32_MAX;

	if (value->high.number > UINT32_MAX || (host & (host + 1)) != 0) {
		sl_fault_add(faults, SL_ERR_INVALID_NET_MASK, member,
			"mask %s is not contiguous; a mask is ones followed by zeros, such as "
			"255.255.255.0",
			sl_addr_format_v4((uint32_t)value->high.number, text));
		return;
	}
	if (value->low.number > UINT32_MAX) {
		sl_fault_add(faults, SL_ERR_OUT_OF_BOUNDS, member,
			"%llu is no IPv4 address: at most 4294967295",
			(unsigned long long)value->low.number);
		return;
	}
	value->low.number &= value->high.number;
}

static void
finish_v6_mask(struct sl_condition_value *value, const char *member, struct sl_faults *faults)
{
	unsigned int len = value->prefix_len;

	if (len > 128) {
		sl_fault_add(faults, SL_ERR_INVALID_NET_MASK, member,
			"prefix length %u; an IPv6 prefix has 0 to 128 bits", len);
		return;
	}
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int kept = len > i * 8 ? SL_MIN(len - i * 8, 8u) : 0;

		value->low.bytes[i] &= (uint8_t)(0xff00u >> kept);
	}
}

static void
finish_text(const struct sl_condition_value *value, const char *member, struct sl_faults *faults)
{
	if (value->text == NULL)
		sl_fault_add(faults, SL_ERR_NULL_POINTER, member, "the text is missing");
	else if (value->text_len == 0)
		sl_fault_add(faults, SL_ERR_ZERO_LENGTH_ARRAY, member,
			"the text is empty; use null for a field without a value");
}

static void
finish_set_key(const struct sl_condition_value *value, const char *member, struct sl_faults *faults)
{
	if (value->text == NULL)
		sl_fault_add(faults, SL_ERR_NULL_POINTER, member, "the key of the set is missing");
	else if (!sl_key_is_valid(value->text))
		sl_fault_add(faults, SL_ERR_SET_NOT_FOUND, member,
			"\"%.80s\" cannot be the key of a set", value->text);
}

static void
finish_value(const struct sl_layer_field *field, struct sl_condition_value *value,
	const char *member, struct sl_faults *faults)
{
	switch (value->type) {
	case SLUICE_TYPE_EMPTY:
		break;
	case SLUICE_TYPE_RANGE:
		finish_range(field, value, member, faults);
		break;
	case SLUICE_TYPE_V4_ADDR_MASK:
		finish_v4_mask(value, member, faults);
		break;
	case SLUICE_TYPE_V6_ADDR_MASK:
		finish_v6_mask(value, member, faults);
		break;
	case SLUICE_TYPE_BYTE_BLOB:
		finish_text(value, member, faults);
		break;
	case SLUICE_TYPE_SET:
		finish_set_key(value, member, faults);
		break;
	default:
		check_width(field, &value->low, member, faults);
		break;
	}
}

void
sl_condition_finish(const struct sl_layer *layer, struct sl_condition *condition,
	const char *member, struct sl_faults *faults)
{
	const struct sl_layer_field *field = sl_layer_field_by_id(layer, condition->field, NULL);
	char at_field[64];
	char at_match[64];
	char at_value[64];

	snprintf(at_field, sizeof(at_field), "%s/field", member);
	snprintf(at_match, sizeof(at_match), "%s/match", member);
	snprintf(at_value, sizeof(at_value), "%s/value", member);
	if (field == NULL) {
		fault_field(layer, condition->field, at_field, faults);
	} else if ((unsigned int)condition->match >= SL_MATCH_COUNT) {
		sl_fault_add(faults, SL_ERR_INVALID_ENUMERATOR, at_match, "%u is no match type",
			(unsigned int)condition->match);
	} else if (!type_agrees(field, &condition->value)) {
		sl_fault_add(faults, SL_ERR_TYPE_MISMATCH, at_value,
			"a value of type %s does not fit \"%s\", which is %s; it takes %s",
			type_text(condition->value.type == SLUICE_TYPE_RANGE
					? condition->value.range_type
					: condition->value.type),
			sl_field_name(field->field), type_text(field->type), allowed_types(field));
	} else if ((BIT(condition->match) & matches_of_field(field) &
			   matches_of_value(condition->value.type)) == 0) {
		fault_match(field, condition, at_match, faults);
	} else {
		finish_value(field, &condition->value, at_value, faults);
	}
}
