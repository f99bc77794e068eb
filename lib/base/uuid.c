/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int
sl_uuid_make(char text[SL_UUID_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[16];
	char *at = text;

	/* Requests of up to 256 bytes are never cut short once the pool is ready. */
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	bytes[6] = (bytes[6] & 0x0f) | 0x40; /* version 4, RFC 9562 section 5.4 */
	bytes[8] = (bytes[8] & 0x3f) | 0x80; /* variant 10 */
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[bytes[i] >> 4];
		*at++ = digits[bytes[i] & 15];
	}
	*at = '\0';
	return 0;
}

static bool
is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* The lower-case form is a slug as well; only upper-case digits make a difference here. */
static bool
is_uuid(const char *key)
{
	if (strlen(key) != SL_UUID_TEXT_MAX - 1)
		return false;
	for (size_t i = 0; i < SL_UUID_TEXT_MAX - 1; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		char c = key[i];

		if (is_dash ? c != '-'
			    : !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
				      (c >= 'A' && c <= 'F')))
			return false;
	}
	return true;
}

bool
sl_key_is_valid(const char *key)
{
	size_t len;

	if (!is_lower_or_digit(key[0]))
		return is_uuid(key);
	for (len = 1; key[len] != '\0'; len++) {
		if (len == SL_KEY_LEN_MAX)
			return false;
		if (!is_lower_or_digit(key[len]) && strchr("._-", key[len]) == NULL)
			return is_uuid(key);
	}
	return true;
}
