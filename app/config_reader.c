/* SPDX-License-Identifier: BSD-3-Clause */
#include "config_reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTS_MAX 256u

void
config_fault(const struct config_reader *reader, enum sl_err code, const char *member,
	const char *format, ...)
{
	char pointer[160], detail[400];
	va_list values;

	va_start(values, format);
	vsnprintf(detail, sizeof(detail), format, values);
	va_end(values);
	snprintf(pointer, sizeof(pointer), "%s%s%s", reader->pointer, member[0] == '\0' ? "" : "/",
		member);
	sl_problems_add(reader->problems, code, pointer, "%s", detail);
}

const char *
config_type_name(const json_t *json)
{
	static const char *const names[] = {[JSON_OBJECT] = "an object",
		[JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",
		[JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a fraction",
		[JSON_TRUE] = "true",
		[JSON_FALSE] = "false",
		[JSON_NULL] = "null"};

	return names[json_typeof(json)];
}

void
config_check_members(const struct config_reader *reader, const char *allowed)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)reader->json, name, value) {
		const char *at = allowed;
		size_t len = strlen(name);

		while (*at != '\0' &&
			(strncmp(at, name, len) != 0 || (at[len] != ' ' && at[len] != '\0'))) {
			at += strcspn(at, " ");
			at += *at == ' ';
		}
		if (*at == '\0' || len == 0)
			config_fault(reader, SL_ERR_RESERVED, name,
				"unknown member; allowed are: %s", allowed);
	}
}

const json_t *
config_member(
	const struct config_reader *reader, const char *name, json_type type, const char *wanted)
{
	const json_t *value = json_object_get(reader->json, name);

	if (value == NULL || json_typeof(value) == type)
		return value;
	config_fault(reader, SL_ERR_TYPE_MISMATCH, name, "is %s; expected %s",
		config_type_name(value), wanted);
	return NULL;
}

const char *
config_text(const struct config_reader *reader, const char *name, const char *otherwise)
{
	const json_t *value = config_member(reader, name, JSON_STRING, "a string");

	return value != NULL ? json_string_value(value) : otherwise;
}

uint64_t
config_number(const struct config_reader *reader, const char *name, uint64_t min, uint64_t max,
	uint64_t otherwise)
{
	const json_t *value = config_member(reader, name, JSON_INTEGER, "an integer");
	json_int_t number;

	if (value == NULL)
		return otherwise;
	number = json_integer_value(value);
	if (number >= 0 && (uint64_t)number >= min && (uint64_t)number <= max)
		return (uint64_t)number;
	config_fault(reader, SL_ERR_OUT_OF_BOUNDS, name,
		"is %" JSON_INTEGER_FORMAT "; allowed are %" PRIu64 " to %" PRIu64, number, min,
		max);
	return otherwise;
}

/* The milliseconds of a number of seconds in tenths; -1: it is no such number. */
static int64_t
milliseconds(const json_t *value, uint32_t min_s, uint32_t max_s)
{
	double seconds = json_number_value(value);
	double tenths = round(seconds * 10);

	if (!json_is_number(value) || !(seconds >= min_s && seconds <= max_s) ||
		fabs(tenths - seconds * 10) > 1e-6)
		return -1;
	return (int64_t)tenths * 100;
}

uint32_t
config_seconds(const struct config_reader *reader, const char *name, uint32_t min_s, uint32_t max_s,
	uint32_t otherwise_ms)
{
	const json_t *value = json_object_get(reader->json, name);
	int64_t ms;

	if (value == NULL)
		return otherwise_ms;
	ms = milliseconds(value, min_s, max_s);
	if (ms >= 0)
		return (uint32_t)ms;
	if (json_is_number(value))
		config_fault(reader, SL_ERR_OUT_OF_BOUNDS, name,
			"is %g; allowed are %u to %u seconds in steps of 0.1",
			json_number_value(value), min_s, max_s);
	else
		config_fault(reader, SL_ERR_TYPE_MISMATCH, name,
			"is %s; expected a number of seconds", config_type_name(value));
	return otherwise_ms;
}

bool
config_bool(const struct config_reader *reader, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(reader->json, name);

	if (value == NULL)
		return otherwise;
	if (json_is_boolean(value))
		return json_is_true(value);
	config_fault(reader, SL_ERR_TYPE_MISMATCH, name, "is %s; expected true or false",
		config_type_name(value));
	return otherwise;
}

unsigned int
config_name(const struct config_reader *reader, const char *name, const char *const names[],
	unsigned int n, unsigned int otherwise)
{
	const char *text = config_text(reader, name, NULL);
	char allowed[128] = "";
	size_t len = 0;

	if (text == NULL)
		return otherwise;
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		len += (size_t)snprintf(allowed + len, sizeof(allowed) - len, "%s\"%s\"",
			i == 0 ? "" : ", ", names[i]);
	}
	config_fault(reader, SL_ERR_INVALID_ENUMERATOR, name, "is \"%.64s\"; allowed are %s", text,
		allowed);
	return otherwise;
}

const char **
config_texts(const struct config_reader *reader, const char *name, uint32_t *n)
{
	const json_t *list = config_member(reader, name, JSON_ARRAY, "an array of strings"), *value;
	const char **texts;
	size_t i;

	*n = 0;
	if (list == NULL || json_array_size(list) == 0)
		return NULL;
	if (json_array_size(list) > LISTS_MAX) {
		config_fault(reader, SL_ERR_TOO_LARGE, name,
			"has %zu entries; at most %u are allowed", json_array_size(list),
			LISTS_MAX);
		return NULL;
	}
	texts = calloc(json_array_size(list), sizeof(*texts));
	if (texts == NULL) {
		config_fault(reader, SL_ERR_NO_MEMORY, name, "no memory");
		return NULL;
	}
	json_array_foreach(list, i, value) {
		char place[64];

		snprintf(place, sizeof(place), "%s/%zu", name, i);
		if (json_is_string(value) && json_string_length(value) > 0)
			texts[(*n)++] = json_string_value(value);
		else
			config_fault(reader, SL_ERR_TYPE_MISMATCH, place,
				"is %s; expected a string that is not empty",
				json_is_string(value) ? "empty" : config_type_name(value));
	}
	return texts;
}

struct config_reader
config_enter(const struct config_reader *reader, const char *name)
{
	struct config_reader inner = {.problems = reader->problems};

	inner.json = config_member(reader, name, JSON_OBJECT, "an object");
	snprintf(inner.pointer, sizeof(inner.pointer), "%.31s/%.31s", reader->pointer, name);
	return inner;
}
