/* SPDX-License-Identifier: BSD-3-Clause */
#include "callout/json_scan.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 64
#define NAME_SIZE 128 /* a longer name is cut, and equals none that is asked for */

/* What is left to read, and how deep it is. */
struct scan {
	const char *at;
	unsigned int depth;
};

/* One member of the top-level object. */
struct member {
	char name[NAME_SIZE];
	bool is_cut;       /* the name is longer than that */
	const char *value; /* first byte of the value */
	const char *end;   /* behind its last byte */
};

/* Sees a member; false stops the walk with `status`. */
typedef bool member_fn(void *ctx, const struct member *member, int *status);

static bool skip_value(struct scan *scan);

static void
skip_space(struct scan *scan)
{
	while (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')
		scan->at++;
}

static bool
take(struct scan *scan, char c)
{
	if (*scan->at != c)
		return false;
	scan->at++;
	return true;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
skip_digits(struct scan *scan)
{
	if (!is_digit(*scan->at))
		return false;
	while (is_digit(*scan->at))
		scan->at++;
	return true;
}

static bool
skip_number(struct scan *scan)
{
	take(scan, '-');
	if (!take(scan, '0') && !skip_digits(scan))
		return false;
	if (take(scan, '.') && !skip_digits(scan))
		return false;
	if (take(scan, 'e') || take(scan, 'E')) {
		if (!take(scan, '+'))
			take(scan, '-');
		return skip_digits(scan);
	}
	return true;
}

/* --- Strings. --- */

/* Text that grows up to the size of its place; what goes beyond is dropped. */
struct text {
	char *bytes; /* NULL: nobody wants it */
	size_t size;
	size_t len;
	bool is_cut;
};

static void
put(struct text *text, unsigned int byte)
{
	if (text->bytes == NULL)
		return;
	if (text->len + 1 < text->size)
		text->bytes[text->len++] = (char)byte;
	else
		text->is_cut = true;
}

static void
put_utf8(struct text *text, uint32_t code)
{
	if (code < 0x80) {
		put(text, code);
	} else if (code < 0x800) {
		put(text, 0xc0 | code >> 6);
		put(text, 0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		put(text, 0xe0 | code >> 12);
		put(text, 0x80 | (code >> 6 & 0x3f));
		put(text, 0x80 | (code & 0x3f));
	} else {
		put(text, 0xf0 | code >> 18);
		put(text, 0x80 | (code >> 12 & 0x3f));
		put(text, 0x80 | (code >> 6 & 0x3f));
		put(text, 0x80 | (code & 0x3f));
	}
}

static bool
take_hex4(struct scan *scan, uint32_t *code)
{
	static const char digits[] = "0123456789abcdef";

	*code = 0;
	for (int i = 0; i < 4; i++) {
		char c = *scan->at;
		const char *digit = strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);

		if (c == '\0' || digit == NULL)
			return false;
		*code = *code << 4 | (uint32_t)(digit - digits);
		scan->at++;
	}
	return true;
}

/* Behind "\u"; a code beyond 16 bits comes as two, a high and a low surrogate. */
static bool
take_unicode(struct scan *scan, struct text *text)
{
	uint32_t code, low;

	if (!take_hex4(scan, &code) || (code >= 0xdc00 && code <= 0xdfff))
		return false;
	if (code >= 0xd800 && code <= 0xdbff) {
		if (!take(scan, '\\') || !take(scan, 'u') || !take_hex4(scan, &low) ||
			low < 0xdc00 || low > 0xdfff)
			return false;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	put_utf8(text, code);
	return true;
}

static bool
take_escape(struct scan *scan, struct text *text)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *escape;

	if (take(scan, 'u'))
		return take_unicode(scan, text);
	escape = *scan->at != '\0' ? strchr(escapes, *scan->at) : NULL;
	if (escape == NULL)
		return false;
	put(text, (unsigned char)meanings[escape - escapes]);
	scan->at++;
	return true;
}

/* A string; its meaning goes into `text`, NUL-terminated. */
static bool
take_string(struct scan *scan, struct text *text)
{
	if (!take(scan, '"'))
		return false;
	while (*scan->at != '"') {
		unsigned char c = (unsigned char)*scan->at;

		if (c < 0x20)
			return false;
		scan->at++;
		if (c != '\\')
			put(text, c);
		else if (!take_escape(scan, text))
			return false;
	}
	scan->at++;
	if (text->bytes != NULL)
		text->bytes[text->len] = '\0';
	return true;
}

/* --- Values. --- */

static bool
skip_word(struct scan *scan, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(scan->at, word, len) != 0)
		return false;
	scan->at += len;
	return true;
}

static bool
skip_string(struct scan *scan)
{
	struct text nobody = {0};

	return take_string(scan, &nobody);
}

/* The name of a member, and the colon. */
static bool
take_name(struct scan *scan, struct text *name)
{
	skip_space(scan);
	if (!take_string(scan, name))
		return false;
	skip_space(scan);
	return take(scan, ':');
}

/* Behind the opening bracket. */
static bool
skip_elements(struct scan *scan, char closing)
{
	skip_space(scan);
	if (take(scan, closing))
		return true;
	do {
		struct text nobody = {0};

		if (closing == '}' && !take_name(scan, &nobody))
			return false;
		if (!skip_value(scan))
			return false;
	} while (take(scan, ','));
	return take(scan, closing);
}

static bool
skip_nested(struct scan *scan, char closing)
{
	bool is_good;

	if (scan->depth == DEPTH_MAX)
		return false;
	scan->depth++;
	is_good = skip_elements(scan, closing);
	scan->depth--;
	return is_good;
}

/* A value and the space around it. */
static bool
skip_value(struct scan *scan)
{
	bool is_good;

	skip_space(scan);
	if (take(scan, '{'))
		is_good = skip_nested(scan, '}');
	else if (take(scan, '['))
		is_good = skip_nested(scan, ']');
	else if (*scan->at == '"')
		is_good = skip_string(scan);
	else
		is_good = skip_word(scan, "true") || skip_word(scan, "false") ||
			skip_word(scan, "null") || skip_number(scan);
	skip_space(scan);
	return is_good;
}

/* --- The top-level object. --- */

static bool
take_member(struct scan *scan, struct member *member)
{
	struct text name = {.bytes = member->name, .size = sizeof(member->name)};

	if (!take_name(scan, &name))
		return false;
	member->is_cut = name.is_cut;
	skip_space(scan);
	member->value = scan->at;
	if (!skip_value(scan))
		return false;
	member->end = scan->at;
	while (member->end[-1] == ' ' || member->end[-1] == '\t' || member->end[-1] == '\n' ||
		member->end[-1] == '\r')
		member->end--;
	return true;
}

/*
 * Calls `fn` for each member.  0, or what `fn` put into its status; -EINVAL wins over both when the
 * text is not one object.
 */
static int
each_member(const char *json, member_fn *fn, void *ctx)
{
	struct scan scan = {.at = json, .depth = 1};
	struct member member;
	bool goes_on = true;
	int status = 0;

	skip_space(&scan);
	if (!take(&scan, '{'))
		return -EINVAL;
	skip_space(&scan);
	if (!take(&scan, '}')) {
		do {
			if (!take_member(&scan, &member))
				return -EINVAL;
			if (goes_on)
				goes_on = fn(ctx, &member, &status);
		} while (take(&scan, ','));
		if (!take(&scan, '}'))
			return -EINVAL;
	}
	skip_space(&scan);
	return *scan.at == '\0' ? status : -EINVAL;
}

static bool
is_named(const struct member *member, const char *name)
{
	return !member->is_cut && strcmp(member->name, name) == 0;
}

struct wanted {
	const char *name;
	int64_t min;
	int64_t max;
	int64_t value;
	bool is_found;
};

/* "-12" up to `end`; false: not an integer, or beyond 64 bits. */
static bool
read_integer(const char *at, const char *end, int64_t *out)
{
	bool is_negative = *at == '-';
	int64_t value = 0;

	for (at += is_negative; at < end; at++) {
		int digit = *at - '0';

		if (!is_digit(*at) || __builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, digit, &value))
			return false;
	}
	if (!is_negative && value == INT64_MIN)
		return false;
	*out = is_negative ? value : -value;
	return true;
}

