/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 64

/* Makes room for `n` more bytes and the NUL. */
static bool
reserve(struct sl_buf *buf, size_t n)
{
	size_t size = buf->size < SIZE_MIN ? SIZE_MIN : buf->size;
	char *data;

	if (buf->failed)
		return false;
	if (n >= SIZE_MAX / 4 - buf->len) {
		buf->failed = true;
		return false;
	}
	while (size <= buf->len + n)
		size *= 2;
	if (size == buf->size)
		return true;
	data = realloc(buf->data, size);
	if (data == NULL) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->size = size;
	return true;
}

void
sl_buf_add(struct sl_buf *buf, const void *bytes, size_t n)
{
	if (!reserve(buf, n))
		return;
	if (n > 0)
		memcpy(buf->data + buf->len, bytes, n);
	buf->len += n;
	buf->data[buf->len] = '\0';
}

void
sl_buf_add_text(struct sl_buf *buf, const char *text)
{
	sl_buf_add(buf, text, strlen(text));
}

void
sl_buf_add_char(struct sl_buf *buf, char c)
{
	sl_buf_add(buf, &c, 1);
}

void
sl_buf_printf(struct sl_buf *buf, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		buf->failed = true;
	if (len < 0 || !reserve(buf, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

void
sl_buf_cut(struct sl_buf *buf, size_t len)
{
	if (len >= buf->len)
		return;
	buf->len = len;
	buf->data[len] = '\0';
}

const char *
sl_buf_text(const struct sl_buf *buf)
{
	return buf->data != NULL ? buf->data : "";
}

char *
sl_buf_take(struct sl_buf *buf)
{
	char *text;

	/* An empty text is a text too. */
	if (!reserve(buf, 0)) {
		sl_buf_fini(buf);
		return NULL;
	}
	text = buf->data;
	text[buf->len] = '\0';
	*buf = (struct sl_buf){0};
	return text;
}

void
sl_buf_fini(struct sl_buf *buf)
{
	if (buf == NULL)
		return;
	free(buf->data);
	*buf = (struct sl_buf){0};
}
