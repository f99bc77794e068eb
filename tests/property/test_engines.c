/* SPDX-License-Identifier: BSD-3-Clause */
#include "duel.h"
#include "packet.h"
#include "shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/*
 * The compiled classifier against the reference: policies of every shape, packets aimed at them,
 * every working layer, every form that the processor can run, the same match lists.  A difference is
 * shown with the fewest filters that still make it.
 *
 * SLUICE_SEED repeats a run; SLUICE_PROPERTY_N is how many packets are classified, each by every
 * form.
 */

/* What one policy's packets may cost, in filters that the reference tries. */
#define WORK        300000u
#define PACKETS_MAX 3000u

struct run {
	struct generator g;
	struct duel duel;
	uint64_t n_wanted;
	uint32_t n_policies;
	uint32_t n_batches;
	struct sl_meta *metas;
	bool visited[SLUICE_LAYER_COUNT];
};

/* --- Batches. --- */

/* Fills a batch; in some of them packets stand more than once. */
static void
fill(struct run *run, const struct targets *targets, const struct sl_meta *metas[], uint32_t n)
{
	struct random *random = &run->g.random;
	const bool has_twins = random_chance(random, 10);

	for (uint32_t i = 0; i < n; i++) {
		metas[i] = &run->metas[i];
		if (has_twins && i > 0 && random_chance(random, 50))
			metas[i] = metas[random_below(random, i)];
		else if (random_chance(random, 60))
			packet_aim(&run->g, targets, &run->metas[i]);
		else
			generator_meta(&run->g, &run->metas[i]);
	}
}

/* The form that is chosen by itself answers as well. */
static bool
chosen_form_works(struct run *run, const struct sl_layer_program *layer,
	const struct sl_meta *const metas[], uint32_t n)
{
	struct sl_matches *by_default = &run->duel.compiled;
	struct sl_matches *by_name = &run->duel.reference;
	const uint32_t done = sl_classify_run(layer, metas, n, by_default);

	return done == sl_classify_run_as(sl_simd_best(), layer, metas, n, by_name) &&
		memcmp(by_default->start, by_name->start, (done + 1) * sizeof(uint32_t)) == 0 &&
		memcmp(by_default->ranks, by_name->ranks,
			by_name->start[done] * sizeof(uint32_t)) == 0;
}

/* Classifies batches of every size in turn. */
static void
check(struct run *run, const struct sl_snapshot *snapshot, uint32_t n_packets)
{
	const struct sl_layer_program *layer = snapshot->layers[run->g.layer->id];
	const struct sl_meta *metas[SL_BATCH_MAX];
	struct targets targets;

	run->visited[run->g.layer->id] = true;
	if (layer == NULL)
		return;
	targets_init(&targets, layer);
	while (n_packets > 0) {
		/* 101 and 256 have no common divisor: every size comes. */
		uint32_t n = 1 + run->n_batches++ * 101 % SL_BATCH_MAX;
		uint32_t bad;

		n = SL_MIN(n, n_packets);
		fill(run, &targets, metas, n);
		bad = duel_run(&run->duel, layer, metas, n);
		if (bad < n) {
			duel_report(&run->duel, &run->g, metas, n, bad);
			fail();
		}
		if (run->n_batches % 32 == 0)
			assert_true(chosen_form_works(run, layer, metas, n));
		n_packets -= n;
	}
	targets_fini(&targets);
}

/* --- Policies. --- */

/* Structures change where their sizes end. */
static const uint16_t borders[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128,
	129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2047, 2048, 2049};

static uint32_t
policy_size(struct random *random)
{
	const uint32_t dice = random_below(random, 1000);

	if (dice < 400)
		return random_below(random, 40);
	if (dice < 700)
		return random_below(random, 300);
	if (dice < 970)
		return borders[random_below(random, SL_ARRAY_LEN(borders))];
	return 1000 + random_below(random, 4000);
}

static uint32_t
packets_for(uint32_t n_filters)
{
	return SL_MIN(PACKETS_MAX, 64 + WORK / (n_filters + 1));
}

/* Changes the policy as an operator would: a few filters go, a few come. */
static struct sl_snapshot *
update(struct run *run, struct sl_snapshot *old)
{
	struct generator *g = &run->g;
	struct sl_policy *policy = must(sl_policy_clone(g->policy));
	struct sl_object *const *filters;
	struct sl_snapshot *snapshot;
	size_t n;

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
run_policy(struct run *run, const struct shape *shape, const struct sl_layer *layer, uint32_t n)
{
	const uint32_t n_packets = packets_for(n);
	struct sl_snapshot *snapshot;

	run->duel.shape = shape->name;
	run->n_policies++;
	generator_begin(&run->g, layer);
	shape->add(&run->g, n);
	snapshot = generator_compile(run->g.policy, NULL);
	check(run, snapshot, n_packets);
	if (random_chance(&run->g.random, 20)) {
		snapshot = update(run, snapshot);
		check(run, snapshot, n_packets / 2);
	}
	sl_snapshot_free(snapshot);
	generator_end(&run->g);
}

/* --- Runs. --- */

static void
run_begin(struct run *run, uint64_t salt)
{
	memset(run, 0, sizeof(*run));
	duel_init(&run->duel, "");
	/* Every packet is classified by each form of the compiled engine. */
	run->n_wanted = random_amount(RANDOM_CLASSIFICATIONS / 2);
	run->g.random.state = run->duel.seed + salt;
	run->metas = must(aligned_alloc(SL_CACHE_LINE, SL_BATCH_MAX * sizeof(*run->metas)));
}

static void
run_end(struct run *run)
{
	uint32_t n_layers = 0;

	for (uint32_t id = 0; id < SLUICE_LAYER_COUNT; id++)
		n_layers += run->visited[id];
	print_message("%llu packets, %llu classifications, %llu matches; %u policies at %u layers; "
		      "seed %llu\n",
		(unsigned long long)run->duel.n_packets, (unsigned long long)run->duel.n_runs,
		(unsigned long long)run->duel.n_matches, run->n_policies, n_layers,
		(unsigned long long)run->duel.seed);
	duel_fini(&run->duel);
	free(run->metas);
	free(run);
}

/* Few big policies: the reference takes its time with them. */
static void
test_big_policies(void **state)
{
	struct run *run = must(malloc(sizeof(*run)));
	uint64_t left;

	(void)state;
	run_begin(run, 1);
	left = random_amount(24);
	for (uint32_t i = 0; i < n_shapes && left > 0; i++) {
		if (shapes[i].n_max < 20000)
			continue;
		run_policy(
			run, &shapes[i], generator_layer(random_below(&run->g.random, 64)), 20000);
		left--;
	}
	run_end(run);
}

/* Every shape at every layer, then shapes, layers and sizes as they come. */
static void
test_engines_agree(void **state)
{
	struct run *run = must(malloc(sizeof(*run)));
	const uint32_t n_layers = generator_n_layers();

	(void)state;
	run_begin(run, 0);
	for (uint32_t i = 0; run->duel.n_packets < run->n_wanted; i++) {
		const struct shape *shape = i / n_layers < n_shapes ? &shapes[i / n_layers]
								    : shape_draw(&run->g.random);
		const uint32_t n = policy_size(&run->g.random);

		run_policy(run, shape, generator_layer(i), SL_MIN(n, shape->n_max));
	}
	run_end(run);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_big_policies),
		cmocka_unit_test(test_engines_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
