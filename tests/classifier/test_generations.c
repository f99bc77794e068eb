/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

/* What flows remember of a policy: generations of layers, stamps of filters, signatures of match lists. */

#define LAYER  "inbound_transport_v4"
#define ACCEPT "ale_auth_recv_accept_v4"
#define N      40 /* filters, enough for changes beside what was compiled */

struct world {
	struct sl_policy *policy;
	struct sl_snapshot *snapshot;
	uintptr_t callout; /* what filters are bound to */
	uint64_t context;
};

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	const struct world *world = ctx;

	(void)err;
	*binding = (struct sl_filter_binding){.counter = (uint32_t)filter->object.id,
		.callout = (void *)world->callout,
		.context = world->context};
	return 0;
}

/* The next revision; with one change told, or everything compared. Returns the snapshot before. */
static struct sl_snapshot *
next(struct world *world, const struct sl_filter_change *change)
{
	const struct sl_compile_host host = {.bind = bind, .ctx = world};
	const struct sl_changes changes = {.filters = change, .n = 1};
	struct sl_snapshot *before = world->snapshot;
	const uint64_t revision = before == NULL ? 5 : before->revision + 1;
	struct sl_error err = {0};

	if (sl_snapshot_compile(world->policy, revision, before, change == NULL ? NULL : &changes,
		    &host, &world->snapshot, &err) != 0)
		fail_msg("%s", err.text);
	return before;
}

static void
commit(struct world *world)
{
	sl_snapshot_free(next(world, NULL));
}

static struct sl_filter *
port_filter(const char *key, const char *layer, uint16_t port)
{
	struct sl_filter *filter = make_filter(key, layer, SLUICE_ACTION_PERMIT);

	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = port;
	make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_LESS_OR_EQUAL, SLUICE_TYPE_UINT16,
		port);
	return filter;
}

/* Filters "p0".. at one layer; all those of at least its port match a packet. */
static void
begin(struct world *world, const char *layer)
{
	*world = (struct world){.policy = sl_policy_new()};
	for (uint16_t i = 0; i < N; i++) {
		char key[16];

		snprintf(key, sizeof(key), "p%u", i);
		add(world->policy, &port_filter(key, layer, i)->object);
	}
	commit(world);
}

static void
end(struct world *world)
{
	sl_snapshot_free(world->snapshot);
	sl_policy_free(world->policy);
}

static uint32_t
generation(const struct world *world, const char *layer)
{
	return world->snapshot->generations[sl_layer_find(layer)->id];
}

static const struct sl_layer_program *
program(const struct sl_snapshot *snapshot, const char *layer)
{
	return snapshot->layers[sl_layer_find(layer)->id];
}

static const struct sl_filter_run *
run_of(const struct world *world, const char *layer, const char *key)
{
	struct sl_filter_walk walk = {.layer = program(world->snapshot, layer)};
	uint32_t rank;

	while (sl_filter_walk_next(&walk, &rank)) {
		if (strcmp(walk.layer->filters[rank].object->object.key, key) == 0)
			return &walk.layer->filters[rank];
	}
	fail_msg("no filter %s", key);
	return NULL;
}

static uint64_t
stamp(const struct world *world, const char *key)
{
	return run_of(world, LAYER, key)->stamp;
}

static void
put(struct world *world, struct sl_object *object)
{
	finish(object);
	assert_int_equal(sl_policy_put(world->policy, object, NULL), 0);
}

/* One filter put or, with `now` NULL, removed, and only that told. */
static void
change(struct world *world, const char *key, struct sl_filter *now)
{
	const struct sl_object *object = sl_policy_find(world->policy, SL_OBJECT_FILTER, key);
	const struct sl_filter_change told = {object == NULL ? NULL : sl_filter_of(object), now};

	if (now != NULL)
		put(world, &now->object);
	else
		sl_policy_remove(world->policy, SL_OBJECT_FILTER, key);
	sl_snapshot_free(next(world, &told));
}

/* --- Generations. --- */

