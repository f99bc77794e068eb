/* SPDX-License-Identifier: BSD-3-Clause */
#include "make.h"

/*
 * Every allocation of the room fails once, in turn.  Whatever fails, the call says so, nothing is
 * half done, and (under AddressSanitizer) nothing leaks.  The linker sends the room's allocations
 * here.
 */

#define LAYER  "inbound_transport_v4"
#define N_KEYS 60u

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__real_reallocarray(void *ptr, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *ptr, size_t size);
void *__wrap_reallocarray(void *ptr, size_t n, size_t size);
char *__wrap_strdup(const char *text);

/* Allocations left until one fails; negative: none does. */
static long countdown = -1;

static bool
fails_now(void)
{
	if (countdown < 0)
		return false;
	return countdown-- == 0;
}

void *
__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *ptr, size_t size)
{
	return fails_now() ? NULL : __real_realloc(ptr, size);
}

void *
__wrap_reallocarray(void *ptr, size_t n, size_t size)
{
	return fails_now() ? NULL : __real_reallocarray(ptr, n, size);
}

char *
__wrap_strdup(const char *text)
{
	return fails_now() ? NULL : __real_strdup(text);
}

static struct sl_object *
block(const char *key)
{
	struct sl_filter *filter = make_filter(key, LAYER, SLUICE_ACTION_BLOCK);

	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	return &filter->object;
}

/* Runs `step` with the first, the second, ... allocation failing, until none does. */
static long
try_all(bool (*step)(void *ctx), void *ctx)
{
	for (long n = 0;; n++) {
		bool worked;
		bool has_failed;

		countdown = n;
		worked = step(ctx);
		has_failed = countdown < 0;
		countdown = -1;
		if (!has_failed) {
			assert_true(worked);
			return n;
		}
		if (worked)
			continue; /* what failed was not needed */
	}
}

static bool
step_new(void *ctx)
{
	struct sl_policy *policy = sl_policy_new();

	(void)ctx;
	sl_policy_free(policy);
	return policy != NULL;
}

static void
test_new(void **state)
{
	(void)state;
	assert_true(try_all(step_new, NULL) > 20);
}

static bool
step_object(void *ctx)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);

	(void)ctx;
	sl_object_put(object);
	return object != NULL;
}

static void
test_object(void **state)
{
	(void)state;
	assert_int_equal(try_all(step_object, NULL), 1);
}

/* Finishing an unfinished object: a key, a sublayer, the ranges of a set. */
static bool
step_finish(void *ctx)
{
	long kept = countdown;
	bool is_set = ctx != NULL;
	struct sl_object *object;
	struct sl_problems problems = {0};
	bool is_right;

	countdown = -1;
	object = is_set ? make_object(SL_OBJECT_SET, "s") : block("f");
	free(object->key);
	object->key = NULL;
	if (is_set) {
		make_element(sl_set_of(object), 1, 1);
		make_element(sl_set_of(object), 2, 2);
	}
	countdown = kept;
	is_right = sl_object_finish(object, "", &problems);
	if (!is_right && problems.n > 0)
		assert_int_equal(problems.list[0].code, SL_ERR_NO_MEMORY);
	assert_int_equal(problems.n_total > 0, !is_right);
	sl_problems_fini(&problems);
	sl_object_put(object);
	return is_right;
}

static void
test_finish(void **state)
{
	char is_set;

	(void)state;
	assert_true(try_all(step_finish, NULL) >= 2);
	assert_true(try_all(step_finish, &is_set) >= 2);
}

/*
 * A transaction on a clone that adds, replaces and deletes; all of it works, or it says what did
 * not.
 */
