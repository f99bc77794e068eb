/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/table.h"

#include "base/sl_siphash.h"
#include "make.h"

/*
 * Keys whose hashes collide and lie in a row: the linker sends the room's hashing here, where the
 * first letter is all of it.
 */

#define N_LETTERS 4u
#define N_TAILS   5u
#define N_STEPS   4000u

uint64_t __wrap_sl_siphash(const uint64_t key[2], const void *data, size_t len);

uint64_t
__wrap_sl_siphash(const uint64_t key[2], const void *data, size_t len)
{
	(void)key;
	assert_true(len > 0);
	return UINT64_MAX - 3 + (uint64_t)(*(const char *)data - 'a');
}

static void
name(char key[3], unsigned int i)
{
	key[0] = (char)('a' + i / N_TAILS);
	key[1] = (char)('0' + i % N_TAILS);
	key[2] = '\0';
}

static void
toggle(struct table *table, struct sl_object **model, unsigned int i, bool replace)
{
	struct sl_object *object;
	char key[3];

	name(key, i);
	if (model[i] != NULL && !replace) {
		assert_int_equal(sl_table_remove(table, model[i]), 0);
		model[i] = NULL;
		return;
	}
	object = make_object(SL_OBJECT_SUBLAYER, key);
	if (model[i] == NULL)
		assert_int_equal(sl_table_add(table, object), 0);
	else
		assert_int_equal(sl_table_replace(table, model[i], object), 0);
	model[i] = object;
}

static void
test_colliding_keys(void **state)
{
	struct sl_object *model[N_LETTERS * N_TAILS] = {NULL};
	struct sl_object *before[N_LETTERS * N_TAILS] = {NULL};
	struct table table;
	struct table older;
	uint32_t seed = 1;

	(void)state;
	assert_int_equal(sl_table_init(&table), 0);
	sl_table_share(&table, &older);
	for (unsigned int step = 0; step < N_STEPS; step++) {
		seed = seed * 1664525 + 1013904223;
		if (step % 50 == 0) {
			sl_table_drop(&older);
			sl_table_share(&table, &older);
			memcpy(before, model, sizeof(model));
		}
		toggle(&table, model, (seed >> 16) % SL_ARRAY_LEN(model), seed >> 31 != 0);
		for (unsigned int i = 0; i < SL_ARRAY_LEN(model); i++) {
			char key[3];

			name(key, i);
			assert_ptr_equal(sl_table_find(&table, key), model[i]);
			assert_ptr_equal(sl_table_find(&older, key), before[i]);
		}
	}
	sl_table_drop(&older);
	sl_table_drop(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_colliding_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
