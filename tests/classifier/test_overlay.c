/* SPDX-License-Identifier: BSD-3-Clause */
#include "property/duel.h"
#include "property/packet.h"
#include "rig.h"

#include <errno.h>

/* Changes of a few filters: what they cost, and that they make no difference to compiling anew. */

#define LAYER "inbound_transport_v4"

/* --- A world of numbered filters. --- */

struct world {
	struct sl_policy *policy;
	struct sl_snapshot *snapshot;
	uint32_t n_bound;   /* filters that the host was asked for */
	uint32_t n_bind_ok; /* bindings until one fails */
};

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct world *world = ctx;

	world->n_bound++;
	*binding = (struct sl_filter_binding){.counter = (uint32_t)filter->object.id};
	if (world->n_bind_ok-- > 0)
		return 0;
	return sl_error_set(err, SL_ERR_CALLOUT_NOTIFICATION_FAILED, filter->object.key, "no");
}

static const struct sl_layer_program *
layer_of(const struct sl_snapshot *snapshot)
{
	return snapshot->layers[sl_layer_find(LAYER)->id];
}

static uint64_t
fact(const struct sl_snapshot *snapshot, const char *name)
{
	struct sl_program_fact facts[32];
	const uint32_t n = sl_program_facts(layer_of(snapshot), facts, SL_ARRAY_LEN(facts));

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, name) == 0)
			return strtoull(facts[i].text, NULL, 10);
	}
	fail_msg("no fact is called %s", name);
	return 0;
}

static int
try_changes(struct world *world, const struct sl_filter_change *list, size_t n,
	struct sl_snapshot **out, struct sl_error *err)
{
	const struct sl_compile_host host = {.bind = bind, .ctx = world};
	const struct sl_changes changes = {.filters = list, .n = n};

	world->n_bound = 0;
	return sl_snapshot_compile(world->policy, world->snapshot->revision + 1, world->snapshot,
		&changes, &host, out, err);
}

static void
take(struct world *world, struct sl_snapshot *snapshot)
{
	sl_snapshot_free(world->snapshot);
	world->snapshot = snapshot;
}

static void
commit(struct world *world, const struct sl_filter *old, const struct sl_filter *now)
{
	const struct sl_filter_change change = {old, now};
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};

	assert_int_equal(try_changes(world, &change, 1, &snapshot, &err), 0);
	assert_int_equal(world->n_bound, now != NULL);
	take(world, snapshot);
}

static const struct sl_filter *
find(const struct world *world, const char *key)
{
	return sl_filter_of(sl_policy_find(world->policy, SL_OBJECT_FILTER, key));
}

static struct sl_filter *
weighted(const char *key, const char *sublayer, uint64_t weight, enum sluice_action action)
{
	struct sl_filter *filter = make_filter(key, LAYER, action);

	filter->sublayer = make_text(sublayer);
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = weight;
	if (sl_action_is_callout(action))
		filter->callout = make_text("callout");
	return filter;
}

/* Adds a filter, or puts it in the place of that with its key. */
static void
put(struct world *world, struct sl_filter *filter)
{
	const struct sl_object *old =
		sl_policy_find(world->policy, SL_OBJECT_FILTER, filter->object.key);

	finish(&filter->object);
	assert_int_equal(sl_policy_put(world->policy, &filter->object, NULL), 0);
	commit(world, old == NULL ? NULL : sl_filter_of(old), filter);
}

static void
drop(struct world *world, const char *key)
{
	const struct sl_filter *filter = find(world, key);

	/* The previous snapshot holds on to it. */
	sl_policy_remove(world->policy, SL_OBJECT_FILTER, key);
	commit(world, filter, NULL);
}

static void
put_back(struct world *world, const char *key, uint64_t weight)
{
	put(world, weighted(key, "universal", weight, SLUICE_ACTION_BLOCK));
}

