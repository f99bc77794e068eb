/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <errno.h>

/*
 * Every allocation of a compilation fails once, in turn.  Each time the compiler says so, holds on
 * to no object, and (under AddressSanitizer) leaks nothing.  The linker sends allocations here.
 */

#define LAYER "inbound_transport_v4"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_reallocarray(void *ptr, size_t n, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_reallocarray(void *ptr, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

/* Allocations left until one fails; negative: none does. */
static long countdown = -1;

static bool
fails_now(void)
{
	return countdown >= 0 && countdown-- == 0;
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
__wrap_reallocarray(void *ptr, size_t n, size_t size)
{
	return fails_now() ? NULL : __real_reallocarray(ptr, n, size);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails_now() ? NULL : __real_aligned_alloc(alignment, size);
}

static void
add_filter(struct sl_policy *policy, uint32_t i)
{
	struct sl_filter *filter;
	char key[16];

	snprintf(key, sizeof(key), "f%u", i);
	filter = make_filter(key, LAYER, SLUICE_ACTION_BLOCK);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, i * 7, i * 7 + 9);
	for (uint64_t at = 0; i % 4 == 0 && at < 30; at++)
		make_number(filter, SLUICE_FIELD_IP_REMOTE_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16,
			at * 3 + i);
	if (i % 4 == 1)
		make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "set");
	if (i % 4 == 2)
		make_number(filter, SLUICE_FIELD_FLAGS, SL_MATCH_FLAGS_ANY_SET, SLUICE_TYPE_UINT32,
			0x20);
	add(policy, &filter->object);
}

static struct sl_policy *
make_policy(void)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_object *set = make_object(SL_OBJECT_SET, "set");
	struct sl_filter *named =
		make_filter("named", "ingress_vswitch_ethernet", SLUICE_ACTION_BLOCK);

	sl_set_of(set)->set_type = SL_SET_V4_PREFIX;
	for (uint32_t i = 0; i < 100; i++)
		make_element(sl_set_of(set), i * 512, i * 512 + 255);
	add(policy, set);
	for (uint32_t i = 0; i < 120; i++)
		add_filter(policy, i);
	make_blob(named, SLUICE_FIELD_VSWITCH_SOURCE_INTERFACE_ID, SL_MATCH_SUFFIX, "inside");
	add(policy, &named->object);
	return policy;
}

