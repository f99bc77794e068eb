/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CALLOUT_JSON_SCAN_H
#define CALLOUT_JSON_SCAN_H

/*
 * A strict reader of the top-level members of one JSON object (RFC 8259), for plugins, which have no
 * JSON library of ours: it walks the text and builds nothing.
 *
 * The whole text is checked whatever is asked: malformed text, more than one value, or nesting beyond
 * 64 levels is no object.  Names are compared with their escapes resolved.
 *
 * Threads. Any; no state.
 */

#include "base/sl_compiler.h"

#include <stddef.h>
#include <stdint.h>

/*
 * The integer member `name`.  0; -ENOENT: no such member; -EINVAL: not an object, or the member is not
 * an integer in [min, max], or there are two of it.
 */
int
sl_callout_json_integer(const char *json, const char *name, int64_t min, int64_t max, int64_t *out);

/*
 * The string member `name`, its escapes resolved, NUL-terminated.  0; -ENOENT: no such member; -EINVAL: not an object,
 * or the member is not a string, does not fit into `size` bytes with its NUL, contains a NUL, or there are two of it.
 * `out` may have changed then.
 */
int sl_callout_json_string(const char *json, const char *name, char *out, size_t size);

/*
 * Are all members among `allowed` (which ends in NULL)?  0; -ENOENT: no, and the name of the first that
 * is not goes into `other` (cut to `size` bytes, may be NULL); -EINVAL: not an object.
 */
int sl_callout_json_strict(const char *json, const char *const *allowed, char *other, size_t size);

#endif