/* Filters "p0".. that match one local port each, of falling weights 1000, 990 and so on. */
static void
begin(struct world *world, uint32_t n)
{
	*world = (struct world){.policy = sl_policy_new(), .n_bind_ok = UINT32_MAX};
	add(world->policy, &make_sublayer("low", 1)->object);
	for (uint32_t i = 0; i < n; i++) {
		struct sl_filter *filter;
		char key[16];

		snprintf(key, sizeof(key), "p%u", i);
		filter = weighted(key, "universal", 10000 - i * 10, SLUICE_ACTION_PERMIT);
		make_number(
			filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, i);
		add(world->policy, &filter->object);
	}
	world->snapshot = rig_compile(world->policy, NULL);
}

static void
end(struct world *world)
{
	sl_snapshot_free(world->snapshot);
	sl_policy_free(world->policy);
}

/* The keys of the filters that a packet to a local port matches, in order. */
static void
expect(const struct world *world, uint16_t port, const char *keys)
{
	const struct sl_layer_program *layer = layer_of(world->snapshot);
	char found[512] = "";
	struct sl_matches matches;
	struct sl_meta meta;
	uint32_t n;

	rig_meta(&meta);
	meta.local_port = port;
	assert_int_equal(sl_matches_init(&matches), 0);
	n = rig_classify(layer, &meta, &matches);
	for (uint32_t i = 0; i < n; i++) {
		strcat(found, i == 0 ? "" : " ");
		strcat(found, layer->filters[matches.ranks[i]].object->object.key);
	}
	sl_matches_fini(&matches);
	assert_string_equal(found, keys);
}

static void
expect_overlay(const struct world *world, uint64_t n_added, uint64_t n_dead)
{
	assert_int_equal(fact(world->snapshot, "overlay_filters"), n_added);
	assert_int_equal(fact(world->snapshot, "tombstones"), n_dead);
}

/* --- One change after the other. --- */

static void
test_in_and_out(void **state)
{
	struct world world;
	const struct sl_program *program;

	(void)state;
	begin(&world, 50);
	program = layer_of(world.snapshot)->program;
	expect(&world, 7, "p7");
	put_back(&world, "all", 9925); /* between p7 and p8 */
	expect_overlay(&world, 1, 0);
	expect(&world, 7, "p7");
	expect(&world, 8, "all");
	expect(&world, 999, "all");
	drop(&world, "p7");
	expect_overlay(&world, 1, 1);
	expect(&world, 7, "all");
	assert_int_equal(layer_of(world.snapshot)->n_filters, 50);
	assert_int_equal(world.snapshot->n_filters, 50);

	/* What is as it was before costs nothing any more. */
	drop(&world, "all");
	expect_overlay(&world, 0, 1);
	expect(&world, 7, "");
	put_back(&world, "p7", 9930);
	expect(&world, 7, "p7");
	expect(&world, 8, "p7");
	expect(&world, 6, "p6");
	drop(&world, "p7");
	assert_ptr_equal(layer_of(world.snapshot)->program, program);
	end(&world);
}

static void
test_change_undone_leaves_no_overlay(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 50);
	put_back(&world, "all", 1);
	assert_non_null(layer_of(world.snapshot)->overlay);
	drop(&world, "all");
	assert_null(layer_of(world.snapshot)->overlay);
	end(&world);
}

/* A replacement keeps its id and with it its place among equals. */
static void
test_replacing(void **state)
{
	struct world world;
	uint64_t id;

	(void)state;
	begin(&world, 50);
	put_back(&world, "all", 9930); /* ties with p7, which is older */
	expect(&world, 7, "p7");
	id = find(&world, "p7")->object.id;
	put_back(&world, "p7", 9930);
	assert_int_equal(find(&world, "p7")->object.id, id);
	expect_overlay(&world, 2, 1);
	expect(&world, 7, "p7");
	expect(&world, 8, "p7");
	put_back(&world, "p7", 9929);
	expect_overlay(&world, 2, 1);
	expect(&world, 8, "all");
	put_back(&world, "p7", 9931);
	expect(&world, 8, "p7");
	end(&world);
}

