/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/fixture.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * Folding in the background.  The linker leads the folder's questions through the test (meson.build), which
 * says how many folds are wanted, and when one may go on.
 */

#define LAYER     SLUICE_LAYER_INBOUND_TRANSPORT_V4
#define N_KEYS    40u
#define N_CHANGES 400u

static struct {
	atomic_uint n_wanted;
	atomic_bool is_gated; /* folds begin, and wait */
	atomic_bool has_no_memory;
	atomic_bool is_long; /* commits take long, until a fold has given way */
	atomic_uint n_stopped;
	atomic_uint n_begun;
	atomic_uint n_offered; /* to the revision in force */
} plot;

bool __wrap_sl_snapshot_wants_fold(const struct sl_snapshot *snapshot, enum sluice_layer *layer);
int __real_sl_layer_fold(const struct sl_layer_program *layer, const struct sl_compile_host *host,
	const struct sl_layer_program **folded, struct sl_error *err);
int __wrap_sl_layer_fold(const struct sl_layer_program *layer, const struct sl_compile_host *host,
	const struct sl_layer_program **folded, struct sl_error *err);
int
__real_sl_snapshot_with_fold(const struct sl_snapshot *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_snapshot **out, struct sl_error *err);
int
__wrap_sl_snapshot_with_fold(const struct sl_snapshot *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_snapshot **out, struct sl_error *err);

bool
__wrap_sl_snapshot_wants_fold(const struct sl_snapshot *snapshot, enum sluice_layer *layer)
{
	*layer = LAYER;
	return snapshot->layers[LAYER] != NULL && atomic_load(&plot.n_wanted) > 0;
}

int
__wrap_sl_layer_fold(const struct sl_layer_program *layer, const struct sl_compile_host *host,
	const struct sl_layer_program **folded, struct sl_error *err)
{
	atomic_fetch_sub(&plot.n_wanted, 1);
	atomic_fetch_add(&plot.n_begun, 1);
	while (atomic_load(&plot.is_gated)) {
		if (!host->progress(host->ctx, 1, 3)) {
			atomic_fetch_add(&plot.n_stopped, 1);
			return sl_error_set(err, SL_ERR_BUSY, NULL, "stopped");
		}
		sched_yield();
	}
	if (atomic_load(&plot.has_no_memory))
		return sl_error_set(err, SL_ERR_NO_MEMORY, NULL, "no memory");
	return __real_sl_layer_fold(layer, host, folded, err);
}

int
__wrap_sl_snapshot_with_fold(const struct sl_snapshot *current, const struct sl_layer_program *from,
	const struct sl_layer_program *folded, struct sl_snapshot **out, struct sl_error *err)
{
	int rc = __real_sl_snapshot_with_fold(current, from, folded, out, err);

	atomic_fetch_add(&plot.n_offered, 1);
	return rc;
}

int __real_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err);
int __wrap_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err);

int
__wrap_sl_snapshot_compile(const struct sl_policy *policy, uint64_t revision,
	const struct sl_snapshot *previous, const struct sl_changes *changes,
	const struct sl_compile_host *host, struct sl_snapshot **out, struct sl_error *err)
{
	while (atomic_load(&plot.is_long) && atomic_load(&plot.n_stopped) == 0) {
		assert_true(host->progress(host->ctx, 1, 2));
		sched_yield();
	}
	return __real_sl_snapshot_compile(policy, revision, previous, changes, host, out, err);
}

/* Until the folder has nothing more to do with `n` folds. */
static void
wait_offered(struct fixture *f, unsigned int n)
{
	struct sl_build_info info;

	do {
		sched_yield();
		sl_control_build(f->control, &info);
	} while (atomic_load(&plot.n_offered) < n || info.fold.phase != SL_BUILD_IDLE);
}

static void
wait_begun(unsigned int n)
{
	while (atomic_load(&plot.n_begun) < n)
		sched_yield();
}

static int
bind_nothing(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	(void)ctx;
	(void)filter;
	(void)err;
	*binding = (struct sl_filter_binding){0};
	return 0;
}

static void
assert_same_filters(const struct sl_snapshot *found, const struct sl_snapshot *wanted)
{
	struct sl_filter_walk left = {.layer = found->layers[LAYER]};
	struct sl_filter_walk right = {.layer = wanted->layers[LAYER]};
	uint32_t rank_left, rank_right;

	assert_int_equal(found->n_filters, wanted->n_filters);
	if (left.layer == NULL || right.layer == NULL) {
		assert_ptr_equal(left.layer, right.layer);
		return;
	}
	while (sl_filter_walk_next(&right, &rank_right)) {
		assert_true(sl_filter_walk_next(&left, &rank_left));
		assert_ptr_equal(left.layer->filters[rank_left].object,
			right.layer->filters[rank_right].object);
	}
	assert_false(sl_filter_walk_next(&left, &rank_left));
}

/* What is in force is what compiling the policy in force from nothing makes. */
static void
assert_whole(struct fixture *f)
{
	const struct sl_compile_host host = {.bind = bind_nothing};
	struct sl_snapshot *wanted;
	struct sl_error err;
	struct sl_view view;

	sl_control_view_get(f->control, &view);
	assert_int_equal(view.snapshot->revision, view.revision);
	assert_int_equal(
		sl_snapshot_compile(view.policy, view.revision, NULL, NULL, &host, &wanted, &err),
		0);
	assert_same_filters(view.snapshot, wanted);
	sl_snapshot_free(wanted);
	sl_control_view_put(f->control, &view);
}

#define FILTER(key) "{'key':'" key "','name':'N','layer':'inbound_transport_v4','action':'block'}"

