/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_UTF8_H
#define SL_BASE_UTF8_H

/*
 * UTF-8 (RFC 3629) as far as error texts need it: they quote clients, are cut to size, and travel in
 * JSON, where half a character would spoil the whole answer.
 */

#include <stddef.h>

/* Bytes of the well-formed character at `text`, 1..4; 0 when there is none or the text ends. */
size_t sl_utf8_char_len(const char *text);
/* Replaces every byte that is not part of a well-formed character by '?', in place. */
void sl_utf8_mend(char *text);
/* The longest beginning of `text` that is at most `size_max` bytes and ends with a whole character. */
size_t sl_utf8_clip(const char *text, size_t size_max);

#endif