static void
test_generations(void **state)
{
	struct world world;

	(void)state;
	begin(&world, LAYER);
	assert_int_equal(generation(&world, LAYER), 5);
	assert_int_equal(generation(&world, ACCEPT), 5); /* no filters there */
	commit(&world);
	assert_int_equal(generation(&world, LAYER), 5); /* revision 6 changed nothing */
	add(world.policy, &port_filter("a", ACCEPT, 1)->object);
	commit(&world);
	assert_int_equal(generation(&world, LAYER), 5);
	assert_int_equal(generation(&world, ACCEPT), 7);
	change(&world, "p3", NULL);
	assert_int_equal(generation(&world, LAYER), 8); /* an overlay of the same program */
	assert_int_equal(generation(&world, ACCEPT), 7);
	change(&world, "a", NULL);
	assert_null(program(world.snapshot, ACCEPT));
	assert_int_equal(generation(&world, ACCEPT), 9);
	commit(&world);
	assert_int_equal(generation(&world, ACCEPT), 9);
	change(&world, "a", port_filter("a", ACCEPT, 1));
	assert_int_equal(generation(&world, ACCEPT), 11);
	assert_int_equal(generation(&world, LAYER), 8);
	end(&world);
}

static void
test_generation_is_never_zero(void **state)
{
	struct world world = {.policy = sl_policy_new()};
	struct sl_snapshot old = {.revision = UINT32_MAX};

	(void)state;
	world.snapshot = &old;
	(void)next(&world, NULL);
	assert_true(world.snapshot->revision == (uint64_t)UINT32_MAX + 1);
	add(world.policy, &port_filter("a", LAYER, 1)->object);
	sl_snapshot_free(world.snapshot);
	world.snapshot = &old;
	(void)next(&world, NULL);
	assert_int_equal(generation(&world, LAYER), 1);
	end(&world);
}

/* --- Stamps. --- */

static void
test_stamps_differ(void **state)
{
	struct world world;

	(void)state;
	begin(&world, LAYER);
	for (uint32_t a = 0; a < N; a++) {
		const struct sl_filter_run *runs = program(world.snapshot, LAYER)->filters;

		assert_true(runs[a].stamp != 0);
		for (uint32_t b = 0; b < a; b++)
			assert_true(runs[a].stamp != runs[b].stamp);
	}
	end(&world);
}

static void
test_change_of_one_filter(void **state)
{
	struct world world;
	uint64_t kept;
	uint64_t first;
	uint64_t second;

	(void)state;
	begin(&world, LAYER);
	kept = stamp(&world, "p4");
	first = stamp(&world, "p3");
	change(&world, "p3", port_filter("p3", LAYER, 3));
	second = stamp(&world, "p3");
	assert_true(second != first && second != kept);
	assert_true(stamp(&world, "p4") == kept);
	/* Told nothing, the compiler finds the one that has changed. */
	put(&world, &port_filter("p3", LAYER, 3)->object);
	commit(&world);
	assert_true(stamp(&world, "p3") > second);
	assert_true(stamp(&world, "p4") == kept);
	/* A filter that was away comes back as another. */
	second = stamp(&world, "p3");
	change(&world, "p3", NULL);
	change(&world, "p3", port_filter("p3", LAYER, 3));
	assert_true(stamp(&world, "p3") > second);
	end(&world);
}

/* So many differ that the layer is compiled anew. */
static void
test_whole_layer_compiled_anew(void **state)
{
	struct world world;
	const struct sl_program *before;
	uint64_t kept;
	uint64_t other;

	(void)state;
	begin(&world, LAYER);
	kept = stamp(&world, "p7");
	other = stamp(&world, "p8");
	before = program(world.snapshot, LAYER)->program;
	for (uint16_t i = 0; i < 600; i++) {
		char key[16];

		snprintf(key, sizeof(key), "more%u", i);
		add(world.policy, &port_filter(key, LAYER, (uint16_t)(1000 + i))->object);
	}
	put(&world, &port_filter("p8", LAYER, 8)->object);
	commit(&world);
	assert_ptr_not_equal(program(world.snapshot, LAYER)->program, before);
	assert_null(program(world.snapshot, LAYER)->overlay);
	assert_true(stamp(&world, "p7") == kept);
	assert_true(stamp(&world, "p8") > other);
	end(&world);
}

