/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DOCUMENT_SCALAR_H
#define SL_DOCUMENT_SCALAR_H

/* Single values of fields and of set elements, as text and back.  Private to the room. */

#include "policy/sl_object.h"

#include <stdint.h>

#define SL_SCALAR_TEXT_MAX 64

enum scalar_kind {
	SCALAR_NUMBER,
	SCALAR_V4,  /* IPv4 address: a number in host order */
	SCALAR_V6,  /* 16 bytes */
	SCALAR_MAC, /* 6 bytes */
	SCALAR_TEXT /* a byte blob, no scalar */
};

struct scalar_form {
	enum scalar_kind kind;
	uint64_t max; /* of a number or an IPv4 address */
};

struct scalar_form sl_document_form_of_field(const struct sl_layer_field *field);
struct scalar_form sl_document_form_of_set(enum sl_set_type type);
/* "an integer 0 to 255", "an IPv4 address", ... Returns `words`. */
const char *sl_document_form_words(struct scalar_form form, char words[SL_SCALAR_TEXT_MAX]);

/* 0, -EINVAL: no value of this form, -ERANGE: a number above the form's maximum. */
int sl_document_parse_scalar(struct scalar_form form, const char *text, union sl_scalar *scalar);
/* Returns `text`. */
char *sl_document_format_scalar(
	struct scalar_form form, const union sl_scalar *scalar, char text[SL_SCALAR_TEXT_MAX]);

#endif
