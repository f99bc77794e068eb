/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/condition.h"

#include "base/sl_addr.h"
#include "base/sl_buf.h"
#include "document/scalar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct member condition_members[] = {
	{.name = "field"},
	{.name = "match"},
	{.name = "value"},
	{.name = NULL},
};

/* The member, or NULL and a fault when it is missing. */
static const json_t *
required(struct reader *reader, const struct place *at, const json_t *json, const char *name)
{
	const json_t *value = json_object_get(json, name);
	struct place place = place_member(at, name);

	if (value == NULL)
		sl_document_fault(reader, &place, SL_ERR_NULL_POINTER,
			"the member is missing; a condition has a field, a match and a value%s",
			strcmp(name, "value") == 0 ? " (null is WFP's EMPTY)" : "");
	return value;
}

static bool
layer_has(const struct sl_layer *layer, const char *name)
{
	for (uint8_t i = 0; i < layer->n_fields; i++)
		if (strcmp(sl_field_name(layer->fields[i].field), name) == 0)
			return true;
	return false;
}

static void
refuse_field(struct reader *reader, const struct place *at, const struct sl_layer *layer,
	const char *name)
{
	struct sl_buf allowed = {0};

	sl_layer_list_fields(layer, &allowed);
	if (layer_has(layer, name))
		sl_document_fault(reader, at, SL_ERR_CONDITION_NOT_FOUND,
			"nothing on a wire gives \"%s\" a value at layer \"%s\"; allowed are %s",
			name, layer->name, sl_buf_text(&allowed));
	else
		sl_document_fault(reader, at, SL_ERR_CONDITION_NOT_FOUND,
			"layer \"%s\" has no field \"%.80s\"; allowed are %s", layer->name, name,
			sl_buf_text(&allowed));
	sl_buf_fini(&allowed);
}

/* A name in `json`, or NULL and a fault. */
static const char *
name_of(struct reader *reader, const struct place *at, const json_t *json)
{
	char found[SL_FOUND_MAX];

	if (json_is_string(json))
		return json_string_value(json);
	sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH, "found %s where a name is meant",
		sl_document_found(json, found));
	return NULL;
}

/* NULL when the field is not known, with a fault unless that is the layer's fault. */
static const struct sl_layer_field *
read_field(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer *layer)
{
	struct place place = place_member(at, "field");
	const json_t *value = required(reader, at, json, "field");
	const char *name = value != NULL ? name_of(reader, &place, value) : NULL;
	const struct sl_layer_field *field;

	/* A layer that takes no filters has no fields; saying so once, at the layer, is enough. */
	if (name == NULL || layer == NULL || layer->n_fields == 0)
		return NULL;
	field = sl_layer_field_find(layer, name, NULL);
	if (field == NULL)
		refuse_field(reader, &place, layer, name);
	return field;
}

static void
refuse_match(struct reader *reader, const struct place *at, const char *name)
{
	struct sl_buf allowed = {0};

	if (strcmp(name, "prefix") == 0 || strcmp(name, "not_prefix") == 0) {
		const char *negation = name[0] == 'n' ? "not_" : "";

		sl_document_fault(reader, at, SL_ERR_INVALID_ENUMERATOR,
			"WFP's match \"%sprefix\" tests the end of the field and is spelt "
			"\"%ssuffix\" here; address prefixes go with \"equal\" and \"not_equal\"",
			negation, negation);
		return;
	}
	for (int i = 0; i < SL_MATCH_COUNT; i++)
		sl_buf_printf(&allowed, "%s%s", i > 0 ? ", " : "", sl_match_name((enum sl_match)i));
	sl_document_fault(reader, at, SL_ERR_INVALID_ENUMERATOR,
		"\"%.80s\" is no match; allowed are %s", name, sl_buf_text(&allowed));
	sl_buf_fini(&allowed);
}

static bool
read_match(struct reader *reader, const struct place *at, const json_t *json, enum sl_match *match)
{
	struct place place = place_member(at, "match");
	const json_t *value = required(reader, at, json, "match");
	const char *name = value != NULL ? name_of(reader, &place, value) : NULL;

	if (name == NULL)
		return false;
	if (sl_match_find(name, match))
		return true;
	refuse_match(reader, &place, name);
	return false;
}

