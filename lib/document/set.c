/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_addr.h"
#include "document/reader.h"
#include "document/scalar.h"
#include "document/sl_document.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Elements as intervals of 16-byte big-endian numbers. --- */

static void
encode_number(uint64_t number, uint8_t out[16])
{
	memset(out, 0, 8);
	for (int i = 15; i >= 8; i--) {
		out[i] = (uint8_t)number;
		number >>= 8;
	}
}

static void
encode(struct scalar_form form, const union sl_scalar *scalar, uint8_t out[16])
{
	if (form.kind == SCALAR_V6) {
		memcpy(out, scalar->bytes, 16);
	} else if (form.kind == SCALAR_MAC) {
		memset(out, 0, 10);
		memcpy(out + 10, scalar->bytes, 6);
	} else {
		encode_number(scalar->number, out);
	}
}

static void
decode(struct scalar_form form, const uint8_t in[16], union sl_scalar *scalar)
{
	if (form.kind == SCALAR_V6) {
		memcpy(scalar->bytes, in, 16);
	} else if (form.kind == SCALAR_MAC) {
		memcpy(scalar->bytes, in + 10, 6);
	} else {
		scalar->number = 0;
		for (int i = 8; i < 16; i++)
			scalar->number = scalar->number << 8 | in[i];
	}
}

/* Spreads `high` from `low`: the last `n_bits` become one there and zero here. */
static void
span_last_bits(struct sl_set_range *range, unsigned int n_bits)
{
	memcpy(range->high, range->low, 16);
	for (int i = 15; n_bits > 0; i--) {
		unsigned int n = SL_MIN(n_bits, 8u);
		uint8_t mask = (uint8_t)(0xff >> (8 - n));

		range->low[i] &= (uint8_t)~mask;
		range->high[i] |= mask;
		n_bits -= n;
	}
}

/* The last bits that an interval made by a prefix leaves open. */
static unsigned int
open_bits(const struct sl_set_range *range)
{
	unsigned int n = 0;

	for (int i = 0; i < 16; i++)
		n += (unsigned int)__builtin_popcount(range->low[i] ^ range->high[i]);
	return n;
}

/* --- Reading. --- */

static int
parse_prefix(struct scalar_form form, const char *text, struct sl_set_range *range)
{
	union sl_scalar address = {0};
	uint8_t prefix_len = 0;
	uint32_t v4 = 0;
	int rc;

	if (form.kind == SCALAR_V4)
		rc = sl_addr_parse_prefix_v4(text, &v4, &prefix_len);
	else
		rc = sl_addr_parse_prefix_v6(text, address.bytes, &prefix_len);
	if (rc != 0)
		return rc;
	if (form.kind == SCALAR_V4)
		address.number = v4;
	encode(form, &address, range->low);
	span_last_bits(range, (form.kind == SCALAR_V4 ? 32u : 128u) - prefix_len);
	return 0;
}

/* "80-90" */
static int
parse_interval(struct scalar_form form, const char *text, struct sl_set_range *range)
{
	char low_text[2 * SL_SCALAR_TEXT_MAX];
	const char *dash = strchr(text, '-');
	union sl_scalar low, high;
	size_t len = (size_t)(dash - text);
	int rc;

	if (len >= sizeof(low_text))
		return -EINVAL;
	memcpy(low_text, text, len);
	low_text[len] = '\0';
	rc = sl_document_parse_scalar(form, low_text, &low);
	if (rc == 0)
		rc = sl_document_parse_scalar(form, dash + 1, &high);
	if (rc != 0)
		return rc;
	encode(form, &low, range->low);
	encode(form, &high, range->high);
	return memcmp(range->low, range->high, 16) <= 0 ? 0 : -EDOM;
}

/* 0, -EINVAL: no element of this form, -ERANGE: out of bounds, -EDOM: low end above high end. */
static int
parse_text(struct scalar_form form, const char *text, struct sl_set_range *range)
{
	union sl_scalar scalar;
	int rc;

	if (form.kind == SCALAR_NUMBER && strchr(text, '-') != NULL)
		return parse_interval(form, text, range);
	if (form.kind == SCALAR_V4 || form.kind == SCALAR_V6)
		return parse_prefix(form, text, range);
	rc = sl_document_parse_scalar(form, text, &scalar);
	if (rc != 0)
		return rc;
	encode(form, &scalar, range->low);
	memcpy(range->high, range->low, 16);
	return 0;
}

static int
parse_element(struct scalar_form form, const json_t *json, struct sl_set_range *range)
{
	if (json_is_string(json))
		return parse_text(form, json_string_value(json), range);
	if (!json_is_integer(json) || form.kind != SCALAR_NUMBER)
		return -EINVAL;
	if (json_integer_value(json) < 0 || (uint64_t)json_integer_value(json) > form.max)
		return -ERANGE;
	encode_number((uint64_t)json_integer_value(json), range->low);
	memcpy(range->high, range->low, 16);
	return 0;
}