static struct sl_filter *
filter_with_references(void)
{
	struct sl_filter *filter = port_filter("p1", LAYER, 1);

	filter->provider_context = make_text("context");
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "set");
	return filter;
}

static struct sl_object *
set_up_to(uint64_t high)
{
	struct sl_object *set = make_object(SL_OBJECT_SET, "set");

	sl_set_of(set)->set_type = SL_SET_V4_PREFIX;
	make_element(sl_set_of(set), 0x0a000000, high);
	return set;
}

static void
test_references_and_bindings(void **state)
{
	struct world world;
	uint64_t before;

	(void)state;
	begin(&world, LAYER);
	add(world.policy, set_up_to(0x0affffff));
	add(world.policy, make_context("context"));
	put(&world, &filter_with_references()->object);
	commit(&world);
	before = stamp(&world, "p1");
	put(&world, set_up_to(0x0a00ffff));
	commit(&world);
	assert_int_equal(generation(&world, LAYER), world.snapshot->revision);
	assert_true(stamp(&world, "p1") == before); /* whoever matches, it does the same */
	put(&world, make_context("context"));
	commit(&world);
	assert_true(stamp(&world, "p1") > before);
	before = stamp(&world, "p1");
	world.context = 1;
	commit(&world);
	assert_true(stamp(&world, "p1") > before);
	before = stamp(&world, "p1");
	world.callout = 0x1000;
	commit(&world);
	assert_true(stamp(&world, "p1") > before);
	before = stamp(&world, "p1");
	commit(&world);
	assert_true(stamp(&world, "p1") == before);
	end(&world);
}

/* The revision is part of a stamp, so a snapshot that was compiled from nothing has new ones. */
static void
test_stamps_without_predecessor(void **state)
{
	struct world world;
	struct sl_snapshot *before;
	struct sl_snapshot none = {.revision = 100};
	uint64_t stamp_before;

	(void)state;
	begin(&world, LAYER);
	stamp_before = stamp(&world, "p39");
	before = world.snapshot;
	world.snapshot = &none;
	(void)next(&world, NULL);
	assert_true(stamp(&world, "p1") > stamp_before);
	sl_snapshot_free(before);
	end(&world);
}

/* --- Folds. --- */

static void
test_folds(void **state)
{
	const struct sl_compile_host host = {.bind = NULL};
	struct world world;
	const struct sl_layer_program *folded;
	struct sl_snapshot *with_fold;
	uint64_t stamps[2];

	(void)state;
	begin(&world, LAYER);
	change(&world, "p3", port_filter("p3", LAYER, 3));
	stamps[0] = stamp(&world, "p3");
	stamps[1] = stamp(&world, "p4");
	assert_int_equal(sl_layer_fold(program(world.snapshot, LAYER), &host, &folded, NULL), 0);
	assert_int_equal(sl_snapshot_with_fold(world.snapshot, program(world.snapshot, LAYER),
				 folded, &with_fold, NULL),
		0);
	sl_layer_put(folded);
	sl_snapshot_free(world.snapshot);
	world.snapshot = with_fold;
	assert_null(program(with_fold, LAYER)->overlay);
	assert_int_equal(generation(&world, LAYER), 6);
	assert_true(stamp(&world, "p3") == stamps[0]);
	assert_true(stamp(&world, "p4") == stamps[1]);
	/* The next revision has the folded program, and new numbers. */
	commit(&world);
	assert_int_equal(generation(&world, LAYER), 6);
	change(&world, "p5", port_filter("p5", LAYER, 5));
	assert_true(stamp(&world, "p5") > stamps[0]);
	assert_true(stamp(&world, "p4") == stamps[1]);
	end(&world);
}

/* --- Signatures. --- */

