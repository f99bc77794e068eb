/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/reader.h"

#include "base/sl_addr.h"
#include "base/sl_buf.h"
#include "document/scalar.h"
#include "document/sl_document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Values of conditions.  The form follows the field's type and never the other way round: WFP
 * converts nothing (section 2.2), so a string at an integer field is a fault, as is 6.0.  What a
 * match may be combined with is checked when the object is finished; only forms that cannot even
 * be held are refused here.
 */

static bool
is_set_match(enum sl_match match)
{
	return match == SL_MATCH_IN_SET || match == SL_MATCH_NOT_IN_SET;
}

static bool
has_flags(const struct sl_layer_field *field)
{
	uint32_t bit;

	return sl_flag_name(field->field, 0, &bit) != NULL;
}

/* Adds the fault of a value that is not of the field's form. `rc` is the parser's. */
static bool
refuse_form(struct reader *reader, const struct place *at, const json_t *json,
	struct scalar_form form, int rc)
{
	char found[SL_FOUND_MAX], words[SL_SCALAR_TEXT_MAX];

	sl_document_fault(reader, at, rc == -ERANGE ? SL_ERR_OUT_OF_BOUNDS : SL_ERR_TYPE_MISMATCH,
		"found %s where %s is meant", sl_document_found(json, found),
		sl_document_form_words(form, words));
	return false;
}

/* A single value that is no text. */
static bool
take_scalar(struct reader *reader, const struct place *at, const json_t *json,
	struct scalar_form form, union sl_scalar *scalar)
{
	int rc;

	/* WFP's IPv4 values are numbers; they may be written as such. */
	if (form.kind == SCALAR_NUMBER || (form.kind == SCALAR_V4 && json_is_integer(json)))
		return sl_document_take_number(reader, at, json, form.max, &scalar->number);
	if (!json_is_string(json))
		return refuse_form(reader, at, json, form, -EINVAL);
	rc = sl_document_parse_scalar(form, json_string_value(json), scalar);
	return rc == 0 || refuse_form(reader, at, json, form, rc);
}

/* "10.0.0.0/8", "10.0.0.0/255.0.0.0", "2001:db8::/32". */
static bool
take_prefix(struct reader *reader, const struct place *at, const json_t *json,
	struct scalar_form form, struct sl_condition_value *value)
{
	const char *text = json_string_value(json);
	uint32_t v4 = 0;
	int rc;

	if (form.kind == SCALAR_V4) {
		rc = sl_addr_parse_prefix_v4(text, &v4, &value->prefix_len);
		value->type = SLUICE_TYPE_V4_ADDR_MASK;
		value->low.number = v4;
		value->high.number = sl_addr_mask_v4(value->prefix_len);
	} else {
		rc = sl_addr_parse_prefix_v6(text, value->low.bytes, &value->prefix_len);
		value->type = SLUICE_TYPE_V6_ADDR_MASK;
	}
	if (rc == -ERANGE)
		sl_document_fault(reader, at, SL_ERR_INVALID_NET_MASK,
			"\"%s\" has no valid length; allowed are %s", text,
			form.kind == SCALAR_V4 ? "0 to 32 and contiguous masks" : "0 to 128");
	else if (rc != 0)
		refuse_form(reader, at, json, form, rc);
	return rc == 0;
}

static bool
is_prefix_text(struct scalar_form form, const json_t *json)
{
	return (form.kind == SCALAR_V4 || form.kind == SCALAR_V6) && json_is_string(json) &&
		strchr(json_string_value(json), '/') != NULL;
}

static bool
take_single(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, struct sl_condition_value *value)
{
	struct scalar_form form = sl_document_form_of_field(field);

	value->type = field->type;
	if (form.kind == SCALAR_TEXT) {
		if (!sl_document_take_text(reader, at, json, SL_TEXT_NAME_MAX, &value->text))
			return false;
		value->text_len = strlen(value->text);
		return true;
	}
	return take_scalar(reader, at, json, form, &value->low);
}

static void
refuse_flag(
	struct reader *reader, const struct place *at, enum sluice_field field, const char *name)
{
	struct sl_buf allowed = {0};
	const char *known;
	uint32_t bit;

	for (uint32_t i = 0; (known = sl_flag_name(field, i, &bit)) != NULL; i++)
		sl_buf_printf(&allowed, "%s%s", i > 0 ? ", " : "", known);
	sl_document_fault(reader, at, SL_ERR_INVALID_FLAGS,
		"\"%.80s\" is no flag of %s; allowed are %s", name, sl_field_name(field),
		sl_buf_text(&allowed));
	sl_buf_fini(&allowed);
}

/* ["syn", "ack"]: the bits together. */
static bool
take_flags(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, struct sl_condition_value *value)
{
	bool ok = true;
	const json_t *name;
	uint32_t bit;
	size_t i;

	value->type = field->type;
	json_array_foreach(json, i, name) {
		struct place place = place_element(at, i);
		char found[SL_FOUND_MAX];

		if (!json_is_string(name)) {
			sl_document_fault(reader, &place, SL_ERR_TYPE_MISMATCH,
				"found %s where the name of a flag is meant",
				sl_document_found(name, found));
			ok = false;
		} else if (!sl_flag_find(field->field, json_string_value(name), &bit)) {
			refuse_flag(reader, &place, field->field, json_string_value(name));
			ok = false;
		} else {
			value->low.number |= bit;
		}
	}
	return ok;
}

