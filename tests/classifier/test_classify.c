/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <pthread.h>

/*
 * Batches: their sizes, lists that fill up, lists of thousands, and policies that no tree can
 * divide: answers stay right and memory stays bounded.
 */

#define LAYER "inbound_transport_v4"

struct batch {
	struct sl_meta *metas;
	const struct sl_meta *list[SL_BATCH_MAX];
	struct sl_matches compiled;
	struct sl_matches reference;
};

static void
batch_init(struct batch *batch)
{
	batch->metas = aligned_alloc(SL_CACHE_LINE, SL_BATCH_MAX * sizeof(*batch->metas));
	assert_non_null(batch->metas);
	for (uint32_t i = 0; i < SL_BATCH_MAX; i++) {
		rig_meta(&batch->metas[i]);
		batch->metas[i].local_port = (uint16_t)(i * 251);
		batch->metas[i].ip4_src = i * 0x01030507u;
		batch->list[i] = &batch->metas[i];
	}
	assert_int_equal(sl_matches_init(&batch->compiled), 0);
	assert_int_equal(sl_matches_init(&batch->reference), 0);
}

static void
batch_fini(struct batch *batch)
{
	sl_matches_fini(&batch->compiled);
	sl_matches_fini(&batch->reference);
	free(batch->metas);
}

/* Runs `n` packets through a form and the reference, each as often as it takes, and compares. */
static void
expect_form_agrees(
	struct batch *batch, const struct sl_layer_program *layer, uint32_t n, enum sl_simd simd)
{
	uint32_t done = 0;

	while (done < n) {
		const uint32_t a = sl_classify_run_as(
			simd, layer, batch->list + done, n - done, &batch->compiled);
		const uint32_t b =
			sl_reference_run(layer, batch->list + done, n - done, &batch->reference);
		const uint32_t both = SL_MIN(a, b);

		assert_in_range(a, 1, n - done);
		assert_in_range(b, 1, n - done);
		assert_memory_equal(batch->compiled.start, batch->reference.start,
			(both + 1) * sizeof(uint32_t));
		assert_memory_equal(batch->compiled.ranks, batch->reference.ranks,
			batch->reference.start[both] * sizeof(uint32_t));
		done += both;
	}
}

static void
expect_agreement(struct batch *batch, const struct sl_layer_program *layer, uint32_t n)
{
	for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
		if (sl_simd_has(simd))
			expect_form_agrees(batch, layer, n, simd);
	}
}

/* A policy of `n` filters; `make` chooses their conditions and actions. */
static struct sl_snapshot *
compile_many(uint32_t n, void (*make)(struct sl_filter *filter, uint32_t i))
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_snapshot *snapshot;

	add(policy, &make_callout("mock", LAYER)->object);
	add(policy, &make_sublayer("second", 100)->object);
	for (uint32_t i = 0; i < n; i++) {
		char key[16];
		struct sl_filter *filter;

		snprintf(key, sizeof(key), "f%u", i);
		filter = make_filter(key, LAYER, SLUICE_ACTION_BLOCK);
		filter->weight_kind = SL_WEIGHT_EXACT;
		filter->weight = i * 2654435761u;
		make(filter, i);
		add(policy, &filter->object);
	}
	snapshot = rig_compile(policy, NULL);
	sl_policy_free(policy);
	return snapshot;
}

static const struct sl_layer_program *
program(const struct sl_snapshot *snapshot)
{
	return snapshot->layers[SLUICE_LAYER_INBOUND_TRANSPORT_V4];
}

static uint64_t
fact(const struct sl_snapshot *snapshot, const char *name)
{
	struct sl_program_fact facts[32];
	const uint32_t n = sl_program_facts(program(snapshot), facts, 32);

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(facts[i].name, name) == 0)
			return strtoull(facts[i].text, NULL, 10);
	}
	fail_msg("no fact %s", name);
	return 0;
}

/* --- Kinds of filters. --- */

static void
make_ports(struct sl_filter *filter, uint32_t i)
{
	make_range(filter, SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16, i * 64 % 65536,
		i * 64 % 65536 + 63);
}

static void
make_inspection(struct sl_filter *filter, uint32_t i)
{
	filter->action = SLUICE_ACTION_CALLOUT_INSPECTION;
	filter->callout = make_text("mock");
	if (i % 3 == 0)
		make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_GREATER,
			SLUICE_TYPE_UINT16, i % 65536);
}

static void
make_two_sublayers(struct sl_filter *filter, uint32_t i)
{
	if (i % 2 == 0)
		filter->sublayer = make_text("second");
	make_ports(filter, i / 2);
}

