/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <errno.h>

#define LAYER "inbound_transport_v4"
#define OTHER "outbound_transport_v4"

static struct sl_filter *
weighted(const char *key, const char *layer, const char *sublayer, uint64_t weight)
{
	struct sl_filter *filter = make_filter(key, layer, SLUICE_ACTION_BLOCK);

	filter->sublayer = make_text(sublayer);
	filter->weight_kind = SL_WEIGHT_EXACT;
	filter->weight = weight;
	return filter;
}

static const struct sl_layer_program *
program(const struct sl_snapshot *snapshot, const char *layer)
{
	return snapshot->layers[sl_layer_find(layer)->id];
}

/* --- Order and layout. --- */

static void
test_ranks(void **state)
{
	static const char *const expected[] = {"f", "d", "e", "c", "a", "b"};
	struct sl_policy *policy = sl_policy_new();
	const struct sl_layer_program *layer;
	struct sl_snapshot *snapshot;

	(void)state;
	add(policy, &make_sublayer("low", 10)->object);
	add(policy, &make_sublayer("equal-1", 20)->object);
	add(policy, &make_sublayer("high", 30)->object);
	add(policy, &make_sublayer("equal-2", 20)->object);
	add(policy, &weighted("a", LAYER, "low", 7)->object);
	add(policy, &weighted("b", LAYER, "low", 7)->object); /* a tie: the older one first */
	add(policy, &weighted("c", LAYER, "equal-2", 99)->object);
	add(policy, &weighted("d", LAYER, "equal-1", 5)->object); /* the older sublayer first */
	add(policy, &weighted("e", LAYER, "equal-1", 4)->object);
	add(policy, &weighted("f", LAYER, "high", 1)->object);
	snapshot = rig_compile(policy, NULL);
	layer = program(snapshot, LAYER);

	assert_int_equal(layer->n_filters, 6);
	assert_int_equal(layer->n_sublayers, 4);
	for (uint32_t rank = 0; rank < 6; rank++) {
		const struct sl_filter *filter = layer->filters[rank].object;
		const struct sl_sublayer_run *sublayer =
			&layer->sublayers[layer->hot[rank].sublayer];

		assert_string_equal(filter->object.key, expected[rank]);
		assert_string_equal(sublayer->object->object.key, filter->sublayer);
		assert_int_equal(layer->filters[rank].id, filter->object.id);
		assert_true(layer->filters[rank].weight == filter->effective_weight);
		assert_int_equal(layer->hot[rank].counter, filter->object.id);
		assert_int_equal(layer->hot[rank].action, SL_HOT_BLOCK);
	}
	assert_int_equal(layer->matches_max, 4);
	assert_false(layer->has_callouts);
	assert_null(program(snapshot, OTHER));
	assert_int_equal(snapshot->n_filters, 6);
	assert_int_equal(snapshot->revision, 1);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

static void
test_callouts_below(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	const struct sl_layer_program *layer;
	struct sl_snapshot *snapshot;
	struct sl_filter *filter;

	(void)state;
	for (uint16_t weight = 3; weight > 0; weight--) {
		char key[2] = {(char)('0' + weight), '\0'};

		add(policy, &make_sublayer(key, weight)->object);
		add(policy, &weighted(key, LAYER, key, 1)->object);
	}
	add(policy, &make_callout("mock", LAYER)->object);
	filter = weighted("callout", LAYER, "2", 2);
	filter->action = SLUICE_ACTION_CALLOUT_INSPECTION;
	filter->callout = make_text("mock");
	filter->flags = SL_FILTER_CLEAR_ACTION_RIGHT;
	add(policy, &filter->object);
	snapshot = rig_compile(policy, NULL);
	layer = program(snapshot, LAYER);

	assert_true(layer->has_callouts);
	assert_int_equal(layer->matches_max, 4);
	assert_true(layer->sublayers[0].has_callouts_below);
	assert_false(layer->sublayers[0].has_callouts);
	assert_true(layer->sublayers[1].has_callouts);
	assert_false(layer->sublayers[1].has_callouts_below);
	assert_false(layer->sublayers[2].has_callouts_below);
	assert_int_equal(layer->hot[1].action, SL_HOT_CALLOUT_INSPECTION);
	assert_int_equal(layer->hot[1].flags, SL_FILTER_CLEAR_ACTION_RIGHT);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

static void
test_empty_policy(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_snapshot *snapshot = rig_compile(policy, NULL);

	(void)state;
	for (int id = 0; id < SLUICE_LAYER_COUNT; id++)
		assert_null(snapshot->layers[id]);
	assert_int_equal(snapshot->n_filters, 0);
	sl_snapshot_free(snapshot);
	sl_snapshot_free(NULL);
	sl_policy_free(policy);
}

/* --- References and sharing. --- */

static uint32_t
refs(const struct sl_policy *policy, enum sl_object_type type, const char *key)
{
	return sl_policy_find(policy, type, key)->n_refs;
}

static struct sl_policy *
policy_with_everything(void)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_filter *filter = weighted("a", LAYER, "universal", 1);
	struct sl_object *set = make_object(SL_OBJECT_SET, "set");

	sl_set_of(set)->set_type = SL_SET_V4_PREFIX;
	make_element(sl_set_of(set), 0x0a000000, 0x0affffff);
	add(policy, set);
	add(policy, make_context("context"));
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_IN_SET, "set");
	filter->provider_context = make_text("context");
	add(policy, &filter->object);
	add(policy, &weighted("b", OTHER, "universal", 1)->object);
	return policy;
}

