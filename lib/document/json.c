/* SPDX-License-Identifier: BSD-3-Clause */
#include "document/sl_document.h"

#include "base/sl_buf.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file larger than this is no policy, whatever the caller's limit. */
#define FILE_BYTES_MAX ((size_t)1 << 30)
#define READ_CHUNK     ((size_t)64 * 1024)

/*
 * What the parse that runs on this thread has allocated.  Thread-local because jansson's hooks have
 * no context; outside of sl_json_load nothing is counted.
 */
static _Thread_local struct {
	bool active;
	bool exceeded; /* an allocation was refused for the limit */
	bool failed;   /* the system had no memory */
	size_t used;
	size_t max;
} budget;

static void *
counting_malloc(size_t size)
{
	void *memory;

	if (budget.active && size > budget.max - budget.used) {
		budget.exceeded = true;
		return NULL;
	}
	memory = malloc(size);
	if (!budget.active)
		return memory;
	if (memory == NULL)
		budget.failed = true;
	else
		budget.used += SL_MIN(malloc_usable_size(memory), budget.max - budget.used);
	return memory;
}

static void
counting_free(void *memory)
{
	if (budget.active && memory != NULL)
		budget.used -= SL_MIN(malloc_usable_size(memory), budget.used);
	free(memory);
}

void
sl_document_setup(void)
{
	json_set_alloc_funcs(counting_malloc, counting_free);
	/* Seeded here and not by whichever thread is first. */
	json_object_seed(0);
}

/* A place in a text, as jansson counts: lines and columns from 1, columns in bytes here. */
struct text_place {
	int line;
	int column;
};

/*
 * True when arrays and objects nest deeper than the limit; `place` then is that of the bracket.
 * Runs before jansson, which recurses.  Text that is not JSON may be misread, but only behind the
 * point where jansson stops.
 */
static bool
is_too_deep(const char *text, size_t len, struct text_place *place)
{
	const char *line_start = text;
	size_t depth = 0;
	bool in_string = false;

	place->line = 1;
	for (const char *at = text; at < text + len; at++) {
		if (*at == '\n') {
			place->line++;
			line_start = at + 1;
		} else if (in_string) {
			if (*at == '\\')
				at++;
			else if (*at == '"')
				in_string = false;
		} else if (*at == '"') {
			in_string = true;
		} else if (*at == '[' || *at == '{') {
			if (++depth > SL_DOCUMENT_DEPTH_MAX) {
				place->column = (int)(at - line_start) + 1;
				return true;
			}
		} else if ((*at == ']' || *at == '}') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static enum sl_err
code_of(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		return SL_ERR_DUPLICATE_MEMBER;
	case json_error_numeric_overflow:
		return SL_ERR_OUT_OF_BOUNDS;
	case json_error_stack_overflow:
		return SL_ERR_TOO_DEEP;
	default:
		return SL_ERR_SYNTAX;
	}
}

/* Fills `err` for a fault at a place of the text. `file` is NULL for a text without one. */
static int
fault_at(struct sl_error *err, enum sl_err code, const char *file, struct text_place place,
	const char *detail)
{
	struct sl_buf where = {0};
	int rc;

	if (file == NULL)
		return sl_error_set(err, code, NULL, "line %d, column %d: %s", place.line,
			place.column, detail);
	sl_buf_printf(&where, "%s:%d:%d", file, place.line, place.column);
	rc = sl_error_set(err, code, sl_buf_text(&where), "%s", detail);
	sl_buf_fini(&where);
	return rc;
}

static int
refuse_depth(struct sl_error *err, const char *file, struct text_place place)
{
	char detail[80];

	snprintf(detail, sizeof(detail), "nested deeper than %d arrays and objects",
		SL_DOCUMENT_DEPTH_MAX);
	return fault_at(err, SL_ERR_TOO_DEEP, file, place, detail);
}

static int
refuse_parse(struct sl_error *err, const char *file, const json_error_t *error)
{
	struct text_place place = {error->line, error->column};
	enum sl_err code = code_of(error);
	char detail[JSON_ERROR_TEXT_LENGTH + 80];

	if (code == SL_ERR_TOO_DEEP)
		return refuse_depth(err, file, place);
	snprintf(detail, sizeof(detail), "%s%s", error->text,
		code == SL_ERR_OUT_OF_BOUNDS ? "; integers from 2^63 are written as strings" : "");
	return fault_at(err, code, file, place, detail);
}

static int
parse(const char *text, size_t len, size_t memory_max, const char *file, json_t **out,
	struct sl_error *err)
{
	struct text_place place;
	json_error_t error = {.text = ""};
	json_t *json;
	bool exceeded, failed;

	if (is_too_deep(text, len, &place))
		return refuse_depth(err, file, place);
	budget.active = true;
	budget.exceeded = budget.failed = false;
	budget.used = 0;
	budget.max = memory_max > 0 ? memory_max : SIZE_MAX;
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	exceeded = budget.exceeded;
	failed = budget.failed;
	budget.active = false;
	if (json != NULL) {
		*out = json;
		return 0;
	}
	if (exceeded)
		return sl_error_set(err, SL_ERR_TOO_LARGE, file,
			"%zu bytes of JSON need more than the %zu bytes of memory that one "
			"document may "
			"use",
			len, memory_max);
	if (failed)
		return sl_error_set(err, SL_ERR_NO_MEMORY, file,
			"not enough memory for %zu bytes of JSON", len);
	return refuse_parse(err, file, &error);
}

int
sl_json_load(const char *text, size_t len, size_t memory_max, json_t **out, struct sl_error *err)
{
	return parse(text, len, memory_max, NULL, out, err);
}

/* Reads until the end; pipes are welcome, so the size is not asked for. */
static int
read_all(int fd, const char *path, struct sl_buf *buf, struct sl_error *err)
{
	char *chunk = malloc(READ_CHUNK);
	ssize_t n;
	int rc = 0;

	if (chunk == NULL)
		return sl_error_set(
			err, SL_ERR_NO_MEMORY, path, "not enough memory to read the file");
	while ((n = read(fd, chunk, READ_CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = sl_error_set(
				err, SL_ERR_IO, path, "cannot be read: %s", strerror(errno));
			break;
		}
		sl_buf_add(buf, chunk, (size_t)n);
		if (buf->failed) {
			rc = sl_error_set(
				err, SL_ERR_NO_MEMORY, path, "not enough memory to read the file");
			break;
		}
		if (buf->len > FILE_BYTES_MAX) {
			rc = sl_error_set(err, SL_ERR_TOO_LARGE, path,
				"larger than %zu bytes, the most a document may have",
				FILE_BYTES_MAX);
			break;
		}
	}
	free(chunk);
	return rc;
}

int
sl_json_load_file(const char *path, size_t memory_max, json_t **out, struct sl_error *err)
{
	struct sl_buf buf = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return sl_error_set(err,
			errno == EACCES || errno == EPERM ? SL_ERR_PERMISSION : SL_ERR_IO, path,
			"cannot be opened: %s", strerror(errno));
	rc = read_all(fd, path, &buf, err);
	close(fd);
	if (rc == 0)
		rc = parse(sl_buf_text(&buf), buf.len, memory_max, path, out, err);
	sl_buf_fini(&buf);
	return rc;
}