/* Wide ranges on four fields, every one over nearly every other. */
static void
make_overlap(struct sl_filter *filter, uint32_t i)
{
	static const enum sluice_field ports[] = {
		SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_FIELD_IP_REMOTE_PORT};
	static const enum sluice_field addresses[] = {
		SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_FIELD_IP_REMOTE_ADDRESS};

	for (uint32_t at = 0; at < 2; at++) {
		const uint32_t noise = (i + 1) * (at * 40503u + 2654435761u);

		make_range(filter, ports[at], SLUICE_TYPE_UINT16, noise % 30000,
			65535 - noise / 7 % 30000);
		make_range(filter, addresses[at], SLUICE_TYPE_UINT32, noise / 3 % 0x70000000u,
			0xffffffffu - noise / 5 % 0x70000000u);
	}
}

/* Sixteen ports and sixteen addresses each: 256 boxes if they were spread without limit. */
static void
make_products(struct sl_filter *filter, uint32_t i)
{
	for (uint32_t at = 0; at < 16; at++) {
		make_number(filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_EQUAL, SLUICE_TYPE_UINT16,
			(i * 17 + at * 251) % 65536);
		make_number(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL,
			SLUICE_TYPE_UINT32, (i + at) * 0x01030507u);
	}
}

/* Inspection on either of two ports: a tree would have a rest. */
static void
make_inspection_on_two_fields(struct sl_filter *filter, uint32_t i)
{
	filter->action = SLUICE_ACTION_CALLOUT_INSPECTION;
	filter->callout = make_text("mock");
	make_number(filter, i % 2 == 0 ? SLUICE_FIELD_IP_LOCAL_PORT : SLUICE_FIELD_IP_REMOTE_PORT,
		SL_MATCH_EQUAL, SLUICE_TYPE_UINT16, i / 2 * 8 % 65536);
}

/* Two hundred addresses each: a table for every filter. */
static void
make_hundreds(struct sl_filter *filter, uint32_t i)
{
	for (uint32_t at = 0; at < 200; at++)
		make_number(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_EQUAL,
			SLUICE_TYPE_UINT32, (i % 50 + at) * 0x01030507u);
}

static const struct {
	enum sluice_field field;
	enum sluice_data_type type;
} many_fields[] = {
	{SLUICE_FIELD_IP_LOCAL_ADDRESS, SLUICE_TYPE_UINT32},
	{SLUICE_FIELD_IP_REMOTE_ADDRESS, SLUICE_TYPE_UINT32},
	{SLUICE_FIELD_IP_LOCAL_PORT, SLUICE_TYPE_UINT16},
	{SLUICE_FIELD_IP_REMOTE_PORT, SLUICE_TYPE_UINT16},
	{SLUICE_FIELD_IP_PROTOCOL, SLUICE_TYPE_UINT8},
	{SLUICE_FIELD_INTERFACE_INDEX, SLUICE_TYPE_UINT32},
	{SLUICE_FIELD_SUB_INTERFACE_INDEX, SLUICE_TYPE_UINT32},
	{SLUICE_FIELD_X_TTL, SLUICE_TYPE_UINT8},
	{SLUICE_FIELD_X_DSCP, SLUICE_TYPE_UINT8},
	{SLUICE_FIELD_X_PACKET_LENGTH, SLUICE_TYPE_UINT32},
	{SLUICE_FIELD_X_VLAN_VID, SLUICE_TYPE_UINT16},
	{SLUICE_FIELD_PROFILE_ID, SLUICE_TYPE_UINT32},
};

/* One field each, a fifth on the first, a fifth of the others on the second: rests of rests. */
static void
make_one_of_many_fields(struct sl_filter *filter, uint32_t i)
{
	uint32_t at = 0;

	for (uint32_t rest = i; rest % 5 != 0 && at < SL_ARRAY_LEN(many_fields) - 1;
		rest -= rest / 5 + 1)
		at++;
	/* What weighs most is neither tried first nor last. */
	filter->weight = (uint64_t)((at * 7 + 3) % SL_ARRAY_LEN(many_fields)) << 32 | i;
	make_number(filter, many_fields[at].field, SL_MATCH_EQUAL, many_fields[at].type,
		i * 7919 % 251);
}

/* Packets with such values, which match several filters each. */
static void
fill_many_fields(struct batch *batch)
{
	for (uint32_t i = 0; i < SL_BATCH_MAX * SL_ARRAY_LEN(many_fields); i++) {
		const struct sl_layer *layer = sl_layer_find(LAYER);
		struct sl_meta *meta = &batch->metas[i / SL_ARRAY_LEN(many_fields)];
		const enum sl_slot slot =
			sl_meta_slot(layer, many_fields[i % SL_ARRAY_LEN(many_fields)].field);
		const uint32_t value = i * 2654435761u % 251;

		memcpy((uint8_t *)meta + sl_slot_info[slot].offset, &value,
			sl_slot_info[slot].size);
		meta->present |= (uint64_t)1 << slot;
	}
}

