/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet.h"
#include "print.h"

#include "classifier/sl_arbitrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * Properties of verdicts over random policies, callouts and packets (WFP section 4.9):
 *
 *   - arbitration equals the pseudocode of section 4.5, played over the policy's own objects;
 *   - watching it (trace, hits) changes nothing;
 *   - with distinct weights the order in which filters were added changes nothing;
 *   - a soft permit at the bottom never turns a verdict into a block;
 *   - a filter's block at the bottom never turns a hard permit.
 */

#define AMOUNT   200000
#define BATCH    64
#define HITS_MAX 4096

struct run {
	struct generator g;
	uint64_t seed;
	struct sl_meta *metas;
	struct sl_matches matches;
	uint32_t *hits;
};

/* --- Callouts that do what their filter's raw context says, always the same. --- */

static enum sl_invoke_status
behave(uint64_t behaviour, struct sluice_classify_out *out)
{
	static const uint32_t actions[] = {SLUICE_ACTION_PERMIT, SLUICE_ACTION_BLOCK,
		SLUICE_ACTION_CONTINUE, SLUICE_ACTION_UNTOUCHED, SLUICE_ACTION_NONE, 0x1234};

	if (behaviour % 100 < 8)
		return SL_INVOKE_UNREGISTERED;
	if (behaviour % 100 < 14)
		return SL_INVOKE_SKIPPED;
	out->action = actions[(behaviour >> 8) % SL_ARRAY_LEN(actions)];
	if ((behaviour >> 16) % 100 < 40)
		out->rights &= ~SLUICE_RIGHT_ACTION_WRITE;
	if ((behaviour >> 24) % 100 < 10)
		out->flags |= SLUICE_CLASSIFY_OUT_FLAG_ABSORB;
	return SL_INVOKE_CALLED;
}

static enum sl_invoke_status
invoke(void *ctx, const struct sl_layer_program *layer, uint32_t rank, const struct sl_meta *meta,
	struct sluice_classify_out *out)
{
	(void)ctx;
	(void)meta;
	return behave(layer->filters[rank].object->raw_context, out);
}

/* --- The pseudocode of section 4.5. --- */

enum act {
	ACT_NONE,
	ACT_PERMIT,
	ACT_BLOCK,
	ACT_ABSORBED
};

struct running {
	enum act act;
	bool write;
	bool from_callout;
	bool vetoed;
	const struct sl_filter *filter;
};

static bool
comes_before(const struct sl_policy *policy, const struct sl_filter *a, const struct sl_filter *b)
{
	const struct sl_sublayer *sa =
		sl_sublayer_of(sl_policy_find(policy, SL_OBJECT_SUBLAYER, a->sublayer));
	const struct sl_sublayer *sb =
		sl_sublayer_of(sl_policy_find(policy, SL_OBJECT_SUBLAYER, b->sublayer));

	if (sa->weight != sb->weight)
		return sa->weight > sb->weight;
	if (sa != sb)
		return sa->object.id < sb->object.id;
	if (a->effective_weight != b->effective_weight)
		return a->effective_weight > b->effective_weight;
	return a->object.id < b->object.id;
}

/* The matching filter that comes next behind `last` (NULL: first of all), or NULL. */
static const struct sl_filter *
next_match(const struct sl_policy *policy, const struct sl_layer_program *layer,
	const struct sl_meta *meta, const struct sl_filter *last)
{
	const struct sl_filter *next = NULL;

	for (uint32_t rank = 0; rank < layer->n_filters; rank++) {
		const struct sl_filter *filter = layer->filters[rank].object;

		if (last != NULL && (filter == last || !comes_before(policy, last, filter)))
			continue;
		if (next != NULL && !comes_before(policy, filter, next))
			continue;
		if (sl_reference_match(layer, rank, meta, NULL))
			next = filter;
	}
	return next;
}

static enum act
normalised(enum sluice_action kind, uint32_t answer, bool had_right)
{
	if (kind == SLUICE_ACTION_CALLOUT_INSPECTION)
		return ACT_NONE;
	if (answer == SLUICE_ACTION_PERMIT)
		return ACT_PERMIT;
	if (answer == SLUICE_ACTION_BLOCK)
		return ACT_BLOCK;
	if (kind == SLUICE_ACTION_CALLOUT_UNKNOWN)
		return ACT_NONE;
	return answer == SLUICE_ACTION_UNTOUCHED && !had_right ? ACT_NONE : ACT_BLOCK;
}

