/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_BASE_MAP_H
#define SL_BASE_MAP_H

/*
 * Hash map from strings to pointers: open addressing, SipHash-1-3 under a per-map random key (keys come
 * from clients).  The map borrows keys and values: a key must live as long as its entry.
 *
 * Threads. One owner; concurrent lookups without a writer are allowed.
 */

#include "base/sl_compiler.h"

#include <stddef.h>

struct sl_map; /* opaque */

/* Room for at least `n_expected` entries without growing. NULL when out of memory. */
struct sl_map *sl_map_new(size_t n_expected);
/* A copy with the same entries. NULL when out of memory. */
struct sl_map *sl_map_clone(const struct sl_map *map);
void sl_map_free(struct sl_map *map);
size_t sl_map_len(const struct sl_map *map);
/* The value of `key`, NULL when absent. */
void *sl_map_find(const struct sl_map *map, const char *key);
/* Adds or replaces (key pointer included). 0 or -ENOMEM, the map then unchanged. `value` not NULL. */
int sl_map_put(struct sl_map *map, const char *key, void *value) SL_MUST_CHECK;
/* Removes; returns the value it had, or NULL. */
void *sl_map_remove(struct sl_map *map, const char *key);
/* Entries in no particular order: start with *cursor = 0; false at the end. No changes meanwhile. */
_Bool sl_map_next(const struct sl_map *map, size_t *cursor, const char **key, void **value);

#endif
