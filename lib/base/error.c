/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_error.h"

#include "base/sl_utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A document with more faults than this is noise; the rest is only counted. */
#define PROBLEMS_MAX 1000

struct err_entry {
	const char *name;
	const char *meaning;
	int number;
	int http_status;
};

static const struct err_entry entries[SL_ERR_COUNT] = {
#define X(name, text, number, status, meaning) {text, meaning, number, status},
#include "base/sl_err.def"
#undef X
};

/* A code from outside the list is a mistake of ours and is told as such. */
static const struct err_entry *
entry_of(enum sl_err code)
{
	return &entries[(unsigned int)code < SL_ERR_COUNT ? code : SL_ERR_INTERNAL];
}

const char *
sl_err_name(enum sl_err code)
{
	return entry_of(code)->name;
}

const char *
sl_err_meaning(enum sl_err code)
{
	return entry_of(code)->meaning;
}

int
sl_err_http_status(enum sl_err code)
{
	return entry_of(code)->http_status;
}

int
sl_err_errno(enum sl_err code)
{
	return entry_of(code)->number;
}

int
sl_error_set(struct sl_error *err, enum sl_err code, const char *where, const char *format, ...)
{
	va_list args;

	if (err != NULL) {
		err->code = code;
		snprintf(err->where, sizeof(err->where), "%s", where != NULL ? where : "");
		va_start(args, format);
		vsnprintf(err->text, sizeof(err->text), format, args);
		va_end(args);
		sl_utf8_mend(err->where);
		sl_utf8_mend(err->text);
	}
	return -sl_err_errno(code);
}

/* The slot for one more fault, NULL when there is no room for it. */
static struct sl_problem *
problem_slot(struct sl_problems *problems)
{
	struct sl_problem *list;

	if (problems->n == PROBLEMS_MAX)
		return NULL;
	/* Room doubles: it is full exactly when the count is a power of two (or zero). */
	if ((problems->n & (problems->n - 1)) == 0) {
		size_t room = problems->n == 0 ? 1 : problems->n * 2;

		list = reallocarray(problems->list, room, sizeof(*list));
		if (list == NULL)
			return NULL;
		problems->list = list;
	}
	return &problems->list[problems->n];
}

/* Takes ownership of both strings, of which either may be NULL for want of memory. */
static void
problem_keep(struct sl_problems *problems, enum sl_err code, char *pointer, char *detail)
{
	struct sl_problem *slot = NULL;

	problems->n_total++;
	if (pointer != NULL && detail != NULL)
		slot = problem_slot(problems);
	if (slot == NULL) {
		free(pointer);
		free(detail);
		return;
	}
	sl_utf8_mend(pointer);
	sl_utf8_mend(detail);
	*slot = (struct sl_problem){.code = code, .pointer = pointer, .detail = detail};
	problems->n++;
}

void
sl_problems_add(struct sl_problems *problems, enum sl_err code, const char *pointer,
	const char *format, ...)
{
	char *detail = NULL;
	va_list args;

	if (problems->n == PROBLEMS_MAX) {
		problems->n_total++;
		return;
	}
	va_start(args, format);
	if (vasprintf(&detail, format, args) < 0)
		detail = NULL;
	va_end(args);
	problem_keep(problems, code, strdup(pointer), detail);
}

void
sl_problems_add_error(struct sl_problems *problems, const char *pointer, const struct sl_error *err)
{
	char *joined = NULL;

	if (asprintf(&joined, "%s%s", pointer, err->where[0] == '/' ? err->where : "") < 0)
		joined = NULL;
	problem_keep(problems, err->code, joined, strdup(err->text));
}

void
sl_problems_fini(struct sl_problems *problems)
{
	if (problems == NULL)
		return;
	for (size_t i = 0; i < problems->n; i++) {
		free(problems->list[i].pointer);
		free(problems->list[i].detail);
	}
	free(problems->list);
	*problems = (struct sl_problems){0};
}
