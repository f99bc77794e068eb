/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_ERROR_H
#define SL_BASE_ERROR_H

/*
 * Errors: one list of codes, and two ways to say what went wrong.
 *
 * `struct sl_error` is one fault, filled where it is known and passed up as the last parameter of a
 * function, which may be NULL.  `struct sl_problems` collects every fault of one document, so that
 * its author can mend them all at once.  Texts are always well-formed UTF-8: what was cut in the middle
 * of a character, or was none, shows as '?'.
 *
 * Threads. Plain data; no sharing between threads.
 */

#include "base/sl_compiler.h"

#include <stdarg.h>
#include <stddef.h>

enum sl_err {
#define X(name, text, number, status, meaning) SL_ERR_##name,
#include "base/sl_err.def"
#undef X
	SL_ERR_COUNT
};

struct sl_error {
	enum sl_err code;
	char where
		[192]; /* JSON pointer, file:line:column, member or option; "" when there is none */
	char text[400]; /* one sentence: what was found, what is allowed */
};

/* One fault of a document. Strings are owned by the list it is in. */
struct sl_problem {
	enum sl_err code;
	char *pointer; /* JSON pointer (RFC 6901); "" is the whole document */
	char *detail;
};

/* All faults of a document, in document order. Zero-initialise before use. */
struct sl_problems {
	struct sl_problem *list;
	size_t n;       /* faults kept */
	size_t n_total; /* faults found: more than `n` beyond 1,000, or for want of memory. Whether there are any is asked here. */
};

/* "filter_not_found"; never NULL. */
const char *sl_err_name(enum sl_err code);
/* The meaning in words; never NULL. */
const char *sl_err_meaning(enum sl_err code);
/* HTTP status of an error about the request's target, 200..599. */
int sl_err_http_status(enum sl_err code);
/* Positive errno; 0 for SL_ERR_OK. */
int sl_err_errno(enum sl_err code);

/*
 * Fills `*err` (may be NULL) and returns the negative errno of `code`, so that a function can say
 * `return sl_error_set(err, SL_ERR_..., where, "...", ...)`.  `where` may be NULL.
 */
int sl_error_set(struct sl_error *err, enum sl_err code, const char *where, const char *format, ...)
	SL_PRINTF(4, 5);

/* Adds a fault. Memory failure is remembered as a count only; never fails. */
void sl_problems_add(struct sl_problems *problems, enum sl_err code, const char *pointer,
	const char *format, ...) SL_PRINTF(4, 5);
/* Adds the fault of `*err`, its `where` appended to `pointer` when it begins with '/'. */
void sl_problems_add_error(
	struct sl_problems *problems, const char *pointer, const struct sl_error *err);
/* Frees the list and makes it empty again. NULL is allowed. */
void sl_problems_fini(struct sl_problems *problems);

#endif