/* --- Tests. --- */

static void
test_batch_sizes(void **state)
{
	struct sl_snapshot *snapshot = compile_many(600, make_ports);
	struct sl_snapshot *lists = compile_many(600, make_two_sublayers);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	for (uint32_t n = 1; n <= SL_BATCH_MAX; n++) {
		assert_int_equal(
			sl_classify_run(program(snapshot), batch.list, n, &batch.compiled), n);
		expect_agreement(&batch, program(snapshot), n);
		expect_agreement(&batch, program(lists), n);
	}
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
	sl_snapshot_free(lists);
}

/* Every packet matches thousands: lists are delivered in parts, each at least one packet long. */
static void
test_long_lists(void **state)
{
	struct sl_snapshot *snapshot = compile_many(5000, make_inspection);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	expect_agreement(&batch, program(snapshot), SL_BATCH_MAX);
	assert_true(sl_classify_run(program(snapshot), batch.list, SL_BATCH_MAX, &batch.compiled) <
		SL_BATCH_MAX);
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
}

/* The longest list there may be still fits, alone. */
static void
test_longest_list(void **state)
{
	struct sl_snapshot *snapshot = compile_many(SL_MATCHES_MAX, make_inspection);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	batch.metas[0].local_port = 65535;
	batch.metas[1].local_port = 0;
	assert_int_equal(fact(snapshot, "leaves_visited_max"), 1);
	expect_agreement(&batch, program(snapshot), 2);
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
}

/* Where match lists may be long, few leaves may be visited: all finds of a packet must fit. */
static void
test_long_lists_visit_few_leaves(void **state)
{
	struct sl_snapshot *few = compile_many(4000, make_inspection_on_two_fields);
	struct sl_snapshot *many = compile_many(40000, make_inspection_on_two_fields);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	assert_true(fact(few, "leaves_visited_max") > 1);
	assert_int_equal(fact(many, "leaves_visited_max"), 1);
	expect_agreement(&batch, program(few), SL_BATCH_MAX);
	expect_agreement(&batch, program(many), 8);
	batch_fini(&batch);
	sl_snapshot_free(few);
	sl_snapshot_free(many);
}

static void
expect_bounded(const struct sl_snapshot *snapshot, uint32_t n_filters, size_t bytes_each)
{
	assert_true(fact(snapshot, "boxes") <= 3 * (uint64_t)n_filters + 1024);
	assert_true(fact(snapshot, "boxes_placed") <= 8 * fact(snapshot, "boxes") + 4096);
	assert_true(fact(snapshot, "leaves_visited_max") <= 16);
	assert_true(fact(snapshot, "depth") <= 24);
	assert_true(snapshot->memory_bytes < n_filters * bytes_each + 1000000);
}

static void
test_hopeless_overlap(void **state)
{
	struct sl_snapshot *snapshot = compile_many(4000, make_overlap);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	expect_bounded(snapshot, 4000, 1000);
	expect_agreement(&batch, program(snapshot), SL_BATCH_MAX);
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
}

static void
test_many_dimensions(void **state)
{
	struct sl_snapshot *snapshot = compile_many(5000, make_one_of_many_fields);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	expect_bounded(snapshot, 5000, 1000);
	assert_true(fact(snapshot, "trees") >= 2);
	fill_many_fields(&batch);
	expect_agreement(&batch, program(snapshot), SL_BATCH_MAX);
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
}

static void
test_many_alternatives(void **state)
{
	struct sl_snapshot *products = compile_many(3000, make_products);
	struct sl_snapshot *hundreds = compile_many(500, make_hundreds);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	expect_bounded(products, 3000, 4000);
	expect_bounded(hundreds, 500, 4000);
	expect_agreement(&batch, program(products), SL_BATCH_MAX);
	expect_agreement(&batch, program(hundreds), SL_BATCH_MAX);
	batch_fini(&batch);
	sl_snapshot_free(products);
	sl_snapshot_free(hundreds);
}

static void
test_distinct_ports_divide_well(void **state)
{
	struct sl_snapshot *snapshot = compile_many(1024, make_ports);

	(void)state;
	assert_true(fact(snapshot, "branches") > 0);
	assert_true(fact(snapshot, "leaf_max") <= 16);
	assert_int_equal(fact(snapshot, "leaves_visited_max"), 1);
	sl_snapshot_free(snapshot);
}

/* The first two facts are what a layer was compiled into, and why. */
static void
expect_structure(uint32_t n_filters, const char *structure, const char *reason)
{
	struct sl_snapshot *snapshot = compile_many(n_filters, make_ports);
	struct sl_program_fact facts[2];

	assert_int_equal(sl_program_facts(program(snapshot), facts, 2), 2);
	assert_string_equal(facts[0].text, structure);
	assert_non_null(strstr(facts[1].text, reason));
	assert_true(fact(snapshot, "expected_ns") > 0);
	sl_snapshot_free(snapshot);
}