/* Callouts stand before what ends their sublayer, and sublayers one behind the other. */
static void
test_lists(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 50);
	put(&world, weighted("see-low", "low", 5, SLUICE_ACTION_CALLOUT_INSPECTION));
	expect_overlay(&world, 1, 0);
	assert_true(layer_of(world.snapshot)->sublayers[1].has_callouts);
	put(&world, weighted("low", "low", 4, SLUICE_ACTION_BLOCK));
	put(&world, weighted("see", "universal", 9925, SLUICE_ACTION_CALLOUT_INSPECTION));
	put(&world, weighted("see-first", "universal", 20000, SLUICE_ACTION_CALLOUT_UNKNOWN));
	expect_overlay(&world, 4, 0);
	assert_true(layer_of(world.snapshot)->sublayers[0].has_callouts_below);
	assert_int_equal(layer_of(world.snapshot)->matches_max, 5);
	expect(&world, 7, "see-first p7 see-low low");
	expect(&world, 8, "see-first see p8 see-low low");
	expect(&world, 999, "see-first see see-low low");
	drop(&world, "p8");
	drop(&world, "see-low");
	expect(&world, 8, "see-first see low");
	drop(&world, "see");
	drop(&world, "see-first");
	assert_false(layer_of(world.snapshot)->has_callouts);
	expect(&world, 7, "p7 low");
	expect(&world, 8, "low");
	drop(&world, "low");
	expect(&world, 8, "");
	end(&world);
}

/* Sublayers that come keep their order among those that are there, whatever their numbers. */
static void
test_new_sublayers(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 50);
	add(world.policy, &make_sublayer("top", 65000)->object);
	add(world.policy, &make_sublayer("upper", 40000)->object);
	put(&world, weighted("low", "low", 5, SLUICE_ACTION_PERMIT));
	put(&world, weighted("top", "top", 5, SLUICE_ACTION_PERMIT));
	put(&world, weighted("upper", "upper", 5, SLUICE_ACTION_CALLOUT_INSPECTION));
	expect_overlay(&world, 3, 0);
	assert_int_equal(layer_of(world.snapshot)->n_sublayers, 4);
	expect(&world, 7, "top upper p7 low");
	for (uint32_t s = 0; s < 4; s++) {
		const struct sl_sublayer_run *run = &layer_of(world.snapshot)->sublayers[s];

		assert_int_equal(
			run->has_callouts_below, strcmp(run->object->object.key, "top") == 0);
	}
	drop(&world, "low");
	drop(&world, "top");
	put(&world, weighted("low", "low", 5, SLUICE_ACTION_PERMIT));
	assert_int_equal(layer_of(world.snapshot)->n_sublayers, 4);
	expect(&world, 7, "upper p7 low");
	drop(&world, "upper");
	drop(&world, "low");
	expect(&world, 7, "p7");
	expect(&world, 99, "");
	end(&world);
}

static void
test_last_filter(void **state)
{
	struct world world;

	(void)state;
	begin(&world, 40);
	for (uint32_t i = 0; i < 40; i++) {
		char key[16];

		snprintf(key, sizeof(key), "p%u", i);
		drop(&world, key);
	}
	assert_null(layer_of(world.snapshot));
	assert_int_equal(world.snapshot->n_filters, 0);
	put_back(&world, "all", 1);
	expect(&world, 1, "all");
	end(&world);
}

/* Several changes at once, of more than one layer, and of filters that are not in force. */
static void
test_many_at_once(void **state)
{
	struct world world;
	struct sl_filter_change list[5] = {{0}};
	struct sl_filter *filter;
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};

	(void)state;
	begin(&world, 50);
	list[0].old = find(&world, "p3");
	list[1].old = find(&world, "p4");
	sl_policy_remove(world.policy, SL_OBJECT_FILTER, "p3");
	filter = weighted("p4", "universal", 3, SLUICE_ACTION_BLOCK);
	filter->layer = sl_layer_find("outbound_transport_v4");
	list[1].now = filter;
	finish(&filter->object);
	assert_int_equal(sl_policy_put(world.policy, &filter->object, NULL), 0);
	filter = weighted("off", "universal", 99999, SLUICE_ACTION_BLOCK);
	list[2].now = filter;
	add(world.policy, &filter->object);
	filter->flags |= SL_FILTER_DISABLED;
	filter = weighted("on", "universal", 1, SLUICE_ACTION_BLOCK);
	list[3].now = filter;
	add(world.policy, &filter->object);
	filter = weighted("see", "universal", 5, SLUICE_ACTION_CALLOUT_INSPECTION);
	list[4].now = filter;
	add(world.policy, &filter->object);
	assert_int_equal(try_changes(&world, list, 5, &snapshot, &err), 0);
	assert_int_equal(world.n_bound, 3);
	take(&world, snapshot);
	assert_int_equal(snapshot->n_filters, 51);
	assert_int_equal(
		snapshot->layers[sl_layer_find("outbound_transport_v4")->id]->n_filters, 1);
	expect_overlay(&world, 2, 2);
	expect(&world, 3, "see on");
	expect(&world, 4, "see on");
	expect(&world, 5, "p5");
	end(&world);
}

