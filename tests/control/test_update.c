/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * One filter after another in and out of a large policy.  Not the time is judged, which is the machine's, but
 * the work: how many bytes a commit takes from memory, and how often the compiler asks about a filter.
 * The linker leads both through the test (meson.build); what the folder does on its thread does not count.
 */

#define N_FILTERS 50000u
#define N_COMMITS 20000u
/* A commit that copied an array of all filters would take four times as much at least. */
#define BYTES_MAX 100000u

static _Thread_local struct {
	bool is_on;
	uint64_t n_bytes;
	uint64_t n_binds;
} work;

#define WRAP(type, name, parameters, arguments, size)  \
	type __real_##name parameters;                 \
	type __wrap_##name parameters;                 \
	type __wrap_##name parameters                  \
	{                                              \
		work.n_bytes += work.is_on ? size : 0; \
		return __real_##name arguments;        \
	}

WRAP(void *, malloc, (size_t size), (size), size)
WRAP(void *, calloc, (size_t n, size_t size), (n, size), n *size)
WRAP(void *, realloc, (void *old, size_t size), (old, size), size)
WRAP(void *, reallocarray, (void *old, size_t n, size_t size), (old, n, size), n *size)
WRAP(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size), size)

struct ledger;
int __real_sl_control_ledger_bind(const struct ledger *ledger, const struct sl_filter *filter,
	struct sl_filter_binding *binding, struct sl_error *err);
int __wrap_sl_control_ledger_bind(const struct ledger *ledger, const struct sl_filter *filter,
	struct sl_filter_binding *binding, struct sl_error *err);

int
__wrap_sl_control_ledger_bind(const struct ledger *ledger, const struct sl_filter *filter,
	struct sl_filter_binding *binding, struct sl_error *err)
{
	work.n_binds++;
	return __real_sl_control_ledger_bind(ledger, filter, binding, err);
}

static struct sl_object *
make_filter(unsigned int i, bool is_permit)
{
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);
	struct sl_filter *filter = sl_filter_of(object);
	struct sl_problems problems = {0};

	filter->layer = sl_layer_find("inbound_transport_v4");
	filter->action = is_permit ? SLUICE_ACTION_PERMIT : SLUICE_ACTION_BLOCK;
	filter->conditions = calloc(1, sizeof(*filter->conditions));
	filter->n_conditions = 1;
	filter->conditions[0] = (struct sl_condition){
		.field = SLUICE_FIELD_IP_REMOTE_ADDRESS, .match = SL_MATCH_EQUAL};
	filter->conditions[0].value.type = SLUICE_TYPE_UINT32;
	filter->conditions[0].value.low.number = 0x0a000000 + i;
	object->name = strdup("N");
	assert_true(asprintf(&object->key, "filter-%u", i) > 0);
	if (!sl_object_finish(object, "", &problems))
		fail_msg("%s", problems.list[0].detail);
	return object;
}

static int
fill(void *ctx, struct sl_policy *policy, struct sl_problems *problems)
{
	(void)ctx;
	(void)problems;
	for (unsigned int i = 0; i < N_FILTERS; i++)
		assert_int_equal(sl_policy_add(policy, make_filter(i, false), NULL), 0);
	return 0;
}

static void
commit(struct fixture *f, sl_control_edit_fn *edit, void *ctx)
{
	work.is_on = true;
	assert_int_equal(sl_control_change(f->control, edit, ctx, 0, 0, &f->problems, NULL), 0);
	work.is_on = false;
}

/* Out, in again with another action, or replaced where it is. */
static void
change_one(struct fixture *f, unsigned int i)
{
	char key[24];
	const unsigned int n = i / 3 * 7919 % N_FILTERS;
	struct sl_edit_delete delete = {.type = SL_OBJECT_FILTER, .key = key};
	struct sl_edit_object put = {0};

	snprintf(key, sizeof(key), "filter-%u", n);
	if (i % 3 == 0) {
		commit(f, sl_control_edit_delete, &delete);
		return;
	}
	put.object = make_filter(n, i % 3 == 1);
	commit(f, sl_control_edit_put, &put);
	sl_object_put(put.object);
}

static void
test_single_filters(void **state)
{
	struct fixture *f = *state;
	const unsigned int n_commits = N_COMMITS / 3 * 3;

	commit(f, fill, NULL);
	assert_int_equal(work.n_binds, N_FILTERS);
	memset(&work, 0, sizeof(work));
	for (unsigned int i = 0; i < n_commits; i++)
		change_one(f, i);
	print_message("a commit takes %.0f bytes, and asks about %.2f filters\n",
		(double)work.n_bytes / n_commits, (double)work.n_binds / n_commits);
	assert_true(work.n_bytes / n_commits < BYTES_MAX);
	/* Two of three bring a filter; the layer as a whole is compiled in the background. */
	assert_true(work.n_binds <= n_commits);
	assert_int_equal(sl_control_revision(f->control), 2 + n_commits);
	assert_int_equal(fake_plane_snapshot(f->fake)->n_filters, N_FILTERS);
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, fixture_set_up_booted, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_single_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
