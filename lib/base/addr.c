/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Reads a decimal number of at most three digits without leading zeros from `*text` and moves it
 * behind the digits. False when there is none.
 */
static bool
take_number(const char **text, unsigned int *number)
{
	const char *at = *text;
	unsigned int value = 0;
	int n_digits;

	for (n_digits = 0; n_digits < 3 && *at >= '0' && *at <= '9'; n_digits++)
		value = value * 10 + (unsigned int)(*at++ - '0');
	if (n_digits == 0 || (*at >= '0' && *at <= '9') || (n_digits > 1 && **text == '0'))
		return false;
	*text = at;
	*number = value;
	return true;
}

int
sl_addr_parse_v4(const char *text, uint32_t *addr)
{
	uint32_t value = 0;
	unsigned int octet;

	for (int i = 0; i < 4; i++) {
		if (i > 0 && *text++ != '.')
			return -EINVAL;
		if (!take_number(&text, &octet) || octet > 255)
			return -EINVAL;
		value = value << 8 | octet;
	}
	if (*text != '\0')
		return -EINVAL;
	*addr = value;
	return 0;
}

int
sl_addr_parse_v6(const char *text, uint8_t addr[16])
{
	struct in6_addr parsed;

	if (inet_pton(AF_INET6, text, &parsed) != 1)
		return -EINVAL;
	memcpy(addr, &parsed, 16);
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
sl_addr_parse_mac(const char *text, uint8_t mac[6])
{
	uint8_t parsed[6];

	if (strlen(text) != SL_MAC_TEXT_MAX - 1 || (text[2] != ':' && text[2] != '-'))
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]);
		int low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != text[2]))
			return -EINVAL;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(mac, parsed, sizeof(parsed));
	return 0;
}

/* The length of a contiguous mask, -1 when it is not one. */
static int
mask_length(uint32_t mask)
{
	uint32_t hosts = ~mask;

	if ((hosts & (hosts + 1)) != 0)
		return -1;
	return __builtin_popcount(mask);
}

/* What stands behind the '/': -EINVAL, -ERANGE or 0. */
static int
parse_length(const char *text, unsigned int length_max, uint8_t *prefix_len)
{
	unsigned int length;

	if (!take_number(&text, &length) || *text != '\0')
		return -EINVAL;
	if (length > length_max)
		return -ERANGE;
	*prefix_len = (uint8_t)length;
	return 0;
}

static int
parse_mask_v4(const char *text, uint8_t *prefix_len)
{
	uint32_t mask;
	int length;

	if (sl_addr_parse_v4(text, &mask) != 0)
		return -EINVAL;
	length = mask_length(mask);
	if (length < 0)
		return -ERANGE;
	*prefix_len = (uint8_t)length;
	return 0;
}

/*
 * Copies what stands before the '/' into `address`; returns what stands behind it, or NULL when
 * there is no '/'. A part too long to be an address is cut and so refused later.
 */
static const char *
split_prefix(const char *text, char *address, size_t size)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);

	if (len >= size)
		len = 0;
	memcpy(address, text, len);
	address[len] = '\0';
	return slash != NULL ? slash + 1 : NULL;
}

int
sl_addr_parse_prefix_v4(const char *text, uint32_t *addr, uint8_t *prefix_len)
{
	char address[SL_V4_TEXT_MAX];
	const char *tail = split_prefix(text, address, sizeof(address));
	uint32_t parsed;
	uint8_t length = 32;
	int rc;

	if (sl_addr_parse_v4(address, &parsed) != 0)
		return -EINVAL;
	if (tail != NULL) {
		rc = strchr(tail, '.') != NULL ? parse_mask_v4(tail, &length)
					       : parse_length(tail, 32, &length);
		if (rc != 0)
			return rc;
	}
	*addr = parsed;
	*prefix_len = length;
	return 0;
}

int
sl_addr_parse_prefix_v6(const char *text, uint8_t addr[16], uint8_t *prefix_len)
{
	char address[SL_V6_TEXT_MAX];
	const char *tail = split_prefix(text, address, sizeof(address));
	uint8_t parsed[16];
	uint8_t length = 128;
	int rc;

	if (sl_addr_parse_v6(address, parsed) != 0)
		return -EINVAL;
	if (tail != NULL) {
		rc = parse_length(tail, 128, &length);
		if (rc != 0)
			return rc;
	}
	memcpy(addr, parsed, sizeof(parsed));
	*prefix_len = length;
	return 0;
}

char *
sl_addr_format_v4(uint32_t addr, char text[SL_V4_TEXT_MAX])
{
	snprintf(text, SL_V4_TEXT_MAX, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
		addr & 255);
	return text;
}

/*
 * The first of the longest runs of zero groups (RFC 5952 section 4.2). A single group is not worth
 * shortening (4.2.2): then the run is empty and begins at 8.
 */
static void
longest_zero_run(const unsigned int group[8], int *start, int *length)
{
	*start = 8;
	*length = 0;
	for (int i = 0; i < 8; i++) {
		int end = i;

		while (end < 8 && group[end] == 0)
			end++;
		if (end - i >= 2 && end - i > *length) {
			*start = i;
			*length = end - i;
		}
		if (end > i)
			i = end;
	}
}

static void
format_groups(const unsigned int group[8], char text[SL_V6_TEXT_MAX])
{
	size_t len = 0;
	int zero_start, zero_length;

	longest_zero_run(group, &zero_start, &zero_length);
	for (int i = 0; i < 8; i++) {
		const char *separator = len == 0 || text[len - 1] == ':' ? "" : ":";

		if (i == zero_start) {
			len += (size_t)snprintf(text + len, SL_V6_TEXT_MAX - len, "::");
			i += zero_length - 1;
			continue;
		}
		len += (size_t)snprintf(
			text + len, SL_V6_TEXT_MAX - len, "%s%x", separator, group[i]);
	}
}

char *
sl_addr_format_v6(const uint8_t addr[16], char text[SL_V6_TEXT_MAX])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	unsigned int group[8];

	/* IPv4-mapped addresses keep their dots (RFC 5952 section 5). */
	if (memcmp(addr, mapped, sizeof(mapped)) == 0) {
		snprintf(text, SL_V6_TEXT_MAX, "::ffff:%u.%u.%u.%u", addr[12], addr[13], addr[14],
			addr[15]);
		return text;
	}
	for (int i = 0; i < 8; i++)
		group[i] = (unsigned int)addr[2 * i] << 8 | addr[2 * i + 1];
	format_groups(group, text);
	return text;
}

char *
sl_addr_format_mac(const uint8_t mac[6], char text[SL_MAC_TEXT_MAX])
{
	snprintf(text, SL_MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	return text;
}

bool
sl_addr_match_v6(const uint8_t a[16], const uint8_t b[16], unsigned int prefix_len)
{
	unsigned int n_bytes = prefix_len / 8;
	unsigned int n_bits = prefix_len % 8;

	if (memcmp(a, b, n_bytes) != 0)
		return false;
	return n_bits == 0 || (a[n_bytes] ^ b[n_bytes]) >> (8 - n_bits) == 0;
}