static struct running
call(const struct sl_filter *filter, const struct running *r)
{
	struct sluice_classify_out out = {.action = SLUICE_ACTION_UNTOUCHED,
		.rights = r->write ? SLUICE_RIGHT_ACTION_WRITE : 0};
	struct running d = {.act = ACT_NONE, .filter = filter};
	const enum sl_invoke_status status = behave(filter->raw_context, &out);

	if (status == SL_INVOKE_SKIPPED)
		return d;
	if (status == SL_INVOKE_UNREGISTERED) {
		if (filter->action == SLUICE_ACTION_CALLOUT_INSPECTION)
			return d;
		d.write = (filter->flags & SL_FILTER_PERMIT_IF_CALLOUT_UNREGISTERED) != 0;
		d.act = d.write ? ACT_PERMIT : ACT_BLOCK;
		return d;
	}
	d.act = normalised(filter->action, out.action, r->write);
	d.write = (out.rights & SLUICE_RIGHT_ACTION_WRITE) != 0;
	d.from_callout = true;
	/* Section 4.7: with a block, with the right, where a packet may be taken over. */
	if (d.act == ACT_BLOCK && out.action == SLUICE_ACTION_BLOCK && r->write &&
		(out.flags & SLUICE_CLASSIFY_OUT_FLAG_ABSORB) != 0 && !filter->layer->is_discard &&
		strstr(filter->layer->name, "vswitch_transport") == NULL)
		d.act = ACT_ABSORBED;
	return d;
}

static struct running
decide(const struct sl_filter *filter, const struct running *r)
{
	if (filter->action == SLUICE_ACTION_PERMIT)
		return (struct running){.act = ACT_PERMIT,
			.write = (filter->flags & SL_FILTER_CLEAR_ACTION_RIGHT) == 0,
			.filter = filter};
	if (filter->action == SLUICE_ACTION_BLOCK)
		return (struct running){.act = ACT_BLOCK, .filter = filter};
	return call(filter, r);
}

static struct running
merge(struct running r, struct running d)
{
	if (d.act == ACT_NONE)
		return r;
	if (r.act == ACT_NONE)
		return d;
	if (r.write) {
		if (d.act == ACT_BLOCK && r.act == ACT_BLOCK)
			return d.write ? r : d;
		if (d.act == ACT_BLOCK)
			return d;
		if (r.act == ACT_PERMIT)
			return d.write ? r : d;
		return d;
	}
	if (r.act == ACT_PERMIT && d.act == ACT_BLOCK && d.from_callout)
		return (struct running){.act = ACT_BLOCK, .filter = d.filter, .vetoed = true};
	return r;
}

static struct running
play(const struct sl_policy *policy, const struct sl_layer_program *layer,
	const struct sl_meta *meta)
{
	struct running r = {.act = ACT_NONE, .write = true};
	const struct sl_filter *decided = NULL; /* the filter that decided its sublayer last */
	const struct sl_filter *filter = NULL;

	while ((filter = next_match(policy, layer, meta, filter)) != NULL) {
		struct running d;

		if (decided != NULL && strcmp(decided->sublayer, filter->sublayer) == 0)
			continue;
		d = decide(filter, &r);
		if (d.act == ACT_ABSORBED)
			return d;
		if (d.act != ACT_NONE)
			decided = filter;
		r = merge(r, d);
	}
	return r;
}

/* --- The room's own arbitration. --- */

static struct sl_verdict
judge(struct run *run, const struct sl_layer_program *layer, const struct sl_meta *meta,
	uint32_t packet, struct sl_trace *trace, uint32_t *n_hits)
{
	struct sl_arbitration arbitration = {.invoke = invoke, .hits = run->hits, .trace = trace};
	struct sl_verdict verdict;

	sl_arbitrate(layer, run->matches.ranks + run->matches.start[packet],
		run->matches.start[packet + 1] - run->matches.start[packet], meta, &arbitration,
		&verdict);
	*n_hits = arbitration.n_hits;
	return verdict;
}

static const struct sl_filter *
credited(const struct sl_layer_program *layer, const struct sl_verdict *verdict)
{
	return verdict->rank == SL_RANK_NONE ? NULL : layer->filters[verdict->rank].object;
}

static bool
is_same(const struct running *r, const struct sl_layer_program *layer,
	const struct sl_verdict *verdict)
{
	static const enum sl_verdict_action actions[] = {[ACT_NONE] = SL_VERDICT_PERMIT,
		[ACT_PERMIT] = SL_VERDICT_PERMIT,
		[ACT_BLOCK] = SL_VERDICT_BLOCK,
		[ACT_ABSORBED] = SL_VERDICT_ABSORB};

	if (verdict->action != actions[r->act] || credited(layer, verdict) != r->filter)
		return false;
	if ((verdict->reason == SL_REASON_VETO) != r->vetoed)
		return false;
	return r->act == ACT_NONE || r->act == ACT_ABSORBED || verdict->is_hard == !r->write;
}