/* Compiles without a word about what changed. */
static void
compare(struct world *world)
{
	struct sl_snapshot *snapshot = rig_compile(world->policy, world->snapshot);

	take(world, snapshot);
}

static void
replace(struct world *world, struct sl_object *object)
{
	finish(object);
	assert_int_equal(sl_policy_put(world->policy, object, NULL), 0);
	compare(world);
}

/* Few differences that the compiler finds itself are an overlay as well. */
static void
test_compared(void **state)
{
	const struct sl_program *program;
	struct sl_filter *filter;
	struct world world;

	(void)state;
	begin(&world, 50);
	program = layer_of(world.snapshot)->program;
	replace(&world, &weighted("all", "universal", 9925, SLUICE_ACTION_BLOCK)->object);
	expect_overlay(&world, 1, 0);
	expect(&world, 8, "all");
	replace(&world, &weighted("low", "low", 1, SLUICE_ACTION_BLOCK)->object);
	expect(&world, 7, "p7 low");
	sl_policy_remove(world.policy, SL_OBJECT_FILTER, "p7");
	compare(&world);
	expect_overlay(&world, 2, 1);
	expect(&world, 7, "all low");

	/* A sublayer that moves takes its filters along. */
	replace(&world, &make_sublayer("low", 60000)->object);
	expect_overlay(&world, 2, 1);
	expect(&world, 7, "low all");
	replace(&world, &make_sublayer("low", 50000)->object);
	expect(&world, 7, "low all");
	drop(&world, "low");
	for (uint32_t s = 1; s < layer_of(world.snapshot)->n_sublayers; s++)
		assert_int_equal(layer_of(world.snapshot)->sublayers[s].n_filters, 0);
	expect(&world, 7, "all");

	/* What a filter refers to changes under it. */
	replace(&world, make_context("context"));
	filter = weighted("all", "universal", 9925, SLUICE_ACTION_BLOCK);
	filter->provider_context = make_text("context");
	replace(&world, &filter->object);
	replace(&world, make_context("context"));
	expect(&world, 7, "all");
	assert_ptr_equal(layer_of(world.snapshot)->program, program);
	drop(&world, "all");
	expect(&world, 7, "");
	end(&world);
}

/* --- Refusals: nothing is kept, and the previous snapshot goes on. --- */

static void
test_refused_binding(void **state)
{
	struct world world;
	struct sl_filter *filter = weighted("new", "universal", 7, SLUICE_ACTION_BLOCK);
	const struct sl_filter_change change = {.now = filter};
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};

	(void)state;
	begin(&world, 50);
	add(world.policy, &filter->object);
	world.n_bind_ok = 0;
	assert_int_equal(try_changes(&world, &change, 1, &snapshot, &err),
		-sl_err_errno(SL_ERR_CALLOUT_NOTIFICATION_FAILED));
	assert_int_equal(err.code, SL_ERR_CALLOUT_NOTIFICATION_FAILED);
	assert_int_equal(filter->object.n_refs, 1);
	assert_int_equal(layer_of(world.snapshot)->n_refs, 1);
	expect(&world, 999, "");
	world.n_bind_ok = UINT32_MAX;
	commit(&world, NULL, filter);
	expect(&world, 999, "new");
	end(&world);
}