/* The signature of what matches a packet to a local port. */
static uint32_t
signature(const struct world *world, uint16_t port)
{
	const struct sl_layer_program *layer = program(world->snapshot, LAYER);
	struct sl_matches matches;
	struct sl_meta meta;
	uint32_t result;
	uint32_t n;

	rig_meta(&meta);
	meta.local_port = port;
	assert_int_equal(sl_matches_init(&matches), 0);
	n = rig_classify(layer, &meta, &matches);
	result = sl_layer_signature(layer, matches.ranks, n);
	sl_matches_fini(&matches);
	return result;
}

static void
test_signature_of_flows(void **state)
{
	struct world world;
	uint32_t here;
	uint32_t there;
	uint32_t nowhere;

	(void)state;
	begin(&world, LAYER);
	here = signature(&world, 39);
	there = signature(&world, 41);
	assert_int_not_equal(here, there);
	nowhere = there; /* nothing matches */
	/* A filter that does not match changes nothing, one that does changes it. */
	change(&world, "p50", port_filter("p50", LAYER, 50));
	assert_int_not_equal(signature(&world, 39), here);
	assert_int_not_equal(signature(&world, 41), there);
	assert_int_equal(signature(&world, 51), nowhere);
	/* The heaviest match decides: what is below it does not matter. */
	here = signature(&world, 39);
	change(&world, "p39", NULL);
	assert_int_equal(signature(&world, 39), here);
	change(&world, "p50", NULL);
	assert_int_equal(signature(&world, 41), nowhere);
	end(&world);
}

static void
test_signature_knows_order_and_length(void **state)
{
	const uint32_t lists[][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}};
	const struct sl_layer_program *layer;
	struct world world;

	(void)state;
	begin(&world, LAYER);
	layer = program(world.snapshot, LAYER);
	for (uint32_t a = 0; a < SL_ARRAY_LEN(lists); a++) {
		for (uint32_t b = 0; b < a; b++)
			assert_int_not_equal(sl_layer_signature(layer, lists[a], 3),
				sl_layer_signature(layer, lists[b], 3));
		assert_int_not_equal(sl_layer_signature(layer, lists[a], 3),
			sl_layer_signature(layer, lists[a], 2));
		assert_int_not_equal(sl_layer_signature(layer, lists[a], 1),
			sl_layer_signature(layer, lists[a], 0));
	}
	end(&world);
}

/* Stamps one after the other fall evenly into boxes. */
static void
test_signature_spreads(void **state)
{
	struct sl_filter_run run = {.stamp = (uint64_t)1 << 32};
	const struct sl_layer_program layer = {.filters = &run};
	const uint32_t rank = 0;
	uint32_t seen[4096] = {0};
	uint32_t low = UINT32_MAX;
	uint32_t high = 0;

	(void)state;
	for (uint32_t i = 0; i < 4096 * 256; i++, run.stamp++)
		seen[sl_layer_signature(&layer, &rank, 1) >> 20]++;
	for (uint32_t i = 0; i < SL_ARRAY_LEN(seen); i++) {
		low = SL_MIN(low, seen[i]);
		high = SL_MAX(high, seen[i]);
	}
	/* 256 on average, with a deviation of 16. */
	assert_in_range(low, 160, 256);
	assert_in_range(high, 256, 352);
}

/* --- What the policy needs. --- */

struct need {
	const char *layer;
	bool state;
	bool whole;
};

static void
test_needs(void **state)
{
	static const struct need needs[] = {
		{"inbound_ippacket_v4", false, false},
		{"ipforward_v6", false, false},
		{"inbound_mac_frame_ethernet", false, false},
		{"ingress_vswitch_transport_v4", false, false},
		{"inbound_transport_v4", false, true},
		{"outbound_transport_v6_discard", false, true},
		{"inbound_icmp_error_v4", false, true},
		{"outbound_icmp_error_v6_discard", false, true},
		{"ale_auth_connect_v4", true, true},
		{"ale_auth_recv_accept_v6_discard", true, true},
		{"ale_flow_established_v6", true, true},
		{"ale_endpoint_closure_v4", true, true},
		{"stream_packet_v6", true, true},
		{"datagram_data_v4_discard", true, true},
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(needs); i++) {
		struct world world = {.policy = sl_policy_new()};

		commit(&world);
		assert_false(world.snapshot->needs_state);
		assert_false(world.snapshot->needs_whole);
		add(world.policy, &make_filter("f", needs[i].layer, SLUICE_ACTION_BLOCK)->object);
		commit(&world);
		if (world.snapshot->needs_state != needs[i].state ||
			world.snapshot->needs_whole != needs[i].whole)
			fail_msg("%s", needs[i].layer);
		change(&world, "f", NULL);
		assert_false(world.snapshot->needs_state);
		assert_false(world.snapshot->needs_whole);
		end(&world);
	}
}