static void
test_reasons(void **state)
{
	(void)state;
	expect_structure(100, "tables", "look-ups a packet");
	expect_structure(20000, "trees", "too large, or take too long");
}

/* Forms have names of their own; the one taken is one that the processor has. */
static void
test_forms(void **state)
{
	struct sl_snapshot *snapshot = compile_many(1024, make_ports);
	struct batch batch;

	(void)state;
	batch_init(&batch);
	assert_true(sl_simd_has(SL_SIMD_PORTABLE));
	assert_true(sl_simd_has(sl_simd_best()));
	assert_false(sl_simd_has(SL_SIMD_COUNT));
	assert_string_equal(sl_simd_name(SL_SIMD_PORTABLE), "portable");
	assert_string_equal(sl_simd_name(SL_SIMD_AVX2), "avx2");
	assert_string_equal(sl_simd_name(SL_SIMD_AVX512), "avx512");
	assert_string_equal(sl_simd_name(SL_SIMD_COUNT), "unknown");
	expect_agreement(&batch, program(snapshot), SL_BATCH_MAX);
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
}

/* A set that many filters name is compiled once. */
static void
test_sets_are_compiled_once(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_object *object = make_object(SL_OBJECT_SET, "set");
	struct sl_snapshot *snapshot;

	(void)state;
	sl_set_of(object)->set_type = SL_SET_V4_PREFIX;
	for (uint32_t i = 0; i < 1000; i++)
		make_element(sl_set_of(object), i * 512, i * 512 + 255);
	add(policy, object);
	for (uint32_t i = 0; i < 50; i++) {
		char key[16];
		struct sl_filter *filter;

		snprintf(key, sizeof(key), "f%u", i);
		filter = make_filter(key, LAYER, SLUICE_ACTION_BLOCK);
		make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS,
			i % 2 ? SL_MATCH_IN_SET : SL_MATCH_NOT_IN_SET, "set");
		add(policy, &filter->object);
	}
	snapshot = rig_compile(policy, NULL);
	assert_int_equal(fact(snapshot, "sets"), 1);
	assert_int_equal(fact(snapshot, "filters_tested_whole"), 50);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

/* A filter that nothing can match takes no place, and its layer is still judged. */
static void
test_never(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_filter *filter = make_filter("f", LAYER, SLUICE_ACTION_BLOCK);
	struct sl_snapshot *snapshot;
	struct batch batch;

	(void)state;
	make_number(
		filter, SLUICE_FIELD_IP_LOCAL_PORT, SL_MATCH_GREATER, SLUICE_TYPE_UINT16, 65535);
	add(policy, &filter->object);
	snapshot = rig_compile(policy, NULL);
	assert_int_equal(program(snapshot)->n_filters, 1);
	assert_int_equal(fact(snapshot, "boxes"), 0);
	batch_init(&batch);
	expect_agreement(&batch, program(snapshot), 10);
	assert_int_equal(batch.compiled.start[10], 0);
	batch_fini(&batch);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

/* --- Threads. --- */

struct reader {
	const struct sl_layer_program *layer;
	uint32_t n_different;
};

static void *
read_program(void *ctx)
{
	struct reader *reader = ctx;
	struct batch batch;

	batch_init(&batch);
	for (int i = 0; i < 20; i++) {
		const uint32_t a =
			sl_classify_run(reader->layer, batch.list, SL_BATCH_MAX, &batch.compiled);
		const uint32_t b =
			sl_reference_run(reader->layer, batch.list, SL_BATCH_MAX, &batch.reference);

		reader->n_different += a != b ||
			memcmp(batch.compiled.ranks, batch.reference.ranks,
				batch.reference.start[b] * 4) != 0;
	}
	batch_fini(&batch);
	return NULL;
}

/* Workers share a program; under ThreadSanitizer this shows that none writes to it. */
static void
test_threads_share_a_program(void **state)
{
	struct sl_snapshot *snapshot = compile_many(500, make_two_sublayers);
	struct reader readers[3] = {{0}};
	pthread_t threads[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		readers[i].layer = program(snapshot);
		assert_int_equal(pthread_create(&threads[i], NULL, read_program, &readers[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(readers[i].n_different, 0);
	}
	sl_snapshot_free(snapshot);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch_sizes),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_longest_list),
		cmocka_unit_test(test_long_lists_visit_few_leaves),
		cmocka_unit_test(test_hopeless_overlap),
		cmocka_unit_test(test_many_dimensions),
		cmocka_unit_test(test_many_alternatives),
		cmocka_unit_test(test_distinct_ports_divide_well),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_sets_are_compiled_once),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_threads_share_a_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
