/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/table.h"

#include "base/sl_siphash.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static uint64_t
hash(const struct table *table, const char *key)
{
	return sl_siphash(table->hash_key, key, strlen(key));
}

/* The object of that key, and the number under which it is or would be. */
static struct sl_object *
find(const struct table *table, const char *key, uint64_t *number)
{
	for (*number = hash(table, key);; ++*number) {
		struct sl_object *object = sl_trie_find(&table->by_key, *number);

		if (object == NULL || strcmp(object->key, key) == 0)
			return object;
	}
}

int
sl_table_init(struct table *table)
{
	*table = (struct table){.by_id.holds = true, .next_id = 1};
	if (getrandom(table->hash_key, sizeof(table->hash_key), 0) != sizeof(table->hash_key))
		return -ENOMEM;
	return 0;
}

void
sl_table_share(const struct table *from, struct table *to)
{
	*to = *from;
	sl_trie_share(&from->by_id, &to->by_id);
	sl_trie_share(&from->by_key, &to->by_key);
}

void
sl_table_drop(struct table *table)
{
	sl_trie_drop(&table->by_key);
	sl_trie_drop(&table->by_id);
}

struct sl_object *
sl_table_find(const struct table *table, const char *key)
{
	uint64_t number;

	return find(table, key, &number);
}

int
sl_table_add(struct table *table, struct sl_object *object)
{
	uint64_t number;

	(void)find(table, object->key, &number);
	if (sl_trie_add(&table->by_key, number, object) != 0)
		return -ENOMEM;
	if (sl_trie_add(&table->by_id, table->next_id, object) != 0) {
		sl_trie_remove(&table->by_key, number);
		return -ENOMEM;
	}
	object->id = table->next_id++;
	table->n++;
	return 0;
}

int
sl_table_replace(struct table *table, const struct sl_object *old, struct sl_object *object)
{
	const uint64_t id = old->id;
	uint64_t number;

	(void)find(table, old->key, &number);
	if (sl_trie_own(&table->by_id, id) != 0 || sl_trie_own(&table->by_key, number) != 0)
		return -ENOMEM;
	object->id = id;
	sl_trie_set(&table->by_key, number, object);
	sl_trie_set(&table->by_id, id, object);
	return 0;
}

/* Owns a number and those behind it that are taken, which may have to move up. */
static int
own_row(struct trie *trie, uint64_t number)
{
	for (; sl_trie_find(trie, number) != NULL; number++) {
		if (sl_trie_own(trie, number) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* Takes a key out and closes the gap, so that those behind are still found from their hashes. */
static void
remove_key(struct table *table, uint64_t gap)
{
	struct sl_object *object;

	for (uint64_t at = gap + 1; (object = sl_trie_find(&table->by_key, at)) != NULL; at++) {
		/* An entry may move up unless that would put it before its hash. */
		if (at - hash(table, object->key) >= at - gap) {
			sl_trie_set(&table->by_key, gap, object);
			gap = at;
		}
	}
	sl_trie_remove(&table->by_key, gap);
}

int
sl_table_remove(struct table *table, const struct sl_object *object)
{
	uint64_t number;

	(void)find(table, object->key, &number);
	if (sl_trie_own(&table->by_id, object->id) != 0 || own_row(&table->by_key, number) != 0)
		return -ENOMEM;
	remove_key(table, number);
	/* It may be the last reference. */
	sl_trie_remove(&table->by_id, object->id);
	table->n--;
	return 0;
}