static void
test_unknown_filter(void **state)
{
	struct world world;
	struct sl_filter *filter = weighted("stranger", "universal", 7, SLUICE_ACTION_BLOCK);
	const struct sl_filter_change change = {.old = filter};
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};

	(void)state;
	begin(&world, 50);
	add(world.policy, &filter->object);
	assert_int_equal(
		try_changes(&world, &change, 1, &snapshot, &err), -sl_err_errno(SL_ERR_INTERNAL));
	assert_non_null(strstr(err.text, "stranger"));
	assert_int_equal(layer_of(world.snapshot)->n_refs, 1);
	end(&world);
}

/* A version that never came into force leaves no mark on those that follow. */
static void
test_dropped_version(void **state)
{
	struct world world;
	struct sl_filter *filter = weighted("tried", "universal", 7, SLUICE_ACTION_BLOCK);
	const struct sl_filter_change change = {.now = filter};
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};

	(void)state;
	begin(&world, 50);
	finish(&filter->object);
	filter->object.id = 1000000;
	assert_int_equal(try_changes(&world, &change, 1, &snapshot, &err), 0);
	sl_snapshot_free(snapshot);
	expect(&world, 999, "");
	put_back(&world, "all", 9);
	expect(&world, 999, "all");
	expect_overlay(&world, 1, 0);
	sl_object_put(&filter->object);
	end(&world);
}

/* --- Folds. --- */

static const struct sl_layer_program *
fold(const struct sl_layer_program *layer)
{
	const struct sl_compile_host host = {.bind = NULL};
	const struct sl_layer_program *folded;
	struct sl_error err = {0};

	assert_int_equal(sl_layer_fold(layer, &host, &folded, &err), 0);
	return folded;
}

static int
put_fold(struct world *world, const struct sl_layer_program *from,
	const struct sl_layer_program *folded)
{
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};
	const int rc = sl_snapshot_with_fold(world->snapshot, from, folded, &snapshot, &err);

	if (rc != 0)
		return rc;
	assert_int_equal(snapshot->revision, world->snapshot->revision);
	assert_int_equal(snapshot->n_filters, world->snapshot->n_filters);
	take(world, snapshot);
	return 0;
}

static void
test_fold(void **state)
{
	struct world world;
	const struct sl_layer_program *from;
	const struct sl_layer_program *folded;

	(void)state;
	begin(&world, 50);
	put_back(&world, "all", 9925);
	put_back(&world, "p9", 2);
	drop(&world, "p7");
	from = sl_layer_get(layer_of(world.snapshot));
	folded = fold(from);

	/* Meanwhile everything that can happen to a filter does. */
	put_back(&world, "all", 9905);
	drop(&world, "p9");
	drop(&world, "p3");
	put_back(&world, "p7", 9);
	put_back(&world, "p20", 9800);
	assert_int_equal(put_fold(&world, from, folded), 0);
	expect_overlay(&world, 3, 4);
	assert_ptr_equal(layer_of(world.snapshot)->program, folded->program);
	expect(&world, 3, "all");
	expect(&world, 7, "all");
	expect(&world, 8, "p8");
	expect(&world, 20, "all");
	drop(&world, "all");
	expect(&world, 20, "p20");
	expect(&world, 9, "p20");
	drop(&world, "p20");
	expect(&world, 9, "p7");
	sl_layer_put(from);
	sl_layer_put(folded);
	end(&world);
}

static void
test_fold_of_what_is_in_force(void **state)
{
	struct world world;
	const struct sl_layer_program *from;
	const struct sl_layer_program *folded;

	(void)state;
	begin(&world, 50);
	drop(&world, "p7");
	put_back(&world, "all", 1);
	from = layer_of(world.snapshot);
	folded = fold(from);
	assert_int_equal(put_fold(&world, from, folded), 0);
	assert_ptr_equal(layer_of(world.snapshot), folded);
	sl_layer_put(folded);
	expect_overlay(&world, 0, 0);
	expect(&world, 7, "all");
	end(&world);
}