static void
test_every_allocation_may_fail(void **state)
{
	const struct sl_compile_host host = {.bind = rig_bind};
	struct sl_policy *policy = make_policy();
	struct sl_snapshot *snapshot = NULL;
	long n = 0;
	int rc;

	(void)state;
	do {
		struct sl_error err = {0};
		bool has_failed;

		countdown = n++;
		rc = sl_snapshot_compile(policy, 1, NULL, NULL, &host, &snapshot, &err);
		has_failed = countdown < 0;
		countdown = -1;
		assert_int_equal(rc, has_failed ? -ENOMEM : 0);
		if (rc != 0)
			assert_int_equal(err.code, SL_ERR_NO_MEMORY);
		if (rc != 0)
			assert_int_equal(sl_policy_find(policy, SL_OBJECT_FILTER, "f1")->n_refs, 1);
	} while (rc != 0);
	assert_true(n > 30);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

/* One attempt at a change or a fold, with the allocation that `countdown` says failing. */
typedef int
attempt_fn(const struct sl_policy *policy, struct sl_snapshot **snapshot, struct sl_error *err);

static int
attempt_fold(const struct sl_policy *policy, struct sl_snapshot **snapshot, struct sl_error *err)
{
	const struct sl_compile_host host = {.bind = NULL};
	const enum sluice_layer id = sl_layer_find(LAYER)->id;
	const struct sl_layer_program *from = (*snapshot)->layers[id];
	const struct sl_layer_program *folded;
	struct sl_snapshot *next;
	int rc = sl_layer_fold(from, &host, &folded, err);

	(void)policy;
	if (rc != 0)
		return rc;
	rc = sl_snapshot_with_fold(*snapshot, from, folded, &next, err);
	sl_layer_put(folded);
	if (rc != 0)
		return rc;
	sl_snapshot_free(*snapshot);
	*snapshot = next;
	return 0;
}

/* Repeats an attempt until no allocation fails, each time from the same snapshot. */
static void
expect_every_failure(attempt_fn *attempt, const struct sl_policy *policy,
	struct sl_snapshot **snapshot, long n_min)
{
	const struct sl_object *filter = sl_policy_find(policy, SL_OBJECT_FILTER, "f1");
	const uint32_t n_refs = filter->n_refs;
	long n = 0;
	int rc;

	do {
		struct sl_error err = {0};
		bool has_failed;

		/* Attempts use up the room for changes. */
		if (n % 64 == 0)
			assert_int_equal(attempt_fold(policy, snapshot, &err), 0);
		countdown = n++;
		rc = attempt(policy, snapshot, &err);
		has_failed = countdown < 0;
		countdown = -1;
		assert_int_equal(rc, has_failed ? -ENOMEM : 0);
		if (rc != 0) {
			assert_int_equal(err.code, SL_ERR_NO_MEMORY);
			assert_int_equal(filter->n_refs, n_refs);
		}
	} while (rc != 0);
	assert_true(n > n_min);
}

static int
attempt_changes(const struct sl_policy *policy, struct sl_snapshot **snapshot, struct sl_error *err)
{
	const struct sl_compile_host host = {.bind = rig_bind};
	const struct sl_filter_change list[] = {
		{.old = sl_filter_of(sl_policy_find(policy, SL_OBJECT_FILTER, "f3"))},
		{.now = sl_filter_of(sl_policy_find(policy, SL_OBJECT_FILTER, "f121"))},
		{.now = sl_filter_of(sl_policy_find(policy, SL_OBJECT_FILTER, "f122"))}};
	const struct sl_changes changes = {.filters = list, .n = SL_ARRAY_LEN(list)};
	struct sl_snapshot *next;
	int rc = sl_snapshot_compile(policy, 2, *snapshot, &changes, &host, &next, err);

	if (rc != 0)
		return rc;
	sl_snapshot_free(*snapshot);
	*snapshot = next;
	return 0;
}

static int
attempt_comparison(
	const struct sl_policy *policy, struct sl_snapshot **snapshot, struct sl_error *err)
{
	const struct sl_compile_host host = {.bind = rig_bind};
	struct sl_snapshot *next;
	int rc = sl_snapshot_compile(policy, 2, *snapshot, NULL, &host, &next, err);

	if (rc != 0)
		return rc;
	sl_snapshot_free(*snapshot);
	*snapshot = next;
	return 0;
}

/* What changed while a fold was made is applied to it. */
static int
attempt_late_fold(
	const struct sl_policy *policy, struct sl_snapshot **snapshot, struct sl_error *err)
{
	const struct sl_compile_host host = {.bind = NULL};
	const enum sluice_layer id = sl_layer_find(LAYER)->id;
	const struct sl_layer_program *from = sl_layer_get((*snapshot)->layers[id]);
	const struct sl_layer_program *folded = NULL;
	struct sl_snapshot *changed = NULL;
	struct sl_snapshot *next;
	const struct sl_compile_host binds = {.bind = rig_bind};
	const struct sl_filter_change list[] = {
		{.old = sl_filter_of(sl_policy_find(policy, SL_OBJECT_FILTER, "f4"))},
		{.now = sl_filter_of(sl_policy_find(policy, SL_OBJECT_FILTER, "f123"))}};
	const struct sl_changes changes = {.filters = list, .n = SL_ARRAY_LEN(list)};
	int rc = sl_snapshot_compile(policy, 3, *snapshot, &changes, &binds, &changed, err);

	if (rc == 0)
		rc = sl_layer_fold(from, &host, &folded, err);
	if (rc == 0)
		rc = sl_snapshot_with_fold(changed, from, folded, &next, err);
	sl_layer_put(from);
	sl_layer_put(folded);
	sl_snapshot_free(changed);
	if (rc == 0)
		sl_snapshot_free(next);
	return rc;
}

static void
test_changes(void **state)
{
	const struct sl_compile_host host = {.bind = rig_bind};
	struct sl_policy *policy = make_policy();
	struct sl_snapshot *snapshot;
	struct sl_error err;

	(void)state;
	assert_int_equal(sl_snapshot_compile(policy, 1, NULL, NULL, &host, &snapshot, &err), 0);
	/* One with a set, one with flags, one with neither. */
	for (uint32_t i = 121; i < 124; i++)
		add_filter(policy, i);
	expect_every_failure(attempt_changes, policy, &snapshot, 10);
	expect_every_failure(attempt_late_fold, policy, &snapshot, 40);
	expect_every_failure(attempt_comparison, policy, &snapshot, 20);
	expect_every_failure(attempt_fold, policy, &snapshot, 30);
	sl_snapshot_free(snapshot);
	assert_int_equal(sl_policy_find(policy, SL_OBJECT_FILTER, "f121")->n_refs, 1);
	sl_policy_free(policy);
}

static void
test_match_lists(void **state)
{
	struct sl_matches matches;

	(void)state;
	countdown = 0;
	assert_int_equal(sl_matches_init(&matches), -ENOMEM);
	countdown = -1;
	sl_matches_fini(&matches);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_may_fail),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_match_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
