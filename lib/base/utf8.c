/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_utf8.h"

#include <string.h>

/* The well-formed sequences of RFC 3629 section 4, by first byte. */
static const struct {
	unsigned char first_low, first_high;
	unsigned char second_low, second_high; /* later bytes are 80..bf */
	unsigned char len;
} forms[] = {
	{0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, /* no surrogates */
	{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4}, /* nothing above U+10FFFF */
};

/* The final NUL is no continuation byte, so this never reads past it. */
static size_t
tail_ok(const unsigned char *bytes, size_t form)
{
	if (forms[form].len == 1)
		return 1;
	if (bytes[1] < forms[form].second_low || bytes[1] > forms[form].second_high)
		return 0;
	for (size_t i = 2; i < forms[form].len; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return forms[form].len;
}

size_t
sl_utf8_char_len(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (bytes[0] >= forms[i].first_low && bytes[0] <= forms[i].first_high)
			return tail_ok(bytes, i);
	return 0;
}

void
sl_utf8_mend(char *text)
{
	while (*text != '\0') {
		size_t len = sl_utf8_char_len(text);

		if (len == 0) {
			*text = '?';
			len = 1;
		}
		text += len;
	}
}

size_t
sl_utf8_clip(const char *text, size_t size_max)
{
	size_t size = strnlen(text, size_max + 1);

	if (size <= size_max)
		return size;
	size = size_max;
	/* Back over continuation bytes to the first byte of the character that was cut. */
	while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	return size;
}