static void
refuse_element(struct reader *reader, const struct place *at, const json_t *json,
	enum sl_set_type type, int rc)
{
	static const char *const forms[SL_SET_TYPE_COUNT] = {
		[SL_SET_V4_PREFIX] = "an IPv4 prefix or address, such as \"192.0.2.0/24\"",
		[SL_SET_V6_PREFIX] = "an IPv6 prefix or address, such as \"2001:db8::/32\"",
		[SL_SET_MAC] = "a MAC address, such as \"02:00:00:00:00:01\"",
		[SL_SET_UINT8] = "an integer 0 to 255 or a range, such as \"80-90\"",
		[SL_SET_UINT16] = "an integer 0 to 65535 or a range, such as \"80-90\"",
		[SL_SET_UINT32] = "an integer 0 to 4294967295 or a range, such as \"80-90\"",
	};
	bool is_number = sl_document_form_of_set(type).kind == SCALAR_NUMBER;
	enum sl_err code = SL_ERR_TYPE_MISMATCH;
	char found[SL_FOUND_MAX];

	if (rc == -EDOM)
		code = SL_ERR_INVALID_RANGE;
	else if (rc == -ERANGE)
		code = is_number ? SL_ERR_OUT_OF_BOUNDS : SL_ERR_INVALID_NET_MASK;
	sl_document_fault(reader, at, code, "found %s%s where %s is meant",
		sl_document_found(json, found),
		rc == -EDOM ? ", whose low end is above its high end," : "", forms[type]);
}

static bool
take_elements(struct reader *reader, const struct place *at, const json_t *json, struct sl_set *set)
{
	struct scalar_form form = sl_document_form_of_set(set->set_type);
	char found[SL_FOUND_MAX];
	struct sl_set_range *elements;
	const json_t *element;
	bool ok = true;
	size_t i;

	if (!json_is_array(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where an array of elements is meant",
			sl_document_found(json, found));
		return false;
	}
	if (json_array_size(json) == 0)
		return true;
	elements = reallocarray(
		set->elements, set->n_elements + json_array_size(json), sizeof(*elements));
	if (elements == NULL) {
		sl_document_fault_no_memory(reader, at);
		return false;
	}
	set->elements = elements;
	json_array_foreach(json, i, element) {
		int rc = parse_element(form, element, &elements[set->n_elements]);
		struct place place = place_element(at, i);

		if (rc == 0) {
			set->n_elements++;
			continue;
		}
		refuse_element(reader, &place, element, set->set_type, rc);
		ok = false;
	}
	return ok;
}

bool
sl_document_read_elements(
	struct sl_set *set, const json_t *json, const char *pointer, struct sl_problems *problems)
{
	struct reader reader = {.problems = problems};
	struct place at = place_root(pointer);

	return take_elements(&reader, &at, json, set);
}

static void
read_type(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	static const char allowed[] = "v4_prefix, v6_prefix, mac, uint8, uint16, uint32";
	struct sl_set *set = object;
	char found[SL_FOUND_MAX];

	(void)member;
	set->set_type = SL_SET_TYPE_COUNT;
	if (!json_is_string(json))
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where a type of set is meant: %s", sl_document_found(json, found),
			allowed);
	else if (!sl_set_type_find(json_string_value(json), &set->set_type))
		sl_document_fault(reader, at, SL_ERR_INVALID_ENUMERATOR,
			"\"%.80s\" is no type of set; allowed are %s", json_string_value(json),
			allowed);
}

static void
read_elements(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	struct sl_set *set = object;

	(void)member;
	/* Without a type nobody can say what the elements should look like. */
	if (set->set_type < SL_SET_TYPE_COUNT)
		(void)take_elements(reader, at, json, set);
}

const struct member sl_document_set_members[] = {
	{.name = "type", .read = read_type},
	{.name = "elements", .read = read_elements},
	{.name = NULL},
};

/* --- Writing. --- */

/* As people write them: single numbers as integers, all else as texts. */
static json_t *
write_element(struct scalar_form form, const struct sl_set_range *range)
{
	char low_text[SL_SCALAR_TEXT_MAX], high_text[SL_SCALAR_TEXT_MAX];
	union sl_scalar low, high;

	decode(form, range->low, &low);
	decode(form, range->high, &high);
	if (form.kind == SCALAR_NUMBER && memcmp(range->low, range->high, 16) == 0)
		return json_integer((json_int_t)low.number);
	sl_document_format_scalar(form, &low, low_text);
	if (memcmp(range->low, range->high, 16) == 0)
		return json_string(low_text);
	if (form.kind == SCALAR_NUMBER)
		return json_sprintf(
			"%s-%s", low_text, sl_document_format_scalar(form, &high, high_text));
	return json_sprintf(
		"%s/%u", low_text, (form.kind == SCALAR_V4 ? 32u : 128u) - open_bits(range));
}

json_t *
sl_document_write_elements(const struct sl_set *set)
{
	struct scalar_form form = sl_document_form_of_set(set->set_type);
	json_t *elements = json_array();

	for (size_t i = 0; elements != NULL && i < set->n_elements; i++) {
		if (json_array_append_new(elements, write_element(form, &set->elements[i])) == 0)
			continue;
		json_decref(elements);
		elements = NULL;
	}
	return elements;
}