static void
explain_failure(struct run *run, const char *what, const struct sl_layer_program *layer,
	const struct sl_meta *meta)
{
	fprintf(stderr, "%s at %s; SLUICE_SEED=%llu repeats it\n", what, run->g.layer->name,
		(unsigned long long)run->seed);
	for (uint32_t rank = 0; rank < layer->n_filters; rank++) {
		if (sl_reference_match(layer, rank, meta, NULL))
			print_filter(layer->filters[rank].object);
	}
	print_meta(run->g.layer, meta);
	fail();
}

static uint32_t
classify(struct run *run, const struct sl_layer_program *layer, uint32_t n)
{
	const struct sl_meta *metas[BATCH];

	for (uint32_t i = 0; i < n; i++)
		metas[i] = &run->metas[i];
	return sl_classify_run(layer, metas, n, &run->matches);
}

static void
check_packets(struct run *run, const struct sl_layer_program *layer, uint32_t n)
{
	static const char watched[] = "watching changes the verdict";
	struct sl_trace_step step;
	uint32_t n_hits;
	uint32_t n_traced;

	n = classify(run, layer, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct sl_meta *meta = &run->metas[i];
		const struct running r = play(run->g.policy, layer, meta);
		struct sl_trace trace = {.steps = &step, .n_max = 1};
		const struct sl_verdict fast = judge(run, layer, meta, i, NULL, &n_hits);
		const struct sl_verdict traced = judge(run, layer, meta, i, &trace, &n_traced);

		if (!is_same(&r, layer, &fast))
			explain_failure(run, "arbitration differs from the text", layer, meta);
		if (fast.rank != traced.rank || fast.action != traced.action ||
			fast.is_hard != traced.is_hard || fast.n_ignored != traced.n_ignored ||
			fast.by_callout != traced.by_callout || n_hits != n_traced ||
			trace.n != n_traced)
			explain_failure(run, watched, layer, meta);
	}
}

/* --- Runs. --- */

static void
begin(struct run *run, uint32_t salt)
{
	memset(run, 0, sizeof(*run));
	run->seed = random_seed();
	run->g.random.state = run->seed + salt;
	run->metas = aligned_alloc(SL_CACHE_LINE, BATCH * sizeof(*run->metas));
	run->hits = calloc(HITS_MAX, sizeof(*run->hits));
	assert_non_null(run->metas);
	assert_non_null(run->hits);
	assert_int_equal(sl_matches_init(&run->matches), 0);
}

static void
end(struct run *run)
{
	sl_matches_fini(&run->matches);
	free(run->metas);
	free(run->hits);
}

static void
make_metas(struct run *run)
{
	for (uint32_t i = 0; i < BATCH; i++)
		generator_meta(&run->g, &run->metas[i]);
}

static const struct sl_layer_program *
program(const struct run *run, const struct sl_snapshot *snapshot)
{
	return snapshot->layers[run->g.layer->id];
}

static void
test_arbitration(void **state)
{
	struct run run;
	uint64_t n_done = 0;

	(void)state;
	begin(&run, 1);
	for (uint32_t i = 0; n_done < random_amount(AMOUNT) / 2; i++) {
		struct sl_snapshot *snapshot;

		generator_begin(&run.g, generator_layer(i));
		run.g.callout_percent = random_below(&run.g.random, 80);
		for (uint32_t n = 1 + random_below(&run.g.random, 24); n > 0; n--)
			generator_add_filter(&run.g);
		snapshot = generator_compile(run.g.policy, NULL);
		make_metas(&run);
		check_packets(&run, program(&run, snapshot), BATCH);
		n_done += BATCH;
		sl_snapshot_free(snapshot);
		generator_end(&run.g);
	}
	end(&run);
}

/* --- What a policy answers to a batch. --- */

struct answer {
	enum sl_verdict_action action;
	bool is_hard;
	char key[32]; /* of the credited filter */
};

static void
answer_all(struct run *run, const struct sl_policy *policy, struct answer answers[BATCH])
{
	struct sl_snapshot *snapshot = generator_compile(policy, NULL);
	const struct sl_layer_program *layer = program(run, snapshot);
	uint32_t n_hits;

	memset(answers, 0, BATCH * sizeof(*answers));
	for (uint32_t i = 0; i < BATCH; i++)
		answers[i].action = SL_VERDICT_PERMIT;
	if (layer != NULL)
		assert_int_equal(classify(run, layer, BATCH), BATCH);
	for (uint32_t i = 0; i < BATCH && layer != NULL; i++) {
		const struct sl_verdict verdict =
			judge(run, layer, &run->metas[i], i, NULL, &n_hits);
		const struct sl_filter *filter = credited(layer, &verdict);

		answers[i].action = (enum sl_verdict_action)verdict.action;
		answers[i].is_hard = verdict.is_hard;
		if (filter != NULL)
			snprintf(answers[i].key, sizeof(answers[i].key), "%s", filter->object.key);
	}
	sl_snapshot_free(snapshot);
}

