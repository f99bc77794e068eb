/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_map.h"

#include "base/sl_siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Values of an independent implementation: CPython 3.11's str hash under seed 42. */
static void
test_siphash_vectors(void **state)
{
	static const uint64_t key[2] = {0xdc504fd368cd90af, 0xb920bb9ffe99e9c1};
	static const struct {
		const char *text;
		uint64_t hash;
	} rows[] = {
		{"a", 0xfe4a47335692551e},
		{"1234567", 0xf426c87f0d9890ae},
		{"12345678", 0x84eb586ab30cc7f5},
		{"inbound_transport_v4", 0x6de37e89c158071e},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++)
		assert_true(sl_siphash(key, rows[i].text, strlen(rows[i].text)) == rows[i].hash);
}

#define N_KEYS 2000

struct fixture {
	struct sl_map *map;
	char keys[N_KEYS][16];
	bool present[N_KEYS]; /* the model the map is compared with */
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	for (int i = 0; i < N_KEYS; i++)
		snprintf(f->keys[i], sizeof(f->keys[i]), "key-%d", i);
	f->map = sl_map_new(0);
	*state = f;
	return f->map == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	sl_map_free(f->map);
	free(f);
	return 0;
}

static void
assert_equals_model(const struct sl_map *map, struct fixture *f)
{
	bool seen[N_KEYS] = {false};
	size_t cursor = 0, n = 0;
	const char *key;
	void *value;

	while (sl_map_next(map, &cursor, &key, &value)) {
		size_t i = (size_t)((char(*)[16])value - f->keys);

		assert_ptr_equal(key, f->keys[i]);
		assert_true(f->present[i]);
		assert_false(seen[i]);
		seen[i] = true;
		n++;
	}
	assert_int_equal(n, sl_map_len(map));
	for (size_t i = 0; i < N_KEYS; i++) {
		assert_int_equal(seen[i], f->present[i]);
		assert_ptr_equal(sl_map_find(map, f->keys[i]), f->present[i] ? f->keys[i] : NULL);
	}
}

/* A fixed random walk of additions and removals, checked against an array of booleans. */
static void
test_random_walk_agrees_with_model(void **state)
{
	struct fixture *f = *state;
	uint32_t random = 1;

	for (int step = 0; step < 40000; step++) {
		random = random * 1664525 + 1013904223;
		size_t i = (random >> 8) % N_KEYS;

		if (random >> 31) {
			assert_int_equal(sl_map_put(f->map, f->keys[i], f->keys[i]), 0);
			f->present[i] = true;
		} else {
			void *value = sl_map_remove(f->map, f->keys[i]);

			assert_ptr_equal(value, f->present[i] ? f->keys[i] : NULL);
			f->present[i] = false;
		}
		if (step % 4000 == 0)
			assert_equals_model(f->map, f);
	}
	assert_equals_model(f->map, f);
}

static void
test_put_replaces_key_and_value(void **state)
{
	struct fixture *f = *state;
	char twin[] = "key-1";
	const char *key = NULL;
	void *value = NULL;
	size_t cursor = 0;
	int number;

	assert_int_equal(sl_map_put(f->map, f->keys[1], f), 0);
	assert_int_equal(sl_map_put(f->map, twin, &number), 0);
	assert_int_equal(sl_map_len(f->map), 1);
	assert_true(sl_map_next(f->map, &cursor, &key, &value));
	assert_ptr_equal(key, twin);
	assert_ptr_equal(value, &number);
	assert_false(sl_map_next(f->map, &cursor, &key, &value));
}

static void
test_clone_is_independent(void **state)
{
	struct fixture *f = *state;
	struct sl_map *clone;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(sl_map_put(f->map, f->keys[i], f->keys[i]), 0);
		f->present[i] = true;
	}
	clone = sl_map_clone(f->map);
	assert_non_null(clone);
	assert_ptr_equal(sl_map_remove(f->map, f->keys[5]), f->keys[5]);
	assert_int_equal(sl_map_put(f->map, f->keys[500], f->keys[500]), 0);
	assert_equals_model(clone, f);
	sl_map_free(clone);
}

static void
test_absurd_size_is_refused(void **state)
{
	(void)state;
	assert_null(sl_map_new(SIZE_MAX));
	sl_map_free(NULL);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_vectors),
		cmocka_unit_test_setup_teardown(
			test_random_walk_agrees_with_model, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_put_replaces_key_and_value, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clone_is_independent, set_up, tear_down),
		cmocka_unit_test(test_absurd_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
