/* SPDX-License-Identifier: BSD-3-Clause */
#include "generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * The compiled classifier against the reference: random policies, random packets, every working
 * layer, every form that the processor can run, the same match lists.  A difference is shown with the fewest filters that still make it.
 *
 * SLUICE_SEED repeats a run; SLUICE_PROPERTY_N is how many packets are classified.
 */

#define AMOUNT 3000000

struct run {
	struct generator g;
	uint64_t seed;
	uint64_t n_done;
	uint64_t n_wanted;
	struct sl_meta *metas;
	struct sl_matches compiled;
	struct sl_matches reference;
	bool visited[SLUICE_LAYER_COUNT];
	uint64_t n_matches;
};

/* --- Comparing. --- */

static uint32_t
list_len(const struct sl_matches *matches, uint32_t i)
{
	return matches->start[i + 1] - matches->start[i];
}

/* How many packets from the first on have the same lists by both engines, of `n`. */
static uint32_t
count_equal(const struct run *run, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint32_t len = list_len(&run->compiled, i);

		if (len != list_len(&run->reference, i) ||
			memcmp(run->compiled.ranks + run->compiled.start[i],
				run->reference.ranks + run->reference.start[i],
				len * sizeof(uint32_t)) != 0)
			return i;
	}
	return n;
}

/* The first packet on which the reference and a form of the compiled engine differ, or n. */
static uint32_t
first_difference(struct run *run, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n)
{
	uint32_t done = 0;

	while (done < n) {
		const uint32_t left = n - done;
		uint32_t both = sl_reference_run(layer, metas + done, left, &run->reference);

		for (enum sl_simd simd = 0; simd < SL_SIMD_COUNT; simd++) {
			uint32_t equal;

			if (!sl_simd_has(simd))
				continue;
			both = SL_MIN(both,
				sl_classify_run_as(
					simd, layer, metas + done, left, &run->compiled));
			equal = count_equal(run, both);
			if (equal < both || both == 0)
				return done + equal;
		}
		run->n_matches += run->reference.start[both];
		done += both;
	}
	return n;
}

static bool
differs(struct run *run, const struct sl_policy *policy, const struct sl_meta *meta)
{
	struct sl_snapshot *snapshot = generator_compile(policy, NULL);
	const struct sl_layer_program *layer = snapshot->layers[run->g.layer->id];
	const bool is_different = layer != NULL && first_difference(run, layer, &meta, 1) == 0;

	sl_snapshot_free(snapshot);
	return is_different;
}

/* --- Shrinking. --- */

/* Tries without filters [from, from + n). */
static bool
shrink_step(struct run *run, const struct sl_meta *meta, size_t from, size_t n)
{
	struct sl_policy *smaller = sl_policy_clone(run->g.policy);
	struct sl_object *const *filters;
	size_t n_filters;
	bool is_smaller;

	assert_non_null(smaller);
	filters = sl_policy_list(run->g.policy, SL_OBJECT_FILTER, &n_filters);
	for (size_t i = from; i < from + n && i < n_filters; i++)
		sl_policy_remove(smaller, SL_OBJECT_FILTER, filters[i]->key);
	is_smaller = differs(run, smaller, meta);
	if (is_smaller) {
		sl_policy_free(run->g.policy);
		run->g.policy = smaller;
	} else {
		sl_policy_free(smaller);
	}
	return is_smaller;
}

static void
shrink(struct run *run, const struct sl_meta *meta)
{
	for (size_t n = sl_policy_len(run->g.policy, SL_OBJECT_FILTER); n > 0; n /= 2) {
		size_t from = 0;

		while (from < sl_policy_len(run->g.policy, SL_OBJECT_FILTER)) {
			if (!shrink_step(run, meta, from, n))
				from += n;
		}
	}
}

static void
print_list(
	const char *engine, const struct sl_layer_program *layer, const struct sl_matches *matches)
{
	fprintf(stderr, "%s:", engine);
	for (uint32_t i = 0; i < matches->start[1]; i++)
		fprintf(stderr, " %s", layer->filters[matches->ranks[i]].object->object.key);
	fprintf(stderr, "\n");
}

static void
report(struct run *run, const struct sl_meta *meta)
{
	const struct sl_layer_program *layer;
	struct sl_object *const *filters;
	struct sl_snapshot *snapshot;
	size_t n;

	fprintf(stderr, "engines differ at %s; SLUICE_SEED=%llu repeats it\n", run->g.layer->name,
		(unsigned long long)run->seed);
	if (!differs(run, run->g.policy, meta)) {
		fprintf(stderr, "... only among other packets, or in an updated snapshot\n");
		return;
	}
	shrink(run, meta);
	snapshot = generator_compile(run->g.policy, NULL);
	layer = snapshot->layers[run->g.layer->id];
	sl_classify_run(layer, &meta, 1, &run->compiled);
	sl_reference_run(layer, &meta, 1, &run->reference);
	filters = sl_policy_list(run->g.policy, SL_OBJECT_FILTER, &n);
	for (size_t i = 0; i < n; i++)
		print_filter(sl_filter_of(filters[i]));
	print_meta(run->g.layer, meta);
	print_list("compiled", layer, &run->compiled);
	print_list("reference", layer, &run->reference);
	sl_snapshot_free(snapshot);
}

