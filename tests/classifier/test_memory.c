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
		cmocka_unit_test(test_match_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