static struct sl_filter *
flags_filter(const char *layer, enum sl_match match, uint64_t flags)
{
	struct sl_filter *filter = make_filter("f", layer, SLUICE_ACTION_BLOCK);

	make_number(filter, SLUICE_FIELD_FLAGS, match, SLUICE_TYPE_UINT32, flags);
	return filter;
}

/* So many that a filter comes and goes in an overlay beside them. */
static void
add_ttl_filters(struct sl_policy *policy, const char *layer)
{
	for (uint32_t i = 0; i < N; i++) {
		struct sl_filter *filter;
		char key[16];

		snprintf(key, sizeof(key), "ttl%u", i);
		filter = make_filter(key, layer, SLUICE_ACTION_BLOCK);
		make_number(filter, SLUICE_FIELD_X_TTL, SL_MATCH_EQUAL, SLUICE_TYPE_UINT8, i);
		add(policy, &filter->object);
	}
}

static void
test_asking_for_reassembled(void **state)
{
	const uint64_t whole = SLUICE_CONDITION_FLAG_IS_REASSEMBLED;
	const uint64_t part = SLUICE_CONDITION_FLAG_IS_FRAGMENT;
	const struct {
		const char *layer;
		enum sl_match match;
		uint64_t flags;
		bool needs;
	} rows[] = {
		{"inbound_ippacket_v4", SL_MATCH_FLAGS_ALL_SET, whole, true},
		{"outbound_ippacket_v6_discard", SL_MATCH_FLAGS_ANY_SET, whole | part, true},
		{"inbound_ippacket_v6", SL_MATCH_FLAGS_NONE_SET, whole, true},
		{"inbound_ippacket_v4", SL_MATCH_FLAGS_ALL_SET, part, false},
		{"inbound_ippacket_v4", SL_MATCH_FLAGS_NONE_SET, part, false},
		{"inbound_ippacket_v4", SL_MATCH_EQUAL, 0, true},
		{"inbound_ippacket_v4", SL_MATCH_GREATER, part, true},
		{"ipforward_v4", SL_MATCH_FLAGS_ALL_SET, whole, false}, /* never sees one */
	};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(rows); i++) {
		struct world world = {.policy = sl_policy_new()};

		add_ttl_filters(world.policy, rows[i].layer);
		commit(&world);
		assert_false(world.snapshot->needs_whole);
		change(&world, "f", flags_filter(rows[i].layer, rows[i].match, rows[i].flags));
		if (world.snapshot->needs_whole != rows[i].needs)
			fail_msg("row %zu", i);
		commit(&world);
		assert_int_equal(world.snapshot->needs_whole, rows[i].needs);
		change(&world, "f", NULL);
		assert_false(world.snapshot->needs_whole);
		end(&world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_generation_is_never_zero),
		cmocka_unit_test(test_stamps_differ),
		cmocka_unit_test(test_change_of_one_filter),
		cmocka_unit_test(test_whole_layer_compiled_anew),
		cmocka_unit_test(test_references_and_bindings),
		cmocka_unit_test(test_stamps_without_predecessor),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_signature_of_flows),
		cmocka_unit_test(test_signature_knows_order_and_length),
		cmocka_unit_test(test_signature_spreads),
		cmocka_unit_test(test_needs),
		cmocka_unit_test(test_asking_for_reassembled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