/* A policy of the generator's sublayers and sets with these filters; ids follow the list. */
static void
answer_list(
	struct run *run, struct sl_filter *const *filters, uint32_t n, struct answer answers[BATCH])
{
	struct sl_policy *policy = sl_policy_clone(run->g.policy);

	assert_non_null(policy);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(
			sl_policy_add(policy, sl_object_get(&filters[i]->object), NULL), 0);
	answer_all(run, policy, answers);
	sl_policy_free(policy);
}

static void
shuffle(struct random *random, struct sl_filter **filters, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		const uint32_t at = random_below(random, i);
		struct sl_filter *filter = filters[at];

		filters[at] = filters[i - 1];
		filters[i - 1] = filter;
	}
}

static void
test_order_of_adding(void **state)
{
	struct answer before[BATCH];
	struct answer after[BATCH];
	struct sl_filter *filters[40];
	struct run run;

	(void)state;
	begin(&run, 2);
	for (uint64_t i = 0; i < random_amount(AMOUNT) / 4 / BATCH; i++) {
		const uint32_t n = 1 + random_below(&run.g.random, SL_ARRAY_LEN(filters));

		generator_begin(&run.g, generator_layer((uint32_t)i));
		run.g.distinct_weights = true;
		for (uint32_t at = 0; at < n; at++)
			filters[at] = generator_filter(&run.g);
		make_metas(&run);
		answer_list(&run, filters, n, before);
		shuffle(&run.g.random, filters, n);
		answer_list(&run, filters, n, after);
		assert_memory_equal(before, after, sizeof(before));
		for (uint32_t at = 0; at < n; at++)
			sl_object_put(&filters[at]->object);
		generator_end(&run.g);
	}
	end(&run);
}

/* Adds a filter that matches everything below all sublayers. */
static void
add_at_bottom(struct run *run, enum sluice_action action)
{
	struct sl_problems problems = {0};
	struct sl_object *sublayer = sl_object_new(SL_OBJECT_SUBLAYER);
	struct sl_object *object = sl_object_new(SL_OBJECT_FILTER);

	assert_non_null(sublayer);
	assert_non_null(object);
	sublayer->key = strdup("bottom");
	sublayer->name = strdup("bottom");
	assert_true(sl_object_finish(sublayer, "", &problems));
	assert_int_equal(sl_policy_put(run->g.policy, sublayer, NULL), 0);
	object->key = strdup("bottom");
	object->name = strdup("bottom");
	sl_filter_of(object)->layer = run->g.layer;
	sl_filter_of(object)->sublayer = strdup("bottom");
	sl_filter_of(object)->action = action;
	assert_true(sl_object_finish(object, "", &problems));
	assert_int_equal(sl_policy_put(run->g.policy, object, NULL), 0);
}

static void
test_filters_at_the_bottom(void **state)
{
	struct answer before[BATCH];
	struct answer permit[BATCH];
	struct answer block[BATCH];
	uint64_t n_hard = 0;
	struct run run;

	(void)state;
	begin(&run, 3);
	for (uint64_t i = 0; i < random_amount(AMOUNT) / 4 / BATCH; i++) {
		generator_begin(&run.g, generator_layer((uint32_t)i));
		for (uint32_t n = random_below(&run.g.random, 40); n > 0; n--)
			generator_add_filter(&run.g);
		make_metas(&run);
		answer_all(&run, run.g.policy, before);
		add_at_bottom(&run, SLUICE_ACTION_PERMIT);
		answer_all(&run, run.g.policy, permit);
		add_at_bottom(&run, SLUICE_ACTION_BLOCK);
		answer_all(&run, run.g.policy, block);
		for (uint32_t at = 0; at < BATCH; at++) {
			const bool is_hard = before[at].action == SL_VERDICT_PERMIT &&
				before[at].is_hard && before[at].key[0] != '\0';

			if (before[at].action != SL_VERDICT_BLOCK)
				assert_int_not_equal(permit[at].action, SL_VERDICT_BLOCK);
			if (is_hard)
				assert_memory_equal(&before[at], &block[at], sizeof(before[at]));
			else if (before[at].action == SL_VERDICT_PERMIT)
				assert_int_equal(block[at].action, SL_VERDICT_BLOCK);
			n_hard += is_hard;
		}
		generator_end(&run.g);
	}
	assert_true(n_hard > 0);
	end(&run);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arbitration),
		cmocka_unit_test(test_order_of_adding),
		cmocka_unit_test(test_filters_at_the_bottom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
