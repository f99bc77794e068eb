/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

/*
 * Members of configuration objects: strict, every fault reported at once with its JSON pointer.
 *
 * Absent members have the value that the caller names, and so have faulty ones, so that reading goes on.
 * Threads. Plain data.
 */

#include "base/sl_error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Where the reader is: an object of the file, its place, and where faults go. */
struct config_reader {
	const json_t *json; /* NULL: the object is absent and everything has its default */
	char pointer[64];
	struct sl_problems *problems;
};

/* Adds a fault at `member`; "" is the object itself. */
void config_fault(const struct config_reader *reader, enum sl_err code, const char *member,
	const char *format, ...) SL_PRINTF(4, 5);
/* "an object" */
const char *config_type_name(const json_t *json);
/* Faults for every member that is not one of `allowed` ("a b c"). */
void config_check_members(const struct config_reader *reader, const char *allowed);
/* The member when it is there and of the wanted type; wrong types are faults. */
const json_t *config_member(
	const struct config_reader *reader, const char *name, json_type type, const char *wanted);
/* A reader for a member that is an object. */
struct config_reader config_enter(const struct config_reader *reader, const char *name);

/* The text is the file's. */
const char *
config_text(const struct config_reader *reader, const char *name, const char *otherwise);
uint64_t config_number(const struct config_reader *reader, const char *name, uint64_t min,
	uint64_t max, uint64_t otherwise);
bool config_bool(const struct config_reader *reader, const char *name, bool otherwise);
/*
 * Seconds, whole or with one digit behind the point, from `min_s` to `max_s`; the result is in
 * milliseconds, as `otherwise_ms` is.
 */
uint32_t config_seconds(const struct config_reader *reader, const char *name, uint32_t min_s,
	uint32_t max_s, uint32_t otherwise_ms);
/* The place of a member's text among `names`; a fault and `otherwise` when it is none of them. */
unsigned int config_name(const struct config_reader *reader, const char *name,
	const char *const names[], unsigned int n, unsigned int otherwise);
/* A list of texts, owned by the caller (free); the texts are the file's. NULL when it is empty. */
const char **config_texts(const struct config_reader *reader, const char *name, uint32_t *n);

#endif