static void
test_references(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct sl_snapshot *snapshot = rig_compile(policy, NULL);
	const struct sl_filter_run *run = &program(snapshot, LAYER)->filters[0];

	(void)state;
	assert_string_equal(run->provider_context->object.key, "context");
	assert_string_equal(run->sets[0]->object.key, "set");
	assert_null(program(snapshot, OTHER)->filters[0].sets);
	assert_int_equal(refs(policy, SL_OBJECT_FILTER, "a"), 2);
	assert_int_equal(refs(policy, SL_OBJECT_SET, "set"), 2);
	assert_int_equal(refs(policy, SL_OBJECT_PROVIDER_CONTEXT, "context"), 2);
	assert_int_equal(refs(policy, SL_OBJECT_SUBLAYER, "universal"), 3);
	sl_snapshot_free(snapshot);
	assert_int_equal(refs(policy, SL_OBJECT_FILTER, "a"), 1);
	assert_int_equal(refs(policy, SL_OBJECT_SET, "set"), 1);
	assert_int_equal(refs(policy, SL_OBJECT_PROVIDER_CONTEXT, "context"), 1);
	assert_int_equal(refs(policy, SL_OBJECT_SUBLAYER, "universal"), 1);
	sl_policy_free(policy);
}

static void
test_unchanged_layers_are_shared(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct sl_snapshot *first = rig_compile(policy, NULL);
	struct sl_snapshot *second;
	struct sl_snapshot *third;
	const struct sl_layer_program *shared = program(first, OTHER);

	(void)state;
	second = rig_compile(policy, first);
	assert_ptr_equal(program(second, LAYER), program(first, LAYER));
	assert_ptr_equal(program(second, OTHER), shared);
	assert_true(second->memory_bytes == first->memory_bytes);
	sl_snapshot_free(first);

	add(policy, &weighted("c", LAYER, "universal", 5)->object);
	third = rig_compile(policy, second);
	assert_ptr_not_equal(program(third, LAYER), program(second, LAYER));
	assert_ptr_equal(program(third, OTHER), shared);
	sl_snapshot_free(second);
	assert_int_equal(shared->n_refs, 1);
	assert_int_equal(program(third, LAYER)->n_filters, 2);
	sl_snapshot_free(third);
	sl_policy_free(policy);
}

/* Puts a fresh copy of an object into the policy: the same key, another object. */
static void
replace(struct sl_policy *policy, struct sl_object *object)
{
	finish(object);
	assert_int_equal(sl_policy_put(policy, object, NULL), 0);
}

static void
expect_rebuilt(struct sl_policy *policy, struct sl_snapshot **snapshot)
{
	struct sl_snapshot *old = *snapshot;

	*snapshot = rig_compile(policy, old);
	assert_ptr_not_equal(program(*snapshot, LAYER), program(old, LAYER));
	sl_snapshot_free(old);
}

