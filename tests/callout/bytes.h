/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CALLOUT_BYTES_H
#define TEST_CALLOUT_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a string of hexadecimal digits; returns how many. */
static inline uint32_t
bytes_of_hex(const char *hex, uint8_t *bytes, size_t size)
{
	uint32_t n = 0;
	unsigned int byte;

	while (n < size && sscanf(hex + 2 * n, "%2x", &byte) == 1)
		bytes[n++] = (uint8_t)byte;
	return n;
}

#endif
