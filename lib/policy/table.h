/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_TABLE_H
#define SL_POLICY_TABLE_H

/*
 * All objects of one type in one policy, by run-time id and by key.  Sharing a table costs nothing,
 * a change of a shared one copies a few hundred bytes (trie.h).
 *
 * Keys.    The map by key is one by the hash of the key; where two keys have one hash, the later one has
 *          the next free number.
 * Threads. As for policies.
 *
 * Private to the room.
 */

#include "policy/trie.h"

struct table {
	struct trie by_id;  /* has the references */
	struct trie by_key; /* borrows */
	size_t n;
	uint64_t next_id;
	uint64_t hash_key[2]; /* of its own: keys come from clients */
};

/* An empty table. 0, or -ENOMEM when the system has no random numbers. */
int sl_table_init(struct table *table) SL_MUST_CHECK;
void sl_table_share(const struct table *from, struct table *to);
void sl_table_drop(struct table *table);

/* Borrowed, or NULL. */
struct sl_object *sl_table_find(const struct table *table, const char *key);
/*
 * The next three return 0, or -ENOMEM with nothing changed.
 *
 * Adds an object, whose key the table must not have, and takes the reference over; gives it its id.
 */
int sl_table_add(struct table *table, struct sl_object *object) SL_MUST_CHECK;
/* Puts `object` in the place of `old`, which has the same key, and takes the reference over. */
int sl_table_replace(
	struct table *table, const struct sl_object *old, struct sl_object *object) SL_MUST_CHECK;
int sl_table_remove(struct table *table, const struct sl_object *object) SL_MUST_CHECK;

#endif
