/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/api.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool
api_parse_flag(const char *text, bool *value)
{
	if (*text == '\0' || strcmp(text, "1") == 0 || strcmp(text, "true") == 0) {
		*value = true;
		return true;
	}
	*value = false;
	return strcmp(text, "0") == 0 || strcmp(text, "false") == 0;
}

bool
api_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	/* strtoull takes blanks and signs. */
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 && *value >= min && *value <= max;
}

bool
api_parse_revision(const char *text, uint64_t *revision)
{
	char digits[24];
	size_t len = strlen(text);

	*revision = 0;
	if (strcmp(text, "*") == 0)
		return true;
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(digits) || memchr(text, '"', len) != NULL)
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	return api_parse_number(digits, 1, UINT64_MAX, revision);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *
api_target_fault(const char *target)
{
	bool in_query = false;

	for (const char *at = target; *at != '\0'; at++) {
		int byte;

		in_query = in_query || *at == '?';
		if (*at != '%')
			continue;
		if (hex_digit(at[1]) < 0 || hex_digit(at[2]) < 0)
			return "a '%' that two hexadecimal digits do not follow";
		byte = hex_digit(at[1]) << 4 | hex_digit(at[2]);
		if (byte == 0)
			return "an escaped NUL";
		if (!in_query && byte == '/')
			return "an escaped '/'";
		if (!in_query && (byte < ' ' || byte == 0x7f))
			return "an escaped control character";
	}
	return NULL;
}