/* --- Runs. --- */

/* Classifies batches of all sizes by both engines. */
static void
check(struct run *run, const struct sl_snapshot *snapshot, uint32_t n_packets)
{
	const struct sl_layer_program *layer = snapshot->layers[run->g.layer->id];
	const struct sl_meta *metas[SL_BATCH_MAX];

	while (n_packets > 0 && layer != NULL) {
		uint32_t n = 1 + random_below(&run->g.random, SL_BATCH_MAX);
		uint32_t bad;

		n = n < n_packets ? n : n_packets;
		for (uint32_t i = 0; i < n; i++) {
			generator_meta(&run->g, &run->metas[i]);
			metas[i] = &run->metas[i];
		}
		bad = first_difference(run, layer, metas, n);
		if (bad < n) {
			report(run, metas[bad]);
			fail();
		}
		run->n_done += n;
		n_packets -= n;
	}
	run->visited[run->g.layer->id] = true;
}

static uint32_t
policy_size(struct random *random)
{
	const uint32_t dice = random_below(random, 1000);

	if (dice < 600)
		return random_below(random, 40);
	if (dice < 900)
		return random_below(random, 150);
	if (dice < 990)
		return random_below(random, 600);
	return random_below(random, 2500);
}

/* Changes the policy as an operator would: a few filters go, a few come. */
static struct sl_snapshot *
update(struct run *run, struct sl_snapshot *old)
{
	struct generator *g = &run->g;
	struct sl_policy *policy = sl_policy_clone(g->policy);
	struct sl_object *const *filters;
	struct sl_snapshot *snapshot;
	size_t n;

	assert_non_null(policy);
	filters = sl_policy_list(g->policy, SL_OBJECT_FILTER, &n);
	for (uint32_t i = random_below(&g->random, 4); i > 0 && n > 0; i--)
		sl_policy_remove(policy, SL_OBJECT_FILTER,
			filters[random_below(&g->random, (uint32_t)n)]->key);
	sl_policy_free(g->policy);
	g->policy = policy;
	for (uint32_t i = random_below(&g->random, 4); i > 0; i--)
		generator_add_filter(g);
	snapshot = generator_compile(g->policy, old);
	sl_snapshot_free(old);
	return snapshot;
}

static void
run_policy(struct run *run, const struct sl_layer *layer, uint32_t n_filters, uint32_t n_packets)
{
	struct sl_snapshot *snapshot;

	generator_begin(&run->g, layer);
	for (uint32_t i = 0; i < n_filters; i++)
		generator_add_filter(&run->g);
	snapshot = generator_compile(run->g.policy, NULL);
	check(run, snapshot, n_packets);
	if (random_chance(&run->g.random, 25)) {
		snapshot = update(run, snapshot);
		check(run, snapshot, n_packets / 2);
	}
	sl_snapshot_free(snapshot);
	generator_end(&run->g);
}

static void
test_engines_agree(void **state)
{
	struct run *run = calloc(1, sizeof(*run));
	uint32_t n_layers = 0;

	(void)state;
	assert_non_null(run);
	run->seed = random_seed();
	run->n_wanted = random_amount(AMOUNT);
	run->g.random.state = run->seed;
	run->metas = aligned_alloc(SL_CACHE_LINE, SL_BATCH_MAX * sizeof(*run->metas));
	assert_non_null(run->metas);
	assert_int_equal(sl_matches_init(&run->compiled), 0);
	assert_int_equal(sl_matches_init(&run->reference), 0);
	/* Few big policies: the reference takes its time with them. */
	for (uint32_t i = 0; i < 3 && run->n_wanted >= AMOUNT; i++)
		run_policy(run, generator_layer(random_below(&run->g.random, 64)),
			i == 0 ? 10000 : 3000, 2000);
	for (uint32_t i = 0; run->n_done < run->n_wanted; i++)
		run_policy(run, generator_layer(i), policy_size(&run->g.random), 1000);
	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++)
		n_layers += run->visited[id];
	print_message("%llu packets at %u layers, %llu matches, seed %llu\n",
		(unsigned long long)run->n_done, n_layers, (unsigned long long)run->n_matches,
		(unsigned long long)run->seed);
	sl_matches_fini(&run->compiled);
	sl_matches_fini(&run->reference);
	free(run->metas);
	free(run);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_engines_agree)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