static void
test_replaced_objects_rebuild(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct sl_snapshot *snapshot = rig_compile(policy, NULL);
	struct sl_object *set = make_object(SL_OBJECT_SET, "set");
	struct sl_matches matches;
	struct sl_filter *filter;
	struct sl_meta meta;

	(void)state;
	sl_set_of(set)->set_type = SL_SET_V4_PREFIX;
	make_element(sl_set_of(set), 0xc6336407, 0xc6336407);
	replace(policy, set);
	expect_rebuilt(policy, &snapshot);
	rig_meta(&meta);
	assert_int_equal(sl_matches_init(&matches), 0);
	assert_int_equal(rig_classify(program(snapshot, LAYER), &meta, &matches), 1);
	sl_matches_fini(&matches);
	sl_matches_fini(NULL);

	replace(policy, make_context("context"));
	expect_rebuilt(policy, &snapshot);
	filter = weighted("a", LAYER, "universal", 1);
	make_set_condition(filter, SLUICE_FIELD_IP_REMOTE_ADDRESS, SL_MATCH_NOT_IN_SET, "set");
	filter->provider_context = make_text("context");
	replace(policy, &filter->object);
	expect_rebuilt(policy, &snapshot);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

/* --- The host. --- */

struct host {
	uint32_t n_bound;
	uint32_t fail_at; /* the binding that fails, from 1 */
	uint32_t n_progress;
	uint32_t stop_at;
	size_t done;
	uintptr_t callout;
};

static int
bind(void *ctx, const struct sl_filter *filter, struct sl_filter_binding *binding,
	struct sl_error *err)
{
	struct host *host = ctx;

	*binding = (struct sl_filter_binding){
		.callout = (void *)host->callout, .context = filter->object.id * 10};
	if (++host->n_bound != host->fail_at)
		return 0;
	return sl_error_set(err, SL_ERR_CALLOUT_NOTIFICATION_FAILED, filter->object.key, "no");
}

static bool
progress(void *ctx, size_t done, size_t total)
{
	struct host *host = ctx;

	assert_true(done >= host->done && done <= total);
	host->done = done;
	return ++host->n_progress != host->stop_at;
}

static int
compile(const struct sl_policy *policy, struct host *host, const struct sl_snapshot *previous,
	size_t memory_max, struct sl_snapshot **out, struct sl_error *err)
{
	const struct sl_compile_host calls = {
		.bind = bind, .progress = progress, .ctx = host, .memory_max = memory_max};

	return sl_snapshot_compile(policy, 7, previous, NULL, &calls, out, err);
}

static void
test_bindings(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct host host = {.callout = 0x1000};
	struct sl_snapshot *first;
	struct sl_snapshot *second;
	const struct sl_filter_run *run;

	(void)state;
	assert_int_equal(compile(policy, &host, NULL, 0, &first, NULL), 0);
	run = &program(first, LAYER)->filters[0];
	assert_int_equal(host.n_bound, 2);
	assert_int_equal(first->revision, 7);
	assert_ptr_equal(run->binding.callout, (void *)host.callout);
	assert_int_equal(run->binding.context, run->id * 10);
	/* Another callout behind the same filters is another program. */
	host = (struct host){.callout = 0x2000};
	assert_int_equal(compile(policy, &host, first, 0, &second, NULL), 0);
	assert_ptr_not_equal(program(second, LAYER), program(first, LAYER));
	sl_snapshot_free(first);
	sl_snapshot_free(second);
	sl_policy_free(policy);
}

static void
test_refused_binding(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct host host = {.fail_at = 2};
	struct sl_snapshot *snapshot = NULL;
	struct sl_error err = {0};

	(void)state;
	assert_int_equal(compile(policy, &host, NULL, 0, &snapshot, &err), -EINVAL);
	assert_null(snapshot);
	assert_int_equal(err.code, SL_ERR_CALLOUT_NOTIFICATION_FAILED);
	assert_string_equal(err.where, "b");
	assert_int_equal(refs(policy, SL_OBJECT_FILTER, "a"), 1);
	sl_policy_free(policy);
}

static void
test_progress(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct host host = {0};
	struct sl_snapshot *snapshot;
	struct sl_error err = {0};

	(void)state;
	assert_int_equal(compile(policy, &host, NULL, 0, &snapshot, NULL), 0);
	assert_int_equal(host.done, 2);
	sl_snapshot_free(snapshot);
	for (uint32_t stop_at = 1; stop_at <= host.n_progress; stop_at++) {
		struct host stopping = {.stop_at = stop_at};

		assert_int_equal(compile(policy, &stopping, NULL, 0, &snapshot, &err), -EAGAIN);
		assert_int_equal(err.code, SL_ERR_BUSY);
		assert_int_equal(refs(policy, SL_OBJECT_FILTER, "a"), 1);
	}
	sl_policy_free(policy);
}

static void
test_memory_limit(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct sl_snapshot *snapshot;
	struct host host = {0};
	struct sl_error err = {0};
	size_t need;
	char text[32];

	(void)state;
	assert_int_equal(compile(policy, &host, NULL, 0, &snapshot, NULL), 0);
	need = snapshot->memory_bytes;
	sl_snapshot_free(snapshot);
	host.done = 0;
	assert_int_equal(compile(policy, &host, NULL, need, &snapshot, NULL), 0);
	sl_snapshot_free(snapshot);
	host.done = 0;
	assert_int_equal(compile(policy, &host, NULL, need - 1, &snapshot, &err), -ENOMEM);
	assert_int_equal(err.code, SL_ERR_NO_MEMORY);
	snprintf(text, sizeof(text), "%zu", need);
	assert_non_null(strstr(err.text, text));
	snprintf(text, sizeof(text), "%zu", need - 1);
	assert_non_null(strstr(err.text, text));
	sl_policy_free(policy);
}

/* --- Limits. --- */

static void
test_match_list_limit(void **state)
{
	struct sl_policy *policy = sl_policy_new();
	struct sl_snapshot *snapshot = NULL;
	struct host host = {0};
	struct sl_error err = {0};

	(void)state;
	add(policy, &make_callout("mock", LAYER)->object);
	for (uint32_t i = 0; i <= SL_MATCHES_MAX; i++) {
		char key[16];
		struct sl_filter *filter;

		snprintf(key, sizeof(key), "f%u", i);
		filter = weighted(key, LAYER, "universal", i);
		filter->action = SLUICE_ACTION_CALLOUT_INSPECTION;
		filter->callout = make_text("mock");
		add(policy, &filter->object);
	}
	assert_int_equal(compile(policy, &host, NULL, 0, &snapshot, &err), -ERANGE);
	assert_null(snapshot);
	assert_non_null(strstr(err.text, "65537"));
	assert_non_null(strstr(err.text, "65536"));
	assert_non_null(strstr(err.text, LAYER));

	sl_policy_remove(policy, SL_OBJECT_FILTER, "f0");
	host.done = 0;
	assert_int_equal(compile(policy, &host, NULL, 0, &snapshot, &err), 0);
	assert_int_equal(program(snapshot, LAYER)->matches_max, SL_MATCHES_MAX);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

/* --- Facts. --- */

static void
test_facts(void **state)
{
	struct sl_policy *policy = policy_with_everything();
	struct sl_snapshot *snapshot = rig_compile(policy, NULL);
	struct sl_program_fact facts[32];
	uint32_t n = sl_program_facts(program(snapshot, LAYER), facts, 32);

	(void)state;
	assert_in_range(n, 5, 32);
	assert_string_equal(facts[0].name, "structure");
	assert_string_equal(facts[0].text, "tables");
	assert_string_equal(facts[1].name, "reason");
	assert_non_null(strstr(facts[1].text, "all boxes fit into "));
	for (uint32_t i = 0; i < n; i++) {
		assert_true(facts[i].name[0] != '\0' && facts[i].text[0] != '\0');
		if (strcmp(facts[i].name, "boxes") == 0)
			assert_string_equal(facts[i].text, "1");
	}
	assert_int_equal(sl_program_facts(program(snapshot, LAYER), facts, 2), 2);
	assert_int_equal(sl_program_facts(program(snapshot, LAYER), facts, 0), 0);
	sl_snapshot_free(snapshot);
	sl_policy_free(policy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_callouts_below),
		cmocka_unit_test(test_empty_policy),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_unchanged_layers_are_shared),
		cmocka_unit_test(test_replaced_objects_rebuild),
		cmocka_unit_test(test_bindings),
		cmocka_unit_test(test_refused_binding),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_memory_limit),
		cmocka_unit_test(test_match_list_limit),
		cmocka_unit_test(test_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
