/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_UUID_H
#define SL_BASE_UUID_H

/* Random UUIDs (RFC 9562 version 4) for keys that the engine makes. */

#include "base/sl_compiler.h"

#include <stdbool.h>

#define SL_UUID_TEXT_MAX 37 /* "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" and NUL */
#define SL_KEY_LEN_MAX   64 /* characters of an object's key */

/* Writes a fresh random UUID, lower case. 0, or -EIO without entropy. */
int sl_uuid_make(char text[SL_UUID_TEXT_MAX]) SL_MUST_CHECK;
/* True for a UUID or a slug [a-z0-9][a-z0-9._-]{0,63}: what an object's key may be. */
bool sl_key_is_valid(const char *key);

#endif
