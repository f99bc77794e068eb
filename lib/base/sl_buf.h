/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_BUF_H
#define SL_BASE_BUF_H

/*
 * Growable text for control code: reports, JSON pointers, answers.
 *
 * Zero-initialise before use.  The text always ends in NUL once something was added.  Failure to
 * grow is remembered in `failed` and later additions do nothing, so callers check once, at the end.
 */

#include "base/sl_compiler.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct sl_buf {
	char *data;  /* NULL while nothing was added */
	size_t len;  /* bytes, without the NUL */
	size_t size; /* bytes allocated */
	bool failed; /* out of memory: the text is incomplete */
};

void sl_buf_add(struct sl_buf *buf, const void *bytes, size_t n);
void sl_buf_add_text(struct sl_buf *buf, const char *text);
void sl_buf_add_char(struct sl_buf *buf, char c);
void sl_buf_printf(struct sl_buf *buf, const char *format, ...) SL_PRINTF(2, 3);
/* Shortens the text to `len` bytes, which is at most its present length. Keeps the memory. */
void sl_buf_cut(struct sl_buf *buf, size_t len);
/* The text, "" when empty. Borrowed until the next change. */
const char *sl_buf_text(const struct sl_buf *buf);
/*
 * Hands the text over (the caller frees it) and makes the buffer empty. NULL when an addition
 * failed; the buffer is then freed and empty as well.
 */
char *sl_buf_take(struct sl_buf *buf);
/* Frees the text and makes the buffer empty. NULL is allowed. */
void sl_buf_fini(struct sl_buf *buf);

#endif
