/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DOCUMENT_DOCUMENT_H
#define SL_DOCUMENT_DOCUMENT_H

/*
 * The policy document: JSON text to policy objects and back.
 *
 * Reading is strict: duplicate and unknown members, wrong types and values out of range are faults, and
 * every fault is reported with its JSON pointer.  Integers from 2^63 travel as strings.
 *
 * Memory. sl_json_load parses under a budget: jansson's allocations are counted through its allocator
 * hooks and the parse fails with TOO_LARGE when they pass the limit (30 MB of "{}," would take 2 GB).
 *
 * Threads. sl_document_setup once, before any thread uses jansson; the rest on any control thread.
 */

#include "base/sl_buf.h"
#include "base/sl_error.h"
#include "policy/sl_policy.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SL_DOCUMENT_DEPTH_MAX 32

/* Installs the counting allocator into jansson. Idempotent. */
void sl_document_setup(void);

/*
 * Parses `len` bytes of JSON.  `memory_max` bounds the bytes jansson may hold for it (0: no bound).
 * Faults: SYNTAX ("line 3, column 14: ..."), DUPLICATE_MEMBER, OUT_OF_BOUNDS (a number too large for
 * JSON integers), TOO_DEEP, TOO_LARGE, NO_MEMORY.
 * 0, and `*out` to be released with json_decref; or a negative errno.
 */
int sl_json_load(const char *text, size_t len, size_t memory_max, json_t **out,
	struct sl_error *err) SL_MUST_CHECK;
/* The same from a file; `where` of errors is "FILE" or "FILE:LINE:COLUMN". */
int sl_json_load_file(
	const char *path, size_t memory_max, json_t **out, struct sl_error *err) SL_MUST_CHECK;

/* --- One object. --- */

/*
 * Reads one object of `type` and finishes it (see sl_object_finish).  `pointer` is the place of `json` in
 * its document ("" for a body of its own).  Lifetime: PERSISTENT with the flag "persistent" or
 * "lifetime": "persistent", STATIC with "lifetime": "static", else `lifetime`; DYNAMIC objects come
 * only from a caller that says DYNAMIC, and it gets no others (LIFETIME_MISMATCH).  NULL when there were faults.  The caller owns the result.
 */
struct sl_object *
sl_document_read_object(enum sl_object_type type, const json_t *json, const char *pointer,
	enum sl_lifetime lifetime, enum sl_origin origin, struct sl_problems *problems);
/*
 * Writes one object as it would be written in a document, with outputs added when `outputs`: id,
 * effective_weight, lifetime, origin.  New reference, NULL when out of memory.
 */
json_t *sl_document_write_object(const struct sl_object *object, bool outputs);

/* Elements of a set as texts ("192.0.2.0/24", "80-90"), in a JSON array. New reference. */
json_t *sl_document_write_elements(const struct sl_set *set);
/* Reads elements (JSON array of texts or integers) into `set`, unfinished. False: faults added. */
bool sl_document_read_elements(
	struct sl_set *set, const json_t *json, const char *pointer, struct sl_problems *problems);

/*
 * Reads a condition-like value of a field from JSON, for `{"layer":..,"values":{..}}` of explain:
 * "10.0.0.1", 6, "aa:bb:..", null.  Single types only.
 */
bool sl_document_read_value(const struct sl_layer_field *field, const json_t *json,
	const char *pointer, struct sl_condition_value *value, struct sl_problems *problems);

/* --- Whole documents. --- */

/*
 * Adds every object of the document to `policy` in document order (providers, sublayers, provider
 * contexts, sets, callouts, filters; within each the order written), then checks references.
 * False: faults were added and `policy` must be thrown away.
 */
bool sl_document_read(struct sl_policy *policy, const json_t *json, enum sl_lifetime lifetime,
	enum sl_origin origin, struct sl_problems *problems) SL_MUST_CHECK;
/*
 * The whole policy without built-in objects, or one provider's objects when `provider` is not NULL.
 * New reference, NULL when out of memory.  Reading it back gives an equal policy.
 */
json_t *sl_document_write(const struct sl_policy *policy, const char *provider, bool outputs);
/*
 * The same as compact JSON text, added to `text`: beside it there is one object in memory at a time (a
 * policy as a tree of JSON takes ten times its text, and longer).  Want of memory shows in `text`.
 */
void sl_document_write_text(
	const struct sl_policy *policy, const char *provider, bool outputs, struct sl_buf *text);

#endif
