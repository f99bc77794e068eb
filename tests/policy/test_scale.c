/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/sl_clock.h"
#include "make.h"

/*
 * A policy of 100,000 filters: what a transaction costs is told, and bounded loosely enough for a
 * slow machine and a sanitizer, tightly enough to notice a step that became quadratic.
 */

#define LAYER     "inbound_transport_v4"
#define N_FILTERS 100000u
#define BOUND_MS  2000.0

static double
ms_since(uint64_t start)
{
	return (double)(sl_clock_monotonic_ns() - start) / 1e6;
}

static void
tell(const char *what, uint64_t start)
{
	double ms = ms_since(start);

	print_message("%-44s %9.3f ms\n", what, ms);
	assert_true(ms < BOUND_MS);
}

static struct sl_object *
make_rule(unsigned int i)
{
	char key[16];
	struct sl_filter *filter;

	snprintf(key, sizeof(key), "f%u", i);
	filter = make_filter(key, LAYER, i % 2 == 0 ? SLUICE_ACTION_BLOCK : SLUICE_ACTION_PERMIT);
	filter->object.provider = make_text("acme");
	filter->sublayer = make_text(i % 3 == 0 ? "edge" : "firewall");
	make_v4_prefix(
		filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL, 0x0a000000 + i * 16, 28);
	make_number(filter, SLUICE_FIELD_IP_PROTOCOL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, 6);
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, 80, 443);
	if (i % 10 == 0)
		make_set_condition(filter, SLUICE_FIELD_IP_LOCAL_ADDRESS, SL_MATCH_IN_SET, "hosts");
	return &filter->object;
}

static struct sl_policy *
make_policy(void)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_object **rules = calloc(N_FILTERS, sizeof(struct sl_object *));
	struct sl_set *hosts = sl_set_of(make_object(SL_OBJECT_SET, "hosts"));
	uint64_t start;

	assert_non_null(policy);
	assert_non_null(rules);
	add(policy, make_object(SL_OBJECT_PROVIDER, "acme"));
	add(policy, &make_sublayer("edge", 100)->object);
	hosts->set_type = SL_SET_V4_PREFIX;
	make_element(hosts, 0xc0000200, 0xc00002ff);
	add(policy, &hosts->object);
	for (unsigned int i = 0; i < N_FILTERS; i++)
		rules[i] = make_rule(i);
	start = sl_clock_monotonic_ns();
	for (unsigned int i = 0; i < N_FILTERS; i++)
		finish(rules[i]);
	tell("finish 100,000 filters", start);
	start = sl_clock_monotonic_ns();
	for (unsigned int i = 0; i < N_FILTERS; i++)
		assert_int_equal(sl_policy_add(policy, rules[i], NULL), 0);
	tell("add 100,000 filters", start);
	free(rules);
	return policy;
}

static bool
first_half(void *ctx, const struct sl_object *object)
{
	(void)ctx;
	return object->id <= N_FILTERS / 2;
}

static void
ignore(void *ctx, const struct sl_lint *lint)
{
	(void)lint;
	++*(size_t *)ctx;
}

static void
test_transaction(void **state)
{
	struct sl_policy *policy = make_policy();
	struct sl_policy *clone;
	struct sl_object *more = make_rule(N_FILTERS);
	struct sl_object *changed = make_rule(5);
	struct sl_problems problems = {0};
	struct sl_error err;
	uint64_t start = sl_clock_monotonic_ns();
	size_t n_findings = 0;

	(void)state;
	clone = sl_policy_clone(policy);
	tell("clone", start);
	assert_non_null(clone);
	finish(more);
	finish(changed);
	start = sl_clock_monotonic_ns();
	assert_int_equal(sl_policy_add(clone, more, &err), 0);
	tell("first change of a clone", start);
	start = sl_clock_monotonic_ns();
	assert_int_equal(sl_policy_put(clone, changed, &err), 0);
	tell("replace one", start);
	start = sl_clock_monotonic_ns();
	assert_int_equal(sl_policy_delete(clone, SL_OBJECT_FILTER, "f0", &err), 0);
	tell("delete the oldest filter", start);
	start = sl_clock_monotonic_ns();
	assert_int_not_equal(sl_policy_delete(clone, SL_OBJECT_SUBLAYER, "edge", &err), 0);
	tell("refuse to delete a sublayer in use", start);
	start = sl_clock_monotonic_ns();
	assert_true(sl_policy_check(clone, NULL, NULL, &problems));
	tell("check", start);
	start = sl_clock_monotonic_ns();
	sl_policy_lint(clone, ignore, &n_findings);
	tell("lint", start);
	assert_int_equal(n_findings, 0);
	start = sl_clock_monotonic_ns();
	sl_policy_remove_if(clone, SL_OBJECT_FILTER, first_half, NULL);
	tell("remove half of them at once", start);
	assert_int_equal(sl_policy_len(clone, SL_OBJECT_FILTER), N_FILTERS / 2 + 1);
	assert_int_equal(sl_policy_len(policy, SL_OBJECT_FILTER), N_FILTERS);
	start = sl_clock_monotonic_ns();
	sl_policy_free(clone);
	tell("free the clone", start);
	start = sl_clock_monotonic_ns();
	sl_policy_free(policy);
	tell("free the policy", start);
}

static void
test_large_set(void **state)
{
	const size_t n = 1000000;
	struct sl_set *set = sl_set_of(make_object(SL_OBJECT_SET, "s"));
	uint8_t value[16] = {0};
	uint64_t start;

	(void)state;
	set->set_type = SL_SET_V4_PREFIX;
	set->elements = calloc(n, sizeof(*set->elements));
	assert_non_null(set->elements);
	set->n_elements = n;
	for (size_t i = 0; i < n; i++) {
		/* An odd factor visits every second address once, in no order. */
		uint32_t address = (uint32_t)(i * 2654435761u % n) * 2;

		for (unsigned int k = 0; k < 4; k++) {
			set->elements[i].low[15 - k] = (uint8_t)(address >> (8 * k));
			set->elements[i].high[15 - k] = (uint8_t)(address >> (8 * k));
		}
	}
	start = sl_clock_monotonic_ns();
	finish(&set->object);
	tell("finish a set of 1,000,000 addresses", start);
	assert_int_equal(set->n_ranges, set->n_elements);
	assert_true(sl_set_contains(set, value));
	value[15] = 1;
	assert_false(sl_set_contains(set, value));
	sl_object_put(&set->object);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transaction),
		cmocka_unit_test(test_large_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