static void
read_condition(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer *layer, struct sl_condition *condition)
{
	struct place place = place_member(at, "value");
	const struct sl_layer_field *field;
	const json_t *value;
	bool has_match;

	if (!sl_document_read_members(reader, at, json, condition_members, NULL, condition))
		return;
	field = read_field(reader, at, json, layer);
	has_match = read_match(reader, at, json, &condition->match);
	value = required(reader, at, json, "value");
	if (field == NULL)
		return;
	condition->field = field->field;
	if (has_match && value != NULL)
		(void)sl_document_take_value(
			reader, &place, value, field, condition->match, &condition->value);
}

void
sl_document_read_conditions(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct sl_filter *filter = object;
	char found[SL_FOUND_MAX];
	const json_t *element;
	size_t i;

	(void)member;
	if (!json_is_array(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where an array of conditions is meant",
			sl_document_found(json, found));
		return;
	}
	if (json_array_size(json) == 0)
		return;
	filter->conditions = calloc(json_array_size(json), sizeof(*filter->conditions));
	if (filter->conditions == NULL) {
		sl_document_fault_no_memory(reader, at);
		return;
	}
	filter->n_conditions = json_array_size(json);
	json_array_foreach(json, i, element) {
		struct place place = place_element(at, i);

		read_condition(reader, &place, element, filter->layer, &filter->conditions[i]);
	}
}

/* --- Writing. --- */

static json_t *
write_scalar(struct scalar_form form, const union sl_scalar *scalar)
{
	char text[SL_SCALAR_TEXT_MAX];

	/* 64-bit numbers travel as strings, whatever their value. */
	if (form.kind == SCALAR_NUMBER && form.max < UINT64_MAX)
		return json_integer((json_int_t)scalar->number);
	return json_string(sl_document_format_scalar(form, scalar, text));
}

static json_t *
write_prefix(struct scalar_form form, const struct sl_condition_value *value)
{
	unsigned int len = form.kind == SCALAR_V4
		? (unsigned int)__builtin_popcountll(value->high.number)
		: value->prefix_len;
	char text[SL_SCALAR_TEXT_MAX];

	return json_sprintf("%s/%u", sl_document_format_scalar(form, &value->low, text), len);
}

/* Names of all bits, NULL when some bit has none (or there are none, or no memory). */
static json_t *
write_flags(enum sluice_field field, uint64_t bits)
{
	json_t *names = json_array();
	const char *name;
	uint32_t bit;

	for (uint32_t i = 0; (name = sl_flag_name(field, i, &bit)) != NULL; i++) {
		if ((bits & bit) == 0)
			continue;
		if (json_array_append_new(names, json_string(name)) != 0)
			break;
		bits &= ~(uint64_t)bit;
	}
	if (bits == 0 && json_array_size(names) > 0)
		return names;
	json_decref(names);
	return NULL;
}

static bool
is_flags_match(enum sl_match match)
{
	return match == SL_MATCH_FLAGS_ALL_SET || match == SL_MATCH_FLAGS_ANY_SET ||
		match == SL_MATCH_FLAGS_NONE_SET;
}

static json_t *
write_single(const struct sl_layer_field *field, const struct sl_condition *condition)
{
	json_t *names = NULL;

	if (is_flags_match(condition->match))
		names = write_flags(condition->field, condition->value.low.number);
	if (names != NULL)
		return names;
	return write_scalar(sl_document_form_of_field(field), &condition->value.low);
}

static json_t *
write_value(const struct sl_layer_field *field, const struct sl_condition *condition)
{
	const struct sl_condition_value *value = &condition->value;
	struct scalar_form form = sl_document_form_of_field(field);

	switch (value->type) {
	case SLUICE_TYPE_EMPTY:
		return json_null();
	case SLUICE_TYPE_SET:
	case SLUICE_TYPE_BYTE_BLOB:
		return json_stringn(value->text, value->text_len);
	case SLUICE_TYPE_V4_ADDR_MASK:
	case SLUICE_TYPE_V6_ADDR_MASK:
		return write_prefix(form, value);
	case SLUICE_TYPE_RANGE:
		return json_pack("[o, o]", write_scalar(form, &value->low),
			write_scalar(form, &value->high));
	default:
		return write_single(field, condition);
	}
}

json_t *
sl_document_write_condition(const struct sl_layer *layer, const struct sl_condition *condition)
{
	const struct sl_layer_field *field = sl_layer_field_by_id(layer, condition->field, NULL);

	if (field == NULL)
		return NULL;
	return json_pack("{s:s, s:s, s:o}", "field", sl_field_name(condition->field), "match",
		sl_match_name(condition->match), "value", write_value(field, condition));
}
