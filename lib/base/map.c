/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_map.h"

#include "base/sl_siphash.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * Linear probing over a power-of-two table at most three quarters full.  The hash is kept beside
 * the key: growing does not read keys, and a probe reads a key only when all 64 bits agree.
 * Removal shifts the followers back, so that there are no tombstones and lookups never slow down.
 */
#define CAPACITY_MIN 8

struct slot {
	const char *key; /* NULL: free */
	void *value;
	uint64_t hash;
};

struct sl_map {
	struct slot *slots;
	size_t capacity; /* power of two */
	size_t len;
	uint64_t hash_key[2];
};

/* The smallest capacity that holds `n` entries; 0 when there is none. */
static size_t
capacity_for(size_t n)
{
	size_t capacity = CAPACITY_MIN;

	if (n > SIZE_MAX / 4 / sizeof(struct slot))
		return 0;
	while (capacity / 4 * 3 < n)
		capacity *= 2;
	return capacity;
}

struct sl_map *
sl_map_new(size_t n_expected)
{
	size_t capacity = capacity_for(n_expected);
	struct sl_map *map;

	if (capacity == 0)
		return NULL;
	map = calloc(1, sizeof(*map));
	if (map == NULL)
		return NULL;
	map->capacity = capacity;
	map->slots = calloc(capacity, sizeof(*map->slots));
	if (map->slots == NULL ||
		getrandom(map->hash_key, sizeof(map->hash_key), 0) != sizeof(map->hash_key)) {
		sl_map_free(map);
		return NULL;
	}
	return map;
}

struct sl_map *
sl_map_clone(const struct sl_map *map)
{
	struct sl_map *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *map;
	copy->slots = malloc(map->capacity * sizeof(*map->slots));
	if (copy->slots == NULL) {
		free(copy);
		return NULL;
	}
	memcpy(copy->slots, map->slots, map->capacity * sizeof(*map->slots));
	return copy;
}

void
sl_map_free(struct sl_map *map)
{
	if (map == NULL)
		return;
	free(map->slots);
	free(map);
}

size_t
sl_map_len(const struct sl_map *map)
{
	return map->len;
}

/* The slot of `key`, or the free slot where it would go: there always is one. */
static struct slot *
slot_of(const struct sl_map *map, const char *key, uint64_t hash)
{
	size_t at = hash & (map->capacity - 1);

	while (map->slots[at].key != NULL) {
		if (map->slots[at].hash == hash && strcmp(map->slots[at].key, key) == 0)
			break;
		at = (at + 1) & (map->capacity - 1);
	}
	return &map->slots[at];
}

void *
sl_map_find(const struct sl_map *map, const char *key)
{
	/* A free slot has no value either. */
	return slot_of(map, key, sl_siphash(map->hash_key, key, strlen(key)))->value;
}

static int
grow(struct sl_map *map)
{
	size_t capacity = map->capacity * 2;
	struct slot *slots = calloc(capacity, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < map->capacity; i++) {
		size_t at = map->slots[i].hash & (capacity - 1);

		if (map->slots[i].key == NULL)
			continue;
		while (slots[at].key != NULL)
			at = (at + 1) & (capacity - 1);
		slots[at] = map->slots[i];
	}
	free(map->slots);
	map->slots = slots;
	map->capacity = capacity;
	return 0;
}

int
sl_map_put(struct sl_map *map, const char *key, void *value)
{
	uint64_t hash = sl_siphash(map->hash_key, key, strlen(key));
	struct slot *slot = slot_of(map, key, hash);

	if (slot->key == NULL) {
		if (map->len + 1 > map->capacity / 4 * 3) {
			if (grow(map) != 0)
				return -ENOMEM;
			slot = slot_of(map, key, hash);
		}
		map->len++;
	}
	*slot = (struct slot){.key = key, .value = value, .hash = hash};
	return 0;
}

/* Fills the hole at `hole` from behind, so that every probe still reaches its key. */
static void
close_hole(struct sl_map *map, size_t hole)
{
	size_t mask = map->capacity - 1;

	for (size_t at = (hole + 1) & mask; map->slots[at].key != NULL; at = (at + 1) & mask) {
		size_t home = map->slots[at].hash & mask;

		/* An entry may move back unless that would put it before its home. */
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole] = (struct slot){0};
}

void *
sl_map_remove(struct sl_map *map, const char *key)
{
	struct slot *slot = slot_of(map, key, sl_siphash(map->hash_key, key, strlen(key)));
	void *value = slot->value;

	if (slot->key == NULL)
		return NULL;
	close_hole(map, (size_t)(slot - map->slots));
	map->len--;
	return value;
}

_Bool
sl_map_next(const struct sl_map *map, size_t *cursor, const char **key, void **value)
{
	while (*cursor < map->capacity) {
		const struct slot *slot = &map->slots[(*cursor)++];

		if (slot->key == NULL)
			continue;
		if (key != NULL)
			*key = slot->key;
		if (value != NULL)
			*value = slot->value;
		return 1;
	}
	return 0;
}
