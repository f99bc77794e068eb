/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/reader.h"

#include "base/sl_buf.h"
#include "base/sl_utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names longer than this are cut in pointers: the client chose them, and there may be many. */
#define TOKEN_BYTES_MAX 256

/* One token of a JSON pointer: '~' and '/' are escaped (RFC 6901 section 3). */
static void
add_token(struct sl_buf *pointer, const char *name)
{
	size_t size = sl_utf8_clip(name, TOKEN_BYTES_MAX);

	sl_buf_add_char(pointer, '/');
	for (size_t i = 0; i < size; i++) {
		if (name[i] == '~')
			sl_buf_add_text(pointer, "~0");
		else if (name[i] == '/')
			sl_buf_add_text(pointer, "~1");
		else
			sl_buf_add_char(pointer, name[i]);
	}
}

/* Recursion is as deep as our own code nests, not as the document does. */
static void
add_place(struct sl_buf *pointer, const struct place *at)
{
	if (at->up == NULL) {
		sl_buf_add_text(pointer, at->name);
		return;
	}
	add_place(pointer, at->up);
	if (at->name != NULL)
		add_token(pointer, at->name);
	else
		sl_buf_printf(pointer, "/%zu", at->index);
}

void
sl_document_fault(
	struct reader *reader, const struct place *at, enum sl_err code, const char *format, ...)
{
	struct sl_buf pointer = {0};
	char *detail = NULL;
	va_list args;

	add_place(&pointer, at);
	va_start(args, format);
	if (vasprintf(&detail, format, args) < 0)
		detail = NULL;
	va_end(args);
	sl_problems_add(reader->problems, code, sl_buf_text(&pointer), "%s",
		detail != NULL ? detail : sl_err_meaning(code));
	free(detail);
	sl_buf_fini(&pointer);
}

void
sl_document_fault_no_memory(struct reader *reader, const struct place *at)
{
	sl_document_fault(reader, at, SL_ERR_NO_MEMORY, "not enough memory");
}

const char *
sl_document_found(const json_t *json, char text[SL_FOUND_MAX])
{
	const char *string;

	if (json == NULL)
		return "nothing";
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		string = json_string_value(json);
		snprintf(text, SL_FOUND_MAX, "the string \"%.*s\"%s",
			(int)sl_utf8_clip(string, SL_FOUND_MAX - 20), string,
			json_string_length(json) > SL_FOUND_MAX - 20 ? "..." : "");
		return text;
	case JSON_INTEGER:
		snprintf(text, SL_FOUND_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return text;
	case JSON_REAL:
		snprintf(text, SL_FOUND_MAX, "the real number %.17g", json_real_value(json));
		return text;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

/* In texts for people they would spoil logs and terminals. */
static bool
has_control_character(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < 0x20 && *text != '\n' && *text != '\t') ||
			*text == 0x7f)
			return true;
	return false;
}

bool
sl_document_take_text(struct reader *reader, const struct place *at, const json_t *json,
	size_t size_max, char **out)
{
	char found[SL_FOUND_MAX];
	char *text;

	if (!json_is_string(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where a string is meant", sl_document_found(json, found));
		return false;
	}
	if (json_string_length(json) > size_max) {
		sl_document_fault(reader, at, SL_ERR_OUT_OF_BOUNDS,
			"the string has %zu bytes; at most %zu are allowed",
			json_string_length(json), size_max);
		return false;
	}
	text = strdup(json_string_value(json));
	if (text == NULL) {
		sl_document_fault_no_memory(reader, at);
		return false;
	}
	free(*out);
	*out = text;
	return true;
}

int
sl_document_parse_number(const char *text, uint64_t max, uint64_t *number)
{
	uint64_t value = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (const char *at = text; *at != '\0'; at++)
		if (*at < '0' || *at > '9')
			return -EINVAL;
	for (; *text != '\0'; text++) {
		unsigned int digit = (unsigned int)(*text - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	if (value > max)
		return -ERANGE;
	*number = value;
	return 0;
}

/* 0, -EINVAL when it is no number of the wanted form, -ERANGE. */
static int
number_of(const json_t *json, uint64_t max, uint64_t *number)
{
	if (json_is_string(json) && max == UINT64_MAX)
		return sl_document_parse_number(json_string_value(json), max, number);
	if (!json_is_integer(json))
		return -EINVAL;
	if (json_integer_value(json) < 0 || (uint64_t)json_integer_value(json) > max)
		return -ERANGE;
	*number = (uint64_t)json_integer_value(json);
	return 0;
}

bool
sl_document_take_number(struct reader *reader, const struct place *at, const json_t *json,
	uint64_t max, uint64_t *number)
{
	char found[SL_FOUND_MAX];
	int rc = number_of(json, max, number);

	if (rc == -ERANGE)
		sl_document_fault(reader, at, SL_ERR_OUT_OF_BOUNDS,
			"found %s; allowed are 0 to %" PRIu64, sl_document_found(json, found), max);
	else if (rc != 0)
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where an integer 0 to %" PRIu64 "%s is meant",
			sl_document_found(json, found), max,
			max == UINT64_MAX ? " (as a decimal string from 2^63)" : "");
	return rc == 0;
}

void
sl_document_read_text(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *member, void *object)
{
	if (json_is_null(json))
		return;
	if (json_is_string(json) && !member->is_opaque &&
		has_control_character(json_string_value(json))) {
		sl_document_fault(reader, at, SL_ERR_INVALID_PARAMETER,
			"the string holds a control character other than a tab or line end");
		return;
	}
	(void)sl_document_take_text(reader, at, json, member->size_max,
		(char **)(void *)((char *)object + member->offset));
}

static const struct member *
member_find(const struct member *table, const char *name)
{
	for (; table != NULL && table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static void
list_members(struct sl_buf *list, const struct member *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (table->is_output)
			continue;
		sl_buf_add_text(list, list->len > 0 ? ", " : "");
		sl_buf_add_text(list, table->name);
	}
}

static void
refuse_unknown_members(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *table, const struct member *extra)
{
	struct sl_buf allowed = {0};
	const char *name;
	json_t *value;

	json_object_foreach(unconst(json), name, value) {
		struct place place = place_member(at, name);

		if (member_find(table, name) != NULL || member_find(extra, name) != NULL)
			continue;
		if (allowed.len == 0) {
			list_members(&allowed, table);
			list_members(&allowed, extra);
		}
		sl_document_fault(reader, &place, SL_ERR_RESERVED,
			"\"%.*s\" is no member here; allowed are %s",
			(int)sl_utf8_clip(name, SL_FOUND_MAX), name, sl_buf_text(&allowed));
	}
	sl_buf_fini(&allowed);
}

static void
read_table(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *table, void *object)
{
	for (; table != NULL && table->name != NULL; table++) {
		const json_t *value = json_object_get(json, table->name);
		struct place place = place_member(at, table->name);

		if (value != NULL && table->read != NULL)
			table->read(reader, &place, value, table, object);
	}
}

bool
sl_document_read_members(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *table, const struct member *extra, void *object)
{
	char found[SL_FOUND_MAX];

	if (!json_is_object(json)) {
		sl_document_fault(reader, at, SL_ERR_TYPE_MISMATCH,
			"found %s where an object is meant", sl_document_found(json, found));
		return false;
	}
	read_table(reader, at, json, table, object);
	read_table(reader, at, json, extra, object);
	refuse_unknown_members(reader, at, json, table, extra);
	return true;
}
