/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

/*
 * What arbitration tells besides the verdict: the steps of a trace, the filters that were reached,
 * and what callouts are told.  The verdicts themselves are in test_vectors.c.
 */

#define LAYER     "inbound_transport_v4"
#define STEPS_MAX 8

struct fixture {
	struct sl_policy *policy;
	struct sl_snapshot *snapshot;
	const struct sl_layer_program *layer;
	uint32_t n_filters;
	struct mock mock;
	struct sl_trace_step steps[STEPS_MAX];
	struct sl_trace trace;
	uint32_t trace_max;
	uint32_t hits[STEPS_MAX];
	uint32_t n_hits;
	struct sl_verdict verdict;
};

static void
begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->policy = sl_policy_new();
	assert_non_null(f->policy);
	f->trace_max = STEPS_MAX;
	add(f->policy, &make_callout("mock", LAYER)->object);
}

/* Adds a filter below all earlier ones; a new weight of sublayer opens it. */
static void
filter(struct fixture *f, uint16_t sublayer, enum sluice_action action, uint64_t behaviour,
	uint32_t flags)
{
	struct sl_filter *made;
	char key[16];

	snprintf(key, sizeof(key), "s%u", sublayer);
	if (sl_policy_find(f->policy, SL_OBJECT_SUBLAYER, key) == NULL)
		add(f->policy, &make_sublayer(key, sublayer)->object);
	made = make_filter("", LAYER, action);
	free(made->object.key);
	made->object.key = NULL;
	made->sublayer = make_text(key);
	made->weight_kind = SL_WEIGHT_EXACT;
	made->weight = 100 - f->n_filters++;
	made->flags = flags;
	if (sl_action_is_callout(action)) {
		made->callout = make_text("mock");
		made->raw_context = behaviour;
	}
	free(made->object.name);
	made->object.name = make_text("filter");
	add(f->policy, &made->object);
}

/* Judges a packet that every filter matches, with or without a trace. */
static void
judge(struct fixture *f, bool is_traced, sl_invoke_fn *invoke)
{
	struct sl_arbitration arbitration = {.invoke = invoke, .ctx = &f->mock, .hits = f->hits};
	struct sl_matches matches;
	struct sl_meta meta;
	uint32_t n;

	if (f->snapshot == NULL)
		f->snapshot = rig_compile(f->policy, NULL);
	f->layer = f->snapshot->layers[sl_layer_find(LAYER)->id];
	f->trace = (struct sl_trace){.steps = f->steps, .n_max = f->trace_max};
	f->mock.n = 0;
	if (is_traced)
		arbitration.trace = &f->trace;
	rig_meta(&meta);
	assert_int_equal(sl_matches_init(&matches), 0);
	n = rig_classify(f->layer, &meta, &matches);
	sl_arbitrate(f->layer, matches.ranks, n, &meta, &arbitration, &f->verdict);
	f->n_hits = arbitration.n_hits;
	sl_matches_fini(&matches);
}

static void
end(struct fixture *f)
{
	sl_snapshot_free(f->snapshot);
	sl_policy_free(f->policy);
}

static void
expect_step(const struct fixture *f, uint32_t i, uint32_t rank, enum sluice_action returned,
	enum sl_effect effect, enum sl_verdict_action running, uint32_t running_rank, bool is_hard)
{
	const struct sl_trace_step *step = &f->steps[i];

	assert_true(i < f->trace.n);
	assert_int_equal(step->rank, rank);
	assert_int_equal(step->returned, returned);
	assert_string_equal(sl_effect_name((enum sl_effect)step->effect), sl_effect_name(effect));
	assert_int_equal(step->running, running);
	assert_int_equal(step->running_rank, running_rank);
	assert_int_equal(step->running_is_hard, is_hard);
}

#define CONTINUE SLUICE_ACTION_CONTINUE
#define PERMIT   SLUICE_ACTION_PERMIT
#define BLOCK    SLUICE_ACTION_BLOCK