/* [low, high], both of the field's own type. */
static bool
take_range(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, struct sl_condition_value *value)
{
	struct scalar_form form = sl_document_form_of_field(field);
	struct place low = place_element(at, 0), high = place_element(at, 1);
	bool ok;

	if (form.kind == SCALAR_TEXT) {
		sl_document_fault(reader, at, SL_ERR_MATCH_TYPE_MISMATCH,
			"%s has no order, so it cannot be in a range", sl_field_name(field->field));
		return false;
	}
	if (json_array_size(json) != 2) {
		sl_document_fault(reader, at, SL_ERR_INVALID_RANGE,
			"found an array of %zu; a range is [low, high]", json_array_size(json));
		return false;
	}
	value->type = SLUICE_TYPE_RANGE;
	value->range_type = field->type;
	ok = take_scalar(reader, &low, json_array_get(json, 0), form, &value->low);
	return take_scalar(reader, &high, json_array_get(json, 1), form, &value->high) && ok;
}

/* "low-high". */
static bool
take_range_text(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, struct sl_condition_value *value)
{
	struct scalar_form form = sl_document_form_of_field(field);
	char *low = strdup(json_string_value(json));
	char *high = low != NULL ? strchr(low, '-') : NULL;
	char found[SL_FOUND_MAX], words[SL_SCALAR_TEXT_MAX];
	int rc = -EINVAL;

	if (high != NULL) {
		*high++ = '\0';
		rc = sl_document_parse_scalar(form, low, &value->low);
		if (rc == 0)
			rc = sl_document_parse_scalar(form, high, &value->high);
	}
	value->type = SLUICE_TYPE_RANGE;
	value->range_type = field->type;
	if (low == NULL)
		sl_document_fault_no_memory(reader, at);
	else if (rc != 0)
		sl_document_fault(reader, at,
			rc == -ERANGE ? SL_ERR_OUT_OF_BOUNDS : SL_ERR_TYPE_MISMATCH,
			"found %s where [low, high] or \"low-high\" is meant, each %s",
			sl_document_found(json, found), sl_document_form_words(form, words));
	free(low);
	return rc == 0;
}

/* True for a string that can only be meant as "low-high". */
static bool
is_range_text(struct scalar_form form, const json_t *json)
{
	if (!json_is_string(json))
		return false;
	if (form.kind == SCALAR_NUMBER)
		return true;
	return (form.kind == SCALAR_V4 || form.kind == SCALAR_V6) &&
		strchr(json_string_value(json), '-') != NULL;
}

static bool
take_set(struct reader *reader, const struct place *at, const json_t *json,
	struct sl_condition_value *value)
{
	value->type = SLUICE_TYPE_SET;
	if (!json_is_string(json)) {
		char found[SL_FOUND_MAX];

		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where the key of a set is meant", sl_document_found(json, found));
		return false;
	}
	if (!sl_document_take_text(reader, at, json, SL_TEXT_SHORT_MAX, &value->text))
		return false;
	value->text_len = strlen(value->text);
	return true;
}

static bool
take_array(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, enum sl_match match, struct sl_condition_value *value)
{
	if (match == SL_MATCH_RANGE)
		return take_range(reader, at, json, field, value);
	if (has_flags(field))
		return take_flags(reader, at, json, field, value);
	sl_document_fault(reader, at, SL_ERR_MATCH_TYPE_MISMATCH,
		"found an array; a range [low, high] goes with the match \"range\", not \"%s\"",
		sl_match_name(match));
	return false;
}

bool
sl_document_take_value(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, enum sl_match match, struct sl_condition_value *value)
{
	struct scalar_form form = sl_document_form_of_field(field);

	*value = (struct sl_condition_value){.type = SLUICE_TYPE_EMPTY};
	if (is_set_match(match))
		return take_set(reader, at, json, value);
	if (json_is_null(json))
		return true;
	if (json_is_array(json))
		return take_array(reader, at, json, field, match, value);
	if (match == SL_MATCH_RANGE && is_range_text(form, json))
		return take_range_text(reader, at, json, field, value);
	if (is_prefix_text(form, json))
		return take_prefix(reader, at, json, form, value);
	return take_single(reader, at, json, field, value);
}

bool
sl_document_read_value(const struct sl_layer_field *field, const json_t *json, const char *pointer,
	struct sl_condition_value *value, struct sl_problems *problems)
{
	struct reader reader = {.problems = problems};
	struct place at = place_root(pointer);

	*value = (struct sl_condition_value){.type = SLUICE_TYPE_EMPTY};
	if (json_is_null(json))
		return true;
	if (json_is_array(json) && has_flags(field))
		return take_flags(&reader, &at, json, field, value);
	return take_single(&reader, &at, json, field, value);
}