static void
test_fold_that_came_too_late(void **state)
{
	struct world world;
	const struct sl_layer_program *from;
	const struct sl_layer_program *folded;

	(void)state;
	begin(&world, 50);
	drop(&world, "p7");
	from = sl_layer_get(layer_of(world.snapshot));
	folded = fold(from);
	put(&world, weighted("low", "low", 5, SLUICE_ACTION_BLOCK));
	take(&world, rig_compile(world.policy, NULL));
	assert_int_equal(put_fold(&world, from, folded), -sl_err_errno(SL_ERR_BUSY));
	expect(&world, 7, "low");
	sl_layer_put(from);
	sl_layer_put(folded);
	end(&world);
}

static bool
stop(void *ctx, size_t done, size_t total)
{
	(void)ctx;
	assert_true(done <= total);
	return false;
}

static void
test_fold_stopped(void **state)
{
	const struct sl_compile_host impatient = {.progress = stop};
	const struct sl_compile_host poor = {.memory_max = 1000};
	const struct sl_layer_program *folded;
	struct sl_error err = {0};
	struct world world;

	(void)state;
	begin(&world, 2000);
	drop(&world, "p7");
	assert_int_equal(sl_layer_fold(layer_of(world.snapshot), &impatient, &folded, &err),
		-sl_err_errno(SL_ERR_BUSY));
	assert_int_equal(sl_layer_fold(layer_of(world.snapshot), &poor, &folded, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "1000 bytes"));
	end(&world);
}

static void
test_wish_for_folds(void **state)
{
	enum sluice_layer layer = SLUICE_LAYER_COUNT;
	struct world world;
	uint32_t n = 0;

	(void)state;
	begin(&world, 50);
	while (!sl_snapshot_wants_fold(world.snapshot, &layer)) {
		char key[16];

		snprintf(key, sizeof(key), "n%u", n++);
		put_back(&world, key, n);
	}
	assert_in_range(n, 10, 60);
	assert_int_equal(layer, sl_layer_find(LAYER)->id);
	end(&world);
}

/* --- Bounds. --- */

/* Long lists: only some of a batch fit, and of those that change one at a time at last. */
static void
expect_long_lists(uint32_t n_callouts, uint32_t n_packets)
{
	const struct sl_meta *metas[SL_BATCH_MAX];
	struct sl_matches compiled;
	struct sl_matches reference;
	struct sl_meta meta;
	struct world world;
	char key[16];

	begin(&world, 50);
	for (uint32_t i = 0; i < n_callouts; i++) {
		snprintf(key, sizeof(key), "c%u", i);
		add(world.policy,
			&weighted(key, "universal", 20000 + i, SLUICE_ACTION_CALLOUT_INSPECTION)
				 ->object);
	}
	take(&world, rig_compile(world.policy, NULL));
	drop(&world, "c5");
	put(&world, weighted("n1", "universal", 20010, SLUICE_ACTION_CALLOUT_INSPECTION));
	put(&world, weighted("n2", "universal", 1, SLUICE_ACTION_CALLOUT_INSPECTION));
	put(&world, weighted("n3", "universal", 0, SLUICE_ACTION_BLOCK));
	expect_overlay(&world, 3, 1);

	rig_meta(&meta);
	for (uint32_t i = 0; i < n_packets; i++)
		metas[i] = &meta;
	assert_int_equal(sl_matches_init(&compiled), 0);
	assert_int_equal(sl_matches_init(&reference), 0);
	assert_int_equal(sl_reference_run(layer_of(world.snapshot), metas, 1, &reference), 1);
	for (uint32_t at = 0; at < n_packets;) {
		const uint32_t n =
			sl_classify_run(layer_of(world.snapshot), metas, n_packets - at, &compiled);

		assert_in_range(n, 1, n_packets - at);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(compiled.start[i + 1] - compiled.start[i], n_callouts + 2);
			assert_memory_equal(compiled.ranks + compiled.start[i], reference.ranks,
				(n_callouts + 2) * sizeof(uint32_t));
		}
		at += n;
	}
	sl_matches_fini(&compiled);
	sl_matches_fini(&reference);
	end(&world);
}