static void
test_trace(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	filter(&f, 50, SLUICE_ACTION_CALLOUT_INSPECTION, CONTINUE, 0);
	filter(&f, 50, SLUICE_ACTION_CALLOUT_UNKNOWN, MOCK_SKIPPED, 0);
	filter(&f, 50, PERMIT, 0, 0);
	filter(&f, 40, PERMIT, 0, 0);
	filter(&f, 30, PERMIT, 0, SL_FILTER_CLEAR_ACTION_RIGHT);
	filter(&f, 20, BLOCK, 0, 0);
	filter(&f, 10, SLUICE_ACTION_CALLOUT_TERMINATING, BLOCK, 0);
	judge(&f, true, mock_invoke);
	assert_int_equal(f.trace.n, 7);
	expect_step(
		&f, 0, 0, CONTINUE, SL_EFFECT_CONTINUED, SL_VERDICT_PERMIT, SL_RANK_NONE, false);
	expect_step(&f, 1, 1, CONTINUE, SL_EFFECT_SKIPPED, SL_VERDICT_PERMIT, SL_RANK_NONE, false);
	expect_step(&f, 2, 2, PERMIT, SL_EFFECT_DECIDED, SL_VERDICT_PERMIT, 2, false);
	expect_step(&f, 3, 3, PERMIT, SL_EFFECT_AGREED, SL_VERDICT_PERMIT, 2, false);
	expect_step(&f, 4, 4, PERMIT, SL_EFFECT_HARDENED, SL_VERDICT_PERMIT, 4, true);
	expect_step(&f, 5, 5, BLOCK, SL_EFFECT_IGNORED, SL_VERDICT_PERMIT, 4, true);
	expect_step(&f, 6, 6, BLOCK, SL_EFFECT_VETOED, SL_VERDICT_BLOCK, 6, true);
	assert_int_equal(f.verdict.reason, SL_REASON_VETO);
	assert_true(f.verdict.by_callout);
	end(&f);
}

static void
test_trace_of_overriding(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	filter(&f, 30, SLUICE_ACTION_CALLOUT_TERMINATING, BLOCK, 0);
	filter(&f, 20, PERMIT, 0, 0);
	filter(&f, 10, SLUICE_ACTION_CALLOUT_TERMINATING, BLOCK | MOCK_ABSORB, 0);
	filter(&f, 5, BLOCK, 0, 0);
	judge(&f, true, mock_invoke);
	assert_int_equal(f.trace.n, 3); /* what is absorbed is seen by nobody below */
	expect_step(&f, 0, 0, BLOCK, SL_EFFECT_DECIDED, SL_VERDICT_BLOCK, 0, false);
	expect_step(&f, 1, 1, PERMIT, SL_EFFECT_OVERRODE, SL_VERDICT_PERMIT, 1, false);
	expect_step(&f, 2, 2, BLOCK, SL_EFFECT_ABSORBED, SL_VERDICT_ABSORB, 2, true);
	assert_int_equal(f.verdict.action, SL_VERDICT_ABSORB);
	assert_int_equal(f.n_hits, 3);
	end(&f);
}

static void
test_short_trace_counts_on(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	for (uint16_t weight = 40; weight > 0; weight -= 10)
		filter(&f, weight, PERMIT, 0, 0);
	f.trace_max = 2;
	f.steps[2].rank = 77;
	judge(&f, true, mock_invoke);
	assert_int_equal(f.trace.n, 4);
	expect_step(&f, 1, 1, PERMIT, SL_EFFECT_AGREED, SL_VERDICT_PERMIT, 0, false);
	assert_int_equal(f.steps[2].rank, 77); /* not kept */
	end(&f);
}

/* Section 4.1: all sublayers are evaluated, so what lies below a hard block is hit as well. */
static void
test_hits(void **state)
{
	static const uint32_t all[] = {0, 2, 3};

	(void)state;
	for (int with_callout = 0; with_callout < 2; with_callout++) {
		struct fixture f;

		begin(&f);
		filter(&f, 30, BLOCK, 0, 0);
		filter(&f, 30, PERMIT, 0, 0); /* below the filter that ends the sublayer */
		filter(&f, 20, PERMIT, 0, 0);
		if (with_callout)
			filter(&f, 10, SLUICE_ACTION_CALLOUT_INSPECTION, PERMIT, 0);
		else
			filter(&f, 10, PERMIT, 0, 0);
		judge(&f, false, mock_invoke);
		assert_int_equal(f.n_hits, 3);
		assert_memory_equal(f.hits, all, sizeof(all));
		assert_int_equal(f.mock.n, with_callout);
		assert_int_equal(f.verdict.action, SL_VERDICT_BLOCK);
		end(&f);
	}
}

/* Behind a callout that decides, filters of the sublayer are in the match list and not reached. */
static void
test_not_reached(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	filter(&f, 30, SLUICE_ACTION_CALLOUT_UNKNOWN, PERMIT, 0);
	filter(&f, 30, SLUICE_ACTION_CALLOUT_INSPECTION, PERMIT, 0);
	filter(&f, 30, BLOCK, 0, 0);
	judge(&f, false, mock_invoke);
	assert_int_equal(f.n_hits, 1);
	assert_int_equal(f.mock.n, 1);
	assert_int_equal(f.verdict.action, SL_VERDICT_PERMIT);
	assert_true(f.verdict.by_callout);
	end(&f);
}

