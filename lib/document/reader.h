/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_DOCUMENT_READER_H
#define SL_DOCUMENT_READER_H

/*
 * What the files that read JSON share: where we are in the document, how a fault is reported, and
 * members as tables.  Private to the room.
 *
 * Places.  A place is a link to the place around it plus one name or index, on the stack of the
 *          function that is there.  It becomes a JSON pointer only when a fault is reported.
 */

#include "base/sl_error.h"
#include "policy/sl_object.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Names and descriptions are for people, service and plugin names for tables. In bytes. */
#define SL_TEXT_NAME_MAX        1024u
#define SL_TEXT_DESCRIPTION_MAX 8192u
#define SL_TEXT_SHORT_MAX       255u
#define SL_TEXT_DATA_MAX        65536u

struct place {
	const struct place *up; /* NULL: the root, whose `name` is a JSON pointer as it stands */
	const char *name;       /* member; NULL: an element */
	size_t index;
};

struct reader {
	struct sl_problems *problems;
	/* Of the object being read: what decides its lifetime, and who may say so. */
	enum sl_lifetime lifetime;
	bool has_persistent_flag;
	bool has_lifetime;
	enum sl_lifetime lifetime_given;
};

static inline struct place
place_root(const char *pointer)
{
	return (struct place){.name = pointer};
}

static inline struct place
place_member(const struct place *up, const char *name)
{
	return (struct place){.up = up, .name = name};
}

static inline struct place
place_element(const struct place *up, size_t index)
{
	return (struct place){.up = up, .index = index};
}

/* jansson's iterators take no const although they change nothing. */
static inline json_t *
unconst(const json_t *json)
{
	return (json_t *)(uintptr_t)json;
}

/* Adds a fault at `at`. */
void sl_document_fault(struct reader *reader, const struct place *at, enum sl_err code,
	const char *format, ...) SL_PRINTF(4, 5);
void sl_document_fault_no_memory(struct reader *reader, const struct place *at);

/* Room for sl_document_found. */
#define SL_FOUND_MAX 96
/* What stands there, for a fault: "the string \"abc\"", "5", "an array". Returns `text`. */
const char *sl_document_found(const json_t *json, char text[SL_FOUND_MAX]);

/* --- Plain values. False: a fault was added. --- */

/* A string of at most `size_max` bytes into `*out`, whose old value is freed. */
bool sl_document_take_text(struct reader *reader, const struct place *at, const json_t *json,
	size_t size_max, char **out);
/*
 * An integer 0..`max`; where `max` is UINT64_MAX also as a decimal string, because JSON integers end
 * at 2^63.
 */
bool sl_document_take_number(struct reader *reader, const struct place *at, const json_t *json,
	uint64_t max, uint64_t *number);
/* A decimal number without sign or leading zeros: 0, -EINVAL, or -ERANGE above `max`. */
int sl_document_parse_number(const char *text, uint64_t max, uint64_t *number);

/* --- Members. --- */

struct member;
typedef void sl_document_member_fn(struct reader *reader, const struct place *at,
	const json_t *json, const struct member *member, void *object);

/* A member of a JSON object. A table of them ends with a NULL name. */
struct member {
	const char *name;
	sl_document_member_fn *read; /* NULL: accepted, and read by nobody or by somebody else */
	size_t offset;               /* for sl_document_read_text: of the char * in the object */
	size_t size_max;             /* for sl_document_read_text: bytes */
	bool is_opaque;              /* for sl_document_read_text: may hold control characters */
	bool is_output;              /* accepted so that what was read can be written back */
};

/* A text of the object; null is the same as none. */
sl_document_member_fn sl_document_read_text;

/*
 * Reads the members of `json` in the order of the tables (`extra` may be NULL), then refuses those in
 * neither. False: `json` is no object, and a fault was added.
 */
bool sl_document_read_members(struct reader *reader, const struct place *at, const json_t *json,
	const struct member *table, const struct member *extra, void *object);

/* --- Parts, by file. --- */

/* Members that only filters have (read_filter.c) or sets have (set.c). */
extern const struct member sl_document_filter_members[];
extern const struct member sl_document_set_members[];

/* The layer of a filter or callout, into the `const struct sl_layer *` at the member's offset. */
sl_document_member_fn sl_document_read_layer;

/* Flags of any object: "persistent", and for filters their own. */
sl_document_member_fn sl_document_read_flags;

/*
 * The value of a condition on `field` (value.c).  False: a fault was added.  The value's text, if any,
 * belongs to the caller.
 */
bool sl_document_take_value(struct reader *reader, const struct place *at, const json_t *json,
	const struct sl_layer_field *field, enum sl_match match, struct sl_condition_value *value);

#endif
