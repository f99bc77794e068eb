/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/scalar.h"

#include "base/sl_addr.h"
#include "document/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

struct scalar_form
sl_document_form_of_field(const struct sl_layer_field *field)
{
	bool is_address = sl_field_is_address(field->field);

	switch (field->type) {
	case SLUICE_TYPE_UINT8:
		return (struct scalar_form){SCALAR_NUMBER, UINT8_MAX};
	case SLUICE_TYPE_UINT16:
		return (struct scalar_form){SCALAR_NUMBER, UINT16_MAX};
	case SLUICE_TYPE_UINT32:
		return (struct scalar_form){is_address ? SCALAR_V4 : SCALAR_NUMBER, UINT32_MAX};
	case SLUICE_TYPE_UINT64:
		return (struct scalar_form){SCALAR_NUMBER, UINT64_MAX};
	case SLUICE_TYPE_BYTE_ARRAY16:
		return (struct scalar_form){.kind = SCALAR_V6};
	case SLUICE_TYPE_BYTE_ARRAY6:
		return (struct scalar_form){.kind = SCALAR_MAC};
	default:
		return (struct scalar_form){.kind = SCALAR_TEXT};
	}
}

struct scalar_form
sl_document_form_of_set(enum sl_set_type type)
{
	static const struct scalar_form forms[SL_SET_TYPE_COUNT] = {
		[SL_SET_V4_PREFIX] = {SCALAR_V4, UINT32_MAX},
		[SL_SET_V6_PREFIX] = {SCALAR_V6, 0},
		[SL_SET_MAC] = {SCALAR_MAC, 0},
		[SL_SET_UINT8] = {SCALAR_NUMBER, UINT8_MAX},
		[SL_SET_UINT16] = {SCALAR_NUMBER, UINT16_MAX},
		[SL_SET_UINT32] = {SCALAR_NUMBER, UINT32_MAX},
	};

	return forms[type];
}

const char *
sl_document_form_words(struct scalar_form form, char words[SL_SCALAR_TEXT_MAX])
{
	switch (form.kind) {
	case SCALAR_V4:
		return "an IPv4 address";
	case SCALAR_V6:
		return "an IPv6 address";
	case SCALAR_MAC:
		return "a MAC address";
	case SCALAR_TEXT:
		return "a string";
	case SCALAR_NUMBER:
		break;
	}
	snprintf(words, SL_SCALAR_TEXT_MAX, "an integer 0 to %" PRIu64, form.max);
	return words;
}

int
sl_document_parse_scalar(struct scalar_form form, const char *text, union sl_scalar *scalar)
{
	uint32_t v4;
	int rc;

	switch (form.kind) {
	case SCALAR_NUMBER:
		return sl_document_parse_number(text, form.max, &scalar->number);
	case SCALAR_V4:
		rc = sl_addr_parse_v4(text, &v4);
		if (rc == 0)
			scalar->number = v4;
		return rc;
	case SCALAR_V6:
		return sl_addr_parse_v6(text, scalar->bytes);
	case SCALAR_MAC:
		return sl_addr_parse_mac(text, scalar->bytes);
	case SCALAR_TEXT:
		break;
	}
	return -EINVAL;
}

char *
sl_document_format_scalar(
	struct scalar_form form, const union sl_scalar *scalar, char text[SL_SCALAR_TEXT_MAX])
{
	switch (form.kind) {
	case SCALAR_V4:
		return sl_addr_format_v4((uint32_t)scalar->number, text);
	case SCALAR_V6:
		return sl_addr_format_v6(scalar->bytes, text);
	case SCALAR_MAC:
		return sl_addr_format_mac(scalar->bytes, text);
	case SCALAR_NUMBER:
	case SCALAR_TEXT:
		break;
	}
	snprintf(text, SL_SCALAR_TEXT_MAX, "%" PRIu64, scalar->number);
	return text;
}