static void
test_rights_on_entry(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	filter(&f, 40, SLUICE_ACTION_CALLOUT_INSPECTION, CONTINUE, 0);
	filter(&f, 30, PERMIT, 0, 0);
	filter(&f, 20, SLUICE_ACTION_CALLOUT_UNKNOWN, PERMIT | MOCK_CLEAR_RIGHT, 0);
	filter(&f, 10, SLUICE_ACTION_CALLOUT_TERMINATING, PERMIT, 0);
	judge(&f, false, mock_invoke);
	assert_int_equal(f.mock.n, 3);
	assert_int_equal(f.mock.rights[0], SLUICE_RIGHT_ACTION_WRITE);
	assert_int_equal(f.mock.rights[1], SLUICE_RIGHT_ACTION_WRITE);
	assert_int_equal(f.mock.rights[2], 0);
	assert_int_equal(f.verdict.n_ignored, 1); /* the last permit came without the right */
	assert_true(f.verdict.is_hard);
	assert_int_equal(f.verdict.rank, 2);
	end(&f);
}

static void
test_nobody_to_call(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	filter(&f, 30, SLUICE_ACTION_CALLOUT_INSPECTION, BLOCK, 0);
	filter(&f, 30, SLUICE_ACTION_CALLOUT_TERMINATING, PERMIT, 0);
	judge(&f, true, NULL);
	expect_step(&f, 0, 0, CONTINUE, SL_EFFECT_SKIPPED, SL_VERDICT_PERMIT, SL_RANK_NONE, false);
	expect_step(&f, 1, 1, BLOCK, SL_EFFECT_DECIDED, SL_VERDICT_BLOCK, 1, true);
	assert_int_equal(f.verdict.reason, SL_REASON_CALLOUT_UNREGISTERED);
	assert_false(f.verdict.by_callout);
	end(&f);
}

static void
test_refused_absorb(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	filter(&f, 30, PERMIT, 0, SL_FILTER_CLEAR_ACTION_RIGHT);
	filter(&f, 20, SLUICE_ACTION_CALLOUT_TERMINATING, BLOCK | MOCK_ABSORB, 0);
	judge(&f, false, mock_invoke);
	assert_int_equal(f.verdict.action, SL_VERDICT_BLOCK);
	assert_int_equal(f.verdict.reason, SL_REASON_VETO);
	assert_true(f.verdict.absorb_refused);
	end(&f);
}

/* A discard twin does not let a packet be taken over: it is gone already (section 4.7). */
static void
test_absorb_at_a_twin(void **state)
{
	static const char *const layers[] = {
		"inbound_transport_v4_discard", "ingress_vswitch_transport_v4"};

	(void)state;
	for (size_t i = 0; i < SL_ARRAY_LEN(layers); i++) {
		struct sl_policy *policy = sl_policy_new();
		struct sl_filter *made =
			make_filter("f", layers[i], SLUICE_ACTION_CALLOUT_TERMINATING);
		struct mock mock = {0};
		struct sl_arbitration arbitration = {.invoke = mock_invoke, .ctx = &mock};
		struct sl_verdict verdict;
		struct sl_snapshot *snapshot;
		struct sl_meta meta;
		const uint32_t rank = 0;

		made->callout = make_text("mock");
		made->raw_context = BLOCK | MOCK_ABSORB;
		add(policy, &made->object);
		snapshot = rig_compile(policy, NULL);
		rig_meta(&meta);
		sl_arbitrate(snapshot->layers[sl_layer_find(layers[i])->id], &rank, 1, &meta,
			&arbitration, &verdict);
		assert_int_equal(verdict.action, SL_VERDICT_BLOCK);
		assert_int_equal(verdict.reason, SL_REASON_FILTER);
		assert_true(verdict.absorb_refused);
		sl_snapshot_free(snapshot);
		sl_policy_free(policy);
	}
}

static void
test_effect_names(void **state)
{
	(void)state;
	for (int a = 0; a < SL_EFFECT_COUNT; a++) {
		for (int b = 0; b < a; b++)
			assert_string_not_equal(sl_effect_name((enum sl_effect)a),
				sl_effect_name((enum sl_effect)b));
	}
	assert_string_equal(sl_effect_name(SL_EFFECT_COUNT), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_trace_of_overriding),
		cmocka_unit_test(test_short_trace_counts_on),
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_not_reached),
		cmocka_unit_test(test_rights_on_entry),
		cmocka_unit_test(test_nobody_to_call),
		cmocka_unit_test(test_refused_absorb),
		cmocka_unit_test(test_absorb_at_a_twin),
		cmocka_unit_test(test_effect_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
