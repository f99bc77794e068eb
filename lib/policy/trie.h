/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SL_POLICY_TRIE_H
#define SL_POLICY_TRIE_H

/*
 * Persistent map from numbers to objects: sharing one costs nothing, and a change copies the few nodes
 * on the way to the place that changes.
 *
 * What.    A radix trie of five bits a level without levels of one branch.  A node lists only the
 *          branches it has, and remembers the number of each, so that a walk reads no objects.
 * Sharing. Nodes count their users.  A change owns the path from the root: a node with another user is
 *          copied, one without is written to.
 * Memory.  Only adding and owning need some, and where there is none they change nothing.  What stands
 *          under a number that was owned or added can be replaced and removed without fail.
 * Threads. One writer for each map; maps that share nodes may be changed and dropped on different
 *          threads.
 *
 * Private to the room.
 */

#include "policy/sl_object.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A branch: nothing, an object under its number, or a node under the lowest number it can have. */
struct trie_slot {
	uint64_t number;
	uintptr_t ref; /* bit 0 set: a node */
};

/* Zeroed it is empty, but for `holds`. */
struct trie {
	struct trie_slot root;
	bool holds; /* has references on its objects; else it borrows them */
};

/* `*to`, which must be unused, becomes a map of the same entries. */
void sl_trie_share(const struct trie *from, struct trie *to);
void sl_trie_drop(struct trie *trie);

/* NULL: there is none under that number. */
struct sl_object *sl_trie_find(const struct trie *trie, uint64_t number);
/* The object with the smallest number from `number` on, or NULL. */
struct sl_object *sl_trie_next(const struct trie *trie, uint64_t number);

/* Prepares changes of what is under a number: sl_trie_set and sl_trie_remove. 0 or -ENOMEM. */
int sl_trie_own(struct trie *trie, uint64_t number) SL_MUST_CHECK;
/*
 * Adds under a number that has nothing.  A map that holds takes a reference over.  0 or -ENOMEM; the
 * number is owned afterwards.
 */
int sl_trie_add(struct trie *trie, uint64_t number, struct sl_object *object) SL_MUST_CHECK;
/* Replaces what is under an owned number.  A map that holds takes a reference over. */
void sl_trie_set(struct trie *trie, uint64_t number, struct sl_object *object);
/* Removes what is under an owned number. */
void sl_trie_remove(struct trie *trie, uint64_t number);

/* One difference: `before` NULL: only the second has it; `after` NULL: only the first. Non-zero stops. */
typedef int
sl_trie_diff_fn(void *ctx, const struct sl_object *before, const struct sl_object *after);
/*
 * Calls `fn` for every number under which the maps have different objects, ascending.  Costs what is
 * different: nodes that both share are not entered.  Returns what stopped it, or 0.
 */
int
sl_trie_diff(const struct trie *before, const struct trie *after, sl_trie_diff_fn *fn, void *ctx);

#endif