static bool
see_integer(void *ctx, const struct member *member, int *status)
{
	struct wanted *wanted = ctx;

	if (!is_named(member, wanted->name))
		return true;
	if (wanted->is_found || !(is_digit(*member->value) || *member->value == '-') ||
		!read_integer(member->value, member->end, &wanted->value) ||
		wanted->value < wanted->min || wanted->value > wanted->max) {
		*status = -EINVAL;
		return false;
	}
	wanted->is_found = true;
	return true;
}

int
sl_callout_json_integer(const char *json, const char *name, int64_t min, int64_t max, int64_t *out)
{
	struct wanted wanted = {.name = name, .min = min, .max = max};
	int rc = each_member(json, see_integer, &wanted);

	if (rc != 0)
		return rc;
	if (!wanted.is_found)
		return -ENOENT;
	*out = wanted.value;
	return 0;
}

struct wanted_text {
	const char *name;
	struct text text;
	bool is_found;
};

static bool
see_string(void *ctx, const struct member *member, int *status)
{
	struct wanted_text *wanted = ctx;
	struct scan scan = {.at = member->value};

	if (!is_named(member, wanted->name))
		return true;
	/* What a NUL has cut short would be another text than the one that was written. */
	if (wanted->is_found || !take_string(&scan, &wanted->text) || wanted->text.is_cut ||
		memchr(wanted->text.bytes, '\0', wanted->text.len) != NULL) {
		*status = -EINVAL;
		return false;
	}
	wanted->is_found = true;
	return true;
}

int
sl_callout_json_string(const char *json, const char *name, char *out, size_t size)
{
	struct wanted_text wanted = {.name = name, .text = {.bytes = out, .size = size}};
	int rc;

	if (size == 0)
		return -EINVAL;
	rc = each_member(json, see_string, &wanted);
	if (rc != 0)
		return rc;
	return wanted.is_found ? 0 : -ENOENT;
}

struct allowance {
	const char *const *names;
	char *other;
	size_t size;
};

static bool
see_name(void *ctx, const struct member *member, int *status)
{
	const struct allowance *allowance = ctx;

	for (size_t i = 0; allowance->names[i] != NULL; i++) {
		if (is_named(member, allowance->names[i]))
			return true;
	}
	if (allowance->other != NULL)
		snprintf(allowance->other, allowance->size, "%s", member->name);
	*status = -ENOENT;
	return false;
}

int
sl_callout_json_strict(const char *json, const char *const *allowed, char *other, size_t size)
{
	struct allowance allowance = {.names = allowed, .other = other, .size = size};

	return each_member(json, see_name, &allowance);
}