static bool
step_transaction(void *ctx)
{
	const struct sl_policy *policy = ctx;
	long kept = countdown;
	struct sl_policy *clone;
	struct sl_object *added;
	struct sl_object *changed;
	struct sl_error err;
	bool worked = false;

	countdown = -1;
	added = block("new");
	changed = block("a");
	finish(added);
	finish(changed);
	countdown = kept;
	clone = sl_policy_clone(policy);
	if (clone == NULL)
		goto put_objects;
	if (sl_policy_add(clone, added, &err) != 0) {
		assert_int_equal(err.code, SL_ERR_NO_MEMORY);
		assert_null(sl_policy_find(clone, SL_OBJECT_FILTER, "new"));
		assert_int_equal(sl_policy_len(clone, SL_OBJECT_FILTER), 2);
		goto free_clone;
	}
	added = NULL;
	if (sl_policy_put(clone, changed, &err) != 0) {
		assert_int_equal(err.code, SL_ERR_NO_MEMORY);
		goto free_clone;
	}
	changed = NULL;
	if (sl_policy_delete(clone, SL_OBJECT_SUBLAYER, "spare", &err) != 0) {
		assert_int_equal(err.code, SL_ERR_NO_MEMORY);
		assert_non_null(sl_policy_find(clone, SL_OBJECT_SUBLAYER, "spare"));
		goto free_clone;
	}
	assert_int_equal(sl_policy_len(clone, SL_OBJECT_FILTER), 3);
	worked = true;
free_clone:
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), 2);
	sl_policy_free(clone);
put_objects:
	sl_object_put(added);
	sl_object_put(changed);
	return worked;
}

/* Removals cannot fail at once; the check that follows them must. */
static bool
step_removal(void *ctx)
{
	const struct sl_policy *policy = ctx;
	struct sl_policy *clone = sl_policy_clone(policy);
	struct sl_problems problems = {0};
	bool worked;

	if (clone == NULL)
		return false;
	sl_policy_remove(clone, SL_OBJECT_FILTER, "a");
	sl_policy_remove_if(clone, SL_OBJECT_SUBLAYER, NULL, NULL);
	worked = sl_policy_check(clone, NULL, NULL, &problems);
	if (worked) {
		assert_int_equal(sl_policy_len(clone, SL_OBJECT_FILTER), 1);
		assert_int_equal(sl_policy_len(clone, SL_OBJECT_SUBLAYER), 5);
	}
	assert_int_equal(problems.n_total, worked ? 0 : 1);
	sl_problems_fini(&problems);
	sl_policy_free(clone);
	return worked;
}

static void
ignore(void *ctx, const struct sl_lint *lint)
{
	(void)lint;
	++*(size_t *)ctx;
}

static bool
step_lint(void *ctx)
{
	size_t n = 0;

	sl_policy_lint(ctx, ignore, &n);
	return n <= 1;
}

static void
test_changes(void **state)
{
	struct sl_policy *policy = sl_policy_new();

	(void)state;
	add(policy, block("a"));
	add(policy, block("b"));
	add(policy, &make_sublayer("spare", 9)->object);
	assert_true(try_all(step_transaction, policy) >= 5);
	assert_true(try_all(step_removal, policy) >= 5);
	assert_true(try_all(step_lint, policy) >= 2);
	sl_policy_free(policy);
}

/* One random change of a clone; what is refused for want of memory has changed nothing. */
static void
change_at_random(struct sl_policy *policy, bool *is_there, uint32_t draw)
{
	const unsigned int i = draw % N_KEYS;
	struct sl_object *object;
	char key[8];
	int rc;

	snprintf(key, sizeof(key), "f%u", i);
	object = block(key);
	finish(object);
	countdown = (long)(draw >> 8) % 4 - 1;
	if (is_there[i] && (draw >> 16) % 2 == 0) {
		rc = sl_policy_delete(policy, SL_OBJECT_FILTER, key, NULL);
		is_there[i] = rc != 0;
		rc = -1; /* the new one was not taken over */
	} else {
		rc = sl_policy_put(policy, object, NULL);
		is_there[i] = is_there[i] || rc == 0;
	}
	countdown = -1;
	if (rc != 0)
		sl_object_put(object);
}

static void
test_random_changes(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	bool is_there[N_KEYS] = {false};
	uint32_t seed = 3;

	(void)state;
	for (unsigned int step = 0; step < 3000; step++) {
		struct sl_policy *clone = sl_policy_clone(policy);
		size_t n = 0;

		seed = seed * 1664525 + 1013904223;
		change_at_random(clone, is_there, seed >> 4);
		sl_policy_free(policy);
		policy = clone;
		for (unsigned int i = 0; i < N_KEYS; i++) {
			char key[8];

			snprintf(key, sizeof(key), "f%u", i);
			assert_int_equal(
				sl_policy_find(policy, SL_OBJECT_FILTER, key) != NULL, is_there[i]);
			n += is_there[i];
		}
		assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), n);
	}
	sl_policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