static void
test_long_lists(void **state)
{
	(void)state;
	expect_long_lists(30, SL_BATCH_MAX);
	expect_long_lists(300, SL_BATCH_MAX);
	expect_long_lists(20000, 5);
	expect_long_lists(60000, 2);
}

/* More callouts than an overlay takes are compiled with the rest. */
static void
test_many_callouts(void **state)
{
	struct world world;
	bool was_compiled = false;

	(void)state;
	begin(&world, 200);
	for (uint32_t i = 0; i < 150; i++) {
		struct sl_filter *filter;
		char key[16];

		snprintf(key, sizeof(key), "c%u", i);
		filter = weighted(key, "universal", 30000 - i, SLUICE_ACTION_CALLOUT_INSPECTION);
		make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_GREATER,
			SLUICE_TYPE_UINT16, 139 - i % 100);
		put(&world, filter);
		was_compiled |= i > 0 && fact(world.snapshot, "overlay_filters") == 0;
	}
	assert_true(was_compiled);
	expect(&world, 44, "c96 c97 c98 c99 p44");
	end(&world);
}

/* --- Random histories. --- */

#define NUMBERS_MAX 4096u

struct history {
	struct generator g;
	struct duel duel;
	struct sl_snapshot *snapshot;
	const struct sl_filter *filters[NUMBERS_MAX]; /* by number; NULL: not in force */
	uint32_t n_numbers;
	const struct sl_layer_program *from; /* a fold that has begun, or NULL */
	const struct sl_layer_program *folded;
	uint32_t n_folds;
	uint64_t n_added_max;
	uint64_t n_dead_max;
	uint32_t n_wholes;
	struct sl_meta metas[SL_BATCH_MAX];
};

static void
change(struct history *h, uint32_t number)
{
	const struct sl_compile_host host = {.bind = rig_bind};
	struct sl_filter_change change = {.old = h->filters[number]};
	const struct sl_changes changes = {.filters = &change, .n = 1};
	const bool is_put = change.old == NULL || random_chance(&h->g.random, 30);
	const struct sl_layer_program *before = h->snapshot->layers[h->g.layer->id];
	struct sl_snapshot *next;
	struct sl_error err = {0};

	if (is_put) {
		struct sl_filter *filter =
			generator_filter_as(&h->g, number, random_next(&h->g.random));

		change.now = filter;
		assert_int_equal(sl_policy_put(h->g.policy, &filter->object, &err), 0);
	} else {
		sl_policy_remove(h->g.policy, SL_OBJECT_FILTER, change.old->object.key);
	}
	assert_int_equal(
		sl_snapshot_compile(h->g.policy, 1, h->snapshot, &changes, &host, &next, &err), 0);
	h->filters[number] = change.now;
	h->n_wholes += next->layers[h->g.layer->id]->program != before->program;
	sl_snapshot_free(h->snapshot);
	h->snapshot = next;
}

static void
advance_fold(struct history *h)
{
	struct sl_snapshot *next;
	struct sl_error err = {0};
	int rc;

	if (h->from == NULL) {
		h->from = sl_layer_get(h->snapshot->layers[h->g.layer->id]);
		h->folded = fold(h->from);
		return;
	}
	rc = sl_snapshot_with_fold(h->snapshot, h->from, h->folded, &next, &err);
	assert_true(rc == 0 || err.code == SL_ERR_BUSY);
	if (rc == 0) {
		sl_snapshot_free(h->snapshot);
		h->snapshot = next;
		h->n_folds++;
	}
	sl_layer_put(h->from);
	sl_layer_put(h->folded);
	h->from = NULL;
}

static uint64_t
fact_of(const struct history *h, const char *name)
{
	const struct sl_layer_program *layer = h->snapshot->layers[h->g.layer->id];
	struct sl_program_fact facts[32];
	const uint32_t n = sl_program_facts(layer, facts, SL_ARRAY_LEN(facts));

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, name) == 0)
			return strtoull(facts[i].text, NULL, 10);
	}
	return 0;
}