static void
test_a_fold_is_no_revision(void **state)
{
	struct fixture *f = *state;
	struct sl_build_info info;
	struct sl_filter_stats stats;
	struct sl_view before;

	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	fake_plane_hit(f->fake, 0, "a", 60, 1);
	atomic_store(&plot.is_gated, true);
	atomic_store(&plot.n_wanted, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("b")), 0);
	wait_begun(1);
	sl_control_view_get(f->control, &before);
	sl_control_build(f->control, &info);
	assert_int_equal(info.fold.phase, SL_BUILD_COMPILE);
	atomic_store(&plot.is_gated, false);
	wait_offered(f, 1);
	sl_control_build(f->control, &info);
	assert_int_equal(info.n_folds, 1);
	assert_int_equal(sl_control_revision(f->control), before.revision);
	assert_ptr_not_equal(fake_plane_snapshot(f->fake), before.snapshot);
	assert_int_equal(fake_plane_snapshot(f->fake)->revision, before.revision);
	assert_int_equal(fake_plane_n_published(f->fake), 4);
	sl_control_view_put(f->control, &before);
	assert_true(sl_control_filter_stats(f->control, "a", &stats));
	assert_int_equal(stats.counter.packets, 1);
	assert_whole(f);
	/* `if_revision` of before holds after it. */
	f->if_revision = 3;
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "a"), 0);
	assert_whole(f);
}

/* The commit lock is free while a layer is folded, and what is committed meanwhile stays. */
static void
test_changes_during_a_fold(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fixture_put_policy(f, "{'filters':[" FILTER("a") "," FILTER("b") "]}"), 0);
	atomic_store(&plot.is_gated, true);
	atomic_store(&plot.n_wanted, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("c")), 0);
	wait_begun(1);
	assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, "a"), 0);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("d")), 0);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER,
				 "{'key':'b','name':'N','layer':'inbound_transport_v4','action':"
				 "'permit'}"),
		0);
	assert_whole(f);
	atomic_store(&plot.is_gated, false);
	wait_offered(f, 1);
	assert_whole(f);
	assert_int_equal(sl_control_revision(f->control), 6);
	assert_null(fake_plane_filter(f->fake, "a"));
}

static void
test_stopping_in_a_fold(void **state)
{
	struct fixture *f = *state;

	atomic_store(&plot.is_gated, true);
	atomic_store(&plot.n_wanted, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	wait_begun(1);
	/* Tearing down returns although the gate stays shut. */
}

/* One build at a time: the fold is given up, and begun again afterwards. */
static void
test_giving_way_to_a_long_build(void **state)
{
	struct fixture *f = *state;

	atomic_store(&plot.is_gated, true);
	atomic_store(&plot.n_wanted, 2);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	wait_begun(1);
	atomic_store(&plot.is_long, true);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("b")), 0);
	assert_int_equal(atomic_load(&plot.n_stopped), 1);
	wait_begun(2);
	atomic_store(&plot.is_gated, false);
	wait_offered(f, 1);
	assert_int_equal(fake_plane_n_published(f->fake), 4);
	assert_whole(f);
}

static void
test_no_memory_for_a_fold(void **state)
{
	struct fixture *f = *state;
	struct sl_build_info info;

	atomic_store(&plot.has_no_memory, true);
	atomic_store(&plot.n_wanted, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("a")), 0);
	wait_begun(1);
	wait_offered(f, 0);
	assert_int_equal(fake_plane_n_published(f->fake), 2);
	/* The next change asks again. */
	atomic_store(&plot.has_no_memory, false);
	atomic_store(&plot.n_wanted, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("b")), 0);
	wait_offered(f, 1);
	sl_control_build(f->control, &info);
	assert_int_equal(info.n_folds, 1);
	assert_whole(f);
}

static void
put_or_delete(struct fixture *f, uint32_t draw)
{
	char key[16];
	char json[160];

	snprintf(key, sizeof(key), "f%u", draw % N_KEYS);
	if (fixture_find(f, SL_OBJECT_FILTER, key) != NULL && draw >> 30 == 0) {
		assert_int_equal(fixture_delete(f, SL_OBJECT_FILTER, key), 0);
		return;
	}
	snprintf(json, sizeof(json),
		"{'key':'%s','name':'N','layer':'inbound_transport_v4','weight':{'range':%u},"
		"'action':'%s'}",
		key, draw >> 8 & 15, (draw >> 16 & 1) != 0 ? "block" : "permit");
	f->flags = (draw >> 20) % 7 == 0 ? SL_CHANGE_DRY_RUN : 0;
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, json), 0);
	f->flags = 0;
}

/* Commits, dry runs and folds as they come. */
static void
test_random_history(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 7;

	for (unsigned int i = 0; i < N_CHANGES; i++) {
		seed = seed * 1664525 + 1013904223;
		atomic_store(&plot.n_wanted, 1);
		put_or_delete(f, seed ^ seed >> 15);
		if (i % 8 == 0)
			assert_whole(f);
	}
	atomic_store(&plot.n_wanted, 1);
	assert_int_equal(fixture_put(f, SL_OBJECT_FILTER, FILTER("last")), 0);
	while (atomic_load(&plot.n_wanted) > 0)
		sched_yield();
	wait_offered(f, 0);
	assert_whole(f);
}

static int
set_up(void **state)
{
	memset(&plot, 0, sizeof(plot));
	return fixture_set_up_booted(state);
}

#define BOOTED(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOOTED(test_a_fold_is_no_revision),
		BOOTED(test_changes_during_a_fold),
		BOOTED(test_stopping_in_a_fold),
		BOOTED(test_giving_way_to_a_long_build),
		BOOTED(test_no_memory_for_a_fold),
		BOOTED(test_random_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