static void
check(struct history *h, uint32_t n)
{
	const struct sl_layer_program *layer = h->snapshot->layers[h->g.layer->id];
	const struct sl_meta *metas[SL_BATCH_MAX];
	struct targets targets;
	uint32_t bad;

	targets_init(&targets, layer);
	for (uint32_t i = 0; i < n; i++) {
		packet_aim(&h->g, &targets, &h->metas[i]);
		metas[i] = &h->metas[i];
	}
	bad = duel_run(&h->duel, layer, metas, n);
	targets_fini(&targets);
	if (bad < n) {
		duel_print(&h->duel, layer, metas[bad]);
		fail_msg("engines differ");
	}
	h->n_added_max = SL_MAX(h->n_added_max, fact_of(h, "overlay_filters"));
	h->n_dead_max = SL_MAX(h->n_dead_max, fact_of(h, "tombstones"));
}

static void
begin_history(struct history *h, uint32_t seed, uint32_t n_base)
{
	memset(h, 0, sizeof(*h));
	h->g.random.state = random_seed() + seed;
	duel_init(&h->duel, "history");
	generator_begin(&h->g, generator_layer(seed));
	for (uint32_t i = 0; i < 60; i++)
		sl_object_put(&generator_filter(&h->g)->object);
	h->g.is_frozen = true;
	for (uint32_t i = 0; i < n_base; i++) {
		struct sl_filter *filter = generator_filter_as(&h->g, i, random_next(&h->g.random));

		assert_int_equal(sl_policy_put(h->g.policy, &filter->object, NULL), 0);
		h->filters[i] = filter;
	}
	h->snapshot = rig_compile(h->g.policy, NULL);
	h->n_numbers = n_base + n_base / 2;
}

static void
end_history(struct history *h)
{
	if (h->from != NULL)
		advance_fold(h);
	sl_snapshot_free(h->snapshot);
	duel_fini(&h->duel);
	generator_end(&h->g);
}

/* `fold_percent`: of the steps that begin or end a fold. */
static void
play(struct history *h, uint32_t n_steps, uint32_t n_packets, uint32_t fold_percent)
{
	for (uint32_t i = 0; i < n_steps; i++) {
		if (random_chance(&h->g.random, fold_percent))
			advance_fold(h);
		else
			change(h, random_below(&h->g.random, h->n_numbers));
		check(h, n_packets);
	}
}

static void
test_histories(void **state)
{
	struct history *h = must(malloc(sizeof(*h)));
	uint32_t n_folds = 0;
	uint64_t n_dead_max = 0;

	(void)state;
	for (uint32_t seed = 0; seed < 60; seed++) {
		begin_history(h, seed, 40 + seed % 5 * 30);
		play(h, 100, 16, seed % 3 * 5);
		n_folds += h->n_folds;
		n_dead_max = SL_MAX(n_dead_max, h->n_dead_max);
		end_history(h);
	}
	assert_true(n_folds > 50);
	assert_true(n_dead_max > 20);
	free(h);
}

/* Long enough for every level to be filled and compiled again. */
static void
test_long_history(void **state)
{
	struct history *h = must(malloc(sizeof(*h)));

	(void)state;
	begin_history(h, 3, 2000);
	play(h, 1500, 2, 0);
	assert_true(h->n_added_max > 512 + 32);
	assert_true(h->n_dead_max > 300);
	advance_fold(h);
	play(h, 100, 2, 0);
	advance_fold(h);
	assert_int_equal(h->n_folds, 1);
	assert_int_equal(h->n_wholes, 0);
	check(h, 200);
	end_history(h);
	free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_and_out),
		cmocka_unit_test(test_change_undone_leaves_no_overlay),
		cmocka_unit_test(test_replacing),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_new_sublayers),
		cmocka_unit_test(test_last_filter),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_compared),
		cmocka_unit_test(test_refused_binding),
		cmocka_unit_test(test_unknown_filter),
		cmocka_unit_test(test_dropped_version),
		cmocka_unit_test(test_fold),
		cmocka_unit_test(test_fold_of_what_is_in_force),
		cmocka_unit_test(test_fold_that_came_too_late),
		cmocka_unit_test(test_fold_stopped),
		cmocka_unit_test(test_wish_for_folds),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_many_callouts),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_long_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
